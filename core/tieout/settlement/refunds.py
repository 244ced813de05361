"""Money back, and money expected to go back: RET-01, 07 to 10, GC-05, SAL-13, FX-07."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from tieout.model.event import EventLine
from tieout.model.journal import Flow
from tieout.settlement.flows import Side, pair, simple
from tieout.settlement.ordered import cents, pro_rata
from tieout.settlement.paper import ZERO, Paper

if TYPE_CHECKING:
    from tieout.settlement.orders import Order


def refunded(order: Order, paper: Paper) -> list[Flow]:
    """RET-07, RET-08 (no goods named), GC-05 (to a card or store credit)."""
    goods = any(line.quantity for line in paper.document)
    return refund(order, paper, "RET-07" if goods else "RET-08")


def refund(order: Order, paper: Paper, row: str) -> list[Flow]:
    head = paper.head
    charges = dict(paper.charges)
    kept = sum(paper.kept.values(), ZERO)
    given = sum(paper.tenders.values(), ZERO) if paper.tenders else paper.stated()
    prices = _refunded_goods(order, paper)
    known = sum((price or ZERO for price in prices), ZERO)
    if all(price is None for price in prices):
        if given is None:
            order.terms.refuse(head, "TO4034", "a refund without an amount", "map what was refunded")
        prices = [given - sum(charges.values(), ZERO) + kept, *[ZERO] * (len(prices) - 1)]
        known = prices[0] or ZERO
    total = known + sum(charges.values(), ZERO) - kept
    tenders = paper.tenders or {"payment_clearing": total}
    if given is not None and given != total:
        paper.check_tenders(total, given)
    exact = [price or ZERO for price in prices]
    minor = paper.minor([*exact, *charges.values()])
    debits = _less_revenue(order, paper, exact, minor[: len(exact)])
    for role, value in zip(charges, minor[len(exact) :], strict=True):
        debits.append(Side("sales_returns" if role in ("revenue", "shipping_revenue") else role, value, head))
    kept_values = paper.minor(list(paper.kept.values()))
    worth = sum(minor) - sum(kept_values)
    values = paper.minor(list(tenders.values()), worth)
    counter = [Side(role, value) for role, value in zip(paper.kept, kept_values, strict=True)]
    for (role, amount), value in zip(tenders.items(), values, strict=True):
        counter += _given(order, paper, role, amount, value)
    if set(tenders) <= {"store_credit_liability", "gift_card_liability"}:
        row = "GC-05"
    return pair(head, row, debits, counter)


def _given(order: Order, paper: Paper, role: str, amount: Fraction, value: int) -> list[Side]:
    """A tender of a refund. A receivable goes at what it is carried at, the rest is an exchange difference (FX-07)."""
    if role != "ar" or order.open("ar").room(amount) != amount:
        return [Side(role, value)]
    carried = order.open("ar").take(amount)
    return [Side("ar", carried), Side("fx_gain_loss", value - carried, paper.head, "FX-07")]


def _refunded_goods(order: Order, paper: Paper) -> list[Fraction | None]:
    out: list[Fraction | None] = []
    for line, amount in zip(paper.document, paper.goods, strict=True):
        price = amount
        left = line.quantity
        for sold in order.sold:
            if left and sold.item == line.item:
                share, taken = sold.give_back(left, paper.currency)
                left -= taken
                if amount is None:
                    price = (price or ZERO) + share
        out.append(price)
    return out


def _less_revenue(order: Order, paper: Paper, exact: list[Fraction], values: list[int]) -> list[Side]:
    """Where the goods' part of a refund goes: money held in advance while nothing was delivered, then the returns that
    were expected, then sales returns."""
    sides: list[Side] = []
    source = "refund_liability" if order.sold else "customer_deposits"
    for line, amount, value in zip(paper.document, exact, values, strict=True):
        part = order.open(source).room(amount)
        if part:
            carried = order.open(source).take(part)
            settled = value if part == amount else paper.whole(part)
            if paper.currency == order.terms.currency:
                carried = settled
            sides.append(Side(source, carried, line))
            sides.append(Side("fx_gain_loss", settled - carried, line, "FX-07"))
            value -= settled
        sides.append(Side("sales_returns", value, line))
    return sides


def estimated(order: Order, paper: Paper) -> list[Flow]:
    """RET-01: refunds expected with a sale reduce its revenue."""
    out: list[Flow] = []
    stated = paper.stated()
    exact: list[Fraction] = []
    for line, amount in zip(paper.document, paper.goods, strict=True):
        mine = [sold for sold in order.sold if sold.item == line.item]
        quantity = sum(sold.quantity for sold in mine)
        if amount is None and stated is None:
            if not quantity:
                order.terms.refuse(paper.head, "TO4034", "the expected refunds have no amount", "map the amount")
            whole = sum((sold.amount for sold in mine), ZERO)
            amount = cents(whole * line.quantity / quantity, paper.currency)
        exact.append(amount or ZERO)
    if stated is not None:
        exact = pro_rata(stated, [Fraction(max(line.quantity, 0)) for line in paper.document], paper.currency)
    for line, amount, value in zip(paper.document, exact, paper.minor(exact), strict=True):
        order.open("refund_liability").add(amount, value)
        order.open(f"expected {line.item}").add(Fraction(line.quantity), 0)
        out += simple(line, "RET-01", "revenue", "refund_liability", value)
    return out


def released(order: Order, paper: Paper) -> list[Flow]:
    """RET-10: what was expected and did not come back is revenue after all."""
    held = order.open("refund_liability")
    out: list[Flow] = []
    stated = paper.stated()
    for line, amount in zip(paper.document, paper.goods, strict=True):
        if amount is None:
            amount = stated if stated is not None and line.head else None
        if amount is None:
            amount = _unused(order, line, paper.currency)
        value = held.take(amount) if amount <= held.foreign else paper.whole(amount)
        out += simple(line, "RET-10", "refund_liability", "revenue", value)
    return out


def _unused(order: Order, line: EventLine, currency: str) -> Fraction:
    """The share of the expected refunds still open that falls on these units."""
    held = order.open("refund_liability").foreign
    came = sum(sold.back for sold in order.sold if sold.item == line.item)
    left = int(order.open(f"expected {line.item}").foreign) - came
    if not line.quantity or left <= line.quantity:
        return held
    return cents(held * line.quantity / left, currency)
