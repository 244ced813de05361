"""The ledgers a scenario's books go to: a simulated vendor with an account for every role, and how a project names it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from tieout import ROLES, UsageError
from tieout_sandbox.simulators.app import Simulator
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.faults import Faults
from tieout_sandbox.simulators.quickbooks import QuickBooksSim
from tieout_sandbox.simulators.quickbooks.app import REALM
from tieout_sandbox.simulators.xero import XeroSim
from tieout_sandbox.simulators.xero.app import TENANT

LEDGERS: Final = ("quickbooks", "xero", "beancount")
PARTIES: Final = {"SUP-1": "56", "SUP-2": "57", "CAR-1": "58"}
_FIRST = 7000  # of the accounts made for roles the vendor's own chart has none for
_QBO_GROUP = {"asset": "Asset", "liability": "Liability", "equity": "Equity", "income": "Revenue", "expense": "Expense"}
_XERO_TYPE = {
    "asset": ("CURRENT", "ASSET"),
    "liability": ("CURRLIAB", "LIABILITY"),
    "equity": ("EQUITY", "EQUITY"),
    "income": ("REVENUE", "REVENUE"),
    "expense": ("DIRECTCOSTS", "EXPENSE"),
}


class Held(NamedTuple):
    """One document as the ledger itself holds it."""

    kind: str
    number: str
    reference: str  # ours, empty for a document of somebody else
    day: date


class Books(Protocol):
    """What a judge asks a ledger, past any connector."""

    sim: Simulator

    def balances(self) -> dict[str, Decimal]: ...

    def held(self) -> list[Held]: ...

    def remove(self, document: Held) -> None: ...

    def lock(self, through: date | None) -> None: ...

    def locked(self) -> date | None: ...

    def reverse(self, document: Held, day: date) -> str | None: ...


def _account_class(role: str) -> str:
    return ROLES[role].account_class.removeprefix("contra ")


def accounts(ledger: str) -> dict[str, str]:
    """Role → account in that ledger: the vendor's own receivables and payables, an account of its own for every other."""
    system = {"quickbooks": {"ar": "84", "ap": "33"}, "xero": {"ar": "610", "ap": "800"}}[ledger]
    return {role: system.get(role, str(_FIRST + n)) for n, role in enumerate(sorted(ROLES))}


class QuickBooksBooks:
    """QuickBooks of one company."""

    def __init__(self, clock: SimClock, faults: Faults, path: Path | None = None) -> None:
        self.sim = QuickBooksSim(clock=clock, faults=faults, path=path)
        for role, number in accounts("quickbooks").items():
            if self.sim.keep.get("Account", number) is None:
                group = _QBO_GROUP[_account_class(role)]
                kind = "Other Current Liability" if group == "Liability" else ROLES[role].quickbooks_type
                name = f"{role} ({number})"
                body = {"Name": name, "FullyQualifiedName": name, "AccountType": kind, "Classification": group}
                self.sim.put("Account", number, {**body, "AccountSubType": "Other", "Active": True})
        for name, number in PARTIES.items():
            self.sim.put("Vendor", number, {"DisplayName": name, "Active": True})

    def config(self, start: date) -> str:
        vendors = ", ".join(f'{name} = "{number}"' for name, number in PARTIES.items())
        return f'connector = "quickbooks"\nrealm = "{REALM}"\nhistory_from = {start - timedelta(days=31)}\nvendors = {{ {vendors} }}\n'

    def balances(self) -> dict[str, Decimal]:
        return self.sim.balances()

    def held(self) -> list[Held]:
        kinds = ("JournalEntry", "Bill", "VendorCredit")
        return [
            Held(kind, str(body["Id"]), _ours(str(body.get("DocNumber") or "")), date.fromisoformat(body["TxnDate"]))
            for kind in kinds
            for body in self.sim.documents(kind)
        ]

    def remove(self, document: Held) -> None:
        self.sim.delete(document.kind, document.number)

    def lock(self, through: date | None) -> None:
        self.sim.close_books(through)

    def locked(self) -> date | None:
        text = self.sim.keep.fact("closed")
        return date.fromisoformat(text) if text else None

    def reverse(self, document: Held, day: date) -> str | None:
        """A journal that takes another back; None when it is there already."""
        number = f"9{document.number}"
        body = self.sim.keep.get("JournalEntry", document.number) if document.kind == "JournalEntry" else None
        if body is None:
            raise UsageError(f"{document.kind} {document.number} is in closed books", fix="open them, then roll back")
        if self.sim.keep.get("JournalEntry", number) is not None:
            return None
        for line in body["Line"]:
            detail = line["JournalEntryLineDetail"]
            detail["PostingType"] = "Credit" if detail["PostingType"] == "Debit" else "Debit"
        self.sim.put("JournalEntry", number, {**body, "TxnDate": day.isoformat(), "DocNumber": f"R-{document.number}"})
        return number


