"""Guarantee: after a power cut at any moment, the database opens as of its last commit, and goes on without a double.

Every commit is synced before anything is done about it (`synchronous=FULL`), so a cut can only tear what was being written
for the next one. Here a run is stopped at its commits, the write-ahead log is cut at every frame of the last commit and at
bytes between, and the ledger is as it was while that commit was being written.
"""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.sweep import simulation
from tests.sweep.simulation import Bench, Life, Moment, plan_of

from tieout import failpoints
from tieout.testing.books import Books

HEADER, FRAME_HEADER = 32, 24  # bytes, of SQLite's write-ahead log
CUTS = 24  # of each kind of ledger
FACTS = ("key", "look-up", "batch, key per call")


class Commit(NamedTuple):
    """The files after a commit, the length of the log before it, and the ledger and the time while it was written."""

    database: bytes
    log: bytes
    before: int
    ledger: dict[str, Any]
    now: int
    known: int
    turn: int


class Disk:
    """What `Life` needs of a bench, on real files that begin as given."""

    def __init__(self, folder: Path, bench: Bench) -> None:
        self.books = Books(folder)
        self.known = bench.known
        self.raw = sqlite3.connect(self.books.path, isolation_level=None)
        self.empty: Any = None

    def put(self, _: object, now: int) -> None:
        self.books.restart()
        self.books.lines = dict(self.known)
        self.books.now = now

    def close(self) -> None:
        self.raw.close()
        self.books.close()


@pytest.fixture(scope="module")
def bench() -> Any:
    made = Bench()
    yield made
    made.close()


def write(folder: Path, database: bytes, log: bytes) -> None:
    folder.mkdir()
    (folder / "tieout.db").write_bytes(database)
    if log:
        (folder / "tieout.db-wal").write_bytes(log)


def commits_of(bench: Bench, folder: Path, seed: int, kind: str) -> list[Commit]:
    """A whole run on real files, and what stood on the disk after each commit of it."""
    target = sqlite3.connect(folder / "seed.db")
    bench.empty.backup(target)
    assert target.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    target.close()
    write(folder / "run", (folder / "seed.db").read_bytes(), b"")
    disk = Disk(folder / "run", bench)
    plan = plan_of(seed, kind)._replace(pause=None)
    life = Life(disk, plan)  # type: ignore[arg-type]
    found: list[Commit] = []
    began: list[Any] = []
    database, log = folder / "run" / "tieout.db", folder / "run" / "tieout.db-wal"

    def handler(name: str) -> None:
        if name.startswith("commit: before"):
            size = log.stat().st_size if log.exists() else 0
            began[:] = [size, simulation._copied(life.ledger.__dict__), life.books.now, life.known, life.turn]
        elif name.startswith("commit: after"):
            found.append(Commit(database.read_bytes(), log.read_bytes(), *began))

    failpoints.handler = handler
    try:
        life.live()
    finally:
        failpoints.handler = None
    assert not life.found().wrong
    disk.close()
    return found


def cuts_of(commit: Commit, dice: random.Random) -> list[int]:
    """Lengths to which a power cut may leave the log: at frames of this commit, and at bytes between."""
    page = int.from_bytes(commit.database[16:18], "big")
    frame = FRAME_HEADER + (65_536 if page == 1 else page)
    first = max(commit.before, HEADER)
    if len(commit.log) <= first:
        return []  # nothing was written for this commit
    whole = [at for at in range(HEADER, len(commit.log), frame) if first <= at]
    return [*whole, *(dice.randint(first, len(commit.log)) for _ in range(len(whole) // 2 + 1))]


@pytest.mark.parametrize("kind", FACTS)
def test_a_log_cut_anywhere_in_its_last_commit_opens_and_goes_on_without_a_double(
    kind: str, bench: Bench, tmp_path: Path
) -> None:
    seed = 8
    dice = random.Random(kind)
    cuts = [(commit, at) for commit in commits_of(bench, tmp_path, seed, kind) for at in cuts_of(commit, dice)]
    assert len(cuts) > CUTS
    for number, (commit, at) in enumerate(dice.sample(cuts, min(CUTS, len(cuts)))):
        folder = tmp_path / f"cut {number}"
        write(folder, commit.database, commit.log[:at])
        disk = Disk(folder, bench)
        assert disk.raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        moment = Moment(disk.raw, commit.ledger, commit.now, commit.known, commit.turn, 1)
        life = Life(disk, plan_of(seed, kind)._replace(pause=None), moment)  # type: ignore[arg-type]
        life.live()
        assert not life.found().wrong, (kind, number, at, life.found())
        disk.close()


def test_every_commit_is_synced(bench: Bench) -> None:
    with bench.books.store.write() as tx:
        assert tx.connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2, "FULL"
        assert tx.connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
