"""What needs no open project: `value`, `schema`, `plugin`, `init`, `check`, `config`, mapping checks."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from tieout.errors import UsageError
from tieout.model.master import Item


def value_file(
    path: Path,
    *,
    policies: Sequence[str] = (),
    compare: str | None = None,
    currency: str = "USD",
    timezone: str = "UTC",
    items: Path | None = None,
    as_known: int | None = None,
) -> dict[str, Any]:
    """`tieout value`: see `tieout.value`. `policies` are NAME=VALUE; a wrong one is refused by name."""
    from tieout.valuation import compare as side_by_side
    from tieout.valuation import read_events, value

    with path.open("rb") as lines:
        events = read_events(lines)
    chosen = dict(_pair(text) for text in policies)
    master = read_items(items) if items else None
    how: dict[str, Any] = {"items": master, "currency": currency, "timezone": timezone, "as_known": as_known}
    if compare:
        sets = {method: _policy({**chosen, "cost_method": method}) for method in compare.split(",")}
        return side_by_side(events, sets, **how)
    return value(events, _policy(chosen), **how).as_dict()


def _pair(text: str) -> tuple[str, str]:
    name, equals, chosen = text.partition("=")
    if not equals:
        raise UsageError(f"--policy {text!r} is not NAME=VALUE", fix="write it like cost_method=fifo")
    return name, chosen


def _policy(values: Mapping[str, str]) -> Any:
    import difflib

    from pydantic import ValidationError

    from tieout.model.policy import Policy

    for name in values:
        if name not in Policy.model_fields:
            near = difflib.get_close_matches(name, Policy.model_fields, 1)
            raise UsageError(
                f"unknown policy {name!r}", fix=f"did you mean {near[0]}?" if near else "see docs/configuration.md"
            )
    try:
        return Policy(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"policy {first['loc'][0]}: {first['msg']}", fix="see docs/configuration.md, policies"
        ) from None


def read_items(path: Path) -> Callable[[str], Item]:
    """Item facts from a CSV with at least a `sku` column (category, stock_unit, kind, catalogue_cost, weight, volume, units)."""
    items: dict[str, Item] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            given = {key: text for key, text in row.items() if text not in (None, "")}
            units = dict(part.split("=") for part in given.pop("units", "").split(";") if part)
            wanted = {k: v for k, v in given.items() if k in Item.model_fields}
            items[given["sku"]] = Item.model_validate(
                {**wanted, "units": {code: Fraction(Decimal(n)) for code, n in units.items()}}
            )
    return lambda sku: items.get(sku) or Item(sku=sku)


def schema_of(name: str) -> dict[str, Any]:
    """JSON Schema of an event type, of all (`events`), or of a command's answer."""
    from tieout.model.catalogue import EVENT_TYPES
    from tieout.model.event import json_schema

    if name == "events":
        return json_schema()
    if name in EVENT_TYPES:
        return json_schema()[name]
    from tieout.operations.answers import ANSWERS, answer_schema

    if name in ANSWERS:
        return answer_schema(name)
    import difflib

    near = difflib.get_close_matches(name, [*EVENT_TYPES, *ANSWERS], 1)
    raise UsageError(
        f"no schema is called {name!r}",
        fix=f"did you mean {near[0]}?" if near else "name an event type, `events`, or a command",
    )
