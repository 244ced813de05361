"""Adjustments by reason code: ADJ-01 to 13, PRM-02 (claims: `claims`). The reason selects the row and the role opposite."""

from __future__ import annotations

from tieout.model.catalogue import REASONS, Reason
from tieout.valuation import claims
from tieout.valuation.records import Move
from tieout.valuation.step import Step
from tieout.valuation.writedowns import hand_over


def adjusted(step: Step) -> None:
    """Out (negative): an issue to the reason's role. In (positive): found units, at the cost given, else at current
    cost. A code that is unknown, or that does not fit the sign, is held or (by policy) goes to `suspense`, ADJ-13."""
    line = step.line
    if line.owner or not step.known.stocked or not line.quantity:
        return
    reason = _reason(step)
    if reason.row == "ADJ-10":
        merged(step)
    elif reason.row == "ADJ-11":
        claims.lost(step)
    elif line.quantity < 0:
        n = step.leave(step.home(), -line.quantity, reason.row, reason.role, line.location)
        if reason.row == "ADJ-07":
            _donated(step, n)
    elif reason.row != "ADJ-12" or not claims.found(step):
        if reason.row == "ADJ-12":
            reason = REASONS["found"]
        pool = step.home()
        cost, derived = (line.amount, None) if line.amount is not None else step.current_cost(pool, line.quantity)
        step.enter(pool, line.quantity, cost, reason.row, reason.role, line.location, derived=derived)


def _reason(step: Step) -> Reason:
    line = step.line
    reason = REASONS.get(line.reason)
    way = "out" if line.quantity < 0 else "in"
    fits = reason is not None and (reason.direction in (way, "both") or reason.code == "merged")
    if reason is not None and fits and (reason.row != "ADJ-13" or step.rules.policy.unknown_reason == "suspense"):
        return reason
    if step.rules.policy.unknown_reason == "hold":
        step.refuse(
            "TO4004",
            f"reason {line.reason!r} is not known for units that go {way}",
            f"map it to one of {', '.join(r.code for r in REASONS.values() if r.direction in (way, 'both'))}",
            _worth(step),
        )
    return REASONS["unknown"]


def _worth(step: Step) -> int | None:
    cost = step.last_cost(step.home())
    return step.share(cost[0], abs(step.line.quantity), cost[1]) if cost else None


def _donated(step: Step, n: int) -> None:
    """ADJ-07 with `donation_measure = fair_value`: what the gift is worth beyond its cost is a gain."""
    amount = step.line.amount
    if step.rules.policy.donation_measure == "fair_value" and amount is not None:
        gain = amount - step.state.move(n).value
        if gain > 0:
            step.flow("ADJ-07", "donation_expense", "donation_gain", gain)
        elif gain < 0:
            step.flow("ADJ-07", "donation_gain", "donation_expense", -gain)


def merged(step: Step) -> None:
    """ADJ-10: units become another item; layers keep their place in the queue, their age and their value."""
    line, state = step.line, step.state
    to_item = (line.extra or {}).get("to_item")
    if not to_item:
        step.refuse("TO4009", "a merge needs the item the units become (to_item)", "complete the line")
    q = abs(line.quantity)
    pool = step.home()
    other = step.at(to_item)
    dest = other.home()
    if dest.fixed:
        other.need_standard()
    n = step.leave(pool, q, "ADJ-10", dest.key[0], line.location, silent=True)
    move = state.move(n)
    move.debit_location, move.item, move.credit_item = line.location, to_item, state.item
    flow = step.flow("ADJ-10", dest.key[0], pool.key[0], move.value, q, at=line.location, to=line.location)
    flow.item, flow.credit_item, flow.layers = to_item, state.item, state.consumed(move.taken)
    flow.provisional = move.open_quantity > 0
    arrived = other.state.add_move(Move(line, dest.key[0], pool.key[0], line.location, line.location, q, move.value))
    other.state.stock(dest.key[0], line.location, q)
    step.link(other)
    if state.set_aside:
        hand_over(step, other, q, q + sum(x.quantity for x in state.pools if x.quantity > 0))
    _hand_over(step, other, move, arrived)


def _hand_over(step: Step, other: Step, move: Move, arrived: int) -> None:
    state, there = step.state, other.state
    dest = other.home()
    if dest.fixed:
        cost = other.need_standard()
        worth = step.share(cost[0], dest.quantity + move.quantity, cost[1]) - dest.value
        there.shift(dest, move.quantity, worth, arrived, step.line, step.key)
        if worth != move.value:
            other.flow("TRF-08", dest.key[0], "transfer_variance", worth - move.value, to=step.line.location)
        return
    for out in move.taken:
        i = out - state.base
        layer = state.layers[state.o_layer[i]]
        op = there.put(dest, -state.o_q[i], -state.o_v[i], arrived, layer.key, layer.event, layer.line, layer.origin_at)
        there.move(arrived).add_fed(op)
        state.carried[out] = (there.item, op)
        if dest.open:
            other.settle(dest, op)
    if move.open_quantity:
        line = step.line
        estimate = step.home().open[-1]
        estimate.item = there.item
        estimate.dest = op = there.put(
            dest, estimate.quantity, estimate.value, arrived, step.key, line.event_id, line.line_id, line.at
        )
        there.move(arrived).add_fed(op)
        if dest.open:
            other.settle(dest, op)
