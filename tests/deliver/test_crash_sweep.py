"""Guarantee: whatever point the process dies at and whatever the ledger answers, no document is lost, none is doubled,
and a correction never arrives before what it corrects. Checked against the ledger's own books, not against ours.

Every run: three days are posted and delivered, one of them is corrected and delivered again; the process is killed at the
n-th failpoint (sometimes a second time during recovery) and starts again on the same files.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from tieout import failpoints
from tieout.connector import Idempotency
from tieout.deliver import decide as by_person
from tieout.deliver.drain import drain
from tieout.deliver.settings import Delivery
from tieout.model.journal import Flow
from tieout.store import outbox
from tieout.store.schema import entry
from tieout.testing.books import START, Books, event_line
from tieout.testing.databases import copy_folder, on_postgres
from tieout.testing.fake_ledger import FakeBatchLedger, FakeLedger

UNIT = 1_000_000
RUNS_PER_CELL = 1 if on_postgres() else 3
EXPECTED = {"1400": -(575 + 300 + 200), "5000": 575 + 300 + 200}

KINDS = {
    "nothing": Idempotency(kind="none", late_commit_seconds_max=20),
    "key": Idempotency(kind="key", key_seconds=3_600, late_commit_seconds_max=20),
    "short key, cached errors, look-up": Idempotency(
        kind="key",
        key_seconds=120,
        replays_errors=True,
        lookup="by_reference",
        index_lag_seconds=10,
        late_commit_seconds_max=20,
    ),
    "look-up": Idempotency(kind="none", lookup="by_reference", index_lag_seconds=10, late_commit_seconds_max=20),
    "unique reference": Idempotency(kind="none", unique_reference=True, late_commit_seconds_max=20),
    "several a call, a key each": Idempotency(kind="key", late_commit_seconds_max=20, batch="per_item"),
    "several a call, look-up": Idempotency(
        kind="none", lookup="by_reference", index_lag_seconds=10, late_commit_seconds_max=20, batch="per_item"
    ),
    "several a call, unique reference": Idempotency(
        kind="none", unique_reference=True, late_commit_seconds_max=20, batch="per_item"
    ),
    "several a call, one short key, cached errors, look-up": Idempotency(
        kind="key",
        key_seconds=120,
        replays_errors=True,
        lookup="by_reference",
        index_lag_seconds=10,
        late_commit_seconds_max=20,
        batch="per_item",
        batch_key="call",
    ),
    "several a call, one lasting key, look-up": Idempotency(
        kind="key",
        lookup="by_reference",
        index_lag_seconds=10,
        late_commit_seconds_max=20,
        batch_key="call",
        batch="per_item",
    ),
}
MIXES: dict[str, list[str]] = {
    "calm": [],
    "limits": ["rate_limited", "refused_connection", "reauth"],
    "errors before": ["error_before", "timeout_before"],
    "errors after": ["error_after", "timeout_after", "timeout_between", "unreadable_after"],
    "late": ["timeout_late"],
    "bugs": ["plugin_bug_before", "plugin_bug_after"],
    "everything": [
        "rate_limited",
        "refused_connection",
        "error_before",
        "error_after",
        "timeout_before",
        "timeout_after",
        "timeout_between",
        "timeout_late",
        "plugin_bug_after",
    ],
}


class Crash(BaseException):
    """The process is gone: nothing that catches exceptions catches this."""


class World:
    """A process that can die, its files, and a ledger that lives on. `group`: entries that leave together at most."""

    def __init__(self, template: Path, folder: Path, known: Idempotency, group: int) -> None:
        copy_folder(template, folder)
        self.folder, self.group = folder, group
        self.books = Books(folder)
        self.books.now = START + 40 * 86_400_000_000
        self.ledger = (
            FakeLedger(clock=self.clock, idempotency=known)
            if known.batch == "none"
            else FakeBatchLedger(clock=self.clock, idempotency=known, batch_size_max=group)
        )

    def clock(self) -> int:
        return self.books.clock()

    def restart(self) -> None:
        now, lines = self.books.now, self.books.lines
        self.books.close()
        self.books = Books(self.folder)
        self.books.now, self.books.lines = now, lines

    def delivery(self) -> Delivery:
        return Delivery(
            company=1,
            code="main",
            currency="USD",
            connection="ledger",
            ledger=self.ledger,
            days=self.books.days,
            calendar=self.books.calendar,
            clock=self.clock,
            sleep=lambda _: None,
            is_dead=lambda _: True,
            group_max=self.group,
        )

    def drain(self) -> None:
        drain(self.books.store, self.books.journal, self.delivery())

    def rows(self) -> list[tuple[str, str]]:
        with self.books.store.read() as rx:
            found = rx.execute(sa.select(entry.c.state, entry.c.reference).order_by(entry.c.id)).all()
        return [(row.state, row.reference) for row in found]


def sale(number: int, amount: int, day: date) -> Flow:
    return Flow(event_line(number, day=day, quantity=UNIT), "SAL-04", "cogs", "inventory", amount, UNIT)


FIRST = [sale(1, 500, date(2026, 3, 1)), sale(2, 300, date(2026, 3, 2)), sale(3, 200, date(2026, 3, 3))]
CORRECTED = [sale(1, 575, date(2026, 3, 1))]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "store"
    folder.mkdir()
    books = Books(folder)
    books.land([flow.line for flow in FIRST])
    books.close()
    return folder


@pytest.fixture(autouse=True)
def _no_failpoint_left() -> Iterator[None]:
    yield
    failpoints.handler = None


def crash_at(number: int | None) -> Counter[str]:
    passed: Counter[str] = Counter()

    def handler(name: str) -> None:
        passed[name] += 1
        if sum(passed.values()) == number:
            raise Crash(name)

    failpoints.handler = handler
    return passed


def run(world: World, faults: list[str], crashes: list[int | None]) -> None:
    """The three days, the correction, and drains with time passing, until nothing moves; restarted after each crash."""
    lines = dict(zip([1, 2, 3], [flow.line for flow in FIRST], strict=True))
    world.books.lines = lines
    world.ledger.faults = list(faults)
    crash_at(crashes.pop(0) if crashes else None)
    done = 0
    for _ in range(60):
        try:
            if done == 0:
                world.books.post(FIRST)
                done = 1
            world.drain()
            states = [state for state, _ in world.rows()]
            if done == 1 and "pending" not in states and "planned" not in states:
                world.books.post(CORRECTED)
                done = 2
                continue
            if done == 2 and set(states) <= {"posted", "withdrawn"}:
                return
            parked = [number for number, state in enumerate(states, 1) if state == "parked"]
            if parked:
                decide(world, parked[0])
        except Crash:
            crash_at(crashes.pop(0) if crashes else None)
            world.restart()
            world.books.lines = lines
        world.books.now += 25_000_000
    raise AssertionError(f"never came to rest: {world.rows()}")


def decide(world: World, number: int) -> None:
    """The person who looks into the ledger, after any late write has had its time, and says what is there."""
    world.books.now += 600_000_000
    world.ledger._tick()
    with world.books.store.read() as rx:
        reference = outbox.one(rx, 1, number).reference
    there = [n for n, held in world.ledger.documents.items() if held.document.reference == reference]
    store, delivery = world.books.store, world.delivery()
    if there:
        by_person.posted_as(store, delivery, number, there[0], actor="ann", reason="it is there")
    else:
        by_person.absent(store, delivery, number, actor="ann", reason="it is not there")


def check(world: World) -> None:
    references = [held.document.reference for held in world.ledger.documents.values()]
    assert len(references) == len(set(references)), "doubled"
    assert sorted(references) == sorted(reference for state, reference in world.rows() if state != "withdrawn"), (
        "lost, or unknown to us"
    )
    totals: Counter[str] = Counter()
    for held in world.ledger.documents.values():
        for line in held.document.lines:
            totals[line.account] += line.amount
    assert dict(totals) == EXPECTED
    chain = [h.document.lines for h in world.ledger.documents.values() if h.document.day == date(2026, 3, 1)]
    assert [max(line.amount for line in lines) for lines in chain] == [500, 75], "out of order"


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_lost_nothing_doubled_order_kept(kind: str, mix: str, template: Path, tmp_path: Path) -> None:
    dice = random.Random(f"{kind} {mix} 1")
    for number in range(RUNS_PER_CELL):
        faults = [dice.choice(MIXES[mix]) for _ in range(dice.randint(0, 4))] if MIXES[mix] else []
        crashes: list[int | None] = [dice.randint(1, 70), dice.randint(1, 50) if number % 2 else None]
        group = dice.choice([2, 3])
        world = World(template, tmp_path / str(number), KINDS[kind], group)
        story = f"{kind}; groups of {group}; faults {faults}; crashes {crashes}"
        try:
            run(world, faults, list(crashes))
            check(world)
        except AssertionError as error:
            raise AssertionError(f"{story}: {error}") from error
        finally:
            failpoints.handler = None
            world.books.close()


def test_every_failpoint_is_passed(template: Path, tmp_path: Path) -> None:
    passed: Counter[str] = Counter()
    for kind in ("key", "look-up", "nothing", "several a call, one lasting key, look-up"):
        world = World(template, tmp_path / kind, KINDS[kind], 3)
        counting = crash_at(None)
        world.ledger.faults = ["timeout_before", "invalid"]
        world.books.lines = dict(zip([1, 2, 3], [flow.line for flow in FIRST], strict=True))
        world.books.post(FIRST)
        for _ in range(8):
            world.drain()
            world.books.now += 60_000_000
        passed += counting
        world.books.close()
    source = "".join(path.read_text() for path in Path(failpoints.__file__).parent.glob("deliver/*.py"))
    named = {part.split('"')[1] for part in source.split("failpoint(")[1:] if part.startswith('"')}
    named = {name for name in named if not name.startswith("restore:")}  # test_restore.py dies at these
    assert named
    assert named == {name for name in passed if not name.startswith("commit:")}
