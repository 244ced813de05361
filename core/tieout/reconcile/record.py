"""What a tie-out leaves behind: confirmed entries, and an exception for each document that is not as it was sent."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tieout.reconcile.codes import CODES
from tieout.reconcile.result import DOUBLED, EDITED, MISSING, UNKNOWN_MARKER, Result
from tieout.store import outbox
from tieout.store.exceptions import NewException, close_numbers, open_exceptions
from tieout.store.schema import entry, exception
from tieout.store.tx import Tx

STAGE = "reconcile"
_CODE = {EDITED: "TO7101", MISSING: "TO7102", DOUBLED: "TO7103", UNKNOWN_MARKER: "TO7104"}
_ENTRIES_PER_UPDATE = 500


def record(tx: Tx, company: int, result: Result) -> list[int]:
    """Confirm what the ledger holds as sent, open an exception for each document that is missing, edited, doubled or
    unknown, and close those that are mended. Returns the numbers of the open ones. `company` is the store's id."""
    mark_confirmed(tx, result.confirmed)
    new: dict[str, NewException] = {}
    for detail in result.details:
        if detail.cause not in _CODE:
            continue
        code = _CODE[detail.cause]
        subject = f"{code} {detail.document or detail.entry}"
        known = new.get(subject)
        amount = (known.amount or 0) + detail.amount if known else detail.amount
        new[subject] = NewException(
            stage=STAGE,
            code=code,
            subject=subject,
            message=detail.what,
            fix=CODES[code][2],
            amount=amount,
            entry=detail.entry,
            data={"document": detail.document},
        )
    query = sa.select(exception.c.id, exception.c.subject).where(
        exception.c.company == company,
        exception.c.stage == STAGE,
        exception.c.code.in_(list(_CODE.values())),
        exception.c.state == "open",
    )
    mended = [row.id for row in tx.execute(query).all() if row.subject not in new]
    close_numbers(tx, mended, "the ledger holds what was sent again")
    return open_exceptions(tx, company, list(new.values()))


def mark_confirmed(tx: Tx, numbers: Sequence[int]) -> int:
    """Posted entries that were seen in the ledger exactly as sent become confirmed. Returns how many."""
    done = 0
    for start in range(0, len(numbers), _ENTRIES_PER_UPDATE):
        chunk = list(numbers[start : start + _ENTRIES_PER_UPDATE])
        where = entry.c.id.in_(chunk) & (entry.c.state == outbox.POSTED)
        done += tx.execute(entry.update().where(where).values(state=outbox.CONFIRMED)).rowcount
    return done
