"""What an order promised and what was sold of it, line by line; and the price of goods promised together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tieout.model.event import EventLine
from tieout.model.money import allocate, exponent
from tieout.settlement.flows import Side
from tieout.settlement.related import Document
from tieout.settlement.terms import Terms
from tieout.valuation.bundles import share_by_price

ZERO: Final = Fraction(0)
GIFTS: Final = frozenset({"gift_with_purchase"})


def part_of(amount: Fraction, q: int, quantity: int, currency: str) -> Fraction:
    """`amount × q / quantity`, rounded to the minor unit of its currency."""
    scale = 10 ** exponent(currency)
    return Fraction(round(amount * scale * q / quantity), scale) if quantity else ZERO


@dataclass
class Ordered:
    """A line of an order: quantity in millionths, the exact amount charged for all of it, and what was sold of it."""

    line_id: str
    item: str
    quantity: int
    amount: Fraction | None
    taken: int = 0
    taken_value: Fraction = ZERO

    @property
    def left(self) -> int:
        return max(0, self.quantity - self.taken)

    def take(self, q: int, currency: str, *, look: bool = False) -> Fraction:
        """Price of the next `q` units: pro rata, the last part takes the remainder (SAL-10)."""
        amount = self.amount or ZERO
        upto = part_of(amount, self.taken + q, self.quantity, currency) if self.quantity else amount
        price = upto - self.taken_value
        if not look:
            self.taken += q
            self.taken_value = upto
        return price

    def pass_by(self, q: int, amount: Fraction) -> None:
        """Units that were sold at a price of their own."""
        self.taken += q
        self.taken_value += amount

    def edit(self, quantity: int, amount: Fraction, currency: str) -> Fraction:
        """The line has another price or quantity; the change of what was sold of it."""
        self.quantity, self.amount = quantity, amount
        if not self.taken:
            return ZERO
        upto = amount if self.taken >= quantity else part_of(amount, self.taken, quantity, currency)
        change = upto - self.taken_value
        self.taken_value = upto
        return change


@dataclass
class Sold:
    """Units whose revenue was recognised, and what came back of it."""

    line: EventLine
    item: str
    quantity: int
    amount: Fraction
    back: int = 0
    back_value: Fraction = ZERO

    def give_back(self, q: int, currency: str) -> tuple[Fraction, int]:
        """(revenue, units) of up to `q` units that come back: their share, the last part takes the remainder (BND-03)."""
        q = min(q, self.quantity - self.back)
        if q <= 0:
            return ZERO, 0
        self.back += q
        upto = part_of(self.amount, self.back, self.quantity, currency)
        value = upto - self.back_value
        self.back_value = upto
        return value, q


Split = Callable[[EventLine, int, str], list[Side]]


def split_of(terms: Terms, document: Document, goods: list[Fraction]) -> tuple[list[Fraction], Split]:
    """Prices of goods that were promised together, as revenue sees them: with a gift by stand-alone price (PRM-01), of one
    item bought in units with and without a price by quantity (PRM-03). And how a line's revenue is booked."""
    currency, _ = terms.rate_of(document[0])
    scale = 10 ** exponent(currency)
    if any(line.reason in GIFTS for line in document) and len(document) > 1:
        parts = [(line.item, line.quantity) for line in document]
        shares = share_by_price(round(sum(goods, ZERO) * scale), parts, terms.facts, terms.day(document[0].at))
        return [Fraction(share, scale) for share in shares], _gift
    out = list(goods)
    spread: set[str] = set()
    for item in {line.item for line, amount in zip(document, goods, strict=True) if line.item and not amount}:
        same = [n for n, line in enumerate(document) if line.item == item and line.quantity > 0]
        whole = sum((goods[n] for n in same), ZERO)
        if len(same) > 1 and whole:
            shares = allocate(round(whole * scale), [document[n].quantity for n in same])
            for n, share in zip(same, shares, strict=True):
                out[n] = Fraction(share, scale)
                spread.add(document[n].line_id)

    def plain(line: EventLine, amount: int, row: str) -> list[Side]:
        if row == "SAL-08":
            row = "BND-02" if "bundle" in (line.extra or {}) else "PRM-03" if line.line_id in spread else row
        return [Side("revenue", amount, line, row)]

    return out, plain


def _gift(line: EventLine, amount: int, row: str) -> list[Side]:
    return [Side("revenue", amount, line, "PRM-01")]


def shares_of(total: int, weights: list[int]) -> list[int]:
    """A discount over lines by what they cost, largest remainder."""
    return allocate(total, [max(weight, 0) for weight in weights]) if weights else []


def pro_rata(total: Fraction, weights: list[Fraction], currency: str | None = None) -> list[Fraction]:
    """Exact shares; with a currency, shares in its minor units by largest remainder."""
    whole = sum(weights, ZERO)
    if currency is None:
        return [total * (w / whole) if whole else total / len(weights) for w in weights]
    scale = 10 ** exponent(currency)
    sign = -1 if total < 0 else 1
    shares = allocate(abs(round(total * scale)), [abs(weight) for weight in weights])
    return [Fraction(sign * share, scale) for share in shares]


def cents(amount: Fraction, currency: str) -> Fraction:
    """Rounded to the minor unit of its currency."""
    scale = 10 ** exponent(currency)
    return Fraction(round(amount * scale), scale)
