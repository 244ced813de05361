"""Objectives of a company's streams against what was: the monthly report, and how things stand now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

from tieout.config.project import Connection, Stream
from tieout.config.tables import SlaTable
from tieout.errors import UsageError
from tieout.operations.desk import Desk
from tieout.operations.schedules import away, schedules_of
from tieout.schedule import Schedule
from tieout.sla.looks import Look, outcome_of
from tieout.sla.measure import Spans, merged
from tieout.sla.month import Known, Objectives, StreamMonth, breaches, measure
from tieout.sla.quality import Refusal
from tieout.store import stamps
from tieout.store.names import Names
from tieout.store.tx import Tx

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LOOK_BACK: Final = 8 * 86_400_000_000  # beyond the start, for the last success before it
DAY: Final = 86_400_000_000


class Watched(NamedTuple):
    """A stream with what was agreed and what was found."""

    connection: Connection
    stream: Stream
    objectives: Objectives
    known: Known
    found: StreamMonth
    coverage: Mapping[str, tuple[int, int, int, int]]  # words known, unknown, events with known, with unknown ones

    @property
    def name(self) -> str:
        return f"{self.connection.name}/{self.stream.name}"

    @property
    def breaches(self) -> list[str]:
        return breaches(self.found, self.objectives)


def objectives_of(sla: SlaTable, stream: Stream) -> Objectives:
    """What was agreed for a stream: its own words, else the project's."""
    own = stream.sla
    return Objectives(
        latency=_micros(own.latency or sla.latency),
        share=Fraction(own.share or sla.share) / 100,
        warn=_micros(own.freshness_warn or sla.freshness_warn),
        error=_micros(own.freshness_error or sla.freshness_error),
        availability=Fraction(own.availability or sla.availability) / 100,
        quality_min=Fraction(sla.quality_min if own.quality_min is None else own.quality_min),
        weights=sla.quality.model_dump(),
        numbered=own.numbered,
    )


def month_bounds(desk: Desk, name: str | None) -> tuple[str, int, int]:
    """(YYYY-MM, start, end) of a calendar month in the company's zone, in UTC microseconds; without a name the current one."""
    text = name or desk.today().strftime("%Y-%m")
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise UsageError(f"--month: {text!r} is not a month", code="TO1063", fix="write it as 2026-03") from None
    following = (first + timedelta(days=32)).replace(day=1)
    return text, start_of(desk, first), start_of(desk, following)


def watch(desk: Desk, start: int, end: int, *, connection: str | None = None, events: bool = True) -> list[Watched]:
    """Every stream of records over [start, end); without `events` only the looks at it are read."""
    out = []
    now = desk.micros()
    with desk.store.read() as rx:
        firings = stamps.firing_rows(rx, desk.id, start - LOOK_BACK, min(end, now + 1))
        first = stamps.first_firings(rx, desk.id)
        schedules = {(s.connection, s.stream): s for s in schedules_of(desk.project, desk.company) if s.what == "pull"}
        for chosen in desk.project.connections_of(desk.company.code, "source"):
            if connection is not None and connection not in (chosen.name, chosen.id):
                continue
            for stream in chosen.streams:
                schedule = schedules.get((chosen.name, stream.name))
                if stream.mapping is None or stream.kind == "stock" or schedule is None:
                    continue
                mine = [row for row in firings if row.schedule == schedule.name]
                known = _known(rx, desk, chosen, stream, schedule, mine, first.get(schedule.name), (start, end), events)
                agreed = objectives_of(desk.project.sla, stream)
                out.append(
                    Watched(
                        chosen,
                        stream,
                        agreed,
                        known,
                        measure(known, agreed),
                        _coverage(rx, desk, chosen, stream, known),
                    )
                )
    if connection is not None and not out:
        raise UsageError(f"no connection {connection!r} with streams", code="TO1063", fix="see tieout config show")
    return out


