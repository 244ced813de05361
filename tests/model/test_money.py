"""Money is exact: minor units by ISO 4217, rounding by policy, allocations that add up."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.model.money import CURRENCIES, Money, allocate, divide, exponent, from_minor, spread, to_minor


@pytest.mark.parametrize(("currency", "digits"), [("JPY", 0), ("USD", 2), ("KWD", 3), ("CLF", 4)])
def test_minor_units_follow_iso_4217(currency: str, digits: int) -> None:
    assert exponent(currency) == digits


def test_an_unknown_currency_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'XXX' is not an active ISO 4217 code"):
        exponent("XXX")


@pytest.mark.parametrize("bad", ["1_000", "1e3", "", "NaN", "Infinity", "1.2.3", " 1", "0x10", "١"])
def test_text_that_is_not_a_plain_number_is_refused_and_the_field_is_named(bad: str) -> None:
    with pytest.raises(ValueError, match="price"):
        to_minor(bad, "USD", "price")


def test_a_float_is_refused() -> None:
    with pytest.raises(ValueError, match="float"):
        to_minor(1.5, "USD")  # type: ignore[arg-type]  # seconds


def test_more_decimals_than_the_currency_has_are_refused_never_rounded() -> None:
    with pytest.raises(ValueError, match="more decimals than JPY"):
        to_minor("1.5", "JPY")


@given(st.integers(-(10**15), 10**15), st.sampled_from(sorted(CURRENCIES)))
def test_text_and_minor_units_are_the_same_thing(minor: int, currency: str) -> None:
    assert to_minor(from_minor(minor, currency), currency) == minor
    assert Money.parse(str(Money(minor, currency))) == Money(minor, currency)


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**9))
def test_division_is_the_nearest_integer_and_ties_go_by_policy(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    even, up = divide(numerator, denominator), divide(numerator, denominator, "half_up")
    assert abs(exact - even) <= Fraction(1, 2) >= abs(exact - up)
    assert even == round(exact)
    if abs(exact - up) == Fraction(1, 2):
        assert abs(up) > abs(exact)


def test_three_units_worth_ten_leave_as_the_matrix_says() -> None:
    shares, value, quantity = [], 1000, 3
    for _ in range(3):
        share = divide(value, quantity)
        shares.append(share)
        value, quantity = value - share, quantity - 1
    assert shares == [333, 334, 333]


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
def test_shares_add_up_and_none_is_off_by_a_whole_unit(total: int, weights: list[int]) -> None:
    shares = allocate(total, weights)
    assert sum(shares) == total
    whole = sum(weights)
    if whole:
        assert all(abs(Fraction(total * w, whole) - s) < 1 for w, s in zip(weights, shares, strict=True))


@given(st.lists(st.decimals(Decimal("-9999.9999"), Decimal("9999.9999"), places=4), min_size=1, max_size=12))
def test_a_document_is_rounded_once_and_its_lines_add_up_to_it(amounts: list[Decimal]) -> None:
    parts = [Fraction(a) * 100 for a in amounts]
    minor = spread(parts)
    assert sum(minor) == round(sum(parts))
    assert all(abs(exact - got) <= 1 for exact, got in zip(parts, minor, strict=True))
