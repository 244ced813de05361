"""Connectors written by `tieout plugin new`, imported, to be lied with."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tieout.operations.plugin_new import new_plugin


class Written:
    """A distribution that `tieout plugin new` wrote: its connector's module, its stand-in and its conformance tests."""

    def __init__(self, connector: ModuleType, stub: ModuleType, tests: ModuleType) -> None:
        self.connector, self.stub, self.tests = connector, stub, tests


def _import(folder: Path, role: str) -> Written:
    name = f"honest-{role}"
    new_plugin(name, "ledger" if role == "ledger" else "source", folder)
    home = folder / f"tieout-{name}"
    sys.path[:0] = [str(home), str(home / "tests")]
    try:
        connector = importlib.import_module(f"tieout_honest_{role}.{role}")
        stub = importlib.import_module("stub")
        tests = importlib.import_module(f"test_honest_{role}_conformance")
    finally:
        del sys.path[:2]
        sys.modules.pop("stub", None)
    return Written(connector, stub, tests)


@pytest.fixture(scope="session")
def honest_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    yield _import(tmp_path_factory.mktemp("ledger"), "ledger")


@pytest.fixture(scope="session")
def honest_source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    yield _import(tmp_path_factory.mktemp("source"), "source")
