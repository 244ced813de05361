"""Sealing: an entry whose group is complete becomes its documents, with reference, key and exact request bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace

from tieout.deliver import problems
from tieout.deliver.settings import Delivery
from tieout.errors import TieoutError
from tieout.failpoints import failpoint
from tieout.model.journal import Document
from tieout.posting import reference
from tieout.posting.entries import (
    Group,
    Pair,
    Summary,
    allowed_kind,
    complete,
    documents,
    kind_of,
    parse_group,
    waits_for_its_day,
)
from tieout.store import outbox
from tieout.store.exceptions import NewException, open_exceptions
from tieout.store.journal import CORRECTION, PROVISIONAL, Journal
from tieout.store.schema import booking, event
from tieout.store.store import Store
from tieout.store.tx import Tx

ENTRIES_PER_COMMIT = 200


def seal_due(
    store: Store,
    journal: Journal,
    delivery: Delivery,
    *,
    watermarks: Iterable[int | None] = (),
    seal_now: bool = False,
) -> int:
    """Seal every open entry of this ledger that is complete. Returns how many.

    Postings become `pending`, proposals stay `planned` until approved, external ones are `posted` as they are, and so is
    an entry that nets to nothing. A document the ledger cannot take opens an exception and stays unsealed.
    """
    marks, now = list(watermarks), delivery.clock()
    with store.read() as rx:
        rows = outbox.entries(rx, delivery.company, delivery.connection, [outbox.PLANNED], sealed=False)
    due = []
    for row in rows:
        group = parse_group(row.grouping)
        end = delivery.days.end_of(row.day)
        if (
            not waits_for_its_day(group)
            or row.revision
            or group.external  # nothing to wait for: it is in the ledger
            or complete(end, now, marks, delivery.seal_lag_seconds, seal_now=seal_now)
        ):
            due.append((row, group))
    for start in range(0, len(due), ENTRIES_PER_COMMIT):
        chunk = due[start : start + ENTRIES_PER_COMMIT]
        failpoint("seal: before commit")
        with store.write() as tx:
            still = outbox.still_open(tx, [row.id for row, _ in chunk])
            found = summaries(tx, journal, sorted(still))
            parts = [(row, _parts(tx, delivery, row, group, found[row.id])) for row, group in chunk if row.id in still]
            sealed = [(row, each, state) for row, (each, state) in parts if state]
            outbox.seal(tx, delivery.company, sealed, now=delivery.clock())
            problems.close_all(tx, delivery.company, [row.id for row, _, _ in sealed], "sealed")
            failpoint("seal: in transaction")
        failpoint("seal: after commit")
        delivery.tell("sealed", start + len(chunk), len(chunk), len(due))
    return len(due)


def _parts(tx: Tx, delivery: Delivery, row: Any, group: Group, summary: Summary) -> tuple[Sequence[outbox.Sealed], str]:
    """The documents of an entry and the state it goes to; no state where the ledger cannot take them, with an exception
    that says so."""
    try:
        parts = [
            _part(delivery, row, document, number, external=group.external)
            for number, document in enumerate(entry_documents(delivery, row, group, summary), 1)
        ]
    except TieoutError as error:
        amount = sum(pair.amount for pair in summary.pairs)
        problem = NewException(
            stage="deliver",
            code=error.code if error.code != "TO6004" else "TO6117",
            subject=f"entry {row.id}",
            message=f"{summary.type} of {row.day}: {error.message}",
            fix=error.fix or "",
            amount=amount,
            entry=row.id,
        )
        open_exceptions(tx, delivery.company, [problem])
        return (), ""
    if group.external:
        state = outbox.POSTED
    elif row.mode == "propose":
        state = outbox.PLANNED
    else:
        state = outbox.PENDING
    return parts, state


def entry_documents(delivery: Delivery, row: Any, group: Group, summary: Summary) -> list[Document]:
    """The documents of an entry, without references: what would be sent. `plan` shows these."""
    able = delivery.capabilities
    kind = kind_of(group.native, summary.pairs)
    if not group.external:
        kind = allowed_kind(
            kind, able.documents, native_as_journal=delivery.native_as_journal, where=f"{summary.type} of {row.day}"
        )
    return documents(
        summary,
        company=delivery.code,
        currency=delivery.currency,
        day=row.day,
        kind=kind,
        corrects=row.corrects or "",
        lines_max=able.lines_max,
        narration_length_max=able.narration_length_max,
    )


def _part(delivery: Delivery, row: Any, document: Document, part: int, *, external: bool) -> outbox.Sealed:
    if external:
        return outbox.Sealed(
            "external", reference.canonical(document).decode(), None, None, None, document.number or None
        )
    marker = reference.derive(
        document,
        company=delivery.code,
        ledger=delivery.connection,
        lineage=(row.grouping, row.n),
        revision=row.revision,
        part=part,
    )
    final = replace(document, reference=marker)
    body = delivery.ledger.render(final)
    key = key_of(delivery, marker, 0, body)
    return outbox.Sealed(final.kind, reference.canonical(final).decode(), marker, key, body, document.number or None)


def key_of(delivery: Delivery, marker: str, generation: int, body: bytes) -> str:
    """The key under which these bytes are sent in this generation."""
    return reference.key(
        marker,
        company=delivery.code,
        ledger=delivery.connection,
        generation=generation,
        body=body,
        length_max=delivery.capabilities.idempotency.key_length_max,
    )


def fingerprint(document: Document) -> str:
    """SHA-256 of a document's canonical form, to compare a saved plan with what would be sent now."""
    return sha256(reference.canonical(document)).hexdigest()


