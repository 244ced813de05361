"""A project loads into companies with policies, accounts, calendar and open days, and connections with their config."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tieout.config import Secret, check, load, show
from tieout.connector import Manifest
from tieout.errors import ConfigError, PluginError
from tieout.model.period import Period
from tieout.plugins import Plugins
from tieout.posting.accounts import AccountKeys


def test_a_right_project_has_no_slips(project: Any, plugins: Plugins) -> None:
    assert check(project(), plugins) == []


def test_everything_in_it_is_there(project: Any, plugins: Plugins) -> None:
    loaded = load(project(), plugins)
    acme = loaded.company("ACME")
    assert (acme.legal_name, acme.currency, acme.timezone.key) == ("Acme Trading GmbH", "EUR", "Europe/Berlin")
    assert acme.calendar.kind == "4-4-5"
    assert acme.calendar.period(date(2026, 1, 31)) == Period("2026-12", date(2025, 12, 28), date(2026, 1, 31))
    assert acme.approval_threshold == 100_000
    assert acme.go_live == datetime(2026, 1, 31, 23, tzinfo=UTC)  # midnight in Berlin
    assert acme.open_days().first_open(date(2026, 1, 15)) == date(2026, 2, 1)
    assert acme.open_days(date(2026, 3, 5)).first_open(date(2026, 1, 15)) == date(2026, 3, 6)
    assert acme.open_days(date(2025, 3, 5)).first_open(date(2026, 1, 15)) == date(2026, 2, 1)
    assert acme.policies.at(date(2026, 6, 30), "toys").cost_method == "fifo"
    assert acme.policies.at(date(2026, 7, 1), "toys").cost_method == "standard"
    assert acme.policies.at(date(2026, 7, 1)).cost_method == "fifo"
    day = date(2026, 3, 1)
    assert acme.accounts.account("cogs", AccountKeys(), day) == "5000"
    assert acme.accounts.account("cogs", AccountKeys(category="toys", channel="web"), day) == "5020"
    assert acme.accounts.account("cogs", AccountKeys(category="toys"), date(2026, 7, 1)) == "5021"
    assert acme.accounts.account("cogs", AccountKeys(item="SKU-9", category="toys"), date(2026, 7, 1)) == "5030"
    assert [acme.reason(text) for text in ("damage", " BROKEN in transit ", "miscount", "gone")] == [
        "damage",
        "damage",
        "shrinkage",
        None,
    ]
    assert acme.posting.seal_lag == timedelta(hours=2)
    assert acme.scope_of("toys", "MAIN") == ("propose", acme.go_live)
    assert acme.scope_of("games", "MAIN") == ("post", acme.go_live)
    assert loaded.store_url() == f"sqlite:///{loaded.root / 'books.db'}"
    assert loaded.exception_owner("TO2105") == "integrator"
    assert loaded.exception_owner("TO4101") == "controller"


def test_connections_carry_their_validated_config(
    project: Any, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(project(), plugins)
    shop = loaded.connection("shop")
    assert (shop.id, shop.roles, shop.implementation.manifest.name) == ("c-shop", ("source",), "probe")
    config: Any = shop.config
    assert (config.folder, config.retries) == ("drop", 3)
    monkeypatch.setenv("SHOP_TOKEN", "s3cret")
    assert config.token.get() == "s3cret"
    stream = shop.stream("moves")
    assert stream.mapping == loaded.root / "moves.yaml"
    assert stream.sla.latency == timedelta(minutes=5)
    assert stream.timing is not None
    assert (stream.timing.cron, stream.timing.every) == ("30 6 * * mon-fri", None)
    assert [c.name for c in loaded.connections_of("ACME")] == ["shop", "books"]
    assert [c.name for c in loaded.connections_of("ACME", "ledger")] == ["books"]
    with pytest.raises(ConfigError, match="one of: ACME"):
        loaded.company("ACNE")
    with pytest.raises(ConfigError, match="one of: books, shop"):
        loaded.connection("till")


def test_a_connector_that_declares_its_streams_in_the_config_gets_them_without_the_frameworks_keys(
    project: Any, plugins: Plugins
) -> None:
    folder = project(
        ('connector = "probe"', 'connector = "streamy"'),
        ('folder = "drop"\ntoken = "env:SHOP_TOKEN"\nspeed = "slow"\n', ""),
        ('name = "moves"\n', 'name = "moves"\npath = "in/*.csv"\n'),
    )
    config: Any = load(folder, plugins).connection("shop").config
    assert config.model_dump() == {"streams": ({"name": "moves", "path": "in/*.csv"},)}


def test_a_connector_that_did_not_load_stops_only_its_own_connection(project: Any, plugins: Plugins) -> None:
    folder = project(('connector = "probe"', 'connector = "prob"'))
    loaded = load(folder, plugins)
    shop = loaded.connection("shop")
    with pytest.raises(PluginError, match="no connector 'prob' is installed"):
        _ = shop.implementation
    with pytest.raises(PluginError, match="no connector 'prob' is installed"):
        _ = shop.config
    assert isinstance(loaded.connection("books").implementation.manifest, Manifest)
    (slip,) = check(folder, plugins)
    assert (slip.code, slip.connection, slip.nearest) == ("TO1013", "shop", "probe")


def test_load_raises_with_every_slip(project: Any, plugins: Plugins) -> None:
    folder = project(('currency = "EUR"', 'currency = "EURO"'), ('mode = "post"', 'mode = "posts"'))
    with pytest.raises(ConfigError) as caught:
        load(folder, plugins)
    assert [slip.line for slip in caught.value.slips] == [8, 18]
    assert caught.value.where == "tieout.toml:8:12"
    assert caught.value.exit_code == 2


def test_warnings_do_not_stop_a_project(project: Any, plugins: Plugins) -> None:
    loaded = load(project(("go_live = 2026-02-01", "go_live = 2026-01-31")), plugins)
    assert [(slip.code, slip.level) for slip in loaded.warnings] == [("TO1052", "warning")]


def test_the_allow_list_of_the_file_is_what_is_loaded(project: Any) -> None:
    loaded_path = project(('actor = "anna"', 'actor = "anna"\nplugins = ["nothing-at-all"]'))
    slips = check(loaded_path)
    assert {slip.code for slip in slips} == {"TO1013"}
    assert {slip.level for slip in slips} == {"error", "warning"}
    assert load(loaded_path).plugins.connectors == {}


def test_a_missing_file_and_bad_bytes_are_slips(tmp_path: Path, plugins: Plugins) -> None:
    (slip,) = check(tmp_path, plugins)
    assert (slip.code, slip.where) == ("TO1070", "tieout.toml:1:1")
    (tmp_path / "tieout.toml").write_bytes(b'[project]\nname = "\xff"\n')
    (slip,) = check(tmp_path, plugins)
    assert (slip.code, slip.where) == ("TO1071", "tieout.toml:2:9")


def test_a_byte_order_mark_and_windows_lines_change_nothing(project: Any, plugins: Plugins) -> None:
    folder = project(('mode = "post"', 'mode = "posts"'))
    text = (folder / "tieout.toml").read_text(encoding="utf-8")
    (folder / "tieout.toml").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    (slip,) = check(folder, plugins)
    assert slip.where == "tieout.toml:18:8"


def test_the_store_can_be_named_by_the_environment(
    project: Any, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(project(('store = "sqlite:///books.db"', 'store = "env:BOOKS"')), plugins)
    monkeypatch.delenv("BOOKS", raising=False)
    with pytest.raises(ConfigError, match="BOOKS is not set"):
        loaded.store_url()
    monkeypatch.setenv("BOOKS", "postgresql://db/books")
    assert loaded.store_url() == "postgresql://db/books"


def test_show_gives_each_value_with_its_origin(project: Any, plugins: Plugins) -> None:
    rows = {row.key: (row.value, row.origin) for row in show(load(project(), plugins))}
    assert rows["project.name"] == ("demo", "tieout.toml:2")
    assert rows["companies.ACME.calendar.year_end_weekday"] == ("saturday", "tieout.toml:10")
    assert rows["companies.ACME.accounts.cogs"] == ("5000", "tieout.toml:23")
    assert rows["companies.ACME.accounts.cogs, category=toys from 2026-07-01"] == ("5021", "CSV accounts.csv:3:1")
    assert rows["companies.ACME.policies.1.cost_method"] == ("standard", "tieout.toml:39")
    assert "companies.ACME.policies.1.rounding" not in rows
    assert rows["connections.shop.token"] == ("env:SHOP_TOKEN", "environment SHOP_TOKEN (tieout.toml:59)")
    assert rows["connections.shop.retries"] == ("3", "default")
    assert rows["connections.shop.streams.0.sla.latency"] == ("5m", "tieout.toml:66")
    assert rows["sla.share"] == ("99", "default")
    assert rows["notify.on"] == ("[exception, breach, parked, not_tied_out]", "default")


def test_no_secret_is_printed_anywhere(project: Any, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "canary-value")
    loaded = load(project(), plugins)
    assert "canary-value" not in repr(loaded)
    assert "canary-value" not in str(show(loaded))
    bad = project(('"env:SHOP_TOKEN"', '"canary-value"'))
    with pytest.raises(ConfigError) as caught:
        load(bad, plugins)
    assert "canary-value" not in f"{caught.value}{caught.value!r}{caught.value.slips}"
    assert [slip.code for slip in caught.value.slips] == ["TO1075"]


def test_secrets_come_from_files_and_say_where_they_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("abc\n")
    assert Secret("file:token", tmp_path).get() == "abc"
    assert repr(Secret("env:A")) == "Secret('env:A')"
    monkeypatch.delenv("NOT_SET", raising=False)
    for reference in ("env:NOT_SET", "file:absent"):
        with pytest.raises(ConfigError, match=reference) as caught:
            Secret(reference, tmp_path).get()
        assert caught.value.code == "TO1076"
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match="it is empty"):
        Secret("file:empty", tmp_path).get()
    with pytest.raises(ValueError, match="by reference"):
        Secret("hunter2")


def test_a_keyring_is_asked_for_service_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    backend: Any = pytest.importorskip("keyring.backend")
    known = {("shop", "api"): "xyz"}
    methods = {
        "priority": 1,
        "get_password": lambda self, service, username: known.get((service, username)),
        "set_password": lambda self, service, username, password: None,
    }
    before = keyring.get_keyring()
    keyring.set_keyring(type("Memory", (backend.KeyringBackend,), methods)())
    try:
        assert Secret("keyring:shop/api").get() == "xyz"
        with pytest.raises(ConfigError, match="no entry for shop, user other"):
            Secret("keyring:shop/other").get()
    finally:
        keyring.set_keyring(before)
