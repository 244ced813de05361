"""The journal in the store: appending bookings, what is already posted, balances and quantities from it.

Everything here counts bookings of every entry that is not withdrawn. Bulk: a batch of 10,000 movements is one insert of
tuples; legs are remembered between batches and forgotten when a transaction is undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from tieout.errors import Refused
from tieout.model.event import EventLine
from tieout.model.journal import Booking, Consumed, Leg
from tieout.store import outbox
from tieout.store.lanes import DELIVER, wake
from tieout.store.lines import load_lines
from tieout.store.names import Names
from tieout.store.schema import booking, entry, event, leg, superseded
from tieout.store.tx import Tx

COMPONENTS = ("material", "landed", "labour", "overhead", "intercompany_profit")
PROVISIONAL, CORRECTION, COMPONENT_SHIFT = 1, 2, 4
_COMPONENT_FLAGS = {name: n << COMPONENT_SHIFT for n, name in enumerate(COMPONENTS)}

_BOOKING = (
    "entry",
    "event",
    "affected",
    "debit",
    "credit",
    "amount",
    "quantity",
    "item",
    "credit_item",
    "day",
    "row",
    "flags",
    "layers",
)
_LINES_PER_SELECT = 5_000
_dimensions = msgspec.json.Encoder(order="deterministic").encode

LineKey = tuple[str, str]


class NewEntry(NamedTuple):
    """An entry to open: posting day, its period, the period it corrects ('' for none), kind journal or external."""

    day: date
    period: str
    corrects: str
    kind: str


class Journal:
    """One company's journal. Keep one for the life of the process."""

    def __init__(self, names: Names, actor: str = "tieout") -> None:
        self.names = names
        self.actor = actor  # who prepares the entries it opens
        self.company = names.company
        self._legs: dict[Leg, int] = {}
        self._leg_rows: dict[int, Leg] = {}

    def forget(self) -> None:
        """Drop what is remembered, after a transaction was undone."""
        self._legs.clear()
        self._leg_rows.clear()

    # ── appending ──────────────────────────────────────────────────────────────────────────────────────────────────
    def open_entries(
        self, tx: Tx, ledger: str, mode: str, groups: Mapping[str, NewEntry], *, now: int
    ) -> dict[str, int]:
        """Ids of the open entries of these groups (canonical text), made where there is none or only sealed ones."""
        out: dict[str, int] = {}
        texts = {}
        following: dict[str, int] = {}
        columns = ("id", "grouping", "n", "sealed_at", "state")
        same = {"company": self.company, "ledger": ledger, "mode": mode}
        for number, text, n, sealed_at, state in tx.select_keys(entry, columns, "grouping", groups, **same):
            following[text] = max(following.get(text, 0), n + 1)
            if sealed_at is None and state == "planned":
                texts[number] = text
        out.update({texts[number]: number for number in outbox.still_open(tx, texts)} if texts else {})
        rows: list[tuple[Any, ...]] = []
        absent = [text for text in groups if text not in out]
        for number, text in zip(tx.allocate(entry, len(absent)), absent, strict=True):
            out[text] = number
            new = groups[text]
            day = new.day.isoformat() if tx.dialect == "sqlite" else new.day  # the bulk path hands it to the driver
            n = following.get(text, 0)
            kept = (new.period, new.corrects or None, text, 0, "planned", self.actor, now)
            rows.append((number, self.company, ledger, new.kind, mode, day, text, n, 1, *kept))
        tx.insert(entry, _ENTRY, rows)
        if rows:
            wake(tx, self.company, f"{DELIVER}{ledger}")
        return out

    def append(
        self, tx: Tx, bookings: Sequence[Booking], entries: Sequence[int], numbers: Mapping[LineKey, int]
    ) -> None:
        """Append bookings, each with the id of its entry. `numbers` gives the event row of every line they name.

        Column by column: what no booking of a batch has is not written, and costs nothing.
        """
        if not bookings:
            return
        columns: dict[str, tuple[Any, ...]] = dict(zip(Booking._fields, zip(*bookings, strict=True), strict=True))
        lines, days = columns["line"], set(columns["effective"])
        # bookings share their legs as objects: told apart by identity, hashed once each
        sides = {id(side): side for side in (*columns["debit"], *columns["credit"])}
        known = self.leg_ids(tx, sides.values())
        legs = {identity: known[side] for identity, side in sides.items()}
        items = self.names.intern(tx, "item", {*columns["item"], *columns["credit_item"]} - {""})
        rows = self.names.intern(tx, "row", set(columns["row"]))
        ordinals = {day: day.toordinal() for day in days}
        written: dict[str, Sequence[Any] | int] = {
            "entry": entries,
            "event": [line.row or _number(line, line, numbers) for line in lines],
            "debit": [legs[id(side)] for side in columns["debit"]],
            "credit": [legs[id(side)] for side in columns["credit"]],
            "amount": columns["amount"],
            "quantity": columns["quantity"],
            "item": list(map(items.get, columns["item"])),
            "day": list(map(ordinals.get, columns["effective"])),
            "row": list(map(rows.get, columns["row"])),
            "flags": _flags(columns["provisional"], columns["component"], columns["correction"]),
        }
        if any(columns["affected"]):
            written["affected"] = [
                None if each is None else each.row or _number(each, line, numbers)
                for each, line in zip(columns["affected"], lines, strict=True)
            ]
        if any(columns["credit_item"]):
            written["credit_item"] = list(map(items.get, columns["credit_item"]))
        if any(columns["layers"]):
            written["layers"] = [_layers(layers, numbers) if layers else None for layers in columns["layers"]]
        tx.insert_columns(booking, written, len(bookings))

    def leg_ids(self, tx: Tx, legs: Iterable[Leg]) -> Mapping[Leg, int]:
        """Ids of these legs, made where new."""
        known = self._legs
        new = sorted(set(legs) - known.keys())
        if new:
            self._load_legs(tx)
            new = [each for each in new if each not in known]
            places = self.names.intern(tx, "location", {each.location for each in new if each.location})
            rows = []
            for number, each in zip(tx.allocate(leg, len(new)), new, strict=True):
                place = places[each.location] if each.location else 0  # 0 and not null: null is never equal to null
                dims = _dimensions(dict(each.dimensions)).decode()
                rows.append((number, self.company, each.role, each.account, place, dims))
                known[each], self._leg_rows[number] = number, each
            tx.insert(leg, ("id", "company", "role", "account", "location", "dimensions"), rows)
            tx.on_rollback.append(self.forget)
        return known

    def _load_legs(self, tx: Tx) -> None:
        rows = tx.execute(sa.select(leg).where(leg.c.company == self.company)).all()
        word = self.names.texts(tx, {row.location for row in rows if row.location})
        for row in rows:
            if row.id not in self._leg_rows:
                dims = tuple(sorted(msgspec.json.decode(row.dimensions).items()))
                each = Leg(row.role, row.account, word[row.location] if row.location else "", dims)
                self._legs[each], self._leg_rows[row.id] = row.id, each

    def legs(self, tx: Tx, ids: Iterable[int]) -> Mapping[int, Leg]:
        """Legs by id. The mapping returned holds at least these."""
        if not set(ids) <= self._leg_rows.keys():
            self._load_legs(tx)
        return self._leg_rows

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────
    def posted(
        self, tx: Tx, rows: Sequence[int], lines: Mapping[int, EventLine] | None = None
    ) -> tuple[list[Booking], dict[LineKey, int]]:
        """Everything posted for these event rows and earlier versions of them, in order of posting, and the row ids of the
        lines it names.

        `lines` saves loading those lines that are at hand. Rows landed after the last one ever booked cost nothing.
        """
        last = tx.connection.scalar(sa.select(sa.func.max(booking.c.event))) or 0
        asked = [row for row in rows if row <= last]
        if asked:
            asked = sorted({*asked, *self._earlier(tx, asked, lines or {})})
        found = sorted(tx.select_keys(booking, ("id", *_BOOKING), "event", asked)) if asked else []
        if not found:
            return [], {}
        gone = set(
            tx.connection.scalars(
                sa.select(entry.c.id).where(entry.c.company == self.company, entry.c.state == "withdrawn")
            )
        )
        found = [row for row in found if row[1] not in gone]
        known = self._lines(tx, found, lines or {})
        word = self.names.texts(tx, {name for row in found for name in (row[8], row[9], row[11])})
        legs = self.legs(tx, {side for row in found for side in (row[4], row[5])})
        out = []
        for (
            _,
            _,
            number,
            affected,
            debit,
            credit,
            amount,
            quantity,
            item,
            credit_item,
            day,
            row,
            flags,
            layers,
        ) in found:
            out.append(
                Booking(
                    line=known[number],
                    row=word[row],
                    debit=legs[debit],
                    credit=legs[credit],
                    amount=amount,
                    quantity=quantity,
                    item=word[item] if item else "",
                    credit_item=word[credit_item] if credit_item else "",
                    effective=date.fromordinal(day),
                    affected=known[affected] if affected is not None else None,
                    provisional=bool(flags & PROVISIONAL),
                    layers=_consumed(layers, known) if layers else (),
                    component=COMPONENTS[flags >> COMPONENT_SHIFT],
                    correction=bool(flags & CORRECTION),
                )
            )
        return out, {(line.event_id, line.line_id): number for number, line in known.items()}

    def _earlier(self, tx: Tx, rows: Sequence[int], lines: Mapping[int, EventLine]) -> list[int]:
        """Superseded rows of the same events: what was posted for a version that no longer counts is posted all the same."""
        if tx.connection.scalar(sa.select(superseded.c.event).limit(1)) is None:
            return []
        keys = {bytes.fromhex(lines[row].event_id) for row in rows if row in lines}
        absent = [row for row in rows if row not in lines]
        keys.update(row[0] for row in tx.select_keys(event, ("key",), "id", absent))
        same = [row[0] for row in tx.select_keys(event, ("id",), "key", sorted(keys), company=self.company)]
        return [row[0] for row in tx.select_keys(superseded, ("event",), "event", same)]

    def _lines(self, tx: Tx, found: Sequence[tuple[Any, ...]], lines: Mapping[int, EventLine]) -> dict[int, EventLine]:
        wanted = {number for row in found for number in (row[2], row[3]) if number is not None}
        known = {number: lines[number] for number in wanted if number in lines}
        missing = sorted(wanted - known.keys())
        current = {(line.event_id, line.line_id): row for row, line in lines.items()} if missing else {}
        for start in range(0, len(missing), _LINES_PER_SELECT):
            chunk = missing[start : start + _LINES_PER_SELECT]
            for row, line in zip(*load_lines(tx, self.names, event.c.id.in_(chunk), current=False), strict=True):
                # an earlier version stands for the current one: its bookings are that line's
                line.row = current.get((line.event_id, line.line_id), line.row)
                known[row] = line
        return known


