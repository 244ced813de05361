"""Reports computed from the transactions: trial balance (flat), general ledger (by account), balance sheet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from tieout_sandbox.simulators.quickbooks.rules import Leg

WORDS = {
    "JournalEntry": "Journal Entry",
    "VendorCredit": "Vendor Credit",
    "CreditMemo": "Credit Memo",
    "SalesReceipt": "Sales Receipt",
    "RefundReceipt": "Refund",
    "BillPayment": "Bill Payment (Check)",
}
BALANCE_SHEET = ("Asset", "Liability", "Equity")


class Posted(NamedTuple):
    """A transaction as the ledger sees it."""

    kind: str
    id: str
    day: date
    number: str
    memo: str
    legs: tuple[Leg, ...]


def report(
    name: str,
    params: Mapping[str, str],
    accounts: Mapping[str, Mapping[str, Any]],
    posted: Iterable[Posted],
    *,
    now: str,
    currency: str,
) -> dict[str, Any]:
    start = date.fromisoformat(params.get("start_date") or f"{now[:4]}-01-01")
    end = date.fromisoformat(params.get("end_date") or now[:10])
    head = {
        "Time": now,
        "ReportName": name,
        "ReportBasis": params.get("accounting_method", "Accrual"),
        "StartPeriod": start.isoformat(),
        "EndPeriod": end.isoformat(),
        "Currency": currency,
    }
    rows = list(posted)
    if name == "GeneralLedger":
        made = _general_ledger(params, accounts, rows, start, end)
    else:
        made = _trial_balance(accounts, rows, start, end)
    found = bool(made["Rows"])
    return {"Header": {**head, "Option": [{"Name": "NoReportData", "Value": str(not found).lower()}]}, **made}


def _text(value: Decimal) -> str:
    return f"{value:.2f}" if value else ""


def _trial_balance(
    accounts: Mapping[str, Mapping[str, Any]], posted: list[Posted], start: date, end: date
) -> dict[str, Any]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in posted:
        for leg in each.legs:
            of_period = str(accounts[leg.account].get("Classification")) not in BALANCE_SHEET
            if each.day <= end and (not of_period or each.day >= start):
                sums[leg.account] += leg.amount
    rows: list[dict[str, Any]] = []
    debit = credit = Decimal(0)
    for number in sorted(sums, key=int):
        value = sums[number]
        if not value:
            continue
        debit += max(value, Decimal(0))
        credit += max(-value, Decimal(0))
        name = " ".join(filter(None, (accounts[number].get("AcctNum"), accounts[number]["FullyQualifiedName"])))
        cells = [
            {"value": name, "id": number},
            {"value": _text(max(value, Decimal(0)))},
            {"value": _text(max(-value, Decimal(0)))},
        ]
        rows.append({"ColData": cells})
    if rows:
        total = [{"value": "TOTAL"}, {"value": f"{debit:.2f}"}, {"value": f"{credit:.2f}"}]
        rows.append({"Summary": {"ColData": total}, "type": "Section", "group": "GrandTotal"})
    columns = [("", "Account", "account"), ("Debit", "Money", "debit"), ("Credit", "Money", "credit")]
    return {"Columns": _columns(columns), "Rows": {"Row": rows} if rows else {}}


def _columns(columns: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "Column": [
            {"ColTitle": title, "ColType": kind, "MetaData": [{"Name": "ColKey", "Value": key}]}
            for title, kind, key in columns
        ]
    }


_COLUMNS = {
    "tx_date": ("Date", "tx_date"),
    "txn_type": ("Transaction Type", "txn_type"),
    "doc_num": ("Num", "doc_num"),
    "memo": ("Memo/Description", "memo"),
    "debt_amt": ("Debit", "Money"),
    "credit_amt": ("Credit", "Money"),
    "subt_nat_amount": ("Amount", "Money"),
}


def _general_ledger(
    params: Mapping[str, str], accounts: Mapping[str, Mapping[str, Any]], posted: list[Posted], start: date, end: date
) -> dict[str, Any]:
    wanted = {number for number in (params.get("account") or "").split(",") if number} or set(accounts)
    names = [
        n
        for n in (params.get("columns") or "tx_date,txn_type,doc_num,memo,subt_nat_amount").split(",")
        if n in _COLUMNS
    ]
    sections = []
    for number in sorted(wanted & set(accounts), key=int):
        rows = []
        for each in posted:
            if not start <= each.day <= end:
                continue
            for leg in each.legs:
                if leg.account == number and leg.amount:
                    rows.append({"ColData": [_cell(name, each, leg) for name in names], "type": "Data"})
        if rows:
            head = {"ColData": [{"value": str(accounts[number]["FullyQualifiedName"]), "id": number}]}
            sections.append({"Header": head, "Rows": {"Row": rows}, "Summary": {"ColData": []}, "type": "Section"})
    columns = [(_COLUMNS[name][0], _COLUMNS[name][1], name) for name in names]
    return {"Columns": _columns(columns), "Rows": {"Row": sections} if sections else {}}


def _cell(name: str, each: Posted, leg: Leg) -> dict[str, str]:
    values = {
        "tx_date": each.day.isoformat(),
        "doc_num": each.number,
        "memo": each.memo,
        "debt_amt": _text(max(leg.amount, Decimal(0))),
        "credit_amt": _text(max(-leg.amount, Decimal(0))),
        "subt_nat_amount": _text(leg.amount),
    }
    if name == "txn_type":
        return {"value": WORDS.get(each.kind, each.kind), "id": each.id}
    return {"value": values[name]}
