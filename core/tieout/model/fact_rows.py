"""Dated facts as rows of text: what a CSV or JSON file of them says, checked row by row.

    boms             item, component, quantity [, effective]     rows of one item and day are one bill of materials
    routings         item, labour_hours, labour_rate, overhead_rate [, overhead_hours] [, effective]
    prices           item, price [, effective]                   stand-alone selling price per stock unit
    rates            currency, rate, day                         company-currency units per unit of the currency
    standard_costs   item, standard_cost [, location] [, effective]
    evidence         item, nrv [, source], effective             net realisable value per stock unit

A table is known by the column only it has. `effective` left out: always. Numbers are exact decimals or fractions (`1/3`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

import msgspec

from tieout.model.facts import Bom, Evidence, Facts, Part, Price, Rate, Routing, StandardCost
from tieout.model.money import CURRENCIES

ROWS_MAX: Final = 1_000_000
DIGITS_MAX: Final = 40
SLIPS_SHOWN_MAX: Final = 20

Row = Mapping[str, Any]
Fact = Bom | Routing | Price | Rate | StandardCost | Evidence


class Table(NamedTuple):
    """One kind of fact: the column only it has, the columns it needs, and those it may have."""

    name: str
    sign: str
    needs: tuple[str, ...]
    may: tuple[str, ...]


TABLES: Final = {
    table.name: table
    for table in (
        Table("boms", "component", ("item", "component", "quantity"), ("effective",)),
        Table(
            "routings",
            "labour_hours",
            ("item", "labour_hours", "labour_rate", "overhead_rate"),
            ("overhead_hours", "effective"),
        ),
        Table("prices", "price", ("item", "price"), ("effective",)),
        Table("rates", "rate", ("currency", "rate", "day"), ()),
        Table("standard_costs", "standard_cost", ("item", "standard_cost"), ("location", "effective")),
        Table("evidence", "nrv", ("item", "nrv", "effective"), ("source",)),
    )
}


class Slip(NamedTuple):
    """One thing wrong with a file of facts: where (a line of a CSV, a place in a list), the column, and why."""

    where: str
    column: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.column}: {self.why}"


def read_text(text: str, name: str) -> tuple[list[Fact], list[Slip]]:
    """The facts of a file's text, and every slip in it. JSON (an object of tables) where it begins with `{`, else CSV."""
    if text.lstrip().startswith("{"):
        return _json(text, name)
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    columns = [column.strip() for column in reader.fieldnames or ()]
    table = next((table for table in TABLES.values() if table.sign in columns), None)
    if table is None:
        signs = ", ".join(f"{x.sign} ({x.name})" for x in TABLES.values())
        return [], [Slip(f"{name}:1", "header", f"no column says what the facts are; one of {signs}")]
    rows: list[tuple[str, Row]] = []
    for row in reader:
        if len(rows) >= ROWS_MAX:
            return [], [Slip(name, "file", f"more than {ROWS_MAX} rows; split it")]
        rows.append((f"{name}:{reader.line_num}", {(k or "").strip(): v for k, v in row.items()}))
    return facts_of(table.name, rows)


def _json(text: str, name: str) -> tuple[list[Fact], list[Slip]]:
    try:
        data = msgspec.json.Decoder(float_hook=Decimal).decode(text)
    except msgspec.DecodeError as error:
        return [], [Slip(name, "file", f"not JSON: {error}")]
    facts: list[Fact] = []
    slips: list[Slip] = []
    for kind, rows in data.items():
        if kind not in TABLES:
            slips.append(Slip(name, kind, f"no such table of facts; known: {', '.join(TABLES)}"))
            continue
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            slips.append(Slip(name, kind, "is not a list of objects"))
            continue
        found, bad = facts_of(kind, [(f"{name}:{kind}[{n}]", row) for n, row in enumerate(rows, 1)])
        facts += found
        slips += bad
    return facts, slips


