"""The first load: one bulk operation over all orders, read as lines; what it may not contain is asked for by order.

Children come in any order, with the id of their parent. A result is whole or not used: whatever ends in another way than
COMPLETED is given up, and the pages take over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from tieout import Drift, RateLimited
from tieout_shopify.graphql import GraphQL
from tieout_shopify.queries import BULK_ORDERS, BULK_POLL, BULK_START

log = logging.getLogger("tieout.shopify")

PREFIX = "bulk:"
POLL_SECONDS = 10.0  # seconds
POLLS_MAX = 360  # an hour; then the work is put off, and the next pull goes on with the same operation
URL_LIVES = timedelta(days=6)  # a week by Shopify's word

_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Result(NamedTuple):
    """A finished operation: `url` empty where there is nothing to read; what changed since `begun` is for the pages."""

    url: str
    begun: datetime


def bulk_started(graph: GraphQL) -> str | None:
    """The id of a new operation, None where Shopify runs too many."""
    answer = graph.ask(BULK_START, query=BULK_ORDERS)["bulkOperationRunQuery"]
    if answer["userErrors"]:
        codes = {error["code"] for error in answer["userErrors"]}
        if codes <= {"OPERATION_IN_PROGRESS", "LIMIT_REACHED"}:
            log.info("no bulk operation: %s", answer["userErrors"])
            return None
        raise Drift(f"Shopify refuses the bulk query: {answer['userErrors']}", code="TO6505", fix="report this")
    return str(answer["bulkOperation"]["id"])


def bulk_result(graph: GraphQL, operation: str, now: datetime) -> Result | None:
    """Waits for it. None where it failed, or its file is no longer kept."""
    for _ in range(POLLS_MAX):
        found = graph.ask(BULK_POLL, id=operation)["bulkOperation"]
        if found is None:
            return None
        begun = datetime.fromisoformat(found["createdAt"])
        if found["status"] == "COMPLETED":
            return Result(found["url"] or "", begun) if now - begun < URL_LIVES else None
        if found["status"] not in ("CREATED", "RUNNING"):
            log.warning("bulk operation %s: %s %s", operation, found["status"], found["errorCode"])
            return None
        graph.http.wait(POLL_SECONDS)
    raise RateLimited("Shopify is still gathering all orders", until=now.timestamp() + 600, code="TO6504")


def bulk_orders(graph: GraphQL, result: Result) -> Iterator[dict[str, Any]]:
    """Orders with their lines, in order of change."""
    orders: dict[str, dict[str, Any]] = {}
    lines: dict[str, list[dict[str, Any]]] = {}
    for raw in graph.http.lines(result.url) if result.url else ():
        if not raw.strip():
            continue
        row = _decoder.decode(raw)
        parent = row.pop("__parentId", None)
        if parent is None:
            orders[row["id"]] = row
        else:
            lines.setdefault(parent, []).append(row)
    strangers = set(lines) - set(orders)
    if strangers:
        raise Drift(f"{len(strangers)} orders are missing from the bulk file", code="TO6505", where=min(strangers))
    for order in sorted(orders.values(), key=lambda order: (order["updatedAt"], order["id"])):
        order["lineItems"] = sorted(lines.pop(order["id"], []), key=lambda line: _number(line["id"]))
        yield order


def still(order: Mapping[str, Any]) -> bool:
    """Whether nothing of an order has moved yet, so that its head and lines say it all."""
    return not order["fulfillments"] and not order["refunds"] and order["returnStatus"] == "NO_RETURN"


def _number(gid: str) -> tuple[int, str]:
    text = gid.rpartition("/")[2]
    return (int(text) if text.isdigit() else 0, gid)
