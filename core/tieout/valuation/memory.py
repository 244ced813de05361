"""A history held in memory: what `value` runs on, and the smallest store that satisfies `replay.History`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence

from tieout.model.event import EventLine, OrderKey, order_key


class MemoryHistory:
    """Lines by item in order, by event, by document and by what they name; checkpoints by item. `touches` says which items
    a line is of. What a line touches beside its own item is learned when it is valued (`touched`)."""

    def __init__(self, touches: Callable[[EventLine], Sequence[str]]) -> None:
        self._touches = touches
        self._lines: dict[str, list[tuple[OrderKey, EventLine]]] = {}
        self._touching: dict[str, dict[OrderKey, EventLine]] = {}
        self._events: dict[str, list[EventLine]] = {}
        self._documents: dict[str, list[EventLine]] = {}
        self._refs: dict[str, list[EventLine]] = {}
        self._types: set[str] = set()
        self.checkpoints: dict[str, list[tuple[OrderKey, bytes]]] = {}

    def add(self, lines: Iterable[EventLine]) -> None:
        changed: set[str] = set()
        for line in lines:
            self._events.setdefault(line.event_id, []).append(line)
            self._types.add(line.type)
            if line.document:
                self._documents.setdefault(line.document, []).append(line)
            if line.ref:
                self._refs.setdefault(_named(line), []).append(line)
            for item in _own(line):
                self._lines.setdefault(item, []).append((order_key(line), line))
                changed.add(item)
        for item in changed:
            self._lines[item].sort(key=_first)

    def remove(self, event_id: str) -> list[EventLine]:
        """Take an event back; its lines."""
        gone = self._events.pop(event_id, [])
        for line in gone:
            if line.document:
                self._documents[line.document].remove(line)
            if line.ref:
                self._refs[_named(line)].remove(line)
            for item in _own(line):
                self._lines[item] = [entry for entry in self._lines[item] if entry[1] is not line]
        return gone

    def lines(self, item: str, after: OrderKey | None) -> Sequence[EventLine]:
        entries = self._lines.get(item, [])
        more = [
            (key, line)
            for key, line in self._touching.get(item, {}).items()
            if any(line is x for x in self.event(line.event_id)) and item in self._touches(line)
        ]
        if more:
            entries = sorted({**dict(entries), **dict(more)}.items(), key=_first)
        start = bisect_right(entries, after, key=_first) if after is not None else 0
        return [line for _, line in entries[start:]]

    def event(self, event_id: str) -> Sequence[EventLine]:
        return self._events.get(event_id, ())

    def document(self, number: str) -> Sequence[EventLine]:
        return self._documents.get(number, ())

    def citing(self, names: Collection[str]) -> Sequence[EventLine]:
        return [line for name in sorted(names) for line in self._refs.get(name, ())]

    def has(self, event_type: str) -> bool:
        return event_type in self._types

    def of_type(self, event_type: str) -> Sequence[EventLine]:
        return [line for lines in self._events.values() for line in lines if line.type == event_type]

    def in_currency(self, currency: str) -> Sequence[EventLine]:
        every = (line for lines in self._events.values() for line in lines)
        return [line for line in every if line.extra and line.extra.get("currency") == currency]

    def checkpoint(self, item: str, before: OrderKey) -> tuple[OrderKey, bytes] | None:
        saved = self.checkpoints.get(item, [])
        n = bisect_left(saved, before, key=lambda entry: entry[0])
        return saved[n - 1] if n else None

    def save(self, item: str, key: OrderKey, data: bytes) -> None:
        self.forget(item, key)
        self.checkpoints.setdefault(item, []).append((key, data))

    def touched(self, line: EventLine, items: Sequence[str]) -> None:
        """Learn which items a line stands for beside its own."""
        key = order_key(line)
        for item in items:
            if item != line.item or item not in _own(line):
                self._touching.setdefault(item, {})[key] = line

    def forget(self, item: str, key: OrderKey) -> None:
        saved = self.checkpoints.get(item)
        if saved:
            del saved[bisect_left(saved, key, key=lambda entry: entry[0]) :]


def _own(line: EventLine) -> Collection[str]:
    """The items a line is of whatever is known of others."""
    if not line.item or line.type.startswith("landed_cost."):
        return ()
    return {line.item, (line.extra or {}).get("to_item", line.item)}


def _named(line: EventLine) -> str:
    """What a line's reference names, without the line part."""
    return line.ref.rpartition("#")[0]


def _first(entry: tuple[OrderKey, EventLine]) -> OrderKey:
    return entry[0]
