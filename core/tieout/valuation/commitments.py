"""Firm purchase orders that will lose money: PUR-02. Receipts of the order use what was provided (`purchasing`)."""

from __future__ import annotations

from fractions import Fraction

from tieout.model.money import round_fraction
from tieout.model.quantity import SCALE
from tieout.valuation.step import Step


def assessed(step: Step) -> None:
    """PUR-02: max(0, price − net realisable value) for what is still on order. A later assessment of the same order
    replaces the earlier one: the difference is posted (ASC 330-10-35-17, IAS 37.66)."""
    line, state = step.line, step.state
    nrv = (line.extra or {}).get("nrv")
    if line.amount is None or nrv is None:
        step.refuse("TO4009", "an assessment needs the order's price and the nrv per unit", "complete the line")
    if not line.ref:
        step.refuse("TO4013", "an assessment needs the order it is about", "add the reference to the purchase order")
    q = step.need_quantity()
    loss = max(0, line.amount - round_fraction(Fraction(nrv) * q * step.valuer.scale / SCALE))
    name = f"onerous {line.ref}"
    before = state.set_aside.get(name, [0, 0])[1]
    if loss:
        state.set_aside[name] = [q, loss]
    else:
        state.set_aside.pop(name, None)
    if loss > before:
        step.flow("PUR-02", "write_down", "onerous_provision", loss - before)
    elif before > loss:
        step.flow("PUR-02", "onerous_provision", "write_down", before - loss)
