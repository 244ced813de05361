"""After a restore: what was delivered since the backup was taken is unknown to us, so every entry is looked for first.

listed by the ledger, or found by look-up     posted under the ledger's id, nothing is sent
another unknown document of ours in its place parked: the entry may be in it with other contents
not found                                     noted as absent; it is sent like any other
no look-up and no unique reference            parked: a person looks

A lane stays in this mode until every stream was pulled again and the ledger shows no document of ours that is unknown
here. References are derived, so an entry made again from the same events is recognised.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tieout.deliver import problems
from tieout.deliver.calls import Outcome, wrong
from tieout.deliver.seal import key_of
from tieout.deliver.send import FencedOff, accept
from tieout.deliver.settings import SECOND, Delivery, Work
from tieout.errors import TieoutError, VendorError
from tieout.failpoints import failpoint
from tieout.model.catalogue import EVENT_TYPES
from tieout.model.journal import LedgerEntry, Receipt
from tieout.posting import reference
from tieout.posting.compare import per_account
from tieout.store import balances, outbox
from tieout.store.backup import RESTORED_AT, verified_key
from tieout.store.journal import Journal
from tieout.store.schema import attempt, cursor, entry, meta
from tieout.store.tx import Tx

if TYPE_CHECKING:
    from tieout.deliver.drain import Drained

NAMED_MAX = 5  # documents named in one message


def restored_at(rx: Tx, delivery: Delivery) -> int | None:
    """When the database was restored, in UTC microseconds, while this lane is not verified since; else None."""
    mine = verified_key(delivery.company, delivery.lane)
    rows: list[Any] = list(rx.execute(sa.select(meta.c.key, meta.c.value).where(meta.c.key.in_([RESTORED_AT, mine]))))
    found = {row.key: row.value for row in rows}
    at = found.get(RESTORED_AT)
    return int(at) if at is not None and found.get(mine) != at else None


def unseen(rx: Tx, delivery: Delivery, since: int) -> list[Any]:
    """Pending and unknown entries that were neither sent nor looked for since the restore."""
    rows = outbox.entries(rx, delivery.company, delivery.connection, [outbox.PENDING, outbox.UNKNOWN])
    looked = sa.select(attempt.c.entry).distinct().join(entry, entry.c.id == attempt.c.entry)
    of_these = entry.c.state.in_([outbox.PENDING, outbox.UNKNOWN]) & (entry.c.company == delivery.company)
    since_then = (attempt.c.at >= since) & (attempt.c.outcome != "not_begun")
    known = set(rx.connection.scalars(looked.where(of_these, since_then)))
    return [row for row in rows if row.id not in known]


def held_back(rx: Tx, delivery: Delivery) -> set[int]:
    """Entries that must not be sent before they were looked for."""
    since = restored_at(rx, delivery)
    if since is None or _twins_refused(delivery):
        return set()
    return {row.id for row in unseen(rx, delivery, since)}


def look_first(journal: Journal, work: Work, done: Drained) -> bool:
    """Look for every entry that may have been delivered before the restore. False: the lane waits (`done.error`)."""
    store, delivery, _ = work
    with store.read() as rx:
        since = restored_at(rx, delivery)
        if since is None:
            return True
        rows = unseen(rx, delivery, since)
        ours = set(outbox.by_reference(rx, delivery.company, delivery.connection))
        accounts = sorted(balances.by_account(rx, journal))
    if not accounts:
        return True  # nothing was ever booked here, so nothing can be recognised yet
    try:
        listed = [each for each in delivery.ledger.entries(accounts, None) if each.reference]
        orphans = [each for each in listed if reference.PREFIX in each.reference and each.reference not in ours]
        by_reference = {each.reference: each for each in listed}
        for row in rows:
            if not _look(work, row, by_reference, orphans, since, done):
                return False
    except VendorError as error:
        done.error = error
        return False
    if not orphans:
        _maybe_verified(work, since)
    return True


def _twins_refused(delivery: Delivery) -> bool:
    """Whether sending is itself a look-up: the ledger refuses a second document with our reference and names the first."""
    known = delivery.capabilities.idempotency
    return known.lookup == "none" and known.unique_reference


def _look(
    work: Work,
    row: Any,
    listed: Mapping[str, LedgerEntry],
    orphans: Sequence[LedgerEntry],
    since: int,
    done: Drained,
) -> bool:
    _, delivery, _ = work
    known = delivery.capabilities.idempotency
    asked_at = delivery.clock()
    receipt = _as_receipt(listed.get(row.reference))
    if receipt is None and known.lookup != "none":
        receipt = delivery.ledger.find(row.key if known.lookup == "by_key" else row.reference)
    failpoint("restore: after find")
    if receipt is not None:
        _posted(work, row, receipt, asked_at, done)
        return True
    if asked_at < (until := _settled(delivery, since)):
        done.not_before = until
        done.error = TieoutError(
            "the database was restored a moment ago, and the ledger may still show what was sent before",
            code="TO6127",
            fix=f"run again in {(until - asked_at) // SECOND + 1} seconds",
        )
        return False
    instead = [each for each in orphans if _in_its_place(row, each)]
    if instead:
        named = ", ".join(f"{each.reference} ({each.ledger_id})" for each in instead[:NAMED_MAX])
        _park(
            work, row, "TO6130", f"the ledger holds documents of ours that are unknown here since the restore: {named}"
        )
        done.parked += 1
    elif known.lookup == "none" and not known.unique_reference:
        _park(work, row, "TO6131", "it may have been delivered before the restore, and the ledger offers no look-up")
        done.parked += 1
    elif not _twins_refused(delivery):
        _absent(work, row, asked_at)
    return True


def _settled(delivery: Delivery, since: int) -> int:
    """From when an empty look-up proves absence. A ledger that commits and shows at once leaves nothing to wait for."""
    known = delivery.capabilities.idempotency
    if not known.late_commit_seconds_max and not known.index_lag_seconds:
        return since
    return since + delivery.deadline_seconds * SECOND + delivery.quiet


def _as_receipt(found: LedgerEntry | None) -> Receipt | None:
    if found is None:
        return None
    return Receipt(found.ledger_id, found.reference, found.day, found.lines, found.revision)


def _in_its_place(row: Any, orphan: LedgerEntry) -> bool:
    """Whether an unknown document of ours may hold what this entry holds: the same type of event on common accounts,
    on the same day or with the same amounts."""
    document = reference.parse(row.document)
    kinds = _type_of(document.narration), _type_of(orphan.narration)
    if "" not in kinds and kinds[0] != kinds[1]:
        return False
    mine, theirs = per_account(document.lines), per_account(orphan.lines)
    return bool(mine.keys() & theirs.keys()) and (orphan.day == row.day or mine == theirs)


def _type_of(narration: str) -> str:
    word = narration.removeprefix("correction of ").partition(":")[0]
    return word if word in EVENT_TYPES else ""


# ── what comes of it ───────────────────────────────────────────────────────────────────────────────────────────────
def _posted(work: Work, row: Any, receipt: Receipt, asked_at: int, done: Drained) -> None:
    with work.store.write() as tx:
        outbox.take_over(tx, work.held, [row.id])
        sent = accept(tx, work, [Outcome(row, asked_at, receipt, wrong(row, receipt))], was=row.state)[row.id]
        outbox.note(tx, [outbox.Step(row.id, row.attempts, row.key, asked_at, "receipt", receipt.ledger_id)])
    done.posted += sent.state == outbox.POSTED
    done.parked += sent.state == outbox.PARKED
    failpoint("restore: after settle")


def _absent(work: Work, row: Any, asked_at: int) -> None:
    _, delivery, held = work
    with work.store.write() as tx:
        outbox.take_over(tx, held, [row.id])
        outbox.note(tx, [outbox.Step(row.id, row.attempts, row.key, asked_at, "absent")])
        if row.state == outbox.UNKNOWN:
            generation = row.generation + 1
            key = key_of(delivery, row.reference, generation, row.body)
            values: dict[str, Any] = {"generation": generation, "key": key, "sent_at": None}
            if not outbox.settle(tx, held, row, outbox.PENDING, was=outbox.UNKNOWN, **values):
                raise FencedOff(row.reference)
    failpoint("restore: after settle")


def _park(work: Work, row: Any, code: str, why: str) -> None:
    _, delivery, held = work
    error = TieoutError(
        f"{row.reference} of {row.day}: {why}",
        code=code,
        fix=f"look into the ledger, then: tieout entries decide {row.id} --posted-as LEDGER_ID, or --absent",
    )
    with work.store.write() as tx:
        outbox.take_over(tx, held, [row.id])
        if not outbox.settle(tx, held, row, outbox.PARKED, was=row.state):
            raise FencedOff(row.reference)
        problems.raise_for(tx, delivery.company, row, error)
    failpoint("restore: after settle")


def _maybe_verified(work: Work, since: int) -> None:
    """Leave the mode when nothing of ours in the ledger can be unknown here any more."""
    store, delivery, _ = work
    if delivery.clock() < _settled(delivery, since):
        return
    with store.write() as tx:
        pulled: Collection[int | None] = list(
            tx.connection.scalars(sa.select(cursor.c.pulled_at).where(cursor.c.company == delivery.company))
        )
        open_ = outbox.entries(tx, delivery.company, delivery.connection, [outbox.PLANNED, outbox.UNKNOWN])
        if all(at is not None and at > since for at in pulled) and not open_ and not unseen(tx, delivery, since):
            store.set_meta(tx, verified_key(delivery.company, delivery.lane), str(since))
