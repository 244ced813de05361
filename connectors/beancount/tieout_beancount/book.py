"""The ledger's files: read once, kept in step, appended to so that a crash leaves an entry wholly in or not at all.

How an append survives a crash. The bytes to append go to an intent file first (fsync), then to the end of the ledger
(fsync), then the intent is removed. Whoever opens the ledger next finds the intent and compares: all bytes there, done;
only some of them, the file is cut back to its old length. Replacing the whole file instead would cost a copy of the
ledger per entry, quadratic over a year; what follows our own bytes is never touched, so what people write stays as it is.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

import msgspec

from tieout import Fatal, Retryable
from tieout_beancount.parse import Parsed, Transaction, parse

log = logging.getLogger("tieout.beancount")
INCLUDES_MAX = 10_000


class _Stat(NamedTuple):
    size: int
    mtime: int
    inode: int


class _Intent(msgspec.Struct):
    file: str
    size: int
    length: int


class Book:
    """The main file with all it includes. Use every method inside `with book.held():`."""

    def __init__(self, main: Path, lock_wait_seconds: int) -> None:
        self.main = main
        self._wait = lock_wait_seconds
        self._files: dict[Path, tuple[_Stat, Parsed]] = {}
        self._references: dict[str, list[tuple[Path, Transaction]]] = {}
        self.opens: dict[str, tuple[date, str]] = {}
        self.closes: dict[str, date] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Alone with the ledger, half-written entries taken out, and everything known that the files now hold."""
        if not self.main.parent.is_dir():
            yield
            return
        with self._lock():
            self._recover()
            self._refresh()
            yield

    @contextmanager
    def _lock(self) -> Iterator[None]:
        path = self.main.with_name(f".{self.main.name}.lock")
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            message = f"{path.name} cannot be opened: {error.strerror}"
            raise Retryable(message, code="TO6105", where=str(path), fix="mend the folder's permissions") from error
        try:
            deadline = time.monotonic() + self._wait
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        message = f"another process has held {self.main.name} for {self._wait} s"
                        raise Retryable(message, code="TO6105", fix="end the other process") from None
                    time.sleep(0.02)  # seconds
            yield
        finally:
            os.close(handle)

    # -- reading

    def _refresh(self) -> None:
        changed = False
        found: dict[Path, None] = {}
        queue = [self.main] if self.main.exists() else []
        while queue:
            path = queue.pop()
            if path in found:
                continue
            found[path] = None
            if len(found) > INCLUDES_MAX:
                raise Fatal(f"more than {INCLUDES_MAX} included files", code="TO6106", where=str(self.main))
            known = self._files.get(path)
            stat = _stat(path)
            if known is None or known[0] != stat:
                changed = True
                self._files[path] = (stat, _read(path))
            for pattern in self._files[path][1].includes:
                queue.extend(_included(path, pattern))
        for gone in [p for p in self._files if p not in found]:
            del self._files[gone]
            changed = True
        if changed:
            self._reindex()

    def _reindex(self) -> None:
        self._references, self.opens, self.closes = {}, {}, {}
        for path, (_, parsed) in self._files.items():
            self._index(path, parsed)

    def _index(self, path: Path, parsed: Parsed) -> None:
        for transaction in parsed.transactions:
            if reference := transaction.reference:
                self._references.setdefault(reference, []).append((path, transaction))
        self.opens.update(parsed.opens)
        self.closes.update(parsed.closes)

    def find(self, reference: str) -> list[tuple[Path, Transaction]]:
        return self._references.get(reference, [])

    def transactions(self) -> Iterator[tuple[Path, Transaction]]:
        for path, (_, parsed) in self._files.items():
            for transaction in parsed.transactions:
                yield path, transaction

    def parsed(self) -> Iterator[tuple[Path, Parsed]]:
        for path, (_, parsed) in self._files.items():
            yield path, parsed

    def option(self, name: str, default: str) -> str:
        main = self._files.get(self.main)
        return main[1].options.get(name, default) if main else default

    # -- writing

    def create(self, path: Path, text: str) -> None:
        """A new file, whole or not at all. An existing one is left as it is."""
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        _write(temporary, text.encode())
        temporary.replace(path)
        _sync_folder(path.parent)
        self._refresh()

    def append(self, path: Path, text: bytes) -> None:
        """Adds `text` after a blank line. Retryable TO6105 when the file system refuses; nothing is written then."""
        before = _stat(path)
        data = _gap(path, before.size) + text
        intent = self._intent()
        try:
            _write(intent, msgspec.json.encode(_Intent(str(path), before.size, len(data))) + b"\n" + data)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND)
            try:
                try:
                    _write_all(handle, data)
                except OSError:
                    os.ftruncate(handle, before.size)
                    raise
            finally:
                os.close(handle)
            intent.unlink()
        except OSError as error:
            intent.unlink(missing_ok=True)
            message = f"{path.name} cannot be written: {error.strerror}; nothing was written"
            raise Retryable(message, code="TO6105", where=str(path), fix="free space or mend permissions") from error
        self._learn(path, before, data)

    def _learn(self, path: Path, before: _Stat, data: bytes) -> None:
        """Takes in our own addition without reading the file again."""
        known = self._files.get(path)
        after = _stat(path)
        if known is None or known[0] != before or after.size != before.size + len(data):
            self._refresh()
            return
        parsed, added = known[1], parse(data.decode())
        for transaction in added.transactions:
            parsed.transactions.append(transaction._replace(line=parsed.lines + transaction.line))
        parsed.opens.update(added.opens)
        parsed.includes.extend(added.includes)
        parsed.lines += added.lines
        self._files[path] = (after, parsed)
        added.transactions = parsed.transactions[len(parsed.transactions) - len(added.transactions) :]
        self._index(path, added)
        if added.includes:
            self._refresh()  # what is included from now on belongs to the ledger too

    def _intent(self) -> Path:
        return self.main.with_name(f".{self.main.name}.intent")

    def _recover(self) -> None:
        """Finishes or takes back an append that was cut off."""
        intent = self._intent()
        if not intent.exists():
            return
        head, _, data = intent.read_bytes().partition(b"\n")
        try:
            planned = msgspec.json.decode(head, type=_Intent)
        except msgspec.DecodeError:
            planned = None
        # An intent that is itself incomplete was never followed by a write to the ledger.
        if planned is not None and len(data) == planned.length:
            _settle(Path(planned.file), planned.size, data, intent)
        intent.unlink()