class XeroBooks:
    """Xero of one organisation."""

    def __init__(self, clock: SimClock, faults: Faults, path: Path | None = None) -> None:
        self.sim = XeroSim(clock=clock, faults=faults, path=path)
        for role, code in accounts("xero").items():
            number = self.sim.id_of(f"account {code}")
            if self.sim.keep.get("Accounts", number) is None:
                kind, group = _XERO_TYPE[_account_class(role)]
                body: dict[str, Any] = {"Code": code, "Name": role, "Type": kind, "Class": group, "TaxType": "NONE"}
                self.sim.put("Accounts", number, {**body, "Status": "ACTIVE", "EnablePaymentsToAccount": False})
        for name in PARTIES:
            self.sim.put("Contacts", self.sim.id_of(f"contact {name}"), {"Name": name, "ContactStatus": "ACTIVE"})

    def config(self, start: date) -> str:
        contacts = ", ".join(f'{name} = "{self.sim.id_of(f"contact {name}")}"' for name in PARTIES)
        return f'connector = "xero"\ntenant = "{TENANT}"\ntier = "standard"\ncontacts = {{ {contacts} }}\n'

    def balances(self) -> dict[str, Decimal]:
        return self.sim.balances()

    def held(self) -> list[Held]:
        out = []
        for kind, number, marker in (
            ("ManualJournals", "ManualJournalID", "Narration"),
            ("Invoices", "InvoiceID", "InvoiceNumber"),
            ("CreditNotes", "CreditNoteID", "CreditNoteNumber"),
        ):
            for body in self.sim.documents(kind):
                if body.get("Status") in ("POSTED", "AUTHORISED", "PAID"):
                    out.append(
                        Held(kind, str(body[number]), _ours(str(body.get(marker) or "")), _day(str(body["Date"])))
                    )
        return out

    def remove(self, document: Held) -> None:
        self.sim.keep.remove(document.kind, document.number, at=self.sim.clock.now())

    def lock(self, through: date | None) -> None:
        self.sim.lock(period=through)

    def locked(self) -> date | None:
        body = self.sim.keep.get("Organisation", self.sim.id_of("organisation")) or {}
        return _day(str(body["PeriodLockDate"])) if body.get("PeriodLockDate") else None

    def reverse(self, document: Held, day: date) -> str | None:
        """A journal that takes another back; None when it is there already."""
        number = self.sim.id_of(f"reversal of {document.number}")
        body = self.sim.keep.get("ManualJournals", document.number) if document.kind == "ManualJournals" else None
        if body is None:
            raise UsageError(f"{document.kind} {document.number} is in closed books", fix="open them, then roll back")
        if self.sim.keep.get("ManualJournals", number) is not None:
            return None
        for line in body["JournalLines"]:
            line["LineAmount"] = str(-Decimal(str(line["LineAmount"])))
        moment = int(datetime.combine(day, time(), UTC).timestamp() * 1000)
        made = {**body, "Date": f"/Date({moment}+0000)/", "Narration": f"reversal of {document.number}"}
        self.sim.put("ManualJournals", number, made)
        return number


def make(ledger: str, clock: SimClock, faults: Faults, path: Path | None = None) -> QuickBooksBooks | XeroBooks:
    """The simulated ledger of one company; with `path` its books survive the process."""
    made: Mapping[str, type[QuickBooksBooks | XeroBooks]] = {"quickbooks": QuickBooksBooks, "xero": XeroBooks}
    return made[ledger](clock, faults, path)


def _day(text: str) -> date:
    """Of `/Date(1767225600000+0000)/`."""
    return datetime.fromtimestamp(int(text.partition("(")[2].partition("+")[0]) // 1000, UTC).date()


def _ours(text: str) -> str:
    """Our reference at the beginning of a number or a narration."""
    word = text.split(" ", 1)[0]
    return word if word.startswith("TO-") else ""
