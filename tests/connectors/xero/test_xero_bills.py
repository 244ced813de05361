"""Bills that people keep in Xero: read from the change on, voided ones with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tieout_sandbox.simulators.xero import XeroSim
from tieout_xero import Xero


def put(sim: XeroSim, name: str, status: str = "AUTHORISED") -> None:
    line = {"LineItemID": "a", "ItemCode": "MUG", "Quantity": "10", "LineAmount": "56.00", "AccountCode": "801"}
    facts = {
        "Type": "ACCPAY",
        "InvoiceNumber": name,
        "Status": status,
        "Date": "2026-10-31",
        "Contact": {"Name": "SUP-1"},
    }
    sim.put("Invoices", sim.id_of(name), {**facts, "CurrencyCode": "USD", "LineItems": [line]})


def read(ledger: Xero, sim: XeroSim, cursor: str | None) -> tuple[list[tuple[str, str]], str]:
    pages = list(ledger.pull("bills", cursor, sim.clock.utc()))
    rows = [(row["InvoiceNumber"], row["Status"]) for page in pages for row in page.records]
    return rows, pages[-1].cursor


def test_changes_are_read_from_the_cursor_on(connect: Callable[..., Xero], sim: XeroSim) -> None:
    ledger = connect()
    for n in range(450):
        put(sim, f"VB-{n}")
    sale = {"Type": "ACCREC", "InvoiceNumber": "INV-1", "Status": "AUTHORISED", "Date": "2026-10-31", "LineItems": []}
    sim.put("Invoices", sim.id_of("INV-1"), sale)
    sim.clock.advance(timedelta(minutes=5))
    rows, cursor = read(ledger, sim, None)
    assert sorted(rows) == sorted((f"VB-{n}", "AUTHORISED") for n in range(450))
    sim.clock.advance(timedelta(hours=1))
    put(sim, "VB-7", "VOIDED")
    put(sim, "VB-450")
    rows, cursor = read(ledger, sim, cursor)
    assert sorted(rows) == [("VB-450", "AUTHORISED"), ("VB-7", "VOIDED")]
    sim.clock.advance(timedelta(minutes=5))
    cursor = read(ledger, sim, cursor)[1]
    assert read(ledger, sim, cursor)[0] == []
