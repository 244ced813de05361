"""Sides into flows: debits and credits of one document are met one after the other, so nothing is left and nothing plugged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from tieout.model.event import EventLine
from tieout.model.journal import Flow


class Side(NamedTuple):
    """An amount on one side of a document. `line` is the line it belongs to (None: money, which belongs to none), `item`
    whose revenue it is where that is not the line's own item."""

    role: str
    amount: int
    line: EventLine | None = None
    row: str = ""
    item: str = ""


def pair(head: EventLine, row: str, debits: Iterable[Side], counter: Iterable[Side]) -> list[Flow]:
    """Flows between sides of equal sum, in order. A negative amount counts on the other side. Sides that belong to a line
    give that line its flows; money meets them. Unequal sums are a fault of the caller: AssertionError."""
    left = [side for side in debits if side.amount > 0]
    right = [side for side in counter if side.amount > 0]
    moved = [side for side in debits if side.amount < 0]
    left += [side._replace(amount=-side.amount) for side in counter if side.amount < 0]
    right += [side._replace(amount=-side.amount) for side in moved]
    assert sum(x.amount for x in left) == sum(x.amount for x in right), (head.event_id, left, right)
    out: list[Flow] = []
    i = j = 0
    owed = left[0].amount if left else 0
    due = right[0].amount if right else 0
    while i < len(left) and j < len(right):
        debit, credit = left[i], right[j]
        amount = min(owed, due)
        line = credit.line or debit.line or head
        item = credit.item or debit.item
        if debit.role != credit.role:
            out.append(
                Flow(
                    line,
                    debit.row or credit.row or row,
                    debit.role,
                    credit.role,
                    amount,
                    item=item,
                    credit_item=item,
                )
            )
        owed -= amount
        due -= amount
        if not owed:
            i += 1
            owed = left[i].amount if i < len(left) else 0
        if not due:
            j += 1
            due = right[j].amount if j < len(right) else 0
    return out


def simple(line: EventLine, row: str, debit: str, credit: str, amount: int) -> list[Flow]:
    """One amount from one role to another; negative: the other way round."""
    if not amount:
        return []
    if amount < 0:
        debit, credit, amount = credit, debit, -amount
    return [Flow(line, row, debit, credit, amount)]


def fit(parts: Sequence[Fraction], total: int) -> list[int]:
    """Exact signed amounts in minor units → integers that add up to `total`, which is near their sum: floors, and what is
    missing goes to the largest fractions, ties in order (largest remainder, matrix §20)."""
    if not parts:
        return []
    floors = [part.numerator // part.denominator for part in parts]
    missing = total - sum(floors)
    order = sorted(range(len(parts)), key=lambda n: (floors[n] - parts[n], n))
    each, rest = divmod(missing, len(parts))
    return [floor + each + (1 if place < rest else 0) for floor, place in zip(floors, _places(order), strict=True)]


def _places(order: Sequence[int]) -> list[int]:
    places = [0] * len(order)
    for place, n in enumerate(order):
        places[n] = place
    return places
