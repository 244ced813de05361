"""A record that was revised, and then changed again or was valued again: what its first version posted still counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.operations.conftest import SHIPPED, late_feeds, shipment, write

from tieout.workspace import Workspace


@pytest.fixture
def revised(folder: Path) -> Path:
    """SH-1 posted with 11 mugs, then with 12."""
    with Workspace.open(folder, actor="ann") as work:
        work.run(seal_now=True)
    late_feeds(folder)
    with Workspace.open(folder, actor="ann") as work:
        assert work.run(seal_now=True)["tied_out"]
    return folder


def test_valuing_everything_again_posts_nothing(revised: Path) -> None:
    with Workspace.open(revised, actor="ann") as work:
        assert work.plan(restate=True)["empty"]


def test_a_backdated_movement_before_it_posts_only_the_difference(revised: Path) -> None:
    write(revised, "feeds/shipments-3.csv", SHIPPED, shipment("SH-0", "2026-01-06", "MUG", 3, "MAIN", rev=1))
    with Workspace.open(revised, actor="ann") as work:
        answer = work.run(seal_now=True)
        assert (answer["tied_out"], answer["unexplained"]) == (True, "0.00")
        # SH-0 takes 3 at 4.00; SH-1 then 7 at 4.00 and 5 at 5.60; 5 at 5.60 and 4 bowls at 10.00 are left
        assert answer["companies"][0]["accounts"][0]["ledger"] == "68.00"
        assert work.plan(restate=True)["empty"]


@pytest.mark.parametrize("quantity", [10, 13])
def test_a_third_revision_posts_only_the_difference(revised: Path, quantity: int) -> None:
    write(revised, "feeds/shipments-3.csv", SHIPPED, shipment("SH-1", "2026-01-10", "MUG", quantity, "MAIN", rev=3))
    with Workspace.open(revised, actor="ann") as work:
        answer = work.run(seal_now=True)
        assert (answer["tied_out"], answer["unexplained"]) == (True, "0.00")
        left = {10: "96.00", 13: "79.20"}  # 10 mugs at 5.60, or 7, and 4 bowls at 10.00
        assert answer["companies"][0]["accounts"][0]["ledger"] == left[quantity]


def test_a_revision_that_withdraws_it_takes_everything_back(revised: Path) -> None:
    gone = shipment("SH-1", "2026-01-10", "MUG", 12, "MAIN", rev=3, status="cancelled")
    write(revised, "feeds/shipments-3.csv", SHIPPED, gone)
    with Workspace.open(revised, actor="ann") as work:
        answer = work.run(seal_now=True)
        assert answer["tied_out"]
        assert answer["companies"][0]["accounts"][0]["ledger"] == "136.00"  # 40.00 + 56.00 + 40.00
        assert work.plan(restate=True)["empty"]
