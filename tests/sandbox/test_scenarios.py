"""Every named scenario, once per ledger, under faults: tied out, and in the ledger's own books nothing lost or doubled."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from tieout.cli.root import cli
from tieout_sandbox.commands import sandbox
from tieout_sandbox.scenarios import SCENARIOS, perform, rollback
from tieout_sandbox.scenarios.house import House
from tieout_sandbox.scenarios.judge import judge
from tieout_sandbox.scenarios.stage import Stage
from tieout_sandbox.simulators.quickbooks import QuickBooksSim

pytestmark = pytest.mark.sqlite


@pytest.mark.parametrize("ledger", ["quickbooks", "xero"])
@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_scenario_ties_out_under_faults(name: str, ledger: str) -> None:
    found = perform(name, ledger=ledger, seed=1, fault_seed=5)
    assert found["failures"] == []
    assert (found["lost"], found["doubled"], found["unexplained"]) == (0, 0, "0.00")
    assert found["documents"] > 0
    assert sum(found["faults_happened"].values()) > 0


@pytest.fixture
def played(tmp_path: Path) -> House:
    scenario = SCENARIOS["cancellations"]
    house = House(tmp_path / "p", scenario.businesses(3), scenario.kinds.split(), start=scenario.start)
    scenario.play(Stage(house, scenario))
    return house


def test_the_judge_sees_a_doubled_a_strange_and_a_lost_document_and_the_plan_undoes_what_is_too_much(
    played: House,
) -> None:
    books = played.books["main"]
    assert judge(played).failures == []
    first, second = books.sim.documents()[:2]
    books.sim.put("JournalEntry", "70001", first)
    books.sim.put("JournalEntry", "70002", {**second, "DocNumber": "by hand"})
    found = judge(played)
    assert (found.lost, found.doubled) == (0, 1)
    assert {failure.as_dict()["owner"] for failure in found.failures if failure.step == "deliver"} == {"integrator"}
    assert found.plan is not None
    path = rollback.write(played.folder, found.plan)
    played.close()
    done = rollback.execute(path)
    assert done["verified"], done
    assert Counter(action["done"] for action in done["actions"]) == {"removed": 2}
    again = rollback.execute(path)
    assert again["verified"] and {action["done"] for action in again["actions"]} == {"was gone already"}
    assert isinstance(books.sim, QuickBooksSim)
    books.sim.delete("JournalEntry", str(first["Id"]))
    found = judge(played)
    assert (found.lost, found.doubled) == (1, 0)


def test_in_closed_books_a_plan_reverses(played: House) -> None:
    books = played.books["main"]
    day = books.held()[0].day
    books.sim.put("JournalEntry", "70001", books.sim.documents()[0])
    plan = judge(played).plan
    assert plan is not None
    played.close()
    books.lock(day)
    path = rollback.write(played.folder, plan)
    done = rollback.execute(path)
    assert done["verified"], done
    assert done["actions"][0]["done"] == "reversed by 970001"
    assert rollback.execute(path)["actions"][0]["done"] == "was reversed already"


def test_the_judge_sees_a_shelf_that_differs(played: House) -> None:
    played.businesses["main"].move("MUG", "MAIN", "1")
    assert {failure.step for failure in judge(played).failures} == {"stock"}
    played.close()


def test_the_commands_answer(tmp_path: Path) -> None:
    run = CliRunner()
    assert "sandbox" not in cli.commands or cli.commands["sandbox"] is sandbox
    named = json.loads(run.invoke(sandbox, ["scenarios", "--json"]).output)
    assert {row["name"] for row in named["scenarios"]} == set(SCENARIOS)
    faults = json.loads(run.invoke(sandbox, ["faults", "--json"]).output)["faults"]
    assert {row["fault"] for row in faults} > {"timeout_after", "truncated"}
    done = run.invoke(sandbox, ["run", "transfers", "--json", "--folder", str(tmp_path / "kept")])
    assert json.loads(done.output)["ok"] and done.exit_code == 0
    assert (tmp_path / "kept" / "quickbooks-main.db").exists()
