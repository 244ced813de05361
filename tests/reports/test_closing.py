"""Period close: what is in the way, two signatures, and what a late fact does to a signed period."""

from __future__ import annotations

from pathlib import Path

import pytest

from tieout.cli import shell
from tieout.cli.root import cli
from tieout.errors import UsageError
from tieout.workspace import Workspace


def opened(folder: Path, actor: str) -> Workspace:
    return Workspace.open(folder, actor=actor)


def signed(folder: Path) -> None:
    """January, prepared by ann and closed by ben."""
    with opened(folder, "ann") as work:
        assert work.close_period("2026-01", accept="the plate is not ours")["state"] == "prepared"
    with opened(folder, "ben") as work:
        answer = work.close_period("2026-01", accept="the plate is not ours")
    assert (answer["state"], answer["preparer"], answer["actor"]) == ("closed", "ann", "ben")


def test_an_open_exception_is_in_the_way_until_it_is_accepted(own_books: Path) -> None:
    with opened(own_books, "ann") as work:
        found = work.close_period("2026-01", only_check=True)
        assert [(each["kind"], each["amount"]) for each in found["blockers"]] == [("exception", "9.00")]
        with pytest.raises(UsageError) as refused:
            work.close_period("2026-01")
        assert refused.value.code == "TO7110"
        assert refused.value.fix == "tieout exceptions list"


def test_the_preparer_cannot_close(own_books: Path) -> None:
    with opened(own_books, "ann") as work:
        work.close_period("2026-01", accept="x")
        with pytest.raises(UsageError) as refused:
            work.close_period("2026-01", accept="x")
    assert refused.value.code == "TO7111"


def test_an_old_open_receipt_is_aged_and_an_overbilled_one_unexplained(tmp_path: Path) -> None:
    from tests.operations.conftest import write
    from tests.reports.conftest import first

    folder = first(tmp_path)
    with opened(folder, "ann") as work:
        found = work.close_period("2026-01", only_check=True, age_limit=20)
    aged = [each for each in found["blockers"] if each["kind"] == "aged"]
    assert [(each["amount"], each["documents"]) for each in aged] == [("-50.00", ["GR-1"])]
    line = {"line": 1, "receipt_no": "GR-1", "receipt_line": 1, "sku": "MUG", "quantity": "4", "unit": "each"}
    bill = {
        "bill_no": "VB-9",
        "billed_at": "2026-01-20T08:00:00+01:00",
        "supplier": "SUP-1",
        "total": "20.00",
        "rev": 1,
    }
    write(
        folder, "feeds/bills.jsonl", {**bill, "lines": [{**line, "unit_price": "5.00", "amount": "20.00", "tax": "0"}]}
    )
    with opened(folder, "ann") as work:
        work.run(seal_now=True)
        found = work.close_period("2026-01", only_check=True, age_limit=20)
    assert [each["amount"] for each in found["blockers"] if each["kind"] == "aged"] == ["-30.00"]


def test_what_has_landed_and_is_not_posted_is_in_the_way(own_books: Path) -> None:
    from tests.operations.conftest import SHIPPED, shipment, write

    write(own_books, "feeds/shipments-3.csv", SHIPPED, shipment("SH-9", "2026-01-20", "MUG", 1, "MAIN", rev=1))
    with opened(own_books, "ann") as work:
        work.pull()
        kinds = {each["kind"] for each in work.close_period("2026-01", only_check=True)["blockers"]}
        assert "not posted" in kinds
        with pytest.raises(UsageError):
            work.close_period("2026-01", accept="never mind")  # this may not stay


def test_a_late_fact_is_posted_in_the_next_open_period_and_opens_the_sign_off_again(own_books: Path) -> None:
    from tests.operations.conftest import SHIPPED, shipment, write

    signed(own_books)
    with opened(own_books, "ann") as work:
        before = work.report("roll-forward", period="2026-01").totals()
    write(own_books, "feeds/shipments-3.csv", SHIPPED, shipment("SH-9", "2026-01-20", "MUG", 1, "MAIN", rev=1))
    with opened(own_books, "ann") as work:
        assert work.run(seal_now=True)["tied_out"]
        assert work.report("roll-forward", period="2026-01").totals() == before  # nothing is dated inside
        february = work.report("roll-forward", period="2026-02").totals()
        assert (february["opening"], february["corrections"], february["closing"]) == ("84.80", "-5.60", "79.20")
        status = work.close_period("2026-01", only_check=True)
        assert (status["state"], status["corrected_since"], status["sign_off"]) == ("closed", 1, "open again")


def test_a_closed_period_is_opened_again_with_a_reason_and_takes_dates_again(own_books: Path) -> None:
    from tests.operations.conftest import SHIPPED, shipment, write

    signed(own_books)
    with opened(own_books, "cid") as work:
        with pytest.raises(UsageError, match="closed") as twice:
            work.close_period("2026-01", accept="x")
        assert twice.value.code == "TO7112"
        with pytest.raises(UsageError, match="reason"):
            work.close_period("2026-01", reopen="")
        assert work.close_period("2026-01", reopen="a shipment was forgotten")["state"] == "open"
    write(own_books, "feeds/shipments-3.csv", SHIPPED, shipment("SH-9", "2026-01-20", "MUG", 1, "MAIN", rev=1))
    with opened(own_books, "ann") as work:
        work.run(seal_now=True)
        assert work.report("roll-forward", period="2026-01").totals()["closing"] == "79.20"
        acts = [row["what"] for row in work.audit_changes(kind="period")["companies"][0]["changes"]]
    assert acts == ["period.prepare", "period.close", "period.reopen"]


def test_books_that_moved_since_they_were_prepared_are_prepared_anew(own_books: Path) -> None:
    from tests.operations.conftest import SHIPPED, shipment, write

    with opened(own_books, "ann") as work:
        work.close_period("2026-01", accept="x")
    write(own_books, "feeds/shipments-3.csv", SHIPPED, shipment("SH-9", "2026-01-20", "MUG", 1, "MAIN", rev=1))
    with opened(own_books, "ben") as work:
        work.run(seal_now=True)
        assert work.close_period("2026-01", accept="x")["state"] == "prepared"
    with opened(own_books, "ann") as work:
        assert work.close_period("2026-01", accept="x")["state"] == "closed"


def test_a_period_that_is_not_over_cannot_be_closed(work: Workspace) -> None:
    with pytest.raises(UsageError, match="not over"):
        work.close_period("2099-01")


def test_the_command_exits_with_3_while_something_is_in_the_way(
    own_books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["-C", str(own_books), "--actor", "ann"]
    assert shell.run_cli(cli, ["close", "2026-01", "--check", *where]) == 3
    assert "exceptions are open" in capsys.readouterr().out
    assert shell.run_cli(cli, ["close", "2026-01", "--accept", "not ours", *where]) == 0
    assert "another person closes it" in capsys.readouterr().out
