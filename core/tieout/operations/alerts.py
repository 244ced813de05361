"""Telling people: what is wrong becomes one alert per cause, and alerts become notices at the hours people want them.

    findings ─▶ alert rows (one per cause while it lasts) ─▶ quiet hours, digest ─▶ tieout_notify ─▶ e-mail, webhook …

A vendor that is away is one cause, however many of its streams grow old by it. A month is told as missed when its error
budget is used up for certain, or when it is over. What was told is marked before it is sent and unmarked when no way of
telling worked, so two processes never both tell it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tieout.errors import UsageError
from tieout.operations.desk import Desk
from tieout.operations.schedules import schedules_of
from tieout.operations.watching import (
    LOOK_BACK,
    Watched,
    away_of,
    moment_of,
    month_bounds,
    seconds,
    source_number,
    text_of,
    watch,
)
from tieout.schedule import in_quiet, quiet_minutes
from tieout.sla.looks import Look, Outage, outages, outcome_of
from tieout.sla.measure import Share
from tieout.store import alerts, stamps
from tieout.store.acts import record_act
from tieout.store.alerts import Finding
from tieout.store.schema import cursor

LIVE: Final = ("freshness", "outage", "held")  # what is looked for each time
MONTHLY: Final = ("latency", "availability", "quality", "numbers")


# ── findings ───────────────────────────────────────────────────────────────────────────────────────────────────────
def check(desk: Desk, *, deep: bool) -> list[str]:
    """Look, write alerts down, tell who is to be told; `deep` also measures this month and the last one. Answers with what
    went wrong in telling."""
    text, start, end = month_bounds(desk, None)
    now = desk.micros()
    watched = watch(desk, start, end, events=deep)
    found = live(desk, watched)
    kinds: tuple[str, ...] = LIVE
    if deep:
        kinds = (*LIVE, *MONTHLY)
        before = (moment_of(start) - timedelta(days=1)).astimezone(desk.company.timezone).strftime("%Y-%m")
        found += missed(desk, watched, text, elapsed=(now - start, end - start))
        past = watch(desk, *month_bounds(desk, before)[1:])
        found += missed(desk, past, before, elapsed=(1, 1))
    with desk.store.write() as tx:
        alerts.apply(tx, desk.id, found, kinds, now=now)
    return tell(desk)


def live(desk: Desk, watched: list[Watched]) -> list[Finding]:
    """What is wrong now: vendors that are away, streams that are old or held."""
    out: list[Finding] = []
    away: dict[str, list[Watched]] = {}
    for one in watched:
        if one.found.outages and one.found.outages[-1].ends is None:
            away.setdefault(one.connection.name, []).append(one)
    for name, streams in away.items():
        first = min((one.found.outages[-1] for one in streams), key=lambda o: o.starts)
        old = [one for one in watched if one.connection.name == name and _level(one) == "error"]
        out.append(_outage(desk, name, first, [one.name for one in streams], "error" if old else "warn"))
    for one in watched:
        level = _level(one)
        if level is not None and one.connection.name not in away:
            out.append(_stale(desk, one, level))
    return [*out, *_ledger(desk, away), *_held(desk, watched)]


def _level(one: Watched) -> str | None:
    age, agreed = one.found.age, one.objectives
    if age is None or age <= agreed.warn:
        return None
    return "error" if age > agreed.error else "warn"


def _owner(desk: Desk, connection: str) -> str:
    return desk.project.connection(connection).owner or desk.project.notify.owner


def _outage(desk: Desk, name: str, outage: Outage, streams: list[str], level: str) -> Finding:
    since = text_of(outage.starts)
    return Finding(
        f"outage:{name}",
        level,
        _owner(desk, name),
        f"{desk.company.code}: {name} does not answer since {since}",
        f"{len(outage.looks)} looks in a row failed ({', '.join(streams)}).\n{outage.detail}\n"
        "What it sends later is taken in then; nothing is lost.",
        {"connection": name, "since": since, "firings": list(outage.looks[:50]), "streams": streams},
    )


def _stale(desk: Desk, one: Watched, level: str) -> Finding:
    age = seconds(one.found.age)
    return Finding(
        f"freshness:{one.name}",
        level,
        _owner(desk, one.connection.name),
        f"{desk.company.code}: no look at {one.name} succeeded for {age} s",
        f"Agreed are at most {seconds(one.objectives.error)} s. `tieout schedule list` shows the last firing.",
        {"stream": one.name, "age_seconds": age},
    )


def _ledger(desk: Desk, away: dict[str, list[Watched]]) -> list[Finding]:
    """The ledger, where deliveries to it fail in a row."""
    name, now = desk.company.ledger, desk.micros()
    schedule = next((s for s in schedules_of(desk.project, desk.company) if s.what == "deliver"), None)
    if name is None or schedule is None or name in away:
        return []
    gone = away_of(desk, name)
    with desk.store.read() as rx:
        rows = [r for r in stamps.firing_rows(rx, desk.id, now - LOOK_BACK, now + 1) if r.schedule == schedule.name]
    looks = [
        Look(r.id, r.started_at, outcome_of(r.outcome, r.detail or "", r.started_at, gone), r.detail or "")
        for r in rows
    ]
    found = outages(looks)
    return [_outage(desk, name, found[-1], ["deliveries"], "error")] if found and found[-1].ends is None else []


def _held(desk: Desk, watched: list[Watched]) -> list[Finding]:
    """Streams that stand still because their vendor's schema changed."""
    out = []
    with desk.store.read() as rx:
        for one in watched:
            source = source_number(rx, desk.names, f"{one.connection.id}/{one.stream.name}")
            mine = (cursor.c.company == desk.id) & (cursor.c.source == source)
            text = rx.execute(sa.select(cursor.c.held).where(mine)).scalar() if source is not None else None
            if text:
                held = json.loads(text)
                subject = f"{desk.company.code}: {one.name} is held: {held.get('message', '')}"
                data = {"stream": one.name, "since": text_of(held.get("at"))}
                fix = str(held.get("fix", ""))
                out.append(Finding(f"held:{one.name}", "error", _owner(desk, one.connection.name), subject, fix, data))
    return out


