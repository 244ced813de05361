"""A second valuation, written from the rules alone: slow, short and obvious, to hold the engine against.

It knows no replay, no checkpoint and no incremental restatement. After every event, in effective order, it values the
whole history again from nothing, with every cost event so far known *from the start* (`valuation-rules` §3). What an
earlier movement is worth in two successive valuations differs by its restatement, and that is all there is to it.
O(n²) passes, for histories of a few dozen events.

Money is in minor units, quantities in millionths, unit costs are fractions. A key is (event id, line id).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from tieout.model.catalogue import REASONS
from tieout.model.event import Event, EventLine, OrderKey, lines_of, order_key
from tieout.model.money import allocate, exponent, round_fraction

Key = tuple[str, str]
Place = tuple[str, str]  # item, location ("" where the pool has none)
PASSES_MAX = 60


@dataclass
class Layer:
    """Units at one cost: their place in the queue, the line that brought them, quantity and value."""

    place: OrderKey
    origin: Key
    quantity: int
    value: int


@dataclass(eq=False)
class Movement:
    """Units in, out or only their value, in one valuation.

    In: `brought` is the value. Out: `taken` came from layers, `settled` from later inbounds, `open_*` is an estimate,
    `cancelled_*` was taken back while it was one. `role` takes whatever `home` and `fixed` leave over.
    """

    line: EventLine
    quantity: int
    out: bool
    role: str
    home: str = "inventory"
    fixed: Counter[str] = field(default_factory=Counter)
    brought: int = 0
    taken: list[Layer] = field(default_factory=list)
    settled: list[Layer] = field(default_factory=list)
    estimate: int = 0
    open_quantity: int = 0
    open_value: int = 0
    cancelled_quantity: int = 0
    cancelled_value: int = 0
    returned: int = 0  # units that came back by the share rule of §4

    @property
    def handed(self) -> list[Layer]:
        """What left, in fragments: consumed layers, settled parts, and what is still an estimate."""
        open_part = Layer(order_key(self.line), key_of(self.line), self.open_quantity, self.open_value)
        return [replace(x) for x in (*self.taken, *self.settled, open_part) if x.quantity]

    @property
    def value(self) -> int:
        """What this movement is worth in this valuation; positive for in and out alike."""
        return sum(x.value for x in self.handed) + self.cancelled_value if self.out else self.brought

    def roles(self) -> Counter[str]:
        lines = Counter({self.home: -self.value if self.out else self.value})
        lines.update(self.fixed)
        lines[self.role] -= sum(lines.values())
        return lines


@dataclass
class Pool:
    """Units of one item at one cost basis. Either layers, or open issues, or (standard cost) one balance."""

    layers: list[Layer] = field(default_factory=list)
    open: list[Movement] = field(default_factory=list)
    last: Fraction | None = None  # last known unit cost (§5)
    standard_quantity: int = 0
    standard_value: int = 0

    @property
    def quantity(self) -> int:
        held = self.standard_quantity + sum(x.quantity for x in self.layers)
        return held - sum(m.open_quantity for m in self.open)

    @property
    def value(self) -> int:
        held = self.standard_value + sum(x.value for x in self.layers)
        return held - sum(m.open_value for m in self.open)


@dataclass(frozen=True)
class Result:
    """`cost`, `restatements`, `final` per line key; `roles` per event id; `pools` per item and place; `stock` per location."""

    cost: dict[Key, int]
    restatements: dict[Key, list[tuple[str, int]]]
    final: dict[Key, int]
    roles: dict[str, Counter[str]]
    pools: dict[Place, tuple[int, int]]
    layers: dict[Place, list[tuple[int, int]]]
    stock: dict[tuple[str, str], int]

    @property
    def totals(self) -> dict[str, int]:
        out: Counter[str] = Counter()
        for lines in self.roles.values():
            out.update(lines)
        return {role: amount for role, amount in sorted(out.items()) if amount}


def key_of(line: EventLine) -> Key:
    return (line.event_id, line.line_id)


def by_cause(parts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """One amount per causing event: the lines of one document count together."""
    out: dict[str, int] = {}
    for cause, amount in parts:
        out[cause] = out.get(cause, 0) + amount
    return [(cause, amount) for cause, amount in out.items() if amount]


def live(events: Iterable[Event]) -> list[Event]:
    """The event set as it stands: of each id the highest revision, unless that one takes the event back."""
    best: dict[str, Event] = {}
    for event in events:
        if event.id not in best or event.revision > best[event.id].revision:
            best[event.id] = event
    return [event for event in best.values() if not event.void]


def reference_value(events: Iterable[Event], policy: Mapping[str, str], currency: str = "USD") -> Result:
    """Value a set of events under one policy, by definition."""
    lines = [line for event in live(events) for line in lines_of(event, currency=currency)]
    return Valuer(lines, policy, currency).run()


class Valuer:
    """One history. What is fixed once it is known lives here; everything else is worked out anew in each `World`."""

    def __init__(self, lines: Sequence[EventLine], policy: Mapping[str, str], currency: str) -> None:
        self.method = policy.get("cost_method", "fifo")
        self.by_location = policy.get("cost_scope", "entity") == "location"
        self.rounding: Any = policy.get("rounding", "half_even")
        self.match_party = policy.get("unlinked_return_match", "none") == "party_item"
        self.scale = 10 ** exponent(currency)
        self.by_event: defaultdict[str, list[EventLine]] = defaultdict(list)
        for line in lines:
            self.by_event[line.event_id].append(line)
        self.ordered = self.order(lines)
        self.amended: defaultdict[Key, list[tuple[int, str]]] = defaultdict(list)  # receipt → (amount, other role)
        self.priced: dict[Key, int] = {}  # unpriced receipt → its bill's total
        self.own: defaultdict[str, Counter[str]] = defaultdict(Counter)  # cost event → lines that no unit carries
        self.unbilled: dict[Key, tuple[int, int]] = {}  # receipt → quantity and value still in GRNI
        self.price: dict[Key, tuple[int, int]] = {}  # receipt → quantity and value at the vendor's price, less returns
        self.credits: dict[Key, tuple[str, int]] = {}  # supplier return → role and credit expected
        self.estimates: dict[Key, int] = {}  # issue → value of its open units, never estimated twice (§5)

    def order(self, lines: Sequence[EventLine]) -> list[EventLine]:
        """§1; and a dispatch later than its receipt is valued just before it (§7)."""
        ordered = sorted(lines, key=order_key)
        for receipt in [line for line in ordered if line.type == "transfer.received"]:
            dispatch = self.target(receipt)
            if dispatch is not None and ordered.index(dispatch) > ordered.index(receipt):
                ordered.remove(dispatch)
                ordered.insert(ordered.index(receipt), dispatch)
        return ordered

    def target(self, line: EventLine) -> EventLine | None:
        """The line that a reference names."""
        event, _, line_id = line.ref.removeprefix("e:").rpartition("#")
        return next((x for x in self.by_event.get(event, []) if line_id in ("", x.line_id)), None)

    def need(self, line: EventLine) -> EventLine:
        named = self.target(line)
        assert named is not None, f"{line.event_id} names {line.ref}, which is not in the history"
        return named

    def share(self, total: int, part: int, whole: int) -> int:
        return round_fraction(Fraction(total * part, whole), self.rounding)

    def run(self) -> Result:
        cost: dict[Key, int] = {}
        restatements: defaultdict[Key, Counter[str]] = defaultdict(Counter)  # by cause, all its lines together
        roles: defaultdict[str, Counter[str]] = defaultdict(Counter)
        world = World(self, {})
        for count, line in enumerate(self.ordered, 1):
            before = world.movements
            self.learn(line)
            world = self.world(self.ordered[:count])
            for key, movement in world.movements.items():
                self.estimates.setdefault(key, movement.estimate)
                if key not in before:
                    cost[key] = movement.value
                    roles[key[0]].update(movement.roles())
                    continue
                roles[line.event_id].update(movement.roles())
                roles[line.event_id].subtract(before[key].roles())
                if movement.value != before[key].value:
                    restatements[key][line.event_id] += movement.value - before[key].value
        for event, lines in self.own.items():
            roles[event].update(lines)
        return Result(
            cost,
            {key: known for key, by in restatements.items() if (known := [(c, a) for c, a in by.items() if a])},
            {key: movement.value for key, movement in world.movements.items()},
            {event: Counter({r: a for r, a in lines.items() if a}) for event, lines in roles.items()},
            {place: (pool.quantity, pool.value) for place, pool in world.pools.items()},
            {place: [(x.quantity, x.value) for x in pool.layers] for place, pool in world.pools.items()},
            dict(world.stock),
        )

    def world(self, lines: Sequence[EventLine]) -> World:
        """Value a prefix from nothing, again until what it assumed of its own issues is what comes out."""
        assumed: dict[Key, Movement] = {}
        for _ in range(PASSES_MAX):
            world = World(self, assumed)
            for line in lines:
                world.post(line)
            if {k: m.handed for k, m in world.movements.items()} == {k: m.handed for k, m in assumed.items()}:
                return world
            assumed = world.movements
        raise AssertionError("the valuation of this history does not come to rest")

    # ---- what is known at an event's place and never changes afterwards: receipts' open lines, and cost events (§3)

    def learn(self, line: EventLine) -> None:
        learned: dict[str, Callable[[EventLine], None]] = {
            "purchase.received": self.receipt,
            "purchase.billed": self.bill,
            "purchase.returned": self.supplier_return,
            "purchase.credited": self.credit,
            "landed_cost.billed": self.landed,
        }
        if line.type in learned:
            learned[line.type](line)

    def receipt(self, line: EventLine) -> None:
        if line.amount is not None:
            self.unbilled[key_of(line)] = self.price[key_of(line)] = (line.quantity, line.amount)

    def bill(self, line: EventLine) -> None:
        """PUR-07..09: clear GRNI at the received value, the last bill takes the rest; the difference amends the receipt."""
        receipt = self.need(line)
        key, own = key_of(receipt), self.own[line.event_id]
        assert line.amount is not None
        tax = self.minor((line.extra or {}).get("tax", "0"))
        own.update({"input_tax": tax, "ap": -tax})
        if receipt.amount is None:
            self.priced[key] = line.amount
            self.price[key] = (receipt.quantity, line.amount)
            self.unbilled[key] = (0, 0)
            own.update({"grni": line.amount, "ap": -line.amount})
            return
        cleared = self.clear(self.unbilled, key, line.quantity)
        own.update({"grni": cleared, "ap": -cleared})
        quantity, value = self.price[key]
        self.price[key] = (quantity, value + line.amount - cleared)
        self.amend(line, key, line.amount - cleared, "ppv")

    def supplier_return(self, line: EventLine) -> None:
        """PUR-12, PUR-13: before the bill GRNI is given back, after it a credit at the vendor's price is expected."""
        key = key_of(self.need(line))
        if self.unbilled[key][0]:
            self.credits[key_of(line)] = ("grni", self.clear(self.unbilled, key, line.quantity))
        else:
            quantity, price = self.price[key]
            expected = self.share(price, line.quantity, quantity)
            self.credits[key_of(line)] = ("vendor_credit_receivable", expected if line.amount is None else line.amount)

    def clear(self, open_lines: dict[Key, tuple[int, int]], key: Key, quantity: int) -> int:
        open_quantity, open_value = open_lines[key]
        assert quantity <= open_quantity, "histories bill and send back no more than came"
        cleared = self.share(open_value, quantity, open_quantity)
        open_lines[key] = (open_quantity - quantity, open_value - cleared)
        return cleared

    def credit(self, line: EventLine) -> None:
        """PUR-14 for goods sent back, PUR-15 for a price allowance."""
        target = self.need(line)
        assert line.amount is not None
        if target.type == "purchase.returned":
            expected = self.credits[key_of(target)][1]
            own = {"ap": line.amount, "vendor_credit_receivable": -expected}
            self.own[line.event_id].update({**own, "purchase_return_variance": expected - line.amount})
        else:
            quantity, price = self.price[key_of(target)]
            self.price[key_of(target)] = (quantity, price - line.amount)
            self.amend(line, key_of(target), -line.amount, "ppv")

    def landed(self, line: EventLine) -> None:
        """LC-03, LC-05: the whole bill is shared at its first line over all its target lines."""
        if not line.head:
            return
        assert line.extra is not None
        total, basis = self.minor(line.extra["head_amount"]), line.extra.get("basis", "value")
        targets = [self.need(x) for x in sorted(self.by_event[line.event_id], key=order_key)]
        weights = [self.weight(receipt, basis) for receipt in targets]
        for receipt, part in zip(targets, allocate(total, weights), strict=True):
            self.amend(line, key_of(receipt), part, "landed_cost_variance")

    def weight(self, receipt: EventLine, basis: str) -> int | Fraction:
        if basis == "equal":
            return 1
        if basis == "quantity":
            return receipt.quantity
        if basis == "weight":
            return Fraction((receipt.extra or {}).get("weight", "0"))
        return self.price[key_of(receipt)][1]

    def amend(self, line: EventLine, receipt: Key, amount: int, variance: str) -> None:
        if self.method == "standard":
            self.own[line.event_id].update({variance: amount, "ap": -amount})
        else:
            self.amended[receipt].append((amount, "ap"))

    def minor(self, text: str) -> int:
        return round_fraction(Fraction(text) * self.scale, self.rounding)


