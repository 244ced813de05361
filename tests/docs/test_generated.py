"""Generated pages are up to date, and what the pages name exists."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from tieout import Event
from tieout.cli.root import cli
from tieout.codes import all_codes
from tieout.model.catalogue import EVENT_TYPES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_parts_are_what_the_code_says(generate: ModuleType) -> None:
    stale = [name for name, text in generate.pages().items() if (DOCS / name).read_text(encoding="utf-8") != text]
    assert not stale, f"run: make docs ({', '.join(stale)} behind the code)"


def test_every_command_code_and_event_type_is_on_its_page(generate: ModuleType) -> None:
    pages = generate.pages()
    assert [name for name in cli.list_commands(None) if f"## `tieout {name}`" not in pages["cli.md"]] == []  # type: ignore[arg-type]
    assert [code for code in all_codes() if f"| {code} |" not in pages["errors.md"]] == []
    assert [name for name in EVENT_TYPES if f"## `{name}`" not in pages["events.md"]] == []


def test_examples_of_events_are_valid_and_cover_every_type() -> None:
    rows = [json.loads(line) for line in (DOCS / "examples" / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [Event.model_validate(row).type for row in rows] == list(EVENT_TYPES)


def test_every_test_that_the_guarantees_name_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (DOCS / "guarantees.md").read_text(encoding="utf-8"))
    assert len(named) > 30
    absent = [
        f"{path}::{test}"
        for path, test in named
        if not (ROOT / path).exists() or f"def {test}(" not in (ROOT / path).read_text(encoding="utf-8")
    ]
    assert not absent, absent


def test_every_code_that_a_page_mentions_exists() -> None:
    known = all_codes()
    pages = [ROOT / "README.md", *DOCS.glob("*.md")]
    unknown = {
        (p.name, code)
        for p in pages
        for code in re.findall(r"TO\d{4}", p.read_text(encoding="utf-8"))
        if code not in known
    }
    assert not unknown, unknown


def test_every_page_is_on_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    missing = [page.name for page in DOCS.glob("*.md") if page.name != "README.md" and f"]({page.name})" not in index]
    assert not missing, missing
