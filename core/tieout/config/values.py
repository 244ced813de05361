"""Small value types of `tieout.toml`: durations, zones, currencies, days and instants, cron lines, money as text."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from tieout.config.slip import nearest
from tieout.model.money import CURRENCIES

_DURATION = re.compile(r"([1-9][0-9]*)\s*(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
DURATION_DAYS_MAX = 3660
YEARS = range(1900, 2200)  # fiscal calendars are reckoned in these; a year beyond them is a typing error
_QUIET = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CRON = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, tuple(_MONTHS)),
    ("day of week", None, None, tuple(_WEEKDAYS)),
)


def refuse(kind: str, what: str, *, why: str = "", fix: str = "", near: str | None = None) -> PydanticCustomError:
    """An error whose parts the slip keeps apart."""
    return PydanticCustomError(kind, "{what}", {"what": what, "why": why, "fix": fix, "near": near or ""})


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise refuse("duration", f"{value!r} is not a duration", fix='a number and s, m, h or d, such as "90s" or "5m"')
    span = timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    if span > timedelta(days=DURATION_DAYS_MAX):
        raise refuse("duration", f"{value!r} is longer than ten years", fix='something like "30d"')
    return span


def duration_text(value: timedelta) -> str:
    """The shortest way to write a duration: `5m`, `36h`."""
    seconds = int(value.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


def _zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    near = nearest(value, available_timezones()) or nearest(value.rpartition("/")[2], _cities())
    raise refuse(
        "zone",
        f"unknown time zone {value!r}",
        why="effective dates and period ends are taken in the company's zone",
        fix="an IANA name, such as Europe/Berlin or UTC",
        near=_cities().get(near, near) if near else None,
    )


def _cities() -> dict[str, str]:
    return {zone.rpartition("/")[2]: zone for zone in sorted(available_timezones())}


def _currency(value: str) -> str:
    if value in CURRENCIES:
        return value
    near = value.upper() if value.upper() in CURRENCIES else nearest(value, CURRENCIES)
    raise refuse(
        "currency",
        f"unknown currency {value!r}",
        why="the currency decides how many decimals an amount has",
        fix="an ISO 4217 code, such as EUR",
        near=near,
    )


def _day(value: Any) -> date:
    if isinstance(value, str):
        with suppress(ValueError):
            value = date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime) and value.year in YEARS:
        return value
    raise refuse(
        "day", f"{_text(value)} is not a day between 1900 and 2199", fix="a date without a time, such as 2026-01-31"
    )


def _moment(value: Any) -> datetime | date:
    if isinstance(value, str):
        with suppress(ValueError):
            value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
    if isinstance(value, date) and value.year in YEARS:
        return value
    raise refuse("moment", f"{_text(value)} is neither a day nor an instant", fix="2026-01-01 or 2026-01-01T00:00:00Z")


def _money_text(value: Any) -> str:
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value
    raise refuse("money", f"{_text(value)} is not an amount", fix='an amount such as "1000.00"')


def _cron(value: str) -> str:
    fields = value.split()
    if len(fields) != len(_CRON):
        raise refuse(
            "cron",
            f"a cron line has five fields, {value!r} has {len(fields)}",
            fix='minute, hour, day of month, month, day of week, such as "30 6 * * mon-fri"',
        )
    for text, (name, low, high, words) in zip(fields, _CRON, strict=True):
        for part in text.split(","):
            if not _cron_part(part, low, high, words):
                wanted = " ".join(words) if low is None else f"{low} to {high}"
                why = "numbers for days of the week mean different days in different programs" if low is None else ""
                raise refuse(
                    "cron", f"cron {name}: {part!r} is not understood", why=why, fix=f"* or {wanted}, a-b, */n"
                )
    return value


def _cron_part(part: str, low: int | None, high: int | None, words: tuple[str, ...]) -> bool:
    base, slash, step = part.partition("/")
    if slash and not (step.isdecimal() and int(step) > 0):
        return False
    if base == "*":
        return True
    bounds = [_cron_value(text, low, high, words) for text in base.split("-")]
    if len(bounds) > 2 or None in bounds:
        return False
    return len(bounds) == 1 or (bounds[0] or 0) <= (bounds[1] or 0)


def _cron_value(text: str, low: int | None, high: int | None, words: tuple[str, ...]) -> int | None:
    if text.lower() in words:
        return words.index(text.lower()) + (low or 0)
    if low is not None and high is not None and text.isdecimal() and low <= int(text) <= high:
        return int(text)
    return None


def _quiet(value: str) -> str:
    if not _QUIET.fullmatch(value):
        raise refuse("quiet", f"{value!r} is not a span of hours", fix='a span such as "22:00-06:00"')
    return value


def _weekday(value: Any) -> int:
    name = str(value).lower()
    if name in WEEKDAYS:
        return WEEKDAYS.index(name)
    raise refuse(
        "weekday",
        f"{value!r} is not a day of the week",
        why="it decides on which day every fiscal week and period ends",
        fix=f"one of: {', '.join(WEEKDAYS)}",
        near=nearest(name, WEEKDAYS),
    )


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)


_TEXT = WithJsonSchema({"type": "string"})
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(duration_text),
    WithJsonSchema({"type": "string", "pattern": r"^[1-9][0-9]*\s*(s|m|h|d)$"}),
]
Zone = Annotated[str, AfterValidator(_zone)]
Currency = Annotated[str, AfterValidator(_currency)]
Day = Annotated[date, BeforeValidator(_day)]
Moment = Annotated[Any, BeforeValidator(_moment), _TEXT]
MoneyText = Annotated[str, BeforeValidator(_money_text)]
Cron = Annotated[str, AfterValidator(_cron)]
Quiet = Annotated[str, AfterValidator(_quiet)]
Weekday = Annotated[int, BeforeValidator(_weekday), WithJsonSchema({"type": "string", "enum": list(WEEKDAYS)})]
