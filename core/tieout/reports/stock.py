"""Stock value as of any day and as known at any instant, and its age by layer. Re-performed from the events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from tieout.model.money import to_minor
from tieout.model.quantity import to_scaled
from tieout.operations.reports import valuation as reperform
from tieout.reports.question import Question
from tieout.reports.report import Check, Column, Report, Value
from tieout.reports.threads import age_bucket

EDGES: Final = (30, 60, 90, 180, 365)
_QUERY = "every event effective by the day and received by the instant, valued again from nothing"


def valuation(question: Question) -> Report:
    """Quantity and value per item, role and place. Parameter `as_known`: an instant, or a day for its end."""
    answer = _asked(question, layers=False)
    money = question.desk.currency
    rows: list[tuple[Value, ...]] = [
        (
            *(row[name] for name in ("item", "role", "location")),
            to_scaled(row["quantity"]),
            to_minor(row["value"], money),
            row["unit_cost"],
        )
        for row in answer["items"]
    ]
    columns = [Column("item"), Column("role"), Column("location"), Column("quantity", "quantity")]
    columns += [Column("value", "money"), Column("unit_cost", "unit")]
    return _report(question, answer, "valuation", "Stock value", columns, rows)


def ageing(question: Question) -> Report:
    """Every cost layer still held, with its age in days from the day it came in."""
    answer = _asked(question, layers=True)
    money = question.desk.currency
    rows: list[tuple[Value, ...]] = []
    for row in answer["items"]:
        for layer in row["layers"]:
            day = date.fromisoformat(layer["date"])
            days = (question.through - day).days
            amounts = (to_scaled(layer["quantity"]), to_minor(layer["value"], money), layer["unit_cost"])
            rows.append((row["item"], row["role"], layer["origin"], *amounts, day, days, age_bucket(days, EDGES)))
    columns = [Column("item"), Column("role"), Column("origin"), Column("quantity", "quantity")]
    columns += [Column("value", "money"), Column("unit_cost", "unit"), Column("date", "day")]
    columns += [Column("days", "count"), Column("age")]
    return _report(question, answer, "ageing", "Age of stock by cost layer", columns, rows)


def _asked(question: Question, *, layers: bool) -> Mapping[str, Any]:
    known = question.given.get("as_known") or None
    return reperform(question.office, as_of=question.through.isoformat(), as_known=known, layers=layers)


def _report(
    question: Question,
    answer: Mapping[str, Any],
    name: str,
    title: str,
    columns: list[Column],
    rows: list[tuple[Value, ...]],
) -> Report:
    money = question.desk.currency
    value = [column.name for column in columns].index("value")
    found = sum(row[value] for row in rows)  # type: ignore[misc]
    checks = [Check("rows = value of all pools", found, to_minor(answer["value"], money))]
    if answer["difference"] is not None:
        difference = to_minor(answer["difference"], money)
        journal = to_minor(answer["journal"], money)
        checks.append(Check("subledger = control accounts in the journal", journal + difference, journal))
    notes = [f"{answer['refused']} event lines were not valued: tieout exceptions list"] if answer["refused"] else []
    made = question.report(name, title, columns, rows, checks=checks, notes=notes, ranged=False)
    from dataclasses import replace

    given = {key: text for key, text in made.parameters.items() if key != "as_known"}
    return replace(made, as_known=answer["as_known"], query=_QUERY, parameters=given)
