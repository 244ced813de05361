"""What was agreed with the customer: sales agreements, the shop's own accounting feed. Ids are stable, amounts are signed.

placed   goods with stock by line, what has none, shipping, tax, tips: as first ordered
edits    lines added or taken off later, with the quantity and amount they have from then on
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tieout_shopify.graphql import GraphQL, nodes
from tieout_shopify.names import short
from tieout_shopify.queries import ORDER_AGREEMENTS

_CHARGES = {"SHIPPING": "shipping", "TIP": "tips", "DUTY": "duties", "FEE": "fees", "ADDITIONAL_FEE": "fees"}


def agreed(
    graph: GraphQL, order_id: str, updated_at: str, items: Mapping[str, dict[str, Any]]
) -> dict[str, Any] | None:
    """`placed`, `edits` and `giftCards`; None where the order has changed since `updated_at`."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        order = graph.ask(ORDER_AGREEMENTS, id=order_id, after=after)["order"]
        if order is None or order["updatedAt"] != updated_at:
            return None
        found += order["agreements"]["nodes"]
        if not order["agreements"]["pageInfo"]["hasNextPage"]:
            break
        after = order["agreements"]["pageInfo"]["endCursor"]
    held: dict[str, tuple[int, Decimal]] = {}
    placed: list[dict[str, Any]] = []
    edits: list[dict[str, Any]] = []
    cards: list[dict[str, Any]] = []
    for each in found:
        if each["reason"] not in ("ORDER", "ORDER_EDIT", "RETURN"):
            continue  # a refund's rows are said by the refund
        rows = nodes(each["sales"], "a sales agreement")
        known = {short(line) for line in held}
        lines = list(_lines(rows, items, held))
        made = {"id": short(each["id"]), "at": each["happenedAt"]}
        placed.append({**made, **_sums(rows, items), "lines": [line for line in lines if line["id"] not in known]})
        changed = [line for line in lines if line["id"] in known]
        if changed:
            edits.append({**made, "lines": changed})
        cards += _cards(rows, made)
    return {"placed": placed, "edits": edits, "giftCards": cards}


def _sums(rows: list[dict[str, Any]], items: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Charges of an agreement; goods without stock are services. Empty text where there are none."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        word = _CHARGES.get(row["lineType"], "")
        if row["lineType"] == "PRODUCT" and items.get(_line(row), {}).get("stockless"):
            word = "services"
        if row["lineType"] in ("ADJUSTMENT", "UNKNOWN"):
            word = "adjustments"
        if word:
            sums[word] = sums.get(word, Decimal(0)) + _net(row)
        sums["tax"] = sums.get("tax", Decimal(0)) + Decimal(str(row["totalTaxAmount"]["shopMoney"]["amount"]))
    words = ("tax", "services", "adjustments", *dict.fromkeys(_CHARGES.values()))
    return {word: str(sums[word]) if sums.get(word) else "" for word in words}


def _lines(
    rows: list[dict[str, Any]], items: Mapping[str, dict[str, Any]], held: dict[str, tuple[int, Decimal]]
) -> Iterator[dict[str, Any]]:
    """Goods with stock, each with what the whole line comes to after this agreement."""
    touched: dict[str, None] = {}
    for row in rows:
        line = _line(row)
        if row["lineType"] != "PRODUCT" or not line or items.get(line, {}).get("stockless"):
            continue
        quantity, amount = held.get(line, (0, Decimal(0)))
        held[line] = (quantity + (row["quantity"] or 0), amount + _net(row))
        touched[line] = None
    for line in touched:
        quantity, amount = held[line]
        yield {"id": short(line), "quantity": quantity, "amount": str(amount), **items[line]}


def _cards(rows: list[dict[str, Any]], made: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if row["lineType"] == "GIFT_CARD" and row["actionType"] == "ORDER":
            yield {"id": short(row["id"]), "at": made["at"], "amount": str(_net(row))}


def _line(row: Mapping[str, Any]) -> str:
    return str((row.get("lineItem") or {}).get("id") or "")


def _net(row: Mapping[str, Any]) -> Decimal:
    return Decimal(str(row["totalAmount"]["shopMoney"]["amount"])) - Decimal(
        str(row["totalTaxAmount"]["shopMoney"]["amount"])
    )
