"""PostgreSQL: landing rows with dedup against COPY of the same rows. CPU seconds of client and server together.

Ours, for every ten thousand records: look the keys up, number them, COPY what is new, commit. The floor: one COPY of all
rows with their numbers already given, one commit.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tieout.store.schema import record
from tieout.store.store import Store
from tieout.testing.databases import drop_below, postgres_url

RECORDS = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
PART, ROUNDS = 10_000, 3
COLUMNS = ("id", "company", "batch", "source", "key", "n", "revision", "content", "page", "idx", "state")
Row = tuple[Any, ...]


def rows() -> list[Row]:
    made = []
    for number in range(RECORDS):
        digest = hashlib.sha256(str(number).encode()).digest()
        made.append((number + 1, 1, number // PART, 1, digest[:16], 0, "1", digest[16:], 1, number % PART, 0))
    return made


def server_cpu(store: Store) -> float:
    """CPU seconds of the server processes that serve this store's one writing connection."""
    with store.write(rows_only=True) as tx:
        pid = tx.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ours(store: Store, given: list[Row]) -> None:
    for start in range(0, len(given), PART):
        part = given[start : start + PART]
        with store.write() as tx:
            known = {key for (key,) in tx.select_keys(record, ("key",), "key", [row[4] for row in part], source=1)}
            fresh = [row for row in part if row[4] not in known]
            numbers = tx.allocate(record, len(fresh))
            columns = dict(zip(COLUMNS[1:], list(zip(*fresh, strict=True))[1:], strict=True))
            tx.insert_columns(record, {"id": numbers, **columns}, len(fresh))


def copy(store: Store, given: list[Row]) -> None:
    words = ",".join(f'"{name}"' for name in COLUMNS)
    with store.write(rows_only=True) as tx:
        raw: Any = tx.connection.connection.driver_connection
        with raw.cursor() as cursor, cursor.copy(f'COPY "record" ({words}) FROM STDIN') as stream:
            for row in given:
                stream.write_row(row)


def measured(way: Any, folder: Path, given: list[Row]) -> float:
    with Store.open(postgres_url(folder)) as store:
        before = server_cpu(store)
        began = time.process_time()
        way(store, given)
        spent = time.process_time() - began + server_cpu(store) - before
        with store.read() as rx:
            assert rx.execute(sa.select(sa.func.count()).select_from(record)).scalar() == len(given)
    drop_below(folder)
    return spent


def main() -> None:
    given = rows()
    with tempfile.TemporaryDirectory() as name:
        found = [
            (measured(copy, Path(name) / f"c{n}", given), measured(ours, Path(name) / f"o{n}", given))
            for n in range(ROUNDS)
        ]
    print(statistics.median(floor / mine for floor, mine in found), found[-1][0], found[-1][1])


if __name__ == "__main__":
    main()
