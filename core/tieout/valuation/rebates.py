"""What lowers the cost of goods after the fact: PUR-16 (vendor rebates), PUR-17 (settlement discounts). The amount
follows the units of the receipts it is about, wherever they are by then."""

from __future__ import annotations

from tieout.model.money import allocate
from tieout.settlement.purchases import bills_of, discount_taken
from tieout.valuation.purchasing import RECEIPTS, portion, receipts_of
from tieout.valuation.records import Receipt
from tieout.valuation.state import NeedsHistory
from tieout.valuation.step import Step


def accrued(step: Step) -> None:
    """PUR-16: a volume rebate on the receipts a line names, or on all of its item from the event's party so far. A new
    estimate is a new revision of the same accrual."""
    line = step.line
    if line.amount is None:
        step.refuse("TO4009", "a rebate needs its amount", "complete the line")
    lower(step, _receipts(step), portion(step, line.amount, RECEIPTS), "rebate_receivable", "PUR-16", "ppv")


def _receipts(step: Step) -> list[Receipt]:
    line, state = step.line, step.state
    if line.ref:
        found = receipts_of(step)
    else:
        if not line.item or not line.party:
            step.refuse("TO4013", "the rebate names neither receipts nor an item and its vendor", "add the reference")
        if state.move_base:
            raise NeedsHistory(state.item, f"receipts from {line.party}")
        numbers = state.by_party.get(line.party, ())
        found = [state.receipts[n] for n in numbers if n in state.receipts]
    if not found:
        step.refuse("TO4013", "the rebate names no receipt that is known", "correct the reference or the vendor")
    return found


def lower(
    step: Step,
    receipts: list[Receipt],
    amount: int,
    owed_by: str,
    row: str,
    variance: str,
    component: str = "material",
) -> None:
    """Take `amount` out of what receipts cost, by their price, against the role that is owed it."""
    weights = [max(receipt.price, 0) for receipt in receipts]
    if not any(weights):
        weights = [receipt.quantity for receipt in receipts]
    shares = list(zip(receipts, allocate(amount, weights), strict=True))
    for receipt, share in shares:
        step.check_amend(receipt, -share)
    for receipt, share in shares:
        step.amend(receipt, -share, owed_by, row, "cogs_dropship" if receipt.inflow < 0 else variance, component)


def discounted(step: Step) -> None:
    """PUR-17 with `settlement_discount = follow_units`: the discount is shared over the bill's lines by amount and follows
    the units of the receipts each of them cleared. What of a bill has no receipt yet stays in `purchase_discounts`."""
    line, state = step.line, step.state
    if step.rules.policy.settlement_discount != "follow_units":
        return
    off = discount_taken(step.valuer.terms, line)
    billed = [x for bill in bills_of(step.valuer.terms, line) for x in bill if x.amount is not None]
    if not off or not billed or any(x.type != "purchase.billed" for x in billed):
        return
    plan: list[tuple[Receipt, int]] = []
    for x, share in zip(billed, allocate(off, [max(x.amount or 0, 0) for x in billed]), strict=True):
        if x.item != state.item or x.quantity <= 0:
            continue
        found = [
            (receipt, units)
            for receipt in receipts_of(step.of(x, state.item))
            if (units := _cleared(receipt, x.event_id, x.line_id))
        ]
        quantities = [units for _, units in found]
        part = step.share(share, sum(quantities), x.quantity)
        if found:
            plan += zip([receipt for receipt, _ in found], allocate(part, quantities), strict=True)
    for receipt, part in plan:
        step.check_amend(receipt, -part)
    for receipt, part in plan:
        step.amend(receipt, -part, "purchase_discounts", "PUR-17", "cogs_dropship" if receipt.inflow < 0 else "ppv")


def _cleared(receipt: Receipt, event: str, line: str) -> int:
    """Units of a receipt that a bill's line cleared."""
    return sum(int(bill[2]) for bill in receipt.bills if bill[0] == event and bill[1] == line)
