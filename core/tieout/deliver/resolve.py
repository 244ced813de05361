"""What became of a document whose outcome is unknown: by key, by look-up, or by a person (reliability: rules 2, 5, 7).

key still good        send the same bytes under the same key: the ledger answers as it did the first time
unique reference      send them again: the ledger refuses a twin and names it
look-up               found: posted. Not found before the quiet time is over: wait. After: absent, a new generation
none of these         parked
"""

from __future__ import annotations

from typing import Any

from tieout.deliver import problems
from tieout.deliver.calls import Outcome, same_call, wrong
from tieout.deliver.seal import key_of
from tieout.deliver.send import FencedOff, Sent, accept, send
from tieout.deliver.settings import SECOND, Delivery, Work
from tieout.errors import Rejected, TieoutError, VendorError
from tieout.failpoints import failpoint
from tieout.store import outbox

KEY_LIFE_PERCENT = 80  # a key older than this share of its life is not relied on


def resolve(work: Work, row: Any, *, again: bool = True) -> Sent:
    """Settle one unknown entry, or leave it unknown (`stop` set while the whole lane must wait for it).

    Others of its call may be settled with it. `again` False: that call was just made once more, only look."""
    store, delivery, _ = work
    with store.read() as rx:
        row = outbox.one(rx, delivery.company, row.id)
        if row.state != outbox.UNKNOWN:
            return Sent(row.state)
        unknown = (
            outbox.entries(rx, delivery.company, delivery.connection, [outbox.UNKNOWN]) if delivery.batch > 1 else []
        )
        failed = outbox.attempts_failed(rx, row.id)
        sends = outbox.sends(rx, row.id, row.key or "")
    if failed >= delivery.errors_max:
        return park(work, row, "TO6113", f"{failed} unexpected errors stopped it")
    known = delivery.capabilities.idempotency
    sent = Sent(outbox.UNKNOWN)
    rows = same_call(delivery, row, unknown) if again and _key_is_good(delivery, row, sends) else []
    if not rows and known.unique_reference:
        rows = [row]
    repeatable = bool(rows)
    if sends < delivery.sends_per_key_max and repeatable:
        sent = send(work, rows)[row.id]
        if sent.state != outbox.UNKNOWN or sent.stop:
            return sent
        with store.read() as rx:
            row = outbox.one(rx, delivery.company, row.id)
    if known.lookup != "none":
        return _look_up(work, row)
    if sends < delivery.sends_per_key_max and repeatable and not isinstance(sent.error, Rejected):
        return Sent(outbox.UNKNOWN, sent.error, stop=True)
    return park(work, row, "TO6111", "its answer was lost and the ledger offers no way to look it up")


def _key_is_good(delivery: Delivery, row: Any, sends: int) -> bool:
    known = delivery.capabilities.idempotency
    if known.kind != "key":
        return False
    if known.replays_errors and known.lookup != "none" and sends > 1:
        return False  # the ledger keeps answering with its first error; only a look-up can tell
    if known.key_seconds is None:
        return True
    life = known.key_seconds * SECOND * KEY_LIFE_PERCENT // 100
    still_good: bool = delivery.clock() < row.sent_at + life
    return still_good


def _look_up(work: Work, row: Any) -> Sent:
    store, delivery, held = work
    by_key = delivery.capabilities.idempotency.lookup == "by_key"
    quiet_until = row.deadline + delivery.quiet
    asked_at = delivery.clock()
    try:
        receipt = delivery.ledger.find(row.key if by_key else row.reference)
    except VendorError as error:
        return Sent(outbox.UNKNOWN, error, stop=asked_at < quiet_until)
    failpoint("resolve: after find")
    if receipt is None and asked_at < quiet_until:
        return Sent(outbox.UNKNOWN, stop=True)
    with store.write() as tx:
        if receipt is not None:
            found = Outcome(row, asked_at, receipt, wrong(row, receipt))
            sent = accept(tx, work, [found], was=outbox.UNKNOWN)[row.id]
        else:
            generation = row.generation + 1
            values = {
                "generation": generation,
                "key": key_of(delivery, row.reference, generation, row.body),
                "sent_at": None,
            }
            if not outbox.settle(tx, held, row, outbox.PENDING, was=outbox.UNKNOWN, **values):
                raise FencedOff(row.reference)
            outbox.note(tx, [outbox.Step(row.id, row.attempts, row.key, asked_at, "absent")])
            sent = Sent(outbox.PENDING)
        failpoint("resolve: in settle")
    failpoint("resolve: after settle")
    return sent


def park(work: Work, row: Any, code: str, why: str) -> Sent:
    """Leave it to a person: the entry stays counted as posted, its chain waits."""
    store, delivery, held = work
    error = TieoutError(
        f"{row.reference} of {row.day}: {why}",
        code=code,
        fix=f"look for it in the ledger, then: tieout entries decide {row.id} --posted-as LEDGER_ID, or --absent",
    )
    with store.write() as tx:
        if not outbox.settle(tx, held, row, outbox.PARKED, was=outbox.UNKNOWN):
            raise FencedOff(row.reference)
        problems.raise_for(tx, delivery.company, row, error)
    failpoint("park: after settle")
    return Sent(outbox.PARKED, error)
