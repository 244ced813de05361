"""The kit for ledgers. What a ledger declares is proven against the vendor's own books, or the test fails.

    class TestAcme(LedgerConformance):
        accounts = ("5000", "1400")

        def vendor(self, bench): return AcmeStub(bench.clock)
        def connector(self, bench): return AcmeLedger(bench.context(AcmeLedger, {...}))
        def held(self, bench, reference): return bench.vendor.documents_with(reference)
        def close_books(self, bench, day): bench.vendor.close(day)

The judge is `held`: how many documents with our reference the vendor really has, asked without the connector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

import httpx

from tieout.connector import BatchLedger, Capabilities, Idempotency, Ledger, Sending
from tieout.errors import Ambiguous, NeedsReauth, RateLimited, Rejected, Retryable
from tieout.model.journal import Document, DocumentLine, LedgerEntry, Receipt
from tieout.model.master import Account
from tieout.testing.bench import COMPANY, Bench
from tieout.testing.kit import Conformance, is_write, not_declared, require
from tieout.testing.tap import FAULTS

DAY: Final = date(2026, 10, 31)
KEY: Final = "k" * 32
MARGIN_SECONDS: Final = 60
LINES_TRIED_MAX: Final = 1_000
FOR_EVER: Final = timedelta(days=400)
LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ"
LARGE: Final = 99_999_999_999  # minor units: beyond what a binary fraction of 32 bits keeps
WRITE_FAULTS: Final = tuple(
    name for name in FAULTS if name not in ("unreachable", "throttled", "throttled_long", "expired_token")
)
READ_FAULTS: Final = ("html", "empty", "truncated", "error_before", "timeout_before", "unreachable")


class LedgerConformance(Conformance):
    """About fifty tests. `accounts`: two accounts that take journals. `dimensions`: dimension → (our value, what the
    vendor's document must then show). Documents beside journals come from `document`."""

    accounts: ClassVar[tuple[str, str]]
    dimensions: ClassVar[dict[str, tuple[str, str]]] = {}

    # ── for the author ─────────────────────────────────────────────────────────────────────────────────────────────
    def held(self, bench: Bench, reference: str) -> list[str]:
        """The vendor's own documents that bear this reference, each as text, asked without the connector."""
        raise NotImplementedError("say what the vendor really holds: held(self, bench, reference)")

    def document(self, kind: str, reference: str) -> Document:
        """A document of a kind other than a journal."""
        raise NotImplementedError(f"make a {kind}: document(self, kind, reference)")

    def refused(self, reference: str) -> Document:
        """A document that the vendor refuses for a reason of its own."""
        return self.journal(reference, accounts=("no such account", self.accounts[1]))

    def close_books(self, bench: Bench, day: date) -> None:
        """Lock the vendor's books through a day."""
        raise NotImplementedError("the connector declares lock dates: close_books(self, bench, day)")

    def book_by_hand(self, bench: Bench, entry: LedgerEntry) -> None:
        """An entry by somebody at the vendor's own screen."""
        raise NotImplementedError("say how a person books: book_by_hand(self, bench, entry)")

    def change_by_hand(self, bench: Bench, receipt: Receipt) -> None:
        """Somebody changes the amounts of a document of ours."""
        raise NotImplementedError("say how a person edits: change_by_hand(self, bench, receipt)")

    def delete_by_hand(self, bench: Bench, receipt: Receipt) -> None:
        """Somebody deletes or voids a document of ours."""
        raise NotImplementedError("say how a person deletes: delete_by_hand(self, bench, receipt)")

    def writes(self, request: httpx.Request) -> bool:
        """Whether a call has effect."""
        return is_write(request)

    # ── the ground ─────────────────────────────────────────────────────────────────────────────────────────────────
    def made(self, bench: Bench) -> Any:
        bench.tap.hits = self.writes
        return self.connector(bench)

    def reference(self, number: int = 1) -> str:
        return f"TO-KIT{LETTERS[number % len(LETTERS)]}{number:08d}".translate(str.maketrans("0189", "QRST"))

    def journal(
        self,
        reference: str = "",
        *,
        day: date = DAY,
        amount: int = 41_285,
        accounts: tuple[str, str] | None = None,
        narration: str = "Cost of goods sold",
        dimensions: tuple[tuple[str, str], ...] = (),
    ) -> Document:
        """A balanced journal between the two accounts."""
        debit, credit = accounts or self.accounts
        lines = (
            DocumentLine(debit, amount, "cogs", "", dimensions, "cost"),
            DocumentLine(credit, -amount, "inventory", "", (), "stock"),
        )
        return Document("journal", COMPANY, self.currency, day, reference or self.reference(), narration, lines)

    @staticmethod
    def able(ledger: Ledger) -> Capabilities:
        return ledger.manifest.capabilities or Capabilities()

    def keyed(self, ledger: Ledger, number: int = 1) -> str:
        return f"{number:04d}{KEY}"[: min(self.able(ledger).idempotency.key_length_max, 32)]

    def deliver(self, ledger: Ledger, document: Document, number: int = 1) -> Receipt:
        return ledger.deliver(ledger.render(document), self.keyed(ledger, number))

    def settle(self, bench: Bench, known: Idempotency) -> None:
        """As long as the connector says an outcome may stay hidden."""
        bench.clock.advance(known.index_lag_seconds + known.late_commit_seconds_max + MARGIN_SECONDS)

    def exactly(self, receipt: Receipt | LedgerEntry, document: Document, where: str) -> None:
        """What the ledger shows is what was sent, account by account."""
        sent, shown = _sums(document.lines), _sums(receipt.lines)
        require(shown == sent, f"{where} holds {shown}, sent was {sent}")
        require(receipt.day == document.day, f"{where} is of {receipt.day}, sent was {document.day}")
        require(receipt.reference == document.reference, f"{where} bears {receipt.reference!r}")
        require(receipt.ledger_id, f"{where} has no id of the ledger's own")

    def once(self, bench: Bench, reference: str, count: int = 1) -> list[str]:
        held = self.held(bench, reference)
        require(len(held) == count, f"the vendor holds {reference} {len(held)} times, not {count}")
        return held

    # ── declarations ───────────────────────────────────────────────────────────────────────────────────────────────
    def test_capabilities_are_declared(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            able = self.manifest_of(bench).capabilities
            require(able is not None, "a ledger declares its capabilities")
            assert able is not None
            require("journal" in able.documents, "a ledger takes journals")
            known = able.idempotency
            proof = known.kind != "none" or known.unique_reference or known.lookup != "none"
            require(proof, "no key, no unique reference, no look-up: nothing keeps a repeated write from doubling")
            require(able.batch_size_max == 1 or known.batch != "none", "calls of several, and no word what they may do")

    def test_accounts_are_listed(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            found = self.made(bench).accounts()
            require(all(isinstance(each, Account) and each.code for each in found), "accounts() answers Accounts")
            codes = [each.code for each in found]
            require(len(codes) == len(set(codes)), "two accounts have one code")
            fit = {each.code for each in found if each.active and each.accepts_journals}
            require(set(self.accounts) <= fit, f"{self.accounts} are not all listed as fit for journals")

    def test_rendering_is_pure(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, document = self.made(bench), self.journal()
            before = len(bench.tap.calls)
            first = ledger.render(document)
            bench.clock.advance(timedelta(days=3))
            require(isinstance(first, bytes), f"render() answered {type(first).__name__}, not bytes")
            require(ledger.render(document) == first, "render() gives other bytes the second time")
            require(self.made(bench).render(document) == first, "render() gives other bytes after a restart")
            require(len(bench.tap.calls) == before, "render() makes calls")
            require(document.reference.encode() in first, "the reference is not in the bytes")
            require(ledger.render(self.journal(amount=41_286)) != first, "another amount gives the same bytes")
            self.no_canary(bench, first, "the rendered bytes")

    def test_a_kind_that_is_not_declared_is_refused(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, plain = self.made(bench), self.journal()
            strange = Document("love letter", COMPANY, self.currency, DAY, plain.reference, "x", plain.lines)
            with self.failing_well(bench, "render of an unknown kind") as caught:
                ledger.render(strange)
            require(caught and isinstance(caught[0], Rejected), "an unknown kind of document is rendered all the same")

    # ── delivering ─────────────────────────────────────────────────────────────────────────────────────────────────
    def test_the_ledger_holds_exactly_what_was_sent(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, document = self.made(bench), self.journal()
            receipt = self.deliver(ledger, document)
            self.exactly(receipt, document, "the receipt")
            self.once(bench, document.reference)
            self.no_canary(bench, receipt, "the receipt")

    def test_amounts_of_any_size_stay_exact(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger = self.made(bench)
            for n, amount in enumerate((1, 1_010, LARGE), 1):
                document = self.journal(self.reference(n), amount=amount)
                self.exactly(self.deliver(ledger, document, n), document, f"the receipt of {amount} minor units")

    def test_two_documents_of_equal_content_are_two(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger = self.made(bench)
            first = self.deliver(ledger, self.journal(self.reference(1)), 1)
            second = self.deliver(ledger, self.journal(self.reference(2)), 2)
            require(first.ledger_id != second.ledger_id, "two documents got one id")
            self.once(bench, self.reference(1))
            self.once(bench, self.reference(2))

    def test_a_refused_document_is_rejected_with_its_reason(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, document = self.made(bench), self.refused(self.reference())
            with self.failing_well(bench, "deliver of a document the vendor refuses") as caught:
                self.deliver(ledger, document)
            require(caught and isinstance(caught[0], Rejected), f"a refused document became {caught or 'a receipt'}")
            require(len(caught[0].message) > 10, f"no reason is given: {caught[0].message!r}")
            self.once(bench, document.reference, 0)

    def test_every_declared_kind_is_delivered(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger = self.made(bench)
            for n, kind in enumerate(self.able(ledger).documents, 1):
                document = (
                    self.journal(self.reference(n)) if kind == "journal" else self.document(kind, self.reference(n))
                )
                require(document.kind == kind, f"document({kind!r}) made a {document.kind}")
                with self.failing_well(bench, f"deliver of a {kind}") as caught:
                    self.exactly(self.deliver(ledger, document, n), document, f"the receipt of a {kind}")
                require(not caught, f"the declared kind {kind} is not taken: {caught}")
                self.once(bench, document.reference)

    def test_declared_dimensions_are_in_the_vendors_document(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger = self.made(bench)
            declared = set(self.able(ledger).dimensions)
            if not declared:
                not_declared("no dimensions are declared")
            untried = declared - {"*"} - set(self.dimensions)
            require(not untried and self.dimensions, f"say how these dimensions show: {sorted(untried or declared)}")
            for n, (name, (value, mark)) in enumerate(self.dimensions.items(), 1):
                plain, marked = self.reference(2 * n), self.reference(2 * n + 1)
                self.deliver(ledger, self.journal(plain), 2 * n)
                self.deliver(ledger, self.journal(marked, dimensions=((name, value),)), 2 * n + 1)
                require(mark in self.once(bench, marked)[0], f"dimension {name} is not in the vendor's document")
                require(mark not in self.once(bench, plain)[0], f"{mark!r} shows without dimension {name}")

    def test_the_declared_number_of_lines_is_taken(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger = self.made(bench)
            count = min(self.able(ledger).lines_max, LINES_TRIED_MAX)
            debit, credit = self.accounts
            cents = [DocumentLine(debit, n, "cogs", memo=f"line {n}") for n in range(1, count)]
            total = DocumentLine(credit, -sum(line.amount for line in cents), "inventory")
            reference = self.reference()
            document = Document("journal", COMPANY, self.currency, DAY, reference, "many", (*cents, total))
            self.exactly(self.deliver(ledger, document), document, f"the receipt of {count} lines")
            require(len(self.deliver(ledger, document).lines) in (count, 2), "lines were dropped or merged by halves")

    def test_the_declared_lengths_are_taken(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger = self.made(bench)
            able = self.able(ledger)
            end = "THE END"
            text = ("narration " * (able.narration_length_max // 10 + 1))[: able.narration_length_max - len(end)] + end
            document = self.journal(narration=text)
            with self.failing_well(bench, f"deliver of a narration of {len(text)} characters") as caught:
                self.deliver(ledger, document)
            require(not caught, f"a narration of the declared length is not taken: {caught}")
            require(end in self.once(bench, document.reference)[0], "the narration lost its end")

    def test_the_longest_reference_is_found_whole(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger = self.made(bench)
            room = self.able(ledger).reference_length_max - len(self.reference()) - 1
            require(room >= 0, "there is no room for our reference (16 characters)")
            # what a split entry's reference looks like, as long as the connector says it may be
            long = f"{self.reference()}-{'1' * min(room, 4)}" if room else self.reference()
            document = self.journal(long)
            self.exactly(self.deliver(ledger, document), document, "the receipt")
            self.once(bench, long)
            if self.able(ledger).idempotency.lookup == "by_reference":
                self.settle(bench, self.able(ledger).idempotency)
                require(ledger.find(long) is not None, f"{long} is not found again")
                require(ledger.find(self.reference()) is None or not room, "a reference is found by its beginning")

    # ── exactly once ───────────────────────────────────────────────────────────────────────────────────────────────
    def test_a_repeated_key_writes_once(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, document = self.made(bench), self.journal()
            known = self.able(ledger).idempotency
            if known.kind != "key":
                not_declared("the ledger knows no keys")
            first = self.deliver(ledger, document)
            life = FOR_EVER if known.key_seconds is None else timedelta(seconds=known.key_seconds - 1)
            for wait in (timedelta(seconds=1), life - timedelta(seconds=2)):
                bench.clock.advance(wait)
                again = self.deliver(self.made(bench), document)
                require(again.ledger_id == first.ledger_id, "the same key brought another document")
            self.once(bench, document.reference)

    def test_a_key_with_other_content_tells_no_lie(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger = self.made(bench)
            if self.able(ledger).idempotency.kind != "key":
                not_declared("the ledger knows no keys")
            self.deliver(ledger, self.journal(self.reference(1)))
            other = self.journal(self.reference(2), amount=7)
            with self.failing_well(bench, "a key used with other content"):
                receipt = self.deliver(ledger, other)
                lies = receipt.reference == other.reference and not self.held(bench, other.reference)
                require(not lies, "a receipt for a document that the vendor does not hold")

    def test_a_unique_reference_writes_once(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, document = self.made(bench), self.journal()
            if not self.able(ledger).idempotency.unique_reference:
                not_declared("references are not declared unique")
            first = self.deliver(ledger, document, 1)
            bench.clock.advance(FOR_EVER)
            with self.failing_well(bench, "deliver of a reference that is there") as caught:
                again = self.deliver(self.made(bench), document, 2)
                require(again.ledger_id == first.ledger_id, "one reference, two documents")
            said = all(isinstance(each, Rejected) and each.data.get("duplicate_of") for each in caught)
            require(said, f"a used reference became {caught}; it is Rejected with duplicate_of, or the receipt")
            self.once(bench, document.reference)

    def test_a_delivered_document_is_found(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, document = self.made(bench), self.journal()
            known = self._looks_up(ledger)
            receipt = self.deliver(ledger, document)
            bench.clock.advance(known.index_lag_seconds + 1)
            found = self.made(bench).find(self._mark(ledger, document))
            require(found is not None, "the document is there and find() answers None")
            assert found is not None
            self.exactly(found, document, "what find() answers")
            require(found.ledger_id == receipt.ledger_id, "find() names another document")

    def test_an_unknown_reference_is_not_found(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger = self.made(bench)
            self._looks_up(ledger)
            require(ledger.find(self.reference(9)) is None, "find() answers in an empty ledger")
            self.deliver(ledger, self.journal(self.reference(1)))
            bench.clock.advance(self.able(ledger).idempotency.index_lag_seconds + 1)
            for near in (self.reference(9), self.reference(1)[:-1], self.reference(1).lower() + "x"):
                require(ledger.find(near) is None, f"find({near!r}) answers another document")

    def _looks_up(self, ledger: Ledger) -> Idempotency:
        known = self.able(ledger).idempotency
        if known.lookup == "none":
            not_declared("the ledger cannot be asked for a document")
        return known

    def _mark(self, ledger: Ledger, document: Document, number: int = 1) -> str:
        by_key = self.able(ledger).idempotency.lookup == "by_key"
        return self.keyed(ledger, number) if by_key else document.reference

    def test_what_cannot_be_reached_was_not_written(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            self.calling(bench)
            ledger, document = self._warm(bench), self.journal()
            bench.tap.spoil("unreachable")
            with self.failing_well(bench, "deliver to nobody") as caught:
                self.deliver(ledger, document)
            require(caught and isinstance(caught[0], Retryable), f"nothing was sent, and it became {caught}")
            self.once(bench, document.reference, 0)

    def test_a_limit_writes_nothing_and_is_not_slept(self, tmp_path: Path) -> None:
        for fault in ("throttled", "throttled_long"):
            (tmp_path / fault).mkdir()
            with self.bench(tmp_path / fault) as bench:
                self.calling(bench)
                ledger, document = self._warm(bench), self.journal()
                slept = bench.clock.slept
                bench.tap.spoil_all(fault)
                with self.failing_well(bench, "deliver under a limit") as caught:
                    self.deliver(ledger, document)
                require(caught and isinstance(caught[0], RateLimited), f"429 on a write became {caught}")
                require(bench.clock.slept - slept < timedelta(minutes=1), "a write waited for the vendor's limit")
                self.once(bench, document.reference, 0)

    def test_an_expired_token_is_renewed_or_a_person_is_asked(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            self.calling(bench)
            ledger, document = self._warm(bench), self.journal()
            bench.tap.spoil("expired_token")
            with self.failing_well(bench, "deliver with an expired token") as caught:
                self.deliver(ledger, document)
            require(not caught or isinstance(caught[0], NeedsReauth), f"an expired token became {caught}")
            self.once(bench, document.reference, 0 if caught else 1)

    def _warm(self, bench: Bench) -> Any:
        """A connector that has asked what it asks once, so that a fault hits the writing call."""
        ledger = self.made(bench)
        ledger.accounts()
        return ledger

    def _resolve(
        self,
        bench: Bench,
        ledger: Any,
        document: Document,
        body: bytes,
        known: Idempotency,
        *,
        there: bool,
    ) -> None:
        """What the core does after an Ambiguous: ask, then send again only what is certainly not there."""
        if known.lookup != "none":
            self.settle(bench, known)
            found = ledger.find(self._mark(ledger, document))
            require(
                (found is not None) == there,
                f"the document is {'' if there else 'not '}there and find() says otherwise",
            )
            if found is not None:
                self.exactly(found, document, "what was found")
                return
        elif there and known.kind != "key" and not known.unique_reference:
            return
        ledger.deliver(body, self.keyed(ledger, 1 if known.lookup == "none" else 2))
        self.once(bench, document.reference)

    # ── calls of several documents ─────────────────────────────────────────────────────────────────────────────────
    def _batch(self, bench: Bench) -> tuple[Any, Idempotency]:
        ledger = self._warm(bench)
        able = self.able(ledger)
        if able.batch_size_max <= 1:
            not_declared("calls carry one document")
        require(isinstance(ledger, BatchLedger), "batch_size_max is above 1 and there is no join and deliver_many")
        return ledger, able.idempotency

    def _sendings(self, ledger: Any, documents: Sequence[Document]) -> list[Sending]:
        return [Sending(d.reference, ledger.render(d), self.keyed(ledger, n)) for n, d in enumerate(documents, 1)]

    def test_a_call_of_several_answers_for_each(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, _ = self._batch(bench)
            documents = [self.journal(self.reference(n), amount=n * 100) for n in range(1, 4)]
            many = self._sendings(ledger, documents)
            require(
                ledger.join(many) == ledger.join(many) == self.made(bench).join(many), "join() is not deterministic"
            )
            answers = ledger.deliver_many(ledger.join(many), self.keyed(ledger, 99), many)
            require(len(answers) == len(many), f"{len(answers)} answers for {len(many)} documents")
            for answer, document in zip(answers, documents, strict=True):
                require(isinstance(answer, Receipt), f"{document.reference} became {answer!r}")
                self.exactly(answer, document, "an answer of the call")
                self.once(bench, document.reference)

    def test_one_refused_of_several_is_as_declared(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, known = self._batch(bench)
            good, bad, other = self.reference(1), self.reference(2), self.reference(3)
            many = self._sendings(ledger, [self.journal(good), self.refused(bad), self.journal(other)])
            answers: Sequence[Any] = []
            with self.failing_well(bench, "a call with one refused document") as caught:
                answers = ledger.deliver_many(ledger.join(many), self.keyed(ledger, 99), many)
            self.once(bench, bad, 0)
            if known.batch == "per_item":
                require(not caught, f"one refused document took the others with it: {caught}")
                kinds = [type(each) for each in answers]
                require(kinds == [Receipt, Rejected, Receipt], f"the answers are {[k.__name__ for k in kinds]}")
                self.once(bench, good)
                self.once(bench, other)
            else:
                self.once(bench, good, 0)
                self.once(bench, other, 0)

    def test_a_repeated_call_writes_each_once(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, known = self._batch(bench)
            if known.kind != "key" and not known.unique_reference:
                not_declared("calls of several bear no key")
            references = [self.reference(n) for n in range(1, 4)]
            many = self._sendings(ledger, [self.journal(reference) for reference in references])
            body = ledger.join(many)
            for wait in (0, (known.key_seconds or 3_600) // 2):
                bench.clock.advance(wait)
                ledger.deliver_many(body, self.keyed(ledger, 99), many)
            for reference in references:
                self.once(bench, reference)

    def test_the_largest_call_is_taken(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, _ = self._batch(bench)
            count = min(self.able(ledger).batch_size_max, 200)
            many = self._sendings(ledger, [self.journal(self.reference(n)) for n in range(1, count + 1)])
            answers = ledger.deliver_many(ledger.join(many), self.keyed(ledger, 999), many)
            require(all(isinstance(each, Receipt) for each in answers), f"a call of {count} is not taken whole")
            require(len({each.ledger_id for each in answers}) == count, "answers of a call share ids")

    # ── locks ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def test_closed_books_are_known_and_say_so(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger = self.made(bench)
            if not self.able(ledger).locks:
                require(ledger.locked_through() is None, "a lock date, and `locks` is not declared")
                not_declared("the ledger has no lock dates")
            require(ledger.locked_through() is None, f"open books are locked through {ledger.locked_through()}")
            self.close_books(bench, DAY)
            ledger = self.made(bench)
            require(ledger.locked_through() == DAY, f"locked through {DAY}, it says {ledger.locked_through()}")
            with self.failing_well(bench, "deliver into a closed period") as caught:
                self.deliver(ledger, self.journal(self.reference(1)), 1)
            require(caught and isinstance(caught[0], Rejected), f"a closed period became {caught or 'a receipt'}")
            require(caught[0].data.get("closed_period") is True, "a closed period is Rejected with closed_period=True")
            self.once(bench, self.reference(1), 0)
            later = self.journal(self.reference(2), day=DAY + timedelta(days=1))
            self.exactly(self.deliver(ledger, later, 2), later, "the receipt of the first open day")

    # ── reading the books ──────────────────────────────────────────────────────────────────────────────────────────
    def test_balances_are_ours_and_theirs(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger = self.made(bench)
            debit, credit = self.accounts
            self.deliver(ledger, self.journal(self.reference(1), amount=500), 1)
            self.deliver(ledger, self.journal(self.reference(2), amount=20, day=DAY - timedelta(days=1)), 2)
            self.book_by_hand(bench, self._foreign(7))
            bench.clock.advance(self.able(ledger).idempotency.index_lag_seconds + 1)
            found = self.made(bench).balances([debit, credit], DAY)
            amounts = {each.account: each.amount for each in found}
            require(amounts == {debit: 527, credit: -527}, f"balances {amounts}, in the books are 527 and -527")
            require(all(e.currency == self.currency and e.day == DAY for e in found), "currency or day is another")
            before = {e.account: e.amount for e in self.made(bench).balances([debit], DAY - timedelta(days=1))}
            require(before == {debit: 20}, f"a day before {before}, in the books is 20")

    def _foreign(self, amount: int) -> LedgerEntry:
        debit, credit = self.accounts
        return LedgerEntry("", DAY, "", (DocumentLine(debit, amount), DocumentLine(credit, -amount)), "", "by hand")

    def _entries(self, bench: Bench) -> list[LedgerEntry]:
        ledger = self.made(bench)
        bench.clock.advance(self.able(ledger).idempotency.index_lag_seconds + 1)
        return list(ledger.entries(list(self.accounts), DAY - timedelta(days=30)))

    def test_entries_tell_ours_from_theirs(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            document = self.journal()
            self.deliver(self.made(bench), document)
            self.book_by_hand(bench, self._foreign(7))
            entries = self._entries(bench)
            require(len(entries) == 2, f"{len(entries)} entries, in the books are two")
            ours = [each for each in entries if each.reference]
            require(len(ours) == 1, f"{len(ours)} of them bear a reference, one is ours")
            self.exactly(ours[0], document, "our entry")
            theirs = next(each for each in entries if not each.reference)
            require(_sums(theirs.lines) == _sums(self._foreign(7).lines), f"theirs is {_sums(theirs.lines)}")
            require(theirs.ledger_id != ours[0].ledger_id, "two entries have one id")

    def test_an_edited_entry_is_seen(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, document = self.made(bench), self.journal()
            receipt = self.deliver(ledger, document)
            bench.clock.advance(3_600)
            self.change_by_hand(bench, receipt)
            (entry,) = [each for each in self._entries(bench) if each.reference == document.reference]
            require(_sums(entry.lines) != _sums(document.lines), "an edited entry shows as it was sent")

    def test_a_deleted_entry_is_seen(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger, document = self.made(bench), self.journal()
            receipt = self.deliver(ledger, document)
            bench.clock.advance(3_600)
            self.delete_by_hand(bench, receipt)
            standing = [e for e in self._entries(bench) if e.reference == document.reference and _sums(e.lines)]
            require(not standing, "a deleted entry still stands")
            if self.able(ledger).idempotency.lookup == "by_reference":
                found = self.made(bench).find(document.reference)
                require(found is None or not _sums(found.lines), "find() answers a deleted document as if it stood")
            balances = self.made(bench).balances(list(self.accounts), DAY)
            require(all(each.amount == 0 for each in balances), "a deleted entry is still in the balances")

    def test_entries_begin_where_they_are_asked_from(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            ledger = self.made(bench)
            self.deliver(ledger, self.journal(self.reference(1), day=DAY - timedelta(days=40)), 1)
            self.deliver(ledger, self.journal(self.reference(2)), 2)
            entries = self._entries(bench)
            require([e.reference for e in entries] == [self.reference(2)], "entries before `since`, or none since")


def _sums(lines: Sequence[DocumentLine]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for line in lines:
        sums[line.account] += line.amount
    return {account: amount for account, amount in sorted(sums.items()) if amount}


# ── one test for each fault ────────────────────────────────────────────────────────────────────────────────────────
def _write_fault(fault: str) -> Callable[[LedgerConformance, Path], None]:
    def test(self: LedgerConformance, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            self.calling(bench)
            ledger, document = self._warm(bench), self.journal()
            known = self.able(ledger).idempotency
            body = ledger.render(document)
            bench.tap.spoil(fault)
            with self.failing_well(bench, f"deliver with {fault}") as caught:
                ledger.deliver(body, self.keyed(ledger))
            require(caught, f"{fault} on a write, and deliver() answers a receipt")
            require(isinstance(caught[0], Ambiguous), f"{fault} on a write became {type(caught[0]).__name__}")
            self.once(bench, document.reference, int(FAULTS[fault]))
            self._resolve(bench, ledger, document, body, known, there=FAULTS[fault])

    test.__doc__ = f"{fault} on a write is Ambiguous; then it is found, or sent again, and stands once."
    return test


def _read_fault(fault: str) -> Callable[[LedgerConformance, Path], None]:
    def test(self: LedgerConformance, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            self.calling(bench)
            ledger, document = self._warm(bench), self.journal()
            self.deliver(ledger, document)
            bench.tap.hits = None
            bench.tap.spoil_all(fault)
            reads: list[tuple[str, Callable[[], Any]]] = [
                ("balances()", lambda: ledger.balances(list(self.accounts), DAY)),
                ("entries()", lambda: list(ledger.entries(list(self.accounts), DAY))),
                ("accounts()", ledger.accounts),
            ]
            if self.able(ledger).idempotency.lookup != "none":
                reads.append(("find()", lambda: ledger.find(self._mark(ledger, document))))
            for name, read in reads:
                with self.failing_well(bench, f"{name} while {fault} is all there is") as caught:
                    answer = read()
                    raise AssertionError(f"{name} answers {answer!r} while {fault} is all there is")
                require(caught and isinstance(caught[0], Retryable), f"{name}: {fault} became {caught}")

    test.__doc__ = f"{fault} on a read is Retryable: never an empty ledger, never a document that is not there."
    return test


for _fault in WRITE_FAULTS:
    setattr(LedgerConformance, f"test_{_fault}_on_a_write", _write_fault(_fault))
for _fault in READ_FAULTS:
    setattr(LedgerConformance, f"test_{_fault}_on_a_read", _read_fault(_fault))
