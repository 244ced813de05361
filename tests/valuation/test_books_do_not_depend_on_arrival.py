"""Any order of arrival, duplicated and late, ends in the same books; valuing bit by bit equals valuing from nothing."""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.valuation.golden import books, flows_of, valuer_for
from tests.valuation.histories import History, arrivals, histories, tell

from tieout.model.event import Event, EventLine, OrderKey, lines_of, order_key
from tieout.model.journal import Flow
from tieout.valuation import engine, replay, state
from tieout.valuation.replay import Change, advance

METHODS = ("fifo", "weighted_average", "standard", "lifo")
Line = tuple[str, ...]


def policy_for(method: str, scope: str) -> dict[str, str]:
    framework = {"framework": "us_gaap"} if method == "lifo" else {}
    return {"cost_method": method, "cost_scope": scope, **framework}


@given(st.data(), st.sampled_from(METHODS), st.sampled_from(["entity", "location"]))
def test_ten_permutations_with_duplicates_and_late_edits_give_the_same_books(
    data: st.DataObject, method: str, scope: str
) -> None:
    history = data.draw(histories(method=method))
    note(tell(history))
    policy = policy_for(method, scope)
    in_order = books(history.events, policy, history.currency)
    for _ in range(10):
        assert books(data.draw(arrivals(history.events)), policy, history.currency) == in_order


def summary(flows: Iterable[Flow]) -> Counter[Line]:
    """Amounts and quantities by everything a booking is told apart by. Zeros are nothing."""
    out: Counter[Line] = Counter()
    for flow in flows:
        line, affected = flow.line, flow.affected
        key = (
            *(
                line.event_id,
                line.line_id,
                flow.row,
                flow.debit,
                flow.credit,
                flow.debit_location,
                flow.credit_location,
            ),
            *(flow.item or line.item, flow.credit_item or line.item, str(flow.provisional)),
            *((affected.event_id, affected.line_id) if affected else ("", "")),
        )
        out[(*key, "amount")] += flow.amount
        out[(*key, "quantity")] += flow.quantity
    return Counter({key: amount for key, amount in out.items() if amount})


@contextmanager
def small_blocks() -> Iterator[None]:
    """Checkpoints every two lines and a short memory, so that a dozen events exercise what takes thousands."""
    before = state.BLOCK, state.WINDOW, engine.MOVEMENTS_MIN
    state.BLOCK, state.WINDOW, engine.MOVEMENTS_MIN = 2, 3, 1  # type: ignore[misc]
    try:
        yield
    finally:
        state.BLOCK, state.WINDOW, engine.MOVEMENTS_MIN = before  # type: ignore[misc]


