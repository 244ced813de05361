"""What a simulated vendor keeps: its documents in SQLite, with revisions, so that it survives a restart and can be asked."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS document (
    kind TEXT NOT NULL, id TEXT NOT NULL, n INTEGER NOT NULL, at REAL NOT NULL, body TEXT NOT NULL, gone INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS document_at ON document (kind, at);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Keeping:
    """Documents by kind and id, newest state only, with a revision number and the time of the last change."""

    def __init__(self, path: Path | None = None) -> None:
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA synchronous = OFF")  # a simulator outlives its process, not the machine
        self._db.executescript(_TABLES)
        self._lock = threading.RLock()

    def put(self, kind: str, number: str, body: dict[str, Any], *, at: float) -> int:
        """Write a document; its new revision, from 0."""
        with self._lock:
            row = self._db.execute("SELECT n FROM document WHERE kind = ? AND id = ?", (kind, number)).fetchone()
            n = 0 if row is None else row[0] + 1
            text = json.dumps(body)
            self._db.execute("INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?, 0)", (kind, number, n, at, text))
            return n

    def get(self, kind: str, number: str) -> dict[str, Any] | None:
        """The document, None when it never was or is gone."""
        query = "SELECT body FROM document WHERE kind = ? AND id = ? AND gone = 0"
        with self._lock:
            row = self._db.execute(query, (kind, number)).fetchone()
        return json.loads(row[0]) if row else None

    def revision(self, kind: str, number: str) -> int:
        with self._lock:
            row = self._db.execute("SELECT n FROM document WHERE kind = ? AND id = ?", (kind, number)).fetchone()
        return row[0] if row else -1

    def remove(self, kind: str, number: str, *, at: float) -> None:
        """The document is gone; that it was there, and when it went, is remembered."""
        with self._lock:
            self._db.execute(
                "UPDATE document SET gone = 1, at = ?, n = n + 1 WHERE kind = ? AND id = ?", (at, kind, number)
            )

    def all(self, kind: str, *, since: float = 0.0, gone: bool = False) -> Iterator[dict[str, Any]]:
        """Documents of a kind changed at or after an instant, in order of id; with `gone`, the removed ones instead."""
        query = "SELECT body FROM document WHERE kind = ? AND at >= ? AND gone = ? ORDER BY length(id), id"
        with self._lock:
            rows = self._db.execute(query, (kind, since, int(gone))).fetchall()
        for (body,) in rows:
            yield json.loads(body)

    def next_id(self, kind: str) -> int:
        """A number that was never given before, of this kind."""
        with self._lock:
            value = int(self.fact(f"next:{kind}", "1"))
            self.set_fact(f"next:{kind}", str(value + 1))
        return value

    def fact(self, name: str, default: str = "") -> str:
        with self._lock:
            row = self._db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return row[0] if row else default

    def set_fact(self, name: str, value: str) -> None:
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))
