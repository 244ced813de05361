"""Batches: one row per landing transaction, chained, with a digest over everything that landed in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from tieout.audit import chain
from tieout.model.event import EventLine
from tieout.store.acts import last_hash
from tieout.store.lanes import BOOKS, wake
from tieout.store.schema import batch
from tieout.store.tx import Row, Tx

_encode_lines = msgspec.msgpack.Encoder(order="deterministic").encode


def digest(
    pages: Iterable[bytes],
    records: Sequence[tuple[bytes, bytes, int]],
    lines: Sequence[EventLine],
    voids: Sequence[tuple[int, int]],
) -> bytes:
    """SHA-256 over page hashes, records (their keys, contents, states), event lines and supersessions (event row, why), in order.

    Lines are hashed as text and integers, not as interned numbers, so a renamed name shows too.
    """
    h = hashlib.sha256()
    for part in pages:
        h.update(part)
    keys, hashes, states = zip(*records, strict=True) if records else ((), (), ())
    h.update(b"".join(keys) + b"".join(hashes) + bytes(states))
    h.update(_encode_lines(lines))
    h.update(_encode_lines(voids))
    return h.digest()


def write_batch(tx: Tx, values: dict[str, Any]) -> None:
    """Insert a batch row, linked to the company's last one. `values` has every column but the hashes."""
    previous = last_hash(tx, batch, values["company"])
    tx.execute(sa.insert(batch).values(**values, prev_hash=previous, hash=chain.link(previous, values)))
    wake(tx, values["company"], BOOKS)


def head(tx: Tx, company: int) -> Row | None:
    """(id, hash) of a company's last batch."""
    query = sa.select(batch.c.id, batch.c.hash).where(batch.c.company == company).order_by(batch.c.id.desc()).limit(1)
    row = tx.execute(query).one_or_none()
    return tuple(row) if row else None
