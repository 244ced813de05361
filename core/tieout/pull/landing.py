"""One landing: records of one or several pages become rows, in one transaction with the cursor that follows them.

    identify ─▶ dedup ─▶ map ─▶ choose ─▶ resolve ─▶ compare with what stands ─▶ write

Per key the newest revision that could be mapped decides, by (revision, content) or, for a stream without revisions, by
landing. What it says is compared event by event with what stands: equal events stay untouched, changed and missing ones
are superseded, and the difference posts itself later. Nothing is overwritten or deleted.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import msgspec
import sqlalchemy as sa

from tieout.connector import Page, Stream
from tieout.mapping import Drifted, Failed, MapContext, MapResult
from tieout.model.event import EventLine
from tieout.pull.canonical import encode_records
from tieout.pull.cases import failed_exception, held_exception
from tieout.pull.company import Company
from tieout.pull.dedup import (
    FAILED,
    MAPPED,
    SKIPPED,
    STATES,
    KnownByKey,
    Record,
    Verdict,
    choose,
    fresh_records,
    identify,
    known_landings,
    replaced_exceptions,
)
from tieout.pull.identity import Identity
from tieout.pull.personal import Pseudonyms
from tieout.pull.resolve import Held, Resolver
from tieout.pull.shown import Shown
from tieout.store import batches
from tieout.store.acts import now_micros
from tieout.store.exceptions import NewException, close_by_record, open_exceptions
from tieout.store.lines import insert_lines, load_lines
from tieout.store.schema import batch, event, page, record, superseded
from tieout.store.tx import Row, Tx

REVISED, VOIDED, REMOVED, REMAPPED = range(4)
ZLIB_LEVEL = 1  # 3 µs a record; level 6 takes 9 for a tenth less
_RECORD_FIELDS = ("key", "n", "revision", "content", "page", "idx", "state")
_record_fields = attrgetter("row", *_RECORD_FIELDS)
_PAGE_COLUMNS = ("id", "company", "batch", "source", "records", "codec", "sha256", "body")


class Mapper(Protocol):
    """What maps records to lines: a `CompiledMapping`, or whatever makes events of a stream's records."""

    version: str

    def run(
        self,
        records: Sequence[Mapping[str, Any]],
        context: MapContext,
        *,
        keys: Sequence[tuple[str, str]] | None = None,
    ) -> MapResult: ...

    def drift(self, records: Sequence[Mapping[str, Any]], result: MapResult) -> Sequence[Drifted]: ...

    def types_seen(self, records: Sequence[Mapping[str, Any]]) -> Mapping[str, frozenset[str]]: ...


class Lander(msgspec.Struct, kw_only=True):
    """Everything that stays the same from landing to landing of one stream. `source` is `connection/stream`."""

    company: Company
    connection: str
    stream: Stream
    mapper: Mapper
    run: str
    identity: Identity
    resolver: Resolver
    context: MapContext
    pseudonyms: Pseudonyms | None = None
    shown: Shown | None = None

    @property
    def source(self) -> str:
        return f"{self.connection}/{self.stream.name}"


Kept = tuple[Sequence[Mapping[str, Any]], str, bytes]  # records, codec, bytes to keep


class Landed(NamedTuple):
    """What a landing did. `events` are the new event rows, `superseded` those that no longer count."""

    batch: int | None
    events: Sequence[int]
    superseded: Sequence[int]
    exceptions: Sequence[int]
    counts: Counter[str]
    skipped: Counter[str]


class Change(msgspec.Struct):
    """Event rows to write, event rows that no longer count, and what waits or is left out."""

    lines: list[EventLine]
    records: list[int]
    voids: dict[int, int]
    new: list[NewException]
    skipped: Counter[str]


def bodies(lander: Lander, pages: Sequence[Page]) -> list[Kept]:
    """(records, codec, bytes to keep) of each page: personal values replaced, then and only then hashed and stored."""
    out: list[Kept] = []
    for one in pages:
        if lander.pseudonyms is not None:
            records: Sequence[Mapping[str, Any]] = lander.pseudonyms.replace(one.records)
            out.append((records, "json", encode_records(records)))
        elif one.body is None:
            out.append((one.records, "json", encode_records(one.records)))
        else:
            out.append((one.records, one.codec, one.body))
    return out


def land(tx: Tx, lander: Lander, pages: Sequence[Page]) -> Landed:
    """Land pages. The caller moves the cursor in the same transaction."""
    received = now_micros()
    kept = bodies(lander, pages)
    records = identify(lander.identity, [rows for rows, _, _ in kept])
    source = lander.company.names.intern(tx, "source", [lander.source])[lander.source]
    known = known_landings(tx, source, {one.key for one in records})
    fresh = fresh_records(lander.identity, records, known, [bool(one.sweep) for one in pages])
    numbers = tx.allocate(record, len(fresh))
    for number, one in zip(numbers, fresh, strict=True):
        one.row = number
    mapped = map_records(lander, [one for one in fresh if one.state == MAPPED])
    verdict = choose(lander.identity, fresh, known)
    change = change_of(tx, lander, mapped, verdict, known)
    counts = Counter(records=len(records), duplicates=len(records) - len(fresh))
    if counts["duplicates"]:
        counts["repeated"] = len(records) - len({(one.key, one.revision, one.content) for one in records})
    counts.update(STATES[one.state] for one in fresh)
    if not records:
        return Landed(None, (), (), (), counts, change.skipped)
    return write_landing(
        tx,
        lander,
        source,
        change,
        fresh,
        counts=counts,
        kept=kept,
        received=received,
    )


