"""Bills that people keep in QuickBooks: read, matched to our receipts, edited, deleted; only the rest is delivered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tieout import Fatal, Workspace
from tieout_quickbooks import QuickBooks
from tieout_sandbox.simulators.app import mounted
from tieout_sandbox.simulators.quickbooks import QuickBooksSim

PROJECT = """
[project]
name = "Bills"

[companies.ACME]
legal_name = "Acme Inc"
currency = "USD"
timezone = "UTC"
ledger = "books"
items_file = "items.csv"
locations_file = "locations.csv"

[[companies.ACME.policies]]
bill_owner = "ledger"
unlinked_bill_match = "party_item"

[companies.ACME.accounts]
inventory = "91"
grni = "96"
ap = "33"
cogs = "80"
ginr = "94"
vendor_credit_receivable = "95"

[connections.books]
id = "qbo"
connector = "quickbooks"
company = "ACME"
realm = "9341453000000001"
client_id = "env:QBO_ID"
client_secret = "env:QBO_SECRET"

[[connections.books.streams]]
name = "bills"
mapping = "shipped:quickbooks_bills"

[connections.ops]
id = "ops"
connector = "files"
company = "ACME"

[[connections.ops.streams]]
name = "receipts"
path = "receipts*.jsonl"
key = ["receipt_no"]
mapping = "shipped:sample_receipts"

[[connections.ops.streams]]
name = "shipments"
path = "shipments*.csv"
key = ["shipment_no", "line"]
mapping = "shipped:sample_shipments"
"""
RECEIPT = (
    '{"receipt_no": "GR-1", "received_at": "2026-10-20T08:00:00Z", "supplier": "SUP-1", "location": "MAIN", '
    '"lines": [{"line": 1, "sku": "MUG", "quantity": "10", "unit": "each", "unit_price": "5.00"}], "rev": 1}\n'
)
SHIPMENTS = (
    "shipment_no,line,status,order_no,customer,channel,shipped_at,sku,quantity,unit,unit_price,location,rev\n"
    "SH-1,1,shipped,SO-1,C-1,web,2026-10-25 08:00,MUG,4,each,9.00,MAIN,1\n"
)


def bill(amount: str) -> dict[str, Any]:
    item = {"ItemRef": {"value": "9", "name": "MUG"}, "Qty": "10"}
    item_line = {
        "Id": "1",
        "Amount": amount,
        "DetailType": "ItemBasedExpenseLineDetail",
        "ItemBasedExpenseLineDetail": item,
    }
    # the item's expense account is the clearing account, so that is what the ledger books
    coded = {"AccountRef": {"value": "96"}}
    return {
        "DocNumber": "VB-77",
        "TxnDate": "2026-10-28",
        "VendorRef": {"value": "56", "name": "SUP-1"},
        "CurrencyRef": {"value": "USD"},
        "APAccountRef": {"value": "33"},
        "Line": [{**item_line, "AccountBasedExpenseLineDetail": coded}],
    }


@pytest.fixture
def work(sim: QuickBooksSim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("QBO_ID", "client")
    monkeypatch.setenv("QBO_SECRET", "secret")
    (tmp_path / "tieout.toml").write_text(PROJECT)
    (tmp_path / "items.csv").write_text("sku,stock_unit\nMUG,each\n")
    (tmp_path / "locations.csv").write_text("code,name\nMAIN,Main\n")
    (tmp_path / "receipts.jsonl").write_text(RECEIPT)
    (tmp_path / "shipments.csv").write_text(SHIPMENTS)
    with Workspace.open(tmp_path, actor="ann") as opened:
        desk = opened.office().desk
        desk.now, desk.sleep = sim.clock.utc, sim.clock.sleep
        desk.transports["qbo"] = mounted(sim)
        grant = desk.ledger().http.grant  # type: ignore[union-attr]
        grant.exchange({"grant_type": "authorization_code", "code": sim.grants.consent()})
        yield opened


def run(work: Workspace, sim: QuickBooksSim) -> dict[str, Any]:
    sim.clock.advance(timedelta(hours=1))
    answer = work.run(seal_now=True)
    assert answer["tied_out"], answer
    assert answer["unexplained"] == "0.00"
    return answer


def test_only_what_the_bill_did_not_book_is_delivered(work: Workspace, sim: QuickBooksSim) -> None:
    run(work, sim)
    assert sim.balances() == {"91": Decimal("30.00"), "80": Decimal("20.00"), "96": Decimal("-50.00")}
    sim.put("Bill", "145", bill("56.00"))
    run(work, sim)
    assert sim.balances() == {"91": Decimal("33.60"), "80": Decimal("22.40"), "33": Decimal("-56.00")}
    assert [row["Id"] for row in sim.documents("Bill")] == ["145"]  # none of ours beside it

    edited = sim.keep.get("Bill", "145")
    assert edited is not None
    sim.clock.advance(timedelta(days=1))
    sim.put("Bill", "145", bill("60.00"))
    run(work, sim)
    assert sim.balances() == {"91": Decimal("36.00"), "80": Decimal("24.00"), "33": Decimal("-60.00")}

    sim.clock.advance(timedelta(days=1))
    sim.delete("Bill", "145")
    run(work, sim)
    assert sim.balances() == {"91": Decimal("30.00"), "80": Decimal("20.00"), "96": Decimal("-50.00")}
    before = len(sim.documents())
    run(work, sim)
    assert len(sim.documents()) == before


def test_a_bill_that_fits_no_receipt_is_an_exception(work: Workspace, sim: QuickBooksSim) -> None:
    run(work, sim)
    sim.put("Bill", "146", {**bill("8.00"), "VendorRef": {"value": "57", "name": "SUP-2"}, "DocNumber": "VB-78"})
    run(work, sim)
    rows = work.exceptions()["exceptions"]
    assert [(row["code"], row["amount"]) for row in rows] == [("TO4024", "8.00 USD")]


def test_a_connection_that_slept_longer_than_deletions_are_told_says_so(
    connect: Callable[..., QuickBooks], sim: QuickBooksSim
) -> None:
    ledger = connect()
    pull = partial(ledger.pull, "bills")
    (page,) = pull(None, sim.clock.utc())
    sim.clock.advance(timedelta(days=31))
    with pytest.raises(Fatal, match="30 days"):
        list(pull(page.cursor, sim.clock.utc()))
