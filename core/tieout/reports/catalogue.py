"""The reports by name, and how one is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final, NamedTuple

from tieout.errors import UsageError
from tieout.model.period import Calendar, Period
from tieout.operations.office import Office
from tieout.reports import clearing, costs, margin, roll_forward, stock
from tieout.reports.question import Question
from tieout.reports.report import Report


class Known(NamedTuple):
    """A report: who makes it, what it answers, and which parameters of its own it takes."""

    make: Callable[[Question], Report]
    title: str
    parameters: tuple[str, ...] = ()


REPORTS: Final[Mapping[str, Known]] = {
    "valuation": Known(stock.valuation, "stock value as of any day, as known at any time", ("as_known",)),
    "ageing": Known(stock.ageing, "cost layers still held, with their age", ("as_known",)),
    "roll-forward": Known(roll_forward.roll_forward, "opening + in - out ± corrections = closing", ("by",)),
    "margin": Known(margin.margin, "cost of sales and margin by item, channel and period", ("by",)),
    "grni": Known(clearing.grni, "goods received and not billed, line by line with age"),
    "clearing": Known(clearing.clearing, "every clearing account line by line with age", ("role",)),
    "cut-off": Known(clearing.cut_off, "goods without documents, documents without goods"),
    "provisional": Known(costs.provisional, "costs that are still an estimate, with age"),
    "cost-changes": Known(costs.cost_changes, "costs that changed beyond a threshold", ("threshold",)),
    "count-variance": Known(costs.count_variance, "what counts found beyond or below the books"),
}


def make(
    office: Office,
    name: str,
    *,
    as_of: str | None = None,
    start: str | None = None,
    period: str | None = None,
    given: Mapping[str, str] | None = None,
) -> Report:
    """A report of a company. `period` is like `2026-01` and sets both days; else `start` is the first day of the period of
    `as_of`, which is today. Raises UsageError for a name or a parameter that is not known."""
    if name not in REPORTS:
        near = difflib.get_close_matches(name, REPORTS, 1)
        raise UsageError(
            f"there is no report {name!r}", fix=f"did you mean {near[0]}?" if near else f"one of: {', '.join(REPORTS)}"
        )
    known = REPORTS[name]
    extra = {key: text for key, text in (given or {}).items() if text}
    wrong = [key for key in extra if key not in known.parameters]
    if wrong:
        takes = ", ".join(f"--{key.replace('_', '-')}" for key in known.parameters) or "none of its own"
        raise UsageError(f"report {name} takes no --{wrong[0].replace('_', '-')}", fix=f"its parameters: {takes}")
    calendar = office.desk.company.calendar
    if period:
        of = find_period(calendar, period)
        first, last = of.start, of.end
    else:
        last = _day(as_of, "--as-of") if as_of else office.desk.today()
        first = _day(start, "--from") if start else calendar.period(last).start
    if first > last:
        raise UsageError(f"--from {first} is after {last}")
    with office.desk.store.read() as rx:
        return known.make(Question(rx, office, start=first, through=last, given=extra))


def find_period(calendar: Calendar, name: str) -> Period:
    """A period by name, such as `2026-01`."""
    year, _, _ = name.partition("-")
    if year.isascii() and year.isdigit() and 1 < int(year) < 9_998:
        for period in calendar.year(int(year)):
            if period.name == name:
                return period
    raise UsageError(f"there is no period {name!r}", fix="write it as 2026-01: fiscal year, number from 01 to 12")


def _day(text: str, what: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{what}: {text!r} is not a day", fix="write it as 2026-03-31") from None