def facts_of(kind: str, rows: Sequence[tuple[str, Row]]) -> tuple[list[Fact], list[Slip]]:
    """Rows of one table, each with its place, as facts; and every slip."""
    table = TABLES[kind]
    slips: list[Slip] = []
    facts: list[Fact] = []
    parts: dict[tuple[str, date], list[Part]] = {}
    seen: dict[tuple[str, ...], str] = {}
    for where, row in rows:
        cells = _cells(table, where, row, slips)
        if cells is None:
            continue
        day = cells.get("effective") or cells.get("day") or date.min
        key = (
            cells.get("item", cells.get("currency", "")),
            str(day),
            cells.get("component", cells.get("location", "")),
        )
        if key in seen:
            slips.append(Slip(where, table.sign, f"said twice for {' '.join(key).strip()} (also {seen[key]})"))
            continue
        seen[key] = where
        if kind == "boms":
            parts.setdefault((cells["item"], day), []).append(Part(cells["component"], cells["quantity"]))
        else:
            facts.append(_fact(kind, cells, day))
    facts += [Bom(item, day, tuple(of_item)) for (item, day), of_item in parts.items()]
    return facts, slips


def _fact(kind: str, cells: Mapping[str, Any], day: date) -> Fact:
    if kind == "routings":
        hours = (cells["labour_hours"], cells["labour_rate"], cells["overhead_rate"], cells.get("overhead_hours"))
        return Routing(cells["item"], day, *hours)
    if kind == "prices":
        return Price(cells["item"], day, cells["price"])
    if kind == "rates":
        return Rate(cells["currency"], day, cells["rate"])
    if kind == "standard_costs":
        return StandardCost(cells["item"], day, cells["standard_cost"], cells.get("location", ""))
    return Evidence(cells["item"], day, cells["nrv"], cells.get("source", ""))


_TEXT: Final = frozenset({"item", "component", "currency", "location", "source"})
_ABOVE_ZERO: Final = frozenset({"quantity", "rate"})


def _cells(table: Table, where: str, row: Row, slips: list[Slip]) -> dict[str, Any] | None:
    """The typed cells of a row; None (and slips) where something is wrong with it."""
    before = len(slips)
    out: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or value in ("", []):
            continue
        if name not in table.needs and name not in table.may:
            slips.append(Slip(where, name or "row", f"no such column; known: {', '.join(table.needs + table.may)}"))
            continue
        try:
            out[name] = _cell(name, value)
        except ValueError as error:
            slips.append(Slip(where, name, str(error)))
    for name in table.needs:
        if name not in out and len(slips) == before:
            slips.append(Slip(where, name, "missing"))
    return out if len(slips) == before else None


def _cell(name: str, value: object) -> object:
    text = str(value).strip()
    if name in ("effective", "day"):
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a day (YYYY-MM-DD)") from None
    if name == "currency" and text not in CURRENCIES:
        raise ValueError(f"{text!r} is not an active ISO 4217 code")
    if name in _TEXT:
        return text
    if isinstance(value, float | bool) or len(text) > DIGITS_MAX or "e" in text.lower():
        raise ValueError(f"{text!r} is not an exact number")
    try:
        number = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is not a number") from None
    if number < 0 or (name in _ABOVE_ZERO and not number):
        raise ValueError(f"{text!r} is not above zero" if name in _ABOVE_ZERO else f"{text!r} is below zero")
    return number


def said(slips: Sequence[Slip]) -> str:
    """Slips as one sentence, the first of them in full."""
    more = f" and {len(slips) - SLIPS_SHOWN_MAX} more" if len(slips) > SLIPS_SHOWN_MAX else ""
    return f"{len(slips)} rows cannot be taken: " + "; ".join(map(str, slips[:SLIPS_SHOWN_MAX])) + more


def build(facts: Iterable[Fact]) -> Facts:
    """One `Facts` of all of them; of two that say the same thing of the same day, the later one."""
    held: dict[type, list[Any]] = {}
    for fact in facts:
        held.setdefault(type(fact), []).append(fact)
    return Facts(
        boms=held.get(Bom, ()),
        routings=held.get(Routing, ()),
        prices=held.get(Price, ()),
        rates=held.get(Rate, ()),
        standards=held.get(StandardCost, ()),
        evidence=held.get(Evidence, ()),
    )
