"""What differs between SQLite and PostgreSQL: engines, pragmas, bulk statements, triggers. No other module knows.

SQLite: write-ahead log with `synchronous=FULL` (an acknowledged commit survives a power cut), one writer connection that
begins IMMEDIATE and alone checkpoints, readers opened `mode=ro` (https://sqlite.org/wal.html).

PostgreSQL: writers of one company wait for each other on its row of `company`, so ids of a company ascend in order of
commit, as they do on SQLite; writers of different companies do not meet. Nothing outlives a transaction on a connection (no
prepared statement, no session setting, no session lock), so a pooler in transaction mode may stand in between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url

from tieout.errors import StoreError

PAGE_SIZE_BYTES = 8_192
BUSY_SECONDS = 30
CHECKPOINT_PAGES = 8_000  # 64 MB of log between checkpoints: fewer rewrites of the same index pages
CACHE_KIB = 64_000
READERS_MAX = 8
SERVER_CONNECTIONS_MAX = 16  # of one process, readers and writers
CONNECT_SECONDS = 10
UPGRADE_LOCK = 0x7469656F  # the number of the lock under which tables are made, held to the end of its transaction
APPLICATION_ID = 0x7469656F  # "tieo"
HEADER = b"SQLite format 3\x00"
SAFE_SQLITE = (3, 51, 3)
NETWORK_TYPES = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "drvfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "fuse.gcsfuse",
        "glusterfs",
        "fuse.glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "prl_fs",
        "smb3",
        "smbfs",
        "vboxsf",
    ]
)


def parse(url: str) -> URL:
    """An engine URL; a bare path means SQLite, `postgresql://` means its psycopg driver."""
    if "://" not in url:
        url = f"sqlite:///{url}"
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise StoreError("a database in memory forgets everything", code="TO8002", fix="name a file in [store] url")
        return parsed
    if parsed.get_backend_name() != "postgresql":
        raise StoreError(
            f"{parsed.get_backend_name()!r} is not a database tieout works on",
            code="TO8002",
            where="[store] url",
            fix="sqlite:///tieout.db or postgresql://…",
        )
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def network_mount(path: Path, mounts: str) -> str | None:
    """The file system type when `path` lies on a network one, by the text of /proc/mounts; else None."""
    best, kind = "", ""
    for row in mounts.splitlines():
        parts = row.split(" ")
        if len(parts) < 3:
            continue
        point = parts[1].replace("\\040", " ")
        inside = point == "/" or str(path) == point or str(path).startswith(point + "/")
        if inside and len(point) >= len(best):
            best, kind = point, parts[2]
    return kind if kind in NETWORK_TYPES else None


def refuse_network(path: Path) -> None:
    """Raise TO8009 where `path` would lie on a network file system. Systems without /proc/mounts are taken on trust."""
    table = Path("/proc/mounts")
    if not table.exists():
        return
    kind = network_mount(path.resolve(), table.read_text(errors="replace"))
    if kind:
        raise StoreError(
            f"the folder of {path} is a network file system ({kind}); SQLite's locks do not hold there",
            code="TO8009",
            where=str(path),
            fix="put the database on a local disk, or use PostgreSQL",
        )


def check_file(path: Path) -> None:
    """Raise TO8003 unless the file is an SQLite database of ours (or so damaged that its header cannot tell)."""
    with path.open("rb") as file:
        head = file.read(100)
    if head[:16] != HEADER:
        raise StoreError(
            f"{path} is not a tieout database: it does not begin like an SQLite file",
            code="TO8003",
            where=str(path),
            fix="point [store] url at the right file, or restore a backup; the file was not touched",
        )
    if int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise StoreError(
            f"{path} is an SQLite database of another program",
            code="TO8003",
            where=str(path),
            fix="point [store] url at the right file; it was not touched",
        )


def sqlite_engine(path: Path, *, readonly: bool) -> sa.Engine:
    """One writer connection, or a pool of readers that can never write."""
    uri = f"file:{quote(str(path.resolve()))}" + ("?mode=ro" if readonly else "?mode=rwc")

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )

    engine = sa.create_engine(
        "sqlite://",
        creator=connect,
        poolclass=sa.QueuePool,
        pool_size=READERS_MAX if readonly else 1,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
    )

    @event.listens_for(engine, "connect")
    def _pragmas(raw: Any, _record: Any) -> None:
        for pragma in _READER if readonly else _WRITER:
            raw.execute(f"PRAGMA {pragma}")

    begin = "BEGIN" if readonly else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


_READER = (f"busy_timeout={BUSY_SECONDS * 1000}", f"cache_size=-{CACHE_KIB}", "query_only=1", "temp_store=MEMORY")
_WRITER = (
    f"page_size={PAGE_SIZE_BYTES}",
    f"busy_timeout={BUSY_SECONDS * 1000}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "fullfsync=1",
    "foreign_keys=1",
    "recursive_triggers=1",  # so that INSERT OR REPLACE cannot slip past a delete trigger
    f"cache_size=-{CACHE_KIB}",
    f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    "temp_store=MEMORY",
)


def server_engine(url: URL) -> sa.Engine:
    """A pool of connections to PostgreSQL. StoreError TO8021 without its driver, TO8023 when it would lose commits."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise StoreError(
            "PostgreSQL needs its driver, which is not installed",
            code="TO8021",
            where="[store] url",
            fix="pip install 'tieout[postgres]'",
        ) from None
    engine = sa.create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=READERS_MAX,
        max_overflow=SERVER_CONNECTIONS_MAX - READERS_MAX,
        pool_timeout=BUSY_SECONDS,
        pool_pre_ping=True,
        connect_args={"prepare_threshold": None, "connect_timeout": CONNECT_SECONDS, "application_name": "tieout"},
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")

    return engine


