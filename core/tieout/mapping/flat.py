"""Columns of an event block → the columns of flat rows: exact amounts, references, rare fields as dicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import repeat
from typing import Any

from tieout.mapping.paths import Column
from tieout.model.money import divide, spread
from tieout.model.quantity import SCALE


def texts_of(column: Column) -> Column:
    """Canonical texts of a column of numbers (pairs) or texts."""
    return [value[0] if type(value) is tuple else value for value in column]


def plain(column: Column | None, size: int) -> Iterable[str]:
    if column is None:
        return repeat("", size)
    return [value or "" for value in column] if None in column else column


def exact_amounts(columns: Mapping[str, Column]) -> tuple[Column | None, int]:
    """(numerators, denominator) of the lines' exact amounts in major units; None for a line without a price."""
    amount, price, quantity = (columns.get(name) for name in ("amount", "unit_price", "quantity"))
    if price is None or quantity is None:
        return (None, 1) if amount is None else ([a and a[1] for a in amount], SCALE)
    if amount is None and None not in price and None not in quantity:
        return [p[1] * q for p, q in zip(price, quantity, strict=True)], SCALE * SCALE
    out: Column = []
    for a, p, q in zip(amount or repeat(None, len(price)), price, quantity, strict=True):
        out.append(a[1] * SCALE if a is not None else None if p is None or q is None else p[1] * q)
    return out, SCALE * SCALE


def rounded(exact: Column, denominator: int) -> Column:
    """Minor units of amounts that stand alone."""
    if None in exact:
        return [None if n is None else divide(n, denominator) for n in exact]
    return [n // denominator if n % denominator == 0 else divide(n, denominator) for n in exact]


def rounded_together(exact: Column, denominator: int, owners: Sequence[int]) -> Column:
    """Minor units of documents' lines: a document's total is rounded once and spread over them (matrix §20.6)."""
    minor: Column = [None if n is None else n // denominator for n in exact]
    uneven = {owner for owner, n in zip(owners, exact, strict=True) if n is not None and n % denominator}
    rows: dict[int, list[int]] = {owner: [] for owner in uneven}
    for row, (owner, n) in enumerate(zip(owners, exact, strict=True)):
        if owner in uneven and n is not None:
            rows[owner].append(row)
    for members in rows.values():
        shares = spread([Fraction(exact[row]) / denominator for row in members])
        for row, share in zip(members, shares, strict=True):
            minor[row] = share
    return minor


def counts(column: Column | None, size: int) -> Iterable[int]:
    if column is None:
        return repeat(0, size)
    return [value or 0 for value in column] if None in column else column


def either(first: Column | None, second: Column | None) -> Column | None:
    if first is None or second is None:
        return second if first is None else first
    return [b if a is None else a for a, b in zip(first, second, strict=True)]


def refs(line: dict[str, Column], event: dict[str, Column | None], size: int) -> Iterable[str]:
    own, outer = _ref_column(line, size), _ref_column(event, size)
    return plain(either(own, outer), size)


def _ref_column(columns: Any, size: int) -> Column | None:
    for kind, name in (("e", "ref.event"), ("d", "ref.document")):
        named = columns.get(name)
        if named is not None:
            lines = columns.get("ref.line") or repeat(None, size)
            return [
                None if key is None else f"{kind}:{key}#{number or ''}"
                for key, number in zip(named, lines, strict=True)
            ]
    return None


def maps(stem: str, *levels: Any) -> Column | None:
    """Columns `stem.NAME` of the levels as one column of sorted dicts; later levels win; None where nothing is mapped."""
    parts = [
        (name[len(stem) + 1 :], texts_of(column))
        for level in levels
        for name, column in level.items()
        if column is not None and name.startswith(f"{stem}.")
    ]
    if not parts:
        return None
    out: Column = []
    for row in range(len(parts[0][1])):
        found = {name: column[row] for name, column in parts if column[row] is not None}
        out.append(dict(sorted(found.items())) or None)
    return out


def dicts(columns: dict[str, Column], size: int) -> Iterable[dict[str, Any] | None]:
    """Rows of the columns as dicts without Nones; None for an empty one."""
    constant: dict[str, Any] = {}
    varying: dict[str, Column] = {}
    gaps = False
    for name, column in columns.items():
        if type(column[0]) in {str, type(None)} and column.count(column[0]) == size:
            if column[0] is not None:
                constant[name] = column[0]
        else:
            varying[name] = column
            gaps = gaps or None in column
    if not varying:
        return [dict(constant) for _ in range(size)] if constant else repeat(None, size)
    if gaps:
        rows = zip(*varying.values(), strict=True)
        names = tuple(varying)
        made = (
            constant | {name: value for name, value in zip(names, row, strict=True) if value is not None}
            for row in rows
        )
        return [found or None for found in made]
    if len(varying) == 1:
        ((name, column),) = varying.items()
        return [{**constant, name: value} for value in column]
    names = tuple(varying)
    return [{**constant, **dict(zip(names, row, strict=True))} for row in zip(*varying.values(), strict=True)]
