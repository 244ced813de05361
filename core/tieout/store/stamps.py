"""When each event happened, came, was mapped, posted, sealed and acknowledged: read from the rows that say it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from tieout.store.schema import batch, booking, entry, event, exception, firing, kept, record
from tieout.store.tx import Tx

POST, EXTERNAL, WITHDRAWN = "post", "external", "withdrawn"


class EventRow(NamedTuple):
    """An event's way, in UTC microseconds. `landing` counts the landings of its record from 0; `held`: it waits by a rule of
    the company (shadow, proposal); `remapped`: the record had been mapped before."""

    event: int
    record: int
    source: int
    document: str
    at: int
    recorded: int | None
    landing: int
    received: int
    mapped: int
    posted: int | None
    sealed: int | None
    acknowledged: int | None
    delivered: bool
    held: bool
    remapped: bool


def write_kept(tx: Tx, company: int, *, at: int, batch_to: int) -> None:
    """The books have taken in whole batches up to `batch_to`, and posted every booking there is by now."""
    newest = tx.execute(sa.select(sa.func.coalesce(sa.func.max(booking.c.id), 0))).scalar()
    tx.execute(sa.insert(kept).values(company=company, at=at, batch_to=batch_to, booking_to=newest))


def event_rows(tx: Tx, company: int, sources: Collection[int], start: int, end: int) -> list[EventRow]:
    """One row per event of these sources whose record was received in [start, end); of its lines the latest stamp counts."""
    e, r, landed, mapped = event.c, record.c, batch.alias("landed"), batch.alias("mapped")
    chosen = sa.and_(
        landed.c.company == company,
        landed.c.source.in_(sorted(sources)),
        landed.c.received_at >= start,
        landed.c.received_at < end,
    )
    joined = event.join(record, r.id == e.record).join(landed, landed.c.id == r.batch)
    query = (
        sa.select(
            *(e.id, e.key, e.record, e.batch, e.document, e.at, e.recorded_at, r.n, r.batch.label("first")),
            *(landed.c.source, landed.c.received_at, mapped.c.mapped_at),
        )
        .select_from(joined.join(mapped, mapped.c.id == e.batch))
        .where(chosen)
        .order_by(e.id)
    )
    booked = sa.select(booking.c.event, booking.c.id, booking.c.entry).select_from(
        joined.join(booking, booking.c.event == e.id)
    )
    ways = _Ways(tx, company)
    for number, row, of in map(tuple, tx.execute(booked.where(chosen))):
        ways.bookings.setdefault(number, []).append((row, of))
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in tx.execute(query):
        groups.setdefault((row.key, row.record, row.batch), []).append(row)
    before: dict[tuple[Any, ...], int] = {}
    for key, number, mapped_in in groups:
        before[key, number] = min(before.get((key, number), mapped_in), mapped_in)
    return [_event(lines, ways, remapped=before[key[0], key[1]] < key[2]) for key, lines in groups.items()]


def _event(lines: list[Any], ways: _Ways, *, remapped: bool) -> EventRow:
    first = lines[0]
    ends = [ways.of(line.id, line.batch) for line in lines]
    posted = _latest([end.posted for end in ends])
    leaving = [end for end in ends if end.delivered]
    return EventRow(
        event=first.id,
        record=first.record,
        source=first.source,
        document=first.document or "",
        at=first.at,
        recorded=first.recorded_at,
        landing=first.n,
        received=first.received_at,
        mapped=first.mapped_at,
        posted=posted,
        sealed=_latest([end.sealed for end in leaving]),
        acknowledged=_latest([end.acknowledged for end in leaving]),
        delivered=bool(leaving),
        held=any(end.held for end in ends),
        remapped=remapped,
    )


def _latest(stamps: list[int | None]) -> int | None:
    """The last of them; None while one of them has not come to pass, or there is none."""
    known = [stamp for stamp in stamps if stamp is not None]
    return max(known) if known and len(known) == len(stamps) else None


class _Way(NamedTuple):
    posted: int | None
    sealed: int | None
    acknowledged: int | None
    delivered: bool
    held: bool


class _Ways:
    """From an event line to its posting and its entry, by the company's rows of entries, keepings and exceptions."""

    def __init__(self, tx: Tx, company: int) -> None:
        self.bookings: dict[int, list[tuple[int, int]]] = {}
        k, n = kept.c, entry.c
        rows = tx.execute(sa.select(k.at, k.batch_to, k.booking_to).where(k.company == company).order_by(k.id)).all()
        self._at = [row.at for row in rows]
        self._bookings = [row.booking_to for row in rows]
        self._batches: list[int] = []
        reached = 0
        for row in rows:
            reached = max(reached, row.batch_to)
            self._batches.append(reached)
        waiting = sa.select(exception.c.event).where(
            exception.c.company == company, exception.c.state == "open", exception.c.event.is_not(None)
        )
        self._waiting = set(tx.execute(waiting).scalars())
        columns = (n.id, n.ledger, n.mode, n.kind, n.grouping, n.n, n.revision, n.state)
        found = tx.execute(
            sa.select(*columns, n.created_at, n.sealed_at, n.acknowledged_at).where(n.company == company)
        ).all()
        self._group = {row.id: (row.ledger, row.mode, row.grouping, row.n) for row in found}
        self._entries: dict[tuple[Any, ...], list[Any]] = {}
        for row in found:
            parts = self._entries.setdefault(self._group[row.id], [])
            if parts and parts[0].revision < row.revision:
                parts.clear()
            if not parts or parts[0].revision == row.revision:
                parts.append(row)

    def of(self, number: int, landed_in: int) -> _Way:
        """The way of an event line. One that books nothing is posted when the books have taken its batch in."""
        booked = sorted(self.bookings.get(number, ()))
        if not booked:
            place = bisect_left(self._batches, landed_in)
            done = number not in self._waiting and place < len(self._at)
            return _Way(self._at[place] if done else None, None, None, False, False)
        place = bisect_left(self._bookings, booked[0][0])
        until = self._bookings[place] if place < len(self._bookings) else booked[0][0]
        groups = {self._group[of] for row, of in booked if row <= until}
        parts = [part for group in sorted(groups) for part in self._entries[group]]
        posted = self._at[place] if place < len(self._at) else min(part.created_at for part in parts)
        leaving = [part for part in parts if part.mode == POST and part.ledger != "none" and part.kind != EXTERNAL]
        return _Way(
            posted,
            _latest([part.sealed_at for part in leaving]),
            _latest([part.acknowledged_at for part in leaving]),
            bool(leaving),
            any(part.mode != POST for part in parts),
        )


