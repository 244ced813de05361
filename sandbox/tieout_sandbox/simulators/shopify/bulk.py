"""Bulk operations: a query over everything, answered as a file of lines. Children come anywhere, with `__parentId`."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSyntaxError,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
    parse,
    validate,
)

from tieout_sandbox.simulators.app import Reply
from tieout_sandbox.simulators.shopify.api import Asked, Info, fragments_of, operation_of, schema
from tieout_sandbox.simulators.shopify.keep import epoch_of, gid, number_of, stamp

if TYPE_CHECKING:
    from tieout_sandbox.simulators.shopify.app import ShopifySim

RUNNING_MAX: Final = 5
CONNECTIONS_MAX: Final = 5
DEPTH_MAX: Final = 2
URL_SECONDS: Final = 7 * 86_400
WORK_SECONDS: Final = 5.0
HOST: Final = "https://storage.googleapis.com"


class Bulk:
    """Runs of one shop. `fails_after`: the next run ends with an error after so many lines, and keeps what it has."""

    def __init__(self, sim: ShopifySim) -> None:
        self.sim = sim
        self.book = sim.book
        self.fails_after: int | None = None
        self.work_seconds = WORK_SECONDS
        self.seed = 0

    def start(self, info: Info, args: Mapping[str, Any]) -> dict[str, Any]:
        del info
        wrong = self._refusal(args["query"])
        if wrong:
            return {"bulkOperation": None, "userErrors": [{"code": "INVALID", "field": ["query"], "message": wrong}]}
        running = [each["id"] for each in self.book.all("BulkOperation") if self._state(each)["status"] == "RUNNING"]
        if len(running) >= RUNNING_MAX:
            message = f"A bulk query operation for this app and shop is already in progress: {', '.join(running)}."
            error = {"code": "OPERATION_IN_PROGRESS", "field": None, "message": message}
            return {"bulkOperation": None, "userErrors": [error]}
        lines = list(self._lines(args["query"]))
        random.Random(self.seed).shuffle(lines)
        fails, self.fails_after = self.fails_after, None
        made = self.book.new(
            "BulkOperation",
            {
                "query": args["query"],
                "type": "QUERY",
                "createdAt": self.book.now(),
                "_ready": self.book.clock.now() + self.work_seconds,
                "_lines": lines if fails is None else lines[:fails],
                "_failed": fails is not None,
            },
        )
        return {"bulkOperation": self._state(made), "userErrors": []}

    def get(self, identity: str, host: str) -> dict[str, Any] | None:
        found = self.book.get(identity)
        return self._state(found, host) if found else None

    def _state(self, run: Mapping[str, Any], host: str = "") -> dict[str, Any]:
        ready = self.book.clock.now() >= run["_ready"]
        lines = run["_lines"]
        address = f"{host or HOST}/bulk/{number_of(run['id'])}.jsonl" if lines and ready else None
        body = {
            **{name: value for name, value in run.items() if not name.startswith("_")},
            "status": "RUNNING",
            "errorCode": None,
            "completedAt": None,
            "objectCount": "0",
            "rootObjectCount": "0",
            "fileSize": None,
            "url": None,
            "partialDataUrl": None,
        }
        if not ready:
            return body
        roots = sum(1 for line in lines if "__parentId" not in line)
        size = sum(len(json.dumps(line)) + 1 for line in lines)
        body.update(
            completedAt=stamp(run["_ready"]),
            objectCount=str(len(lines)),
            rootObjectCount=str(roots),
            fileSize=str(size),
        )
        if run["_failed"]:
            return {**body, "status": "FAILED", "errorCode": "INTERNAL_SERVER_ERROR", "partialDataUrl": address}
        return {**body, "status": "COMPLETED", "url": address}

    def file(self, number: str) -> Reply:
        """The result, for a week."""
        run = self.book.get(gid("BulkOperation", number))
        if run is None or self.book.clock.now() > epoch_of(run["createdAt"]) + URL_SECONDS:
            return Reply(403, b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code></Error>", {})
        body = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in run["_lines"])
        return Reply(200, body, {"content-type": "application/jsonl"})

    # ── what may be asked ──────────────────────────────────────────────────────────────────────────────────────────
    def _refusal(self, query: str) -> str | None:
        try:
            document = parse(query)
        except GraphQLSyntaxError:
            return "Invalid bulk query: syntax error, unexpected end of file"
        wrong = validate(schema(), document)
        if wrong:
            return f"Invalid bulk query: {wrong[0].message}"
        operation = operation_of(document, None)
        for each in operation.selection_set.selections:
            if isinstance(each, FieldNode) and each.name.value in ("node", "nodes"):
                return "Bulk queries cannot contain a top level `node` field."
        found = list(_connections(operation.selection_set, schema().query_type, fragments_of(document), 0, False))
        if not found:
            return "Bulk queries must contain at least one connection."
        if len(found) > CONNECTIONS_MAX:
            return f"Bulk queries cannot contain more than {CONNECTIONS_MAX} connections."
        if max(depth for _, depth, _ in found) > DEPTH_MAX:
            return f"Bulk queries cannot contain connections with a nesting depth greater than {DEPTH_MAX}."
        for field, _, inside_list in found:
            name = field.name.value
            if inside_list:
                return (
                    f"Queries that contain a connection field within a list field are not currently supported: {name}"
                )
            inner = field.selection_set.selections if field.selection_set else ()
            if not any(isinstance(each, FieldNode) and each.name.value == "edges" for each in inner):
                return f"Bulk queries must use 'edges' > 'node' on connections: {name}"
        return None

    # ── the lines ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _lines(self, query: str) -> Iterator[dict[str, Any]]:
        document: DocumentNode = parse(query)
        data = self.sim.api.run(document, {}, None, Asked("", [], {}, True)).get("data") or {}
        for value in data.values():
            yield from _flat(value, None)


def _flat(connection: Any, parent: str | None) -> Iterator[dict[str, Any]]:
    for edge in (connection or {}).get("edges", ()):
        node = edge["node"]
        inner = {name: value for name, value in node.items() if isinstance(value, dict) and "edges" in value}
        own = {name: value for name, value in node.items() if name not in inner}
        yield own if parent is None else {**own, "__parentId": parent}
        for value in inner.values():
            yield from _flat(value, node["id"])


def _connections(
    chosen: SelectionSetNode, parent: Any, fragments: Mapping[str, Any], depth: int, in_list: bool
) -> Iterator[tuple[FieldNode, int, bool]]:
    """Every connection field: how deep below other connections, and whether below a plain list."""
    for each in chosen.selections:
        if not isinstance(each, FieldNode):
            inner = each if isinstance(each, InlineFragmentNode) else fragments[each.name.value]  # type: ignore[attr-defined]
            target = schema().type_map[inner.type_condition.name.value] if inner.type_condition else parent
            yield from _connections(inner.selection_set, target, fragments, depth, in_list)
            continue
        if each.selection_set is None or each.name.value.startswith("__"):
            continue
        field = parent.fields[each.name.value]
        kind: Any = get_named_type(field.type)
        connection = kind.name.endswith("Connection")
        listed = str(field.type).startswith("[") and each.name.value not in ("edges", "nodes")
        if connection:
            yield each, depth, in_list
        yield from _connections(each.selection_set, kind, fragments, depth + connection, in_list or listed)
