"""The search syntax: `field:>='value' field:value`, joined by AND. A field nobody knows is left out, and everything comes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from tieout_sandbox.simulators.shopify.keep import number_of

_TERM: Final = re.compile(r"""(?P<minus>-)?(?P<field>\w+):(?P<sign>>=|<=|>|<)?(?P<value>'[^']*'|"[^"]*"|[^\s()]+)""")
_TIMES: Final = frozenset({"created_at", "updated_at", "processed_at", "issued_at", "payout_date", "available_on"})
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "orders": [
        "id",
        "name",
        "created_at",
        "updated_at",
        "processed_at",
        "test",
        "status",
        "financial_status",
        "fulfillment_status",
        "return_status",
        "sku",
        "tag",
    ],  # type: ignore[dict-item]
    "inventoryItems": ("created_at", "id", "sku", "updated_at"),
    "inventoryLevels": ("created_at", "id", "inventory_item_id", "inventory_group_id", "updated_at"),
    "inventoryTransfers": ("created_at", "destination_id", "id", "origin_id", "product_id", "status", "tag"),
    "payouts": ("amount", "currency", "id", "issued_at", "ledger_type", "status"),
    "balanceTransactions": (
        "available_on",
        "currency",
        "id",
        "payout_date",
        "payout_status",
        "payments_transfer_id",
        "processed_at",
        "transaction_type",
    ),
    "tenderTransactions": ("id", "processed_at", "test"),
    "productVariants": ("id", "sku", "requires_components", "product_id", "updated_at"),
    "locations": ("id", "name", "active"),
}


class Found(NamedTuple):
    """What a query keeps, and what the shop says of the parts it did not understand."""

    keep: Callable[[Mapping[str, Any]], bool]
    warnings: list[dict[str, str]]


def search(connection: str, query: str | None, value_of: Callable[[Mapping[str, Any], str], Any]) -> Found:
    """`value_of(document, field)` is a document's own value, None where it has none."""
    terms: list[tuple[str, str, Any, bool]] = []
    warnings = []
    for match in _TERM.finditer(query or ""):
        field, text = match["field"], match["value"].strip("'\"")
        if field not in FIELDS.get(connection, ()):
            warnings.append(
                {"field": field, "message": "Invalid search field for this query.", "code": "invalid_field"}
            )
            continue
        value: Any = text
        if field in _TIMES:
            value = _time(text)
            if value is None:
                message = f"Input `{text}` is not an accepted value."
                warnings.append({"field": field, "message": message, "code": "invalid_value"})
                continue
        terms.append((field, match["sign"] or "", value, bool(match["minus"])))

    def keep(document: Mapping[str, Any]) -> bool:
        return all(_fits(value_of(document, f), sign, value) != negative for f, sign, value, negative in terms)

    return Found(keep, warnings)


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _fits(held: Any, sign: str, value: Any) -> bool:
    if held is None:
        return False
    if isinstance(value, datetime):
        held = _time(str(held)) if not isinstance(held, datetime) else held
        if held is None:
            return False
        if not sign:
            return bool(held.date() == value.date())
        times: dict[str, bool] = {">=": held >= value, "<=": held <= value, ">": held > value, "<": held < value}
        return times[sign]
    left, right = str(held).lower(), str(value).lower()
    if sign and left.isdigit() and right.isdigit():
        a, b = int(left), int(right)
        return {">=": a >= b, "<=": a <= b, ">": a > b, "<": a < b}[sign]
    return left == right or number_of(left) == right


def sorted_by(rows: Iterable[dict[str, Any]], key: Callable[[Mapping[str, Any]], Any]) -> list[dict[str, Any]]:
    """By a value, then by id: equal times are common."""
    return sorted(rows, key=lambda row: (key(row), _number(row["id"])))


def _number(identity: str) -> tuple[int, str]:
    text = number_of(identity).partition("?")[0]
    return (int(text) if text.isdigit() else 0, identity)
