"""What is known about items, read for valuation: their current event lines in order, documents, and checkpoints.

A reader sees the world as far as valuation has come: what landed up to batch `done`, and of the batches after it up to
`up_to` what happened not later than `horizon` (UTC microseconds). So a long first load is valued in order of time, in
pieces, whatever order its streams were pulled in. Every line handed out carries its row id (`EventLine.row`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from tieout.model.event import EventLine, OrderKey, order_key
from tieout.store.lines import load_lines
from tieout.store.names import Names
from tieout.store.schema import checkpoint, event, superseded, touch
from tieout.store.tx import Tx

NAMES_PER_SELECT = 5_000


class StoreHistory:
    """Lives for one transaction. Writes only checkpoints and touches, both caches. `ahead`: rows beyond the horizon
    that count already, because they replace lines that do not any more. `since`: what happened before a cut-over is in
    its openings and does not count."""

    def __init__(
        self,
        tx: Tx,
        names: Names,
        *,
        done: int,
        up_to: int,
        horizon: int,
        ahead: Collection[int] = (),
        since: int | None = None,
    ) -> None:
        self.tx = tx
        self.names = names
        self.up_to = up_to
        self.visible = sa.or_(
            event.c.batch <= done,
            (event.c.batch <= up_to) & ((event.c.at <= horizon) | event.c.id.in_(list(ahead))),
        )
        if since is not None:
            self.visible = sa.and_(self.visible, event.c.at >= since)
        self._documents: dict[str, Sequence[EventLine]] = {}
        self._events: dict[str, Sequence[EventLine]] = {}

    # ── lines ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def lines(self, item: str, after: OrderKey | None = None) -> list[EventLine]:
        """Current lines that touch an item, in order, after a key."""
        number = self.names.find(self.tx, "item", [item]).get(item)
        if number is None:
            return []
        touched = sa.select(touch.c.event).where(touch.c.company == self.names.company, touch.c.item == number)
        of_item = sa.or_(event.c.item == number, event.c.id.in_(touched))
        where = [of_item] if after is None else [of_item, event.c.at >= after[0]]
        found = self._load(*where)
        keyed = sorted((order_key(line), n) for n, line in enumerate(found))
        return [found[n] for key, n in keyed if after is None or key > after]

    def document(self, number: str) -> Sequence[EventLine]:
        """Current lines of a document number, of any type."""
        found = self._documents.get(number)
        if found is None:
            found = self._documents[number] = self._load(event.c.document == number)
        return found

    def event(self, event_id: str) -> Sequence[EventLine]:
        """Current lines of an event."""
        found = self._events.get(event_id)
        if found is None:
            found = self._events[event_id] = self._load(event.c.key == bytes.fromhex(event_id))
        return found

    def citing(self, names: Collection[str]) -> Sequence[EventLine]:
        """Current lines whose reference names one of these (`e:EVENT`, `d:DOCUMENT`), whatever its line part."""
        if not self._cites():
            return []
        found: set[int] = set()
        wanted = sorted(names)
        for start in range(0, len(wanted), NAMES_PER_SELECT):
            found |= set(
                self.tx.starting_with(event, "ref", [f"{name}#" for name in wanted[start : start + NAMES_PER_SELECT]])
            )
        return self._load(event.c.id.in_(sorted(found))) if found else []

    def _cites(self) -> bool:
        """Whether any line refers to another at all: most plain feeds never do."""
        query = sa.select(event.c.id).where(event.c.company == self.names.company, event.c.ref.is_not(None)).limit(1)
        return self.tx.execute(query).first() is not None

    def landed(self, done: int, after: int, until: int, ahead: Collection[int]) -> list[EventLine]:
        """Current lines of batches after `done`, between two instants (the second included), and those of `ahead`."""
        between = (event.c.at > after) & (event.c.at <= until) | event.c.id.in_(list(ahead))
        found = self._load(event.c.batch > done, between)
        whole: dict[str, list[EventLine]] = {}
        for line in found:  # the lines of an event share its instant and its batch: these are all of them
            whole.setdefault(line.event_id, []).append(line)
        self._events.update(whole)
        return found

    def rows(self, numbers: Collection[int]) -> list[EventLine]:
        """Lines by row id, whether they still count or not."""
        return self._keep(event.c.id.in_(list(numbers)))

    def _load(self, *where: sa.ColumnElement[bool]) -> list[EventLine]:
        gone = sa.select(superseded.c.event).where(superseded.c.event == event.c.id, superseded.c.batch <= self.up_to)
        return self._keep(*where, self.visible, ~sa.exists(gone))

    def _keep(self, *where: sa.ColumnElement[bool]) -> list[EventLine]:
        numbers, lines = load_lines(self.tx, self.names, *where, current=False, order=True)
        for number, line in zip(numbers, lines, strict=True):
            line.row = number
        return lines

    # ── caches ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def checkpoint(self, item: str, before: OrderKey) -> tuple[OrderKey, bytes] | None:
        """The latest state of an item before a key, with the key of the last line in it."""
        number = self.names.find(self.tx, "item", [item]).get(item)
        if number is None:
            return None
        c = checkpoint.c
        of_item = (c.company == self.names.company) & (c.item == number) & (c.at <= before[0])
        query = sa.select(c.order_key, c.state).where(of_item).order_by(c.at.desc())
        for row in self.tx.execute(query).all():
            at, phase, source, sequence, event_id, line_id = json.loads(row.order_key)
            key: OrderKey = (at, phase, source, sequence, event_id, line_id)
            if key < before:
                return key, row.state
        return None

    def save(self, item: str, key: OrderKey, data: bytes) -> None:
        """Keep a state; one per item and instant."""
        number = self.names.intern(self.tx, "item", [item])[item]
        c = checkpoint.c
        same = (c.company == self.names.company) & (c.item == number) & (c.at == key[0])
        self.tx.execute(sa.delete(checkpoint).where(same))
        columns = ("company", "item", "at", "order_key", "state")
        self.tx.insert(checkpoint, columns, [(self.names.company, number, key[0], json.dumps(key), data)])

    def forget(self, item: str, key: OrderKey) -> None:
        """Forget the states of an item from a key on (whole instants)."""
        number = self.names.find(self.tx, "item", [item]).get(item)
        if number is not None:
            c = checkpoint.c
            self.tx.execute(
                sa.delete(checkpoint).where((c.company == self.names.company) & (c.item == number) & (c.at >= key[0]))
            )

    def touched(self, line: EventLine, items: Sequence[str]) -> None:
        """Remember which items a line touches beside its own."""
        others = [item for item in items if item and item != line.item]
        if not others:
            return
        numbers = self.names.intern(self.tx, "item", others)
        found = self.tx.select_keys(touch, ("item",), "event", [line.row], company=self.names.company)
        known = {row[0] for row in found}
        new = [(self.names.company, numbers[item], line.row) for item in others if numbers[item] not in known]
        self.tx.insert(touch, ("company", "item", "event"), new)
