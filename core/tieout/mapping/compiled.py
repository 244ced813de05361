"""A compiled mapping: run it on pages of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tieout.mapping.assemble import BoundEvent, bind_skips, leave_out
from tieout.mapping.columns import Binder
from tieout.mapping.drift import Drifted, SourcePath, drifted, observed, source_paths
from tieout.mapping.fields import CASTS, Cast, texts
from tieout.mapping.frames import REFUSALS, Failed, Frame, Page, RefusalError, Skipped
from tieout.mapping.identity import key_prefix, transaction_column, transaction_text
from tieout.mapping.paths import Column, Path, parse_path
from tieout.mapping.spec import MappingSpec
from tieout.mapping.times import Clockwork, zone
from tieout.model.catalogue import EVENT_TYPES
from tieout.model.event import EventLine, RateFinder


class MapContext(msgspec.Struct, frozen=True, kw_only=True):
    """Whose records these are. `connection` is the immutable id; `key` and `line_key` are the stream's paths."""

    company: str
    connection: str
    stream: str
    currency: str
    key: tuple[str, ...]
    line_key: str | None = None
    timezone: str = "UTC"
    rates: RateFinder | None = None  # for foreign amounts whose record states no rate


class MapResult(msgspec.Struct):
    """What a page became. `records[i]` is the index in the page of the record that `lines[i]` came from, ascending;
    `recorded[i]` when its source learned of it (UTC microseconds), where a mapping says so."""

    lines: list[EventLine]
    records: list[int]
    recorded: list[int | None] | None
    skipped: list[Skipped]
    failed: list[Failed]


@dataclass(slots=True)
class _Program:
    """A mapping bound to one context."""

    skips: list[Any]
    events: list[BoundEvent]