# ── map ────────────────────────────────────────────────────────────────────────────────────────────────────────────
class DriftFoundError(Exception):
    """The source changed under a mapped field on page `page` of the landing; nothing of the landing is kept."""

    def __init__(self, page: int, drifted: Sequence[Drifted]) -> None:
        super().__init__(page, drifted)
        self.page = page
        self.drifted = drifted


class Mapped(NamedTuple):
    """What records became. Lines are in order of `records`."""

    lines: list[EventLine]
    origins: list[int]  # index into `records`
    records: Sequence[Record]
    failed: dict[int, Failed]  # index → why
    skipped: dict[int, list[str]]  # index → reasons of what was left out


def map_records(lander: Lander, records: Sequence[Record]) -> Mapped:
    """Run the mapping page by page; sets the state of records it refuses or skips whole. Raises DriftFoundError."""
    out = Mapped([], [], records, {}, {})
    start = 0
    for index, group in groupby(records, key=attrgetter("page")):
        some = list(group)
        _map_page(lander, some, index, start, out)
        start += len(some)
    return out


def _map_page(lander: Lander, records: Sequence[Record], index: int, start: int, out: Mapped) -> None:
    bodies_of_page = [one.body for one in records]
    result = lander.mapper.run(bodies_of_page, lander.context, keys=[one.id or ("", "") for one in records])
    # a page that was mapped whole has not drifted, and looking costs a third of mapping it
    drifted = lander.mapper.drift(bodies_of_page, result) if result.failed else ()
    if not drifted and lander.shown is not None:
        drifted = lander.shown.judge(bodies_of_page)
    if drifted:
        raise DriftFoundError(index, drifted)
    for failure in result.failed:
        records[failure.record].state = FAILED
        out.failed[start + failure.record] = failure
    for skip in result.skipped:
        out.skipped.setdefault(start + skip.record, []).append(skip.reason)
    if result.skipped or result.failed or len(result.lines) != len(records):
        yielding = set(result.records)
        for number, one in enumerate(records):
            if number not in yielding and one.state == MAPPED:
                one.state = SKIPPED
    out.lines.extend(result.lines)
    out.origins.extend([start + number for number in result.records] if start else result.records)


# ── resolve and compare ────────────────────────────────────────────────────────────────────────────────────────────
def change_of(tx: Tx, lander: Lander, mapped: Mapped, verdict: Verdict, known: KnownByKey) -> Change:
    deciding = {one.row for one in verdict.winners.values()}
    lines, origins = mapped.lines, mapped.origins
    if len(deciding) != len(mapped.records):
        keep = [i for i, origin in enumerate(origins) if mapped.records[origin].row in deciding]
        lines, origins = [lines[i] for i in keep], [origins[i] for i in keep]
    resolved = lander.resolver.run(lines, [mapped.records[origin].row for origin in origins])
    skipped = Counter(reason for reasons in mapped.skipped.values() for reason in reasons) + resolved.skipped
    change = Change(resolved.lines, resolved.records, {}, [], skipped)
    over = replaced_exceptions(lander.identity, verdict, known)
    close_by_record(tx, lander.company.id, over, "a newer revision of the record landed")
    before = [old.row for key in verdict.winners if key in known for old in known[key]]
    if before:
        compare(change, *standing(tx, lander.company, before))
    change.new = exceptions_of(lander, resolved.held, mapped, verdict.failures)
    return change


def exceptions_of(
    lander: Lander, held: Sequence[Held], mapped: Mapped, failures: Sequence[Record]
) -> list[NewException]:
    """Exceptions of held events and of refused records, each with its owner."""
    by_row = {one.row: one for one in mapped.records} if held else {}
    new = [held_exception(lander.source, one, by_row[one.record]) for one in held]
    why = {mapped.records[index].row: failed for index, failed in mapped.failed.items()}
    key = " + ".join(lander.stream.key)
    new += [failed_exception(lander.source, key, one, why.get(one.row)) for one in failures]
    return [lander.company.owned(one) for one in new]


def standing(tx: Tx, company: Company, record_rows: Sequence[int]) -> tuple[list[int], list[EventLine]]:
    """Current event rows of record rows, in order of landing."""
    rows = tx.select_keys(event, ("id",), "record", record_rows)
    if not rows:
        return [], []
    numbers: list[int] = []
    lines: list[EventLine] = []
    ids = sorted(row[0] for row in rows)
    for start in range(0, len(ids), 5_000):
        some, loaded = load_lines(tx, company.names, event.c.id.in_(ids[start : start + 5_000]), order=True)
        numbers += some
        lines += loaded
    return numbers, lines


