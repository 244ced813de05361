"""Paths: the fast dotted form and the structural part of JMESPath agree with the reference implementation."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.mapping.paths import PathError, parse_path

NAMES = st.sampled_from(["a", "b", "c"])
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["x", "y", ""])
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)
STEPS = st.sampled_from(
    [".a", ".b", ".c", "[0]", "[-1]", "[*]", "[0:2]", "[::-1]", ".*", "[?a=='x']", "[?b.c!='y']", "[?a==`1`]", " | [0]"]
)


@given(TREES, st.lists(STEPS, max_size=5), NAMES)
def test_structural_paths_mean_what_jmespath_means(tree: Any, steps: list[str], first: str) -> None:
    text = first + "".join(steps)
    assert parse_path(text).one(tree) == jmespath.search(text, tree)


@given(st.lists(st.dictionaries(NAMES, st.dictionaries(NAMES, st.integers()), max_size=3), max_size=5))
def test_a_column_is_the_value_of_each_row(rows: list[dict[str, Any]]) -> None:
    path = parse_path("a.b")
    assert path.names == ("a", "b")
    assert path.column(rows) == [(row.get("a") or {}).get("b") for row in rows]


@pytest.mark.parametrize(
    ("text", "record", "value"),
    [
        ("PO / SO #", {"PO / SO #": "SCMS-4"}, "SCMS-4"),
        ("Freight Cost (USD)", {"Freight Cost (USD)": "780.34"}, "780.34"),
        ('"Vol. (m3)".value', {"Vol. (m3)": {"value": 2}}, 2),
        ("codes[?kind=='gtin'].value | [0]", {"codes": [{"kind": "sku"}, {"kind": "gtin", "value": "7"}]}, "7"),
        ("@", {"a": 1}, {"a": 1}),
        ("a.b", {"a": [{"b": 1}]}, None),
        ("a.b", {"a": "text"}, None),
    ],
)
def test_names_as_vendors_write_them(text: str, record: Any, value: Any) -> None:
    assert parse_path(text).one(record) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "a..b",
        "a.",
        ".a",
        "a[",
        "a[x]",
        "a[?b]",
        "a[]",
        "length(a)",
        "a[?length(b)==`1`]",
        "$foo",
        "a[::0]",
        "| a",
        "a |",
        "a[0]b",
        "a.b*",
        "&a",
        "x" * 501,
        "{a: b}",
    ],
)
def test_everything_beyond_structure_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        parse_path(text)


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = parse_path(text)
    except PathError:
        return
    if not path.index and not path.up:
        path.column([{"a": 1}, [], None, "x"])
