"""One event line being valued: what every handler uses to move units and value, and to say so as flows.

Handlers look everything up and refuse first, and change state after that, so a refused line leaves no trace.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NoReturn

from tieout.errors import Refused
from tieout.model.event import EventLine, OrderKey, order_key
from tieout.model.journal import Flow
from tieout.model.money import AMOUNT_MAX, from_minor, round_fraction
from tieout.model.quantity import from_scaled
from tieout.valuation.records import Derived, Estimate, Move, Pool, Receipt
from tieout.valuation.refs import named, targets
from tieout.valuation.restate import Restatement, flows_of, resplit, settle
from tieout.valuation.rules import Rules
from tieout.valuation.state import ItemState, NeedsHistory, share
from tieout.valuation.writedowns import release

if TYPE_CHECKING:
    from tieout.valuation.engine import Known, Valuer


# Which row a hand-over into a pool at standard cost books its gap by.
_GAPS: Final = {"ppv": "STD-01", "standard_revaluation": "STD-11"}


class Step:
    """A line, the state of one item it touches, and the rules in force. `flows` is what it gives."""

    __slots__ = ("flows", "key", "known", "line", "only", "role", "rules", "state", "valuer")

    def __init__(
        self, valuer: Valuer, line: EventLine, state: ItemState, rules: Rules, key: OrderKey, known: Known
    ) -> None:
        self.valuer = valuer
        self.line = line
        self.state = state
        self.rules = rules
        self.key = key
        self.known = known
        self.role = known.role
        self.only: Collection[str] | None = None
        self.flows: list[Flow] = []

    def at(self, item: str) -> Step:
        """The same line on another item's state; its flows are this step's."""
        if item not in self.valuer.states and self.only is not None and item not in self.only:
            raise NeedsHistory(item, self.line.ref)
        valuer, line = self.valuer, self.line
        other = Step(valuer, line, valuer.state(item), valuer.rules_for(line, item), self.key, valuer.known(item))
        other.state.up, other.state.pick = other.rules.up, other.rules.pick
        other.flows = self.flows
        return other

    def of(self, line: EventLine, item: str) -> Step:
        """Another line of the same event, valued on an item's state, with flows of its own."""
        valuer = self.valuer
        rules = valuer.rules_for(line, item)
        other = Step(valuer, line, valuer.state(item), rules, order_key(line), valuer.known(item))
        other.state.up, other.state.pick = rules.up, rules.pick
        return other

    def on_its_own(self, line: EventLine) -> Step:
        """Another line, to be read and not valued: it has this state only because it must have one."""
        return Step(self.valuer, line, self.state, self.rules, order_key(line), self.known)

    def link(self, other: Step) -> None:
        """Units go from this item to another one: from here on both are valued together."""
        for here, there in ((self.state, other.state), (other.state, self.state)):
            if there.item not in here.links and here is not there:
                here.links.append(there.item)

    # ---- refusing

    def refuse(self, code: str, message: str, fix: str, amount: int | None = None) -> NoReturn:
        line = self.line
        value = amount if amount is not None else line.amount
        where = f"{line.type} {line.document or line.event_id}" + (f" line {line.line_id}" if line.line_id else "")
        raise Refused(
            message,
            code=code,
            where=where,
            amount=None if value is None else from_minor(value, self.valuer.currency),
            fix=fix,
            item=self.state.item,
            quantity=from_scaled(line.quantity),
        )

    def need_quantity(self) -> int:
        if self.line.quantity <= 0:
            self.refuse("TO4009", f"{self.line.type} needs a quantity above zero", "complete the document line")
        return self.line.quantity

    # ---- reading

    def find(self, types: Collection[str], *, ref: str | None = None) -> list[int]:
        """Movements of this item that the line's reference names, oldest first; see `refs.named`."""
        return named(self.state, self.line.ref if ref is None else ref, types, self.valuer.lookup, self.key)

    def minor(self, text: str) -> int:
        """Minor units of an amount in the event's currency, at the event's rate."""
        rate = Fraction((self.line.extra or {}).get("rate", "1"))
        return round_fraction(Fraction(text) * rate * self.valuer.scale, "half_up" if self.rules.up else "half_even")

    def exact(self, major: Fraction) -> int:
        """Minor units of an exact amount in the company's currency."""
        return round_fraction(major * self.valuer.scale, "half_up" if self.rules.up else "half_even")

    def charges(self) -> dict[str, str]:
        """The header's `amounts` by name; empty on every line but the first."""
        extra = self.line.extra
        amounts: dict[str, str] = extra.get("amounts", {}) if extra else {}
        return amounts

    def share(self, value: int, q: int, quantity: int) -> int:
        return share(value, q, quantity, self.rules.up)

    # ---- pools

    def home(self, location: str | None = None) -> Pool:
        """The pool of our own stock this line's units belong to at `location` (default: the line's)."""
        rules, line = self.rules, self.line
        if rules.by_lot and not line.lot:
            self.refuse("TO4011", f"{self.state.item} is identified by lot and the line names none", "map the lot")
        key = (
            self.role,
            (line.location if location is None else location) if rules.by_location else "",
            line.lot if rules.by_lot else "",
            "",
        )
        state = self.state
        n = state.pool_index.get(key)
        if n is None:
            return state.pool(key, rules.method, rules.mode, rules.joins, rules.fixed)
        pool = state.pools[n]
        if pool.method != rules.method:
            self.valuer.convert(self, pool)
        return pool

    def side(self, role: str, ref: str) -> Pool:
        """A small holding of its own: units of one transfer, shipment or return line."""
        return self.state.pool((role, "", "", ref))

    def standard(self) -> tuple[int, int] | None:
        """Standard cost in force as (value, quantity): by location, else the item's, else its catalogue cost."""
        standards = self.state.standards
        return standards.get(self.line.location) or standards.get("") or self.known.cost

    def need_standard(self) -> tuple[int, int]:
        cost = self.standard()
        if cost is None:
            self.refuse(
                "TO4003",
                f"{self.state.item} is at standard cost, but no standard is in force",
                "enter cost.standard_changed with an earlier date, or the item's catalogue cost",
            )
        return cost

    def last_cost(self, pool: Pool) -> tuple[int, int] | None:
        """Last known cost (§5) as (value, quantity): of this pool, of another one of the item, standard, catalogue."""
        source = self._known(pool)
        return self.standard() if source is None else self.state.unit_cost(source)

    def _known(self, pool: Pool) -> Pool | None:
        """The pool whose last known cost counts: this one, else another of the item that ever had one."""
        if pool.last >= 0:
            return pool
        return next((x for x in self.state.pools if x.key[0] == self.role and not x.key[3] and x.last >= 0), None)

    def within_range(self, value: int) -> int:
        if abs(value) > AMOUNT_MAX:
            self.refuse(
                "TO4016",
                f"{self.state.item}: the value of these units is beyond the 64-bit range of amounts",
                "check the quantity and the price it comes from",
            )
        return value

    def current_cost(self, pool: Pool, q: int) -> tuple[int, Derived | None]:
        """Value of `q` units at the pool's current cost (§5) and what it was derived from; refused without history."""
        value, derived = self._current_cost(pool, q)
        return self.within_range(value), derived

    def _current_cost(self, pool: Pool, q: int) -> tuple[int, Derived | None]:
        state = self.state
        if pool.fixed:
            standard = self.need_standard()
            return self.share(standard[0], pool.quantity + q, standard[1]) - pool.value, None
        source = self._known(pool)
        if source is not None:
            n = state.pool_index[source.key]
            if (source is pool or source.joins) and source.quantity > 0:
                return self.share(source.value, q, source.quantity), (source.value, source.quantity, -1, n, 0)
            own = state.unit_cost(source)
            if own is not None:
                return self.share(own[0], q, own[1]), (0, 0, source.last, n, 0)
        cost = self.standard()
        if cost is None:
            self.refuse(
                "TO4002",
                f"{state.item}: no cost is known for units that come in without one",
                "give the line a price, or load an opening layer or a standard cost",
            )
        return self.share(cost[0], q, cost[1]), None

    # ---- moving units

    def flow(
        self, row: str, debit: str, credit: str, amount: int, quantity: int = 0, *, at: str = "", to: str = ""
    ) -> Flow:
        """Append a flow of this line; `to` and `at` are the debit and the credit location."""
        foreign = self.state.item if self.state.item != self.line.item else ""
        flow = Flow(self.line, row, debit, credit, amount, quantity, to, at, foreign, foreign)
        self.flows.append(flow)
        return flow

    def enter(
        self,
        pool: Pool,
        q: int,
        v: int,
        row: str,
        credit: str,
        location: str,
        *,
        variance: str = "standard_revaluation",
        origin_at: int | None = None,
        part: int = 0,
        derived: Derived | None = None,
        sources: list[tuple[str, int]] | None = None,
    ) -> int:
        """Units into a pool at value `v`, from role `credit` (or several `sources`); settles what the pool owes.

        At standard cost the pool takes the standard and the difference goes to `variance`. Returns the movement.
        """
        if pool.fixed:
            self.need_standard()
        state, line, role = self.state, self.line, pool.key[0]
        n = state.add_move(Move(line, role, credit, location, "", q, v))
        state.stock(role, location, q)
        parts = sources or [(credit, v)]
        if pool.fixed:
            cost = self.need_standard()
            worth = self.share(cost[0], pool.quantity + q, cost[1]) - pool.value
            op = state.shift(pool, q, worth, n, line, self.key)
            state.moves[-1].value = worth
            self._at_standard(row, role, parts, worth - v, variance, q, location)
        else:
            key = (*self.key[:5], f"{self.key[5]}/{part}") if part else self.key
            op = state.put(pool, q, v, n, key, line.event_id, line.line_id, line.at if origin_at is None else origin_at)
            if derived is not None:
                state.derived[op] = (*derived[:4], v)
                state.pools[derived[3]].derived.append(op)
            for source, amount in parts:
                self.flow(row, role, source, amount, q, to=location)
                q = 0
        state.moves[-1].fed = (op,)
        if pool.open:
            self.settle(pool, op)
        return n

    def _at_standard(
        self, row: str, role: str, parts: list[tuple[str, int]], gap: int, variance: str, q: int, location: str
    ) -> None:
        """Dr the pool at standard, Cr the sources as given, the gap to its variance (STD-01, STD-11, TRF-08)."""
        over = -gap if gap < 0 else 0
        for source, amount in parts:
            beyond = min(over, max(amount, 0))
            over -= beyond
            self.flow(row, role, source, amount - beyond, q, to=location)
            q = 0
            if beyond:
                self.flow(row, variance, source, beyond)
        if gap > 0:
            self.flow(row, role, variance, gap, to=location)

    def settle(self, pool: Pool, op: int) -> None:
        restatement = Restatement(self.state)
        settle(self.state, pool, op, restatement)
        self.finish(restatement, "CST-03")

    def check_stock(self, pool: Pool, q: int) -> None:
        if self.rules.block and q > pool.quantity:
            cost = self.last_cost(pool)
            short = q - max(pool.quantity, 0)
            self.refuse(
                "TO4001",
                f"{self.state.item}: {from_scaled(q)} to go out, {from_scaled(pool.quantity)} held",
                "enter the missing receipt, or set negative_stock = provisional",
                self.share(cost[0], short, cost[1]) if cost else None,
            )

    def leave(
        self, pool: Pool, q: int, row: str, debit: str, location: str, *, first: int = -1, silent: bool = False
    ) -> int:
        """Units out of a pool to role `debit`: an issue. What is not held stays open at an estimate. Returns its number."""
        if self.rules.block:
            self.check_stock(pool, q)
        if pool.fixed:
            self.need_standard()
        elif q > pool.quantity:
            self._check_estimate(pool, q - pool.quantity)
        state, role = self.state, pool.key[0]
        released = release(self, q, debit) if state.set_aside else 0
        move = Move(self.line, debit, role, "", location, q, 0)
        if released:
            move.released = released
        n = state.add_move(move)
        state.stock(role, location, -q)
        if pool.fixed:
            cost = self.need_standard()
            move.value = pool.value - self.share(cost[0], pool.quantity - q, cost[1])
            move.taken = (state.shift(pool, -q, -move.value, n, self.line, self.key),)
            if not silent:
                self.flow(row, debit, role, move.value, q, at=location).provisional = pool.quantity < 0
            return n
        worth, held = pool.value, pool.quantity
        if held:
            move.taken = state.take(pool, q if q < held else held, n, first)
        short = q - held
        value = worth - pool.value
        if short > 0:
            estimate = self.estimate(pool, short)
            pool.open.append(Estimate(n, short, estimate))
            move.open_quantity = short
            value += estimate
        move.value = value
        if not silent:
            foreign = "" if state.item == self.line.item else state.item
            self.flows.append(
                Flow(
                    self.line,
                    row,
                    debit,
                    role,
                    value,
                    q,
                    "",
                    location,
                    foreign,
                    foreign,
                    None,
                    "material",
                    short > 0,
                    () if pool.joins else state.consumed(move.taken),
                )
            )
        return n

    def _check_estimate(self, pool: Pool, short: int) -> None:
        """Refuse before anything moves when the estimate of what is not held would be out of range."""
        if pool.quantity:
            layer = self.state.last_to_go(pool)
            self.within_range(self.share(layer.value, short, layer.quantity))
        else:
            self.within_range(self.estimate(pool, short))

    def estimate(self, pool: Pool, q: int) -> int:
        cost = self.last_cost(pool)
        return self.share(cost[0], q, cost[1]) if cost else 0

    def carry(
        self, source: Pool, dest: Pool, q: int, row: str, at: str, to: str, *, variance: str = "transfer_variance"
    ) -> int:
        """Units from one pool to another at what they cost; their layers keep their place in the queue and their age."""
        state, line = self.state, self.line
        if source.fixed:
            self.need_standard()
        if dest.open and source.key[3]:
            q -= self._cancel_own(source, dest, q, row, to)
            if not q:
                return state.move_base + len(state.moves) - 1
        n = self.leave(source, q, row, dest.key[0], at, silent=True)
        move = state.move(n)
        move.debit_location = to
        state.stock(dest.key[0], to, q)
        flow = self.flow(row, dest.key[0], source.key[0], move.value, q, at=at, to=to)
        flow.provisional = move.open_quantity > 0
        if not source.joins:
            flow.layers = state.consumed(move.taken)
        self.deliver(dest, n, move.taken, variance)
        if move.open_quantity:
            estimate = source.open[-1]
            estimate.dest = op = state.put(
                dest, estimate.quantity, estimate.value, n, self.key, line.event_id, line.line_id, line.at
            )
            move.add_fed(op)
            if dest.open:
                self.settle(dest, op)
        return n

    def _cancel_own(self, source: Pool, dest: Pool, q: int, row: str, to: str) -> int:
        """Units that were dispatched although `dest` did not hold them come back to it: their estimate is cancelled, as
        a return cancels its shipment's (§4). Returns how many."""
        state = self.state
        for estimate in dest.open:
            if estimate.dest < state.base or estimate.item:
                continue
            n = state.o_layer[estimate.dest - state.base]
            layer = state.layers[n]
            if state.pools[layer.pool] is not source:
                continue
            u = min(q - (source.quantity - layer.quantity), estimate.quantity)
            if u <= 0:
                return 0
            v = self.share(estimate.value, u, estimate.quantity)
            state.shrink(n, estimate.dest, u, v)
            estimate.quantity -= u
            estimate.value -= v
            move = state.move(estimate.move)
            move.open_quantity -= u
            move.quantity -= u
            move.value -= v
            if not estimate.quantity:
                dest.open.remove(estimate)
            state.add_move(Move(self.line, dest.key[0], source.key[0], to, "", u, v))
            state.stock(dest.key[0], to, u)
            self.flow(row, dest.key[0], source.key[0], v, u, to=to)
            return u
        return 0

    def deliver(self, dest: Pool, n: int, taken: Sequence[int], variance: str) -> None:
        """Put what outflows took into `dest`, each fragment under its own queue key."""
        state = self.state
        move = state.move(n)
        if dest.fixed:
            cost = self.need_standard()
            q = -sum(state.o_q[op - state.base] for op in taken)
            worth = self.share(cost[0], dest.quantity + q, cost[1]) - dest.value
            op = state.shift(dest, q, worth, n, self.line, self.key)
            for out in taken:
                state.o_dest[out - state.base] = op
            if worth != move.value:
                row = _GAPS.get(variance, "TRF-08")
                self.flow(row, dest.key[0], variance, worth - move.value, to=move.debit_location)
            move.add_fed(op)
        else:
            for out in taken:
                i = out - state.base
                layer = state.layers[state.o_layer[i]]
                op = state.put(
                    dest, -state.o_q[i], -state.o_v[i], n, layer.key, layer.event, layer.line, layer.origin_at
                )
                state.o_dest[i] = op
                move.add_fed(op)
                if dest.open:
                    self.settle(dest, op)

    # ---- costs that are known late

    def check_amend(self, receipt: Receipt, change: int) -> None:
        state = self.state
        if receipt.inflow < 0 or change >= 0:
            return
        i = receipt.inflow - state.base
        if i < 0:
            raise NeedsHistory(state.item, f"operation {receipt.inflow}")
        if not state.pools[state.layers[state.o_layer[i]].pool].fixed and state.o_v[i] + change < 0:
            self.refuse(
                "TO4008",
                f"{state.item}: a change of {from_minor(change, self.valuer.currency)} would leave the receipt with a "
                f"negative value (it holds {from_minor(state.o_v[i], self.valuer.currency)})",
                "check the amount; a credit beyond the cost of the goods is income, not cost",
                change,
            )

    def amend(
        self, receipt: Receipt, change: int, counter: str, row: str, variance: str, component: str = "material"
    ) -> None:
        """The cost of a receipt changes: booked where its units are now, against role `counter`; a pool at standard
        cost takes nothing, its change goes to `variance`."""
        if not change:
            return
        state = self.state
        move = state.move(receipt.move)
        if receipt.inflow < 0:
            self.flow(row, move.debit, counter, change).affected = move.line
            restatement = Restatement(state)
            restatement.issue(receipt.move, change)
            self.finish(restatement, row, component)
            return
        i = receipt.inflow - state.base
        if i < 0:
            raise NeedsHistory(state.item, f"operation {receipt.inflow}")
        pool = state.pools[state.layers[state.o_layer[i]].pool]
        if pool.fixed:
            if change > 0:
                self.flow(row, variance, counter, change)
            else:
                self.flow(row, counter, variance, -change)
            return
        move.value += change
        flow = self.flow(row, move.debit, counter, change, to=move.debit_location)
        flow.affected = move.line
        flow.component = component
        if component != "material":
            state.added.setdefault(receipt.inflow, []).append((component, change))
        restatement = Restatement(state)
        restatement.amend(receipt.inflow, change)
        self.finish(restatement, row, component)

    def release(self, op: int) -> None:
        """A receipt that was valued at current cost has its own cost now."""
        derived = self.state.derived.pop(op, None)
        if derived is not None:
            self.state.pools[derived[3]].derived.remove(op)

    def finish(
        self,
        restatement: Restatement,
        row: str,
        component: str = "material",
        passed: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:
        """Carry a restatement through this item and every item it crosses into, and append its flows. A change that comes
        back to a hand-over it went through already goes to `assembly_variance` and no further (`valuation-rules` §6)."""
        restatement.run()
        state = restatement.state
        self.flows.extend(flows_of(restatement, self.line, row, component))
        for n in sorted(restatement.moved):
            if state.move(n).parts:
                self.flows.extend(resplit(state, self.line, row, n))
        for (item, op), change in sorted(restatement.crossed.items()):
            there = self.valuer.state(item)
            if (item, op) in passed:
                self._stop_at(there, op, change, row)
                continue
            if component != "material":
                there.added.setdefault(op, []).append((component, change))
            other = Restatement(there)
            other.amend(op, change)
            self.finish(other, row, component, passed | {(item, op)})

    def _stop_at(self, state: ItemState, op: int, change: int, row: str) -> None:
        if op < state.base:
            raise NeedsHistory(state.item, f"operation {op}")
        role = state.pools[state.layers[state.o_layer[op - state.base]].pool].key[0]
        flow = self.flow(row, "assembly_variance", role, change)
        flow.item = flow.credit_item = state.item
        flow.affected = state.move(state.o_move[op - state.base]).line

    def sources(self, types: Collection[str]) -> list[EventLine]:
        """Known event lines the reference names, whatever their item."""
        return targets(self.line.ref, types, self.valuer.lookup, self.key)
