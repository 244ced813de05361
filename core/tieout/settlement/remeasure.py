"""FX-05: monetary items at the closing rate, taken back the next day (R4).

What is open in a currency follows from the documents in it up to that moment: each adds or takes an exact amount and what
it is carried at. Inventory, advances and deposits are not monetary and keep their rate (IAS 21.23(b), IFRIC 22).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from tieout.errors import Refused
from tieout.model.event import EventLine, order_key
from tieout.model.journal import Flow
from tieout.model.money import round_fraction
from tieout.model.roles import ROLES
from tieout.settlement import orders, payouts, purchases
from tieout.settlement.flows import simple
from tieout.settlement.holdings import Open
from tieout.settlement.related import ORDERS, Document, document_of, head_of, related
from tieout.settlement.terms import Terms
from tieout.valuation.refs import fits, parse

ZERO: Final = Fraction(0)
DAY_US: Final = 86_400_000_000
MONETARY: Final = frozenset(
    {
        "grni",
        "ap",
        "ar",
        "bank",
        "payment_clearing",
        "reserve_receivable",
        "vendor_credit_receivable",
        "landed_cost_accrual",
        "claims_receivable",
        "ic_receivable",
        "ic_payable",
        "refund_liability",
        "consignment_payable",
    }
)
Balances = dict[str, Open]


def remeasured(terms: Terms, line: EventLine) -> list[Flow]:
    """The whole event hangs on its head line. Lines whose `reason` is a role limit it to these roles. An event that names
    an earlier remeasurement is its reversal; where none does, the reversal falls on the next day by itself."""
    if not line.head:
        return []
    lookup = terms.lookup
    if lookup is None:
        return []
    named = _reversed(terms, line)
    if named is not None:
        return _mirror(line, _differences(terms, named))
    flows = _differences(terms, line)
    if any(_reversed(terms, x) for x in lookup.citing(_names(line)) if x.type == "fx.remeasured"):
        return flows
    back = _mirror(line, flows)
    for flow in back:
        flow.at = line.at + DAY_US
    return flows + back


def _names(line: EventLine) -> set[str]:
    return {f"e:{line.event_id}", *([f"d:{line.document}"] if line.document else [])}


def _reversed(terms: Terms, line: EventLine) -> EventLine | None:
    if not line.ref or terms.lookup is None:
        return None
    kind, name, _ = parse(line.ref)
    lines = terms.lookup.event(name) if kind == "e" else terms.lookup.document(name)
    return next((x for x in lines if x.type == "fx.remeasured" and x.head and x.event_id != line.event_id), None)


def _mirror(line: EventLine, flows: list[Flow]) -> list[Flow]:
    return [Flow(line, flow.row, flow.credit, flow.debit, flow.amount) for flow in flows]


def _differences(terms: Terms, line: EventLine) -> list[Flow]:
    currency, rate = _closing(terms, line)
    wanted = {x.reason for x in document_of(line, terms.lookup) if x.reason in ROLES}
    out: list[Flow] = []
    for role, balance in sorted(open_in(terms, currency, line).items()):
        if wanted and role not in wanted:
            continue
        worth = round_fraction(balance.foreign * rate * terms.scale)
        out += simple(line, "FX-05", role, "fx_unrealised", worth - balance.value)
    return out


def _closing(terms: Terms, line: EventLine) -> tuple[str, Fraction]:
    currency = (line.extra or {}).get("currency")
    if currency is None or currency == terms.currency:
        terms.refuse(line, "TO4030", "a remeasurement names no foreign currency", "state the event's currency")
    return terms.rate_of(line)


def open_in(terms: Terms, currency: str, until: EventLine) -> Balances:
    """Open monetary balances in a currency before a line, by role: exact amount (debit positive) and carried value."""
    lookup = terms.lookup
    assert lookup is not None
    balances: Balances = {}

    def add(role: str, foreign: Fraction, value: int) -> None:
        if role in MONETARY and (foreign or value):
            balances.setdefault(role, Open()).add(foreign, value)

    key = order_key(until)
    found: dict[str, Document] = {}
    for x in lookup.in_currency(currency):
        if order_key(x) < key and x.event_id not in found:
            found[x.event_id] = document_of(x, lookup)
    walked: set[str] = set()
    for document in sorted(found.values(), key=lambda document: order_key(document[0])):
        if document[0].type in ORDERS:
            _order(terms, document, until, walked, add)
            continue
        rule = _RULES.get(document[0].type)
        if rule is not None:
            rule(terms, document, add)
    return balances


Add = Callable[[str, Fraction, int], None]


def _received(terms: Terms, document: Document, add: Add) -> None:
    for line in document:
        if line.amount is not None and not line.owner:
            foreign, value = purchases.owed_for(terms, line)
            add("grni", -foreign, -value)


def _billed(terms: Terms, document: Document, add: Add) -> None:
    foreign, value = purchases.payable(terms, document)
    add("ap", -foreign, -value)
    if document[0].type == "purchase.billed":
        for line in document:
            _clear(terms, line, add)


def _clear(terms: Terms, line: EventLine, add: Add) -> None:
    """What a bill line clears of the receipts it names, pro rata to the quantity."""
    lookup = terms.lookup
    if lookup is None or not line.ref:
        return
    kind, name, wanted = parse(line.ref)
    lines = lookup.event(name) if kind == "e" else lookup.document(name)
    left = line.quantity
    for x in sorted(lines, key=order_key):
        if x.type != "purchase.received" or x.amount is None or not fits(x, wanted) or not x.quantity:
            continue
        if line.item and x.item != line.item:
            continue
        q = min(left, x.quantity)
        left -= q
        foreign, value = purchases.owed_for(terms, x)
        add("grni", foreign * q / x.quantity, round_fraction(Fraction(value * q, x.quantity)))


def _paid(terms: Terms, document: Document, add: Add) -> None:
    head = head_of(document)
    for line in document:
        try:
            flows = purchases.paid(terms, line)
        except Refused:
            continue
        if flows:
            discount = purchases.discount_of(head) if line.head else ZERO
            settled = sum(flow.amount * ((flow.debit == "ap") - (flow.credit == "ap")) for flow in flows)
            add("ap", purchases.foreign_of(terms, line) + discount, settled)
            add("bank", -purchases.foreign_of(terms, line), -_amount(flows, "bank"))


def _amount(flows: list[Flow], role: str) -> int:
    return -sum(flow.amount * ((flow.debit == role) - (flow.credit == role)) for flow in flows)


def _order(terms: Terms, document: Document, until: EventLine, walked: set[str], add: Add) -> None:
    """An order whole: its receivable and expected refunds as they stand open, what went through the gateway as booked."""
    if document[0].event_id in walked:
        return
    order = orders.Order(terms)
    for part in related(document[0], ORDERS, terms.lookup):
        if order_key(part[0]) >= order_key(until):
            break
        walked.add(part[0].event_id)
        try:
            flows = order.take(part)
        except Refused:
            continue
        _, rate = terms.rate_of(head_of(part))
        for role in ("payment_clearing", "consignment_payable", "bank"):
            value = -_amount(flows, role)
            add(role, Fraction(value, terms.scale) / rate, value)
    for role, sign in (("ar", 1), ("refund_liability", -1)):
        held = order.open(role)
        add(role, sign * held.foreign, sign * held.value)


def _payout(terms: Terms, document: Document, add: Add) -> None:
    try:
        flows = payouts.paid(terms, head_of(document))
    except Refused:
        return
    _, rate = terms.rate_of(head_of(document))
    converted = sum(flow.amount * ((flow.debit == "fx_gain_loss") - (flow.credit == "fx_gain_loss")) for flow in flows)
    value = -_amount(flows, "payment_clearing")
    add("payment_clearing", Fraction(value + converted, terms.scale) / rate, value)
    bank = -_amount(flows, "bank")
    add("bank", Fraction(bank, terms.scale) / rate, bank)


def _stated(role: str, sign: int) -> Callable[[Terms, Document, Add], None]:
    def rule(terms: Terms, document: Document, add: Add) -> None:
        for line in document:
            value, foreign = purchases.amounts_of(terms, line) if line.amount is not None or line.head else (0, ZERO)
            add(role, sign * foreign, sign * value)

    return rule


_RULES: Final[dict[str, Callable[[Terms, Document, Add], None]]] = {
    "purchase.received": _received,
    "purchase.billed": _billed,
    "landed_cost.billed": _billed,
    "purchase.paid": _paid,
    "payout.paid": _payout,
    "claim.accepted": _stated("claims_receivable", 1),
    "intercompany.shipped": _stated("ic_receivable", 1),
    "intercompany.received": _stated("ic_payable", -1),
    "landed_cost.estimated": _stated("landed_cost_accrual", -1),
    "consignment.taken": _stated("consignment_payable", -1),
}