def _known(
    rx: Tx,
    desk: Desk,
    connection: Connection,
    stream: Stream,
    schedule: Schedule,
    firings: Iterable[Any],
    first_firing: int | None,
    span: tuple[int, int],
    events: bool,
) -> Known:
    start, end = span
    until = min(end, desk.micros() + 1)  # what a clock that is behind would still have before it is not known yet
    name = f"{connection.id}/{stream.name}"
    gone = away_of(desk, connection.name)
    looks = [
        Look(
            row.id,
            row.started_at,
            outcome_of(row.outcome, row.detail or "", row.started_at, gone),
            row.detail or "",
            row.ended_at or 0,
        )
        for row in firings
    ]
    source = source_number(rx, desk.names, name)
    known = Known(
        start=start,
        end=end,
        now=desk.micros(),
        events=[],
        looks=looks,
        batches=[],
        refusals=[],
        drifts=stamps.drifts(rx, desk.id, name, start, until),
        source_away=gone,
        ledger_away=away_of(desk, desk.company.ledger or ""),
        quiet=_quiet(schedule, start - LOOK_BACK, min(end, desk.micros())),
    )
    if source is None:
        return known
    batches = stamps.batch_rows(rx, desk.id, source, 0, until)
    landed = [one.received_at for one in batches if one.records]
    firsts = [at for at in (first_firing, *landed[:1]) if at is not None]
    return known._replace(
        events=stamps.event_rows(rx, desk.id, [source], start, until) if events else [],
        batches=_near(batches, start),
        refusals=[
            Refusal(row.id, row.code, row.record, row.message)
            for row in stamps.refusals(rx, desk.id, source, start, until)
        ],
        first_look=min(firsts, default=None),
    )


def _near(batches: list[Any], start: int) -> list[Any]:
    """The batches from the last one before `start` on."""
    before = [n for n, one in enumerate(batches) if one.received_at < start and one.records]
    return batches[before[-1] :] if before else batches


def source_number(rx: Tx, names: Names, source: str) -> int | None:
    return names.find(rx, "source", [source]).get(source)


def _coverage(
    rx: Tx, desk: Desk, connection: Connection, stream: Stream, known: Known
) -> dict[str, tuple[int, int, int, int]]:
    """Items and locations that the stream's records name: known and unknown, as words and as events (K25)."""
    source = source_number(rx, desk.names, f"{connection.id}/{stream.name}")
    if source is None:
        return {}
    found = stamps.coverage(rx, desk.id, source, known.start, known.end)
    out = {}
    for what, code in (("items", "TO3201"), ("locations", "TO3202")):
        unknown = [one for one in known.refusals if one.code == code]
        words = {one.message for one in unknown}
        out[what] = (found[what][0], len(words), found[what][1], len(unknown))
    return out


def away_of(desk: Desk, connection: str) -> Spans:
    """Announced maintenance of a connection. An instant without an offset is on the company's clock."""
    spans = away(desk.project, connection, desk.company.timezone)
    return merged((micros_of(span.starts), micros_of(span.ends)) for span in spans)


def start_of(desk: Desk, day: date) -> int:
    """The first instant of a day in the company's zone."""
    return desk.days.end_of(day - timedelta(days=1))


def _quiet(schedule: Schedule, start: int, end: int) -> Spans:
    """The hours in which a schedule does not run by its own rule."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(schedule.timing.zone)
    spans = []
    for low, high in schedule.timing.quiet:
        day = moment_of(start).astimezone(zone).date() - timedelta(days=1)
        while micros_of(datetime(day.year, day.month, day.day, tzinfo=zone)) < end:
            begins = datetime(day.year, day.month, day.day, low // 60, low % 60, tzinfo=zone)
            last = day if low <= high else day + timedelta(days=1)
            ends = datetime(last.year, last.month, last.day, high // 60, high % 60, tzinfo=zone)
            spans.append((micros_of(begins), micros_of(ends)))
            day += timedelta(days=1)
    return merged(spans)


def micros_of(moment: datetime) -> int:
    return (moment.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


def moment_of(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def text_of(micros: int | None) -> str | None:
    """An instant as text, UTC, without trailing zeros."""
    if micros is None:
        return None
    whole = moment_of(micros)
    return whole.isoformat(timespec="microseconds" if micros % 1_000_000 else "seconds").replace("+00:00", "Z")


def seconds(length: int | None) -> str | None:
    """A length as exact decimal seconds."""
    return None if length is None else format((Decimal(length) / 1_000_000).normalize(), "f")


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)
