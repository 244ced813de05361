"""An independent oracle: bean-check books our lots FIFO by itself. It agrees to the cent, and one cent more fails."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tieout.errors import UsageError
from tieout.workspace import Workspace

CHECK = Path(sys.executable).with_name("bean-check")
COST = re.compile(r"(  Expenses:Cogs  )(\d+)\.(\d\d)( EUR)")


def accepts(text: str, folder: Path) -> str:
    """What bean-check has against a file; '' when it agrees."""
    file = folder / "lots.beancount"
    file.write_text(text)
    done = subprocess.run([CHECK, "--no-cache", file], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip() or ("failed" if done.returncode else "")


def texts(folder: Path) -> list[tuple[str, str]]:
    with Workspace.open(folder, actor="ann") as work:
        answer = work.export_lots()
    assert answer["left_out"] == []
    return [(each["period"], each["text"]) for each in answer["periods"]]


def test_bean_check_comes_to_the_same_costs(late_books: Path, tmp_path: Path) -> None:
    for period, text in texts(late_books):
        assert accepts(text, tmp_path) == "", period
        assert "Expenses:Cogs  51.20 EUR" in text  # 10 x 4.00 + 2 x 5.60


@pytest.mark.parametrize("cents", [1, -1])
def test_a_cost_of_sales_one_cent_off_fails(late_books: Path, tmp_path: Path, cents: int) -> None:
    _, text = texts(late_books)[0]
    changed = COST.sub(
        lambda m: f"{m[1]}{(int(m[2] + m[3]) + cents) // 100}.{(int(m[3]) + cents) % 100:02d}{m[4]}", text, 1
    )
    assert changed != text
    assert "does not balance" in accepts(changed, tmp_path)


def test_units_from_another_layer_fail(late_books: Path, tmp_path: Path) -> None:
    """Were our costs not FIFO's, beancount would say so: the same file booked LIFO."""
    _, text = texts(late_books)[0]
    assert "does not balance" in accepts(text.replace('"FIFO"', '"LIFO"'), tmp_path)


def test_periods_follow_each_other_by_their_lots(own_books: Path, tmp_path: Path) -> None:
    from tests.operations.conftest import SHIPPED, shipment, write

    rows = [shipment(f"SH-{n}", f"2026-0{2 + n // 4}-1{n % 4}", "MUG", 1, "MAIN", rev=1) for n in range(8)]
    write(own_books, "feeds/shipments-3.csv", SHIPPED, *(row.replace("SH-", "LT-") for row in rows))
    with Workspace.open(own_books, actor="ann") as work:
        work.run(seal_now=True)
    found = texts(own_books)
    assert [period for period, _ in found] == ["2026-01", "2026-02", "2026-03"]
    for period, text in found:
        assert accepts(text, tmp_path) == "", period
    assert "opening lots" in found[1][1]


def test_one_period_alone_and_none_without_movements(late_books: Path) -> None:
    with Workspace.open(late_books, actor="ann") as work:
        assert [each["period"] for each in work.export_lots(period="2026-01")["periods"]] == ["2026-01"]
        with pytest.raises(UsageError):
            work.export_lots(period="2031-01")


def test_hledger_accepts_the_journal(late_books: Path, tmp_path: Path) -> None:
    program = shutil.which("hledger")
    if program is None:
        pytest.skip("hledger is not installed")
    file = tmp_path / "books.journal"
    with Workspace.open(late_books, actor="ann") as work:
        file.write_text(work.export("hledger")["text"])
    for strictness in ([], ["accounts"], ["ordereddates"]):
        done = subprocess.run([program, "-f", file, "check", *strictness], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
