"""A ledger in memory that fails the way real ones do, with books of its own to check ours against.

    ledger = FakeLedger(idempotency=Idempotency(kind="key", key_seconds=86_400), clock=clock)
    ledger.faults = ["timeout_after", "rate_limited"]        # for the next calls of deliver, then none
    ledger.documents                                          # what it really holds, by its own id

`FakeBatchLedger` takes several documents in a call; a fault is then one of the call, except where it says otherwise.

It lives as long as the test: a crashed and restarted process meets the same ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, ClassVar, NamedTuple

import msgspec
from pydantic import BaseModel

from tieout.connector import Capabilities, Finding, Idempotency, Manifest, Sending
from tieout.errors import Ambiguous, Fatal, NeedsReauth, RateLimited, Rejected, Retryable, VendorError
from tieout.model.journal import Balance, Document, LedgerEntry, Receipt
from tieout.model.master import Account

SECOND = 1_000_000  # microseconds

# name → what the caller sees; whether the document was written is in the name
FAULTS = (
    "refused_connection",  # Retryable: nothing was sent
    "rate_limited",  # RateLimited: nothing was written
    "reauth",  # NeedsReauth: nothing was written
    "error_before",  # 5xx, not written
    "error_after",  # 5xx, written
    "timeout_before",
    "timeout_after",
    "timeout_late",  # not yet written when the caller gives up; written within late_commit_seconds_max
    "unreadable_after",  # 200 with a body nobody can read
    "plugin_bug_before",  # an exception outside the error tree
    "plugin_bug_after",
    "invalid",  # Rejected for a reason in the document
    "invalid_second",  # of a call of several: the second is Rejected, the others are written
    "timeout_between",  # of a call of several: half of them written, no answer
)


class _Config(BaseModel):
    """A fake ledger needs no settings."""


class Held(NamedTuple):
    """A document in the fake's books, since when, and which call wrote it."""

    document: Document
    at: int
    key: str


