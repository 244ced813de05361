"""The schedules of a project, from its configuration: which, when next, what became of the last firing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from tieout.config.project import Company, Project
from tieout.config.tables import TimingTable
from tieout.errors import UsageError
from tieout.operations.desk import Desk
from tieout.schedule import Schedule, Span, Timing, next_after, quiet_minutes
from tieout.store import firings
from tieout.store.acts import record_act

# Without a [schedule] in the configuration.
PULL_EVERY: Final = timedelta(minutes=15)
DELIVER_EVERY: Final = timedelta(minutes=15)
RECONCILE_CRON: Final = "0 6 * * *"
PRIORITY: Final = {"deliver": 0, "pull": 1, "reconcile": 2}


def schedules_of(project: Project, company: Company) -> list[Schedule]:
    """Every schedule of one company: a pull per stream, one delivery where it has a ledger, one reconciliation."""
    zone = company.timezone.key
    made = []
    for connection in project.connections_of(company.code, "source"):
        for stream in connection.streams:
            if stream.mapping is None and stream.kind != "stock":
                continue
            timing = _timing(stream.timing, zone) or Timing(zone, every=PULL_EVERY)
            name = f"{company.code}/pull/{connection.name}/{stream.name}"
            gone = away(project, connection.name, company.timezone)
            made.append(
                Schedule(name, company.code, "pull", timing, connection.name, stream.name, PRIORITY["pull"], gone)
            )
    for what, usual in (
        ("deliver", Timing(zone, every=DELIVER_EVERY)),
        ("reconcile", Timing(zone, cron=RECONCILE_CRON)),
    ):
        if what == "deliver" and not company.ledger:
            continue
        timing = _timing(getattr(project.schedule, what), zone) or usual
        gone = away(project, company.ledger or "", company.timezone)
        made.append(
            Schedule(
                f"{company.code}/{what}", company.code, what, timing, company.ledger or "", "", PRIORITY[what], gone
            )
        )
    return made


def _timing(table: TimingTable | None, zone: str) -> Timing | None:
    if table is None:
        return None
    return Timing(table.zone or zone, table.every, table.cron, table.jitter or timedelta(0), quiet_minutes(table.quiet))


def away(project: Project, connection: str, zone: ZoneInfo) -> tuple[Span, ...]:
    """Announced maintenance of a connection; a time without an offset is on the company's clock."""
    spans = (m for m in project.sla.maintenance if m.connection == connection)
    return tuple(Span(_utc(m.starts, zone), _utc(m.ends, zone)) for m in spans)


def _utc(moment: Any, zone: ZoneInfo) -> datetime:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=zone)
    aware: datetime = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return aware.astimezone(UTC)


def rows(desk: Desk) -> list[dict[str, Any]]:
    """Schedules of a company with their next and last firing."""
    now = desk.now()
    with desk.store.read() as rx:
        last, stopped = firings.last(rx, desk.id), firings.pauses(rx, desk.id)
    out = []
    for schedule in schedules_of(desk.project, desk.company):
        done, pause = last.get(schedule.name), stopped.get(schedule.name)
        out.append(
            {
                "schedule": schedule.name,
                "when": _words(schedule.timing),
                "zone": schedule.timing.zone,
                "next": None if pause else _text(next_after(schedule, now)),
                "paused_by": pause.actor if pause else None,
                "paused_why": pause.reason if pause else None,
                "last": _text(_moment(done.started_at)) if done else None,
                "outcome": done.outcome if done else None,
                "detail": (done.detail or "") if done else "",
                "missed": done.missed if done else 0,
            }
        )
    return out


def one(desk: Desk, name: str) -> Schedule:
    """A schedule by its name or the end of it (`shop/orders`, `deliver`)."""
    known = schedules_of(desk.project, desk.company)
    found = [s for s in known if s.name == name] or [s for s in known if s.name.endswith(f"/{name}")]
    if len(found) != 1:
        raise UsageError(
            f"{'no schedule' if not found else 'several schedules'} {name!r}",
            code="TO1062",
            fix=f"one of: {', '.join(s.name for s in known)}",
        )
    return found[0]


def pause(desk: Desk, name: str, reason: str) -> None:
    """Stop a schedule until it is resumed."""
    schedule = one(desk, name)
    with desk.store.write() as tx:
        firings.pause(tx, desk.id, schedule.name, now=desk.micros(), actor=desk.actor, reason=reason)
        record_act(tx, desk.id, desk.actor, "schedule.pause", schedule.name, {"reason": reason})


def resume(desk: Desk, name: str) -> None:
    """Let a paused schedule go on; what it missed is made up for by its next firing."""
    schedule = one(desk, name)
    with desk.store.write() as tx:
        if not firings.resume(tx, desk.id, schedule.name):
            raise UsageError(f"{schedule.name} is not paused", code="TO1062")
        record_act(tx, desk.id, desk.actor, "schedule.resume", schedule.name)


def _words(timing: Timing) -> str:
    base = f"every {timing.every}" if timing.every is not None else f"cron {timing.cron}"
    spans = ", ".join(f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}" for a, b in timing.quiet)
    return base + (f", quiet {spans}" if spans else "")


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // 1_000_000, UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
