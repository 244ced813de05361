"""Lanes of work: what is to be drained, by whom, not before when. Truth for the workers; their jobs only say "look".

A lane is asked for (`wake`) in the transaction of the rows it is about: `wanted` goes up, and where Procrastinate's tables
are, one job per lane is put beside it. A worker takes the lane (`take`: a lease and a fence), drains it, and says how far
it came (`finish`): `progress` is the request it answers. A lane with `wanted > progress` has work. Jobs may be lost: `due`
lists the lanes that need one.

what: pull:CONNECTION/STREAM, books, deliver:LEDGER, reconcile. Only PostgreSQL has workers; on SQLite nothing is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from tieout.store.outbox import Lane
from tieout.store.schema import lane
from tieout.store.tx import Tx

QUEUE: Final = "lanes"
TASK: Final = "tieout.drain"
LANES_A_SWEEP: Final = 1_000
PRIORITY: Final = {"deliver": 30, "books": 20, "pull": 10, "reconcile": 0}
BOOKS, RECONCILE, DELIVER = "books", "reconcile", "deliver:"


class Taken(NamedTuple):
    """A lane in hand. `request` is what it is drained for; `before` the fence of the holder before. A delivery lane is
    leased by the delivery itself: its `held` is None here."""

    id: int
    company: int
    what: str
    request: int
    held: Lane | None
    before: int


def wake(tx: Tx, company: int, what: str) -> None:
    """Ask for a lane to be drained once this transaction is committed."""
    if tx.dialect == "sqlite":
        return
    mine = (lane.c.company == company) & (lane.c.what == what)
    number = tx.execute(
        sa.update(lane).where(mine).values(wanted=lane.c.wanted + 1).returning(lane.c.id)
    ).scalar_one_or_none()
    if number is None:
        number = tx.allocate(lane, 1)[0]
        tx.execute(sa.insert(lane).values(id=number, company=company, what=what, fence=0, progress=0, wanted=1))
    enqueue(tx, [(number, what)])


def enqueue(tx: Tx, lanes: list[tuple[int, str]]) -> None:
    """One waiting job for each of these lanes, where there is none yet and Procrastinate is here."""
    if not lanes or not has_jobs(tx):
        return
    numbers = [number for number, _ in lanes]
    priorities = [PRIORITY[what.partition(":")[0]] for _, what in lanes]
    tx.connection.exec_driver_sql(_ENQUEUE, (numbers, priorities))


def has_jobs(tx: Tx) -> bool:
    """Whether Procrastinate's tables are in this database."""
    return tx.connection.exec_driver_sql("SELECT to_regclass('procrastinate_jobs')").scalar() is not None


_ENQUEUE = f"""
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, queueing_lock, args)
SELECT '{QUEUE}', '{TASK}', p.priority, 'lane:' || p.id, jsonb_build_object('lane', p.id)
FROM unnest(%s::bigint[], %s::int[]) AS p(id, priority)
ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING
"""


def take(
    tx: Tx, number: int, holder: str, *, now: int, lease: int, is_dead: Callable[[str], bool] = lambda _: False
) -> Taken | None:
    """A lane that has work, leased to `holder` until `now + lease` (microseconds); None while it has none, is put off or
    is held. Waits for a transaction that is asking for it."""
    row: Any = tx.execute(sa.select(lane).where(lane.c.id == number).with_for_update()).one_or_none()
    if row is None or row.wanted <= row.progress or (row.not_before or 0) > now:
        return None
    if row.holder and (row.expires_at or 0) > now and not is_dead(row.holder):
        return None
    held = None
    if not row.what.startswith(DELIVER):
        held = Lane(row.id, row.fence + 1, None)
        values = {"fence": held.fence, "holder": holder, "expires_at": now + lease}
        tx.execute(sa.update(lane).where(lane.c.id == number).values(values))
    return Taken(row.id, row.company, row.what, row.wanted, held, row.fence)


def finish(tx: Tx, taken: Taken, *, now: int, answered: bool, not_before: int | None = None) -> bool:
    """Give a lane back: served until the request it was taken for, or put off. False when it was taken over meanwhile."""
    values: dict[str, Any] = {"last_served": now, "not_before": not_before}
    mine = lane.c.id == taken.id
    if taken.held is not None:
        mine &= lane.c.fence == taken.held.fence
        values |= {"holder": None, "expires_at": None}
    if answered:
        values["progress"] = sa.func.greatest(lane.c.progress, taken.request)
    changed = sa.update(lane).where(mine).values(values).returning(lane.c.wanted, lane.c.progress)
    row: Any = tx.execute(changed).one_or_none()
    if row is None:
        return False
    if row.wanted > row.progress and not_before is None:
        enqueue(tx, [(taken.id, taken.what)])
    return True


def due(tx: Tx, now: int, *, is_dead: Callable[[str], bool] = lambda _: False) -> list[tuple[int, str]]:
    """Lanes that have work and that nobody holds, the one that has waited longest first: (id, what)."""
    query = (
        sa.select(lane.c.id, lane.c.what, lane.c.holder, lane.c.expires_at)
        .where(lane.c.wanted > lane.c.progress, sa.func.coalesce(lane.c.not_before, 0) <= now)
        .order_by(lane.c.last_served.asc().nulls_first(), lane.c.id)
        .limit(LANES_A_SWEEP)
    )
    rows: list[Any] = list(tx.execute(query).all())
    return [(row.id, row.what) for row in rows if not row.holder or (row.expires_at or 0) <= now or is_dead(row.holder)]


def waiting(tx: Tx, company: int) -> list[tuple[int, str]]:
    """Lanes of a company that have work, put off or held or not: (id, what)."""
    query = sa.select(lane.c.id, lane.c.what).where(lane.c.company == company, lane.c.wanted > lane.c.progress)
    return [(row.id, row.what) for row in tx.execute(query).all()]


def drop_dead_jobs(tx: Tx) -> int:
    """Forget jobs whose worker is gone: they carry nothing, and their lanes are listed by `due`. Returns how many."""
    return tx.connection.exec_driver_sql(_DEAD, (TASK,)).rowcount if has_jobs(tx) else 0


_DEAD = """
DELETE FROM procrastinate_jobs WHERE task_name = %s AND (status IN ('succeeded', 'failed', 'cancelled', 'aborted')
    OR status = 'doing' AND NOT EXISTS (SELECT 1 FROM procrastinate_workers w WHERE w.id = procrastinate_jobs.worker_id
                                        AND w.last_heartbeat > now() - interval '60 seconds'))
"""
