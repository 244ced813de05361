"""Vendors paid: PUR-03, PUR-17, FX-04, CON-09; and what of a receipt was paid in advance (FX-03, PUR-03).

A payable is carried at its bill's rate. Payments of a bill take its payable in the order of events, the last the rest.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

from tieout.model.event import EventLine, order_key
from tieout.model.journal import Flow
from tieout.model.money import exact_text, round_fraction
from tieout.settlement.flows import Side, pair, simple
from tieout.settlement.related import Document, document_of, head_of
from tieout.settlement.terms import Terms
from tieout.valuation.refs import Lookup, fits, parse

ZERO: Final = Fraction(0)
BILLS: Final = frozenset({"purchase.billed", "landed_cost.billed", "consignment.settled", "overhead.incurred"})
_DISCOUNT: Final = ("discount", "purchase_discounts")


class Prepaid(NamedTuple):
    """Part of a receipt line that was paid in advance: exact in the vendor's currency, and what it was paid at."""

    foreign: Fraction
    value: int


NOTHING: Final = Prepaid(ZERO, 0)


def prepaid(terms: Terms, line: EventLine) -> list[Flow]:
    """PUR-03: an advance to a vendor."""
    amount = amounts_of(terms, line)[0] if line.head else 0
    return simple(line, "PUR-03", "vendor_prepayment", "bank", amount)


def amounts_of(terms: Terms, line: EventLine) -> tuple[int, Fraction]:
    """(minor units at the document's rate, exact in its currency) of what the line, or else the document, states."""
    extra = line.extra or {}
    _, rate = terms.rate_of(line)
    if line.amount is not None:
        foreign = Fraction(extra["foreign"]) if "foreign" in extra else Fraction(line.amount, terms.scale) / rate
        return line.amount, foreign
    text = extra.get("head_amount")
    if text is None:
        return 0, ZERO
    return round_fraction(Fraction(text) * rate * terms.scale), Fraction(text)


def foreign_of(terms: Terms, line: EventLine) -> Fraction:
    return amounts_of(terms, line)[1]


def covered(terms: Terms, line: EventLine) -> Prepaid:
    """What prepayments cover of a receipt line: those that name it, or that it names, or of the same order; what earlier
    lines took of them is gone (IFRIC 22.8)."""
    lookup = terms.lookup
    if lookup is None or line.amount is None or not lookup.has("purchase.prepaid"):
        return NOTHING
    key = order_key(line)
    wanted = foreign_of(terms, line)
    foreign, value = ZERO, 0
    for prepayment in sorted(lookup.of_type("purchase.prepaid"), key=order_key):
        if not _meets(prepayment, line) or order_key(prepayment) >= key:
            continue
        if _currency(terms, prepayment) != _currency(terms, line):
            continue
        worth, whole = amounts_of(terms, prepayment)
        before = _taken_before(terms, lookup, prepayment, line)
        part = min(wanted - foreign, whole - before)
        if part > 0 and whole:
            upto = worth if before + part == whole else round_fraction(worth * (before + part) / whole)
            value += upto - round_fraction(worth * before / whole)
            foreign += part
    return Prepaid(foreign, value) if foreign else NOTHING


def owed_for(terms: Terms, line: EventLine) -> tuple[Fraction, int]:
    """(exact, minor units) of what a receipt line leaves to be billed: its price less what was paid in advance."""
    foreign, value = foreign_of(terms, line), line.amount or 0
    advance = covered(terms, line).foreign
    if advance:
        value -= round_fraction(value * advance / foreign)
    return foreign - advance, value


