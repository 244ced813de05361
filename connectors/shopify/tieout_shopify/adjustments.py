"""Stock changes without a document of their own, from ShopifyQL's adjustment history.

A row is one change of one inventory state. `on_hand` is the sum of its states, so a group's rows are added up per item
and location; a move between states inside on_hand is nothing. Changes that belong to an order, a fulfilment, a refund or a
transfer are left out: these come with their documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tieout import Drift, Page
from tieout_shopify.graphql import GraphQL
from tieout_shopify.queries import ADJUSTMENTS, ITEMS

ROWS_MAX = 1000  # of one answer; more means: a shorter window
WINDOW = timedelta(days=7)
WINDOW_MIN = timedelta(seconds=1)
OVERLAP = timedelta(days=2)
ON_HAND = frozenset({"available", "committed", "reserved", "damaged", "safety_stock", "quality_control"})
DOCUMENTED = ("Order", "Fulfillment", "Refund", "Return", "InventoryTransfer", "InventoryShipment", "DraftOrder")
COLUMNS = (
    "second, inventory_adjustment_group_id, inventory_adjustment_id, inventory_item_id, inventory_location_id, "
    "inventory_state, inventory_change_reason, reference_document_uri, reference_document_type"
)


class Seen:
    """A cursor: how far we read, and which changes of the days before were told already. Rows come late and twice, so these
    days are read again; a change told twice would take its estimated cost from another day."""

    def __init__(self, cursor: str | None) -> None:
        held: dict[str, Any] = msgspec.json.decode(cursor) if cursor and cursor.startswith("{") else {}
        self.at = datetime.fromisoformat(held["at"] if held else cursor) if cursor else None
        self.told: dict[str, str] = dict(held.get("told", {}))  # change → its second

    def text(self, at: datetime) -> str:
        oldest = _stamp(at - OVERLAP)
        self.told = {change: second for change, second in self.told.items() if second >= oldest}
        return msgspec.json.encode({"at": _stamp(at), "told": self.told}).decode()

    def new(self, record: Mapping[str, Any]) -> bool:
        change = f"{record['group']}/{record['inventoryItem']}/{record['location']}"
        if change in self.told:
            return False
        self.told[change] = record["at"]
        return True


def adjustment_records(graph: GraphQL, seen: Seen, first: datetime, until: datetime, item_key: str) -> Iterator[Page]:
    """A page a window; a window that does not fit one answer is halved."""
    step = WINDOW
    begin = max(first, seen.at - OVERLAP) if seen.at is not None else first
    while begin < until:
        end = min(begin + step, until)
        rows = _rows(graph, begin, end)
        if len(rows) >= ROWS_MAX and end - begin > WINDOW_MIN:
            step = max((end - begin) / 2, WINDOW_MIN)
            continue
        if len(rows) >= ROWS_MAX:
            raise Drift(f"more than {ROWS_MAX} stock changes within a second", code="TO6508", where=_stamp(begin))
        records = [record for record in _records(graph, rows, item_key) if seen.new(record)]
        yield Page(records=records, cursor=seen.text(max(end, seen.at or end)), watermark=end)
        begin, step = end, min(step * 2, WINDOW)


def _rows(graph: GraphQL, begin: datetime, end: datetime) -> list[dict[str, Any]]:
    ql = (
        "FROM inventory_adjustment_history SHOW inventory_adjustment_change "
        f"SINCE {_plain(begin)} UNTIL {_plain(end)} GROUP BY {COLUMNS} ORDER BY second ASC LIMIT {ROWS_MAX}"
    )
    answer = graph.ask(ADJUSTMENTS, ql=ql)["shopifyqlQuery"]
    if answer["parseErrors"]:
        raise Drift(f"Shopify does not take the query: {answer['parseErrors']}", code="TO6508", fix="report this")
    table = answer["tableData"] or {"columns": [], "rows": []}
    names = [column["name"] for column in table["columns"]]
    return [row if isinstance(row, dict) else dict(zip(names, row, strict=True)) for row in table["rows"]]


def _records(graph: GraphQL, rows: Sequence[Mapping[str, Any]], item_key: str) -> Iterator[dict[str, Any]]:
    sums: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        if row["inventory_state"] not in ON_HAND or _documented(row):
            continue
        key = (
            str(row["inventory_adjustment_group_id"]),
            str(row["inventory_item_id"]),
            str(row["inventory_location_id"]),
        )
        made = sums.setdefault(
            key,
            {
                "group": key[0],
                "inventoryItem": key[1],
                "location": key[2],
                "at": row["second"],
                "reason": row["inventory_change_reason"],
                "reference": row["reference_document_uri"] or "",
                "delta": 0,
            },
        )
        made["delta"] += int(str(row["inventory_adjustment_change"]))
    moved = [made for made in sums.values() if made["delta"]]
    facts = _facts(graph, sorted({made["inventoryItem"] for made in moved}))
    for made in moved:
        fact = facts.get(made["inventoryItem"], {})
        sku = fact.get("sku") or ""
        cost = fact.get("unitCost") or {}
        yield {
            **made,
            "item": made["inventoryItem"] if item_key == "inventory_item" or not sku else sku,
            "quantity": str(abs(made["delta"])),
            "delta": str(made["delta"]),
            "direction": "in" if made["delta"] > 0 else "out",
            "unitCost": str(cost.get("amount") or ""),
            "costCurrency": str(cost.get("currencyCode") or ""),
        }


def _documented(row: Mapping[str, Any]) -> bool:
    kind = str(row.get("reference_document_type") or "")
    uri = str(row.get("reference_document_uri") or "")
    return kind in DOCUMENTED or any(f"/{name}/" in uri for name in DOCUMENTED)


def _facts(graph: GraphQL, numbers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """SKU and present unit cost: the shop keeps no history of cost, so a receipt at it is an estimate."""
    out: dict[str, dict[str, Any]] = {}
    for start in range(0, len(numbers), 100):
        ids = [f"gid://shopify/InventoryItem/{number}" for number in numbers[start : start + 100]]
        for node in graph.ask(ITEMS, ids=ids)["nodes"]:
            if node:
                out[node["id"].rpartition("/")[2]] = node
    return out


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _plain(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
