"""`make real`: the whole main job on three public data sets under every cost method, held against a plain reading.

One JSON line per data set and method on stdout; progress on stderr. Without the data it says so and ends with 0.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tieout_sandbox.real import DATASETS, METHODS, Dataset, Facts, raw

DATA_VARIABLE = "TIEOUT_REAL_DATA"
DATA_BESIDE = Path("../shared/data")
HELD, PARTLY_DONE = 3, 6


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def tieout(project: Path, *words: str, allowed: Sequence[int] = (0,)) -> Any:
    """The answer of a `tieout` command as data; its own progress goes to stderr as it comes."""
    command = [sys.executable, "-m", "tieout", *words, "--json", "-C", str(project)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in allowed:
        raise SystemExit(f"`tieout {' '.join(words)}` ended with {done.returncode} in {project}")
    return json.loads(done.stdout)


def bean_check(project: Path) -> bool:
    """Whether beancount's own checker accepts the ledger, whole."""
    program = Path(sys.executable).parent / "bean-check"
    done = subprocess.run([str(program), str(project / "books.beancount")], capture_output=True, text=True, check=False)
    if done.returncode:
        tell((done.stdout + done.stderr)[:2_000])
    return done.returncode == 0


def compare(facts: Facts, status: Any, valuation: Any) -> dict[str, dict[str, Any]]:
    """Each independent figure beside the one in the books."""
    company = status["companies"][0]
    by_role: Counter[str] = Counter()
    for row in company["accounts"]:
        by_role[row["role"]] += minor(row["ledger"] if row["ledger"] is not None else row["journal"])
    totals = {
        "records": pair(facts.records, company["counts"]["records"]),
        "exceptions": pair(sum(facts.held.values()), company["counts"]["exceptions"]),
    }
    for role, balance in facts.balances.items():
        totals[f"{role} balance"] = pair(raw.money(balance), raw.money(by_role[role]))
    expected: Counter[str] = Counter()
    for (item, _), quantity in facts.on_hand.items():
        expected[item] += quantity
    actual: Counter[str] = Counter()
    for row in valuation["items"]:
        actual[row["item"]] += int(row["quantity"])
    wrong = [item for item in {*expected, *actual} if expected[item] != actual[item]]
    for item in sorted(wrong)[:10]:
        tell(f"  {item}: {expected[item]} by the raw file, {actual[item]} in the books")
    totals["units on hand"] = pair(expected.total(), actual.total())
    totals["items whose units differ"] = pair(0, len(wrong))
    return totals


def minor(text: str) -> int:
    return int(text.replace(".", ""))


def pair(expected: object, actual: object) -> dict[str, Any]:
    return {"raw": expected, "books": actual, "equal": expected == actual}


def run(dataset: Dataset, method: str, project: Path) -> dict[str, Any]:
    """One data set under one method: prepare, run, reconcile, compare."""
    started = time.monotonic()
    facts = dataset.facts(method)
    tell(f"{dataset.name} / {method}: preparing {facts.records} records")
    dataset.prepare(project, method)
    tieout(project, "run", "--seal-now", allowed=(0, HELD, PARTLY_DONE))
    status = tieout(project, "reconcile", allowed=(0, HELD))
    company = status["companies"][0]
    valuation = tieout(project, "valuation")
    exceptions = tieout(project, "exceptions", "list")
    causes = Counter(f"{row['code']} {row['stage']}" for row in exceptions["exceptions"])
    totals = compare(facts, status, valuation)
    balances = {row["role"]: row["ledger"] for row in company["accounts"]}
    answer = {
        "dataset": dataset.name,
        "method": method,
        "tied_out": status["tied_out"],
        "unexplained": status["unexplained"],
        "bean_check": bean_check(project),
        "totals_equal": all(total["equal"] for total in totals.values()),
        "counts": company["counts"],
        "value": valuation["value"],
        "exceptions": dict(sorted(causes.items())),
        "totals": totals,
        "raw": facts.counts,
        "skipped": facts.skipped,
        "shown": {name: balances.get(role) for name, role in facts.shown.items()},
        "seconds": round(time.monotonic() - started),
    }
    good = answer["tied_out"] and answer["bean_check"] and answer["totals_equal"]
    tell(f"{dataset.name} / {method}: {'tied out' if good else 'DOES NOT AGREE'} in {answer['seconds']} s")
    return answer


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tieout_sandbox.real", description=__doc__)
    parser.add_argument("--dataset", choices=sorted(DATASETS), action="append", help="only this one (may be repeated)")
    parser.add_argument("--method", choices=METHODS, action="append", help="only this cost method (may be repeated)")
    parser.add_argument("--keep", type=Path, help="leave the projects in this folder instead of deleting them")
    options = parser.parse_args(arguments)
    data = Path(os.environ.get(DATA_VARIABLE) or DATA_BESIDE)
    if not data.is_dir():
        print(f"skipped: no real data at {data} (set {DATA_VARIABLE} to a folder that holds {', '.join(DATASETS)})")
        return 0
    good = True
    for name in options.dataset or DATASETS:
        dataset = DATASETS[name](data.resolve())
        for method in options.method or METHODS:
            with tempfile.TemporaryDirectory(prefix="tieout-real-") as folder:
                project = (options.keep or Path(folder)).resolve() / f"{name}-{method}"
                project.mkdir(parents=True, exist_ok=True)
                answer = run(dataset, method, project)
            print(json.dumps(answer), flush=True)
            good &= bool(answer["tied_out"] and answer["totals_equal"] and answer["bean_check"])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