class FakeLedger:
    """A `tieout.Ledger`. `clock` gives UTC microseconds; `lock` is the last locked day."""

    manifest: ClassVar[Manifest] = Manifest(
        name="fake", vendor="none", version="1", roles=("ledger",), config=_Config, capabilities=Capabilities()
    )

    def __init__(
        self,
        *,
        clock: Callable[[], int],
        idempotency: Idempotency | None = None,
        documents: tuple[str, ...] = ("journal",),
        lines_max: int = 10_000,
        locks: bool = True,
        batch_size_max: int = 1,
    ) -> None:
        self.idempotency = idempotency or Idempotency(kind="key")
        able = Capabilities(
            idempotency=self.idempotency,
            documents=documents,
            lines_max=lines_max,
            locks=locks,
            batch_size_max=batch_size_max,
        )
        self.manifest = msgspec.structs.replace(type(self).manifest, capabilities=able)  # type: ignore[misc]
        self.clock = clock
        self.lock: date | None = None
        self.late_seconds: int | None = (
            None  # when `timeout_late` writes after all; None: at the last moment it declares
        )
        self.faults: list[str] = []
        self.documents: dict[str, Held] = {}
        self.foreign: dict[str, LedgerEntry] = {}
        self.calls: list[tuple[str, str]] = []  # (key, reference) of every deliver
        self._answers: dict[str, tuple[int, bytes, str | VendorError]] = {}
        self._late: list[tuple[int, Document, str]] = []
        self._next = 1

    # ── the Ledger protocol ────────────────────────────────────────────────────────────────────────────────────────
    def check(self) -> list[Finding]:
        return [Finding("ok", "in memory")]

    def accounts(self) -> list[Account]:
        codes = {line.account for held in self.documents.values() for line in held.document.lines}
        return [Account(code=code) for code in sorted(codes)]

    def locked_through(self) -> date | None:
        return self.lock

    def render(self, document: Document) -> bytes:
        return msgspec.json.encode(document, order="deterministic")

    def deliver(self, body: bytes, key: str) -> Receipt:
        self._tick()
        document = msgspec.json.decode(body, type=Document)
        self.calls.append((key, document.reference))
        fault = self._next_fault()
        if self.idempotency.kind == "key":
            answer = self._answer(key, body)
            if isinstance(answer, VendorError):
                raise answer
            if answer is not None:
                return self._receipt(answer)
        return self._write(document, key, body, fault)

    def find(self, reference: str) -> Receipt | None:
        self._tick()
        seen = self.clock() - self.idempotency.index_lag_seconds * SECOND
        for number, held in self.documents.items():
            mark = held.key if self.idempotency.lookup == "by_key" else held.document.reference
            if mark == reference and held.at <= seen:
                return self._receipt(number)
        return None

    def balances(self, accounts: Sequence[str], as_of: date) -> list[Balance]:
        self._tick()
        sums = dict.fromkeys(accounts, 0)
        for entry in self._entries():
            if entry.day <= as_of:
                for line in entry.lines:
                    if line.account in sums:
                        sums[line.account] += line.amount
        return [Balance(account, amount, "USD", as_of) for account, amount in sums.items()]

    def entries(self, accounts: Sequence[str], since: date | None) -> Iterator[LedgerEntry]:
        self._tick()
        wanted = set(accounts)
        for entry in self._entries():
            if (since is None or entry.day >= since) and any(line.account in wanted for line in entry.lines):
                yield entry

    # ── people at the vendor's own screen ──────────────────────────────────────────────────────────────────────────
    def edit(self, number: str, document: Document) -> None:
        """Change a document in the ledger, as a person would."""
        self.documents[number] = self.documents[number]._replace(document=document)

    def delete(self, number: str) -> None:
        """Delete a document in the ledger, as a person would."""
        del self.documents[number]

    def book_by_hand(self, entry: LedgerEntry) -> None:
        """An entry that is not ours."""
        self.foreign[entry.ledger_id] = entry

    # ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _next_fault(self) -> str:
        """The fault of this call; raises those in which nothing reached the ledger."""
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "refused_connection":
            raise Retryable("connection refused")
        if fault == "rate_limited":
            raise RateLimited("too many requests", until=self.clock() / SECOND + 30)
        if fault == "reauth":
            raise NeedsReauth("the grant was refused")
        return fault

    def _write(self, document: Document, key: str, body: bytes, fault: str) -> Receipt:
        if self.lock is not None and document.day <= self.lock:
            raise self._refuse(key, body, Rejected(f"the books are closed through {self.lock}", closed_period=True))
        if fault == "invalid":
            raise self._refuse(key, body, Rejected("account is not allowed here"))
        if fault in ("error_before", "timeout_before", "plugin_bug_before"):
            if fault == "error_before" and self.idempotency.replays_errors:
                self._answers[key] = (self.clock(), body, Ambiguous("503, as the first time"))
            raise RuntimeError("bug") if fault == "plugin_bug_before" else Ambiguous(fault)
        if fault == "timeout_late":
            late = self.late_seconds if self.late_seconds is not None else self.idempotency.late_commit_seconds_max
            at = self.clock() + late * SECOND
            self._late.append((at, document, key))
            self._answers[key] = (self.clock(), body, Ambiguous("still in progress"))
            raise Ambiguous(fault)
        if self.idempotency.unique_reference:
            twin = next((n for n, h in self.documents.items() if h.document.reference == document.reference), None)
            if twin is not None:
                raise Rejected("there is a document with this number", duplicate_of=twin)
        number = self._hold(document, key)
        self._answers[key] = (self.clock(), body, number)
        if fault == "plugin_bug_after":
            raise RuntimeError("bug")
        if fault in ("error_after", "timeout_after", "timeout_between", "unreadable_after"):
            raise Ambiguous(fault)
        return self._receipt(number)

    def _refuse(self, key: str, body: bytes, error: Rejected) -> Rejected:
        if self.idempotency.replays_errors:
            self._answers[key] = (self.clock(), body, error)
        return error

    def _answer(self, key: str, body: bytes) -> str | VendorError | None:
        known = self._answers.get(key)
        if known is None:
            return None
        at, first, answer = known
        life = self.idempotency.key_seconds
        if life is not None and self.clock() >= at + life * SECOND:
            return None
        return answer if first == body else Fatal("this key was used with another body")

    def _hold(self, document: Document, key: str, at: int | None = None) -> str:
        number = f"L{self._next}"
        self._next += 1
        self.documents[number] = Held(document, self.clock() if at is None else at, key)
        return number

    def _tick(self) -> None:
        """What was accepted and not yet written is written when its time has come."""
        due = [each for each in self._late if each[0] <= self.clock()]
        self._late = [each for each in self._late if each[0] > self.clock()]
        for written, document, key in due:
            if self.idempotency.unique_reference and any(
                held.document.reference == document.reference for held in self.documents.values()
            ):
                continue
            number = self._hold(document, key, written)
            at, body, _ = self._answers[key]
            self._answers[key] = (at, body, number)

    def _entries(self) -> Iterator[LedgerEntry]:
        for number, (document, _, _) in self.documents.items():
            yield LedgerEntry(number, document.day, document.reference, document.lines, narration=document.narration)
        yield from self.foreign.values()

    def _receipt(self, number: str) -> Receipt:
        document = self.documents[number].document
        return Receipt(number, document.reference, document.day, document.lines)


