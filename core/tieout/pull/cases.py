"""The exceptions of the pull stage, in words: what waits or was refused, how much money it holds up, what to do."""

from __future__ import annotations

from typing import Any

from tieout.mapping import Failed
from tieout.pull.canonical import encode_value
from tieout.pull.dedup import Record
from tieout.pull.resolve import Held
from tieout.store.exceptions import NewException

RECORD_TEXT_MAX = 65_536


def held_exception(source: str, held: Held, one: Record) -> NewException:
    """The exception of an event that waits."""
    return NewException(
        stage="resolve",
        code=held.code,
        subject=f"{source} {_named(one)} {held.event_id}",
        message=held.message,
        fix=held.fix,
        amount=held.amount,
        record=one.row,
        data={
            "unknown": held.unknown,
            "event_id": held.event_id,
            "movements": held.movements,
            **_evidence(source, one),
        },
    )


def failed_exception(source: str, key: str, one: Record, why: Failed | None) -> NewException:
    """The exception of a refused record: by the mapping, by the connector, or for want of an identity (`key` paths)."""
    if why is not None:
        stage, code, amount = "map", why.code, why.amount
        message, fix = f"{why.field}: {why.reason}", f"mend the mapping of {source}, or the record at its source"
    elif "$error" in one.body:
        error = one.body["$error"]
        stage, code, amount = "pull", str(error.get("code", "TO3151")), None
        message, fix = str(error.get("message", "unreadable record")), str(error.get("fix", ""))
    else:
        stage, code, amount = "pull", "TO3150", None
        message = f"no identity: {key} is empty or no id"
        fix = f"mend `key` of stream {source}, or the record at its source"
    subject = f"{source} {_named(one)}"
    data = _evidence(source, one)
    return NewException(
        stage=stage, code=code, subject=subject, message=message, fix=fix, amount=amount, record=one.row, data=data
    )


def _named(one: Record) -> str:
    if one.id is None:
        return f"?{one.content.hex()}"
    transaction, line = one.id
    return f"{transaction}#{line}" if line else str(transaction)


def _evidence(source: str, one: Record) -> dict[str, Any]:
    text = encode_value(one.body).decode()
    return {"source": source, "id": one.id, "record": text if len(text) <= RECORD_TEXT_MAX else None}
