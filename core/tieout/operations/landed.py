"""What landed in a range of batches, by when it happened: read once for all of the range's pieces."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tieout.model.event import EventLine
from tieout.pull.fresh import Fresh
from tieout.store.lines import lines_by_number
from tieout.store.names import Names
from tieout.store.schema import batch, event, superseded
from tieout.store.tx import Tx


class Landed:
    """The event rows of one company's batches after `done` up to `up_to`, in order of time. Rows are 64-bit integers; the
    lines themselves are taken from memory where they landed in this process, else from the database."""

    def __init__(self, tx: Tx, company: int, done: int, up_to: int, fresh: Fresh) -> None:
        self.range = (done, up_to)
        self._instants, self._rows = array("q"), array("q")
        b, s = batch.c, superseded.c
        query = sa.select(b.id, b.event_from, b.event_to).where(
            b.company == company, b.id > done, b.id <= up_to, b.events > 0
        )
        found: list[Any] = list(tx.execute(query.order_by(b.event_from)).all())
        self._batches: list[tuple[int, int, int]] = [(row.id, row.event_from, row.event_to) for row in found]
        if self._batches and not self._remember(fresh):
            self._read(tx, company)
        gone = sa.select(s.event).where(s.batch > done, s.batch <= up_to)
        self._gone = frozenset(tx.execute(gone).scalars())

    def _remember(self, fresh: Fresh) -> bool:
        """Whether all of it landed in this process and is still at hand: then nothing is read."""
        of_batch = [fresh.lines(number) for number, _, _ in self._batches]
        sizes = [last - first + 1 for _, first, last in self._batches]
        if [-1 if lines is None else len(lines) for lines in of_batch] != sizes:
            return False
        found = sorted([(line.at, line.row) for lines in of_batch if lines is not None for line in lines])
        self._instants.extend([at for at, _ in found])
        self._rows.extend([row for _, row in found])
        return True

    def _read(self, tx: Tx, company: int) -> None:
        done, up_to = self.range
        e = event.c
        first, last = min(n for _, n, _ in self._batches), max(n for _, _, n in self._batches)
        # by the rows the batches say, in order of landing; the company as a sum, so that its index is left alone
        among = (e.id >= first) & (e.id <= last) & (e.batch > done) & (e.batch <= up_to) & (e.company + 0 == company)
        for found in tx.chunks(sa.select(e.at, e.id).where(among).order_by(e.at, e.id)):
            self._instants.extend([at for at, _ in found])
            self._rows.extend([row for _, row in found])

    def piece(self, after: int, size: int) -> tuple[Sequence[int], int | None]:
        """Rows of the next `size` lines after an instant, whole instants only, and the last instant among them (None: of
        the whole range nothing is left after these)."""
        instants = self._instants
        start = bisect_right(instants, after)
        if start + size >= len(instants):
            return self._rows[start:], None
        horizon = instants[start + size - 1]
        return self._rows[start : bisect_right(instants, horizon)], horizon

    def lines(self, tx: Tx, names: Names, fresh: Fresh, rows: Sequence[int]) -> list[EventLine]:
        """The lines of these rows that still count, in order of landing."""
        wanted = sorted(set(rows) - self._gone)
        out: list[EventLine] = []
        absent: list[int] = []
        at = 0
        for number, first, last in self._batches:
            start = at = bisect_right(wanted, first - 1, at)
            if at == len(wanted):
                break
            at = bisect_right(wanted, last, at)
            lines = fresh.lines(number) if at > start else None
            if lines is not None and len(lines) == last - first + 1:
                out += [lines[row - first] for row in wanted[start:at]]
            else:
                absent += wanted[start:at]
        if absent:
            out += lines_by_number(tx, names, absent)[1]
            out.sort(key=_row)
        assert len(out) == len(wanted), "a batch does not say which rows it landed"
        return out


def _row(line: EventLine) -> int:
    return line.row
