"""ShopifyQL, as far as stock history goes: one table, a window of time, at most so many rows, in order of time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tieout_sandbox.simulators.shopify.keep import Book, kind_of, number_of, stamp

ROWS_MAX: Final = 1000
COLUMNS: Final = frozenset(
    [
        "second",
        "inventory_adjustment_group_id",
        "inventory_adjustment_id",
        "inventory_item_id",
        "product_variant_id",
        "inventory_location_id",
        "inventory_location_name",
        "inventory_state",
        "inventory_change_reason",
        "inventory_app_id",
        "inventory_app_name",
        "staff_id",
        "staff_member_name",
        "reference_document_uri",
        "reference_document_type",
        "reference_document_id",
    ]
)
METRICS: Final = frozenset({"inventory_adjustment_change", "inventory_adjustment_count"})
_QUERY: Final = re.compile(
    r"\s*FROM\s+(?P<table>\w+)\s+SHOW\s+(?P<show>[\w,\s]+?)\s+SINCE\s+(?P<since>\S+)\s+UNTIL\s+(?P<until>\S+)"
    r"\s+GROUP\s+BY\s+(?P<by>[\w,\s]+?)(?:\s+ORDER\s+BY\s+(?P<order>\w+)\s+(?P<way>ASC|DESC))?(?:\s+LIMIT\s+(?P<limit>\d+))?\s*",
    re.I,
)


def answer(book: Book, query: str, *, late_seconds: float = 0) -> dict[str, Any]:
    """`shopifyqlQuery`. Rows younger than `late_seconds` are not there yet."""
    found = _QUERY.fullmatch(query)
    if found is None:
        return _refused("Line 1 Column 1: mismatched input")
    by = [name.strip() for name in found["by"].split(",")]
    show = [name.strip() for name in found["show"].split(",")]
    if found["table"] != "inventory_adjustment_history":
        return _refused(f"`{found['table']}` is not a known table")
    unknown = [name for name in by if name not in COLUMNS] + [name for name in show if name not in METRICS]
    if unknown:
        return _refused(f"Column `{unknown[0]}` not found")
    since, until = _time(found["since"]), _time(found["until"])
    if since is None or until is None:
        return _refused("Invalid date")
    seen = stamp(book.clock.now() - late_seconds)
    sums: dict[tuple[str, ...], int] = {}
    for row in _rows(book):
        if since <= row["second"] < until and row["second"] <= seen:
            key = tuple(str(row[name]) if row[name] is not None else "" for name in by)
            sums[key] = sums.get(key, 0) + int(row["inventory_adjustment_change"])
    limit = min(int(found["limit"] or ROWS_MAX), ROWS_MAX)
    rows = [{**dict(zip(by, key, strict=True)), show[0]: str(total)} for key, total in sums.items()]
    if found["order"]:
        rows.sort(key=lambda row: row[found["order"]], reverse=found["way"].upper() == "DESC")
    columns = [{"name": name, "dataType": "STRING", "displayName": name.replace("_", " ")} for name in [*by, show[0]]]
    return {"parseErrors": [], "parseWarnings": [], "tableData": {"columns": columns, "rows": rows[:limit]}}


def _refused(message: str) -> dict[str, Any]:
    return {"parseErrors": [message], "parseWarnings": [], "tableData": None}


def _time(text: str) -> str | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return stamp((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _rows(book: Book) -> Iterator[Mapping[str, Any]]:
    for group in book.all("InventoryAdjustmentGroup"):
        for n, change in enumerate(group["changes"], 1):
            uri = group["referenceDocumentUri"]
            yield {
                "second": group["createdAt"],
                "inventory_adjustment_group_id": number_of(group["id"]),
                "inventory_adjustment_id": f"{number_of(group['id'])}{n:02d}",
                "inventory_item_id": number_of(change["item"]),
                "product_variant_id": None,
                "inventory_location_id": number_of(change["location"]),
                "inventory_location_name": None,
                "inventory_state": change["name"],
                "inventory_change_reason": group["reason"],
                "inventory_app_id": "1",
                "inventory_app_name": group["app"]["title"],
                "staff_id": None,
                "staff_member_name": None,
                "reference_document_uri": uri,
                "reference_document_type": kind_of(uri) if uri and uri.startswith("gid://shopify/") else None,
                "reference_document_id": number_of(uri) if uri else None,
                "inventory_adjustment_change": change["delta"],
            }
