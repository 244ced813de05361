"""Counts: CNT-01, CNT-02. The variance is counted less what the books hold at the cut-off, computed anew at every
replay, so a movement that is learned later and happened before the cut-off changes it by the opposite quantity."""

from __future__ import annotations

from tieout.valuation.step import Step


def approved(step: Step) -> None:
    """A loss is an ordinary issue to `shrinkage`; a gain enters at current cost."""
    line, state = step.line, step.state
    if line.owner or not step.known.stocked:
        return
    if line.quantity < 0:
        step.refuse("TO4009", "a counted quantity cannot be negative", "correct the count")
    pool = step.home()
    if step.rules.by_lot:
        book = pool.quantity - sum(x.quantity for x in pool.open)
    else:
        book = state.on_hand.get(line.location, 0)
    variance = line.quantity - book
    if variance < 0:
        step.leave(pool, -variance, "CNT-01", "shrinkage", line.location)
    elif variance > 0:
        cost, derived = step.current_cost(pool, variance)
        step.enter(pool, variance, cost, "CNT-02", "shrinkage", line.location, derived=derived)
