"""An order as one record: what Shopify spreads over several documents, flattened to what moved, and when.

    fulfillments   units that left: line item, item, location
    restocks       units that came back: by disposition of a return, else by refund line; each with the shipment it came from
    refunds        money that went back, with its lines
    sales          order lines with prices
    payments       money that came, by gateway
    placed, edits  what was agreed, from the order's sales agreements (only where they are asked for)

Beside sums of taxes and charges nothing is computed here; every value is Shopify's own text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tieout import Fatal
from tieout_shopify.agreements import agreed
from tieout_shopify.graphql import GraphQL, nodes
from tieout_shopify.names import short
from tieout_shopify.queries import FULFILLMENT_LINES, ORDER, ORDER_STOCK, REFUND_LINES

LINES_A_PAGE = 50
LIST_MAX = 250  # of a plain list: more would be left out without a word
GIFT_CARD, STORE_CREDIT = "gift_card", "shopify_store_credit"  # gateways that are cards of our own
COUNTED = ("SALE", "CAPTURE")


class Shipped(NamedTuple):
    """One fulfilled line: where returns of it point to."""

    fulfillment: str
    line: str
    at: str


def order_record(graph: GraphQL, order_id: str, item_key: str, money: bool = False) -> dict[str, Any] | None:
    """The whole order, None when it is gone. Its documents must be of one state: else read again."""
    while True:
        head = _head(graph, order_id)
        if head is None:
            return None
        record = order_completed(graph, head, item_key, money)
        if record is not None:
            return record
        if graph.ask(ORDER_STOCK, id=order_id)["order"] is None:
            return None


def order_completed(graph: GraphQL, head: Mapping[str, Any], item_key: str, money: bool) -> dict[str, Any] | None:
    """The record of an order whose head and lines are known; None where it has changed since, or is gone."""
    rest = graph.ask(ORDER_STOCK, id=head["id"])["order"]
    if rest is None or rest["updatedAt"] != head["updatedAt"]:
        return None
    return _whole(graph, head, rest, item_key, money)


def order_unmoved(graph: GraphQL, head: Mapping[str, Any], item_key: str, money: bool) -> dict[str, Any] | None:
    """The record of an order of which nothing has left, come back or been refunded, so that its head says it all."""
    rest = {"fulfillments": [], "refunds": [], "returns": {"nodes": [], "pageInfo": {"hasNextPage": False}}}
    return _whole(graph, head, rest, item_key, money)


def _whole(
    graph: GraphQL, head: Mapping[str, Any], rest: Mapping[str, Any], item_key: str, money: bool
) -> dict[str, Any] | None:
    items = {line["id"]: _item(line, item_key) for line in head["lineItems"]}
    record = _joined(graph, head, rest, items)
    if not money:
        return record
    agreements = agreed(graph, head["id"], head["updatedAt"], items)
    return None if agreements is None else {**record, **agreements, "payments": _payments(head)}


def _payments(head: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Money that came. What went back is said by the refunds."""
    return [
        {
            "id": short(payment["id"]),
            "kind": payment["kind"],
            "gateway": payment["gateway"],
            "at": payment["processedAt"],
            "amount": _shop(payment["amountSet"]),
        }
        for payment in head["transactions"]
        if payment["status"] == "SUCCESS" and not payment["test"] and payment["kind"] in COUNTED
    ]


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


def _joined(
    graph: GraphQL, head: Mapping[str, Any], rest: Mapping[str, Any], items: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    for field, holder in (("fulfillments", rest), ("refunds", rest), ("transactions", head)):
        if len(holder[field]) >= LIST_MAX:
            raise Fatal(f"{head['name']} has {LIST_MAX} {field} or more", code="TO6507", fix="report this")
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
        "currency": head["currencyCode"],
        "presentmentCurrency": head["presentmentCurrencyCode"],
        "taxesIncluded": head["taxesIncluded"],
        "total": _shop(head["totalPriceSet"]),
        "fulfillments": fulfillments,
        "restocks": list(_restocks(rest, refunds, items, shipped, left)),
        "refunds": [_refund(refund, items) for refund in refunds],
        "sales": [_sale(line, items[line["id"]]) for line in head["lineItems"]],
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
                shipment = shipped.get(source.get("id", ""))
                for done in line["dispositions"]:
                    _back(left, shipment, done["quantity"])
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
                        **_origin(shipment),
                    }
    for refund in refunds:
        if refund["return"] is not None:
            continue
        for line in refund["lines"]:
            if line["restockType"] not in ("RETURN", "LEGACY_RESTOCK") or not line["restocked"]:
                continue
            key = short(line["lineItem"]["id"])
            yield from _from_refund(refund, line, items[line["lineItem"]["id"]], left.setdefault(key, []))


def _back(left: dict[str, list[tuple[int, Shipped]]], source: Shipped | None, units: int) -> None:
    """Units of a shipment that are back: a later refund's are others."""
    if source is None:
        return
    rows = left.get(source.line, [])
    for n, (out, shipment) in enumerate(rows):
        if shipment == source:
            rows[n] = (out - min(out, units), shipment)
    left[source.line] = [row for row in rows if row[0]]


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
            "at": refund["createdAt"] or refund["processedAt"],  # when the units moved; the other may be set at will
            "quantity": taken,
            "location": short((line["location"] or {}).get("id", "")),
            **item,
            **_origin(source),
        }


def _origin(source: Shipped | None) -> dict[str, str]:
    return {"fulfillment": source.fulfillment if source else "", "fulfillmentLine": source.line if source else ""}


def _refund(refund: Mapping[str, Any], items: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """`lines`: goods with stock. `services`: goods without. `tax`: of all of it. Empty text where there is none."""
    shipping = nodes(refund["refundShippingLines"], "a refund's shipping")
    rows = [(line, items[line["lineItem"]["id"]]) for line in refund["lines"]]
    taxes = [line["totalTaxSet"] for line, _ in rows] + [each["taxAmountSet"] for each in shipping]
    return {
        "id": short(refund["id"]),
        "at": refund["processedAt"] or refund["createdAt"],
        "total": _shop(refund["totalRefundedSet"]),
        "lines": [
            {
                "id": short(line["id"] or line["lineItem"]["id"]),
                "quantity": line["quantity"],
                "amount": _shop(line["subtotalSet"]),
                **item,
            }
            for line, item in rows
            if not item["stockless"]
        ],
        "services": _sum([line["subtotalSet"] for line, item in rows if item["stockless"]]),
        "shipping": _sum([each["subtotalAmountSet"] for each in shipping]),
        "tax": _sum(taxes),
        **_tenders(nodes(refund["transactions"], "a refund's payments")),
    }


def _tenders(payments: list[dict[str, Any]]) -> dict[str, str]:
    """How a refund was paid back."""
    made = [p for p in payments if p["status"] == "SUCCESS" and p["kind"] == "REFUND"]
    by_word = {
        word: _sum([p["amountSet"] for p in made if p["gateway"] == gateway])
        for word, gateway in (("giftCard", GIFT_CARD), ("storeCredit", STORE_CREDIT))
    }
    return {**by_word, "gateway": _sum([p["amountSet"] for p in made if p["gateway"] not in (GIFT_CARD, STORE_CREDIT)])}


def _sum(bags: list[Mapping[str, Any]]) -> str:
    total = sum((Decimal(_shop(bag)) for bag in bags), Decimal(0))
    return str(total) if total else ""


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