def _settle(path: Path, size: int, data: bytes, intent: Path) -> None:
    """The end of the file after a cut-off append: whole, or taken back. Text that is not ours is never cut."""
    if not path.exists() or _stat(path).size < size:
        return  # the file was replaced by an older one; nothing of ours is at its end
    with path.open("r+b") as file:
        file.seek(size)
        tail = file.read()
        if not tail.startswith(data):
            if not data.startswith(tail.rstrip(b"\0")):
                fix = f"correct the end of {path.name} until bean-check accepts it, then delete {intent.name}"
                message = f"a write to {path.name} was cut off and the file was edited since"
                raise Fatal(message, code="TO6109", where=str(path), fix=fix)
            file.truncate(size)
            log.warning("%s: took out an entry that was only half written", path.name)
        os.fsync(file.fileno())


def _stat(path: Path) -> _Stat:
    stat = path.stat()
    return _Stat(stat.st_size, stat.st_mtime_ns, stat.st_ino)


def _read(path: Path) -> Parsed:
    data = path.read_bytes()
    try:
        return parse(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Fatal(
            f"byte 0x{data[error.start]:02X} is not UTF-8",
            code="TO6106",
            where=f"{path}:{line}",
            fix="save it as UTF-8",
        ) from None


def _included(path: Path, pattern: str) -> list[Path]:
    target = Path(pattern)
    if target.is_absolute():
        return [target] if target.exists() else []
    return sorted(path.parent.glob(pattern))


def _gap(path: Path, size: int) -> bytes:
    """What to put before an entry so that one blank line parts it from what is there."""
    with path.open("rb") as file:
        file.seek(max(size - 2, 0))
        end = file.read(2)
    if not end or end == b"\n\n":
        return b""
    return b"\n" if end.endswith(b"\n") else b"\n\n"


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        _write_all(handle, data)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
    os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
