"""What is known about one item at one place in the order of events: its holdings, layers, movements and their links.

A *pool* is a holding: units in one control role (and location, lot, or document where these divide it). Its *layers*
carry quantity and value, never a unit cost. Every change of a layer is an *operation*: an inflow with its value, or an
outflow that takes round(value × q / quantity) of what the layer holds at that moment. Operations are numbered in the
order of events and kept as parallel lists of integers, each with the layer's running quantity and value after it and
the number of the layer's next operation; an outflow into another layer knows the inflow it feeds. A *movement* is what
one event line did: the operations it made and the role pair its value went between.

That is the whole trick: quantities never change once processed, so a cost that is known late is a walk along these
links in the order of operations, from the inflow it amends to where each unit is now (`restate.py`).

Old operations and movements are let go at fixed counts (`WINDOW`), so the state of an item is bounded; a line that
needs one of them raises `NeedsHistory`, and the replay driver values the item again from an older checkpoint.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from tieout.model.event import EventLine, OrderKey
from tieout.model.journal import Consumed, new_tuple
from tieout.model.money import divide
from tieout.model.roles import STOCK_ROLES
from tieout.valuation.records import BY_AMOUNT, HEAD, TAIL, Kept, Layer, Move, Pool, PoolKey

BLOCK: Final = 1024  # lines of an item between two checkpoints
WINDOW: Final = 1024  # movements of an item kept in detail at least
MARKS: Final = 64  # places per block at which the window may begin


_Index: TypeAlias = dict[str, list[int]]


NO_VALUE: Final = -2  # in place of a destination: units are counted off and take no value with them


class NeedsHistory(Exception):  # noqa: N818 - a request to the driver, not a fault
    """The line needs a movement of `item` that its state no longer keeps in detail."""

    def __init__(self, item: str, ref: str, key: OrderKey | None = None) -> None:
        super().__init__(f"{item}: {ref}")
        self.item = item
        self.ref = ref
        self.key = key  # of the oldest line that is needed, where it is known


class ItemState:
    """All state of one item. Everything in it is derived from event lines; `snapshot` and `restore` are exact."""

    __slots__ = (
        "_index",
        "_indexed",
        "added",
        "base",
        "bills_ahead",
        "carried",
        "claims",
        "count",
        "deep",
        "derived",
        "early",
        "horizon",
        "invoices_ahead",
        "item",
        "last_key",
        "layer_count",
        "layers",
        "links",
        "made",
        "marks",
        "move_base",
        "moves",
        "o_dest",
        "o_layer",
        "o_move",
        "o_next",
        "o_q",
        "o_rq",
        "o_rv",
        "o_v",
        "on_hand",
        "pick",
        "pool_index",
        "pools",
        "receipts",
        "set_aside",
        "standards",
        "undone",
        "up",
    )

    def __init__(self, item: str) -> None:
        self._load(
            Kept(
                item,
                0,
                ([], [], [], [], [], [], [], []),
                0,
                [],
                [],
                0,
                [],
                {},
                [],
                [],
                [],
                [],
                [],
                [],
                [],
                [],
                [],
                {},
                {},
                [],
                0,
                (0, 0),
                [],
                None,
            )
        )

    def _load(self, kept: Kept) -> None:
        self.item = kept.item
        self.base = kept.base
        self.o_q, self.o_v, self.o_rq, self.o_rv, self.o_layer, self.o_next, self.o_move, self.o_dest = kept.ops
        self.move_base = kept.move_base
        self.moves = kept.moves
        self.layers = dict(kept.layers)
        self.layer_count = kept.layer_count
        self.pools = kept.pools
        self.pool_index = {pool.key: n for n, pool in enumerate(kept.pools)}
        self.on_hand = kept.on_hand
        self.receipts = dict(kept.receipts)
        self.claims = dict(kept.claims)
        self.bills_ahead = kept.bills_ahead
        self.invoices_ahead = kept.invoices_ahead
        self.undone = dict(kept.undone)
        self.derived = dict(kept.derived)
        self.added = dict(kept.added)
        self.carried = dict(kept.carried)
        self.made = dict(kept.made)
        self.standards = kept.standards
        self.early = kept.early
        self.links = kept.links
        self.count = kept.count
        self.horizon = kept.horizon
        self.marks = kept.marks
        self.last_key = kept.last_key
        self.set_aside = kept.set_aside
        self.deep = False
        self.up = False
        self.pick: Callable[[Sequence[OrderKey]], int] | None = None
        self._forget_index()

    # ---- movements

    def add_move(self, move: Move) -> int:
        n = self.move_base + len(self.moves)
        self.moves.append(move)
        return n

    # Movements by what names them. Most are never looked for: they are indexed when something asks.

    def _forget_index(self) -> None:
        self._index: tuple[_Index, _Index, _Index, _Index] | None = None
        self._indexed = self.move_base

    def _indexes(self) -> tuple[_Index, _Index, _Index, _Index]:
        index = self._index
        if index is None:
            index = self._index = ({}, {}, {}, {})
        by_event, by_document, by_ref, by_party = index
        for n in range(self._indexed, self.move_base + len(self.moves)):
            line = self.moves[n - self.move_base].line
            by_event.setdefault(line.event_id, []).append(n)
            if line.document:
                by_document.setdefault(line.document, []).append(n)
            if line.ref:
                by_ref.setdefault(line.ref, []).append(n)
            if line.party:
                by_party.setdefault(line.party, []).append(n)
        self._indexed = self.move_base + len(self.moves)
        return index

    @property
    def by_event(self) -> _Index:
        """Movements by event id, oldest first; likewise by document, own reference and party."""
        return self._indexes()[0]

    @property
    def by_document(self) -> _Index:
        return self._indexes()[1]

    @property
    def by_ref(self) -> _Index:
        return self._indexes()[2]

    @property
    def by_party(self) -> _Index:
        return self._indexes()[3]

    def move(self, n: int) -> Move:
        if n < self.move_base:
            raise NeedsHistory(self.item, f"movement {n}")
        return self.moves[n - self.move_base]

    # ---- pools and layers

    def pool(
        self, key: PoolKey, method: str = "fifo", mode: int = HEAD, joins: bool = False, fixed: bool = False
    ) -> Pool:
        n = self.pool_index.get(key)
        if n is None:
            n = self.pool_index[key] = len(self.pools)
            self.pools.append(Pool(key, method, mode, joins, fixed))
        return self.pools[n]

    def held(self, role: str) -> list[Pool]:
        return [pool for pool in self.pools if pool.key[0] == role]

    def operate(self, n: int, layer: Layer, q: int, v: int, move: int, dest: int) -> int:
        """Append an operation on layer `n`; its effect on the pool's totals is the caller's."""
        op = self.base + len(self.o_q)
        layer.quantity += q
        layer.value += v
        self.o_q.append(q)
        self.o_v.append(v)
        self.o_rq.append(layer.quantity)
        self.o_rv.append(layer.value)
        self.o_layer.append(n)
        self.o_next.append(-1)
        self.o_move.append(move)
        self.o_dest.append(dest)
        if layer.last >= self.base:
            self.o_next[layer.last - self.base] = op
        layer.last = op
        return op

    def put(self, pool: Pool, q: int, v: int, move: int, key: OrderKey, event: str, line: str, origin_at: int) -> int:
        """Units with value `v` into a pool: into the layer with that queue key (an average: the one layer), else a new
        one. Returns the number of the inflow. Estimates the pool owes are not settled here (`settle`)."""
        queue, layers = pool.queue, self.layers
        n = -1
        if len(queue) > pool.head:
            if pool.joins:
                n = queue[-1]
            else:
                at = len(queue)
                if layers[queue[-1]].key >= key:
                    at = bisect_left(queue, key, lo=pool.head, key=lambda m: layers[m].key)
                    if layers[queue[at]].key == key:
                        n = queue[at]
                if n < 0:
                    n = self._new_layer(pool, key, event, line, origin_at)
                    queue.insert(at, n)
        if n < 0:
            n = self._new_layer(pool, key, event, line, origin_at)
            queue.append(n)
        pool.quantity += q
        pool.value += v
        pool.last = op = self.operate(n, layers[n], q, v, move, -1)
        return op

    def _new_layer(self, pool: Pool, key: OrderKey, event: str, line: str, origin_at: int) -> int:
        n = self.layer_count
        self.layer_count = n + 1
        self.layers[n] = Layer(self.pool_index[pool.key], key, event, line, origin_at)
        return n

    def put_back(self, n: int, q: int, v: int, move: int) -> int:
        """Units back into the very layer they came from (R1e), which may have been emptied since."""
        layer = self.layers.get(n)
        if layer is None:
            raise NeedsHistory(self.item, f"layer {n}")
        pool = self.pools[layer.pool]
        if pool.joins and pool.head < len(pool.queue):
            n = pool.queue[-1]
            layer = self.layers[n]
        elif layer.quantity == 0:
            insort(pool.queue, n, lo=pool.head, key=lambda m: self.layers[m].key)
        pool.quantity += q
        pool.value += v
        pool.last = op = self.operate(n, layer, q, v, move, -1)
        return op

    def last_to_go(self, pool: Pool) -> Layer:
        """The layer an issue of everything the pool holds would take last."""
        return self.layers[pool.queue[pool.head if pool.mode == TAIL else -1]]

    def take(self, pool: Pool, q: int, move: int, first: int = -1) -> Sequence[int]:
        """Outflows that take `q` units the pool must hold, from layer `first` while it lasts, then in the method's order."""
        layers, queue = self.layers, pool.queue
        if first < 0 and pool.mode == HEAD:  # as the loop below would, for what nearly every issue is
            n = queue[pool.head]
            layer = layers[n]
            if q < layer.quantity:
                v_out = share(layer.value, q, layer.quantity, self.up)
                pool.quantity -= q
                pool.value -= v_out
                pool.last = op = self.operate(n, layer, -q, -v_out, move, -1)
                return (op,)
        ops: list[int] = []
        while q:
            if first >= 0:
                at = self._place(pool, first)
                first = -1
                if at < 0:
                    continue
            else:
                at = pool.head if pool.mode == HEAD else self._pick(pool)
            n = queue[at]
            layer = layers[n]
            if q >= layer.quantity:
                q_out, v_out = layer.quantity, layer.value
                if at == pool.head:
                    pool.head += 1
                    if pool.head > 64 and pool.head * 2 > len(queue):
                        del queue[: pool.head]
                        pool.head = 0
                else:
                    del queue[at]
            else:
                q_out, v_out = q, share(layer.value, q, layer.quantity, self.up)
            ops.append(self.operate(n, layer, -q_out, -v_out, move, -1))
            pool.quantity -= q_out
            pool.value -= v_out
            q -= q_out
        pool.last = ops[-1]
        return ops

    def shrink(self, n: int, op: int, q: int, v: int) -> None:
        """Layer `n` never had `q` of the units, worth `v`, that operation `op` brought it."""
        layer = self.layers[n]
        self.o_q[op - self.base] -= q
        self.o_v[op - self.base] -= v
        while op >= 0:
            i = op - self.base
            self.o_rq[i] -= q
            self.o_rv[i] -= v
            op = self.o_next[i]
        layer.quantity -= q
        layer.value -= v
        pool = self.pools[layer.pool]
        pool.quantity -= q
        pool.value -= v
        if not layer.quantity:
            pool.queue.remove(n)

    def revalue(self, layer: Layer, v: int, move: int, kind: int = BY_AMOUNT) -> None:
        """Change of value of one layer at its place in the order, quantity unchanged. `kind`: TO_NRV, TO_COST, BY_AMOUNT."""
        n = self.o_layer[layer.last - self.base] if layer.last >= self.base else -1
        if n < 0:
            raise NeedsHistory(self.item, f"operation {layer.last}")
        self.pools[layer.pool].value += v
        self.operate(n, layer, 0, v, move, kind)

    def _pick(self, pool: Pool) -> int:
        if pool.mode == TAIL:
            return len(pool.queue) - 1
        assert self.pick is not None
        return pool.head + self.pick([self.layers[n].key for n in pool.queue[pool.head :]])

    def shift(self, pool: Pool, q: int, v: int, move: int, line: EventLine, key: OrderKey) -> int:
        """Units and value in or out of a pool at standard cost, which is one layer and may stand below zero."""
        if not pool.queue:
            pool.queue.append(self._new_layer(pool, key, line.event_id, line.line_id, line.at))
        n = pool.queue[0]
        pool.quantity += q
        pool.value += v
        pool.last = op = self.operate(n, self.layers[n], q, v, move, -1)
        return op

    def _place(self, pool: Pool, n: int) -> int:
        """Index of layer `n` in the pool's queue, -1 when it holds nothing or lies elsewhere."""
        layer = self.layers.get(n)
        if layer is None or layer.quantity == 0 or self.pools[layer.pool] is not pool:
            return -1
        return bisect_left(pool.queue, layer.key, lo=pool.head, key=lambda m: self.layers[m].key)

    def consumed(self, ops: Sequence[int]) -> tuple[Consumed, ...]:
        """What outflows took, by the event line that made the layer."""
        base, layers = self.base, self.layers
        if len(ops) == 1:
            i = ops[0] - base
            layer = layers[self.o_layer[i]]
            return (new_tuple(Consumed, (layer.event, layer.line, -self.o_q[i], -self.o_v[i])),)
        out = []
        for op in ops:
            i = op - base
            layer = layers[self.o_layer[i]]
            out.append(new_tuple(Consumed, (layer.event, layer.line, -self.o_q[i], -self.o_v[i])))
        return tuple(out)

    def unit_cost(self, pool: Pool) -> tuple[int, int] | None:
        """The pool's last known cost as (value, quantity), as it is now: of the layer last received or taken from; of an
        average the average, while there was stock."""
        if pool.last < 0:
            return None
        if pool.joins and pool.quantity > 0:
            return (pool.value, pool.quantity)
        return self.cost_of(pool.last) or (pool.last_value, pool.last_quantity)

    def cost_of(self, op: int) -> tuple[int, int] | None:
        """Unit cost at an operation, as (value, quantity); None once the operation was let go."""
        i = op - self.base
        if i < 0:
            return None
        if self.o_q[i] > 0:
            return (self.o_v[i], self.o_q[i])
        return (self.o_rv[i] - self.o_v[i], self.o_rq[i] - self.o_q[i])

    def stock(self, role: str, location: str, q: int) -> None:
        """Count units that are on hand at a location, in any of the roles a source's own stock report counts."""
        if role in STOCK_ROLES:
            self.on_hand[location] = self.on_hand.get(location, 0) + q

    # ---- bounds and bytes

    def tick(self, key: OrderKey) -> bool:
        """One more line is in; at every `BLOCK`th the horizon moves on. True when a checkpoint is due."""
        self.last_key = key
        self.count = count = self.count + 1
        if count % (BLOCK // MARKS or 1):
            return False
        self.marks.append((self.move_base + len(self.moves), self.base + len(self.o_q)))
        if count % BLOCK:
            return False
        keep = self._first_needed(self.marks[-1][0] - WINDOW)
        while len(self.marks) > 1 and self.marks[0][0] <= keep:
            self.horizon = self.marks.pop(0)
        if not self.deep and not self.links:  # what is valued together is rebuilt together, from its start
            self.trim()
        return True

    def shorten(self, keep: int) -> None:
        """Let go of all but about the last `keep` movements, and those that open estimates need: memory is short. The
        costs of what comes do not depend on it; a line that needs more raises `NeedsHistory`."""
        first = self._first_needed(self.move_base + len(self.moves) - keep)
        while self.marks and self.marks[0][0] <= first:
            self.horizon = self.marks.pop(0)
        self.trim()

    def _first_needed(self, move: int) -> int:
        return min([move, *(estimate.move for pool in self.pools for estimate in pool.open)])

    def trim(self) -> None:
        """Let go of everything before the horizon. What remains does not depend on when this is called."""
        to_move, to_op = self.horizon
        if self.links:
            return
        if to_op <= self.base and to_move <= self.move_base:
            return
        for pool in self.pools:
            if 0 <= pool.last < to_op:
                cost = self.unit_cost(pool)
                if cost is not None:
                    pool.last_value, pool.last_quantity = cost
            pool.derived = [op for op in pool.derived if op >= to_op]
        if self.added or self.made:
            self._settle_components(to_op)
        cut = to_op - self.base
        for column in (self.o_q, self.o_v, self.o_rq, self.o_rv, self.o_layer, self.o_next, self.o_move, self.o_dest):
            del column[:cut]
        self.base = to_op
        del self.moves[: to_move - self.move_base]
        self.move_base = to_move
        self.layers = {
            n: x for n, x in self.layers.items() if x.quantity or x.last >= to_op or self.pools[x.pool].fixed
        }
        self.receipts = {n: x for n, x in self.receipts.items() if n >= to_move}
        self.claims = {n: x for n, x in self.claims.items() if n >= to_move}
        self.undone = {op: x for op, x in self.undone.items() if op >= to_op}
        self.added = {op: x for op, x in self.added.items() if op >= to_op}
        self.carried = {op: x for op, x in self.carried.items() if op >= to_op}
        self.derived = {op: x for op, x in self.derived.items() if op >= to_op}
        self._forget_index()

    def _settle_components(self, to_op: int) -> None:
        """Keep what layers are made of at the horizon, where their operations go."""
        from tieout.valuation.components import held  # only when something was added to a cost

        made = {n: held(self, n, to_op) for n, x in self.layers.items() if x.quantity or x.last >= to_op}
        self.made = {n: parts for n, parts in made.items() if any(parts.values())}

    @property
    def unsaved(self) -> bool:
        """Whether lines came since the checkpoints that are written on the way."""
        return self.count % BLOCK > 0

    def snapshot(self) -> bytes:
        """The state as bytes: the same state gives the same bytes, whichever way it came about."""
        for pool in self.pools:
            if pool.head:
                del pool.queue[: pool.head]
                pool.head = 0
        ops = (self.o_q, self.o_v, self.o_rq, self.o_rv, self.o_layer, self.o_next, self.o_move, self.o_dest)
        return _ENCODER.encode(
            Kept(
                self.item,
                self.base,
                ops,
                self.move_base,
                self.moves,
                sorted(self.layers.items()),
                self.layer_count,
                self.pools,
                self.on_hand,
                sorted(self.receipts.items()),
                sorted(self.claims.items()),
                self.bills_ahead,
                self.invoices_ahead,
                sorted(self.undone.items()),
                sorted(self.derived.items()),
                sorted(self.added.items()),
                sorted(self.carried.items()),
                sorted(self.made.items()),
                self.standards,
                self.early,
                self.links,
                self.count,
                self.horizon,
                self.marks,
                self.last_key,
                self.set_aside,
            )
        )

    @classmethod
    def restore(cls, data: bytes) -> ItemState:
        state = cls.__new__(cls)
        state._load(_DECODER.decode(data))
        return state


def share(value: int, q: int, quantity: int, up: bool) -> int:
    """round(value × q / quantity), half to even or (`up`) half away from zero. `quantity` > 0."""
    whole, rest = divmod(value * q, quantity)
    rest += rest
    if rest < quantity:
        return whole
    if rest > quantity:
        return whole + 1
    if up:
        return divide(value * q, quantity, "half_up")
    return whole + (whole & 1)


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_DECODER = msgspec.msgpack.Decoder(Kept)
