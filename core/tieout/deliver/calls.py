"""Calls: which claimed entries leave together, under which key, and what the ledger answered for each.

An entry leaves alone, under its own key, unless the ledger takes several documents in one call (`BatchLedger`). Where
such a ledger remembers the call and not the document, the call's key is what its entries are claimed under: it is derived
from its members and its bytes, so it can be found and sent again only as it was, and a member that must go again
otherwise goes in another call under another key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tenacity import Retrying, retry_if_exception_type, wait_exponential

from tieout.connector import BatchLedger, Ledger, Sending
from tieout.deliver.seal import key_of
from tieout.deliver.settings import Delivery
from tieout.errors import Ambiguous, Rejected, Retryable
from tieout.failpoints import failpoint
from tieout.model.journal import Receipt
from tieout.posting import reference
from tieout.posting.compare import differences
from tieout.store import outbox

OWN_ERROR = "TO6113"  # of what a plugin or tieout itself raised outside the error tree


class Outcome(NamedTuple):
    """What came of one claimed entry: when its last call began (UTC microseconds), what it returned or raised, and in
    what the receipt differs from what was sent. `result` None: no call was begun."""

    row: Any
    started: int = 0
    result: Receipt | Exception | None = None
    wrong: Sequence[str] = ()

    @property
    def certain(self) -> bool:
        """In the ledger as it was sent, or surely not in it for a reason of its own."""
        return isinstance(self.result, Rejected) or (isinstance(self.result, Receipt) and not self.wrong)


class Call(NamedTuple):
    """Entries that leave together. `keys`: entry → the key it is claimed under. `body` and `documents` are of a call of
    several only."""

    rows: Sequence[Any]
    key: str
    keys: Mapping[int, str]
    body: bytes = b""
    documents: tuple[Sending, ...] = ()

    def send(self, ledger: Ledger) -> Sequence[Receipt | Exception]:
        """One answer for each entry, in order. Raises where one answer holds for all."""
        if len(self.rows) == 1 or not isinstance(ledger, BatchLedger):
            return [ledger.deliver(self.rows[0].body, self.key)]
        answers = list(ledger.deliver_many(self.body, self.key, self.documents))
        if len(answers) != len(self.rows):
            raise Ambiguous(f"{len(answers)} answers came for {len(self.rows)} documents")
        return answers


def calls_of(delivery: Delivery, rows: Sequence[Any]) -> list[Call]:
    """The calls in which these entries leave, documents of one kind in each, oldest first. One that an error of our own stopped before leaves alone, so
    that it takes no other with it."""
    if delivery.batch == 1:
        return [_alone(delivery, row) for row in rows]
    alone = [row for row in rows if row.state == outbox.PENDING and stopped_by_own_error(row)]
    kept = {row.id for row in rows} - {row.id for row in alone}
    by_kind: dict[str, list[Any]] = {}
    for row in sorted((row for row in rows if row.id in kept), key=lambda row: int(row.id)):
        by_kind.setdefault(row.kind, []).append(row)
    size = delivery.batch
    chunks = [rest[n : n + size] for rest in by_kind.values() for n in range(0, len(rest), size)]
    return [_together(delivery, chunk) for chunk in chunks] + [_alone(delivery, row) for row in alone]


def _alone(delivery: Delivery, row: Any) -> Call:
    key = key_of(delivery, row.reference, row.generation, row.body)
    return Call([row], key, {row.id: key})


def _together(delivery: Delivery, rows: Sequence[Any]) -> Call:
    ledger = delivery.ledger
    if len(rows) == 1 or not isinstance(ledger, BatchLedger):
        return _alone(delivery, rows[0])
    own = {row.id: key_of(delivery, row.reference, row.generation, row.body) for row in rows}
    documents = tuple(Sending(row.reference, row.body, own[row.id]) for row in rows)
    body = ledger.join(documents)
    key = key_of(delivery, " ".join(own.values()), 0, body)
    keyed = delivery.capabilities.idempotency.batch_key == "call"
    return Call(rows, key, dict.fromkeys(own, key) if keyed else own, body, documents)


def same_call(delivery: Delivery, row: Any, unknown: Sequence[Any]) -> list[Any]:
    """The entries to send for an unknown one to be answered as it was the first time: itself, or all of its call where
    the ledger keys the call. Empty: that call cannot be made again (a member was settled, its bytes would differ, or an
    error of our own stopped it)."""
    if delivery.batch == 1 or delivery.capabilities.idempotency.batch_key == "item":
        return [row]
    if row.key == _alone(delivery, row).key:
        return [row]
    members = sorted((each for each in unknown if each.key == row.key), key=lambda each: int(each.id))
    if stopped_by_own_error(row) or _together(delivery, members).key != row.key:
        return []
    return members


def stopped_by_own_error(row: Any) -> bool:
    """Whether the last thing that happened to an entry was an error of a plugin or of tieout itself."""
    return bool(row.error) and json.loads(row.error).get("code") == OWN_ERROR


def make_calls(delivery: Delivery, calls: Sequence[Call], left: Mapping[int, str], until: int) -> list[Outcome]:
    """Make one call after another until one leaves anything in doubt, or `until` (UTC microseconds). `left`: entries that
    were not claimed; the others of their call are not begun, because its bytes hold them too."""
    outcomes: list[Outcome] = []
    go_on = True
    for call in calls:
        if any(row.id in left for row in call.rows) or not go_on or delivery.clock() >= until:
            outcomes += [Outcome(row) for row in call.rows if row.id not in left]
            continue
        failpoint("send: before call")
        answered = _make(delivery, call, until)
        failpoint("send: after call")
        outcomes += answered
        go_on = all(each.certain for each in answered)
    return outcomes


def _make(delivery: Delivery, call: Call, until: int) -> list[Outcome]:
    """The vendor's answers, or what was raised instead. Passing faults are retried here, briefly."""
    started = 0

    def once() -> Sequence[Receipt | Exception]:
        nonlocal started
        started = delivery.clock()
        return call.send(delivery.ledger)

    retrying = Retrying(
        retry=retry_if_exception_type(Retryable),
        stop=lambda tried: tried.attempt_number >= delivery.retries_max or delivery.clock() >= until,
        wait=wait_exponential(multiplier=0.5, max=5),
        sleep=delivery.sleep,
        reraise=True,
    )
    answers: Sequence[Receipt | Exception]
    try:
        answers = retrying(once)
    except Exception as error:  # noqa: BLE001  (whatever a plugin raises after bytes may have left means: unknown)
        answers = [error] * len(call.rows)
    return [_outcome(row, started, answer) for row, answer in zip(call.rows, answers, strict=True)]


def _outcome(row: Any, started: int, answer: Receipt | Exception) -> Outcome:
    if isinstance(answer, Exception):
        return Outcome(row, started, answer)
    try:
        return Outcome(row, started, answer, wrong(row, answer))
    except Exception as error:  # noqa: BLE001  (a receipt that cannot be read is no receipt)
        return Outcome(row, started, error)


def wrong(row: Any, receipt: Receipt) -> list[str]:
    """In what the ledger's receipt differs from the entry, in words."""
    found = differences(reference.parse(row.document), receipt.day, receipt.lines)
    if receipt.reference != row.reference:
        found.insert(0, f"reference {receipt.reference or 'none'} instead of {row.reference}")
    return found
