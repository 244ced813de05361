"""Event lines in, flows out. `Valuer.step` takes the lines in their total order, one at a time.

    line ──▶ items it touches ──▶ their states ──▶ handler of its type ──▶ flows (and the states moved on)

What a type does is one row of `HANDLERS`; each handler names the matrix rows it makes true. A line that cannot be
valued raises `Refused` and leaves every state as it was. State is a cache: it may be dropped at any time and is rebuilt
by stepping the same lines again (`replay.py`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from fractions import Fraction
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias

from tieout.errors import Refused
from tieout.model.catalogue import EVENT_TYPES
from tieout.model.event import EventLine, OrderKey, order_key
from tieout.model.facts import NO_FACTS, Facts
from tieout.model.journal import Flow
from tieout.model.master import Item
from tieout.model.money import exponent
from tieout.model.policy import Policy, PolicyBook
from tieout.model.quantity import SCALE
from tieout.settlement.rules import rules_under
from tieout.settlement.terms import Terms
from tieout.valuation import (
    adjustments,
    claims,
    clearing,
    commitments,
    consignment,
    corrections,
    counts,
    dropship,
    expected_returns,
    intercompany,
    kits,
    landed,
    method_change,
    opening,
    overhead,
    pending,
    production,
    purchasing,
    rebates,
    returns,
    sales,
    standard,
    supplier_returns,
    transfers,
    warranty,
    writedowns,
)
from tieout.valuation.documents import DOCUMENTS, WIP, home_of, items_of
from tieout.valuation.methods import BUILTIN, CostMethod
from tieout.valuation.records import Pool
from tieout.valuation.refs import Lookup, parse, targets
from tieout.valuation.rules import RuleBook, Rules
from tieout.valuation.state import ItemState
from tieout.valuation.step import Step
from tieout.valuation.straight import shipped

Handler: TypeAlias = Callable[[Step], None]

HANDLERS: Final[Mapping[str, Handler]] = {
    "opening.loaded": opening.loaded,
    "cost.standard_changed": standard.changed,
    "cost.variances_allocated": standard.allocated,
    "purchase.received": purchasing.received,
    "purchase.receipt_confirmed": pending.confirmed,
    "purchase.title_passed": purchasing.title_passed,
    "clearing.written_off": clearing.written_off,
    "ledger.drift_accepted": clearing.drift_accepted,
    "rebate.accrued": rebates.accrued,
    "commitment.assessed": commitments.assessed,
    "cost.recomputed": corrections.recomputed,
    "intercompany.shipped": intercompany.shipped,
    "intercompany.received": intercompany.received,
    "intercompany.returned": intercompany.returned,
    "intercompany.eliminated": intercompany.eliminated,
    "claim.accepted": claims.accepted,
    "consignment.sent": consignment.sent,
    "consignment.sold": consignment.sold,
    "consignment.returned": consignment.returned,
    "consignment.lost": consignment.lost,
    "consignment.taken": consignment.taken,
    "returns.estimated": expected_returns.estimated,
    "returns.released": expected_returns.released,
    "policy.changed": method_change.changed,
    "warranty.replaced": warranty.replaced,
    "warranty.received": warranty.received,
    "cost.written_down": writedowns.written_down,
    "cost.recovered": writedowns.recovered,
    "cost.revalued": writedowns.revalued,
    "purchase.billed": purchasing.billed,
    "purchase.returned": supplier_returns.returned,
    "purchase.credited": supplier_returns.credited,
    "dropship.shipped": purchasing.dropshipped,
    "dropship.returned": dropship.returned,
    "landed_cost.estimated": landed.estimated,
    "landed_cost.billed": landed.billed,
    "landed_cost.allocated": landed.allocated,
    "order.fulfilled": sales.fulfilled,
    "order.delivered": sales.delivered,
    "order.invoiced": sales.invoiced,
    "order.cancelled": sales.cancelled,
    "payout.paid": sales.paid_out,
    "purchase.paid": rebates.discounted,
    "return.received": returns.received,
    "return.dispositioned": returns.dispositioned,
    "stock.adjusted": adjustments.adjusted,
    "kit.assembled": kits.assembled,
    "kit.disassembled": kits.disassembled,
    "production.issued": production.issued,
    "production.reported": production.reported,
    "production.scrapped": production.scrapped,
    "production.completed": production.completed,
    "production.closed": production.closed,
    "production.cancelled": production.cancelled,
    "overhead.incurred": overhead.incurred,
    "overhead.closed": overhead.closed,
    "count.approved": counts.approved,
    "transfer.dispatched": transfers.dispatched,
    "transfer.received": transfers.received,
    "transfer.closed_short": transfers.closed_short,
}

# Types that never move units or their cost: memo here, money elsewhere.
MEMO: Final = frozenset(name for name, spec in EVENT_TYPES.items() if spec.units == "none") - set(HANDLERS)

# Types whose line may stand for several items, or for none by itself: what it names decides.
RECEIPTS: Final = purchasing.RECEIPTS
NAMES: Final[Mapping[str, frozenset[str]]] = {
    "purchase.billed": RECEIPTS,
    "purchase.credited": RECEIPTS | {"purchase.returned", "dropship.returned", "rebate.accrued"},
    "rebate.accrued": RECEIPTS,
    "claim.accepted": RECEIPTS,
    "returns.estimated": frozenset({"order.fulfilled"}),
    "returns.released": frozenset({"order.fulfilled", "returns.estimated"}),
    "clearing.written_off": RECEIPTS | {"purchase.billed"},
    "ledger.drift_accepted": frozenset({"purchase.billed"}),
    "landed_cost.estimated": RECEIPTS,
    "landed_cost.billed": RECEIPTS,
    "landed_cost.allocated": RECEIPTS,
    "order.delivered": frozenset({"order.fulfilled"}),
    "order.invoiced": frozenset({"order.fulfilled"}),
    "order.cancelled": frozenset({"order.fulfilled"}),
    "payout.paid": frozenset({"order.fulfilled"}),
    "purchase.paid": frozenset({"purchase.billed"}),
    "transfer.received": frozenset({"transfer.dispatched"}),
    "transfer.closed_short": frozenset({"transfer.dispatched"}),
}
LANDED: Final = frozenset({"landed_cost.estimated", "landed_cost.billed", "landed_cost.allocated", "claim.accepted"})


WIDE: Final = LANDED | DOCUMENTS  # lines that stand for more items than their own


def is_alone(line: EventLine) -> bool:
    """Whether a line touches its own item only, whatever else is known."""
    return bool(line.item) and line.type not in WIDE and not (line.extra and "to_item" in line.extra)


STATES_MAX: Final = 50_000  # items whose states are held in memory
MOVEMENTS_MAX: Final = 200_000  # movements held in detail over all items, some 120 MB
MOVEMENTS_MIN: Final = 16  # of one item, while it is held at all


class Known(NamedTuple):
    """What valuation needs of an item's master data."""

    category: str
    role: str  # where its own stock lies: inventory or inventory_raw
    stocked: bool
    cost: tuple[int, int] | None  # catalogue cost, as (value, quantity)


