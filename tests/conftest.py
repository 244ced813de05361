"""Where the stores of tests live: SQLite, or PostgreSQL with TIEOUT_TEST_DATABASE=postgres (`make test` runs a share on both)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tieout.testing.databases import drop_below, on_postgres


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite: about the file of an SQLite database; not part of a run on PostgreSQL")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselected, not skipped: a skip on a build server is a failure."""
    if on_postgres():
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("sqlite")])
        items[:] = [item for item in items if not item.get_closest_marker("sqlite")]


@pytest.fixture(autouse=True)
def _no_database_left(request: pytest.FixtureRequest) -> Iterator[None]:
    folder: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None and on_postgres():
        drop_below(folder)
