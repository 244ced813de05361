"""Every golden journal of the posting matrix whose rows are posted today comes out line by line and to the cent."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.valuation import golden

LIVE = tuple(golden.live_ids())
ALL = (*(f"G{n:02d}" for n in range(1, 17)), "G17a", "G17b", *(f"G{n}" for n in range(18, 35)))


def test_the_file_holds_every_golden_journal_of_the_matrix() -> None:
    assert tuple(golden.cases()) == ALL


@pytest.mark.parametrize("name", ALL)
def test_each_case_balances_and_adds_up_to_its_own_balances(name: str) -> None:
    case = golden.cases()[name]
    currency = case.get("currency", "USD")
    sums: Counter[str] = Counter()
    for entry in case["expect"]:
        lines = {r: golden.role_total(a) for r, a in golden.minor_lines(entry["lines"], currency).items()}
        assert sum(lines.values()) == 0, entry
        sums.update(lines)
    balances = golden.minor_lines(case["balances"], currency)
    assert {r: a for r, a in sums.items() if a} == {r: a for r, a in balances.items() if a}
    assert set(sums) - {"inventory"} <= set(balances)


@pytest.mark.parametrize("name", LIVE)
def test_golden_journal(name: str) -> None:
    case = golden.cases()[name]
    currency = case.get("currency", "USD")
    on_time, late = golden.run(case, arrived=1), golden.run(case)
    arrivals = {event["id"]: event.get("arrives", 1) for event in case["events"]}
    balances: Counter[str] = Counter()
    for entry in golden.expected(case):
        want = golden.minor_lines(entry["lines"], currency)
        found = late if arrivals[entry["events"][0]] > 1 else on_time
        got = golden.actual(found, entry["events"], want)
        if entry.get("delta"):
            now = golden.actual(late, entry["events"], want)
            got = {r: now.get(r, 0) - got.get(r, 0) for r in {*now, *got} if now.get(r, 0) != got.get(r, 0)}
        assert got == want, entry["events"]
        balances.update({role: golden.role_total(amount) for role, amount in got.items()})
    skipped: Counter[str] = Counter()
    for entry in case["expect"]:
        if entry not in golden.expected(case):
            skipped.update({r: golden.role_total(a) for r, a in golden.minor_lines(entry["lines"], currency).items()})
    end = {r: golden.role_total(a) - skipped[r] for r, a in golden.minor_lines(case["balances"], currency).items()}
    assert {r: a for r, a in balances.items() if a} == {r: a for r, a in end.items() if a}
    setup = {event["id"] for event in case["events"] if event.get("setup")}
    everything: Counter[str] = Counter()
    for event, lines in late.roles.items():
        if event not in setup:
            everything.update(lines)
    assert {r: a for r, a in everything.items() if a} == {r: a for r, a in end.items() if a}, "an event posted unasked"
    assert not late.refused
