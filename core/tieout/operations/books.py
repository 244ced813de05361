"""The books of a company: value what has landed, post the difference. The middle of the main loop.

What landed since the last time is taken in order of *effective* time, in pieces of some ten thousand lines, each piece one
transaction with the place it reached. So a first load pulled stream by stream is valued as it happened, a crash goes on
where it was, and memory stays flat. What changes the past goes through replay; what is posted is always the difference.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import NamedTuple

import sqlalchemy as sa

from tieout.deliver.post import Placed, Rules, concerned, plan, post
from tieout.errors import Refused, TieoutError
from tieout.model.event import EventLine
from tieout.model.journal import Booking, Flow, new_tuple
from tieout.model.money import to_minor
from tieout.operations.affiliates import UNPAIRED, admits
from tieout.operations.desk import Desk
from tieout.operations.landed import Landed
from tieout.operations.plugin_rules import PluginRules
from tieout.posting.bookings import Refusal
from tieout.posting.dates import PostingDays
from tieout.posting.owned import CLEARED_BY, WHOLE, booked_in_ledger
from tieout.store.exceptions import NewException, close_numbers, open_exceptions
from tieout.store.history import ReadingHistory, StoreHistory
from tieout.store.holdings import write_holdings
from tieout.store.schema import batch, checkpoint, event, exception, meta, superseded
from tieout.store.stamps import write_kept
from tieout.store.tx import Tx
from tieout.valuation.engine import WIDE, Valuer
from tieout.valuation.replay import Change, advance
from tieout.valuation.state import ItemState

LINES_A_PIECE = 10_000
AHEAD_MAX = 5_000  # replaced lines beyond this many: the whole range in one piece
PIECES_A_COLLECT = 64  # a piece leaves some sixty cycles behind, and looking for them costs 1 µs a line
END_OF_TIME = 2**62
STAGES = ("value", "post")


class Range(NamedTuple):
    """What is being taken in: batches after `done` up to `up_to`, of which everything up to instant `at` is done."""

    done: int
    up_to: int
    at: int


class Piece(NamedTuple):
    """Changes to value together, and how far in time they reach."""

    changes: list[Change]
    history: StoreHistory
    horizon: int
    last: bool


class Outcome(NamedTuple):
    """What valuation says about a piece: should-have bookings by rollout mode, complete for `lines`."""

    should: dict[str, list[Booking]]
    lines: dict[str, dict[int, EventLine]]
    taken_back: list[int]
    refused: list[Refusal]
    events: int
    only: dict[int, set[str]]
    items: set[str]


class Kept(NamedTuple):
    """What a call of `Books.keep` did."""

    events: int = 0
    bookings: int = 0
    corrections: int = 0
    entries: int = 0
    refused: int = 0

    def plus(self, other: Kept) -> Kept:
        return Kept(*(a + b for a, b in zip(self, other, strict=True)))


class Books:
    """One company's subledger and journal. Holds live valuation states between calls; they are a cache."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.plugged = PluginRules(desk.project.plugins)
        self._valuer: Valuer | None = None
        self._landed: Landed | None = None

    # ── keeping ────────────────────────────────────────────────────────────────────────────────────────────────────
    def keep(self, *, retry: bool = False) -> Kept:
        """Value and post everything that has landed; with it, or with `retry` also alone, what was refused before."""
        self.desk.learn_lock()
        total = Kept()
        collecting = gc.isenabled()
        gc.disable()
        try:
            for number in range(1, 1_000_000_000):
                done, more = self._piece(retry=retry and number == 1)
                total = total.plus(done)
                if number % PIECES_A_COLLECT == 0:
                    gc.collect(1)  # what this loop left; not all that lives
                if not more:
                    return total
        except BaseException:
            self._valuer = None  # live states may be ahead of what was committed
            raise
        finally:
            if collecting:
                gc.enable()
        raise AssertionError("the books never came to an end")

    def restate(self) -> Kept:
        """Value everything again with today's rules and post the difference, in one piece."""
        self._valuer = None
        self.desk.learn_lock()
        with self.desk.store.write() as tx:
            history, changes = self._everything(tx, StoreHistory)
            tx.execute(sa.delete(checkpoint).where(checkpoint.c.company == self.desk.id))
            outcome = self._value(history, changes)
            kept = self._post(tx, outcome)
            self._hold(tx, outcome)
            done = [history.up_to, history.up_to, -END_OF_TIME]
            self.desk.store.set_meta(tx, self._key(), json.dumps(done))
            write_kept(tx, self.desk.id, at=self.desk.micros(), batch_to=history.up_to)
        return kept

    def _everything(self, tx: Tx, made: type[StoreHistory]) -> tuple[StoreHistory, list[Change]]:
        newest = self._newest(tx)
        history = made(tx, self.desk.names, done=0, up_to=newest, horizon=END_OF_TIME, since=self.desk.cutover_at(tx))
        return history, _new(history.landed(0, -END_OF_TIME, END_OF_TIME, []))

    def _piece(self, *, retry: bool) -> tuple[Kept, bool]:
        desk = self.desk
        with desk.store.write() as tx:
            span = self._span(tx)
            if span is None and not retry and not self._mended(tx):
                return Kept(), False
            fresh = span is not None
            if span is None:
                newest = self._newest(tx)
                span = Range(newest, newest, -END_OF_TIME)
            piece = self._next(tx, span)
            outcome = self._value(piece.history, piece.changes)
            kept = self._post(tx, outcome)
            self._hold(tx, outcome)
            self._reached(tx, span, piece)
            if fresh or kept.bookings:
                write_kept(tx, desk.id, at=desk.micros(), batch_to=span.up_to if piece.last else span.done)
        return kept, fresh

    def _post(self, tx: Tx, outcome: Outcome) -> Kept:
        desk, now = self.desk, self.desk.micros()
        refused = list(outcome.refused)
        bookings = corrections = entries = 0
        taken_back = outcome.taken_back
        for mode, lines in outcome.lines.items():
            if mode == "shadow":
                continue
            should = outcome.should.get(mode, [])
            done = post(
                tx,
                desk.journal,
                should,
                lines,
                self.rules(mode),
                now=now,
                taken_back=taken_back,
                refused=[refusal for refusal in outcome.refused if refusal.line.row in lines],
                refers=_affected(should),
                only=outcome.only,
            )
            taken_back = []
            bookings += done.bookings
            corrections += done.corrections
            entries += done.entries
            known = {id(refusal) for refusal in outcome.refused}
            refused += [refusal for refusal in done.refused if id(refusal) not in known]
        self._exceptions(tx, outcome, refused)
        return Kept(outcome.events, bookings, corrections, entries, len(refused))

    # ── planning ───────────────────────────────────────────────────────────────────────────────────────────────────
    def plan(self, *, everything: bool = False, tx: Tx | None = None) -> tuple[list[Placed], list[Refusal], int]:
        """What `keep` (or `restate`) would post, without writing: placed bookings, refused events, lines valued. `tx`: as seen
        from inside a transaction that is to be undone."""
        desk = self.desk
        valuer, self._valuer = self._valuer, None
        if tx is None:
            desk.learn_lock()
        try:
            with nullcontext(tx) if tx is not None else desk.store.read() as rx:
                if everything:
                    history, changes = self._everything(rx, ReadingHistory)
                else:
                    span = self._span(rx)
                    if span is None:
                        return [], [], 0
                    history = ReadingHistory(
                        rx, desk.names, done=span.done, up_to=span.up_to, horizon=END_OF_TIME, since=desk.cutover_at(rx)
                    )
                    changes = self._whole(rx, span, history)
                outcome = self._value(history, changes)
                placed: list[Placed] = []
                refused = list(outcome.refused)
                taken_back = outcome.taken_back
                for mode, lines in outcome.lines.items():
                    should = outcome.should.get(mode, [])
                    posted, _ = desk.journal.posted(rx, sorted([*lines, *taken_back]), lines)
                    taken_back = []
                    posted = concerned(posted, outcome.only)
                    found = plan(should, posted, self.rules(mode), [r for r in outcome.refused if r.line.row in lines])
                    placed += found.placed
                    refused += [r for r in found.refused if r not in refused]
                return placed, refused, outcome.events
        finally:
            self._valuer = valuer

    # ── valuing ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _value(self, history: StoreHistory, changes: Sequence[Change]) -> Outcome:
        flows_of: dict[str, list[Flow]] = {}
        lines: dict[str, dict[int, EventLine]] = {}
        taken_back = sorted({change.line.row for change in changes if change.gone})
        gone = set(taken_back)
        refused: list[Refusal] = []
        only: dict[int, set[str]] = {}
        items = {change.line.item for change in changes}
        events = 0
        mode_of = self.desk.mode_of
        one_mode = None if self.desk.company.scopes else self.desk.company.mode
        self.valuer.admit = admits(self.desk, history.tx)
        for line, flows, error, of_items in advance(self.valuer, history, changes):
            if line.row in gone:
                continue
            events += 1
            item = line.item
            items.add(item)
            if not item or line.type in WIDE or (line.extra and "to_item" in line.extra):
                touched = self.valuer.touches(line)
                items.update(touched)
                history.touched(line, touched)
            mode = one_mode or mode_of(item, line.location)
            if of_items is not None:
                only.setdefault(line.row, set()).update(of_items)
            if mode not in lines:
                lines[mode], flows_of[mode] = {}, []
            lines[mode][line.row] = line
            if error is not None:
                refused.append(Refusal(line, error))
            else:
                flows_of[mode] += self._owned(line, flows) if self._ledger_owns else flows
        if self.plugged.types:
            self._plug(flows_of, lines, refused, only)
        if taken_back and not lines:
            lines["post"] = {}
        should: dict[str, list[Booking]] = {}
        for mode, valued in flows_of.items():
            booked = self.desk.booker.book(valued)
            should[mode] = (
                [self._carried(each) for each in booked.bookings] if self.desk.has_go_live else booked.bookings
            )
            refused += booked.refused
        return Outcome(should, lines, taken_back, refused, events, only, items)

    @cached_property
    def _ledger_owns(self) -> bool:
        """Whether the ledger owns vendor bills under any version of the policies."""
        return any(v.values.get("bill_owner") == "ledger" for v in self.desk.company.policies.versions)

    def _owned(self, line: EventLine, flows: list[Flow]) -> list[Flow]:
        """What is left for us of a document that the ledger booked itself."""
        if line.type not in CLEARED_BY and line.type not in WHOLE:
            return flows
        policy = self.desk.company.policies.at(
            self.desk.days.day_of(line.at), self.desk.category(line.item), line.channel
        )
        return booked_in_ledger(flows) if policy.bill_owner == "ledger" else flows

    def _plug(
        self,
        flows_of: dict[str, list[Flow]],
        lines: dict[str, dict[int, EventLine]],
        refused: list[Refusal],
        only: dict[int, set[str]],
    ) -> None:
        """Add what plugins' rules post, once a line, however often valuation came by it."""
        bad = {refusal.line.event_id for refusal in refused}
        for mode, known in lines.items():
            for line in known.values():
                if line.type not in self.plugged.types or line.event_id in bad:
                    continue
                try:
                    flows_of[mode] += self.plugged.flows(line)
                except Refused as error:
                    refused.append(Refusal(line, error))
                if line.row in only:
                    only[line.row].add(line.item)

    def _carried(self, each: Booking) -> Booking:
        """What happened before go-live is in the ledger already: value ledger only (OPN-02)."""
        go_live = self.desk.go_live(each.line.item, each.line.location)
        return each._replace(row="OPN-02") if go_live is not None and each.line.at < go_live else each

    @property
    def valuer(self) -> Valuer:
        if self._valuer is None:
            company = self.desk.company
            self._valuer = Valuer(
                company.policies,
                self.desk.item,
                company.currency,
                company.timezone.key,
                methods=self.desk.cost_methods(),
                facts=self.desk.facts,
            )
            self._valuer.fiscal_year = lambda day: int(company.calendar.period(day).name.partition("-")[0])
        return self._valuer

    def rules(self, mode: str) -> Rules:
        company = self.desk.company
        return Rules(
            ledger=self.desk.ledger_id,
            days=PostingDays(company.open_days(self.desk.ledger_lock(), self.desk.closed()), company.calendar),
            grouping=company.posting.grouping,
            mode=mode,
            locked_period=lambda line, day: (
                company.policies.at(day, self.desk.category(line.item), line.channel).locked_period
            ),
        )

    # ── what is next ───────────────────────────────────────────────────────────────────────────────────────────────
    def _key(self) -> str:
        return f"books:{self.desk.id}"

    def _span(self, tx: Tx) -> Range | None:
        """The range in hand, or a new one when something landed or waits; None when there is nothing to do."""
        text = tx.execute(sa.select(meta.c.value).where(meta.c.key == self._key())).scalar()
        if text is None:
            done, up_to, at = 0, 0, -END_OF_TIME
        else:
            done, up_to, at = json.loads(text)
        if up_to > done:
            return Range(done, up_to, at)
        newest = self._newest(tx)
        if newest > done:
            return Range(done, newest, -END_OF_TIME)
        return None

    def _newest(self, tx: Tx) -> int:
        """The last batch that landed."""
        return tx.execute(sa.select(sa.func.max(batch.c.id)).where(batch.c.company == self.desk.id)).scalar() or 0

    def _mended(self, tx: Tx) -> bool:
        """Whether something waits that was refused under rules, accounts or masters other than today's, or for want of an
        affiliate's leg and something has landed anywhere since."""
        query = sa.select(exception.c.code).distinct()
        x = exception.c
        where = (x.company == self.desk.id) & (x.state == "open") & x.stage.in_(STAGES) & x.event.is_not(None)
        waiting = set(tx.execute(query.where(where)).scalars())
        if not waiting:
            return False
        key, rules = f"tried:{self.desk.id}", self.desk.rules_digest()
        if UNPAIRED in waiting:
            rules += f" {tx.execute(sa.select(sa.func.max(batch.c.id))).scalar()}"
        known = tx.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()
        if known == rules:
            return False
        self.desk.store.set_meta(tx, key, rules)
        return True

    def _next(self, tx: Tx, span: Range) -> Piece:
        """The next piece of a range, whole instants only. The first one also takes back what was superseded."""
        first = span.at == -END_OF_TIME
        since = self.desk.cutover_at(tx)
        gone, ahead = self._superseded(tx, span) if first else ([], [])
        if len(ahead) > AHEAD_MAX:
            history = StoreHistory(
                tx, self.desk.names, done=span.done, up_to=span.up_to, horizon=END_OF_TIME, since=since
            )
            return Piece(self._whole(tx, span, history), history, END_OF_TIME, True)
        landed = self._landed_in(tx, span)
        numbers, end = landed.piece(span.at, LINES_A_PIECE)
        horizon = END_OF_TIME if end is None else end
        history = StoreHistory(
            tx, self.desk.names, done=span.done, up_to=span.up_to, horizon=horizon, ahead=ahead, since=since
        )
        lines = landed.lines(tx, self.desk.names, self.desk.pulling.fresh, [*numbers, *ahead] if ahead else numbers)
        new = history.landed_lines(lines, span.done, span.at)
        changes = [*_back(history.rows(gone)), *_new(new)]
        if first:
            changes += self._waiting(tx, history)
        return Piece(changes, history, horizon, end is None)

    def _landed_in(self, tx: Tx, span: Range) -> Landed:
        """What landed in a range; read once for all of its pieces."""
        if self._landed is None or self._landed.range != (span.done, span.up_to):
            self._landed = Landed(tx, self.desk.id, span.done, span.up_to, self.desk.pulling.fresh)
        return self._landed

    def _whole(self, tx: Tx, span: Range, history: StoreHistory) -> list[Change]:
        """Everything of a range at once."""
        gone, _ = self._superseded(tx, span)
        new = history.landed(span.done, span.at, END_OF_TIME, [])
        return [*_back(history.rows(gone)), *_new(new), *self._waiting(tx, history)]

    def _superseded(self, tx: Tx, span: Range) -> tuple[list[int], list[int]]:
        """Rows valued before that no longer count, and the rows that replace them (same event)."""
        e, s = event.c, superseded.c
        query = (
            sa.select(e.id, e.key)
            .join(superseded, s.event == e.id)
            .where(e.company + 0 == self.desk.id, e.batch <= span.done, s.batch > span.done, s.batch <= span.up_to)
        )
        found = tx.execute(query).all()
        keys = {row.key for row in found}
        if not keys:
            return [], []
        new = sa.select(e.id, e.key).where(e.company == self.desk.id, e.batch > span.done, e.batch <= span.up_to)
        return [row.id for row in found], [row.id for row in tx.execute(new) if row.key in keys]

    def _waiting(self, tx: Tx, history: StoreHistory) -> list[Change]:
        """Lines refused earlier, to be tried again: what was missing may be there now."""
        x = exception.c
        query = sa.select(x.event).where(
            x.company == self.desk.id, x.state == "open", x.stage.in_(STAGES), x.event.is_not(None)
        )
        return _new(history.rows(sorted(set(tx.execute(query).scalars()))))

    def _reached(self, tx: Tx, span: Range, piece: Piece) -> None:
        at = [span.up_to, span.up_to, -END_OF_TIME] if piece.last else [span.done, span.up_to, piece.horizon]
        self.desk.store.set_meta(tx, self._key(), json.dumps(at))
        if piece.last:
            self._landed = None
            tx.on_commit.append(lambda: self.desk.pulling.fresh.drop(span.up_to))

    def _hold(self, tx: Tx, outcome: Outcome) -> None:
        """Keep what the items of this piece are worth now, for the tie-out."""
        states = self.valuer.states
        items = sorted(item for item in outcome.items if item in states)
        numbers = self.desk.names.intern(tx, "item", items)
        company = self.desk.id
        rows = [
            (company, numbers[item], role, quantity, worth)
            for item in items
            for role, (quantity, worth) in worth_of(states[item]).items()
        ]
        write_holdings(tx, company, [numbers[item] for item in items], rows)

    # ── exceptions ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _exceptions(self, tx: Tx, outcome: Outcome, refused: Iterable[Refusal]) -> None:
        """Open what could not go on; close what went on or no longer counts."""
        x = exception.c
        query = sa.select(x.id, x.subject, x.event).where(
            x.company == self.desk.id, x.state == "open", x.stage.in_(STAGES)
        )
        waiting = tx.execute(query).all()
        bad = {refusal.line.event_id for refusal in refused}
        if waiting:
            good = {line.event_id for lines in outcome.lines.values() for line in lines.values()} - bad
            back = set(outcome.taken_back)
            closed = [row.id for row in waiting if row.subject in good or row.event in back]
            close_numbers(tx, closed, "posted on a later run")
        if bad:
            new = {r.line.event_id: self._exception(r.line, r.error) for r in refused}
            open_exceptions(tx, self.desk.id, list(new.values()))

    def _exception(self, line: EventLine, error: TieoutError) -> NewException:
        amount = error.amount.split(" ")[0] if error.amount else None
        new = NewException(
            stage="post" if error.code.startswith("TO5") else "value",
            code=error.code,
            subject=line.event_id,
            message=error.message,
            fix=error.fix or "",
            amount=to_minor(amount, self.desk.currency) if amount else line.amount,
            event=line.row,
            data={"type": line.type, "document": line.document, "item": line.item},
        )
        return self.desk.pulling.owned(new)


def worth_of(state: ItemState) -> dict[str, tuple[int, int]]:
    """(quantity, value) of an item per control role; estimates of units owed count negative, as they are posted."""
    out: dict[str, tuple[int, int]] = {}
    for pool in state.pools:
        quantity, worth = out.get(pool.key[0], (0, 0))
        owed = sum(each.quantity for each in pool.open)
        estimate = sum(each.value for each in pool.open)
        out[pool.key[0]] = (quantity + pool.quantity - owed, worth + pool.value - estimate)
    return out


def _new(lines: Iterable[EventLine]) -> list[Change]:
    return [new_tuple(Change, (line, False)) for line in lines]


def _back(lines: Iterable[EventLine]) -> list[Change]:
    return [Change(line, gone=True) for line in lines]


def _affected(bookings: Iterable[Booking]) -> dict[int, EventLine]:
    return {each.affected.row: each.affected for each in bookings if each.affected is not None}