def missed(desk: Desk, watched: list[Watched], month: str, *, elapsed: tuple[int, int]) -> list[Finding]:
    """Objectives of a month that are missed for certain. `elapsed`: how much of the month is over, as (part, whole); while it
    lasts, what it will allow is reckoned from what came so far."""
    out = []
    for one in watched:
        found, agreed = one.found, one.objectives
        what = []
        if _used_up(found.share, agreed.share, elapsed):
            what.append(("latency", f"{found.share.missed} of {found.share.counted} events took too long"))
        if _used_up(found.available, agreed.availability, elapsed):
            failed, looks = found.available.missed, found.available.counted
            what.append(("availability", f"{failed} of {looks} looks failed at the vendor"))
        if found.quality.score < agreed.quality_min and elapsed[0] == elapsed[1]:
            what.append(("quality", f"data quality is {found.quality.shown()}"))
        if found.gaps:
            what.append(("numbers", f"{sum(gap.number for gap in found.gaps)} document numbers are missing"))
        for kind, words in what:
            out.append(
                Finding(
                    f"{kind}:{one.name}:{month}",
                    "warn" if kind == "numbers" else "error",
                    _owner(desk, one.connection.name),
                    f"{desk.company.code}: {one.name}, {month}: {words}",
                    f"tieout sla --month {month} --connection {one.connection.name} shows each with its evidence.",
                    {"stream": one.name, "month": month, "objective": kind},
                    once=True,
                )
            )
    return out


def _used_up(share: Share, objective: Any, elapsed: tuple[int, int]) -> bool:
    part, whole = elapsed
    return bool(share.missed * part > (1 - objective) * share.counted * whole) if part > 0 else False


