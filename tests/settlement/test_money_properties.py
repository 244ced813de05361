"""What holds for the money side of any history: arrival order, voids, and open items that explain the clearing roles."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.settlement.books import run, totals
from tests.settlement.histories import histories
from tests.valuation.test_books_do_not_depend_on_arrival import Memory, small_blocks

from tieout.model.event import Event

TRIGGERS = st.sampled_from(["shipment", "invoice", "delivery", "external"])


def told(events: list[Event]) -> str:
    return "\n".join(event.model_dump_json(exclude_defaults=True) for event in events)


@given(st.data(), histories(), TRIGGERS)
def test_any_order_of_arrival_gives_the_same_money(data: Any, events: list[Event], trigger: str) -> None:
    note(told(events))
    policy = {"revenue_trigger": trigger}
    memory = Memory(policy, "EUR")
    waiting = data.draw(st.permutations(events))
    while waiting:
        size = data.draw(st.integers(1, len(waiting)))
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
        if event.tenders and event.id not in refused | gone and _counts(event, events, refused | gone)
    )
    assert totals(answer).get("payment_clearing", 0) == captured


def _counts(event: Event, events: list[Event], out: set[str]) -> bool:
    del events, out
    return event.type in ("order.paid", "refund.issued", "order.cancelled")


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
