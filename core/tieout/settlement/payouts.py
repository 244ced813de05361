"""Money on its way through a gateway, and cards: PAY-01 to 04, FX-08, GC-01, GC-03, GC-04, RET-14, SAL-14, RET-17."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from tieout.errors import Refused
from tieout.model.event import EventLine
from tieout.model.journal import Flow
from tieout.model.money import round_fraction
from tieout.settlement import orders
from tieout.settlement.flows import Side, pair, simple
from tieout.settlement.names import DEDUCTIONS, PAYOUT_GROSS, PAYOUT_PARTS, TENDERS
from tieout.settlement.paper import Paper
from tieout.settlement.related import DISPUTES, ORDERS, document_of, related
from tieout.settlement.terms import Terms
from tieout.valuation.refs import parse

ZERO: Final = Fraction(0)
_UNCLAIMED: Final = frozenset({"escheat", "unclaimed", "unclaimed_property"})
OPENED: Final = frozenset({"opened", "open", "needs_response", "under_review"})
LOST: Final = frozenset({"lost", "accepted", "charge_refunded"})
HELD: Final = frozenset({"held", "hold", "opened"})


def _minor(terms: Terms, line: EventLine, text: str | Fraction) -> int:
    _, rate = terms.rate_of(line)
    return round_fraction(Fraction(text) * rate * terms.scale)


def _head_amount(terms: Terms, line: EventLine) -> int:
    return _minor(terms, line, (line.extra or {}).get("head_amount", "0"))


def _word(terms: Terms, line: EventLine, word: str) -> tuple[str, str, int]:
    found = PAYOUT_PARTS.get(word)
    if found is None:
        words = ", ".join(sorted({*PAYOUT_PARTS, *PAYOUT_GROSS} - {""}))
        terms.refuse(
            line,
            "TO4035",
            f"the payout has a part of type {word!r}, for which no role is known; the whole payout waits",
            f"map it to one of {words}",
            _head_amount(terms, line) if line.head else line.amount,
        )
    return found


def paid(terms: Terms, line: EventLine) -> list[Flow]:
    """PAY-01 with PAY-02 to PAY-04 for what it holds back; FX-08 where the gateway converted what it collected.

    `amount` is what reached the bank. Charges and refunds among its lines are its gross; where none are listed the gross is
    what reached the bank and what was held back. All of it hangs on the head line; the other lines only explain it.
    """
    document = document_of(line, terms.lookup)
    stated = (line.extra or {}).get("amounts") or {}
    parts = [(line, word, Fraction(text)) for word, text in stated.items() if word != "gross"]
    gross, listed = Fraction(stated.get("gross", 0)), "gross" in stated
    for x in document:
        if x.amount is None:
            continue
        if x.reason in PAYOUT_GROSS:
            gross, listed = gross + (ZERO if "gross" in stated else _exact(terms, x)), True
        else:
            parts.append((x, x.reason, -_exact(terms, x) if _word(terms, x, x.reason)[2] > 0 else _exact(terms, x)))
    for x, word, _ in parts:
        _word(terms, x, word)
    if not line.head:
        return []
    net = Fraction((line.extra or {}).get("head_amount", "0"))
    held = sum((amount * _word(terms, x, word)[2] for x, word, amount in parts), ZERO)
    if listed and gross != net + held:
        terms.refuse(
            line,
            "TO4040",
            f"its lines come to {terms.text(_minor(terms, line, gross - held))}, "
            f"{terms.text(_minor(terms, line, net))} was paid out",
            "map every line of the payout, with its sign",
            _head_amount(terms, line),
        )
    bank = _minor(terms, line, net)
    debits = [Side("bank", bank)]
    for x, word, amount in parts:
        row, role, side = _word(terms, x, word)
        debits.append(Side(role, _minor(terms, line, amount) * side, row=row))
    whole = sum(side.amount for side in debits)
    carried = _collected(terms, document)
    if carried is not None:
        debits.append(Side("fx_gain_loss", carried - whole, row="FX-08"))
        whole = carried
    return pair(line, "PAY-01", debits, [Side("payment_clearing", whole)]) + _sold_with(terms, document, line)


def _exact(terms: Terms, line: EventLine) -> Fraction:
    extra = line.extra or {}
    if "foreign" in extra:
        return Fraction(extra["foreign"])
    return Fraction(line.amount or 0, terms.scale) / terms.rate_of(line)[1]


def _named(terms: Terms, line: EventLine) -> list[list[EventLine]]:
    """Documents a payout's line names."""
    lookup = terms.lookup
    if lookup is None or not line.ref:
        return []
    kind, name, _ = parse(line.ref)
    lines = lookup.event(name) if kind == "e" else lookup.document(name)
    ids = sorted({x.event_id for x in lines if x.type in ORDERS})
    return [document_of(next(x for x in lines if x.event_id == event_id), lookup) for event_id in ids]


