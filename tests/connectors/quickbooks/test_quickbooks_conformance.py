"""The kit for ledgers, against the simulator's own books."""

from __future__ import annotations

import json
from datetime import date
from types import SimpleNamespace
from typing import Any

from tieout import Document, DocumentLine, LedgerEntry, Money, Receipt
from tieout.testing import Bench, LedgerConformance
from tieout_quickbooks import QuickBooks
from tieout_sandbox.simulators.app import mounted
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.quickbooks import QuickBooksSim

REALM = "9341453000000001"
KINDS = ("JournalEntry", "Bill", "VendorCredit")


class Following(SimClock):
    """A simulator's clock that is the bench's."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench

    def now(self) -> float:
        return self._bench.clock.now()


class TestQuickBooks(LedgerConformance):
    accounts = ("80", "91")
    dimensions = {"class": ("web", '"ClassRef"'), "department": ("MAIN", '"DepartmentRef"')}  # noqa: RUF012

    def vendor(self, bench: Bench) -> Any:
        sim = QuickBooksSim(clock=Following(bench), client=("client-of-the-kit", "secret-of-the-kit"))
        return SimpleNamespace(sim=sim, transport=mounted(sim))

    def connector(self, bench: Bench) -> QuickBooks:
        sim: QuickBooksSim = bench.vendor.sim
        ledger = QuickBooks(
            bench.context(
                QuickBooks,
                {
                    "realm": REALM,
                    "client_id": bench.secret("id", "client-of-the-kit"),
                    "client_secret": bench.secret("secret", "secret-of-the-kit"),
                    "classes": {"web": "5000"},
                    "departments": {"MAIN": "3"},
                    "vendors": {"SUP-1": "56"},
                },
            )
        )
        if bench.vault.tokens is None:
            assert ledger.http.grant is not None
            ledger.http.grant.exchange({"grant_type": "authorization_code", "code": sim.grants.consent()})
        return ledger

    def held(self, bench: Bench, reference: str) -> list[str]:
        sim: QuickBooksSim = bench.vendor.sim
        return [json.dumps(row) for kind in KINDS for row in sim.documents(kind) if row["DocNumber"] == reference]

    def document(self, kind: str, reference: str) -> Document:
        amount = 5_600 if kind == "bill" else -5_600
        lines = (DocumentLine("96", amount, "grni", memo="PO-1"), DocumentLine("33", -amount, "ap"))
        return Document(kind, "ACME", "USD", date(2026, 10, 31), reference, "VB-1", lines, "VB-1", "SUP-1")

    def close_books(self, bench: Bench, day: date) -> None:
        bench.vendor.sim.close_books(day)

    def book_by_hand(self, bench: Bench, entry: LedgerEntry) -> None:
        lines = [
            {
                "Amount": str(Money(abs(line.amount), "USD")).split()[0],
                "DetailType": "JournalEntryLineDetail",
                "JournalEntryLineDetail": {
                    "PostingType": "Debit" if line.amount > 0 else "Credit",
                    "AccountRef": {"value": line.account},
                },
            }
            for line in entry.lines
        ]
        body = {"TxnDate": entry.day.isoformat(), "DocNumber": "JE-7", "PrivateNote": "by hand", "Line": lines}
        bench.vendor.sim.put("JournalEntry", "77", body)

    def change_by_hand(self, bench: Bench, receipt: Receipt) -> None:
        sim: QuickBooksSim = bench.vendor.sim
        (row,) = sim.documents()
        sim.put("JournalEntry", row["Id"], {**row, "Line": [{**line, "Amount": "1"} for line in row["Line"]]})

    def delete_by_hand(self, bench: Bench, receipt: Receipt) -> None:
        sim: QuickBooksSim = bench.vendor.sim
        sim.delete("JournalEntry", sim.documents()[0]["Id"])
