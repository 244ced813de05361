"""Which pending entries may leave together: one of each lineage, none that must not overtake an unsettled one."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tieout.store import outbox

_THROUGH = (outbox.POSTED, outbox.CONFIRMED, outbox.WITHDRAWN)


class Chains:
    """The pending entries of a lane in their order. `stuck`: entries behind which nothing of their lineage leaves.
    `waits`: entry id → earlier unsettled entries that carry bookings of the same events. `blocked` counts what was
    taken out because its chain is stuck."""

    def __init__(self, rows: Iterable[Any], stuck: Iterable[Any], waits: Mapping[int, Collection[int]]) -> None:
        self._queue = deque(rows)
        self._pending = {row.id for row in self._queue}
        self._stuck = {row.lineage for row in stuck}
        self._waits = waits
        self._through: set[int] = set()
        self.blocked = 0

    def next_group(self, size: int) -> list[Any]:
        """Take out the oldest entries, `size` at most, that may be on their way at the same time; empty: none can go."""
        group: list[Any] = []
        waiting: list[Any] = []
        lineages: set[str] = set()
        while self._queue and len(group) < size:
            row = self._queue.popleft()
            ahead = set(self._waits.get(row.id, ())) - self._through
            if row.lineage in self._stuck or not ahead <= self._pending:
                self._stop(row)
                self.blocked += 1
            elif row.lineage in lineages or ahead:
                lineages.add(row.lineage)
                waiting.append(row)
            else:
                lineages.add(row.lineage)
                group.append(row)
        self.put_back(waiting)
        return group

    def put_back(self, rows: Collection[Any]) -> None:
        """To the front: entries that were taken out and did not leave."""
        self._queue.extendleft(reversed(list(rows)))

    def settled(self, row: Any, state: str) -> None:
        """An entry of the last group came to `state`; unless it got through, its chain is stuck behind it."""
        if state in _THROUGH:
            self._pending.discard(row.id)
            self._through.add(row.id)
        else:
            self._stop(row)

    def _stop(self, row: Any) -> None:
        self._pending.discard(row.id)
        self._stuck.add(row.lineage)
