"""The laws of the books over histories of every kind of stock event: arrival does not matter, nothing is lost, what is taken
back leaves no trace."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st
from tests.valuation.golden import books
from tests.valuation.histories import History, arrivals, tell
from tests.valuation.test_books_do_not_depend_on_arrival import Memory, small_blocks
from tests.valuation.wide_histories import wide_histories

from tieout.model.roles import CONTROL_ROLES, ROLES
from tieout.valuation import MEMO_ROWS, Valuation, value

GAPS = frozenset({"STD-01", "STD-11", "TRF-08"})  # what a pool at standard cost does not take, either way
METHODS = ("fifo", "weighted_average", "standard", "lifo")
HELD = frozenset(CONTROL_ROLES) - {
    "inventory_allowance",
    "return_asset",
    "shipped_not_invoiced",
    "inventory_transit_out",
}


@st.composite
def cases(draw: Any, /, **how: Any) -> tuple[History, dict[str, str]]:
    method, scope = draw(st.sampled_from(METHODS)), draw(st.sampled_from(["entity", "location"]))
    framework = "us_gaap" if method == "lifo" else draw(st.sampled_from(["ifrs", "us_gaap"]))
    pending = draw(st.sampled_from(["direct", "direct", "pending"]))
    accrual = draw(st.sampled_from(["grni", "grni", "at_bill"]))
    policy = {"cost_method": method, "cost_scope": scope, "framework": framework}
    policy |= {"receipt_confirmation": pending, "receipt_accrual": accrual}
    history = draw(wide_histories(method=method, **how))
    note(f"{policy} {tell(history)}")
    return history, policy


def answer(case: tuple[History, dict[str, str]], extra: list[Any] | None = None) -> Valuation:
    return value([*case[0].events, *(extra or [])], case[1], currency=case[0].currency)


@given(cases())
def test_control_accounts_are_what_is_held_by_role(case: tuple[History, dict[str, str]]) -> None:
    found = answer(case)
    held: Counter[str] = Counter()
    for holding in found.holdings:
        held[holding.role] += holding.value
    totals = {role: amount for role, amount in found.totals.items() if role in HELD}
    assert {r: a for r, a in held.items() if a} == totals
    assert found.totals.get("inventory_allowance", 0) <= 0 or not found.holdings
    if not any(holding.quantity for holding in found.holdings):
        assert found.totals.get("inventory_allowance", 0) == 0


@given(cases())
def test_no_units_no_value_and_no_layer_below_zero(case: tuple[History, dict[str, str]]) -> None:
    for holding in answer(case).holdings:
        assert holding.quantity or not holding.value, holding
        if case[1]["cost_method"] != "standard":
            for layer in holding.layers:
                assert layer.quantity > 0 and layer.value >= 0, holding
                assert sum(layer.components.values()) == layer.value


@given(cases())
def test_every_event_balances_and_own_lines_are_not_negative(case: tuple[History, dict[str, str]]) -> None:
    for movement in answer(case).movements:
        for flow in movement.flows:
            assert flow.debit in ROLES and flow.credit in ROLES
            assert flow.amount >= 0 or flow.affected is not None or flow.row in GAPS, (movement.line, flow)


@given(st.data(), cases())
def test_any_arrival_gives_the_same_books(data: st.DataObject, case: tuple[History, dict[str, str]]) -> None:
    history, policy = case
    in_order = books(history.events, policy, history.currency)
    for _ in range(4):
        assert books(data.draw(arrivals(history.events)), policy, history.currency) == in_order


@given(st.data(), cases(revisions_max=1))
def test_valuing_event_by_event_as_they_arrive_equals_valuing_from_nothing(
    data: st.DataObject, case: tuple[History, dict[str, str]]
) -> None:
    history, policy = case
    memory = Memory(policy, history.currency)
    with small_blocks():
        for event in data.draw(arrivals(history.events, duplicates_max=2)):
            memory.deliver([event])
    assert memory.books() == memory.from_nothing()


@given(st.data(), cases(revisions_max=0))
def test_an_event_taken_back_leaves_everything_as_it_was(
    data: st.DataObject, case: tuple[History, dict[str, str]]
) -> None:
    history, policy = case
    gone = data.draw(st.sampled_from(history.events))
    without = [event for event in history.events if event.id != gone.id]
    void = gone.model_copy(update={"revision": 9, "void": True})
    assert books([*history.events, void], policy, history.currency) == books(without, policy, history.currency)


@given(cases(revisions_max=0))
def test_what_is_refused_posts_nothing(case: tuple[History, dict[str, str]]) -> None:
    found = answer(case)
    refused = {(refusal.line.event_id, refusal.line.line_id) for refusal in found.refused}
    for movement in found.movements:
        own = (movement.line.event_id, movement.line.line_id)
        assert own not in refused or not movement.flows
        assert all(flow.row in MEMO_ROWS or flow.row[:3].isupper() for flow in movement.flows)
