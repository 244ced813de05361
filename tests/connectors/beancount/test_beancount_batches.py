"""Guarantee: entries that share one call are each in the ledger once or not at all, at the price of one write."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tieout import BatchLedger, Context, Document, DocumentLine, Receipt, Rejected, Retryable, Sending
from tieout_beancount import BeancountLedger
from tieout_beancount.config import BeancountConfig

MAIN = "books/ledger.beancount"


def ledger(root: Path, **config: Any) -> BeancountLedger:
    return BeancountLedger(
        Context(
            connection="books",
            company="main",
            currency="USD",
            config=BeancountConfig(**config),
            root=root,
            now=lambda: datetime.now(UTC),
        )
    )


def document(n: int, amount: int = 100, *, day: date = date(2025, 3, 31), account: str = "Expenses:A0") -> Document:
    return Document(
        kind="journal",
        company="main",
        currency="USD",
        day=day,
        reference=f"TO-{n:012d}",
        narration="n",
        lines=(DocumentLine(account, amount), DocumentLine("Assets:Stock", -amount)),
    )


def send(books: BeancountLedger, documents: list[Document]) -> list[Any]:
    sent = [Sending(each.reference, books.render(each), f"key {each.reference}") for each in documents]
    return list(books.deliver_many(books.join(sent), "key", sent))


def references(books: BeancountLedger) -> list[str]:
    return [entry.reference for entry in books.entries(["Assets:Stock"], None)]


def accepted(root: Path) -> bool:
    check = Path(sys.executable).with_name("bean-check")
    if not check.exists():
        pytest.skip("bean-check is not installed; `make install` brings it")
    done = subprocess.run([check, "-C", root / MAIN], capture_output=True, text=True, check=False)
    return (done.returncode, done.stderr) == (0, "")


def test_it_is_a_ledger_that_takes_several_documents_a_call(tmp_path: Path) -> None:
    books = ledger(tmp_path)
    assert isinstance(books, BatchLedger)
    able = books.manifest.capabilities
    assert able is not None
    assert (able.batch_size_max, able.idempotency.batch) == (500, "per_item")


def test_many_entries_cost_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books = ledger(tmp_path)
    send(books, [document(0)])
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(handle)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    answers = send(books, [document(n, n, account=f"Expenses:A{n % 7}") for n in range(1, 201)])
    assert len(synced) == 2
    assert [each.reference for each in answers] == [f"TO-{n:012d}" for n in range(1, 201)]
    assert [each.lines[0].amount for each in answers] == list(range(1, 201))
    assert references(books) == references(ledger(tmp_path)) == [f"TO-{n:012d}" for n in range(201)]
    assert (tmp_path / MAIN).read_text().count(" open Expenses:A3") == 1
    assert accepted(tmp_path)


def test_what_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    books = ledger(tmp_path)
    first = send(books, [document(1), document(2)])
    text = (tmp_path / MAIN).read_bytes()
    assert send(ledger(tmp_path), [document(1), document(2)]) == first
    assert (tmp_path / MAIN).read_bytes() == text
    send(books, [document(2), document(3), document(3)])
    assert references(books) == [f"TO-{n:012d}" for n in (1, 2, 3)]


def test_a_refused_entry_leaves_the_others_alone(tmp_path: Path) -> None:
    books = ledger(tmp_path, locked_through=date(2025, 1, 31))
    send(books, [document(1)])
    locked = document(2, day=date(2025, 1, 15))
    edited = document(1, 175)
    answers = send(books, [locked, document(3), edited, document(4)])
    assert [type(each) for each in answers] == [Rejected, Receipt, Rejected, Receipt]
    assert [each.code for each in answers if isinstance(each, Rejected)] == ["TO6108", "TO6103"]
    assert references(books) == [f"TO-{n:012d}" for n in (1, 3, 4)]
    assert accepted(tmp_path)


def test_entries_of_several_years_go_to_their_files(tmp_path: Path) -> None:
    books = ledger(tmp_path, per_year=True)
    send(books, [document(n, day=date(2023 + n % 3, 5, 1), account=f"Expenses:A{n % 2}") for n in range(9)])
    assert sorted(references(books)) == [f"TO-{n:012d}" for n in range(9)]
    assert (tmp_path / "books/ledger-2024.beancount").read_text().count("tieout:") == 3
    assert accepted(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to tell the files apart")
@pytest.mark.parametrize("after", [0, 100, 500, 1_000, 1_500, 100_000])
def test_a_call_cut_off_at_any_byte_is_wholly_in_or_wholly_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    books = ledger(tmp_path)
    send(books, [document(0)])
    before = (tmp_path / MAIN).read_bytes()
    real = os.write

    class Died(BaseException):
        pass

    def write(handle: int, data: memoryview) -> int:
        if Path(f"/proc/self/fd/{handle}").readlink().name == "ledger.beancount":
            real(handle, bytes(data[:after]))
            raise Died
        return real(handle, data)

    group = [document(n) for n in range(1, 11)]
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(Died):
            send(books, group)
    found = [ledger(tmp_path).find(each.reference) is not None for each in group]
    assert found == [after == 100_000] * 10
    if after < 100_000:
        assert (tmp_path / MAIN).read_bytes() == before
    again = ledger(tmp_path)
    assert all(isinstance(each, Receipt) for each in send(again, group))
    assert references(again) == [f"TO-{n:012d}" for n in range(11)]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to tell the files apart")
def test_a_full_disk_writes_none_of_a_file_and_says_so_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books = ledger(tmp_path, per_year=True)
    days = [date(2024, 12, 1), date(2025, 1, 1), date(2026, 1, 1)]
    send(books, [document(n, day=day) for n, day in enumerate(days)])
    real = os.write

    def write(handle: int, data: memoryview) -> int:
        if Path(f"/proc/self/fd/{handle}").readlink().name == "ledger-2025.beancount":
            if len(data) > 50:
                return real(handle, bytes(data[:50]))
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data)

    group = [document(10 + n, day=day, account="Expenses:New") for n, day in enumerate(days)]
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        answers = send(books, group)
    assert [type(each) for each in answers] == [Receipt, Retryable, Retryable]
    assert all(isinstance(each, Receipt) for each in send(books, group))
    assert sorted(references(books)) == [f"TO-{n:012d}" for n in (0, 1, 2, 10, 11, 12)]
    assert accepted(tmp_path)
