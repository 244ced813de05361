"""Grants at rest: sealed with a data key per company, which is itself sealed with the project's master key.

AES-256-GCM; company, connection and field are bound into the seal, so a row cannot be moved to another connection. The
master key is the file `keys/master.key` of the project (made on first use, readable by its owner only) or the environment
variable `TIEOUT_MASTER_KEY`. One process at a time refreshes a grant: a lease in the lane `grant:CONNECTION`.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import sqlalchemy as sa

from tieout.errors import ConfigError, Retryable
from tieout.http.grants import Tokens
from tieout.logs import hide
from tieout.store.acts import now_micros
from tieout.store.schema import lane, token_set, vault_key
from tieout.store.store import Store
from tieout.store.tx import Tx

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
LEASE_SECONDS: Final = 150  # more than twice a request's deadline (reliability §3.3)
WAIT_SECONDS_MAX: Final = 90
ENVIRONMENT: Final = "TIEOUT_MASTER_KEY"
GENERATIONS_KEPT: Final = 2


class MasterKey:
    """The key all data keys are sealed with. `fingerprint` names it without telling it."""

    def __init__(self, key: bytes, where: str) -> None:
        if len(key) != KEY_BYTES:
            raise ConfigError(
                f"the master key is not {KEY_BYTES} bytes", code="TO6214", where=where, fix="put the right key back"
            )
        self.key = key
        self.fingerprint = hashlib.sha256(b"tieout master key" + key).hexdigest()[:16]

    @classmethod
    def of(cls, folder: Path) -> MasterKey:
        """From the environment (base64), else from `folder/master.key`, which is made when there is none."""
        text = os.environ.get(ENVIRONMENT)
        if text:
            try:
                return cls(base64.b64decode(text, validate=True), ENVIRONMENT)
            except ValueError:
                raise ConfigError(
                    f"{ENVIRONMENT} is not base64", code="TO6214", where=ENVIRONMENT, fix="put the right key back"
                ) from None
        path = folder / "master.key"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(handle, secrets.token_bytes(KEY_BYTES))
                os.fsync(handle)
            finally:
                os.close(handle)
        return cls(path.read_bytes(), str(path))


class StoreVault:
    """Where one connection's tokens are kept (`http.grants.Vault`)."""

    def __init__(
        self,
        store: Store,
        company: int,
        connection: str,
        master: Callable[[], MasterKey],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._company = company
        self._connection = connection
        self._master = master
        self._sleep = sleep
        self._holder = secrets.token_hex(8)

    def load(self) -> Tokens | None:
        t = token_set.c
        query = (
            sa.select(t.generation, t.data_key, t.sealed)
            .where(t.company == self._company, t.connection == self._connection)
            .order_by(t.generation.desc())
            .limit(1)
        )
        with self._store.read() as rx:
            row = rx.execute(query).one_or_none()
            if row is None:
                return None
            key = self._data_key(rx, row.data_key)
        text = _open(key, row.sealed, self._bound(row.generation))
        return _hidden(msgspec.json.decode(text, type=Tokens))

    def save(self, tokens: Tokens) -> None:
        _hidden(tokens)
        with self._store.write() as tx:
            self._write(tx, tokens)

    def forget(self) -> None:
        """Remove every generation: the connection has no grant any more."""
        with self._store.write() as tx:
            tx.execute(sa.delete(token_set).where(*self._mine()))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lease of this grant; Retryable when another process has it for too long."""
        what = f"grant:{self._connection}"
        until = time.monotonic() + WAIT_SECONDS_MAX
        while not self._take(what):
            if time.monotonic() >= until:
                raise Retryable("another process is refreshing this grant", code="TO6209", where=self._connection)
            self._sleep(0.1)  # seconds
        try:
            yield
        finally:
            with self._store.write() as tx:
                x = lane.c
                mine = (x.company == self._company) & (x.what == what) & (x.holder == self._holder)
                tx.execute(sa.update(lane).where(mine).values(holder=None, expires_at=None))

    def rotate(self) -> None:
        """A new data key seals the newest tokens; what the older ones sealed is removed with them."""
        tokens = self.load()
        if tokens is None:
            return
        with self._store.write() as tx:
            self._new_key(tx)
            self._write(tx, tokens)
            newest = sa.select(sa.func.max(token_set.c.generation)).where(*self._mine()).scalar_subquery()
            tx.execute(sa.delete(token_set).where(*self._mine(), token_set.c.generation < newest))

    # ── rows ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _mine(self) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return (token_set.c.company == self._company, token_set.c.connection == self._connection)

    def _bound(self, generation: int) -> bytes:
        return f"{self._company}|{self._connection}|tokens|{generation}".encode()

    def _write(self, tx: Tx, tokens: Tokens) -> None:
        number, key = self._newest_key(tx)
        before: int | None = tx.execute(sa.select(sa.func.max(token_set.c.generation)).where(*self._mine())).scalar()
        generation = (before or 0) + 1
        sealed = _seal(key, msgspec.json.encode(tokens), self._bound(generation))
        tx.execute(
            sa.insert(token_set).values(
                company=self._company,
                connection=self._connection,
                generation=generation,
                data_key=number,
                sealed=sealed,
                saved_at=now_micros(),
            )
        )
        old = token_set.c.generation <= generation - GENERATIONS_KEPT
        tx.execute(sa.delete(token_set).where(*self._mine(), old))

    def _newest_key(self, tx: Tx) -> tuple[int, bytes]:
        k = vault_key.c
        number = tx.execute(
            sa.select(k.id).where(k.company == self._company).order_by(k.id.desc()).limit(1)
        ).scalar_one_or_none()
        return (number, self._data_key(tx, number)) if number is not None else self._new_key(tx)

    def _new_key(self, tx: Tx) -> tuple[int, bytes]:
        master, key = self._master(), secrets.token_bytes(KEY_BYTES)
        number = tx.allocate(vault_key, 1)[0]
        tx.execute(
            sa.insert(vault_key).values(
                id=number,
                company=self._company,
                master=master.fingerprint,
                sealed=_seal(master.key, key, f"{self._company}|data key".encode()),
                made_at=now_micros(),
            )
        )
        return number, key

    def _data_key(self, tx: Tx, number: int) -> bytes:
        row = tx.execute(sa.select(vault_key.c.master, vault_key.c.sealed).where(vault_key.c.id == number)).one()
        master = self._master()
        if row.master != master.fingerprint:
            raise ConfigError(
                f"the grants of this project are sealed with the master key {row.master}, the key found is "
                f"{master.fingerprint}",
                code="TO6214",
                fix=f"put the key file (or {ENVIRONMENT}) back that the project was used with, or log in again",
            )
        return _open(master.key, row.sealed, f"{self._company}|data key".encode())

    def _take(self, what: str) -> bool:
        now = now_micros()
        values = {"holder": self._holder, "expires_at": now + LEASE_SECONDS * 1_000_000}
        x = lane.c
        mine = (x.company == self._company) & (x.what == what)
        with self._store.write() as tx:
            found = tx.execute(sa.select(x.holder, x.expires_at).where(mine)).one_or_none()
            if found is None:
                tx.execute(sa.insert(lane).values(company=self._company, what=what, fence=1, progress=0, **values))
                return True
            if found.holder is not None and found.expires_at > now:
                return False
            taken = tx.execute(sa.update(lane).where(mine).values(fence=x.fence + 1, **values))
            return taken.rowcount == 1


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _seal(key: bytes, text: bytes, bound: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, text, bound)


def _open(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        return _cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except InvalidTag:
        raise ConfigError(
            "a stored grant does not open with this key: it was altered, or the key is another one",
            code="TO6214",
            fix="put the right key back, or log in again",
        ) from None


def _hidden(tokens: Tokens) -> Tokens:
    """The same tokens, which nothing writes down from now on."""
    hide(tokens.access)
    hide(tokens.refresh)
    return tokens