_ENTRY = (
    "id",
    "company",
    "ledger",
    "kind",
    "mode",
    "day",
    "grouping",
    "n",
    "part",
    "period",
    "corrects",
    "lineage",
    "revision",
    "state",
    "preparer",
    "created_at",
)


def _number(named: EventLine, line: EventLine, numbers: Mapping[LineKey, int]) -> int:
    """The event row of a line that does not carry it."""
    try:
        return numbers[named.event_id, named.line_id]
    except KeyError as error:
        raise Refused(
            f"a booking of {line.type} names the event line {error}, which was never landed",
            code="TO5114",
            where=line.event_id,
            fix="run `tieout db verify`; nothing of this batch was posted",
        ) from error


def _flags(provisional: Sequence[bool], components: Sequence[str], corrections: Sequence[bool]) -> Sequence[int] | int:
    """One number where all bookings have the same."""
    found = {
        each: _COMPONENT_FLAGS[each[1]] | (PROVISIONAL if each[0] else 0) | (CORRECTION if each[2] else 0)
        for each in set(zip(provisional, components, corrections, strict=True))
    }
    if len(found) == 1:
        return next(iter(found.values()))
    return [found[each] for each in zip(provisional, components, corrections, strict=True)]


def _layers(layers: Sequence[Consumed], numbers: Mapping[LineKey, int]) -> str:
    """`[[origin, quantity, value], …]`: the origin is its event row, or `EVENT_ID#LINE` where that is not at hand."""
    if len(layers) == 1:
        ((origin, line, quantity, value),) = layers
        number = numbers.get((origin, line))
        return f"[[{number},{quantity},{value}]]" if number else f'[["{origin}#{line}",{quantity},{value}]]'
    parts = []
    for origin, line, quantity, value in layers:
        number = numbers.get((origin, line))
        parts.append(f"[{number},{quantity},{value}]" if number else f'["{origin}#{line}",{quantity},{value}]')
    return f"[{','.join(parts)}]"


def _consumed(text: str, known: Mapping[int, EventLine]) -> tuple[Consumed, ...]:
    out = []
    for origin, quantity, value in msgspec.json.decode(text):
        if isinstance(origin, int):
            line = known.get(origin)
            key = (line.event_id, line.line_id) if line else (f"row {origin}", "")
        else:
            key = tuple(origin.split("#", 1))
        out.append(Consumed(*key, quantity, value))
    return tuple(out)
