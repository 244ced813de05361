"""`tieout mapping reapply`: records that landed earlier through today's mapping; planned first, applied exactly once.

A plan is the change itself, made in a transaction that is undone: what it says is what applying does. The events of each
record's deciding revision are compared with those that stand; equal ones stay untouched, the others are superseded and
the difference posts itself. Records the old mapping refused are not taken here: `tieout exceptions retry` does that.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from tieout.errors import UsageError
from tieout.mapping import Drifted, MapContext, MapResult
from tieout.model.event import EventLine
from tieout.model.money import from_minor, to_minor
from tieout.operations import planning
from tieout.operations.office import Office
from tieout.pull.canonical import decode_records
from tieout.pull.dedup import DELETED, FAILED, MAPPED, Known, Record, newest
from tieout.pull.landing import (
    REMAPPED,
    Change,
    Lander,
    Mapper,
    compare,
    exceptions_of,
    map_records,
    standing,
    write_landing,
)
from tieout.store.acts import acts, record_act
from tieout.store.schema import event, page, record
from tieout.store.tx import Tx

RECORDS_A_LANDING = 10_000
PLANNED, APPLIED = "mapping.reapply.plan", "mapping.reapply"


class _Undo(Exception):  # noqa: N818  (not an error: it ends a transaction that was only a question)
    """Rolls the planned change back."""


class _Forgiving(msgspec.Struct):
    """A mapping without the drift check: an old record may well have an older shape, and is then refused alone."""

    mapper: Mapper
    version: str

    def run(
        self,
        records: Sequence[Mapping[str, Any]],
        context: MapContext,
        *,
        keys: Sequence[tuple[str, str]] | None = None,
    ) -> MapResult:
        return self.mapper.run(records, context, keys=keys)

    def drift(self, records: Sequence[Mapping[str, Any]], result: MapResult) -> Sequence[Drifted]:
        return ()


class Changed(NamedTuple):
    """What mapping again did: records looked at, events that stay / change / are new / no longer come, events held for an
    unknown word, records refused; and a digest over exactly that."""

    records: int
    same: int
    changed: int
    new: int
    gone: int
    held: int
    refused: int
    digest: str

    @property
    def empty(self) -> bool:
        return not (self.changed or self.new or self.gone)


def plan(office: Office, stream: str, *, since: str | None = None, save: bool = False) -> dict[str, Any]:
    """What mapping a stream's records again would change: events, entries, amounts, periods. `since`: only records with
    an event, old or new, on or after this day. `save`: write down who planned it, for `apply`. TO2302 when the books are
    behind."""
    lander = _lander(office, stream)
    day = date.fromisoformat(since) if since else None
    if office.books.plan()[0]:
        raise UsageError("something that landed is not posted yet", code="TO2302", fix="tieout run, then plan again")
    try:
        with office.desk.store.write() as tx:
            changed = _change(tx, office, lander, day)
            placed, refused, events = office.books.plan(tx=tx)
            raise _Undo
    except _Undo:
        office.desk.journal.forget()
    body = planning.described(office, placed, refused, events)
    total = sum(_debits(entry["lines"], office) for entry in body["entries"])
    limit = office.desk.company.approval_threshold
    digest = hashlib.sha256(f"{changed.digest} {planning.digest(placed)}".encode()).hexdigest()
    answer = {
        "kind": "reapply",
        "stream": stream,
        "from": since,
        "mapping": lander.mapper.version,
        "records": changed.records,
        "changes": {name: getattr(changed, name) for name in ("new", "changed", "gone", "same", "held", "refused")},
        "amount": from_minor(total, office.desk.currency),
        "needs_approval": limit is not None and total > limit,
        "prepared_by": office.desk.actor,
        **body,
        "empty": changed.empty,
        "digest": digest,
    }
    if save and not changed.empty:
        with office.desk.store.write() as tx:
            data = {"stream": stream, "from": since, "amount": answer["amount"], "changes": answer["changes"]}
            record_act(tx, office.desk.id, office.desk.actor, PLANNED, digest, data)
    return answer


def apply(office: Office, saved: Mapping[str, Any]) -> dict[str, int]:
    """Do what a saved plan says, and post the difference. TO1094 when it no longer fits (or was applied), TO2301 when a
    second person is needed, TO2303 when nobody made it here."""
    desk, digest = office.desk, str(saved.get("digest"))
    with desk.store.read() as rx:
        made = list(acts(rx, desk.id, subject=digest, what=PLANNED))
    if not any(act["what"] == PLANNED for act in made):
        raise UsageError(
            "this plan was not made in this project, or its file was changed",
            code="TO2303",
            fix="make a new one: tieout mapping reapply STREAM --out FILE",
        )
    stream, since = made[0]["data"]["stream"], made[0]["data"]["from"]
    now = plan(office, stream, since=since)
    if now["digest"] != digest:
        raise UsageError(
            "the plan no longer fits: the mapping or what is known has changed since, or it was applied already",
            code="TO1094",
            fix=f"make a new one: tieout mapping reapply {stream} --out FILE",
        )
    preparers = sorted({act["actor"] for act in made})
    if now["needs_approval"] and desk.actor in preparers:
        raise UsageError(
            f"the plan moves {now['amount']} {desk.currency}, above approval_threshold, and {desk.actor} made it",
            code="TO2301",
            amount=f"{now['amount']} {desk.currency}",
            fix="let another person run: tieout apply FILE --actor NAME",
        )
    lander = _lander(office, stream)
    with desk.store.write() as tx:
        _change(tx, office, lander, date.fromisoformat(since) if since else None)
        data = {"stream": stream, "from": since, "planned_by": preparers, "changes": now["changes"]}
        record_act(tx, desk.id, desk.actor, APPLIED, digest, data)
    kept = office.books.keep()
    return {"entries": kept.entries, "bookings": kept.bookings, "events": kept.events}


def _debits(lines: Sequence[Mapping[str, Any]], office: Office) -> int:
    amounts = [to_minor(line["amount"], office.desk.currency) for line in lines]
    return sum(amount for amount in amounts if amount > 0)


def _lander(office: Office, stream: str) -> Lander:
    desk = office.desk
    connection, _, name = stream.partition("/")
    for chosen in desk.sources():
        if connection in (chosen.name, chosen.id) and any(
            one.name == name and one.mapping is not None for one in chosen.streams
        ):
            lander = office.intake.lander(f"{chosen.id}/{name}", "reapply")
            return msgspec.structs.replace(lander, mapper=_Forgiving(lander.mapper, lander.mapper.version))
    known = [f"{one.name}/{each.name}" for one in desk.sources() for each in one.streams if each.mapping is not None]
    raise UsageError(
        f"no stream {stream!r} with a mapping in company {desk.company.code}",
        code="TO2304",
        fix=f"one of: {', '.join(known)}" if known else "configure one",
    )


# ── the change ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _change(tx: Tx, office: Office, lander: Lander, since: date | None) -> Changed:
    """Map again and write what differs, a landing for every 10,000 records."""
    lander.company.reload(tx)
    source = lander.company.names.intern(tx, "source", [lander.source])[lander.source]
    sums: Counter[str] = Counter()
    sha = hashlib.sha256()
    for some in _deciding(tx, office, lander, source):
        mapped = map_records(lander, some)
        numbers, lines = standing(tx, lander.company, [one.row for one in some])
        of_record: dict[int, int] = dict(tx.select_keys(event, ("id", "record"), "id", numbers))
        pairs = [(some[origin].row, line) for origin, line in zip(mapped.origins, mapped.lines, strict=True)]
        told = [(of_record[number], number, line) for number, line in zip(numbers, lines, strict=True)]
        if since is not None:
            dated = [*pairs, *((row, line) for row, _, line in told)]
            late = {row for row, line in dated if office.desk.days.day_of(line.at) >= since}
        else:
            late = {one.row for one in some}
        failed = {one.row for one in some if one.state == FAILED}
        told = [each for each in told if each[0] in late - failed]
        pairs = [pair for pair in pairs if pair[0] in late]
        resolved = lander.resolver.run([line for _, line in pairs], [row for row, _ in pairs])
        change = Change(list(resolved.lines), list(resolved.records), {}, [], resolved.skipped)
        compare(change, [number for _, number, _ in told], [line for _, _, line in told], why=REMAPPED)
        refused = [one for one in some if one.row in failed & late]
        change.new = exceptions_of(lander, resolved.held, mapped, refused)
        _count(sums, change, told)
        sha.update(msgspec.json.encode([sorted(change.voids.items()), change.lines], order="deterministic"))
        sums["records"] += len(late)
        sums["held"] += len(resolved.held)
        sums["refused"] += len(refused)
        if change.lines or change.voids or change.new:
            write_landing(tx, lander, source, change, counts=Counter())
    return Changed(**{name: sums[name] for name in Changed._fields if name != "digest"}, digest=sha.hexdigest())


def _count(sums: Counter[str], change: Change, told: Sequence[tuple[int, int, EventLine]]) -> None:
    """Events by what becomes of them. `told`: (record, event row, line) that stood."""
    event_of = {number: line.event_id for _, number, line in told}
    changed = {event_of[number] for number, why in change.voids.items() if why == REMAPPED}
    gone = {event_of[number] for number in change.voids} - changed
    before = set(event_of.values())
    sums["changed"] += len(changed)
    sums["gone"] += len(gone)
    sums["same"] += len(before - changed - gone)
    sums["new"] += len({line.event_id for line in change.lines} - before)


def _deciding(tx: Tx, office: Office, lander: Lander, source: int) -> Iterator[list[Record]]:
    """The deciding landing of every key that is not deleted, with its record, in order of page; pieces of whole pages."""
    columns = ("id", "key", "n", "revision", "content", "state", "page", "idx")
    query = sa.select(*(record.c[name] for name in columns)).where(record.c.source == source)
    known: dict[bytes, list[Known]] = {}
    for row in tx.execute(query.order_by(record.c.key, record.c.n)):
        known.setdefault(row.key, []).append(
            Known(row.id, row.n, row.revision, row.content, row.state, row.page, row.idx)
        )
    chosen: dict[int, list[tuple[bytes, Known]]] = {}
    for key, landings in known.items():
        deciding = newest(lander.identity, landings)
        if deciding is not None and deciding.page is not None and landings[-1].state != DELETED:
            chosen.setdefault(deciding.page, []).append((key, deciding))
    piece: list[Record] = []
    for number in sorted(chosen):
        found = tx.execute(sa.select(page.c.codec, page.c.body).where(page.c.id == number)).one()
        body = zlib.decompress(found.body)
        every = (
            decode_records(body) if found.codec == "json" else office.intake.decode(lander.source, body, found.codec)
        )
        members = sorted(chosen[number], key=lambda pair: pair[1].idx)
        ids = lander.identity.ids([every[one.idx] for _, one in members])
        piece += [
            Record(key, of, one.revision, one.content, every[one.idx], number, one.idx, MAPPED, one.n, one.row)
            for (key, one), of in zip(members, ids, strict=True)
        ]
        if len(piece) >= RECORDS_A_LANDING:
            yield piece
            piece = []
    if piece:
        yield piece
