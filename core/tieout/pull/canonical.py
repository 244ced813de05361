"""Canonical bytes of a record: what content hashes are taken over, and how a record without bytes of its own is stored.

JSON with sorted keys; decimals stay numbers with the digits they came with, so that reading back gives equal values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

_encode = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def encode_value(value: Any) -> bytes:
    """Canonical JSON of any value of a record."""
    return _encode(value)


def encode_records(records: Sequence[Mapping[str, Any]]) -> bytes:
    """A page body of codec `json`: an array of records."""
    return _encode(list(records))


def decode_records(body: bytes) -> list[Mapping[str, Any]]:
    """The records of a body of codec `json`: an array, or one object that is the record. Decimals are kept."""
    data = _decode(body)
    if isinstance(data, list):
        return data
    return [data]


def decode_record(text: str | bytes) -> dict[str, Any]:
    """One record from its canonical text."""
    record: dict[str, Any] = _decode(text)
    return record
