"""Cost of sales and margin from posted lines, corrections included, by item, channel and period (of posting)."""

from __future__ import annotations

from typing import Final

from tieout.model.roles import ROLES
from tieout.reports.question import Question
from tieout.reports.report import Check, Column, Report, Value
from tieout.store.statements import MARGIN

REVENUE: Final = frozenset({"revenue", "shipping_revenue", "sales_discounts", "sales_returns", "commission_revenue"})
COST: Final = frozenset({"cogs", "cogs_dropship"})
OTHER: Final = frozenset(
    name for name, role in ROLES.items() if role.quickbooks_type == "Cost of Goods Sold" and name not in COST
) - {"ic_cogs"}
KEYS = ("item", "category", "channel", "period")


def margin(question: Question) -> Report:
    """Parameter `by`: keys with commas (default: item,channel,period). Revenue and margin are positive when earned.

    `other_costs`: losses and variances that belong to cost of sales but to no sale.
    """
    keys = question.keys(KEYS, "item,channel,period")
    found = question.ask(MARGIN, REVENUE | COST | OTHER)
    word = question.words({row.item for row in found} | {row.channel for row in found})
    sums: dict[tuple[str, ...], list[int]] = {}
    for row in found:
        item = word[row.item] if row.item else ""
        channel = word[row.channel] if row.channel else ""
        all_of = {
            "item": item,
            "category": question.desk.category(item) if item else "",
            "channel": channel,
            "period": row.period,
        }
        cells = sums.setdefault(tuple(all_of[key] for key in keys), [0] * 4)
        amount = int(row.amount)
        if row.role in REVENUE:
            cells[1] -= amount
        elif row.role in COST:
            cells[0] += int(row.quantity)
            cells[2] += amount
        else:
            cells[3] += amount
    rows: list[tuple[Value, ...]] = [(*key, *_figures(sums[key])) for key in sorted(sums) if any(sums[key])]
    columns = [
        *map(Column, keys),
        Column("units", "quantity"),
        Column("revenue", "money"),
        Column("cost_of_sales", "money"),
        Column("margin", "money"),
        Column("margin_percent", "share"),
        Column("other_costs", "money"),
    ]
    total = sum(cells[1] - cells[2] - cells[3] for cells in sums.values())
    everything = REVENUE | COST | OTHER
    moved = question.balance(everything) - question.balance(everything, before=True)
    checks = [Check("margin less other costs = movement of these accounts", total, -moved)]
    notes = [] if any(row.role in REVENUE for row in found) else ["revenue is posted by other systems here"]
    return question.report("margin", "Cost of sales and margin", columns, rows, checks=checks, notes=notes)


def _figures(cells: list[int]) -> tuple[int | None, ...]:
    units, revenue, cost, other = cells
    earned = revenue - cost
    return units, revenue, cost, earned, (earned * 10_000) // revenue if revenue else None, other
