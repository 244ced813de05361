"""The straight way through for what nearly every line is: a shipment from one cost layer that holds more than it takes.

It does what `sales.fulfilled` does for such a line, in one function, at a third of the time, and leaves every other line
to it. `tests/valuation/test_straight.py` values the same histories with and without it: flows and states are equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tieout.model.event import EventLine
from tieout.model.journal import Consumed, Flow, new_tuple
from tieout.model.roles import STOCK_ROLES
from tieout.valuation.records import HEAD, Move
from tieout.valuation.state import share

if TYPE_CHECKING:
    from tieout.valuation.engine import Valuer


def shipped(valuer: Valuer, line: EventLine) -> list[Flow] | None:
    """SAL-04 of a line of type `order.fulfilled`, or None (nothing changed): the handler's business."""
    item, q = line.item, line.quantity
    state = valuer.states.get(item)
    if state is None or state.set_aside or line.extra is not None or line.owner or q <= 0:
        return None
    known = valuer.known(item)
    rules = valuer.book.at(line.at, known.category, line.channel)
    if not rules.straight or not known.stocked:
        return None
    role, location = known.role, line.location
    at = state.pool_index.get((role, location if rules.by_location else "", "", ""))
    if at is None:
        return None
    pool = state.pools[at]
    if q >= pool.quantity or pool.method != rules.method or pool.mode != HEAD:
        return None
    number = pool.queue[pool.head]
    layer = state.layers[number]
    if q >= layer.quantity:
        return None
    state.up, state.pick = rules.up, None
    value = share(layer.value, q, layer.quantity, rules.up)
    n = state.move_base + len(state.moves)
    pool.quantity -= q
    pool.value -= value
    pool.last = op = state.operate(number, layer, -q, -value, n, -1)
    state.moves.append(Move(line, "cogs", role, "", location, q, value, (op,)))
    if role in STOCK_ROLES:
        state.on_hand[location] = state.on_hand.get(location, 0) - q
    layers = () if pool.joins else (new_tuple(Consumed, (layer.event, layer.line, q, value)),)
    return [Flow(line, "SAL-04", "cogs", role, value, q, "", location, "", "", None, "material", False, layers)]
