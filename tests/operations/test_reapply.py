"""An older mapping's records through today's: planned as it will be, applied once, by a second person where it is large."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tieout.cli.root import cli
from tieout.cli.shell import run_cli
from tieout.errors import UsageError
from tieout.store.acts import acts
from tieout.store.verify import verify
from tieout.workspace import Workspace

Books = Callable[[], Any]


def own_mapping(folder: Path) -> Path:
    """The project reads receipts with a mapping file of its own."""
    path = folder / "receipts.yaml"
    path.write_text(files("tieout_mappings").joinpath("sample_receipts.yaml").read_text())
    project = folder / "tieout.toml"
    project.write_text(project.read_text().replace("shipped:sample_receipts", "receipts.yaml"))
    return path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, text
    path.write_text(text.replace(old, new))


def balances(work: Workspace) -> dict[str, str]:
    (company,) = work.status()["companies"]
    return {row["account"]: row["ledger"] for row in company["accounts"]}


@pytest.fixture
def project(folder: Path) -> Path:
    own_mapping(folder)
    with Workspace.open(folder, actor="ann") as work:
        assert work.run(seal_now=True)["tied_out"]
    return folder


def test_nothing_changes_while_the_mapping_says_the_same(project: Path) -> None:
    with Workspace.open(project, actor="ann") as work:
        answer = work.reapply("ops/receipts")
        assert answer["empty"]
        assert answer["records"] == 1
        assert answer["changes"] == {"new": 0, "changed": 0, "gone": 0, "same": 1, "held": 0, "refused": 0}


def test_a_mended_mapping_is_planned_then_applied_exactly_once(project: Path) -> None:
    """GR-1 was received into the wrong place: the mapping said MAIN for what belongs to EAST."""
    saved = project / "plan.json"
    with Workspace.open(project, actor="ann") as work:
        before = balances(work)
        events = work.status()["companies"][0]["counts"]["events"]
    change(project / "receipts.yaml", "location: $parent.location", "location: {const: EAST}")
    assert run_cli(cli, ["mapping", "reapply", "ops/receipts", "--out", str(saved), "-C", str(project)]) == 3
    plan = json.loads(saved.read_text())
    assert plan["changes"] == {"new": 0, "changed": 1, "gone": 0, "same": 0, "held": 0, "refused": 0}
    assert plan["periods"] == ["2026-01"]
    with Workspace.open(project, actor="ann") as work:
        assert balances(work) == before, "a plan changes nothing"
        assert work.reapply("ops/receipts")["digest"] == plan["digest"], "and is the same plan again"
        assert verify(work.store).problems == []
        assert work.apply(plan)["bookings"] == plan["bookings"] > 0
        done = work.run(seal_now=True)
        assert done["tied_out"], done["companies"][0]["details"]
        (stock,) = [x for x in done["companies"][0]["locations"] if x["location"] == "EAST"]
        assert stock["subledger"] == "14"
        assert done["companies"][0]["counts"]["events"] == events
        with pytest.raises(UsageError) as again:
            work.apply(plan)
        assert again.value.code == "TO1094"
        assert work.reapply("ops/receipts")["empty"]
        assert work.run(seal_now=True)["posted"]["bookings"] == 0
        assert verify(work.store).problems == []
        desk = work.office(None).desk
        with desk.store.read() as rx:
            (act,) = [each for each in acts(rx, desk.id) if each["what"] == "mapping.reapply"]
    assert act["data"]["changes"] == plan["changes"]


def test_what_today_is_skipped_goes_and_what_is_unknown_waits(project: Path) -> None:
    change(project / "receipts.yaml", "location: $parent.location", "location: {const: NOWHERE}")
    with Workspace.open(project, actor="ann") as work:
        plan = work.reapply("ops/receipts", save=True)
        assert (plan["changes"]["gone"], plan["changes"]["held"]) == (1, 1)
        work.apply(plan)
        codes = [row["code"] for row in work.exceptions()["exceptions"]]
        assert "TO3202" in codes
        assert work.run(seal_now=True)["tied_out"]


def test_records_before_the_day_are_left_alone(project: Path) -> None:
    change(project / "receipts.yaml", "location: $parent.location", "location: {const: EAST}")
    with Workspace.open(project, actor="ann") as work:
        assert work.reapply("ops/receipts", since="2026-01-06")["records"] == 0
        assert work.reapply("ops/receipts", since="2026-01-05")["changes"]["changed"] == 1


def test_a_large_plan_needs_a_second_person_and_a_plan_of_ones_own_making_is_refused(project: Path) -> None:
    text = (project / "tieout.toml").read_text()
    (project / "tieout.toml").write_text(
        text.replace('ledger = "books"\n', 'ledger = "books"\napproval_threshold = "10.00"\n', 1)
    )
    change(project / "receipts.yaml", "location: $parent.location", "location: {const: EAST}")
    with Workspace.open(project, actor="ann") as work:
        unsaved = work.reapply("ops/receipts")
        with pytest.raises(UsageError) as nobodys:
            work.apply(unsaved)
        plan = work.reapply("ops/receipts", save=True)
        assert plan["needs_approval"]
        with pytest.raises(UsageError) as own:
            work.apply(plan)
        with pytest.raises(UsageError) as disguised:
            work.apply({**plan, "prepared_by": "bob", "needs_approval": False})
    codes = [nobodys.value.code, own.value.code, disguised.value.code]
    assert codes == ["TO2303", "TO2301", "TO2301"]
    with Workspace.open(project, actor="bob") as work:
        assert work.apply(plan)["bookings"] > 0


def test_an_unknown_stream_names_those_there_are(project: Path) -> None:
    with Workspace.open(project, actor="ann") as work, pytest.raises(UsageError, match="ops/receipts") as error:
        work.reapply("ops/reciepts")
    assert error.value.code == "TO2304"


def test_what_landed_and_is_not_posted_comes_first(project: Path) -> None:
    (project / "feeds" / "receipts-2.jsonl").write_text(
        (project / "feeds" / "receipts.jsonl").read_text().replace("GR-1", "GR-2")
    )
    with Workspace.open(project, actor="ann") as work:
        work.pull()
        with pytest.raises(UsageError) as error:
            work.reapply("ops/receipts")
    assert error.value.code == "TO2302"
