"""A JSON Schema of records, so that mapping files are checked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

_TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "integer", Decimal: "number"}


def schema_of(values: Sequence[Any], closed: bool) -> dict[str, Any]:
    """What all these values have in common. `closed`: the columns are all there are (a header said so)."""
    schema: dict[str, Any] = {}
    dicts = [v for v in values if isinstance(v, dict)]
    lists = [v for v in values if isinstance(v, list)]
    types = {_TYPES.get(type(v), "") for v in values if not isinstance(v, (dict, list))} - {""}
    if dicts:
        names = dict.fromkeys(name for d in dicts for name in d)
        schema["properties"] = {name: schema_of([d[name] for d in dicts if name in d], closed) for name in names}
        schema["additionalProperties"] = not closed
        types.add("object")
    if lists:
        schema["items"] = schema_of([v for one in lists for v in one], closed)
        types.add("array")
    if any(v is None for v in values):
        types.add("null")
    if types:
        schema["type"] = min(types) if len(types) == 1 else sorted(types)
    return schema
