"""`tieout serve`: the clock of one process. APScheduler wakes us; what is due, fired and missed stands in the database.

    wake-up ─▶ due(now) ─▶ firing row (once, whoever fires) ─▶ the company's thread ─▶ pull · keep · deliver · tie out

A company's work is done by one thread in order of priority, so nothing overlaps with itself, and a slow vendor of one
company holds up no other. Downtime is made up for by one firing that stands for all that were missed. A termination
signal ends the clock, lets what runs come to its end, and leaves.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from apscheduler.schedulers.background import BackgroundScheduler

from tieout import config
from tieout.config.project import Company, Project
from tieout.errors import ConfigError, RateLimited, Retryable, TieoutError
from tieout.logs import about, redact
from tieout.operations import alerts
from tieout.operations.desk import Desk
from tieout.operations.listening import Door, Listener
from tieout.operations.metrics import Health, MetricsListener, micros
from tieout.operations.office import Office
from tieout.operations.schedules import schedules_of
from tieout.schedule import Schedule, Timing, last_until
from tieout.store import firings, wakes
from tieout.store.store import Store
from tieout.store.wakes import Wake

log = logging.getLogger("tieout.serve")

TICK_SECONDS: Final = 1
MISSED_FOR_MAX: Final = timedelta(days=7)  # downtime longer than this is made up for as if it were this long
KEEP_FIRINGS: Final = timedelta(days=100)  # the service levels of a month are reckoned from them
WATCH_EVERY: Final = timedelta(minutes=1)
MEASURE_EVERY: Final = timedelta(hours=1)
GRACE_SECONDS: Final = 90  # a call's deadline and what follows it

Say = Callable[[str], None]


class Due(NamedTuple):
    """A firing in hand: which schedule, for which planned instant, standing for how many missed ones."""

    number: int
    schedule: Schedule
    planned: datetime
    missed: int
    wake: Wake | None = None  # a vendor's call that asked for it


class Clock:
    """Which schedules of a company are due. Pure beside its rows: a test moves `desk.now`."""

    def __init__(self, desk: Desk, started: datetime) -> None:
        self.desk = desk
        self.started = started
        self.schedules = schedules_of(desk.project, desk.company)
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self._since: dict[str, datetime] = {}

    def due(self) -> list[Due]:
        """Claim every firing whose time has come, by priority. A schedule never fired before begins now."""
        now = self.desk.now()
        wanted = [(s, found) for s in self.schedules if (found := last_until(s, now, self._last(s))) is not None]
        if not wanted:
            return []
        out = []
        with self.desk.store.write() as tx:
            stopped = firings.pauses(tx, self.desk.id)
            for schedule, (planned, count) in sorted(wanted, key=lambda w: (w[0].priority, w[1][0], w[0].name)):
                if schedule.name in stopped:
                    continue
                micros = int(planned.timestamp()) * 1_000_000
                number = firings.begin(
                    tx,
                    self.desk.id,
                    schedule.name,
                    micros,
                    now=self.desk.micros(),
                    missed=count - 1,
                    holder=self.holder,
                )
                if number is not None:
                    out.append(Due(number, schedule, planned, count - 1))
                self._since[schedule.name] = planned
        return out

    def woken(self) -> list[Due]:
        """Claim what vendors' calls asked for. One wake-up a stream, however many calls there were."""
        out = []
        now = self.desk.now()
        names = {c.id: c.name for c in self.desk.project.connections_of(self.desk.company.code)}
        with self.desk.store.read() as rx:
            if not wakes.waiting(rx, self.desk.id):
                return []
        with self.desk.store.write() as tx:
            for wake in wakes.take(tx, self.desk.id, now=self.desk.micros()):
                name = (
                    f"{self.desk.company.code}/wake/{names.get(wake.connection, wake.connection)}/{wake.stream or '*'}"
                )
                schedule = Schedule(
                    name=name,
                    company=self.desk.company.code,
                    what="pull",
                    timing=Timing(self.desk.company.timezone.key),
                    connection=names.get(wake.connection, wake.connection),
                    stream=wake.stream,
                    priority=0,
                )
                number = firings.begin(
                    tx,
                    self.desk.id,
                    name,
                    self.desk.micros(),
                    now=self.desk.micros(),
                    missed=0,
                    holder=self.holder,
                )
                if number is not None:
                    out.append(Due(number, schedule, now, 0, wake))
        return out

    def _last(self, schedule: Schedule) -> datetime:
        known = self._since.get(schedule.name)
        if known is None:
            with self.desk.store.read() as rx:
                row = firings.last(rx, self.desk.id).get(schedule.name)
            known = datetime.fromtimestamp(row.planned_at // 1_000_000, UTC) if row else self.started
        known = max(known, self.desk.now() - MISSED_FOR_MAX)
        self._since[schedule.name] = known
        return known


def work(office: Office, due: Due, say: Say) -> tuple[str, str]:
    """Do what a firing is for: (outcome, what is to be known of it)."""
    what = due.schedule.what
    try:
        if what == "pull":
            pulled = office.intake.pull(
                uuid.uuid4().hex, connection=due.schedule.connection, stream=due.schedule.stream or None, progress=say
            )
            kept = office.books.keep()
            errors = [str(each.error) for each in pulled if each.error is not None]
            records = sum(each.result.events for each in pulled)
            return (firings.FAILED if errors else firings.DONE), "; ".join(
                errors
            ) or f"{records} event lines, {kept.bookings} bookings"
        if what == "deliver":
            office.books.keep()
            drained = office.deliver()
            if drained is not None and drained.error is not None:
                raise drained.error
            return firings.DONE, f"{drained.posted} posted" if drained is not None else "no ledger"
        status = office.tie_out()
        if not status["tied_out"]:
            say(f"{office.desk.company.code}: not tied out, {status['unexplained']} unexplained")
            data = {"company": office.desk.company.code, "unexplained": status["unexplained"]}
            for problem in office.desk.notify(
                "not_tied_out", f"{office.desk.company.code}: not tied out", "tieout reconcile", data
            ):
                say(problem)
        return firings.DONE, f"unexplained {status['unexplained']}"
    except RateLimited as error:
        until = datetime.fromtimestamp(int(error.until), UTC).isoformat(timespec="seconds")
        return firings.PUT_OFF, f"{error.code} {error.message}; goes on at {until}"
    except Retryable as error:
        return firings.PUT_OFF, str(error)
    except TieoutError as error:
        return firings.FAILED, str(error)
    except Exception as error:
        log.exception("%s failed", due.schedule.name)
        return firings.FAILED, f"{type(error).__name__}: {error}"


class CompanyThread(threading.Thread):
    """One company's work, in order of priority, in one thread. Its office is made here and used nowhere else."""

    def __init__(self, make: Callable[[], Office], name: str, say: Say) -> None:
        super().__init__(name=f"tieout {name}", daemon=True)
        self._make = make
        self._say = say
        self._queue: queue.PriorityQueue[tuple[int, int, Due | None]] = queue.PriorityQueue()
        self._count = 0
        self.busy_with = ""

    def give(self, due: Due) -> None:
        self._count += 1
        self._queue.put((due.schedule.priority, self._count, due))

    def end(self) -> None:
        """Come to an end after what is being done now."""
        self._queue.put((-1, 0, None))

    def run(self) -> None:
        office = self._make()
        while True:
            _, _, due = self._queue.get()
            if due is None:
                self._hand_back(office)
                return
            self.busy_with = due.schedule.name
            facts = {"company": due.schedule.company, "connection": due.schedule.connection}
            with about(**facts, schedule=due.schedule.name, run=f"firing-{due.number}", trace=uuid.uuid4().hex):
                outcome, detail = work(office, due, self._say)
                detail = redact(detail)
                log.info("%s: %s, %s", due.schedule.name, outcome, detail)
            with office.desk.store.write() as tx:
                firings.end(tx, due.number, outcome, detail, now=office.desk.micros())
                if due.wake is not None:
                    wakes.done(tx, office.desk.id, due.wake)
                firings.trim(tx, office.desk.id, office.desk.micros() - int(KEEP_FIRINGS.total_seconds()) * 1_000_000)
            self._say(
                f"{due.schedule.name}: {outcome}, {detail}"
                + (f" (stands for {due.missed} missed)" if due.missed else "")
            )
            self.busy_with = ""

    def _hand_back(self, office: Office) -> None:
        """What was handed out and not begun is as if it had not fired: whoever serves next fires it."""
        with office.desk.store.write() as tx:
            while not self._queue.empty():
                _, _, due = self._queue.get_nowait()
                if due is not None:
                    firings.forget(tx, due.number)


class Server:
    """The clock and the companies' threads of one process."""

    def __init__(
        self,
        folder: Path,
        actor: str,
        say: Say,
        webhooks: tuple[str, int] | None = None,
        metrics: tuple[str, int] | None = None,
    ) -> None:
        self._folder = folder
        self._actor = actor
        self._say = say
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._project = config.load(folder)
        self._store = Store.open(self._project.store_url(), create=True)
        self._seen = self._files()
        self._threads: dict[str, CompanyThread] = {}
        self._clocks: list[Clock] = []
        self._door = Door()
        self.listener = Listener(self._door, *webhooks) if webhooks is not None else None
        self._watched: dict[str, tuple[datetime, datetime]] = {}
        self.health = Health(self._store, lambda: self._project, micros)
        self.metrics = MetricsListener(self.health, *metrics) if metrics is not None else None
        self._start_companies()

    def _start_companies(self) -> None:
        project, now = self._project, datetime.now(UTC)
        for code, company in sorted(project.companies.items()):
            desk = Desk(project, company, self._store, self._actor)
            self._clocks.append(Clock(desk, now))
            if self.listener is not None:
                for path in self._door.open(desk):
                    self._say(f"vendors may call {self.listener.address}{path}")
            office = partial(self._office, project, company)
            thread = CompanyThread(office, code, self._say)
            self._threads[code] = thread
            thread.start()

    def _office(self, project: Project, company: Company) -> Office:
        return Office(Desk(project, company, self._store, self._actor))

    def serve(self) -> int:
        """Until `stop`. Returns how many firings were handed out."""
        scheduler = BackgroundScheduler(timezone=UTC)
        scheduler.add_job(self.tick, "interval", seconds=TICK_SECONDS, max_instances=1, coalesce=True, args=[])
        self._handed = 0
        count = sum(len(clock.schedules) for clock in self._clocks)
        self._say(f"serving {count} schedules of {len(self._clocks)} companies; stop with Ctrl-C")
        scheduler.start()
        if self.listener is not None:
            self.listener.start()
        if self.metrics is not None:
            self.metrics.start()
            self._say(f"metrics at {self.metrics.address}/metrics")
        try:
            self._stop.wait()
        finally:
            if self.listener is not None:
                self.listener.stop()
            if self.metrics is not None:
                self.metrics.stop()
            scheduler.shutdown(wait=True)
            self._drain()
            self._store.close()
        return self._handed

    def stop(self, *_: object) -> None:
        """End the clock; safe in a signal handler."""
        self._stop.set()

    def tick(self) -> None:
        """Hand out what is due, and take a changed configuration in."""
        with self._lock:
            self._reload()
            for clock in self._clocks:
                for due in (*clock.woken(), *clock.due()):
                    self._threads[due.schedule.company].give(due)
                    self._handed += 1
                self._watch(clock)
            self.health.tick()

    def _watch(self, clock: Clock) -> None:
        """Look at the objectives now and then, and tell people."""
        now = clock.desk.now()
        light, deep = self._watched.get(clock.desk.company.code, (clock.started, clock.started))
        if now - light < WATCH_EVERY:
            return
        measure = now - deep >= MEASURE_EVERY
        self._watched[clock.desk.company.code] = (now, now if measure else deep)
        try:
            for problem in alerts.check(clock.desk, deep=measure):
                self._say(redact(problem))
        except Exception as error:
            log.exception("watching %s failed", clock.desk.company.code)
            self._say(f"the objectives of {clock.desk.company.code} could not be looked at: {redact(str(error))}")

    def _drain(self) -> None:
        for thread in self._threads.values():
            thread.end()
        for thread in self._threads.values():
            thread.join(GRACE_SECONDS)
            if thread.is_alive():
                self._say(
                    f"{thread.busy_with} did not end within {GRACE_SECONDS} s; what it sent is looked up next time"
                )

    # ── a changed configuration ────────────────────────────────────────────────────────────────────────────────────
    def _files(self) -> dict[Path, tuple[int, int]]:
        """What the configuration is made of, with size and time of change."""
        found = {}
        for pattern in ("tieout.toml", "*.csv", "mappings/*", "*.yaml"):
            for path in self._folder.glob(pattern):
                if path.is_file():
                    stat = path.stat()
                    found[path] = (stat.st_size, stat.st_mtime_ns)
        return found

    def _reload(self) -> None:
        """Go on with a changed configuration once it is whole; a wrong one is told and the old one stays in force."""
        now = self._files()
        if now == self._seen:
            return
        self._seen = now
        try:
            project = config.load(self._folder)
        except ConfigError as error:
            self._say(f"the changed configuration is not taken: {error.message}")
            return
        for thread in self._threads.values():
            thread.end()
        for thread in self._threads.values():
            thread.join(GRACE_SECONDS)
        self._threads, self._clocks, self._project = {}, [], project
        self._start_companies()
        self._say("the changed configuration is in force")


def run_now(office: Office, schedule: Schedule, say: Say) -> dict[str, Any]:
    """One firing by hand, now."""
    desk = office.desk
    with desk.store.write() as tx:
        number = firings.begin(
            tx, desk.id, schedule.name, desk.micros(), now=desk.micros(), missed=0, holder=f"{desk.actor}, by hand"
        )
    if number is None:
        return {"schedule": schedule.name, "outcome": "running", "detail": "it fires now elsewhere"}
    outcome, detail = work(office, Due(number, schedule, desk.now(), 0), say)
    with desk.store.write() as tx:
        firings.end(tx, number, outcome, detail, now=desk.micros())
    return {"schedule": schedule.name, "outcome": outcome, "detail": detail}
