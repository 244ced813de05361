"""Roll-forward of stock: opening + in - out ± corrections = closing, on the control accounts, by posting date.

A correction is a line that restates an earlier movement or corrects what was posted, or belongs to an earlier period.
Summed by any of item, category, location, account and role.
"""

from __future__ import annotations

from collections.abc import Callable

from tieout.model.journal import Leg
from tieout.model.roles import CONTROL_ROLES
from tieout.reports.question import Question
from tieout.reports.report import Check, Column, Report, Value
from tieout.store.statements import ROLL_FORWARD

OPENING, IN, OUT, CORRECTED = range(4)
KEYS = ("item", "category", "location", "account", "role")
_AMOUNTS = ("opening", "in", "out", "corrections", "closing")


def roll_forward(question: Question) -> Report:
    """Parameter `by`: keys with commas (default: item). `in` and `out` are positive numbers."""
    keys = question.keys(KEYS, "item")
    found = question.ask(ROLL_FORWARD, CONTROL_ROLES)
    legs = question.legs({row.leg for row in found})
    word = question.words({row.item for row in found})
    category = question.desk.category
    of: dict[str, Callable[[str, Leg], str]] = {
        "item": lambda item, leg: item,
        "category": lambda item, leg: category(item),
        "location": lambda item, leg: leg.location,
        "account": lambda item, leg: leg.account,
        "role": lambda item, leg: leg.role,
    }
    sums: dict[tuple[str, ...], list[int]] = {}
    for row in found:
        item, leg = word[row.item] if row.item else "", legs[row.leg]
        cells = sums.setdefault(tuple(of[key](item, leg) for key in keys), [0] * 8)
        cells[row.part] += int(row.amount)
        cells[4 + row.part] += int(row.quantity)
    rows = [row for key in sorted(sums) if (row := _row(key, sums[key])) is not None]
    first = len(keys) + len(_AMOUNTS)
    columns = [*map(Column, keys), *(Column(f"{name}_quantity", "quantity") for name in _AMOUNTS)]
    columns += [Column(name, "money") for name in _AMOUNTS]
    closing = sum(row[first + 4] for row in rows)  # type: ignore[misc]
    opening = sum(row[first] for row in rows)  # type: ignore[misc]
    checks = [
        Check("opening = control accounts the day before", opening, question.balance(CONTROL_ROLES, before=True)),
        Check("closing = control accounts", closing, question.balance(CONTROL_ROLES)),
    ]
    return question.report("roll-forward", "Roll-forward of stock", columns, rows, checks=checks)


def _row(key: tuple[str, ...], cells: list[int]) -> tuple[Value, ...] | None:
    amounts, quantities = cells[:4], cells[4:]
    if not any(cells):
        return None
    return (*key, *_rolled(quantities), *_rolled(amounts))


def _rolled(parts: list[int]) -> tuple[int, ...]:
    return (parts[OPENING], parts[IN], -parts[OUT], parts[CORRECTED], sum(parts))
