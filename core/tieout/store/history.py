"""What is known about items, read for valuation: their current event lines in order, documents, and checkpoints.

A reader sees the world as far as valuation has come: what landed up to batch `done`, and of the batches after it up to
`up_to` what happened not later than `horizon` (UTC microseconds). So a long first load is valued in order of time, in
pieces, whatever order its streams were pulled in. Every line handed out carries its row id (`EventLine.row`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy import select

from tieout.model.event import EventLine, OrderKey, order_key
from tieout.store.lines import lines_by_number, load_lines, moves
from tieout.store.names import Names
from tieout.store.schema import checkpoint, event, movement, superseded, touch
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
        self.since = since
        if since is not None:
            self.visible = sa.and_(self.visible, event.c.at >= since)
        self._landed: tuple[list[EventLine], int, int] | None = None
        self._new: dict[str, list[EventLine]] = {}
        self._saved: set[str] = set()
        self._touches: bool | None = None
        self._types: dict[str, bool] = {}
        self._documents: dict[str, Sequence[EventLine]] = {}
        self._events: dict[str, Sequence[EventLine]] = {}

    # ── lines ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def lines(self, item: str, after: OrderKey | None = None) -> list[EventLine]:
        """Current lines that touch an item, in order, after a key."""
        self._learn()
        found = self._new.get(item)
        if found is None:
            number = self.names.find(self.tx, "item", [item]).get(item)
            if number is None:
                return []
            found = self._load(event.c.id.in_(moves(self.names.company, number, None if after is None else after[0])))
        found = [*found, *self._touching(item)]
        keyed = sorted((order_key(line), n) for n, line in enumerate(found))
        return [found[n] for key, n in keyed if after is None or key > after]

    def _touching(self, item: str) -> list[EventLine]:
        """Lines of other items, or of none, that are known to touch an item."""
        number = self.names.find(self.tx, "item", [item]).get(item)
        columns = touch.c
        rows = select(columns.event).where(columns.company == self.names.company, columns.item == number)
        numbers = list(self.tx.execute(rows).scalars()) if number is not None and self._anything_touches() else []
        return [line for line in self._load(event.c.id.in_(numbers)) if line.item != item] if numbers else []

    def _anything_touches(self) -> bool:
        if self._touches is None:
            query = select(touch.c.event).where(touch.c.company == self.names.company).limit(1)
            self._touches = self.tx.execute(query).first() is not None
        return self._touches

    def document(self, number: str) -> Sequence[EventLine]:
        """Current lines of a document number, of any type."""
        found = self._documents.get(number)
        if found is None:
            found = self._documents[number] = self._load(event.c.document == number)
        return found

    def event(self, event_id: str) -> Sequence[EventLine]:
        """Current lines of an event."""
        self._learn()
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

    def has(self, event_type: str) -> bool:
        """Whether the company ever had a line of this type."""
        found = self._types.get(event_type)
        if found is None:
            found = self._types[event_type] = bool(self.names.find(self.tx, "type", [event_type]))
        return found

    def of_type(self, event_type: str) -> Sequence[EventLine]:
        """Current lines of a type."""
        number = self.names.find(self.tx, "type", [event_type]).get(event_type)
        return [] if number is None else self._load(event.c.type == number)

    def in_currency(self, currency: str) -> Sequence[EventLine]:
        """Current lines whose amounts are in a foreign currency."""
        return self._load(event.c.extra.contains(f'"currency":"{currency}"', autoescape=True))

    def _cites(self) -> bool:
        """Whether any line refers to another at all: most plain feeds never do."""
        of_company = event.c.company + 0 == self.names.company  # a sum, so that the index of references is used
        query = sa.select(event.c.id).where(event.c.ref.is_not(None), of_company).limit(1)
        return self.tx.execute(query).first() is not None

    def landed(self, done: int, after: int, until: int, ahead: Collection[int]) -> list[EventLine]:
        """Current lines of batches after `done`, between two instants (the second included), and those of `ahead`."""
        between = (event.c.at > after) & (event.c.at <= until) | event.c.id.in_(list(ahead))
        return self._land(self._load(event.c.batch > done, between), done, after)

    def landed_lines(self, found: list[EventLine], done: int, after: int) -> list[EventLine]:
        """What `landed` gives, where the current lines between the two instants are at hand."""
        if self.since is not None:
            found = [line for line in found if line.at >= self.since]
        return self._land(found, done, after)

    def _land(self, found: list[EventLine], done: int, after: int) -> list[EventLine]:
        self._landed = (found, done, after)
        return found

    def _learn(self) -> None:
        """What the lines that landed tell without reading: whole events, and items of which they are all there is. Only
        a line that is not simply the next of its item asks."""
        if self._landed is None:
            return
        (found, done, after), self._landed = self._landed, None
        by_item: dict[str, list[EventLine]] = {}
        whole: dict[str, list[EventLine]] = {}
        for line in found:  # the lines of an event share its instant and its batch: these are all of them
            whole.setdefault(line.event_id, []).append(line)
            if line.item:
                by_item.setdefault(line.item, []).append(line)
        self._events.update(whole)
        numbers = self.names.find(self.tx, "item", by_item)
        older = self.tx.known_before(movement, "item", list(numbers.values()), self.names.company, done, after)
        self._new = {
            item: by_item[item] for item, number in numbers.items() if number not in older and item not in self._saved
        }

    def rows(self, numbers: Collection[int]) -> list[EventLine]:
        """Lines by row id, whether they still count or not."""
        return lines_by_number(self.tx, self.names, numbers)[1] if numbers else []

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
        self._learn()
        if item in self._new:
            return None
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
        self._new.pop(item, None)
        self._saved.add(item)
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
        self._touches = True


class ReadingHistory(StoreHistory):
    """A history that writes nothing: no checkpoints are kept, and touches are remembered only while it lives.

    `touching` (item → lines) may be handed from one such history to the next of the same valuation.
    """

    touching: dict[str, dict[OrderKey, EventLine]] | None = None

    def lines(self, item: str, after: OrderKey | None = None) -> list[EventLine]:
        found = super().lines(item, after)
        more = (self.touching or {}).get(item)
        if not more:
            return found
        keyed = {order_key(line): line for line in found}
        keyed.update((key, line) for key, line in more.items() if after is None or key > after)
        return [keyed[key] for key in sorted(keyed)]

    def save(self, item: str, key: OrderKey, data: bytes) -> None: ...

    def forget(self, item: str, key: OrderKey) -> None: ...

    def touched(self, line: EventLine, items: Sequence[str]) -> None:
        if self.touching is None:
            self.touching = {}
        for item in items:
            if item and item != line.item:
                self.touching.setdefault(item, {})[order_key(line)] = line
