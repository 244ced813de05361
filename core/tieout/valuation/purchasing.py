"""Receipts and bills: PUR-04 to 11, 18, 20, STD-01, 02, DRP-01, 02, LC-01 (with the receipt), PUR-02 (its use).

A receipt's line keeps what is open in `grni`; bills clear it pro rata, the last one takes the rest. What a bill says
beyond that amends the receipt as if it had been so from the start, or goes to a variance at standard cost.
"""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from typing import Final

from tieout.model.event import EventLine
from tieout.model.money import allocate, round_fraction
from tieout.settlement.paper import is_agent
from tieout.settlement.purchases import NOTHING, Prepaid, covered, owed_for
from tieout.valuation.records import Ahead, Move, Pool, Receipt
from tieout.valuation.refs import fits, parse
from tieout.valuation.state import NeedsHistory
from tieout.valuation.step import Step

RECEIPTS: Final = frozenset(
    {"purchase.received", "purchase.title_passed", "dropship.shipped", "opening.loaded", "production.reported"}
)
TITLES: Final = frozenset({"purchase.title_passed"})
INBOUND: Final = "inbound"  # units whose title passed and that have not arrived


def title_passed(step: Step) -> None:
    """PUR-04: goods ours from the carrier's pick-up on. They arrive by the receipt that names this event, its document or
    the same order; what the vendor bills may name either."""
    line, state = step.line, step.state
    if line.owner or not step.known.stocked:
        return
    q = step.need_quantity()
    if line.amount is None:
        step.refuse("TO4002", "goods whose title passed need the vendor's price", "map the purchase order's price")
    n = step.enter(step.side("inventory_inbound", own(line)), q, line.amount, "PUR-04", "grni", "")
    state.receipts[n] = Receipt(n, state.move(n).fed[0], q, line.amount, q, line.amount)
    state.set_aside.setdefault(INBOUND, [0, 0])[0] += q


def _arrive(step: Step, q: int, dest: Pool) -> int:
    """PUR-04, second half: units whose title passed come in at what they cost by now. Returns how many."""
    line, state = step.line, step.state
    arrived = 0
    for n in step.find(TITLES):
        pool = step.side("inventory_inbound", own(state.move(n).line))
        part = min(q - arrived, pool.quantity)
        if part:
            carried = step.carry(pool, dest, part, "PUR-04", "", line.location, variance="ppv")
            state.move(carried).source = n
            arrived += part
    state.set_aside[INBOUND][0] -= arrived
    if not state.set_aside[INBOUND][0]:
        del state.set_aside[INBOUND]
    return arrived


def receipts_of(step: Step) -> list[Receipt]:
    """What the line's reference names, as receipts; units whose title passed earlier are one receipt with their arrival."""
    state = step.state
    out: list[Receipt] = []
    for n in step.find(RECEIPTS):
        receipt = state.receipts.get(n)
        if receipt is None:
            title = state.move(n).source
            if 0 <= title < state.move_base:
                raise NeedsHistory(state.item, f"movement {title}")
            receipt = state.receipts.get(title)
        if receipt is not None and all(receipt is not x for x in out):
            out.append(receipt)
    return out


def _unlinked(step: Step) -> list[Receipt]:
    """Under `unlinked_bill_match = party_item`: the vendor's open receipts of the item, the oldest first, for a bill that
    names none. A bill that finds none is refused: which goods it is about, nobody knows."""
    line, state = step.line, step.state
    if line.ref or step.rules.policy.unlinked_bill_match != "party_item":
        return []
    found = [
        receipt
        for n, receipt in sorted(state.receipts.items())
        if receipt.open_quantity > 0 and n >= state.move_base and state.move(n).line.party in ("", line.party)
    ]
    if state.move_base and sum(receipt.open_quantity for receipt in found) < line.quantity:
        raise NeedsHistory(state.item, f"open receipts of {line.party}")
    if not found:
        step.refuse(
            "TO4024",
            f"{state.item}: the bill names no receipt, and {line.party or 'this vendor'} has none open",
            "enter the receipt, or name it on the bill",
            line.amount,
        )
    return found


