"""Guarantee: a disk that is full, too small for one file, or read-only is told in words; nothing is lost, and the same
command goes on when there is room again."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.sweep.simulation import Bench, Life, plan_of

from tieout.errors import StoreError


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["key", "look-up"])
@pytest.mark.parametrize("room", range(4))
def test_a_full_disk_at_any_write_loses_nothing(kind: str, room: int, bench: Bench) -> None:
    """`room`: pages that are left. The run fails in words, then goes on where there is room."""
    plan = plan_of(8, kind)._replace(pause=None)
    life = Life(bench, plan)
    pages = bench.raw.execute("PRAGMA page_count").fetchone()[0]
    limit = partial(_limit, bench)
    limit(pages + room)
    try:
        with pytest.raises(StoreError, match="cannot be written") as told:
            _grow(life)
        assert told.value.code == "TO8008"
        assert told.value.fix
    finally:
        limit(1_073_741_823)
    life.live()
    assert not life.found().wrong


def _grow(life: Life) -> None:
    life.live()
    while True:  # a small run fits into what is free on the pages there are
        with life.books.store.write() as tx:
            life.books.store.set_meta(tx, f"ballast {life.books.clock()}", "x" * 8_000)


def _limit(bench: Bench, pages: int) -> None:
    with bench.books.store.write() as tx:
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


# ── whole programs ─────────────────────────────────────────────────────────────────────────────────────────────────
def tieout(folder: Path, *words: str, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tieout", *words, "-C", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=before)


def small_files(bytes_max: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, bytes_max))


def status(folder: Path) -> Any:
    done = tieout(folder, "status", "--json")
    assert done.returncode in (0, 3), done.stderr
    return json.loads(done.stdout)["companies"][0]


def test_a_run_that_may_not_write_so_much_fails_in_words_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    assert tieout(folder, "init", "--template", "files", "--name", "Full").returncode == 0
    size = (folder / "tieout.db").stat().st_size if (folder / "tieout.db").exists() else 0
    failed = tieout(folder, "run", before=partial(small_files, max(size // 2, 64 * 1024)))
    assert failed.returncode != 0
    assert "TO80" in failed.stderr
    assert "Traceback" not in failed.stderr
    done = tieout(folder, "run")
    assert done.returncode == 0, done.stderr
    assert status(folder)["tied_out"]
