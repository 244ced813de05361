"""Lines of a text file → records. Pure: what a page's bytes mean depends on the `Shape` and on nothing else.

The common page (one line per row, every row as wide as the header) goes through `csv.reader` and `zip` in one sweep;
any irregularity sends that page, and only it, through the careful way, which names line and reason and goes on.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

ROW_LINES_MAX = 1_000  # lines that one quoted row may span
RAW_CHARACTERS_MAX = 2_000  # of a bad row, kept in its error

Record = dict[str, Any]
More = Callable[[], bytes | None]

_COMMA_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?")
_json = msgspec.json.Decoder(float_hook=Decimal)


class Shape(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the bytes of one file are to be read; stored with each page, so that the page can be read again alone."""

    format: str
    names: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    decimal_comma: tuple[str, ...] = ()


class Documents(msgspec.Struct, frozen=True, omit_defaults=True):
    """How rows become records: numbered within the columns `per`, grouped into documents by `by`."""

    per: tuple[str, ...] = ()
    number_as: str = "row_number"
    by: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    lines_as: str = "lines"
    adjacent: bool = True


def bad(code: str, message: str, file: str, line: int, raw: bytes | str, fix: str) -> Record:
    """A record that stands for something unreadable; the framework makes an exception of it."""
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    detail = {"code": code, "message": message, "file": file, "line": line, "where": f"{file}:{line}"}
    return {"$error": {**detail, "raw": text[:RAW_CHARACTERS_MAX].rstrip("\r\n"), "fix": fix}}


def no_more() -> None:
    return None


def parse(
    shape: Shape, lines: list[bytes], first_line: int, file: str, more: More = no_more
) -> tuple[list[Record], list[int] | None]:
    """Records of whole lines, and the index of each record's first line (None: record i is line i).

    `more` gives a further line where a quoted value goes on past the last one; it is appended to `lines`.
    """
    quick = _parse_json(lines) if shape.format == "jsonl" else _parse_csv(shape, lines)
    if quick is not None:
        return quick, None
    records: list[Record] = []
    starts: list[int] = []
    page = _Page(shape, lines, first_line, file, more)
    at = 0
    while at < len(lines):
        record, used = _careful(page, at)
        if record is not None:
            records.append(record)
            starts.append(at)
        at += used
    return records, starts


def _reader_options(shape: Shape) -> dict[str, Any]:
    if not shape.quote:
        return {"delimiter": shape.delimiter, "quoting": csv.QUOTE_NONE}
    return {"delimiter": shape.delimiter, "quotechar": shape.quote, "strict": True}


def _parse_csv(shape: Shape, lines: Sequence[bytes]) -> list[Record] | None:
    """The fast way; None when anything is irregular."""
    names = shape.names
    try:
        text = b"".join(lines).decode(shape.encoding)
        rows = list(csv.reader(_split(text, lines, shape.encoding), **_reader_options(shape)))
    except (UnicodeDecodeError, csv.Error):
        return None
    if len(rows) != len(lines) or set(map(len, rows)) - {len(names)}:
        return None
    records = [dict(zip(names, row, strict=False)) for row in rows]  # widths are known to be equal
    if shape.decimal_comma and not _commas(shape, records):
        return None
    return records


def _split(text: str, lines: Sequence[bytes], encoding: str) -> list[str]:
    """The same lines as text. str.splitlines knows more line ends than bytes do; where that differs, line by line."""
    split = text.splitlines(keepends=True)
    return split if len(split) == len(lines) else [line.decode(encoding) for line in lines]


def _commas(shape: Shape, records: Sequence[Record]) -> bool:
    """Decimal commas to points, by column; False when a value is no such number."""
    for name in shape.decimal_comma:
        column = [normal(record[name]) for record in records]
        if None in column:
            return False
        for record, value in zip(records, column, strict=True):
            record[name] = value
    return True


def normal(text: str) -> str | None:
    """`1.234,56` → `1234.56`; text without digits stays as it is; None for anything else."""
    if _COMMA_NUMBER.fullmatch(text.strip()):
        return text.strip().replace(".", "").replace(",", ".")
    return None if any(c.isdigit() for c in text) else text


def _parse_json(lines: Sequence[bytes]) -> list[Record] | None:
    try:
        records = [_json.decode(line) for line in lines]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return records if all(type(record) is dict for record in records) else None


