"""The deterministic simulation: one seed drives the books, the ledger's kind and faults, the clock, and where the process dies.

    seed ─▶ Plan ─▶ a first life, without a crash ─▶ at every failpoint: what a crash there would leave behind (a Moment)
                                                       └▶ from each Moment a second life, ended at its failpoints likewise
                                                                                     └▶ a third life, to the end

A crash is not an exception here: the process's memory is dropped and the next life begins with the committed database and
the ledger, as after kill -9; no `finally` runs. Failpoints between which nothing was committed and nothing reached the
ledger leave the same Moment; it is lived on from once and counts for each of them.

When a life has come to rest the ledger's own books are held against what was asked for: nothing lost, nothing doubled,
nothing out of order, every amount right. Then ours against the ledger's.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from tests.sweep.interleaving import Pause, two_at_once

from tieout import failpoints
from tieout.connector import Idempotency
from tieout.deliver import decide
from tieout.deliver.drain import drain
from tieout.deliver.settings import Delivery
from tieout.model.event import EventLine
from tieout.model.journal import Document, Flow
from tieout.store import outbox
from tieout.testing.books import START, Books, event_line
from tieout.testing.fake_ledger import FakeBatchLedger, FakeLedger

UNIT: Final = 1_000_000
SECOND: Final = 1_000_000  # microseconds
DAYS_MAX: Final = 4
TURNS_MAX: Final = 60
WAITS: Final = (5, 30, 100, 200)  # seconds between two drains; the last one from then on
SETTLED: Final = {"posted", "confirmed", "withdrawn"}
BEGIN: Final = START + 40 * 86_400 * SECOND

KINDS: Final[dict[str, Idempotency]] = {
    "nothing": Idempotency(kind="none"),
    "key": Idempotency(kind="key"),
    "key of an hour": Idempotency(kind="key", key_seconds=3_600, lookup="by_reference", index_lag_seconds=10),
    "key that forgets": Idempotency(
        kind="key", key_seconds=120, replays_errors=True, lookup="by_reference", index_lag_seconds=10
    ),
    "look-up": Idempotency(kind="none", lookup="by_reference", index_lag_seconds=10),
    "unique reference": Idempotency(kind="none", unique_reference=True),
    "batch, key per item": Idempotency(kind="key", batch="per_item"),
    "batch, look-up": Idempotency(kind="none", lookup="by_reference", index_lag_seconds=10, batch="per_item"),
    "batch, unique reference": Idempotency(kind="none", unique_reference=True, batch="per_item"),
    "batch, key per call, forgets": Idempotency(
        kind="key",
        key_seconds=120,
        replays_errors=True,
        lookup="by_reference",
        index_lag_seconds=10,
        batch="per_item",
        batch_key="call",
    ),
    "batch, key per call": Idempotency(
        kind="key", lookup="by_reference", index_lag_seconds=10, batch_key="call", batch="per_item"
    ),
}
FAULTS: Final = (
    "refused_connection",
    "rate_limited",
    "reauth",
    "error_before",
    "error_after",
    "timeout_before",
    "timeout_after",
    "timeout_between",
    "timeout_late",
    "unreadable_after",
    "plugin_bug_before",
    "plugin_bug_after",
)
OWN_BUGS_MAX: Final = 2  # a third one of the same entry parks it for a person, by rule 8


class Plan(NamedTuple):
    """What a seed stands for. `posts`: the books as they become known, one after another; `late`: the ledger's declared
    bound in seconds, `late_after` when it really writes; `pause`: two processes at once, the first one stopped."""

    seed: int
    kind: str
    late: int
    late_after: int
    group: int
    posts: list[list[Flow]]
    faults: list[str]
    eager: bool
    lock: date | None
    pause: Pause | None


def sale(number: int, amount: int) -> Flow:
    line = event_line(number, day=date(2026, 3, number), quantity=UNIT)
    return Flow(line, "SAL-04", "cogs", "inventory", amount, UNIT)


def plan_of(seed: int, kind: str | None = None) -> Plan:
    """The plan of a seed; of one kind of ledger, if asked."""
    dice = random.Random(seed)
    drawn = dice.choice(sorted(KINDS))
    days = dice.randint(1, DAYS_MAX)
    posts = [[sale(n, dice.randint(1, 99) * 100) for n in range(1, days + 1)]]
    posts += [[sale(dice.randint(1, days), dice.randint(1, 99) * 100)] for _ in range(dice.randint(0, 2))]
    swarm = dice.sample(FAULTS, dice.randint(1, 5))  # each seed has its own classes of faults
    faults = [dice.choice(swarm) for _ in range(dice.randint(0, 5))]
    while sum(fault.startswith("plugin_bug") for fault in faults) > OWN_BUGS_MAX:
        faults.remove(next(fault for fault in faults if fault.startswith("plugin_bug")))
    late = dice.choice((20, 90, 150))
    return Plan(
        seed,
        kind or drawn,
        late,
        dice.choice((5, late, late + Delivery._field_defaults["deadline_seconds"] - 1)),
        dice.choice((1, 2, 3)),
        posts,
        faults,
        dice.random() < 0.3,
        date(2026, 3, dice.randint(1, days)) if dice.random() < 0.15 else None,
        Pause(dice.randint(1, 8), dice.randint(0, 8)) if dice.random() < 0.4 else None,
    )


class Moment(NamedTuple):
    """What a crash leaves: the committed database, the ledger, the time, and what was known by then. `times`: failpoints
    that leave exactly this."""

    database: sqlite3.Connection
    ledger: dict[str, Any]
    now: int
    known: int
    turn: int
    times: int


class Found(NamedTuple):
    """What a life came to, by the ledger's own books. All zero: as it must be."""

    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    differing: int = 0
    unrested: int = 0
    person: int = 0

    @property
    def wrong(self) -> bool:
        return any(self[:-1])


