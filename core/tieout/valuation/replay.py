"""Late knowledge: which items to value again, from where, and in what order (`valuation-rules` §9).

    changes ──▶ items they touch ──▶ live state, or the checkpoint before the earliest change ──▶ lines in order ──▶ results

Lines that only append go straight on from the live states. Everything else rewinds just the items it touches; a line
that stands for several items (a freight bill, a merge) is valued with all of them at its place. A line that was valued
again gives all its flows anew; what is already posted is subtracted elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from heapq import heapify, heappop
from operator import itemgetter
from typing import Final, NamedTuple, Protocol

from tieout.errors import Refused
from tieout.model.event import EventLine, OrderKey, order_key
from tieout.model.journal import Flow, new_tuple
from tieout.settlement.related import dependents
from tieout.settlement.rules import LOOKED_AT
from tieout.valuation import overhead, production
from tieout.valuation.engine import DOCUMENTS, HANDLERS, LANDED, WIDE, Valuer, is_alone
from tieout.valuation.intercompany import later_eliminations
from tieout.valuation.refs import Lookup, targets
from tieout.valuation.state import ItemState, NeedsHistory

END: Final[OrderKey] = (2**63 - 1, 0, "", 0, "", "")
REBUILDS_MAX: Final = 8  # rebuilds for one line before giving up: each item it touches once, with room to spare

# Lines that others may already name when they arrive.
_NAMED: Final = frozenset(
    {"purchase.received", "purchase.title_passed", "opening.loaded", "dropship.shipped", "transfer.dispatched"}
    | {"purchase.returned", "rebate.accrued", "transfer.received", "returns.estimated"}
)

_PLAIN: Final = frozenset(HANDLERS) - WIDE
_OF_ONE_ITEM: Final = frozenset({"purchase.received", "order.fulfilled", "stock.adjusted"})
_REPRICING: Final = frozenset({"purchase.billed", "purchase.credited"})


class Change(NamedTuple):
    """A line that is new, or (`gone`) one that no longer counts: superseded by a newer revision, or taken back."""

    line: EventLine
    gone: bool = False


class Result(NamedTuple):
    """All flows a line gives now; none and an `error` where it was refused; none and no error where it is gone.

    `items`: only these items' flows of a line that stands for several (a freight bill over many receipts); what the
    line gives for its other items stays as it was. A flow's item is `flow.item or line.item`.
    """

    line: EventLine
    flows: list[Flow]
    error: Refused | None
    items: tuple[str, ...] | None = None


class History(Lookup, Protocol):
    """What the store (or a test) knows. Lines are current ones: neither superseded nor taken back, changes included."""

    def lines(self, item: str, after: OrderKey | None) -> Sequence[EventLine]:
        """Lines that touch the item (`Valuer.touches`), in order, after a key."""
        ...

    def checkpoint(self, item: str, before: OrderKey) -> tuple[OrderKey, bytes] | None:
        """The latest saved state of the item as of a key before `before`."""
        ...

    def save(self, item: str, key: OrderKey, data: bytes) -> None: ...

    def forget(self, item: str, key: OrderKey) -> None:
        """Drop the item's checkpoints at or after a key."""
        ...

    def touched(self, line: EventLine, items: Sequence[str]) -> None:
        """Learn which items a line stands for beside its own, before `lines` is asked for them."""
        ...


def advance(valuer: Valuer, history: History, changes: Sequence[Change]) -> Iterator[Result]:
    """Value what the changes affect. Results come in the order of valuation, those of lines that are gone first."""
    valuer.lookup = history
    yield from _Run(valuer, history).over(changes)
    for item in dict.fromkeys([change.line.item for change in changes]):
        if item in valuer.states:
            valuer.states.move_to_end(item)
    valuer.bound(history.save)


