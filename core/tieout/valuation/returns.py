"""Customer returns: RET-02 to 06, RET-12, STD-11.

A return takes round(V × R/S) − round(V × R'/S) of its shipment's current value V and follows every restatement of V.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from tieout.model.money import round_fraction
from tieout.model.quantity import SCALE, from_scaled
from tieout.valuation.records import Move, Pool
from tieout.valuation.restate import resplit
from tieout.valuation.sales import ISSUES, cancel_open, straight, take_parts
from tieout.valuation.state import NeedsHistory
from tieout.valuation.step import Step

RETURNS: Final = frozenset({"return.received"})


def received(step: Step) -> None:
    """RET-04 into stock, RET-02 into inspection, RET-05 straight to scrap, RET-13 refused (memo); RET-12 for units no
    shipment can be found for, at current cost."""
    line = step.line
    disposition = (line.extra or {}).get("disposition", "restock")
    if disposition == "refused" or line.owner or not step.known.stocked:
        return
    q = step.need_quantity()
    inspect = disposition in ("inspect", "second_grade")
    home = step.home()
    pool = step.side("inventory_returns_pending", f"{line.event_id}#{line.line_id}") if inspect else home
    current = step.rules.policy.return_cost == "current_cost"
    pairs = [] if current else shipments_of(step, q)
    unlinked = q - sum(part for _, part in pairs)
    cost, derived = step.current_cost(home, unlinked) if unlinked else (0, None)
    row = "RET-02" if inspect else "RET-05" if disposition == "scrap" else "RET-04"
    for number, (n, part) in enumerate(pairs):
        bring_back(step, n, part, pool, home, row, number, disposition == "scrap")
    if unlinked:
        linked_row = row if current and step.find(ISSUES) else "RET-12"
        if disposition == "scrap":
            step.flow(linked_row, "damage_loss", "cogs", cost)
        else:
            step.enter(pool, unlinked, cost, linked_row, "cogs", line.location, part=len(pairs), derived=derived)


def shipments_of(step: Step, q: int) -> list[tuple[int, int]]:
    """(issue, units) the return takes back: what it names, else by policy the party's latest shipments of
    the item, where they hold all of its units."""
    state, line = step.state, step.line
    found = step.find(ISSUES)
    if not line.ref and line.party and step.rules.policy.unlinked_return_match == "party_item":
        found = [
            n for n in reversed(state.by_party.get(line.party, ())) if state.move(n).line.type == "order.fulfilled"
        ]
    pairs = []
    for n in found:
        move = state.move(n)
        part = min(q, move.quantity - move.returned)
        if part > 0 and move.credit in (step.role, "inventory_consigned_out"):
            pairs.append((n, part))
            q -= part
            if not q:
                break
    if q and not line.ref and line.party and state.move_base and _matching(step):
        raise NeedsHistory(state.item, f"shipments to {line.party}")
    if q and not line.ref and _matching(step):
        return []  # more came back than the party ever got of it: which of the units were ours to sell, nobody knows
    return pairs


def _matching(step: Step) -> bool:
    return step.rules.policy.unlinked_return_match == "party_item"


def bring_back(step: Step, n: int, q: int, pool: Pool, home: Pool, row: str, number: int, scrap: bool) -> None:
    """`q` units of issue `n` come back at their share of what it holds now."""
    state, line = step.state, step.line
    move = state.move(n)
    take_parts(move, q, base_first=False)
    if pool is home and not scrap:
        q -= cancel_open(step, n, q, row, line.location)
        if not q:
            return
    upto = step.share(move.value, move.returned + q, move.quantity)
    value = upto - move.returned_value
    if scrap:
        back = state.add_move(Move(line, "damage_loss", move.debit, "", "", q, value))
        step.flow(row, "damage_loss", move.debit, value, q)
        op = -1
    else:
        first = len(step.flows)
        back = step.enter(
            pool,
            q,
            value,
            "STD-11" if pool.fixed else row,
            move.debit,
            line.location,
            origin_at=_age(step, move),
            part=number,
        )
        step.flows[first].provisional = move.open_quantity > 0
        state.move(back).source = n
        op = state.move(back).fed[0]
    move.returned += q
    move.returned_value = upto
    move.add_return(op, q, back, value)
    if move.parts:
        step.flows.extend(straight(resplit(state, line, row, n)))


def _age(step: Step, move: Move) -> int:
    """The returned units' age: that of the first layer their issue took."""
    state = step.state
    for op in move.taken:
        layer = state.layers.get(state.o_layer[op - state.base]) if op >= state.base else None
        if layer is not None:
            return layer.origin_at
    return move.line.at


def dispositioned(step: Step) -> None:
    """RET-03 sellable, RET-05 scrap, RET-06 second grade: what inspection found, at the return's own cost."""
    line, state = step.line, step.state
    q = step.need_quantity()
    disposition = (line.extra or {}).get("disposition", "")
    if disposition == "inspect":
        return
    pools: list[tuple[str, Pool]] = []
    for n in step.find(RETURNS):
        back = state.move(n).line
        pool = step.side("inventory_returns_pending", f"{back.event_id}#{back.line_id}")
        if all(pool is not other for _, other in pools):
            pools.append((back.location, pool))
    held = sum(pool.quantity for _, pool in pools)
    if q > held:
        if not pools:
            step.refuse("TO4013", "the return it decides about is not known", "add the reference to the return")
        step.refuse(
            "TO4007", f"{from_scaled(q)} decided, {from_scaled(held)} waiting for inspection", "correct the quantity"
        )
    for at, pool in pools:
        part = min(q, pool.quantity)
        if not part:
            continue
        q -= part
        if disposition in ("sellable", "restock"):
            to = line.location or at
            step.carry(pool, step.home(to), part, "RET-03", at, to, variance="standard_revaluation")
        elif disposition == "second_grade":
            _second_grade(step, pool, part, at)
        elif disposition == "scrap":
            step.leave(pool, part, "RET-05", "damage_loss", at)
        else:
            step.leave(pool, part, "RET-13", "cogs", at)


def _second_grade(step: Step, pool: Pool, q: int, at: str) -> None:
    """RET-06: the units become another item, at what it will fetch; the rest of their cost is damage."""
    line = step.line
    extra = line.extra or {}
    if "to_item" not in extra or "nrv" not in extra:
        step.refuse("TO4009", "second grade needs the item it becomes and its nrv per unit", "complete the line")
    worth = round_fraction(Fraction(extra["nrv"]) * q * step.valuer.scale / SCALE)
    n = step.leave(pool, q, "RET-06", "damage_loss", at, silent=True)
    cost = step.state.move(n).value
    worth = min(worth, cost)
    other = step.at(extra["to_item"])
    step.link(other)
    other.enter(other.home(line.location or at), q, worth, "RET-06", pool.key[0], line.location or at)
    if cost > worth:
        step.flow("RET-06", "damage_loss", pool.key[0], cost - worth, at=at)
