"""Tie 1: a source's own stock = subledger quantity, per item and location, at the instant of the report. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from tieout.connector import StockReport, StockRow
from tieout.model.quantity import from_scaled
from tieout.reconcile.result import HELD, TIMING, UNEXPLAINED, UNMAPPED, Detail, LocationRow

Place = tuple[str, str]  # item, location


class SourceStock(NamedTuple):
    """A source's stock in our codes and millionths of the stock unit. `locations` None: it reports every place, and an
    item it does not list has none; else it speaks for these places only. `incomplete`: it lists only some items."""

    connection: str
    as_of: int  # UTC microseconds
    quantities: Mapping[Place, int]
    unmapped: tuple[Detail, ...] = ()
    locations: frozenset[str] | None = None
    incomplete: bool = False


class HeldMovement(NamedTuple):
    """Units an exception keeps out of the subledger: signed millionths on hand, None when their number is not known."""

    item: str
    location: str  # '' when not known
    quantity: int | None
    what: str
    document: str = ""


class Resolved(NamedTuple):
    """A stock row in our codes, quantity in millionths of the stock unit."""

    item: str
    location: str
    quantity: int


def read_report(
    connection: str,
    report: StockReport,
    resolve: Callable[[StockRow], Resolved | str],
    *,
    locations: frozenset[str] | None = None,
) -> SourceStock:
    """A source's report in our codes. `resolve` answers a row, or says in words why it cannot."""
    quantities: dict[Place, int] = {}
    unmapped = []
    for row in report.rows:
        found = resolve(row)
        if isinstance(found, str):
            what = f"{connection}: {row.quantity} {row.unit}".rstrip() + f" of {row.item}: {found}"
            unmapped.append(Detail(UNMAPPED, what, item=row.item, location=row.location))
        else:
            key = (found.item, found.location)
            quantities[key] = quantities.get(key, 0) + found.quantity
    at = int(report.as_of.timestamp()) * 1_000_000 + report.as_of.microsecond
    return SourceStock(connection, at, quantities, tuple(unmapped), locations, not report.complete)


def compare_stock(
    sources: Sequence[SourceStock],
    at_report: Callable[[int], Mapping[Place, int]],
    now: Mapping[Place, int],
    held: Iterable[HeldMovement] = (),
) -> tuple[list[LocationRow], list[Detail]]:
    """Rows per location and every difference per item and location.

    `at_report` gives the subledger's quantities at an instant, `now` those of the tie-out. What moved between a report
    and now is shown as timing and is no difference of the tie.
    """
    details: list[Detail] = []
    source: dict[Place, int] = {}
    books: dict[Place, int] = {}
    reported: set[str] = set()
    held_at: dict[Place, list[HeldMovement]] = {}
    for movement in held:
        held_at.setdefault((movement.item, movement.location), []).append(movement)
    for each in sources:
        details += each.unmapped
        ours = at_report(each.as_of)
        listed = {location for _, location in each.quantities}
        speaks_for = each.locations if each.locations is not None else listed | {place for _, place in ours}
        reported |= speaks_for
        keys = set(each.quantities) if each.incomplete else set(each.quantities) | set(ours)
        for key in keys:
            if key[1] in speaks_for:
                source[key] = source.get(key, 0) + each.quantities.get(key, 0)
                books[key] = ours.get(key, 0)
        details += _timing(each, ours, now, speaks_for)
    differing: dict[str, int] = {}
    for key in sorted(books):
        gap = source[key] - books[key]
        if gap:
            differing[key[1]] = differing.get(key[1], 0) + 1
            details += _explain(key, gap, held_at)
    rows = []
    totals: dict[str, tuple[int, int]] = {}
    for (item, location), quantity in books.items():
        theirs, mine = totals.get(location, (0, 0))
        totals[location] = (theirs + source[item, location], mine + quantity)
    for location in sorted(reported | {place for _, place in now}):
        mine = sum(quantity for (_, place), quantity in now.items() if place == location)
        if location in reported:
            theirs, mine = totals.get(location, (0, 0))
            rows.append(LocationRow(location, theirs, mine, differing.get(location, 0)))
        else:
            rows.append(LocationRow(location, None, mine, 0))
    return rows, details


def _explain(key: Place, gap: int, held_at: Mapping[Place, list[HeldMovement]]) -> list[Detail]:
    """Held movements account for a gap; whatever is left has no name, unless a held one's size is unknown."""
    item, location = key
    details = []
    rest = gap
    open_ended = None
    for movement in [*held_at.get(key, ()), *held_at.get((item, ""), ())]:
        if movement.quantity is None or not movement.location:
            open_ended = movement
            continue
        rest -= movement.quantity
        details.append(
            Detail(HELD, movement.what, 0, movement.quantity, movement.document, item=item, location=location)
        )
    if rest and open_ended is not None:
        details.append(Detail(HELD, open_ended.what, 0, rest, open_ended.document, item=item, location=location))
    elif rest:
        what = f"the source counts {from_scaled(abs(rest))} {'more' if rest > 0 else 'less'} than its movements say"
        details.append(Detail(UNEXPLAINED, what, quantity=rest, item=item, location=location))
    return details


def _timing(
    source: SourceStock, then: Mapping[Place, int], now: Mapping[Place, int], places: frozenset[str] | set[str]
) -> list[Detail]:
    moved = [
        (key, then.get(key, 0) - now.get(key, 0))
        for key in sorted(set(then) | set(now))
        if key[1] in places and then.get(key, 0) != now.get(key, 0)
    ]
    return [
        Detail(TIMING, f"moved after the report of {source.connection}", quantity=gap, item=item, location=location)
        for (item, location), gap in moved
    ]
