"""Three public data sets: their own descriptions' counts, and that the shipped mappings turn every line into the movement
a plain reading expects. Skips where the data is not beside the checkout; `make real` does the whole job with them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tieout_sandbox.real import DATASETS, METHODS, prepare
from tieout_sandbox.real.scms import largest_remainder
from tieout_sandbox.real.uci import Line, matches

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TIEOUT_REAL_DATA") or ROOT.parent / "shared" / "data")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real data beside the checkout")


def run_real(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tieout_sandbox.real", *arguments]
    environment = {**os.environ, "TIEOUT_REAL_DATA": str(data)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_without_the_data_it_says_so_in_one_line_and_ends_well(tmp_path: Path) -> None:
    done = run_real(data=tmp_path / "nowhere")
    assert done.returncode == 0
    assert done.stdout.startswith("skipped: no real data at ")
    assert done.stdout.count("\n") == 1


@needs_data
@pytest.mark.real
def test_adventureworks_reads_as_described(tmp_path: Path) -> None:
    facts = prepare("adventureworks", DATA, tmp_path, "fifo").facts("fifo")
    expected = {
        "orders": 4_012,
        "order lines": 8_845,
        "lines with sub-cent prices": 8_646,
        "lines with rejects": 563,
        "lines short or over": 380,
        "orders whose parts do not add up": 0,
        "sales lines": 56_046,
        "return lines without order": 1_809,
        "products sold": 130,
        "products sold, never ordered": 88,
        "counted rows": 1_069,
        "counted units": 335_974,
    }
    assert {name: facts.counts[name] for name in expected} == expected
    assert len(facts.never_bought) == 88
    assert facts.never_bought <= set(facts.estimates)
    assert prepare("adventureworks", DATA, tmp_path, "standard").facts("standard").estimates == {}


@needs_data
@pytest.mark.real
def test_scms_reads_as_described(tmp_path: Path) -> None:
    facts = prepare("scms-delivery-history", DATA, tmp_path, "fifo").facts("fifo")
    expected = {
        "lines": 10_324,
        "direct drop lines": 4_920,
        "lines from the centre": 5_404,
        "notices": 7_030,
        "items": 184,
        "countries": 43,
        "recorded on another day": 1_911,
        "lines with freight": 6_198,
        "lines that refer to another": 2_445,
        "of them, by its own notice's number": 2_445,
    }
    assert {name: facts.counts[name] for name in expected} == expected


@needs_data
@pytest.mark.real
@pytest.mark.slow
def test_online_retail_reads_as_described(tmp_path: Path) -> None:
    facts = prepare("uci-online-retail", DATA, tmp_path, "fifo").facts("fifo")
    expected = {
        "lines": 541_909,
        "invoices": 25_900,
        "stock codes": 4_070,
        "credit lines": 9_288,
        "bad-debt lines": 3,
        "lines that are not stock": 2_916,
        "exact duplicate lines": 5_268,
        "write-off lines": 1_336,
        "positive lines at price zero": 1_179,
        "credit lines that match, all codes": 7_518,
        "credit lines that match, stock": 7_434,
    }
    assert {name: facts.counts[name] for name in expected} == expected
    assert facts.rows["RET-04"] == 7_434


@needs_data
@pytest.mark.real
@pytest.mark.parametrize("name", [name for name in DATASETS if name != "uci-online-retail"])
def test_a_project_holds_nothing_of_the_raw_files(name: str, tmp_path: Path) -> None:
    """The raw data is read in place; what is written is configuration, master data and feeds that say they are made."""
    for method in METHODS:
        prepare(name, DATA, tmp_path, method)
    written = Counter(path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file())
    assert set(written) == {"tieout.toml", "items.csv", "locations.csv", "parties.csv", "generated"}
    assert not list(tmp_path.rglob("*.gz"))


def line(order: int, quantity: int, invoice: str = "1", customer: str = "c", code: str = "X") -> Line:
    return Line(order, 1, invoice, code, quantity, "2011-01-01 10:00:00", Decimal(1), customer)


def test_a_credit_is_matched_whole_newest_sale_first_or_not_at_all() -> None:
    sales = [line(1, 5), line(2, 3), line(3, 9, customer=""), line(4, 9, code="Y")]
    assert matches([*sales, line(5, -9, "C1")]) == set()
    assert matches([*sales, line(5, -9, "C1"), line(6, -8, "C2"), line(7, -1, "C3")]) == {6}
    assert matches([*sales, line(5, -4, "C1"), line(6, -4, "C2"), line(7, -1, "C3")]) == {5, 6}
    assert matches([line(1, -1, "C1"), line(2, 1)]) == set()
    assert matches([line(1, 1, customer=""), line(2, -1, "C1", customer="")]) == set()


def test_largest_remainder_adds_up() -> None:
    assert largest_remainder(100, [1, 1, 1]) == [34, 33, 33]
    assert sum(largest_remainder(780_340_000, [13, 7, 900_001])) == 780_340_000
