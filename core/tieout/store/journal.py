"""The journal in the store: appending bookings, what is already posted, balances and quantities from it.

Everything here counts bookings of every entry that is not withdrawn. Bulk: a batch of 10,000 movements is one insert of
tuples; legs and open entries are remembered between batches and forgotten when a transaction is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from tieout.errors import Refused
from tieout.model.event import EventLine
from tieout.model.journal import Booking, Consumed, Leg
from tieout.model.roles import NATIVE_ROLES
from tieout.posting.bookings import Refusal
from tieout.posting.dates import PostingDay, PostingDays
from tieout.posting.delta import delta
from tieout.posting.entries import EXTERNAL_ROWS, Group, Grouping, group_of
from tieout.store.lines import load_lines
from tieout.store.names import Names
from tieout.store.schema import booking, entry, event, leg
from tieout.store.tx import Tx

COMPONENTS = ("material", "landed", "labour", "overhead", "intercompany_profit")
PROVISIONAL, CORRECTION, COMPONENT_SHIFT = 1, 2, 4

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


class Posted(NamedTuple):
    """What one `post` did. `refused`: events held back (nothing of them was posted), for the exceptions."""

    bookings: int
    corrections: int
    entries: int
    refused: list[Refusal]


class Rules(NamedTuple):
    """How bookings become entries: ledger connection, `mode` post or propose, grouping, open days, and the policy
    `locked_period` in force for a line."""

    ledger: str
    days: PostingDays
    grouping: Grouping = "daily"
    mode: str = "post"
    locked_period: Callable[[EventLine, date], str] = lambda _line, _day: "next_open_period"


class Journal:
    """One company's journal. Keep one for the life of the process."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.company = names.company
        self._legs: dict[Leg, int] = {}
        self._leg_rows: dict[int, Leg] = {}
        self._open: dict[tuple[str, str, str], int] = {}

    def forget(self) -> None:
        """Drop what is remembered: after a transaction was undone, and whenever entries were sealed."""
        self._legs.clear()
        self._leg_rows.clear()
        self._open.clear()

    # ── appending ──────────────────────────────────────────────────────────────────────────────────────────────────
    def post(
        self,
        tx: Tx,
        should: Sequence[Booking],
        lines: Mapping[int, EventLine],
        rules: Rules,
        *,
        now: int,
        taken_back: Iterable[int] = (),
        refused: Iterable[Refusal] = (),
    ) -> Posted:
        """Append `should − already posted` and open the entries it needs.

        `lines`: event row id → line, of every line that `should` is complete for, and of those it refers to (affected
        movements, origins of layers). `taken_back`: row ids of superseded lines; what was posted for them is mirrored.
        `refused`: events that could not be booked; they are left as they are. `now` is UTC microseconds.
        """
        held = {refusal.line.event_id: refusal for refusal in refused}
        scope = {row for row, line in lines.items() if line.event_id not in held} if held else lines.keys()
        posted, numbers = self.posted(tx, [*scope, *taken_back], lines)
        added = delta(should, posted)
        numbers.update({(line.event_id, line.line_id): row for row, line in lines.items()})
        placed = self._place(added, rules, held)
        opened = self._open_entries(tx, {group: day for _, group, day in placed}, rules, now)
        self._append(tx, [(each, opened[group]) for each, group, _ in placed], numbers)
        corrections = sum(each.correction for each, _, _ in placed)
        return Posted(len(placed), corrections, len(set(opened.values())), list(held.values()))

    def _place(
        self, bookings: Sequence[Booking], rules: Rules, held: dict[str, Refusal]
    ) -> list[tuple[Booking, Group, PostingDay]]:
        """Group and posting day of each booking; an event with a day its policy will not post on goes to `held`."""
        placed: list[tuple[Booking, Group, PostingDay]] = []
        daily: dict[tuple[date, str, str, str], tuple[Group, PostingDay]] = {}
        before = len(held)
        for each in bookings:
            line = each.line
            plain = (
                rules.grouping == "daily"
                and each.debit.role not in NATIVE_ROLES
                and each.credit.role not in NATIVE_ROLES
                and each.row not in EXTERNAL_ROWS
            )
            key = (each.effective, line.location, line.type, line.channel)
            found = daily.get(key) if plain else None
            if found is None:
                try:
                    day = rules.days.at(each.effective)
                    if day.corrects:
                        rules.days.at(each.effective, rules.locked_period(line, each.effective))
                except Refused as error:
                    held.setdefault(line.event_id, Refusal(line, error))
                    continue
                found = (group_of(each, day, rules.grouping), day)
                if plain and not day.corrects:
                    daily[key] = found
            placed.append((each, *found))
        if len(held) > before:
            placed = [each for each in placed if each[0].line.event_id not in held]
        return placed

    def _open_entries(self, tx: Tx, groups: Mapping[Group, PostingDay], rules: Rules, now: int) -> dict[Group, int]:
        """Ids of the open entries of these groups, made where there is none or only sealed ones."""
        out: dict[Group, int] = {}
        missing: dict[str, Group] = {}
        for group in groups:
            text = group.text()
            known = self._open.get((rules.ledger, rules.mode, text))
            if known is None:
                missing[text] = group
            else:
                out[group] = known
        if not missing:
            return out
        following: dict[str, int] = {}
        columns = ("id", "grouping", "n", "sealed_at", "state")
        same = {"company": self.company, "ledger": rules.ledger, "mode": rules.mode}
        for number, text, n, sealed_at, state in tx.select_keys(entry, columns, "grouping", missing, **same):
            following[text] = max(following.get(text, 0), n + 1)
            if sealed_at is None and state == "planned":
                out[missing[text]] = number
        new = [(text, group) for text, group in missing.items() if group not in out]
        rows = []
        for number, (text, group) in zip(tx.allocate(entry, len(new)), new, strict=True):
            out[group] = number
            day = groups[group]
            kind = "external" if group.external else "journal"
            rows.append(
                (
                    number,
                    self.company,
                    rules.ledger,
                    kind,
                    rules.mode,
                    _day(tx, group.day),
                    text,
                    following.get(text, 0),
                )
                + (1, day.period, day.corrects or None, text, 0, "planned", now)
            )
        tx.insert(entry, _ENTRY, rows)
        tx.on_rollback.append(self.forget)
        for text, group in missing.items():
            self._open[rules.ledger, rules.mode, text] = out[group]
        return out

    def _append(self, tx: Tx, placed: Sequence[tuple[Booking, int]], numbers: Mapping[LineKey, int]) -> None:
        legs = self.leg_ids(tx, {side for each, _ in placed for side in (each.debit, each.credit)})
        items = self.names.intern(tx, "item", _items(placed))
        rows = self.names.intern(tx, "row", {each.row for each, _ in placed})
        out: list[tuple[Any, ...]] = []
        for each, number in placed:
            line, affected = each.line, each.affected
            try:
                out.append(
                    (
                        number,
                        numbers[line.event_id, line.line_id],
                        numbers[affected.event_id, affected.line_id] if affected is not None else None,
                        legs[each.debit],
                        legs[each.credit],
                        each.amount,
                        each.quantity,
                        items[each.item] if each.item else None,
                        items[each.credit_item] if each.credit_item else None,
                        each.effective.toordinal(),
                        rows[each.row],
                        each.provisional * PROVISIONAL
                        | each.correction * CORRECTION
                        | COMPONENTS.index(each.component) << COMPONENT_SHIFT,
                        _layers(each.layers, numbers) if each.layers else None,
                    )
                )
            except KeyError as error:
                raise Refused(
                    f"a booking of {each.row} names the event line {error}, which was never landed",
                    code="TO5114",
                    where=line.event_id,
                    fix="run `tieout db verify`; nothing of this batch was posted",
                ) from error
        tx.insert(booking, _BOOKING, out)

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
        """Everything posted for these event rows, in order of posting, and the row ids of the lines it names.

        `lines` saves loading those lines that are at hand. Rows landed after the last one ever booked cost nothing.
        """
        last = tx.connection.scalar(sa.select(sa.func.max(booking.c.event))) or 0
        asked = [row for row in rows if row <= last]
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

    def _lines(self, tx: Tx, found: Sequence[tuple[Any, ...]], lines: Mapping[int, EventLine]) -> dict[int, EventLine]:
        wanted = {number for row in found for number in (row[2], row[3]) if number is not None}
        known = {number: lines[number] for number in wanted if number in lines}
        missing = sorted(wanted - known.keys())
        for start in range(0, len(missing), _LINES_PER_SELECT):
            chunk = missing[start : start + _LINES_PER_SELECT]
            known.update(zip(*load_lines(tx, self.names, event.c.id.in_(chunk), current=False), strict=True))
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
    "created_at",
)


def _day(tx: Tx, day: date) -> Any:
    """A date as the driver stores it on the bulk path."""
    return day.isoformat() if tx.dialect == "sqlite" else day


def _items(placed: Sequence[tuple[Booking, int]]) -> set[str]:
    items = {each.item for each, _ in placed} | {each.credit_item for each, _ in placed}
    items.discard("")
    return items


def _layers(layers: Sequence[Consumed], numbers: Mapping[LineKey, int]) -> str:
    """`[[origin, quantity, value], …]`: the origin is its event row, or `EVENT_ID#LINE` where that is not at hand."""
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
