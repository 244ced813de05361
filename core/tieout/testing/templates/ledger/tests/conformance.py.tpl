"""The connector against tieout's conformance kit: what it declares is proven, faults included."""

from __future__ import annotations

import json
from datetime import date
from typing import ClassVar

from stub import Stub
from tieout import LedgerEntry, Money, Receipt
from tieout.testing import Bench, LedgerConformance

from $module import $cls

TOKEN = "a-token-that-must-show-nowhere"


class Test$cls(LedgerConformance):
    accounts = ("5000", "1400")
    dimensions: ClassVar[dict[str, tuple[str, str]]] = {"channel": ("web", '"channel": "web"')}

    def vendor(self, bench: Bench) -> Stub:
        return Stub(TOKEN, bench.clock.now)

    def connector(self, bench: Bench) -> $cls:
        return $cls(bench.context($cls, {"token": bench.secret("token", TOKEN)}))

    def held(self, bench: Bench, reference: str) -> list[str]:
        return [json.dumps(row) for row in bench.vendor.entries.values() if row["reference"] == reference]

    def close_books(self, bench: Bench, day: date) -> None:
        bench.vendor.locked = day

    def book_by_hand(self, bench: Bench, entry: LedgerEntry) -> None:
        lines = [{"account": x.account, "amount": str(Money(x.amount, "USD")).split()[0]} for x in entry.lines]
        bench.vendor.book("JE-7", entry.day.isoformat(), "by hand", lines)

    def change_by_hand(self, bench: Bench, receipt: Receipt) -> None:
        row = bench.vendor.entries[int(receipt.ledger_id)]
        halves = [{**line, "amount": "1.00" if line["amount"][0] != "-" else "-1.00"} for line in row["lines"]]
        bench.vendor.change(int(receipt.ledger_id), lines=halves)

    def delete_by_hand(self, bench: Bench, receipt: Receipt) -> None:
        bench.vendor.change(int(receipt.ledger_id), voided=True)
