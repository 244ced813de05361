"""`make matrix`: every row of the posting matrix, and what shows that it works. Nothing here is a kept flag.

The tests run with an ear on the engine; only passing tests count. A row is shown by a test that made it be emitted, or
whose own id names it ("SAL-10 part of an order": some rows post the lines of another). `golden`: a golden journal that
names the row and comes out whole; `property`: a property test; `example`: figures worked by hand; `scenario`: a company
at work (sandbox, workspace, delivery). A row without lines of its own (memo) counts once an event of its types was taken
in without any. `--json FILE` writes the same as data; `--missing` lists only the gaps.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
ROWS = ROOT / "core/tieout/posting/matrix_rows.yaml"
NEEDS = Path(__file__).with_name("needs.yaml")
KINDS = ("golden", "property", "example", "scenario")
PURE = ("tests/valuation", "tests/posting", "tests/settlement")
WORKING = ("tests/sandbox", "tests/operations", "tests/reports", "tests/scenarios")
ROW = re.compile(r"\b([A-Z]{2,3}-\d{2})\b")
SIDES = ("debit", "credit", "either")


class Heard(NamedTuple):
    """What was heard while one test ran: row ids of flows and bookings, event types taken in without any flow."""

    rows: set[str]
    memo: set[str]


class Ear:
    """A pytest plugin that listens where flows leave the valuer, reach the accounts, and enter the journal."""

    def __init__(self) -> None:
        self.now = Heard(set(), set())
        self.rows: dict[str, dict[str, set[str]]] = {}  # row → kind → test ids
        self.memo: dict[str, dict[str, set[str]]] = {}  # event type → kind → test ids
        self.failed: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.now.rows.clear()
        self.now.memo.clear()
        result = yield
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
        if report.when != "call" or not report.passed:
            return
        told = {name: str(value) for name, value in report.user_properties}
        kind, named = told["kind"], set(told["rows"].split())
        for row in self.now.rows | (named if told["whole"] == "yes" else set()):
            shown = "example" if kind == "golden" and row not in named else kind
            self.rows.setdefault(row, {}).setdefault(shown, set()).add(report.nodeid)
        for name in self.now.memo:
            self.memo.setdefault(name, {}).setdefault(kind, set()).add(report.nodeid)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            named, whole = _named(item)
            item.user_properties += [
                ("kind", _kind(item)),
                ("rows", " ".join(named)),
                ("whole", "yes" if whole else ""),
            ]


def _kind(item: pytest.Item) -> str:
    function = getattr(item, "function", None)
    if "golden_journals" in item.nodeid:
        return "golden"
    if getattr(function, "is_hypothesis_test", False) or hasattr(getattr(item, "cls", None), "settings"):
        return "property"
    return "example" if item.nodeid.startswith(PURE) else "scenario"


def _named(item: pytest.Item) -> tuple[list[str], bool]:
    """The rows a test says it is about, and whether it shows all of them: a golden journal with parts left out does not."""
    if not item.nodeid.partition("::")[2].startswith("test_golden_journal["):
        return ROW.findall(item.nodeid.replace("_", "-").upper()), True
    from tests.valuation import golden

    case = golden.cases()[item.callspec.params["name"]]  # type: ignore[attr-defined]
    later = [part for part in (case, *case["events"]) if part.get("since", golden.IMPLEMENTED) > golden.IMPLEMENTED]
    return [str(row) for row in case["rows"]], not later


def listen(ear: Ear) -> None:
    """Put the ear to the engine. Only this process, only while the tests run."""
    from tieout.posting.bookings import Booker
    from tieout.store.journal import Journal
    from tieout.valuation.engine import Valuer

    step, book, append = Valuer.step, Booker.book, Journal.append

    def stepped(self: Any, line: Any, *args: Any, **kw: Any) -> Any:
        flows = step(self, line, *args, **kw)
        ear.now.rows.update(flow.row for flow in flows)
        if not flows:
            ear.now.memo.add(line.type)
        return flows

    def booked(self: Any, flows: Any) -> Any:
        kept = list(flows)
        ear.now.rows.update(flow.row for flow in kept)
        return book(self, kept)

    def appended(self: Any, tx: Any, bookings: Any, entries: Any, numbers: Any) -> Any:
        ear.now.rows.update(each.row for each in bookings)
        return append(self, tx, bookings, entries, numbers)

    Valuer.step = stepped  # type: ignore[method-assign]
    Booker.book = booked  # type: ignore[method-assign]
    Journal.append = appended  # type: ignore[method-assign]


def table(ear: Ear) -> list[dict[str, Any]]:
    """One row of the matrix each: title, the tests of each kind, and what is missing."""
    rows: dict[str, dict[str, Any]] = YAML(typ="safe").load(ROWS.read_text())
    needs: dict[str, str] = YAML(typ="safe").load(NEEDS.read_text()) or {}
    out = []
    for row, facts in rows.items():
        found = dict(ear.rows.get(row, {}))
        if not any(facts.get(side) for side in SIDES):
            for name in facts.get("events", []):
                for kind, tests in ear.memo.get(name, {}).items():
                    found[kind] = found.get(kind, set()) | tests
        out.append(
            {
                "row": row,
                "title": facts["title"],
                "implemented": bool(found),
                **{kind: sorted(found.get(kind, ())) for kind in KINDS},
                "needs": needs.get(row) or ("" if found else _reason(facts)),
            }
        )
    wrong = [row for row in needs if row not in rows or ear.rows.get(row)]
    if wrong:
        sys.exit(f"{NEEDS.name} names rows that are posted, or no rows at all: {', '.join(wrong)}")
    return out


def _reason(facts: dict[str, Any]) -> str:
    types = ", ".join(facts.get("events", [])) or "no event of its own"
    return f"no passing test makes it be emitted or names it ({types})"


def show(found: list[dict[str, Any]], *, missing: bool) -> None:
    marks = {True: "yes", False: "–"}
    print(f"{'row':<8}{'implemented':<13}{'golden':>7}{'property':>10}{'example':>9}{'scenario':>10}  title")
    for each in found:
        if missing and each["implemented"]:
            continue
        counts = "".join(
            f"{len(each[kind]) or '–':>{width}}" for kind, width in zip(KINDS, (7, 10, 9, 10), strict=True)
        )
        need = f"   needs: {each['needs']}" if each["needs"] else ""
        print(f"{each['row']:<8}{marks[each['implemented']]:<13}{counts}  {each['title']}{need}")
    total = len(found)
    parts = [f"{sum(each['implemented'] for each in found)} of {total} rows implemented"]
    parts += [f"{sum(bool(each[kind]) for each in found)} with a {kind} test" for kind in KINDS]
    print("\n" + ", ".join(parts))


def main() -> int:
    options = argparse.ArgumentParser(prog="tests/matrix", description=__doc__)
    options.add_argument("--json", type=Path, default=None)
    options.add_argument("--missing", action="store_true")
    chosen = options.parse_args()
    os.environ.setdefault("TIEOUT_HYPOTHESIS", "valuation-landing")  # the same rows every time
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    ear = Ear()
    listen(ear)
    there = [folder for folder in (*PURE, *WORKING) if Path(folder).is_dir()]
    pytest.main(["-q", "--no-header", "--tb=no", "-m", "not real", *there], plugins=[ear])
    found = table(ear)
    show(found, missing=chosen.missing)
    if ear.failed:
        print(f"not counted, because they fail: {', '.join(ear.failed)}")
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))
    return 1 if ear.failed else 0


if __name__ == "__main__":
    sys.exit(main())
