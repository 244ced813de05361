"""Customer returns of goods a vendor shipped for us: DRP-04 (to the vendor), DRP-05 (to us)."""

from __future__ import annotations

from typing import Final

from tieout.model.quantity import from_scaled
from tieout.valuation.records import Claim, Move
from tieout.valuation.returns import bring_back
from tieout.valuation.state import share
from tieout.valuation.step import Step

SHIPMENTS: Final = frozenset({"dropship.shipped"})


def returned(step: Step) -> None:
    """With a location the goods come to us, at what they cost then (DRP-05) and with every later difference of their
    bill; without one they go to the vendor, who owes a credit for them (DRP-04): the line's amount, else the price."""
    line, state = step.line, step.state
    q = step.need_quantity()
    pairs = []
    left = q
    for n in step.find(SHIPMENTS):
        part = min(left, state.move(n).quantity - state.move(n).returned)
        if part > 0:
            pairs.append((n, part))
            left -= part
    if left:
        if not pairs:
            step.refuse("TO4013", "the drop-shipment that comes back is not known", "add its reference", line.amount)
        step.refuse(
            "TO4007",
            f"{from_scaled(q)} back, {from_scaled(q - left)} of that drop-shipment out",
            "correct the quantity",
        )
    if line.location:
        home = step.home()
        for number, (n, part) in enumerate(pairs):
            bring_back(step, n, part, home, home, "DRP-05", number, False)
        return
    for n, part in pairs:
        _to_vendor(step, n, part, q)


def _to_vendor(step: Step, n: int, part: int, q: int) -> None:
    state, line = step.state, step.line
    move = state.move(n)
    upto = share(move.value, move.returned + part, move.quantity, step.rules.up)
    worth = upto - move.returned_value
    expected = worth if line.amount is None else step.share(line.amount, part, q)
    move.returned += part
    move.returned_value = upto
    back = state.add_move(_back(step, move.debit, part, worth))
    move.add_return(-1, part, back, worth)
    state.claims[back] = Claim(back, part, 0, part, expected)
    covered = min(expected, worth)
    step.flow("DRP-04", "vendor_credit_receivable", move.debit, covered)
    if worth > covered:
        step.flow("DRP-04", "purchase_return_variance", move.debit, worth - covered)
    elif expected > covered:
        step.flow("DRP-04", "vendor_credit_receivable", "purchase_return_variance", expected - covered)


def _back(step: Step, credit: str, q: int, value: int) -> Move:
    """Units that never were ours: a later change of their cost is a variance of the return."""
    return Move(step.line, "purchase_return_variance", credit, "", "", q, value)
