"""One open file as rows: taken some at a time, given back, committed. Memory stays flat whatever the file's size.

A position is a number of bytes of *content* (after gunzip and, for UTF-16, after recoding to UTF-8) together with the
SHA-256 of those bytes: a file whose first `read` bytes still have that hash has only grown; any other was replaced.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from tieout_files.config import FileConfig
from tieout_files.parse import Record, Shape, bad, parse

CHUNK_BYTES = 1 << 20
LINE_BYTES_MAX = 1 << 24
REPLAY_LINES = 10_000
_BOM = codecs.BOM_UTF8


class Damaged(Exception):  # noqa: N818 - it says what the file is
    """The file cannot be read (further); `record` says why, as an error record."""

    def __init__(self, record: Record) -> None:
        super().__init__(record["$error"]["message"])
        self.record = record


class Rows(Protocol):
    """An open file. `take` gives rows not yet taken, `give_back` returns the last of them, `commit` accounts for the rest.

    `read`: bytes of content committed. `ended`: nothing more to take. `unfinished`: something was left for later, a last
    line without its end or the rest of a file that is still being written. `head`: the header line's bytes.
    """

    names: tuple[str, ...]
    read: int
    line: int
    ended: bool
    unfinished: bool
    head: bytes
    shape: Shape

    def take(self, count: int) -> list[Record]: ...
    def give_back(self, count: int) -> None: ...
    def commit(self) -> bytes: ...
    def sha(self) -> str: ...
    def replay(self, read: int, sha: str, each: Callable[[list[Record]], None] | None) -> bool: ...
    def close(self) -> None: ...


class _Recoded:
    """Content of an encoding whose line end is not the byte 0x0A (UTF-16, UTF-32), recoded to UTF-8 as it is read."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self.close = stream.close

    def read1(self, size: int) -> bytes:
        while True:
            data = self._stream.read(size)
            text = self._decoder.decode(data, final=not data)
            if text or not data:
                return text.encode()


def open_content(path: Path, encoding: str) -> Any:
    """The file's content as a stream with `read1`: gunzipped by suffix, recoded where a line end is not one byte."""
    packed = path.suffix.lower() == ".gz"
    stream: Any = gzip.open(path, "rb") if packed else path.open("rb")  # noqa: SIM115 - the caller closes it
    return _Recoded(stream, encoding) if recodes(encoding) else stream


def recodes(encoding: str) -> bool:
    """Whether a line end of this encoding is something else than the one byte 0x0A."""
    return encoding != "utf-8-sig" and "\n".encode(encoding) != b"\n"


def content_sha(path: Path, config: FileConfig) -> str:
    """SHA-256 of the whole content; empty when the file is damaged."""
    encoding = "utf-8" if config.kind_of_file(path.name) == "xlsx" else config.encoding
    stream = open_content(path, encoding)
    digest = hashlib.sha256()
    try:
        while data := stream.read1(CHUNK_BYTES):
            digest.update(data)
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError):
        return ""
    finally:
        stream.close()
    return digest.hexdigest()


