"""Source paths: plain dotted names by C-speed column getters, and the structural part of JMESPath for the rest.

`a.b` · `"odd.name".b` · `a[0]` `a[-1]` `a[0:3]` · `a[*].b` `a.*.b` · `a[?k=='v'].b` · ` | ` ends a projection · `@` the
row itself · `$parent.` one level out · `$index` position in the array, from 1. No functions. Missing means None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

from tieout.mapping.limits import PATH_CHARACTERS_MAX

Row = Any
Column = list[Any]

_NAME: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[^.\[\]"|{}`]+')
_BRACKET: Final = re.compile(r"\[(-?[0-9]{1,6})\]|\[(-?[0-9]{0,6}(?::-?[0-9]{0,6}){1,2})\]|(\[\*\])")
_FILTER: Final = re.compile(r"\[\?([^\]=!]+?)\s*(==|!=)\s*('(?:[^'\\]|\\.)*'|`[^`]*`)\s*\]")
_CALL: Final = re.compile(r"\w+\(")


class PathError(ValueError):
    """The text is not a path of the language."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `op` field, index, slice, all, values, where or pipe; `arg` its argument."""

    op: str
    arg: Any = None


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path. `up`: levels out; `index`: it is `$index`; `names`: the dotted names of a plain one, else None."""

    text: str
    up: int
    index: bool
    steps: tuple[Step, ...]
    names: tuple[str, ...] | None

    @property
    def schema_names(self) -> tuple[str, ...]:
        """The names to look up in a schema; `[]` stands for an element of an array, `*` for any value of an object."""
        out = []
        for step in self.steps:
            if step.op == "field":
                out.append(step.arg)
            elif step.op in {"index", "all"}:
                out.append("[]")
            elif step.op == "values":
                out.append("*")
            elif step.op in {"slice", "where"}:
                out.append("[]")
        return tuple(out)

    def column(self, rows: Sequence[Row]) -> Column:
        """The value of every row, None where there is none."""
        if self.names is None:
            segments = _segments(self.steps)
            return [_walk_all(row, segments) for row in rows]
        column: Sequence[Any] = rows
        try:
            for name in self.names:
                column = list(map(itemgetter(name), column))
        except (KeyError, TypeError, IndexError):
            return [_dig(row, self.names) for row in rows]
        return list(column)

    def one(self, row: Row) -> Any:
        """The value of one row."""
        return self.column([row])[0]


def parse_path(text: str) -> Path:
    """Compile a path; PathError says what is wrong with it."""
    if not text.strip():
        raise PathError("an empty path")
    if len(text) > PATH_CHARACTERS_MAX:
        raise PathError(f"longer than {PATH_CHARACTERS_MAX} characters")
    rest, up = text.strip(), 0
    while rest == "$parent" or rest.startswith("$parent."):
        up += 1
        rest = rest[len("$parent.") :] or "@"
    if rest == "$index":
        return Path(text, up, True, (), None)
    if rest.startswith("$"):
        raise PathError(f"{rest.split('.')[0]}: only $parent and $index begin with $")
    if rest == "@":
        return Path(text, up, False, (), ())
    steps = tuple(_parse(rest))
    plain = all(step.op == "field" for step in steps)
    return Path(text, up, False, steps, tuple(step.arg for step in steps) if plain else None)


def _parse(text: str) -> Iterator[Step]:
    at, named = 0, False  # named: a name or bracket stands before, so a dot, bracket or pipe may follow
    while at < len(text):
        char = text[at]
        if char == "|":
            if not named:
                raise PathError("nothing stands before |")
            yield Step("pipe")
            at, named = _skip_space(text, at + 1), False
            if at == len(text):
                raise PathError("nothing follows |")
        elif char == "[":
            step, at = _bracket(text, at)
            yield step
            at, named = _skip_space(text, at, before="|"), True
        else:
            if named and char != ".":
                raise PathError(f"a dot is missing before {text[at:]!r}")
            if char == ".":
                if not named:
                    raise PathError("a name is missing before a dot")
                at += 1
            step, at = _name(text, at)
            yield step
            named = True


def _name(text: str, at: int) -> tuple[Step, int]:
    found = _NAME.match(text, at)
    if found is None or not found.group().strip():
        raise PathError(f"a name is missing at {text[at:] or 'the end'!r}")
    raw = found.group()
    if raw.startswith('"'):
        try:
            return Step("field", json.loads(raw)), _skip_space(text, found.end(), before="|")
        except ValueError:
            raise PathError(f"{raw}: not a quoted name") from None
    name = raw.strip()
    if _CALL.match(name):
        raise PathError(f"{name}: functions are not part of the language; quote the name if it is one")
    if name == "*":
        return Step("values"), found.end()
    if "*" in name or name.startswith(("@", "&", "!", "'")):
        raise PathError(f"{name}: quote a name that contains such signs")
    return Step("field", name), found.end()


def _bracket(text: str, at: int) -> tuple[Step, int]:
    if found := _BRACKET.match(text, at):
        index, parts, _ = found.groups()
        if index is not None:
            return Step("index", int(index)), found.end()
        if parts is not None:
            bounds = [int(part) if part else None for part in parts.split(":")]
            if len(bounds) == 3 and bounds[2] == 0:
                raise PathError("a slice of step 0")
            return Step("slice", slice(*bounds)), found.end()
        return Step("all"), found.end()
    if found := _FILTER.match(text, at):
        left, operator, literal = found.groups()
        inner = parse_path(left)
        if inner.names is None or inner.up:
            raise PathError(f"[?{left}…]: a filter compares a plain name with a value")
        if literal.startswith("'"):
            value: Any = literal[1:-1].replace("\\'", "'")
        else:
            try:
                value = json.loads(literal[1:-1], parse_float=Decimal)
            except ValueError:
                raise PathError(f"{literal}: not a JSON value") from None
        return Step("where", (inner.names, operator == "==", value)), found.end()
    raise PathError(
        f"{text[at:]!r}: in brackets stand an index, a slice, * or an equality filter such as [?kind=='gtin']"
    )


def _skip_space(text: str, at: int, before: str = "") -> int:
    end = at
    while end < len(text) and text[end] == " ":
        end += 1
    return end if not before or text[end : end + 1] == before else at


def _dig(row: Row, names: Sequence[str]) -> Any:
    for name in names:
        if not isinstance(row, Mapping):
            return None
        row = row.get(name)
    return row


def _segments(steps: Sequence[Step]) -> list[list[Step]]:
    segments: list[list[Step]] = [[]]
    for step in steps:
        if step.op == "pipe":
            segments.append([])
        else:
            segments[-1].append(step)
    return segments


def _walk_all(row: Row, segments: Sequence[Sequence[Step]]) -> Any:
    for segment in segments:
        row = _walk(row, segment, 0)
    return row


def _walk(value: Any, steps: Sequence[Step], at: int) -> Any:
    while at < len(steps):
        step = steps[at]
        at += 1
        if step.op == "field":
            value = value.get(step.arg) if isinstance(value, Mapping) else None
        elif step.op == "index":
            inside = isinstance(value, list) and -len(value) <= step.arg < len(value)
            value = value[step.arg] if inside else None
        else:
            members = _PROJECTIONS[step.op](value, step.arg)
            if members is None:
                return None
            return [out for member in members if (out := _walk(member, steps, at)) is not None]
        if value is None:
            return None
    return value


def _same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _where(value: Any, arg: Any) -> list[Any] | None:
    names, wanted, literal = arg
    if not isinstance(value, list):
        return None
    return [member for member in value if _same(_dig(member, names), literal) is wanted]


_PROJECTIONS: Final[dict[str, Callable[[Any, Any], list[Any] | None]]] = {
    "slice": lambda value, arg: value[arg] if isinstance(value, list) else None,
    "all": lambda value, arg: value if isinstance(value, list) else None,
    "values": lambda value, arg: list(value.values()) if isinstance(value, Mapping) else None,
    "where": _where,
}
