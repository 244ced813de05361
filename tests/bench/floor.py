"""The floor: what one Python process without any framework needs for the same feed (DESIGN §16).

Pages parsed by orjson, dedup by vendor id, FIFO on integers, and per movement one movement row, its consumptions and two
journal lines into SQLite (WAL, synchronous=FULL), 10,000 movements a commit. Nothing is validated, mapped, traced, hashed
or replayed. Usage: `python tests/bench/floor.py FEED.jsonl DB` prints CPU seconds and movements.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

PAGE = 1_000
COMMIT = 10_000

TABLES = """
create table movement(id integer primary key, vendor_id text unique, item text, location text, day text, quantity integer, cost integer);
create table consumption(movement integer, layer integer, quantity integer, value integer);
create table line(movement integer, account text, amount integer);
"""


def pages(path: Path) -> Iterator[list[dict[str, Any]]]:
    with path.open("rb") as file:
        chunk = []
        for raw in file:
            chunk.append(raw)
            if len(chunk) == PAGE:
                yield orjson.loads(b"[" + b",".join(chunk) + b"]")
                chunk = []
        if chunk:
            yield orjson.loads(b"[" + b",".join(chunk) + b"]")


def issue(queue: deque[list[int]], quantity: int) -> tuple[int, list[tuple[int, int, int]]]:
    cost, used = 0, []
    while quantity and queue:
        layer = queue[0]
        if layer[1] <= quantity:
            took, value = layer[1], layer[2]
            queue.popleft()
        else:
            took = quantity
            value = (2 * layer[2] * took + layer[1]) // (2 * layer[1])
            layer[1] -= took
            layer[2] -= value
        quantity -= took
        cost += value
        used.append((layer[0], took, value))
    return cost, used


def run(feed: Path, database: Path) -> int:
    db = sqlite3.connect(database, isolation_level=None)
    db.executescript("pragma journal_mode=wal; pragma synchronous=full;" + TABLES)
    seen: set[str] = set()
    layers: dict[str, deque[list[int]]] = {}
    movements: list[tuple[Any, ...]] = []
    consumptions: list[tuple[Any, ...]] = []
    lines: list[tuple[Any, ...]] = []
    number = 0

    def commit() -> None:
        db.execute("begin immediate")
        db.executemany("insert into movement values(?,?,?,?,?,?,?)", movements)
        db.executemany("insert into consumption values(?,?,?,?)", consumptions)
        db.executemany("insert into line values(?,?,?)", lines)
        db.execute("commit")
        movements.clear()
        consumptions.clear()
        lines.clear()

    for page in pages(feed):
        for record in page:
            vendor_id = record["id"]
            if vendor_id in seen:
                continue
            seen.add(vendor_id)
            number += 1
            quantity = int(record["quantity"])
            queue = layers.setdefault(record["sku"], deque())
            if record["kind"] == "receipt":
                cost = quantity * int(record["unit_cost"].replace(".", ""))
                queue.append([number, quantity, cost])
                lines += ((number, "inventory", cost), (number, "grni", -cost))
            else:
                cost, used = issue(queue, quantity)
                consumptions += [(number, *part) for part in used]
                lines += ((number, "cogs", cost), (number, "inventory", -cost))
                quantity = -quantity
            movements.append((number, vendor_id, record["sku"], record["location"], record["at"], quantity, cost))
        if len(movements) >= COMMIT:
            commit()
    commit()
    return number


if __name__ == "__main__":
    count = run(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{time.process_time():.3f} {count}")  # seconds
