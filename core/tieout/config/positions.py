"""Where each key and value of a TOML text stands. `tomllib` reads the values but keeps no positions.

The index assumes text that `tomllib` has accepted; it only has to walk it, not to judge it. A path is a tuple of keys
and, for arrays and arrays of tables, indices: `("companies", "ACME", "policies", 0, "effective")`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

Path = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}#\n\r]+")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


class Place(NamedTuple):
    """Line and column, both from 1, of a key and of its value (the same for an element of an array)."""

    line: int
    column: int
    value_line: int
    value_column: int


class Positions:
    """The places of a TOML text by path."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._arrays: dict[Path, int] = {}
        self.places: dict[Path, Place] = {}
        self._document()

    def find(self, path: Path) -> Place:
        """The place of a path, or of the nearest one above it that is written down; the top of the file for none."""
        while path:
            if path in self.places:
                return self.places[path]
            path = path[:-1]
        return Place(1, 1, 1, 1)

    def _document(self) -> None:
        table: Path = ()
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        double = self._text.startswith("[[", self._at)
        self._at += 2 if double else 1
        keys = self._keys()
        self._at += 2 if double else 1
        path: Path = ()
        for number, (name, start) in enumerate(keys):
            path = (*path, name)
            self._note(path, start)
            last = number == len(keys) - 1
            if last and double:
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                path = (*path, self._arrays[path])
                self._note(path, start)
        return path

    def _pair(self, table: Path) -> None:
        path = table
        keys = self._keys()
        for name, start in keys:
            path = (*path, name)
            self._note(path, start)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        line, column = self._place(keys[-1][1])
        self.places[path] = Place(line, column, *self._place(self._at))
        self._value(path)

    def _value(self, path: Path) -> None:
        char = self._text[self._at]
        if char in "\"'":
            self._string()
        elif char == "[":
            self._array(path)
        elif char == "{":
            self._inline(path)
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "]":
                self._at += 1
                return
            self._note((*path, index), self._at)
            self._value((*path, index))
            index += 1
            self._skip(_BLANK)
            if self._text[self._at] == ",":
                self._at += 1

    def _inline(self, path: Path) -> None:
        self._at += 1
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "}":
                self._at += 1
                return
            self._pair(path)
            self._skip(_BLANK)
            if self._text[self._at] == ",":
                self._at += 1

    def _keys(self) -> list[tuple[str, int]]:
        """The parts of a dotted key, each with the offset where it starts; leaves the cursor on what follows."""
        parts = []
        while True:
            self._skip(_SPACE)
            start = self._at
            if self._text[start] in "\"'":
                parts.append((self._string(), start))
            else:
                self._skip(_BARE)
                parts.append((self._text[start : self._at], start))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    def _string(self) -> str:
        """Step over a string; what it says matters for quoted keys only."""
        text, quote = self._text, self._text[self._at]
        long = text.startswith(quote * 3, self._at)
        size = 3 if long else 1
        start = at = self._at + size
        while not text.startswith(quote * size, at):
            at += 2 if text[at] == "\\" and quote == '"' else 1
        body = text[start:at]
        at += size
        while long and text.startswith(quote, at) and at < start + len(body) + size + 2:
            at += 1  # a long string may end in one or two quotes of its own
        self._at = at
        return _ESCAPE.sub(_unescape, body) if quote == '"' else body

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()

    def _note(self, path: Path, offset: int) -> None:
        if path not in self.places:
            line, column = self._place(offset)
            self.places[path] = Place(line, column, line, column)

    def _place(self, offset: int) -> tuple[int, int]:
        low, high = 0, len(self._lines)
        while high - low > 1:
            middle = (low + high) // 2
            if self._lines[middle] <= offset:
                low = middle
            else:
                high = middle
        return low + 1, offset - self._lines[low] + 1


def _unescape(match: re.Match[str]) -> str:
    escape = match.group(1)
    if escape[0] in "uU" and len(escape) > 1:
        return chr(int(escape[1:], 16))
    return _ESCAPES.get(escape, escape)
