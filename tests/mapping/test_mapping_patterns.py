"""Patterns of `matches` and `extract` cannot run away."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.mapping.patterns import PatternError, safe_pattern, searcher


@pytest.mark.parametrize(
    "text",
    [
        "^C",
        "^S[0-9]{1,3}$",
        "ASN-[0-9]+",
        "(red|green|blue)",
        "[^]a]",
        r"\d{4}-\d{2}",
        "a.*b",
        "(?:ab)+",
        "x?y?z?",
        r"\*",
    ],
)
def test_patterns_people_write_are_taken(text: str) -> None:
    assert safe_pattern(text).pattern == text


@pytest.mark.parametrize(
    "text",
    [
        "(a+)+",
        "(a*)*b",
        "(a|a)*",
        "(a|ab)+c",
        "(.*a){12}",
        "a*a*a*b",
        "(a?){30}a{30}",
        "((a{1,9}){1,9}){1,9}",
        "(?=a)",
        "(?!a)",
        "(?<=a)b",
        "(?P<n>a)",
        "(?i)a",
        r"(a)\1",
        r"\Z",
        "a**",
        "a+?",
        "(a",
        "a)",
        "[a",
        "*a",
        "a{2,1}",
        "a" * 301,
        "(" * 20 + ")" * 20,
    ],
)
def test_patterns_that_could_explode_or_are_none_are_refused(text: str) -> None:
    with pytest.raises(PatternError):
        safe_pattern(text)


def test_a_pattern_with_a_repeat_is_not_tried_on_long_text() -> None:
    with pytest.raises(ValueError, match="too long"):
        searcher("a*b")("a" * 256)
    assert searcher("^C")("C" * 256)


@given(st.text(alphabet="ab*+?{}1,3()|[]\\.d^$", max_size=14))
def test_whatever_is_taken_is_quick_on_hostile_text(text: str) -> None:
    try:
        search = searcher(text)
    except PatternError:
        return
    begun = time.process_time()
    for hostile in ("a" * 255, "ab" * 127, "a" * 254 + "!"):
        found = search(hostile)
        assert found is None or isinstance(found, re.Match)
    assert time.process_time() - begun < 5  # exponential time would be hours, not a slow machine's second
