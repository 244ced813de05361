"""Small CSV files that people edit (account maps, charts of accounts), with the line and column of every cell.

The separator is the one the header line uses: comma, semicolon or tab. Cells may be quoted. Blank lines and lines that
begin with `#` are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tieout.config.slip import Slips, choices, nearest

FILE_BYTES_MAX = 20_000_000


class Cell(NamedTuple):
    """A cell's text and its place, `file:line:column`."""

    text: str
    where: str


Row = dict[str, Cell]


def read_rows(path: Path, name: str, required: Sequence[str], optional: Sequence[str], slips: Slips) -> list[Row]:
    """The rows below the header. A header that misses a required column, or has an unknown one, is a slip."""
    try:
        data = path.read_bytes()
        if len(data) > FILE_BYTES_MAX:
            slips.at(
                f"{name}:1:1", "TO1014", f"longer than {FILE_BYTES_MAX} bytes", "it is read whole", "is it the file?"
            )
            return []
        text = data.decode("utf-8-sig")
    except OSError as error:
        slips.at(f"{name}:1:1", "TO1014", f"cannot be read: {error.strerror}", "it was named", "make it readable")
        return []
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        slips.at(f"{name}:{line}:1", "TO1014", "not UTF-8 text", "names could be misread", "save it as CSV UTF-8")
        return []
    records = _records(text, name)
    if not records:
        slips.at(
            f"{name}:1:1", "TO1014", "the file is empty", "it was named as a source", f"header: {','.join(required)}"
        )
        return []
    header = _header(records[0], name, required, optional, slips)
    rows = []
    for record in records[1:]:
        if len(record) > len(header):
            slips.at(
                record[len(header)].where,
                "TO1015",
                f"{len(record)} cells, the header has {len(header)}",
                "a cell without a column means nothing",
                "quote a cell that holds the separator",
            )
        rows.append({column: cell for column, cell in zip(header, record, strict=False) if column})
    return rows


def _header(record: list[Cell], name: str, required: Sequence[str], optional: Sequence[str], slips: Slips) -> list[str]:
    known = (*required, *optional)
    header = []
    for cell in record:
        column = cell.text.lower().replace(" ", "_")
        if column not in known:
            near = nearest(column, set(known) - {c.text.lower() for c in record})
            why = "nobody reads it"
            slips.at(cell.where, "TO1015", f"unknown column {cell.text!r}", why, choices(known), nearest=near)
            column = ""
        elif column in header:
            slips.at(cell.where, "TO1015", f"column {cell.text!r} is there twice", "which one counts?", "remove one")
            column = ""
        header.append(column)
    for column in required:
        if column not in header:
            what, why = f"column {column!r} is missing", "every row needs it"
            slips.at(f"{name}:1:1", "TO1015", what, why, f"header: {','.join(known)}")
    return header


def _records(text: str, name: str) -> list[list[Cell]]:
    separator = ""
    records: list[list[Cell]] = []
    lines = text.replace("\r\n", "\n").split("\n")
    number = 0
    while number < len(lines):
        first, line = number + 1, lines[number]
        while line.count('"') % 2 and number + 1 < len(lines):  # a quoted cell goes on in the next line
            number += 1
            line += "\n" + lines[number]
        number += 1
        if not line.strip() or line.startswith("#"):
            continue
        if not separator:
            separator = max(",;\t", key=line.count)
        records.append(_cells(line, separator, f"{name}:{first}"))
    return records


def _cells(line: str, separator: str, where: str) -> list[Cell]:
    cells = []
    at = 0
    while True:
        start = at
        if line.startswith('"', at):
            at += 1
            text = ""
            while at < len(line):
                if line[at] == '"':
                    if line.startswith('""', at):
                        at += 1
                    else:
                        break
                text += line[at]
                at += 1
            end = line.find(separator, at + 1)
        else:
            end = line.find(separator, at)
            text = line[at : end if end >= 0 else len(line)]
        cells.append(Cell(text.strip(), f"{where}:{start + 1}"))
        if end < 0:
            return cells
        at = end + 1
