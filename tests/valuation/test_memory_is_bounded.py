"""What is held of the past is bounded over all items together, and costs do not depend on it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tieout import Item
from tieout.model.event import EventLine
from tieout.model.policy import PolicyBook
from tieout.valuation import Change, MemoryHistory, Result, Valuer, advance
from tieout.valuation.engine import MOVEMENTS_MIN
from tieout.valuation.state import BLOCK, MARKS

ITEMS, MOVEMENTS, PIECE, HELD_MAX = 40, 8_000, 250, 2_000
MINUTE = 60_000_000


def feed() -> list[EventLine]:
    """Receipts with their shipments of many items in turn, in order of time."""
    rng = random.Random(7)
    held = [0] * ITEMS
    out = []
    for number in range(MOVEMENTS):
        item, wanted = rng.randrange(ITEMS), rng.randint(1, 5)
        receipt = held[item] < wanted
        quantity = rng.randint(20, 40) if receipt else wanted
        held[item] += quantity if receipt else -quantity
        out.append(
            EventLine(
                f"{number:032x}",
                "",
                "purchase.received" if receipt else "order.fulfilled",
                number * MINUTE,
                20 if receipt else 60,
                item=f"SKU-{item:02d}",
                quantity=quantity * 1_000_000,
                location="MAIN",
                amount=quantity * rng.randint(100, 9_999) if receipt else None,
            )
        )
    return out


def bill(of: EventLine, number: int, at: int) -> EventLine:
    amount = (of.amount or 0) + 100
    return EventLine(
        f"{number:032x}", "", "purchase.billed", at, 90, item=of.item, quantity=of.quantity, amount=amount,
        ref=f"e:{of.event_id}#",
    )  # fmt: skip


def valued(
    lines: Sequence[EventLine], late: Sequence[EventLine], held_max: int, check: Callable[[Valuer], None]
) -> list[Result]:
    valuer = Valuer(PolicyBook.of(), lambda sku: Item(sku=sku), "USD", "UTC", movements_max=held_max)
    history = MemoryHistory(valuer.touches)
    out = []
    for start in range(0, len(lines), PIECE):
        piece = lines[start : start + PIECE]
        history.add(piece)
        out += list(advance(valuer, history, [Change(line) for line in piece]))
        check(valuer)
    for line in late:
        history.add([line])
        out += list(advance(valuer, history, [Change(line)]))
        check(valuer)
    return out


def held(valuer: Valuer) -> int:
    return sum(len(state.moves) for state in valuer.states.values())


def test_movements_held_stay_within_the_bound_and_late_bills_still_find_their_receipts() -> None:
    lines = feed()
    receipts = [line for line in lines if line.amount is not None]
    late = [bill(each, 10**9 + n, MOVEMENTS * MINUTE + n) for n, each in enumerate(receipts[:: len(receipts) // 12])]
    seen: list[int] = []

    def bounded(valuer: Valuer) -> None:
        seen.append(held(valuer))
        assert seen[-1] <= HELD_MAX
        assert all(len(state.marks) <= 2 * len(state.moves) * MARKS // BLOCK + 2 for state in valuer.states.values())

    assert valued(lines, late, HELD_MAX, bounded) == valued(lines, late, 2**62, lambda valuer: None)
    assert max(seen) > HELD_MAX // 2  # what is at hand is used


def test_where_even_the_least_is_too_much_the_items_unused_for_longest_go_with_a_checkpoint() -> None:
    lines = feed()
    few = MOVEMENTS_MIN * ITEMS // 4

    def bounded(valuer: Valuer) -> None:
        assert held(valuer) <= few
        assert len(valuer.states) < ITEMS

    assert valued(lines[:1_500], [], few, bounded) == valued(lines[:1_500], [], 2**62, lambda valuer: None)
