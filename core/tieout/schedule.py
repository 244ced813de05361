"""When things run: planned instants, in the company's zone, the same for whoever works them out.

An interval is counted from a fixed beginning, a cron line is matched on the zone's wall clock. A wall time that occurs
twice fires once, at its first occurrence; one that is skipped fires at the first instant after the gap. Jitter is derived
from the schedule's name and the planned instant, so two schedulers agree. A planned instant inside quiet hours or a
maintenance window moves to their end; several that move to one instant are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

_ORIGIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)
_GAP_MAX: Final = timedelta(hours=25)  # no zone skips more of its wall clock at once
LOOK_AHEAD_MAX: Final = 10_000  # instants looked at for one answer


class Span(NamedTuple):
    """A time in which nothing of a schedule runs, from `starts` up to, and without, `ends`."""

    starts: datetime
    ends: datetime


class Timing(NamedTuple):
    """`every` (an interval) or `cron` (five fields); `quiet` as (from, to) in minutes of the zone's day."""

    zone: str
    every: timedelta | None = None
    cron: str | None = None
    jitter: timedelta = timedelta(0)
    quiet: tuple[tuple[int, int], ...] = ()


class Schedule(NamedTuple):
    """What runs when. `what` is pull, deliver or reconcile; `priority` 0 goes first. `away`: maintenance of its vendor."""

    name: str
    company: str
    what: str
    timing: Timing
    connection: str = ""
    stream: str = ""
    priority: int = 1
    away: tuple[Span, ...] = ()


def next_after(schedule: Schedule, after: datetime) -> datetime:
    """The first instant, later than `after`, at which the schedule fires."""
    since = min((span.starts for span in schedule.away if span.starts <= after < span.ends), default=after)
    for planned in _planned(schedule.timing, since):
        moved = _out_of_the_way(schedule, planned)
        if moved > after:
            return moved if moved != planned else moved + _jitter(schedule, planned)
    raise ValueError(f"{schedule.name} never fires")


def last_until(schedule: Schedule, now: datetime, since: datetime) -> tuple[datetime, int] | None:
    """The last firing later than `since` and not later than `now`, and how many there were; None when there was none."""
    found, count, at = None, 0, since
    for _ in range(LOOK_AHEAD_MAX):
        at = next_after(schedule, at)
        if at > now:
            break
        found, count = at, count + 1
    return (found, count) if found is not None else None


def upcoming(schedules: Iterable[Schedule], after: datetime) -> list[tuple[datetime, Schedule]]:
    """The next firing of each schedule, the soonest first; at one instant by priority."""
    return sorted(((next_after(s, after), s) for s in schedules), key=lambda e: (e[0], e[1].priority, e[1].name))


# ── planned instants ───────────────────────────────────────────────────────────────────────────────────────────────
def _planned(timing: Timing, after: datetime) -> Iterator[datetime]:
    """Instants before jitter and quiet hours, beginning early enough that none that moves beyond `after` is missed."""
    start = after - max(timing.jitter, timedelta(0)) - _quiet_length(timing) - _MINUTE
    if timing.every is not None:
        number = (start - _ORIGIN) // timing.every
        for n in range(LOOK_AHEAD_MAX):
            yield _ORIGIN + (number + n) * timing.every
        return
    yield from _cron(timing.cron or "", ZoneInfo(timing.zone), start)


def _cron(line: str, zone: ZoneInfo, start: datetime) -> Iterator[datetime]:
    """Matched on the wall clock as if it had neither gaps nor repeats; then each wall time becomes its instant."""
    matcher = CronTrigger.from_crontab(line, timezone=UTC)
    wall = (start - _GAP_MAX).astimezone(zone).replace(tzinfo=UTC, fold=0)
    last: datetime | None = None
    for _ in range(LOOK_AHEAD_MAX):
        found: datetime | None = matcher.get_next_fire_time(None, wall)
        if found is None:
            return
        wall = found + _MINUTE
        moment = _instant(found.replace(tzinfo=None), zone)
        if moment >= start and (last is None or moment > last):
            last = moment
            yield moment


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a wall time: its first occurrence, or the end of the gap that skips it."""
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    before, after = wall.replace(tzinfo=zone, fold=0).utcoffset(), wall.replace(tzinfo=zone, fold=1).utcoffset()
    assert before is not None
    assert after is not None
    low, high = sorted((wall - before, wall - after))
    while high - low > timedelta(seconds=1):  # the change lies between the two readings
        middle = low + (high - low) / 2
        same = (
            middle.replace(tzinfo=UTC).astimezone(zone).utcoffset()
            == low.replace(tzinfo=UTC).astimezone(zone).utcoffset()
        )
        low, high = (middle, high) if same else (low, middle)
    return high.replace(tzinfo=UTC, microsecond=0)


def _jitter(schedule: Schedule, planned: datetime) -> timedelta:
    whole = int(schedule.timing.jitter.total_seconds())
    if whole <= 0:
        return timedelta(0)
    digest = sha256(f"{schedule.name}|{planned.isoformat()}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8]) % (whole + 1))


# ── quiet hours and maintenance ────────────────────────────────────────────────────────────────────────────────────
def _out_of_the_way(schedule: Schedule, planned: datetime) -> datetime:
    """`planned`, or the end of what it falls into."""
    moved = planned
    for _ in range(len(schedule.away) + len(schedule.timing.quiet) + 1):
        before = moved
        for span in schedule.away:
            if span.starts <= moved < span.ends:
                moved = span.ends
        moved = _after_quiet(schedule.timing, moved)
        if moved == before:
            return moved
    return moved


def in_quiet(quiet: Sequence[tuple[int, int]], local: datetime) -> bool:
    """Whether a wall-clock time lies in quiet hours."""
    minute = local.hour * 60 + local.minute
    return any(_within(start, end, minute) for start, end in quiet)


def _within(start: int, end: int, minute: int) -> bool:
    return start <= minute < end if start <= end else minute >= start or minute < end


def _after_quiet(timing: Timing, moment: datetime) -> datetime:
    zone = ZoneInfo(timing.zone)
    local = moment.astimezone(zone)
    minute = local.hour * 60 + local.minute
    for start, end in timing.quiet:
        if _within(start, end, minute):
            day = local.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
            if start > end and minute >= start:
                day += timedelta(days=1)
            return _instant(day + timedelta(minutes=end), zone)
    return moment


def _quiet_length(timing: Timing) -> timedelta:
    lengths = [(end - start) % 1440 for start, end in timing.quiet]
    return timedelta(minutes=max(lengths, default=0) + (120 if lengths else 0))


def quiet_minutes(texts: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """`22:00-06:00` → (1320, 360)."""

    def minutes(text: str) -> int:
        hour, _, minute = text.partition(":")
        return int(hour) * 60 + int(minute)

    spans = []
    for text in texts:
        start, _, end = text.partition("-")
        spans.append((minutes(start), minutes(end)))
    return tuple(spans)
