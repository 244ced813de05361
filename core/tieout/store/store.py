"""The store: one database, opened, checked, written by one writer at a time, read by many.

store = Store.open("sqlite:///tieout.db", create=True)
with store.write() as tx: ...      # committed at the end, undone on any exception
with store.read() as rx: ...       # a consistent snapshot; cannot write
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Literal, NamedTuple

import sqlalchemy as sa

from tieout.errors import StoreError
from tieout.failpoints import at_commit
from tieout.store import dialect
from tieout.store.schema import meta
from tieout.store.tx import Tx

SCHEMA_VERSION = "0001"


MOVED_TO = "moved_to"  # meta: where `db move` took everything; the database is not opened any more


class Note(NamedTuple):
    """One thing `doctor` found, and what to do."""

    level: Literal["ok", "warning", "error"]
    what: str
    fix: str = ""


class Store:
    """A project's database. Use `Store.open`; `close` when done (or use it as a context manager)."""

    def __init__(self, url: sa.URL, writer: sa.Engine, reader: sa.Engine) -> None:
        self.url = url
        self._writer = writer
        self._reader = reader
        self._company: int | None = None
        self._lock = threading.Lock()
        self._writing = threading.local()

    def of_company(self, company: int) -> Store:
        """The same database for one company's work. On PostgreSQL its writes wait only for each other."""
        mine = copy(self)
        mine._company = company
        return mine

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> Store:
        """Open a database whose tables are of this release. `create` makes it where there is none.

        Raises StoreError: TO8002 none there, TO8003 another program's file, TO8004 damaged, TO8005 older, TO8006 newer,
        TO8009 on a network file system, TO8021 no driver, TO8023 a server that forgets, TO8029 moved elsewhere.
        """
        parsed = dialect.parse(url)
        if create and parsed.get_backend_name() == "sqlite" and _is_absent(Path(parsed.database or "")):
            return cls.upgrade(url)
        store = cls._connect(parsed, create=False)
        try:
            if store.path is None:
                with store.read() as rx:
                    dialect.refuse_forgetful(rx.connection)
            if create and store._version_now() is None:
                store.close()  # empty, or its first process was killed before the tables were made
                return cls.upgrade(url)
            store._check_version()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def upgrade(cls, url: str) -> Store:
        """Bring the tables to this release (or make them), in one transaction, and open the database."""
        parsed = dialect.parse(url)
        store = cls._connect(parsed, create=True)
        try:
            with store._words(), store._writer.begin() as connection:
                if store.path is None:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({dialect.UPGRADE_LOCK})")
                found = store._version(connection)
                if found is not None and found > SCHEMA_VERSION:
                    store._check_version()
                if found != SCHEMA_VERSION:
                    _migrate(connection)
                at_commit("before")
            at_commit("after")
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def _connect(cls, url: sa.URL, *, create: bool) -> Store:
        if url.get_backend_name() != "sqlite":
            engine = dialect.server_engine(url)
            reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            return cls(url, engine, reader)
        path = Path(url.database or "")
        dialect.refuse_network(path.parent)
        if path.exists() and path.stat().st_size:
            dialect.check_file(path)
        elif create:
            path.parent.mkdir(parents=True, exist_ok=True)
            _mark(path)
        else:
            raise StoreError(
                f"there is no database at {path}",
                code="TO8002",
                where=str(path),
                fix="tieout init, or mend [store] url",
            )
        return cls(url, dialect.sqlite_engine(path, readonly=False), dialect.sqlite_engine(path, readonly=True))

    # ── transactions ───────────────────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def write(self, *, rows_only: bool = False) -> Iterator[Tx]:
        """A write transaction; others wait up to 30 s, then TO8007.

        On SQLite it is the only one of the database; on PostgreSQL the only one of its company (`of_company`), else of the
        database. `rows_only`: on PostgreSQL it waits for nobody, because it locks the rows it changes one by one.
        """
        if getattr(self._writing, "now", False):
            raise StoreError("a write was opened inside a write", code="TO8011", where=self.where)
        server = self.path is None
        if not server and not self._lock.acquire(timeout=dialect.BUSY_SECONDS):
            raise dialect.translated(sqlite3.OperationalError("database is locked"), self.where)
        self._writing.now = True
        tx: Tx | None = None
        try:
            with self._words(), self._writer.begin() as connection:
                if server and not rows_only:
                    dialect.wait_for_turn(connection, self._company)
                tx = Tx(connection, writes=True)
                yield tx
                at_commit("before")
            at_commit("after")
        except BaseException:
            for undo in tx.on_rollback if tx else ():
                undo()
            raise
        finally:
            self._writing.now = False
            if not server:
                self._lock.release()
        for done in tx.on_commit:
            done()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A read-only snapshot: all statements in it see the database as of its first one."""
        with self._words(), self._reader.connect() as connection, connection.begin():
            yield Tx(connection, writes=False)

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, sqlite3.Error) as error:
            raise dialect.translated(error, self.where) from error

    # ── state ──────────────────────────────────────────────────────────────────────────────────────────────────────
    @property
    def where(self) -> str:
        """The file, or the server without its password."""
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)

    @property
    def path(self) -> Path | None:
        """The database file, None on a server."""
        return Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None

    def close(self) -> None:
        self._reader.dispose()
        self._writer.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get_meta(self, key: str) -> str | None:
        with self.read() as rx:
            value: str | None = rx.connection.scalar(sa.select(meta.c.value).where(meta.c.key == key))
        return value

    def set_meta(self, tx: Tx, key: str, value: str) -> None:
        tx.execute(sa.delete(meta).where(meta.c.key == key))
        tx.execute(sa.insert(meta).values(key=key, value=value))

    def doctor(self) -> list[Note]:
        """What is unusual about this database's surroundings, with what to do."""
        out = []
        if self.path and sqlite3.sqlite_version_info < dialect.SAFE_SQLITE:
            wanted = ".".join(map(str, dialect.SAFE_SQLITE))
            out.append(
                Note(
                    "warning",
                    f"SQLite library {sqlite3.sqlite_version} is older than {wanted}, which mends a fault of the"
                    " write-ahead log when several processes write",
                    "use a Python built with a newer SQLite, or let one process write at a time",
                )
            )
        if self.path is None:
            with self.read() as rx:
                for name in ("fsync", "full_page_writes"):
                    if dialect.setting(rx.connection, name) == "off":
                        what = f"the server has {name} = off: a power cut can destroy the database"
                        out.append(Note("error", what, f"set {name} = on in the server's configuration"))
        return out or [Note("ok", f"store {self.where}, schema {SCHEMA_VERSION}")]

    def _version(self, connection: sa.Connection) -> str | None:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return found

    def _version_now(self) -> str | None:
        with self.read() as rx:
            return self._version(rx.connection)

    def _check_version(self) -> None:
        found = self._version_now()
        if found == SCHEMA_VERSION:
            self._refuse_moved()
            return
        if found is None or found < SCHEMA_VERSION:
            raise StoreError(
                f"the database has schema {found or 'none'}, this release needs {SCHEMA_VERSION}",
                code="TO8005",
                where=self.where,
                fix="take a backup, then run `tieout db upgrade`",
            )
        raise StoreError(
            f"the database has schema {found}, newer than this release knows ({SCHEMA_VERSION}); nothing was written",
            code="TO8006",
            where=self.where,
            fix="install the newer release of tieout, or restore a backup taken before the upgrade",
        )

    def _refuse_moved(self) -> None:
        there = self.get_meta(MOVED_TO)
        if there is not None:
            raise StoreError(
                f"this database was moved to {there}; two of them would post twice",
                code="TO8029",
                where=self.where,
                fix="name the new one in `store` of tieout.toml, or move back into an empty database",
            )


def _is_absent(path: Path) -> bool:
    return not path.exists() or not path.stat().st_size


def _mark(path: Path) -> None:
    """A new, empty database file that says whose it is before anything else is in it."""
    raw = sqlite3.connect(path)
    try:
        raw.execute(f"PRAGMA page_size={dialect.PAGE_SIZE_BYTES}")
        raw.execute(f"PRAGMA application_id={dialect.APPLICATION_ID}")
        raw.execute("PRAGMA journal_mode=WAL").fetchone()
        raw.commit()
    finally:
        raw.close()


def _migrate(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
