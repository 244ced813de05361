"""Money: integer minor units of an ISO 4217 currency, and the two ways an amount is ever rounded.

Amounts inside tieout are plain `int` minor units next to a currency code; `Money` is the pair, used at the edges.
Matrix §20: extended values and issue shares are rounded by policy (`divide`), allocations use largest remainder
(`allocate`), and nothing is ever balanced by a plug.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Literal, NamedTuple

Rounding = Literal["half_even", "half_up"]

# ISO 4217, active codes whose exponent is not 2.
_EXPONENTS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
_TWO_DECIMALS = frozenset(
    [
        "AED",
        "AFN",
        "ALL",
        "AMD",
        "AOA",
        "ARS",
        "AUD",
        "AWG",
        "AZN",
        "BAM",
        "BBD",
        "BDT",
        "BGN",
        "BMD",
        "BND",
        "BOB",
        "BRL",
        "BSD",
        "BTN",
        "BWP",
        "BYN",
        "BZD",
        "CAD",
        "CDF",
        "CHF",
        "CNY",
        "COP",
        "CRC",
        "CUP",
        "CVE",
        "CZK",
        "DKK",
        "DOP",
        "DZD",
        "EGP",
        "ERN",
        "ETB",
        "EUR",
        "FJD",
        "FKP",
        "GBP",
        "GEL",
        "GHS",
        "GIP",
        "GMD",
        "GTQ",
        "GYD",
        "HKD",
        "HNL",
        "HTG",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "IRR",
        "JMD",
        "KES",
        "KGS",
        "KHR",
        "KPW",
        "KYD",
        "KZT",
        "LAK",
        "LBP",
        "LKR",
        "LRD",
        "LSL",
        "MAD",
        "MDL",
        "MGA",
        "MKD",
        "MMK",
        "MNT",
        "MOP",
        "MRU",
        "MUR",
        "MVR",
        "MWK",
        "MXN",
        "MYR",
        "MZN",
        "NAD",
        "NGN",
        "NIO",
        "NOK",
        "NPR",
        "NZD",
        "PAB",
        "PEN",
        "PGK",
        "PHP",
        "PKR",
        "PLN",
        "QAR",
        "RON",
        "RSD",
        "RUB",
        "SAR",
        "SBD",
        "SCR",
        "SDG",
        "SEK",
        "SGD",
        "SHP",
        "SLE",
        "SOS",
        "SRD",
        "SSP",
        "STN",
        "SVC",
        "SYP",
        "SZL",
        "THB",
        "TJS",
        "TMT",
        "TOP",
        "TRY",
        "TTD",
        "TWD",
        "TZS",
        "UAH",
        "USD",
        "UYU",
        "UZS",
        "VED",
        "VES",
        "WST",
        "XCD",
        "XCG",
        "YER",
        "ZAR",
        "ZMW",
        "ZWG",
    ]
)
CURRENCIES = frozenset(_EXPONENTS) | _TWO_DECIMALS
AMOUNT_MAX = 2**63 - 1


def exponent(currency: str) -> int:
    """Number of minor-unit digits of an ISO 4217 currency: JPY 0, USD 2, KWD 3. Unknown code: ValueError."""
    digits = _EXPONENTS.get(currency)
    if digits is not None:
        return digits
    if currency in _TWO_DECIMALS:
        return 2
    raise ValueError(f"currency: {currency!r} is not an active ISO 4217 code (such as USD, EUR, JPY)")


def decimal_of(text: str | int | Decimal, field: str = "amount") -> Decimal:
    """An exact decimal from canonical text; refuses floats, `1_000`, `1e3`, NaN and infinities, naming the field."""
    if isinstance(text, bool) or not isinstance(text, (str, int, Decimal)):
        raise ValueError(f"{field}: {text!r} is a {type(text).__name__}, not an exact number; send it as text")
    if isinstance(text, str) and (not text or text.strip("+-.0123456789") or "_" in text):
        raise ValueError(f"{field}: {text!r} is not a plain decimal number")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{field}: {text!r} is not a plain decimal number") from None
    if not value.is_finite():
        raise ValueError(f"{field}: {text!r} is not a finite number")
    return value


def to_minor(value: str | int | Decimal, currency: str, field: str = "amount") -> int:
    """Minor units of an amount that must already be exact in its currency: `('12.30','EUR') → 1230`; 12.345 is refused."""
    scaled = decimal_of(value, field).scaleb(exponent(currency))
    minor = int(scaled)
    if minor != scaled:
        raise ValueError(f"{field}: {value} has more decimals than {currency} allows ({exponent(currency)})")
    if abs(minor) > AMOUNT_MAX:
        raise ValueError(f"{field}: {value} is beyond the 64-bit range of amounts")
    return minor


def from_minor(minor: int, currency: str) -> str:
    """Text of minor units with the currency's decimals: `(1230,'EUR') → '12.30'`, `(-5,'USD') → '-0.05'`."""
    digits = exponent(currency)
    if digits == 0:
        return str(minor)
    sign = "-" if minor < 0 else ""
    whole, part = divmod(abs(minor), 10**digits)
    return f"{sign}{whole}.{part:0{digits}d}"