def received(step: Step) -> None:
    """PUR-05 (PUR-06 when receipts wait for confirmation, PUR-18 for an over-receipt), STD-01, LC-01, CST-03.

    Goods of another owner are memo. A receipt that a bill came before takes the billed amount out of `ginr`. Under
    `receipt_accrual = at_bill` the units come in without value and the bill gives it to them, wherever they are by then
    (a pool at standard cost is worth its standard at all times, so it accrues all the same).
    """
    line, state = step.line, step.state
    if line.owner or not step.known.stocked:
        return
    q = step.need_quantity()
    pending = step.rules.policy.receipt_confirmation == "pending"
    home = step.home()
    pool = step.side("inventory_pending", own(line)) if pending else home
    if INBOUND in state.set_aside:
        q -= _arrive(step, q, pool)
        if not q:
            return
    row = "PUR-06" if pending else "STD-01" if pool.fixed else "PUR-05"
    ahead = [bill for bill in state.bills_ahead if bill.value and matches(bill.line, line)]
    matched = min(q, sum(bill.quantity for bill in ahead))
    derived = None
    if step.rules.policy.receipt_accrual == "at_bill" and not home.fixed:
        price = 0
    elif line.amount is not None:
        price = step.share(line.amount, q - matched, line.quantity)
    elif matched == q:
        price = 0
    elif (billed_price := _priced_by_bill(step, home, q - matched)) is not None:
        price = billed_price
    else:
        price, derived = step.current_cost(home, q - matched)
    estimate = (line.extra or {}).get("landed_estimate")
    landed = step.minor(estimate) if estimate else 0
    if pool.fixed:
        step.need_standard()
    advance = _advance(step, line) if price and not matched and q == line.quantity else NOTHING
    sources = [("ginr", amount) for amount in _take_ahead(ahead, matched)]
    if advance.foreign:
        _, price = owed_for(step.valuer.terms, line)
        sources.append(("vendor_prepayment", advance.value))
    state.bills_ahead = [bill for bill in state.bills_ahead if bill.quantity]
    if price or not sources:
        sources.append(("grni", price))
    if landed:
        sources.append(("landed_cost_accrual", landed))
    onerous = _onerous(step, q) if state.set_aside else 0
    total = sum(amount for _, amount in sources) - onerous
    n = step.enter(pool, q, total, row, "grni", line.location, variance="ppv", sources=sources, derived=derived)
    if advance.foreign:
        for flow in step.flows:
            if flow.credit == "vendor_prepayment":
                flow.row = "FX-03"
    if landed and not pool.fixed:
        state.added.setdefault(state.move(n).fed[0], []).append(("landed", landed))
    if onerous:
        step.flow("PUR-02", "onerous_provision", pool.key[0], onerous, at=line.location)
    state.receipts[n] = Receipt(n, state.move(n).fed[0], q, total - landed, q - matched, price, landed)


def _advance(step: Step, line: EventLine) -> Prepaid:
    """FX-03: the part of a receipt that was paid for in advance, at what it was paid."""
    lookup = step.valuer.lookup
    if lookup is None or line.amount is None or not lookup.has("purchase.prepaid"):
        return NOTHING
    return covered(step.valuer.terms, line)


def _onerous(step: Step, q: int) -> int:
    """PUR-02: what was provided for as a loss on this order is used by its receipts, pro rata to the units ordered."""
    kept = step.state.set_aside.get(f"onerous {step.line.ref}") if step.line.ref else None
    if kept is None:
        return 0
    part = min(q, kept[0])
    used = kept[1] if part == kept[0] else step.share(kept[1], part, kept[0])
    kept[0] -= part
    kept[1] -= used
    if not kept[0]:
        del step.state.set_aside[f"onerous {step.line.ref}"]
    return used


def _priced_by_bill(step: Step, home: Pool, q: int) -> int | None:
    """An unpriced receipt of an item that never had a cost counts from its own place once a bill gives its price (§5);
    known bills decide, wherever they lie in the order. Otherwise None: current cost is next."""
    line, lookup = step.line, step.valuer.lookup
    if lookup is None or step.last_cost(home) is not None:
        return None
    names = {f"e:{line.event_id}", *([f"d:{line.document}"] if line.document else [])}
    bills = [
        bill
        for bill in lookup.citing(names)
        if bill.type == "purchase.billed"
        and bill.amount is not None
        and bill.quantity > 0
        and bill.item in ("", line.item)
        and fits(line, parse(bill.ref)[2])
    ]
    if not bills:
        return None
    return step.share(sum(bill.amount or 0 for bill in bills), q, sum(bill.quantity for bill in bills))


def _take_ahead(bills: list[Ahead], q: int) -> list[int]:
    """Amounts out of bills that came first, pro rata to quantity, oldest first."""
    amounts = []
    for bill in bills:
        taken = min(q, bill.quantity)
        if not taken:
            break
        amount = bill.value if taken == bill.quantity else bill.value * taken // bill.quantity
        bill.quantity -= taken
        bill.value -= amount
        q -= taken
        amounts.append(amount)
    return amounts


def matches(early: EventLine, late: EventLine) -> bool:
    """Whether a document that came first is about `late`: it names it, is named by it, or both name the same order."""
    return names(early.ref, late) or names(late.ref, early) or (bool(late.ref) and late.ref == early.ref)


def names(ref: str, line: EventLine) -> bool:
    if not ref:
        return False
    kind, name, wanted = parse(ref)
    return name == (line.event_id if kind == "e" else line.document) and wanted in ("", line.line_id)


