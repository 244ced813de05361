"""kill -9 at any moment of `tieout run`, then `tieout run`: the same books as an undisturbed run."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

KILLS = 6


def tieout(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tieout", *words, "-C", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def answer(folder: Path, *words: str) -> Any:
    done = tieout(folder, *words, "--json")
    assert done.returncode in (0, 3), done.stderr
    return json.loads(done.stdout)


def books(folder: Path) -> dict[str, Any]:
    """Everything that must come out the same: balances, quantities, counts, and the ledger's own documents."""
    company = answer(folder, "status")["companies"][0]
    text = (folder / "books.beancount").read_text()
    references = [line for line in text.splitlines() if line.strip().startswith("tieout:")]
    return {
        "accounts": company["accounts"],
        "locations": company["locations"],
        "events": company["counts"]["events"],
        "tied_out": company["tied_out"],
        "waiting": company["counts"]["waiting"],
        "references": sorted(references),
    }


def movements(folder: Path) -> None:
    """A few hundred movements, so that a run takes long enough to be killed in."""
    rng = random.Random(3)
    rows = ["id,revision,kind,date,document,party,sku,quantity,location,unit_price,refers_to,reason"]
    for number in range(1, 401):
        day = f"2026-01-{1 + number // 16:02d}"
        if number % 5 == 1:
            rows.append(
                f"{number},1,receipt,{day},R-{number},ACME,MUG,{rng.randint(20, 40)},MAIN,{rng.randint(300, 900)}.0{rng.randint(0, 9)},,"
            )
        elif number % 50 == 2:
            rows.append(f"{number},1,bill,{day},B-{number},ACME,MUG,5,,9.99,R-{number - 1},")
        else:
            rows.append(f"{number},1,shipment,{day},S-{number},C-1,MUG,{rng.randint(1, 6)},MAIN,,,")
    (folder / "inbox" / "movements-2026-01.csv").write_text("\n".join(rows) + "\n")
    (folder / "inbox" / "stock-2026-01-31.csv").unlink()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    assert tieout(folder, "init", "--template", "files", "--name", "Killed").returncode == 0
    movements(folder)
    return folder


def test_killed_at_any_moment_and_run_again_gives_the_same_books(project: Path, tmp_path: Path) -> None:
    calm = tmp_path / "calm"
    shutil.copytree(project, calm)
    started = time.monotonic()
    assert tieout(calm, "run").returncode == 0
    seconds = time.monotonic() - started
    rng = random.Random(11)
    killed = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "tieout", "run", "-C", str(project)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(timeout=rng.uniform(0.3, 1.0) * seconds)  # seconds
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    assert killed, "no run was killed in time"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done = tieout(project, "run")
        if done.returncode == 0 and books(project)["waiting"] == 0:
            break
        time.sleep(0.5)  # seconds
    assert books(project) == books(calm)
