"""`python -m tieout_sandbox.nightly`: every scenario × {QuickBooks, Xero} × fault seeds, judged by the ledgers' own books.

Prints a line a scenario and the sums; ends with 1 when anything was lost, doubled or did not tie out. `--seeds 20`,
`--only NAME`, `--processes 2`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from typing import Any

from tieout_sandbox.scenarios import SCENARIOS, perform

LEDGERS = ("quickbooks", "xero")
Job = tuple[str, str, int]


def play(job: Job) -> dict[str, Any]:
    name, ledger, seed = job
    return perform(name, ledger=ledger, seed=seed, fault_seed=seed)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tieout_sandbox.nightly")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--only", action="append", choices=sorted(SCENARIOS))
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args(words)
    seeds = range(asked.first, asked.first + asked.seeds)
    jobs = [(n, ledger, s) for n in asked.only or SCENARIOS for ledger in LEDGERS for s in seeds]
    began = time.monotonic()
    sums: Counter[str] = Counter()
    rows: dict[tuple[str, str], Counter[str]] = {}
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool:
        for answer in pool.imap(play, jobs):
            row = rows.setdefault((answer["scenario"], answer["ledger"]), Counter())
            for into in (row, sums):
                into["runs"] += 1
                into["faults"] += sum(answer["faults_happened"].values())
                into["failed"] += not answer["ok"]
                for key in ("documents", "lost", "doubled"):
                    into[key] += answer[key]
            if not answer["ok"]:
                print(f"FAILED {answer['scenario']} {answer['ledger']} seed {answer['seed']}: {answer['failures']}")
            if row["runs"] == asked.seeds:
                print(_line(f"{answer['scenario']} → {answer['ledger']}", row), flush=True)
    print(_line("all", sums))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if sums["failed"] or sums["lost"] or sums["doubled"] else 0


def _line(name: str, row: Counter[str]) -> str:
    return (
        f"{name:30} {row['runs']:4} performances, {row['documents']:6} documents, {row['faults']:6} faults: "
        f"{row['lost']} lost, {row['doubled']} doubled, {row['failed']} not tied out"
    )


if __name__ == "__main__":
    sys.exit(main())
