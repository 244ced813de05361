"""What every report is: rows of raw values under typed columns, and everything that proves them.

A value is text, a day, or an integer: minor units of the currency, millionths of a unit, or a plain count. Text, CSV, JSON
and XLSX are made from the same rows (`formats.py`), so they can never disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, NamedTuple

from tieout.model.money import from_minor
from tieout.model.quantity import from_scaled

Kind = Literal["text", "day", "count", "quantity", "money", "unit", "share"]
Value = str | int | date | None


class Column(NamedTuple):
    """A column: `unit` values come as decimal text (a unit cost), `share` values as basis points."""

    name: str
    kind: Kind = "text"


class Check(NamedTuple):
    """A control total: what the rows say and what an independent count says, in minor units."""

    what: str
    found: int
    wanted: int

    @property
    def ok(self) -> bool:
        return self.found == self.wanted


@dataclass(frozen=True)
class Report:
    """An answer. `as_of` is the last posting day it covers; `as_known` None: everything that has landed."""

    name: str
    title: str
    company: str
    currency: str
    as_of: date
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    query: str
    policy: str
    as_known: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    checks: Sequence[Check] = ()
    notes: Sequence[str] = ()

    def totals(self) -> dict[str, str]:
        """Sums of the columns of money and quantity, as decimal text."""
        out = {}
        for n, column in enumerate(self.columns):
            if column.kind in ("money", "quantity"):
                out[column.name] = self.shown(column, sum(row[n] or 0 for row in self.rows))  # type: ignore[misc]
        return out

    def shown(self, column: Column, value: Value) -> str:
        """A value as exact text; '' for none."""
        if value is None:
            return ""
        if isinstance(value, int):
            if column.kind == "money":
                return from_minor(value, self.currency)
            if column.kind == "quantity":
                return from_scaled(value)
            if column.kind == "share":
                sign = "-" if value < 0 else ""
                return f"{sign}{abs(value) // 100}.{abs(value) % 100:02d}"
        return value.isoformat() if isinstance(value, date) else str(value)

    def about(self) -> dict[str, Any]:
        """Everything that proves the rows, as JSON-ready data."""
        return {
            "report": self.name,
            "title": self.title,
            "company": self.company,
            "currency": self.currency,
            "as_of": self.as_of.isoformat(),
            "as_known": self.as_known,
            "parameters": dict(self.parameters),
            "policy": self.policy,
            "count": len(self.rows),
            "totals": self.totals(),
            "checks": [
                {
                    "what": check.what,
                    "found": from_minor(check.found, self.currency),
                    "wanted": from_minor(check.wanted, self.currency),
                    "ok": check.ok,
                }
                for check in self.checks
            ],
            "notes": list(self.notes),
            "query": self.query,
        }

    def as_dict(self) -> dict[str, Any]:
        """The whole report: money, quantities and shares as exact decimal text."""
        rows = [
            {
                column.name: None if value is None else value if column.kind == "count" else self.shown(column, value)
                for column, value in zip(self.columns, row, strict=True)
            }
            for row in self.rows
        ]
        return {**self.about(), "columns": [column.name for column in self.columns], "rows": rows}
