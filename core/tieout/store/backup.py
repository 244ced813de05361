"""Backup, restore, and the check of everything a database can prove about itself.

A backup is a copy SQLite makes of one consistent state (`VACUUM INTO`), checked and hashed, never a copy of the file. A
restore puts it in place and notes `verify_since`: what was delivered after the backup was taken is unknown to us, so
every lane looks its documents up before it sends anything (`docs/guarantees.md`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from tieout.errors import StoreError
from tieout.store import dialect
from tieout.store.acts import now_micros
from tieout.store.schema import lane
from tieout.store.store import Store

COPY_BYTES = 1 << 20
VERIFY_SINCE = "verify_since"  # meta: when the backup that was restored was taken
RESTORED_AT = "restored_at"  # meta: when it was restored; a lane that was verified since says the same instant


def verified_key(company: int, lane: str) -> str:
    """The meta key under which a lane notes the restore it is verified against."""
    return f"verified:{company}:{lane}"


class Backup(NamedTuple):
    """A backup that was made: the file, its SHA-256 (also in `FILE.sha256`), its size in bytes."""

    path: Path
    sha256: str
    size: int


def _needs_sqlite(store_path: Path | None) -> Path:
    if store_path is None:
        raise StoreError(
            "backup and restore of a PostgreSQL database are its server's work",
            code="TO8012",
            fix="use pg_dump and pg_restore; after a restore run `tieout db verify --restored`",
        )
    return store_path


def backup(store: Store, target: Path) -> Backup:
    """Write a backup. An existing file is never overwritten. Raises StoreError TO8012 and leaves nothing behind."""
    source = _needs_sqlite(store.path)
    if target.exists():
        raise StoreError(f"{target} exists already", code="TO8012", where=str(target), fix="name another file")
    dialect.refuse_network(source.parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        raw = sqlite3.connect(f"file:{source.resolve()}?mode=ro", uri=True, timeout=dialect.BUSY_SECONDS)
        try:
            raw.execute("VACUUM INTO ?", (str(part),))
        finally:
            raw.close()
        _stamp(part)
        problem = _integrity(part)
        if problem:
            raise StoreError(
                f"the copy is not sound: {problem}", code="TO8012", where=str(source), fix="tieout db verify"
            )
        digest = _sha256(part)
        _sync(part)
        Path(f"{target}.sha256").write_text(f"{digest}  {target.name}\n", encoding="ascii")
        part.rename(target)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"the backup could not be written: {error}",
            code="TO8012",
            where=str(target),
            fix="mend the cause, try again",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return Backup(target, digest, target.stat().st_size)


def _stamp(part: Path) -> None:
    """The copy knows when it was taken."""
    raw = sqlite3.connect(part)
    try:
        raw.execute(
            "INSERT INTO meta VALUES ('backup_at', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (str(now_micros()),),
        )
        raw.commit()
    finally:
        raw.close()


def restore(source: Path, url: str) -> Path | None:
    """Put a backup in the place of a database and return where the replaced one was kept (None: there was none).

    Nobody may have the database open. Raises StoreError TO8013 (backup not usable) or TO8007 (in use) before anything
    is changed.
    """
    target = _needs_sqlite(
        Path(parsed.database or "") if (parsed := dialect.parse(url)).get_backend_name() == "sqlite" else None
    )
    _check_backup(source)
    dialect.refuse_network(target.parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".restoring")
    shutil.copyfile(source, part)
    taken = _mark_restored(part)
    _sync(part)
    kept = _put_aside(target) if target.exists() else None
    part.replace(target)
    _sync(target.parent)
    with Store.open(url) as store:
        mark_restored(store, taken)
    return kept


def mark_restored(store: Store, taken: int) -> None:
    """From now on every lane looks for what it would send: deliveries after `taken` (UTC microseconds) are unknown here."""
    with store.write() as tx:
        now = now_micros()
        store.set_meta(tx, VERIFY_SINCE, str(taken))
        store.set_meta(tx, RESTORED_AT, str(now))
        # workers from before the restore hold older fences, whatever the backup says
        tx.execute(sa.update(lane).values(fence=now, holder=None, expires_at=None))


def unverified(store: Store) -> list[str]:
    """Delivery lanes that have not been verified since the last restore; empty when there was none."""
    at = store.get_meta(RESTORED_AT)
    if at is None:
        return []
    with store.read() as rx:
        lanes = rx.execute(sa.select(lane.c.company, lane.c.what).where(lane.c.what.startswith("deliver:"))).all()
    return [row.what for row in lanes if store.get_meta(verified_key(row.company, row.what)) != at]


def _check_backup(source: Path) -> None:
    if not source.exists():
        raise StoreError(f"there is no backup {source}", code="TO8013", where=str(source), fix="name another file")
    noted = Path(f"{source}.sha256")
    if noted.exists() and noted.read_text(encoding="ascii").split()[0] != _sha256(source):
        raise StoreError(
            f"{source} is not what was backed up: its SHA-256 differs from {noted.name}",
            code="TO8013",
            where=str(source),
            fix="take another backup",
        )
    dialect.check_file(source)
    problem = _integrity(source)
    if problem:
        raise StoreError(f"{source} is damaged: {problem}", code="TO8013", where=str(source), fix="take another backup")


def _mark_restored(part: Path) -> int:
    """When the backup was taken."""
    raw = sqlite3.connect(part)
    try:
        row = raw.execute("SELECT value FROM meta WHERE key = 'backup_at'").fetchone()
    finally:
        raw.close()
    return int(row[0]) if row else 0


def _put_aside(target: Path) -> Path:
    """Move the database away with its log, provided that nobody uses it. A damaged one goes the same way."""
    try:
        raw = sqlite3.connect(target, timeout=1, isolation_level=None)
        try:
            raw.execute("PRAGMA locking_mode=EXCLUSIVE")
            raw.execute("BEGIN EXCLUSIVE")
            raw.execute("COMMIT")
        finally:
            raw.close()
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{target} is in use ({error}); nothing was changed",
            code="TO8007",
            where=str(target),
            fix="stop tieout first",
        ) from error
    except sqlite3.DatabaseError:
        pass  # not a sound database: that is why it is being replaced
    kept = target.with_name(f"{target.name}.before-restore-{now_micros()}")
    target.rename(kept)
    for tail in ("-wal", "-shm"):
        beside = Path(f"{target}{tail}")
        if beside.exists():
            beside.rename(f"{kept}{tail}")
    return kept


def _integrity(path: Path) -> str | None:
    """What SQLite finds wrong, None when sound."""
    try:
        raw = sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True)
        try:
            rows = raw.execute("PRAGMA integrity_check(5)").fetchall()
        finally:
            raw.close()
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if rows == [("ok",)] else "; ".join(row[0] for row in rows)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(COPY_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
