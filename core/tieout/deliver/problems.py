"""Exceptions of entries on their way: one open row per entry, closed when it gets there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tieout.errors import TieoutError
from tieout.posting import reference
from tieout.posting.compare import size
from tieout.store.exceptions import NewException, close_numbers, open_exceptions
from tieout.store.schema import exception
from tieout.store.tx import Tx

STAGE = "deliver"


def raise_for(tx: Tx, company: int, row: Any, error: TieoutError) -> None:
    """Open the exception of an entry, or bring it up to date."""
    problem = NewException(
        stage=STAGE,
        code=error.code,
        subject=f"entry {row.id}",
        message=error.message,
        fix=error.fix or "",
        amount=size(reference.parse(row.document)) if row.document else None,
        entry=row.id,
        data={"reference": row.reference, "day": str(row.day)},
    )
    open_exceptions(tx, company, [problem])


def close(tx: Tx, company: int, row: Any, why: str) -> None:
    """Close the exception of an entry, if one is open."""
    close_all(tx, company, [row.id], why)


def close_all(tx: Tx, company: int, entries: Iterable[int], why: str) -> None:
    """Close the exceptions of these entries that are open."""
    subjects = [f"entry {number}" for number in entries]
    found = tx.select_keys(exception, ("id",), "subject", subjects, company=company, stage=STAGE, state="open")
    close_numbers(tx, [row[0] for row in found], why)
