"""Our documents ↔ Xero's. Rendered bytes are one line that names the endpoint and the JSON that is sent.

    journal  ManualJournals (+ debit, − credit)      bill, invoice  Invoices      vendor_credit, credit_memo  CreditNotes

A manual journal has no field for a reference: it stands at the beginning of the narration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn
from uuid import UUID

import msgspec

from tieout import Document, DocumentLine, Money, Receipt, Rejected
from tieout_xero.config import XeroConfig
from tieout_xero.wire import day

ENDPOINTS = {
    "journal": "ManualJournals",
    "bill": "Invoices",
    "invoice": "Invoices",
    "vendor_credit": "CreditNotes",
    "credit_memo": "CreditNotes",
}
_TYPES = {"bill": "ACCPAY", "invoice": "ACCREC", "vendor_credit": "ACCPAYCREDIT", "credit_memo": "ACCRECCREDIT"}
_CONTROL = {"ACCPAY": "ap", "ACCPAYCREDIT": "ap", "ACCREC": "ar", "ACCRECCREDIT": "ar"}
_SIGN = {"ACCPAY": 1, "ACCRECCREDIT": 1, "ACCREC": -1, "ACCPAYCREDIT": -1}  # of a line, debit positive
IDS = {"ManualJournals": "ManualJournalID", "Invoices": "InvoiceID", "CreditNotes": "CreditNoteID"}
NUMBERS = {"Invoices": "InvoiceNumber", "CreditNotes": "CreditNoteNumber"}
_REFERENCE = re.compile(r"(TO-[A-Z2-7]{12}(?:-\d+)?)\b")
_GONE = frozenset({"VOIDED", "DELETED", "ARCHIVED"})
_encoder = msgspec.json.Encoder(decimal_format="number", order="deterministic")


class Renderer:
    """Documents as Xero takes them, under one connection's configuration. Pure: no call is made."""

    def __init__(self, config: XeroConfig) -> None:
        self._config = config

    def render(self, document: Document) -> bytes:
        """`ENDPOINT\\n{"ENDPOINT":[…]}`. Rejected TO6404 where the configuration has no id for something it uses."""
        endpoint = ENDPOINTS.get(document.kind)
        if endpoint is None:
            self._refuse(document, f"{document.kind} is not a document of Xero", "post it as a journal")
        if sum(line.amount for line in document.lines):
            self._refuse(document, "the document does not balance", "report this: documents balance by construction")
        element = self._journal(document) if document.kind == "journal" else self._native(document)
        return endpoint.encode() + b"\n" + _encoder.encode({endpoint: [element]})

    def _journal(self, document: Document) -> dict[str, Any]:
        return {
            "Narration": self._narration(document),
            "Date": document.day.isoformat(),
            "Status": "POSTED",  # left out, it would stay a draft
            "LineAmountTypes": "NoTax",
            "ShowOnCashBasisReports": self._config.on_cash_reports,
            "JournalLines": [
                {
                    "LineAmount": _money(line.amount, document.currency),
                    **_account(line.account),
                    "Description": line.memo[:4000],
                    **self._tracking(document, line),
                }
                for line in document.lines
                if line.amount
            ],
        }

    def _native(self, document: Document) -> dict[str, Any]:
        kind = _TYPES[document.kind]
        control = {line.account for line in document.lines if line.role == _CONTROL[kind]}
        if len(control) != 1:
            self._refuse(document, f"a {document.kind} has one {_CONTROL[kind]} account", "map one account to the role")
        contact = self._config.contacts.get(document.party)
        if contact is None:
            self._refuse(document, f"no contact is configured for {document.party!r}", "add it to `contacts`")
        return {
            "Type": kind,
            NUMBERS[ENDPOINTS[document.kind]]: document.reference,
            "Reference": self._narration(document)[:255],
            "Contact": {"ContactID": str(contact)},
            "Date": document.day.isoformat(),
            **({"DueDate": document.day.isoformat()} if kind in ("ACCPAY", "ACCREC") else {}),
            "Status": "AUTHORISED",
            "LineAmountTypes": "NoTax",
            "CurrencyCode": document.currency,
            "LineItems": [
                {
                    "Description": (line.memo or document.narration or document.reference)[:4000],
                    "Quantity": 1,
                    "UnitAmount": _money(_SIGN[kind] * line.amount, document.currency),
                    **_account(line.account),
                    "TaxType": "NONE",
                    **self._tracking(document, line),
                }
                for line in document.lines
                if line.role != _CONTROL[kind] and line.amount
            ],
        }

    def _tracking(self, document: Document, line: DocumentLine) -> dict[str, Any]:
        named = {**({"location": line.location} if line.location else {}), **dict(line.dimensions)}
        out = []
        for dimension, category in self._config.tracking.items():
            value = named.get(dimension)
            if value is None:
                continue
            option = category.options.get(value)
            if option is None:
                fix = f"add it to `tracking.{dimension}.options`"
                self._refuse(document, f"no option is configured for {dimension} {value!r}", fix)
            out.append({"TrackingCategoryID": str(category.id), "TrackingOptionID": str(option)})
        return {"Tracking": out} if out else {}

    def _narration(self, document: Document) -> str:
        corrects = f" (corrects {document.corrects_period})" if document.corrects_period else ""
        number = f" [{document.number}]" if document.number else ""
        return f"{document.reference}{number} | {document.narration}{corrects}"[:4000]

    def _refuse(self, document: Document, message: str, fix: str) -> NoReturn:
        raise Rejected(message, code="TO6404", where=document.reference, fix=fix)


