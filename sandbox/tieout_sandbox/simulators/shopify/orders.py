"""Orders and what becomes of them. Every step moves stock, money and agreements the way the shop's own screens do.

sell            available -n, committed +n
fulfil          committed -n (on hand falls); cancelling it brings both back
refund          RETURN: available +n · CANCEL: committed -n, available +n · NO_RESTOCK: unshipped units leave committed
dispose         RESTOCKED: available +n, refund or not
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tieout_sandbox.simulators.shopify.keep import Book, Refused, gid, number_of
from tieout_sandbox.simulators.shopify.lines import (
    Currency,
    Line,
    agreement,
    currency_of,
    order_line,
    rounded,
    sale,
    share,
    shop_amount,
)
from tieout_sandbox.simulators.shopify.stock import Change, Stock

FEE_RATE: Final = Decimal("0.029")
FEE_FLAT: Final = Decimal("0.30")
GATEWAY: Final = "shopify_payments"
Goods = Mapping[str, int]  # SKU (or the number of an order line) → units


class Orders:
    """The order desk of a shop."""

    def __init__(self, book: Book, stock: Stock) -> None:
        self.book = book
        self.stock = stock

    # ── placing ────────────────────────────────────────────────────────────────────────────────────────────────────
    def sell(
        self,
        lines: Sequence[Line | tuple[str, int]],
        location: str,
        *,
        shipping: str = "0",
        tip: str = "0",
        tax_rate: str = "0",
        tenders: Mapping[str, str] | None = None,
        paid: bool = True,
        test: bool = False,
        processed_at: str = "",
        shown: str = "",
        rate: str = "1",
        source: str = "web",
    ) -> str:
        """A customer orders; the order's number. `tenders` by gateway, what is left goes through Shopify Payments."""
        book = self.book
        money = Currency(book.currency, shown or book.currency, Decimal(rate))
        made = self._lines(money, lines, Decimal(tax_rate))
        nets = sum((Decimal(line["_net"]) for line in made), Decimal(0))
        taxes = sum((Decimal(line["_tax"]) for line in made), Decimal(0))
        total = nets + taxes + Decimal(shipping) + Decimal(tip)
        zero = money.bag(Decimal(0))
        name = f"#{1000 + book.keep.next_id('order')}"
        now = book.now()
        ship = self._shipping(money, Decimal(shipping))
        order = book.new(
            "Order",
            {
                "name": name,
                "test": test,
                "note": None,
                "createdAt": now,
                "processedAt": processed_at or now,
                "updatedAt": "",
                "cancelledAt": None,
                "cancelReason": None,
                "closedAt": None,
                "edited": False,
                "customer": gid("Customer", "7"),
                "displayFinancialStatus": "PENDING",
                "displayFulfillmentStatus": "UNFULFILLED",
                "returnStatus": "NO_RETURN",
                "currencyCode": money.shop,
                "presentmentCurrencyCode": money.shown,
                "taxesIncluded": False,
                "dutiesIncluded": False,
                "sourceName": source,
                "retailLocation": None,
                "totalPriceSet": money.bag(total),
                "currentTotalPriceSet": money.bag(total),
                "totalTaxSet": money.bag(taxes),
                "totalDiscountsSet": zero,
                "totalShippingPriceSet": money.bag(Decimal(shipping)),
                "totalRefundedSet": zero,
                "totalTipReceivedSet": money.bag(Decimal(tip)),
                "netPaymentSet": zero,
                "totalCashRoundingAdjustment": {"paymentSet": zero, "refundSet": zero},
                "lineItems": [line["id"] for line in made],
                "shippingLines": ship,
                "transactions": [],
                "fulfillments": [],
                "fulfillmentOrders": [],
                "refunds": [],
                "returns": [],
                "agreements": [self._placed(money, made, ship, Decimal(tip))],
                "_rate": str(Decimal(rate)),
                "_location": location,
            },
        )
        if not test:
            for line in made:
                self._commit(order, line, location, line["quantity"])
        self._fulfilment_order(order, made, location)
        if paid:
            self._pay(order, total, tenders or {})
        self._tell("orders/create", order["id"])
        return str(order["legacyResourceId"])

    def _lines(self, money: Currency, lines: Sequence[Line | tuple[str, int]], tax: Decimal) -> list[dict[str, Any]]:
        """Order lines. A bundle becomes lines of its components, its price spread over them."""
        made: list[dict[str, Any]] = []
        for given in lines:
            line = given if isinstance(given, Line) else Line(*given)
            variant = self.stock.variant(line.sku) if line.sku else None
            if variant is None or not variant["requiresComponents"]:
                made.append(order_line(self.book, money, line, tax, variant))
                continue
            group = {
                "id": gid("LineItemGroup", str(self.book.keep.next_id("group"))),
                "title": variant["title"],
                "quantity": line.quantity,
                "variantId": variant["id"],
                "variantSku": variant["sku"],
            }
            parts = variant["productVariantComponents"]
            alone = [Decimal(self.book.need(p["productVariant"])["price"]) * p["quantity"] for p in parts]
            left = Decimal(line.price if line.price is not None else variant["price"]) * line.quantity
            for n, part in enumerate(parts):
                inner = self.book.need(part["productVariant"])
                whole = sum(alone[n:], Decimal(0))
                cut = rounded(left * alone[n] / whole, money.shop) if whole else left
                units = part["quantity"] * line.quantity
                basket = Line(inner["sku"], units, str(inner["price"]), str(Decimal(inner["price"]) * units - cut))
                made.append(self.book.put({**order_line(self.book, money, basket, tax, inner), "lineItemGroup": group}))
                left -= cut
        return made

    def _shipping(self, money: Currency, amount: Decimal) -> list[dict[str, Any]]:
        if not amount:
            return []
        line = {
            "id": gid("ShippingLine", str(self.book.keep.next_id("shipping"))),
            "title": "Standard",
            "isRemoved": False,
            "originalPriceSet": money.bag(amount),
            "discountedPriceSet": money.bag(amount),
            "taxLines": [],
        }
        return [line]

    def _placed(
        self, money: Currency, lines: Iterable[Mapping[str, Any]], shipping: list[dict[str, Any]], tip: Decimal
    ) -> dict[str, Any]:
        rows = [self._line_sale(money, line, "ORDER", line["quantity"]) for line in lines]
        for each in shipping:
            amount = shop_amount(each["originalPriceSet"])
            rows.append(sale(self.book, money, "SHIPPING", "ORDER", net=amount, of={"shippingLine": each}))
        if tip:
            rows.append(sale(self.book, money, "TIP", "ORDER", net=tip, of={"lineItem": None}))
        return agreement(self.book, "OrderAgreement", "ORDER", rows)

    def _line_sale(self, money: Currency, line: Mapping[str, Any], action: str, quantity: int) -> dict[str, Any]:
        """A row for so many units of a line; negative ones come back."""
        size, sign = abs(quantity), 1 if quantity > 0 else -1
        net = sign * share(Decimal(line["_net"]), size, line["quantity"], money.shop)
        tax = sign * share(Decimal(line["_tax"]), size, line["quantity"], money.shop)
        kind = "GIFT_CARD" if line["isGiftCard"] else "PRODUCT"
        return sale(
            self.book, money, kind, action, quantity=quantity, net=net, tax=tax, of={"lineItem": {"id": line["id"]}}
        )

    def _pay(self, order: dict[str, Any], total: Decimal, tenders: Mapping[str, str]) -> None:
        left = total - sum((Decimal(amount) for amount in tenders.values()), Decimal(0))
        paid = dict(tenders)
        if left > 0:
            paid[GATEWAY] = str(left)
        for gateway, amount in paid.items():
            self._transaction(order["id"], "SALE", Decimal(amount), gateway)

    def _transaction(self, order_id: str, kind: str, amount: Decimal, gateway: str) -> dict[str, Any]:
        """Money moves; through Shopify Payments it also becomes a balance movement with its fee."""
        book = self.book
        order = book.need(order_id)
        money = currency_of(order)
        now = book.now()
        body = {
            "kind": kind,
            "status": "SUCCESS",
            "gateway": gateway,
            "test": order["test"],
            "createdAt": now,
            "processedAt": now,
            "parentTransaction": None,
            "amountSet": money.bag(amount),
            "amountRoundingSet": None,
            "settlementCurrency": money.shop,
            "settlementCurrencyRate": None,
            "fees": [],
        }
        made = book.new("OrderTransaction", body)
        sign = -1 if kind == "REFUND" else 1
        paid = shop_amount(order["netPaymentSet"]) + sign * amount
        whole = shop_amount(order["currentTotalPriceSet"])
        status = "REFUNDED" if kind == "REFUND" and paid <= 0 else "PARTIALLY_REFUNDED" if kind == "REFUND" else "PAID"
        if kind != "REFUND" and paid < whole:
            status = "PARTIALLY_PAID"
        book.put(
            {
                **order,
                "transactions": [*order["transactions"], made["id"]],
                "netPaymentSet": money.bag(paid),
                "displayFinancialStatus": status,
            }
        )
        if gateway == GATEWAY:
            self._balance(order, made, "REFUND" if sign < 0 else "CHARGE", sign * amount)
        return made

    def _balance(self, order: Mapping[str, Any], of: Mapping[str, Any], kind: str, amount: Decimal) -> None:
        book = self.book
        fee = rounded(amount * FEE_RATE + FEE_FLAT, book.currency) if kind == "CHARGE" else Decimal(0)
        body = {
            "type": kind,
            "test": order["test"],
            "transactionDate": book.now(),
            "sourceType": kind,
            "sourceId": number_of(of["id"]),
            "sourceOrderTransactionId": number_of(of["id"]),
            "adjustmentReason": None,
            "amount": book.money(amount),
            "fee": book.money(fee),
            "net": book.money(amount - fee),
            "associatedOrder": {"id": order["id"], "name": order["name"]},
            "associatedPayout": {"id": None, "status": "PENDING"},
        }
        book.new("ShopifyPaymentsBalanceTransaction", body)

    # ── stock of an order ──────────────────────────────────────────────────────────────────────────────────────────
    def _item(self, line: Mapping[str, Any]) -> str | None:
        if line["variant"] is None:
            return None
        return number_of(self.book.need(line["variant"])["inventoryItem"])

    def _commit(self, order: Mapping[str, Any], line: dict[str, Any], location: str, units: int) -> None:
        """Promise units of a location to a line; negative gives them back."""
        item = self._item(line)
        if item is None or not units:
            return
        held = line["_committed"]
        held[location] = held.get(location, 0) + units
        self.book.put(line)
        self.stock.change(
            [Change(item, location, "available", -units), Change(item, location, "committed", units)],
            "reservation_created" if units > 0 else "reservation_deleted",
            order["id"],
        )

    def _release(self, order: Mapping[str, Any], line: dict[str, Any], units: int, *, to_available: bool) -> None:
        """Take promised units back, from wherever they were promised; without `to_available` they vanish from committed only."""
        item = self._item(line)
        for location, held in list(line["_committed"].items()):
            taken = min(held, units)
            units -= taken
            if not taken or item is None:
                continue
            line["_committed"][location] = held - taken
            changes = [Change(item, location, "committed", -taken), Change(item, location, "available", taken)]
            self.stock.change(changes if to_available else changes[:1], "reservation_deleted", order["id"])
        self.book.put(line)

    def _fulfilment_order(self, order: Mapping[str, Any], lines: Iterable[Mapping[str, Any]], location: str) -> None:
        book = self.book
        body = {
            "status": "OPEN",
            "requestStatus": "UNSUBMITTED",
            "createdAt": book.now(),
            "updatedAt": "",
            "assignedLocation": {"name": location, "location": gid("Location", location)},
            "lineItems": [
                {
                    "id": gid("FulfillmentOrderLineItem", str(book.keep.next_id("fol"))),
                    "totalQuantity": line["quantity"],
                    "remainingQuantity": line["unfulfilledQuantity"],
                    "inventoryItemId": gid("InventoryItem", self._item(line) or "0"),
                    "lineItem": line["id"],
                }
                for line in lines
            ],
        }
        made = book.new("FulfillmentOrder", body)
        fresh = book.need(order["id"])
        book.put({**fresh, "fulfillmentOrders": [*fresh["fulfillmentOrders"], made["id"]]})

    def lines(self, order: str) -> list[dict[str, Any]]:
        return [self.book.need(each) for each in self.order(order)["lineItems"]]

    def order(self, number: str) -> dict[str, Any]:
        return self.book.need(gid("Order", number))

    def _find(self, order: str, key: str, field: str) -> dict[str, Any]:
        """A line by its number or SKU; of several with this SKU, the first that has any left of what is asked."""
        found = [each for each in self.lines(order) if key in (number_of(each["id"]), each["sku"] or "", each["title"])]
        if not found:
            raise Refused(f"the order has no line {key}")
        return next((each for each in found if each[field] > 0), found[0])

    # ── shipping ───────────────────────────────────────────────────────────────────────────────────────────────────
    def fulfil(self, order: str, goods: Goods | None = None, *, location: str = "") -> str:
        """Ship units (all that are left, if none are named) from a location; the fulfilment's number."""
        head = self.order(order)
        location = location or head["_location"]
        wanted = goods or {
            number_of(line["id"]): line["unfulfilledQuantity"]
            for line in self.lines(order)
            if line["unfulfilledQuantity"]
        }
        rows = []
        for key, units in wanted.items():
            line = self._find(order, key, "unfulfilledQuantity")
            if units > line["unfulfilledQuantity"] or units <= 0:
                raise Refused(f"{key}: {line['unfulfilledQuantity']} are left to ship, not {units}")
            if not head["test"]:
                self._ship(head, line, units, location)
            line = self.book.need(line["id"])
            line.update(unfulfilledQuantity=line["unfulfilledQuantity"] - units, _fulfilled=line["_fulfilled"] + units)
            self.book.put(line)
            rows.append(self.book.new("FulfillmentLineItem", {"quantity": units, "lineItem": line["id"]}))
        made = self.book.new(
            "Fulfillment",
            {
                "name": f"{head['name']}-F{len(head['fulfillments']) + 1}",
                "status": "SUCCESS",
                "displayStatus": "FULFILLED",
                "createdAt": self.book.now(),
                "updatedAt": "",
                "deliveredAt": None,
                "totalQuantity": sum(row["quantity"] for row in rows),
                "location": gid("Location", location),
                "order": head["id"],
                "fulfillmentLineItems": [row["id"] for row in rows],
            },
        )
        self._touch(head["id"], fulfillments=[*head["fulfillments"], made["id"]])
        self._tell("fulfillments/create", made["id"])
        self._tell("orders/updated", head["id"])
        return str(made["legacyResourceId"])

    def _ship(self, head: Mapping[str, Any], line: dict[str, Any], units: int, location: str) -> None:
        item = self._item(line)
        if item is None:
            return
        here = line["_committed"].get(location, 0)
        for other, held in list(line["_committed"].items()):
            missing = units - here
            if other != location and missing > 0 and held:
                moved = min(held, missing)
                self._commit(head, line, other, -moved)
                self._commit(head, line, location, moved)
                here += moved
        line["_committed"][location] = line["_committed"].get(location, 0) - units
        self.book.put(line)
        self.stock.change([Change(item, location, "committed", -units)], "reservation_updated", head["id"])

    def cancel_fulfilment(self, fulfilment: str) -> None:
        """It never left after all: units are on hand and promised again."""
        found = self.book.need(gid("Fulfillment", fulfilment))
        if found["status"] != "SUCCESS":
            raise Refused("it is cancelled already")
        head = self.book.need(found["order"])
        location = number_of(found["location"])
        for row in map(self.book.need, found["fulfillmentLineItems"]):
            line = self.book.need(row["lineItem"])
            units = row["quantity"]
            item = self._item(line)
            if item is not None and not head["test"]:
                line["_committed"][location] = line["_committed"].get(location, 0) + units
                self.stock.change([Change(item, location, "committed", units)], "reservation_updated", head["id"])
            line.update(unfulfilledQuantity=line["unfulfilledQuantity"] + units, _fulfilled=line["_fulfilled"] - units)
            self.book.put(line)
        self.book.put({**found, "status": "CANCELLED", "displayStatus": "CANCELED"})
        self._touch(head["id"])
        self._tell("fulfillments/update", found["id"])
        self._tell("orders/updated", head["id"])

    def _touch(self, order_id: str, **more: Any) -> dict[str, Any]:
        """Write an order again, its states with it."""
        order = {**self.book.need(order_id), **more}
        lines = [self.book.need(each) for each in order["lineItems"]]
        open_units = sum(line["unfulfilledQuantity"] for line in lines)
        shipped = sum(line["_fulfilled"] for line in lines)
        order["displayFulfillmentStatus"] = (
            "UNFULFILLED" if not shipped else "PARTIALLY_FULFILLED" if open_units else "FULFILLED"
        )
        states = {self.book.need(each)["status"] for each in order["returns"]}
        order["returnStatus"] = (
            "RETURN_REQUESTED"
            if "REQUESTED" in states
            else "IN_PROGRESS"
            if "OPEN" in states
            else "RETURNED"
            if "CLOSED" in states
            else "NO_RETURN"
        )
        return self.book.put(order)

    def touch(self, order: str, note: str = "seen") -> None:
        """Somebody writes a note: the order's time of change moves, nothing else does."""
        self._touch(gid("Order", order), note=note)
        self._tell("orders/updated", gid("Order", order))

    # ── cancelling and editing ─────────────────────────────────────────────────────────────────────────────────────
    def edit(
        self,
        order: str,
        *,
        add: Sequence[Line | tuple[str, int]] = (),
        remove: Goods | None = None,
        restock: bool = True,
    ) -> list[str]:
        """Change what was ordered; the numbers of lines that came new. Removed units must not have left."""
        head = self.order(order)
        money = currency_of(head)
        rows = []
        for key, units in (remove or {}).items():
            line = self._find(order, key, "unfulfilledQuantity")
            if units > line["unfulfilledQuantity"]:
                raise Refused(f"{key}: only {line['unfulfilledQuantity']} have not left")
            self._release(head, line, units, to_available=restock)
            line = self.book.need(line["id"])
            line.update(
                currentQuantity=line["currentQuantity"] - units, unfulfilledQuantity=line["unfulfilledQuantity"] - units
            )
            self.book.put(line)
            rows.append(self._line_sale(money, line, "RETURN", -units))
        made = self._lines(money, add, Decimal(0))
        for line in made:
            self._commit(head, line, head["_location"], line["quantity"])
            rows.append(self._line_sale(money, line, "ORDER", line["quantity"]))
        change = sum((shop_amount(row["totalAmount"]) for row in rows), Decimal(0))
        total = money.bag(shop_amount(head["currentTotalPriceSet"]) + change)
        signed = agreement(self.book, "OrderEditAgreement", "ORDER_EDIT", rows)
        self._touch(
            head["id"],
            edited=True,
            lineItems=[*head["lineItems"], *(line["id"] for line in made)],
            currentTotalPriceSet=total,
            agreements=[*head["agreements"], signed],
        )
        if change > 0:
            self._transaction(head["id"], "SALE", change, GATEWAY)
        elif change < 0:
            self._transaction(head["id"], "REFUND", -change, GATEWAY)
        self._tell("orders/edited", head["id"])
        return [number_of(line["id"]) for line in made]

    def cancel(self, order: str, *, restock: bool = True, refund: bool = True, reason: str = "CUSTOMER") -> None:
        """Call the order off: what has not left is refunded and promised no more."""
        from tieout_sandbox.simulators.shopify.returns import Returns

        open_lines = {number_of(line["id"]): line["unfulfilledQuantity"] for line in self.lines(order)}
        left = {key: units for key, units in open_lines.items() if units}
        if left:
            kind = "CANCEL" if restock else "NO_RESTOCK"
            Returns(self).refund(order, left, restock=kind, pay=refund)
        head = self.order(order)
        self._touch(head["id"], cancelledAt=self.book.now(), cancelReason=reason, closedAt=self.book.now())
        self._tell("orders/cancelled", head["id"])

    def delete(self, order: str) -> None:
        """The order is gone without a trace but a webhook."""
        self.book.keep.remove("Order", order, at=self.book.clock.now())
        self.book.tell("orders/delete", {"id": int(order)})

    def _tell(self, topic: str, identity: str) -> None:
        found = self.book.need(identity)
        body = {
            "id": int(number_of(identity)),
            "admin_graphql_api_id": identity,
            "name": found.get("name"),
            "updated_at": found.get("updatedAt"),
        }
        self.book.tell(topic, body)
