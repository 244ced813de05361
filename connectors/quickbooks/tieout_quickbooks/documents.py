"""Our documents ↔ QuickBooks entities. Rendered bytes are one line that names the entity and the JSON that is sent.

    journal  JournalEntry     bill  Bill     vendor_credit  VendorCredit     invoice  Invoice     credit_memo  CreditMemo

Amounts are exact decimals as JSON numbers. DocNumber is our reference: the one field that can be searched and is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn

import msgspec

from tieout import Document, DocumentLine, LedgerEntry, Money, Receipt, Rejected
from tieout_quickbooks.config import QuickBooksConfig

ENTITIES = {
    "journal": "JournalEntry",
    "bill": "Bill",
    "vendor_credit": "VendorCredit",
    "invoice": "Invoice",
    "credit_memo": "CreditMemo",
}
_PAYABLE = {"bill": 1, "vendor_credit": -1}
_SALES = {"invoice": -1, "credit_memo": 1}
_encoder = msgspec.json.Encoder(decimal_format="number", order="deterministic")


class Renderer:
    """Documents as QuickBooks takes them, under one connection's configuration. Pure: no call is made."""

    def __init__(self, config: QuickBooksConfig, currency: str) -> None:
        self._config = config
        self._currency = currency

    def render(self, document: Document) -> bytes:
        """`ENTITY\\n{json}`. Rejected TO6310 where the configuration names no id for something the document uses."""
        if document.kind not in ENTITIES:
            self._refuse(document, f"{document.kind} is not a document of QuickBooks", "post it as a journal")
        if sum(line.amount for line in document.lines):
            self._refuse(document, "the document does not balance", "report this: documents balance by construction")
        entity: dict[str, Any] = {
            "DocNumber": document.reference,
            "TxnDate": document.day.isoformat(),
            "PrivateNote": self._note(document),
            "CurrencyRef": {"value": document.currency},
        }
        if document.kind == "journal":
            entity["Line"] = [self._journal_line(document, line) for line in document.lines if line.amount]
        elif document.kind in _PAYABLE:
            entity |= self._payable(document)
        else:
            entity |= self._sale(document)
        return ENTITIES[document.kind].encode() + b"\n" + _encoder.encode(entity)

    # ── journals ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _journal_line(self, document: Document, line: DocumentLine) -> dict[str, Any]:
        detail: dict[str, Any] = {
            "PostingType": "Debit" if line.amount > 0 else "Credit",
            "AccountRef": {"value": line.account},
            **self._dimensions(document, line),
        }
        if line.role in ("ar", "ap"):
            kind, ids = ("Customer", self._config.customers) if line.role == "ar" else ("Vendor", self._config.vendors)
            party = line.party or document.party
            reference = {"value": self._id(document, ids, party, kind.lower() + "s")}
            detail["Entity"] = {"Type": kind, "EntityRef": reference}
        return {
            "Description": line.memo[:4000],
            "Amount": self._money(abs(line.amount), document.currency),
            "DetailType": "JournalEntryLineDetail",
            "JournalEntryLineDetail": detail,
        }

    # ── native documents ───────────────────────────────────────────────────────────────────────────────────────────
    def _payable(self, document: Document) -> dict[str, Any]:
        sign = _PAYABLE[document.kind]
        payable, rest = _split(document, "ap")
        return {
            "VendorRef": {"value": self._id(document, self._config.vendors, document.party, "vendors")},
            "APAccountRef": {"value": payable},
            "Line": [
                {
                    "Description": line.memo[:4000],
                    "Amount": self._money(sign * line.amount, document.currency),
                    "DetailType": "AccountBasedExpenseLineDetail",
                    "AccountBasedExpenseLineDetail": {
                        "AccountRef": {"value": line.account},
                        **self._dimensions(document, line, department=False),
                    },
                }
                for line in rest
            ],
        }

    def _sale(self, document: Document) -> dict[str, Any]:
        sign = _SALES[document.kind]
        _, rest = _split(document, "ar")
        return {
            "CustomerRef": {"value": self._id(document, self._config.customers, document.party, "customers")},
            "Line": [
                {
                    "Description": line.memo[:4000],
                    "Amount": self._money(sign * line.amount, document.currency),
                    "DetailType": "SalesItemLineDetail",
                    "SalesItemLineDetail": {
                        "ItemRef": {"value": self._id(document, self._config.sales_items, line.account, "sales_items")},
                        **self._dimensions(document, line, department=False),
                    },
                }
                for line in rest
            ],
        }

    # ── parts ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _dimensions(self, document: Document, line: DocumentLine, *, department: bool = True) -> dict[str, Any]:
        out: dict[str, Any] = {}
        named = dict(line.dimensions)
        if "class" in named:
            out["ClassRef"] = {"value": self._id(document, self._config.classes, named["class"], "classes")}
        place = named.get("department") or (line.location if line.location in self._config.departments else "")
        if department and place:
            out["DepartmentRef"] = {"value": self._id(document, self._config.departments, place, "departments")}
        return out

    def _id(self, document: Document, ids: Mapping[str, str], name: str, table: str) -> str:
        if name not in ids:
            self._refuse(
                document, f"no id in QuickBooks is configured for {name!r}", f"add it to `{table}` of the connection"
            )
        return ids[name]

    def _note(self, document: Document) -> str:
        corrects = f" (corrects {document.corrects_period})" if document.corrects_period else ""
        number = f" [{document.number}]" if document.number else ""
        return f"{document.reference}{number} {document.narration}{corrects}"[:4000]

    def _money(self, amount: int, currency: str) -> Decimal:
        return Decimal(str(Money(amount, currency)).split()[0])

    def _refuse(self, document: Document, message: str, fix: str) -> NoReturn:
        raise Rejected(message, code="TO6310", where=document.reference, fix=fix)


