"""Where a stream stands: its cursor, watermark, what holds it, and the complete sweep it is in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from tieout.store.acts import now_micros, record_act, to_json
from tieout.store.schema import cursor as cursor_table
from tieout.store.schema import event, record, seen, superseded
from tieout.store.tx import Tx

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Position(msgspec.Struct):
    """A stream's row. `held`: why nothing is pulled (`message`, `mapping`, `at`); `sweep`: a sweep in progress (`began`);
    `shown`: what the mapped fields looked like so far (`pull.shown`)."""

    cursor: str | None = None
    watermark: int | None = None
    pulled_at: int | None = None
    held: dict[str, Any] | None = None
    sweep: dict[str, Any] | None = None
    shown: dict[str, Any] | None = None


def micros(moment: datetime) -> int:
    """UTC microseconds since 1970 of an aware time."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def load(tx: Tx, company: int, source: int) -> Position:
    """Where a stream stands; an empty position for one never pulled."""
    c = cursor_table.c
    query = sa.select(c.cursor, c.watermark, c.pulled_at, c.held, c.sweep, c.shown)
    row = tx.connection.execute(query.where(c.company == company, c.source == source)).one_or_none()
    if row is None:
        return Position()
    held, sweep, shown = (json.loads(text) if text else None for text in row[3:])
    return Position(row[0], row[1], row[2], held, sweep, shown)


def save(tx: Tx, company: int, source: int, position: Position) -> None:
    """Store a stream's position."""
    c = cursor_table.c
    values = {
        "cursor": position.cursor,
        "watermark": position.watermark,
        "pulled_at": position.pulled_at,
        "held": to_json(position.held) if position.held else None,
        "sweep": to_json(position.sweep) if position.sweep else None,
        "shown": to_json(position.shown) if position.shown else None,
    }
    where = (c.company == company) & (c.source == source)
    if not tx.execute(sa.update(cursor_table).where(where).values(**values)).rowcount:
        tx.execute(sa.insert(cursor_table).values(company=company, source=source, **values))


def reset(tx: Tx, company: int, source: int, actor: str, reason: str) -> None:
    """Forget the cursor, so that the next pull begins again; duplicates are dropped. An act."""
    position = load(tx, company, source)
    record_act(tx, company, actor, "cursor.reset", str(source), {"cursor": position.cursor, "reason": reason})
    position.cursor = None
    save(tx, company, source, position)


def release(tx: Tx, company: int, source: int, actor: str, reason: str) -> None:
    """Let a held stream go on with the mapping as it is. An act."""
    position = load(tx, company, source)
    record_act(tx, company, actor, "stream.release", str(source), {"held": position.held, "reason": reason})
    for field in (position.held or {}).get("fields", ()):
        if position.shown is not None:  # from now on this field may look either way
            position.shown["types"].pop(field["path"], None)
            position.shown["free"] = sorted({*position.shown["free"], field["path"]})
    position.held = None
    save(tx, company, source, position)


# ── complete sweeps ────────────────────────────────────────────────────────────────────────────────────────────────
def begin_sweep(tx: Tx, source: int, position: Position) -> None:
    """A new sweep; one that never ended is forgotten."""
    tx.execute(sa.delete(seen).where(seen.c.source == source))
    position.sweep = {"began": now_micros()}


def note_seen(tx: Tx, source: int, keys: Iterable[bytes]) -> None:
    """These records were listed by the sweep in progress."""
    wanted = set(keys)
    there = {row[0] for row in tx.select_keys(seen, ("key",), "key", wanted, source=source)}
    tx.insert(seen, ("source", "key"), [(source, key) for key in sorted(wanted - there)])


def end_sweep(tx: Tx, source: int, position: Position) -> tuple[int, list[tuple[bytes, int, str]]]:
    """How many keys the sweep listed, and (key, landings so far, last revision) of live records it did not list."""
    listed = tx.connection.scalar(sa.select(sa.func.count()).where(seen.c.source == source)) or 0
    newest = (
        sa.select(record.c.key, sa.func.max(record.c.n).label("n"))
        .where(record.c.source == source)
        .group_by(record.c.key)
        .subquery()
    )
    gone = (
        sa.select(record.c.key, record.c.n, record.c.revision)
        .join(newest, (newest.c.key == record.c.key) & (newest.c.n == record.c.n))
        .outerjoin(seen, (seen.c.source == record.c.source) & (seen.c.key == record.c.key))
        .where(record.c.source == source, record.c.state != 4, seen.c.key.is_(None))
        .order_by(record.c.id)
    )
    rows = [(key, n + 1, revision) for key, n, revision in tx.connection.execute(gone)]
    tx.execute(sa.delete(seen).where(seen.c.source == source))
    position.sweep = None
    return listed, rows


def standing_events(tx: Tx, source: int, keys: Iterable[bytes]) -> tuple[list[int], list[int]]:
    """(record rows, current event rows) of record keys."""
    rows = [row[0] for row in tx.select_keys(record, ("id",), "key", keys, source=source)]
    events = [row[0] for row in tx.select_keys(event, ("id",), "record", rows)]
    gone = {row[0] for row in tx.select_keys(superseded, ("event",), "event", events)}
    return rows, sorted(set(events) - gone)