class World:
    """One pass over a prefix of the history. `assumed`: the movements of the pass before, for what only the end tells."""

    def __init__(self, valuer: Valuer, assumed: Mapping[Key, Movement]) -> None:
        self.v = valuer
        self.standard_cost = valuer.method == "standard"
        self.assumed = assumed
        self.movements: dict[Key, Movement] = {}
        self.pools: defaultdict[Place, Pool] = defaultdict(Pool)
        self.transit: dict[Key, list[Layer]] = {}
        self.stock: Counter[tuple[str, str]] = Counter()
        self.standards: dict[str, Fraction] = {}  # minor units per millionth

    def post(self, line: EventLine) -> None:
        handlers: dict[str, Callable[[EventLine], None]] = {
            "opening.loaded": self.opening,
            "purchase.received": self.receipt,
            "purchase.returned": self.supplier_return,
            "order.fulfilled": self.shipment,
            "order.cancelled": self.undo,
            "return.received": self.customer_return,
            "stock.adjusted": self.adjustment,
            "count.approved": self.count,
            "transfer.dispatched": self.dispatch,
            "transfer.received": self.arrival,
            "transfer.closed_short": self.lost_in_transit,
            "cost.standard_changed": self.standard_changed,
        }
        if line.type in handlers:
            handlers[line.type](line)

    # ---- the event types

    def opening(self, line: EventLine) -> None:
        assert line.amount is not None
        self.bring(line, line.quantity, line.amount, "opening_equity")

    def receipt(self, line: EventLine) -> None:
        price = line.amount if line.amount is not None else self.v.priced.get(key_of(line))
        if price is None:
            price = self.current_cost(line, line.quantity)
        if price is None:
            return  # §3: without history an unpriced receipt waits for its bill
        fixed = Counter({"grni": -price})
        for amount, role in self.v.amended[key_of(line)]:
            fixed[role] -= amount
        self.bring(line, line.quantity, -sum(fixed.values()), "ppv", fixed)

    def supplier_return(self, line: EventLine) -> None:
        own_layer = key_of(self.v.need(line)) if self.v.method in ("fifo", "lifo") else None
        movement = self.issue(line, line.quantity, "purchase_return_variance", own_layer)
        role, amount = self.v.credits[key_of(line)]
        movement.fixed[role] = amount

    def shipment(self, line: EventLine) -> None:
        self.issue(line, line.quantity, "cogs")

    def undo(self, line: EventLine) -> None:
        """R1e: what the shipment holds at this date goes back, each fragment to its own place in the queue."""
        shipment = self.movements[key_of(self.v.need(line))]
        movement = self.add(Movement(line, line.quantity, out=False, role=shipment.role))
        pool = self.pool(line)
        if self.standard_cost:
            movement.brought = self.standard_move(line.item, pool, line.quantity)
            movement.fixed[shipment.role] = -shipment.value
            movement.role = "standard_revaluation"
            return
        _, movement.brought = self.cancel_open(shipment, pool, line.quantity)
        for layer in reversed(shipment.handed):  # what left last goes back first
            movement.brought += layer.value
            self.receive(pool, layer)
        shipment.returned = shipment.quantity - shipment.cancelled_quantity

    def customer_return(self, line: EventLine) -> None:
        """§4. Units still open at their shipment are taken back at the estimate; the rest come at the shipment's value."""
        movement = self.add(Movement(line, line.quantity, out=False, role="cogs"))
        pool = self.pool(line)
        unlinked = arriving = line.quantity
        worth = 0
        for shipment, quantity in self.shipments_of(line):
            cancelled, estimate = self.cancel_open(shipment, pool, quantity)
            movement.brought += estimate
            worth += self.value_of_return(shipment, quantity - cancelled)
            arriving -= cancelled
            unlinked -= quantity
        if unlinked:  # RET-12
            current = self.current_cost(line, unlinked)
            assert current is not None, "histories return nothing that never had a cost"
            worth += current
        if self.standard_cost:  # STD-11
            movement.fixed["cogs"] = -worth
            movement.role = "standard_revaluation"
            movement.brought = self.standard_move(line.item, pool, line.quantity)
            return
        movement.brought += worth
        self.receive(pool, Layer(order_key(line), key_of(line), arriving, worth))

    def shipments_of(self, line: EventLine) -> list[tuple[Movement, int]]:
        """The shipment lines a return takes, with the units of each: the one it names, or by party and item, newest first."""
        named = self.v.target(line)
        if named is not None:
            candidates = [self.movements[key_of(named)]]
        elif self.v.match_party and line.party:
            candidates = [m for m in self.movements.values() if m.line.type == "order.fulfilled"]
            candidates = [m for m in candidates if (m.line.party, m.line.item) == (line.party, line.item)]
            candidates.sort(key=lambda m: order_key(m.line), reverse=True)
        else:
            candidates = []
        out, left = [], line.quantity
        for shipment in candidates:
            units = min(left, shipment.quantity - shipment.cancelled_quantity - shipment.returned)
            if units > 0:
                out.append((shipment, units))
                left -= units
        return out if named is not None or not left else []

    def value_of_return(self, shipment: Movement, quantity: int) -> int:
        """round(V × R/S) − round(V × R'/S) on the shipment's value as it stands at the end of this prefix."""
        held = self.assumed.get(key_of(shipment.line), shipment)
        v, s = held.value - held.cancelled_value, held.quantity - held.cancelled_quantity
        before, shipment.returned = shipment.returned, shipment.returned + quantity
        return self.v.share(v, shipment.returned, s) - self.v.share(v, before, s) if quantity else 0

    def adjustment(self, line: EventLine) -> None:
        role = REASONS[line.reason].role
        if line.reason == "merged":
            self.merge(line)
        elif line.quantity < 0:
            self.issue(line, -line.quantity, role)
        else:
            self.found(line, line.quantity, role)

    def merge(self, line: EventLine) -> None:
        """ADJ-10: layers move one to one to the other item."""
        assert line.extra is not None
        other = line.extra["to_item"]
        movement = self.issue(line, -line.quantity, "inventory")
        pool = self.pools[(other, self.place(line))]
        self.stock[(other, line.location)] += movement.quantity
        if self.standard_cost:
            arrived = self.standard_move(other, pool, movement.quantity)
            movement.fixed["inventory"] = arrived
            movement.role = "transfer_variance"
            return
        for layer in self.as_of_the_end(movement):
            self.receive(pool, layer)

    def count(self, line: EventLine) -> None:
        variance = line.quantity - self.stock[(line.item, line.location)]
        if variance < 0:
            self.issue(line, -variance, "shrinkage")
        elif variance > 0:
            self.found(line, variance, "shrinkage")

    def dispatch(self, line: EventLine) -> None:
        movement = self.issue(line, line.quantity, "inventory_transit")
        self.transit[key_of(line)] = self.as_of_the_end(movement)

    def arrival(self, line: EventLine) -> None:
        arrived = self.leave_transit(line)
        movement = self.add(Movement(line, line.quantity, out=False, role="inventory_transit"))
        pool = self.pool(line)
        movement.brought = sum(x.value for x in arrived)
        if self.standard_cost:
            movement.fixed["inventory_transit"] = -movement.brought
            movement.role = "transfer_variance"
            movement.brought = self.standard_move(line.item, pool, line.quantity)
            return
        for layer in arrived:
            self.receive(pool, layer)

    def lost_in_transit(self, line: EventLine) -> None:
        lost = self.leave_transit(line)
        movement = Movement(line, line.quantity, out=True, role="shrinkage", home="inventory_transit", taken=lost)
        self.movements[key_of(line)] = movement

    def standard_changed(self, line: EventLine) -> None:
        assert line.extra is not None
        self.standards[line.item] = Fraction(line.extra["unit_price"]) * self.v.scale / 10**6
        movement = Movement(line, 0, out=False, role="standard_revaluation")
        self.movements[key_of(line)] = movement
        for (item, _), pool in self.pools.items():
            if item == line.item:
                movement.brought += self.standard_move(item, pool, 0)

    # ---- what they have in common

    def add(self, movement: Movement) -> Movement:
        line = movement.line
        self.movements[key_of(line)] = movement
        self.stock[(line.item, line.location)] += -movement.quantity if movement.out else movement.quantity
        return movement

    def place(self, line: EventLine) -> str:
        return line.location if self.v.by_location else ""

    def pool(self, line: EventLine) -> Pool:
        return self.pools[(line.item, self.place(line))]

    def as_of_the_end(self, movement: Movement) -> list[Layer]:
        """What an issue hands over, its provisional part at what it is known to cost at the end of this prefix (§5)."""
        held = self.assumed.get(key_of(movement.line), movement)
        return [*(replace(x) for x in movement.taken), *held.handed[len(held.taken) :]]

    def bring(self, line: EventLine, quantity: int, worth: int, role: str, fixed: Counter[str] | None = None) -> None:
        """An inbound movement with a cost of its own: a layer at its own place."""
        movement = self.add(Movement(line, quantity, out=False, role=role, fixed=fixed or Counter(), brought=worth))
        if self.standard_cost:
            movement.brought = self.standard_move(line.item, self.pool(line), quantity)
        else:
            self.receive(self.pool(line), Layer(order_key(line), key_of(line), quantity, worth))

    def found(self, line: EventLine, quantity: int, role: str) -> None:
        worth = self.current_cost(line, quantity)
        assert worth is not None, "histories find nothing that never had a cost"
        self.bring(line, quantity, worth, role)

    def current_cost(self, line: EventLine, quantity: int) -> int | None:
        """§5: round(pool value × q / pool quantity); at or below zero the last known cost; None without any history."""
        pool = self.pool(line)
        if self.standard_cost:
            return self.standard_value(line.item, pool.quantity + quantity) - pool.value
        if pool.quantity > 0:
            return self.v.share(pool.value, quantity, pool.quantity)
        unit = self.last_known(line)
        return None if unit is None else round_fraction(unit * quantity, self.v.rounding)

    def last_known(self, line: EventLine) -> Fraction | None:
        own = self.pool(line).last
        others = [p.last for (item, _), p in self.pools.items() if item == line.item and p.last is not None]
        assert own is not None or len(others) < 2, "histories have two locations"
        return own if own is not None or not others else others[0]

    def standard_value(self, item: str, quantity: int) -> int:
        return round_fraction(self.standards[item] * quantity, self.v.rounding)

    def standard_move(self, item: str, pool: Pool, quantity: int) -> int:
        """STD-03: the pool is always worth round(quantity × standard); the difference is the movement's value."""
        before = pool.standard_value
        pool.standard_quantity += quantity
        pool.standard_value = self.standard_value(item, pool.standard_quantity)
        return pool.standard_value - before

    def receive(self, pool: Pool, layer: Layer) -> None:
        """Units with a cost arrive: open issues are settled first, oldest first; what is left becomes a layer (§5)."""
        if not layer.quantity:
            return
        unit = Fraction(layer.value, layer.quantity)
        left, worth = layer.quantity, layer.value
        while pool.open and left:
            issue = pool.open[0]
            n = min(issue.open_quantity, left)
            real = self.v.share(worth, n, left)
            issue.open_value -= self.v.share(issue.open_value, n, issue.open_quantity)
            issue.open_quantity -= n
            issue.settled.append(Layer(layer.place, layer.origin, n, real))
            left, worth = left - n, worth - real
            if not issue.open_quantity:
                pool.open.pop(0)
        pool.last = unit
        if left:
            self.put(pool, Layer(layer.place, layer.origin, left, worth))

    def put(self, pool: Pool, layer: Layer) -> None:
        """A fragment joins the rest of its own layer where that is still there; an average pool has one layer only."""
        average = self.v.method == "weighted_average"
        for held in pool.layers:
            if average or (held.place, held.origin) == (layer.place, layer.origin):
                held.quantity += layer.quantity
                held.value += layer.value
                break
        else:
            pool.layers.append(layer)
        pool.layers.sort(key=lambda x: x.place, reverse=self.v.method == "lifo")
        if average:
            pool.last = Fraction(pool.layers[0].value, pool.layers[0].quantity)

    def issue(self, line: EventLine, quantity: int, role: str, own_layer: Key | None = None) -> Movement:
        """§2: a layer gives round(V × q / Q), the unit that empties it takes the rest; §5 for what is not held."""
        movement = self.add(Movement(line, quantity, out=True, role=role))
        pool = self.pool(line)
        if self.standard_cost:
            worth = -self.standard_move(line.item, pool, -quantity)
            movement.taken.append(Layer(order_key(line), key_of(line), quantity, worth))
            return movement
        missing = quantity
        for layer in sorted(pool.layers, key=lambda x: x.origin != own_layer):
            n = min(layer.quantity, missing)
            if n:
                pool.last = Fraction(layer.value, layer.quantity)
                part = self.v.share(layer.value, n, layer.quantity)
                movement.taken.append(Layer(layer.place, layer.origin, n, part))
                layer.quantity, layer.value, missing = layer.quantity - n, layer.value - part, missing - n
                if layer.quantity and self.v.method == "weighted_average":
                    pool.last = Fraction(layer.value, layer.quantity)  # the average while there is stock
        pool.layers = [layer for layer in pool.layers if layer.quantity]
        if missing:
            unit = self.last_known(line) or Fraction(0)
            fresh = round_fraction(unit * missing, self.v.rounding)
            movement.estimate = movement.open_value = self.v.estimates.get(key_of(line), fresh)
            movement.open_quantity = missing
            pool.open.append(movement)
        return movement

    def cancel_open(self, shipment: Movement, pool: Pool, quantity: int) -> tuple[int, int]:
        """Take back units that are still open in this very pool, at their estimate: (units, value)."""
        if shipment not in pool.open:
            return 0, 0
        n = min(shipment.open_quantity, quantity)
        estimate = self.v.share(shipment.open_value, n, shipment.open_quantity)
        shipment.open_quantity -= n
        shipment.open_value -= estimate
        shipment.cancelled_quantity += n
        shipment.cancelled_value += estimate
        pool.open = [m for m in pool.open if m.open_quantity]
        return n, estimate

    def leave_transit(self, line: EventLine) -> list[Layer]:
        """Partial receipts take the travelling layers in queue order (§7)."""
        key = key_of(self.v.need(line))
        travelling = sorted(self.transit[key], key=lambda x: x.place)
        out, missing = [], line.quantity
        for layer in travelling:
            n = min(layer.quantity, missing)
            if n:
                part = self.v.share(layer.value, n, layer.quantity)
                out.append(Layer(layer.place, layer.origin, n, part))
                layer.quantity, layer.value, missing = layer.quantity - n, layer.value - part, missing - n
        assert not missing, "histories receive no more than was sent"
        self.transit[key] = [layer for layer in travelling if layer.quantity]
        return out
