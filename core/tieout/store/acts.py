"""Who did what: one append-only, hash-chained row for every act of a person or a run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from tieout.audit import chain
from tieout.store.schema import act
from tieout.store.tx import Tx


def now_micros() -> int:
    """UTC microseconds since 1970."""
    return time.time_ns() // 1_000


def to_json(data: Any) -> str:
    """Canonical JSON text: sorted keys, no spaces."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def last_hash(tx: Tx, table: sa.Table, company: int) -> bytes:
    """The head of a company's chain in `table`."""
    query = sa.select(table.c.hash).where(table.c.company == company).order_by(table.c.id.desc()).limit(1)
    head: bytes | None = tx.connection.scalar(query)
    return head or chain.START


def record_act(
    tx: Tx,
    company: int,
    actor: str,
    what: str,
    subject: str,
    data: Mapping[str, Any] | None = None,
    *,
    at: int | None = None,
) -> int:
    """Write down an act and return its number. `what` is like `exception.ignore`; `subject` is what it was done to."""
    if not actor:
        raise ValueError("actor: every act names who did it")
    row: dict[str, Any] = {
        "id": tx.allocate(act, 1)[0],
        "company": company,
        "at": now_micros() if at is None else at,
        "actor": actor,
        "what": what,
        "subject": subject,
        "data": to_json(data or {}),
    }
    previous = last_hash(tx, act, company)
    tx.execute(sa.insert(act).values(**row, prev_hash=previous, hash=chain.link(previous, row)))
    number: int = row["id"]
    return number


def acts(tx: Tx, company: int, *, subject: str | None = None, what: str | None = None) -> Iterator[dict[str, Any]]:
    """Acts in order, oldest first; `what` may be a prefix such as `exception.`."""
    query = sa.select(act).where(act.c.company == company).order_by(act.c.id)
    if subject is not None:
        query = query.where(act.c.subject == subject)
    if what is not None:
        query = query.where(act.c.what.startswith(what, autoescape=True))
    for row in tx.execute(query).mappings():
        yield {**row, "data": json.loads(row["data"])}
