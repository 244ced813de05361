"""A foreign amount without a rate of its own takes the one known for its day; otherwise the record is refused."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pytest

from tieout.mapping import MapContext, compile_mapping
from tieout.model.event import EPOCH
from tieout.model.facts import Facts, Rate

MAPPING = """
mapping: docs
version: "1"
stream: docs
record: one document
events:
  - type: purchase.received
    fields:
      effective_at: at
      currency: currency
      rate: rate
    lines:
      fields: {item: item, quantity: quantity, location: {const: MAIN}, unit_price: price}
"""
FACTS = Facts(rates=[Rate("USD", date(2026, 1, 5), Fraction("0.9012345678"))])


def rate_at(currency: str, at: int) -> Fraction | None:
    return FACTS.rate(currency, (EPOCH + timedelta(microseconds=at)).date())


def record(**fields: str) -> dict[str, str]:
    return {"id": "1", "at": "2026-01-06T12:00:00+00:00", "item": "A", "quantity": "3", "price": "33.33", **fields}


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        ({"currency": "USD"}, (9011, "0.9012345678", "99.99")),
        ({"currency": "USD", "rate": "0.95"}, (9499, "0.95", "99.99")),
        ({"currency": "EUR"}, (9999, None, None)),
        ({"currency": "GBP"}, None),
        ({"currency": "USD", "at": "2026-01-20T12:00:00+00:00"}, None),
    ],
)
def test_rates_of_the_day(fields: dict[str, str], want: tuple[int, str | None, str | None] | None) -> None:
    context = MapContext(company="acme", connection="c", stream="docs", currency="EUR", key=("id",), rates=rate_at)
    found = compile_mapping(MAPPING, "docs.yaml").run([record(**fields)], context)
    if want is None:
        assert not found.lines and [failed.code for failed in found.failed] == ["TO2106"]
        return
    (line,) = found.lines
    extra = line.extra or {}
    assert (line.amount, extra.get("rate"), extra.get("foreign")) == want
