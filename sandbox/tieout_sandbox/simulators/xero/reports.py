"""The trial balance as Xero prints it: movements of the month, and year-to-date columns that hold the balances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from tieout_sandbox.simulators.xero.rules import Leg

SECTIONS = (
    ("ASSET", "Assets"),
    ("LIABILITY", "Liabilities"),
    ("EQUITY", "Equity"),
    ("REVENUE", "Revenue"),
    ("EXPENSE", "Expenses"),
)
BALANCE_SHEET = frozenset({"ASSET", "LIABILITY", "EQUITY"})


def trial_balance(
    accounts: Iterable[Mapping[str, Any]], posted: Iterable[tuple[date, tuple[Leg, ...]]], day: date, now: str
) -> dict[str, Any]:
    known = {str(account["AccountID"]): account for account in accounts}
    month: defaultdict[str, Decimal] = defaultdict(Decimal)
    total: defaultdict[str, Decimal] = defaultdict(Decimal)
    for at, legs in posted:
        for leg in legs:
            if at > day:
                continue
            if at.replace(day=1) == day.replace(day=1):
                month[leg.account] += leg.amount
            if known[leg.account]["Class"] in BALANCE_SHEET or at.year == day.year:
                total[leg.account] += leg.amount
    rows: list[dict[str, Any]] = [
        {
            "RowType": "Header",
            "Cells": [{"Value": v} for v in ("Account", "Debit", "Credit", "YTD Debit", "YTD Credit")],
        }
    ]
    for group, title in SECTIONS:
        inside = [
            _row(known[n], month[n], total[n])
            for n in sorted(total)
            if known[n]["Class"] == group and (total[n] or month[n])
        ]
        if inside:
            rows.append({"RowType": "Section", "Title": title, "Rows": inside})
    rows.append({"RowType": "Section", "Title": "", "Rows": [_sum(month, total)]})
    return {
        "ReportID": "TrialBalance",
        "ReportName": "Trial Balance",
        "ReportType": "TrialBalance",
        "ReportTitles": ["Trial Balance", "Demo Company", f"As at {day.day} {day:%B %Y}"],
        "ReportDate": f"{day.day} {day:%B %Y}",
        "UpdatedDateUTC": now,
        "Fields": [],
        "Rows": rows,
    }


def _text(value: Decimal) -> str:
    return f"{value:.2f}" if value > 0 else ""


def _row(account: Mapping[str, Any], month: Decimal, total: Decimal) -> dict[str, Any]:
    mark = [{"Value": str(account["AccountID"]), "Id": "account"}]
    label = f"{account['Name']} ({account['Code']})" if account.get("Code") else str(account["Name"])
    values = (label, _text(month), _text(-month), _text(total), _text(-total))
    return {"RowType": "Row", "Cells": [{"Value": value, "Attributes": mark} for value in values]}


def _sum(month: Mapping[str, Decimal], total: Mapping[str, Decimal]) -> dict[str, Any]:
    def side(values: Iterable[Decimal], sign: int) -> str:
        return f"{sum((sign * v for v in values if sign * v > 0), Decimal(0)):.2f}"

    cells = [
        "Total",
        side(month.values(), 1),
        side(month.values(), -1),
        side(total.values(), 1),
        side(total.values(), -1),
    ]
    return {"RowType": "SummaryRow", "Cells": [{"Value": value} for value in cells]}