class _Lines:
    """Whole lines of a stream, some at a time. What follows the last line end is `tail`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._buffer: list[bytes] = []
        self._at = 0
        self.tail = b""
        self.ended = False
        self.damage = ""

    def take(self, count: int) -> list[bytes]:
        while len(self._buffer) - self._at < count and not self.ended:
            self._fill()
        taken = self._buffer[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def give_back(self, lines: Sequence[bytes]) -> None:
        self._buffer = [*lines, *self._buffer[self._at :]]
        self._at = 0

    def empty(self) -> bool:
        if self._at == len(self._buffer) and not self.ended:
            self._fill()
        return self.ended and self._at == len(self._buffer)

    def _fill(self) -> None:
        try:
            data = self._stream.read1(CHUNK_BYTES)
        except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
            self.damage, self.ended = str(error), True
            return
        if not data:
            self.ended = True
            return
        data = self.tail + data
        cut = data.rfind(b"\n") + 1 or data.rfind(b"\r", 0, -1) + 1
        self._buffer = [*self._buffer[self._at :], *data[:cut].splitlines(keepends=True)]
        self._at = 0
        self.tail = data[cut:]
        if len(self.tail) > LINE_BYTES_MAX:
            self.damage, self.ended = f"a line is longer than {LINE_BYTES_MAX} bytes", True


class TextRows:
    """CSV, TSV or JSON Lines. `settled`: nobody is writing any more, so a last line without its end is whole."""

    def __init__(self, path: Path, name: str, config: FileConfig, settled: bool) -> None:
        self._file = name
        self._settled = settled
        self._stream = open_content(path, config.encoding)
        self._lines = _Lines(self._stream)
        self._digest = hashlib.sha256()
        self.read = 0
        self.ended = False
        self.unfinished = False
        self.line = 1
        self._taken: list[bytes] = []
        self._starts: list[int] | None = None
        kind = config.kind_of_file(name) or "csv"
        encoding = "utf-8" if recodes(config.encoding) or config.encoding == "utf-8-sig" else config.encoding
        delimiter = config.delimiter or ("\t" if kind == "tsv" else ",")
        self.shape = Shape(kind, (), encoding, delimiter, config.quote, config.decimal_comma)
        self.head = b""
        try:
            self._open_head(config)
        except BaseException:
            self.close()
            raise
        self.names = self.shape.names

    def _open_head(self, config: FileConfig) -> None:
        first = self._take(1)
        if first and first[0].startswith(_BOM) and self.shape.encoding == "utf-8":
            self._account(_BOM)
            first = [first[0][len(_BOM) :]]
        self._lines.give_back(first)
        for line in self._take(config.skip_rows):
            self._account(line)
            self.line += 1
        names = config.columns
        if self.shape.format == "jsonl":
            return
        if config.header:
            names = self._header(config)
        missing = [c for c in config.decimal_comma if c not in names]
        if missing:
            raise Damaged(self._bad("TO3167", f"no column {missing[0]!r} (decimal_comma)", "", "name a column"))
        self.shape = Shape(
            self.shape.format, names, self.shape.encoding, self.shape.delimiter, self.shape.quote, config.decimal_comma
        )

    def _header(self, config: FileConfig) -> tuple[str, ...]:
        lines = self._take(1)
        if not lines and self._lines.damage:
            raise Damaged(self._bad("TO3168", self._lines.damage, b"", "send the file again"))
        if not lines:
            raise Damaged(self._bad("TO3167", "no header line", b"", "send the file again, or set header = false"))
        try:
            text = [line.decode(self.shape.encoding) for line in lines]
        except UnicodeDecodeError as error:
            message = f"header: byte 0x{lines[0][error.start]:02X} is not {self.shape.encoding}"
            raise Damaged(self._bad("TO3165", message, lines[0], "state the file's `encoding`")) from None
        probe = Shape("csv", (), self.shape.encoding, self.shape.delimiter, self.shape.quote)
        raw = _first_row(probe, text)
        names = tuple(config.names.get(n, n) if n else f"column {i}" for i, n in enumerate(raw, 1))
        twice = {n for n in names if names.count(n) > 1}
        if twice:
            fix = "rename it in the file, or set header = false with skip_rows and columns"
            raise Damaged(self._bad("TO3167", f"column {min(twice)!r} occurs twice", lines[0], fix))
        self.head = b"".join(lines)
        self._account(self.head)
        self.line += len(lines)
        return names

    def _bad(self, code: str, message: str, raw: bytes | str, fix: str) -> Record:
        return bad(code, message, self._file, self.line, raw, fix)

    def _account(self, data: bytes) -> None:
        self._digest.update(data)
        self.read += len(data)

    def _take(self, count: int) -> list[bytes]:
        """Up to `count` lines; the last one without its end only when the file is settled."""
        lines = self._lines.take(count)
        if len(lines) < count and self._lines.ended and self._lines.tail and not self._lines.damage:
            if self._settled:
                lines.append(self._lines.tail)
                self._lines.tail = b""
            else:
                self.unfinished = True
        return lines

    def take(self, count: int) -> list[Record]:
        """At most `count` lines as records (fewer records where values span lines)."""
        self._taken = self._take(count)
        records, self._starts = parse(self.shape, self._taken, self.line, self._file, self._one_more)
        self.ended = self._lines.empty() and not (self._lines.tail and self._settled and not self._lines.damage)
        if self.ended and self._lines.damage:
            if not self._settled:
                self.unfinished = True
            elif not self._taken:
                raise Damaged(self._bad("TO3168", self._lines.damage, b"", "send the file again"))
            else:
                self.ended = False  # the next call reports the damage, after these rows are safe
        return records

    def _one_more(self) -> bytes | None:
        lines = self._take(1)
        return lines[0] if lines else None

    def give_back(self, count: int) -> None:
        """The last `count` records of the last `take` are taken again later."""
        starts = self._starts
        at = (len(self._taken) if starts is None else len(starts)) - count
        cut = at if starts is None else starts[at]
        self._lines.give_back(self._taken[cut:])
        self._taken = self._taken[:cut]
        self.ended = False

    def commit(self) -> bytes:
        """The rows taken are handed over; their bytes."""
        data = b"".join(self._taken)
        self._account(data)
        self.line += len(self._taken)
        self._taken = []
        return data

    def sha(self) -> str:
        return self._digest.hexdigest()

    def replay(self, read: int, sha: str, each: Callable[[list[Record]], None] | None) -> bool:
        """Passes over what was read before, showing it to `each`; False when the file no longer begins with it."""
        while self.read < read:
            lines = self._take(REPLAY_LINES)
            kept = position = 0
            for line in lines:
                if self.read + position >= read:
                    break
                position += len(line)
                kept += 1
            self._lines.give_back(lines[kept:])
            self._taken = lines[:kept]
            if not kept:
                break
            if each is not None:
                each(parse(self.shape, self._taken, self.line, self._file, self._one_more)[0])
            self.commit()
        return (self.read, self.sha()) == (read, sha)

    def close(self) -> None:
        self._stream.close()


def _first_row(shape: Shape, text: list[str]) -> list[str]:
    if not shape.quote:
        return next(csv.reader(text, delimiter=shape.delimiter, quoting=csv.QUOTE_NONE), [])
    return next(csv.reader(text, delimiter=shape.delimiter, quotechar=shape.quote), [])