def own(line: EventLine) -> str:
    """The name of a holding that belongs to one line alone."""
    return f"{line.event_id}#{line.line_id}"


def dropshipped(step: Step) -> None:
    """DRP-01: the vendor ships to our customer; the cost goes straight to `cogs_dropship`, no units of ours move. Where we
    are only the agent (DRP-03), the goods never were ours: money only."""
    line, state = step.line, step.state
    if line.owner or is_agent(line, step.valuer.lookup):
        return
    q = step.need_quantity()
    if line.amount is None:
        step.refuse("TO4002", "a drop-shipment needs the vendor's price", "map the purchase order's price")
    n = state.add_move(Move(line, "cogs_dropship", "grni", "", "", q, line.amount))
    step.flow("DRP-01", "cogs_dropship", "grni", line.amount)
    state.receipts[n] = Receipt(n, -1, q, line.amount, q, line.amount)


def billed(step: Step) -> None:
    """PUR-07 the received value; PUR-08 (actual cost), PUR-09 and STD-02 (standard), DRP-02 the difference in price;
    PUR-10 the quantity beyond what was received; PUR-11 a bill before any receipt; PUR-20 tax that is cost."""
    line = step.line
    q = step.need_quantity()
    receipts = receipts_of(step) or _unlinked(step)
    amount = _billed_amount(step, receipts, q)
    reopen(step, receipts, q)
    matched: list[tuple[Receipt, int]] = []
    left = q
    for receipt in receipts:
        part = min(left, receipt.open_quantity)
        if part:
            matched.append((receipt, part))
            left -= part
    billed_part = step.share(amount, q - left, q)
    plan = []
    for (receipt, part), share in zip(matched, allocate(billed_part, [part for _, part in matched]), strict=True):
        cleared = receipt.open_value
        if part < receipt.open_quantity:
            cleared = step.share(receipt.open_value, part, receipt.open_quantity)
        price, exchange = _by_cause(step, receipt, part, share, cleared)
        step.check_amend(receipt, price)
        plan.append((receipt, part, cleared, price, exchange))
    tax_of(step)
    for receipt, part, cleared, change, exchange in plan:
        step.flow("PUR-07" if receipt.inflow >= 0 else "DRP-02", "grni", "ap", cleared)
        receipt.open_quantity -= part
        receipt.open_value -= cleared
        reprice(step, receipt, change)
        step.release(receipt.inflow)
        receipt.bills = [*receipt.bills, [line.event_id, line.line_id, part, cleared, change, exchange]]
        _exchange(step, receipt, exchange)
        _difference(step, receipt, change)
    if left:
        _excess(step, receipts, left, amount - billed_part)


def _by_cause(step: Step, receipt: Receipt, part: int, share: int, cleared: int) -> tuple[int, int]:
    """FX-09: how a bill's difference splits: price at the bill's rate, and the rate on the price that was received. Their
    sum is the whole difference, less what was paid in advance. Same currency, or ours: all of it is price."""
    came = step.state.move(receipt.move).line
    extra = came.extra
    if not extra or "foreign" not in extra or not came.quantity:
        return share - _paid_for(step, came, part) - cleared, 0
    here = step.line.extra or {}
    if here.get("currency") != extra["currency"] or not receipt.open_value:
        return share - cleared, 0
    terms = step.valuer.terms
    rate = Fraction(here["rate"]) * terms.scale
    advance = _advance(step, came).foreign
    owed = round_fraction((Fraction(extra["foreign"]) - advance) * part / came.quantity * rate)
    paid = round_fraction(advance * part / came.quantity * rate)
    return share - paid - owed, owed - cleared


def _paid_for(step: Step, came: EventLine, part: int) -> int:
    """What was paid in advance, in our own currency, for part of a receipt."""
    advance = _advance(step, came)
    return round_fraction(advance.foreign * step.valuer.scale * part / came.quantity) if advance.foreign else 0


def _exchange(step: Step, receipt: Receipt, change: int) -> None:
    """FX-02: the same price at another rate is an exchange difference, or by policy a cost that follows the units."""
    if not change:
        return
    if step.rules.policy.fx_bill_difference == "inventory_cost":
        step.amend(receipt, change, "ap", "FX-02", "cogs_dropship" if receipt.inflow < 0 else "ppv")
        return
    debit, credit = ("fx_gain_loss", "ap") if change > 0 else ("ap", "fx_gain_loss")
    step.flow("FX-02", debit, credit, abs(change))


