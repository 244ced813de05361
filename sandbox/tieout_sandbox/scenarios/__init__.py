"""Scenarios: a seeded business plays its days against the whole house and simulated ledgers, under faults; then it is judged.

result = perform("returns", ledger="xero", seed=1, fault_seed=7)
result["ok"], result["lost"], result["doubled"], result["failures"]
"""

from __future__ import annotations

import shutil
import tempfile
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tieout import TieoutError, UsageError
from tieout_sandbox.scenarios import rollback
from tieout_sandbox.scenarios.house import House
from tieout_sandbox.scenarios.judge import Failure, Verdict, judge
from tieout_sandbox.scenarios.ledgers import LEDGERS
from tieout_sandbox.scenarios.plays import SCENARIOS
from tieout_sandbox.scenarios.stage import Scenario, Stage

__all__ = ["LEDGERS", "SCENARIOS", "Scenario", "perform"]


def perform(
    name: str, *, ledger: str = "quickbooks", seed: int = 0, fault_seed: int | None = None, folder: Path | None = None
) -> dict[str, Any]:
    """Play one scenario and judge it. With `folder` the project and the ledger's books stay there; else they are kept
    only when something failed. UsageError for a name nobody knows."""
    scenario = SCENARIOS.get(name)
    if scenario is None or ledger not in LEDGERS:
        wrong = name if scenario is None else ledger
        raise UsageError(f"there is no {wrong!r}", fix=f"one of: {', '.join((*SCENARIOS, *LEDGERS))}")
    began = time.process_time()
    where = folder or Path(tempfile.mkdtemp(prefix=f"tieout-{name}-"))
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", fix="name a new folder")
    with ExitStack() as stack:
        house = House(
            where,
            scenario.businesses(seed),
            scenario.kinds.split(),
            ledger=ledger,
            fault_seed=fault_seed,
            policy=scenario.policy,
            company=scenario.company,
            facts=scenario.facts,
            start=scenario.start,
        )
        stack.callback(house.close)
        stage = Stage(house, scenario)
        failures: list[Failure] = []
        try:
            scenario.play(stage)
        except (TieoutError, AssertionError) as error:
            step = stage.steps[-1] if stage.steps else "the beginning"
            text = f"after {step}: {error}"
            failures.append(Failure("post", text, (traceback.format_exc(limit=-2),), owner="tieout"))
        house.faults.rates = {}
        house.run()  # the weather is clear now: what was on its way arrives
        found = judge(house, waiting=scenario.waiting)
    found = found._replace(failures=failures + found.failures)
    answer = _answer(house, stage, found, where)
    answer |= {"seed": seed, "faults": fault_seed, "cpu_seconds": f"{time.process_time() - began:.1f}"}
    if answer["ok"] and folder is None:
        shutil.rmtree(where)
        answer["folder"] = None
    return answer


def _answer(house: House, stage: Stage, found: Verdict, where: Path) -> dict[str, Any]:
    plan = None if found.plan is None else str(rollback.write(where, found.plan))
    return {
        "scenario": stage.scenario.name,
        "ledger": house.ledger,
        "ok": not found.failures,
        "documents": found.documents,
        "lost": found.lost,
        "doubled": found.doubled,
        "unexplained": found.unexplained,
        "runs": house.runs,
        "consents": house.consents,
        "faults_happened": dict(sorted(house.faults.happened.items())),
        "steps": stage.steps,
        "failures": [failure.as_dict() for failure in found.failures],
        "rollback": plan,
        "folder": str(where),
    }
