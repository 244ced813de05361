"""A cost that is known late, walked to wherever its units are now (`valuation-rules` §3, matrix CST-01).

The walk goes over operations in the order they happened and touches each at most once as long as value flows forward:
an inflow whose value changed changes what its layer gives from then on; an outflow whose value changed hands the
difference to the inflow it fed, or to the issue it belongs to; an issue restates its returns by their share rule; an
inflow valued at current cost is valued again when its pool's worth before it changed. Where a step changes nothing
the walk ends. Settlement of an estimate is the one backward edge; `PASSES_MAX` bounds how often it may go round.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

from tieout.model.event import EventLine, order_key
from tieout.model.journal import Flow
from tieout.valuation.records import TO_COST, TO_NRV, Move, Pool
from tieout.valuation.state import NO_VALUE, ItemState, NeedsHistory, share

# Where a pool at standard cost leaves what it does not take of a change, by what brought the units.
_GAPS: Final = {"kit.assembled": "assembly_variance", "kit.disassembled": "assembly_variance"}
PASSES_MAX: Final = 64  # evaluations of one issue's returns within one cause


class Restatement:
    """Changes of value in one item, caused by one line. `amend` and `issue` say what changes, `run` carries it on.

    Afterwards `moved` is the change of value per movement, and `crossed` what other items' inflows must be amended by.
    """

    def __init__(self, state: ItemState) -> None:
        self.state = state
        self.moved: dict[int, int] = {}
        self.crossed: dict[tuple[str, int], int] = {}
        self.gaps: list[tuple[int, int]] = []  # (movement, difference a pool at standard cost does not take)
        self._heap: list[int] = []
        self._in: dict[int, int] = {}
        self._before: dict[int, int] = {}
        self._returns_at: dict[int, int] = {}
        self._visits: dict[int, int] = {}
        self._worth: dict[int, int] = {}  # change of a pool's value up to the operation in hand
        self._seen_worth: dict[int, int] = {}

    def count(self, move: int, change: int) -> None:
        self.moved[move] = self.moved.get(move, 0) + change

    def amend(self, op: int, change: int) -> None:
        """The value that came in by operation `op` changes."""
        state = self.state
        if op < state.base:
            raise NeedsHistory(state.item, f"operation {op}")
        pool = state.pools[state.layers[state.o_layer[op - state.base]].pool]
        if pool.fixed:
            self.gaps.append((state.o_move[op - state.base], change))
            return
        self._in[op] = self._in.get(op, 0) + change
        heappush(self._heap, op)

    def cross(self, item: str, op: int, change: int) -> None:
        """The value another item's inflow brought changes."""
        self.crossed[(item, op)] = self.crossed.get((item, op), 0) + change

    def hand_on(self, n: int, item: str, op: int, change: int) -> None:
        """What an issue handed to another item changes; units of it that came back since follow."""
        self.cross(item, op, change)
        move = self.state.move(n)
        if move.returns:
            self.issue(n, change)
        else:
            move.value += change

    def issue(self, n: int, change: int) -> None:
        """What an issue holds changes; its returns follow."""
        move = self.state.move(n)
        move.value += change
        first = next((op for op, *_ in move.returns if op >= 0), -1)
        if first >= 0:
            if first < self.state.base:
                raise NeedsHistory(self.state.item, f"operation {first}")
            self._returns_at[first] = n
            heappush(self._heap, first)
        elif move.returns:
            self._returns(n)

    def run(self) -> None:
        state, heap = self.state, self._heap
        base, up = state.base, state.up
        o_q, o_v, o_rq, o_rv, o_next, o_dest = state.o_q, state.o_v, state.o_rq, state.o_rv, state.o_next, state.o_dest
        while heap:
            op = heappop(heap)
            if op in self._returns_at:
                self._returns(self._returns_at.pop(op))
            i = op - base
            change = self._before.pop(op, 0)
            q = o_q[i]
            if q >= 0 or o_dest[i] == NO_VALUE:
                extra = self._in.pop(op, 0)
                if op in state.derived:
                    extra += self._derive(op)
                if extra:
                    o_v[i] += extra
                    self._worth_changes(op, extra)
                    if op in self._seen_worth and state.derived[op][3] == state.layers[state.o_layer[i]].pool:
                        self._seen_worth[op] += extra
                    change += extra
                if change and not q and state.o_dest[i] < -1:
                    change -= self._absorb(op, change)
                o_rv[i] += change
            else:
                value, quantity = o_rv[i] - o_v[i] + change, o_rq[i] - q
                taken = value if quantity == -q else share(value, -q, quantity, up)
                more = taken + o_v[i]
                o_v[i] = -taken
                o_rv[i] = value - taken
                if more:
                    self._worth_changes(op, -more)
                    self._route(op, more)
                    change -= more
            if not change:
                continue
            following = o_next[i]
            if following >= 0:
                self._before[following] = self._before.get(following, 0) + change
                heappush(heap, following)
            else:
                layer = state.layers[state.o_layer[i]]
                layer.value += change
                state.pools[layer.pool].value += change

    def _absorb(self, op: int, change: int) -> int:
        """A layer is worth `change` more before it was revalued; how much of that the revaluation takes itself."""
        state = self.state
        i = op - state.base
        kind, old, before = state.o_dest[i], state.o_v[i], state.o_rv[i] - state.o_v[i] + change
        new = old
        if kind == TO_COST:
            new = old - change
        elif kind == TO_NRV and old < 0:
            new = min(0, old - change)
        new = max(new, -before)
        if new != old:
            state.o_v[i] = new
            state.move(state.o_move[i]).value += new - old
            self.count(state.o_move[i], new - old)
            self._worth_changes(op, new - old)
        return old - new

    def _worth_changes(self, op: int, change: int) -> None:
        """Keep the change of the pool's worth at hand, and wake the inflows after `op` that were valued by it."""
        state = self.state
        n = state.layers[state.o_layer[op - state.base]].pool
        if not state.pools[n].derived:
            return
        self._worth[n] = self._worth.get(n, 0) + change
        for later in state.pools[n].derived:
            if later > op and later >= state.base:
                heappush(self._heap, later)

    def _derive(self, op: int) -> int:
        """Change of an inflow that is valued at the pool's current cost at its own place."""
        state = self.state
        i = op - state.base
        value, quantity, last, n, before = state.derived[op]
        if quantity > 0:
            worth = self._worth.get(n, 0)
            value += worth - self._seen_worth.get(op, 0)
            self._seen_worth[op] = worth
            new = share(value, state.o_q[i], quantity, state.up)
        else:
            cost = state.cost_of(last)
            if cost is None:
                return 0
            new = share(cost[0], state.o_q[i], cost[1], state.up)
        change = new - before
        state.derived[op] = (value, quantity, last, n, new)
        if change:
            self.count(state.o_move[i], change)
        return change

    def _route(self, op: int, more: int) -> None:
        """An outflow takes `more` than before: to the inflow it fed, to another item, back with what was undone, or to
        its issue."""
        state = self.state
        i = op - state.base
        move = state.o_move[i]
        self.count(move, more)
        dest = state.o_dest[i]
        if dest >= 0:
            self.amend(dest, more)
            return
        if op in state.carried:
            self.hand_on(move, *state.carried[op], more)
            return
        if op in state.undone:
            more -= self._undo(op)
        if more:
            self.issue(move, more)

    def _undo(self, op: int) -> int:
        """What went back to the layer (R1e) is its share of what the outflow took."""
        state = self.state
        i = op - state.base
        total, quantity, cumulated, before, changed = -state.o_v[i], -state.o_q[i], 0, 0, 0
        for entry in state.undone[op]:
            inflow, q, value = entry
            cumulated += q
            upto = share(total, cumulated, quantity, state.up)
            change = upto - before - value
            before = upto
            if change:
                entry[2] += change
                changed += change
                self.count(state.o_move[inflow - state.base], change)
                self.amend(inflow, change)
        return changed

    def _returns(self, n: int) -> None:
        """Returns keep (shipment, quantity): round(V × R/S) − round(V × R'/S) on the new V (`valuation-rules` §4)."""
        self._visits[n] = self._visits.get(n, 0) + 1
        if self._visits[n] > PASSES_MAX:
            return
        move = self.state.move(n)
        cumulated = before = 0
        for entry in move.returns:
            op, q, back, value = entry
            cumulated += q
            upto = share(move.value, cumulated, move.quantity, self.state.up)
            change = upto - before - value
            before = upto
            if change:
                entry[3] += change
                self.count(back, change)
                if op >= 0:
                    self.amend(op, change)
                    if op in self.state.carried:  # it came back from another item, which holds so much less
                        self.cross(*self.state.carried[op], -change)
        move.returned_value = before


