"""The invariants of matrix §22 after every delivery, over histories of every kind of event at once: stock of all sorts,
kits and production, orders, purchases, payouts, under every method, in any order of arrival, twice and with late edits.

| no. | here | no. | elsewhere |
|---|---|---|---|
| 1-5, 7, 12, 13, 16, 17 | below, after every step | 8, 9, 10 | test_invariants.py, for one kind of history at a time |
| 6 | at the end of every history | 11 | tests/posting/test_entries.py, SAL-20 |
| | | 14 | test_groups.py |
| | | 15 | tests/posting/test_posting_dates.py, tests/operations |
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.settlement.histories import histories as of_money
from tests.valuation.histories import tell
from tests.valuation.made_histories import FACTS
from tests.valuation.made_histories import history as of_kits
from tests.valuation.test_books_do_not_depend_on_arrival import Line, small_blocks, summary
from tests.valuation.test_kits_and_production import Made, item
from tests.valuation.wide_histories import wide_histories

from tieout.model.event import Event, order_key
from tieout.model.roles import CONTROL_ROLES, ROLES
from tieout.valuation import MEMO_ROWS, Holding, Valuation, value
from tieout.valuation.result import holdings_of

METHODS = ("fifo", "weighted_average", "standard", "lifo")
NOT_HELD = frozenset({"inventory_allowance", "return_asset", "shipped_not_invoiced", "inventory_transit_out"})


@st.composite
def everything(draw: Any, most: int = 8) -> tuple[list[Event], dict[str, str]]:
    """Events of every kind on the same items, and a policy."""
    method = draw(st.sampled_from(METHODS))
    policy = {
        "cost_method": method,
        "cost_scope": draw(st.sampled_from(["entity", "location"])),
        "framework": "us_gaap" if method == "lifo" else "ifrs",
        "revenue_trigger": draw(st.sampled_from(["external", "external", "shipment", "payout_summary"])),
        "cogs_trigger": draw(st.sampled_from(["shipment", "shipment", "invoice", "payout_summary"])),
        "settlement_discount": draw(st.sampled_from(["cost_of_sales", "follow_units"])),
    }
    wide = draw(wide_histories(method=method, steps_max=most, currencies=("USD",)))
    money = draw(of_money(foreign=False, first=1000, most=most))
    made = of_kits(draw(st.integers(0, 2**32)), length=4 + most)
    note(f"{policy} {tell(wide)}")
    return [*wide.events, *money, *made], policy


class Books(Made):
    """What a store knows of such a history."""

    def answer(self) -> Valuation:
        return value(list(self.current.values()), self.policy, currency=self.currency, items=item, facts=FACTS)

    def from_nothing(self) -> Counter[Line]:
        return summary(flow for m in self.answer().movements for flow in m.flows)

    def holdings(self) -> dict[str, list[Holding]]:
        """By item, of the states at hand."""
        found, _ = holdings_of(self.valuer)
        return {sku: [h for h in found if h.item == sku] for sku, state in self.valuer.states.items() if state.last_key}


def bare(held: list[Holding]) -> list[Any]:
    """Holdings and layers without what a layer's value is made of: a state that was cut short may have let go of what an old
    sale took, and then counts its return's share of landed cost as material (docs/guarantees.md)."""
    return [
        replace(holding, layers=tuple(replace(layer, components={}) for layer in holding.layers)) for holding in held
    ]


def feed(events: list[Event], order: int) -> list[Event]:
    """Every event at least once, in any order, some twice, some first in an older wording that is edited later."""
    random = Random(order)
    told = list(events)
    revised = {event.id for event in events if event.revision}
    for event in events:
        if random.random() < 0.15:
            told.append(event)
        if random.random() < 0.15 and event.id not in revised:
            told.append(event.model_copy(update={"revision": 1}))
    random.shuffle(told)
    return told


