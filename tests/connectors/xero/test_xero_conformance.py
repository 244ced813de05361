"""The kit for ledgers, against the simulator's own books."""

from __future__ import annotations

import json
from datetime import date
from types import SimpleNamespace
from typing import Any

from tieout import Document, DocumentLine, LedgerEntry, Money, Receipt
from tieout.testing import Bench, LedgerConformance
from tieout_sandbox.simulators.app import mounted
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.xero import XeroSim
from tieout_sandbox.simulators.xero.app import TENANT
from tieout_xero import Xero

NUMBERS = {"Invoices": "InvoiceNumber", "CreditNotes": "CreditNoteNumber"}


class Following(SimClock):
    """A simulator's clock that is the bench's."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench

    def now(self) -> float:
        return self._bench.clock.now()


class TestXero(LedgerConformance):
    accounts = ("310", "631")
    dimensions = {"channel": ("web", XeroSim.id_of("option Web"))}  # noqa: RUF012

    def vendor(self, bench: Bench) -> Any:
        sim = XeroSim(clock=Following(bench), client=("client-of-the-kit", "secret-of-the-kit"))
        return SimpleNamespace(sim=sim, transport=mounted(sim))

    def connector(self, bench: Bench) -> Xero:
        sim: XeroSim = bench.vendor.sim
        channel = {"id": sim.id_of("category Channel"), "options": {"web": sim.id_of("option Web")}}
        ledger = Xero(
            bench.context(
                Xero,
                {
                    "tenant": TENANT,
                    "client_id": bench.secret("id", "client-of-the-kit"),
                    "client_secret": bench.secret("secret", "secret-of-the-kit"),
                    "tier": "standard",
                    "tracking": {"channel": channel},
                    "contacts": {"SUP-1": sim.id_of("contact SUP-1"), "WEB": sim.id_of("contact WEB")},
                },
            )
        )
        if bench.vault.tokens is None:
            assert ledger.http.grant is not None
            ledger.http.grant.exchange({"grant_type": "authorization_code", "code": sim.grants.consent()})
        return ledger

    def held(self, bench: Bench, reference: str) -> list[str]:
        sim: XeroSim = bench.vendor.sim
        journals = [row for row in sim.documents() if row["Narration"].split(" ")[0] == reference]
        others = [row for kind, name in NUMBERS.items() for row in sim.documents(kind) if row[name] == reference]
        return [json.dumps(row) for row in (*journals, *others)]

    def document(self, kind: str, reference: str) -> Document:
        buys = kind in ("bill", "vendor_credit")
        role, account = ("ap", "800") if buys else ("ar", "610")
        other = "801" if buys else "200"
        amount = 5_600 if kind in ("bill", "credit_memo") else -5_600
        lines = (DocumentLine(other, amount, "grni", memo="PO-1"), DocumentLine(account, -amount, role))
        day = date(2026, 10, 31)
        return Document(kind, "ACME", "USD", day, reference, "VB-1", lines, "VB-1", "SUP-1" if buys else "WEB")

    def close_books(self, bench: Bench, day: date) -> None:
        bench.vendor.sim.lock(period=day)

    def book_by_hand(self, bench: Bench, entry: LedgerEntry) -> None:
        sim: XeroSim = bench.vendor.sim
        lines = [
            {"LineAmount": str(Money(line.amount, "USD")).split()[0], "AccountCode": line.account}
            for line in entry.lines
        ]
        body = {"Narration": "by hand", "Date": entry.day.isoformat(), "Status": "POSTED", "JournalLines": lines}
        sim.put("ManualJournals", sim.id_of("by hand"), body)

    def change_by_hand(self, bench: Bench, receipt: Receipt) -> None:
        sim: XeroSim = bench.vendor.sim
        (row,) = sim.documents()
        lines = [
            {**line, "LineAmount": "1" if str(line["LineAmount"])[0] != "-" else "-1"} for line in row["JournalLines"]
        ]
        sim.put("ManualJournals", row["ManualJournalID"], {**row, "JournalLines": lines})

    def delete_by_hand(self, bench: Bench, receipt: Receipt) -> None:
        sim: XeroSim = bench.vendor.sim
        (row,) = sim.documents()
        sim.put("ManualJournals", row["ManualJournalID"], {**row, "Status": "VOIDED"})
