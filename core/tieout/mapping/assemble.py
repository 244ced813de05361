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
from tieout.mapping.flat import (
    counts,
    dicts,
    either,
    exact_amounts,
    maps,
    plain,
    refs,
    rounded,
    rounded_together,
    texts_of,
)
from tieout.mapping.frames import Frame, RefusalError, Skipped
from tieout.mapping.identity import key_columns
from tieout.mapping.paths import Column
from tieout.mapping.spec import Block, EventSpec, Skip, Value
from tieout.model.catalogue import EVENT_TYPES
from tieout.model.event import EventLine, RateFinder
from tieout.model.money import AMOUNT_MAX, exact_text, exponent
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

    def __init__(
        self,
        binder: Binder,
        event: EventSpec,
        casts: dict[str, Cast],
        source: str,
        currency: str,
        rates: RateFinder | None = None,
    ) -> None:
        spec = EVENT_TYPES[event.type]
        self.rates = rates
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
            line_ids = list(plain(self.id(frame), len(frame)))
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
        currency = either(line.get("currency"), event.get("currency"))
        if currency is not None and bound.rates is not None:
            event["rate"] = self._rates(event.get("rate"), currency, event["effective_at"] or [])
        amounts = self._amounts(event.get("rate"), currency)
        extra = self._extra(line, event, currency, heads)
        return list(
            map(
                EventLine,
                self.spread(ids) or ids,
                plain(line.get("id"), size),
                repeat(bound.spec.name),
                event["effective_at"] or (),
                repeat(bound.spec.phase),
                repeat(bound.source),
                counts(event.get("sequence"), size),
                plain(line.get("item"), size),
                counts(line.get("quantity"), size),
                plain(line.get("location"), size),
                plain(line.get("to_location"), size),
                amounts,
                refs(line, event, size),
                plain(either(line.get("reason"), event.get("reason")), size),
                plain(event.get("party"), size),
                plain(event.get("channel"), size),
                plain(event.get("document"), size),
                plain(line.get("lot"), size),
                plain(line.get("owner"), size),
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
        exact, denominator = exact_amounts(self.columns)
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
            minor = rounded(exact, denominator)
        else:
            minor = rounded_together(exact, denominator, self.owners)
        known: list[int] = [value for value in minor if value is not None]
        if known and (max(known) > AMOUNT_MAX or min(known) < -AMOUNT_MAX):
            for row, value in enumerate(minor):
                if value is not None and abs(value) > AMOUNT_MAX:
                    self._refuse(row, "lines.amount", ValueError(f"{value} is beyond the 64-bit range of amounts"))
        return minor

    def _rates(self, rate: Column | None, currency: Column, at: Column) -> Column | None:
        """The rates stated, and for foreign amounts without one that of their instant, where it is known."""
        own, find = self.bound.currency, self.bound.rates
        if find is None or set(currency) <= {None, own}:
            return rate
        out: Column = list(rate) if rate is not None else [None] * len(currency)
        for row, code in enumerate(currency):
            if out[row] is None and code is not None and code != own:
                found = find(code, at[row])
                if found is not None:
                    out[row] = (exact_text(found), found * SCALE)
        return out if any(value is not None for value in out) else rate

    def _refuse_without_rate(self, currency: Column, rate: Column | None) -> None:
        own = self.bound.currency
        if set(currency) <= {None, own}:
            return
        for row, code in enumerate(currency):
            if code is not None and code != own and (rate is None or rate[row] is None):
                problem = (
                    f"the amount is in {code}, the company keeps {own}, and no rate is stated or known for its day"
                )
                self._refuse(row, "currency", RefusalError("TO2106", problem))

    def _foreign(self, currency: Column) -> Column:
        """Exact line amounts in their own currency, where that is not the company's."""
        exact, denominator = exact_amounts(self.columns)
        own = (None, self.bound.currency)
        return [
            None if n is None or code in own else exact_text(Fraction(n, denominator))
            for n, code in zip(exact or repeat(None, len(currency)), currency, strict=True)
        ]

    def _refuse(self, row: int, field: str, error: Exception) -> None:
        self.events.page.refuse(self.records[row], field, error)

    def _extra(
        self, line: dict[str, Column], event: dict[str, Column | None], currency: Column | None, heads: Iterable[bool]
    ) -> Iterable[dict[str, Any] | None]:
        columns = {name: texts_of(line[name]) for name in _LINE_EXTRA if name in line}
        if currency is not None:
            columns["currency"] = currency
            if not set(currency) <= {None, self.bound.currency}:
                columns["foreign"] = self._foreign(currency)
        if event.get("rate") is not None:
            columns["rate"] = texts_of(event["rate"] or [])
        dims = maps("dimensions", event, line)
        if dims is not None:
            columns["dims"] = dims
        head: dict[str, Column] = {}
        for name in _HEAD_EXTRA:
            column = event.get(name)
            if column is not None:
                head["head_amount" if name == "amount" else name] = texts_of(column)
        for name in _HEAD_MAPS:
            column = maps(name, event)
            if column is not None:
                head[name] = column
        if head and self.owners is not None:
            for name, column in head.items():
                head[name] = [value if first else None for value, first in zip(column, heads, strict=True)]
        columns |= head
        return dicts(columns, len(self.records))
