"""What a person decides about a parked entry, checked against the ledger as far as the ledger can be asked.

posted as LEDGER_ID   it is there: must bear our reference and hold what was sent, where the ledger shows it
absent                it is not there: withdrawn by an act, and planned again with the same lineage as the next revision

Nothing here is a guess: a document the ledger shows under another id, or shows at all when it is said to be absent, is
refused with what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tieout.deliver import problems
from tieout.deliver.settings import Delivery
from tieout.errors import UsageError, VendorError
from tieout.model.journal import LedgerEntry, Receipt
from tieout.posting import reference
from tieout.posting.compare import differences
from tieout.store import outbox
from tieout.store.store import Store


class Seen(NamedTuple):
    """What the ledger shows: documents that bear the entry's reference, and all by id on its accounts since its day.
    `listed` None: the ledger could not be asked for them."""

    bearing: Sequence[LedgerEntry]
    listed: dict[str, LedgerEntry] | None


def look(delivery: Delivery, row: Any) -> Seen:
    """Ask the ledger for an entry. Raises VendorError when a look-up it offers cannot be made now."""
    known = delivery.capabilities.idempotency
    bearing: dict[str, LedgerEntry] = {}
    if known.lookup != "none":
        found = delivery.ledger.find(row.key if known.lookup == "by_key" else row.reference)
        if found is not None:
            bearing[found.ledger_id] = _as_entry(found)
    accounts = sorted({line.account for line in reference.parse(row.document).lines})
    try:
        listed = {each.ledger_id: each for each in delivery.ledger.entries(accounts, row.day)}
    except VendorError:
        return Seen(list(bearing.values()), None)
    bearing.update({number: each for number, each in listed.items() if each.reference == row.reference})
    return Seen(list(bearing.values()), {**listed, **bearing})


def _as_entry(receipt: Receipt) -> LedgerEntry:
    return LedgerEntry(receipt.ledger_id, receipt.day, receipt.reference, receipt.lines, receipt.revision)


def posted_as(store: Store, delivery: Delivery, number: int, ledger_id: str, *, actor: str, reason: str) -> bool:
    """A parked entry is in the ledger under this id. Returns whether the ledger shows it so; False: on the person's word
    alone, because the ledger could not be asked. TO6124 no such document, or another one; TO6125 it holds something else.
    """
    with store.read() as rx:
        row = outbox.parked(rx, delivery.company, number)
    seen = look(delivery, row)
    found = next((each for each in seen.bearing if each.ledger_id == ledger_id), None)
    if found is None and seen.bearing:
        there = ", ".join(each.ledger_id for each in seen.bearing)
        raise UsageError(
            f"the ledger holds {row.reference} as {there}, not as {ledger_id}",
            code="TO6124",
            fix=f"tieout entries decide {number} --posted-as {seen.bearing[0].ledger_id}",
        )
    if found is None and seen.listed is not None:
        found = seen.listed.get(ledger_id)
        if found is None:
            raise UsageError(
                f"the ledger shows no document {ledger_id} on the accounts of {row.reference} since {row.day}",
                code="TO6124",
                fix="compare the id with the ledger; if the document is not there, use --absent",
            )
    if found is not None:
        _same(row, found, number)
    now = delivery.clock()
    with store.write() as tx:
        row = outbox.parked(tx, delivery.company, number)
        outbox.mark_posted(tx, row, ledger_id, actor=actor, now=now, reason=reason, seen=found is not None)
        if found is not None:
            receipt = Receipt(ledger_id, found.reference, found.day, found.lines, found.revision)
            said = (row.id, ledger_id, found.revision, reference.encode(receipt).decode())
            outbox.acknowledge(tx, [said], at=now)
        problems.close(tx, delivery.company, row, f"{actor}: in the ledger as {ledger_id}: {reason}")
    return found is not None


def _same(row: Any, found: LedgerEntry, number: int) -> None:
    wrong = differences(reference.parse(row.document), found.day, found.lines)
    if found.reference != row.reference:
        wrong.insert(0, f"reference {found.reference or 'none'} instead of {row.reference}")
    if wrong:
        raise UsageError(
            f"document {found.ledger_id} of the ledger is not entry {number}: {'; '.join(wrong)}",
            code="TO6125",
            where=found.ledger_id,
            fix=f"correct it in the ledger, then decide again; or void it there and use --absent ({row.reference})",
        )


def absent(store: Store, delivery: Delivery, number: int, *, actor: str, reason: str) -> int:
    """A parked entry is not in the ledger: withdrawn, and planned again. Returns the new entry's id.

    TO6126 the ledger shows it after all; TO6127 too early to tell; TO6115 another part of it is, or may be, there.
    Raises VendorError when the ledger cannot be asked now.
    """
    with store.read() as rx:
        row = outbox.parked(rx, delivery.company, number)
        parts = [part for part in outbox.parts_of(rx, row) if part.state == outbox.PARKED]
    for part in parts:
        if part.deadline is not None and delivery.clock() < part.deadline + delivery.quiet:
            seconds = (part.deadline + delivery.quiet - delivery.clock()) // 1_000_000 + 1
            raise UsageError(
                f"{part.reference} was sent a moment ago and may still arrive",
                code="TO6127",
                fix=f"decide again in {seconds} seconds",
            )
        seen = look(delivery, part)
        if seen.bearing:
            there = seen.bearing[0].ledger_id
            raise UsageError(
                f"{part.reference} is in the ledger, as {there} of {seen.bearing[0].day}",
                code="TO6126",
                where=there,
                fix=f"tieout entries decide {part.id} --posted-as {there}; or void it in the ledger first",
            )
        if seen.listed is None:  # a person's word is not enough where a mistake posts twice
            raise VendorError(
                f"the ledger could not be asked for {part.reference}; nothing was changed",
                code="TO6001",
                fix="decide again when the ledger answers",
            )
    with store.write() as tx:
        row = outbox.parked(tx, delivery.company, number)
        ids = [part.id for part in parts]
        if not outbox.withdraw(tx, row, actor=actor, why=reason, now=delivery.clock(), absent=ids):
            raise UsageError(
                f"another part of entry {number} is, or may be, in the ledger",
                code="TO6115",
                fix="void the parts already there, or mark this one as posted",
            )
        problems.close_all(tx, delivery.company, ids, f"{actor}: not in the ledger: {reason}")
        return outbox.plan_again(tx, row, day=row.day, period=row.period, corrects=row.corrects)