def _taken_before(terms: Terms, lookup: Lookup, prepayment: EventLine, line: EventLine) -> Fraction:
    """What receipt lines before this one took of a prepayment, each as much as it could."""
    key = order_key(line)
    names = {f"e:{prepayment.event_id}"}
    lines = list(lookup.citing({*names, *([f"d:{prepayment.document}"] if prepayment.document else [])}))
    if prepayment.ref:
        kind, name, _ = parse(prepayment.ref)
        lines += list(lookup.citing({f"{kind}:{name}"}))
        lines += list(lookup.event(name) if kind == "e" else lookup.document(name))
    earlier = {order_key(x): x for x in lines if x.type == "purchase.received" and order_key(x) < key}
    own = amounts_of(terms, prepayment)[1]
    taken = ZERO
    for at in sorted(earlier):
        x = earlier[at]
        if x.amount is not None and _meets(prepayment, x) and order_key(prepayment) < at:
            taken += min(own - taken, foreign_of(terms, x))
    return taken


def _currency(terms: Terms, line: EventLine) -> str:
    return str((line.extra or {}).get("currency", terms.currency))


def _meets(early: EventLine, late: EventLine) -> bool:
    return _names(early.ref, late) or _names(late.ref, early) or (bool(late.ref) and late.ref == early.ref)


def _names(ref: str, line: EventLine) -> bool:
    if not ref:
        return False
    kind, name, wanted = parse(ref)
    return name == (line.event_id if kind == "e" else line.document) and fits(line, wanted)


# ---- payments


def paid(terms: Terms, line: EventLine) -> list[Flow]:
    """FX-04: a bill paid, the difference to the rate it is carried at is realised; PUR-17: a discount taken with it. Where
    by policy it follows the units, their cost takes it out of `purchase_discounts` again (`rebates.discounted`)."""
    document = document_of(line, terms.lookup)
    head = head_of(document)
    stated = [x for x in document if x.amount is not None]
    if line not in stated and (stated or not line.head):
        return []
    worth, foreign = amounts_of(terms, line)
    discount = discount_of(head) if line.head else ZERO
    carried, off = _settles(terms, line, worth, foreign, discount)
    counter = [
        Side("bank", worth, row="FX-04"),
        Side("purchase_discounts", off, row="PUR-17"),
        Side("fx_gain_loss", carried - worth - off, row="FX-04"),
    ]
    return pair(line, "FX-04", [Side("ap", carried)], counter)


def _settles(terms: Terms, line: EventLine, worth: int, foreign: Fraction, discount: Fraction) -> tuple[int, int]:
    """What of the payable a payment settles, and the discount in it."""
    if _currency(terms, line) != terms.currency:
        carried = _carried(terms, line, foreign, discount)
        return carried, round_fraction(carried * discount / (foreign + discount)) if discount else 0
    off = round_fraction(discount * terms.rate_of(line)[1] * terms.scale)
    return worth + off, off


def discount_taken(terms: Terms, line: EventLine) -> int:
    """The settlement discount that hangs on a payment's line, in minor units."""
    if not line.head:
        return 0
    discount = discount_of(head_of(document_of(line, terms.lookup)))
    return _settles(terms, line, *amounts_of(terms, line), discount)[1] if discount else 0


def discount_of(head: EventLine) -> Fraction:
    amounts = (head.extra or {}).get("amounts") or {}
    return sum((Fraction(amounts[word]) for word in _DISCOUNT if word in amounts), ZERO)


def bills_of(terms: Terms, line: EventLine) -> list[Document]:
    """The bills a payment names, whole, that come before it."""
    lookup = terms.lookup
    if lookup is None or not line.ref:
        return []
    kind, name, _ = parse(line.ref)
    lines = lookup.event(name) if kind == "e" else lookup.document(name)
    found = {x.event_id: x for x in lines if x.type in BILLS and order_key(x) < order_key(line)}
    return [document_of(x, lookup) for x in sorted(found.values(), key=order_key)]


def _carried(terms: Terms, line: EventLine, foreign: Fraction, discount: Fraction) -> int:
    """What the payable settled by this payment is carried at."""
    bills = bills_of(terms, line)
    if not bills:
        terms.refuse(
            line,
            "TO4036",
            f"a payment in {_currency(terms, line)} names no bill that is known",
            "add the reference to the bill: the payable is carried at its rate",
            amounts_of(terms, line)[0],
        )
    total, value = ZERO, 0
    for bill in bills:
        owed, worth = payable(terms, bill)
        total += owed
        value += worth
    before = _paid_before(terms, line, bills)
    upto = before + foreign + discount
    if upto > total:
        terms.refuse(
            line,
            "TO4037",
            f"{exact_text(upto)} {_currency(terms, line)} paid on bills of {exact_text(total)}",
            "correct the amount, or name the other bill it pays",
            amounts_of(terms, line)[0],
        )
    return _upto(value, upto, total) - _upto(value, before, total)


