"""Source times → UTC microseconds, in the company's zone where the source states no offset.

Rules: `valuation-rules` §1 for dates without a time; of a local time that occurs twice the first; a local time that
does not exist is refused, but the start of a day that begins in a gap is the first instant of that day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from tieout.model.event import default_time

_DAY: Final = timedelta(days=1)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISO_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,12})?)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
CLOCKS_MAX: Final = 200_000  # texts remembered: the seconds of a day with an offset, and as many days
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")


def clock(text: str) -> timedelta:
    """`HH:MM` or `HH:MM:SS` as a distance from midnight; ValueError otherwise."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time of day such as 17:00")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def zone(name: str) -> tzinfo:
    """A zone of the tz database by name; ValueError for another text."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone name such as Europe/Berlin") from None


def parse_when(value: Any) -> date | datetime:
    """An ISO 8601 date or time, or a date or datetime object, unchanged in meaning; ValueError for anything else."""
    if type(value) is str and value.isascii():
        if len(value) > 10:
            if _ISO_TIME.fullmatch(value):
                return datetime.fromisoformat(value)
        elif _ISO_DATE.fullmatch(value):
            return date.fromisoformat(value)
    elif isinstance(value, date):  # a datetime is one too
        return value
    raise ValueError(f"{value!r} is not a date or time in ISO 8601 form; state its form with a converter")


def micros(delta: timedelta) -> int:
    """A timedelta in whole microseconds."""
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


class Clockwork:
    """Instants in one zone. `phase` and `time_of_day` place dates without a time."""

    def __init__(self, where: tzinfo, phase: int, time_of_day: timedelta | None = None) -> None:
        self.zone = where
        self.phase = phase
        self.time_of_day = time_of_day
        self._plain: dict[date, int | None] = {}
        self._days: dict[str, int] = {}
        self._clocks: dict[str, int] = {}

    def instants(self, values: Sequence[Any]) -> list[int]:
        """`instant` of many values. Times with an offset, which recur, are put together from their day and their clock."""
        days, clocks = self._days, self._clocks
        try:
            return [days[value[:10]] + clocks[value[10:]] for value in values]
        except (KeyError, TypeError):
            pass  # something not met before, or no text: one by one, remembering
        return [self._remembered(value) for value in values]

    def _remembered(self, value: Any) -> int:
        if type(value) is not str or len(value) <= 10:
            return self.instant(value)
        day, clock = value[:10], value[10:]
        if day in self._days and clock in self._clocks:
            return self._days[day] + self._clocks[clock]
        moment = parse_when(value)
        found = self.instant(value)
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            if len(self._clocks) + len(self._days) > CLOCKS_MAX:
                self._days.clear()
                self._clocks.clear()
            begin = micros(datetime.fromisoformat(day).replace(tzinfo=UTC) - _EPOCH)
            self._days[day], self._clocks[clock] = begin, found - begin
        return found

    def instant(self, value: Any) -> int:
        """UTC microseconds of a date or time; ValueError when it is neither, or does not exist in the zone."""
        moment = parse_when(value)
        if not isinstance(moment, datetime):
            return self._of_day(moment)
        if moment.tzinfo is not None:
            return micros(moment - _EPOCH)
        offset = self._offset(moment.date())
        if offset is not None:
            return micros(moment - _NAIVE_EPOCH) - offset
        utc = moment.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        if utc.astimezone(self.zone).replace(tzinfo=None, fold=0) != moment.replace(fold=0):
            raise ValueError(f"{moment.isoformat(' ')} does not exist in {self.zone} (the clocks were put forward)")
        return micros(utc - _EPOCH)

    def _of_day(self, day: date) -> int:
        given = self.time_of_day if self.time_of_day is not None else default_time(day, self.phase)
        if given == _DAY - timedelta(microseconds=1):
            return self._midnight(day + _DAY) - 1
        local = datetime.combine(day, time.min) + given
        return micros(local.replace(tzinfo=self.zone, fold=0).astimezone(UTC) - _EPOCH)

    def _midnight(self, day: date) -> int:
        return micros(datetime.combine(day, time.min, self.zone).astimezone(UTC) - _EPOCH)

    def _offset(self, day: date) -> int | None:
        """The zone's offset on a day in microseconds, None on a day on which it changes."""
        if day not in self._plain:
            if len(self._plain) > 10_000:
                self._plain.clear()
            start = datetime.combine(day, time.min, self.zone)
            seen = {(start + hours).utcoffset() for hours in map(_hours, (0, 6, 12, 18))}
            seen.add((start + _DAY).utcoffset())
            seen.add((start - timedelta(hours=3)).utcoffset())
            only = seen.pop() if len(seen) == 1 else None
            self._plain[day] = None if only is None else micros(only)
        return self._plain[day]


def _hours(count: int) -> timedelta:
    return timedelta(hours=count)


def strptime_parser(formats: list[str], *, keep_time: bool) -> Callable[[Any], date | datetime]:
    """Reads a text by the first format that fits it whole. `keep_time` False gives dates."""

    def parse(value: Any) -> date | datetime:
        if isinstance(value, datetime):
            return value if keep_time else value.date()
        if isinstance(value, date):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str):
            for form in formats:
                try:
                    moment = datetime.strptime(value, form)
                except ValueError:
                    continue
                return moment if keep_time else moment.date()
        raise ValueError(f"{value!r} does not have the form {' or '.join(formats)}")

    return parse


def epoch_parser(unit: int) -> Callable[[Any], datetime]:
    """Reads a count since 1970-01-01 UTC; `unit` is how many microseconds one of it is."""

    def parse(value: Any) -> datetime:
        if isinstance(value, str) and value.isascii() and value.lstrip("-").isdigit() and len(value) <= 20:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{value!r} is not a whole count since 1970")
        return _EPOCH + timedelta(microseconds=value * unit)

    return parse
