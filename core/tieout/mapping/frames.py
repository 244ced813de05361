"""What a run works on: a page, and frames of rows (records, or elements an `each` reached) read as columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from types import NoneType
from typing import Any, Final

import msgspec

from tieout.mapping.limits import FAN_OUT_ELEMENTS_MAX
from tieout.mapping.paths import Column, Path

# What a converter or cast may raise for a value it cannot take; anything else is a bug and passes on.
REFUSALS: Final = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError)


class Skipped(msgspec.Struct, frozen=True):
    """Something a `skip` left out: `record` is its index in the page, `what` a record, an event or a line."""

    record: int
    reason: str
    what: str


class Failed(msgspec.Struct, frozen=True):
    """A record that was refused whole. `amount` is the largest known amount of its events in minor units, else None."""

    record: int
    code: str
    field: str
    reason: str
    amount: int | None = None


class RefusalError(ValueError):
    """A refusal with its own code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Page:
    """The state of one run: the first refusal of each record, what was skipped, the identity of each record."""

    def __init__(self, size: int, nulls: frozenset[str]) -> None:
        self.nulls = nulls
        self.only_empty = nulls == {""}
        self.failed: dict[int, Failed] = {}
        self.skipped: list[Skipped] = []
        self.transactions: list[str] = [""] * size
        self.line_ids: list[str] = [""] * size

    def refuse(self, record: int, field: str, error: Exception) -> None:
        """Refuse a record; the first refusal stands."""
        code = error.code if isinstance(error, RefusalError) else "TO2102"
        self.failed.setdefault(record, Failed(record, code, field, str(error) or type(error).__name__))


class Frame:
    """Rows at one level. `records[i]` is row i's record in the page, `index[i]` its row in `parent`."""

    __slots__ = ("_columns", "index", "page", "parent", "positions", "records", "rows")

    def __init__(
        self,
        page: Page,
        rows: Sequence[Any],
        records: Sequence[int],
        *,
        parent: Frame | None = None,
        index: Sequence[int] = (),
        positions: Sequence[int] = (),
    ) -> None:
        self.page, self.rows, self.records = page, rows, records
        self.parent, self.index, self.positions = parent, index, positions
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, path: Path) -> Column:
        """The value of a path in every row, texts that mean "no value" as None."""
        column = self._columns.get(path.text)
        if column is None:
            column = self._columns[path.text] = self._read(path)
        return column

    def _read(self, path: Path) -> Column:
        frame: Frame = self
        index: Sequence[int] | None = None
        for _ in range(path.up):
            if frame.parent is None:
                raise LookupError(f"path {path.text!r} leads out of the record")
            index = frame.index if index is None else [frame.index[i] for i in index]
            frame = frame.parent
        column = list(frame.positions) if path.index else self._without_nulls(path.column(frame.rows))
        return column if index is None else list(map(column.__getitem__, index))

    def _without_nulls(self, column: Column) -> Column:
        if self.page.only_empty:
            return [None if value == "" else value for value in column] if "" in column else column
        nulls = self.page.nulls
        return [None if isinstance(value, str) and value in nulls else value for value in column]

    def take(self, mask: Sequence[Any]) -> Frame:
        """The rows where the mask is true."""
        return Frame(
            self.page,
            list(compress(self.rows, mask)),
            list(compress(self.records, mask)),
            parent=self.parent,
            index=list(compress(self.index, mask)),
            positions=list(compress(self.positions, mask)),
        )

    def each(self, path: Path, field: str) -> Frame:
        """The elements of an array of every row; absent means none, anything else refuses the record."""
        rows: list[Any] = []
        index: list[int] = []
        positions: list[int] = []
        for row, array in enumerate(self.column(path)):
            if type(array) is not list:
                if array is not None:
                    problem = f"{path.text} is {type(array).__name__}, not an array"
                    self.page.refuse(self.records[row], field, RefusalError("TO2109", problem))
                continue
            if len(array) > FAN_OUT_ELEMENTS_MAX:
                problem = f"{path.text} has {len(array)} elements, more than {FAN_OUT_ELEMENTS_MAX}"
                self.page.refuse(self.records[row], field, RefusalError("TO2104", problem))
                continue
            rows.extend(array)
            index.extend([row] * len(array))
            positions.extend(range(1, len(array) + 1))
        return Frame(self.page, rows, [self.records[i] for i in index], parent=self, index=index, positions=positions)

    def refuse(self, row: int, field: str, error: Exception) -> None:
        """Refuse the record of a row."""
        self.page.refuse(self.records[row], field, error)


NOTHING: Final = NoneType
