"""`tieout db move`: every row of one database into another, empty one, between SQLite and PostgreSQL, tied out.

The source is held while it is read, so nobody writes behind the move; the target takes all rows in one transaction, which
is committed only when each table holds as many rows with the same digest as it had before. Then the source is marked, and
refuses to be opened again: two live databases of one project would post twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from tieout.errors import StoreError
from tieout.store.acts import record_act
from tieout.store.schema import company, metadata
from tieout.store.store import MOVED_TO, Store
from tieout.store.tx import Tx

ROWS_A_PART: Final = 5_000
_DIGEST_SPACE: Final = 1 << 256


class Table(NamedTuple):
    """A table that was moved: its rows, and a digest that does not depend on their order."""

    name: str
    rows: int
    digest: str


def move(source: Store, target_url: str, actor: str, say: Callable[[str], None] = lambda _: None) -> list[Table]:
    """Move everything; nothing is changed on either side when it fails.

    StoreError: TO8027 the target holds something, TO8028 a table does not tie out.
    """
    with Store.open(target_url, create=True) as target:
        if target.url == source.url:
            raise StoreError("a database cannot be moved onto itself", code="TO8027", where=target.where)
        with source.write() as old, target.write() as new:
            _refuse_full(new, target.where)
            moved = []
            for table in metadata.sorted_tables:
                before = _copy(old, new, table)
                after = _table(new, table)
                if before != after:
                    raise StoreError(
                        f"table {table.name} does not tie out: {before.rows} rows {before.digest[:16]} before, "
                        f"{after.rows} rows {after.digest[:16]} after; nothing was moved",
                        code="TO8028",
                        where=target.where,
                        fix="run `tieout db verify` on the old database, and move again",
                    )
                say(f"{table.name}: {before.rows:,} rows")
                moved.append(before)
            _go_on_counting(new)
            for (number,) in new.execute(sa.select(company.c.id)).all():
                record_act(new, number, actor, "db.move", target.where, {"from": source.where})
        # only now: were the mark committed first, a crash in between would leave no database that opens
        with source.write() as old:
            source.set_meta(old, MOVED_TO, target.where)
    return moved


def _refuse_full(tx: Tx, where: str) -> None:
    for table in metadata.sorted_tables:
        if tx.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            raise StoreError(
                f"the database to move to holds rows already (table {table.name}); nothing was moved",
                code="TO8027",
                where=where,
                fix="name an empty database",
            )


def _copy(old: Tx, new: Tx, table: sa.Table) -> Table:
    names = [column.name for column in table.columns]
    days = [place for place, column in enumerate(table.columns) if isinstance(column.type, sa.Date)]
    count, total = 0, 0
    for part in _parts(old, table):
        count, total = count + len(part), _added(total, part)
        rows = part
        if days and new.dialect == "sqlite":  # the bulk path hands it to the driver
            rows = [tuple(v.isoformat() if isinstance(v, date) else v for v in row) for row in part]
        new.insert(table, names, rows)
    return Table(table.name, count, f"{total:064x}")


def _table(tx: Tx, table: sa.Table) -> Table:
    count, total = 0, 0
    for part in _parts(tx, table):
        count, total = count + len(part), _added(total, part)
    return Table(table.name, count, f"{total:064x}")


def _parts(tx: Tx, table: sa.Table) -> Iterator[list[tuple[Any, ...]]]:
    query = sa.select(table).execution_options(yield_per=ROWS_A_PART)
    with tx.execute(query) as result:
        for part in result.partitions():
            yield [tuple(row) for row in part]


def _added(total: int, rows: list[tuple[Any, ...]]) -> int:
    """A sum of the rows' hashes: the same in every order, another when a row is altered, missing or there twice."""
    for row in rows:
        total += int.from_bytes(hashlib.sha256(msgspec.msgpack.encode(row)).digest(), "big")
    return total % _DIGEST_SPACE


def _go_on_counting(tx: Tx) -> None:
    """On PostgreSQL: the next id of every table is above those that came."""
    if tx.dialect == "sqlite":
        return
    for table in metadata.sorted_tables:
        if "id" in table.c:
            last = tx.execute(sa.select(sa.func.max(table.c.id))).scalar()
            if last is not None:
                tx.connection.exec_driver_sql("SELECT setval(%s, %s)", (f"{table.name}_id_seq", last))
