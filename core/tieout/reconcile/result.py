"""What a tie-out found: tables side by side, and every difference with its cause."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

from tieout.model.money import from_minor
from tieout.model.quantity import from_scaled

# Causes, in the words of the report. Only the last leaves a tie-out open.
NOT_SEALED = "day not complete"
PENDING = "waiting to be sent"
IN_FLIGHT = "sent, outcome unknown"
PROPOSED = "waiting for approval"
REFUSED = "refused by the ledger"
PARKED = "parked"
HELD = "held exception"
TIMING = "movement after the stock report"
FOREIGN = "foreign entry"
EDITED = "document edited in the ledger"
MISSING = "document gone from the ledger"
DOUBLED = "document twice in the ledger"
UNKNOWN_MARKER = "our marker on an unknown document"
OPENING = "opening balance carried in the ledger"
UNMAPPED = "unmapped in the source's report"
UNEXPLAINED = "unexplained"


class Detail(msgspec.Struct, frozen=True):
    """One difference. `amount` in minor units is what it adds to subledger minus ledger; `quantity` in millionths is
    what it adds to source minus subledger."""

    cause: str
    what: str
    amount: int = 0
    quantity: int = 0
    document: str = ""
    item: str = ""
    location: str = ""
    account: str = ""
    entry: int | None = None


class AccountRow(msgspec.Struct, frozen=True):
    """A control account in minor units, debit positive: value of the layers, sum of the journal, ledger's own balance.

    `subledger` and `ledger` are None where they were not given."""

    account: str
    role: str
    subledger: int | None
    journal: int
    ledger: int | None

    @property
    def difference(self) -> int:
        """Subledger side minus ledger side."""
        return self.journal - self.ledger if self.ledger is not None else 0


class LocationRow(msgspec.Struct, frozen=True):
    """Units at a location, summed over items, in millionths. `source` is None where no source reports the place."""

    location: str
    source: int | None
    subledger: int
    items_differing: int

    @property
    def difference(self) -> int:
        return self.source - self.subledger if self.source is not None else 0


class Result(msgspec.Struct, frozen=True):
    """A tie-out of one company as of a day. `confirmed`: entries the ledger was seen to hold exactly as sent."""

    company: str
    currency: str
    as_of: date
    accounts: tuple[AccountRow, ...]
    locations: tuple[LocationRow, ...]
    details: tuple[Detail, ...]
    confirmed: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def unexplained(self) -> int:
        """Sum of the absolute unexplained amounts, in minor units."""
        return sum(abs(detail.amount) for detail in self.details if detail.cause == UNEXPLAINED)

    @property
    def tied_out(self) -> bool:
        """True when every difference of money and of quantity has a name."""
        return not any(detail.cause == UNEXPLAINED for detail in self.details)

    def differences(self) -> list[tuple[str, int, int, int]]:
        """(cause, how many, amount, quantity), the largest amount first, what is unexplained before everything."""
        sums: dict[str, tuple[int, int, int]] = {}
        for detail in self.details:
            count, amount, quantity = sums.get(detail.cause, (0, 0, 0))
            sums[detail.cause] = (count + 1, amount + detail.amount, quantity + detail.quantity)
        rows = [(cause, *values) for cause, values in sums.items()]
        return sorted(rows, key=lambda row: (row[0] != UNEXPLAINED, -abs(row[2]), -abs(row[3]), row[0]))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: money and quantities as exact decimal text."""

        def money(minor: int | None) -> str | None:
            return None if minor is None else from_minor(minor, self.currency)

        return {
            "company": self.company,
            "currency": self.currency,
            "as_of": self.as_of.isoformat(),
            "tied_out": self.tied_out,
            "unexplained": money(self.unexplained),
            "accounts": [
                {
                    "account": row.account,
                    "role": row.role,
                    "subledger": money(row.subledger),
                    "journal": money(row.journal),
                    "ledger": money(row.ledger),
                    "difference": money(row.difference),
                }
                for row in self.accounts
            ],
            "locations": [
                {
                    "location": row.location,
                    "source": None if row.source is None else from_scaled(row.source),
                    "subledger": from_scaled(row.subledger),
                    "difference": from_scaled(row.difference),
                    "items_differing": row.items_differing,
                }
                for row in self.locations
            ],
            "differences": [
                {"cause": cause, "count": count, "amount": money(amount), "quantity": from_scaled(quantity)}
                for cause, count, amount, quantity in self.differences()
            ],
            "details": [_detail(detail, self.currency) for detail in self.details],
            "notes": list(self.notes),
        }


def _detail(detail: Detail, currency: str) -> dict[str, Any]:
    out: dict[str, Any] = {
        "cause": detail.cause,
        "what": detail.what,
        "amount": from_minor(detail.amount, currency),
        "quantity": from_scaled(detail.quantity),
    }
    for name in ("document", "item", "location", "account", "entry"):
        value = getattr(detail, name)
        if value:
            out[name] = value
    return out


def in_order(details: Iterable[Detail]) -> tuple[Detail, ...]:
    """Unexplained first, then by amount and quantity, then by name: the same order every time."""
    return tuple(
        sorted(
            details,
            key=lambda d: (
                d.cause != UNEXPLAINED,
                -abs(d.amount),
                -abs(d.quantity),
                d.cause,
                d.account,
                d.item,
                d.location,
                d.document,
                d.entry or 0,
            ),
        )
    )
