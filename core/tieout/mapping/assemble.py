"""One event block of a mapping, bound to a context: frames in, `EventLine`s out, column by column.

What stands where follows `model.event.lines_of`: header values in `extra` of an event's first line only, a line's
reference before the event's, a document's exact amounts rounded once as a total and spread by largest remainder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import compress, repeat
from typing import Any, Final

from tieout.mapping.columns import Binder, Mask, Reads
from tieout.mapping.fields import CASTS, Cast, carried, field_kind
from tieout.mapping.frames import Frame, RefusalError, Skipped
from tieout.mapping.identity import key_columns
from tieout.mapping.paths import Column
from tieout.mapping.spec import Block, EventSpec, Skip, Value
from tieout.model.catalogue import EVENT_TYPES
from tieout.model.event import EventLine
from tieout.model.money import AMOUNT_MAX, divide, exponent, spread
from tieout.model.quantity import SCALE

Skips = list[tuple[Mask, str]]
# Fields whose column holds (text, millionths) pairs of which `extra` keeps the text.
_LINE_EXTRA: Final = [
    "to_item",
    "condition",
    "disposition",
    "part",
    "nrv",
    "share",
    "weight",
    "volume",
    "landed_estimate",
    "tax",
    "book_quantity",
    "origin_date",
    "unit_price",
    "unit",
]
_HEAD_EXTRA: Final = ["amount", "basis", "treatment", "status", "category", "party_group", "memo", "actor"]
_HEAD_MAPS: Final = ("amounts", "tenders", "hours", "policies")


def _text(column: Column) -> Column:
    """Canonical texts of a column of numbers (pairs) or texts."""
    return [value[0] if type(value) is tuple else value for value in column]


def _plain(column: Column | None, size: int) -> Iterable[str]:
    if column is None:
        return repeat("", size)
    return [value or "" for value in column] if None in column else column


class BoundBlock:
    """A line block: its frame, and its columns by field name."""

    def __init__(self, binder: Binder, block: Block, event: EventSpec, casts: dict[str, Cast]) -> None:
        _, needed = carried(event.type, line=True)
        self.each = block.each
        self.when = binder.mask(block.when, "lines.when") if block.when else None
        self.skips: Skips = bind_skips(binder, block.skip)
        self.id = binder.value(block.id, "lines.id", CASTS["text"], required=True) if block.id else None
        self.reads = bind_fields(binder, block.fields, needed, casts, line=True)
        self.whole = self.each is None and self.when is None and not self.skips

    def frame(self, events: Frame) -> tuple[Frame, Sequence[int]]:
        """The block's rows, and for each the row of its event."""
        frame: Frame = events
        owners: Sequence[int] = range(len(events))
        if self.each is not None:
            frame = events.each(self.each, "lines.each")
            owners = frame.index
        masks = [self.when(frame)] if self.when is not None else []
        for mask in masks:
            frame, owners = frame.take(mask), list(compress(owners, mask))
        return leave_out(frame, self.skips, "line", owners)


def bind_skips(binder: Binder, skips: Sequence[Skip]) -> Skips:
    """Skips as (mask, reason)."""
    return [(binder.mask(skip.when, "skip"), skip.reason) for skip in skips]


def bind_fields(
    binder: Binder, fields: dict[str, Value], needed: Sequence[str], casts: dict[str, Cast], *, line: bool
) -> dict[str, Reads]:
    """Every field as a function from frame to column of canonical values."""
    out = {}
    for name, value in fields.items():
        kind = field_kind(name, line=line)
        out[name] = binder.value(
            value, f"lines.{name}" if line else name, casts[kind or "text"], required=name in needed
        )
    return out


def leave_out(frame: Frame, skips: Skips, what: str, owners: Sequence[int] = ()) -> tuple[Frame, Sequence[int]]:
    """Leave out the rows a skip names, noting each with its reason."""
    for mask, reason in skips:
        hits = mask(frame)
        if any(hits):
            frame.page.skipped.extend(Skipped(record, reason, what) for record in compress(frame.records, hits))
            rest = [not hit for hit in hits]
            frame, owners = frame.take(rest), list(compress(owners, rest))
    return frame, owners


