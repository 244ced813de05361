"""`tieout db verify`: everything a database can prove about itself, read only.

File soundness, references, append-only triggers, the SHA-256 of every page, both hash chains, and each batch's digest
recomputed from its rows: an altered or missing event line, record, supersession or name shows, with its batch.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import sqlalchemy as sa

from tieout.audit import chain
from tieout.errors import StoreError
from tieout.store import dialect
from tieout.store.batches import digest
from tieout.store.lines import load_lines
from tieout.store.names import Names
from tieout.store.schema import APPEND_ONLY, act, batch, company, event, page, record, superseded
from tieout.store.store import Store
from tieout.store.tx import Tx


class Problem(NamedTuple):
    """Something that does not hold: where, and what."""

    where: str
    what: str


class Verified(NamedTuple):
    """What was checked and what was wrong. Sound: `problems` is empty."""

    pages: int
    batches: int
    acts: int
    problems: list[Problem]


def verify(store: Store) -> Verified:
    """Check a database. Raises StoreError only when it cannot be read at all."""
    problems: list[Problem] = []
    pages, chained = 0, {"batch": 0, "act": 0}
    with store.read() as rx:
        problems += _file(rx)
        if problems:
            return Verified(0, 0, 0, problems)  # rows of an unsound file prove nothing
        problems += _triggers(rx)
        for number, code in rx.connection.execute(sa.select(company.c.id, company.c.code)).all():
            names = Names(number)
            for table in (batch, act):
                rows = [dict(row) for row in rx.execute(_of(table, number)).mappings()]
                chained[table.name] += len(rows)
                problems += [Problem(f"{code}: {table.name} {x.row}", x.what) for x in chain.verify(rows)]
            for row in rx.execute(_of(batch, number)).mappings().all():
                count, found = _batch(rx, names, row)
                pages += count
                problems += [Problem(f"{code}: {x.where}", x.what) for x in found]
    return Verified(pages, chained["batch"], chained["act"], problems)


def _of(table: sa.Table, number: int) -> sa.Select[tuple[object, ...]]:
    return sa.select(table).where(table.c.company == number).order_by(table.c.id)


def _file(rx: Tx) -> Iterator[Problem]:
    if rx.dialect != "sqlite":
        return
    for (text,) in rx.connection.exec_driver_sql("PRAGMA integrity_check(20)").all():
        if text != "ok":
            yield Problem("file", text)
    for table, row, parent, _ in rx.connection.exec_driver_sql("PRAGMA foreign_key_check").all():
        yield Problem(f"{table} row {row}", f"points to a row of {parent} that is not there")


def _triggers(rx: Tx) -> Iterator[Problem]:
    there = dialect.triggers(rx.connection)
    wanted = ("no_update", "no_delete") if rx.dialect == "sqlite" else ("no_change", "no_truncate")
    for table in APPEND_ONLY:
        for kind in wanted:
            if f"{table}_{kind}" not in there:
                yield Problem(f"table {table}", f"the append-only trigger {table}_{kind} is missing")


def _batch(rx: Tx, names: Names, row: sa.RowMapping) -> tuple[int, list[Problem]]:
    problems: list[Problem] = []
    hashes: list[bytes] = []
    number = row["id"]
    pages = sa.select(page.c.id, page.c.sha256, page.c.body).where(page.c.batch == number).order_by(page.c.id)
    for page_id, sha256, body in rx.connection.execute(pages):
        hashes.append(sha256)
        try:
            sound = hashlib.sha256(zlib.decompress(body)).digest() == sha256
        except zlib.error:
            sound = False
        if not sound:
            problems.append(Problem(f"page {page_id}", "its bytes do not match their SHA-256"))
    records = sa.select(record.c.key, record.c.content, record.c.state).where(_within(record, row, "record"))
    voids = sa.select(superseded.c.event, superseded.c.why).where(superseded.c.batch == number)
    try:
        _, lines = load_lines(rx, names, _within(event, row, "event"), current=False, order=True)
    except StoreError as error:
        return len(hashes), [*problems, Problem(f"batch {number}", error.message)]
    found = digest(
        hashes,
        [(key, content, state) for key, content, state in rx.connection.execute(records.order_by(record.c.id))],
        lines,
        [(line, why) for line, why in rx.connection.execute(voids.order_by(superseded.c.event))],
    )
    if found != row["digest"]:
        what = "its rows are not what landed: a record, event line, supersession or name was changed or is missing"
        problems.append(Problem(f"batch {number}", what))
    return len(hashes), problems


def _within(table: sa.Table, row: sa.RowMapping, what: str) -> sa.ColumnElement[bool]:
    inside = table.c.id.between(row[f"{what}_from"], row[f"{what}_to"])
    return sa.and_(inside, table.c.batch == row["id"])
