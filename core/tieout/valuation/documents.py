"""Events valued as a whole: kits and production, whose lines hand cost to one another.

All lines of such an event are valued at the place of its first one, each with flows of its own; when the turn of the
others comes, their flows are there already. A document that is refused is refused at each of its lines, and nothing of
it has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tieout.model.event import EventLine, order_key
from tieout.valuation.components import taken
from tieout.valuation.records import Move, Pool
from tieout.valuation.refs import Lookup, parse
from tieout.valuation.state import NO_VALUE
from tieout.valuation.step import Step

DOCUMENTS: Final = frozenset(
    {
        "kit.assembled",
        "kit.disassembled",
        "production.issued",
        "production.reported",
        "production.scrapped",
        "production.completed",
        "production.closed",
        "production.cancelled",
        "overhead.incurred",
        "overhead.closed",
    }
)
WIP: Final = "wip:"  # a production order's work in process is a holding of its own, named so
_HOPS_MAX: Final = 8


def lines_of_event(line: EventLine, lookup: Lookup | None) -> Sequence[EventLine]:
    """All lines of the event, in order."""
    if lookup is None:
        return [line]
    return sorted(lookup.event(line.event_id), key=order_key) or [line]


def order_of(line: EventLine, lookup: Lookup | None) -> str:
    """The production order a line is about: the document it refers to, or that of the event it refers to, else its own
    document number, else its own event (`e:ID`)."""
    for _ in range(_HOPS_MAX):
        kind, name, _wanted = parse(line.ref) if line.ref else ("", "", "")
        if kind == "d":
            return name
        named = [x for x in lookup.event(name) if x.type in DOCUMENTS] if kind == "e" and lookup is not None else []
        if not named:
            return f"e:{name}" if kind == "e" else _own_order(line)
        line = min(named, key=order_key)
    return _own_order(line)


def _own_order(line: EventLine) -> str:
    return line.document or f"e:{line.event_id}"


def items_of(line: EventLine, lookup: Lookup | None) -> set[str]:
    """Items of the whole event, and the work in process of its order."""
    if line.type.startswith("overhead."):
        return {WIP, *_absorbing(line, lookup)}
    items = {x.item for x in lines_of_event(line, lookup) if x.item}
    if line.type.startswith("production."):
        items.add(WIP + order_of(line, lookup))
    return items


def _absorbing(line: EventLine, lookup: Lookup | None) -> set[str]:
    """What a closing of overhead may take a part back from: orders and kits before it. One that has a budget never does."""
    charges = next((x.extra or {} for x in lines_of_event(line, lookup) if x.head), {}).get("amounts", {})
    if line.type != "overhead.closed" or lookup is None or {"overhead_budget", "budget"} & set(charges):
        return set()
    key = order_key(line)
    last = max((order_key(x) for x in lookup.of_type(line.type) if order_key(x)[:4] < key[:4]), default=None)
    return {
        item
        for kind in ("production.reported", "kit.assembled")
        for x in lookup.of_type(kind)
        if order_key(x) < key and (last is None or order_key(x) > last)
        for item in (
            [WIP + order_of(x, lookup)] if kind != "kit.assembled" else [x.item] if _part(x) == "output" else []
        )
    }


def _part(line: EventLine) -> str:
    return str((line.extra or {}).get("part", ""))


def home_of(line: EventLine, lookup: Lookup | None) -> str:
    """The item a line itself is valued on: its own, or its order's work in process (overhead: that of no order)."""
    if line.type.startswith("overhead."):
        return WIP
    return line.item or WIP + order_of(line, lookup)


def order_lines(order: str, lookup: Lookup | None) -> list[EventLine]:
    """Every known line of a production order, in order, whatever its place in time."""
    if lookup is None:
        return []
    first = lookup.event(order[2:]) if order.startswith("e:") else lookup.document(order)
    name = order if order.startswith("e:") else f"d:{order}"
    found = {(x.event_id, x.line_id): x for x in [*first, *lookup.citing({name})]}
    for event in {key[0] for key in list(found)}:
        found.update({(x.event_id, x.line_id): x for x in lookup.citing({f"e:{event}"})})
    of_order = [x for x in found.values() if x.type.startswith("production.") and order_of(x, lookup) == order]
    return sorted(of_order, key=order_key)


def document(value: Callable[[list[Step]], None]) -> Callable[[Step], None]:
    """A handler that values an event as a whole."""

    def handler(step: Step) -> None:
        early = step.state.early.pop(own(step.line), None)
        if early is not None:
            step.flows.extend(early)
            return
        lookup = step.valuer.lookup
        lines = lines_of_event(step.line, lookup)
        steps = [step if own(line) == own(step.line) else step.of(line, home_of(line, lookup)) for line in lines]
        value(steps)
        for other in steps:
            if other is not step:
                other.state.early[own(other.line)] = other.flows

    return handler