class BoundEvent:
    """An event block. `run(frame)` gives its lines with the record index of each, in record order."""

    def __init__(self, binder: Binder, event: EventSpec, casts: dict[str, Cast], source: str, currency: str) -> None:
        spec = EVENT_TYPES[event.type]
        self.spec, self.label, self.source, self.currency = spec, event.label, source, currency
        self.minor = 10 ** exponent(currency)
        self.prefix = binder.prefix("", event.type, event.role)
        self.each = event.each
        self.id = binder.value(event.id, "id", CASTS["text"], required=True) if event.id else None
        self.when = binder.mask(event.when, "when") if event.when else None
        self.skips = bind_skips(binder, event.skip)
        needed = ("effective_at", *spec.needs)
        self.reads = bind_fields(binder, event.fields, needed, casts, line=False)
        self.blocks = [BoundBlock(binder, block, event, casts) for block in event.blocks]

    def run(self, frame: Frame) -> tuple[list[EventLine], Sequence[int], Column | None]:
        """(lines, record of each line, recorded_at of each line where mapped)."""
        if self.each is not None:
            frame = frame.each(self.each, "each")
        if self.when is not None:
            mask = self.when(frame)
            frame = frame if all(mask) else frame.take(mask)
        if self.skips:
            frame, _ = leave_out(frame, self.skips, self.label)
        if not len(frame):
            return [], [], None
        ids = self._ids(frame)
        fields = {name: read(frame) for name, read in self.reads.items()}
        lines = Lines(self, frame)
        if not len(lines.records):
            return [], [], None
        return lines.build(ids, fields), lines.records, lines.spread(fields.get("recorded_at"))

    def _ids(self, frame: Frame) -> list[str]:
        page = frame.page
        transactions = list(map(page.transactions.__getitem__, frame.records))
        if self.id is not None:
            line_ids = list(_plain(self.id(frame), len(frame)))
        else:
            line_ids = list(map(page.line_ids.__getitem__, frame.records))
        ids = key_columns(self.prefix, transactions, line_ids)
        if self.each is not None and len(set(ids)) < len(ids):
            seen: set[tuple[int, str]] = set()
            for row, key in enumerate(zip(frame.records, ids, strict=True)):
                if key in seen:
                    frame.refuse(
                        row, "id", RefusalError("TO2107", f"{self.label}: id {line_ids[row]!r} stands there twice")
                    )
                seen.add(key)
        return ids