def _billed_amount(step: Step, receipts: list[Receipt], q: int) -> int:
    """What the line charges: its amount and its share of tax that is cost; without an amount, the received price."""
    line = step.line
    amount = line.amount
    if amount is None:
        if not receipts:
            step.refuse("TO4009", "a bill without amount names no receipt", "map the amount or the reference")
        agreed = sum(r.price or step.state.move(r.move).line.amount or 0 for r in receipts)
        amount = step.share(agreed, q, sum(r.quantity for r in receipts))
    return amount + irrecoverable(step)


def _difference(step: Step, receipt: Receipt, change: int) -> None:
    policy = step.rules.policy
    if receipt.inflow < 0:
        step.amend(receipt, change, "ap", "DRP-02", "cogs_dropship")
    elif policy.bill_variance == "expense" and change:
        debit, credit = ("ppv", "ap") if change > 0 else ("ap", "ppv")
        step.flow("PUR-08", debit, credit, abs(change))
    else:
        pool = step.state.pools[step.state.layers[step.state.o_layer[receipt.inflow - step.state.base]].pool]
        row = "PUR-09" if pool.fixed else "PUR-05" if policy.receipt_accrual == "at_bill" else "PUR-08"
        step.amend(receipt, change, "ap", row, "ppv")


def reopen(step: Step, receipts: list[Receipt], q: int) -> None:
    """PUR-19 taken back: the bill of a receipt that was cleared away came after all."""
    short = q - sum(receipt.open_quantity for receipt in receipts)
    for receipt in receipts:
        if short <= 0 or not receipt.written_off:
            continue
        quantity, value = receipt.written_off
        part = min(short, quantity)
        back = value if part == quantity else step.share(value, part, quantity)
        receipt.written_off = [quantity - part, value - back] if part < quantity else []
        receipt.open_quantity += part
        receipt.open_value += back
        short -= part
        step.flow("PUR-19", "grni_writeoff", "grni", back)


def reprice(step: Step, receipt: Receipt, change: int) -> None:
    """What the vendor charges for a receipt changes, from here on: freight by value looks at it."""
    if change:
        receipt.price += change
        receipt.prices.append((step.key, change))


def _excess(step: Step, receipts: list[Receipt], q: int, amount: int) -> None:
    """PUR-10: billed beyond the receipt. What went back before the bill is a credit to come; the rest waits in `ginr`."""
    state, line = step.state, step.line
    for receipt in receipts:
        for n in receipt.credits:
            claim = state.claims[n]
            part = min(q, claim.unclaimed)
            if not part:
                continue
            value = amount if part == q else step.share(amount, part, q)
            claim.unclaimed -= part
            claim.open_quantity += part
            claim.open_value += value
            q -= part
            amount -= value
            step.flow("PUR-10", "vendor_credit_receivable", "ap", value)
    if q:
        step.flow("PUR-10" if receipts else "PUR-11", "ginr", "ap", amount)
        state.bills_ahead.append(Ahead(line, q, amount))


def portion(step: Step, amount: int, types: Collection[str]) -> int:
    """This item's share of what a line without an item charges for several: by what their lines were worth when they
    came, else by quantity."""
    if step.line.item:
        return amount
    worth: dict[str, list[int]] = {}
    for target in step.sources(types):
        of_item = worth.setdefault(target.item, [0, 0])
        of_item[0] += target.amount or 0
        of_item[1] += target.quantity
    if len(worth) < 2 or step.state.item not in worth:
        return amount
    items = sorted(worth)
    by = 0 if all(worth[item][0] > 0 for item in items) else 1
    return allocate(amount, [worth[item][by] for item in items])[items.index(step.state.item)]


def speaks_first(step: Step) -> bool:
    """Whether what the line says as a whole is said here: a line that stands for several items says it once."""
    return bool(step.line.item) or step.valuer.touches(step.line)[0] == step.state.item


def tax_of(step: Step, *, credit: bool = False) -> None:
    """Recoverable tax of a bill or credit note: the line's own, and the header's on the first line."""
    extra = step.line.extra
    if not extra or not speaks_first(step):
        return
    for text in (extra.get("tax"), step.charges().get("tax"), step.charges().get("input_tax")):
        if text:
            amount = step.minor(text)
            step.flow(
                "PUR-14" if credit else "PUR-07", *(("ap", "input_tax") if credit else ("input_tax", "ap")), amount
            )


def irrecoverable(step: Step) -> int:
    """PUR-20: this line's share of the document's irrecoverable tax, by line amount."""
    line, lookup = step.line, step.valuer.lookup
    siblings = list(lookup.event(line.event_id)) if lookup is not None else [line]
    head = next((x for x in siblings if x.head), line)
    text = ((head.extra or {}).get("amounts") or {}).get("irrecoverable_tax")
    if not text:
        return 0
    total = step.minor(text)
    weights = [Fraction(max(x.amount or 0, 0)) for x in siblings]
    mine = next(i for i, x in enumerate(siblings) if x.line_id == line.line_id)
    return allocate(total, weights)[mine]
