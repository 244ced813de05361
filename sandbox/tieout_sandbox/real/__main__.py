"""`make real`: the whole main job on three public data sets under every cost method, held against a plain reading.

One JSON line per data set and method on stdout; progress on stderr. Without the data it says so and ends with 0.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import tieout_mappings
from tieout_sandbox.real import DATASETS, METHODS, Dataset, Facts, raw

DATA_VARIABLE = "TIEOUT_REAL_DATA"
DATA_BESIDE = Path("../shared/data")
HELD, PARTLY_DONE = 3, 6
ON_HAND = frozenset({"inventory", "inventory_returns_pending"})
POSTING = re.compile(r"  ([A-Z][A-Za-z0-9:-]+) +(-?[0-9]+\.[0-9]{2}) [A-Z]{3}\n")


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


def ledger_balances(project: Path) -> Counter[str]:
    """Balance by role in minor units, added up from the postings of the ledger's text itself."""
    template = (tieout_mappings.FOLDER / "accounts_beancount.csv").read_text(encoding="utf-8")
    role_of = {account: role for role, account in (line.split(",") for line in template.splitlines()[1:])}
    balances: Counter[str] = Counter()
    with (project / "books.beancount").open(encoding="utf-8") as lines:
        for line in lines:
            if found := POSTING.fullmatch(line):
                balances[role_of[found[1]]] += int(found[2].replace(".", ""))
    return balances


def returns_by_row(project: Path) -> dict[str, int]:
    """Return lines by the row of the posting matrix that booked them, counted in the project's database."""
    query = """
        SELECT matrix.text, count(DISTINCT booking.event) FROM booking
        JOIN event ON event.id = booking.event
        JOIN name matrix ON matrix.id = booking.row
        JOIN name type ON type.id = event.type
        WHERE type.text = 'return.received' AND booking.affected IS NULL
        GROUP BY matrix.text
    """
    with closing(sqlite3.connect(f"file:{project / 'tieout.db'}?mode=ro", uri=True)) as database:
        return dict(database.execute(query).fetchall())


def estimates(project: Path, facts: Facts) -> dict[str, Any]:
    """Sales whose cost is still an estimate at the end of the day the data set names, apart for items never bought."""
    found = tieout(project, "report", "provisional", "--as-of", facts.estimates_on)["rows"]
    never = [row for row in found if row["item"] in facts.never_bought]
    bought = [row for row in found if row["item"] not in facts.never_bought]
    return {
        "as_of": facts.estimates_on,
        "never bought": summed(never) | {"by product": by_product(never)},
        "bought too little or too late": summed(bought),
        "units": dict(sorted(units_by_item(found).items())),
    }


def summed(rows: Sequence[Any]) -> dict[str, Any]:
    amount = sum((Decimal(row["amount"]) for row in rows), Decimal("0.00"))
    return {
        "products": len({row["item"] for row in rows}),
        "lines": len(rows),
        "units": units_by_item(rows).total(),
        "amount": str(amount),
    }


def by_product(rows: Sequence[Any]) -> dict[str, list[str]]:
    """Units and value of each product."""
    units, value = units_by_item(rows), defaultdict[str, Decimal](Decimal)
    for row in rows:
        value[row["item"]] += Decimal(row["amount"])
    return {item: [str(units[item]), str(value[item])] for item in sorted(value)}


def units_by_item(rows: Sequence[Any]) -> Counter[str]:
    units: Counter[str] = Counter()
    for row in rows:
        units[row["item"]] += int(row["quantity"])
    return units


def compare(facts: Facts, counts: Any, valuation: Any, balances: Counter[str]) -> dict[str, dict[str, Any]]:
    """Each independent figure beside the one in the books."""
    totals = {
        "records": pair(facts.records, counts["records"]),
        "exceptions": pair(sum(facts.held.values()), counts["exceptions"]),
        "ledger adds up to": pair("0.00", raw.money(balances.total())),
    }
    for role, balance in facts.balances.items():
        totals[f"{role} balance"] = pair(raw.money(balance), raw.money(balances[role]))
    actual: Counter[tuple[str, str]] = Counter()
    for row in valuation["items"]:
        if row["role"] in ON_HAND and row["quantity"] != "0":
            actual[row["item"], row["location"]] += int(row["quantity"])
    expected = Counter(facts.on_hand)
    wrong = sorted(key for key in {*expected, *actual} if expected[key] != actual[key])
    for key in wrong[:10]:
        tell(f"  {' at '.join(key)}: {expected[key]} by the raw file, {actual[key]} in the books")
    totals["units on hand"] = pair(expected.total(), actual.total())
    totals["items whose units differ"] = pair(0, len(wrong))
    return totals


def pair(expected: object, actual: object) -> dict[str, Any]:
    return {"raw": expected, "books": actual, "equal": expected == actual}


def run(dataset: Dataset, method: str, project: Path) -> dict[str, Any]:
    """One data set under one method: prepare, run (which ties out), compare."""
    started = time.monotonic()
    facts = dataset.facts(method)
    tell(f"{dataset.name} / {method}: preparing {facts.records} records")
    dataset.prepare(project, method)
    status = tieout(project, "run", "--seal-now", allowed=(0, HELD, PARTLY_DONE))
    company = status["companies"][0]
    valuation = tieout(project, "valuation")
    exceptions = tieout(project, "exceptions", "list")
    causes = Counter(f"{row['code']} {row['stage']}" for row in exceptions["exceptions"])
    balances = ledger_balances(project)
    totals = compare(facts, company["counts"], valuation, balances)
    more: dict[str, Any] = {}
    if facts.rows:
        booked = returns_by_row(project)
        totals |= {f"returns booked by {row}": pair(number, booked.get(row, 0)) for row, number in facts.rows.items()}
        totals["returns booked"] = pair(sum(facts.rows.values()), sum(booked.values()))
    if facts.estimates_on:
        more["provisional"] = estimated = estimates(project, facts)
        units = estimated.pop("units")
        totals["items whose provisional units differ"] = pair(0, len(set(units.items()) ^ set(facts.estimates.items())))
        never = {item: units for item, units in facts.estimates.items() if item in facts.never_bought}
        totals["products never bought, provisional"] = pair(len(never), estimated["never bought"]["products"])
        totals["their units"] = pair(sum(never.values()), estimated["never bought"]["units"])
        totals["their value"] = pair(raw.money(facts.never_bought_value), estimated["never bought"]["amount"])
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
        **more,
        "shown": {name: raw.money(balances[role]) for name, role in facts.shown.items()},
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
