"""Tie 3: outbox = ledger documents. Ours that are missing, edited, doubled; theirs on our control accounts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from tieout.model.journal import DocumentLine, LedgerEntry
from tieout.posting.compare import differences, per_account
from tieout.posting.reference import PREFIX, parse
from tieout.reconcile.result import DOUBLED, EDITED, FOREIGN, MISSING, UNKNOWN_MARKER, Detail
from tieout.store import outbox

_EXPECTED = (outbox.POSTED, outbox.CONFIRMED)


class Documents(NamedTuple):
    """`details` have an account where they touch a control account; their amounts are what each adds to subledger minus
    ledger. `present`: references of ours that the ledger holds. `exact`: entries held exactly as sent."""

    details: list[Detail]
    present: set[str]
    exact: list[int]
    foreign: list[LedgerEntry]


def compare_documents(ours: Mapping[str, Any], theirs: Iterable[LedgerEntry], control: Collection[str]) -> Documents:
    """`ours`: outbox rows by reference, as of the day of the tie-out; `theirs`: every entry on our accounts until then."""
    details: list[Detail] = []
    present: set[str] = set()
    exact: list[int] = []
    foreign: list[LedgerEntry] = []
    for entry in theirs:
        row = ours.get(entry.reference) if entry.reference else None
        if row is None:
            if entry.reference.startswith(PREFIX):
                what = f"{entry.reference} of {entry.day} was not issued by this database"
                details += _lines(UNKNOWN_MARKER, what, entry.ledger_id, entry.lines, control, sign=-1)
            else:
                foreign.append(entry)
        elif entry.reference in present:
            what = f"{entry.reference} of {entry.day} is there a second time"
            details += _lines(DOUBLED, what, entry.ledger_id, entry.lines, control, sign=-1, number=row.id)
        else:
            present.add(entry.reference)
            details += _changed(row, entry, control)
            if row.state in _EXPECTED and not differences(parse(row.document), entry.day, entry.lines):
                exact.append(row.id)
    for reference, row in ours.items():
        if row.state in _EXPECTED and reference not in present:
            what = f"{reference} of {row.day} was acknowledged as {row.ledger_id} and is not there any more"
            details += _lines(
                MISSING, what, row.ledger_id or "", parse(row.document).lines, control, sign=1, number=row.id
            )
    return Documents(details, present, exact, foreign)


def _changed(row: Any, entry: LedgerEntry, control: Collection[str]) -> list[Detail]:
    document = parse(row.document)
    wrong = differences(document, entry.day, entry.lines)
    if not wrong:
        return []
    what = f"{row.reference}: {'; '.join(wrong)}"
    gaps = per_account(document.lines)
    gaps.subtract(per_account(entry.lines))
    out = [
        Detail(EDITED, what, gap, document=entry.ledger_id, account=account, entry=row.id)
        for account, gap in sorted(gaps.items())
        if gap and account in control
    ]
    return out or [Detail(EDITED, what, document=entry.ledger_id, entry=row.id)]


def foreign_details(entries: Iterable[LedgerEntry], control: Collection[str]) -> list[Detail]:
    """Entries that are not ours, on control accounts only: elsewhere other people's entries belong."""
    out: list[Detail] = []
    for entry in entries:
        by = f" by {entry.author}" if entry.author else ""
        what = f"{entry.narration or 'no description'}, {entry.day}{by}"
        if any(line.account in control for line in entry.lines):
            out += _lines(FOREIGN, what, entry.ledger_id, entry.lines, control, sign=-1)
    return out


def _lines(
    cause: str,
    what: str,
    document: str,
    lines: Iterable[DocumentLine],
    control: Collection[str],
    *,
    sign: int,
    number: int | None = None,
) -> list[Detail]:
    out = [
        Detail(cause, what, sign * amount, document=document, account=account, entry=number)
        for account, amount in sorted(per_account(lines).items())
        if amount and account in control
    ]
    return out or [Detail(cause, what, document=document, entry=number)]
