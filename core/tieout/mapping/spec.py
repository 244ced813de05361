"""A mapping file once read: what its verbs mean, with paths, converters and tables resolved. Pure data and functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from tieout.mapping.paths import Path
from tieout.mapping.tree import Node

Place = tuple[int, int]


@dataclass(slots=True)
class Lookup:
    """A named table: text → value."""

    name: str
    table: Mapping[str, Any]
    places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(slots=True)
class Identity:
    """The verb `event` of `ref.event`: another event's identity from the key fields of its record."""

    type: str
    role: str
    stream: str
    transaction: tuple[Value, ...]
    id: Value | None


@dataclass(slots=True)
class Value:
    """A field spec. Applied in order: paths or const or cases or identity → steps → lookup → default → required."""

    node: Node
    paths: tuple[Path, ...] = ()
    const: Any = None
    cases: tuple[tuple[Condition | None, Value], ...] = ()
    identity: Identity | None = None
    steps: tuple[tuple[str, Callable[[Any], Any]], ...] = ()
    lookup: Lookup | None = None
    default: Any = None
    required: bool = False
    kind: str = "any"


@dataclass(slots=True)
class Condition:
    """`all`, `any`, `not` over parts, or a `leaf`: `holds(value)` where there is a value, else `on_none`."""

    op: str
    parts: tuple[Condition, ...] = ()
    value: Value | None = None
    holds: Callable[[Any], bool] | None = None
    on_none: bool = False
    text: str = ""


@dataclass(slots=True)
class Skip:
    """Leave out where `when` holds, for a reason that is kept."""

    when: Condition
    reason: str


@dataclass(slots=True)
class Block:
    """One line, or one line per element of `each`."""

    node: Node
    each: Path | None = None
    id: Value | None = None
    when: Condition | None = None
    skip: tuple[Skip, ...] = ()
    fields: dict[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class EventSpec:
    """One event, or one per element of `each`, of one type."""

    node: Node
    type: str
    role: str = ""
    each: Path | None = None
    id: Value | None = None
    when: Condition | None = None
    skip: tuple[Skip, ...] = ()
    fields: dict[str, Value] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.type} ({self.role})" if self.role else self.type


@dataclass(slots=True)
class TestSpec:
    """A sample record and what must come of it: `events`, or the words of a `skipped` or the field of a `refused`."""

    node: Node
    name: str
    record: Mapping[str, Any]
    currency: str = "USD"
    timezone: str = "UTC"
    events: tuple[Mapping[str, Any], ...] | None = None
    skipped: str = ""
    refused: str = ""


@dataclass(slots=True)
class MappingSpec:
    """A whole mapping file."""

    name: str = ""
    version: str = ""
    stream: str = ""
    record: str = ""
    timezone: str | None = None
    time_of_day: timedelta | None = None
    nulls: frozenset[str] = frozenset({""})
    lookups: dict[str, Lookup] = field(default_factory=dict)
    skip: tuple[Skip, ...] = ()
    events: tuple[EventSpec, ...] = ()
    tests: tuple[TestSpec, ...] = ()


MISSING: Final = object()
