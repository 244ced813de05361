"""A history held in memory: what `value` runs on, and the smallest store that satisfies `replay.History`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence

from tieout.model.event import EventLine, OrderKey, order_key


class MemoryHistory:
    """Lines by item in order, by event and by document; checkpoints by item. `touches` says which items a line is of."""

    def __init__(self, touches: Callable[[EventLine], Sequence[str]]) -> None:
        self._touches = touches
        self._lines: dict[str, list[tuple[OrderKey, EventLine]]] = {}
        self._events: dict[str, list[EventLine]] = {}
        self._documents: dict[str, list[EventLine]] = {}
        self._wide: dict[tuple[str, str], EventLine] = {}  # lines whose items depend on what they name
        self._types: set[str] = set()
        self.checkpoints: dict[str, list[tuple[OrderKey, bytes]]] = {}

    def add(self, lines: Iterable[EventLine]) -> None:
        for line in lines:
            self._events.setdefault(line.event_id, []).append(line)
            self._types.add(line.type)
            if line.document:
                self._documents.setdefault(line.document, []).append(line)
            if _plain(line):
                for item in {line.item, (line.extra or {}).get("to_item", line.item)}:
                    self._lines.setdefault(item, []).append((order_key(line), line))
            else:
                self._wide[(line.event_id, line.line_id)] = line
        for entries in self._lines.values():
            entries.sort(key=_first)

    def remove(self, event_id: str) -> list[EventLine]:
        """Take an event back; its lines."""
        gone = self._events.pop(event_id, [])
        for line in gone:
            if line.document:
                self._documents[line.document].remove(line)
            self._wide.pop((line.event_id, line.line_id), None)
            for item in {line.item, (line.extra or {}).get("to_item", line.item)}:
                entries = self._lines.get(item, [])
                entries[:] = [entry for entry in entries if entry[1] is not line]
        return gone

    def lines(self, item: str, after: OrderKey | None) -> Sequence[EventLine]:
        entries = self._lines.get(item, [])
        wide = [(order_key(x), x) for x in self._wide.values() if item in self._touches(x)]
        if wide:
            entries = sorted([*entries, *wide], key=_first)
        start = bisect_right(entries, after, key=_first) if after is not None else 0
        return [line for _, line in entries[start:]]

    def event(self, event_id: str) -> Sequence[EventLine]:
        return self._events.get(event_id, ())

    def document(self, number: str) -> Sequence[EventLine]:
        return self._documents.get(number, ())

    def citing(self, names: Collection[str]) -> Sequence[EventLine]:
        return [
            line
            for lines in self._events.values()
            for line in lines
            if line.ref and line.ref.rpartition("#")[0] in names
        ]

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
        """Nothing to learn: `lines` asks `touches` itself."""

    def forget(self, item: str, key: OrderKey) -> None:
        saved = self.checkpoints.get(item)
        if saved:
            del saved[bisect_left(saved, key, key=lambda entry: entry[0]) :]


def _plain(line: EventLine) -> bool:
    return bool(line.item) and not line.type.startswith(("landed_cost.", "kit.", "production."))


def _first(entry: tuple[OrderKey, EventLine]) -> OrderKey:
    return entry[0]
