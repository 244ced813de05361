"""One document, one call: claim it, send its stored bytes, and write down what came of it.

`sending` is committed before the first byte leaves, so a crash leaves either `pending` (surely not sent) or `sending`
(may have been). What the answer means:

    receipt that holds what was sent      posted
    Retryable, RateLimited, NeedsReauth   nothing was written: pending again, the lane stops
    Rejected                              rejected, or planned again on an open day when the period is closed
    anything else                         unknown: key replay or look-up before anything else
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from tieout.deliver import problems
from tieout.deliver.seal import key_of
from tieout.deliver.settings import SECOND, Delivery, Work
from tieout.errors import Ambiguous, NeedsReauth, RateLimited, Rejected, Retryable, TieoutError
from tieout.failpoints import failpoint
from tieout.model.journal import Receipt
from tieout.model.money import from_minor
from tieout.posting import reference
from tieout.posting.compare import differences, size
from tieout.store import outbox
from tieout.store.outbox import Lane
from tieout.store.tx import Tx


class FencedOff(Exception):  # noqa: N818  (not an error: another holder has the lane, this one stops)
    """Our lease was taken over; the result in hand is dropped, the new holder looks it up."""


class Sent(NamedTuple):
    """`state` the entry is in now; `error` what stopped it; `stop`: nothing more can be sent on this lane for now."""

    state: str
    error: TieoutError | None = None
    stop: bool = False


def send(work: Work, row: Any) -> Sent:
    """Send a pending entry, or an unknown one once more under its own key. Raises FencedOff.

    An entry that is no longer in the state it was read in is left alone."""
    store, delivery, held = work
    key = key_of(delivery, row.reference, row.generation, row.body)
    replay = row.state == outbox.UNKNOWN
    now = delivery.clock()
    failpoint("send: before claim")
    with store.write() as tx:
        deadline = now + delivery.deadline_seconds * SECOND
        ours = outbox.renew_lane(tx, held, until=now + delivery.lease)
        claimed = ours and outbox.claim(tx, held, row, key, now=now, deadline=deadline)
        current = outbox.one(tx, delivery.company, row.id).state
        failpoint("send: in claim")
    if not ours:
        raise FencedOff(row.reference)
    if not claimed:
        return Sent(current)
    failpoint("send: after claim")
    result = _call(delivery, row.body, key)
    failpoint("send: after call")
    with store.write() as tx:
        sent = _settle(tx, work, row, key, result, replay=replay)
        failpoint("send: in settle")
    failpoint("send: after settle")
    return sent


def _call(delivery: Delivery, body: bytes, key: str) -> Receipt | Exception:
    """The vendor's answer, or what was raised instead. Passing faults are retried here, briefly."""
    retrying = Retrying(
        retry=retry_if_exception_type(Retryable),
        stop=stop_after_attempt(delivery.retries_max),
        wait=wait_exponential(multiplier=0.5, max=5),
        sleep=delivery.sleep,
        reraise=True,
    )
    try:
        return retrying(delivery.ledger.deliver, body, key)
    except Exception as error:  # noqa: BLE001  (whatever a plugin raises after bytes may have left means: unknown)
        return error


def _settle(tx: Tx, work: Work, row: Any, key: str, result: Receipt | Exception, *, replay: bool) -> Sent:
    _, delivery, held = work
    now, n = delivery.clock(), row.attempts + 1
    if isinstance(result, Receipt):
        outbox.note(tx, row.id, n, key, at=now, outcome="receipt", detail=result.ledger_id)
        return accept(tx, work, row, result)
    detail = json.dumps(_words(result), sort_keys=True)
    if isinstance(result, (Retryable, RateLimited, NeedsReauth)):
        # refused before anything was written; a replay says nothing about the send before it
        state = outbox.UNKNOWN if replay else outbox.PENDING
        outbox.note(tx, row.id, n, key, at=now, outcome="not_sent", detail=detail)
        _move(tx, held, row, state, error=detail, not_before=_until(result))
        return Sent(state, result, stop=True)
    if isinstance(result, Rejected):
        twin = result.data.get("duplicate_of")
        if twin:  # a unique reference did its work: the document is there
            outbox.note(tx, row.id, n, key, at=now, outcome="duplicate", detail=detail)
            _move(tx, held, row, outbox.POSTED, ledger_id=str(twin), acknowledged_at=now, error=None)
            return Sent(outbox.POSTED)
        outbox.note(tx, row.id, n, key, at=now, outcome="rejected", detail=detail)
        # the first send of a replayed entry may have got in before the reason arose: look before believing
        state = outbox.UNKNOWN if replay else outbox.REJECTED
        _move(tx, held, row, state, error=detail)
        return Sent(state, result)
    outcome = "unknown" if isinstance(result, Ambiguous) else "error"
    outbox.note(tx, row.id, n, key, at=now, outcome=outcome, detail=detail)
    _move(tx, held, row, outbox.UNKNOWN, error=detail)
    error = result if isinstance(result, TieoutError) else None
    return Sent(outbox.UNKNOWN, error)


def accept(tx: Tx, work: Work, row: Any, receipt: Receipt, *, was: str = outbox.SENDING) -> Sent:
    """An entry the ledger says it holds: posted if it holds what was sent, else parked with the differences."""
    _, delivery, held = work
    now = delivery.clock()
    document = reference.parse(row.document)
    wrong = differences(document, receipt.day, receipt.lines)
    if receipt.reference != row.reference:
        wrong.insert(0, f"reference {receipt.reference or 'none'} instead of {row.reference}")
    body = reference.encode(receipt)
    state = outbox.PARKED if wrong else outbox.POSTED
    _move(tx, held, row, state, was=was, ledger_id=receipt.ledger_id, acknowledged_at=now, error=None)
    outbox.acknowledge(tx, row.id, at=now, ledger_id=receipt.ledger_id, revision=receipt.revision, body=body.decode())
    if not wrong:
        problems.close(tx, delivery.company, row, "delivered")
        return Sent(state)
    problem = TieoutError(
        f"{row.reference}: the ledger holds {'; '.join(wrong)}",
        code="TO6112",
        where=receipt.ledger_id,
        amount=from_minor(size(document), document.currency),
        fix="compare the document in the ledger, correct it there, then mark the entry as posted",
    )
    problems.raise_for(tx, delivery.company, row, problem)
    return Sent(state, problem)


def _move(tx: Tx, held: Lane, row: Any, state: str, *, was: str = outbox.SENDING, **values: Any) -> None:
    if not outbox.settle(tx, held, row, state, was=was, **values):
        raise FencedOff(row.reference)


def _until(error: TieoutError) -> int | None:
    return int(error.until * SECOND) if isinstance(error, RateLimited) else None


def _words(error: Exception) -> dict[str, Any]:
    if isinstance(error, TieoutError):
        return {name: value for name, value in error.as_dict().items() if name != "data"}
    return {"code": "TO6113", "message": f"{type(error).__name__}: {error}"}
