"""What holds for the money side of any history: arrival order, voids, and open items that explain the clearing roles."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.settlement.books import event, run, stock, totals, unit
from tests.settlement.histories import histories
from tests.valuation.test_books_do_not_depend_on_arrival import Memory, small_blocks

from tieout.model.event import Event

TRIGGERS = st.sampled_from(["shipment", "invoice", "delivery", "payout_summary", "external"])


def told(events: list[Event]) -> str:
    return "\n".join(event.model_dump_json(exclude_defaults=True) for event in events)


@given(st.data(), histories(), TRIGGERS)
def test_any_order_of_arrival_gives_the_same_money(data: Any, events: list[Event], trigger: str) -> None:
    note(told(events))
    policy = {"revenue_trigger": trigger}
    memory = Memory(policy, "EUR")
    waiting = data.draw(st.permutations(events))
    while waiting:
        size = data.draw(st.integers(1, 2))
        batch, waiting = waiting[:size], waiting[size:]
        with small_blocks():
            memory.deliver(batch)
    assert memory.books() == memory.from_nothing()


@given(st.data(), histories(), TRIGGERS)
def test_an_event_and_its_void_leave_what_was_there_before(data: Any, events: list[Event], trigger: str) -> None:
    note(told(events))
    gone = data.draw(st.sampled_from(events))
    kept = [event for event in events if event.id != gone.id]
    taken_back = gone.model_copy(update={"revision": 9, "void": True})
    with_it = run(*events, taken_back, trigger=trigger, currency="EUR")
    without = run(*kept, trigger=trigger, currency="EUR")
    assert totals(with_it) == totals(without)
    memory = Memory({"revenue_trigger": trigger}, "EUR")
    memory.deliver(events)
    memory.deliver([taken_back])
    assert memory.books() == memory.from_nothing()


@given(histories(foreign=False, only_orders=True))
def test_the_clearing_account_is_what_was_captured_and_not_given_back(events: list[Event]) -> None:
    """Invariant 13 for `payment_clearing`: worked out from what the documents say, not from what was booked."""
    note(told(events))
    answer = run(*events, currency="EUR")
    refused = {refusal.line.event_id for refusal in answer.refused}
    gone = {event.id for event in events if event.void}
    signs = Counter({"order.paid": 1, "refund.issued": -1, "order.cancelled": -1})
    captured = sum(
        int(event.tenders.get("card", 0) * 100) * signs[event.type]
        for event in events
        if event.tenders and event.id not in refused | gone
    )
    assert totals(answer).get("payment_clearing", 0) == captured


@given(histories(foreign=False, only_orders=True))
@settings(max_examples=60)
def test_every_flow_is_positive_and_of_a_known_role(events: list[Event]) -> None:
    from tieout.model.roles import ROLES

    answer = run(*events, currency="EUR")
    for movement in answer.movements:
        for flow in movement.flows:
            assert {flow.debit, flow.credit} <= set(ROLES)
            assert flow.amount >= 0 or flow.affected is not None
    assert sum(totals(answer).values()) == 0


def test_a_payment_that_arrives_late_changes_how_the_sale_was_paid() -> None:
    memory = Memory({"revenue_trigger": "shipment"}, "USD")
    memory.deliver([stock()])
    memory.deliver([event("ships", "order.fulfilled", "2026-01-03", unit(amount="100.00"), ref={"document": "O-1"})])
    assert memory.books() == memory.from_nothing()
    memory.deliver([event("paid", "order.paid", "2026-01-02", document="O-1", tenders={"card": "30.00"})])
    assert memory.books() == memory.from_nothing()
    assert {flow.debit for flow in memory.flows["ships", ""] if flow.amount} == {"customer_deposits", "ar"}


def test_a_bill_that_is_edited_changes_what_its_payment_realised() -> None:
    usd = {"currency": "USD"}
    line = {"item": "A", "quantity": "10", "unit_price": "10.00", "ref": "receipt"}
    memory = Memory({}, "EUR")
    memory.deliver(
        [
            event(
                "receipt", "purchase.received", "2026-01-05", unit(quantity="10", unit_price="10"), rate="0.9", **usd
            ),
            event("bill", "purchase.billed", "2026-01-20", line, rate="0.92", **usd),
            event("paid", "purchase.paid", "2026-02-10", amount="100", rate="0.93", ref={"event": "bill"}, **usd),
        ]
    )
    memory.deliver([event("bill", "purchase.billed", "2026-01-20", line, rate="0.95", revision=1, **usd)])
    assert memory.books() == memory.from_nothing()
    (gain,) = [flow for flow in memory.flows["paid", ""] if "fx_gain_loss" in (flow.debit, flow.credit)]
    assert (gain.credit, gain.amount) == ("fx_gain_loss", 200)
