"""The small part of Xero's filter language that clients use: ==, !=, <, >, AND, OR, DateTime(), guid(), .Contains, .StartsWith."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

Row = Mapping[str, Any]
Test = Callable[[Row], bool]
_TOKEN = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<and>AND\b|&&)|(?P<or>OR\b|\|\|)|"
    r"(?P<call>[\w.]+)\.(?P<fn>Contains|StartsWith|EndsWith)\(\"(?P<arg>(?:[^\"\\]|\\.)*)\"\)|"
    r"(?P<field>[A-Za-z_][\w.]*)\s*(?P<op>==|!=|>=|<=|>|<)\s*"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"|DateTime\([^)]*\)|guid\(\"[^\"]*\"\)|Guid\(\"[^\"]*\"\)|true|false|null|[-\d.]+))"
)


class BadFilter(Exception):  # noqa: N818
    """The filter is not understood."""


def parse(text: str, day_of: Callable[[Any], date | None]) -> Test:
    """A test of rows. `day_of` reads the vendor's dates."""
    tokens: list[re.Match[str]] = []
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None or found.end() == at:
            raise BadFilter(text[at:])
        tokens.append(found)
        at = found.end()
    test, rest = _either(tokens, day_of)
    if rest:
        raise BadFilter(text)
    return test


def _either(tokens: list[re.Match[str]], day_of: Callable[[Any], date | None]) -> tuple[Test, list[re.Match[str]]]:
    test, tokens = _both(tokens, day_of)
    tests = [test]
    while tokens and tokens[0]["or"]:
        test, tokens = _both(tokens[1:], day_of)
        tests.append(test)
    return (lambda row: any(each(row) for each in tests)), tokens


def _both(tokens: list[re.Match[str]], day_of: Callable[[Any], date | None]) -> tuple[Test, list[re.Match[str]]]:
    test, tokens = _one(tokens, day_of)
    tests = [test]
    while tokens and tokens[0]["and"]:
        test, tokens = _one(tokens[1:], day_of)
        tests.append(test)
    return (lambda row: all(each(row) for each in tests)), tokens


def _one(tokens: list[re.Match[str]], day_of: Callable[[Any], date | None]) -> tuple[Test, list[re.Match[str]]]:
    if not tokens:
        raise BadFilter("it ends too early")
    first, rest = tokens[0], tokens[1:]
    if first["open"]:
        test, rest = _either(rest, day_of)
        if not rest or not rest[0]["close"]:
            raise BadFilter("a bracket is open")
        return test, rest[1:]
    if first["fn"]:
        return _call(first["call"], first["fn"], first["arg"]), rest
    if first["field"]:
        return _compare(first["field"], first["op"], first["value"], day_of), rest
    raise BadFilter(first[0])


def _held(row: Row, field: str) -> Any:
    value: Any = row
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _call(field: str, name: str, argument: str) -> Test:
    def test(row: Row) -> bool:
        text = str(_held(row, field) or "")
        if name == "Contains":
            return argument in text
        return text.startswith(argument) if name == "StartsWith" else text.endswith(argument)

    return test


def _compare(field: str, op: str, value: str, day_of: Callable[[Any], date | None]) -> Test:
    wanted: Any
    if value.startswith("DateTime("):
        wanted = date(*[int(part) for part in value[9:-1].split(",")[:3]])
    elif value[:5].lower() == "guid(":
        wanted = value[6:-2].lower()
    else:
        wanted = value.strip('"')

    def test(row: Row) -> bool:
        held = _held(row, field)
        left: Any = (
            day_of(held)
            if isinstance(wanted, date)
            else str(held).lower()
            if value[:5].lower() == "guid("
            else str(held)
        )
        if left is None:
            return op == "!="
        holds: dict[str, bool] = {
            "==": left == wanted,
            "!=": left != wanted,
            ">=": left >= wanted,
            "<=": left <= wanted,
            ">": left > wanted,
            "<": left < wanted,
        }
        return holds[op]

    return test
