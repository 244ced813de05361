"""Every document is literal and valid against the published schema, and asks for no more than its budget."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from graphql import GraphQLSchema, parse, validate

from tieout_sandbox.simulators.shopify.api import schema as ours
from tieout_shopify import queries

ROOT = Path(__file__).resolve().parents[3]
VENDORS = ROOT.parent / "shared" / "vendors"
SCHEMA = VENDORS / "shopify_admin_schema_2026-10.json.gz"
DOCUMENTS = {name: text for name, text in vars(queries).items() if isinstance(text, str) and "{" in text}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    if not SCHEMA.exists():
        pytest.skip("the published schema is not beside the checkout")
    spec = importlib.util.spec_from_file_location("validate_graphql", VENDORS / "validate_graphql.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def published(tool: ModuleType) -> GraphQLSchema:
    found: GraphQLSchema = tool.load_schema(SCHEMA)
    return found


def test_every_document_is_literal_and_valid(tool: ModuleType, published: GraphQLSchema) -> None:
    seen = 0
    for label, document, error in tool.collect(ROOT / "connectors" / "shopify"):
        assert error is None, f"{label}: {error}"
        assert [e.message for e in validate(published, document, tool.RULES)] == [], label
        seen += 1
    assert seen == len(DOCUMENTS)


def test_a_wrong_field_would_be_found(tool: ModuleType, published: GraphQLSchema) -> None:
    broken = parse(queries.STOCK.replace("isActive", "isActiv"))
    assert validate(published, broken, tool.RULES)


def test_the_budget_of_a_document_covers_its_cost(tool: ModuleType, published: GraphQLSchema) -> None:
    sizes = {
        queries.TRANSFERS: 10,
        queries.STOCK: 100,
        queries.PAYOUTS: 25,
        queries.PAYOUT_LINES: 100,
        queries.ORDER: 50,
    }
    for name, text in DOCUMENTS.items():
        if text is not queries.BULK_ORDERS:
            (cost,) = tool.document_cost(published, parse(text), sizes.get(text, 250)).values()
            assert cost <= queries.COSTS[text] <= 1_000, f"{name} costs {cost}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_simulator_knows_every_document(name: str) -> None:
    assert validate(ours(), parse(DOCUMENTS[name])) == []


def test_the_simulators_schema_is_part_of_the_published_one(published: GraphQLSchema) -> None:
    """Type by type: each field is there with the same type, each argument too."""
    checked = 0
    for name, kind in ours().type_map.items():
        theirs: Any = published.type_map.get(name)
        assert theirs is not None, name
        for field, made in getattr(kind, "fields", {}).items():
            assert str(theirs.fields[field].type) == str(made.type), f"{name}.{field}"
            for argument, given in getattr(made, "args", {}).items():
                assert str(theirs.fields[field].args[argument].type) == str(given.type), f"{name}.{field}({argument})"
            checked += 1
    assert checked > 500


def test_the_reference_documents_are_answered_too(published: GraphQLSchema) -> None:
    del published
    text = (VENDORS / "shopify.md").read_text(encoding="utf-8")
    found = re.findall(r"```graphql\n(.*?)```", text, re.S)
    assert len(found) == 21
    for each in found:
        assert validate(ours(), parse(each)) == [], each[:80]
