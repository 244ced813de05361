"""Undo in a simulated ledger what a failed scenario left there too much, and prove that it is undone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tieout import UsageError
from tieout_sandbox.scenarios import ledgers
from tieout_sandbox.scenarios.judge import PLAN_VERSION
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.faults import Faults

FILE: Final = "rollback.json"


def write(folder: Path, plan: Mapping[str, Any]) -> Path:
    path = folder / FILE
    path.write_text(json.dumps(plan, indent=1) + "\n")
    return path


def execute(path: Path) -> dict[str, Any]:
    """Remove (or, in closed books, reverse) each document of a plan, then compare every account. Doing it twice does
    nothing the second time. UsageError when the plan is not one, or the books are not where it says."""
    plan = json.loads(path.read_text())
    if plan.get("version") != PLAN_VERSION:
        raise UsageError(f"{path} is not a rollback plan of this version", fix="run the scenario again")
    done: list[dict[str, str]] = []
    wrong: list[str] = []
    for company, expect in plan["expect"].items():
        file = path.parent / f"{plan['ledger']}-{company}.db"
        if not file.exists():
            raise UsageError(f"the books of {company} are gone: {file}", fix="run the scenario again with --folder")
        books = ledgers.make(plan["ledger"], SimClock(), Faults(), file)
        for action in (a for a in plan["actions"] if a["company"] == company):
            done.append({**action, "done": _undo(books, action)})
        there = books.balances()
        for account in sorted({*there, *expect}):
            if there.get(account, Decimal(0)) != Decimal(expect.get(account, 0)):
                wrong.append(f"{company} {account}: {there.get(account, 0)}, expected {expect.get(account, 0)}")
    return {"plan": str(path), "actions": done, "verified": not wrong, "differences": wrong}


def _undo(books: ledgers.QuickBooksBooks | ledgers.XeroBooks, action: Mapping[str, str]) -> str:
    found = next((h for h in books.held() if (h.kind, h.number) == (action["kind"], action["number"])), None)
    if found is None:
        return "was gone already"
    locked = books.locked()
    if locked is None or date.fromisoformat(action["day"]) > locked:
        books.remove(found)
        return "removed"
    number = books.reverse(found, locked + timedelta(days=1))
    return "was reversed already" if number is None else f"reversed by {number}"
