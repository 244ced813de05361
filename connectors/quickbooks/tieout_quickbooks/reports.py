"""QuickBooks reports as rows. Columns are bound by key or title, never by place; values are text, empty is zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from tieout_quickbooks.documents import minor

# Report words for transaction types → entity names. What is not here is somebody else's kind of document.
TYPES = {
    "Journal Entry": "JournalEntry",
    "Bill": "Bill",
    "Vendor Credit": "VendorCredit",
    "Invoice": "Invoice",
    "Credit Memo": "CreditMemo",
}


class GlLine(NamedTuple):
    """A line of the general ledger: which document, on which account, how much (debit positive, minor units)."""

    account: str
    day: date
    type: str
    id: str
    number: str
    memo: str
    amount: int


def trial_balance(report: Mapping[str, Any], currency: str) -> dict[str, int]:
    """Balance per account id, debit positive. Accounts that are missing from the report have none."""
    columns = _columns(report)
    debit, credit = columns["debit"], columns["credit"]
    out: dict[str, int] = {}
    for _, cells in _data(report.get("Rows")):
        account = str(cells[0].get("id") or "")
        if account:
            out[account] = minor(cells[debit].get("value"), currency) - minor(cells[credit].get("value"), currency)
    return out


def general_ledger(report: Mapping[str, Any], currency: str) -> Iterator[GlLine]:
    """Lines of documents; opening balances and totals are left out."""
    columns = _columns(report)
    for account, cells in _data(report.get("Rows")):
        kind = cells[columns["txn_type"]]
        day = str(cells[columns["tx_date"]].get("value") or "")
        if not kind.get("id") or not account or day.count("-") != 2:
            continue
        debit = minor(cells[columns["debt_amt"]].get("value"), currency)
        credit = minor(cells[columns["credit_amt"]].get("value"), currency)
        number, memo = (str(cells[columns[name]].get("value") or "") for name in ("doc_num", "memo"))
        yield GlLine(
            account,
            date.fromisoformat(day),
            str(kind.get("value") or ""),
            str(kind["id"]),
            number,
            memo,
            debit - credit,
        )


def _columns(report: Mapping[str, Any]) -> dict[str, int]:
    out: dict[str, int] = {}
    for place, column in enumerate((report.get("Columns") or {}).get("Column") or ()):
        out.setdefault(str(column.get("ColTitle") or "").lower(), place)
        for fact in column.get("MetaData") or ():
            if fact.get("Name") == "ColKey":
                out[str(fact.get("Value"))] = place
    return out


def _data(rows: Mapping[str, Any] | None, account: str = "") -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Data rows at any depth, with the id of the innermost section that has one."""
    for row in (rows or {}).get("Row") or ():
        head = ((row.get("Header") or {}).get("ColData") or [{}])[0]
        inside = str(head.get("id") or "") or account
        if "Rows" in row:
            yield from _data(row["Rows"], inside)
        elif "ColData" in row:
            yield inside, row["ColData"]
