"""A transaction: what code inside `store.write()` or `store.read()` works with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import Any

import sqlalchemy as sa

from tieout.store import dialect

KEYS_PER_SELECT = 5_000
ROWS_PER_FETCH = 10_000
BULK_ROWS = 200  # below, PostgreSQL's COPY, or taking rows apart, costs more than it saves
STATEMENTS_MAX = 1_000
VALUES_PER_INSERT = 900  # SQLite's oldest limit is 999

Row = tuple[Any, ...]


class Tx:
    """One transaction. Everything in it is committed together or not at all."""

    def __init__(self, connection: sa.Connection, *, writes: bool) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self.writes = writes
        self.on_rollback: list[Callable[[], None]] = []
        self.on_commit: list[Callable[[], None]] = []
        self._next_id: dict[str, int] = {}

    def execute(self, statement: sa.Executable, parameters: Any = None) -> sa.CursorResult[Any]:
        """Run a Core statement."""
        return self.connection.execute(statement, parameters)

    def chunks(self, statement: sa.Select[Any]) -> Iterator[Sequence[Row]]:
        """Rows of a query of plain integers as the driver gives them, some thousands at a time."""
        if self.dialect != "sqlite":
            with self.connection.execute(statement.execution_options(yield_per=ROWS_PER_FETCH)) as result:
                for part in result.partitions():
                    yield [tuple(row) for row in part]
            return
        text = str(statement.compile(self.connection, compile_kwargs={"literal_binds": True}))
        cursor = self.connection.connection.cursor().execute(text)
        while rows := cursor.fetchmany(ROWS_PER_FETCH):
            yield rows

    def insert(self, table: sa.Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert prepared tuples in bulk: values as the database stores them, in the order of `columns`."""
        if not rows:
            return
        if len(rows) >= BULK_ROWS:
            self.insert_columns(table, dict(zip(columns, zip(*rows, strict=True), strict=True)), len(rows))
        elif self.dialect == "sqlite":
            # through the driver's own cursor: SQLAlchemy would copy the list and wrap every bytes value
            self.connection.connection.cursor().executemany(_insert_sql(self.dialect, table, tuple(columns)), rows)
        else:
            self.connection.exec_driver_sql(_insert_sql(self.dialect, table, tuple(columns)), list(rows))

    def insert_columns(self, table: sa.Table, columns: Mapping[str, Sequence[Any] | int | str], count: int) -> None:
        """Insert `count` rows given as columns: values as the database stores them, one value where all rows have the
        same, at least one column of several. A nullable column may be left out.

        SQLite takes some fifty rows a statement, which costs half of a statement a row; a bytearray binds in a tenth of
        the time of bytes, which Python's driver offers to every adapter first.
        """
        if not count:
            return
        constant = {name: value for name, value in columns.items() if isinstance(value, (int, str))}
        varying = {
            name: values
            for name, values in columns.items()
            if not isinstance(values, (int, str))
            and (values[0] is not None or not table.c[name].nullable or any(value is not None for value in values))
        }
        names = (*constant, *varying)
        if self.dialect != "sqlite":
            rows = zip(*([value] * count for value in constant.values()), *varying.values(), strict=True)
            dialect.copy_rows(self.connection, table, names, rows)
            return
        bound = [_as_bound(table, name, values) for name, values in varying.items()]
        flat = list(chain.from_iterable(zip(*bound, strict=True)))
        same, width = list(constant.values()), len(varying)
        each = max(1, (VALUES_PER_INSERT - len(same)) // width)
        wide = each * width
        whole = len(flat) - len(flat) % wide
        cursor = self.connection.connection.cursor()
        if whole:
            parts = [same + flat[at : at + wide] for at in range(0, whole, wide)]
            cursor.executemany(_insert_many_sql(table, names, len(same), each), parts)
        if whole < len(flat):
            rest = (len(flat) - whole) // width
            cursor.execute(_insert_many_sql(table, names, len(same), rest), same + flat[whole:])

    def allocate(self, table: sa.Table, count: int) -> Sequence[int]:
        """`count` fresh ids of a table, ascending, for rows that are inserted in this transaction."""
        if self.dialect != "sqlite":
            sequence = f"{table.name}_id_seq"
            query = f"SELECT nextval('{sequence}') FROM generate_series(1, {count})"
            return [row[0] for row in self.connection.exec_driver_sql(query)]
        first = self._next_id.get(table.name)
        if first is None:
            first = (self.connection.scalar(sa.select(sa.func.max(table.c.id))) or 0) + 1
        self._next_id[table.name] = first + count
        return range(first, first + count)

    def known_before(
        self, table: sa.Table, column: str, values: Sequence[int], company: int, batch: int, at: int
    ) -> set[int]:
        """Those values of `column` that a row of an earlier batch, or of an earlier instant, has."""
        if not values:
            return set()
        # the instant first: it is in the index, the batch is not
        same = f'company = {int(company)} AND t."{column}" = p.value AND (t.at <= {int(at)} OR t.batch <= {int(batch)})'
        exists = f'EXISTS (SELECT 1 FROM "{table.name}" t WHERE {same})'
        if self.dialect == "sqlite":
            sql, given = f"SELECT p.value FROM json_each(?) p WHERE {exists}", (json.dumps(list(values)),)
        else:
            sql, given = f"SELECT p.value FROM unnest(%s::bigint[]) AS p(value) WHERE {exists}", (list(values),)  # type: ignore[assignment]
        return {row[0] for row in self.connection.exec_driver_sql(sql, given)}

    def starting_with(self, table: sa.Table, column: str, prefixes: Sequence[str]) -> list[int]:
        """Ids of rows whose text `column` begins with one of these, by its index: a range a prefix."""
        if not prefixes:
            return []
        if self.dialect == "sqlite":
            after = "substr(p.value, 1, length(p.value) - 1) || char(unicode(substr(p.value, -1)) + 1)"
            sql = (
                f'SELECT t.id FROM json_each(?) p CROSS JOIN "{table.name}" t '
                f'ON t."{column}" >= p.value AND t."{column}" < {after}'
            )
            cursor = self.connection.connection.cursor()
            return [row[0] for row in cursor.execute(sql, (json.dumps(list(prefixes)),))]
        sql = f'SELECT t.id FROM unnest(%s::text[]) AS p(low) JOIN "{table.name}" t ON t."{column}" ^@ p.low'
        return [row[0] for row in self.connection.exec_driver_sql(sql, (list(prefixes),))]

    def select_keys(
        self,
        table: sa.Table,
        columns: Sequence[str],
        key: str,
        keys: Iterable[Any],
        **equal: Any,
    ) -> list[Row]:
        """Rows whose `key` column is one of `keys` and whose other named columns equal the given values; no order.

        Set-wise: chunks of one prepared IN list on SQLite, one `= ANY(array)` on PostgreSQL.
        """
        wanted = list(keys)
        if not wanted:
            return []
        if self.dialect == "sqlite" and isinstance(wanted[0], bytes):
            wanted = list(map(bytearray, wanted))  # see insert_columns
        given = tuple(equal.values())
        if self.dialect != "sqlite":
            statement = _select_sql(self.dialect, table, tuple(columns), key=key, equal=tuple(equal), size=0)
            raw: Any = self.connection.connection.driver_connection
            return list(raw.execute(statement, (*given, wanted), binary=True).fetchall())
        out: list[Row] = []
        cursor = self.connection.connection.cursor()
        for start in range(0, len(wanted), KEYS_PER_SELECT):
            chunk = wanted[start : start + KEYS_PER_SELECT]
            size = KEYS_PER_SELECT if len(chunk) == KEYS_PER_SELECT else _padded(len(chunk))
            chunk += chunk[:1] * (size - len(chunk))
            statement = _select_sql(self.dialect, table, tuple(columns), key=key, equal=tuple(equal), size=size)
            out += cursor.execute(statement, (*given, *chunk)).fetchall()
        return out


def _as_bound(table: sa.Table, name: str, values: Sequence[Any]) -> Sequence[Any]:
    if isinstance(table.c[name].type, sa.LargeBinary) and not isinstance(values[0], bytearray):
        return [value if value is None else bytearray(value) for value in values]
    return values


def _padded(count: int) -> int:
    """The next power of two, so that few statements are ever prepared."""
    return 1 << (count - 1).bit_length()


def _quoted(table: sa.Table, columns: Iterable[str]) -> str:
    known = [table.c[name].name for name in columns]  # a KeyError here is a misspelt column
    return ",".join(f'"{name}"' for name in known)


@cache
def _insert_sql(dialect_name: str, table: sa.Table, columns: tuple[str, ...]) -> str:
    marks = dialect.placeholders(dialect_name, len(columns))
    return f'INSERT INTO "{table.name}" ({_quoted(table, columns)}) VALUES ({marks})'


@lru_cache(maxsize=STATEMENTS_MAX)
def _insert_many_sql(table: sa.Table, columns: tuple[str, ...], same: int, rows: int) -> str:
    """SQLite's own: the first `same` columns are bound once for all rows."""
    width = len(columns) - same
    fixed = [f"?{number}" for number in range(1, same + 1)]
    marks = [
        ",".join([*fixed, *(f"?{same + row * width + number}" for number in range(1, width + 1))])
        for row in range(rows)
    ]
    values = ",".join(f"({row})" for row in marks)
    return f'INSERT INTO "{table.name}" ({_quoted(table, columns)}) VALUES {values}'


@cache
def _select_sql(
    dialect_name: str, table: sa.Table, columns: tuple[str, ...], *, key: str, equal: tuple[str, ...], size: int
) -> str:
    mark = dialect.placeholders(dialect_name, 1)
    fixed = "".join(f"{_quoted(table, (name,))} = {mark} AND " for name in equal)
    keys = f"IN ({dialect.placeholders(dialect_name, size)})" if dialect_name == "sqlite" else "= ANY(%b)"
    return f'SELECT {_quoted(table, columns)} FROM "{table.name}" WHERE {fixed}{_quoted(table, (key,))} {keys}'