def refuse_forgetful(connection: sa.Connection) -> None:
    """Raise TO8023 where the server acknowledges commits before they are safe."""
    if setting(connection, "synchronous_commit") == "off":
        raise StoreError(
            "the server has synchronous_commit = off: what it says is committed can be lost, and then be posted twice",
            code="TO8023",
            where=connection.engine.url.render_as_string(hide_password=True),
            fix="set synchronous_commit = on for this database or role, and connect again",
        )


def setting(connection: sa.Connection, name: str) -> str:
    """A setting of the server, as this session sees it."""
    return str(connection.exec_driver_sql(f"SHOW {name}").scalar())


def wait_for_turn(connection: sa.Connection, company: int | None) -> None:
    """On PostgreSQL: wait until no other transaction writes for this company (None: for any)."""
    if company is None:
        connection.exec_driver_sql("LOCK TABLE company IN EXCLUSIVE MODE")
    else:
        connection.exec_driver_sql("SELECT id FROM company WHERE id = %s FOR UPDATE", (company,))


def append_only_ddl(dialect: str, table: str) -> list[str]:
    """Statements that make a table refuse UPDATE and DELETE (and TRUNCATE, which only PostgreSQL has)."""
    words = f"TO8010 {table} is append-only"
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON \"{table}\" BEGIN SELECT RAISE(ABORT, '{words}'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        f'CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON "{table}"'
        f" FOR EACH STATEMENT EXECUTE FUNCTION tieout_append_only('{words}')",
        f'CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON "{table}"'
        f" FOR EACH STATEMENT EXECUTE FUNCTION tieout_append_only('{words}')",
    ]


POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION tieout_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%%', TG_ARGV[0]; END $$
"""


def triggers(connection: sa.Connection) -> set[str]:
    """Names of the triggers that are there."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    return {row[0] for row in connection.exec_driver_sql(query)}


def placeholders(dialect: str, count: int) -> str:
    """`?,?,?` or `%s,%s,%s`."""
    return ",".join(("?" if dialect == "sqlite" else "%s",) * count)


def copy_rows(
    connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """PostgreSQL's COPY of prepared tuples in binary, through psycopg's own cursor in the same transaction."""
    raw: Any = connection.connection.driver_connection
    columns = ",".join(f'"{name}"' for name in names)
    types = [table.c[name].type.compile(connection.dialect).partition("(")[0].lower() for name in names]
    with raw.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN (FORMAT BINARY)') as copy:
        copy.set_types(types)
        write = copy.write_row
        for row in rows:
            write(row)


def translated(error: BaseException, where: str) -> StoreError:
    """A driver's error in our words, with the code that tells the caller what to do."""
    words = str(getattr(error, "orig", None) or error).strip()
    low = words.lower()
    known = _server_words(getattr(getattr(error, "orig", error), "sqlstate", None), error, where)
    if known is not None:
        return known
    if "is append-only" in low:
        return StoreError(words, code="TO8010", where=where, fix="facts are corrected by further records")
    if "locked" in low or "busy" in low or "queuepool limit" in low:
        return StoreError(
            f"another process kept the database locked for {BUSY_SECONDS} s; nothing was written",
            code="TO8007",
            where=where,
            fix="run the command again",
        )
    if "malformed" in low or "not a database" in low or "corrupt" in low:
        return StoreError(
            f"the database is damaged ({words}); nothing was written",
            code="TO8004",
            where=where,
            fix="tieout db restore BACKUP",
        )
    if "disk" in low or "readonly" in low or "read-only" in low or "unable to open" in low:
        return StoreError(
            f"the database cannot be written ({words}); the transaction was undone",
            code="TO8008",
            where=where,
            fix="make room or mend the disk, then run again",
        )
    return StoreError(f"the database refused: {words}", code="TO8001", where=where, fix="tieout db verify")


# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BUSY = frozenset(["55P03", "40001", "40P01", "57014"])  # lock timeout, serialization, deadlock, cancelled
_FULL = frozenset(["53100", "25006"])  # disk full, read-only
_DAMAGED = frozenset(["XX001", "XX002"])  # data, index corrupted


def _server_words(state: str | None, error: BaseException, where: str) -> StoreError | None:
    """What PostgreSQL's error code says, where the words alone would not."""
    words = str(getattr(error, "orig", None) or error).strip()
    if state in _BUSY:
        return StoreError(
            f"another process was in the way ({words.splitlines()[0]}); nothing was written",
            code="TO8007",
            where=where,
            fix="run the command again",
        )
    if state in _FULL:
        return StoreError(
            f"the database cannot be written ({words}); the transaction was undone",
            code="TO8008",
            where=where,
            fix="make room or mend the server, then run again",
        )
    if state in _DAMAGED:
        return StoreError(
            f"the database is damaged ({words}); nothing was written",
            code="TO8004",
            where=where,
            fix="restore the server's backup, then `tieout db verify`",
        )
    lost = bool(getattr(error, "connection_invalidated", False)) or (state or "")[:2] in ("08", "57")
    orig = getattr(error, "orig", None)
    if lost or (state is None and isinstance(error, sa.exc.OperationalError) and "psycopg" in type(orig).__module__):
        return StoreError(
            f"the connection to the database was lost or refused ({words.splitlines()[0]}); whether the last commit"
            " arrived is decided when the next run looks",
            code="TO8022",
            where=where,
            fix="see that the server is up and run again; nothing is done twice",
        )
    return None
