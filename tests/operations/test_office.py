"""Wiring of a company's office: refused entries go again, stock that waits is named, each source speaks for its places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tieout.errors import Rejected
from tieout.store.schema import entry
from tieout.workspace import Workspace

STOCK = """
[[connections.{connection}.streams]]
name = "stock"
kind = "stock"
path = "feeds/{connection}-stock*.csv"
stock = {{ as_of = "date", item = "sku", location = "location", quantity = "quantity" }}
"""
SECOND = """
[connections.shop]
id = "shop"
connector = "files"
company = "main"
"""


def write(folder: Path, name: str, *rows: str) -> None:
    (folder / name).write_text("\n".join(rows) + "\n")


def causes(answer: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [(d["cause"], d["item"], d["location"], d["quantity"]) for d in answer["details"] if d["cause"] != "timing"]


def test_a_refused_entry_goes_again_when_its_exception_is_retried(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tieout_beancount import BeancountLedger

    def refuse(_: object, body: bytes, key: str, documents: tuple[object, ...]) -> object:
        return [Rejected("the account is not allowed here") for _ in documents]

    def refuse_one(_: object, body: bytes, key: str) -> object:
        raise Rejected("the account is not allowed here")

    with Workspace.open(folder, actor="ann") as work:
        with monkeypatch.context() as patch:
            patch.setattr(BeancountLedger, "deliver_many", refuse)
            patch.setattr(BeancountLedger, "deliver", refuse_one)
            work.run(seal_now=True)
        refused = [row for row in work.exceptions()["exceptions"] if row["code"] == "TO6110"]
        assert refused
        first = work.retry([refused[0]["id"]])
        assert (first["resolved"], first["still_open"]) == (1, 0)
        rest = work.retry([], everything=True)
        assert rest["resolved"] == len(refused) - 1
        assert [row["code"] for row in work.exceptions()["exceptions"]] == ["TO3201"]
        work.run(seal_now=True)
        with work.office(None).desk.store.read() as rx:
            states = list(rx.connection.scalars(sa.select(entry.c.state)))
        assert states.count("withdrawn") == len(refused)
        assert set(states) == {"withdrawn", "confirmed"}


def test_stock_that_waits_with_an_unknown_word_is_named(folder: Path) -> None:
    """GR-2 holds a plate nobody knows and two mugs; the source has counted both in."""
    line = '{"line": %d, "sku": "%s", "quantity": "%d", "unit": "each", "unit_price": "5.00"}'
    lines = ", ".join([line % (1, "PLATE", 1), line % (2, "MUG", 2)])
    head = '"receipt_no": "GR-2", "received_at": "2026-01-06T08:00:00+01:00", "supplier": "SUP-1", "location": "MAIN"'
    write(folder, "feeds/receipts-2.jsonl", f'{{{head}, "lines": [{lines}], "rev": 1}}')
    project = folder / "tieout.toml"
    project.write_text(project.read_text() + STOCK.format(connection="ops"))
    stock = ("date,sku,location,quantity", "2026-01-31,MUG,MAIN,11", "2026-01-31,BOWL,EAST,4")
    write(folder, "feeds/ops-stock.csv", *stock)
    with Workspace.open(folder, actor="ann") as work:
        work.run(seal_now=True)
        answer = work.office(None).tie_out("2026-01-31")
    assert causes(answer) == [("held exception", "MUG", "MAIN", "2")]


def test_each_of_two_sources_speaks_for_the_places_it_lists(folder: Path) -> None:
    project = folder / "tieout.toml"
    both = STOCK.format(connection="ops") + SECOND + STOCK.format(connection="shop")
    project.write_text(project.read_text() + both)
    write(folder, "feeds/ops-stock.csv", "date,sku,location,quantity", "2026-01-31,MUG,MAIN,9")
    write(folder, "feeds/shop-stock.csv", "date,sku,location,quantity", "2026-01-31,BOWL,MAIN,0")
    with Workspace.open(folder, actor="ann") as work:
        work.run(seal_now=True)
        answer = work.office(None).tie_out("2026-01-31")
    assert causes(answer) == []
    assert [(row["location"], row["source"], row["subledger"]) for row in answer["locations"]] == [
        ("EAST", None, "4"),
        ("MAIN", "9", "9"),
    ]


def test_a_record_the_mapping_refused_is_named_in_the_tie_with_its_amount(folder: Path) -> None:
    """GR-3 has a quantity that is no number; nobody knows how many, but its price is stated."""
    head = '"receipt_no": "GR-3", "received_at": "2026-01-06T08:00:00+01:00", "supplier": "SUP-1", "location": "MAIN"'
    line = '{"line": 1, "sku": "MUG", "quantity": "two", "unit": "each", "unit_price": "5.00"}'
    write(folder, "feeds/receipts-3.jsonl", f'{{{head}, "lines": [{line}], "rev": 1}}')
    with Workspace.open(folder, actor="ann") as work:
        answer = work.run(seal_now=True)["companies"][0]
        numbers = {row["id"]: row["amount"] for row in work.exceptions()["exceptions"]}
    held = {row["stage"]: row for row in answer["held"]}
    assert set(held) == {"map", "resolve"}
    assert "GR-3" in held["map"]["subject"]
    assert held["map"]["code"].startswith("TO2")
    assert {row["exception"] for row in answer["held"]} == set(numbers)
    for row in answer["held"]:
        known = numbers[row["exception"]]
        assert row["amount"] == (known and known.split()[0])
