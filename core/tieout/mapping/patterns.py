"""Regular expressions that cannot run away: a small grammar with a bound on the ways to match from one start.

Allowed: literals, `.`, classes, `\\d \\w \\s \\b` and their opposites, anchors, groups `( )` and `(?: )`, alternatives,
`* + ? {m,n}`. Refused: back-references, look-around, flags, and patterns whose `cost` is beyond the limit. Cost: one
for a literal, the product along a sequence, the sum over alternatives, for a repeat the number of lengths times the
cost of its content to the power of its count. A pattern with an open repeat is tried on texts of bounded length only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tieout.mapping.limits import PATTERN_CHARACTERS_MAX, PATTERN_COST_MAX, PATTERN_TEXT_CHARACTERS_MAX

_OPEN: Final = PATTERN_TEXT_CHARACTERS_MAX  # an open repeat can have as many lengths as the text has characters
_REPEAT: Final = re.compile(r"[*+?]|\{([0-9]{1,3})(?:(,)([0-9]{1,3})?)?\}")
_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_ESCAPES: Final = frozenset("dDwWsSbBtnr")


class PatternError(ValueError):
    """The pattern is bad or unsafe; the message says why."""


def safe_pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern of the safe subset; PatternError otherwise."""
    if len(text) > PATTERN_CHARACTERS_MAX:
        raise PatternError(f"longer than {PATTERN_CHARACTERS_MAX} characters")
    cost, end = _alternatives(text, 0, 0)
    if end != len(text):
        raise PatternError(f"unbalanced ) at position {end + 1}")
    if cost > PATTERN_COST_MAX:
        raise PatternError("it could match a text in too many ways; bound its repeats, and do not nest or chain them")
    try:
        return re.compile(text)
    except (re.error, OverflowError) as error:
        raise PatternError(str(error)) from None


def searcher(text: str) -> Callable[[str], re.Match[str] | None]:
    """`search` of a safe pattern; the function raises ValueError for a text too long for a pattern with repeats."""
    search = safe_pattern(text).search
    longest = PATTERN_TEXT_CHARACTERS_MAX if re.search(r"[*+{]", text) else 100 * PATTERN_TEXT_CHARACTERS_MAX

    def bounded(value: str) -> re.Match[str] | None:
        if len(value) > longest:
            raise ValueError(f"text of {len(value)} characters is too long for a pattern (at most {longest})")
        return search(value)

    return bounded


def _alternatives(text: str, at: int, depth: int) -> tuple[int, int]:
    if depth > 8:
        raise PatternError("groups nested deeper than 8")
    total, cost = 0, 1
    while at < len(text) and text[at] != ")":
        if text[at] == "|":
            total, cost, at = total + cost, 1, at + 1
            continue
        inner, at = _atom(text, at, depth)
        inner, at = _repeated(text, at, inner)
        cost = min(cost * inner, PATTERN_COST_MAX + 1)
    return min(total + cost, PATTERN_COST_MAX + 1), at


def _atom(text: str, at: int, depth: int) -> tuple[int, int]:
    char = text[at]
    if char == "(":
        start = at + 1
        if text.startswith("(?:", at):
            start = at + 3
        elif text.startswith("(?", at):
            raise PatternError(f"{text[at : at + 4]}: only plain groups ( ) and (?: ) are allowed")
        cost, end = _alternatives(text, start, depth + 1)
        if end >= len(text):
            raise PatternError(f"unclosed ( at position {at + 1}")
        return cost, end + 1
    if char == "[":
        found = _CLASS.match(text, at)
        if found is None:
            raise PatternError(f"unclosed [ at position {at + 1}")
        return 1, found.end()
    if char == "\\":
        follower = text[at + 1 : at + 2]
        if not follower or (follower.isalnum() and follower not in _ESCAPES):
            raise PatternError(f"\\{follower}: not part of the safe subset")
        return 1, at + 2
    if char in "*+?{":
        raise PatternError(f"nothing to repeat at position {at + 1}; escape a literal {char} with \\")
    return 1, at + 1


def _repeated(text: str, at: int, inner: int) -> tuple[int, int]:
    found = _REPEAT.match(text, at)
    if found is None:
        return inner, at
    low, high = _bounds(found)
    if high is not None and high < low:
        raise PatternError(f"{found.group()}: the bounds are the wrong way round")
    if _REPEAT.match(text, found.end()):
        raise PatternError(f"two repeats in a row at position {found.end() + 1}")
    if high is None:
        cost = _OPEN if inner == 1 else PATTERN_COST_MAX + 1
    else:
        cost = (high - low + 1) * min(inner ** min(high, 64), PATTERN_COST_MAX + 1)
    return min(cost, PATTERN_COST_MAX + 1), found.end()


def _bounds(found: re.Match[str]) -> tuple[int, int | None]:
    sign = found.group()
    if sign in "*+?":
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
    low, comma, high = found.groups()
    if comma is None:
        return int(low), int(low)
    return int(low), int(high) if high else None
