"""Reading a source's JSON Schema: which fields a record has and of which type, as far as the schema says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Schema = Mapping[str, Any]
_DEPTH_MAX: Final = 12
_KINDS: Final = {"string": "text", "integer": "number", "number": "number", "boolean": "boolean"}


class SourceSchema:
    """Look-ups in one schema. A node is None where the schema says nothing (then anything may be there)."""

    def __init__(self, root: Schema) -> None:
        self.root = root

    def alternatives(self, node: Schema | None, depth: int = 0) -> list[Schema]:
        """The node with `$ref`, `anyOf`, `oneOf` and `allOf` followed, null types left out."""
        if node is None or depth > _DEPTH_MAX:
            return []
        if "$ref" in node:
            return self.alternatives(self._referred(str(node["$ref"])), depth + 1)
        out: list[Schema] = []
        for key in ("anyOf", "oneOf", "allOf"):
            for part in node.get(key, ()):
                out.extend(self.alternatives(part, depth + 1))
        if not out or "properties" in node or "items" in node:
            out.append(node)
        return [part for part in out if part.get("type") != "null"]

    def _referred(self, reference: str) -> Schema | None:
        node: Any = self.root
        if not reference.startswith("#"):
            return None
        for part in filter(None, reference[1:].split("/")):
            node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, Mapping) else None
        return node if isinstance(node, Mapping) else None

    def child(self, node: Schema | None, name: str) -> tuple[bool, Schema | None]:
        """(known, schema) of one step down; unknown only where the schema lists all fields and this is none of them."""
        parts = self.alternatives(node)
        closed = bool(parts)
        for part in parts:
            if name == "[]":
                if "items" in part:
                    return True, part["items"] if isinstance(part["items"], Mapping) else None
                closed = closed and "properties" in part
                continue
            properties = part.get("properties")
            if name == "*":
                return True, None
            if isinstance(properties, Mapping):
                if name in properties:
                    return True, properties[name]
                extra = part.get("additionalProperties")
                if isinstance(extra, Mapping):
                    return True, extra
                closed = closed and extra is not True
            elif part.get("type") in (None, "object"):
                closed = False
        return not closed, None

    def resolve(self, node: Schema | None, names: Sequence[str]) -> tuple[bool, Schema | None]:
        """(known, schema) of a path from a node."""
        for name in names:
            known, node = self.child(node, name)
            if not known or node is None:
                return known, None
        return True, node

    def kind(self, node: Schema | None) -> str:
        """text, number, boolean, object, array, date, time or any."""
        kinds = set()
        for part in self.alternatives(node):
            types = part.get("type")
            for name in types if isinstance(types, list) else [types]:
                if name == "null":
                    continue
                kinds.add(_KINDS.get(str(name), str(name) if name else "any"))
        return kinds.pop() if len(kinds) == 1 else "any"

    def leaves(self, node: Schema | None = None, prefix: str = "", depth: int = 0) -> Iterator[str]:
        """The path of every field that is no object, `[]` for the elements of an array."""
        if depth > _DEPTH_MAX:
            return
        for part in self.alternatives(self.root if node is None else node):
            properties = part.get("properties")
            if isinstance(properties, Mapping):
                for name, child in properties.items():
                    shown = name if not set(name) & set('.[]"|{}`*') else f'"{name}"'
                    yield from self.leaves(child, f"{prefix}.{shown}" if prefix else shown, depth + 1)
            elif isinstance(part.get("items"), Mapping):
                yield from self.leaves(part["items"], f"{prefix}[]", depth + 1)
            elif prefix:
                yield prefix
