"""Shipments and what becomes of them: SAL-04 to 07, 10 to 13, 16, 17, STD-03.

A shipment is an issue to the role its `cogs_trigger` names. Units that are invoiced, delivered or lost move on to
another role as parts of it, pro rata (`restate.resplit`), so they carry every later restatement with them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from tieout.model.journal import Flow
from tieout.model.quantity import from_scaled
from tieout.valuation.purchasing import matches
from tieout.valuation.records import Ahead, Move, Part, Pool
from tieout.valuation.restate import Restatement, resplit
from tieout.valuation.state import NeedsHistory
from tieout.valuation.step import Step
from tieout.valuation.writedowns import restore

SHIPMENTS: Final = frozenset({"order.fulfilled"})
_WAITING: Final = {
    "shipment": ("SAL-04", "cogs"),
    "invoice": ("SAL-05", "shipped_not_invoiced"),
    "payout_summary": ("SAL-05", "shipped_not_invoiced"),
    "delivery": ("SAL-07", "inventory_transit_out"),
}
LOST: Final = frozenset({"lost", "lost_in_transit", "not_returned", "claim"})


def fulfilled(step: Step) -> None:
    """SAL-04, SAL-05 or SAL-07 by `cogs_trigger`; SAL-17 where the pool does not hold the units. Services are memo."""
    line = step.line
    if line.owner or not step.known.stocked:
        return
    if line.quantity <= 0:
        step.need_quantity()
    row, role = _WAITING[step.rules.policy.cogs_trigger]
    n = step.leave(step.home(), line.quantity, row, role, line.location)
    if step.flows[-1].provisional:
        step.flows[-1].row = "SAL-17"
    elif row == "SAL-04" and line.extra and "bundle" in line.extra:
        step.flows[-1].row = "BND-01"
    if role == "shipped_not_invoiced" and step.state.invoices_ahead:
        _invoiced_before(step, n)


def _invoiced_before(step: Step, n: int) -> None:
    """Units whose invoice came before they left are cost of sales at once."""
    state, line = step.state, step.line
    for invoice in state.invoices_ahead:
        left = line.quantity - sum(part.quantity for part in state.move(n).parts)
        part = min(left, invoice.quantity)
        if part and matches(invoice.line, line):
            invoice.quantity -= part
            _move_on(step, n, part, "cogs", "SAL-06")
    state.invoices_ahead = [invoice for invoice in state.invoices_ahead if invoice.quantity]


def _move_on(step: Step, n: int, q: int, role: str, row: str) -> None:
    move = step.state.move(n)
    move.add_part(Part(role, q, 0, step.line, move.debit))
    flows = resplit(step.state, step.line, row, n)
    for flow in flows:
        if flow.affected is None:
            flow.quantity = q
            flow.provisional = move.open_quantity > 0
    step.flows.extend(flows)


def waiting(move: Move) -> int:
    """Units of an issue still in the role it was issued to."""
    return move.quantity - move.returned - sum(part.quantity for part in move.parts)


def invoiced(step: Step) -> None:
    """SAL-06: units that waited for their invoice become cost of sales, pro rata. Under another trigger: memo."""
    left = _recognise(step, "shipped_not_invoiced", "SAL-06", trigger="invoice")
    if left and step.line.quantity and step.rules.policy.cogs_trigger == "invoice":
        step.state.invoices_ahead.append(Ahead(step.line, left, 0))


def delivered(step: Step) -> None:
    """SAL-07, second half: units under way to the customer become cost of sales on delivery."""
    _recognise(step, "inventory_transit_out", "SAL-07")


def paid_out(step: Step) -> None:
    """SAL-05, second half: with `cogs_trigger = payout_summary` the sales a payout names are cost of sales."""
    if step.line.reason != "refund":
        _recognise(step, "shipped_not_invoiced", "SAL-05", trigger="payout_summary")


def _recognise(step: Step, role: str, row: str, to: str = "cogs", *, trigger: str = "") -> int:
    state = step.state
    found = [n for n in step.find(SHIPMENTS) if state.move(n).debit == role]
    if trigger:
        found = [
            n for n in found if step.valuer.rules_for(state.move(n).line, state.item).policy.cogs_trigger == trigger
        ]
    left = step.line.quantity or sum(waiting(state.move(n)) for n in found)
    for n in found:
        part = min(left, waiting(state.move(n)))
        if part:
            _move_on(step, n, part, to, row)
            left -= part
    return left


def cancelled(step: Step) -> None:
    """SAL-11 before shipment: nothing to value. SAL-12 goods back undelivered: what the shipment now holds, under the
    original queue keys. SAL-13 goods not back (reason `lost`, or no quantity): units still under way are shrinkage."""
    line, state = step.line, step.state
    found = step.find(SHIPMENTS)
    if not found:
        return
    if line.reason in LOST or not line.quantity:
        role = "claims_receivable" if line.reason == "claim" else "shrinkage"
        _recognise(step, "inventory_transit_out", "SAL-13", role)
        return
    room = sum(state.move(n).quantity - state.move(n).returned for n in found)
    if line.quantity > room:
        step.refuse(
            "TO4007",
            f"{from_scaled(line.quantity)} back undelivered, {from_scaled(room)} of that shipment out",
            "correct the quantity",
        )
    left = line.quantity
    for n in found:
        move = state.move(n)
        part = min(left, move.quantity - move.returned)
        if part:
            undo(step, n, part, line.location or move.line.location, "SAL-12")
            left -= part


def undo(step: Step, n: int, q: int, location: str, row: str) -> None:
    """R1e: `q` units of issue `n` go back, open estimates first, then the layers last taken."""
    state = step.state
    move = state.move(n)
    pool = step.home(location)
    take_parts(move, q, SHIPMENTS_BASE_FIRST)
    q -= cancel_open(step, n, q, row, location)
    if not q:
        return
    if pool.fixed:
        value = step.share(move.value, q, move.quantity)
        step.enter(pool, q, value, row, move.debit, location)
        _shrink(step, n, q, value, row)
        return
    for op in move.taken:
        if op < state.base:
            raise NeedsHistory(state.item, f"operation {op}")
    back = state.add_move(Move(step.line, pool.key[0], move.debit, location, "", q, 0))
    state.stock(pool.key[0], location, q)
    flow = step.flow(row, pool.key[0], move.debit, 0, q, to=location)
    value = 0
    for op, u in _fragments(step, n, q):
        i = op - state.base
        undone = state.undone.setdefault(op, [])
        before = sum(entry[1] for entry in undone)
        part = step.share(-state.o_v[i], before + u, -state.o_q[i]) - sum(entry[2] for entry in undone)
        layer_n = state.o_layer[i]
        layer = state.layers.get(layer_n)
        if layer is None:
            raise NeedsHistory(state.item, f"layer {layer_n}")
        if state.pools[layer.pool] is pool:
            inflow = state.put_back(layer_n, u, part, back)
        else:
            inflow = state.put(pool, u, part, back, layer.key, layer.event, layer.line, layer.origin_at)
        undone.append([inflow, u, part])
        state.move(back).add_fed(inflow)
        value += part
        if pool.open:
            step.settle(pool, inflow)
    state.move(back).value = flow.amount = value
    _shrink(step, n, q, value, row)


def _fragments(step: Step, n: int, q: int) -> list[tuple[int, int]]:
    """What goes back of an issue's outflows when `q` units do, as if it had been smaller: what left last, first."""
    state = step.state
    out = []
    for op in reversed(state.move(n).taken):
        left = -state.o_q[op - state.base] - sum(entry[1] for entry in state.undone.get(op, ()))
        u = min(q, left)
        if u:
            out.append((op, u))
            q -= u
    return out