class EveryEventAndMethod(RuleBasedStateMachine):
    @initialize(case=everything(), order=st.integers(0, 2**32))
    def begin(self, case: tuple[list[Event], dict[str, str]], order: int) -> None:
        self.events, policy = case
        self.waiting = feed(self.events, order)
        self.books = Books(policy, "USD")
        self.now = self.books.answer()

    def deliver(self, events: list[Event]) -> None:
        with small_blocks():
            self.books.deliver(events)
        self.now = self.books.answer()

    @precondition(lambda self: self.waiting)
    @rule(count=st.integers(1, 12))
    def some_arrive(self, count: int) -> None:
        arrived, self.waiting = self.waiting[:count], self.waiting[count:]
        self.deliver(arrived)

    @rule()
    def the_process_starts_again(self) -> None:
        self.books.restart()

    @invariant()
    def invariant_01_every_event_balances_and_names_known_roles(self) -> None:
        for movement in self.moved():
            assert all(flow.debit in ROLES and flow.credit in ROLES for flow in movement.flows)
        assert sum(self.now.totals.values() if self.started() else ()) == 0

    @invariant()
    def invariant_02_control_accounts_are_the_value_ledger(self) -> None:
        if not self.started():
            return
        held: Counter[str] = Counter()
        for holding in self.now.holdings:
            held[holding.role] += holding.value
        wanted = {r: a for r, a in self.now.totals.items() if r in CONTROL_ROLES and r not in NOT_HELD}
        assert {role: amount for role, amount in held.items() if amount} == wanted

    @invariant()
    def invariant_03_no_units_means_no_value(self) -> None:
        for holding in self.now.holdings if self.started() else ():
            assert holding.quantity or not holding.value or holding.role == "inventory_wip", holding

    @invariant()
    def invariant_04_no_layer_is_below_zero(self) -> None:
        for holding in self.now.holdings if self.started() else ():
            for layer in holding.layers if self.books.policy["cost_method"] != "standard" else ():
                assert layer.quantity >= 0 and layer.value >= 0, holding

    @invariant()
    def invariant_05_and_07_in_any_order_the_books_are_those_of_the_right_order(self) -> None:
        if self.started():
            assert self.books.books() == self.books.from_nothing()
            for sku, held in self.books.holdings().items():
                assert bare(held) == bare([holding for holding in self.now.holdings if holding.item == sku])

    @invariant()
    def invariant_12_components_add_up_to_their_layer(self) -> None:
        for holding in self.now.holdings if self.started() else ():
            assert all(sum(layer.components.values()) == layer.value for layer in holding.layers)

    @invariant()
    def invariant_16_every_flow_has_a_live_line_and_every_line_flows_or_a_reason(self) -> None:
        if self.started():
            live = {(x.event_id, x.line_id) for lines in self.books.by_event.values() for x in lines}
            assert {(m.line.event_id, m.line.line_id) for m in self.moved() if m.flows} <= live
            assert all(flow.row in MEMO_ROWS or flow.row[:2].isupper() for m in self.moved() for flow in m.flows)

    @invariant()
    def invariant_17_what_is_refused_posts_nothing(self) -> None:
        if self.started():
            refused = {(x.line.event_id, x.line.line_id) for x in self.now.refused}
            assert not [m for m in self.moved() if (m.line.event_id, m.line.line_id) in refused and m.flows]

    def started(self) -> bool:
        return hasattr(self, "now")

    def moved(self) -> Any:
        return self.now.movements if self.started() else ()

    def teardown(self) -> None:
        """Invariant 6: an event and its void leave everything as it was."""
        if not self.started():
            return
        self.deliver(self.waiting)
        before = self.now
        assert self.books.books() == self.books.from_nothing()
        last = max((order_key(x), x) for lines in self.books.by_event.values() for x in lines)[1]
        gone = self.books.current[last.event_id].model_copy(update={"id": "once-more"})
        self.deliver([gone])
        self.deliver([gone.model_copy(update={"revision": 7, "void": True})])
        assert (self.now.totals, self.now.holdings, self.now.on_hand) == (
            before.totals,
            before.holdings,
            before.on_hand,
        )
        assert self.books.books() == self.books.from_nothing()


TestEveryEventAndMethod = EveryEventAndMethod.TestCase
FEWER = max(10, settings().max_examples // 4)  # each of them is ten or more
TestEveryEventAndMethod.settings = settings(stateful_step_count=6, max_examples=FEWER)


@given(everything(), st.integers(0, 2**32))
@settings(max_examples=FEWER)
def test_ten_permutations_of_everything_end_in_the_same_books_layers_and_totals(
    case: tuple[list[Event], dict[str, str]], order: int
) -> None:
    events, policy = case
    found: list[tuple[Any, ...]] = []
    for n in range(10):
        books = Books(policy, "USD")
        told = feed(events, order + n)
        size = 1 + n % 5
        with small_blocks():
            for start in range(0, len(told), size):
                books.deliver(told[start : start + size])
        answer = books.answer()
        refused = {(x.line.event_id, x.line.line_id, x.error.code) for x in answer.refused}
        found.append((books.books(), answer.totals, answer.holdings, answer.on_hand, refused))
        for sku, held in books.holdings().items():
            assert bare(held) == bare([holding for holding in answer.holdings if holding.item == sku])
    assert all(one == other for one, other in itertools.pairwise(found))
