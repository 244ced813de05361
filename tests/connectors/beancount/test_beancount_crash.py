"""Guarantee 2 at the ledger: whatever point the process dies at, an entry is wholly in or not at all, and never twice."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tieout import Context, Document, DocumentLine, Fatal, Retryable
from tieout_beancount import BeancountLedger
from tieout_beancount.config import BeancountConfig

MAIN = "books/ledger.beancount"
DAY = date(2025, 3, 31)

WRITER = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from tieout import Context, Document, DocumentLine
from tieout_beancount import BeancountLedger
from tieout_beancount.config import BeancountConfig

books = BeancountLedger(Context(connection="books", company="main", currency="USD", config=BeancountConfig(),
                          root=Path(sys.argv[1]), now=lambda: datetime.now(UTC)))
for n in range(int(sys.argv[2])):
    lines = tuple(DocumentLine(f"Expenses:A{i}", 100, memo="x" * 80) for i in range(60))
    lines += (DocumentLine("Assets:Stock", -6000),)
    one = Document(kind="journal", company="main", currency="USD", day=date(2025, 3, 31), reference=f"TO-{n:012d}",
                   narration="n", lines=lines)
    if books.find(one.reference) is None:
        books.deliver(books.render(one), "key")
        print(n, flush=True)
"""


def ledger(root: Path) -> BeancountLedger:
    return BeancountLedger(
        Context(
            connection="books",
            company="main",
            currency="USD",
            config=BeancountConfig(),
            root=root,
            now=lambda: datetime.now(UTC),
        )
    )


def document(n: int, amount: int = 100) -> Document:
    return Document(
        kind="journal",
        company="main",
        currency="USD",
        day=DAY,
        reference=f"TO-{n:012d}",
        narration="n",
        lines=(DocumentLine("Expenses:A0", amount), DocumentLine("Assets:Stock", -amount)),
    )


def test_killed_again_and_again_every_entry_is_there_once(tmp_path: Path) -> None:
    seed = random.Random(7)
    count, rounds, acknowledged = 40, 8, set()
    for attempt in range(rounds):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(count)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        if attempt < rounds - 1:
            first = process.stdout.readline()
            time.sleep(seed.uniform(0, 0.03))
            process.kill()
            acknowledged |= {int(n) for n in (first + process.stdout.read()).split("\n")[:-1] if n}
        else:
            out, _ = process.communicate(timeout=60)
            acknowledged |= {int(n) for n in out.split()}
        process.wait()
        process.stdout.close()
        held = [e.reference for e in ledger(tmp_path).entries(["Assets:Stock"], None)]
        assert len(held) == len(set(held))
        assert {f"TO-{n:012d}" for n in acknowledged} <= set(held)
        assert [f for f in ledger(tmp_path).check() if f.level == "error"] == []
    assert len(held) == count
    assert ledger(tmp_path).balances(["Assets:Stock"], DAY)[0].amount == -6000 * count
    check = Path(sys.executable).with_name("bean-check")
    if not check.exists():
        pytest.skip("bean-check is not installed; `make install` brings it")
    done = subprocess.run([check, "-C", tmp_path / MAIN], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_processes_that_deliver_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    """The same entries from three processes, from a ledger that does not exist yet."""
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "12"], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert {int(n) for out in outputs for n in out.split()} == set(range(12))
    held = [e.reference for e in ledger(tmp_path).entries(["Assets:Stock"], None)]
    assert sorted(held) == [f"TO-{n:012d}" for n in range(12)]


def cut_off(root: Path, monkeypatch: pytest.MonkeyPatch, after: int, of: str) -> None:
    """Lets the process die (as far as the files can tell) after some bytes of the intent or of the ledger."""
    real = os.write

    class Died(BaseException):
        pass

    def write(handle: int, data: memoryview) -> int:
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        if name.endswith(".intent") == (of == "intent"):
            real(handle, bytes(data[:after]))
            raise Died
        return real(handle, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        books = ledger(root)
        with pytest.raises(Died):
            books.deliver(books.render(document(2)), "key")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to tell the files apart")
@pytest.mark.parametrize("of", ["intent", "ledger"])
@pytest.mark.parametrize("after", [0, 1, 20, 60, 130, 219, 10_000])
def test_a_write_cut_off_at_any_byte_is_taken_back_or_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, of: str
) -> None:
    books = ledger(tmp_path)
    books.deliver(books.render(document(1)), "key")
    before = (tmp_path / MAIN).read_bytes()
    cut_off(tmp_path, monkeypatch, after, of)
    whole = of == "ledger" and after == 10_000
    after_restart = ledger(tmp_path)
    assert (after_restart.find("TO-000000000002") is not None) == whole
    if not whole:
        assert (tmp_path / MAIN).read_bytes() == before
    after_restart.deliver(after_restart.render(document(2)), "key")
    assert [e.reference for e in after_restart.entries(["Assets:Stock"], None)] == [
        "TO-000000000001",
        "TO-000000000002",
    ]
    assert sorted(p.name for p in (tmp_path / "books").iterdir()) == [".ledger.beancount.lock", "ledger.beancount"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to tell the files apart")
def test_a_half_written_entry_is_never_cut_out_of_a_persons_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = ledger(tmp_path)
    books.deliver(books.render(document(1)), "key")
    cut_off(tmp_path, monkeypatch, 60, "ledger")
    path = tmp_path / MAIN
    path.write_text(path.read_text() + "\n; a person wrote this\n")
    text = path.read_text()
    with pytest.raises(Fatal) as refused:
        ledger(tmp_path).find("TO-000000000002")
    assert refused.value.code == "TO6109"
    assert path.read_text() == text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /proc")
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books = ledger(tmp_path)
    books.deliver(books.render(document(1)), "key")
    before = (tmp_path / MAIN).read_bytes()
    real = os.write

    def write(handle: int, data: memoryview) -> int:
        if Path(f"/proc/self/fd/{handle}").readlink().name == "ledger.beancount":
            if len(data) > 50:
                return real(handle, bytes(data[:50]))
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(Retryable, match="nothing was written"):
            books.deliver(books.render(document(3)), "key")
    assert (tmp_path / MAIN).read_bytes() == before
    books.deliver(books.render(document(3)), "key")
    assert len(list(books.entries(["Assets:Stock"], None))) == 2


def test_cost_of_a_delivery_does_not_grow_with_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in bytes parsed, not in seconds: each entry is read once when written, never the whole file again."""
    from tieout_beancount import book
    from tieout_beancount.parse import Parsed, parse

    parsed = 0

    def counting(text: str) -> Parsed:
        nonlocal parsed
        parsed += len(text)
        return parse(text)

    monkeypatch.setattr(book, "parse", counting)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    books = ledger(tmp_path)
    for n in range(400):
        books.deliver(books.render(document(n)), "key")
    assert parsed <= 2 * (tmp_path / MAIN).stat().st_size
