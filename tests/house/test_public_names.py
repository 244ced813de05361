"""The public names of each distribution are a promise: adding is easy, taking away is a breaking change."""

from __future__ import annotations

import importlib

import pytest

import tieout

PUBLIC = [
    "API_VERSION",
    "Account",
    "Ambiguous",
    "Answer",
    "Balance",
    "BatchLedger",
    "Capabilities",
    "Context",
    "Document",
    "DocumentLine",
    "Drift",
    "Endpoint",
    "Event",
    "EventLine",
    "Fatal",
    "Finding",
    "FixedToken",
    "Flow",
    "Http",
    "Idempotency",
    "Item",
    "Ledger",
    "LedgerEntry",
    "Line",
    "Location",
    "Manifest",
    "Money",
    "NeedsReauth",
    "Notice",
    "Page",
    "Party",
    "Points",
    "Policy",
    "PolicyBook",
    "Purse",
    "ROLES",
    "RateLimited",
    "Receipt",
    "Ref",
    "Refused",
    "Rejected",
    "Retryable",
    "Secret",
    "Sending",
    "Source",
    "StockReport",
    "StockRow",
    "Stream",
    "TieoutError",
    "Tokens",
    "UsageError",
    "Valuation",
    "VendorError",
    "Window",
    "Workspace",
    "__version__",
    "hookimpl",
    "is_signed",
    "table",
    "value",
    "value_group",
]


def test_the_public_names_of_tieout_are_exactly_these() -> None:
    assert sorted(PUBLIC) == list(tieout.__all__)


@pytest.mark.parametrize("name", [n for n in PUBLIC if n != "__version__"])
def test_every_public_name_loads_from_tieout(name: str) -> None:
    assert getattr(tieout, name) is not None


@pytest.mark.parametrize(
    ("distribution", "module", "names"),
    [
        ("tieout-files", "tieout_files", ["FilesSource"]),
        ("tieout-beancount", "tieout_beancount", ["BeancountLedger"]),
        ("tieout-sandbox", "tieout_sandbox", []),
        ("tieout", "tieout_mappings", ["FOLDER"]),
    ],
)
def test_the_public_names_of_the_other_distributions_are_exactly_these(
    distribution: str, module: str, names: list[str]
) -> None:
    assert sorted(getattr(importlib.import_module(module), "__all__", [])) == names, distribution
