"""A kit without a test runner: each test of a class, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tieout.testing.kit import Conformance

PASSED, SKIPPED = "passed", "skipped"


def run_kit(kit: type[Conformance], folder: Path, only: Iterable[str] | None = None) -> dict[str, str]:
    """Test name → `passed`, `skipped`, or why it failed. `only`: these tests."""
    import pytest

    outcomes: dict[str, str] = {}
    names = only if only is not None else (name for name in dir(kit) if name.startswith("test_"))
    for name in sorted(names):
        place = folder / name[:100]
        place.mkdir(parents=True)
        run: Any = getattr(kit(), name)
        try:
            run(place)
        except pytest.skip.Exception:
            outcomes[name] = SKIPPED
        except Exception as error:  # noqa: BLE001  (whatever it is, the test failed)
            outcomes[name] = f"{type(error).__name__}: {error}"
        else:
            outcomes[name] = PASSED
    return outcomes
