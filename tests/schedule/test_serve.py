"""Serving: each firing once whoever fires, downtime made up for, pauses kept, signals obeyed, changes taken in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.operations.conftest import first_feeds

from tieout.errors import UsageError
from tieout.operations.serving import Clock
from tieout.workspace import Workspace

SCHEDULE = """
[schedule.pull]
every = "10m"

[schedule.deliver]
every = "10m"

[schedule.reconcile]
cron = "0 6 * * *"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    first_feeds(tmp_path)
    with (tmp_path / "tieout.toml").open("a") as file:
        file.write(SCHEDULE)
    return tmp_path


def clock(work: Workspace, now: list[datetime]) -> Clock:
    desk = work.office("main").desk
    desk.now = lambda: now[0]
    return Clock(desk, now[0])


def test_each_firing_is_handed_out_once_by_however_many_clocks(folder: Path) -> None:
    now = [datetime(2026, 1, 5, 0, 1, tzinfo=UTC)]
    with Workspace.open(folder) as one, Workspace.open(folder) as two:
        clocks = [clock(one, now), clock(two, now)]
        seen: list[str] = []
        for _ in range(60 * 12):
            now[0] += timedelta(minutes=1)
            seen += [f"{d.schedule.name} {d.planned}" for c in clocks for d in c.due()]
    assert len(seen) == len(set(seen))
    assert sum("/deliver" in name for name in seen) == 72
    assert sum("/pull/" in name for name in seen) == 72 * 5
    assert sum("/reconcile" in name for name in seen) == 1


def test_downtime_is_made_up_for_by_one_firing(folder: Path) -> None:
    now = [datetime(2026, 1, 5, 0, 1, tzinfo=UTC)]
    with Workspace.open(folder) as work:
        first = clock(work, now)
        now[0] += timedelta(minutes=10)
        assert {d.missed for d in first.due()} == {0}
        now[0] += timedelta(hours=5)
        again = Clock(work.office("main").desk, now[0])
        found = {d.schedule.name: d.missed for d in again.due()}
    assert found["main/deliver"] == 29


def test_deliveries_go_before_pulls(folder: Path) -> None:
    now = [datetime(2026, 1, 5, 0, 1, tzinfo=UTC)]
    with Workspace.open(folder) as work:
        made = clock(work, now)
        now[0] += timedelta(minutes=10)
        assert made.due()[0].schedule.what == "deliver"


def test_a_paused_schedule_waits_and_then_makes_up_for_it(folder: Path) -> None:
    now = [datetime(2026, 1, 5, 0, 1, tzinfo=UTC)]
    with Workspace.open(folder, actor="ann") as work:
        made = clock(work, now)
        rows = work.pause_schedule("deliver", "books are being closed")["schedules"]
        stopped = next(r for r in rows if r["schedule"] == "main/deliver")
        assert (stopped["paused_by"], stopped["next"]) == ("ann", None)
        now[0] += timedelta(hours=1)
        assert "main/deliver" not in {d.schedule.name for d in made.due()}
        work.resume_schedule("deliver")
        now[0] += timedelta(minutes=10)
        assert "main/deliver" in {d.schedule.name for d in made.due()}
        with pytest.raises(UsageError, match="not paused"):
            work.resume_schedule("deliver")
        with pytest.raises(UsageError, match="no schedule"):
            work.pause_schedule("nonsense", "x")


def test_a_schedule_by_hand_does_its_work_and_says_so(folder: Path) -> None:
    with Workspace.open(folder) as work:
        for stream in ("openings", "receipts", "shipments"):
            assert work.run_schedule(f"pull/ops/{stream}")["outcome"] == "done"
        work.office("main").deliver(seal_now=True)
        assert work.run_schedule("reconcile")["detail"] == "unexplained 0.00"
        last = {r["schedule"]: r["outcome"] for r in work.schedules()["schedules"]}
    assert last["main/reconcile"] == "done"


def test_a_process_serves_until_it_is_told_to_stop_and_takes_changes_in(folder: Path) -> None:
    text = (folder / "tieout.toml").read_text().replace('every = "10m"', 'every = "2s"')
    (folder / "tieout.toml").write_text(text)
    command = [sys.executable, "-m", "tieout", "serve", "-C", str(folder)]
    told = folder / "told.txt"
    with told.open("w") as out, subprocess.Popen(command, stderr=out, stdout=out) as process:
        try:
            _wait_for(told, "main/pull/ops/shipments: done")
            (folder / "tieout.toml").write_text(text.replace('every = "2s"', 'evry = "2s"'))
            _wait_for(told, "is not taken")
            (folder / "tieout.toml").write_text(text.replace('every = "2s"', 'every = "3s"'))
            _wait_for(told, "is in force")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
    with Workspace.open(folder) as work:
        assert {r["outcome"] for r in work.schedules()["schedules"]} <= {"done", None}
        work.run(seal_now=True)
        assert work.status()["tied_out"]


def _wait_for(path: Path, text: str) -> None:
    for _ in range(600):
        if text in path.read_text():
            return
        time.sleep(0.1)  # seconds
    raise AssertionError(path.read_text())