class Valuer:
    """Values lines under a policy book. `items` gives master data (KeyError or LookupError: the item is unknown).

    `admit` is called first and may raise `Refused` (a rollout scope, an approval that is missing). `lookup` finds known
    lines by event and by document; without it references reach only what has been stepped.
    """

    def __init__(
        self,
        policies: PolicyBook,
        items: Callable[[str], Item],
        currency: str,
        timezone: str,
        *,
        methods: Mapping[str, type[CostMethod]] = BUILTIN,
        admit: Callable[[EventLine], None] | None = None,
        lookup: Lookup | None = None,
        states_max: int = STATES_MAX,
        movements_max: int = MOVEMENTS_MAX,
        facts: Facts = NO_FACTS,
    ) -> None:
        self.facts = facts
        self.money = rules_under(policies)
        self.book = RuleBook(policies, timezone, methods)
        self.memo = MEMO | self.book.memo
        self.currency = currency
        self.scale = 10 ** exponent(currency)
        self.admit = admit
        self.lookup = lookup
        self.states: OrderedDict[str, ItemState] = OrderedDict()
        self.states_max = states_max
        self.movements_max = movements_max
        self.straight = True  # take the straight way where there is one; it changes nothing
        self._find_item = items
        self._items: dict[str, Item] = {}
        self._known: dict[str, Known] = {}
        self.fiscal_year: Callable[[date], int] = attrgetter("year")

    @property
    def terms(self) -> Terms:
        """What the money side of a line is settled under."""
        return Terms(self.currency, self.lookup, self.facts, self._policy, self.book.day)

    def rate_at(self, currency: str, at: int) -> Fraction | None:
        """The exchange rate of the company's day of an instant; see `Facts.rate`."""
        return self.facts.rate(currency, self.book.day(at))

    def _policy(self, line: EventLine) -> Policy:
        return self.book.at(line.at, "", line.channel).policy

    # ---- master data and policies

    def item(self, sku: str) -> Item:
        item = self._items.get(sku)
        if item is None:
            if len(self._items) > self.states_max:
                self._items.clear()
            item = self._items[sku] = self._find_item(sku)
        return item

    def known(self, sku: str) -> Known:
        """What valuation needs of an item; the pseudo-item "" (a line about no item) is goods of no category."""
        known = self._known.get(sku)
        if known is None:
            if len(self._known) > self.states_max:
                self._known.clear()
            known = self._known[sku] = self._facts(sku)
        return known

    def _facts(self, sku: str) -> Known:
        if not sku:
            return Known("", "inventory", True, None)
        if sku.startswith(WIP):
            return Known("", "inventory_wip", True, None)
        item = self.item(sku)
        cost = None if item.catalogue_cost is None else self.unit_cost(Fraction(item.catalogue_cost))
        return Known(item.category, "inventory_raw" if item.kind == "raw" else "inventory", item.stocked, cost)

    def unit_cost(self, price: Fraction) -> tuple[int, int]:
        """(minor units, millionths) of an exact price per stock unit."""
        exact = price * self.scale / SCALE
        return exact.numerator, exact.denominator

    def is_bundle(self, sku: str) -> bool:
        return bool(sku) and self.item(sku).kind == "bundle"

    def rules_for(self, line: EventLine, sku: str) -> Rules:
        return self.book.at(line.at, self.known(sku).category, line.channel)

    # ---- states

    def state(self, sku: str) -> ItemState:
        state = self.states.get(sku)
        if state is None:
            state = self.states[sku] = ItemState(sku)
        return state

    def snapshot(self, sku: str) -> bytes:
        return self.state(sku).snapshot()

    def restore(self, sku: str, data: bytes) -> None:
        self.states[sku] = ItemState.restore(data)

    def bound(self, save: Callable[[str, OrderKey, bytes], None]) -> None:
        """Keep what is held in memory within `states_max` items and `movements_max` movements over all of them: first
        every state lets go of its older movements, then the items not used for longest go, each with a checkpoint."""
        states = self.states
        held = sum([len(state.moves) for state in states.values()])
        if held > self.movements_max:
            keep = self.movements_max // (2 * len(states))  # half, so that this is seldom done
            for state in states.values():
                state.shorten(max(keep, MOVEMENTS_MIN))
            held = sum([len(state.moves) for state in states.values()])
        if held > self.movements_max or len(states) > self.states_max:
            for item in [sku for sku, state in states.items() if not state.links]:  # linked ones stay together
                if held <= self.movements_max and len(states) <= self.states_max:
                    break
                state = states.pop(item)
                held -= len(state.moves)
                if state.last_key is not None and state.unsaved:
                    save(item, state.last_key, state.snapshot())

    # ---- stepping

    def touches(self, line: EventLine) -> list[str]:
        """Items whose state the line reads or changes, sorted; [""] for a line about no item. Known lines decide what a
        reference without an item stands for."""
        if line.type in DOCUMENTS:
            return sorted(items_of(line, self.lookup))
        if not line.item and line.type in self.memo:
            return []
        if line.type in LANDED:
            items = {x.item for part in landed.parts(line, self.lookup) for x in landed.named_by(part, self.lookup)}
        elif line.item:
            extra = line.extra
            items = {line.item}
            if extra and "to_item" in extra:
                items.add(extra["to_item"])
        else:
            named = targets(line.ref, NAMES.get(line.type, ()), self.lookup, order_key(line))
            items = {home_of(x, self.lookup) if x.type in DOCUMENTS else x.item for x in named}
        return sorted(items) if items else [""]

    def group(self, items: Iterable[str]) -> set[str]:
        """The items and all that are valued together with them, as far as their states are at hand."""
        found = set(items)
        linked = list(found)
        while linked:
            state = self.states.get(linked.pop())
            if state is not None and state.links:
                linked.extend(link for link in state.links if link not in found)
                found.update(state.links)
        return found

    def step(self, line: EventLine, key: OrderKey | None = None, only: Collection[str] | None = None) -> list[Flow]:
        """Value one line. Raises `Refused` (nothing changed) or, when its state is cut short, `NeedsHistory`.
        `key` spares working out the line's order key again. `only`: of a line that stands for several items, value the
        part of these; what belongs to no item is left out then."""
        if key is None:
            key = order_key(line)
        if self.admit is not None:
            self.admit(line)
        rule = self.money.get(line.type)
        if rule is None and line.type == "order.fulfilled" and self.straight:
            flows = shipped(self, line)
            if flows is not None:
                return flows
        due = rule(self.terms, line) if rule is not None else None  # before anything moves: it may refuse
        handler = HANDLERS.get(line.type)
        if handler is None or line.type in self.memo:
            if due is not None:
                return due
            if line.type in self.memo:
                return []
            raise Refused(
                f"{line.type} is not valued by this version",
                code="TO4012",
                where=line.document or line.event_id,
                fix="keep it as an exception until a version has its rows",
            )
        sku = line.item
        if not sku and line.type in DOCUMENTS:
            sku = home_of(line, self.lookup)
        if sku and line.type not in LANDED:
            state = self.states.get(sku) or self.state(sku)
            known = self._known.get(sku) or self.known(sku)
            rules = self.book.at(line.at, known.category, line.channel)
            state.up = rules.up
            state.pick = rules.pick
            step = Step(self, line, state, rules, key, known)
            handler(step)
            if due:
                step.flows.extend(due)
            return step.flows
        items = [sku for sku in self.touches(line) if only is None or sku in only]
        if line.type in LANDED:
            found = self._on(handler, line, self.state(items[0]), self.rules_for(line, items[0]), key, only)
            return [*found, *due] if due and only is None else found
        flows = []
        for sku in items:
            flows.extend(self._on(handler, line, self.state(sku), self.rules_for(line, sku), key))
        if due:
            flows.extend(due)
        return flows

    def _on(
        self,
        handler: Handler,
        line: EventLine,
        state: ItemState,
        rules: Rules,
        key: OrderKey,
        only: Collection[str] | None = None,
    ) -> list[Flow]:
        state.up = rules.up
        state.pick = rules.pick
        step = Step(self, line, state, rules, key, self.known(state.item))
        step.only = only
        handler(step)
        return step.flows

    def convert(self, step: Step, pool: Pool) -> None:
        """Carry a pool to the method now in force (`valuation-rules` §8)."""
        standard.convert(step, pool)


def named_kinds(line: EventLine) -> Collection[str]:
    """The kinds of lines a line's reference may name, as far as they decide which items it touches."""
    return NAMES.get(line.type, ())


__all__ = ["DOCUMENTS", "HANDLERS", "LANDED", "MEMO", "NAMES", "Valuer", "named_kinds", "parse"]
