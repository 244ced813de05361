"""DESIGN §3: who may import whom. The arrows are the architecture; this test is what keeps them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "tieout"

# part of the core -> what of ours it may import
PURE = {"model", "errors"}
STAGES = PURE | {
    "mapping",
    "valuation",
    "posting",
    "store",
    "connector",
    "hookspecs",
    "plugins",
    "failpoints",
    "config",
}
MAY = {
    "model": set(),
    "errors": set(),
    "failpoints": set(),
    "logs": set(),
    "mapping": PURE,
    "valuation": PURE | {"settlement"},
    "settlement": PURE | {"valuation"},
    "posting": PURE,
    "connector": PURE | {"http"},
    "http": {"errors", "failpoints", "logs"},
    "hookspecs": PURE | {"connector", "valuation"},
    "plugins": PURE | {"connector", "hookspecs"},
    "store": PURE | {"failpoints", "audit", "http", "logs"},
    "audit": PURE,
    "config": PURE | {"logs", "connector", "plugins", "posting", "mapping", "hookspecs"},
    "pull": STAGES | {"audit"},
    "deliver": STAGES | {"audit"},
    "reconcile": STAGES | {"audit"},
    "webhooks": set(),
    "sla": STAGES | {"audit"},
    "cli": {"workspace", "errors"},
    "console": {"workspace", "errors"},
    "testing": STAGES | {"audit", "deliver", "pull", "http"},
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def part_of(path: Path) -> str:
    inside = path.relative_to(CORE)
    return inside.parts[0].removesuffix(".py")


@pytest.mark.parametrize("part", sorted(MAY))
def test_a_part_imports_only_what_its_arrow_allows(part: str) -> None:
    wrong = []
    for path in CORE.rglob("*.py"):
        if part_of(path) != part:
            continue
        for module in imports(path):
            if module.startswith("tieout."):
                target = module.split(".")[1]
                if target != part and target not in MAY[part]:
                    wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_every_part_of_the_core_has_an_arrow_or_composes() -> None:
    composing = {
        "operations",
        "reports",
        "__init__",
        "__main__",
        "run",
        "workspace",
        "schedule",
        "worker",
        "books",
        "codes",
    }
    parts = {part_of(path) for path in CORE.rglob("*.py")}
    assert parts <= set(MAY) | composing, sorted(parts - set(MAY) - composing)


@pytest.mark.parametrize("folder", ["connectors", "sandbox"])
def test_plugins_import_only_the_public_names(folder: str) -> None:
    wrong = []
    for path in (ROOT / folder).rglob("*.py"):
        for module in imports(path):
            if module.startswith("tieout.") and module not in {"tieout.testing"}:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}; import the name from `tieout`")
            if (
                module.split(".")[0].startswith("tieout_")
                and folder == "sandbox"
                and not module.startswith(("tieout_sandbox", "tieout_mappings"))
            ):
                wrong.append(f"{path.relative_to(ROOT)} imports the connector {module}")
    assert not wrong, "\n".join(wrong)
