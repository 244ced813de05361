"""A change of cost method or scope that was decided: OPN-06 (`valuation-rules` §8).

The policies in force say what holds from which day; the event carries units over at that instant, before everything
else of it, and with `retrospective` brings in the approved new valuation. Without it a pool is carried over at its
first movement after the day.
"""

from __future__ import annotations

from collections import defaultdict

from tieout.model.event import EventLine
from tieout.model.money import allocate
from tieout.model.quantity import from_scaled
from tieout.valuation.clearing import approved
from tieout.valuation.records import Move, Pool
from tieout.valuation.step import Step


def changed(step: Step) -> None:
    """Carries the pools of the line's item; refused where the event and the policies in force disagree."""
    line = step.line
    approved(step)
    document = [line] if step.valuer.lookup is None else list(step.valuer.lookup.event(line.event_id))
    head = next((x for x in document if x.head), line)
    for name, value in ((head.extra or {}).get("policies") or {}).items():
        if str(getattr(step.rules.policy, name, None)) != value:
            step.refuse(
                "TO4019",
                f"the event says {name} = {value}, the policies in force say {getattr(step.rules.policy, name, 'nothing')}",
                "give the policy the event's day as its effective date, or correct the event",
            )
    mine = [x for x in document if x.item == line.item]
    if not line.item or (mine and mine[0].line_id != line.line_id):
        return
    if step.rules.by_lot:
        _into_lots(step, mine)
        return
    _rescope(step)
    for pool in _own(step):
        if pool.method != step.rules.method:
            step.valuer.convert(step, pool)
    if step.rules.policy.method_change == "retrospective" and line.amount is not None:
        _restate(step, sum(x.amount or 0 for x in mine))


def _own(step: Step) -> list[Pool]:
    return [pool for pool in step.state.held(step.role) if not pool.key[3]]


def _rescope(step: Step) -> None:
    """Units of the company's one pool go to the pools of their locations, or back; layers keep place and age."""
    state, by_location = step.state, step.rules.by_location
    for pool in _own(step):
        if bool(pool.key[1]) == by_location or not pool.quantity:
            continue
        if pool.open:
            step.refuse("TO4015", f"{state.item}: units are open at an estimate", "enter the receipts that settle them")
        places = {pool.key[1]: pool.quantity}
        if by_location:
            places = {place: q for place, q in state.on_hand.items() if q > 0}
        for place, q in sorted(places.items()):
            part = min(q, pool.quantity)
            if part:
                step.carry(pool, step.home(place), part, "OPN-06", place, place)
                step.flows.pop()  # the same units at the same place: nothing to post


def _into_lots(step: Step, lines: list[EventLine]) -> None:
    """To specific identification: the event lists the lots with their quantities; value goes by quantity."""
    state, line = step.state, step.line
    by_place: defaultdict[str, list[EventLine]] = defaultdict(list)
    for each in lines:
        if not each.lot:
            step.refuse("TO4011", f"{state.item} becomes identified by lot and a line names none", "list its lots")
        by_place[each.location if step.rules.by_location else ""].append(each)
    pools = [pool for pool in _own(step) if not pool.key[2] and pool.quantity]
    for pool in pools:
        listed = by_place[pool.key[1]]
        told = sum(each.quantity for each in listed)
        if told != pool.quantity or pool.open:
            step.refuse(
                "TO4015",
                f"{state.item}: {from_scaled(told)} listed by lot, {from_scaled(pool.quantity)} held",
                "list every lot with its quantity",
            )
        held, worth = pool.quantity, pool.value
        n = state.add_move(Move(line, pool.key[0], pool.key[0], pool.key[1], pool.key[1], held, worth))
        outs = state.take(pool, held, n)
        del pool.queue[:]
        pool.head = 0
        rules = step.rules
        for each, value in zip(listed, allocate(worth, [each.quantity for each in listed]), strict=True):
            dest = state.pool((pool.key[0], pool.key[1], each.lot, ""), rules.method, rules.mode, rules.joins)
            op = state.put(dest, each.quantity, value, n, step.key, each.event_id, each.line_id, each.at)
            state.move(n).add_fed(op)
        assert outs


def _restate(step: Step, new: int) -> None:
    """`retrospective`: the approved valuation under the new method; the difference is of earlier years."""
    state = step.state
    layers = [(pool, state.layers[m]) for pool in _own(step) for m in pool.queue[pool.head :]]
    gap = new - sum(layer.value for _, layer in layers)
    if not gap or not layers:
        return
    n = state.add_move(Move(step.line, step.role, "retained_earnings", "", "", 0, gap))
    for (_, layer), part in zip(layers, allocate(gap, [layer.quantity for _, layer in layers]), strict=True):
        if part:
            state.revalue(layer, part, n)
    debit, credit = (step.role, "retained_earnings") if gap > 0 else ("retained_earnings", step.role)
    step.flow("OPN-06", debit, credit, abs(gap))
