"""Whatever text a mapping file holds, reading it ends in a mapping or in a MappingError with places."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tieout.errors import MappingError
from tieout.mapping import CompiledMapping, check, compile_mapping, lookup_files
from tieout.mapping.limits import FILE_BYTES_MAX, NESTING_DEPTH_MAX, NODES_MAX
from tieout.mapping.tree import TreeError, read_tree

EXAMPLE = (Path(__file__).parent / "shipments.yaml").read_text()
LINES = EXAMPLE.splitlines()
PIECES = sorted({word for word in EXAMPLE.replace("{", " { ").replace(",", " , ").split() if len(word) < 20})


def survives(text: str) -> None:
    lookup_files(text)
    try:
        mapping = compile_mapping(
            text, "fuzzed.yaml", {"type": "object", "properties": {"sku": {"type": "string"}}}, run=True
        )
    except MappingError as error:
        assert error.slips
        assert all(slip.line >= 1 and slip.column >= 1 and slip.what for slip in error.slips)
    else:
        assert isinstance(mapping, CompiledMapping)


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    survives(text)


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet="[]{}:,-?&*!|>'\"%@` \n#ab1.<", max_size=60))
def test_any_yaml_signs(text: str) -> None:
    survives(text)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_sound_file_with_words_exchanged(data: st.DataObject) -> None:
    text = EXAMPLE
    for _ in range(data.draw(st.integers(1, 3))):
        old, new = data.draw(st.sampled_from(PIECES)), data.draw(st.sampled_from(PIECES))
        text = text.replace(old, new, data.draw(st.integers(1, 3)))
    survives(text)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_sound_file_with_lines_lost_repeated_or_cut(data: st.DataObject) -> None:
    lines = list(LINES)
    at = data.draw(st.integers(0, len(lines) - 1))
    match data.draw(st.sampled_from(["drop", "repeat", "indent", "cut", "insert"])):
        case "drop":
            del lines[at : at + data.draw(st.integers(1, 5))]
        case "repeat":
            lines.insert(at, lines[data.draw(st.integers(0, len(lines) - 1))])
        case "indent":
            lines[at] = " " * data.draw(st.integers(1, 4)) + lines[at]
        case "cut":
            lines = lines[:at]
        case _:
            lines[at] = lines[at][:20] + data.draw(st.text(max_size=5)) + lines[at][20:]
    survives("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1, *x]", "nothing that is complete"),
        ("a: !!python/name:os.system ''", "tag"),
        ("a: ! b", "tag"),
        ("a: 1\na: 2", "twice"),
        ("? [a]\n: 1", "key"),
        ("--- 1\n--- 2", "one document"),
        ("[" * (NESTING_DEPTH_MAX + 2), "nested deeper"),
        ("x" * (FILE_BYTES_MAX + 1), "larger"),
        ("a: 1e5", "quotes"),
        ("a: .nan", "quotes"),
        ("a: 0123", "quotes"),
        ('a: "\\ud800"', "surrogates"),
    ],
)
def test_what_yaml_could_do_to_us_is_refused(text: str, words: str) -> None:
    with pytest.raises(TreeError, match=words):
        read_tree(text)


def test_aliases_are_shared_and_counted_in_full() -> None:
    assert read_tree("a: &x {b: 1}\nc: *x").plain() == {"a": {"b": 1}, "c": {"b": 1}}
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 8):
        bomb += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    with pytest.raises(TreeError, match=str(NODES_MAX)):
        read_tree(bomb)


def test_numbers_are_exact_and_words_stay_words() -> None:
    tree = read_tree("a: 1.10\nb: yes\nc: 2026-03-02\nd: 12:30\ne: -5\nf: '1'\ng: ~\nh: true")
    assert {key: repr(value) for key, value in tree.plain().items()} == {
        "a": "Decimal('1.10')",
        "b": "'yes'",
        "c": "'2026-03-02'",
        "d": "'12:30'",
        "e": "-5",
        "f": "'1'",
        "g": "None",
        "h": "True",
    }


def test_an_alias_serves_several_events() -> None:
    text = """
mapping: shared
version: "1"
stream: s
record: one line
events:
  - type: order.fulfilled
    when: {from: kind, eq: out}
    fields: &head {effective_at: at}
    lines: &line {fields: {item: sku, quantity: qty, location: {const: MAIN}}}
  - type: return.received
    when: {from: kind, eq: back}
    fields: *head
    lines: *line
"""
    assert check(text, "shared.yaml") == []
