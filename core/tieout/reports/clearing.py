"""GRNI and every clearing account line by line with age, and the cut-off between goods and documents (matrix §21)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from tieout.model.roles import ROLES
from tieout.reports.question import Question
from tieout.reports.report import Check, Column, Report, Value
from tieout.reports.threads import Open, Part, age_bucket, open_lines
from tieout.store.statements import CLEARING

EDGES: Final = (30, 60, 90, 180)
# Matrix §21: every role whose balance is explained line by line.
EXPLAINED: Final = frozenset(name for name, role in ROLES.items() if role.clearing) | {
    "inventory_inbound",
    "inventory_transit_out",
    "claims_receivable",
    "ic_receivable",
    "ic_payable",
}
CUT_OFF: Final = {
    "shipped_not_invoiced": "shipped, not invoiced",
    "grni": "received, not billed",
    "ginr": "billed, not received",
    "inventory_transit": "in transit between own places",
    "inventory_inbound": "in transit, ours",
    "inventory_transit_out": "in transit to customers",
}


def opened(question: Question, roles: Collection[str]) -> list[Open]:
    """The open lines of some roles at the end of the report's day."""
    found = question.ask(CLEARING, roles)
    legs = question.legs({row.leg for row in found})
    word = question.words({row.item for row in found})
    lines = question.lines({row.event for row in found})
    day_of = question.day_of
    parts = []
    for row in found:
        leg, line = legs[row.leg], lines[row.event]
        item = word[row.item] if row.item else ""
        amounts = (int(row.amount), int(row.quantity))
        parts.append(Part(line, leg.role, leg.account, item, leg.location, *amounts, day_of(line)))
    return open_lines(parts)


def clearing(question: Question) -> Report:
    """Parameter `role`: one role, or `all` (default)."""
    role = question.parameter("role", EXPLAINED | {"all"}, "all")
    roles = EXPLAINED if role == "all" else {role}
    lines = opened(question, roles)
    against = sum(line.against for line in lines)
    notes = [f"{against} lines stand on the wrong side of their account: nothing explains them"] if against else []
    title = "Clearing accounts line by line" if role == "all" else f"{role} line by line"
    return question.report(
        "clearing",
        title,
        _columns("role", "account"),
        [(line.role, line.account, *_row(question, line), "against" if line.against else "") for line in lines],
        checks=totals(question, lines, roles),
        notes=notes,
        ranged=False,
    )


def grni(question: Question) -> Report:
    """Goods received and not billed, receipt by receipt."""
    question.given["role"] = "grni"
    return clearing(question)


def cut_off(question: Question) -> Report:
    """What stands between goods and documents at the end of a day: by posting date, so as the ledger shows it."""
    lines = opened(question, CUT_OFF)
    return question.report(
        "cut-off",
        "Cut-off: goods without documents, documents without goods",
        _columns("what", "account"),
        [(CUT_OFF[x.role], x.account, *_row(question, x), "against" if x.against else "") for x in lines],
        checks=totals(question, lines, CUT_OFF),
        ranged=False,
    )


def totals(question: Question, lines: Sequence[Open], roles: Collection[str]) -> list[Check]:
    """Per role: balance = sum of its open lines."""
    out = []
    for role in sorted(roles):
        found = sum(line.amount for line in lines if line.role == role)
        wanted = question.balance({role})
        if found or wanted:
            out.append(Check(f"{role}: open lines = balance", found, wanted))
    return out


def _columns(*first: str) -> list[Column]:
    text = [Column(name) for name in (*first, "document", "party", "item", "location")]
    numbers = [Column("quantity", "quantity"), Column("amount", "money")]
    ages = [Column("since", "day"), Column("days", "count"), Column("age"), Column("event"), Column("side")]
    return [*text, *numbers, *ages]


def _row(question: Question, line: Open) -> tuple[Value, ...]:
    days = (question.through - line.since).days
    what = (line.document, line.party, line.item, line.location, line.quantity, line.amount)
    return (*what, line.since, days, age_bucket(days, EDGES), line.event)
