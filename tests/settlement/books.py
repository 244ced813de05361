"""Events in, role totals per event out: how these tests look at the money side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Any

from tieout.model.event import Event
from tieout.model.facts import Facts, Price, Rate
from tieout.valuation import Valuation, value


def event(name: str, kind: str, day: str, *lines: Mapping[str, Any], **fields: Any) -> Event:
    return Event.model_validate({"id": name, "type": kind, "effective_at": day, "lines": list(lines), **fields})


def line(item: str = "A", quantity: str = "1", **fields: Any) -> dict[str, Any]:
    return {"item": item, "quantity": quantity, **fields}


def unit(item: str = "A", quantity: str = "1", **fields: Any) -> dict[str, Any]:
    return line(item, quantity, location="MAIN", **fields)


def stock(*items: str, day: str = "2026-01-01") -> Event:
    """Enough of everything, worth nothing: only the money side is looked at."""
    return event("stock", "opening.loaded", day, *(unit(x, "1000", amount="0") for x in items or ("A",)))


def rates(**by_currency: Mapping[str, str]) -> Facts:
    rows = [Rate(c, date.fromisoformat(d), Fraction(r)) for c, days in by_currency.items() for d, r in days.items()]
    return Facts(rates=rows)


def prices(**by_item: str) -> Facts:
    return Facts(prices=[Price(item, date.min, Fraction(price)) for item, price in by_item.items()])


def run(
    *events: Event, trigger: str = "shipment", currency: str = "USD", facts: Facts | None = None, **policy: str
) -> Valuation:
    return value(events, {"revenue_trigger": trigger, **policy}, currency=currency, facts=facts or Facts())


def roles(answer: Valuation, *names: str) -> dict[str, int]:
    """Debit-positive totals by role of some events, in minor units, zeros left out. What is at cost is worth nothing."""
    out: Counter[str] = Counter()
    for movement in answer.movements:
        if movement.line.event_id in names:
            for flow in movement.flows:
                out[flow.debit] += flow.amount
                out[flow.credit] -= flow.amount
    return {role: amount for role, amount in out.items() if amount}


def totals(answer: Valuation) -> dict[str, int]:
    return {role: amount for role, amount in answer.totals.items() if amount}


def refusals(answer: Valuation) -> dict[str, str]:
    return {refusal.line.event_id: refusal.error.code for refusal in answer.refused}


def rows(answer: Valuation, name: str) -> set[str]:
    return {
        flow.row
        for movement in answer.movements
        if movement.line.event_id == name
        for flow in movement.flows
        if flow.amount
    }