class Bench:
    """A database on a file in memory where there is one, put back to any earlier state in a millisecond."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.books = Books(Path(self._folder.name))
        self.lines = [sale(n, 1).line for n in range(1, DAYS_MAX + 1)]
        self.known: dict[int, EventLine] = dict(zip(self.books.land(self.lines), self.lines, strict=True))
        self.raw = sqlite3.connect(self.books.path, isolation_level=None, check_same_thread=False)
        self.empty = self.save()

    def save(self) -> sqlite3.Connection:
        copy = sqlite3.connect(":memory:", check_same_thread=False)
        self.raw.backup(copy)
        return copy

    def put(self, database: sqlite3.Connection, now: int) -> None:
        database.backup(self.raw)
        self.books.restart()
        self.books.lines = dict(self.known)
        self.books.now = now

    def close(self) -> None:
        self.raw.close()
        self.books.close()
        self._folder.cleanup()


class Life:
    """A process from its start to its rest, in a world that a plan describes."""

    def __init__(self, bench: Bench, plan: Plan, begin: Moment | None = None) -> None:
        self.bench, self.books, self.plan = bench, bench.books, plan
        self.person = 0
        self.known = begin.known if begin else 0
        self.turn = begin.turn if begin else 0
        bench.put(begin.database if begin else bench.empty, _next_second(begin.now) if begin else BEGIN)
        self.ledger = _ledger(plan, self.books.clock)
        if begin is not None:
            self.ledger.__dict__.update(_copied(begin.ledger))
        self.dead = {holder for (holder,) in bench.raw.execute("SELECT holder FROM lane") if holder}

    def delivery(self) -> Delivery:
        return self.books.delivery(self.ledger, group_max=self.plan.group, is_dead=self.dead.__contains__)

    def drain(self) -> None:
        drain(self.books.store, self.books.journal, self.delivery())

    def live(self) -> None:
        """Until everything asked for is settled, with what a person decides on the way."""
        for turn in range(self.turn, self.turn + TURNS_MAX):
            self.turn = turn
            rows = self.rows()
            if self.known < len(self.plan.posts) and (self.plan.eager or not _waiting(rows)):
                self.books.post(self.plan.posts[self.known], locked_through=self.ledger.lock)
                self.known += 1
                if self.known == 2 and self.plan.lock:
                    self.ledger.lock = self.plan.lock
            if self.plan.pause is not None and turn == 0:
                two_at_once(self, self.plan.pause)
            else:
                self.drain()
            rows = self.rows()
            parked = [number for number, state, *_ in rows if state == "parked"]
            if parked:
                self.decide(parked[0])
            elif self.known == len(self.plan.posts) and {state for _, state, *_ in rows} <= SETTLED:
                return
            self.books.now += WAITS[min(turn, len(WAITS) - 1)] * SECOND

    def decide(self, number: int) -> None:
        """The person who looks into the ledger, after any late write has had its time, and says what is there."""
        self.person += 1
        self.books.now += 1_200 * SECOND
        self.ledger._tick()
        with self.books.store.read() as rx:
            reference = outbox.one(rx, 1, number).reference
        there = [n for n, held in self.ledger.documents.items() if held.document.reference == reference]
        if there:
            decide.posted_as(self.books.store, self.delivery(), number, there[0], actor="ann", reason="it is there")
        else:
            decide.absent(self.books.store, self.delivery(), number, actor="ann", reason="it is not there")

    def rows(self) -> list[tuple[int, str, str, str, str]]:
        """(id, state, reference, lineage, document) in the order in which entries leave."""
        query = "SELECT id, state, reference, lineage, document FROM entry ORDER BY created_at, n, id"
        return self.bench.raw.execute(query).fetchall()

    def found(self) -> Found:
        """The ledger's books against what was asked for, and against ours."""
        self.books.now += 3_600 * SECOND
        self.ledger._tick()
        rows = self.rows()
        held = [each.document for each in self.ledger.documents.values()]
        times = Counter(document.reference for document in held)
        ours = {
            reference: (lineage, msgspec.json.decode(document, type=Document).lines)
            for _, state, reference, lineage, document in rows
            if state in ("posted", "confirmed") and reference
        }
        totals: Counter[str] = Counter()
        for document in held:
            for line in document.lines:
                totals[line.account] += line.amount
        place = {reference: n for n, reference in enumerate(ours)}
        last: dict[str, int] = {}
        disordered = 0
        for document in held:
            if document.reference in ours:
                lineage = ours[document.reference][0]
                disordered += place[document.reference] < last.get(lineage, -1)
                last[lineage] = max(place[document.reference], last.get(lineage, -1))
        same = all(ours[d.reference][1] == d.lines for d in held if d.reference in ours)
        same = same and not any(sum(line.amount for line in d.lines) for d in held)
        wanted = _totals(self.plan.posts)
        unrested = self.known < len(self.plan.posts) or bool({state for _, state, *_ in rows} - SETTLED)
        return Found(
            lost=sum(reference not in times for reference in ours),
            doubled=sum(times.values()) - len(times) + sum(reference not in ours for reference in times),
            disordered=disordered,
            differing=int(not same or any(totals[a] != wanted[a] for a in {*totals, *wanted})),
            unrested=int(unrested),
            person=self.person,
        )


