"""The sample company: the same seed gives the same bytes, its feeds map without a refusal, and its stock reports follow
from its movements."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tieout.valuation import value
from tieout_sandbox import sample

MILLION = 1_000_000
CASES = 12


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> sample.SampleCompany:
    return sample.create(tmp_path_factory.mktemp("company"))


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def shelf(lines: list[Any]) -> Iterator[tuple[str, str, Decimal]]:
    """What each mapped line does to the stock of a place, told apart from the engine that will do the same."""
    cased = {"XCS": CASES}
    for line in sorted(lines, key=lambda x: (x.at, x.phase)):
        unit = (line.extra or {}).get("unit", "")
        units = Decimal(line.quantity) / MILLION * cased.get(unit, 1)
        match line.type:
            case "opening.loaded" | "purchase.received" | "return.received" | "transfer.received" | "stock.adjusted":
                yield line.item, line.location, units
            case "order.fulfilled" | "purchase.returned" | "transfer.dispatched":
                yield line.item, line.location, -units
            case "return.dispositioned" if (line.extra or {})["disposition"] == "scrap":
                yield line.item, line.location, -units
            case "count.approved":
                seen = Decimal((line.extra or {})["book_quantity"])
                yield line.item, line.location, units - seen
            case _:
                pass


def stock_report(path: Path) -> dict[tuple[str, str], Decimal]:
    with path.open(encoding="utf-8", newline="") as stream:
        return {(r["sku"], r["location"]): Decimal(r["quantity"]) for r in csv.DictReader(stream)}


def test_the_same_seed_writes_the_same_bytes(company: sample.SampleCompany, tmp_path: Path) -> None:
    assert digests(sample.create(tmp_path / "again").folder) == digests(company.folder)
    assert sample.create(tmp_path / "other", seed=8).expected["closing"] != company.expected["closing"]


def test_feeds_become_the_expected_events(company: sample.SampleCompany, landed: Callable[..., Any]) -> None:
    found = landed(company.folder)
    assert found.failed == []
    assert found.events == Counter(company.expected["events"])
    assert found.records.total() == company.expected["records"] + company.expected["duplicates"]


def test_the_stock_report_follows_from_the_feeds(company: sample.SampleCompany, landed: Callable[..., Any]) -> None:
    lines = {(x.event_id, x.line_id): x for x in landed(company.folder).lines}
    stock: Counter[tuple[str, str]] = Counter()
    lowest: dict[tuple[str, str], Decimal] = {}
    for item, place, units in shelf(list(lines.values())):
        stock[item, place] += units  # type: ignore[assignment]
        lowest[item, place] = min(lowest.get((item, place), Decimal(0)), Decimal(stock[item, place]))
    assert stock_report(company.folder / "stock" / "stock-2026-03-31.csv") == stock
    below = {item for (item, _), quantity in lowest.items() if quantity < 0}
    assert below == {"KT-1011", "KT-1012", "KT-1013"}, "the only negative stock is the deliberate one"


def test_acts_change_stock_by_what_they_say(tmp_path: Path) -> None:
    folder = sample.create(tmp_path / "company").folder
    before = stock_report(folder / "stock" / "stock-2026-03-31.csv")
    told = sample.acts(folder)
    assert [act.name for act in told] == list(sample.ACTS)
    after = [stock_report(folder / "stock" / f"stock-2026-04-0{n}.csv") for n in range(1, 6)]
    assert after[0] == before, "a re-delivery moves nothing"
    changes = [{k: b[k] - a[k] for k in b if b[k] != a[k]} for a, b in zip([before, *after], after, strict=False)]
    assert list(changes[1].values()) == [12]
    assert list(changes[2].values()) == [1]
    assert len(changes[3]) == 1 and min(changes[3].values()) > 0
    assert sorted(changes[4].values()) == [-1, -1, -1]


def test_the_shuffled_feeds_hold_the_same_records(
    company: sample.SampleCompany, landed: Callable[..., Any], tmp_path: Path
) -> None:
    folder = sample.create(tmp_path / "company").folder
    once = {(x.event_id, x.line_id) for x in landed(folder).lines}
    sample.redeliver(folder)
    assert {(x.event_id, x.line_id) for x in landed(folder).lines} == once


def in_stock_units(lines: list[Any]) -> list[Any]:
    """What the pull does with the item master: quantities in the item's own unit."""
    return [
        msgspec.structs.replace(x, quantity=x.quantity * CASES) if (x.extra or {}).get("unit") == "XCS" else x
        for x in lines
    ]


def test_fifo_closes_plain_items_at_the_value_of_an_independent_queue(
    company: sample.SampleCompany, landed: Callable[..., Any]
) -> None:
    plain = company.expected["fifo_value"]
    lines = in_stock_units([x for x in landed(company.folder).lines if x.item in plain])
    got = value(lines, {"cost_method": "fifo"}, currency="EUR", timezone="Europe/Amsterdam")
    assert got.refused == ()
    assert {x.item: x.value for x in got.holdings} == {sku: int(text.replace(".", "")) for sku, text in plain.items()}


def test_the_late_receipt_changes_the_cost_of_later_sales(tmp_path: Path, landed: Callable[..., Any]) -> None:
    folder = sample.create(tmp_path / "company").folder
    act = sample.backdate(folder)
    lines = in_stock_units([x for x in landed(folder).lines if x.item == act.sku])
    late = [x for x in lines if x.document == act.document]
    before = value([x for x in lines if x not in late], {"cost_method": "fifo"}, currency="EUR")
    after = value(lines, {"cost_method": "fifo"}, currency="EUR")
    changed = [
        m
        for m in after.movements
        if m not in before.movements and m.line not in late and m.line.type == "order.fulfilled"
    ]
    cheaper = [m for m in changed if m.final_cost < before.movement(m.line.event_id, m.line.line_id).final_cost]
    assert cheaper, "without a dearer cost replaced by the late one there would be no delta to show"