def own(line: EventLine) -> str:
    return f"{line.event_id}#{line.line_id}"


# ── handing cost over ──────────────────────────────────────────────────────────────────────────────────────────────
def hand_over(source: Step, n: int, other: Step, op: int) -> None:
    """What movement `n` took goes on in inflow `op` of another item, and follows every restatement; so does what it is
    made of. Units that were not held carry their estimate on."""
    state = source.state
    move = state.move(n)
    for out in move.taken:
        state.carried[out] = (other.state.item, op)
    for pool in state.pools:
        for estimate in pool.open:
            if estimate.move == n:
                estimate.item, estimate.dest = other.state.item, op
    for name, amount in taken(state, move.taken).items():
        if amount:
            other.state.added.setdefault(op, []).append((name, amount))
    source.link(other)


def issue(source: Step, pool: Pool, q: int, row: str, other: Step, role: str) -> tuple[int, int]:
    """Units leave a pool for something another item holds in `role`; the movement and its value. `hand_over` comes next."""
    line = source.line
    n = source.leave(pool, q, row, role, line.location, silent=True)
    move = source.state.move(n)
    move.item, move.credit_item = other.state.item, source.state.item
    flow = source.flow(row, role, pool.key[0], move.value, q, at=line.location)
    flow.item, flow.credit_item = other.state.item, source.state.item
    flow.provisional = move.open_quantity > 0
    if not pool.joins:
        flow.layers = source.state.consumed(move.taken)
    return n, move.value


def arrive(step: Step, pool: Pool, q: int, v: int, row: str, credit: str, variance: str) -> int:
    """Units made of others into a pool, whose flows are booked already; at standard cost the difference is a variance.
    Returns the inflow."""
    state, line, role = step.state, step.line, pool.key[0]
    n = state.add_move(Move(line, role, credit, line.location, "", q, v))
    state.stock(role, line.location, q)
    if pool.fixed:
        cost = step.need_standard()
        worth = step.share(cost[0], pool.quantity + q, cost[1]) - pool.value
        op = state.shift(pool, q, worth, n, line, step.key)
        gap = worth - v
        if gap > 0:
            step.flow(row, role, variance, gap, to=line.location)
        elif gap < 0:
            step.flow(row, variance, role, -gap, at=line.location)
    else:
        op = state.put(pool, q, v, n, step.key, line.event_id, line.line_id, line.at)
    state.move(n).add_fed(op)
    return op


def weigh(step: Step, pool: Pool, q: int) -> None:
    """Units of a holding are counted on or off, and no value with them: those left bear it all."""
    if not q:
        return
    state, role = step.state, pool.key[0]
    n = state.add_move(Move(step.line, role, role, "", "", abs(q), 0))
    op = state.shift(pool, q, 0, n, step.line, step.key)
    if q < 0:
        state.o_dest[op - state.base] = NO_VALUE


def pass_on(step: Step, n: int, into: int) -> None:
    """What movement `n` took goes on in inflow `into` of the same item."""
    state = step.state
    for out in state.move(n).taken:
        state.o_dest[out - state.base] = into
    for pool in state.pools:
        for estimate in pool.open:
            if estimate.move == n:
                estimate.dest = into


def draw(source: Step, pool: Pool, q: int, step: Step, row: str, debit: str, units: int) -> tuple[int, int]:
    """`q` of a holding's weight, with its share of the value, to role `debit` as line `step.line`: `units` of that item.
    The movement (of the source's item) and the value; the last weight takes the rest."""
    value = pool.value if q == pool.quantity else step.share(pool.value, q, pool.quantity)
    return drawn(source, pool, q, value, step, row, debit, units)


def drawn(
    source: Step, pool: Pool, q: int, value: int, step: Step, row: str, debit: str, units: int
) -> tuple[int, int]:
    """The same at a value that is given; without weight (`q` 0) nothing later changes it."""
    state, line = source.state, step.line
    made = state.add_move(Move(line, debit, pool.key[0], line.location, "", units, value))
    move = state.move(made)
    move.item, move.credit_item = line.item, state.item
    move.taken = (state.shift(pool, -q, -value, made, line, source.key),)
    flow = step.flow(row, debit, pool.key[0], value, units, to=line.location)
    flow.item, flow.credit_item = line.item or state.item, state.item
    return made, value


def settle(step: Step, pool: Pool, op: int) -> None:
    if pool.open:
        step.settle(pool, op)


# ── charges ────────────────────────────────────────────────────────────────────────────────────────────────────────
def charge(step: Step, *names: str) -> int | None:
    """A charge of the document's header by the first of its names that is there, in minor units."""
    charges = step.charges()
    for name in names:
        if name in charges:
            return step.minor(charges[name])
    return None
