"""Converters: what each takes, gives and refuses; nothing is guessed, nothing becomes a float."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.mapping.converters import CONVERTERS
from tieout.mapping.tree import read_tree

D = Decimal


def convert(name: str, value: Any, parameter: Any = None) -> Any:
    return CONVERTERS[name].make(parameter)(value)


@pytest.mark.parametrize(
    ("name", "parameter", "value", "expected"),
    [
        ("trim", None, "  a b ", "a b"),
        ("squeeze", None, " a \t b ", "a b"),
        ("upper", None, "straße", "STRASSE"),
        ("lower", None, "AB", "ab"),
        ("nfc", None, "e\u0301", "é"),
        ("nfkc", None, "１２", "12"),
        ("strip_zeros", None, "00042", "42"),
        ("strip_zeros", None, "000", "0"),
        ("gtin", None, "4006381333931", "04006381333931"),
        ("gtin", None, "96385074", "00000096385074"),
        ("gtin", None, "0-36000-29145-2", "00036000291452"),
        ("unit", None, "Pieces", "C62"),
        ("prefix", "SO-", 7, "SO-7"),
        ("suffix", "-R", "7", "7-R"),
        ("remove_prefix", "#", "#7", "7"),
        ("remove_suffix", ".0", "17850.0", "17850"),
        ("first", 3, "abcdef", "abc"),
        ("extract", "ASN-[0-9]+", "See ASN-93 (ID#:1281)", "ASN-93"),
        ("extract", "ID#:([0-9]+)", "See ASN-93 (ID#:1281)", "1281"),
        ("replace", {"–": "-"}, "a–b", "a-b"),
        ("null_if", ["N/A", "none"], "N/A", None),
        ("null_if", "N/A", "x", "x"),
        ("decimal", None, "1234.50", D("1234.50")),
        ("decimal", {"comma": True, "group": "."}, "1.234,5", D("1234.5")),
        ("decimal", {"group": ","}, "-1,234,567.8", D("-1234567.8")),
        ("decimal", {"currency": "€", "comma": True}, "€ 9,99", D("9.99")),
        ("decimal", {"trailing_minus": True}, "12.50-", D("-12.50")),
        ("decimal", {"parentheses": True}, "(3)", D("-3")),
        ("decimal", None, 5, D(5)),
        ("integer", None, "3.00", 3),
        ("negate", None, "2.5", D("-2.5")),
        ("abs", None, "-2.5", D("2.5")),
        ("multiply", 12, "1.5", D("18")),
        ("divide", 100, 1999, D("19.99")),
        ("date", "%d/%m/%Y", "02/03/2026", date(2026, 3, 2)),
        ("date", ["%d-%b-%y", "%m/%d/%y"], "3/2/26", date(2026, 3, 2)),
        ("date", "%Y%m%d", 20260302, date(2026, 3, 2)),
        ("datetime", "%d.%m.%Y %H:%M", "02.03.2026 17:05", datetime(2026, 3, 2, 17, 5)),
        ("epoch", "seconds", "1772461200", datetime(2026, 3, 2, 14, 20, tzinfo=UTC)),
        ("epoch", "milliseconds", 1772461200500, datetime(2026, 3, 2, 14, 20, 0, 500_000, tzinfo=UTC)),
        ("day", None, "2026-03-02T23:00:00Z", date(2026, 3, 2)),
        ("shift_days", 2922, "2015-01-01", date(2023, 1, 1)),
        ("shift_days", -1, date(2026, 3, 1), date(2026, 2, 28)),
    ],
)
def test_converts(name: str, parameter: Any, value: Any, expected: Any) -> None:
    found = convert(name, value, parameter)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("gtin", None, "4006381333932"),
        ("gtin", None, "12345"),
        ("unit", None, "furlong"),
        ("extract", "ASN-[0-9]+", "Invoiced Separately"),
        ("decimal", None, "1,5"),
        ("decimal", {"comma": True}, "1.5"),
        ("decimal", {"group": ","}, "1,23.0"),
        ("decimal", {"group": ","}, "12345,678"),
        ("decimal", None, "1_000"),
        ("decimal", None, "1e3"),
        ("decimal", None, "²"),
        ("decimal", None, ""),
        ("decimal", None, 1.5),
        ("decimal", None, True),
        ("integer", None, "3.5"),
        ("divide", 3, "1"),
        ("date", "%d/%m/%Y", "31/02/2026"),
        ("date", "%d/%m/%Y", "02/03/2026 10:00"),
        ("epoch", "seconds", "1772461200.5"),
        ("day", None, "yesterday"),
        ("upper", None, {"a": 1}),
        ("upper", None, 1.5),
        ("zone", "Europe/Berlin", "2026-03-02"),
    ],
)
def test_refuses(name: str, parameter: Any, value: Any) -> None:
    with pytest.raises(ValueError):
        convert(name, value, parameter)


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("trim", 1),
        ("prefix", None),
        ("prefix", ""),
        ("first", 0),
        ("first", True),
        ("extract", "(a+)+"),
        ("replace", {"": "x"}),
        ("replace", "x"),
        ("null_if", []),
        ("decimal", {"comma": "yes"}),
        ("decimal", {"komma": True}),
        ("decimal", {"group": "."}),
        ("decimal", {"group": "1"}),
        ("multiply", "x"),
        ("divide", 0),
        ("date", "yyyy"),
        ("date", "%Q"),
        ("date", "%Y%"),
        ("epoch", "days"),
        ("shift_days", "1"),
        ("zone", "Mars/Base"),
    ],
)
def test_bad_parameters_are_refused_when_the_mapping_is_read(name: str, parameter: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        CONVERTERS[name].make(parameter)


@given(st.decimals(-(10**9), 10**9, places=4, allow_nan=False))
def test_a_decimal_comma_is_the_same_number(value: Decimal) -> None:
    text = f"{value:,.4f}".translate(str.maketrans(",.", ".,"))
    assert convert("decimal", text, {"comma": True, "group": "."}) == value


@given(st.text(alphabet="0123456789", min_size=13, max_size=13))
def test_one_check_digit_in_ten_fits(digits: str) -> None:
    fitting = 0
    for check_digit in range(10):
        try:
            convert("gtin", digits + str(check_digit))
        except ValueError:
            continue
        fitting += 1
    assert fitting == 1


def test_every_converter_has_an_example_that_can_be_made() -> None:
    for converter in CONVERTERS.values():
        tree = read_tree(f"x: {converter.example}").plain()["x"]
        name, parameter = next(iter(tree.items())) if isinstance(tree, dict) else (tree, None)
        assert name == converter.name
        CONVERTERS[name].make(parameter)
