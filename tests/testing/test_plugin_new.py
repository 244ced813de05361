"""What `tieout plugin new` writes is installed as any distribution is, discovered, and green in its own tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tieout.errors import UsageError
from tieout.operations.plugin_new import new_plugin


def run(folder: Path, site: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("role", ["source", "ledger"])
def test_it_is_installed_discovered_and_green(tmp_path: Path, role: str) -> None:
    name = f"new-{role}"
    answer = new_plugin(name, "ledger" if role == "ledger" else "source", tmp_path)
    home, site = Path(answer["folder"]), tmp_path / "site"
    quiet = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation")
    run(tmp_path, site, "-m", "pip", "install", *quiet, "--target", str(site), str(home))
    (home / f"tieout_new_{role}").rename(home / "not here")  # only what was installed may be found
    listed = json.loads(run(tmp_path, site, "-m", "tieout", "plugin", "list", "--json"))
    assert [(p["name"], p["distribution"]) for p in listed["plugins"] if p["name"] == name] == [
        (name, f"tieout-{name}")
    ]
    said = run(home, site, "-m", "pytest", "-q", "-o", "pythonpath=tests")
    assert " passed" in said
    assert "failed" not in said


@pytest.mark.parametrize("name", ["Acme", "1st", "a", "a--b", "acme-", "../acme", "acme_wms"])
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        new_plugin(name, "source", tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    new_plugin("acme", "source", tmp_path)
    with pytest.raises(UsageError, match="exists already"):
        new_plugin("acme", "ledger", tmp_path)


def test_the_finished_example_is_what_the_tutorial_makes(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    new_plugin("harbour", "source", tmp_path)
    page = (root / "docs/write-a-connector.md").read_text()
    for name, body in re.findall(r"^```\w+ file=(\S+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(body)
    example = root / "docs/examples/tieout-harbour"
    made = {p.relative_to(tmp_path / "tieout-harbour"): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    kept = {p.relative_to(example): p.read_bytes() for p in example.rglob("*") if p.is_file() and "cache" not in str(p)}
    assert made == kept
