"""README and docs do what they say: every command, Python, JSON, YAML and TOML block is run or read.

In a ```console block, lines that begin with `$ ` are run in order, all blocks of a page in one folder; a trailing
`# exit N` names another exit code than 0; `export NAME=VALUE` holds for the rest of the page. `make …` lines are what CI itself does and are not run again here. A block
whose info string says `file=NAME` is written to that file first. ```text blocks are only shown.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("connectors/*/README.md"))]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
KNOWN = {"console", "python", "json", "jsonl", "yaml", "toml", "text", "csv", "xml", "mermaid", "sql", "make", ""}
OURS = re.compile(r"^(tieout|python|cp|mv|cat|mkdir|printf|echo|ls|head|sed)\b")


def blocks(page: Path) -> list[tuple[str, dict[str, str], str]]:
    found = []
    for info, body in FENCE.findall(page.read_text()):
        words = info.split()
        options = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        found.append((words[0] if words else "", options, body))
    return found


class Runner:
    """Runs commands; `tieout …` in a fork of one process that has it loaded (`warm.py`), anything else in bash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, command: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
        """Exit code, and what was printed."""
        if not command.startswith("tieout ") or set(command) & set("|<>&;$*`"):
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            return done.returncode, done.stdout + done.stderr
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        out, err = self.folder / "out", self.folder / "err"
        job = {
            "args": shlex.split(command)[1:],
            "cwd": str(folder),
            "environment": environment,
            "out": str(out),
            "err": str(err),
        }
        self.server.stdin.write(json.dumps(job) + "\n")
        self.server.stdin.flush()
        code = self.server.stdout.readline()
        assert code, f"{command}: the process that runs commands is gone"
        return int(code), out.read_text() + err.read_text()

    def close(self) -> None:
        self.server.communicate(timeout=10)


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    runner = Runner(tmp_path_factory.mktemp("runner"))
    yield runner
    runner.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_block_of_a_page_runs_or_parses(page: Path, tmp_path: Path, runner: Runner) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TIEOUT_ACTOR": "reader",
        "HOME": str(tmp_path),
    }
    for kind, options, body in blocks(page):
        assert kind in KNOWN, f"{page.name}: a block of kind {kind!r}"
        if "file" in options:
            target = tmp_path / options["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body)
        if kind == "json":
            json.loads(body)
        elif kind == "jsonl":
            [json.loads(line) for line in body.splitlines() if line.strip()]
        elif kind == "yaml":
            YAML(typ="safe", pure=True).load(body)
        elif kind == "toml":
            tomllib.loads(body)
        elif kind == "python" and "file" not in options:
            done = subprocess.run(
                [sys.executable, "-c", body], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{page.name}:\n{body}\n{done.stderr}"
        elif kind == "console":
            run_console(page, body, tmp_path, environment, runner)


def run_console(page: Path, body: str, folder: Path, environment: dict[str, str], runner: Runner) -> None:
    for line in body.splitlines():
        if not line.startswith("$ "):
            continue
        command, _, comment = line[2:].partition("  # ")
        if command.startswith(("make ", "git ", "cd ")):
            continue
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            environment[name] = value
            continue
        assert OURS.match(command), f"{page.name}: do not know how to run {command!r}"
        expected = re.search(r"exit (\d+)", comment)
        code, printed = runner.run(command, folder, environment)
        wanted = int(expected.group(1)) if expected else 0
        assert code == wanted, f"{page.name}: {command}\nexit {code}\n{printed}"


def test_every_link_inside_the_docs_leads_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} → {target}")
    assert not broken, broken
