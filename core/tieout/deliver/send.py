"""A group of documents: claim them, send their stored bytes, and write down what came of each.

`sending` is committed for the whole group before its first byte leaves, so a crash leaves either `pending` (surely not
sent) or `sending` (may have been). No two of a group depend on each other, and the first call that leaves anything in
doubt ends the group: those not begun are as they were before. What an answer means:

    receipt that holds what was sent      posted
    Retryable, RateLimited, NeedsReauth   nothing was written: pending again, the lane stops
    Rejected                              rejected, or planned again on an open day when the period is closed
    anything else                         unknown: key replay or look-up before anything else
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tieout.deliver import problems
from tieout.deliver.calls import OWN_ERROR, Outcome, calls_of, make_calls
from tieout.deliver.settings import SECOND, Work
from tieout.errors import Ambiguous, NeedsReauth, RateLimited, Rejected, Retryable, TieoutError
from tieout.failpoints import failpoint
from tieout.model.journal import Receipt
from tieout.model.money import from_minor
from tieout.posting import reference
from tieout.posting.compare import size
from tieout.store import outbox
from tieout.store.outbox import Lane, Step
from tieout.store.tx import Tx


class FencedOff(Exception):  # noqa: N818  (not an error: another holder has the lane, this one stops)
    """Our lease was taken over; the result in hand is dropped, the new holder looks it up."""


class Sent(NamedTuple):
    """`state` the entry is in now; `error` what stopped it; `stop`: nothing more can be sent on this lane for now;
    `begun` False: the group ended before it, it is as it was."""

    state: str
    error: TieoutError | None = None
    stop: bool = False
    begun: bool = True


def send(work: Work, rows: Sequence[Any]) -> dict[int, Sent]:
    """Send pending entries that do not depend on each other, or an unknown one (with all that left in one call with it)
    once more under its key.

    Returns entry id → what came of it. An entry that is no longer in the state it was read in is left alone; so is what
    comes after a call that stops the group, or after half the lease. Raises FencedOff."""
    store, delivery, held = work
    calls = calls_of(delivery, rows)
    keys = {number: key for call in calls for number, key in call.keys.items()}
    now = delivery.clock()
    until = now + delivery.send_for
    failpoint("send: before claim")
    with store.write() as tx:
        ours = outbox.renew_lane(tx, held, until=now + delivery.lease)
        deadline = until + delivery.deadline_seconds * SECOND
        others = outbox.claim(tx, held, rows, keys, now=now, deadline=deadline) if ours else {}
        failpoint("send: in claim")
    if not ours:
        raise FencedOff(rows[0].reference)
    failpoint("send: after claim")
    outcomes = make_calls(delivery, calls, others, until)
    with store.write() as tx:
        if not outbox.renew_lane(tx, held, until=delivery.clock() + delivery.lease):
            raise FencedOff(rows[0].reference)
        sent = _settle(tx, work, outcomes, keys)
        failpoint("send: in settle")
    failpoint("send: after settle")
    return {**{number: Sent(state) for number, state in others.items()}, **sent}


def _settle(tx: Tx, work: Work, outcomes: Sequence[Outcome], keys: Mapping[int, str]) -> dict[int, Sent]:
    _, delivery, held = work
    now = delivery.clock()
    unbegun = [outcome.row for outcome in outcomes if outcome.result is None]
    outbox.unclaim(tx, held, unbegun, keys, now=now)
    received = [outcome for outcome in outcomes if isinstance(outcome.result, Receipt)]
    steps = [
        Step(row.id, row.attempts + 1, keys[row.id], now, "receipt", result.ledger_id)
        for row, _, result, _ in received
        if isinstance(result, Receipt)
    ]
    outbox.note(tx, steps)
    sent = {row.id: Sent(row.state, begun=False) for row in unbegun}
    sent.update(accept(tx, work, received))
    for outcome in outcomes:
        if isinstance(outcome.result, Exception):
            sent[outcome.row.id] = _settle_error(tx, work, outcome, outcome.result, keys[outcome.row.id])
    return sent


def _settle_error(tx: Tx, work: Work, outcome: Outcome, result: Exception, key: str) -> Sent:
    _, delivery, held = work
    row = outcome.row
    replay = row.state == outbox.UNKNOWN
    # the call is over, so its own wall counts from here, not the group's
    values: dict[str, Any] = {"deadline": outcome.started + delivery.deadline_seconds * SECOND}
    values["error"] = json.dumps(_words(result), sort_keys=True)
    if isinstance(result, (Retryable, RateLimited, NeedsReauth)):
        # refused before anything was written; a replay says nothing about the send before it
        told = "not_sent"
        values["not_before"] = _until(result)
        sent = Sent(outbox.UNKNOWN if replay else outbox.PENDING, result, stop=True)
    elif isinstance(result, Rejected) and (twin := result.data.get("duplicate_of")):
        # a unique reference did its work: the document is there
        told = "duplicate"
        values.update(ledger_id=str(twin), acknowledged_at=delivery.clock(), error=None)
        sent = Sent(outbox.POSTED)
    elif isinstance(result, Rejected):
        told = "rejected"
        # the first send of a replayed entry may have got in before the reason arose: look before believing
        sent = Sent(outbox.UNKNOWN if replay else outbox.REJECTED, result)
    else:
        told = "unknown" if isinstance(result, Ambiguous) else "error"
        sent = Sent(outbox.UNKNOWN, result if isinstance(result, TieoutError) else None)
    step = Step(row.id, row.attempts + 1, key, delivery.clock(), told, json.dumps(_words(result), sort_keys=True))
    outbox.note(tx, [step])
    _move(tx, held, row, sent.state, **values)
    return sent


def accept(tx: Tx, work: Work, received: Sequence[Outcome], *, was: str = outbox.SENDING) -> dict[int, Sent]:
    """Entries the ledger says it holds: posted where it holds what was sent, else parked with the differences."""
    _, delivery, held = work
    now = delivery.clock()
    receipts = [(outcome, outcome.result) for outcome in received if isinstance(outcome.result, Receipt)]
    said = [
        (outcome.row.id, each.ledger_id, each.revision, reference.encode(each).decode()) for outcome, each in receipts
    ]
    outbox.acknowledge(tx, said, at=now)
    good = {outcome.row.id: each.ledger_id for outcome, each in receipts if not outcome.wrong}
    if not outbox.settle_posted(tx, held, good, was=was, now=now):
        raise FencedOff(delivery.lane)
    problems.close_all(tx, delivery.company, good, "delivered")
    sent = {number: Sent(outbox.POSTED) for number in good}
    for outcome, each in receipts:
        if outcome.wrong:
            row = outcome.row
            _move(tx, held, row, outbox.PARKED, was=was, ledger_id=each.ledger_id, acknowledged_at=now, error=None)
            document = reference.parse(row.document)
            problem = TieoutError(
                f"{row.reference}: the ledger holds {'; '.join(outcome.wrong)}",
                code="TO6112",
                where=each.ledger_id,
                amount=from_minor(size(document), document.currency),
                fix=f"correct it in the ledger, then: tieout entries decide {row.id} --posted-as {each.ledger_id}",
            )
            problems.raise_for(tx, delivery.company, row, problem)
            sent[row.id] = Sent(outbox.PARKED, problem)
    return sent


def _move(tx: Tx, held: Lane, row: Any, state: str, *, was: str = outbox.SENDING, **values: Any) -> None:
    if not outbox.settle(tx, held, row, state, was=was, **values):
        raise FencedOff(row.reference)


def _until(error: TieoutError) -> int | None:
    return int(error.until * SECOND) if isinstance(error, RateLimited) else None


def _words(error: Exception) -> dict[str, Any]:
    if isinstance(error, TieoutError):
        return {name: value for name, value in error.as_dict().items() if name != "data"}
    return {"code": OWN_ERROR, "message": f"{type(error).__name__}: {error}"}
