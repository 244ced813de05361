"""An order's money from its first payment to its last refund: SAL-02, 03, 08 to 13, 15, 16, 18, 19, RET-01, 07 to 10, GC-02,
04, 05, DEP-01, CON-02, CON-08, DRP-03, PRM-01, 03, 04, BND-02, FX-06, FX-07.

The order is walked from its start each time, document by document in the order of events, up to the one in question:
what is open then (deposits, receivable, pre-invoiced, expected returns) follows from what is known, and is kept nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from tieout.errors import Refused
from tieout.model.event import EventLine
from tieout.model.journal import Flow
from tieout.settlement import refunds
from tieout.settlement.flows import Side, pair, simple
from tieout.settlement.holdings import Open
from tieout.settlement.names import TENDER_ROWS
from tieout.settlement.ordered import Ordered, Sold, cents, pro_rata, shares_of, split_of
from tieout.settlement.paper import ZERO, Paper
from tieout.settlement.related import ORDERS, Document, document_of, related
from tieout.settlement.terms import Terms

TRIGGERS: Final = {
    "order.fulfilled": "shipment",
    "dropship.shipped": "shipment",
    "order.delivered": "delivery",
    "order.invoiced": "invoice",
}
LOST: Final = frozenset({"lost", "lost_in_transit", "not_returned"})
# Tenders whose open balance on the order decides what they are worth.
_CARRIED: Final = ("contract_liability", "customer_deposits")
_AGENT_ROWS: Final = {"consignment.sold": "CON-08", "dropship.shipped": "DRP-03"}


def flows(terms: Terms, line: EventLine) -> list[Flow]:
    """The money side of one line of a sales document; nothing while another program posts revenue (`external`)."""
    if terms.policy(line).revenue_trigger == "external":
        return []
    document = document_of(line, terms.lookup)
    if _self_contained(terms, document):
        return _of(line, Order(terms).take(document))
    chain = related(line, ORDERS, terms.lookup)
    skipped: set[str] = set()
    while True:
        order = Order(terms)
        for document in chain:
            event_id = document[0].event_id
            if event_id == line.event_id:
                return _of(line, order.take(document))
            if event_id in skipped:
                continue
            try:
                order.take(document)
            except Refused:
                skipped.add(event_id)  # it waits as an exception and posts nothing: walk again without it
                break


def _of(line: EventLine, found: list[Flow]) -> list[Flow]:
    mine = [flow for flow in found if flow.line.line_id == line.line_id]
    for flow in mine:
        flow.line = line
    return mine


def _self_contained(terms: Terms, document: Document) -> bool:
    """A sale that states its prices and how it was paid needs nothing else of its order."""
    if document[0].type not in ("order.fulfilled", "order.invoiced"):
        return False
    if terms.policy(document[0]).revenue_trigger != TRIGGERS[document[0].type]:
        return False
    paper = Paper(terms, document)
    return bool(paper.tenders) and not set(paper.tenders) & {*_CARRIED} and None not in paper.goods


class Order:
    """What is known of an order so far. Exact amounts are in the documents' own currency."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.ordered: list[Ordered] = []
        self.charges: dict[str, Fraction] = {}
        self.charged: dict[str, Fraction] = {}
        self.sold: list[Sold] = []
        self.shipped: dict[tuple[str, str], Ordered] = {}
        self.tendered: dict[str, Fraction] = {}
        self.held: dict[str, Open] = {}
        self.taxed = ZERO  # tax of invoices that came before delivery
        self.billed = ZERO  # invoiced so far
        self.partial: set[str] = set()  # lines of the document in hand that are part of an order's line
        self.recognised = ZERO  # recognised so far, tax included

    def open(self, role: str) -> Open:
        return self.held.setdefault(role, Open())

    def take(self, document: Document) -> list[Flow]:
        """Walk one document further; its flows. Raises `Refused`, after which this order is of no more use."""
        kind = document[0].type
        rule = _RULES.get(kind)
        if rule is None or (self.terms.policy(document[0]).revenue_trigger == "external" and kind != "order.placed"):
            return []
        return rule(self, Paper(self.terms, document))

    # ---- before delivery

    def placed(self, paper: Paper) -> list[Flow]:
        """SAL-01: memo. It says what later documents may leave out."""
        for line, amount in zip(paper.document, paper.goods, strict=True):
            if line.item:
                self.ordered.append(Ordered(line.line_id, line.item, line.quantity, amount))
        for role, amount in paper.charges.items():
            self.charges[role] = self.charges.get(role, ZERO) + amount
        return []

    def paid(self, paper: Paper) -> list[Flow]:
        """SAL-02 before delivery, the receivable after it; GC-02 where a gift card pays."""
        tenders = paper.tenders or {"payment_clearing": paper.stated() or ZERO}
        total = sum(tenders.values(), ZERO)
        values = paper.minor(list(tenders.values()))
        debits = [Side(role, value, row=TENDER_ROWS.get(role, "")) for role, value in zip(tenders, values, strict=True)]
        if "ar" in tenders:
            self.terms.refuse(paper.head, "TO4032", "a payment cannot be on account", "name how it was paid")
        worth = sum(values)
        due = self.open("ar").room(total)
        carried, settled = self.open("ar").take(due), paper.whole(due)
        if due == total:
            settled = worth
        deposit = worth - settled
        self.open("customer_deposits").add(total - due, deposit)
        counter = [
            Side("ar", carried, row="SAL-09"),
            Side("fx_gain_loss", settled - carried, row="FX-04"),
            Side("customer_deposits", deposit),
        ]
        return pair(paper.head, "SAL-02", debits, counter)

    def invoiced(self, paper: Paper) -> list[Flow]:
        """SAL-08 where the invoice is the trigger, else SAL-03 for what is not delivered yet."""
        if self.terms.policy(paper.head).revenue_trigger == "invoice":
            return self.sale(paper)
        goods = self._goods(paper, look=True)
        total = sum(goods, ZERO) + sum(paper.charges.values(), ZERO)
        ahead = min(total, max(ZERO, self.billed + total - self.recognised))
        self.billed += total
        if not ahead:
            return []
        tax = paper.charges.get("output_tax", ZERO)
        if ahead != total:
            tax = cents(tax * ahead / total, paper.currency)
        tenders = self._tenders(paper, ahead, ("customer_deposits",))
        values, worth = self._worth(paper, tenders)
        self.taxed += tax
        tax_value = paper.whole(tax)
        self.open("contract_liability").add(ahead - tax, worth - tax_value)
        counter = [Side("contract_liability", worth - tax_value), Side("output_tax", tax_value)]
        return pair(paper.head, "SAL-03", [Side(role, value) for role, value in values.items()], counter)

    def cancelled(self, paper: Paper) -> list[Flow]:
        """SAL-11 what was paid in advance goes back; SAL-12 the mirror of a sale whose goods came back undelivered; SAL-13 a
        refund for goods that did not."""
        head = paper.head
        if self.sold and (head.reason in LOST or not any(line.quantity for line in paper.document)):
            return refunds.refund(self, paper, "SAL-13") if paper.tenders or paper.stated() else []
        if self.sold:
            return self._undone(paper)
        out: list[Flow] = []
        ahead = self.open("contract_liability")
        if ahead.foreign:
            tax, self.taxed = self.taxed, ZERO
            value, tax_value = ahead.take(ahead.foreign), paper.whole(tax)
            receivable = self.open("ar")
            back = receivable.take(receivable.room(receivable.foreign))
            self.open("customer_deposits").add(ZERO, value + tax_value - back)
            counter = [Side("ar", back), Side("customer_deposits", value + tax_value - back)]
            out += pair(head, "SAL-11", [Side("contract_liability", value), Side("output_tax", tax_value)], counter)
        tenders = paper.tenders or ({"payment_clearing": paper.stated() or ZERO} if paper.stated() else {})
        if not tenders:
            return out
        total = sum(tenders.values(), ZERO)
        held = self.open("customer_deposits")
        if total > held.foreign:
            self.terms.refuse(
                head, "TO4037", "more is given back than was paid in advance", "correct the amount", paper.whole(total)
            )
        values = paper.minor(list(tenders.values()))
        carried = held.take(total)
        debits = [Side("customer_deposits", carried), Side("fx_gain_loss", sum(values) - carried, row="FX-07")]
        return out + pair(head, "SAL-11", debits, [Side(r, v) for r, v in zip(tenders, values, strict=True)])

    def forfeited(self, paper: Paper) -> list[Flow]:
        """DEP-01: a deposit that is kept, as revenue, or as breakage where the reason says so."""
        amount = paper.stated() or ZERO
        held = self.open("customer_deposits")
        value = held.take(amount) if amount <= held.foreign else paper.whole(amount)
        role = "breakage_income" if paper.head.reason == "breakage" else "revenue"
        return simple(paper.head, "DEP-01", "customer_deposits", role, value)

    # ---- revenue

    def shipment(self, paper: Paper) -> list[Flow]:
        """SAL-08 where this is the trigger of revenue; otherwise what it says of prices is remembered for the one that is."""
        trigger = self.terms.policy(paper.head).revenue_trigger
        kind = paper.head.type
        if trigger == TRIGGERS[kind]:
            return self.sale(paper)
        if kind != "dropship.shipped" or paper.fee is not None:
            for line, amount in zip(paper.document, paper.goods, strict=True):
                if line.item:
                    unit = Ordered(line.line_id, line.item, line.quantity, amount)
                    self.shipped[line.event_id, line.line_id] = unit
            if paper.charges and not self.charges:
                self.charges = dict(paper.charges)
        return []

    def sale(self, paper: Paper) -> list[Flow]:
        """SAL-08 with its tenders (SAL-09); an agent's sale is its fee only (SAL-19, CON-08, DRP-03)."""
        kind = paper.head.type
        vendor_price = kind == "dropship.shipped" and paper.fee is None
        if vendor_price and not self.ordered:
            return []  # the line's price is the vendor's; the customer's is not known here
        goods = self._goods(paper, own=not vendor_price)
        charges = paper.charges or ({} if paper.priced and not vendor_price else self._charges_due())
        out: list[Flow] = []
        collected = charges.pop("marketplace_tax_clearing", ZERO) if charges else ZERO
        total = sum(goods, ZERO) + sum(charges.values(), ZERO)
        if collected and paper.tenders and sum(paper.tenders.values(), ZERO) == total + collected:
            charges["marketplace_tax_clearing"] = collected
            total += collected
        elif collected:  # collected and withheld at once: nets to zero
            value = paper.whole(collected)
            out += simple(paper.head, "SAL-18", "payment_clearing", "marketplace_tax_clearing", value)
            out += simple(paper.head, "SAL-18", "marketplace_tax_clearing", "payment_clearing", value)
        pre_taxed = min(self.taxed, charges.get("output_tax", ZERO))
        if pre_taxed:
            self.taxed -= pre_taxed
            charges["output_tax"] -= pre_taxed
            total -= pre_taxed
        self.recognised += total + pre_taxed
        tenders = self._tenders(paper, total, _CARRIED)
        values, worth = self._worth(paper, tenders)
        for role, amount in tenders.items():
            self.tendered[role] = self.tendered.get(role, ZERO) + amount
        for role, amount in charges.items():
            self.charged[role] = self.charged.get(role, ZERO) + amount
        debits = [Side(role, value, row=TENDER_ROWS.get(role, "")) for role, value in values.items()]
        return out + self._recognise(paper, goods, charges, debits, worth)

    def _recognise(
        self, paper: Paper, goods: list[Fraction], charges: dict[str, Fraction], debits: list[Side], worth: int
    ) -> list[Flow]:
        """Goods and charges as credits worth what the tenders are worth; discounts are shared out over the lines."""
        document, head = paper.document, paper.head
        goods, split = split_of(self.terms, document, goods)
        minor = paper.minor([*goods, *charges.values()], worth)
        per_line, per_charge = minor[: len(goods)], dict(zip(charges, minor[len(goods) :], strict=True))
        row = "CON-02" if head.type == "consignment.sold" else "SAL-08"
        foreign = paper.currency != self.terms.currency
        for line, amount in zip(document, goods, strict=True):
            if line.item:
                self.sold.append(Sold(line, line.item, line.quantity, amount))
        out: list[Flow] = []
        if paper.fee is not None:
            row = _AGENT_ROWS.get(head.type, "SAL-19")
            fees = paper.minor(pro_rata(paper.fee, goods), paper.whole(paper.fee))
            counter = [
                side
                for line, value, fee in zip(document, per_line, fees, strict=True)
                for side in (
                    Side("commission_revenue", fee, line, row),
                    Side("consignment_payable", value - fee, line, row),
                )
            ]
        else:
            off = -per_charge.pop("sales_discounts", 0)
            shares = shares_of(off, per_line)
            counter = []
            for line, value, share in zip(document, per_line, shares, strict=True):
                out += simple(line, "PRM-04", "sales_discounts", "revenue", share)
                own = row
                if row == "SAL-08":
                    own = "FX-06" if foreign else "SAL-10" if line.line_id in self.partial else row
                counter += split(line, value - share, own)
        counter += [
            Side(role, value, head, "SAL-18" if role == "marketplace_tax_clearing" else row)
            for role, value in per_charge.items()
        ]
        return out + pair(head, row, debits, counter)

    def _tenders(self, paper: Paper, total: Fraction, carried: tuple[str, ...]) -> dict[str, Fraction]:
        """How an amount is paid: as the document says, else out of what the order has paid or been invoiced, the rest on
        account."""
        if paper.tenders:
            paper.check_tenders(total)
            return dict(paper.tenders)
        tenders: dict[str, Fraction] = {}
        for role in carried:
            part = self.open(role).room(total)
            if part:
                tenders[role] = part
                total -= part
        if total:
            tenders["ar"] = total
        return tenders

    def _worth(self, paper: Paper, tenders: dict[str, Fraction]) -> tuple[dict[str, int], int]:
        """Minor units of each tender: what was paid in advance at the rate it was paid at, the rest at the document's."""
        values: dict[str, int] = {}
        for role in _CARRIED:
            if role in tenders and self.open(role).room(tenders[role]) == tenders[role]:
                values[role] = self.open(role).take(tenders[role])
        rest = [role for role in tenders if role not in values]
        values.update(zip(rest, paper.minor([tenders[role] for role in rest]), strict=True))
        if "ar" in tenders:
            self.open("ar").add(tenders["ar"], values["ar"])
        return values, sum(values.values())

    def _goods(self, paper: Paper, *, own: bool = True, look: bool = False) -> list[Fraction]:
        """The exact price of each line's units: stated, or the order's (or shipment's) pro rata, the last part takes the
        rest (SAL-10). `look`: do not count the units as sold."""
        out = []
        self.partial = set()
        for line, amount in zip(paper.document, paper.goods, strict=True):
            if amount is not None and own:
                out.append(amount)
                for unit in self._units(line)[:1]:
                    if not look:
                        unit.pass_by(line.quantity, amount)
                continue
            units = self._units(line)
            if 0 < line.quantity < sum(unit.quantity for unit in units):
                self.partial.add(line.line_id)
            price = _price(units, line.quantity, paper.currency, look=look)
            if price is None:
                self.terms.refuse(
                    paper.head,
                    "TO4034",
                    f"no price is known for {line.item or 'what is sold'}",
                    "map the line's price, or the reference to its order",
                )
            out.append(price)
        return out

    def _units(self, line: EventLine) -> list[Ordered]:
        """What a line without a price is priced by: the shipment lines it names, else the order's lines of its item."""
        name, _, wanted = line.ref.partition(":")[2].rpartition("#")
        if line.type != "order.fulfilled":
            units = [
                unit
                for (event_id, line_id), unit in self.shipped.items()
                if unit.amount is not None
                and (not line.item or unit.item == line.item)
                and (not wanted or line_id == wanted or event_id != name)
            ]
            if units:
                return units
        units = [unit for unit in self.ordered if not line.item or unit.item == line.item]
        exact = [unit for unit in units if wanted and unit.line_id == wanted]
        return exact or units

    def _charges_due(self) -> dict[str, Fraction]:
        """The order's charges in proportion to the goods sold so far, less what was charged before."""
        units = self.ordered or list(self.shipped.values())
        whole = sum((unit.amount or ZERO for unit in units), ZERO)
        taken = sum((unit.taken_value for unit in units), ZERO)
        if not whole:
            whole, taken = Fraction(sum(u.quantity for u in units) or 1), Fraction(sum(u.taken for u in units))
        currency = self.terms.currency
        out = {}
        for role, amount in self.charges.items():
            upto = amount if taken >= whole else cents(amount * taken / whole, currency)
            if upto != self.charged.get(role, ZERO):
                out[role] = upto - self.charged.get(role, ZERO)
        return out

    # ---- changes of mind

    def edited(self, paper: Paper) -> list[Flow]:
        """SAL-15, SAL-16: the lines and charges it names have this price and quantity from now on; what was recognised at
        another one changes by the difference, at the edit's date."""
        changes: list[tuple[EventLine, Fraction]] = []
        for line, amount in zip(paper.document, paper.goods, strict=True):
            if not line.item:
                continue
            units = [u for u in self.ordered if u.item == line.item and (not line.line_id or u.line_id == line.line_id)]
            units = units or [u for u in self.ordered if u.item == line.item]
            if amount is None:  # another quantity at the same price
                amount = _at_price(units, line.quantity, paper.currency)
            if amount is None:
                continue
            mine = [sold for sold in self.sold if sold.item == line.item]
            if units:
                change = units[0].edit(line.quantity or units[0].quantity, amount, paper.currency)
            else:
                change = amount - sum((sold.amount for sold in mine), ZERO)
            if not mine:
                continue
            mine[-1].amount += change
            changes.append((line, change))
        extra: dict[str, Fraction] = {}
        for role, amount in paper.charges.items():
            before = self.charged.get(role, ZERO)
            self.charges[role] = amount
            upto = amount if not self.ordered else before + self._charges_due().get(role, ZERO)
            if self.sold and upto != before:
                extra[role] = upto - before
                self.charged[role] = upto
        total = sum((change for _, change in changes), ZERO) + sum(extra.values(), ZERO)
        if not changes and not extra:
            return []
        tenders = self._back(paper, total)
        minor = paper.minor([*(c for _, c in changes), *extra.values()])
        counter = [
            Side("revenue", value, line) for (line, _), value in zip(changes, minor[: len(changes)], strict=True)
        ]
        counter += [Side(role, value, paper.head) for role, value in zip(extra, minor[len(changes) :], strict=True)]
        values = paper.minor(list(tenders.values()), sum(minor))
        if "ar" in tenders:
            self.open("ar").add(tenders["ar"], values[list(tenders).index("ar")])
        row = "SAL-16" if any(line.quantity for line, _ in changes) and not extra else "SAL-15"
        return pair(paper.head, row, [Side(r, v) for r, v in zip(tenders, values, strict=True)], counter)

    def _back(self, paper: Paper, total: Fraction) -> dict[str, Fraction]:
        """Who pays a difference: as stated, else the tenders of the sale in proportion."""
        if paper.tenders:
            paper.check_tenders(total)
            return dict(paper.tenders)
        roles = {role: amount for role, amount in self.tendered.items() if amount > 0} or {"ar": Fraction(1)}
        shares = pro_rata(total, list(roles.values()), paper.currency)
        return dict(zip(roles, shares, strict=True))

    def _undone(self, paper: Paper) -> list[Flow]:
        """SAL-12: the sale of these units is taken back as it was; money that was paid is held for the customer until it is
        refunded, unless the document says it went back already."""
        goods: list[tuple[EventLine, Fraction]] = []
        before = sum((sold.amount - sold.back_value for sold in self.sold), ZERO)
        for line in paper.document:
            left = line.quantity
            for sold in self.sold:
                if left and sold.item == line.item:
                    amount, taken = sold.give_back(left, paper.currency)
                    left -= taken
                    goods.append((line, amount))
        amount = sum((value for _, value in goods), ZERO)
        charges: dict[str, Fraction] = {}
        for role, value in self.charged.items():
            part = value if amount == before else cents(value * amount / before, paper.currency) if before else ZERO
            charges[role] = part
            self.charged[role] = value - part
        total = amount + sum(charges.values(), ZERO)
        if not goods or not total:
            return []
        minor = paper.minor([*(value for _, value in goods), *charges.values()])
        debits = [Side("revenue", v, line) for (line, _), v in zip(goods, minor[: len(goods)], strict=True)]
        debits += [Side(role, v, paper.head) for role, v in zip(charges, minor[len(goods) :], strict=True)]
        if paper.tenders:
            paper.check_tenders(total)
            tenders = dict(paper.tenders)
        else:
            owed = self.open("ar").room(total)
            tenders = {"ar": owed, "customer_deposits": total - owed}
        values = dict(zip(tenders, paper.minor(list(tenders.values()), sum(minor)), strict=True))
        if tenders.get("ar"):
            self.open("ar").take(self.open("ar").room(tenders["ar"]))
        self.open("customer_deposits").add(tenders.get("customer_deposits", ZERO), values.get("customer_deposits", 0))
        return pair(paper.head, "SAL-12", debits, [Side(role, value) for role, value in values.items()])


