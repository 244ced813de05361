"""Expected returns, the cost side: RET-01 (right to recover products), RET-10 (released). The revenue side is settled
elsewhere. Units expected back are a part of their shipment's cost, so they carry every later restatement with them and
the goods that do come back are taken out of `return_asset` first (IFRS 15.B20-B27)."""

from __future__ import annotations

from typing import Final

from tieout.model.quantity import from_scaled
from tieout.valuation.records import Move, Part
from tieout.valuation.restate import resplit
from tieout.valuation.sales import SHIPMENTS, straight
from tieout.valuation.step import Step

ESTIMATES: Final = frozenset({"returns.estimated"})
ASSET: Final = "return_asset"


def estimated(step: Step) -> None:
    """RET-01: units of the shipments it names move from cost of sales to `return_asset`."""
    line, state = step.line, step.state
    if not line.quantity or not step.known.stocked:
        return
    found = step.find(SHIPMENTS)
    if not found:
        step.refuse("TO4013", "the estimate names no shipment that is known", "add the reference to the shipment")
    room = sum(_sold(state.move(n)) for n in found)
    if line.quantity > room:
        step.refuse(
            "TO4007", f"{from_scaled(line.quantity)} expected back, {from_scaled(room)} sold", "correct the quantity"
        )
    left = line.quantity
    for n in found:
        move = state.move(n)
        part = min(left, _sold(move))
        if not part:
            continue
        left -= part
        _shift(move, "cogs", -part)
        move.add_part(Part(ASSET, part, 0, line, move.debit))
        made = Move(line, ASSET, "cogs", "", "", part, 0)
        made.source = n
        state.add_move(made)
        step.flows.extend(straight(resplit(state, line, "RET-01", n)))


def released(step: Step) -> None:
    """RET-10: units that did not come back in time are cost of sales after all. Without a quantity: all of them."""
    line, state = step.line, step.state
    found = [state.move(n).source for n in step.find(ESTIMATES)] or step.find(SHIPMENTS)
    waiting = sum(part.quantity for n in found for part in state.move(n).parts if part.role == ASSET)
    left = line.quantity or waiting
    if left > waiting:
        step.refuse(
            "TO4007", f"{from_scaled(left)} to release, {from_scaled(waiting)} expected", "correct the quantity"
        )
    for n in dict.fromkeys(found):
        move = state.move(n)
        for part in move.parts:
            u = min(left, part.quantity) if part.role == ASSET else 0
            if u:
                part.quantity -= u
                left -= u
                _shift(move, "cogs", u)
        step.flows.extend(straight(resplit(state, line, "RET-10", n)))


def _sold(move: Move) -> int:
    """Units of a shipment that are cost of sales now."""
    if move.debit == "cogs":
        return move.quantity - move.returned - sum(part.quantity for part in move.parts)
    return sum(part.quantity for part in move.parts if part.role == "cogs")


def _shift(move: Move, role: str, q: int) -> None:
    """Units between parts of one shipment; what is not in a part is in the role it was issued to."""
    if move.debit == role:
        return
    for part in move.parts:
        if part.role == role and part.quantity + q >= 0:
            part.quantity += q
            return
        if part.role == role:
            q += part.quantity
            part.quantity = 0