def compare(change: Change, numbers: Sequence[int], lines: Sequence[EventLine], *, why: int = REVISED) -> None:
    """Drop from the change the events that stand as they are; void the others that stand."""
    old: dict[str, list[EventLine]] = {}
    rows: dict[str, list[int]] = {}
    for number, line in zip(numbers, lines, strict=True):
        old.setdefault(line.event_id, []).append(line)
        rows.setdefault(line.event_id, []).append(number)
    new: dict[str, list[EventLine]] = {event_id: [] for event_id in old}
    for line in change.lines:
        if line.event_id in new:
            new[line.event_id].append(line)
    same = {event_id for event_id, before in old.items() if before == new[event_id]}
    if same:
        keep = [i for i, line in enumerate(change.lines) if line.event_id not in same]
        change.lines = [change.lines[i] for i in keep]
        change.records = [change.records[i] for i in keep]
    for event_id in old.keys() - same:
        for number in rows[event_id]:
            change.voids[number] = why if new[event_id] else VOIDED


# ── write ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def write_landing(
    tx: Tx,
    lander: Lander,
    source: int,
    change: Change,
    records: Sequence[Record] = (),
    *,
    counts: Counter[str],
    kept: Sequence[Kept] = (),
    received: int | None = None,
) -> Landed:
    """Pages, records, event rows, supersessions, exceptions, and the batch row that seals them.

    Records have their row numbers. Their `page` is an index into `kept` where pages are given, else the number of a page
    that has landed, None for a deletion.
    """
    company = lander.company
    number = tx.allocate(batch, 1)[0]
    pages: list[tuple[int, bytes]] = []
    if kept:
        used = sorted({one.page for one in records if one.page is not None})
        at = dict(zip(used, tx.allocate(page, len(used)), strict=True))
        pages = _write_pages(tx, company.id, number, source, [(at[index], kept[index]) for index in used])
        for one in records:
            one.page = at.get(one.page)  # type: ignore[arg-type]
    _write_records(tx, company.id, number, source, records)
    if list(change.records) != sorted(change.records):
        order = sorted(range(len(change.records)), key=change.records.__getitem__)
        change.lines = [change.lines[i] for i in order]
        change.records = [change.records[i] for i in order]
    ids = tx.allocate(event, len(change.lines))
    insert_lines(tx, company.names, change.lines, ids=ids, records=change.records, batch=number)
    voids = sorted(change.voids.items())
    tx.insert(superseded, ("event", "batch", "why"), [(row_id, number, why) for row_id, why in voids])
    sealed = batches.digest(
        [sha for _, sha in pages], [(r.key, r.content, r.state) for r in records], change.lines, voids
    )
    now = now_micros()
    batches.write_batch(
        tx,
        {
            "id": number,
            "company": company.id,
            "source": source,
            "received_at": now if received is None else received,
            "mapped_at": now,
            "mapping": lander.mapper.version,
            "records": counts["records"],
            "events": len(change.lines),
            "duplicates": counts["duplicates"],
            "repeated": counts["repeated"],
            "late_revisions": counts["late_revisions"],
            "skipped": sum(change.skipped.values()),
            "failed": counts["failed"],
            "record_from": records[0].row if records else 0,
            "record_to": records[-1].row if records else -1,
            "event_from": ids[0] if ids else 0,
            "event_to": ids[-1] if ids else -1,
            "run": lander.run,
            "digest": sealed,
        },
    )
    exceptions = open_exceptions(tx, company.id, change.new)
    for row_id, line in zip(ids, change.lines, strict=True):
        line.row = row_id  # only now: a row number is no part of what is hashed
    tx.on_commit.append(lambda: company.fresh.put(number, change.lines))
    return Landed(number, ids, [row_id for row_id, _ in voids], exceptions, counts, change.skipped)


def _write_records(tx: Tx, company: int, number: int, source: int, records: Sequence[Record]) -> None:
    if records:
        same = {"company": company, "batch": number, "source": source}
        columns = zip(*map(_record_fields, records), strict=True)
        tx.insert_columns(record, {**same, **dict(zip(("id", *_RECORD_FIELDS), columns, strict=True))}, len(records))


def _write_pages(
    tx: Tx, company: int, number: int, source: int, pages: Sequence[tuple[int, Kept]]
) -> list[tuple[int, bytes]]:
    """Store pages that bring something new; their ids and SHA-256."""
    rows: list[Row] = []
    for page_id, (records, codec, body) in pages:
        digest = hashlib.sha256(body).digest()
        packed = zlib.compress(body, ZLIB_LEVEL)
        rows.append((page_id, company, number, source, len(records), codec, digest, packed))
    tx.insert(page, _PAGE_COLUMNS, rows)
    return [(row[0], row[6]) for row in rows]


def has_landed(tx: Tx, source: int) -> bool:
    """Whether any record of a source has landed."""
    return tx.connection.scalar(sa.select(record.c.id).where(record.c.source == source).limit(1)) is not None
