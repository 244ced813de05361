"""Trace: the whole chain behind any id, and from it forward.

    records ──▶ events ──▶ bookings ──▶ entries        and across: what an event restated, and what restated it

An id may be a TO-reference, an event id (or its beginning), a SKU, a vendor document number, the vendor's transaction
id, a ledger's id or an entry's number; `KIND:ID` (such as `item:4711`) says which when it could be several.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from tieout.errors import UsageError
from tieout.model.catalogue import EVENT_TYPES
from tieout.model.event import EPOCH, EventLine
from tieout.model.journal import Document
from tieout.model.money import from_minor
from tieout.model.quantity import from_scaled
from tieout.operations.books import END_OF_TIME
from tieout.operations.desk import Desk
from tieout.operations.office import Office
from tieout.operations.reports import page_records
from tieout.pull.identity import Identity
from tieout.settlement import RULES
from tieout.store.journal import COMPONENT_SHIFT, COMPONENTS, CORRECTION, PROVISIONAL
from tieout.store.lines import load_lines, moves
from tieout.store.schema import batch, booking, entry, event, exception, meta, name, page, record, superseded, touch
from tieout.store.tx import Tx
from tieout.valuation.engine import MEMO

EVENTS_MAX = 500  # of one answer; the newest ones, with the number left out
KEY_BYTES = 16
HEX_MIN = 8
DOCUMENTS_NAMED = 5
WHY = ("replaced by a newer revision", "cancelled or voided", "deleted at the source", "mapped again")
STATES = ("mapped", "skipped by its mapping", "failed", "late older revision", "deletion")


class Seeds(NamedTuple):
    """Where a trace starts: event rows, and record rows that may have no events."""

    id: str
    events: list[int]
    records: list[int]
    entries: list[int]


Finder = Callable[["Tracer", str], Seeds | None]


def trace(office: Office, anything: str) -> dict[str, Any] | None:
    """The chain behind an id, or None when this company knows nothing of that name.

    Events past the newest five hundred are left out and counted in `omitted`. Raises UsageError TO1095 when the
    beginning of an event id fits several.
    """
    kind, _, rest = anything.partition(":")
    chosen = {kind: FINDERS[kind]} if rest and kind in FINDERS else FINDERS
    text = rest.strip() if rest and kind in FINDERS else anything.strip()
    if not text:
        return None
    with office.desk.store.read() as rx:
        tracer = Tracer(rx, office)
        found = {name: seeds for name, finder in chosen.items() if (seeds := finder(tracer, text)) is not None}
        if not found:
            return None
        first = next(iter(found))
        answer = tracer.answer(first, found[first])
        return {**answer, "also": [f"{name}:{text}" for name in found if name != first]}


class Tracer:
    """One question, in one snapshot."""

    def __init__(self, rx: Tx, office: Office) -> None:
        self.rx = rx
        self.office = office
        self.desk: Desk = office.desk

    def answer(self, kind: str, seeds: Seeds) -> dict[str, Any]:
        asked = self._versions(seeds.events)
        omitted = max(len(asked) - EVENTS_MAX, 0)
        asked = asked[omitted:]
        bookings = self._bookings(booking.c.event, asked)
        causes = self._bookings(booking.c.affected, asked)
        other = sorted({each.event for each in causes} - set(asked))
        rows = [*asked, *other]
        entries = sorted({each.entry for each in [*bookings, *causes]} | set(seeds.entries))
        lines = self._lines({*rows, *_named([*bookings, *causes])})
        facts = self._facts(rows)
        records = sorted({fact.record for fact in facts.values()} | set(seeds.records))
        writer = _Writer(self.rx, self.desk, lines, self._entry_states(entries))
        by_event: dict[int, list[Any]] = {}
        for each in [*bookings, *(each for each in causes if each.event in set(other))]:
            by_event.setdefault(each.event, []).append(each)
        reasons = self._reasons([row for row in rows if row not in by_event], lines, facts)
        return {
            "kind": kind,
            "id": seeds.id,
            "company": self.desk.company.code,
            "currency": self.desk.currency,
            "records": self._records(records),
            "events": [
                {
                    **writer.event(row, facts[row]),
                    "asked": row not in set(other),
                    "bookings": [writer.booking(each) for each in by_event.get(row, [])],
                    "reason": reasons.get(row),
                    "affects": writer.corrections([x for x in bookings if x.event == row and x.affected], "affected"),
                    "affected_by": writer.corrections([x for x in causes if x.affected == row], "event"),
                }
                for row in sorted(rows, key=lambda row: (lines[row].at, row))
            ],
            "entries": self._entries(entries),
            "omitted": omitted,
        }

    # ── where to start ─────────────────────────────────────────────────────────────────────────────────────────────
    def rows(self, *where: sa.ColumnElement[bool]) -> list[int]:
        query = sa.select(event.c.id).where(event.c.company == self.desk.id, *where)
        return list(self.rx.execute(query.order_by(event.c.id)).scalars())

    def by_item(self, text: str) -> Seeds | None:
        number = self.desk.names.find(self.rx, "item", [text]).get(text)
        known = self.desk.masters.knows("item", text)
        if number is None:
            return Seeds(text, [], [], []) if known else None
        touched = sa.select(touch.c.event).where(touch.c.company == self.desk.id, touch.c.item == number)
        return self._some(text, self.rows(event.c.id.in_(sa.union(moves(self.desk.id, number), touched))))

    def by_document(self, text: str) -> Seeds | None:
        return self._some(text, self.rows(event.c.document == text))

    def by_event(self, text: str) -> Seeds | None:
        """By event id or a beginning of it that only one event has."""
        digits = text.lower()
        if not HEX_MIN <= len(digits) <= 2 * KEY_BYTES or digits.strip("0123456789abcdef"):
            return None
        low, high = (bytes.fromhex(digits.ljust(2 * KEY_BYTES, fill)) for fill in "0f")
        rows = self.rows(event.c.key >= low, event.c.key <= high)
        keys = sorted({line.event_id for line in self._lines(rows).values()})
        if len(keys) > 1:
            raise UsageError(
                f"{len(keys)} event ids begin with {text!r}",
                code="TO1095",
                fix=f"give more of it: {', '.join(keys[:DOCUMENTS_NAMED])}",
            )
        return self._some(keys[0], rows) if keys else None

    def by_transaction(self, text: str) -> Seeds | None:
        """By the vendor's transaction id, with its line id after a slash where records are lines."""
        rows: list[int] = []
        for connection in self.desk.sources():
            for stream in self.office.intake.source(connection).streams():
                identity = Identity(f"{connection.id}/{stream.name}", stream)
                transaction, _, line = text.rpartition("/") if stream.line_key else (text, "", "")
                key = identity.keys([(transaction, line)])[0]
                number = self.desk.names.find(self.rx, "source", [identity.source]).get(identity.source)
                query = sa.select(record.c.id).where(record.c.source == number, record.c.key == key)
                rows += self.rx.execute(query).scalars() if number is not None else []
        if not rows:
            return None
        return Seeds(text, self.rows(event.c.record.in_(rows)), rows, [])

    def by_entry(self, text: str, *where: sa.ColumnElement[bool]) -> Seeds | None:
        """By conditions on entries; a part of one stands for all its parts and their bookings."""
        query = sa.select(entry).where(entry.c.company == self.desk.id, *where)
        found = self.rx.execute(query).all()
        if not found:
            return None
        same = ("ledger", "mode", "grouping", "n", "revision")
        ids: set[int] = set()
        for row in found:
            parts = sa.select(entry.c.id).where(
                entry.c.company == self.desk.id, *(entry.c[column] == getattr(row, column) for column in same)
            )
            ids.update(self.rx.execute(parts).scalars())
        events = sa.select(booking.c.event).where(booking.c.entry.in_(ids)).distinct()
        return Seeds(text, list(self.rx.execute(events).scalars()), [], sorted(ids))

    def _some(self, text: str, rows: list[int]) -> Seeds | None:
        return Seeds(text, rows, [], []) if rows else None

    def versions_of(self, line: EventLine) -> list[int]:
        """Rows of every version of one line of an event."""
        found = self._lines(self._versions([line.row]))
        return [row for row, each in found.items() if (each.event_id, each.line_id) == (line.event_id, line.line_id)]

    def _versions(self, rows: Sequence[int]) -> list[int]:
        """These events with all their lines and all versions of them, in order of landing."""
        first = self.rx.select_keys(event, ("key", "record"), "id", rows)
        keys, documents = {row[0] for row in first}, {row[1] for row in first}
        found = set(rows)
        # an event's versions come from landings of one record key
        same = {row[0] for row in self.rx.select_keys(record, ("key",), "id", documents)}
        older = self._landings(same)
        found |= {number for number, key in self.rx.select_keys(event, ("id", "key"), "record", older) if key in keys}
        return sorted(found)

    def _landings(self, keys: Iterable[bytes]) -> list[int]:
        """Every record row of these keys; the index of records begins with the source."""
        known = sa.select(name.c.id).where(name.c.company == self.desk.id, name.c.kind == "source")
        return [
            row[0]
            for source in self.rx.execute(known).scalars().all()
            for row in self.rx.select_keys(record, ("id",), "key", keys, source=source)
        ]

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _lines(self, rows: Iterable[int]) -> dict[int, EventLine]:
        out: dict[int, EventLine] = {}
        wanted = sorted(rows)
        for start in range(0, len(wanted), 5_000):
            chunk = event.c.id.in_(wanted[start : start + 5_000])
            out.update(zip(*load_lines(self.rx, self.desk.names, chunk, current=False), strict=True))
        return out

    def _bookings(self, column: sa.ColumnElement[Any], rows: Sequence[int]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(rows), 5_000):
            found += self.rx.execute(sa.select(booking).where(column.in_(rows[start : start + 5_000]))).all()
        return sorted(found, key=lambda row: row.id)

    def _facts(self, rows: Sequence[int]) -> dict[int, Any]:
        """Per event row: its record, its batch's mapping and time of receipt, and why it no longer counts."""
        query = (
            sa.select(event.c.id, event.c.record, event.c.batch, batch.c.mapping, batch.c.received_at, superseded.c.why)
            .join(batch, batch.c.id == event.c.batch)
            .outerjoin(superseded, superseded.c.event == event.c.id)
            .where(event.c.id.in_(rows))
        )
        return {row.id: row for row in self.rx.execute(query)}

    def _entry_states(self, entries: Sequence[int]) -> dict[int, str]:
        query = sa.select(entry.c.id, entry.c.state).where(entry.c.id.in_(entries))
        return {row.id: row.state for row in self.rx.execute(query)}

    def _records(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        query = (
            sa.select(record, page.c.sha256, batch.c.mapping, batch.c.received_at, batch.c.run, name.c.text)
            .join(batch, batch.c.id == record.c.batch)
            .join(name, name.c.id == record.c.source)
            .outerjoin(page, page.c.id == record.c.page)
            .where(record.c.id.in_(rows), record.c.company == self.desk.id)
            .order_by(record.c.id)
        )
        found = self.rx.execute(query).all()
        ids = self._vendor_ids(found)
        problems = self._problems(exception.c.record.in_(rows), "record")
        return [
            {
                "key": ids.get(row.id) or row.key.hex(),
                "hash": row.key.hex(),
                "source": row.text,
                "revision": row.revision,
                "sha256": row.sha256.hex() if row.sha256 else "",
                "page": row.page,
                "index": row.idx,
                "mapping": row.mapping,
                "received_at": _time(row.received_at),
                "state": STATES[row.state],
                "exceptions": problems.get(row.id, []),
            }
            for row in found
        ]

    def _vendor_ids(self, rows: Sequence[Any]) -> dict[int, str]:
        """The vendor's own ids, read from the landed pages of sources that are still configured."""
        declared = {
            f"{connection.id}/{stream.name}": stream
            for connection in self.desk.sources()
            for stream in self.office.intake.source(connection).streams()
        }
        by_page: dict[tuple[int, str], list[Any]] = {}
        for row in rows:
            if row.page is not None and row.text in declared:
                by_page.setdefault((row.page, row.text), []).append(row)
        out: dict[int, str] = {}
        for (number, source), members in by_page.items():
            records = page_records(self.rx, self.office, number)
            identity = Identity(source, declared[source])
            for row, ids in zip(members, identity.ids([records[row.idx] for row in members]), strict=True):
                if ids is not None:
                    out[row.id] = "/".join(part for part in ids if part)
        return out

    def _problems(self, where: sa.ColumnElement[bool], column: str) -> dict[Any, list[str]]:
        x = exception.c
        query = sa.select(exception).where(x.company == self.desk.id, where).order_by(x.id)
        out: dict[Any, list[str]] = {}
        for row in self.rx.execute(query):
            out.setdefault(getattr(row, column), []).append(
                f"exception {row.id} {row.code} ({row.state}): {row.message}"
            )
        return out

    def _reasons(self, rows: Sequence[int], lines: Mapping[int, EventLine], facts: Mapping[int, Any]) -> dict[int, str]:
        """Why events have no bookings."""
        ids = {lines[row].event_id for row in rows}
        problems = self._problems(exception.c.subject.in_(ids) | exception.c.event.in_(rows), "subject")
        text = self.rx.execute(sa.select(meta.c.value).where(meta.c.key == f"books:{self.desk.id}")).scalar()
        since = self.desk.cutover_at(self.rx)
        reach = [*(json.loads(text) if text else (0, 0, 0)), -END_OF_TIME if since is None else since]
        return {row: self._reason(lines[row], facts[row], problems, reach) for row in rows}

    def _reason(self, line: EventLine, fact: Any, problems: Mapping[str, Sequence[str]], reach: Sequence[int]) -> str:
        done, up_to, at, since = reach
        if fact.why is not None:
            return f"no longer counts: {WHY[fact.why]}"
        if line.event_id in problems:
            return problems[line.event_id][-1]
        if fact.batch > done and not (fact.batch <= up_to and line.at <= at):
            return "not yet valued: the next `tieout run` takes it"
        if line.at < since:
            return "before the cut-over: it is in the openings"
        if self.desk.mode_of(line.item, line.location) == "shadow":
            return "shadow: valued, compared, never posted"
        rows = EVENT_TYPES[line.type].rows
        if line.type in MEMO:
            why = (
                "posts nothing under the policies in force"
                if line.type in RULES
                else "moves neither units nor their cost"
            )
            return f"memo: {line.type} {why} (rows {rows})"
        return f"memo: under the policy in force nothing changes value or place (rows {rows})"

    def _entries(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        net = self._net(ids)
        rows = self.rx.execute(sa.select(entry).where(entry.c.id.in_(ids)).order_by(entry.c.id)).all()
        return [
            {
                "id": row.id,
                "number": row.number,
                "day": row.day.isoformat(),
                "period": row.period,
                "corrects": row.corrects,
                "kind": row.kind,
                "mode": row.mode,
                "state": row.state,
                "reference": row.reference,
                "ledger": row.ledger,
                "ledger_id": row.ledger_id,
                "document_number": row.document_number,
                "part": row.part,
                "lines": [
                    {"account": account, "amount": from_minor(amount, self.desk.currency)}
                    for account, amount in sorted(_document_net(row, net.get(row.id, {})).items())
                    if amount
                ],
            }
            for row in rows
        ]

    def _net(self, ids: Sequence[int]) -> dict[int, dict[str, int]]:
        """What an entry's bookings add to each account, debit positive."""
        b = booking.c
        out: dict[int, dict[str, int]] = {}
        for sign, side in ((1, b.debit), (-1, b.credit)):
            query = sa.select(b.entry, side, sa.func.sum(b.amount)).where(b.entry.in_(ids)).group_by(b.entry, side)
            found: list[Any] = list(self.rx.execute(query).all())
            legs = self.desk.journal.legs(self.rx, {row[1] for row in found})
            for row in found:
                sums = out.setdefault(row[0], {})
                account = legs[row[1]].account
                sums[account] = sums.get(account, 0) + sign * int(row[2])
        return out


class _Writer:
    """Rows as JSON-ready data."""

    def __init__(self, rx: Tx, desk: Desk, lines: Mapping[int, EventLine], states: Mapping[int, str]) -> None:
        self.rx = rx
        self.desk = desk
        self.lines = lines
        self.states = states

    def event(self, row: int, fact: Any) -> dict[str, Any]:
        line, currency = self.lines[row], self.desk.currency
        return {
            "id": line.event_id,
            "line": line.line_id,
            "type": line.type,
            "effective_at": (EPOCH + timedelta(microseconds=line.at))
            .astimezone(self.desk.company.timezone)
            .isoformat(),
            "item": line.item,
            "quantity": from_scaled(line.quantity),
            "location": line.location,
            "to_location": line.to_location,
            "amount": None if line.amount is None else from_minor(line.amount, currency),
            "document": line.document,
            "party": line.party,
            "reason_code": line.reason,
            "ref": line.ref,
            "record": fact.record,
            "mapping": fact.mapping,
            "received_at": _time(fact.received_at),
            "counts": fact.why is None,
            "why": None if fact.why is None else WHY[fact.why],
        }

    def booking(self, row: Any) -> dict[str, Any]:
        currency = self.desk.currency
        legs = self.desk.journal.legs(self.rx, {row.debit, row.credit})
        word = self.desk.names.texts(self.rx, {row.row, row.item})
        debit, credit = legs[row.debit], legs[row.credit]
        return {
            "row": word[row.row],
            "debit": debit.account,
            "debit_role": debit.role,
            "debit_location": debit.location,
            "credit": credit.account,
            "credit_role": credit.role,
            "credit_location": credit.location,
            "amount": from_minor(row.amount, currency),
            "quantity": from_scaled(row.quantity),
            "item": word[row.item] if row.item else "",
            "affected": self.lines[row.affected].event_id if row.affected else None,
            "provisional": bool(row.flags & PROVISIONAL),
            "correction": bool(row.flags & CORRECTION),
            "component": COMPONENTS[row.flags >> COMPONENT_SHIFT],
            "layers": [self._layer(*each) for each in json.loads(row.layers)] if row.layers else [],
            "entry": row.entry,
            "withdrawn": self.states.get(row.entry) == "withdrawn",
        }

    def _layer(self, origin: int | str, quantity: int, value: int) -> dict[str, str]:
        line = self.lines.get(origin) if isinstance(origin, int) else None
        return {
            "origin": line.event_id if line else str(origin).partition("#")[0],
            "document": line.document if line else "",
            "quantity": from_scaled(quantity),
            "value": from_minor(value, self.desk.currency),
        }

    def corrections(self, rows: Sequence[Any], other: str) -> list[dict[str, Any]]:
        """Restatements, each with the event on the other side of it."""
        word = self.desk.names.texts(self.rx, {row.row for row in rows})
        return [
            {
                "event": self.lines[getattr(row, other)].event_id,
                "type": self.lines[getattr(row, other)].type,
                "document": self.lines[getattr(row, other)].document,
                "row": word[row.row],
                "amount": from_minor(row.amount, self.desk.currency),
                "entry": row.entry,
            }
            for row in rows
        ]


def _named(bookings: Iterable[Any]) -> set[int]:
    """Event rows that bookings name: affected movements and origins of layers."""
    named: set[int] = set()
    for row in bookings:
        if row.affected is not None:
            named.add(row.affected)
        named.add(row.event)
        if row.layers:
            named.update(origin for origin, _, _ in json.loads(row.layers) if isinstance(origin, int))
    return named


def _document_net(row: Any, booked: Mapping[str, int]) -> Mapping[str, int]:
    """Per account what the sealed document says; before sealing what the bookings say."""
    if not row.document:
        return booked
    sums: dict[str, int] = {}
    for line in msgspec.json.decode(row.document, type=Document).lines:
        sums[line.account] = sums.get(line.account, 0) + line.amount
    return sums


def _time(micros: int) -> str:
    return (EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


def _number(tracer: Tracer, text: str) -> Seeds | None:
    """An entry's number in the books, else its id."""
    if not text.isdigit():
        return None
    return tracer.by_entry(text, entry.c.number == int(text)) or tracer.by_entry(text, entry.c.id == int(text))


FINDERS: dict[str, Finder] = {
    "reference": lambda t, text: t.by_entry(text.upper(), entry.c.reference == text.upper()),
    "item": lambda t, text: t.by_item(text),
    "document": lambda t, text: t.by_document(text),
    "event": lambda t, text: t.by_event(text),
    "transaction": lambda t, text: t.by_transaction(text),
    "ledger": lambda t, text: t.by_entry(text, sa.or_(entry.c.ledger_id == text, entry.c.document_number == text)),
    "entry": _number,
}
