"""Event rows and event lines: one into the other, in bulk, both ways.

The row is narrow (interned names, 16-byte key); `EventLine` is what everything else works on. What only some types carry
travels in `extra`, beside it lot, owner, a phase other than the type's own, and a first line that is not the head.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa

from tieout.model.catalogue import EVENT_TYPES
from tieout.model.event import EventLine
from tieout.store.names import Names
from tieout.store.schema import event, movement, superseded
from tieout.store.tx import Tx

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
    "recorded_at",
)
_PHASES = {name: spec.phase for name, spec in EVENT_TYPES.items()}
_LOT, _OWNER, _PHASE, _HEAD = "~lot", "~owner", "~phase", "~head"
_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_FIELDS = (
    "event_id",
    "line_id",
    "type",
    "at",
    "phase",
    "source",
    "sequence",
    "item",
    "quantity",
    "location",
    "to_location",
    "amount",
    "ref",
    "reason",
    "party",
    "channel",
    "document",
    "lot",
    "owner",
    "head",
    "extra",
    "recorded_at",
)
_MOVE = ("item", "at", "event")
_fields_of = operator.attrgetter(*_FIELDS)
_WORDS = {  # column → kind of name
    "type": "type",
    "source": "source",
    "item": "item",
    "location": "location",
    "to_location": "location",
    "reason": "reason",
    "party": "party",
    "channel": "channel",
}
_SELECTED = tuple(name for name in COLUMNS if name not in ("company", "batch", "record"))


def insert_lines(
    tx: Tx,
    names: Names,
    lines: Sequence[EventLine],
    *,
    ids: Sequence[int],
    records: Sequence[int],
    batch: int,
) -> None:
    """Insert lines as event rows, and where each item moved; `ids` and `records` run beside `lines`. Names are interned.

    Column by column: what no line of a batch has is not written, and costs nothing.
    """
    count = len(lines)
    if not count:
        return
    column: dict[str, tuple[Any, ...]] = dict(zip(_FIELDS, zip(*map(_fields_of, lines), strict=True), strict=True))
    numbers = _numbers(column["event_id"])
    written: dict[str, Sequence[Any] | int] = {
        "id": ids,
        "company": names.company,
        "batch": batch,
        "record": records,
        "key": list(map(bytearray.fromhex, column["event_id"])),
        "n": numbers if any(numbers) else 0,
        "at": column["at"],
        "sequence": column["sequence"] if any(column["sequence"]) else 0,
        "quantity": column["quantity"],
        "amount": column["amount"],
        "recorded_at": column["recorded_at"],
    }
    for field, kind in _WORDS.items():
        words = set(column[field])
        if event.c[field].nullable:
            words.discard("")
        if words:
            known = names.intern(tx, kind, words)
            (only, *more) = words
            alone = not more and column[field].count(only) == count
            written[field] = known[only] if alone else list(map(known.get, column[field]))
    for field in ("line_id", "document", "ref"):
        if any(column[field]):
            written[field] = [text or None for text in column[field]]
    extra = _extras(lines, column, numbers)
    if extra is not None:
        written["extra"] = extra
    tx.insert_columns(event, written, count)
    if "item" in written:
        known = names.intern(tx, "item", ())
        moves_of = zip(map(known.get, column["item"]), column["at"], ids, strict=True)
        moved = sorted([move for move in moves_of if move[0] is not None])
        same = {"company": names.company, "batch": batch}
        tx.insert_columns(movement, {**same, **dict(zip(_MOVE, zip(*moved, strict=True), strict=True))}, len(moved))


def _numbers(event_ids: Sequence[str]) -> list[int]:
    """The number of each line inside its event; lines of an event are adjacent."""
    if len(set(event_ids)) == len(event_ids):
        return [0] * len(event_ids)
    out: list[int] = []
    previous = ""
    for event_id in event_ids:
        out.append(out[-1] + 1 if event_id == previous else 0)
        previous = event_id
    return out


def _extras(
    lines: Sequence[EventLine], column: Mapping[str, Sequence[Any]], numbers: Sequence[int]
) -> list[str | None] | None:
    """What only some lines have, as JSON; None where no line has any."""
    heads = list(map(operator.not_, numbers))
    unusual = any(phase != _PHASES[kind] for kind, phase in set(zip(column["type"], column["phase"], strict=True)))
    if unusual or any(column["lot"]) or any(column["owner"]) or heads != list(column["head"]):
        return [_extra_text(line, line.head == head) for line, head in zip(lines, heads, strict=True)]
    if not any(column["extra"]):
        return None
    return [_encode(extra).decode() if extra else None for extra in column["extra"]]


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
        party, channel, document, ref, extra_text, recorded_at = tail
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
            recorded_at=recorded_at,
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


def moves(company: int, item: int, since: int | None = None) -> sa.Select[tuple[int]]:
    """A query for the event rows that move an item (name id), from an instant on."""
    m = movement.c
    query = sa.select(m.event).where(m.company == company, m.item == item)
    return query if since is None else query.where(m.at >= since)


def document_lines(tx: Tx, names: Names, documents: Iterable[str]) -> tuple[list[int], list[EventLine]]:
    """Current lines of documents by number: what a `d:NUMBER` reference can mean."""
    return load_lines(tx, names, event.c.document.in_(list(documents)), order=True)