def settle(state: ItemState, pool: Pool, op: int, restatement: Restatement) -> int:
    """The units that came in by `op` settle what the pool owes, oldest first, at their own unit value; the settling
    part makes no layer (`valuation-rules` §5). Returns how many units did."""
    settled = 0
    n = state.o_layer[op - state.base]
    layer = state.layers[n]
    while pool.open and layer.quantity:
        estimate = pool.open[0]
        q = min(estimate.quantity, layer.quantity)
        expected = share(estimate.value, q, estimate.quantity, state.up)
        move = state.move(estimate.move)
        (out,) = state.take(pool, q, estimate.move, n)
        if estimate.item:
            state.carried[out] = (estimate.item, estimate.dest)
        else:
            state.o_dest[out - state.base] = estimate.dest
        move.add_taken(out)
        actual = -state.o_v[out - state.base]
        move.open_quantity -= q
        estimate.quantity -= q
        estimate.value -= expected
        if not estimate.quantity:
            del pool.open[0]
        pool.last = op
        settled += q
        if actual != expected:
            restatement.count(estimate.move, actual - expected)
            if estimate.item:
                restatement.hand_on(estimate.move, estimate.item, estimate.dest, actual - expected)
            elif estimate.dest >= 0:
                restatement.amend(estimate.dest, actual - expected)
            else:
                restatement.issue(estimate.move, actual - expected)
    return settled


