"""An order as one record: what Shopify spreads over several documents, flattened to what moved, and when.

    fulfillments   units that left: line item, item, location
    restocks       units that came back: by disposition of a return, else by refund line; each with the shipment it came from
    refunds        money that went back, with its lines
    sales          order lines with prices, for the money side

Nothing is computed here beside joining; every value is Shopify's own text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tieout_shopify.graphql import GraphQL, nodes
from tieout_shopify.queries import FULFILLMENT_LINES, ORDER, ORDER_STOCK, REFUND_LINES

LINES_A_PAGE = 50
COUNTED = ("SALE", "CAPTURE", "REFUND", "CHANGE")


class Shipped(NamedTuple):
    """One fulfilled line: where returns of it point to."""

    fulfillment: str
    line: str
    at: str


def order_record(graph: GraphQL, order_id: str, item_key: str) -> dict[str, Any] | None:
    """The whole order, None when it is gone. The two documents must be of one state: else read again."""
    while True:
        head = _head(graph, order_id)
        rest = graph.ask(ORDER_STOCK, id=order_id)["order"]
        if head is None or rest is None:
            return None
        if head["updatedAt"] == rest["updatedAt"]:
            return _joined(graph, head, rest, item_key)


def _head(graph: GraphQL, order_id: str) -> dict[str, Any] | None:
    head: dict[str, Any] | None = None
    lines: list[dict[str, Any]] = []
    after = None
    while True:
        found = graph.ask(ORDER, id=order_id, lines=LINES_A_PAGE, linesAfter=after)["order"]
        if found is None:
            return None
        if head is not None and found["updatedAt"] != head["updatedAt"]:
            head, lines, after = None, [], None  # it changed between two pages: from the beginning
            continue
        head = head or found
        lines += found["lineItems"]["nodes"]
        if not found["lineItems"]["pageInfo"]["hasNextPage"]:
            return {**head, "lineItems": lines}
        after = found["lineItems"]["pageInfo"]["endCursor"]


def _joined(graph: GraphQL, head: Mapping[str, Any], rest: Mapping[str, Any], item_key: str) -> dict[str, Any]:
    items = {line["id"]: _item(line, item_key) for line in head["lineItems"]}
    shipped: dict[str, Shipped] = {}
    fulfillments, left = [], dict[str, list[tuple[int, Shipped]]]()
    for number, fulfillment in enumerate(rest["fulfillments"], 1):
        lines = _all_lines(graph, FULFILLMENT_LINES, "fulfillment", fulfillment, "fulfillmentLineItems")
        name = fulfillment["name"] or f"{head['name']}.{number}"
        for line in lines:
            source = shipped[line["id"]] = Shipped(name, short(line["lineItem"]["id"]), fulfillment["createdAt"])
            if fulfillment["status"] == "SUCCESS":
                left.setdefault(source.line, []).append((line["quantity"] or 0, source))
        fulfillments.append(
            {
                "id": short(fulfillment["id"]),
                "name": name,
                "status": fulfillment["status"],
                "at": fulfillment["createdAt"],
                "updatedAt": fulfillment["updatedAt"],
                "location": short((fulfillment["location"] or {}).get("id", "")),
                "lines": [
                    {"id": short(line["lineItem"]["id"]), "quantity": line["quantity"], **items[line["lineItem"]["id"]]}
                    for line in lines
                ],
            }
        )
    refunds = [
        {**refund, "lines": _all_lines(graph, REFUND_LINES, "refund", refund, "refundLineItems")}
        for refund in rest["refunds"]
    ]
    return {
        "id": short(head["id"]),
        "name": head["name"],
        "updatedAt": head["updatedAt"],
        "createdAt": head["createdAt"],
        "processedAt": head["processedAt"],
        "cancelledAt": head["cancelledAt"],
        "test": head["test"],
        "channel": head["sourceName"],
        "customer": short((head["customer"] or {}).get("id", "")),
        "currency": head["currencyCode"],
        "presentmentCurrency": head["presentmentCurrencyCode"],
        "taxesIncluded": head["taxesIncluded"],
        "total": _shop(head["totalPriceSet"]),
        "fulfillments": fulfillments,
        "restocks": list(_restocks(rest, refunds, items, shipped, left)),
        "refunds": [_refund(refund, items) for refund in refunds],
        "sales": [_sale(line, items[line["id"]]) for line in head["lineItems"]],
        "payments": [
            {
                "id": short(payment["id"]),
                "kind": payment["kind"],
                "gateway": payment["gateway"],
                "at": payment["processedAt"],
                "amount": _shop(payment["amountSet"]),
            }
            for payment in head["transactions"]
            if payment["status"] == "SUCCESS" and not payment["test"] and payment["kind"] in COUNTED
        ],
    }


def _all_lines(graph: GraphQL, document: str, name: str, holder: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """Nested lines to their end: the first page came with the order."""
    connection = holder[field]
    lines = list(connection["nodes"])
    while connection["pageInfo"]["hasNextPage"]:
        connection = graph.ask(document, id=holder["id"], after=connection["pageInfo"]["endCursor"])[name][field]
        lines += connection["nodes"]
    return lines


def _item(line: Mapping[str, Any], item_key: str) -> dict[str, Any]:
    """What stock a line is about: empty where it has none (a custom line, an untracked item, a gift card)."""
    variant = line["variant"] or {}
    stock = variant.get("inventoryItem") or {}
    sku = stock.get("sku") or line["sku"] or ""
    item = short(stock.get("id", "")) if item_key == "inventory_item" or not sku else sku
    why = "gift card" if line["isGiftCard"] else "custom line" if not line["variant"] and not line["sku"] else ""
    if stock and not stock["tracked"]:
        why = why or "untracked item"
    return {"item": item, "sku": sku, "stockless": why}


def _restocks(
    rest: Mapping[str, Any],
    refunds: list[dict[str, Any]],
    items: Mapping[str, dict[str, Any]],
    shipped: Mapping[str, Shipped],
    left: dict[str, list[tuple[int, Shipped]]],
) -> Iterator[dict[str, Any]]:
    """Each unit once: dispositions where there is a return, else the refund's own lines. `left`: units of each order line that
    went out and are not back, the oldest shipment first; a refund line names the order line only."""
    for back in nodes(rest["returns"], "the order's returns"):
        for reverse in nodes(back["reverseFulfillmentOrders"], "a return"):
            for line in nodes(reverse["lineItems"], "a reverse fulfilment order"):
                source = line["fulfillmentLineItem"] or {}
                for done in line["dispositions"]:
                    yield {
                        "id": short(done["id"]),
                        "document": back["name"],
                        "kind": done["type"],
                        "at": done["createdAt"],
                        "quantity": done["quantity"],
                        "location": short((done["location"] or {}).get("id", "")),
                        **items.get(
                            (source.get("lineItem") or {}).get("id", ""), {"item": "", "sku": "", "stockless": ""}
                        ),
                        **_origin(shipped.get(source.get("id", ""))),
                    }
    for refund in refunds:
        if refund["return"] is not None:
            continue
        for line in refund["lines"]:
            if line["restockType"] not in ("RETURN", "LEGACY_RESTOCK") or not line["restocked"]:
                continue
            key = short(line["lineItem"]["id"])
            yield from _from_refund(refund, line, items[line["lineItem"]["id"]], left.setdefault(key, []))


def _from_refund(
    refund: Mapping[str, Any],
    line: Mapping[str, Any],
    item: Mapping[str, Any],
    left: list[tuple[int, Shipped]],
) -> Iterator[dict[str, Any]]:
    quantity, part = line["quantity"], 0
    while quantity:
        units, source = left.pop(0) if left else (quantity, None)
        taken = min(units, quantity)
        if source is not None and units > taken:
            left.insert(0, (units - taken, source))
        quantity -= taken
        part += 1
        yield {
            "id": f"{short(line['id'] or refund['id'])}-{part}",
            "document": f"refund {short(refund['id'])}",
            "kind": "RESTOCKED",
            "at": refund["processedAt"] or refund["createdAt"],
            "quantity": taken,
            "location": short((line["location"] or {}).get("id", "")),
            **item,
            **_origin(source),
        }


def _origin(source: Shipped | None) -> dict[str, str]:
    return {"fulfillment": source.fulfillment if source else "", "fulfillmentLine": source.line if source else ""}


def _refund(refund: Mapping[str, Any], items: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": short(refund["id"]),
        "at": refund["processedAt"] or refund["createdAt"],
        "total": _shop(refund["totalRefundedSet"]),
        "lines": [
            {
                "id": short(line["id"] or line["lineItem"]["id"]),
                "quantity": line["quantity"],
                "amount": _shop(line["subtotalSet"]),
                "tax": _shop(line["totalTaxSet"]),
                **items[line["lineItem"]["id"]],
            }
            for line in refund["lines"]
        ],
        "shipping": [
            {"amount": _shop(s["subtotalAmountSet"]), "tax": _shop(s["taxAmountSet"])}
            for s in refund["refundShippingLines"]["nodes"]
        ],
        "payments": [
            {"id": short(p["id"]), "gateway": p["gateway"], "amount": _shop(p["amountSet"])}
            for p in refund["transactions"]["nodes"]
            if p["status"] == "SUCCESS" and p["kind"] == "REFUND"
        ],
    }


def _sale(line: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": short(line["id"]),
        "quantity": line["quantity"],
        "currentQuantity": line["currentQuantity"],
        "unitPrice": _shop(line["originalUnitPriceSet"]),
        "discounted": _shop(line["discountedTotalSet"]),
        "taxes": [
            {"title": tax["title"], "amount": _shop(tax["priceSet"]), "channelLiable": tax["channelLiable"]}
            for tax in line["taxLines"]
        ],
        "bundle": (line["lineItemGroup"] or {}).get("variantSku") or "",
        "giftCard": line["isGiftCard"],
        **item,
    }


def _shop(bag: Mapping[str, Any]) -> str:
    """The amount in the shop's currency, as Shopify's own text; presentment money is for the customer's eyes."""
    return str(bag["shopMoney"]["amount"])


def short(gid: str) -> str:
    """`gid://shopify/Order/123` → `123`; query parts of an id stay, they tell levels apart."""
    return gid.rpartition("/")[2] if gid.startswith("gid://") else gid
