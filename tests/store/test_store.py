"""The store keeps facts as they are, refuses what it cannot trust, and comes back from a backup knowing what it knows."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tieout.audit import chain
from tieout.errors import StoreError
from tieout.model.event import EventLine
from tieout.model.master import Item, Location, Party
from tieout.store import dialect, schema
from tieout.store.acts import acts, record_act
from tieout.store.backup import backup, restore, unverified
from tieout.store.lines import insert_lines, load_lines
from tieout.store.master_files import export_csv, import_file
from tieout.store.masters import Masters, add_alias, put, retire
from tieout.store.names import Names
from tieout.store.store import SCHEMA_VERSION, Store
from tieout.store.verify import verify
from tieout.testing.databases import on_postgres, store_url


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = Store.open(store_url(tmp_path), create=True)
    yield one
    one.close()


def value(store: Store, sql: str) -> Any:
    with store.read() as rx:
        return rx.connection.exec_driver_sql(sql).scalar()


def fill(store: Store) -> None:
    """One row of every append-only table."""
    with store.write() as tx:
        for table in schema.APPEND_ONLY:
            values = {
                column.name: _some(column) for column in schema.metadata.tables[table].columns if column.name != "id"
            }
            if table == "superseded":
                values["event"] = 1
            tx.execute(sa.insert(schema.metadata.tables[table]).values(**values))


def _some(column: sa.Column[Any]) -> Any:
    if isinstance(column.type, sa.LargeBinary):
        return b"x" * 16
    return 1 if isinstance(column.type, sa.Integer) else "x"


# ── append-only ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("table", sorted(schema.APPEND_ONLY, key=lambda name: name != "event"))
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "TRUNCATE" if on_postgres() else "REPLACE"])
def test_facts_refuse_to_be_changed(store: Store, table: str, verb: str) -> None:
    fill_order = sorted(schema.APPEND_ONLY, key=lambda name: name == "superseded")
    assert set(fill_order) == set(schema.APPEND_ONLY)
    fill(store)
    key = "event" if table == "superseded" else "id"
    column = next(c.name for c in schema.metadata.tables[table].columns if c.name != key)
    statement = {
        "UPDATE": f'UPDATE "{table}" SET "{column}" = "{column}"',
        "DELETE": f'DELETE FROM "{table}"',
        "TRUNCATE": f'TRUNCATE "{table}" CASCADE',
        "REPLACE": f'INSERT OR REPLACE INTO "{table}" SELECT * FROM "{table}"',
    }[verb]
    with pytest.raises(StoreError, match="TO8010"), store.write() as tx:
        tx.connection.exec_driver_sql(statement)
    assert value(store, f'SELECT count(*) FROM "{table}"') == 1


def test_every_table_is_in_the_migration_and_work_tables_stay_changeable(store: Store) -> None:
    assert set(sa.inspect(store._writer).get_table_names()) == set(schema.metadata.tables) | {"alembic_version"}
    with store.write() as tx:
        store.set_meta(tx, "note", "1")
        store.set_meta(tx, "note", "2")
    assert store.get_meta("note") == "2"


# ── opening ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.sqlite
def test_the_database_is_durable_and_shared_as_settled(store: Store) -> None:
    assert value(store, "PRAGMA journal_mode") == "wal"
    assert value(store, "PRAGMA page_size") == 8192
    with store.write() as tx:
        one = tx.connection.exec_driver_sql
        assert one("PRAGMA synchronous").scalar() == 2
        assert one("PRAGMA foreign_keys").scalar() == 1
    with pytest.raises(StoreError), store.read() as rx:
        rx.connection.exec_driver_sql("INSERT INTO meta VALUES ('a', 'b')")


@pytest.mark.sqlite
def test_an_absent_database_is_not_made_by_accident(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="TO8002"):
        Store.open(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sqlite
@pytest.mark.parametrize("what", ["text", "other", "page", "header"])
def test_a_wrong_or_damaged_file_is_refused_in_words_and_left_alone(tmp_path: Path, what: str) -> None:
    path = tmp_path / "tieout.db"
    if what == "text":
        path.write_text("date,sku,quantity\n" * 100)
    elif what == "other":
        connection = sqlite3.connect(path)
        connection.execute("create table t(a)")
        connection.close()
    else:
        Store.open(f"sqlite:///{path}", create=True).close()
        data = bytearray(path.read_bytes())
        data[0:16] if what == "header" else data
        if what == "header":
            data[0:6] = b"broken"
        else:
            data[8192 * 1 : 8192 * 12] = b"\xff" * (8192 * 11)
        path.write_bytes(bytes(data))
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store.open(f"sqlite:///{path}").close()
    assert caught.value.code in ("TO8003", "TO8004")
    assert caught.value.fix
    assert path.read_bytes() == before


@pytest.mark.parametrize(("version", "code"), [("0000", "TO8005"), ("9999", "TO8006")])
def test_an_older_or_newer_schema_is_refused_with_the_way_out(tmp_path: Path, version: str, code: str) -> None:
    url = store_url(tmp_path)
    with Store.open(url, create=True) as store, store.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    with pytest.raises(StoreError, match=code) as caught:
        Store.open(url)
    assert SCHEMA_VERSION in str(caught.value)
    assert caught.value.fix


def test_upgrading_twice_is_upgrading_once(tmp_path: Path) -> None:
    url = store_url(tmp_path)
    Store.upgrade(url).close()
    with Store.upgrade(url) as store:
        assert value(store, "SELECT version_num FROM alembic_version") == SCHEMA_VERSION


def test_network_file_systems_are_recognised() -> None:
    mounts = "/dev/sda1 / ext4 rw 0 0\nserver:/x /mnt/data nfs4 rw 0 0\n//nas/y /mnt/my\\040share cifs rw 0 0\n"
    assert dialect.network_mount(Path("/home/a/tieout.db"), mounts) is None
    assert dialect.network_mount(Path("/mnt/data/p"), mounts) == "nfs4"
    assert dialect.network_mount(Path("/mnt/database"), mounts) is None
    assert dialect.network_mount(Path("/mnt/my share/p"), mounts) == "cifs"


def test_two_writers_wait_for_each_other(store: Store, tmp_path: Path) -> None:
    other = Store.open(store_url(tmp_path))
    order: list[str] = []
    inside = threading.Event()

    def slow() -> None:
        with store.write() as tx:
            inside.set()
            store.set_meta(tx, "who", "slow")
            time.sleep(0.3)
            order.append("slow")

    thread = threading.Thread(target=slow)
    thread.start()
    assert inside.wait(5)
    with other.write() as tx:
        order.append("other")
        other.set_meta(tx, "who", "other")
    thread.join()
    other.close()
    assert order == ["slow", "other"]
    assert store.get_meta("who") == "other"


def test_a_write_inside_a_write_is_a_fault_and_not_a_dead_lock(store: Store) -> None:
    with pytest.raises(StoreError, match="TO8011"), store.write(), store.write():
        pass
    with store.write() as tx:
        store.set_meta(tx, "after", "1")


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as tx:
        store.set_meta(tx, "half", "1")
        raise ZeroDivisionError
    assert store.get_meta("half") is None


# ── evidence ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_chain_shows_a_changed_a_missing_and_an_inserted_row(store: Store) -> None:
    with store.write() as tx:
        for number in range(5):
            record_act(tx, 1, "ann", "test", f"s{number}", {"n": number})
    with store.read() as rx:
        rows = [dict(row) for row in rx.execute(sa.select(schema.act).order_by(schema.act.c.id)).mappings()]
        assert [act["data"]["n"] for act in acts(rx, 1)] == [0, 1, 2, 3, 4]
    assert chain.verify(rows) == []
    assert [x.row for x in chain.verify([*rows[:2], {**rows[2], "actor": "eve"}, *rows[3:]])] == [3]
    assert [x.row for x in chain.verify([*rows[:2], *rows[3:]])] == [4]
    forged = {
        **rows[2],
        "id": 9,
        "hash": chain.link(rows[1]["hash"], {**rows[2], "id": 9}),
        "prev_hash": rows[1]["hash"],
    }
    assert [x.row for x in chain.verify([*rows[:2], forged, *rows[2:]])] == [3]


@pytest.mark.sqlite
def test_verify_finds_what_somebody_changed_behind_our_back(store: Store) -> None:
    with store.write() as tx:
        tx.execute(sa.insert(schema.company).values(code="main", currency="USD", timezone="UTC"))
        record_act(tx, 1, "ann", "test", "s")
    assert verify(store).problems == []
    raw = sqlite3.connect(store.path or "")
    raw.execute("DROP TRIGGER act_no_update")
    raw.execute("UPDATE act SET actor = 'eve'")
    raw.commit()
    raw.close()
    found = {problem.where for problem in verify(store).problems}
    assert found == {"table act", "main: act 1"}


@pytest.mark.sqlite
def test_backup_and_restore_bring_back_that_state_and_ask_for_a_look_before_sending(
    store: Store, tmp_path: Path
) -> None:
    with store.write() as tx:
        store.set_meta(tx, "state", "then")
        tx.execute(sa.insert(schema.lane).values(company=1, what="deliver:books", fence=7, holder="w1", progress=0))
    made = backup(store, tmp_path / "b" / "monday.db")
    assert hashlib.sha256(made.path.read_bytes()).hexdigest() == made.sha256
    with pytest.raises(StoreError, match="TO8012"):
        backup(store, made.path)
    with store.write() as tx:
        store.set_meta(tx, "state", "now")
    store.close()
    kept = restore(made.path, f"sqlite:///{tmp_path}/tieout.db")
    with Store.open(f"sqlite:///{tmp_path}/tieout.db") as back:
        assert back.get_meta("state") == "then"
        assert int(back.get_meta("verify_since") or 0) > 1_600_000_000_000_000
        assert value(back, "SELECT fence > 7 AND holder IS NULL FROM lane") == 1
        assert unverified(back) == ["deliver:books"]
        assert verify(back).problems == []
    assert kept is not None
    with Store.open(f"sqlite:///{kept}") as old:
        assert old.get_meta("state") == "now"


@pytest.mark.sqlite
def test_a_damaged_backup_is_refused_and_the_database_stays(store: Store, tmp_path: Path) -> None:
    made = backup(store, tmp_path / "monday.db")
    data = bytearray(made.path.read_bytes())
    data[9000] ^= 1
    made.path.write_bytes(bytes(data))
    before = (tmp_path / "tieout.db").read_bytes()
    with pytest.raises(StoreError, match="TO8013"):
        restore(made.path, f"sqlite:///{tmp_path}/tieout.db")
    assert (tmp_path / "tieout.db").read_bytes() == before


@pytest.mark.sqlite
def test_a_database_in_use_is_not_replaced(store: Store, tmp_path: Path) -> None:
    made = backup(store, tmp_path / "monday.db")
    with store.write() as tx:
        store.set_meta(tx, "state", "now")
        with pytest.raises(StoreError, match="TO8007"):
            restore(made.path, f"sqlite:///{tmp_path}/tieout.db")
    assert store.get_meta("state") == "now"


# ── rows and lines ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_event_lines_come_back_as_they_went_in(store: Store) -> None:
    lines = [
        EventLine("ab" * 16, "1", "order.fulfilled", 5, 60, "shop/orders", 3, "A", 2_000_000, "MAIN", amount=-5, party="C"),
        EventLine("ab" * 16, "2", "order.fulfilled", 5, 60, "shop/orders", 3, "B", 1, "MAIN", head=False, lot="L1"),
        EventLine("cd" * 16, "", "stock.adjusted", 6, 61, "x/y", item="A", quantity=-1, reason="theft", owner="us", head=False),
        EventLine(
            "ef" * 16, "", "transfer.dispatched", 7, 40, item="A", to_location="EAST", ref="d:TO-1#1", document="TO-1",
            channel="web", extra={"head_amount": "1.5", "tenders": {"cash": "2"}, "n": 3},
        ),
    ]  # fmt: skip
    names = Names(1)
    with store.write() as tx:
        insert_lines(tx, names, lines, ids=[1, 2, 3, 4], records=[1, 1, 2, 3], batch=1)
    with store.read() as rx:
        assert load_lines(rx, Names(1), order=True) == ([1, 2, 3, 4], lines)
    with store.write() as tx:
        tx.insert(schema.superseded, ("event", "batch", "why"), [(2, 1, 0)])
    with store.read() as rx:
        assert load_lines(rx, names, order=True)[0] == [1, 3, 4]
        assert load_lines(rx, Names(2)) == ([], []), "the company is part of every question"


def test_sets_larger_than_a_statement_are_looked_up_whole(store: Store) -> None:
    with store.write() as tx:
        names = Names(1)
        words = [f"w{i}" for i in range(12_345)]
        ids = names.intern(tx, "item", words)
        assert len(set(ids.values())) == 12_345
    with store.read() as rx:
        assert Names(1).find(rx, "item", [*words, "other"]) == dict(ids)
        assert Names(1).find(rx, "location", words) == {}


# ── master data ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_aliases_are_dated_and_a_connection_goes_before_all(store: Store) -> None:
    with store.write() as tx:
        put(tx, 1, "ann", [Item(sku="A"), Item(sku="B"), Item(sku="C")])
        add_alias(tx, 1, "ann", "item", external="x", code="A")
        add_alias(tx, 1, "ann", "item", external="x", code="B", connection="shop", effective=date(2026, 3, 1))
        assert not add_alias(tx, 1, "ann", "item", external="x", code="A"), "known already"
        retire(tx, 1, "ann", old="C", into="A", effective=date(2026, 4, 1))
        with pytest.raises(StoreError, match="nearest: A"):
            add_alias(tx, 1, "ann", "item", external="y", code="a")
    with store.read() as rx:
        masters = Masters.load(rx, 1)
        done = [act["what"] for act in acts(rx, 1)]
    assert masters.resolve("item", "shop", "x", date(2026, 2, 28)) == "A"
    assert masters.resolve("item", "shop", "x", date(2026, 3, 1)) == "B"
    assert masters.resolve("item", "other", "x", date(2026, 3, 1)) == "A"
    assert masters.resolve("item", "shop", "C", date(2026, 3, 31)) == "C"
    assert masters.resolve("item", "shop", "C", date(2026, 4, 1)) == "A"
    assert masters.resolve("item", "shop", "D", date(2026, 4, 1)) is None
    assert done == ["item.put", "item.alias", "item.alias", "item.alias"]


def test_a_file_of_items_goes_in_and_comes_out_the_same(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text(
        "sku,name,category,stock_unit,units,gtin,stocked,kind,catalogue_cost,weight,volume,aliases\n"
        'A,"Tea, green",drinks,each,box=12;XCT=144,,yes,goods,2.50,0.1,,shop:T-1;T1\n'
        "POST,Postage,,,,,no,,,,,\n"
    )
    with store.write() as tx:
        first = import_file(tx, 1, "ann", "item", path)
        again = import_file(tx, 1, "ann", "item", path)
        masters = Masters.load(tx, 1)
    assert (first.rows, first.changed, first.aliases) == (2, 2, 2)
    assert (again.changed, again.aliases) == (0, 0)
    tea = masters.item("A")
    assert (tea.stock_unit, str(tea.units["XBX"]), str(tea.catalogue_cost)) == ("C62", "12", "2.50")
    assert not masters.item("POST").stocked
    assert masters.resolve("item", "shop", "T-1") == masters.resolve("item", "any", "T1") == "A"
    out = tmp_path / "out.csv"
    out.write_text(export_csv(masters, "item"))
    with store.write() as tx:
        assert import_file(tx, 1, "ann", "item", out)[1:] == (0, 0)


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("item", "sku,colour\nA,red\n", "colour"),
        ("item", "sku,units\nA,box=0\n", "above zero"),
        ("item", "sku,stock_unit\nA,furlong\n", "furlong"),
        ("item", "sku\nA\nA\n", "also in row 2"),
        ("item", "sku,name\nA,b,c\n", "more cells"),
        ("item", "sku,stocked\nA,perhaps\n", "neither yes nor no"),
        ("location", "code,kind\nMAIN,shed\n", "kind"),
        ("party", "name\nnobody\n", "code"),
    ],
)
def test_a_wrong_row_refuses_the_whole_file(store: Store, tmp_path: Path, kind: Any, text: str, words: str) -> None:
    path = tmp_path / "file.csv"
    path.write_text(text)
    with pytest.raises(StoreError, match="TO8016") as caught, store.write() as tx:
        import_file(tx, 1, "ann", kind, path)
    assert words in str(caught.value)
    assert value(store, "SELECT count(*) FROM master") == 0


def test_locations_and_parties_are_master_data_too(store: Store) -> None:
    with store.write() as tx:
        assert put(tx, 1, "ann", [Location(code="EAST", kind="store"), Party(code="C-1", kind="customer")]) == 2
        put(tx, 1, "ann", [Location(code="EAST", kind="warehouse")], effective=date(2026, 1, 1))
        masters = Masters.load(tx, 1)
    assert masters.location("EAST", date(2025, 12, 31)).kind == "store"
    assert masters.location("EAST", date(2026, 1, 1)).kind == "warehouse"
    assert masters.party("C-1").kind == "customer"
    with pytest.raises(StoreError, match="TO8015"):
        masters.location("WEST")
