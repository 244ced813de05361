"""What QuickBooks refuses, with its own codes. Amounts are exact decimals; a document's effect on the ledger is here too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

DOC_NUMBER_MAX: Final = 21
TEXT_MAX: Final = 4000
CLOSED: Final = (
    "The account period has closed and the account books cannot be updated through through the QBO Services API.  "
    "Please use the QBO website to make these changes."
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Fault(Exception):  # noqa: N818  (the vendor's own word)
    """A refusal: code, message, detail."""

    def __init__(
        self, code: int, message: str, detail: str = "", *, status: int = 400, kind: str = "ValidationFault"
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail or message
        self.status = status
        self.kind = kind


class Leg(NamedTuple):
    """One line of the ledger: account id, amount with debits positive."""

    account: str
    amount: Decimal


Find = Callable[[str, str], dict[str, Any] | None]  # kind, id → entity
TRANSACTIONS: Final = (
    "JournalEntry",
    "Bill",
    "VendorCredit",
    "Invoice",
    "CreditMemo",
    "SalesReceipt",
    "RefundReceipt",
    "BillPayment",
)
NAMES: Final = ("Account", "Vendor", "Customer", "Class", "Department", "Item")


def amount(value: object, name: str) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise Fault(2080, "Invalid Number", f"Invalid Number : {name}") from None
    if not found.is_finite() or found != round(found, 2):
        raise Fault(2080, "Invalid Number", f"Invalid Number : {name} {value}")
    return found


def check(kind: str, body: Mapping[str, Any], find: Find, *, closed: date | None) -> None:
    """Everything a transaction must satisfy before it is written. Raises Fault."""
    number = str(body.get("DocNumber") or "")
    if len(number) > DOC_NUMBER_MAX:
        detail = f"String length is either shorter or longer than supported by specification. Min:0 Max:21 supplied:{len(number)}"
        raise Fault(2050, "Invalid String Length", detail)
    if len(str(body.get("PrivateNote") or "")) > TEXT_MAX:
        raise Fault(2050, "Invalid String Length", "PrivateNote")
    day(body, closed)
    lines = body.get("Line") or []
    if not lines:
        raise Fault(
            2020,
            "Required param missing, need to supply the required value for the API",
            "Required parameter Line is missing in the request",
        )
    if kind == "JournalEntry":
        _journal(lines, find)
    elif kind in ("Bill", "VendorCredit"):
        _needs(body, "VendorRef", "Vendor", find)
        _expense_lines(lines, find)
    elif kind in ("Invoice", "CreditMemo", "SalesReceipt", "RefundReceipt"):
        _needs(body, "CustomerRef", "Customer", find)
        _sales_lines(lines, find)


def day(body: Mapping[str, Any], closed: date | None) -> None:
    text = str(body.get("TxnDate") or "")
    if text and not _DAY.fullmatch(text):
        raise Fault(2060, "Invalid Date", "Invalid date format : TxnDate")
    if text and closed is not None and date.fromisoformat(text) <= closed:
        raise Fault(6200, "Account Period Closed, Cannot Update Through Services API", CLOSED)


def _journal(lines: list[dict[str, Any]], find: Find) -> None:
    total = Decimal(0)
    if len(lines) < 2:
        raise Fault(2250, "Not enough lines", "A journal entry needs at least two lines")
    for line in lines:
        if line.get("DetailType") == "DescriptionOnly":
            continue
        detail = line.get("JournalEntryLineDetail") or {}
        posting = detail.get("PostingType")
        if posting is None:
            raise Fault(2260, "Posting Type is missing", "PostingType")
        if posting not in ("Debit", "Credit"):
            raise Fault(2170, "Invalid Enumeration", f"Invalid Enumeration : {posting}")
        value = amount(line.get("Amount"), "Amount")
        if value < 0:
            raise Fault(2290, "Amount cannot be negative", "Amount")
        account = _account(detail, find)
        if account["AccountType"] in ("Accounts Receivable", "Accounts Payable") and not detail.get("Entity"):
            word = "customer" if account["AccountType"] == "Accounts Receivable" else "vendor"
            raise Fault(
                6000,
                "A business validation error has occurred while processing your request",
                f"Business Validation Error: When you use {account['AccountType']}, you must choose a {word} in the Name field.",
            )
        for name, kind in (("ClassRef", "Class"), ("DepartmentRef", "Department")):
            if detail.get(name):
                _needs(detail, name, kind, find)
        total += value if posting == "Debit" else -value
    if total:
        raise Fault(2300, "Amount on debits not equal to credits", "Total debits are not equal to total credits")


def _expense_lines(lines: list[dict[str, Any]], find: Find) -> None:
    for line in lines:
        detail = line.get("AccountBasedExpenseLineDetail")
        if detail is None:
            raise Fault(2170, "Invalid Enumeration", f"DetailType {line.get('DetailType')}")
        amount(line.get("Amount"), "Amount")
        _account(detail, find)


def _sales_lines(lines: list[dict[str, Any]], find: Find) -> None:
    for line in lines:
        if line.get("DetailType") == "SubTotalLineDetail":
            continue
        detail = line.get("SalesItemLineDetail")
        if detail is None:
            raise Fault(2170, "Invalid Enumeration", f"DetailType {line.get('DetailType')}")
        value = amount(line.get("Amount"), "Amount")
        if (
            "UnitPrice" in detail
            and "Qty" in detail
            and Decimal(str(detail["Qty"])) * Decimal(str(detail["UnitPrice"])) != value
        ):
            raise Fault(6070, "Amount is not equal to UnitPrice * Qty", "Amount calculation incorrect in the request")
        _needs(detail, "ItemRef", "Item", find)


def _account(detail: Mapping[str, Any], find: Find) -> dict[str, Any]:
    return _needs(detail, "AccountRef", "Account", find)


def _needs(holder: Mapping[str, Any], name: str, kind: str, find: Find) -> dict[str, Any]:
    number = str((holder.get(name) or {}).get("value") or "")
    if not number:
        raise Fault(
            2020,
            "Required param missing, need to supply the required value for the API",
            f"Required parameter {name} is missing in the request",
        )
    found = find(kind, number)
    if found is None:
        raise Fault(2500, "Invalid Reference Id", f"Invalid Reference Id : {kind} {number}")
    if not found.get("Active", True):
        raise Fault(
            610,
            "Object Not Found",
            f"Object Not Found : Something you're trying to use has been made inactive. {kind} {number}",
        )
    return found


def legs(kind: str, body: Mapping[str, Any], find: Find) -> Iterator[Leg]:
    """What a transaction does to the general ledger."""
    total = Decimal(0)
    if kind == "JournalEntry":
        for line in body.get("Line") or ():
            detail = line.get("JournalEntryLineDetail")
            if detail:
                value = Decimal(str(line["Amount"]))
                yield Leg(str(detail["AccountRef"]["value"]), value if detail["PostingType"] == "Debit" else -value)
        return
    sign = {"Bill": 1, "VendorCredit": -1, "Invoice": -1, "SalesReceipt": -1, "CreditMemo": 1, "RefundReceipt": 1}.get(
        kind, 0
    )
    for line in body.get("Line") or ():
        value = sign * Decimal(str(line.get("Amount") or 0))
        detail = line.get("AccountBasedExpenseLineDetail")
        if detail:
            total += value
            yield Leg(str(detail["AccountRef"]["value"]), value)
        elif line.get("SalesItemLineDetail"):
            item = find("Item", str(line["SalesItemLineDetail"]["ItemRef"]["value"])) or {}
            total += value
            yield Leg(str((item.get("IncomeAccountRef") or {}).get("value")), value)
    control = _control(kind, body, find)
    if total and control:
        yield Leg(control, -total)


def _control(kind: str, body: Mapping[str, Any], find: Find) -> str:
    if kind in ("Bill", "VendorCredit"):
        return str((body.get("APAccountRef") or {}).get("value") or "")
    if kind in ("SalesReceipt", "RefundReceipt"):
        return str((body.get("DepositToAccountRef") or {}).get("value") or "")
    return str((body.get("ARAccountRef") or {}).get("value") or "")
