"""Which source fields a mapping reads, and whether the source still has them as they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from tieout.mapping.fields import carried, field_kind
from tieout.mapping.paths import Path, parse_path
from tieout.mapping.spec import Condition, MappingSpec, Skip, Value

_ARRAY: Final = frozenset({"array"})
_SCALARS: Final = frozenset({"string", "number"})
_WHEN: Final = frozenset({"string"})
_ANY: Final = frozenset({"string", "number", "boolean"})
_ROWS_SEEN_MAX: Final = 2_000  # a page is judged by this many of its records at most


class SourcePath(msgspec.Struct, frozen=True):
    """A source path as a full path from the record (`items[*].sku`), and the JSON types its field can take.

    `fields`: the event fields it fills (`lines.item`), none for a path only conditions read. `needed`: those of them
    that cannot be filled another way, so that the event fails without it.
    """

    path: str
    types: frozenset[str]
    fields: tuple[str, ...] = ()
    needed: frozenset[str] = frozenset()

    @property
    def required(self) -> bool:
        """Whether an event that reads it cannot be made without it."""
        return bool(self.needed)


class Drifted(msgspec.Struct, frozen=True):
    """A mapped field that is `missing` (TO2201) or `retyped` (TO2202). `expected` and `seen` are JSON types."""

    path: str
    problem: str
    code: str
    expected: frozenset[str]
    seen: frozenset[str]


def json_type(value: Any) -> str:
    """string, number, boolean, array, object or null."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, Mapping):
        return "object"
    return "array" if isinstance(value, (list, tuple)) else "number" if not hasattr(value, "isoformat") else "string"


def source_paths(spec: MappingSpec) -> list[SourcePath]:
    """Every path read, once, in order of reading; types as every reader takes them."""
    merged: dict[str, SourcePath] = {}
    for found in _walk(spec):
        before = merged.get(found.path)
        if before is not None:
            types = before.types & found.types or before.types
            fields = tuple(dict.fromkeys((*before.fields, *found.fields)))
            found = SourcePath(found.path, types, fields, before.needed | found.needed)
        merged[found.path] = found
    return list(merged.values())


def _walk(spec: MappingSpec) -> Iterator[SourcePath]:
    yield from _skips(spec.skip, [])
    for event in spec.events:
        scope: list[Path] = []
        if event.each is not None:
            yield SourcePath(full_path(event.each, []), _ARRAY, ("each",))
            scope = [event.each]
        yield from _condition(event.when, scope)
        yield from _skips(event.skip, scope)
        if event.id is not None:
            yield from _value(event.id, scope, "id", needed=True, types=_SCALARS)
        yield from _fields(event.fields, event.type, scope, line=False)
        for block in event.blocks:
            inner = scope
            if block.each is not None:
                yield SourcePath(full_path(block.each, scope), _ARRAY, ("lines.each",))
                inner = [*scope, block.each]
            yield from _condition(block.when, inner)
            yield from _skips(block.skip, inner)
            if block.id is not None:
                yield from _value(block.id, inner, "lines.id", needed=True, types=_SCALARS)
            yield from _fields(block.fields, event.type, inner, line=True)


def _fields(fields: Mapping[str, Value], event_type: str, scope: list[Path], *, line: bool) -> Iterator[SourcePath]:
    _, needs = carried(event_type, line=line)
    for name, value in fields.items():
        types = _WHEN if field_kind(name, line=line) in {"when", "date"} else _SCALARS
        needed = value.default is None and (value.required or name in needs)
        label = f"lines.{name}" if line else name
        yield from _value(value, scope, label, needed=needed, types=_ANY if value.steps or value.lookup else types)


def _value(value: Value, scope: list[Path], label: str, *, needed: bool, types: frozenset[str]) -> Iterator[SourcePath]:
    only = frozenset({label}) if needed and len(value.paths) == 1 else frozenset()
    for path in value.paths:
        if not path.index:
            yield SourcePath(full_path(path, scope), types, (label,) if label else (), only)
    for when, inner in value.cases:
        yield from _condition(when, scope)
        yield from _value(inner, scope, label, needed=False, types=_ANY)
    if value.identity is not None:
        for part in (*value.identity.transaction, *([value.identity.id] if value.identity.id else [])):
            yield from _value(part, scope, label, needed=False, types=_SCALARS)


def _condition(condition: Condition | None, scope: list[Path]) -> Iterator[SourcePath]:
    if condition is not None:
        if condition.value is not None:
            yield from _value(condition.value, scope, "", needed=False, types=_ANY)
        for part in condition.parts:
            yield from _condition(part, scope)


def _skips(skips: Sequence[Skip], scope: list[Path]) -> Iterator[SourcePath]:
    for skip in skips:
        yield from _condition(skip.when, scope)


def full_path(path: Path, scope: Sequence[Path]) -> str:
    """A path inside `each` scopes as one path from the record: `items` and `sku` give `items[*].sku`."""
    levels = list(scope[: len(scope) - path.up])
    own = path.text.strip()
    for _ in range(path.up):
        own = own.removeprefix("$parent").removeprefix(".")
    text = ""
    for number, level in enumerate(levels):
        inner = full_path(level, levels[:number]) if level.up else level.text.strip()
        text = f"{inner}[*]" if level.up or not text else f"{text}.{inner}[*]"
    if own in {"", "@"}:
        return text or "@"
    return f"{text}{own if own.startswith('[') else '.' + own}" if text else own


def drifted(
    spec: MappingSpec,
    records: Sequence[Mapping[str, Any]],
    failed_fields: frozenset[str],
    known: Mapping[str, frozenset[str]],
) -> list[Drifted]:
    """See `CompiledMapping.drift`. `failed_fields`: the fields that some record of the page had no value for."""
    out = []
    rows = records[:_ROWS_SEEN_MAX]
    for source in source_paths(spec) if rows else []:
        expected = known.get(source.path, source.types)
        if source.needed & failed_fields and not _there(source.path, rows):
            out.append(Drifted(source.path, "missing", "TO2201", expected, frozenset()))
            continue
        seen = observed(parse_path(source.path).column(rows), source.path.count("[*]")) - {"null"}
        if seen and not seen & expected:
            out.append(Drifted(source.path, "retyped", "TO2202", expected, frozenset(seen)))
    return out


def _there(text: str, rows: Sequence[Any]) -> bool:
    """Whether any row has the field, be it null: what a vendor leaves empty has not gone."""
    path = parse_path(text)
    if not path.steps or path.steps[-1].op != "field":
        return any(value is not None for value in path.column(rows))
    holders = replace(path, steps=path.steps[:-1], names=None).column(rows) if len(path.steps) > 1 else rows
    return any(path.steps[-1].arg in holder for holder in _objects(holders))


def _objects(values: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    for value in values:
        if isinstance(value, Mapping):
            yield value
        elif isinstance(value, list):
            yield from _objects(value)


def observed(column: Sequence[Any], levels: int = 0) -> set[str]:
    """The JSON types in a column; of a path through `levels` arrays those of the elements."""
    types: set[str] = set()
    for value in column:
        if levels and isinstance(value, list):
            types |= observed(value, levels - 1)
        else:
            types.add(json_type(value))
    return types