class FakeBatchLedger(FakeLedger):
    """A `tieout.BatchLedger`. `idempotency.batch_key` "call": it remembers calls by their key and their very bytes, and
    knows no key of a single document of them. `poison`: references whose presence in a call is a bug of the plugin's."""

    def __init__(self, *, batch_size_max: int = 3, **kw: Any) -> None:
        super().__init__(batch_size_max=batch_size_max, **kw)
        self.batches: list[tuple[str, tuple[str, ...]]] = []  # (key, references) of every deliver_many
        self.poison: set[str] = set()
        self._bodies: dict[str, bytes] = {}

    def join(self, documents: Sequence[Sending]) -> bytes:
        return msgspec.json.encode([[each.key, each.body] for each in documents])

    def deliver(self, body: bytes, key: str) -> Receipt:
        if msgspec.json.decode(body, type=Document).reference in self.poison:
            raise RuntimeError("bug")
        return super().deliver(body, key)

    def deliver_many(self, body: bytes, key: str, documents: Sequence[Sending]) -> list[Receipt | VendorError]:
        self._tick()
        assert len(documents) <= self.manifest.capabilities.batch_size_max  # type: ignore[union-attr]
        self.batches.append((key, tuple(each.reference for each in documents)))
        if self.poison & {each.reference for each in documents}:
            raise RuntimeError("bug")
        fault = self._next_fault()
        if self.idempotency.batch_key == "call" and self._bodies.setdefault(key, body) != body:
            raise Fatal("this key was used with another call")
        answers: list[Receipt | VendorError | RuntimeError] = []
        for number, each in enumerate(documents):
            own = key + each.reference if self.idempotency.batch_key == "call" else each.key
            answers.append(self._take(each, own, _share(fault, number, len(documents))))
        if isinstance(answers[-1], RuntimeError):
            raise answers[-1]
        if fault not in ("", "invalid", "invalid_second"):
            raise Ambiguous(fault)
        return [each for each in answers if not isinstance(each, RuntimeError)]

    def _take(self, sent: Sending, key: str, fault: str) -> Receipt | VendorError | RuntimeError:
        document = msgspec.json.decode(sent.body, type=Document)
        self.calls.append((key, document.reference))
        if self.idempotency.kind == "key":
            answer = self._answer(key, sent.body)
            if isinstance(answer, VendorError):
                return answer
            if answer is not None:
                return self._receipt(answer)
        try:
            return self._write(document, key, sent.body, fault)
        except (VendorError, RuntimeError) as error:
            return error


def _share(fault: str, number: int, size: int) -> str:
    """What a fault of a call means for one of its documents."""
    if fault == "invalid_second":
        return "invalid" if number == 1 else ""
    if fault == "invalid":
        return "invalid" if number == 0 else ""
    if fault == "timeout_between":
        return fault if number < size // 2 else "timeout_before"
    return fault