def _collected(terms: Terms, document: list[EventLine]) -> int | None:
    """What the clearing account carries for the sales and refunds a payout names, where they were in another currency
    than the payout or at another rate; None where the payout's own figures say it all."""
    value, other, named = 0, False, 0
    gross = [x for x in document if x.reason in PAYOUT_GROSS]
    here = terms.rate_of(document[0])
    for line in gross:
        for found in _named(terms, line):
            named += 1
            other = other or terms.rate_of(found[0]) != here
            for x in found:
                try:
                    own = orders.flows(terms, x)
                except Refused:
                    continue
                value += sum(
                    flow.amount * ((flow.debit == "payment_clearing") - (flow.credit == "payment_clearing"))
                    for flow in own
                )
    return value if other and named >= len([x for x in gross if x.amount is not None or x.ref]) else None


def _sold_with(terms: Terms, document: list[EventLine], line: EventLine) -> list[Flow]:
    """Under `revenue_trigger = payout_summary` the sales a payout names are recognised with it."""
    out: list[Flow] = []
    for x in document:
        for found in _named(terms, x):
            head = found[0]
            if head.type == "order.fulfilled" and terms.policy(head).revenue_trigger == "payout_summary":
                order = orders.Order(terms)
                sale = order.sale(Paper(terms, found))
                for flow in sale:
                    flow.item = flow.item or flow.line.item
                    flow.credit_item = flow.credit_item or flow.line.item
                    flow.line = line
                out += sale
    return out


def adjusted(terms: Terms, line: EventLine) -> list[Flow]:
    """PAY-04: a fee or adjustment on its own; its reason says of what type."""
    stated = line.amount if line.amount is not None else _head_amount(terms, line) if line.head else 0
    document = document_of(line, terms.lookup)
    if line.head and any(x.amount is not None for x in document) and line.amount is None:
        return []
    row, role, side = _word(terms, line, line.reason or "fees")
    return simple(line, "PAY-04" if row == "PAY-01" else row, role, "payment_clearing", stated * side)


def disputed(terms: Terms, line: EventLine) -> list[Flow]:
    """PAY-02: opened, the money is gone, as a loss (or, with reason `claim`, as a claim while open); won, it comes back;
    lost, a claim becomes the loss. What is open follows from the dispute's earlier events."""
    if not line.head:
        return []
    role, held = "", 0
    for document in related(line, DISPUTES, terms.lookup):
        head = document[0]
        status = (head.extra or {}).get("status", "opened")
        fees = ((head.extra or {}).get("amounts") or {}).get("fees", "0")
        amount = _head_amount(terms, head) + _minor(terms, head, fees)
        flows: list[Flow] = []
        if status in OPENED:
            role, held = "claims_receivable" if head.reason == "claim" else "chargeback_loss", held + amount
            flows = simple(line, "PAY-02", role, "payment_clearing", amount)
        elif status in LOST:
            if not held:
                flows = simple(line, "PAY-02", "chargeback_loss", "payment_clearing", amount)
            elif role == "claims_receivable":
                flows = simple(line, "PAY-02", "chargeback_loss", role, held)
            held = 0
        elif status == "won":
            flows = simple(line, "PAY-02", "payment_clearing", role or "chargeback_loss", min(held, amount) or held)
            held = 0
        elif head.event_id == line.event_id:
            terms.refuse(line, "TO4039", f"dispute status {status!r} is not known", "use opened, won or lost")
        if head.event_id == line.event_id:
            return flows
    return []


