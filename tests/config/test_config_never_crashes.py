"""Whatever stands in the file, the answer is slips with places: never a crash, and never a project made from nonsense."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from copy import deepcopy
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tieout.config import check
from tieout.plugins import Plugins

SAMPLE = tomllib.loads((Path(__file__).parent / "acme.toml").read_text(encoding="utf-8"), parse_float=Decimal)


def inline(value: Any) -> str:
    """Any TOML value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text(key)} = {inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return text(value)
    return value.isoformat() if isinstance(value, (date, datetime, time)) else str(value)


def text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


ODD: list[Any] = [
    0, -1, 13, True, "", " ", "a.b", "env:X", "2026-13-01", Decimal("1.5"), [], [1], [[]], [{}], ["x", {"a": 1}], {}, {"a": {}},
    {"x": [{}]}, date(2026, 1, 1), date(1, 1, 1), date(9999, 12, 31), datetime(2026, 1, 1), time(12), "../../x", "\0",
    10**30, "x" * 300,
]  # fmt: skip
PLACES = sorted(places(SAMPLE), key=str)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(PLACES), st.sampled_from(["put", "drop", "add"]), st.sampled_from(ODD)), max_size=4
    )
)
def test_any_change_of_the_file_gives_slips_in_the_file(
    project: Any, plugins: Plugins, edits: list[tuple[tuple[Any, ...], str, Any]]
) -> None:
    data = deepcopy(SAMPLE)
    for path, what, value in edits:
        apply(data, path, what, deepcopy(value))
    written = "".join(f"{text(key)} = {inline(value)}\n" for key, value in data.items())
    folder = project()
    (folder / "tieout.toml").write_text(written, encoding="utf-8")
    lines = written.count("\n")
    for slip in check(folder, plugins):
        assert slip.code.startswith("TO1")
        if slip.file == "tieout.toml":
            assert 1 <= slip.line <= max(lines, 1)
        assert slip.what
        assert slip.why


def apply(data: Any, path: tuple[Any, ...], what: str, value: Any) -> None:
    for key in path[:-1]:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return
    last = path[-1]
    if isinstance(data, dict) and what == "add":
        data["odd"] = value
    elif isinstance(data, dict) and what == "drop":
        data.pop(last, None)
    elif isinstance(data, dict) or (isinstance(data, list) and isinstance(last, int) and last < len(data)):
        data[last] = value