class _Page(NamedTuple):
    """The careful way's surroundings."""

    shape: Shape
    lines: list[bytes]
    first_line: int
    file: str
    more: More

    def bad(self, code: str, message: str, at: int, wide: int, fix: str) -> tuple[Record, int]:
        """An error record of `wide` lines from `at` on."""
        raw = b"".join(self.lines[at : at + wide])
        return bad(code, message, self.file, self.first_line + at, raw, fix), wide


def _careful(page: _Page, at: int) -> tuple[Record | None, int]:
    """One record from line `at` on, and how many lines it took. Bad quoting costs one line only."""
    raw = page.lines[at]
    try:
        text = raw.decode(page.shape.encoding)
    except UnicodeDecodeError as error:
        message = f"byte 0x{raw[error.start]:02X} at position {error.start + 1} is not {page.shape.encoding}"
        return page.bad("TO3165", message, at, 1, "state the file's `encoding` (such as cp1252) or export it as UTF-8")
    if not text.strip("\r\n"):
        return None, 1
    if page.shape.format == "jsonl":
        return _careful_json(page, at)
    return _careful_csv(page, at)


def _careful_json(page: _Page, at: int) -> tuple[Record, int]:
    try:
        value = _json.decode(page.lines[at])
    except msgspec.DecodeError as error:
        return page.bad("TO3166", f"not a JSON object: {error}", at, 1, "correct the line")
    if isinstance(value, dict):
        return value, 1
    return page.bad("TO3166", f"a JSON {type(value).__name__}, not an object", at, 1, "one object per line")


def _careful_csv(page: _Page, at: int) -> tuple[Record, int]:
    shape = page.shape
    fix = f"double every {shape.quote} inside a quoted value, or close the quote"
    wide = _whole_row(page, at)
    if wide is None:
        return page.bad("TO3164", "a quote opens here and never closes", at, 1, fix)
    try:
        text = [part.decode(shape.encoding) for part in page.lines[at : at + wide]]
        row = next(csv.reader(text, **_reader_options(shape)))
    except csv.Error as error:
        return page.bad("TO3164", f"bad quoting: {error}", at, 1, fix)
    if len(row) != len(shape.names):
        message = f"{len(row)} values where the header has {len(shape.names)} names"
        return page.bad("TO3163", message, at, wide, "quote values that contain the delimiter")
    record = dict(zip(shape.names, row, strict=True))
    for name in shape.decimal_comma:
        value = normal(record[name])
        if value is None:
            message = f"{name} {record[name]!r} is not a number with a decimal comma"
            return page.bad("TO3171", message, at, wide, "write it as 1234,56 or 1.234,56")
        record[name] = value
    return record, wide


def _whole_row(page: _Page, at: int) -> int | None:
    """How many lines the row at `at` spans; None when its quote never closes."""
    shape, lines = page.shape, page.lines
    if not shape.quote:
        return 1
    quote = shape.quote.encode(shape.encoding)
    # Only a quote at the start of a value opens one; elsewhere it is an ordinary character (12" pipe).
    if not (lines[at].startswith(quote) or shape.delimiter.encode(shape.encoding) + quote in lines[at]):
        return 1
    for count in range(1, ROW_LINES_MAX + 1):
        if at + count > len(lines):
            extra = page.more()
            if extra is None:
                return None
            lines.append(extra)
        if count > 1 and quote not in lines[at + count - 1]:
            continue
        try:
            text = [part.decode(shape.encoding) for part in lines[at : at + count]]
            list(csv.reader(text, **_reader_options(shape)))
            return count
        except csv.Error as error:
            if "unexpected end of data" not in str(error):
                return count if count == 1 else None
        except UnicodeDecodeError:
            return None
    return None


def number(records: Sequence[Record], how: Documents, counts: dict[Any, int]) -> None:
    """Ordinals from 1 within the columns `how.per`, in file order; `counts` carries them from page to page."""
    per, name = how.per, how.number_as
    if not per:
        return
    if len(per) == 1:
        column = per[0]
        for record in records:
            if "$error" not in record:
                key = record[column]
                counts[key] = count = counts.get(key, 0) + 1
                record[name] = str(count)
        return
    for record in records:
        if "$error" not in record:
            key = tuple([record[c] for c in per])
            counts[key] = count = counts.get(key, 0) + 1
            record[name] = str(count)


def key_of(record: Mapping[str, Any], columns: Sequence[str]) -> tuple[str, ...]:
    return tuple([str(record[c]) for c in columns])
