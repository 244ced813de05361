"""Exceptions of entries on their way: one open row per entry, closed when it gets there."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

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
    query = sa.select(exception.c.id).where(
        exception.c.company == company,
        exception.c.stage == STAGE,
        exception.c.subject == f"entry {row.id}",
        exception.c.state == "open",
    )
    close_numbers(tx, list(tx.connection.scalars(query)), why)