# ── telling ────────────────────────────────────────────────────────────────────────────────────────────────────────
def tell(desk: Desk) -> list[str]:
    """Send what is to be told now; answers with what went wrong."""
    wanted, now = desk.project.notify, desk.micros()
    if "breach" not in wanted.on:
        return []
    zone = wanted.zone or desk.company.timezone.key
    if in_quiet(quiet_minutes(wanted.quiet), desk.now().astimezone(ZoneInfo(zone))):
        return []
    after = wanted.escalate_after
    limit = None if after is None else after // timedelta(microseconds=1)
    with desk.store.write() as tx:
        last = alerts.last_told(tx, desk.id)
        if wanted.digest is not None and last is not None and now - last < wanted.digest // timedelta(microseconds=1):
            return []
        new, over, late = alerts.to_tell(tx, desk.id, now=now, escalate_after=limit)
        new = [r for r in new if alerts.claim(tx, r.id, "told_at", r.told_at, now, told_level=r.level)]
        over = [r for r in over if alerts.claim(tx, r.id, "closed_told_at", None, now)]
        late = [r for r in late if alerts.claim(tx, r.id, "escalated_at", None, now)]
    if not new and not over and not late:
        return []
    subject, body, data = _notice(desk, new, over, late)
    answers = desk.project.plugins.call("tieout_notify", subject=subject, body=body, data=data)
    problems = [str(answer.error) for answer in answers if answer.error is not None]
    if problems and len(problems) == len(answers):
        _unclaim(desk, new, over, late, now)
    return problems


def _unclaim(desk: Desk, new: list[Any], over: list[Any], late: list[Any], now: int) -> None:
    with desk.store.write() as tx:
        for row in new:
            alerts.claim(tx, row.id, "told_at", now, row.told_at, told_level=row.told_level)
        for row in over:
            alerts.claim(tx, row.id, "closed_told_at", now, None)
        for row in late:
            alerts.claim(tx, row.id, "escalated_at", now, None)


def _notice(desk: Desk, new: list[Any], over: list[Any], late: list[Any]) -> tuple[str, str, dict[str, Any]]:
    """One notice of everything: subject, text, data."""
    lines, items = [], []
    heir = desk.project.notify.escalate_to
    for rows, word in ((late, "not taken yet"), (new, ""), (over, "over")):
        for row in rows:
            owner = heir if word == "not taken yet" and heir else row.owner
            mark = f"{word}: " if word else "" if row.level == "error" else "warning: "
            lines += [
                f"{mark}{row.subject}" + (f"  [{owner}]" if owner else ""),
                *(["  " + row.body] if not word else []),
            ]
            items.append(
                {
                    "id": row.id,
                    "cause": row.cause,
                    "level": row.level,
                    "state": {"": "open", "over": "over"}.get(word, "escalated"),
                    "owner": owner,
                    "subject": row.subject,
                    "since": text_of(row.opened_at),
                    "data": json.loads(row.data),
                }
            )
    first = lines[0].partition("  [")[0]
    subject = first if len(items) == 1 else f"{desk.company.code}: {len(items)} alerts, first: {first}"
    return subject, "\n".join(lines), {"about": "breach", "company": desk.company.code, "alerts": items}


# ── people ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def listed(desk: Desk, *, everything: bool = False) -> list[dict[str, Any]]:
    """Alerts as JSON-ready rows."""
    with desk.store.read() as rx:
        rows = alerts.rows(rx, desk.id)
    return [
        {
            "id": row.id,
            "company": desk.company.code,
            "cause": row.cause,
            "level": row.level,
            "owner": row.owner,
            "subject": row.subject,
            "since": text_of(row.opened_at),
            "told": text_of(row.told_at),
            "taken_by": row.taken_by,
            "until": text_of(row.closed_at),
        }
        for row in rows
        if everything or row.closed_at is None
    ]


def take(desk: Desk, number: int) -> None:
    """The desk's actor looks after an alert."""
    with desk.store.write() as tx:
        if alerts.take(tx, number, actor=desk.actor, now=desk.micros()) is None:
            raise UsageError(f"there is no alert {number}", code="TO1064", fix="tieout alerts list")
        record_act(tx, desk.id, desk.actor, "alert.take", str(number), {})
