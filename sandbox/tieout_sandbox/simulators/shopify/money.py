"""Shopify Payments: what was collected and kept back, and the payouts that settle it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tieout_sandbox.simulators.shopify.keep import Book, gid

_SUMMARY = [
    "adjustmentsFee",
    "adjustmentsGross",
    "advanceFees",
    "advanceGross",
    "chargesFee",
    "chargesGross",
    "refundsFee",
    "refundsFeeGross",
    "reservedFundsFee",
    "reservedFundsGross",
    "retriedPayoutsFee",
    "retriedPayoutsGross",
]
_GROUPS = {"CHARGE": ("chargesGross", "chargesFee"), "REFUND": ("refundsFeeGross", "refundsFee")}


class Payments:
    """The account of a shop at Shopify Payments."""

    def __init__(self, book: Book) -> None:
        self.book = book

    def movement(self, kind: str, amount: str, *, fee: str = "0", reason: str | None = None) -> None:
        """A balance movement that is no charge and no refund of an order: a label, a dispute, a correction."""
        value, cost = Decimal(amount), Decimal(fee)
        self.book.new(
            "ShopifyPaymentsBalanceTransaction",
            {
                "type": kind,
                "test": False,
                "transactionDate": self.book.now(),
                "sourceType": "ADJUSTMENT",
                "sourceId": None,
                "sourceOrderTransactionId": None,
                "adjustmentReason": reason,
                "amount": self.book.money(value),
                "fee": self.book.money(cost),
                "net": self.book.money(value - cost),
                "associatedOrder": None,
                "associatedPayout": {"id": None, "status": "PENDING"},
            },
        )

    def pay_out(self, *, status: str = "PAID") -> str | None:
        """Send everything that waits to the bank; the payout's number, None when nothing waits."""
        book = self.book
        open_ones = [
            each
            for each in book.all("ShopifyPaymentsBalanceTransaction")
            if each["associatedPayout"]["id"] is None and not each["test"]
        ]
        if not open_ones:
            return None
        net = sum((Decimal(each["net"]["amount"]) for each in open_ones), Decimal(0))
        sums = dict.fromkeys(_SUMMARY, Decimal(0))
        for each in open_ones:
            gross, fee = _GROUPS.get(each["type"], ("adjustmentsGross", "adjustmentsFee"))
            sums[gross] += Decimal(each["amount"]["amount"])
            sums[fee] += Decimal(each["fee"]["amount"])
        made = book.new(
            "ShopifyPaymentsPayout",
            {
                "issuedAt": book.now(),
                "status": status,
                "transactionType": "DEPOSIT" if net >= 0 else "WITHDRAWAL",
                "externalTraceId": None,
                "net": book.money(net),
                "summary": {name: book.money(value) for name, value in sums.items()},
            },
        )
        for each in open_ones:
            book.put({**each, "associatedPayout": {"id": made["id"], "status": status}})
        number = str(made["legacyResourceId"])
        if status == "PAID":
            self._transfer(number, net)
        return number

    def _transfer(self, payout: str, net: Decimal) -> None:
        self.book.new(
            "ShopifyPaymentsBalanceTransaction",
            {
                "type": "TRANSFER",
                "test": False,
                "transactionDate": self.book.now(),
                "sourceType": "TRANSFER",
                "sourceId": payout,
                "sourceOrderTransactionId": None,
                "adjustmentReason": None,
                "amount": self.book.money(-net),
                "fee": self.book.money("0"),
                "net": self.book.money(-net),
                "associatedOrder": None,
                "associatedPayout": {"id": gid("ShopifyPaymentsPayout", payout), "status": "PAID"},
            },
        )

    def settle(self, payout: str, status: str = "PAID") -> None:
        """A scheduled payout reaches the bank, or fails."""
        found = self.book.need(gid("ShopifyPaymentsPayout", payout))
        self.book.put({**found, "status": status})
        for each in list(self.book.all("ShopifyPaymentsBalanceTransaction")):
            if each["associatedPayout"]["id"] == found["id"]:
                self.book.put({**each, "associatedPayout": {"id": found["id"], "status": status}})
        if status == "PAID":
            self._transfer(payout, Decimal(found["net"]["amount"]))

    def balance(self) -> dict[str, Any]:
        waiting = [
            Decimal(each["net"]["amount"])
            for each in self.book.all("ShopifyPaymentsBalanceTransaction")
            if each["associatedPayout"]["id"] is None
        ]
        return self.book.money(sum(waiting, Decimal(0)))
