"""Goods and money that go back: refunds, returns with their dispositions, exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tieout_sandbox.simulators.shopify.keep import Refused, gid, number_of
from tieout_sandbox.simulators.shopify.lines import Line, agreement, currency_of, sale, share, shop_amount
from tieout_sandbox.simulators.shopify.stock import Change

if TYPE_CHECKING:
    from tieout_sandbox.simulators.shopify.orders import Goods, Orders

RESTOCK: Final = frozenset({"RETURN", "CANCEL", "NO_RESTOCK"})
DISPOSITIONS: Final = frozenset({"RESTOCKED", "NOT_RESTOCKED", "MISSING", "PROCESSING_REQUIRED"})


class Returns:
    """The returns desk. Works on the orders of an order desk."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.book = orders.book
        self.stock = orders.stock

    # ── refunds ────────────────────────────────────────────────────────────────────────────────────────────────────
    def refund(
        self,
        order: str,
        goods: Goods | None = None,
        *,
        restock: str = "RETURN",
        location: str = "",
        shipping: str = "0",
        extra: str = "0",
        pay: bool = True,
        gateway: str = "shopify_payments",
        of: str = "",
        settles: Decimal = Decimal(0),
    ) -> str:
        """Give money back, with lines or without; the refund's number. `of`: the return it belongs to. `extra`: money beside the
        lines. `settles`: what an exchange took off."""
        if restock not in RESTOCK:
            raise Refused(f"there is no restock type {restock}")
        head = self.orders.order(order)
        money = currency_of(head)
        rows, sales, total = [], [], Decimal(0)
        for key, units in (goods or {}).items():
            row, amount, line = self._line(order, key, units, restock, location or head["_location"], bool(of))
            rows.append(row)
            sales.append(self.orders._line_sale(money, line, "RETURN", -units))
            total += amount
        if Decimal(shipping):
            sales.append(
                sale(self.book, money, "SHIPPING", "RETURN", net=-Decimal(shipping), of={"shippingLine": None})
            )
        if Decimal(extra):
            sales.append(sale(self.book, money, "ADJUSTMENT", "RETURN", net=-Decimal(extra)))
        total += Decimal(shipping) + Decimal(extra) - settles
        now = self.book.now()
        made = self.book.new(
            "Refund",
            {
                "createdAt": now,
                "processedAt": now,
                "updatedAt": "",
                "note": None,
                "order": head["id"],
                "return": gid("Return", of) if of else None,
                "totalRefundedSet": money.bag(max(total, Decimal(0)) if pay else Decimal(0)),
                "refundLineItems": rows,
                "refundShippingLines": self._shipping(head, money.bag(Decimal(shipping)), money.bag(Decimal(0)))
                if Decimal(shipping)
                else [],
                "orderAdjustments": [
                    {
                        "id": gid("OrderAdjustment", str(self.book.keep.next_id("oa"))),
                        "reason": "REFUND_DISCREPANCY",
                        "amountSet": money.bag(-Decimal(extra)),
                        "taxAmountSet": money.bag(Decimal(0)),
                    }
                ]
                if Decimal(extra)
                else [],
                "duties": [],
                "transactions": [],
            },
        )
        if pay and total > 0:
            paid = self.orders._transaction(head["id"], "REFUND", total, gateway)
            self.book.put({**made, "transactions": [paid["id"]]})
        head = self.book.need(head["id"])
        signed = agreement(self.book, "RefundAgreement", "REFUND", sales, refund=made["id"])
        self.orders._touch(
            head["id"],
            refunds=[*head["refunds"], made["id"]],
            agreements=[*head["agreements"], signed],
            totalRefundedSet=money.bag(shop_amount(head["totalRefundedSet"]) + (total if pay else 0)),
            currentTotalPriceSet=money.bag(shop_amount(head["currentTotalPriceSet"]) - total),
        )
        self.orders._tell("refunds/create", made["id"])
        self.orders._tell("orders/updated", head["id"])
        return str(made["legacyResourceId"])

    def _shipping(self, head: Any, amount: Any, tax: Any) -> list[dict[str, Any]]:
        line = head["shippingLines"][0] if head["shippingLines"] else {"id": None, "title": "", "isRemoved": True}
        return [
            {
                "id": gid("RefundShippingLine", str(self.book.keep.next_id("rsl"))),
                "subtotalAmountSet": amount,
                "taxAmountSet": tax,
                "shippingLine": line,
            }
        ]

    def _line(
        self, order: str, key: str, units: int, restock: str, location: str, has_return: bool
    ) -> tuple[dict[str, Any], Decimal, dict[str, Any]]:
        """One line of a refund: its stock moves, unless a return's disposition moves it."""
        book, orders = self.book, self.orders
        head = orders.order(order)
        money = currency_of(head)
        field = "unfulfilledQuantity" if restock == "CANCEL" else "currentQuantity"
        line = orders._find(order, key, field)
        if units <= 0 or units > line["currentQuantity"]:
            raise Refused(f"{key}: {line['currentQuantity']} can be refunded, not {units}")
        item = orders._item(line)
        tracked = item is not None and book.need(gid("InventoryItem", item))["tracked"]
        restocked = False
        if restock == "RETURN" and line["_fulfilled"] < units:
            raise Refused(f"{key}: {line['_fulfilled']} were shipped, {units} cannot come back")
        if restock == "RETURN" and tracked and not has_return and not head["test"]:
            assert item is not None
            self.stock.change([Change(item, location, "available", units)], "restock", head["id"])
            restocked = True
        waiting = min(units, line["unfulfilledQuantity"]) if restock != "RETURN" else 0
        if waiting:
            orders._release(head, line, waiting, to_available=not head["test"])
            restocked = restock == "CANCEL" and tracked
        line = book.need(line["id"])
        line.update(
            currentQuantity=line["currentQuantity"] - units, unfulfilledQuantity=line["unfulfilledQuantity"] - waiting
        )
        book.put(line)
        net = share(Decimal(line["_net"]), units, line["quantity"], money.shop)
        tax = share(Decimal(line["_tax"]), units, line["quantity"], money.shop)
        row = {
            "id": gid("RefundLineItem", str(book.keep.next_id("rli"))),
            "quantity": units,
            "restockType": restock,
            "restocked": restocked,
            "location": gid("Location", location) if restocked else None,
            "lineItem": line["id"],
            "priceSet": money.bag(net / units),
            "subtotalSet": money.bag(net),
            "totalTaxSet": money.bag(tax),
        }
        return row, net + tax, line

    # ── returns ────────────────────────────────────────────────────────────────────────────────────────────────────
    def return_goods(self, order: str, goods: Goods, *, exchange: Sequence[Line | tuple[str, int]] = ()) -> str:
        """A customer sends units of shipments back, and may want others instead; the return's number."""
        book, orders = self.book, self.orders
        head = orders.order(order)
        back: list[dict[str, Any]] = []
        for key, units in goods.items():
            for source, taken in self._sources(head, orders._find(order, key, "_fulfilled"), units):
                back.append({"quantity": taken, "fulfillmentLineItem": source})
        now = book.now()
        made = orders._lines(currency_of(head), exchange, Decimal(0))
        reverse = book.new(
            "ReverseFulfillmentOrder",
            {
                "status": "OPEN",
                "lineItems": [
                    {
                        "id": gid("ReverseFulfillmentOrderLineItem", str(book.keep.next_id("rfol"))),
                        "totalQuantity": each["quantity"],
                        "fulfillmentLineItem": each["fulfillmentLineItem"],
                        "dispositions": [],
                    }
                    for each in back
                ],
            },
        )
        found = book.new(
            "Return",
            {
                "name": f"{head['name']}-R{len(head['returns']) + 1}",
                "status": "OPEN",
                "createdAt": now,
                "requestApprovedAt": now,
                "closedAt": None,
                "totalQuantity": sum(each["quantity"] for each in back),
                "order": head["id"],
                "returnLineItems": [
                    {
                        "__typename": "ReturnLineItem",
                        "id": gid("ReturnLineItem", str(book.keep.next_id("retl"))),
                        "processedQuantity": 0,
                        "refundedQuantity": 0,
                        "restockingFee": None,
                        **each,
                    }
                    for each in back
                ],
                "returnShippingFees": [],
                "exchangeLineItems": [
                    {
                        "id": gid("ExchangeLineItem", str(book.keep.next_id("exl"))),
                        "quantity": line["quantity"],
                        "processedQuantity": line["quantity"],
                        "variantId": line["variant"],
                        "lineItems": [line["id"]],
                    }
                    for line in made
                ],
                "reverseFulfillmentOrders": [reverse["id"]],
            },
        )
        for line in made:
            orders._commit(head, line, head["_location"], line["quantity"])
        agreements = head["agreements"]
        if made:
            rows = [orders._line_sale(currency_of(head), line, "ORDER", line["quantity"]) for line in made]
            agreements = [*agreements, agreement(book, "ReturnAgreement", "RETURN", rows, **{"return": found["id"]})]
        fresh = book.need(head["id"])
        orders._touch(
            head["id"],
            returns=[*fresh["returns"], found["id"]],
            lineItems=[*fresh["lineItems"], *(line["id"] for line in made)],
            agreements=agreements,
        )
        orders._tell("returns/approve", found["id"])
        return str(found["legacyResourceId"])

    def _sources(self, head: Any, line: dict[str, Any], units: int) -> list[tuple[str, int]]:
        """Which fulfilled lines the units were shipped with, the oldest first, less what returns took already."""
        taken: dict[str, int] = {}
        for each in map(self.book.need, head["returns"]):
            for row in each["returnLineItems"]:
                source = row["fulfillmentLineItem"]
                taken[source] = taken.get(source, 0) + row["quantity"]
        out = []
        for shipment in map(self.book.need, head["fulfillments"]):
            for row in map(self.book.need, shipment["fulfillmentLineItems"]):
                free = row["quantity"] - taken.get(row["id"], 0)
                if shipment["status"] == "SUCCESS" and row["lineItem"] == line["id"] and free > 0 and units > 0:
                    out.append((row["id"], min(free, units)))
                    units -= min(free, units)
        if units > 0:
            raise Refused(f"{units} more than were shipped cannot come back")
        return out

    def dispose(self, back: str, sku: str, quantity: int, kind: str = "RESTOCKED", *, location: str = "") -> None:
        """Say what became of returned units. Units that waited for processing leave that state first."""
        if kind not in DISPOSITIONS:
            raise Refused(f"there is no disposition {kind}")
        found = self.book.need(gid("Return", back))
        head = self.book.need(found["order"])
        location = location or head["_location"]
        reverse = self.book.need(found["reverseFulfillmentOrders"][0])
        left = quantity
        for row in reverse["lineItems"]:
            source = self.book.need(row["fulfillmentLineItem"])
            line = self.book.need(source["lineItem"])
            waiting = [each for each in row["dispositions"] if each["type"] == "PROCESSING_REQUIRED"]
            done = sum(each["quantity"] for each in row["dispositions"] if each not in waiting)
            units = min(left, row["totalQuantity"] - done) if sku in (line["sku"], number_of(line["id"])) else 0
            if units <= 0:
                continue
            left -= units
            self._dispose(head, row, line, units, kind, location, waiting)
        if left:
            raise Refused(f"{left} more of {sku} than came back")
        self.book.put(reverse)
        self.orders._touch(head["id"])
        self.book.tell(
            "reverse_fulfillment_orders/dispose", {"admin_graphql_api_id": reverse["id"], "return": found["id"]}
        )

    def _dispose(
        self, head: Any, row: Any, line: Any, units: int, kind: str, location: str, waiting: list[dict[str, Any]]
    ) -> None:
        for each in waiting:
            each["quantity"] -= min(each["quantity"], units)
        row["dispositions"] = [each for each in row["dispositions"] if each["quantity"]]
        item = self.orders._item(line)
        restocked = kind == "RESTOCKED" and item is not None
        row["dispositions"].append(
            {
                "id": gid("ReverseFulfillmentOrderDisposition", str(self.book.keep.next_id("disp"))),
                "type": kind,
                "quantity": units,
                "createdAt": self.book.now(),
                "location": gid("Location", location) if restocked else None,
            }
        )
        if restocked:
            assert item is not None
            self.stock.change([Change(item, location, "available", units)], "restock", head["id"])

    def close(self, back: str) -> None:
        found = self.book.need(gid("Return", back))
        self.book.put({**found, "status": "CLOSED", "closedAt": self.book.now()})
        self.orders._touch(found["order"])
        self.orders._tell("returns/close", found["id"])