# ── looks, batches, exceptions ─────────────────────────────────────────────────────────────────────────────────────
def firing_rows(tx: Tx, company: int, start: int, end: int) -> list[Any]:
    """Firings begun in [start, end), in order."""
    f = firing.c
    where = sa.and_(f.company == company, f.started_at >= start, f.started_at < end)
    return list(tx.execute(sa.select(firing).where(where).order_by(f.started_at, f.id)).all())


def first_firings(tx: Tx, company: int) -> Mapping[str, int]:
    """When each schedule fired first, as far as rows are kept."""
    f = firing.c
    query = sa.select(f.schedule, sa.func.min(f.started_at)).where(f.company == company).group_by(f.schedule)
    return {str(name): int(at) for name, at in map(tuple, tx.execute(query))}


def batch_rows(tx: Tx, company: int, source: int, start: int, end: int) -> list[Any]:
    """Landings of a source received in [start, end): id, received_at and counts, in order."""
    b = batch.c
    columns = (b.id, b.run, b.received_at, b.records, b.duplicates, b.repeated, b.failed, b.late_revisions)
    where = sa.and_(b.company == company, b.source == source, b.received_at >= start, b.received_at < end)
    return list(tx.execute(sa.select(*columns).where(where).order_by(b.received_at, b.id)).all())


def refusals(tx: Tx, company: int, source: int, start: int, end: int) -> list[Any]:
    """Exceptions of records of a source received in [start, end): id, code, record, message, whatever became of them."""
    x, e, r, b = exception.c, event.c, record.c, batch.c
    number = sa.func.coalesce(x.record, e.record)
    query = (
        sa.select(x.id, x.code, x.message, x.state, number.label("record"), x.data)
        .select_from(
            exception.outerjoin(event, e.id == x.event).join(record, r.id == number).join(batch, b.id == r.batch)
        )
        .where(x.company == company, b.source == source, b.received_at >= start, b.received_at < end)
        .order_by(x.id)
    )
    return list(tx.execute(query).all())


def drifts(tx: Tx, company: int, source: str, start: int, end: int) -> list[Any]:
    """Changes of a source's schema that held its stream: exceptions opened in [start, end)."""
    x = exception.c
    where = sa.and_(x.company == company, x.code == "TO3152", x.subject == f"{source} drift")
    when = sa.and_(x.opened_at >= start, x.opened_at < end)
    return list(
        tx.execute(sa.select(x.id, x.message, x.opened_at, x.closed_at).where(where, when).order_by(x.id)).all()
    )


def coverage(tx: Tx, company: int, source: int, start: int, end: int) -> Mapping[str, tuple[int, int]]:
    """(different words, events) that the events of a source name: items and locations."""
    e, r, b = event.c, record.c, batch.c
    joined = event.join(record, r.id == e.record).join(batch, b.id == r.batch)
    where = sa.and_(b.company == company, b.source == source, b.received_at >= start, b.received_at < end)
    out = {}
    for what, column in (("items", e.item), ("locations", e.location)):
        count = sa.select(sa.func.count(sa.distinct(column)), sa.func.count(column)).select_from(joined).where(where)
        words, events = tuple(tx.execute(count).one())
        out[what] = (int(words), int(events))
    return out
