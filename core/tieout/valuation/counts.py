"""Counts: CNT-01, CNT-02. The variance is counted less what the books hold at the cut-off, computed anew at every
replay, so a movement that is learned later and happened before the cut-off changes it by the opposite quantity."""

from __future__ import annotations

from tieout.model.quantity import from_scaled, to_scaled
from tieout.valuation.step import Step


def approved(step: Step) -> None:
    """A loss is an ordinary issue to `shrinkage`; a gain enters at current cost. Under `count_reopen = hold` a count whose
    book quantity is no longer the one it was approved against is held; what it posted before stays."""
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
    seen = (line.extra or {}).get("book_quantity")
    if seen is not None and step.rules.policy.count_reopen == "hold" and to_scaled(seen) != book:
        step.refuse(
            "TO4022",
            f"{state.item}: the count was approved against {seen} in the books, which at its cut-off are "
            f"{from_scaled(book)} now",
            "look at the count again and approve it with that book quantity, or set count_reopen = recompute",
        )
    variance = line.quantity - book
    if variance < 0:
        step.leave(pool, -variance, "CNT-01", "shrinkage", line.location)
    elif variance > 0:
        cost, derived = step.current_cost(pool, variance)
        step.enter(pool, variance, cost, "CNT-02", "shrinkage", line.location, derived=derived)
