"""The kit for ledgers, against the text file itself."""

from __future__ import annotations

import re
from datetime import date

from tieout import Document, LedgerEntry, Money, Receipt
from tieout.testing import Bench, LedgerConformance
from tieout_beancount import BeancountLedger

PATH = "books/ledger.beancount"


class TestBeancount(LedgerConformance):
    accounts = ("Expenses:COGS", "Assets:Inventory:Main")
    dimensions = {"channel": ("web", "dim-channel")}  # noqa: RUF012

    def connector(self, bench: Bench) -> BeancountLedger:
        listed = {account: account for account in self.accounts}
        return BeancountLedger(bench.context(BeancountLedger, {"path": PATH, "accounts": listed}))

    def held(self, bench: Bench, reference: str) -> list[str]:
        path = bench.folder / PATH
        text = path.read_text() if path.exists() else ""
        return [entry for entry in re.split(r"\n\n+", text) if re.search(rf'"{re.escape(reference)}"', entry)]

    def document(self, kind: str, reference: str) -> Document:
        plain = self.journal(reference)
        return Document(kind, plain.company, "USD", plain.day, reference, "n", plain.lines, "N-1", "SUP-1")

    def refused(self, reference: str) -> Document:
        return self.journal(reference, accounts=("Expenses:Nobody", self.accounts[1]))

    def _append(self, bench: Bench, text: str) -> None:
        path = bench.folder / PATH
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_text('option "operating_currency" "USD"\n')
        with path.open("a") as file:
            file.write(text)

    def close_books(self, bench: Bench, day: date) -> None:
        self._append(bench, f'\n{day} custom "tieout" "locked-through" {day}\n')

    def book_by_hand(self, bench: Bench, entry: LedgerEntry) -> None:
        lines = "".join(f"  {line.account}  {Money(line.amount, 'USD')}\n" for line in entry.lines)
        self._append(bench, f'\n{entry.day} * "by hand"\n{lines}')

    def change_by_hand(self, bench: Bench, receipt: Receipt) -> None:
        path = bench.folder / PATH
        path.write_text(path.read_text().replace("412.85", "412.86"))

    def delete_by_hand(self, bench: Bench, receipt: Receipt) -> None:
        path = bench.folder / PATH
        entry = self.held(bench, receipt.reference)[0]
        path.write_text(path.read_text().replace(entry, ""))