def flows_of(
    restatement: Restatement, cause: EventLine, row: str, component: str, variance: str = "standard_revaluation"
) -> list[Flow]:
    """The cause's own lines: one flow per movement whose value changed, between that movement's own roles."""
    state = restatement.state
    out: list[Flow] = []
    for n in sorted(restatement.moved):
        change = restatement.moved[n]
        if not change:
            continue
        move = state.move(n)
        receipt = state.receipts.get(n)
        if receipt is not None:
            receipt.open_value += change
            receipt.price += change
            receipt.prices.append((order_key(cause), change))
        out.append(restating_flow(state, cause, row, move, change, component))
    for n, change in restatement.gaps:
        move = state.move(n)
        flow = restating_flow(state, cause, row, move, change, component)
        flow.debit, flow.credit = _GAPS.get(move.line.type, variance), flow.debit
        flow.debit_location, flow.credit_location = "", flow.debit_location
        out.append(flow)
    return out


def restating_flow(state: ItemState, cause: EventLine, row: str, move: Move, change: int, component: str) -> Flow:
    item = move.item or (state.item if cause.item != state.item else "")
    return Flow(
        cause,
        row,
        move.debit,
        move.credit,
        change,
        0,
        move.debit_location,
        move.credit_location,
        item,
        move.credit_item or (state.item if cause.item != state.item else ""),
        move.line,
        component,
        move.open_quantity > 0,
    )


def resplit(state: ItemState, cause: EventLine, row: str, n: int) -> list[Flow]:
    """Value of an issue's remaining units by role, after its value, returns or parts changed: pro rata to their
    quantities, so that a role without units holds no value (matrix SAL-06, SAL-07)."""
    move = state.move(n)
    out: list[Flow] = []
    left = move.value - move.returned_value
    quantity = move.quantity - move.returned
    cumulated = before = 0
    for part in move.parts:
        cumulated += part.quantity
        upto = share(left, cumulated, quantity, state.up) if quantity else 0
        change = upto - before - part.value
        before = upto
        if change:
            part.value += change
            affected = None if part.line is cause else part.line
            out.append(Flow(cause, row, part.role, part.base, change, 0, "", "", "", "", affected))
    return out


Peers = Callable[[str], ItemState]
