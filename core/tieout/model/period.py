"""Fiscal calendars and periods: months, or 4-4-5 weeks; year ends other than December; which days are open."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class Period(NamedTuple):
    """A span of days, both ends included. `name` is like `2026-03` (fiscal year, number)."""

    name: str
    start: date
    end: date


class Calendar(BaseModel):
    """How a company divides its years. Months: the year begins on the first of `year_start_month` and is named after
    the calendar year in which it ends. 4-4-5: years of 52 or 53 weeks that end on the `year_end_weekday` (0 Monday)
    nearest to the last day of the month before `year_start_month`; a 53rd week belongs to the last period."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["months", "4-4-5", "4-5-4", "5-4-4"] = "months"
    year_start_month: int = Field(default=1, ge=1, le=12)
    year_end_weekday: int = Field(default=6, ge=0, le=6)

    def period(self, day: date) -> Period:
        """The period that holds a day."""
        for year in (day.year - 1, day.year, day.year + 1):
            for period in self.year(year):
                if period.start <= day <= period.end:
                    return period
        raise AssertionError(f"{day} lies in no period")

    def year(self, fiscal_year: int) -> list[Period]:
        """The twelve periods of a fiscal year."""
        if self.kind == "months":
            return self._months(fiscal_year)
        start = self._weeks_end(fiscal_year - 1) + timedelta(days=1)
        weeks = [int(part) for part in self.kind.split("-")] * 4
        out = []
        for number, length in enumerate(weeks, 1):
            end = start + timedelta(weeks=length, days=-1)
            if number == 12:
                end = self._weeks_end(fiscal_year)
            out.append(Period(f"{fiscal_year}-{number:02d}", start, end))
            start = end + timedelta(days=1)
        return out

    def _months(self, fiscal_year: int) -> list[Period]:
        first = fiscal_year if self.year_start_month == 1 else fiscal_year - 1
        out = []
        for offset in range(12):
            year, month = divmod(first * 12 + self.year_start_month - 1 + offset, 12)
            after_year, after_month = divmod(year * 12 + month + 1, 12)
            start = date(year, month + 1, 1)
            end = date(after_year, after_month + 1, 1) - timedelta(days=1)
            out.append(Period(f"{fiscal_year}-{offset + 1:02d}", start, end))
        return out

    def _weeks_end(self, fiscal_year: int) -> date:
        year = fiscal_year if self.year_start_month > 1 else fiscal_year + 1
        nominal = date(year, self.year_start_month, 1) - timedelta(days=1)
        shift = (nominal.weekday() - self.year_end_weekday) % 7
        return nominal - timedelta(days=shift) if shift <= 3 else nominal + timedelta(days=7 - shift)


class OpenDays:
    """Which posting dates are allowed: everything after the latest lock, ours or the ledger's, and no closed period.

    `first_open(day)` is the day itself if open, else the first day of the earliest open period after it (matrix §4).
    """

    def __init__(self, locked_through: date | None = None, closed: Sequence[Period] = ()) -> None:
        self.locked_through = locked_through
        self._closed = sorted(closed, key=lambda p: p.start)
        self._starts = [p.start for p in self._closed]

    def is_open(self, day: date) -> bool:
        if self.locked_through is not None and day <= self.locked_through:
            return False
        index = bisect_right(self._starts, day) - 1
        return index < 0 or self._closed[index].end < day

    def first_open(self, day: date) -> date:
        if self.is_open(day):
            return day
        if self.locked_through is not None and day <= self.locked_through:
            day = self.locked_through + timedelta(days=1)
        index = bisect_right(self._starts, day) - 1
        while index >= 0 and index < len(self._closed) and self._closed[index].start <= day <= self._closed[index].end:
            day = self._closed[index].end + timedelta(days=1)
            index += 1
        return day
