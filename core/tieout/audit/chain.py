"""The hash chain: each row's hash covers the row before it, so a changed, removed or inserted row shows.

    h(n) = sha256(h(n-1) || canonical(row n))        h(0) = 32 zero bytes, one chain per company and table

Pure: rows come in as values. The canonical form of a row is JSON with sorted keys, no spaces, bytes as hex; anybody can
recompute it from an export with ten lines of any language.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

START = bytes(32)


class Break(NamedTuple):
    """Where a chain does not hold: the row's id and what is wrong."""

    row: int
    what: str


def canonical(row: Mapping[str, Any]) -> bytes:
    """The bytes a row is hashed as. Values are text, integers, None and bytes (as hex); `hash` and `prev_hash` stay out."""
    plain = {
        key: value.hex() if isinstance(value, bytes) else value
        for key, value in row.items()
        if key not in ("hash", "prev_hash")
    }
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def link(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """The hash of a row that follows the row with hash `previous`."""
    return hashlib.sha256(previous + canonical(row)).digest()


def verify(rows: Iterable[Mapping[str, Any]], previous: bytes = START) -> list[Break]:
    """Every place where a chain breaks, oldest first. `rows` in order, each with `id`, `prev_hash` and `hash`."""
    broken = []
    for row in rows:
        if row["prev_hash"] != previous:
            broken.append(Break(row["id"], "does not follow the row before it: a row is missing or was inserted"))
        if link(row["prev_hash"], row) != row["hash"]:
            broken.append(Break(row["id"], "does not match its hash: it was changed"))
        previous = row["hash"]
    return broken
