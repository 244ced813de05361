"""The reference, the schema and the list of codes say what the program does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from tieout.config import check, reference_markdown, schema
from tieout.config.codes import CODES
from tieout.model.policy import Policy
from tieout.plugins import Plugins

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs" / "configuration.md"


def test_the_page_holds_the_generated_reference() -> None:
    text = DOC.read_text(encoding="utf-8")
    assert text.endswith(f"{reference_markdown()}\n"), "run: make docs (docs/configuration.md is behind the code)"


def test_every_toml_block_of_the_page_is_right(tmp_path: Path, plugins: Plugins) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", DOC.read_text(encoding="utf-8"), re.S)
    assert len(blocks) >= 5
    for block in blocks:
        tomllib.loads(block)
    (tmp_path / "tieout.toml").write_text("".join(blocks), encoding="utf-8")
    for name in ("items.csv", "locations.csv", "accounts.csv", "chart.csv"):
        (tmp_path / name).write_text("role,account\n" if name == "accounts.csv" else "code,name,type\n")
    (tmp_path / "movements.yaml").write_text("events:\n- type: order.fulfilled\n- type: return.received\n")
    unexpected = [s for s in check(tmp_path, plugins) if s.code not in ("TO1013", "TO1043")]
    assert not unexpected, "\n".join(map(str, unexpected))


def test_the_reference_names_every_key_with_a_meaning() -> None:
    text = reference_markdown()
    for name in Policy.model_fields:
        assert f"| `{name}` |" in text
    for line in text.splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert cells[-1], line
            assert cells[1], line


def test_the_schema_accepts_the_sample_project_and_knows_the_connectors(plugins: Plugins) -> None:
    made = schema(plugins)
    assert set(made["properties"]) == {
        "project", "companies", "connections", "schedule", "sla", "notify", "exceptions"
    }  # fmt: skip
    company = made["$defs"]["CompanyTable"]
    assert company["additionalProperties"] is False
    assert company["properties"]["currency"]["description"]
    rules: list[Any] = made["$defs"]["ConnectionTable"]["allOf"]
    probe = next(rule for rule in rules if rule["if"]["properties"]["connector"]["const"] == "probe")
    assert probe["then"]["required"] == ["folder", "token"]
    assert probe["then"]["properties"]["token"]["pattern"].startswith("^(env:")
    references = set(re.findall(r"'\$ref': '#/\$defs/([^']+)'", repr(made)))
    assert references <= set(made["$defs"])


def test_every_code_that_is_raised_is_explained() -> None:
    text = (ROOT / "core/tieout/plugins.py").read_text()
    for path in (ROOT / "core/tieout/config").glob("*.py"):
        text += path.read_text() if path.name != "codes.py" else ""
    assert set(re.findall(r'"(TO[0-9]{4})"', text)) == set(CODES)