def reserved(terms: Terms, line: EventLine) -> list[Flow]:
    """PAY-03: money a gateway holds back, and its release."""
    if not line.head:
        return []
    status = (line.extra or {}).get("status", "held")
    amount = _head_amount(terms, line)
    if status in HELD:
        return simple(line, "PAY-03", "reserve_receivable", "payment_clearing", amount)
    if status != "released":
        terms.refuse(line, "TO4039", f"reserve status {status!r} is not known", "use held or released", amount)
    return simple(line, "PAY-03", "payment_clearing", "reserve_receivable", amount)


# ---- cards


def card_sold(terms: Terms, line: EventLine) -> list[Flow]:
    """GC-01: the face value is owed; no stock, no revenue. A card sold below face value: the rest is a discount."""
    if not line.head:
        return []
    extra = line.extra or {}
    face = _head_amount(terms, line)
    debits: list[Side] = []
    for word, text in (extra.get("tenders") or {}).items():
        role = TENDERS.get(word)
        if role is None:
            terms.refuse(line, "TO4032", f"tender {word!r} is not known", f"use one of {', '.join(sorted(TENDERS))}")
        debits.append(Side(role, _minor(terms, line, text)))
    for word, text in (extra.get("amounts") or {}).items():
        if DEDUCTIONS.get(word) != "sales_discounts":
            terms.refuse(line, "TO4031", f"charge {word!r} is not known on a gift card", "use discount")
        debits.append(Side("sales_discounts", _minor(terms, line, text)))
    if not extra.get("tenders"):
        debits.append(Side("payment_clearing", face - sum(side.amount for side in debits)))
    if sum(side.amount for side in debits) != face:
        terms.refuse(
            line,
            "TO4033",
            f"tenders come to {terms.text(sum(side.amount for side in debits))}, the card to {terms.text(face)}",
            "correct the tenders",
            face,
        )
    return pair(line, "GC-01", debits, [Side("gift_card_liability", face)])


def card_broken(terms: Terms, line: EventLine) -> list[Flow]:
    """GC-03: what will not be redeemed is income, or belongs to the state."""
    role = "unclaimed_property" if line.reason in _UNCLAIMED else "breakage_income"
    return simple(line, "GC-03", "gift_card_liability", role, _head_amount(terms, line)) if line.head else []


# ---- provisions and claims


def warranted(terms: Terms, line: EventLine) -> list[Flow]:
    """RET-14: what the promise to replace will cost."""
    if not line.head:
        return []
    return simple(line, "RET-14", "warranty_expense", "warranty_provision", _head_amount(terms, line))


def claimed(terms: Terms, line: EventLine) -> list[Flow]:
    """SAL-14: a carrier accepts a claim for goods lost on the way; RET-17: a vendor one for a defect."""
    if not line.head:
        return []
    lookup = terms.lookup
    kinds: set[str] = set()
    if lookup is not None and line.ref:
        kind, name, _ = parse(line.ref)
        kinds = {x.type for x in (lookup.event(name) if kind == "e" else lookup.document(name))}
    if any(kind.startswith(("purchase.", "landed_cost.")) for kind in kinds):
        return []  # LC-06: it lowers the cost of the goods, on their own side
    if any(kind.startswith("warranty.") for kind in kinds) or line.reason == "warranty":
        return simple(line, "RET-17", "claims_receivable", "warranty_expense", _head_amount(terms, line))
    return simple(line, "SAL-14", "claims_receivable", "claims_recovery", _head_amount(terms, line))


def memo(terms: Terms, line: EventLine) -> list[Flow]:
    """Known, of consequence to others, posts nothing: SAL-01, GC-04, RET-11."""
    del terms, line
    return []