class CompiledMapping:
    """A checked mapping. Compiled once, bound once per context, run by columns per page. No state between runs."""

    def __init__(self, spec: MappingSpec, version: str, filename: str) -> None:
        self.spec = spec
        self.name = spec.name
        self.stream = spec.stream
        self.label = spec.version
        self.version = version
        self.filename = filename
        self._programs: dict[MapContext, _Program] = {}
        self._paths: list[tuple[SourcePath, Path]] | None = None

    def run(
        self,
        records: Sequence[Mapping[str, Any]],
        context: MapContext,
        *,
        keys: Sequence[tuple[str, str]] | None = None,
    ) -> MapResult:
        """Map a page. `keys` are the (transaction id, line id) of each record where the caller has read them already; an
        empty transaction id refuses the record.

        Never raises for a record: it yields lines, or is in `skipped` with its reason, or in `failed`.
        """
        program = self._program(context)
        page = Page(len(records), self.spec.nulls)
        root, _ = leave_out(Frame(page, records, range(len(records))), program.skips, "record")
        self._identify(page, root, context, keys)
        lines: list[EventLine] = []
        origins: list[int] = []
        recorded: list[int | None] = []
        for event in program.events:
            made, records_of, learned = event.run(root)
            lines.extend(made)
            origins.extend(records_of)
            recorded.extend(learned if learned is not None else [None] * len(made))
            for line, at in zip(made, learned or (), strict=False):
                line.recorded_at = at
        self._account(page, root, origins)
        return _result(page, lines, origins, recorded, sort=len(program.events) > 1)

    def _program(self, context: MapContext) -> _Program:
        program = self._programs.get(context)
        if program is None:
            program = self._programs[context] = self._bind(context)
        return program

    def _bind(self, context: MapContext) -> _Program:
        where = zone(self.spec.timezone or context.timezone)

        def prefix(stream: str, event_type: str, role: str) -> str:
            return key_prefix(context.company, context.connection, stream or context.stream, event_type, role)

        binder = Binder(prefix)
        source = f"{context.connection}/{context.stream}"
        events = []
        for event in self.spec.events:
            clock = Clockwork(where, EVENT_TYPES[event.type].phase, self.spec.time_of_day)
            casts: dict[str, Cast] = {**CASTS, "when": clock.instants}
            events.append(BoundEvent(binder, event, casts, source, context.currency, context.rates))
        return _Program(bind_skips(binder, self.spec.skip), events)

    def _identify(self, page: Page, root: Frame, context: MapContext, keys: Sequence[tuple[str, str]] | None) -> None:
        if keys is not None:
            page.transactions = [key for key, _ in keys]
            page.line_ids = [line for _, line in keys]
            if "" in page.transactions:
                for row, record in enumerate(root.records):
                    if not page.transactions[record]:
                        root.refuse(row, "key", RefusalError("TO2108", "a key field is empty"))
            return
        key = [parse_path(text) for text in context.key]
        columns = [root.column(path) for path in key]
        transactions = _transactions(root, columns)
        lines: Column = [""] * len(root)
        if context.line_key is not None:
            lines = _transactions(root, [root.column(parse_path(context.line_key))])
        if len(root) == len(page.transactions):
            page.transactions, page.line_ids = transactions, lines
            return
        for record, transaction, line in zip(root.records, transactions, lines, strict=True):
            page.transactions[record], page.line_ids[record] = transaction, line

    def _account(self, page: Page, root: Frame, origins: list[int]) -> None:
        """A record that yields nothing without a reason is refused: nothing is lost in silence."""
        if len(self.spec.events) == 1 and len(origins) == len(root) and not page.failed:
            return
        spoken_for = {*origins, *page.failed, *(skipped.record for skipped in page.skipped)}
        for row, record in enumerate(root.records):
            if record not in spoken_for:
                root.refuse(row, "events", RefusalError("TO2105", "no event of the mapping applies to the record"))

    def paths(self) -> list[SourcePath]:
        """Every source path the mapping reads, whether it is required, and the JSON types it can take."""
        return source_paths(self.spec)

    def drift(
        self,
        records: Sequence[Mapping[str, Any]],
        result: MapResult,
        known: Mapping[str, frozenset[str]] | None = None,
    ) -> list[Drifted]:
        """What changed in the source under a mapped field, judged on a page and what it was mapped to.

        `missing`: a field an event needed is in no record of the page, not even empty. `retyped`: every value of a
        mapped field on the page has a JSON type the field cannot take, or not the types in `known` (path → types seen
        before, `types_seen`). A page of no records says nothing.
        """
        lacking = frozenset(failure.field for failure in result.failed if failure.code == "TO2101")
        return drifted(self.spec, records, lacking, known or {})

    def types_seen(self, records: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
        """The JSON types of every mapped path on a page, for `drift` of later pages; null says nothing and is left out."""
        seen = {}
        if self._paths is None:
            self._paths = [(source, parse_path(source.path)) for source in self.paths()]
        for source, path in self._paths:
            column = path.column(records)
            types = observed(column, source.path.count("[*]")) - {"null"}
            if types:
                seen[source.path] = frozenset(types)
        return seen


def _transactions(root: Frame, columns: Sequence[Column]) -> list[str]:
    """Transaction ids of key columns; records without one are refused."""
    if all(columns) and not any(None in column for column in columns):
        try:
            return transaction_column([texts(column) for column in columns])
        except REFUSALS:
            pass  # read again value by value below, where each refusal is noted
    out = []
    for row, parts in enumerate(zip(*columns, strict=True)):
        try:
            out.append(texts([transaction_text(parts)])[0])
        except REFUSALS as error:
            root.refuse(row, "key", RefusalError("TO2108", str(error)))
            out.append("")
    return out


def _result(
    page: Page, lines: list[EventLine], origins: list[int], recorded: list[int | None], *, sort: bool
) -> MapResult:
    if page.failed:
        failed = _with_amounts(page, lines, origins)
        keep = [i for i, record in enumerate(origins) if record not in page.failed]
        lines, origins, recorded = ([column[i] for i in keep] for column in (lines, origins, recorded))  # type: ignore[assignment]
        skipped = [skip for skip in page.skipped if skip.record not in page.failed]
    else:
        failed, skipped = [], page.skipped
    if sort and any(origins[i] > origins[i + 1] for i in range(len(origins) - 1)):
        order = sorted(range(len(origins)), key=origins.__getitem__)
        lines, origins, recorded = ([column[i] for i in order] for column in (lines, origins, recorded))  # type: ignore[assignment]
    stated = any(value is not None for value in recorded)
    return MapResult(lines, origins, recorded if stated else None, skipped, failed)


def _with_amounts(page: Page, lines: list[EventLine], origins: list[int]) -> list[Failed]:
    """Refused records with the largest amount, in size, that any of their events is known to have."""
    totals: dict[tuple[int, str], int] = {}
    for line, record in zip(lines, origins, strict=True):
        if record in page.failed and line.amount is not None:
            key = (record, line.event_id)
            totals[key] = totals.get(key, 0) + line.amount
    largest: dict[int, int] = {}
    for (record, _), total in totals.items():
        largest[record] = max(largest.get(record, total), total, key=abs)
    failures = sorted(page.failed.items())
    return [msgspec.structs.replace(failure, amount=largest.get(record)) for record, failure in failures]
