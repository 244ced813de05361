"""Which source fields nobody reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from tieout.mapping.paths import Path, Step, parse_path
from tieout.mapping.schema import Schema, SourceSchema

_DEPTH_MAX: Final = 12
_RECORDS_MAX: Final = 1_000


class Coverage(msgspec.Struct, frozen=True):
    """The source's fields (leaves, `[]` for the elements of an array) that the mapping reads and those it does not."""

    read: tuple[str, ...]
    unread: tuple[str, ...]

    @property
    def share(self) -> str:
        """Read of all, as text: `9/12`."""
        return f"{len(self.read)}/{len(self.read) + len(self.unread)}"


def coverage(
    paths: Sequence[str],
    *,
    schema: Schema | None = None,
    records: Sequence[Mapping[str, Any]] = (),
    key: Sequence[str] = (),
) -> Coverage:
    """Compare what a mapping reads (`CompiledMapping.paths()`, and the stream's key) with a schema or sample records."""
    known: dict[tuple[str, ...], None] = {}
    if schema is not None:
        known.update((_leaf_names(leaf), None) for leaf in SourceSchema(schema).leaves())
    for record in records[:_RECORDS_MAX]:
        known.update((leaf, None) for leaf in _leaves(record))
    reads = [_pattern(parse_path(path)) for path in (*paths, *key)]
    read: list[str] = []
    unread: list[str] = []
    for leaf in known:
        (read if any(_covers(pattern, leaf) for pattern in reads) else unread).append(_shown(leaf))
    return Coverage(tuple(read), tuple(unread))


def _leaf_names(leaf: str) -> tuple[str, ...]:
    """`a.b[].c` as ("a", "b", "[]", "c")."""
    return tuple(_names(parse_path(leaf.replace("[]", "[*]")).steps))


def _pattern(path: Path) -> tuple[str, ...]:
    return tuple(_names(path.steps))


def _names(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        if step.op == "field":
            yield step.arg
        elif step.op == "values":
            yield "*"
        elif step.op != "pipe":
            yield "[]"


def _covers(pattern: Sequence[str], leaf: Sequence[str]) -> bool:
    """The same names; brackets do not count, because an index or a pipe names nothing."""
    wanted = [name for name in pattern if name != "[]"]
    have = [name for name in leaf if name != "[]"]
    return len(wanted) == len(have) and all(w in ("*", h) for w, h in zip(wanted, have, strict=False))


def _leaves(value: Any, prefix: tuple[str, ...] = (), depth: int = 0) -> Iterator[tuple[str, ...]]:
    if isinstance(value, Mapping) and value and depth < _DEPTH_MAX:
        for name, child in value.items():
            yield from _leaves(child, (*prefix, str(name)), depth + 1)
    elif isinstance(value, list) and depth < _DEPTH_MAX:
        for child in value:
            yield from _leaves(child, (*prefix, "[]"), depth + 1)
    elif prefix:
        yield prefix


def _shown(leaf: Sequence[str]) -> str:
    text = ""
    for name in leaf:
        if name == "[]":
            text += "[]"
        else:
            shown = name if not set(name) & set('.[]"|{}`*') else f'"{name}"'
            text += f".{shown}" if text else shown
    return text