def _at_price(units: list[Ordered], quantity: int, currency: str) -> Fraction | None:
    if not units or units[0].amount is None or not units[0].quantity or not quantity:
        return None
    return cents(units[0].amount * quantity / units[0].quantity, currency)


def _price(units: list[Ordered], q: int, currency: str, *, look: bool) -> Fraction | None:
    """Price of `q` units (0: all that is left) out of several, in order; None where one has none."""
    left = q or sum(unit.left for unit in units)
    if not units or any(unit.amount is None for unit in units):
        return None
    price = ZERO
    for n, unit in enumerate(units):
        part = left if n == len(units) - 1 else min(left, unit.left)
        if part:
            price += unit.take(part, currency, look=look)
            left -= part
    return price


_RULES: Final[dict[str, Callable[[Order, Paper], list[Flow]]]] = {
    "order.placed": Order.placed,
    "order.edited": Order.edited,
    "order.cancelled": Order.cancelled,
    "order.paid": Order.paid,
    "order.invoiced": Order.invoiced,
    "order.fulfilled": Order.shipment,
    "dropship.shipped": Order.shipment,
    "order.delivered": Order.shipment,
    "consignment.sold": Order.sale,
    "refund.issued": refunds.refunded,
    "returns.estimated": refunds.estimated,
    "returns.released": refunds.released,
    "deposit.forfeited": Order.forfeited,
}