class _Run:
    def __init__(self, valuer: Valuer, history: History) -> None:
        self.valuer = valuer
        self.history = history
        self.heap: list[tuple[OrderKey, int, EventLine]] = []
        self.active: set[str] = set()
        self.whole: set[OrderKey] = set()  # lines that are valued for all their items
        self.deep: set[str] = set()  # items whose states must keep every movement for now
        self.gone = False
        self.unlinked = False  # something that linked items is gone: what crossed there no longer does
        self.pushed = 0

    def over(self, changes: Sequence[Change]) -> Iterator[Result]:
        gone = [c.line for c in changes if c.gone]
        if gone:
            self.gone = any(line.type not in self.valuer.memo for line in gone)
            self.unlinked = any(line.type not in LANDED and line.item and not is_alone(line) for line in gone)
            here = {(c.line.event_id, c.line.line_id) for c in changes if not c.gone}
            for line in gone:
                if (line.event_id, line.line_id) not in here:
                    yield Result(line, [], None)
        late = self._settling(changes)
        if late:
            known = {order_key(c.line) for c in changes}
            changes = [*changes, *(Change(x) for x in late if order_key(x) not in known)]
        moving = [c for c in changes if c.line.type not in self.valuer.memo]
        memo = self.valuer.memo
        money = {order_key(c.line): c.line for c in changes if c.line.type in memo and not c.gone}
        if moving:
            for result in self._move([*moving, *self._citing(moving)]):
                # A replay comes by lines of money that name its item; those of these changes are told once, below.
                if not money or result.line.type not in memo or order_key(result.line) not in money:
                    yield result
        for key in sorted(money):
            yield self._settled(money[key], key)

    def _settled(self, line: EventLine, key: OrderKey) -> Result:
        """A line that moves nothing: what it names decides it, no state."""
        try:
            return Result(line, self.valuer.step(line, key), None)
        except Refused as error:
            return Result(line, [], error)

    def _settling(self, changes: Sequence[Change]) -> Sequence[EventLine]:
        """Lines whose money may change because these lines did."""
        rules = self.valuer.money
        lines = [line for line, _ in changes if line.type in rules or line.type in LOOKED_AT]
        return dependents(lines, rules, self.history) if lines else ()

    def _move(self, changes: Sequence[Change]) -> Iterator[Result]:
        """Value what moves units or their cost, and all that it affects."""
        first, ordered = self._plan(changes)
        for _, line in ordered:
            if line.extra is None and line.item and line.type not in WIDE:
                continue
            if not is_alone(line):
                self.history.touched(line, self.valuer.touches(line))
        if self._appends(first, ordered):
            yield from self._append(ordered)
            return
        self.active.clear()
        self.whole = {key for key, _ in ordered}
        for key, item in sorted((key, item) for item, key in first.items()):
            if item not in self.active:
                self._activate(item, key)
        yield from self._replay()

    def _citing(self, changes: Sequence[Change]) -> list[Change]:
        """Lines that name a changed line and are not found by its item, or come before it in time."""
        made = [line for line, _ in changes if line.type in DOCUMENTS]
        out = [Change(x) for line in made for x in production.depending(line, self.history)]
        out += [Change(x) for x in overhead.closings_after(made, self.history)] if made else []
        out += [Change(x) for x in later_eliminations((line for line, _ in changes), self.history)]
        keys: dict[str, OrderKey] = {}
        named_types = _NAMED | {"order.fulfilled"} if self.valuer.book.recognises_later else _NAMED
        for line, _ in changes:
            if line.type in named_types:
                named = [line]
            elif line.type in _REPRICING:  # freight by value looks at the price of what it names
                named = [*targets(line.ref, _NAMED, self.history, None), line]
                # A receipt without a price may have waited for this bill, at its own place.
                out.extend(Change(x) for x in named if x.amount is None and x.type == "purchase.received")
            else:
                continue
            key = order_key(line)
            for x in named:
                for name in (f"e:{x.event_id}", f"d:{x.document}" if x.document else ""):
                    if name:
                        keys[name] = min(key, keys.get(name, END))
        if not keys:
            return out
        spread: set[str] = set()
        for line in self.history.citing(keys):
            if line.type in LANDED:
                spread.add(line.event_id)  # its shares on other receipts change with this one
            elif not line.item or order_key(line) < keys[line.ref.rpartition("#")[0]]:
                out.append(Change(line))
        out.extend(Change(line) for event_id in sorted(spread) for line in self.history.event(event_id))
        return out

    def _plan(self, changes: Sequence[Change]) -> tuple[dict[str, OrderKey], list[tuple[OrderKey, EventLine]]]:
        """The earliest changed key of each item, and the lines that are there, in order."""
        keyed = [(order_key(line), line, gone) for line, gone in changes]
        keyed.sort(key=itemgetter(0))
        ordered: list[tuple[OrderKey, EventLine]] = []
        first: dict[str, OrderKey] = {}
        last: OrderKey | None = None
        for key, line, gone in keyed:
            if not gone:
                if key == last:
                    ordered[-1] = (key, line)
                else:
                    ordered.append((key, line))
                    last = key
            item = line.item
            if item and line.extra is None and line.type not in WIDE:
                if item not in first:
                    first[item] = key
                continue
            for item in self._items(line):
                first.setdefault(item, key)
        for item in list(first):
            state = self.valuer.states.get(item)
            if state is not None and state.links:
                for other in self.valuer.group((item,)):
                    first[other] = min(first[item], first.get(other, END))
        return first, ordered

    def _items(self, line: EventLine) -> Sequence[str]:
        if is_alone(line):
            return (line.item,)
        return self.valuer.touches(line)

    def _appends(self, first: dict[str, OrderKey], ordered: Sequence[tuple[OrderKey, EventLine]]) -> bool:
        """Whether every change comes after all that its items have seen, with their states at hand."""
        if self.gone:
            return False
        states = self.valuer.states
        keys: set[OrderKey] = set()
        for item, key in first.items():
            state = states.get(item)
            if state is None:
                keys = keys or {at for at, _ in ordered}
                if any(order_key(x) not in keys for x in self._rewind(item, key)):
                    return False
                state = states[item]
                if state.links:
                    return False  # what it is valued with may have to go back too
            if state.last_key is not None and state.last_key >= key:
                return False
        return True

    def _start(self, item: str, saved: tuple[OrderKey, bytes] | None) -> ItemState:
        state = ItemState(item) if saved is None else ItemState.restore(saved[1])
        self.valuer.states[item] = state
        return state

    # ---- appending

    def _append(self, ordered: list[tuple[OrderKey, EventLine]]) -> Iterator[Result]:
        """Lines in order; runs of those that concern one item alone go item by item, whose state is then at hand: taken in
        turn, nearly all the time would go into fetching one item's state after the other from memory."""
        states = self.valuer.states
        start = 0
        for end, (key, line) in enumerate(ordered):
            if line.type in _OF_ONE_ITEM and line.item and not (line.extra and "to_item" in line.extra):
                continue
            yield from self._item_by_item(ordered[start:end])
            start = end + 1
            state = states.get(line.item)
            if (
                state is None
                or not line.item
                or state.links
                or line.type not in _PLAIN
                or (line.extra and "to_item" in line.extra)
            ):
                yield self._result(line, key)
            else:
                yield self._next(state, line, key)
        yield from self._item_by_item(ordered[start:])

    def _item_by_item(self, run: Sequence[tuple[OrderKey, EventLine]]) -> Iterator[Result]:
        """What lines that concern one item each give, in order. Items that are valued together wait for their turn."""
        states = self.valuer.states
        of_item: dict[str, list[int]] = {}
        for n, (_, line) in enumerate(run):
            numbers = of_item.get(line.item)
            if numbers is None:
                of_item[line.item] = [n]
            else:
                numbers.append(n)
        results: list[Result | None] = [None] * len(run)
        for item, numbers in of_item.items():
            state = states[item]
            if state.links or state.carried:
                continue
            for n in numbers:
                key, line = run[n]
                results[n] = self._next(states[item], line, key)
        for (key, line), result in zip(run, results, strict=True):
            yield self._result(line, key) if result is None else result

    def _next(self, state: ItemState, line: EventLine, key: OrderKey) -> Result:
        """Value the next line of one item."""
        try:
            flows = self.valuer.step(line, key)
        except Refused as error:
            state.last_key = key
            return Result(line, [], error)
        except NeedsHistory:
            return self._result(line, key)
        if state.tick(key):
            self.history.save(line.item, key, state.snapshot())
        return new_tuple(Result, (line, flows, None, None))

    # ---- replaying

    def _activate(self, item: str, key: OrderKey) -> None:
        """Rewind an item (and those it is linked with) to just before `key` and queue its lines from there on."""
        state = self.valuer.states.get(item)
        if state is not None and not state.links and (state.last_key is None or state.last_key < key):
            lines = [x for x in self.history.lines(item, state.last_key) if order_key(x) >= key]
            self.active.add(item)
            self.history.forget(item, key)
        else:
            known = set(self.active)
            lines = self._rewind(item, key)
            for sku in self.active - known | {item}:
                self.history.forget(sku, key)
        for line in lines:
            self.pushed += 1
            self.heap.append((order_key(line), self.pushed, line))
        heapify(self.heap)

    def _rewind(self, item: str, key: OrderKey, since: OrderKey | None = None) -> list[EventLine]:
        """Bring an item's state to just before `key`; returns its lines from there on.

        Linked items go together, from their start. Items in `self.deep` keep every movement from the checkpoint before
        `since` (without it, from the start) on.
        """
        saved: dict[str, tuple[OrderKey, bytes] | None] = {}
        lines: dict[OrderKey, EventLine] = {}
        todo = [item]
        while todo:
            sku = todo.pop()
            start = None
            if not saved and (sku not in self.deep or since is not None):
                start = self.history.checkpoint(sku, since or key)
            state = self._start(sku, start)
            saved[sku] = start
            linked = list(state.links)
            for line in self.history.lines(sku, start[0] if start is not None else None):
                lines[order_key(line)] = line
                if order_key(line) < key:
                    linked.extend(self._partners(line))
            others = [other for other in linked if other not in saved]
            if others and saved[item] is not None:
                return self._rewind_all({item, *others}, key)
            todo.extend(others)
        return self._silently(saved, lines, key)

    def _rewind_all(self, items: Collection[str], key: OrderKey) -> list[EventLine]:
        """Linked items from their start."""
        lines: dict[OrderKey, EventLine] = {}
        todo, seen = list(items), set(items)
        while todo:
            sku = todo.pop()
            for line in self.history.lines(sku, None):
                lines[order_key(line)] = line
                if order_key(line) < key:
                    for other in self._partners(line):
                        if other not in seen:
                            seen.add(other)
                            todo.append(other)
        for sku in seen:
            self._start(sku, None)
        return self._silently(seen, lines, key)

    def _partners(self, line: EventLine) -> Collection[str]:
        """Items a line makes be valued together."""
        if line.type in DOCUMENTS:
            return self.valuer.touches(line)
        return (line.item, line.extra["to_item"]) if line.extra is not None and "to_item" in line.extra else ()

    def _silently(self, items: Collection[str], lines: dict[OrderKey, EventLine], key: OrderKey) -> list[EventLine]:
        """Value again what is before `key`, whose flows are known not to change; returns the rest in order."""
        for item in items:
            self.valuer.states[item].deep = item in self.deep
        rest = []
        for at in sorted(lines):
            line = lines[at]
            if at >= key:
                rest.append(line)
                continue
            try:
                self._step(line, at, items)
            except Refused:
                continue
        self.active.update(items)
        return rest

    def _replay(self) -> Iterator[Result]:
        heap = self.heap
        last: OrderKey | None = None
        while heap:
            key, _, line = heappop(heap)
            if key == last:
                continue
            last = key
            items = self._items(line)
            whole = key in self.whole or line.type not in LANDED or self.unlinked or self._linked(items)
            if whole:
                for item in items:
                    if item not in self.active or not self._before(item, key):
                        self._activate(item, key)
                yield self._result(line, key)
            else:
                yield self._result(line, key, [x for x in items if x in self.active and self._before(x, key)])

    def _linked(self, items: Sequence[str]) -> bool:
        """Whether what the items cost goes on into others: then flows cannot be told apart by item."""
        states = (self.valuer.states.get(item) for item in items if item in self.active)
        return any(state is not None and state.links for state in states)

    def _before(self, item: str, key: OrderKey) -> bool:
        """Whether an item's state has not come to `key` yet."""
        state = self.valuer.states.get(item)
        return state is None or state.last_key is None or state.last_key < key

    def _result(self, line: EventLine, key: OrderKey, only: Collection[str] | None = None) -> Result:
        items = None if only is None else tuple(only)
        try:
            return Result(line, self._step(line, key, only), None, items)
        except Refused as error:
            return Result(line, [], error, items)

    def _step(self, line: EventLine, key: OrderKey, only: Collection[str] | None = None) -> list[Flow]:
        """Step a line; where a state was cut short, value its item again in full detail first."""
        valuer = self.valuer
        mine = [x for x in self._items(line) if only is None or x in only]
        deepened: list[str] = []
        for _ in range(REBUILDS_MAX):
            try:
                flows = valuer.step(line, key, only)
            except Refused:
                for item in mine:
                    if item in valuer.states:
                        valuer.states[item].last_key = key  # seen: something earlier may yet make it possible
                self._flatten(deepened)
                raise
            except NeedsHistory as need:
                since = None if need.item in self.deep else need.key
                if need.item not in self.deep:
                    self.deep.add(need.item)
                    deepened.append(need.item)
                active = set(self.active)
                if need.item not in mine:  # it is only looked at: all of it, as it stands after everything known
                    self._rewind(need.item, END, since)
                for item in mine:
                    self._rewind(item, key, since if item == need.item else None)
                self.active = active
                continue
            self._tick(mine, key)
            self._flatten(deepened)
            return flows
        raise AssertionError(f"{line.event_id}: the history it needs cannot be rebuilt")

    def _flatten(self, deepened: Sequence[str]) -> None:
        """The line is through: let go again of what only it needed."""
        for item in deepened:
            self.deep.discard(item)
            self.valuer.states[item].deep = False
            self.valuer.states[item].trim()

    def _tick(self, items: Sequence[str], key: OrderKey) -> None:
        for item in items:
            state = self.valuer.states.get(item)
            if state is not None and state.tick(key) and not state.deep and not state.links:
                self.history.save(item, key, state.snapshot())
