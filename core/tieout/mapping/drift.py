"""Which source fields a mapping reads, and whether the source still has them as they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from tieout.mapping.fields import carried, field_kind
from tieout.mapping.paths import Path, parse_path
from tieout.mapping.spec import Condition, MappingSpec, Skip, Value

_SCALARS: Final = frozenset({"string", "number"})
_WHEN: Final = frozenset({"string"})
_ANY: Final = frozenset({"string", "number", "boolean"})
_ROWS_SEEN_MAX: Final = 2_000  # a page is judged by this many of its records at most


class SourcePath(msgspec.Struct, frozen=True):
    """A source path as a full path from the record (`items[*].sku`), and the JSON types its field can take.

    `required`: the event cannot be made without it.
    """

    path: str
    required: bool
    types: frozenset[str]


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
    """Every path read, once, in order of reading; required where any field needs it, types as every reader takes them."""
    merged: dict[str, SourcePath] = {}
    for found in _walk(spec):
        before = merged.get(found.path)
        if before is not None:
            types = before.types & found.types or before.types
            found = SourcePath(found.path, before.required or found.required, types)
        merged[found.path] = found
    return list(merged.values())


def _walk(spec: MappingSpec) -> Iterator[SourcePath]:
    yield from _skips(spec.skip, [])
    for event in spec.events:
        scope: list[Path] = []
        if event.each is not None:
            yield _found(event.each, scope, required=event.when is None, types=frozenset({"array"}))
            scope = [event.each]
        yield from _condition(event.when, scope)
        yield from _skips(event.skip, scope)
        always = event.when is None and not event.skip and not spec.skip
        if event.id is not None:
            yield from _value(event.id, scope, required=always, types=_SCALARS)
        yield from _fields(event.fields, event.type, scope, line=False, always=always)
        for block in event.blocks:
            inner = scope
            if block.each is not None:
                yield _found(block.each, scope, required=always, types=frozenset({"array"}))
                inner = [*scope, block.each]
            yield from _condition(block.when, inner)
            yield from _skips(block.skip, inner)
            sure = always and block.when is None and not block.skip
            if block.id is not None:
                yield from _value(block.id, inner, required=sure, types=_SCALARS)
            yield from _fields(block.fields, event.type, inner, line=True, always=sure)


def _fields(
    fields: Mapping[str, Value], event_type: str, scope: list[Path], *, line: bool, always: bool
) -> Iterator[SourcePath]:
    _, needed = carried(event_type, line=line)
    for name, value in fields.items():
        types = _WHEN if field_kind(name, line=line) in {"when", "date"} else _SCALARS
        required = always and value.default is None and (value.required or name in needed)
        yield from _value(value, scope, required=required, types=_ANY if value.steps or value.lookup else types)


def _value(value: Value, scope: list[Path], *, required: bool, types: frozenset[str]) -> Iterator[SourcePath]:
    for path in value.paths:
        if not path.index:
            yield _found(path, scope, required=required and len(value.paths) == 1, types=types)
    for when, inner in value.cases:
        yield from _condition(when, scope)
        yield from _value(inner, scope, required=False, types=_ANY)
    if value.identity is not None:
        for part in (*value.identity.transaction, *([value.identity.id] if value.identity.id else [])):
            yield from _value(part, scope, required=False, types=_SCALARS)


def _condition(condition: Condition | None, scope: list[Path]) -> Iterator[SourcePath]:
    if condition is not None:
        if condition.value is not None:
            yield from _value(condition.value, scope, required=False, types=_ANY)
        for part in condition.parts:
            yield from _condition(part, scope)


def _skips(skips: Sequence[Skip], scope: list[Path]) -> Iterator[SourcePath]:
    for skip in skips:
        yield from _condition(skip.when, scope)


def _found(path: Path, scope: list[Path], *, required: bool, types: frozenset[str]) -> SourcePath:
    return SourcePath(full_path(path, scope), required, types)


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
    spec: MappingSpec, records: Sequence[Mapping[str, Any]], known: Mapping[str, frozenset[str]]
) -> list[Drifted]:
    """See `CompiledMapping.drift`. A page without records says nothing."""
    out = []
    rows = records[:_ROWS_SEEN_MAX]
    for source in source_paths(spec) if rows else []:
        seen = observed(parse_path(source.path).column(rows), nested="[*]" in source.path) - {"null"}
        expected = known.get(source.path, source.types)
        if not seen:
            if source.required and _has_parents(source.path, rows):
                out.append(Drifted(source.path, "missing", "TO2201", expected, frozenset({"null"})))
        elif seen - expected and not seen & expected:
            out.append(Drifted(source.path, "retyped", "TO2202", expected, frozenset(seen)))
    return out


def _has_parents(path: str, rows: Sequence[Any]) -> bool:
    """Whether anything could hold the field: a field of array elements is not missing from a page of empty arrays."""
    array, star, _ = path.rpartition("[*]")
    return not star or any(parse_path(f"{array}[*]").column(rows))


def observed(column: Sequence[Any], *, nested: bool = False) -> set[str]:
    """The JSON types in a column; of projected paths those of the elements."""
    types: set[str] = set()
    for value in column:
        if nested and isinstance(value, list):
            types |= observed(value, nested=True) if value else set()
        else:
            types.add(json_type(value))
    return types
