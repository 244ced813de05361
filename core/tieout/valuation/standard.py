"""Standard cost: STD-09, and carrying a pool from one cost method to another (`valuation-rules` §8)."""

from __future__ import annotations

from fractions import Fraction

from tieout.valuation.records import Move, Pool
from tieout.valuation.step import Step


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
