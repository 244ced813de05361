"""Quantities: exact decimals with six places, carried as 64-bit integers of millionths of the item's stock unit."""

from __future__ import annotations

from decimal import Decimal

from tieout.model.money import decimal_of

SCALE = 10**6
PLACES = 6
QUANTITY_MAX = 2**63 - 1


def to_scaled(value: str | int | Decimal, field: str = "quantity") -> int:
    """Millionths of a unit: `'2.5' → 2_500_000`. More than six decimals is refused, never rounded."""
    if isinstance(value, int) and not isinstance(value, bool):
        scaled_int = value * SCALE
    else:
        scaled = decimal_of(value, field).scaleb(PLACES)
        scaled_int = int(scaled)
        if scaled_int != scaled:
            raise ValueError(f"{field}: {value} has more than {PLACES} decimals")
    if abs(scaled_int) > QUANTITY_MAX:
        raise ValueError(f"{field}: {value} is beyond the 64-bit range of quantities")
    return scaled_int


def from_scaled(scaled: int) -> str:
    """Shortest exact text: `2_500_000 → '2.5'`, `3_000_000 → '3'`."""
    whole, part = divmod(abs(scaled), SCALE)
    sign = "-" if scaled < 0 else ""
    if part == 0:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{part:06d}".rstrip("0")
