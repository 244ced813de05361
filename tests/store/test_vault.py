"""Grants at rest are sealed, bound to their connection, kept one generation back, and refreshed by one at a time."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tieout.errors import ConfigError
from tieout.http.grants import Tokens
from tieout.store.schema import token_set, vault_key
from tieout.store.store import Store
from tieout.store.vault import MasterKey, StoreVault
from tieout.testing.databases import store_url

SECRET = "canary-refresh-token"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(store_url(tmp_path), create=True) as made:
        yield made


def vault(store: Store, folder: Path, connection: str = "qbo", company: int = 1) -> StoreVault:
    return StoreVault(store, company, connection, lambda: MasterKey.of(folder), sleep=lambda _: None)


def test_what_is_saved_is_loaded(store: Store, tmp_path: Path) -> None:
    kept = vault(store, tmp_path)
    assert kept.load() is None
    for n in range(4):
        kept.save(Tokens(access=f"a{n}", refresh=SECRET))
    assert vault(store, tmp_path).load() == Tokens(access="a3", refresh=SECRET)
    with store.read() as rx:
        assert rx.execute(sa.select(sa.func.count()).select_from(token_set)).scalar() == 2


def test_no_secret_lies_open_in_the_database(store: Store, tmp_path: Path) -> None:
    vault(store, tmp_path).save(Tokens(access=SECRET, refresh=SECRET))
    store.close()
    for path in tmp_path.glob("books.db*"):
        assert SECRET.encode() not in path.read_bytes()


def test_a_row_cannot_be_moved_to_another_connection(store: Store, tmp_path: Path) -> None:
    vault(store, tmp_path).save(Tokens(access="a"))
    with store.write() as tx:
        tx.execute(sa.update(token_set).values(connection="xero"))
    with pytest.raises(ConfigError, match="altered"):
        vault(store, tmp_path, "xero").load()


def test_another_master_key_is_refused_in_words(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault(store, tmp_path).save(Tokens(access="a"))
    monkeypatch.setenv("TIEOUT_MASTER_KEY", base64.b64encode(b"k" * 32).decode())
    with pytest.raises(ConfigError, match="put the key file"):
        vault(store, tmp_path).load()


def test_rotation_seals_with_a_new_key_and_removes_the_old_seal(store: Store, tmp_path: Path) -> None:
    kept = vault(store, tmp_path)
    kept.save(Tokens(access="a"))
    kept.rotate()
    with store.read() as rx:
        keys = rx.execute(sa.select(sa.func.count()).select_from(vault_key)).scalar()
        sealed = rx.execute(sa.select(token_set.c.data_key)).scalars().all()
    assert keys == 2
    assert len(sealed) == 1
    assert kept.load() == Tokens(access="a")


def test_one_refreshes_at_a_time(store: Store, tmp_path: Path) -> None:
    first, second = vault(store, tmp_path), vault(store, tmp_path)
    with first.alone():
        assert not second._take("grant:qbo")
    with second.alone():
        pass
