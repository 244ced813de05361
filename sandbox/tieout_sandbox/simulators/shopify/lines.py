"""What an order says in money: lines, sales agreements and their rows. Amounts in the shop's and the customer's currency."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, NamedTuple

from tieout_sandbox.simulators.shopify.keep import Book, gid, trimmed

PLACES: Final = {"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "KWD": 3, "BHD": 3, "JOD": 3, "OMR": 3}
SALES: Final = {
    "PRODUCT": "ProductSale",
    "SHIPPING": "ShippingLineSale",
    "TIP": "TipSale",
    "GIFT_CARD": "GiftCardSale",
    "ADJUSTMENT": "AdjustmentSale",
}


class Line(NamedTuple):
    """What a customer puts into the basket. `sku` empty: a custom line, which has no stock. Amounts without tax."""

    sku: str
    quantity: int
    price: str | None = None  # of one unit; None: the item's own
    discount: str = "0"  # off the whole line
    title: str = ""


class Currency(NamedTuple):
    """The two currencies of an order; `rate` customer's units for one of the shop's."""

    shop: str
    shown: str
    rate: Decimal

    def bag(self, amount: Decimal) -> dict[str, Any]:
        return {
            "shopMoney": {"amount": trimmed(rounded(amount, self.shop)), "currencyCode": self.shop},
            "presentmentMoney": {
                "amount": trimmed(rounded(amount * self.rate, self.shown)),
                "currencyCode": self.shown,
            },
        }


def rounded(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-PLACES.get(currency, 2)), rounding=ROUND_HALF_UP)


def shop_amount(bag: Mapping[str, Any]) -> Decimal:
    return Decimal(bag["shopMoney"]["amount"])


def currency_of(order: Mapping[str, Any]) -> Currency:
    return Currency(order["currencyCode"], order["presentmentCurrencyCode"], Decimal(order["_rate"]))


def share(total: Decimal, part: int, whole: int, currency: str) -> Decimal:
    return rounded(total * part / whole, currency) if whole else Decimal(0)


def sale(
    book: Book,
    money: Currency,
    kind: str,
    action: str,
    *,
    quantity: int | None = None,
    net: Decimal,
    tax: Decimal = Decimal(0),
    discount: Decimal = Decimal(0),
    of: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A row of an agreement, signed: `net` without tax, after discounts."""
    row = {
        "__typename": SALES[kind],
        "id": gid(SALES[kind], str(book.keep.next_id("sale"))),
        "actionType": action,
        "lineType": kind,
        "quantity": quantity,
        "totalAmount": money.bag(net + tax),
        "totalTaxAmount": money.bag(tax),
        "totalDiscountAmountBeforeTaxes": money.bag(discount),
        "totalDiscountAmountAfterTaxes": money.bag(discount),
        "taxes": [
            {
                "id": gid("SaleTax", str(book.keep.next_id("sale"))),
                "amount": money.bag(tax),
                "taxLine": {"title": "VAT", "rate": None, "channelLiable": None, "priceSet": money.bag(tax)},
            }
        ]
        if tax
        else [],
    }
    return {**row, **(of or {})}


def agreement(book: Book, kind: str, reason: str, rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "__typename": kind,
        "id": gid(kind, str(book.keep.next_id("agreement"))),
        "happenedAt": book.now(),
        "reason": reason,
        "app": {"id": gid("App", "1"), "title": "Online Store"},
        "sales": rows,
        **more,
    }


def order_line(
    book: Book, money: Currency, line: Line, tax_rate: Decimal, item: dict[str, Any] | None
) -> dict[str, Any]:
    """A line as it was sold; `item` is its variant, None for a custom line."""
    price = Decimal(line.price if line.price is not None else (item or {}).get("price", "0"))
    whole = price * line.quantity
    net = whole - Decimal(line.discount)
    tax = Decimal(0) if item and item["_gift_card"] else rounded(net * tax_rate, money.shop)
    body = {
        "title": line.title or (item or {}).get("title") or line.sku or "Custom",
        "sku": line.sku or None,
        "quantity": line.quantity,
        "currentQuantity": line.quantity,
        "unfulfilledQuantity": line.quantity,
        "isGiftCard": bool(item and item["_gift_card"]),
        "requiresShipping": not (item and item["_gift_card"]),
        "taxable": True,
        "restockable": True,
        "variant": item["id"] if item else None,
        "lineItemGroup": None,
        "originalUnitPriceSet": money.bag(price),
        "originalTotalSet": money.bag(whole),
        "discountedTotalSet": money.bag(net),
        "discountAllocations": [
            {
                "allocatedAmountSet": money.bag(Decimal(line.discount)),
                "discountApplication": {
                    "__typename": "DiscountCodeApplication",
                    "index": 0,
                    "targetType": "LINE_ITEM",
                    "allocationMethod": "ACROSS",
                },
            }
        ]
        if Decimal(line.discount)
        else [],
        "taxLines": [
            {
                "title": "VAT",
                "rate": float(tax_rate),
                "source": "Shopify",
                "channelLiable": False,
                "priceSet": money.bag(tax),
            }
        ]
        if tax
        else [],
        "duties": [],
        "_net": str(net),
        "_tax": str(tax),
        "_committed": {},
        "_fulfilled": 0,
    }
    return book.new("LineItem", body)
