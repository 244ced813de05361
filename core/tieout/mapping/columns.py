"""Field specs and conditions bound to a run: functions from a frame to a column.

A field's functions (converters, lookup, cast) run over a whole column, and where values repeat or are absent only over
the distinct ones. A column that raises is done again value by value, so that a refusal names its record and field and
the other records go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any

from tieout.mapping.fields import Cast
from tieout.mapping.frames import NOTHING, REFUSALS, Frame, RefusalError
from tieout.mapping.identity import key_columns, transaction_text
from tieout.mapping.paths import Column
from tieout.mapping.spec import Condition, Identity, Lookup, Value

Reads = Callable[[Frame], Column]
Mask = Callable[[Frame], list[Any]]
Prefix = Callable[[str, str, str], str]  # (stream or empty, event type, role) → prefix of an event key

_PLAIN_TYPES = ({str}, {int})


class Pipe:
    """The functions of one field in turn: converters, lookup, cast. `null` is what no value becomes."""

    def __init__(self, steps: Sequence[Callable[[Any], Any]], lookup: Lookup | None, default: Any, cast: Cast | None):
        self.steps = list(steps)
        self.cast = cast
        self.null = default if default is None or cast is None else cast([default])[0]
        if lookup is not None:
            self.steps.append(_looker(lookup, refuse=default is None))
        self.idle = not self.steps and cast is None

    def run(self, values: list[Any]) -> Column:
        """Every value through every function; values are not None."""
        for number, step in enumerate(self.steps, 1):
            values = list(map(step, values))
            if None in values or "" in values:
                return [self.one(value, number) for value in values]
        return self.cast(values) if self.cast is not None and values else values

    def one(self, value: Any, start: int = 0) -> Any:
        """One value through the functions from `start` on; what becomes nothing on the way takes the default."""
        for step in self.steps[start:]:
            if value is None or value == "":
                return self.null
            value = step(value)
        if value is None or value == "":
            return self.null
        return self.cast([value])[0] if self.cast is not None else value

    def column(self, column: Column, frame: Frame, field: str) -> Column:
        """A column of values and Nones through the functions; refusals are noted on the frame and give None."""
        if self.idle and self.null is None:
            return column
        kinds = set(map(type, column))
        absent = NOTHING in kinds
        kinds.discard(NOTHING)
        if kinds in _PLAIN_TYPES:
            distinct = set(column)
            distinct.discard(None)
            if absent or 2 * len(distinct) <= len(column):
                return self._by_table(list(distinct), column, frame, field)
        try:
            if not absent:
                return self.run(column)
            done = iter(self.run([value for value in column if value is not None]))
            return [self.null if value is None else next(done) for value in column]
        except REFUSALS:
            return self._by_value(column, frame, field)

    def _by_table(self, distinct: list[Any], column: Column, frame: Frame, field: str) -> Column:
        refused: dict[Any, Exception] = {}
        try:
            table = dict(zip(distinct, self.run(distinct), strict=True))
        except REFUSALS:
            table = {}
            for value in distinct:
                try:
                    table[value] = self.one(value)
                except REFUSALS as error:
                    refused[value], table[value] = error, None
        table[None] = self.null
        if refused:
            for row, value in enumerate(column):
                if value in refused:
                    frame.refuse(row, field, refused[value])
        return list(map(table.__getitem__, column))

    def _by_value(self, column: Column, frame: Frame, field: str) -> Column:
        out: Column = []
        for row, value in enumerate(column):
            try:
                out.append(self.null if value is None else self.one(value))
            except REFUSALS as error:
                frame.refuse(row, field, error)
                out.append(None)
        return out


def _looker(lookup: Lookup, *, refuse: bool) -> Callable[[Any], Any]:
    table = lookup.table

    def look(value: Any) -> Any:
        found = table.get(value if type(value) is str else str(value))
        if found is None and refuse:
            raise RefusalError("TO2103", f"{value!r} is not in the table {lookup.name}")
        return found

    return look


class Binder:
    """Binds specs to one context; `prefix` makes prefixes of event keys."""

    def __init__(self, prefix: Prefix) -> None:
        self.prefix = prefix

    def value(self, value: Value, field: str, cast: Cast | None, *, required: bool = False) -> Reads:
        """A field spec as a function from frame to column."""
        pipe = Pipe([step for _, step in value.steps], value.lookup, value.default, cast)
        source = self._source(value, field)
        must = required or value.required

        def read(frame: Frame) -> Column:
            column = pipe.column(source(frame), frame, field)
            if must and None in column:
                for row, found in enumerate(column):
                    if found is None:
                        frame.refuse(row, field, RefusalError("TO2101", "no value"))
            return column

        return read

    def _source(self, value: Value, field: str) -> Reads:
        if value.identity is not None:
            return self._identity(value.identity, field)
        if value.cases:
            return self._cases(value, field)
        if not value.paths:
            constant = value.const
            return lambda frame: [constant] * len(frame)
        first, *rest = value.paths

        def read(frame: Frame) -> Column:
            column = frame.column(first)
            for path in rest:
                if None not in column:
                    break
                other = frame.column(path)
                column = [later if found is None else found for found, later in zip(column, other, strict=True)]
            return column

        return read

    def _cases(self, value: Value, field: str) -> Reads:
        cases = [
            (self.mask(when, field) if when is not None else None, self.value(inner, field, None))
            for when, inner in value.cases
        ]

        def read(frame: Frame) -> Column:
            out: Column = [None] * len(frame)
            left, rows = frame, list(range(len(frame)))
            for when, reads in cases:
                if not rows:
                    break
                hits = when(left) if when is not None else [True] * len(rows)
                chosen = left.take(hits)
                for row, found in zip(compress(rows, hits), reads(chosen), strict=True):
                    out[row] = found
                misses = [not hit for hit in hits]
                left, rows = left.take(misses), list(compress(rows, misses))
            return out

        return read

    def _identity(self, identity: Identity, field: str) -> Reads:
        parts = [self.value(part, field, None) for part in identity.transaction]
        line = self.value(identity.id, field, None) if identity.id is not None else None
        prefix = self.prefix(identity.stream, identity.type, identity.role)

        def read(frame: Frame) -> Column:
            columns = [part(frame) for part in parts]
            lines = line(frame) if line is not None else [""] * len(frame)
            out: Column = []
            for row, keys in enumerate(zip(*columns, strict=True)):
                if None in keys or lines[row] is None:
                    out.append(None)
                    continue
                try:
                    line_text = lines[row] and transaction_text([lines[row]])
                    out.append(key_columns(prefix, [transaction_text(keys)], [line_text])[0])
                except REFUSALS as error:
                    frame.refuse(row, field, error)
                    out.append(None)
            return out

        return read

    def mask(self, condition: Condition, field: str) -> Mask:
        """A condition as a function from frame to truth values."""
        if condition.op == "leaf" and condition.value is not None and condition.holds is not None:
            return self._leaf(condition.value, condition.holds, on_none=condition.on_none)
        parts = [self.mask(part, field) for part in condition.parts]
        if condition.op == "not":
            return lambda frame: [not hit for hit in parts[0](frame)]
        wanted = condition.op == "all"

        def joined(frame: Frame) -> list[Any]:
            """Rows still undecided go on to the next part, so a later part never sees what an earlier one ruled out."""
            out = [wanted] * len(frame)
            left, rows = frame, list(range(len(frame)))
            for part in parts:
                open_ = [bool(hit) is wanted for hit in part(left)]
                if not all(open_):
                    for row in compress(rows, (not still for still in open_)):
                        out[row] = not wanted
                    left, rows = left.take(open_), list(compress(rows, open_))
            return out

        return joined

    def _leaf(self, value: Value, holds: Callable[[Any], bool], *, on_none: bool) -> Mask:
        field = f"when {value.paths[0].text}" if value.paths else "when"
        if value.default is not None:
            on_none = holds(value.default)
        pipe = Pipe([step for _, step in value.steps], value.lookup, None, lambda found: list(map(holds, found)))
        if value.lookup is not None and value.default is not None:
            pipe.steps[-1] = _looker(value.lookup, refuse=False)
        pipe.null = on_none
        source = self._source(value, field)
        return lambda frame: pipe.column(source(frame), frame, field)
