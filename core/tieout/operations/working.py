"""What a worker does: take a lane, drain it, say how far it came; and, by the clock, ask for lanes and heal lost jobs.

    schedule due ─▶ firing row, lane asked for ─▶ job ─▶ take (lease, fence) ─▶ pull · keep · deliver · tie out ─▶ finish

Nothing here depends on a job arriving: `sweep` lists the lanes that have work and nobody working on them.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from tieout.config.project import Project
from tieout.deliver.settings import is_dead, this_holder
from tieout.errors import RateLimited, Retryable, StoreError, TieoutError
from tieout.operations.desk import Desk
from tieout.operations.office import Office
from tieout.operations.rules import refuse_silent_change
from tieout.operations.serving import KEEP_FIRINGS, Clock
from tieout.schedule import Schedule
from tieout.store import firings, lanes
from tieout.store.acts import now_micros
from tieout.store.lanes import Taken
from tieout.store.outbox import renew_lane
from tieout.store.schema import company as company_table
from tieout.store.schema import firing
from tieout.store.store import Store

log = logging.getLogger("tieout.worker")

SECOND: Final = 1_000_000  # microseconds
LEASE_SECONDS: Final = 180
RENEW_SECONDS: Final = 45
AGAIN_SECONDS: Final = 60  # until a lane whose vendor does not answer is tried again
STOPPED_SECONDS: Final = 600  # until a lane that needs a person is tried again
LOST_FIRING_SECONDS: Final = 60
OFFICES_MAX: Final = 64  # kept warm per process, one per lane

Say = Callable[[str], None]


class Done(NamedTuple):
    """What became of a drain. `answered`: its request is served; else it is tried again at `not_before`."""

    outcome: str
    detail: str
    answered: bool = True
    not_before: int | None = None


class Worker:
    """One process's part of the work. Thread-safe; each lane has an office of its own."""

    def __init__(self, project: Project, store: Store, actor: str, say: Say = lambda _: None) -> None:
        if store.path is not None:
            raise StoreError(
                "workers share a PostgreSQL server; an SQLite file has one writer",
                code="TO8025",
                where=store.where,
                fix="`tieout serve` on one machine, or `tieout db move postgresql://…`",
            )
        self.project = project
        self.store = store
        self.actor = actor
        self.say = say
        self._lock = threading.Lock()
        self._offices: OrderedDict[int, tuple[int, Office]] = OrderedDict()
        self._clocks: list[Clock] = []
        self._codes: dict[int, str] = {}

    # ── draining ───────────────────────────────────────────────────────────────────────────────────────────────────
    def drain(self, number: int) -> Done | None:
        """Drain a lane once; None when it has no work or somebody has it."""
        holder = this_holder()
        with self.store.write(rows_only=True) as tx:
            taken = lanes.take(tx, number, holder, now=now_micros(), lease=LEASE_SECONDS * SECOND, is_dead=is_dead)
        if taken is None:
            return None
        started = now_micros()
        with self._kept(taken):
            done = self._outcome(taken)
        with self.store.write(rows_only=True) as tx:
            mine = lanes.finish(tx, taken, now=now_micros(), answered=done.answered, not_before=done.not_before)
        if mine and done.outcome != firings.PUT_OFF:
            self._end_firings(taken, done, started)
        self.say(f"{self._code(taken.company)} {taken.what}: {done.outcome}, {done.detail}")
        return done

    def _outcome(self, taken: Taken) -> Done:
        try:
            office = self._office(taken)
            done = _work(office, taken.what)
            with self._lock:
                self._offices[taken.id] = (taken.held.fence if taken.held else 0, office)
                while len(self._offices) > OFFICES_MAX:
                    self._offices.popitem(last=False)
            return done
        except RateLimited as error:
            return Done(firings.PUT_OFF, error.message, False, int(error.until * SECOND))
        except Retryable as error:
            return Done(firings.PUT_OFF, str(error), False, now_micros() + AGAIN_SECONDS * SECOND)
        except StoreError as error:
            return Done(firings.PUT_OFF, str(error), False, now_micros() + SECOND)
        except TieoutError as error:
            return Done(firings.FAILED, str(error), False, now_micros() + STOPPED_SECONDS * SECOND)
        except Exception as error:
            log.exception("%s %s failed", self._code(taken.company), taken.what)
            words = f"{type(error).__name__}: {error}"
            return Done(firings.FAILED, words, False, now_micros() + STOPPED_SECONDS * SECOND)

    def _office(self, taken: Taken) -> Office:
        """The lane's office: warm when nobody else had the lane since, else a new one. Taken out while in use."""
        with self._lock:
            fence, office = self._offices.pop(taken.id, (-1, None))
        if office is not None and taken.held is not None and fence == taken.before:
            office.desk.reload_masters()
            return office
        company = self.project.company(self._code(taken.company))
        return Office(Desk(self.project, company, self.store, self.actor))

    def _code(self, company: int) -> str:
        if company not in self._codes:
            with self.store.read() as rx:
                self._codes = {row.id: row.code for row in rx.execute(sa.select(company_table))}
        return self._codes[company]

    @contextmanager
    def _kept(self, taken: Taken) -> Iterator[None]:
        """Renew the lease as long as the drain lasts."""
        held, over = taken.held, threading.Event()
        if held is None:
            yield
            return

        def renew() -> None:
            while not over.wait(RENEW_SECONDS):
                try:
                    with self.store.write(rows_only=True) as tx:
                        renew_lane(tx, held, until=now_micros() + LEASE_SECONDS * SECOND)
                except StoreError as error:  # tried again; a lease that ends is only taken over
                    log.warning("the lease of %s was not renewed: %s", taken.what, error)

        thread = threading.Thread(target=renew, name=f"tieout lease {taken.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _end_firings(self, taken: Taken, done: Done, started: int) -> None:
        f = firing.c
        name = self._schedule_name(taken)
        mine = (f.company == taken.company) & (f.schedule == name) & (f.outcome == firings.RUNNING)
        with self.store.write(rows_only=True) as tx:
            values = {"outcome": done.outcome, "detail": done.detail, "ended_at": now_micros()}
            tx.execute(sa.update(firing).where(mine, f.started_at <= started).values(values))
            firings.trim(tx, taken.company, now_micros() - int(KEEP_FIRINGS.total_seconds()) * SECOND)

    def _schedule_name(self, taken: Taken) -> str:
        kind, _, rest = taken.what.partition(":")
        return f"{self._code(taken.company)}/{kind}" + (f"/{rest}" if kind == "pull" else "")

    # ── the clock and lost jobs ────────────────────────────────────────────────────────────────────────────────────
    def open_companies(self) -> None:
        """Make every company known, and ask for what may wait since before there were workers."""
        now = datetime.now(UTC)
        self._clocks = []
        for code in sorted(self.project.companies):
            desk = Desk(self.project, self.project.company(code), self.store, self.actor)
            self._clocks.append(Clock(desk, now))
            with desk.store.write() as tx:
                lanes.wake(tx, desk.id, lanes.BOOKS)
                if desk.company.ledger:
                    lanes.wake(tx, desk.id, f"{lanes.DELIVER}{desk.ledger_id}")

    def tick(self) -> int:
        """Ask for the lanes of every schedule that is due; returns how many."""
        count = 0
        for clock in self._clocks:
            due = clock.due()
            lost = self._lost(clock)
            if not due and not lost:
                continue
            with clock.desk.store.write() as tx:
                for what in sorted({lane_of(clock.desk, each.schedule) for each in due} | lost):
                    lanes.wake(tx, clock.desk.id, what)
                    count += 1
        return count

    def _lost(self, clock: Clock) -> set[str]:
        """Lanes of firings that nobody ended: their process died between the firing and the lane."""
        f, now = firing.c, now_micros()
        with self.store.read() as rx:
            query = sa.select(f.schedule, f.id).where(f.company == clock.desk.id, f.outcome == firings.RUNNING)
            rows: list[Any] = list(rx.execute(query.where(f.started_at < now - LOST_FIRING_SECONDS * SECOND)).all())
            known = {schedule.name: lane_of(clock.desk, schedule) for schedule in clock.schedules}
            asked = {what for _, what in lanes.waiting(rx, clock.desk.id)}
        return {known[row.schedule] for row in rows if row.schedule in known} - asked

    def sweep(self) -> int:
        """Give every lane that has work and nobody at it a job again; returns how many have one now."""
        with self.store.write(rows_only=True) as tx:
            lanes.drop_dead_jobs(tx)
            due = lanes.due(tx, now_micros(), is_dead=is_dead)
            lanes.enqueue(tx, due)
        return len(due)


def lane_of(desk: Desk, schedule: Schedule) -> str:
    """The lane that a schedule asks for."""
    if schedule.what == "pull":
        return f"pull:{schedule.connection}/{schedule.stream}"
    return f"{lanes.DELIVER}{desk.ledger_id}" if schedule.what == "deliver" else lanes.RECONCILE


def _work(office: Office, what: str) -> Done:
    """Drain one lane of a company."""
    kind, _, rest = what.partition(":")
    if kind == "pull":
        return _pull(office, rest)
    if kind == "books":
        refuse_silent_change(office)
        kept = office.books.keep()
        return Done(firings.DONE, f"{kept.events} events, {kept.bookings} bookings")
    if kind == "deliver":
        return _deliver(office)
    status = office.tie_out()
    return Done(firings.DONE, f"unexplained {status['unexplained']}")


def _pull(office: Office, stream: str) -> Done:
    connection, _, name = stream.partition("/")
    pulled = office.intake.pull(uuid.uuid4().hex, connection=connection, stream=name)
    for one in pulled:
        if isinstance(one.error, (Retryable, RateLimited)):
            raise one.error
        if one.error is not None:
            return Done(firings.FAILED, str(one.error))  # told to a person; the next firing looks again
    return Done(firings.DONE, f"{sum(one.result.events for one in pulled)} event lines")


def _deliver(office: Office) -> Done:
    drained = office.deliver()
    if drained is None:
        return Done(firings.DONE, "no ledger")
    if drained.busy or drained.fenced:
        return Done(firings.PUT_OFF, "another worker delivers", False, now_micros() + SECOND)
    if drained.error is not None:
        again = now_micros() + AGAIN_SECONDS * SECOND
        return Done(firings.PUT_OFF, str(drained.error), False, max(drained.not_before or 0, again))
    if drained.not_before is not None:
        return Done(firings.PUT_OFF, "the ledger asked for patience", False, drained.not_before)
    if drained.unknown:
        return Done(firings.PUT_OFF, f"{drained.unknown} to be looked up", False, now_micros() + AGAIN_SECONDS * SECOND)
    return Done(firings.DONE, f"{drained.posted} posted")
