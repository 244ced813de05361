"""QuickBooks' query language: SELECT … FROM … WHERE … ORDERBY … STARTPOSITION … MAXRESULTS. No OR, no JOIN."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from tieout_sandbox.simulators.quickbooks.rules import Fault

ROWS_DEFAULT: Final = 100
ROWS_MAX: Final = 1000
NOT_QUERYABLE: Final = frozenset({"PrivateNote", "Line", "Description"})
_SHAPE = re.compile(
    r"\s*select\s+(?P<what>count\s*\(\s*\*\s*\)|.+?)\s+from\s+(?P<kind>\w+)"
    r"(?:\s+where\s+(?P<where>.+?))?"
    r"(?:\s+order\s*by\s+(?P<by>[\w.]+)(?:\s+(?P<way>asc|desc))?)?"
    r"(?:\s+startposition\s+(?P<start>\d+))?(?:\s+maxresults\s+(?P<most>\d+))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_TERM = re.compile(
    r"\s*(?P<field>[\w.]+)\s*(?P<op><=|>=|!=|=|<|>|\bin\b|\blike\b)\s*(?P<value>\([^)]*\)|'(?:[^'\\]|\\.)*'|[\w.:+-]+)\s*",
    re.IGNORECASE,
)


class Select(NamedTuple):
    """A parsed query. `terms` are (field, operator, values)."""

    kind: str
    counts: bool
    terms: tuple[tuple[str, str, tuple[str, ...]], ...]
    by: str
    down: bool
    start: int
    most: int


def parse(text: str) -> Select:
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise Fault(4000, "Error parsing query", f"QueryParserError: {text}", kind="ValidationFault")
    most = int(found["most"] or ROWS_DEFAULT)
    if most > ROWS_MAX:
        raise Fault(4001, "Invalid query", f"QueryValidationError: max results {most} is above {ROWS_MAX}")
    start = int(found["start"] or 1)
    if start < 1:
        raise Fault(4001, "Invalid query", "QueryValidationError: start position begins at 1")
    terms = tuple(_terms(found["where"] or ""))
    return Select(
        found["kind"],
        found["what"].lower().startswith("count"),
        terms,
        found["by"] or "",
        (found["way"] or "").lower() == "desc",
        start,
        most,
    )


def _terms(text: str) -> list[tuple[str, str, tuple[str, ...]]]:
    out = []
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None:
            raise Fault(4000, "Error parsing query", f"QueryParserError: near {text[at:]}")
        field = found["field"]
        if field in NOT_QUERYABLE:
            raise Fault(
                4001, "Invalid query", f"QueryValidationError: Property {field} not found for Entity: not queryable"
            )
        value = found["value"]
        values = tuple(_plain(part) for part in value[1:-1].split(",")) if value.startswith("(") else (_plain(value),)
        out.append((field, found["op"].lower(), values))
        at = found.end()
        rest = re.match(r"and\b", text[at:], re.IGNORECASE)
        if rest:
            at += rest.end()
        elif at < len(text):
            raise Fault(4000, "Error parsing query", f"QueryParserError: near {text[at:]}")
    return out


def _plain(text: str) -> str:
    text = text.strip()
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith("'") else text


def holds(select: Select, row: Mapping[str, Any]) -> bool:
    return all(_holds(row, *term) for term in select.terms)


def value_of(row: Mapping[str, Any], field: str) -> Any:
    value: Any = row
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value.get("value") if isinstance(value, Mapping) and "value" in value else value


def _holds(row: Mapping[str, Any], field: str, op: str, values: tuple[str, ...]) -> bool:
    held = value_of(row, field)
    if held is None:
        return False
    if op == "in":
        return any(_compare(held, value) == 0 for value in values)
    if op == "like":
        pattern = ".*".join(re.escape(part) for part in values[0].split("%"))
        return re.fullmatch(pattern, str(held), re.IGNORECASE) is not None
    order = _compare(held, values[0])
    return {"=": order == 0, "!=": order != 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}[op]


def _compare(held: Any, value: str) -> int:
    left, right = key_of(held), key_of(value)
    if type(left) is not type(right):
        left, right = str(held).lower(), value.lower()
    return int(left > right) - int(left < right)


def key_of(value: Any) -> Any:
    """Numbers as numbers, times as instants, the rest as text."""
    text = str(value)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}T.*", text):
        return datetime.fromisoformat(text).timestamp()
    if text.lower() in ("true", "false"):
        return text.lower()
    try:
        return Decimal(text)
    except InvalidOperation:
        return text