def divide(numerator: int, denominator: int, rounding: Rounding = "half_even") -> int:
    """round(numerator / denominator) to an integer; `half_up` rounds half away from zero. Denominator > 0."""
    quotient, rest = divmod(numerator, denominator)
    double = rest * 2
    if double > denominator:
        return quotient + 1
    if double < denominator:
        return quotient
    if rounding == "half_even":
        return quotient + (quotient & 1)
    return quotient + 1 if numerator > 0 else quotient


def round_fraction(value: Fraction, rounding: Rounding = "half_even") -> int:
    """An exact rational rounded to an integer by policy."""
    return divide(value.numerator, value.denominator, rounding)


def allocate(total: int, weights: Sequence[int | Fraction]) -> list[int]:
    """Shares of `total` in proportion to non-negative weights that add up exactly (largest remainder, matrix §20.2).

    Every share is floored (toward zero), the missing units go to the largest fractions, ties by position. All weights
    zero: equal shares. No weights: ValueError unless total is 0.
    """
    if not weights:
        if total:
            raise ValueError("allocate: nothing to allocate to")
        return []
    if any(w < 0 for w in weights):
        raise ValueError("allocate: a weight is negative")
    whole = sum(weights)
    if whole == 0:
        return allocate(total, [1] * len(weights))
    sign, size = (-1, -total) if total < 0 else (1, total)
    exact = [Fraction(size) * w / whole for w in weights]
    shares = [part.numerator // part.denominator for part in exact]
    missing = size - sum(shares)
    order = sorted(range(len(weights)), key=lambda i: (shares[i] - exact[i], i))
    for i in order[:missing]:
        shares[i] += 1
    return [sign * share for share in shares]


def spread(parts: Sequence[Fraction], rounding: Rounding = "half_even") -> list[int]:
    """Signed exact amounts → minor units whose sum is the once-rounded sum of the parts (matrix §20.6)."""
    total = round_fraction(sum(parts, Fraction(0)), rounding)
    floors = [part.numerator // part.denominator for part in parts]
    missing = total - sum(floors)
    order = sorted(range(len(parts)), key=lambda i: (floors[i] - parts[i], i))
    for i in order[:missing]:
        floors[i] += 1
    return floors


def exact_text(value: Fraction) -> str:
    """Exact text that `Fraction` reads back: a plain decimal where there is one, else `n/d`."""
    rest, places = value.denominator, 0
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest //= prime
            power += 1
        places = max(places, power)
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    scaled = value.numerator * 10**places // value.denominator
    text = f"{abs(scaled):0{places + 1}d}"
    sign = "-" if scaled < 0 else ""
    return f"{sign}{text[:-places]}.{text[-places:]}" if places else sign + text


class Money(NamedTuple):
    """An amount in minor units and its currency. `Money.parse('12.30 EUR')`, `str()` gives the same back."""

    minor: int
    currency: str

    @classmethod
    def of(cls, value: str | int | Decimal, currency: str) -> Money:
        return cls(to_minor(value, currency), currency)

    @classmethod
    def parse(cls, text: str) -> Money:
        amount, _, currency = text.strip().partition(" ")
        return cls.of(amount, currency)

    def __str__(self) -> str:
        return f"{from_minor(self.minor, self.currency)} {self.currency}"
