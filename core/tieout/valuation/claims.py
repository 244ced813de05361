"""Claims: ADJ-11 (lost, reimbursed), ADJ-12 (found after that), LC-06 (duty or freight given back).

The units of a loss are an ordinary issue to `shrinkage`, which follows every later cost; the claim is what it is.
"""

from __future__ import annotations

from typing import Final

from tieout.valuation import landed
from tieout.valuation.refs import parse
from tieout.valuation.returns import bring_back
from tieout.valuation.step import Step

LOSSES: Final = frozenset({"stock.adjusted"})


def lost(step: Step) -> None:
    """ADJ-11: cost to `shrinkage`, the claim out of it; beyond the cost it is a gain (`claims_recovery`)."""
    line = step.line
    n = step.leave(step.home(), -line.quantity, "ADJ-11", "shrinkage", line.location)
    claim(step, n, "ADJ-11")


def claim(step: Step, n: int, row: str) -> None:
    """What is claimed for issue `n`: the line's amount, else its cost."""
    cost = step.state.move(n).value
    amount = cost if step.line.amount is None else abs(step.line.amount)
    covered = max(0, min(amount, cost))
    step.flow(row, "claims_receivable", "shrinkage", covered)
    if amount > covered:
        step.flow(row, "claims_receivable", "claims_recovery", amount - covered)


def found(step: Step) -> bool:
    """ADJ-12: back at what the loss took, and the claim is taken back. False when no loss is named: then it is ADJ-05."""
    line, state = step.line, step.state
    losses = [n for n in step.find(LOSSES) if state.move(n).line.reason == "lost_reimbursed"]
    left = line.quantity
    pairs = []
    for n in losses:
        part = min(left, state.move(n).quantity - state.move(n).returned)
        if part > 0:
            pairs.append((n, part))
            left -= part
    if left:
        if not losses:
            return False
        step.refuse("TO4007", "more found than was lost by the event it names", "correct the quantity", line.amount)
    home = step.home()
    value = claimed = 0
    for number, (n, part) in enumerate(pairs):
        move = state.move(n)
        whole = move.value if move.line.amount is None else abs(move.line.amount)
        claimed += step.share(whole, part, move.quantity)
        before = move.returned_value
        bring_back(step, n, part, home, home, "ADJ-12", number, False)
        value += move.returned_value - before
    back = claimed if line.amount is None else line.amount
    covered = max(0, min(back, value))
    step.flow("ADJ-12", "shrinkage", "claims_receivable", covered)
    if back > covered:
        step.flow("ADJ-12", "claims_recovery", "claims_receivable", back - covered)
    return True


def accepted(step: Step) -> None:
    """LC-06: what customs or a carrier gives back on receipts follows their units. A claim that names no receipt is money
    only (SAL-14) and settled elsewhere."""
    line, lookup = step.line, step.valuer.lookup
    document = landed.parts(line, lookup)
    if not any(landed.named_by(part, lookup) for part in document):
        for part in document:
            kind, name, _ = parse(part.ref)
            if part.ref and lookup is not None and not (lookup.event(name) if kind == "e" else lookup.document(name)):
                step.refuse("TO4005", f"the claim names {name}, which is not known", "land it or correct the reference")
        return
    for receipt, target, amount in landed.spread(step, sign=-1):
        target.amend(receipt, -amount, "claims_receivable", "LC-06", "landed_cost_variance", "landed")
