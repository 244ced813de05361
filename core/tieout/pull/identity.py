"""Who a record is: its key, its revision's place in order, the hash of its content. Equal on every machine.

    key      16 bytes: 6 that ascend with the vendor's numbers, 10 of SHA-256 over source, transaction and line
    content  16 bytes of SHA-256 over the canonical record

The first six bytes are only for locality: neighbouring documents lie on neighbouring pages of the index, so a batch
touches a few of them and not all. What tells records apart is the hash: 80 bits beside the number, which at a thousand
million records of one stream leaves a chance of a collision below one in a million.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from operator import itemgetter
from typing import Any

from tieout.connector import Stream
from tieout.mapping.identity import HASH_BYTES, NUMBER_BYTES, numbers_in, transaction_text
from tieout.mapping.paths import parse_path
from tieout.pull.canonical import encode_value

_NUMERIC = re.compile(r"[+-]?\d+(\.\d+)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")

RecordId = tuple[str, str]
RevisionOrder = tuple[int, Any]


class Identity:
    """Reads key, revision and content of a stream's records. `line_key` is the path of the line id, if records are lines."""

    def __init__(self, source: str, stream: Stream) -> None:
        self.source = source
        self.revised = stream.revision is not None
        self._prefix = f"{source}\x1f"
        self._key = [parse_path(path) for path in stream.key]
        self._line = parse_path(stream.line_key) if stream.line_key else None
        self._revision = parse_path(stream.revision) if stream.revision else None

    def ids(self, records: Sequence[Mapping[str, Any]]) -> list[RecordId | None]:
        """(transaction id, line id or empty) of each record; None where it has none, which is no identity."""
        columns = [path.column(records) for path in self._key]
        if len(columns) == 1 and self._line is None and all(type(value) is str and value for value in columns[0]):
            return [(value, "") for value in columns[0]]
        lines = self._line.column(records) if self._line else None
        parts = zip(*columns, strict=True)
        if lines is None:
            return [_id(part, None) for part in parts]
        return [_id(part, (line,)) for part, line in zip(parts, lines, strict=True)]

    def keys(self, ids: Sequence[RecordId]) -> list[bytes]:
        """Record keys."""
        prefix = self._prefix
        return [
            number.to_bytes(NUMBER_BYTES, "big")
            + sha256(f"{prefix}{len(transaction)}\x1f{transaction}\x1f{line}".encode()).digest()[:HASH_BYTES]
            for number, (transaction, line) in zip(numbers_in([one for one, _ in ids]), ids, strict=True)
        ]

    def nameless(self, content: bytes) -> bytes:
        """The key of a record without an id: its content, so that a second delivery is a duplicate."""
        return bytes(NUMBER_BYTES) + sha256(self._prefix.encode() + b"?" + content).digest()[:HASH_BYTES]

    def revisions(self, records: Sequence[Mapping[str, Any]]) -> list[str]:
        """Revision texts, empty where there is none."""
        if self._revision is None:
            return [""] * len(records)
        return ["" if value is None else str(value) for value in self._revision.column(records)]


def contents(records: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """Content hashes: over a record's names in order and its values in that order, so that its own order says nothing."""
    out: list[bytes] = []
    shapes: dict[tuple[str, ...], tuple[bytes, Callable[[Any], Any]]] = {}
    for record in records:
        names = tuple(record)
        shape = shapes.get(names)
        if shape is None:
            ordered = sorted(names)
            values_of = itemgetter(*ordered) if ordered else tuple
            shape = shapes[names] = encode_value(ordered), values_of
        out.append(sha256(shape[0] + encode_value(shape[1](record))).digest()[:16])
    return out


def _id(parts: Sequence[Any], line: Sequence[Any] | None) -> RecordId | None:
    try:
        return transaction_text(parts), transaction_text(line) if line is not None else ""
    except ValueError:
        return None


def revision_order(text: str) -> RevisionOrder:
    """A sort key for revisions: none, then numbers by value, then ISO times as instants, then other text."""
    if not text:
        return (0, 0)
    if _NUMERIC.fullmatch(text):
        return (1, Decimal(text))
    if _TIME.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return (3, text)
        return (2, moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)
    return (3, text)
