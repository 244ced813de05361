"""Event rows and event lines: one into the other, in bulk, both ways.

The row is narrow (interned names, 16-byte key); `EventLine` is what everything else works on. What only some types carry
travels in `extra`, beside it lot, owner, a phase other than the type's own, and a first line that is not the head.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa

from tieout.model.catalogue import EVENT_TYPES
from tieout.model.event import EventLine
from tieout.store.names import Names
from tieout.store.schema import event, superseded
from tieout.store.tx import Row, Tx

COLUMNS = (
    "id",
    "company",
    "batch",
    "record",
    "key",
    "n",
    "line_id",
    "type",
    "source",
    "at",
    "sequence",
    "item",
    "quantity",
    "location",
    "to_location",
    "amount",
    "reason",
    "party",
    "channel",
    "document",
    "ref",
    "extra",
)
_PHASES = {name: spec.phase for name, spec in EVENT_TYPES.items()}
_LOT, _OWNER, _PHASE, _HEAD = "~lot", "~owner", "~phase", "~head"
_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_SELECTED = tuple(name for name in COLUMNS if name not in ("company", "batch", "record"))


def rows_of(
    tx: Tx,
    names: Names,
    lines: Sequence[EventLine],
    *,
    ids: Sequence[int],
    records: Sequence[int],
    batch: int,
) -> list[Row]:
    """Rows of lines, in the order of `COLUMNS`; `ids` and `records` run beside `lines`. Names are interned."""
    types = names.intern(tx, "type", {line.type for line in lines})
    sources = names.intern(tx, "source", {line.source for line in lines})
    items = names.intern(tx, "item", {line.item for line in lines if line.item})
    places = names.intern(tx, "location", _places(lines))
    reasons = names.intern(tx, "reason", {line.reason for line in lines if line.reason})
    parties = names.intern(tx, "party", {line.party for line in lines if line.party})
    channels = names.intern(tx, "channel", {line.channel for line in lines if line.channel})
    company = names.company
    item, place, reason, party, channel = items.get, places.get, reasons.get, parties.get, channels.get
    rows: list[Row] = []
    n, previous = 0, ""
    for number, record, line in zip(ids, records, lines, strict=True):
        event_id = line.event_id
        n = n + 1 if event_id == previous else 0
        previous = event_id
        head = line.head == (n == 0)
        rare = line.extra or line.lot or line.owner or line.phase != _PHASES[line.type] or not head
        rows.append(
            (
                number,
                company,
                batch,
                record,
                bytes.fromhex(event_id),
                n,
                line.line_id or None,
                types[line.type],
                sources[line.source],
                line.at,
                line.sequence,
                item(line.item),
                line.quantity,
                place(line.location),
                place(line.to_location),
                line.amount,
                reason(line.reason),
                party(line.party),
                channel(line.channel),
                line.document or None,
                line.ref or None,
                _extra_text(line, head) if rare else None,
            )
        )
    return rows


def _places(lines: Sequence[EventLine]) -> set[str]:
    places = {line.location for line in lines} | {line.to_location for line in lines}
    places.discard("")
    return places


def _extra_text(line: EventLine, head: bool) -> str | None:
    extra = dict(line.extra or ())
    if line.lot:
        extra[_LOT] = line.lot
    if line.owner:
        extra[_OWNER] = line.owner
    if line.phase != _PHASES[line.type]:
        extra[_PHASE] = line.phase
    if not head:
        extra[_HEAD] = line.head
    return _encode(extra).decode() if extra else None


def load_lines(
    tx: Tx, names: Names, *where: sa.ColumnElement[bool], current: bool = True, order: bool = False
) -> tuple[list[int], list[EventLine]]:
    """Event row ids and their lines, side by side.

    `where` are conditions on the `event` table; the company's own is added. `current` leaves out superseded lines;
    `order` sorts by row id (order of landing), else the order is the database's.
    """
    query = sa.select(*[event.c[name] for name in _SELECTED]).where(event.c.company == names.company, *where)
    if current:
        query = query.outerjoin(superseded, superseded.c.event == event.c.id).where(superseded.c.event.is_(None))
    if order:
        query = query.order_by(event.c.id)
    rows: list[Any] = list(tx.connection.execute(query).all())
    return [row[0] for row in rows], lines_of_rows(tx, names, rows)


def lines_by_number(tx: Tx, names: Names, numbers: Iterable[int]) -> tuple[list[int], list[EventLine]]:
    """Lines by row id, superseded ones too, in order of landing; each carries its row id."""
    rows = tx.select_keys(event, _SELECTED, "id", sorted(numbers))
    rows.sort(key=itemgetter(0))
    lines = lines_of_rows(tx, names, rows)
    found = [row[0] for row in rows]
    for number, line in zip(found, lines, strict=True):
        line.row = number
    return found, lines


def lines_of_rows(tx: Tx, names: Names, rows: Sequence[Any]) -> list[EventLine]:
    """Lines of rows selected as `COLUMNS` without company, batch and record, in that order."""
    used: set[int | None] = set()
    for column in (4, 5, 8, 10, 11, 13, 14, 15):
        used.update([row[column] for row in rows])
    word = names.texts(tx, used)
    phases = {number: _PHASES[word[number]] for number in {row[4] for row in rows}}
    out = []
    for _, key, n, line_id, kind, source, at, sequence, item, quantity, place, to_place, amount, reason, *tail in rows:
        party, channel, document, ref, extra_text = tail
        line = EventLine(
            key.hex(),
            line_id or "",
            word[kind],
            at,
            phases[kind],
            word[source],
            sequence,
            word[item] if item else "",
            quantity,
            word[place] if place else "",
            word[to_place] if to_place else "",
            amount,
            ref or "",
            word[reason] if reason else "",
            word[party] if party else "",
            word[channel] if channel else "",
            document or "",
            "",
            "",
            n == 0,
        )
        if extra_text:
            extra = _decode(extra_text)
            line.lot = extra.pop(_LOT, "")
            line.owner = extra.pop(_OWNER, "")
            line.phase = extra.pop(_PHASE, line.phase)
            line.head = extra.pop(_HEAD, line.head)
            line.extra = extra or None
        out.append(line)
    return out


def document_lines(tx: Tx, names: Names, documents: Iterable[str]) -> tuple[list[int], list[EventLine]]:
    """Current lines of documents by number: what a `d:NUMBER` reference can mean."""
    return load_lines(tx, names, event.c.document.in_(list(documents)), order=True)
