"""The buying side of the sample company: orders, receipts, vendor bills, freight bills, returns to suppliers, credits."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from tieout_sandbox.sample.world import CARRIER, CASE, MAIN, Clock, Item, cents, tenths, with_offset

if TYPE_CHECKING:
    from tieout_sandbox.sample.quarter import Quarter

Bought = tuple[int, Item, int, int]  # receipt line, item, quantity in tenths of the bought unit, price of that unit
ORDERS_A_DAY_MAX = 22
TAX_PERCENT = 21


def kilograms(grams: int) -> str:
    return f"{grams // 1000}.{grams % 1000:03d}"


class Buying:
    """Keeps the shelves full and owes the suppliers for it."""

    def __init__(self, quarter: Quarter) -> None:
        self.quarter = quarter
        self.rng = quarter.rng

    def reorder(self, day: date) -> None:
        """Order what runs low; the goods come four to nine days later, one receipt per supplier and day."""
        baskets: defaultdict[str, list[tuple[Item, int]]] = defaultdict(list)
        ordered = 0
        for item in self.quarter.items:
            low = self.quarter.book.total(item.sku) < 400
            if not low or item.sku in self.quarter.on_order or item.role in ("late", "quiet"):
                continue
            if ordered == ORDERS_A_DAY_MAX:
                break
            ordered += 1
            quantity = CASE * 10 * self.rng.randint(3, 6) if item.cased else 10 * self.rng.randint(30, 70)
            baskets[item.supplier].append((item, quantity))
            self.quarter.on_order.add(item.sku)
        for supplier, lines in sorted(baskets.items()):
            arrival = day + timedelta(days=self.rng.randint(4, 9))
            self.quarter.later(arrival, partial(self.receive, supplier, lines))

    def receive(self, supplier: str, basket: list[tuple[Item, int]], clock: Clock) -> None:
        """A goods receipt: cases where the item is bought by the case, at the case price."""
        at, number = clock.tick(), self.quarter.number("GR")
        lines: list[dict[str, Any]] = []
        bought = []
        for line, (item, quantity) in enumerate(basket, 1):
            self.quarter.on_order.discard(item.sku)
            drift = 100 if item.role == "plain" else self.rng.randint(95, 106)
            unit_cost = max(1, item.cost * drift // 100)
            price = unit_cost * CASE if item.cased else unit_cost
            self.quarter.book.move(item.sku, MAIN, quantity)
            if item.role == "plain":
                self.quarter.book.add_layer(item.sku, quantity, unit_cost * quantity // 10)
            ordered = quantity // CASE if item.cased else quantity
            lines.append(
                {
                    "line": line,
                    "sku": item.sku,
                    "quantity": tenths(ordered),
                    "unit": "case" if item.cased else item.unit,
                    "unit_price": cents(price),
                    "weight_kg": kilograms(item.weight * quantity // 10),
                }
            )
            bought.append((line, item, ordered, price))
        data = {
            "receipt_no": number,
            "received_at": with_offset(at),
            "supplier": supplier,
            "location": MAIN,
            "lines": lines,
        }
        self.quarter.add("receipts", at, number, data, "purchase.received")
        self.plan_bills(at.date(), number, supplier, bought)

    def plan_bills(self, day: date, receipt: str, supplier: str, bought: list[Bought]) -> None:
        """Most receipts are billed once and right; some in two parts, some at another price, some not before the quarter ends."""
        when = day + timedelta(days=self.rng.randint(2, 12))
        plain = any(item.role == "plain" for _, item, _, _ in bought)
        dearer = not plain and self.rng.randrange(5) == 0
        parts = 2 if self.rng.randrange(6) == 0 else 1
        for part in range(parts):
            billed = []
            for line, item, quantity, price in bought:
                half = quantity // 20 * 10
                share = quantity if parts == 1 else (half, quantity - half)[part]
                if share:
                    asked = price * 103 // 100 if dearer and line == 1 else price
                    billed.append((line, item, share, asked))
            if billed:
                due = when + timedelta(days=part * 6)
                self.quarter.later(due, partial(self.bill, receipt, supplier, billed))
        if self.rng.randrange(3) == 0 and not plain:
            due = when + timedelta(days=self.rng.randint(1, 8))
            self.quarter.later(due, partial(self.freight, receipt))
        if not plain and self.rng.randrange(7) == 0:
            chosen = self.rng.choice(bought)
            if not chosen[1].cased:
                due = when + timedelta(days=8)
                self.quarter.later(due, partial(self.send_back, receipt, supplier, chosen))

    def bill(self, receipt: str, supplier: str, billed: list[Bought], clock: Clock) -> None:
        at, number = clock.tick(), self.quarter.number("VB")
        lines, net, tax = [], 0, 0
        for row, (line, item, quantity, price) in enumerate(billed, 1):
            amount = (price * quantity + 5) // 10
            line_tax = (amount * TAX_PERCENT + 50) // 100
            net, tax = net + amount, tax + line_tax
            lines.append(
                {
                    "line": row,
                    "receipt_no": receipt,
                    "receipt_line": line,
                    "sku": item.sku,
                    "quantity": tenths(quantity),
                    "unit": "case" if item.cased else item.unit,
                    "unit_price": cents(price),
                    "amount": cents(amount),
                    "tax": cents(line_tax),
                }
            )
        data = {
            "bill_no": number,
            "billed_at": with_offset(at),
            "supplier": supplier,
            "total": cents(net + tax),
            "lines": lines,
        }
        self.quarter.add("bills", at, number, data, "purchase.billed")

    def freight(self, receipt: str, clock: Clock) -> None:
        """The carrier's bill for one receipt, days after the goods and after some of them were sold."""
        at, number = clock.tick(), self.quarter.number("FB")
        data = {
            "bill_no": number,
            "billed_at": with_offset(at),
            "carrier": CARRIER,
            "basis": self.rng.choice(("weight", "quantity", "value")),
            "amount": cents(self.rng.randint(3_500, 24_000)),
            "receipts": [receipt],
        }
        self.quarter.add("freight", at, number, data, "landed_cost.billed")

    def send_back(self, receipt: str, supplier: str, bought: Bought, clock: Clock) -> None:
        """Part of a receipt goes back; the credit note follows, once in a while a euro short."""
        line, item, _, price = bought
        quantity = 10 * self.rng.randint(1, 4)
        if self.quarter.free(item.sku, MAIN) < quantity:
            return
        at, number = clock.tick(), self.quarter.number("SR")
        self.quarter.book.move(item.sku, MAIN, -quantity)
        data = {
            "rma_no": number,
            "line": 1,
            "shipped_at": with_offset(at),
            "supplier": supplier,
            "receipt_no": receipt,
            "receipt_line": line,
            "sku": item.sku,
            "quantity": tenths(quantity),
            "location": MAIN,
        }
        self.quarter.add("supplier_returns", at, number, data, "purchase.returned")
        short = 100 if self.rng.randrange(4) == 0 else 0
        amount = max(1, price * quantity // 10 - short)
        due = at.date() + timedelta(days=self.rng.randint(5, 14))
        self.quarter.later(due, partial(self.credit, number, supplier, (item, quantity), amount))

    def credit(self, rma: str, supplier: str, goods: tuple[Item, int], amount: int, clock: Clock) -> None:
        at, number = clock.tick(), self.quarter.number("CN")
        item, quantity = goods
        data = {
            "credit_no": number,
            "credited_at": with_offset(at),
            "supplier": supplier,
            "rma_no": rma,
            "rma_line": 1,
            "sku": item.sku,
            "quantity": tenths(quantity),
            "amount": cents(amount),
        }
        self.quarter.add("credits", at, number, data, "purchase.credited")