def _totals(posts: list[list[Flow]]) -> Counter[str]:
    last = {flow.line.event_id: flow.amount for flows in posts for flow in flows}
    return Counter({"5000": sum(last.values()), "1400": -sum(last.values())})


def _waiting(rows: list[tuple[int, str, str, str, str]]) -> bool:
    return any(state in ("planned", "pending") for _, state, *_ in rows)


def _next_second(now: int) -> int:
    return (now // SECOND + 2) * SECOND


def _ledger(plan: Plan, clock: Callable[[], int]) -> FakeLedger:
    known = msgspec.structs.replace(KINDS[plan.kind], late_commit_seconds_max=plan.late)
    made = (
        FakeLedger(clock=clock, idempotency=known)
        if known.batch == "none"
        else FakeBatchLedger(clock=clock, idempotency=known, batch_size_max=max(2, plan.group))
    )
    made.faults, made.late_seconds = list(plan.faults), plan.late_after
    return made


def _copied(ledger: dict[str, Any]) -> dict[str, Any]:
    return {
        name: type(value)(value) if isinstance(value, (list, dict, set)) else value
        for name, value in ledger.items()
        if name not in ("clock", "manifest", "idempotency")
    }


class Watch:
    """Collects the moments of a life: every failpoint it passes, and what a crash there would leave."""

    def __init__(self, life: Life, *, keep: bool) -> None:
        self.life, self.keep = life, keep
        self.points = 0
        self.passed: Counter[str] = Counter()
        self.moments: dict[tuple[int, ...], Moment] = {}
        self._commits = 0

    def __call__(self, name: str) -> None:
        self.points += 1
        self.passed[name] += 1
        self._commits += name.startswith("commit: after")
        if not self.keep:
            return
        life, ledger = self.life, self.life.ledger
        key = (
            self._commits,
            len(ledger.calls),
            len(ledger.documents),
            len(ledger._late),
            len(ledger.faults),
            life.known,
            _next_second(life.books.now),
        )
        at = self.moments.get(key)
        if at is None:
            copy = life.bench.save()
            self.moments[key] = Moment(copy, _copied(ledger.__dict__), life.books.now, life.known, life.turn, 1)
        else:
            self.moments[key] = at._replace(times=at.times + 1)


class Tally(NamedTuple):
    """`crashes`: schedules of crashes judged; `lives`: processes run for it; the rest as in Found, over all of them.
    `stories`: what was wrong, to be played again by its seed."""

    plans: int = 0
    crashes: int = 0
    lives: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    differing: int = 0
    unrested: int = 0
    person: int = 0
    needless: int = 0
    stories: tuple[str, ...] = ()

    def plus(self, other: Tally) -> Tally:
        counts: list[Any] = [mine + theirs for mine, theirs in zip(self[:-1], other[:-1], strict=True)]
        return Tally._make([*counts, self.stories + other.stories])

    @property
    def wrong(self) -> int:
        return self.lost + self.doubled + self.disordered + self.differing + self.unrested + self.needless


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    failpoints.handler = watch
    try:
        yield
    finally:
        failpoints.handler = None


def lived(bench: Bench, plan: Plan, begin: Moment | None, *, keep: bool) -> tuple[Found, Watch]:
    life = Life(bench, plan, begin)
    watch = Watch(life, keep=keep)
    with watching(watch):
        life.live()
    return life.found(), watch


def _can_tell(plan: Plan) -> bool:
    """Whether this ledger can always say what became of a document. One that only honours keys or refuses twins cannot
    once its books are closed: it then refuses the repeat for that reason, whether or not the first one got in."""
    known = KINDS[plan.kind]
    return known.lookup != "none" or (plan.lock is None and (known.kind == "key" or known.unique_reference))


def judged(plan: Plan, found: Found, times: int, where: str) -> Tally:
    needless = found.person if _can_tell(plan) else 0
    story: tuple[str, ...] = ()
    if found.wrong or needless:
        story = (f"seed {plan.seed}, {plan.kind}, {where}: {found}",)
    return Tally(0, times, 1, *found, needless, story)


def explore(bench: Bench, plan: Plan, *, pairs: int, passed: Counter[str] | None = None) -> Tally:
    """Every crash of a plan, and up to `pairs` second crashes after each of them."""
    dice = random.Random(plan.seed + 1)
    found, watch = lived(bench, plan, None, keep=True)
    tally = judged(plan, found, 1, "no crash")._replace(plans=1)
    names = Counter(watch.passed)
    for number, first in enumerate(watch.moments.values()):
        found, again = lived(bench, plan, first, keep=pairs > 0)
        names += again.passed
        tally = tally.plus(judged(plan, found, first.times, f"crash {number}"))
        for second in dice.sample(sorted(again.moments), min(pairs, len(again.moments))):
            moment = again.moments[second]
            found, _ = lived(bench, plan, moment, keep=False)
            tally = tally.plus(
                judged(plan, found, first.times * moment.times, f"crash {number}, then {second[0]} commits on")
            )
        for moment in again.moments.values():
            moment.database.close()
    for moment in watch.moments.values():
        moment.database.close()
    if passed is not None:
        passed += names
    return tally


def sweep(seeds: range, *, pairs: int = 2, bench: Bench | None = None, kind: str | None = None) -> Tally:
    """All of these seeds."""
    mine = bench or Bench()
    tally = Tally()
    try:
        for seed in seeds:
            tally = tally.plus(explore(mine, plan_of(seed, kind), pairs=pairs))
    finally:
        if bench is None:
            with suppress(OSError):
                mine.close()
    return tally
