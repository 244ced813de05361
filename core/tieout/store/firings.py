"""Rows of schedules: what fired when, what a person paused."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tieout.store.schema import firing, paused
from tieout.store.tx import Tx

RUNNING, DONE, FAILED, PUT_OFF = "running", "done", "failed", "put_off"


def begin(tx: Tx, company: int, schedule: str, planned_at: int, *, now: int, missed: int, holder: str) -> int | None:
    """The id of a new firing; None when this planned instant, or a later one, has been fired by somebody."""
    f = firing.c
    mine = (f.company == company) & (f.schedule == schedule)
    newest = tx.execute(sa.select(sa.func.max(f.planned_at)).where(mine)).scalar()
    if newest is not None and newest >= planned_at:
        return None
    number = tx.allocate(firing, 1)[0]
    tx.execute(
        sa.insert(firing).values(
            id=number,
            company=company,
            schedule=schedule,
            planned_at=planned_at,
            started_at=now,
            missed=missed,
            holder=holder,
            outcome=RUNNING,
        )
    )
    return number


def end(tx: Tx, number: int, outcome: str, detail: str, *, now: int) -> None:
    tx.execute(sa.update(firing).where(firing.c.id == number).values(outcome=outcome, detail=detail, ended_at=now))


def forget(tx: Tx, number: int) -> None:
    """A firing that was claimed and never begun."""
    tx.execute(sa.delete(firing).where(firing.c.id == number, firing.c.outcome == RUNNING))


def last(tx: Tx, company: int) -> dict[str, Any]:
    """The newest firing of each schedule of a company, by schedule."""
    f = firing.c
    newest = sa.select(sa.func.max(f.id)).where(f.company == company).group_by(f.schedule)
    return {row.schedule: row for row in tx.execute(sa.select(firing).where(f.id.in_(newest)))}


def pause(tx: Tx, company: int, schedule: str, *, now: int, actor: str, reason: str) -> None:
    resume(tx, company, schedule)
    tx.execute(sa.insert(paused).values(company=company, schedule=schedule, since=now, actor=actor, reason=reason))


def resume(tx: Tx, company: int, schedule: str) -> bool:
    """Whether it was paused."""
    mine = (paused.c.company == company) & (paused.c.schedule == schedule)
    return tx.execute(sa.delete(paused).where(mine)).rowcount > 0


def pauses(tx: Tx, company: int) -> dict[str, Any]:
    return {row.schedule: row for row in tx.execute(sa.select(paused).where(paused.c.company == company))}


def trim(tx: Tx, company: int, before: int) -> int:
    """Forget firings that ended before an instant, except the newest of each schedule. Returns how many."""
    f = firing.c
    newest = sa.select(sa.func.max(f.id)).where(f.company == company).group_by(f.schedule)
    old = (f.company == company) & (f.ended_at < before) & f.id.not_in(newest)
    return tx.execute(sa.delete(firing).where(old)).rowcount