SHIPMENTS_BASE_FIRST: Final = True


def _shrink(step: Step, n: int, q: int, value: int, row: str) -> None:
    """An issue loses `q` units worth `value` for good; its parts and returns follow."""
    state = step.state
    move = state.move(n)
    if move.released:
        restore(step, move, q)
    move.quantity -= q
    restatement = Restatement(state)
    restatement.issue(n, -value)
    step.finish(restatement, row)
    if move.parts:
        step.flows.extend(straight(resplit(state, step.line, row, n)))


def cancel_open(step: Step, n: int, q: int, row: str, location: str) -> int:
    """Units of issue `n` that were never held come back: their estimate is cancelled, no layer is made, both are final
    (§4). Returns how many."""
    state = step.state
    move = state.move(n)
    if not move.open_quantity:
        return 0
    pool: Pool = step.home(location)
    done = value = 0
    for estimate in [x for x in pool.open if x.move == n and x.dest < 0]:
        u = min(q - done, estimate.quantity)
        if not u:
            break
        part = step.share(estimate.value, u, estimate.quantity)
        estimate.quantity -= u
        estimate.value -= part
        if not estimate.quantity:
            pool.open.remove(estimate)
        done += u
        value += part
    if done:
        back = state.add_move(Move(step.line, pool.key[0], move.debit, location, "", done, value))
        state.stock(pool.key[0], location, done)
        step.flow(row, pool.key[0], move.debit, value, done, to=location)
        move.open_quantity -= done
        _shrink(step, n, done, value, row)
        assert back >= 0
    return done


def take_parts(move: Move, q: int, base_first: bool) -> None:
    """Take `q` units out of an issue's parts: undelivered goods come from where they waited, customer returns from what
    was recognised last."""
    if not move.parts:
        return
    left = max(0, q - waiting(move)) if base_first else q
    for part in reversed(move.parts):
        u = min(left, part.quantity)
        part.quantity -= u
        left -= u


def straight(flows: list[Flow]) -> list[Flow]:
    """Flows of a movement's own, never negative and restating nothing."""
    for flow in flows:
        flow.affected = None
        if flow.amount < 0:
            flow.debit, flow.credit, flow.amount = flow.credit, flow.debit, -flow.amount
    return flows


ISSUES: Final[Collection[str]] = frozenset(
    {"order.fulfilled", "stock.adjusted", "count.approved", "warranty.replaced", "consignment.sold", "consignment.lost"}
)
