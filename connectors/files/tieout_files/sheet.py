"""Excel sheets as rows of text, behind the same interface as text files.

A number cell stores a binary double. Excel itself shows and accepts 15 significant digits, so 15 digits recover exactly
what was typed: the file says 2.5499999999999998 where the cell says 2.55. Integers are kept whole.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import ParseError

from tieout_files.config import FileConfig
from tieout_files.parse import Record, Shape, bad, normal
from tieout_files.rows import Damaged

UNZIPPED_BYTES_MAX = 1 << 30


class CellError(ValueError):
    """A cell that holds an error value."""


def cell_text(cell: Any) -> str:
    """A cell's value as exact text: ISO dates, plain decimals, `true`/`false`, empty for nothing."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "e":
        raise CellError(f"{cell.coordinate} holds {value}")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, datetime):
        with_time = any(c in (cell.number_format or "").lower() for c in "hs")
        return value.isoformat() if with_time or value.time() != time() else value.date().isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return f"{Decimal(format(value, '.15g')):f}"


class SheetRows:
    """One sheet of an XLSX file. It is read from its start each time it changed: such files do not grow at their end."""

    def __init__(self, path: Path, name: str, config: FileConfig, settled: bool) -> None:
        self._file = name
        self._settled = settled
        self.line = 1
        self.read = 0
        self.ended = self.unfinished = self._exhausted = False
        self.head = b""
        self._pending: list[Record] = []
        self._taken: list[Record] = []
        self._spool: IO[bytes] | None = None
        self._book: Any = None
        try:
            self._cells = self._open(path, config)
            self.names = self._header(config)
        except BaseException:
            self.close()
            raise
        self._comma = config.decimal_comma
        self.shape = Shape("xlsx", self.names)

    def _open(self, path: Path, config: FileConfig) -> Iterator[Any]:
        from openpyxl import load_workbook  # late: it costs a third of a second

        stream: Any = path.open("rb")
        self._spool = stream
        try:
            if path.suffix.lower() == ".gz":
                self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
                with gzip.open(stream) as packed:
                    shutil.copyfileobj(packed, self._spool)
                stream.close()
                stream = self._spool
                stream.seek(0)
            self._sha = hashlib.file_digest(stream, "sha256").hexdigest()
            with zipfile.ZipFile(stream) as archive:
                if sum(member.file_size for member in archive.infolist()) > UNZIPPED_BYTES_MAX:
                    raise self._damaged("the workbook unpacks to more than 1 GiB")
            self._book = load_workbook(stream, read_only=True, data_only=True)
        except (zipfile.BadZipFile, EOFError, gzip.BadGzipFile, KeyError, ValueError, ParseError) as error:
            raise self._damaged(f"not a readable workbook: {error}") from None
        if config.sheet is not None and config.sheet not in self._book.sheetnames:
            fix = f"sheets here: {', '.join(self._book.sheetnames)}"
            raise Damaged(bad("TO3167", f"no sheet {config.sheet!r}", self._file, 1, "", fix))
        sheet = self._book[config.sheet] if config.sheet else self._book.worksheets[0]
        rows: Iterator[Any] = sheet.iter_rows()
        return rows

    def _damaged(self, message: str) -> Damaged:
        return Damaged(bad("TO3168", message, self._file, self.line, "", "send the file again"))

    def _header(self, config: FileConfig) -> tuple[str, ...]:
        for _ in range(config.skip_rows):
            next(self._cells, None)
            self.line += 1
        if not config.header:
            return config.columns
        row = next(self._cells, None)
        self.line += 1
        raw = [cell_text(cell) for cell in row or ()]
        while raw and not raw[-1]:
            raw.pop()
        names = tuple(config.names.get(n, n) if n else f"column {i}" for i, n in enumerate(raw, 1))
        if not names or len(set(names)) != len(names):
            what = "a column name occurs twice" if names else "no header row"
            raise Damaged(bad("TO3167", what, self._file, self.line - 1, ", ".join(raw), "correct the header"))
        return names

    def take(self, count: int) -> list[Record]:
        taken, self._pending = self._pending[:count], self._pending[count:]
        while len(taken) < count and not self._exhausted:
            row = next(self._cells, None)
            if row is None:
                self._exhausted = True
                break
            record = self._record(row)
            self.line += 1
            if record is not None:
                taken.append(record)
        self._taken = taken
        self.ended = self._exhausted and not self._pending
        return taken

    def _record(self, row: Any) -> Record | None:
        try:
            values = [cell_text(cell) for cell in row]
        except CellError as error:
            return bad("TO3177", str(error), self._file, self.line, "", "correct the formula and send the file again")
        while len(values) > len(self.names) and not values[-1]:
            values.pop()
        if not any(values):
            return None
        if len(values) > len(self.names):
            message = f"{len(values)} values where the header has {len(self.names)} names"
            return bad("TO3163", message, self._file, self.line, " | ".join(values), "name every column")
        values += [""] * (len(self.names) - len(values))
        record: Record = dict(zip(self.names, values, strict=True))
        for name, cell in zip(self.names, row, strict=False):
            if name in self._comma and isinstance(cell.value, str):  # a number cell has no comma, whatever it shows
                if (value := normal(record[name])) is None:
                    message = f"{name} {record[name]!r} is not a number with a decimal comma"
                    return bad("TO3171", message, self._file, self.line, " | ".join(values), "write it as 1234,56")
                record[name] = value
        return record

    def give_back(self, count: int) -> None:
        at = len(self._taken) - count
        self._pending = self._taken[at:] + self._pending
        self._taken = self._taken[:at]
        self.ended = self._exhausted and not self._pending

    def commit(self) -> bytes:
        self._taken = []
        return b""

    def sha(self) -> str:
        return self._sha

    def replay(self, read: int, sha: str, each: Callable[[list[Record]], None] | None) -> bool:
        return False

    def close(self) -> None:
        if self._book is not None:
            self._book.close()
        if self._spool is not None:
            self._spool.close()
