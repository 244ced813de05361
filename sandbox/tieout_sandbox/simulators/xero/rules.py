"""What Xero refuses, in its own words, and what its documents do to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

Find = Callable[[Mapping[str, Any]], dict[str, Any] | None]  # a line's account
_NO_JOURNALS: Final = frozenset(
    {
        "DEBTORS",
        "CREDITORS",
        "BANKCURRENCYGAIN",
        "UNREALISEDCURRENCYGAIN",
        "RETAINEDEARNINGS",
        "TRACKINGTRANSFERS",
        "UNPAIDEXPCLM",
        "WAGEPAYABLES",
    }
)
AMOUNT_MAX: Final = Decimal("9999999999.99")
CONTROL: Final = {"ACCPAY": "CREDITORS", "ACCPAYCREDIT": "CREDITORS", "ACCREC": "DEBTORS", "ACCRECCREDIT": "DEBTORS"}
SIGN: Final = {"ACCPAY": 1, "ACCRECCREDIT": 1, "ACCREC": -1, "ACCPAYCREDIT": -1, "SPEND": 1, "RECEIVE": -1}
LIVE: Final = frozenset({"POSTED", "AUTHORISED", "PAID"})


class Leg(NamedTuple):
    account: str  # AccountID
    amount: Decimal


class Locks(NamedTuple):
    period: date | None
    year: date | None


def money(value: object) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("The value is not a number") from None
    if found != round(found, 2) or abs(found) > AMOUNT_MAX:
        raise ValueError(f"The amount {value} has too many decimals or is too large")
    return found


def journal_errors(
    element: Mapping[str, Any], day: date | None, find: Find, tracked: Callable[[Mapping[str, Any]], bool], locks: Locks
) -> list[str]:
    """Every reason why a manual journal is refused."""
    out = []
    lines = [line for line in element.get("JournalLines") or () if not line.get("IsBlank")]
    if not element.get("Narration"):
        out.append("Narration is required")
    if len(lines) < 2:
        out.append("A manual journal must have at least two journal lines")
    debit = credit = Decimal(0)
    for line in lines:
        try:
            value = money(line.get("LineAmount", 0))
        except ValueError as error:
            out.append(str(error))
            continue
        debit += max(value, Decimal(0))
        credit += min(value, Decimal(0))
        out += _account_errors(line, find, journal=True)
        if len(line.get("Tracking") or ()) > 2:
            out.append("A line may have at most two tracking categories")
        out += ["The TrackingCategory option is not valid" for each in line.get("Tracking") or () if not tracked(each)]
    if debit + credit:
        out.append(f"The total debits ({debit:.2f}) must equal total credits ({credit:.2f})")
    if str(element.get("Status", "DRAFT")) == "POSTED":
        out += lock_errors(day, locks)
    return out


def document_errors(element: Mapping[str, Any], day: date | None, find: Find, locks: Locks) -> list[str]:
    """Every reason why an invoice or a credit note is refused."""
    out = []
    if not (element.get("Contact") or {}).get("ContactID"):
        out.append("A Contact must be specified for this type of transaction")
    if not element.get("LineItems"):
        out.append("One or more line items must be specified")
    for line in element.get("LineItems") or ():
        try:
            money(line_amount(line))
        except ValueError as error:
            out.append(str(error))
        out += _account_errors(line, find, journal=False)
    if str(element.get("Status", "DRAFT")) in LIVE:
        out += lock_errors(day, locks)
    return out


def line_amount(line: Mapping[str, Any]) -> Decimal:
    if line.get("LineAmount") is not None:
        return Decimal(str(line["LineAmount"]))
    return round(Decimal(str(line.get("Quantity") or 0)) * Decimal(str(line.get("UnitAmount") or 0)), 2)


def lock_errors(day: date | None, locks: Locks) -> list[str]:
    out = []
    for lock, words in ((locks.period, "period"), (locks.year, "end of year")):
        if lock is not None and day is not None and day <= lock:
            out.append(f"The document date cannot be before the {words} lock date, currently set at {lock:%d-%b-%Y}")
    return out


def _account_errors(line: Mapping[str, Any], find: Find, *, journal: bool) -> list[str]:
    name = line.get("AccountCode") or line.get("AccountID")
    account = find(line)
    if account is None or account.get("Status") != "ACTIVE":
        return [f"Account code '{name}' is not a valid code for this document."]
    if account["Type"] == "INVENTORY" or (
        journal and (account["Type"] == "BANK" or account.get("SystemAccount") in _NO_JOURNALS)
    ):
        return [f"Account code '{name}' is not valid for this document"]
    return []


def legs(kind: str, element: Mapping[str, Any], find: Find, system: Callable[[str], str]) -> Iterator[Leg]:
    """What a live document does to the ledger."""
    if str(element.get("Status")) not in LIVE:
        return
    if kind == "ManualJournals":
        for line in element.get("JournalLines") or ():
            account = find(line)
            if account is not None:
                yield Leg(str(account["AccountID"]), Decimal(str(line.get("LineAmount", 0))))
        return
    sign, total = SIGN.get(str(element.get("Type")), 0), Decimal(0)
    for line in element.get("LineItems") or ():
        account = find(line)
        if account is not None:
            value = sign * line_amount(line)
            total += value
            yield Leg(str(account["AccountID"]), value)
    other = (
        system(CONTROL[str(element["Type"])])
        if str(element.get("Type")) in CONTROL
        else str((element.get("BankAccount") or {}).get("AccountID") or "")
    )
    if other and total:
        yield Leg(other, -total)
