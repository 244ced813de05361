"""Standard cost: STD-09, STD-10, and carrying a pool from one cost method to another (`valuation-rules` §8)."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from tieout.model.money import allocate
from tieout.model.roles import CONTROL_ROLES
from tieout.settlement.remeasure import DAY_US
from tieout.valuation.records import Move, Pool
from tieout.valuation.state import NeedsHistory
from tieout.valuation.step import Step

VARIANCES: Final = frozenset(
    {"ppv", "landed_cost_variance", "material_usage_variance", "labour_rate_variance", "labour_efficiency_variance"}
    | {"overhead_efficiency_variance", "overhead_spending_variance", "overhead_volume_variance"}
    | {"assembly_variance", "transfer_variance", "standard_revaluation"}
)


def changed(step: Step) -> None:
    """STD-09: units held are worth the new standard from here on. Under another method the standard is only kept."""
    line, state = step.line, step.state
    price = (line.extra or {}).get("unit_price")
    if price is None:
        step.refuse("TO4009", "a standard needs its unit price", "complete the line")
    new = step.valuer.unit_cost(Fraction(price))
    old = step.standard()
    state.standards[line.location] = new
    if not step.rules.fixed:
        return
    for pool in state.pools:
        if not pool.quantity:
            continue
        if pool.fixed:
            change = step.share(new[0], pool.quantity, new[1]) - pool.value
        else:
            base = old or new
            change = step.share(new[0], pool.quantity, new[1]) - step.share(base[0], pool.quantity, base[1])
        if change:
            _revalue(step, pool, change)


def _revalue(step: Step, pool: Pool, change: int) -> None:
    state = step.state
    location = pool.key[1]
    n = state.add_move(Move(step.line, pool.key[0], "standard_revaluation", location, "", 0, change))
    if pool.fixed:
        state.shift(pool, 0, change, n, step.line, step.key)
    else:
        left, held = change, pool.quantity
        for layer in [state.layers[m] for m in pool.queue[pool.head :]]:
            part = step.share(left, layer.quantity, held)
            state.revalue(layer, part, n)
            left -= part
            held -= layer.quantity
    if change > 0:
        step.flow("STD-09", pool.key[0], "standard_revaluation", change, to=location)
    else:
        step.flow("STD-09", "standard_revaluation", pool.key[0], -change, at=location)


def allocated(step: Step) -> None:
    """STD-10: a variance of the period (positive: unfavourable) is shared over the units held and the units sold since the
    fiscal year began, by largest remainder, at the reporting date only: the mirror follows the next day (R4), so a pool
    is worth its standard again before anything moves (IAS 2.21, ASC 330-10-30-12). `reason` names the variance role."""
    line, state = step.line, step.state
    role = line.reason or "ppv"
    if line.amount is None or not line.item or role not in VARIANCES:
        step.refuse(
            "TO4009", "the variance to allocate needs an item, an amount and a variance role", "complete the line"
        )
    if not step.rules.fixed:
        step.refuse("TO4018", f"{line.item} is not at standard cost: it has no variance", "withdraw the allocation")
    held = [pool for pool in state.pools if pool.key[0] in CONTROL_ROLES and pool.quantity > 0]
    places = [(pool.key[0], pool.key[1], pool.quantity) for pool in held]
    places.append(("cogs", "", _sold(step)))
    if not any(q for _, _, q in places):
        step.refuse("TO4007", f"{line.item}: nothing is held and nothing was sold", "correct the item or the date")
    flows = []
    for (debit, location, _), part in zip(places, allocate(line.amount, [q for *_, q in places]), strict=True):
        if part > 0:
            flows.append(step.flow("STD-10", debit, role, part, to=location))
        elif part < 0:
            flows.append(step.flow("STD-10", role, debit, -part, at=location))
    for flow in flows:
        back = step.flow(
            "STD-10", flow.credit, flow.debit, flow.amount, to=flow.credit_location, at=flow.debit_location
        )
        back.at = line.at + DAY_US


def _sold(step: Step) -> int:
    """Units that are cost of sales now and left in the fiscal year of the line."""
    state, valuer = step.state, step.valuer
    year = valuer.fiscal_year(valuer.book.day(step.line.at))
    if state.move_base and valuer.fiscal_year(valuer.book.day(state.moves[0].line.at)) >= year:
        raise NeedsHistory(state.item, f"what was sold in fiscal year {year}")
    sold = 0
    for move in state.moves:
        if valuer.fiscal_year(valuer.book.day(move.line.at)) != year:
            continue
        if move.debit == "cogs" and move.credit:
            sold += move.quantity - move.returned - sum(part.quantity for part in move.parts)
        sold += sum(part.quantity for part in move.parts if part.role == "cogs")
    return sold


def convert(step: Step, pool: Pool) -> None:
    """Quantity and value are carried: to an average or to standard as one layer, from them as one layer placed here,
    from one queue to another as they are. The gap to a standard is STD-09."""
    rules, state = step.rules, step.state
    if pool.open:
        step.refuse(
            "TO4015",
            f"{state.item}: the cost method changes while units are open at an estimate",
            "enter the receipts that settle them before the day of the change",
        )
    before = (pool.joins, pool.fixed)
    cost = step.need_standard() if rules.fixed else None
    held, worth = pool.quantity, pool.value
    keep = not pool.joins and not rules.joins
    if not keep and held > 0:
        n = state.add_move(Move(step.line, pool.key[0], pool.key[0], pool.key[1], pool.key[1], held, worth))
        outs = state.take(pool, held, n)
    pool.method, pool.mode, pool.joins, pool.fixed = rules.method, rules.mode, rules.joins, rules.fixed
    if keep or held <= 0:
        if not keep:
            pool.queue.clear()
            pool.head = 0
        return
    del pool.queue[:]
    pool.head = 0
    if cost is None:
        op = state.put(pool, held, worth, n, step.key, step.line.event_id, step.line.line_id, step.line.at)
        for out in outs:
            state.o_dest[out - state.base] = op
        return
    new = step.share(cost[0], held, cost[1])
    state.shift(pool, held, new, n, step.line, step.key)
    if new != worth and before != (rules.joins, rules.fixed):
        gap = new - worth
        debit, credit = (pool.key[0], "standard_revaluation") if gap > 0 else ("standard_revaluation", pool.key[0])
        step.flow("STD-09", debit, credit, abs(gap))
