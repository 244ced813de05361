"""Streams that somebody asked to pull now, and the deliveries that asked. Kept among the facts of the database: a few rows.

A stream has one row however often it is asked for, so a flood is one wake-up. The row stays until a pull that began after
it has ended: what dies in between is asked for again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa

from tieout.store.schema import meta
from tieout.store.tx import Tx

TAKEN_FOR_MAX = 15 * 60_000_000  # microseconds; whoever took a wake-up longer ago is taken for dead


class Wake(NamedTuple):
    """A stream to pull (`connection` is the immutable id; an empty `stream` is all of it), asked for at `at`."""

    connection: str
    stream: str
    at: int


def _key(company: int, wake: str) -> str:
    return f"wake:{company}:{wake}"


def fresh(tx: Tx, company: int, ids: Iterable[str], *, now: int) -> list[str]:
    """Which of these deliveries were never here, noted as seen now."""
    keys = {f"hook:{company}:{each}": each for each in dict.fromkeys(ids)}
    there = set(tx.execute(sa.select(meta.c.key).where(meta.c.key.in_(list(keys)))).scalars())
    new = [key for key in keys if key not in there]
    if new:
        tx.execute(sa.insert(meta), [{"key": key, "value": str(now)} for key in new])
    return [keys[key] for key in new]


def forget(tx: Tx, company: int, before: int) -> int:
    """Deliveries seen before an instant are forgotten. Returns how many."""
    mine = meta.c.key.like(f"hook:{company}:%")
    old = [row.key for row in tx.execute(sa.select(meta).where(mine)) if int(row.value) < before]
    for start in range(0, len(old), 500):
        tx.execute(sa.delete(meta).where(meta.c.key.in_(old[start : start + 500])))
    return len(old)


def ask(tx: Tx, company: int, connection: str, stream: str, *, now: int) -> None:
    """Have a stream pulled soon."""
    key = _key(company, f"{connection}/{stream}")
    row = tx.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()
    taken = json.loads(row)["taken"] if row is not None else 0
    tx.execute(sa.delete(meta).where(meta.c.key == key))
    tx.execute(sa.insert(meta).values(key=key, value=json.dumps({"at": now, "taken": taken})))


def waiting(tx: Tx, company: int) -> bool:
    """Whether there is any wake-up at all."""
    return (
        tx.execute(sa.select(meta.c.key).where(meta.c.key.like(f"{_key(company, '')}%")).limit(1)).first() is not None
    )


def take(tx: Tx, company: int, *, now: int) -> list[Wake]:
    """Wake-ups that nobody has in hand, now in ours."""
    out = []
    prefix = _key(company, "")
    for row in tx.execute(sa.select(meta).where(meta.c.key.like(f"{prefix}%"))).all():
        known = json.loads(row.value)
        if known["taken"] and now - known["taken"] < TAKEN_FOR_MAX:
            continue
        value = json.dumps({"at": known["at"], "taken": now})
        tx.execute(sa.update(meta).where(meta.c.key == row.key).values(value=value))
        connection, _, stream = row.key.removeprefix(prefix).partition("/")
        out.append(Wake(connection, stream, known["at"]))
    return out


def done(tx: Tx, company: int, wake: Wake) -> None:
    """A pull for it has ended. Asked for again meanwhile, it stays to be taken."""
    key = _key(company, f"{wake.connection}/{wake.stream}")
    row = tx.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()
    if row is None:
        return
    known = json.loads(row)
    if known["at"] == wake.at:
        tx.execute(sa.delete(meta).where(meta.c.key == key))
    else:
        value = json.dumps({"at": known["at"], "taken": 0})
        tx.execute(sa.update(meta).where(meta.c.key == key).values(value=value))
