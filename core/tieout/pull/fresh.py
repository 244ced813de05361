"""What this process has just landed, kept in memory until the books have taken it in: they need not read it back.

A cache of what the database holds, no more: it is filled when a landing is committed, holds the latest batches only, and
is empty in a new process. Whoever asks and gets None reads the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from tieout.model.event import EventLine

FRESH_LINES_MAX = 250_000  # some 100 MB; a first load of more is read back in part


class Fresh:
    """Event lines by batch, as landed. Lines superseded since are still among them, as they are in the table."""

    def __init__(self) -> None:
        self._batches: dict[int, Sequence[EventLine]] = {}
        self._count = 0

    def put(self, batch: int, lines: Sequence[EventLine]) -> None:
        """Remember a committed batch; the oldest go when there are too many. Every line carries its row id."""
        self._batches[batch] = lines
        self._count += len(lines)
        while self._count > FRESH_LINES_MAX:
            oldest = next(iter(self._batches))
            self._count -= len(self._batches.pop(oldest))

    def lines(self, batch: int) -> Sequence[EventLine] | None:
        """All lines of a batch in order of their rows, or None where they are not at hand."""
        return self._batches.get(batch)

    def drop(self, up_to: int) -> None:
        """Forget the batches up to this one: the books have them."""
        for batch in [number for number in self._batches if number <= up_to]:
            self._count -= len(self._batches.pop(batch))