class Memory:
    """What a store knows, kept in dictionaries: current lines, checkpoints, and the flows posted for each line."""

    def __init__(self, policy: dict[str, str], currency: str) -> None:
        self.policy, self.currency = policy, currency
        self.current: dict[str, Event] = {}
        self.by_event: dict[str, list[EventLine]] = {}
        self.checkpoints: defaultdict[str, dict[OrderKey, bytes]] = defaultdict(dict)
        self.flows: dict[tuple[str, str], list[Flow]] = {}
        self.refused: set[tuple[str, str]] = set()
        self.restart()

    def restart(self) -> None:
        self.valuer = valuer_for(self.policy, self.currency, lookup=self)

    # ---- the Protocol that replay asks for

    def event(self, event_id: str) -> Sequence[EventLine]:
        return self.by_event.get(event_id, [])

    def document(self, number: str) -> Sequence[EventLine]:
        return [line for lines in self.by_event.values() for line in lines if line.document == number]

    def lines(self, item: str, after: OrderKey | None) -> Sequence[EventLine]:
        found: list[tuple[OrderKey, EventLine]] = []
        for lines in self.by_event.values():
            for line in lines:
                if (after is None or order_key(line) > after) and item in self.valuer.touches(line):
                    insort(found, (order_key(line), line), key=lambda pair: pair[0])
        return [line for _, line in found]

    def citing(self, names: Collection[str]) -> Sequence[EventLine]:
        return [x for lines in self.by_event.values() for x in lines if x.ref.rpartition("#")[0] in names]

    def has(self, event_type: str) -> bool:
        return bool(self.of_type(event_type))

    def of_type(self, event_type: str) -> Sequence[EventLine]:
        return [x for lines in self.by_event.values() for x in lines if x.type == event_type]

    def in_currency(self, currency: str) -> Sequence[EventLine]:
        return [x for lines in self.by_event.values() for x in lines if (x.extra or {}).get("currency") == currency]

    def checkpoint(self, item: str, before: OrderKey) -> tuple[OrderKey, bytes] | None:
        keys = [key for key in self.checkpoints[item] if key < before]
        return (max(keys), self.checkpoints[item][max(keys)]) if keys else None

    def save(self, item: str, key: OrderKey, data: bytes) -> None:
        self.checkpoints[item][key] = data

    def touched(self, line: EventLine, items: Sequence[str]) -> None:
        """Nothing to learn: `lines` finds them."""

    def forget(self, item: str, key: OrderKey) -> None:
        self.checkpoints[item] = {at: data for at, data in self.checkpoints[item].items() if at < key}

    # ---- landing and posting

    def deliver(self, events: Sequence[Event]) -> None:
        changes: list[Change] = []
        for event in events:
            known = self.current.get(event.id)
            if known is not None and known.revision >= event.revision:
                continue
            old = self.by_event.pop(event.id, [])
            self.current[event.id] = event
            if not event.void:
                self.by_event[event.id] = lines_of(event, currency=self.currency)
            changes = [c for c in changes if c.gone or c.line.event_id != event.id]
            changes += [Change(line, gone=True) for line in old]
            changes += [Change(line) for line in self.by_event.get(event.id, [])]
        for result in advance(self.valuer, self, changes):
            key = (result.line.event_id, result.line.line_id)
            kept: list[Flow] = []
            if result.items is not None:
                kept = [f for f in self.flows.get(key, []) if (f.item or f.line.item) not in result.items]
            self.flows[key] = kept + result.flows
            self.refused.discard(key)
            if result.error is not None:
                self.refused.add(key)

    def books(self) -> Counter[Line]:
        return summary(flow for flows in self.flows.values() for flow in flows)

    def from_nothing(self) -> Counter[Line]:
        return summary(flows_of(list(self.current.values()), self.policy, self.currency))


class Deliveries(RuleBasedStateMachine):
    """A feed delivered event by event in any order; restarts and lost caches in between."""

    @initialize(data=st.data(), method=st.sampled_from(METHODS), scope=st.sampled_from(["entity", "location"]))
    def begin(self, data: Any, method: str, scope: str) -> None:
        self.history: History = data.draw(histories(method=method))
        note(tell(self.history))
        self.waiting = list(self.history.events)
        self.delivered: list[Event] = []
        self.memory = Memory(policy_for(method, scope), self.history.currency)

    def take(self, data: Any, count: int) -> list[Event]:
        taken = []
        for _ in range(min(count, len(self.waiting))):
            taken.append(self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1))))
        self.delivered += taken
        return taken

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), count=st.integers(1, 6))
    def batch(self, data: Any, count: int) -> None:
        with small_blocks():
            self.memory.deliver(self.take(data, count))

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def again(self, data: Any) -> None:
        before = self.memory.books()
        with small_blocks():
            self.memory.deliver(data.draw(st.lists(st.sampled_from(self.delivered), min_size=1, max_size=4)))
        assert self.memory.books() == before

    @rule()
    def restart(self) -> None:
        self.memory.restart()

    @rule(movements_max=st.integers(0, 6))
    def memory_is_short(self, movements_max: int) -> None:
        self.memory.valuer.movements_max = movements_max

    @rule()
    def lose_every_checkpoint(self) -> None:
        self.memory.checkpoints.clear()
        self.memory.restart()

    @invariant()
    def the_books_are_those_of_valuing_from_nothing(self) -> None:
        if hasattr(self, "memory"):
            assert self.memory.books() == self.memory.from_nothing()

    def teardown(self) -> None:
        if hasattr(self, "memory"):
            with small_blocks():
                self.memory.deliver(self.waiting)
            assert self.memory.books() == self.memory.from_nothing()


TestDeliveries = Deliveries.TestCase


@given(st.data(), st.sampled_from(METHODS), st.sampled_from(["entity", "location"]))
def test_state_rebuilt_from_nothing_equals_state_kept_to_the_byte(data: st.DataObject, method: str, scope: str) -> None:
    history = data.draw(histories(method=method))
    note(tell(history))
    kept, rebuilt = (Memory(policy_for(method, scope), history.currency) for _ in range(2))
    with small_blocks():
        for event in data.draw(arrivals(history.events)):
            kept.deliver([event])
        rebuilt.deliver(sorted(history.events, key=lambda e: e.revision))
    assert kept.books() == rebuilt.books()
    assert replay.END is not None
