"""The ledger connector: documents in, receipts, balances and entries out."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import ClassVar, NamedTuple

from tieout import (
    Account,
    Balance,
    Capabilities,
    Context,
    Document,
    DocumentLine,
    Fatal,
    Finding,
    Idempotency,
    LedgerEntry,
    Manifest,
    Money,
    Receipt,
    Rejected,
    Retryable,
    Sending,
    VendorError,
)
from tieout_beancount.book import Book
from tieout_beancount.config import BeancountConfig
from tieout_beancount.parse import Posting, Transaction, parse
from tieout_beancount.text import KINDS, ROOTS, quoted, render

_TYPES = dict(zip(ROOTS, ("asset", "liability", "equity", "income", "expense"), strict=True))


class _Batch(NamedTuple):
    """Entries of one call on their way into the files, and the accounts and references they bring."""

    writing: dict[Path, list[bytes]]
    opened: set[str]
    references: set[str]


class BeancountLedger:
    """Ledger connector `beancount` (see the README for its configuration)."""

    manifest: ClassVar[Manifest] = Manifest(
        name="beancount",
        vendor="beancount",
        version="0.1.0",
        roles=("ledger",),
        config=BeancountConfig,
        capabilities=Capabilities(
            idempotency=Idempotency(unique_reference=True, lookup="by_reference", batch="per_item"),
            documents=KINDS,
            dimensions=("*",),  # any: they are metadata of a posting
            locks=True,
            batch_size_max=500,
            lines_max=100_000,
            narration_length_max=100_000,
            reference_length_max=64,
        ),
    )

    def __init__(self, context: Context) -> None:
        config = context.config
        if not isinstance(config, BeancountConfig):
            raise Fatal("the configuration is not a BeancountConfig", fix="validate it with manifest.config")
        self._config = config
        self._currency = config.currency or context.currency
        self._root = context.root
        self._book = Book(context.root / config.path, config.lock_wait_seconds)
        self._listed = config.listed(context.root)

    # -- what is there

    def check(self) -> list[Finding]:
        with self._book.held():
            if not self._book.main.exists():
                return [Finding("warning", f"{self._config.path} does not exist yet", "the first delivery creates it")]
            count = sum(1 for _ in self._book.transactions())
            findings = [Finding("ok", f"{self._config.path}: {count} transactions")]
            for path, parsed in self._book.parsed():
                place = self._place(path)
                findings += [
                    Finding("error", f"{place}:{line}: {what}", "run bean-check") for line, what in parsed.problems
                ]
                findings += [
                    Finding("warning", f"{place}: plugin {name} may add entries that only beancount sees", "see README")
                    for name in parsed.plugins
                ]
            findings += [
                Finding("error", f"{reference} stands in the ledger {n} times", "delete the copies")
                for reference in {t.reference for _, t in self._book.transactions() if t.reference}
                if (n := len(self._book.find(reference))) > 1
            ]
        return findings

    def accounts(self) -> list[Account]:
        """Accounts that the ledger opens, and listed ones that it would open when first used."""
        with self._book.held():
            names = {**dict.fromkeys(self._book.opens, ""), **self._listed}
            types = {self._book.option(f"name_{root.lower()}", root): kind for root, kind in _TYPES.items()}
            return [
                Account(
                    code=code,
                    name=name or self._book.opens.get(code, (None, ""))[1],
                    type=types.get(code.partition(":")[0], ""),
                    vendor_type=code.partition(":")[0],
                    active=code not in self._book.closes,
                )
                for code, name in sorted(names.items())
            ]

    def locked_through(self) -> date | None:
        """The later of the connection's `locked_through` and the newest `custom "tieout" "locked-through"` directive."""
        with self._book.held():
            return self._locked()

    def _locked(self) -> date | None:
        locks = [lock for _, parsed in self._book.parsed() for lock in parsed.locks]
        days = [max(locks, key=lambda lock: lock[0])[1]] if locks else []
        if self._config.locked_through:
            days.append(self._config.locked_through)
        return max(days, default=None)

    # -- writing

    def render(self, document: Document) -> bytes:
        return render(document)

    def deliver(self, body: bytes, key: str) -> Receipt:
        """Appends the entry, once: the same reference with the same content gives the receipt of what is there.

        `key` is not needed: the reference is unique for ever. Rejected: TO6101 not an entry, TO6102 unknown account,
        TO6103 the reference bears other content, TO6104 account not open, TO6108 locked day. Retryable: TO6105.
        """
        (answer,) = self.deliver_many(body, key, (Sending("", body, key),))
        if isinstance(answer, VendorError):
            raise answer
        return answer

    def join(self, documents: Sequence[Sending]) -> bytes:
        """The entries one after another, as they are appended."""
        return b"\n".join(each.body for each in documents)

    def deliver_many(self, body: bytes, key: str, documents: Sequence[Sending]) -> list[Receipt | VendorError]:
        """Appends the entries, each file in one write: all that go to a file get into it, or none. An entry that is
        refused, for a reason that `deliver` names, leaves the others alone."""
        self._book.main.parent.mkdir(parents=True, exist_ok=True)
        answers: list[VendorError | str] = []  # a reference: answered by what is in the ledger at the end
        batch = _Batch({}, set(), set())
        with self._book.held():
            self._begin()
            for each in documents:
                try:
                    answers.append(self._take(each.body, batch))
                except VendorError as error:
                    answers.append(error)
            failed: Retryable | None = None
            try:
                for path, entries in batch.writing.items():
                    self._book.append(path, b"\n".join(entries))
            except Retryable as error:  # later files may need accounts that this one opens: they wait with it
                failed = error
            return [self._answer(each, failed) if isinstance(each, str) else each for each in answers]

    def _begin(self) -> None:
        if not self._book.main.exists():
            title = f'option "title" {quoted(self._config.title)}\n'
            self._book.create(self._book.main, f'{title}option "operating_currency" {quoted(self._currency)}\n')

    def _take(self, body: bytes, batch: _Batch) -> str:
        """Puts an entry among those to be written, unless the ledger has it. Returns its reference."""
        sent = self._sent(body)
        for path, there in self._book.find(sent.reference):
            if _content(there) != _content(sent):
                raise Rejected(
                    f"{sent.reference} is in the ledger with other content",
                    code="TO6103",
                    where=f"{self._place(path)}:{there.line}",
                    amount=f"{_volume(sent)} {sent.postings[0].currency}",
                    fix="put the entry back as it was delivered, or accept the edit",
                )
            return sent.reference
        if sent.reference in batch.references:
            return sent.reference
        locked = self._locked()
        if locked is not None and sent.day <= locked:
            raise Rejected(
                f"the ledger is locked through {locked}",
                code="TO6108",
                where=sent.reference,
                fix="use a later day",
                closed_period=True,
            )
        opens = self._opens(sent, batch.opened)
        batch.writing.setdefault(self._file_for(sent.day), []).append(opens.encode() + body)
        batch.opened.update(p.account for p in sent.postings)
        batch.references.add(sent.reference)
        return sent.reference

    def _answer(self, reference: str, failed: Retryable | None) -> Receipt | VendorError:
        found = self._book.find(reference)
        if found:
            return self._receipt(*found[0])
        return failed or Fatal(f"{reference} was written and is not in the ledger", where=str(self._config.path))

    def _sent(self, body: bytes) -> Transaction:
        parsed = parse(body.decode("utf-8", "replace"))
        if len(parsed.transactions) != 1 or parsed.problems or not parsed.transactions[0].reference:
            raise Rejected("the body is not one entry with our reference", code="TO6101", fix="send rendered bytes")
        return parsed.transactions[0]

    def _opens(self, sent: Transaction, opened_before: set[str]) -> str:
        """`open` directives for the accounts that neither the ledger nor an entry before this one opens."""
        lines = []
        for account in dict.fromkeys(p.account for p in sent.postings):
            opened = self._book.opens.get(account)
            closed = self._book.closes.get(account)
            if (opened and opened[0] > sent.day) or (closed and closed <= sent.day):
                day = f"opened on {opened[0]}" if opened and opened[0] > sent.day else f"closed on {closed}"
                message = f"{account} is {day}, the entry is of {sent.day}"
                raise Rejected(message, code="TO6104", where=sent.reference, fix="correct the open or close directive")
            if opened is None and account not in opened_before:
                lines.append(self._open(account, sent))
        return "\n".join([*lines, ""]) + "\n" if lines else ""

    def _open(self, account: str, sent: Transaction) -> str:
        roots = [self._book.option(f"name_{root.lower()}", root) for root in ROOTS]
        known = [*self._book.opens, *self._listed]
        allowed = account in self._listed if self._listed else account.partition(":")[0] in roots
        if not self._config.auto_open or not allowed or sent.day < self._config.opened:
            near = difflib.get_close_matches(account, known, n=3) or roots
            fix = f"open it in the ledger or list it in `accounts`; nearest: {', '.join(near)}"
            raise Rejected(f"the ledger has no account {account}", code="TO6102", where=sent.reference, fix=fix)
        name = self._listed.get(account)
        return f"{self._config.opened} open {account}" + (f"\n  name: {quoted(name)}" if name else "")

    def _file_for(self, day: date) -> Path:
        main = self._book.main
        if not self._config.per_year:
            return main
        path = main.with_name(f"{main.stem}-{day.year}{main.suffix}")
        if path not in [p for p, _ in self._book.parsed()]:
            self._book.create(path, f"; entries of {day.year}, included by {main.name}\n")
            self._book.append(main, f"include {quoted(path.name)}\n".encode())
        return path

    # -- reading

    def find(self, reference: str) -> Receipt | None:
        with self._book.held():
            return next((self._receipt(*found) for found in self._book.find(reference)), None)

    def balances(self, accounts: Sequence[str], as_of: date) -> list[Balance]:
        """Balances at the end of `as_of` in the ledger's currency, positions held at cost at their stated cost.

        Rejected TO6107 where the text leaves an amount of these accounts to beancount's own booking.
        """
        sums = dict.fromkeys(accounts, Decimal(0))
        with self._book.held():
            for path, parsed in self._book.parsed():
                for account in parsed.padded.keys() & sums.keys():
                    raise self._unclear(f"{account} is filled by pad", f"{self._place(path)}:{parsed.padded[account]}")
                for transaction in parsed.transactions:
                    if transaction.day <= as_of:
                        for posting in transaction.postings:
                            if posting.account in sums:
                                sums[posting.account] += self._value(posting, path, transaction)
        return [Balance(a, self._minor(total, a), self._currency, as_of) for a, total in sums.items()]

    def entries(self, accounts: Sequence[str], since: date | None) -> Iterator[LedgerEntry]:
        """Every transaction that touches one of these accounts, whole. An entry without our reference is foreign; one
        with it whose lines differ from what was delivered was edited."""
        wanted = set(accounts)
        with self._book.held():
            found = [
                (path, t)
                for path, t in self._book.transactions()
                if (since is None or t.day >= since) and any(p.account in wanted for p in t.postings)
            ]
        for path, transaction in found:
            receipt = self._receipt(path, transaction)
            narration = ": ".join(s for s in (transaction.payee, transaction.narration) if s)
            yield LedgerEntry(
                receipt.url,
                transaction.day,
                transaction.reference,
                receipt.lines,
                receipt.revision,
                narration,
                transaction.meta.get("author", ""),
            )

    def _receipt(self, path: Path, transaction: Transaction) -> Receipt:
        """What the entry says in the ledger's currency. A line whose amount is not in the text is left out here;
        `balances` names it."""
        where = f"{self._place(path)}:{transaction.line}"
        lines = tuple(line for posting in transaction.postings if (line := self._line(posting)) is not None)
        raw = transaction.text.encode()
        revision = hashlib.sha256(raw).hexdigest()[:16]
        return Receipt(
            transaction.reference or where, transaction.reference, transaction.day, lines, revision, where, raw
        )

    def _line(self, posting: Posting) -> DocumentLine | None:
        if posting.value is None or posting.currency != self._currency:
            return None
        try:
            amount = Money.of(posting.value, self._currency).minor
        except ValueError:
            return None
        meta = posting.meta
        return DocumentLine(
            posting.account,
            amount,
            meta.get("role", ""),
            meta.get("location", ""),
            tuple((key[4:], value) for key, value in meta.items() if key.startswith("dim-")),
            meta.get("memo", ""),
            meta.get("party", ""),
            _quantity(meta.get("qty", "0")),
        )

    def _value(self, posting: Posting, path: Path, transaction: Transaction) -> Decimal:
        if posting.value is None:
            where = f"{self._place(path)}:{transaction.line}"
            raise self._unclear(f"the amount on {posting.account} is not in the text", where)
        return posting.value if posting.currency == self._currency else Decimal(0)

    def _minor(self, value: Decimal, where: str) -> int:
        try:
            return Money.of(value, self._currency).minor
        except ValueError:
            raise self._unclear(f"{value} {self._currency} has parts of a minor unit", where) from None

    def _unclear(self, message: str, where: str) -> Rejected:
        fix = "state the amount or cost in that entry, in whole minor units"
        return Rejected(message, code="TO6107", where=where, fix=fix)

    def _place(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else str(path)


def _quantity(text: str) -> int:
    """Millionths; a quantity that a person made unreadable counts as none."""
    try:
        scaled = Decimal(text).scaleb(6)
    except InvalidOperation:
        return 0
    return int(scaled) if scaled.is_finite() and scaled == int(scaled) else 0


def _content(transaction: Transaction) -> tuple[date, list[tuple[str, Decimal | None, str]]]:
    """What must be equal for two entries to say the same: formatting, order and remarks may change."""
    return transaction.day, sorted((p.account, p.value or Decimal(0), p.currency) for p in transaction.postings)


def _volume(transaction: Transaction) -> Decimal:
    return sum((p.value for p in transaction.postings if p.value and p.value > 0), Decimal(0))
