"""Which day an event falls on, and which day its lines may carry (matrix §4).

The effective date is the calendar date of the event in the company's zone. The posting date is that date where the
period is open here and in the ledger, else the policy `locked_period` decides.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tieout.errors import Refused
from tieout.model.period import Calendar, OpenDays

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = 3_600_000_000  # microseconds
_HOURS_CACHED_MAX = 200_000


class CompanyDays:
    """Calendar dates of UTC instants in one zone. `day_of(at)` takes UTC microseconds; about 0.1 µs when cached."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self._hours: dict[int, date | None] = {}  # None: the hour holds midnight or a change of offset

    def day_of(self, at: int) -> date:
        hour = at // _HOUR
        hours = self._hours
        if hour in hours:
            return hours[hour] or self._local(at).date()
        first, last = self._local(hour * _HOUR), self._local(hour * _HOUR + _HOUR - 1)
        whole = first.date() == last.date() and first.utcoffset() == last.utcoffset()
        if len(hours) >= _HOURS_CACHED_MAX:
            hours.clear()
        hours[hour] = first.date() if whole else None
        return hours[hour] or self._local(at).date()

    def end_of(self, day: date) -> int:
        """The first instant after a day, in UTC microseconds; where midnight is skipped, the first one that exists."""
        after = day + timedelta(days=1)
        midnight = datetime(after.year, after.month, after.day, tzinfo=self.zone)
        return (midnight.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)

    def _local(self, at: int) -> datetime:
        return (_EPOCH + timedelta(microseconds=at)).astimezone(self.zone)


class PostingDay(NamedTuple):
    """The day an entry carries, the period it lies in, and the period it corrects ('' when it is the effective day)."""

    day: date
    period: str
    corrects: str


class PostingDays:
    """Effective date → posting date, by open periods and policy. Raises `Refused` (TO5111 hold, TO5112 reject)."""

    def __init__(self, open_days: OpenDays, calendar: Calendar) -> None:
        self.open_days = open_days
        self.calendar = calendar
        self._cache: dict[date, PostingDay] = {}

    def at(self, effective: date, locked_period: str = "next_open_period") -> PostingDay:
        found = self._cache.get(effective)
        if found is None:
            day = self.open_days.first_open(effective)
            corrects = self.calendar.period(effective).name if day != effective else ""
            found = self._cache[effective] = PostingDay(day, self.calendar.period(day).name, corrects)
        if not found.corrects or locked_period == "next_open_period":
            return found
        if locked_period == "hold":
            raise Refused(
                f"{effective} lies in period {found.corrects}, which is locked, and policy locked_period is hold",
                code="TO5111",
                where=str(effective),
                fix=f"reopen {found.corrects}, or set locked_period to next_open_period to post on {found.day}; retry",
            )
        raise Refused(
            f"{effective} lies in period {found.corrects}, which is locked, and policy locked_period is reject",
            code="TO5112",
            where=str(effective),
            fix="correct the date at the source, or change locked_period; then retry",
        )
