"""The kit is red for a ledger that declares what it does not keep: one lie for each declared capability."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.testing.conftest import Written

from tieout import Capabilities, Document, Idempotency, Receipt, Rejected, Retryable, Sending, VendorError
from tieout.testing import run_kit

Kit = Any


def declare(connector: Any, **more: Any) -> Any:
    """The connector with other capabilities in its manifest; those of idempotency by their own names."""
    able: Capabilities = connector.manifest.capabilities
    known = {name: more.pop(name) for name in list(more) if name in Idempotency.__struct_fields__}
    able = msgspec.structs.replace(able, idempotency=msgspec.structs.replace(able.idempotency, **known), **more)
    manifest = msgspec.structs.replace(connector.manifest, capabilities=able)
    return type(connector.__name__, (connector,), {"manifest": manifest})


def kit(honest: Written, connector: Any = None, **more: Any) -> Kit:
    """The conformance class with another connector, or another vendor."""
    base = honest.tests.TestHonestLedger
    made = connector or honest.connector.HonestLedger

    def connected(self: Any, bench: Any) -> Any:
        return made(bench.context(made, {"token": bench.secret("token", honest.tests.TOKEN)}))

    return type("Lying", (base,), {"connector": connected, **more})


def stub(honest: Written, **methods: Any) -> Callable[[Any, Any], Any]:
    made = type("OtherStub", (honest.stub.Stub,), methods)
    return lambda self, bench: made(honest.tests.TOKEN, bench.clock.now)


# ── the lies ───────────────────────────────────────────────────────────────────────────────────────────────────────
def sends_no_key(honest: Written) -> Kit:
    base = honest.connector.HonestLedger
    return kit(honest, type("Lie", (base,), {"deliver": lambda self, body, key: base.deliver(self, body, "")}))


def key_for_ever(honest: Written) -> Kit:
    return kit(honest, declare(honest.connector.HonestLedger, key_seconds=None))


def unique_reference(honest: Written) -> Kit:
    return kit(honest, declare(honest.connector.HonestLedger, unique_reference=True))


def finds_nothing(honest: Written) -> Kit:
    return kit(honest, type("Lie", (honest.connector.HonestLedger,), {"find": lambda self, reference: None}))


def finds_by_beginning(honest: Written) -> Kit:
    def listed(self: Any, params: Any) -> list[Any]:
        found = [row for row in self.entries.values() if row["reference"].startswith(params.get("reference", ""))]
        return [row for row in found if row["id"] > int(params["after"])]

    return kit(honest, vendor=stub(honest, _listed=listed))


def knows_no_lock(honest: Written) -> Kit:
    return kit(honest, type("Lie", (honest.connector.HonestLedger,), {"locked_through": lambda self: None}))


def drops_the_dimension(honest: Written) -> Kit:
    base = honest.connector.HonestLedger

    def render(self: Any, document: Document) -> bytes:
        lines = tuple(msgspec.structs.replace(line, dimensions=()) for line in document.lines)
        body: bytes = base.render(self, msgspec.structs.replace(document, lines=lines))
        return body

    return kit(honest, type("Lie", (base,), {"render": render}))


def takes_fewer_lines(honest: Written) -> Kit:
    def book(self: Any, reference: str, day: str, memo: str, lines: list[Any]) -> int:
        return int(honest.stub.Stub.book(self, reference, day, memo, lines[:100]))

    return kit(honest, vendor=stub(honest, book=book))


def cuts_the_narration(honest: Written) -> Kit:
    def book(self: Any, reference: str, day: str, memo: str, lines: list[Any]) -> int:
        return int(honest.stub.Stub.book(self, reference, day, memo[:100], lines))

    return kit(honest, vendor=stub(honest, book=book))


def cuts_the_reference(honest: Written) -> Kit:
    def book(self: Any, reference: str, day: str, memo: str, lines: list[Any]) -> int:
        return int(honest.stub.Stub.book(self, reference[:16], day, memo, lines))

    return kit(honest, vendor=stub(honest, book=book))


def takes_no_bills(honest: Written) -> Kit:
    made = declare(honest.connector.HonestLedger, documents=("journal", "bill"))

    def document(self: Any, kind: str, reference: str) -> Document:
        made: Document = msgspec.structs.replace(self.journal(reference), kind=kind)
        return made

    return kit(honest, made, document=document)


def lags_behind(honest: Written) -> Kit:
    def listed(self: Any, params: Any) -> list[Any]:
        rows: list[Any] = honest.stub.Stub._listed(self, params)
        seen = {number for at, _, number in self.keys.values() if self.now() - at > 1_000}
        return [row for row in rows if row["id"] in seen]

    return kit(honest, vendor=stub(honest, _listed=listed))


def all_or_none(honest: Written) -> Kit:
    """Declares an outcome for each; the first refusal ends the call."""

    class Batching(declare(honest.connector.HonestLedger, batch="per_item", batch_size_max=10)):  # type: ignore[misc]
        def join(self, documents: Sequence[Sending]) -> bytes:
            return b"\n".join(each.body for each in documents)

        def deliver_many(self, body: bytes, key: str, documents: Sequence[Sending]) -> list[Receipt | VendorError]:
            return [self.deliver(each.body, each.key) for each in documents]

    return kit(honest, Batching)


def guesses_it_was_written(honest: Written) -> Kit:
    base = honest.connector.HonestLedger

    def deliver(self: Any, body: bytes, key: str) -> Receipt:
        with contextlib.suppress(VendorError):
            return base.deliver(self, body, key)  # type: ignore[no-any-return]
        sent = json.loads(body)
        row = {**sent, "id": 1, "version": 1}
        return self._receipt(row)  # type: ignore[no-any-return]

    return kit(honest, type("Lie", (base,), {"deliver": deliver}))


def guesses_it_was_not(honest: Written) -> Kit:
    base = honest.connector.HonestLedger

    def deliver(self: Any, body: bytes, key: str) -> Receipt:
        try:
            return base.deliver(self, body, key)  # type: ignore[no-any-return]
        except Rejected:
            raise
        except VendorError as error:
            raise Retryable("try again") from error

    return kit(honest, type("Lie", (base,), {"deliver": deliver}))


def takes_silence_for_absence(honest: Written) -> Kit:
    base = honest.connector.HonestLedger

    def find(self: Any, reference: str) -> Receipt | None:
        with contextlib.suppress(VendorError):
            return base.find(self, reference)  # type: ignore[no-any-return]
        return None

    return kit(honest, type("Lie", (base,), {"find": find}))


LIES: dict[Callable[[Written], Kit], str] = {
    sends_no_key: "test_a_repeated_key_writes_once",
    key_for_ever: "test_a_repeated_key_writes_once",
    unique_reference: "test_a_unique_reference_writes_once",
    finds_nothing: "test_a_delivered_document_is_found",
    finds_by_beginning: "test_an_unknown_reference_is_not_found",
    knows_no_lock: "test_closed_books_are_known_and_say_so",
    drops_the_dimension: "test_declared_dimensions_are_in_the_vendors_document",
    takes_fewer_lines: "test_the_declared_number_of_lines_is_taken",
    cuts_the_narration: "test_the_declared_lengths_are_taken",
    cuts_the_reference: "test_the_longest_reference_is_found_whole",
    takes_no_bills: "test_every_declared_kind_is_delivered",
    lags_behind: "test_a_delivered_document_is_found",
    all_or_none: "test_one_refused_of_several_is_as_declared",
    guesses_it_was_written: "test_timeout_before_on_a_write",
    guesses_it_was_not: "test_timeout_after_on_a_write",
    takes_silence_for_absence: "test_html_on_a_read",
}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_lie_is_found_out(honest_ledger: Written, tmp_path: Path, lie: Callable[[Written], Kit]) -> None:
    expected = LIES[lie]
    honest = run_kit(kit(honest_ledger), tmp_path / "honest", [expected])
    assert honest[expected] in ("passed", "skipped"), honest
    outcome = run_kit(lie(honest_ledger), tmp_path / "lie", [expected])[expected]
    assert outcome.startswith("AssertionError: "), outcome
