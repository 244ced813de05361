"""Every mapping file that ships compiles without a slip and passes the tests that stand beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

import tieout_mappings
from tieout.mapping import check, compile_mapping, run_tests
from tieout.model.roles import ROLES

FILES = sorted(tieout_mappings.FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_compiles_and_passes_its_own_tests(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [str(slip) for slip in check(text, path.name)] == []
    outcomes = run_tests(compile_mapping(text, path.name))
    assert outcomes, "a shipped mapping has tests"
    assert [outcome for outcome in outcomes if outcome.problem] == []


def test_each_file_is_named_like_its_mapping() -> None:
    for path in FILES:
        assert f"mapping: {path.stem}\n" in path.read_text(encoding="utf-8")


def test_the_chart_template_gives_every_role_an_account_of_its_own() -> None:
    lines = (tieout_mappings.FOLDER / "accounts_beancount.csv").read_text(encoding="utf-8").splitlines()[1:]
    accounts = dict(line.split(",") for line in lines)
    assert set(accounts) == set(ROLES)
    assert len(set(accounts.values())) == len(accounts)
    names = sorted(accounts.values())
    assert not [name for name in names if any(other.startswith(f"{name}:") for other in names)]