class Lines:
    """The lines of all events of one block run: owners, columns, and the flat rows made of them."""

    def __init__(self, bound: BoundEvent, events: Frame) -> None:
        self.bound, self.events = bound, events
        self.owners: Sequence[int] | None = None  # None: line i belongs to event i
        self.columns: dict[str, Column] = {}
        blocks = bound.blocks
        if not blocks or (len(blocks) == 1 and blocks[0].whole):
            if blocks:
                self.columns = {name: read(events) for name, read in blocks[0].reads.items()}
                if blocks[0].id is not None:
                    self.columns["id"] = blocks[0].id(events)
            self.records = events.records
        else:
            self._gather()

    def _gather(self) -> None:
        names = {name for block in self.bound.blocks for name in block.reads} | {"id"}
        columns: dict[str, Column] = {name: [] for name in names}
        owners: list[int] = []
        for block in self.bound.blocks:
            frame, whose = block.frame(self.events)
            owners.extend(whose)
            for name in names:
                read = block.id if name == "id" else block.reads.get(name)
                columns[name].extend(read(frame) if read is not None else [None] * len(frame))
        if not self.bound.spec.line_needs:  # an event without lines is still an event
            bare = sorted(set(range(len(self.events))) - set(owners))
            owners.extend(bare)
            for column in columns.values():
                column.extend([None] * len(bare))
        order = sorted(range(len(owners)), key=owners.__getitem__)
        self.owners = [owners[i] for i in order]
        self.columns = {name: [column[i] for i in order] for name, column in columns.items()}
        self.records = [self.events.records[owner] for owner in self.owners]
        self._unique_ids()

    def _unique_ids(self) -> None:
        pairs = list(zip(self.owners or (), self.columns["id"], strict=True))
        if len(set(pairs)) == len(pairs):
            return
        seen: set[tuple[int, Any]] = set()
        for pair in pairs:
            if pair in seen:
                problem = RefusalError("TO2107", f"{self.bound.label}: line id {pair[1]!r} stands there twice")
                self.events.refuse(pair[0], "lines.id", problem)
            seen.add(pair)

    def spread(self, column: Column | None) -> Column | None:
        """An event column as a line column."""
        if column is None or self.owners is None:
            return column
        return list(map(column.__getitem__, self.owners))

    def build(self, ids: list[str], fields: dict[str, Column]) -> list[EventLine]:
        """The flat rows."""
        size, line, bound = len(self.records), self.columns, self.bound
        event = {name: self.spread(column) for name, column in fields.items()}
        heads = self._heads()
        currency = _either(line.get("currency"), event.get("currency"))
        amounts = self._amounts(event.get("rate"), currency)
        extra = self._extra(line, event, currency, heads)
        return list(
            map(
                EventLine,
                self.spread(ids) or ids,
                _plain(line.get("id"), size),
                repeat(bound.spec.name),
                event["effective_at"] or (),
                repeat(bound.spec.phase),
                repeat(bound.source),
                _counts(event.get("sequence"), size),
                _plain(line.get("item"), size),
                _counts(line.get("quantity"), size),
                _plain(line.get("location"), size),
                _plain(line.get("to_location"), size),
                amounts,
                _refs(line, event, size),
                _plain(_either(line.get("reason"), event.get("reason")), size),
                _plain(event.get("party"), size),
                _plain(event.get("channel"), size),
                _plain(event.get("document"), size),
                _plain(line.get("lot"), size),
                _plain(line.get("owner"), size),
                heads,
                extra,
            )
        )

    def _heads(self) -> Iterable[bool]:
        if self.owners is None:
            return repeat(True, len(self.records))
        before = [None, *self.owners[:-1]]
        return [owner != last for owner, last in zip(self.owners, before, strict=False)]

    def _amounts(self, rate: Column | None, currency: Column | None) -> Iterable[int | None]:
        """Line amounts in minor units of the company's currency; exact products over one denominator, then rounded."""
        exact, denominator = self._exact()
        if currency is not None:
            self._refuse_without_rate(currency, rate)
        if exact is None:
            return repeat(None, len(self.records))
        if rate is not None:
            pairs = zip(exact, rate, strict=True)
            exact = [n if n is None else n * SCALE if r is None else n * r[1] for n, r in pairs]
            denominator *= SCALE
        denominator //= self.bound.minor
        if self.owners is None:
            if None in exact:
                minor = [None if n is None else _rounded(n, denominator) for n in exact]
            else:
                minor = [n // denominator if n % denominator == 0 else _rounded(n, denominator) for n in exact]
        else:
            minor = self._spread_totals(exact, denominator)
        known: list[int] = [value for value in minor if value is not None]
        if known and (max(known) > AMOUNT_MAX or min(known) < -AMOUNT_MAX):
            for row, value in enumerate(minor):
                if value is not None and abs(value) > AMOUNT_MAX:
                    self._refuse(row, "lines.amount", ValueError(f"{value} is beyond the 64-bit range of amounts"))
        return minor

    def _exact(self) -> tuple[Column | None, int]:
        amount, price, quantity = (self.columns.get(name) for name in ("amount", "unit_price", "quantity"))
        if price is None or quantity is None:
            return (None, 1) if amount is None else ([a and a[1] for a in amount], SCALE)
        if amount is None and None not in price and None not in quantity:
            return [p[1] * q for p, q in zip(price, quantity, strict=True)], SCALE * SCALE
        out: Column = []
        for a, p, q in zip(amount or repeat(None, len(price)), price, quantity, strict=True):
            out.append(a[1] * SCALE if a is not None else None if p is None or q is None else p[1] * q)
        return out, SCALE * SCALE

    def _spread_totals(self, exact: Column, denominator: int) -> Column:
        """Documents all of whose lines are exact keep them; the others are rounded once and spread (matrix §20.6)."""
        minor: Column = [None if n is None else n // denominator for n in exact]
        uneven = {owner for owner, n in zip(self.owners or (), exact, strict=True) if n is not None and n % denominator}
        if uneven:
            rows: dict[int, list[int]] = {owner: [] for owner in uneven}
            for row, (owner, n) in enumerate(zip(self.owners or (), exact, strict=True)):
                if owner in uneven and n is not None:
                    rows[owner].append(row)
            for members in rows.values():
                shares = spread([Fraction(exact[row]) / denominator for row in members])
                for row, share in zip(members, shares, strict=True):
                    minor[row] = share
        return minor

    def _refuse_without_rate(self, currency: Column, rate: Column | None) -> None:
        own = self.bound.currency
        if set(currency) <= {None, own}:
            return
        for row, code in enumerate(currency):
            if code is not None and code != own and (rate is None or rate[row] is None):
                problem = f"the amount is in {code}, the company keeps {own}, and there is no rate"
                self._refuse(row, "currency", RefusalError("TO2106", problem))

    def _refuse(self, row: int, field: str, error: Exception) -> None:
        self.events.page.refuse(self.records[row], field, error)

    def _extra(
        self, line: dict[str, Column], event: dict[str, Column | None], currency: Column | None, heads: Iterable[bool]
    ) -> Iterable[dict[str, Any] | None]:
        columns = {name: _text(line[name]) for name in _LINE_EXTRA if name in line}
        if currency is not None:
            columns["currency"] = currency
        if event.get("rate") is not None:
            columns["rate"] = _text(event["rate"] or [])
        dims = _maps("dimensions", event, line)
        if dims is not None:
            columns["dims"] = dims
        head: dict[str, Column] = {}
        for name in _HEAD_EXTRA:
            column = event.get(name)
            if column is not None:
                head["head_amount" if name == "amount" else name] = _text(column)
        for name in _HEAD_MAPS:
            column = _maps(name, event)
            if column is not None:
                head[name] = column
        if head and self.owners is not None:
            for name, column in head.items():
                head[name] = [value if first else None for value, first in zip(column, heads, strict=True)]
        columns |= head
        return _dicts(columns, len(self.records))


def _rounded(numerator: Any, denominator: int) -> int:
    return divide(numerator, denominator)


def _counts(column: Column | None, size: int) -> Iterable[int]:
    if column is None:
        return repeat(0, size)
    return [value or 0 for value in column] if None in column else column


def _either(first: Column | None, second: Column | None) -> Column | None:
    if first is None or second is None:
        return second if first is None else first
    return [b if a is None else a for a, b in zip(first, second, strict=True)]


def _refs(line: dict[str, Column], event: dict[str, Column | None], size: int) -> Iterable[str]:
    own, outer = _ref_column(line, size), _ref_column(event, size)
    return _plain(_either(own, outer), size)


def _ref_column(columns: Any, size: int) -> Column | None:
    for kind, name in (("e", "ref.event"), ("d", "ref.document")):
        named = columns.get(name)
        if named is not None:
            lines = columns.get("ref.line") or repeat(None, size)
            return [
                None if key is None else f"{kind}:{key}#{number or ''}"
                for key, number in zip(named, lines, strict=True)
            ]
    return None


def _maps(stem: str, *levels: Any) -> Column | None:
    """Columns `stem.NAME` of the levels as one column of sorted dicts; later levels win; None where nothing is mapped."""
    parts = [
        (name[len(stem) + 1 :], _text(column))
        for level in levels
        for name, column in level.items()
        if column is not None and name.startswith(f"{stem}.")
    ]
    if not parts:
        return None
    out: Column = []
    for row in range(len(parts[0][1])):
        found = {name: column[row] for name, column in parts if column[row] is not None}
        out.append(dict(sorted(found.items())) or None)
    return out


def _dicts(columns: dict[str, Column], size: int) -> Iterable[dict[str, Any] | None]:
    """Rows of the columns as dicts without Nones; None for an empty one."""
    constant: dict[str, Any] = {}
    varying: dict[str, Column] = {}
    gaps = False
    for name, column in columns.items():
        if type(column[0]) in {str, type(None)} and column.count(column[0]) == size:
            if column[0] is not None:
                constant[name] = column[0]
        else:
            varying[name] = column
            gaps = gaps or None in column
    if not varying:
        return [dict(constant) for _ in range(size)] if constant else repeat(None, size)
    if gaps:
        rows = zip(*varying.values(), strict=True)
        names = tuple(varying)
        made = (
            constant | {name: value for name, value in zip(names, row, strict=True) if value is not None}
            for row in rows
        )
        return [found or None for found in made]
    if len(varying) == 1:
        ((name, column),) = varying.items()
        return [{**constant, name: value} for value in column]
    names = tuple(varying)
    return [{**constant, **dict(zip(names, row, strict=True))} for row in zip(*varying.values(), strict=True)]
