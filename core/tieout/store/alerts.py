"""Rows of alerts: one per cause while it lasts, who was told when, who took it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from tieout.store.schema import alert
from tieout.store.tx import Tx

LEVELS: Final = ("warn", "error")


class Finding(NamedTuple):
    """Something an objective says people must know. `cause` is the same as long as it is the same thing; its first word is
    its kind. `once`: told once for good, as a month that was missed."""

    cause: str
    level: str
    owner: str
    subject: str
    body: str
    data: Mapping[str, Any]
    once: bool = False


def apply(tx: Tx, company: int, findings: Collection[Finding], kinds: Collection[str], *, now: int) -> None:
    """Open what is new, raise what got worse, close what is over. Only causes of these kinds were looked for."""
    a = alert.c
    lasting = {row.cause: row for row in open_rows(tx, company)}
    for one in findings:
        row = lasting.pop(one.cause, None)
        values = {"subject": one.subject, "body": one.body, "data": json.dumps(one.data, sort_keys=True)}
        if row is not None:
            worse = LEVELS.index(one.level) > LEVELS.index(row.level)
            if worse or row.told_at is None:  # what people were told stays as they were told it
                tx.execute(sa.update(alert).where(a.id == row.id).values(level=one.level, **values))
            continue
        known = sa.select(a.id).where(a.company == company, a.cause == one.cause).limit(1)
        if one.once and tx.execute(known).scalar() is not None:
            continue
        new = {"company": company, "cause": one.cause, "level": one.level, "owner": one.owner, "opened_at": now}
        tx.execute(sa.insert(alert).values(**new, **values))
    for cause, row in lasting.items():
        if cause.partition(":")[0] in kinds:
            tx.execute(sa.update(alert).where(a.id == row.id).values(closed_at=now))


def open_rows(tx: Tx, company: int) -> list[Any]:
    where = (alert.c.company == company) & alert.c.closed_at.is_(None)
    return list(tx.execute(sa.select(alert).where(where).order_by(alert.c.id)).all())


def rows(tx: Tx, company: int, *, limit: int = 500) -> list[Any]:
    """All alerts, the newest first."""
    query = sa.select(alert).where(alert.c.company == company).order_by(alert.c.id.desc()).limit(limit)
    return list(tx.execute(query).all())


def to_tell(tx: Tx, company: int, *, now: int, escalate_after: int | None) -> tuple[list[Any], list[Any], list[Any]]:
    """(new or worse, over, to be escalated)."""
    a = alert.c
    mine = a.company == company
    lasting = open_rows(tx, company)
    new = [row for row in lasting if row.told_at is None or row.told_level != row.level]
    over = mine & a.closed_at.is_not(None) & a.told_at.is_not(None) & a.closed_told_at.is_(None)
    ended = tx.execute(sa.select(alert).where(over).order_by(a.id)).all()
    late = [
        row
        for row in lasting
        if escalate_after is not None
        and row not in new
        and row.taken_by is None
        and row.escalated_at is None
        and row.opened_at + escalate_after <= now
    ]
    return new, list(ended), late


def last_told(tx: Tx, company: int) -> int | None:
    """When somebody was last told anything."""
    a = alert.c
    query = sa.select(sa.func.max(a.told_at), sa.func.max(a.closed_told_at), sa.func.max(a.escalated_at))
    found = [at for at in tx.execute(query.where(a.company == company)).one() if at is not None]
    return max(found) if found else None


def claim(tx: Tx, number: int, field: str, before: int | None, at: int | None, **more: Any) -> bool:
    """Set a stamp that is `before`; False when somebody else has."""
    column = alert.c[field]
    same = column.is_(None) if before is None else column == before
    where = (alert.c.id == number) & same
    return tx.execute(sa.update(alert).where(where).values(**{field: at}, **more)).rowcount > 0


def take(tx: Tx, number: int, *, actor: str, now: int) -> int | None:
    """Somebody looks after it; the company it is of, None where there is no such alert."""
    company = tx.execute(sa.select(alert.c.company).where(alert.c.id == number)).scalar()
    if company is not None:
        tx.execute(sa.update(alert).where(alert.c.id == number).values(taken_by=actor, taken_at=now))
    return company
