"""Facts about items and currencies that hold from a day on: bills of materials, routings, prices, rates, standards, NRV.

Master data with a date: an event uses the fact in force on its day, so a later change re-prices nothing by itself.
Exact numbers throughout; a `Facts` never changes once made.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from typing import Final, NamedTuple, TypeVar

RATE_DAYS_MAX: Final = 7  # matrix §17: the row's date, else the last earlier one within 7 days

_Row = TypeVar("_Row")


class Part(NamedTuple):
    """One component of a bill of materials: stock units of `item` per one unit of the parent."""

    item: str
    quantity: Fraction


class Bom(NamedTuple):
    """What one unit of `item` is made of, from `effective` on."""

    item: str
    effective: date
    parts: tuple[Part, ...]


class Routing(NamedTuple):
    """Standard conversion of one unit of `item`, from `effective` on: hours, and rates per hour in major units.

    `overhead_hours` is the driver of overhead; None: the labour hours."""

    item: str
    effective: date
    labour_hours: Fraction
    labour_rate: Fraction
    overhead_rate: Fraction
    overhead_hours: Fraction | None = None


class Price(NamedTuple):
    """Stand-alone selling price of one stock unit (IFRS 15.77), in major units of the company's currency."""

    item: str
    effective: date
    price: Fraction


class Rate(NamedTuple):
    """Company-currency major units per one major unit of `currency` on `day`."""

    currency: str
    day: date
    rate: Fraction


class StandardCost(NamedTuple):
    """Standard cost of one stock unit in major units; `location` empty: everywhere. Valued as `cost.standard_changed`."""

    item: str
    effective: date
    cost: Fraction
    location: str = ""


class Evidence(NamedTuple):
    """Net realisable value of one stock unit as estimated on a day, in major units, and what it rests on."""

    item: str
    effective: date
    nrv: Fraction
    source: str = ""


class Facts:
    """All dated facts of one company; each question is answered as of a day, None where nothing holds."""

    def __init__(
        self,
        *,
        boms: Iterable[Bom] = (),
        routings: Iterable[Routing] = (),
        prices: Iterable[Price] = (),
        rates: Iterable[Rate] = (),
        standards: Iterable[StandardCost] = (),
        evidence: Iterable[Evidence] = (),
    ) -> None:
        self.standards = tuple(standards)
        self._boms = _by_key((row.item, row.effective, row) for row in boms)
        self._routings = _by_key((row.item, row.effective, row) for row in routings)
        self._prices = _by_key((row.item, row.effective, row) for row in prices)
        self._rates = _by_key((row.currency, row.day, row) for row in rates)
        self._evidence = _by_key((row.item, row.effective, row) for row in evidence)

    def bom(self, item: str, day: date) -> Bom | None:
        return _at(self._boms, item, day)

    def bom_changed(self, item: str, until: date) -> bool:
        """Whether the item had more than one bill of materials up to and including a day."""
        days, _ = self._boms.get(item, ((), ()))
        return bisect_right(days, until) > 1

    def routing(self, item: str, day: date) -> Routing | None:
        return _at(self._routings, item, day)

    def price(self, item: str, day: date) -> Fraction | None:
        found = _at(self._prices, item, day)
        return found.price if found else None

    def rate(self, currency: str, day: date) -> Fraction | None:
        """The rate of the day, else the last earlier one within `RATE_DAYS_MAX` days."""
        found = _at(self._rates, currency, day)
        return found.rate if found and (day - found.day).days <= RATE_DAYS_MAX else None

    def evidence(self, item: str, day: date) -> Evidence | None:
        """The latest estimate of net realisable value not after the day."""
        return _at(self._evidence, item, day)


_Dated = dict[str, tuple[list[date], list[_Row]]]


def _by_key(rows: Iterable[tuple[str, date, _Row]]) -> _Dated[_Row]:
    """Rows of each key in order of their day; of two of one day the one given last."""
    latest: dict[tuple[str, date], _Row] = {}
    for key, day, row in rows:
        latest[key, day] = row
    out: _Dated[_Row] = {}
    for (key, day), row in sorted(latest.items(), key=lambda entry: entry[0]):
        days, held = out.setdefault(key, ([], []))
        days.append(day)
        held.append(row)
    return out


def _at(table: _Dated[_Row], key: str, day: date) -> _Row | None:
    found = table.get(key)
    if found is None:
        return None
    n = bisect_right(found[0], day)
    return found[1][n - 1] if n else None


NO_FACTS: Final = Facts()
