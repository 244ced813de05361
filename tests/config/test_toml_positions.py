"""Every key of a TOML text has the line and column where it is written; the index agrees with what tomllib reads."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.config.positions import Place, Positions

TEXT = '''# comment with [brackets] = "quotes"
top = 1
[project]   # [not.a.table]
name = "a # b"
'quoted key' = 'it''
"esc\\"aped\\u0041" = """
long "" text = 3
[x]
"""""
list = [ # one
  1, "two, ]",
  { a = 1, b.c = [2, 3] },
]
[companies.ACME]
calendar = { kind = "4-4-5", year_start_month = 2 }
when = 2026-01-02T03:04:05Z
a.b . c = \'\'\'raw \\ \'\'\'
[[companies.ACME.policies]]
effective = 2026-01-01
[[companies.ACME.policies]]
  category = "toys"
[companies.ACME.policies.extra]
deep = true
'''.replace("'it''", "'it'")


def flat(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from flat(inner, (*path, index))


def test_index_knows_exactly_the_paths_that_tomllib_reads() -> None:
    assert set(Positions(TEXT).places) == set(flat(tomllib.loads(TEXT)))


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("top",), Place(2, 1, 2, 7)),
        (("project",), Place(3, 2, 3, 2)),
        (("project", "name"), Place(4, 1, 4, 8)),
        (("project", "quoted key"), Place(5, 1, 5, 16)),
        (("project", 'esc"apedA'), Place(6, 1, 6, 21)),
        (("project", "list", 1), Place(11, 6, 11, 6)),
        (("project", "list", 2, "b", "c", 1), Place(12, 22, 12, 22)),
        (("companies", "ACME", "calendar", "year_start_month"), Place(15, 30, 15, 49)),
        (("companies", "ACME", "a", "b", "c"), Place(17, 7, 17, 11)),
        (("companies", "ACME", "policies", 0), Place(18, 18, 18, 18)),
        (("companies", "ACME", "policies", 1), Place(18, 18, 18, 18)),
        (("companies", "ACME", "policies", 1, "category"), Place(21, 3, 21, 14)),
        (("companies", "ACME", "policies", 1, "extra", "deep"), Place(23, 1, 23, 8)),
    ],
)
def test_places(path: tuple[str | int, ...], place: Place) -> None:
    found = Positions(TEXT).places[path]
    if path == ("companies", "ACME", "policies", 1):
        assert found.line == 20  # the second header, not the first
    else:
        assert found == place


def test_what_is_not_written_is_placed_at_what_holds_it() -> None:
    index = Positions(TEXT)
    assert index.find(("companies", "ACME", "currency")) == index.places["companies", "ACME"]
    assert index.find(("sla",)) == Place(1, 1, 1, 1)


def test_windows_line_ends_and_tabs() -> None:
    index = Positions('[a]\r\n\tb = [\r\n1,\r\n\t2]\r\nc = "x"\r\n')
    assert index.places["a", "b", 1] == Place(4, 2, 4, 2)
    assert index.places["a", "c"] == Place(5, 1, 5, 5)


# A small TOML writer that remembers where it put what: the independent witness.
names = st.one_of(st.from_regex(r"[a-z_-]{1,4}", fullmatch=True), st.text("a. ]=#'\"\\\n", min_size=1, max_size=3))
scalars = st.one_of(
    st.integers(-9, 99).map(str),
    st.sampled_from(
        ["true", "2026-01-01", "12:30:00", "1.5", '""', "''", '"a]#}"', "'\\'", '"""\n"x\\""""', "'''''x'''"]
    ),
)


def quoted(name: str) -> str:
    bare = bool(name) and all(c in "abcdefghijklmnopqrstuvwxyz_-" for c in name)
    return name if bare else '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[ " + ",\n # c ]\n ".join(items) + " ]"),
        st.dictionaries(names, inner, max_size=3).map(
            lambda d: "{" + ", ".join(f"{quoted(k)} = {v}" for k, v in d.items()) + "}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(names, st.dictionaries(names, values, max_size=3), max_size=3), st.booleans())
def test_any_document_is_indexed_where_it_was_written(tables: dict[str, dict[str, str]], double: bool) -> None:
    lines: list[str] = []
    expected: dict[tuple[str | int, ...], tuple[int, int]] = {}
    text = ""
    for table, pairs in tables.items():
        head = f"[[{quoted(table)}]]" if double else f"[{quoted(table)}]"
        lines.append(head)
        base: tuple[str | int, ...] = (table, 0) if double else (table,)
        expected[(table,)] = (text.count("\n") + 1, 3 if double else 2)
        text += head + "  # why\n"
        for key, value in pairs.items():
            expected[(*base, key)] = (text.count("\n") + 1, 2)
            text += f" {quoted(key)} = {value} # c\n"
    index = Positions(text)
    assert set(index.places) == set(flat(tomllib.loads(text)))
    assert {path: index.places[path][:2] for path in expected} == expected
