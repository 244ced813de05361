"""Reading a mapping's tree: every slip is collected with its place, none stops the reading.

`Reader` holds what all parts of the reading share. Values and conditions: `read_values`; events and lines:
`read_events`; header, tables and tests: `read_file`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tieout.mapping.converters import Converter
from tieout.mapping.limits import SLIPS_MAX
from tieout.mapping.paths import Path, PathError, parse_path
from tieout.mapping.schema import Schema, SourceSchema
from tieout.mapping.slips import Slip, nearest
from tieout.mapping.spec import Lookup
from tieout.mapping.tree import Node


class Reader:
    """Slips, converters, tables and the source's schema. `scopes` is the stack of schema nodes `$parent` walks up."""

    def __init__(self, filename: str, converters: Mapping[str, Converter], schema: Schema | None) -> None:
        self.filename = filename
        self.converters = converters
        self.slips: list[Slip] = []
        self.lookups: dict[str, Lookup] = {}
        self.schema = SourceSchema(schema) if schema else None
        self.scopes: list[Schema | None] = [schema]
        self.read_paths: list[str] = []  # as full source paths, for coverage

    def slip(
        self,
        at: Node | tuple[int, int],
        code: str,
        what: str,
        why: str = "",
        *,
        wrong: str = "",
        names: Iterable[str] = (),
    ) -> None:
        """Note a slip; `wrong` and `names` give the nearest right name."""
        line, column = (at.line, at.column) if isinstance(at, Node) else at
        if len(self.slips) < SLIPS_MAX:
            hint = nearest(wrong, names) if wrong else ""
            self.slips.append(Slip(self.filename, line, column, code, what, why, hint))

    def keys(self, node: Node, what: str, allowed: Sequence[str], needed: Sequence[str] = ()) -> dict[str, Node]:
        """The entries of a map node; unknown keys, missing ones and another kind of node are slips."""
        if not isinstance(node.value, dict):
            self.slip(node, "TO2005", f"{what} is a map of keys", f"keys are {', '.join(allowed)}")
            return {}
        for key in node.value:
            if key not in allowed:
                why = f"{what} has the keys {', '.join(allowed)}"
                self.slip(node.places[key], "TO2003", f"unknown key {key!r} in {what}", why, wrong=key, names=allowed)
        for key in needed:
            if key not in node.value:
                self.slip(node, "TO2004", f"{what} lacks {key!r}")
        return {key: child for key, child in node.value.items() if key in allowed}

    def text(self, node: Node | None, what: str) -> str:
        """A text node's text; "" after a slip or where there is no node."""
        if node is None:
            return ""
        if not isinstance(node.value, str) or not node.value.strip():
            hint = f"write it in quotes: {node.text!r}" if node.text else ""
            self.slip(node, "TO2005", f"{what} is a text", hint)
            return ""
        return str(node.value)

    def items(self, node: Node | None, what: str, most: int) -> list[Node]:
        """The nodes of a list; a single map counts as a list of one."""
        if node is None:
            return []
        if isinstance(node.value, dict):
            return [node]
        if not isinstance(node.value, list):
            self.slip(node, "TO2005", f"{what} is a list")
            return []
        if len(node.value) > most:
            self.slip(node, "TO2005", f"{what} has more than {most} entries")
        return node.value[:most]

    def path(self, node: Node, *, kind_of: list[str] | None = None) -> Path | None:
        """A source path, checked against the schema where there is one; `kind_of` receives the kind found there."""
        if not isinstance(node.value, str):
            self.slip(node, "TO2005", "a path is a text", f"a fixed value is written {{const: {node.text}}}")
            return None
        try:
            path = parse_path(node.value)
        except PathError as error:
            self.slip(node, "TO2009", f"path {node.value!r}: {error}")
            return None
        depth = len(self.scopes) - 1
        if path.up > depth:
            self.slip(node, "TO2009", f"path {node.value!r}: {path.up} levels out of {depth}")
            return None
        if path.index and depth == path.up:
            self.slip(node, "TO2009", "path '$index': only inside `each`")
            return None
        self._against_schema(node, path, kind_of)
        return path

    def _against_schema(self, node: Node, path: Path, kind_of: list[str] | None) -> None:
        if path.index:
            if kind_of is not None:
                kind_of.append("number")
            return
        scope = self.scopes[len(self.scopes) - 1 - path.up]
        if self.schema is None or scope is None:
            return
        known, found = self.schema.resolve(scope, path.schema_names)
        if not known:
            names = [leaf.split("[]")[0] for leaf in self.schema.leaves(scope)]
            shown = path.text.split("$parent.")[-1]
            why = "the stream's schema lists its fields"
            self.slip(node, "TO2008", f"the source has no field {shown!r}", why, wrong=shown, names=names)
        elif kind_of is not None and not any(step.op in {"slice", "all", "values", "where"} for step in path.steps):
            kind_of.append(self.schema.kind(found))

    def enter(self, path: Path | None) -> None:
        """Go into the elements of an `each`."""
        scope = None
        if path is not None and self.schema is not None:
            outer = self.scopes[len(self.scopes) - 1 - path.up]
            projected = any(step.op in {"slice", "all", "values", "where"} for step in path.steps)
            names = path.schema_names if projected else (*path.schema_names, "[]")
            known, found = self.schema.resolve(outer, names) if outer is not None else (False, None)
            scope = found if known else None
        self.scopes.append(scope)

    def leave(self) -> None:
        """Come back out of an `each`."""
        self.scopes.pop()

    def constant(self, node: Node, what: str) -> Any:
        """A scalar that is not null."""
        if isinstance(node.value, (dict, list)) or node.value is None:
            self.slip(node, "TO2005", f"{what} is one text, number, true or false")
            return None
        return node.value