def summaries(tx: Tx, journal: Journal, ids: Sequence[int]) -> dict[int, Summary]:
    """The summary of each of these entries, from two grouped queries; equal to `summary_of` over their bookings."""
    b, e = booking.c, event.c
    keys_ = (b.entry, b.debit, b.credit, b.row)
    pairs = (
        sa.select(
            *keys_,
            sa.func.sum(b.amount).label("amount"),
            sa.func.sum(b.quantity).label("quantity"),
            sa.func.min(b.day).label("first"),
            sa.func.max(b.day).label("last"),
            sa.func.max(b.flags.op("&")(PROVISIONAL)).label("provisional"),
            sa.func.max(b.flags.op("&")(CORRECTION)).label("correction"),
        )
        .where(b.entry.in_(ids))
        .group_by(*keys_)
    )
    place, party = sa.func.coalesce(e.location, 0), sa.func.coalesce(e.party, 0)
    facts = (
        sa.select(
            b.entry,
            sa.func.min(e.type).label("type"),
            sa.func.count(e.key.distinct()).label("events"),
            sa.func.count(place.distinct()).label("places"),
            sa.func.min(place).label("place"),
            sa.func.count(party.distinct()).label("parties"),
            sa.func.min(party).label("party"),
            sa.func.count(e.document.distinct()).label("documents"),
            sa.func.min(e.document).label("first_document"),
            sa.func.max(e.document).label("last_document"),
            sa.func.count(b.affected.distinct()).label("restated"),
        )
        .select_from(booking.join(event, e.id == b.event))
        .where(b.entry.in_(ids))
        .group_by(b.entry)
    )
    by_entry: dict[int, list[Any]] = {}
    for row in tx.execute(pairs):
        by_entry.setdefault(row.entry, []).append(row)
    found: list[Any] = list(tx.execute(facts).all())
    legs = journal.legs(tx, {side for rows in by_entry.values() for row in rows for side in (row.debit, row.credit)})
    named = {row.type for row in found} | {row.place for row in found} | {row.party for row in found}
    named |= {row.row for rows in by_entry.values() for row in rows}
    word = journal.names.texts(tx, named - {0})
    out = {}
    for fact in found:
        rows = by_entry[fact.entry]
        out[fact.entry] = Summary(
            pairs=tuple(
                sorted(
                    Pair(legs[row.debit], legs[row.credit], word[row.row], int(row.amount), int(row.quantity))
                    for row in rows
                )
            ),
            type=word[fact.type],
            events=fact.events,
            place=word[fact.place] if fact.places == 1 and fact.place else "",
            party=word[fact.party] if fact.parties == 1 and fact.party else "",
            documents=fact.documents,
            first_document=fact.first_document or "",
            last_document=fact.last_document or "",
            restated=fact.restated,
            correction=any(row.correction for row in rows),
            provisional=any(row.provisional for row in rows),
            effective_from=date.fromordinal(min(row.first for row in rows)),
            effective_to=date.fromordinal(max(row.last for row in rows)),
        )
    return out
