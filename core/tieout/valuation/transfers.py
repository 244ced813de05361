"""Transfers between own locations: TRF-01 to 05. Units under way lie in a holding of their own, one per dispatch line."""

from __future__ import annotations

from typing import Final

from tieout.model.event import EventLine, order_key
from tieout.model.quantity import from_scaled
from tieout.valuation.records import Move, Pool
from tieout.valuation.refs import targets
from tieout.valuation.step import Step

DISPATCHES: Final = frozenset({"transfer.dispatched"})


def dispatched(step: Step) -> None:
    """TRF-01. Under `one_step` nothing happens before arrival. A dispatch that a receipt came before in time was valued
    there; its flows are its own all the same."""
    line, state = step.line, step.state
    if line.owner or not step.known.stocked:
        return
    early = state.early.pop(_own(line), None)
    if early is not None:
        step.flows.extend(early)
        return
    q = step.need_quantity()
    if step.rules.policy.transfer_transit == "one_step":
        state.add_move(Move(line, "inventory_transit", step.role, "", line.location, q, 0))
        return
    step.carry(step.home(), step.side("inventory_transit", _own(line)), q, "TRF-01", line.location, "")


def _own(line: EventLine) -> str:
    return f"{line.event_id}#{line.line_id}"


def received(step: Step) -> None:
    """TRF-02, TRF-03; units beyond the dispatch are TRF-05: of another open transfer to this place, else found."""
    line, state = step.line, step.state
    if line.owner or not step.known.stocked:
        return
    q = step.need_quantity()
    found = step.find(DISPATCHES)
    if not found:
        _dispatch_first(step)
        found = step.find(DISPATCHES)
    if step.rules.policy.transfer_transit == "one_step":
        _one_step(step, found, q)
        return
    dest = step.home()
    own = [step.side("inventory_transit", _own(state.move(n).line)) for n in found]
    others = [pool for pool in _under_way(step) if all(pool is not x for x in own)]
    for row, pools in (("TRF-02", own), ("TRF-05", others)):
        for pool in pools:
            part = min(q, pool.quantity)
            if part:
                step.carry(pool, dest, part, row, "", line.location)
                q -= part
    if q:
        cost, derived = step.current_cost(dest, q)
        step.enter(dest, q, cost, "TRF-05", "shrinkage", line.location, part=1, derived=derived)


def _one_step(step: Step, found: list[int], q: int) -> None:
    state, line = step.state, step.line
    for n in found:
        move = state.move(n)
        part = min(q, move.quantity - move.returned)
        if part:
            move.returned += part
            source = step.home(move.line.location)
            step.carry(source, step.home(), part, "TRF-03", move.line.location, line.location)
            q -= part
    if q:
        step.refuse("TO4007", f"{from_scaled(q)} more received than dispatched", "correct the quantity or the dispatch")


def _dispatch_first(step: Step) -> None:
    """The dispatch is known but later in effective time: it is valued just before this receipt (§7)."""
    line, state = step.line, step.state
    for dispatch in targets(line.ref, DISPATCHES, step.valuer.lookup, None):
        if dispatch.item == state.item and order_key(dispatch) > step.key and _own(dispatch) not in state.early:
            rules = step.valuer.rules_for(dispatch, state.item)
            before = Step(step.valuer, dispatch, state, rules, step.key, step.known)
            dispatched(before)
            state.early[_own(dispatch)] = before.flows
            return
    step.refuse("TO4006", "the dispatch of this transfer is not known", "land the dispatch; it releases this receipt")


def _under_way(step: Step) -> list[Pool]:
    """Other transfers of this item to the same place that still have units under way, oldest first."""
    state, line = step.state, step.line
    out = []
    for move in state.moves:
        if move.line.type == "transfer.dispatched" and move.line.to_location == line.location:
            n = state.pool_index.get(("inventory_transit", "", "", _own(move.line)))
            if n is not None and state.pools[n].quantity:
                out.append(state.pools[n])
    return out


def closed_short(step: Step) -> None:
    """TRF-04: what never arrived is a loss, or a claim when the reason says so."""
    line, state = step.line, step.state
    pools = [step.side("inventory_transit", _own(state.move(n).line)) for n in step.find(DISPATCHES)]
    held = sum(pool.quantity for pool in pools)
    q = line.quantity or held
    if not pools:
        step.refuse("TO4006", "the dispatch of this transfer is not known", "land the dispatch; it releases this one")
    if q > held:
        step.refuse("TO4007", f"{from_scaled(q)} to close, {from_scaled(held)} under way", "correct the quantity")
    role = "claims_receivable" if line.reason in ("claim", "lost_reimbursed") else "shrinkage"
    for pool in pools:
        part = min(q, pool.quantity)
        if part:
            step.leave(pool, part, "TRF-04", role, "")
            q -= part