def _upto(value: int, part: Fraction, total: Fraction) -> int:
    return value if part == total else round_fraction(value * part / total)


def _paid_before(terms: Terms, line: EventLine, bills: list[Document]) -> Fraction:
    lookup = terms.lookup
    assert lookup is not None
    names = {f"e:{bill[0].event_id}" for bill in bills} | {f"d:{b[0].document}" for b in bills if b[0].document}
    own = {bill[0].event_id for bill in bills}
    paid_before = ZERO
    for x in lookup.citing(names):
        if x.type != "purchase.paid" or order_key(x) >= order_key(line):
            continue
        if {b[0].event_id for b in bills_of(terms, x)} & own:
            stated = any(y.amount is not None for y in document_of(x, lookup))
            if x.amount is not None or (x.head and not stated):
                paid_before += foreign_of(terms, x)
            if x.head:
                paid_before += discount_of(x)
    return paid_before


def payable(terms: Terms, bill: Document) -> tuple[Fraction, int]:
    """(exact in its currency, minor units at its rate) of what a bill puts on the payable: its lines, its tax, less what
    was paid in advance for the receipts it names."""
    head = head_of(bill)
    extra = head.extra or {}
    _, rate = terms.rate_of(head)
    foreign, value = ZERO, 0
    charges = [extra.get("amounts", {}).get(word) for word in ("tax", "input_tax", "irrecoverable_tax")]
    if extra.get("head_amount") is not None:
        charges.append(extra["head_amount"])
    charges += [(line.extra or {}).get("tax") for line in bill]
    for text in charges:
        if text is not None:
            foreign += Fraction(text)
            value += round_fraction(Fraction(text) * rate * terms.scale)
    for line in bill:
        if line.amount is not None:
            foreign += foreign_of(terms, line)
            value += line.amount
            part = in_advance(terms, line)
            foreign -= part
            value -= round_fraction(part * rate * terms.scale)
    return foreign, value


def in_advance(terms: Terms, line: EventLine) -> Fraction:
    """How much of a bill line was paid before its goods came, in the bill's currency: its receipts' prepaid part, pro rata
    to the quantity billed."""
    lookup = terms.lookup
    if lookup is None or not line.ref or not lookup.has("purchase.prepaid"):
        return ZERO
    kind, name, wanted = parse(line.ref)
    found = lookup.event(name) if kind == "e" else lookup.document(name)
    if not any(x.type == "purchase.received" for x in found):
        found = [x for x in lookup.citing({f"{kind}:{name}"}) if x.ref == line.ref]
        wanted = ""
    receipts = [
        x
        for x in found
        if x.type == "purchase.received" and fits(x, wanted) and (not line.item or x.item == line.item) and x.quantity
    ]
    left, advance = line.quantity, ZERO
    for x in sorted(receipts, key=order_key):
        part = min(left, x.quantity)
        left -= part
        advance += covered(terms, x).foreign * part / x.quantity
    return advance


def settled(terms: Terms, line: EventLine) -> list[Flow]:
    """CON-09: the consignor's bill for goods that were sold or taken."""
    if not line.head:
        return []
    amounts = (line.extra or {}).get("amounts") or {}
    _, rate = terms.rate_of(line)
    text = amounts.get("tax", amounts.get("input_tax"))
    tax = round_fraction(Fraction(text) * rate * terms.scale) if text else 0
    extra = line.extra or {}
    worth = round_fraction(Fraction(extra.get("head_amount", "0")) * rate * terms.scale)
    debits = [Side("consignment_payable", worth), Side("input_tax", tax)]
    return pair(line, "CON-09", debits, [Side("ap", worth + tax)])
