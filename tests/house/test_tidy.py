"""House rules that a machine can check: room sizes, floats near money, dead files, words that must not be there."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES_MAX = 600
FUNCTION_LINES_MAX = 70
SOURCES = ("core", "connectors", "mappings", "sandbox")
# No binary fraction comes near an amount; these parts handle seconds and ratios only.
FLOATS_ALLOWED = (
    "core/tieout/errors.py",
    "core/tieout/http/",
    "sandbox/tieout_sandbox/simulators/",
    "core/tieout/sla/",
    "core/tieout/deliver/",
    "tests/bench/",
    "core/tieout/schedule.py",
)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def python_sources() -> list[Path]:
    return [p for p in tracked() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] in SOURCES]


def excused() -> str:
    return (ROOT / "docs" / "decisions" / "large-rooms.md").read_text()


def test_no_module_is_too_large_without_a_recorded_reason() -> None:
    large = [p for p in python_sources() if len(p.read_text().splitlines()) > LINES_MAX]
    unexplained = [str(p.relative_to(ROOT)) for p in large if str(p.relative_to(ROOT)) not in excused()]
    assert not unexplained, unexplained


def test_no_function_is_too_long_without_a_recorded_reason() -> None:
    long = []
    for path in python_sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    long.append((f"{path.relative_to(ROOT)}:{node.name}", length))
    unexplained = [entry for entry in long if entry[0] not in excused()]
    assert not unexplained, unexplained


def test_no_float_comes_near_money() -> None:
    found = []
    for path in python_sources():
        name = str(path.relative_to(ROOT))
        if name.startswith(FLOATS_ALLOWED):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            number = getattr(node, "lineno", 0)
            if (is_literal or is_call) and not re.search(
                "# (seconds|ratio)", path.read_text().splitlines()[number - 1]
            ):
                found.append(f"{name}:{number}")
    assert not found, f"a float (say `# seconds` or `# ratio` on the line where it is one): {found}"


def test_every_module_is_used() -> None:
    text = {p: p.read_text() for p in tracked() if p.suffix in {".py", ".toml", ".md", ".yaml"} or p.name == "Makefile"}
    dead = []
    for path in python_sources():
        stem = path.parent.name if path.name in {"__init__.py", "__main__.py"} else path.stem
        if "migrations" in path.parts or stem in {"bench", "env"}:
            continue
        if not any(re.search(rf"\b{re.escape(stem)}\b", other) for p, other in text.items() if p != path):
            dead.append(str(path.relative_to(ROOT)))
    assert not dead, dead


def test_no_path_of_a_machine_and_no_address_of_a_registry_is_written_down() -> None:
    words = re.compile(
        "|".join(("/ro" + "ot/", "/wo" + "rk/", "pypi\\.o" + "rg", "files\\.pytho" + "nhosted", "npmjs\\.o" + "rg"))
    )
    found = [
        str(p.relative_to(ROOT)) for p in tracked() if p.suffix != ".gz" and words.search(p.read_text(errors="replace"))
    ]
    assert not found, found
