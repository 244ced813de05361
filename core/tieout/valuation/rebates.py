"""What lowers the cost of goods after the fact: PUR-16 (vendor rebates), LC-06 (drawback, freight given back). The amount
follows the units of the receipts it is about, wherever they are by then."""

from __future__ import annotations

from tieout.model.money import allocate
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
