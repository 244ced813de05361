"""A company small enough to check by hand: two items, one late bill, one late freight bill, one revised shipment.

2026-01-01  opening   MUG 10 at MAIN for 40.00, BOWL 5 at EAST for 50.00
2026-01-05  GR-1      MUG 10 at MAIN, 5.00 each
2026-01-10  SH-1      MUG 12 from MAIN (first told as 11), SH-2 BOWL 1 from EAST, SH-3 cancelled
2026-01-12  SH-4      an item nobody knows
later known: bill VB-1 of 2026-01-08 at 5.20 each, freight FB-1 of 2026-01-09, 4.00 for GR-1
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tieout.testing.databases import on_postgres, store_url
from tieout.workspace import Workspace

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

PROJECT = """
[project]
name = "Small"
store = "STORE"

[companies.main]
legal_name = "Small B.V."
currency = "EUR"
timezone = "Europe/Amsterdam"
ledger = "books"
items_file = "items.csv"
locations_file = "locations.csv"
accounts_template = "beancount"

[[companies.main.policies]]
cost_method = "fifo"

[connections.ops]
id = "ops"
connector = "files"
company = "main"
"""
STREAMS = {
    "openings": ("openings*.csv", '["sku", "location"]'),
    "receipts": ("receipts*.jsonl", '["receipt_no"]'),
    "bills": ("bills*.jsonl", '["bill_no"]'),
    "freight": ("freight*.jsonl", '["bill_no"]'),
    "shipments": ("shipments*.csv", '["shipment_no", "line"]'),
}
STREAM = """
[[connections.ops.streams]]
name = "{name}"
path = "feeds/{pattern}"
key = {key}
revision = "rev"
mapping = "shipped:sample_{name}"
"""
LEDGER = """
[connections.books]
id = "books"
connector = "beancount"
company = "main"
path = "books.beancount"
"""
SHIPPED = "shipment_no,line,status,order_no,customer,channel,shipped_at,sku,quantity,unit,unit_price,location,rev"


def write(folder: Path, name: str, *rows: object) -> None:
    texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(texts) + "\n")


def shipment(
    number: str, day: str, sku: str, quantity: int, location: str, *, rev: int, status: str = "shipped"
) -> str:
    return f"{number},1,{status},SO-1,C-1,web,{day} 08:00,{sku},{quantity},each,9.00,{location},{rev}"


def first_feeds(folder: Path) -> None:
    parts = [STREAM.format(name=name, pattern=pattern, key=key) for name, (pattern, key) in STREAMS.items()]
    write(
        folder,
        "tieout.toml",
        PROJECT.replace("STORE", store_url(folder) if on_postgres() else "sqlite:///tieout.db")
        + "".join(parts)
        + LEDGER,
    )
    write(folder, "items.csv", "sku,name,category,stock_unit", "MUG,Mug,kitchen,each", "BOWL,Bowl,kitchen,each")
    write(folder, "locations.csv", "code,name,kind", "MAIN,Main,warehouse", "EAST,East,store")
    opening = (
        "date,sku,location,quantity,value,rev",
        "2026-01-01,MUG,MAIN,10,40.00,1",
        "2026-01-01,BOWL,EAST,5,50.00,1",
    )
    write(folder, "feeds/openings.csv", *opening)
    line = {"line": 1, "sku": "MUG", "quantity": "10", "unit": "each", "unit_price": "5.00"}
    receipt: dict[str, Any] = {"receipt_no": "GR-1", "received_at": "2026-01-05T08:00:00+01:00", "supplier": "SUP-1"}
    write(folder, "feeds/receipts.jsonl", {**receipt, "location": "MAIN", "lines": [line], "rev": 1})
    write(
        folder,
        "feeds/shipments-1.csv",
        SHIPPED,
        shipment("SH-1", "2026-01-10", "MUG", 11, "MAIN", rev=1),
        shipment("SH-2", "2026-01-10", "BOWL", 1, "EAST", rev=1),
        shipment("SH-3", "2026-01-11", "BOWL", 1, "EAST", rev=1, status="cancelled"),
        shipment("SH-4", "2026-01-12", "PLATE", 1, "EAST", rev=1),
    )


def late_feeds(folder: Path) -> None:
    billed = {"line": 1, "receipt_no": "GR-1", "receipt_line": 1, "sku": "MUG", "quantity": "10", "unit": "each"}
    money = {"unit_price": "5.20", "amount": "52.00", "tax": "0.00"}
    bill = {
        "bill_no": "VB-1",
        "billed_at": "2026-01-08T08:00:00+01:00",
        "supplier": "SUP-1",
        "total": "52.00",
        "rev": 1,
    }
    write(folder, "feeds/bills.jsonl", {**bill, "lines": [{**billed, **money}]})
    freight = {"bill_no": "FB-1", "billed_at": "2026-01-09T08:00:00+01:00", "carrier": "CAR-1", "basis": "quantity"}
    write(folder, "feeds/freight.jsonl", {**freight, "amount": "4.00", "receipts": ["GR-1"], "rev": 1})
    write(folder, "feeds/shipments-2.csv", SHIPPED, shipment("SH-1", "2026-01-10", "MUG", 12, "MAIN", rev=2))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder after two runs: what was known first, then the late bill, freight and revision."""
    folder = tmp_path_factory.mktemp("small")
    first_feeds(folder)
    with Workspace.open(folder, actor="ann") as work:
        work.run(seal_now=True)
    late_feeds(folder)
    with Workspace.open(folder, actor="ann") as work:
        work.run(seal_now=True)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder with what was known first, before any run."""
    first_feeds(tmp_path)
    return tmp_path


@pytest.fixture
def work(small: Path) -> Iterator[Workspace]:
    with Workspace.open(small, actor="ann") as open_project:
        yield open_project
