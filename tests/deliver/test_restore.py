"""Guarantee: a restored database delivers nothing twice. Backup, deliver more, restore, make it again, drain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from tieout import failpoints
from tieout.connector import Idempotency
from tieout.deliver import decide
from tieout.deliver.drain import Drained, drain
from tieout.model.journal import Flow
from tieout.store import outbox
from tieout.store.backup import backup, restore, unverified
from tieout.store.exceptions import list_exceptions
from tieout.store.schema import attempt, entry
from tieout.testing.books import START, Books, event_line
from tieout.testing.fake_ledger import FakeLedger

pytestmark = pytest.mark.sqlite

UNIT = 1_000_000
YEAR = 365 * 86_400_000_000
LEDGERS = {
    "look-up by reference": Idempotency(lookup="by_reference"),
    "look-up by key": Idempotency(kind="key", key_seconds=60, lookup="by_key"),
    "look-up and unique reference": Idempotency(lookup="by_reference", unique_reference=True),
    "late and lagging": Idempotency(lookup="by_reference", index_lag_seconds=20, late_commit_seconds_max=30),
    "unique reference only": Idempotency(unique_reference=True),
    "keys that live for a minute": Idempotency(kind="key", key_seconds=60),
    "nothing": Idempotency(),
}


class World:
    """A database that can be backed up and put back, and a ledger that knows nothing of that."""

    def __init__(self, folder: Path, known: Idempotency) -> None:
        self.folder = folder
        self.books = Books(folder)
        self.books.now = START + 40 * 86_400_000_000 + YEAR  # in the future, so that a restore is now or earlier
        self.ledger = FakeLedger(clock=self.clock, idempotency=known)

    def clock(self) -> int:
        return self.books.now

    def drain(self) -> Drained:
        return drain(self.books.store, self.books.journal, self.books.delivery(self.ledger, is_dead=lambda _: True))

    def reopen(self) -> None:
        now = self.books.now
        self.books.close()
        self.books = Books(self.folder)
        self.books.now = now

    def put_back(self, at: Path) -> None:
        self.books.close()
        restore(at, f"sqlite:///{self.folder}/tieout.db")
        now = self.books.now
        self.books = Books(self.folder)
        self.books.now = now + 3_600_000_000

    def rows(self) -> list[tuple[str, date]]:
        with self.books.store.read() as rx:
            found = rx.execute(sa.select(entry.c.state, entry.c.day).order_by(entry.c.id)).all()
        return [(row.state, row.day) for row in found]

    def problems(self) -> list[str]:
        with self.books.store.read() as rx:
            return [row["code"] for row in list_exceptions(rx, 1)]

    def held(self) -> list[tuple[date, int]]:
        return [
            (each.document.day, max(line.amount for line in each.document.lines))
            for each in self.ledger.documents.values()
        ]


def sale(number: int, day: int, amount: int = 500) -> Flow:
    line = event_line(number, day=date(2026, 3, day), quantity=UNIT)
    return Flow(line, "SAL-04", "cogs", "inventory", amount, UNIT)


@pytest.fixture(autouse=True)
def _no_failpoint_left() -> Iterator[None]:
    yield
    failpoints.handler = None


def delivered_more_then_restored(folder: Path, known: Idempotency) -> World:
    """Day 1 is in the backup as delivered, day 2 as sealed and pending, day 3 not at all; all three are in the ledger."""
    world = World(folder, known)
    world.books.post([sale(1, 1)])
    assert world.drain().posted == 1
    world.books.post([sale(2, 2, 700)])
    made = backup(world.books.store, folder / "monday.db")
    world.drain()
    world.books.post([sale(3, 3, 900)])
    world.drain()
    assert len(world.ledger.documents) == 3
    world.books.now += 86_400_000_000
    world.put_back(made.path)
    return world


@pytest.mark.parametrize("kind", LEDGERS)
def test_what_was_delivered_after_the_backup_is_found_and_not_sent_again(kind: str, tmp_path: Path) -> None:
    world = delivered_more_then_restored(tmp_path, LEDGERS[kind])
    before, calls = world.held(), len(world.ledger.calls)
    world.drain()
    world.books.post([sale(3, 3, 900)])  # the same event comes again from its source
    world.drain()
    assert world.held() == before
    assert [state for state, _ in world.rows()] == ["posted"] * 3
    assert len(world.ledger.calls) - calls <= (2 if kind == "unique reference only" else 0), "found, not sent"
    world.books.post([sale(4, 4, 300)])  # and what is really new is delivered
    world.drain()
    assert world.held() == [*before, (date(2026, 3, 4), 300)]
    world.books.close()


def test_with_nothing_to_look_up_by_what_is_not_listed_waits_for_a_person(tmp_path: Path) -> None:
    world = delivered_more_then_restored(tmp_path, LEDGERS["nothing"])
    gone = next(n for n, held in world.ledger.documents.items() if held.document.day == date(2026, 3, 2))
    world.ledger.delete(gone)
    world.books.post([sale(3, 3, 900)])
    assert world.drain().parked == 1
    assert world.problems() == ["TO6131"]
    with world.books.store.read() as rx:
        (row,) = outbox.entries(rx, 1, None, [outbox.PARKED])
    decide.absent(world.books.store, world.books.delivery(world.ledger), row.id, actor="ann", reason="deleted there")
    world.drain()
    assert sorted(world.held()) == [(date(2026, 3, 1), 500), (date(2026, 3, 2), 700), (date(2026, 3, 3), 900)]
    world.books.close()


def test_an_entry_made_again_with_other_contents_is_not_sent_beside_its_lost_twin(tmp_path: Path) -> None:
    """The day was delivered with one sale; after the restore a second, late one is known too when the day is sealed."""
    world = delivered_more_then_restored(tmp_path, LEDGERS["look-up by reference"])
    world.books.post([sale(3, 3, 900), sale(5, 3, 50)])
    assert world.drain().parked == 1
    assert world.problems() == ["TO6130"]
    assert len(world.ledger.documents) == 3
    with world.books.store.read() as rx:
        (problem,) = list_exceptions(rx, 1)
    twin = next(n for n, held in world.ledger.documents.items() if held.document.day == date(2026, 3, 3))
    assert f"({twin})" in problem["message"]
    assert problem["amount"] == 950
    world.ledger.delete(twin)
    delivery = world.books.delivery(world.ledger)
    decide.absent(world.books.store, delivery, problem["entry"], actor="ann", reason="voided its twin")
    world.drain()
    assert world.held()[-1] == (date(2026, 3, 3), 950)
    world.books.close()


def test_the_mode_ends_when_nothing_of_ours_is_unknown(tmp_path: Path) -> None:
    world = delivered_more_then_restored(tmp_path, LEDGERS["look-up by reference"])
    assert unverified(world.books.store) == ["deliver:ledger"]
    world.drain()
    assert unverified(world.books.store) == ["deliver:ledger"], "day 3 is in the ledger and unknown here"
    world.books.post([sale(3, 3, 900)])
    world.drain()
    assert unverified(world.books.store) == []
    with world.books.store.read() as rx:
        told = list(rx.connection.scalars(sa.select(attempt.c.outcome).where(attempt.c.entry == 2)))
    assert told == ["receipt"]
    world.books.close()


def test_a_ledger_that_shows_late_is_given_its_time(tmp_path: Path) -> None:
    world = delivered_more_then_restored(tmp_path, LEDGERS["late and lagging"])
    gone = next(n for n, held in world.ledger.documents.items() if held.document.day == date(2026, 3, 2))
    world.ledger.delete(gone)
    with world.books.store.write() as tx:  # restored this instant, by the test's clock
        world.books.store.set_meta(tx, "restored_at", str(world.books.now))
    done = world.drain()
    assert done.posted == 0
    assert done.error is not None
    assert "restored a moment ago" in done.error.message
    world.books.now += 200_000_000
    assert world.drain().posted == 1
    world.books.close()


@pytest.mark.parametrize("kind", ["look-up by reference", "late and lagging", "unique reference only"])
def test_killed_at_every_step_of_the_recovery_nothing_is_doubled_or_lost(kind: str, tmp_path: Path) -> None:
    class Crash(BaseException):
        pass

    for step in range(1, 24):
        folder = tmp_path / str(step)
        folder.mkdir()
        world = delivered_more_then_restored(folder, LEDGERS[kind])
        world.books.post([sale(3, 3, 900), sale(4, 4, 300)])
        passed = 0

        def handler(_: str, step: int = step) -> None:
            nonlocal passed
            passed += 1
            if passed == step:
                raise Crash

        failpoints.handler = handler
        for _ in range(4):
            try:
                world.drain()
            except Crash:
                world.reopen()
            world.books.now += 400_000_000
        failpoints.handler = None
        amounts = sorted(amount for _, amount in world.held())
        assert amounts == [300, 500, 700, 900], (kind, step)
        assert {state for state, _ in world.rows()} == {"posted"}, (kind, step)
        world.books.close()
