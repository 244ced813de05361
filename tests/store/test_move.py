"""A project moves between SQLite and PostgreSQL whole or not at all, and goes on there as if nothing had been."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tieout.errors import StoreError
from tieout.store import move as moving
from tieout.store.schema import entry, metadata
from tieout.store.store import Store
from tieout.testing.databases import drop_below, postgres_url
from tieout.workspace import Workspace, db_move

HEADER = "id,revision,kind,date,document,party,sku,quantity,location,unit_price,refers_to,reason"
LATER = ["900,1,shipment,2026-02-03,S-900,C-1,MUG,1,MAIN,,,", "901,1,bill,2026-01-20,B-901,ACME,MUG,5,,9.99,R-1,"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    words = [sys.executable, "-m", "tieout", "init", "--template", "files", "--name", "Moving", "-C", str(folder)]
    subprocess.run(words, check=True, capture_output=True)
    with Workspace.open(folder, actor="ann") as work:
        work.run(seal_now=True)
    return folder


def point(folder: Path, url: str) -> None:
    lines = (folder / "tieout.toml").read_text().splitlines()
    lines = [f'store = "{url}"' if line.startswith("store") else line for line in lines]
    (folder / "tieout.toml").write_text("\n".join(lines) + "\n")


def go_on(folder: Path) -> dict[str, Any]:
    """A later file comes, and the project runs; what the tie-out says then."""
    (folder / "inbox" / "movements-2026-02.csv").write_text("\n".join([HEADER, *LATER]) + "\n")
    with Workspace.open(folder, actor="ann") as work:
        work.run(seal_now=True)
        assert work.verify()["ok"]
        company = work.status()["companies"][0]
    return {name: company[name] for name in ("accounts", "locations", "counts", "tied_out")}


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but the acts, which tell of the move itself."""
    with Store.open(url) as store, store.read() as rx:
        return {
            table.name: sorted((tuple(row) for row in rx.execute(sa.select(table))), key=repr)
            for table in metadata.sorted_tables
            if table.name != "act"
        }


def test_there_and_back_every_table_ties_out_and_the_work_goes_on(project: Path, tmp_path: Path) -> None:
    stayed = tmp_path / "stayed"
    shutil.copytree(project, stayed)
    server = postgres_url(tmp_path, tables=False)
    file = f"sqlite:///{project}/tieout.db"
    before = rows(file)
    answer = db_move(project, server, "ann", lambda _: None)
    assert rows(server) == before
    assert {one["table"]: one["rows"] for one in answer["tables"]} | {"act": 0} == {
        name: len(found) for name, found in before.items()
    } | {"act": 0}
    assert f'store = "{server}"' in answer["change"]
    with pytest.raises(StoreError, match="TO8029"):
        Workspace.open(project)
    point(project, server)
    expected = go_on(stayed)
    assert go_on(project) == expected
    db_move(project, "sqlite:///back.db", "ann", lambda _: None)
    point(project, "sqlite:///back.db")
    assert go_on(project) == expected
    drop_below(tmp_path)


def test_a_database_that_holds_anything_is_not_moved_into(project: Path, tmp_path: Path) -> None:
    server = postgres_url(tmp_path)
    with Store.open(server) as store, store.write() as tx:
        store.set_meta(tx, "note", "mine")
    with pytest.raises(StoreError, match="TO8027"):
        db_move(project, server, "ann", lambda _: None)
    with Workspace.open(project) as work:
        assert work.verify()["ok"]
    drop_below(tmp_path)


def test_a_row_that_changes_on_the_way_stops_the_whole_move(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cent that differs in one of the rows: the target stays empty, the source stays in force."""
    server, whole = postgres_url(tmp_path, tables=False), moving._copy

    def bent(old: Any, new: Any, table: sa.Table) -> moving.Table:
        moved = whole(old, new, table)
        if table is entry:
            one = new.execute(sa.select(sa.func.min(entry.c.id))).scalar()
            new.execute(sa.update(entry).where(entry.c.id == one).values(document_number="other"))
        return moved

    monkeypatch.setattr(moving, "_copy", bent)
    with pytest.raises(StoreError, match=r"TO8028.*entry"):
        db_move(project, server, "ann", lambda _: None)
    assert not any(rows(server).values())
    with Workspace.open(project) as work:
        assert work.verify()["ok"]
    drop_below(tmp_path)
