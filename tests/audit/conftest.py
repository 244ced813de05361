"""The small company of the operations tests: before and after what was known late."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tieout.workspace import Workspace

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)


def first(folder: Path) -> Path:
    """Opening, receipt and shipments, run."""
    from tests.operations.conftest import first_feeds

    first_feeds(folder)
    with Workspace.open(folder, actor="ann") as work:
        work.run(seal_now=True)
    return folder


def late(folder: Path) -> Path:
    """And the late bill, freight and revised shipment."""
    from tests.operations.conftest import late_feeds

    first(folder)
    late_feeds(folder)
    with Workspace.open(folder, actor="ann") as work:
        work.run(seal_now=True)
    return folder


@pytest.fixture(scope="session")
def early_books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return first(tmp_path_factory.mktemp("early"))


@pytest.fixture(scope="session")
def late_books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return late(tmp_path_factory.mktemp("late"))


@pytest.fixture
def early(early_books: Path) -> Iterator[Workspace]:
    with Workspace.open(early_books, actor="ann") as work:
        yield work


@pytest.fixture
def work(late_books: Path) -> Iterator[Workspace]:
    with Workspace.open(late_books, actor="ann") as work:
        yield work


@pytest.fixture
def own_books(tmp_path: Path) -> Path:
    """The late books, for a test that changes them."""
    return late(tmp_path)
