"""Replay: one item with 300,000 movements from its start. Prints CPU seconds."""

from __future__ import annotations

import time

from tieout.model.event import EventLine
from tieout.model.policy import PolicyBook
from tieout.valuation import Change, MemoryHistory, Valuer, advance

MOVEMENTS = 300_000
MINUTE = 60_000_000


def line(number: int, receipt: bool, at: int) -> EventLine:
    kind = "purchase.received" if receipt else "order.fulfilled"
    phase = 20 if receipt else 60
    amount = 30_000 + number % 997 if receipt else None
    quantity = 10_000_000 if receipt else 1_000_000
    return EventLine(f"{number:032x}", "", kind, at, phase, item="A", quantity=quantity, location="M", amount=amount)


def fresh(lines: list[EventLine]) -> tuple[Valuer, MemoryHistory]:
    from tieout import Item

    valuer = Valuer(PolicyBook.of(), lambda sku: Item(sku=sku), "USD", "UTC")
    history = MemoryHistory(valuer.touches)
    history.add(lines)
    return valuer, history


def replayed() -> float:
    lines = [line(n, n % 10 == 0, n * MINUTE) for n in range(MOVEMENTS)]
    valuer, history = fresh(lines)
    before = time.process_time()
    count = sum(1 for _ in advance(valuer, history, [Change(x) for x in lines]))
    assert count == MOVEMENTS
    return time.process_time() - before


if __name__ == "__main__":
    print(f"{replayed():.3f}")
