"""Who an event is and what it says: 16 bytes made of canonical text, the same for every arrival order and machine.

`event_key` is 6 bytes that ascend with the vendor's numbers, then 10 of a hash over company id, connection id (immutable,
not its name), stream, the vendor's transaction id, line id or empty, event type and role within the mapping. The first six
are for locality only: neighbouring documents lie on neighbouring pages of an index, so a batch touches a few of them and
not all. What tells events apart is the hash: 80 bits beside the number, which at a thousand million events leaves a chance
of a collision below one in a million. `content_key` hashes what the line says.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from tieout.mapping.conversions import text_of
from tieout.mapping.paths import Path
from tieout.model.event import EventLine

KEY_BYTES: Final = 16
NUMBER_BYTES: Final = 6
HASH_BYTES: Final = KEY_BYTES - NUMBER_BYTES
_DIGITS_MAX: Final = 14  # all numbers of 14 digits are below 2 ** 48
_EDGES: Final = string.ascii_letters + "-_/#: "
_OTHERS: Final = re.compile(r"[^0-9]+")
_PART: Final = "\x1f"  # parts are kept apart by a sign that ids of ours never hold
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def key_prefix(company: str, connection: str, stream: str, event_type: str, role: str = "") -> str:
    """The part of an event key that is the same for every event of one block; ValueError for ids with control signs."""
    parts = (company, connection, stream, event_type, role)
    if any(_PART in part for part in parts):
        raise ValueError("identity: company, connection, stream, type and role hold no control signs")
    return _PART.join(parts) + _PART


def event_key(
    *,
    company: str,
    connection: str,
    stream: str,
    transaction: str,
    line: str,
    event_type: str,
    role: str = "",
) -> str:
    """The identity of an event as 32 hex digits. `line` and `role` are empty where there is none."""
    return key_columns(key_prefix(company, connection, stream, event_type, role), [transaction], [line])[0]


def key_columns(prefix: str, transactions: Sequence[str], lines: Sequence[str]) -> list[str]:
    """`event_key` of many events at once. The length of the transaction id keeps it apart from the line id."""
    return [
        f"{number:012x}"
        + blake2b(
            f"{prefix}{len(transaction)}{_PART}{transaction}{_PART}{line}".encode(), digest_size=HASH_BYTES
        ).hexdigest()
        for number, transaction, line in zip(numbers_in(transactions), transactions, lines, strict=True)
    ]


def numbers_in(texts: Sequence[str]) -> list[int]:
    """The number in each text, below 2 ** 48; 0 where there is none. `S-1000` has 1000, `A-7/3` has 73."""
    return [
        int(digits)
        if (digits := text.strip(_EDGES)).isdecimal() and digits.isascii() and len(digits) <= _DIGITS_MAX
        else _number_in(text)
        for text in texts
    ]


def _number_in(text: str) -> int:
    digits = _OTHERS.sub("", text)
    return int(digits[-_DIGITS_MAX:]) if digits else 0


def content_key(line: EventLine) -> bytes:
    """16 bytes over everything an event line says, in canonical form; the store's own row number is no part of it."""
    if line.row:
        line = msgspec.structs.replace(line, row=0)
    return blake2b(_ENCODER.encode(line), digest_size=KEY_BYTES).digest()


def transaction_text(parts: Sequence[Any]) -> str:
    """The vendor's transaction id of one or several key values: `A`, or `A/1` with `/` and `%` inside a part escaped.

    ValueError when a part is empty or no text or whole number: such a record has no identity.
    """
    texts = [text_of(part) if part is not None else "" for part in parts]
    if not all(texts):
        raise ValueError("a key field is empty")
    if len(texts) == 1:
        return texts[0]
    return "/".join(map(_escaped, texts))


def transaction_column(columns: Sequence[Sequence[str]]) -> list[str]:
    """`transaction_text` of many records at once, from their key columns as texts without gaps."""
    if len(columns) == 1:
        return list(columns[0])
    clean = [column if _is_clean("".join(column)) else list(map(_escaped, column)) for column in columns]
    return list(map("/".join, zip(*clean, strict=True)))


def _is_clean(text: str) -> bool:
    return "/" not in text and "%" not in text


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")


def transactions_of(records: Sequence[Any], key: Sequence[Path]) -> list[str]:
    """The transaction id of every record of a page; ValueError for the first record that has none."""
    columns = [path.column(records) for path in key]
    return [transaction_text(parts) for parts in zip(*columns, strict=True)]
