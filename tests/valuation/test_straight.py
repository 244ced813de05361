"""The straight way through is the same way: flows and states, byte for byte, with and without it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.valuation.test_books_do_not_depend_on_arrival import Memory, policy_for, small_blocks
from tests.valuation.test_wide_invariants import cases

from tieout import Item
from tieout.model.event import EventLine
from tieout.model.policy import PolicyBook
from tieout.valuation import MemoryHistory, Valuer, engine
from tieout.valuation.replay import Change, advance
from tieout.valuation.straight import shipped

UNIT = 1_000_000


def delivered(case: tuple[Any, dict[str, str]], parts: list[int], *, straight: bool) -> Memory:
    history, policy = case
    memory = Memory(policy, history.currency)
    memory.valuer.straight = straight
    events = list(history.events)
    with small_blocks():
        for size in parts:
            memory.deliver(events[:size])
            del events[:size]
        memory.deliver(events)
    return memory


@given(cases(), st.lists(st.integers(1, 6), max_size=4))
def test_with_and_without_the_straight_way_flows_and_states_are_equal(
    case: tuple[Any, dict[str, str]], parts: list[int]
) -> None:
    through, around = delivered(case, parts, straight=True), delivered(case, parts, straight=False)
    assert through.flows == around.flows
    assert through.refused == around.refused
    assert through.checkpoints == around.checkpoints
    states = {item: state.snapshot() for item, state in through.valuer.states.items()}
    assert states == {item: state.snapshot() for item, state in around.valuer.states.items()}


def line(number: int, q: int, price: int | None = None, **more: Any) -> EventLine:
    kind, phase = ("order.fulfilled", 60) if price is None else ("purchase.received", 20)
    return EventLine(
        f"{number:032x}",
        "",
        kind,
        number,
        phase,
        quantity=q * UNIT,
        amount=price,
        **({"item": "A", "location": "M"} | more),
    )


@st.composite
def traffic(draw: Any) -> list[EventLine]:
    """A busy item or two: many small shipments out of larger receipts, some back, some consigned, some short."""
    out: list[EventLine] = []
    shipments: list[EventLine] = []
    for number in range(1, draw(st.integers(4, 40))):
        kind = draw(st.sampled_from(["in", "out", "out", "out", "out", "out", "back"]))
        item, place = draw(st.sampled_from("AAB")), draw(st.sampled_from("MMN"))
        if kind == "in" or number < 3:
            made = line(number, draw(st.integers(10, 40)), draw(st.integers(1, 99_999)), item=item, location=place)
        elif kind == "back" and shipments:
            named = draw(st.sampled_from(shipments))
            made = line(number, 1, item=named.item, location=place, ref=f"e:{named.event_id}#")
            made.type, made.phase = "return.received", 40
        else:
            owner = draw(st.sampled_from(["", "", "", "", "V-1"]))
            made = line(number, draw(st.integers(1, 6)), item=item, location=place, owner=owner)
            shipments.append(made)
        out.append(made)
    return out


def valued(lines: list[EventLine], policy: dict[str, str], late: int, *, straight: bool) -> tuple[Any, Any]:
    valuer = Valuer(PolicyBook.of(**policy), lambda sku: Item(sku=sku, catalogue_cost="2"), "USD", "UTC")
    valuer.straight = straight
    history = MemoryHistory(valuer.touches)
    flows: dict[int, Any] = {}
    with small_blocks():
        for some in ([x for x in lines if x.at % late], [x for x in lines if not x.at % late]):
            history.add(some)
            for result in advance(valuer, history, [Change(each) for each in some]):
                flows[result.line.at] = result.flows, str(result.error)
    return flows, {item: state.snapshot() for item, state in valuer.states.items()}


@given(
    traffic(),
    st.sampled_from(["fifo", "weighted_average", "standard", "lifo", "specific"]),
    st.sampled_from(["entity", "location"]),
    st.sampled_from(["provisional", "block"]),
    st.sampled_from(["half_even", "half_up"]),
    st.sampled_from(["shipment", "invoice", "delivery"]),
    st.integers(2, 50),
)
def test_busy_items_are_valued_the_same(
    lines: list[EventLine], method: str, scope: str, short: str, rounding: str, trigger: str, late: int
) -> None:
    policy = policy_for(method, scope) | {"negative_stock": short, "rounding": rounding, "cogs_trigger": trigger}
    assert valued(lines, policy, late, straight=True) == valued(lines, policy, late, straight=False)


@pytest.mark.parametrize(
    ("method", "row"), [("fifo", "SAL-04"), ("weighted_average", "SAL-04"), ("standard", None), ("lifo", None)]
)
def test_plain_shipments_go_straight_and_others_do_not(
    method: str, row: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: Counter[str] = Counter()

    def counted(valuer: Valuer, each: EventLine) -> Any:
        flows = shipped(valuer, each)
        taken[flows[0].row if flows else "left"] += 1
        return flows

    monkeypatch.setattr(engine, "shipped", counted)
    valuer = Valuer(
        PolicyBook.of(**policy_for(method, "entity")), lambda sku: Item(sku=sku, catalogue_cost="1"), "USD", "UTC"
    )
    history = MemoryHistory(valuer.touches)
    lines = [line(1, 10, 999), line(2, 3), line(3, 5, 500), line(4, 2), line(5, 8), line(6, 9)]
    history.add(lines)
    results = list(advance(valuer, history, [Change(each) for each in lines]))
    assert not any(result.error for result in results)
    # 3 and 2 of the first ten go straight; 8 take two layers (an average has one), and 9 are not held
    straight = {"fifo": 2, "weighted_average": 3}.get(method, 0)
    assert taken == Counter({k: n for k, n in ((row, straight), ("left", 4 - straight)) if k and n})
