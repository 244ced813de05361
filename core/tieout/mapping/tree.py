"""YAML 1.2 text → a tree of nodes that know their line and column.

Read from the parser's event stream, so nothing is ever constructed: tags are refused, aliases share their node and are
counted in full, decimals stay exact (`Decimal`), depth, size and number of nodes are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import ruamel.yaml
from ruamel.yaml import events as yaml_events
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tieout.mapping.limits import FILE_BYTES_MAX, NESTING_DEPTH_MAX, NODES_MAX

Scalar = None | bool | int | Decimal | str

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,30})")
_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,30})?\.[0-9]{1,30}")
# What the parser is known to raise on broken input besides its own errors.
_PARSER_FAULTS: Final = (
    YAMLError,
    ValueError,
    LookupError,
    AssertionError,
    AttributeError,
    TypeError,
    RecursionError,
    NotImplementedError,
    OverflowError,
    StopIteration,
)


@dataclass(slots=True)
class Node:
    """A scalar, a list of nodes or a dict of nodes. `text` is a scalar as written; `places` where each key stands."""

    line: int
    column: int
    value: Any
    text: str = ""
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: int = 1
    quoted: bool = False

    def plain(self) -> Any:
        """The node as plain data: dict, list, str, int, Decimal, bool, None."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


class TreeError(Exception):
    """Not a tree: message and place."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


def read_tree(text: str) -> Node:
    """Parse one YAML document. TreeError for anything that is not plain, bounded YAML."""
    if len(text) > FILE_BYTES_MAX or len(text.encode(errors="replace")) > FILE_BYTES_MAX:
        raise TreeError(f"the file is larger than {FILE_BYTES_MAX // 1024} KiB")
    parser = ruamel.yaml.YAML(pure=True)
    parser.version = (1, 2)
    try:
        return _Builder(parser.parse(text)).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "not YAML"
        raise TreeError(str(problem), mark.line + 1 if mark else 1, mark.column + 1 if mark else 1) from None
    except _PARSER_FAULTS as error:
        raise TreeError(
            f"not readable as YAML: {str(error).splitlines()[0][:120] if str(error) else error!r}"
        ) from None


def scalar(text: str, *, quoted: bool) -> Scalar:
    """A scalar by the YAML 1.2 core schema, decimals exact; ValueError for what is a number only by accident."""
    text.encode()  # a lone surrogate is no text
    if quoted:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    if text.isascii() and re.fullmatch(
        r"[-+]?0[0-9]+|[-+]?[0-9.]+[eE][-+]?[0-9]+|[-+]?\.(inf|nan)", text, re.IGNORECASE
    ):
        raise ValueError(f"{text}: write it in quotes if it is text, as a plain decimal if it is a number")
    return text


class _Builder:
    def __init__(self, events: Iterator[Any]) -> None:
        self.events = events
        self.anchors: dict[str, Node] = {}
        self.nodes = 0

    def document(self) -> Node:
        event = next(self.events)
        while isinstance(event, (yaml_events.StreamStartEvent, yaml_events.DocumentStartEvent)):
            event = next(self.events)
        if isinstance(event, yaml_events.StreamEndEvent):
            raise TreeError("the file is empty")
        root = self.node(event, 0)
        for event in self.events:
            if isinstance(event, yaml_events.DocumentStartEvent):
                raise TreeError("a mapping file holds one document", event.start_mark.line + 1, 1)
        return root

    def node(self, event: Any, depth: int) -> Node:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if depth > NESTING_DEPTH_MAX:
            raise TreeError(f"nested deeper than {NESTING_DEPTH_MAX} levels", line, column)
        if isinstance(event, yaml_events.AliasEvent):
            shared = self.anchors.get(event.anchor)
            if shared is None:
                raise TreeError(f"alias *{event.anchor} names nothing that is complete above it", line, column)
            self.count(shared.size, line, column)
            return shared
        if event.tag is not None:
            raise TreeError(f"tag {event.tag}: tags are not allowed", line, column)
        self.count(1, line, column)
        node = self.content(event, depth, line, column)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def content(self, event: Any, depth: int, line: int, column: int) -> Node:
        if isinstance(event, yaml_events.ScalarEvent):
            quoted = event.style not in (None, "")
            try:
                return Node(line, column, scalar(event.value, quoted=quoted), event.value, quoted=quoted)
            except ValueError as error:
                raise TreeError(str(error), line, column) from None
        if isinstance(event, yaml_events.SequenceStartEvent):
            children: list[Node] = []
            while not isinstance(event := next(self.events), yaml_events.SequenceEndEvent):
                children.append(self.node(event, depth + 1))
            return Node(line, column, children, size=1 + sum(child.size for child in children))
        entries: dict[str, Node] = {}
        places: dict[str, tuple[int, int]] = {}
        while not isinstance(event := next(self.events), yaml_events.MappingEndEvent):
            key = self.node(event, depth + 1)
            if isinstance(key.value, (dict, list)):
                raise TreeError("a key must be a plain text", key.line, key.column)
            if key.text in entries:
                raise TreeError(f"key {key.text!r} stands here twice", key.line, key.column)
            places[key.text] = (key.line, key.column)
            entries[key.text] = self.node(next(self.events), depth + 1)
        return Node(line, column, entries, places=places, size=1 + sum(child.size for child in entries.values()))

    def count(self, size: int, line: int, column: int) -> None:
        self.nodes += size
        if self.nodes > NODES_MAX:
            raise TreeError(f"more than {NODES_MAX} nodes (aliases counted as often as used)", line, column)
