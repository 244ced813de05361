"""Two companies of one project trade with each other: a leg waits for its partner, and every book ties out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.operations.conftest import write

from tieout.workspace import Workspace

COMPANY = """
[companies.{code}]
legal_name = "{code} B.V."
currency = "EUR"
timezone = "Europe/Amsterdam"
ledger = "books_{code}"
items_file = "items.csv"
locations_file = "locations.csv"
accounts_template = "beancount"

[companies.{code}.accounts]
ic_receivable = "Assets:Due:Affiliates"
ic_payable = "Liabilities:Due:Affiliates"
ic_revenue = "Income:Affiliates"
ic_cogs = "Expenses:Affiliates"

[connections.ops_{code}]
id = "ops_{code}"
connector = "files"
company = "{code}"

[[connections.ops_{code}.streams]]
name = "openings"
path = "feeds/{code}/openings*.csv"
key = ["sku", "location"]
revision = "rev"
mapping = "shipped:sample_openings"

[[connections.ops_{code}.streams]]
name = "{stream}"
path = "feeds/{code}/{stream}*.csv"
key = ["number"]
revision = "rev"
mapping = "mappings/{stream}.yaml"

[connections.books_{code}]
id = "books_{code}"
connector = "beancount"
company = "{code}"
path = "books_{code}.beancount"
"""
MAPPING = """
mapping: {stream}
version: "1"
stream: {stream}
record: goods between affiliates
events:
  - type: intercompany.{stream}
    fields:
      effective_at: date
      document: number
      party: affiliate
    lines:
      fields:
        item: sku
        quantity: quantity
        location: location
        unit_price: price
"""
LEG = "number,date,affiliate,sku,quantity,location,price,rev"
OPENING = "date,sku,location,quantity,value,rev"


@pytest.fixture
def group(tmp_path: Path) -> Path:
    head = '[project]\nname = "Group"\nstore = "sqlite:///tieout.db"\n'
    made = COMPANY.format(code="north", stream="shipped") + COMPANY.format(code="south", stream="received")
    write(tmp_path, "tieout.toml", head + made)
    write(tmp_path, "items.csv", "sku,name,category,stock_unit", "MUG,Mug,kitchen,each")
    write(tmp_path, "locations.csv", "code,name,kind", "MAIN,Main,warehouse")
    for stream in ("shipped", "received"):
        write(tmp_path, f"mappings/{stream}.yaml", MAPPING.format(stream=stream))
    for code in ("north", "south"):
        (tmp_path / "feeds" / code).mkdir(parents=True, exist_ok=True)
    write(tmp_path, "feeds/north/openings.csv", OPENING, "2026-01-01,MUG,MAIN,10,800.00,1")
    write(tmp_path, "feeds/south/openings.csv", OPENING, "2026-01-01,MUG,MAIN,1,100.00,1")
    return tmp_path


def ledger(answer: dict[str, Any]) -> dict[str, str]:
    return {each["company"]: each["accounts"][0]["ledger"] for each in answer["companies"]}


def test_a_leg_waits_for_its_partner_and_goes_on_when_it_lands(group: Path) -> None:
    write(group, "feeds/north/shipped-1.csv", LEG, "IC-1,2026-01-07,south,MUG,4,MAIN,100.00,1")
    with Workspace.open(group, actor="ann") as work:
        first = work.run(seal_now=True)
        assert ledger(first) == {"north": "800.00", "south": "100.00"}
        waiting = work.exceptions()
    assert "TO4023" in str(waiting)
    write(group, "feeds/south/received-1.csv", LEG, "IC-1,2026-01-07,north,MUG,4,MAIN,100.00,1")
    write(group, "feeds/north/shipped-2.csv", LEG, "IC-2,2026-01-08,south,MUG,1,MAIN,90.00,1")
    write(group, "feeds/south/received-2.csv", LEG, "IC-2,2026-01-08,north,MUG,1,MAIN,90.00,1")
    with Workspace.open(group, actor="ann") as work:
        work.run(seal_now=True)
        answer = work.run(seal_now=True)
        assert (answer["tied_out"], answer["unexplained"]) == (True, "0.00")
        assert ledger(answer) == {"north": "400.00", "south": "590.00"}
