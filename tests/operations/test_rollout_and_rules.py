"""Rollout modes, posting triggers, and rules that never change silently, tried on a small real project."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tieout.errors import ConfigError, TieoutError
from tieout.operations.starting import init_project
from tieout.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "books"
    init_project(target, template="files", answers={"name": "Try"})
    return target


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "tieout.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def run(folder: Path, actor: str = "ann") -> dict[str, Any]:
    with Workspace.open(folder, actor=actor) as work:
        return work.run()


def ledger(folder: Path) -> str:
    file = folder / "books.beancount"
    return file.read_text() if file.exists() else ""


def test_a_changed_cost_method_is_not_applied_to_what_is_posted_until_somebody_says_so(folder: Path) -> None:
    more = "id,revision,kind,date,document,party,sku,quantity,location,unit_price,refers_to,reason\n"
    (folder / "inbox" / "movements-2026-00.csv").write_text(
        more + "80,1,receipt,2026-01-07,R-8,ACME,MUG,10,MAIN,9.00,,\n"
    )
    (folder / "inbox" / "stock-2026-01-31.csv").unlink()
    before = run(folder)["companies"][0]["accounts"]
    text = ledger(folder)
    edit(folder, 'cost_method = "fifo"', 'cost_method = "weighted_average"')
    with pytest.raises(ConfigError, match="posted movements would be restated") as caught:
        run(folder)
    assert caught.value.code == "TO1097"
    assert ledger(folder) == text
    with Workspace.open(folder, actor="ann") as work:
        plan = work.plan(restate=True)
        assert not plan["empty"]
        work.apply(plan)
    after = run(folder)
    assert after["tied_out"]
    assert after["companies"][0]["accounts"] != before
    assert run(folder)["posted"]["bookings"] == 0


def test_an_effective_dated_change_touches_nothing_before_its_day(folder: Path) -> None:
    before = run(folder)["companies"][0]["accounts"]
    edit(
        folder,
        "# One row per movement.",
        '[[companies.main.policies]]\neffective = 2026-06-01\ncost_method = "weighted_average"\n\n# One row per movement.',
    )
    again = run(folder)
    assert again["posted"]["bookings"] == 0
    assert again["companies"][0]["accounts"] == before


def test_in_shadow_everything_is_computed_and_nothing_is_posted(folder: Path) -> None:
    edit(folder, 'ledger = "books"', 'ledger = "books"\nmode = "shadow"')
    with Workspace.open(folder, actor="ann") as work:
        work.pull()
        assert work.plan()["count"] > 0
    done = run(folder)
    assert done["posted"]["bookings"] == 0
    assert "TO-" not in ledger(folder)


def test_a_proposed_entry_waits_for_somebody_who_did_not_prepare_it(folder: Path) -> None:
    edit(folder, 'ledger = "books"', 'ledger = "books"\nmode = "propose"')
    done = run(folder)
    assert done["posted"]["bookings"] > 0
    assert "TO-" not in ledger(folder)
    with Workspace.open(folder, actor="ann") as work:
        waiting = work.approvals()["waiting"]
        assert {row["prepared_by"] for row in waiting} == {"ann"}
        with pytest.raises(TieoutError, match="prepared entry"):
            work.approve(["all"])
    with Workspace.open(folder, actor="bob") as work:
        assert work.approve(["all"])["done"] == len(waiting)
    after = run(folder, "bob")
    assert after["tied_out"]
    assert after["companies"][0]["counts"]["waiting"] == 0
    assert ledger(folder).count("tieout:") == len(waiting)


def test_an_event_type_another_connection_owns_is_left_out_and_said(folder: Path) -> None:
    edit(
        folder,
        "# One row per movement.",
        '[companies.main.triggers]\n"stock.adjusted" = "wms"\n'
        + "".join(
            f'"{kind}" = "files"\n'
            for kind in ("purchase.received", "purchase.billed", "order.fulfilled", "return.received")
        )
        + "\n# One row per movement.",
    )
    shutil.copytree(folder / "inbox", folder / "wms")
    for old in (folder / "wms").glob("movements*"):
        old.unlink()
    config = (folder / "tieout.toml").read_text()
    files = config[config.index("[connections.files]") : config.index("# What the warehouse says")]
    other = (
        files.replace("connections.files", "connections.wms")
        .replace('id = "files"', 'id = "wms"')
        .replace("inbox/", "wms/")
    )
    (folder / "tieout.toml").write_text(config + "\n" + other)
    with Workspace.open(folder, actor="ann") as work:
        streams = {row["connection"]: row for row in work.pull()["streams"]}
    assert streams["files"]["skipped"] == 1
    assert streams["files"]["events"] == 6


def test_OPN_05_what_happened_before_go_live_is_valued_but_not_posted_again(folder: Path) -> None:
    edit(folder, 'ledger = "books"', 'ledger = "books"\ngo_live = 2026-01-18T00:00:00Z')
    (folder / "books.beancount").write_text(
        "1970-01-01 open Assets:Inventory:On-Hand\n1970-01-01 open Equity:Before\n\n"
        '2026-01-17 * "Carried over"\n  Assets:Inventory:On-Hand  87.60 USD\n  Equity:Before  -87.60 USD\n'
    )
    done = run(folder)
    (company,) = done["companies"]
    assert done["tied_out"], company["details"]
    assert company["accounts"][0]["subledger"] == company["accounts"][0]["ledger"] == "87.60"
    posted = ledger(folder)
    assert "S-1" not in posted
    assert "A-1" in posted