def _account(code: str) -> dict[str, str]:
    try:
        return {"AccountID": str(UUID(code))}
    except ValueError:
        return {"AccountCode": code}


def _money(amount: int, currency: str) -> Decimal:
    return Decimal(str(Money(amount, currency)).split()[0])


def join(bodies: Sequence[bytes]) -> bytes:
    """Rendered documents of one endpoint as one call's bytes: the elements, byte for byte, in order."""
    endpoint = bodies[0].split(b"\n", 1)[0]
    head = b'{"' + endpoint + b'":['
    parts = []
    for body in bodies:
        name, content = body.split(b"\n", 1)
        if name != endpoint or not content.startswith(head) or not content.endswith(b"]}"):
            raise Rejected("documents of several kinds cannot share a call", code="TO6404", where=name.decode())
        parts.append(content[len(head) : -2])
    return endpoint + b"\n" + head + b",".join(parts) + b"]}"


# ── back ───────────────────────────────────────────────────────────────────────────────────────────────────────────
class Reader:
    """Xero's documents as ours. `codes`: AccountID → the code the account map uses; `control`: role → account."""

    def __init__(self, currency: str, codes: Mapping[str, str], control: Mapping[str, str]) -> None:
        self._currency = currency
        self._codes = codes
        self._control = control

    def receipt(self, endpoint: str, element: Mapping[str, Any], raw: bytes = b"") -> Receipt:
        """A document that was voided or deleted holds no lines any more."""
        gone = str(element.get("Status")) in _GONE
        return Receipt(
            ledger_id=f"{endpoint}:{element[IDS[endpoint]]}",
            reference=reference_of(endpoint, element),
            day=day(element.get("Date")) or date.min,
            lines=() if gone else self.lines(endpoint, element),
            revision=str(element.get("UpdatedDateUTC") or ""),
            raw=raw,
        )

    def lines(self, endpoint: str, element: Mapping[str, Any]) -> tuple[DocumentLine, ...]:
        if endpoint == "ManualJournals":
            return tuple(
                DocumentLine(
                    self._code(line), self._minor(line.get("LineAmount")), memo=str(line.get("Description") or "")
                )
                for line in element.get("JournalLines") or ()
                if line.get("LineAmount")
            )
        kind = str(element.get("Type"))
        sign = _SIGN.get(kind, -1 if kind.startswith("RECEIVE") else 1)
        out = [
            DocumentLine(
                self._code(line), sign * self._minor(line.get("LineAmount")), memo=str(line.get("Description") or "")
            )
            for line in element.get("LineItems") or ()
            if line.get("LineAmount")
        ]
        tax = sign * self._minor(element.get("TotalTax"))
        control = self._control.get(_CONTROL.get(kind, ""), "")
        if control and (out or tax):
            out.append(DocumentLine(control, -sum(line.amount for line in out) - tax))
        return tuple(out)

    def _code(self, line: Mapping[str, Any]) -> str:
        known = str(line.get("AccountID") or "")
        return str(line.get("AccountCode") or self._codes.get(known, known))

    def _minor(self, value: object) -> int:
        return Money.of(str(value or "0"), self._currency).minor


def reference_of(endpoint: str, element: Mapping[str, Any]) -> str:
    """Our reference where the document bears one, else ''."""
    text = str(element.get("Narration" if endpoint == "ManualJournals" else NUMBERS.get(endpoint, "Reference")) or "")
    found = _REFERENCE.match(text)
    return found.group(1) if found else ""