def _split(document: Document, role: str) -> tuple[str, list[DocumentLine]]:
    """The control account of a native document, and its other lines."""
    control = {line.account for line in document.lines if line.role == role}
    if len(control) != 1:
        raise Rejected(
            f"a {document.kind} has one {role} account, this one has {len(control)}",
            code="TO6310",
            where=document.reference,
            fix="map one account to the role",
        )
    return control.pop(), [line for line in document.lines if line.role != role and line.amount]


# ── back ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def minor(value: object, currency: str) -> int:
    """Minor units of an amount as QuickBooks writes it; it never has more decimals than its currency."""
    return Money.of(str(value or "0"), currency).minor


def lines_of(kind: str, entity: Mapping[str, Any], currency: str, sales: Mapping[str, str]) -> tuple[DocumentLine, ...]:
    """An entity's lines, debit positive. `sales`: item id → income account."""
    out: list[DocumentLine] = []
    for line in entity.get("Line") or ():
        amount = minor(line.get("Amount"), currency)
        memo = str(line.get("Description") or "")
        detail = line.get(str(line.get("DetailType"))) or {}
        if kind == "JournalEntry" and detail:
            signed = amount if detail.get("PostingType") == "Debit" else -amount
            out.append(DocumentLine(_ref(detail, "AccountRef"), signed, memo=memo))
        elif kind in ("Bill", "VendorCredit") and "AccountRef" in detail:
            signed = amount if kind == "Bill" else -amount
            out.append(DocumentLine(_ref(detail, "AccountRef"), signed, memo=memo))
        elif kind in ("Invoice", "CreditMemo") and "ItemRef" in detail:
            item = _ref(detail, "ItemRef")
            signed = -amount if kind == "Invoice" else amount
            out.append(DocumentLine(sales.get(item, f"item {item}"), signed, memo=memo))
    if kind != "JournalEntry":
        account = _ref(entity, "APAccountRef") or _ref(entity, "ARAccountRef")
        rest = -sum(line.amount for line in out)
        if account and rest:
            out.append(DocumentLine(account, rest))
    return tuple(out)


def _ref(holder: Mapping[str, Any], name: str) -> str:
    return str((holder.get(name) or {}).get("value") or "")


def receipt(kind: str, entity: Mapping[str, Any], currency: str, sales: Mapping[str, str], raw: bytes = b"") -> Receipt:
    return Receipt(
        ledger_id=f"{kind}:{entity['Id']}",
        reference=str(entity.get("DocNumber") or ""),
        day=date.fromisoformat(str(entity["TxnDate"])[:10]),
        lines=lines_of(kind, entity, currency, sales),
        revision=str(entity.get("SyncToken") or ""),
        raw=raw,
    )


def entry(kind: str, entity: Mapping[str, Any], currency: str, sales: Mapping[str, str]) -> LedgerEntry:
    held = receipt(kind, entity, currency, sales)
    ours = held.reference if held.reference.startswith("TO-") else ""  # people number their own entries
    return LedgerEntry(held.ledger_id, held.day, ours, held.lines, held.revision, str(entity.get("PrivateNote") or ""))
