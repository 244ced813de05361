"""Goods on consignment: ours at a consignee (CON-01 to 04), and a vendor's with us (CON-05, CON-06).

Units at one consignee are one holding, under the item's own cost method. What the sale brings in is settled elsewhere.
"""

from __future__ import annotations

from typing import Final

from tieout.model.quantity import from_scaled
from tieout.valuation.claims import claim
from tieout.valuation.records import Pool
from tieout.valuation.step import Step

SENT: Final = frozenset({"consignment.sent"})
CLAIMED: Final = frozenset({"claim", "lost_reimbursed"})


def sent(step: Step) -> None:
    """CON-01: the goods stay ours, at what they cost."""
    line = step.line
    if line.owner or not step.known.stocked:
        return
    q = step.need_quantity()
    place = line.to_location or line.party
    if not place:
        step.refuse("TO4009", "goods sent on consignment need the consignee (to_location)", "complete the line")
    step.carry(step.home(), _at(step, place), q, "CON-01", line.location, place)


def sold(step: Step) -> None:
    """CON-02: what the consignee sold is cost of sales. A vendor's goods are settled without us (CON-08)."""
    line = step.line
    if line.owner or not step.known.stocked:
        return
    pool, place = _held(step)
    step.leave(pool, line.quantity, "CON-02", "cogs", place)


def lost(step: Step) -> None:
    """CON-04: a loss, or a claim on the consignee (reason `claim`; the amount is what is claimed, else the cost)."""
    line = step.line
    if line.owner or not step.known.stocked:
        return
    pool, place = _held(step)
    n = step.leave(pool, line.quantity, "CON-04", "shrinkage", place)
    if line.reason in CLAIMED:
        claim(step, n, "CON-04")


def returned(step: Step) -> None:
    """CON-03: back to one of our own locations, layers and age as they were."""
    line = step.line
    if line.owner or not step.known.stocked:
        return
    q = step.need_quantity()
    place = _place(step)
    if not place:
        step.refuse(
            "TO4013", "the consignee the goods come back from is not known", "add the reference to the dispatch"
        )
    pool = _at(step, place)
    _enough(step, pool, q, place)
    step.carry(pool, step.home(), q, "CON-03", place, line.location, variance="standard_revaluation")


def taken(step: Step) -> None:
    """CON-06: a vendor's goods become ours at the consignment price. With an owner they stay the vendor's (CON-05, memo)."""
    line = step.line
    if line.owner or not step.known.stocked:
        return
    q = step.need_quantity()
    if line.amount is None:
        step.refuse("TO4002", "goods taken over need the consignment price", "map the price")
    step.enter(step.home(), q, line.amount, "CON-06", "consignment_payable", line.location, variance="ppv")


def _at(step: Step, place: str) -> Pool:
    rules = step.rules
    key = ("inventory_consigned_out", place, step.line.lot if rules.by_lot else "", "")
    return step.state.pool(key, rules.method, rules.mode, rules.joins)


def _place(step: Step) -> str:
    """Where a reference to the dispatch, or the party, says the goods are."""
    found = step.find(SENT)
    if found:
        line = step.state.move(found[0]).line
        return line.to_location or line.party
    return step.line.party


def _held(step: Step) -> tuple[Pool, str]:
    place = step.line.location
    pool = _at(step, place)
    _enough(step, pool, step.need_quantity(), place)
    return pool, place


def _enough(step: Step, pool: Pool, q: int, place: str) -> None:
    if q > pool.quantity:
        step.refuse(
            "TO4007",
            f"{from_scaled(q)} of {step.state.item} reported by {place}, {from_scaled(pool.quantity)} there on consignment",
            "land the dispatch, or ask the consignee",
            step.line.amount,
        )
