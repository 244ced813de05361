"""The golden journals: loaded, turned into events, run through the engine, compared by event and in the end.

`books` is the only place in these tests that knows the shape of the engine's answer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from tests.valuation.reference import by_cause

from tieout.model.event import Event
from tieout.model.facts import NO_FACTS, Bom, Facts, Part, Price, Routing
from tieout.model.journal import Flow
from tieout.model.master import Item
from tieout.model.money import to_minor
from tieout.model.policy import PolicyBook
from tieout.model.roles import STOCK_ROLES
from tieout.valuation import MEMO_ROWS, Lookup, Valuation, Valuer, value, value_group

FILE = Path(__file__).with_name("golden_journals.yaml")
OURS = frozenset({"setup", "arrives", "since"})  # keys of our file form that are not the event's
IMPLEMENTED = 2

Key = tuple[str, str]


@dataclass(frozen=True)
class Books:
    """What the engine answers, as these tests compare it. Amounts in minor units, debit positive; quantities in millionths.

    `roles` per event id and role; `items` per event id, role and item; `cost`, `restated`, `final` per (event, line);
    `pools` quantity and value per (item, location or ''); `stock` per (item, location); `layers` per pool.
    """

    roles: Mapping[str, Counter[str]]
    items: Mapping[str, Counter[tuple[str, str]]]
    totals: Mapping[str, int]
    cost: Mapping[Key, int]
    restated: Mapping[Key, list[tuple[str, int]]]
    final: Mapping[Key, int]
    pools: Mapping[tuple[str, str], tuple[int, int]]
    layers: Mapping[tuple[str, str], list[tuple[int, int]]]
    stock: Mapping[tuple[str, str], int]
    refused: frozenset[str]
    booked: frozenset[str]  # events with at least one amount, whether or not they cancel out


def lines_by_event(flows: Iterable[Flow]) -> tuple[dict[str, Counter[str]], dict[str, Counter[tuple[str, str]]]]:
    """Flows are pairs; their role lines, per causing event and per item."""
    roles: defaultdict[str, Counter[str]] = defaultdict(Counter)
    items: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for flow in flows:
        event, item = flow.line.event_id, flow.line.item
        roles[event][flow.debit] += flow.amount
        roles[event][flow.credit] -= flow.amount
        items[event][(flow.debit, flow.item or item)] += flow.amount
        items[event][(flow.credit, flow.credit_item or item)] -= flow.amount
    return (
        {event: Counter({k: a for k, a in lines.items() if a}) for event, lines in roles.items()},
        {event: Counter({k: a for k, a in lines.items() if a}) for event, lines in items.items()},
    )


@cache
def cases() -> dict[str, dict[str, Any]]:
    """Every golden journal by id, as written in the file."""
    return {case["id"]: case for case in YAML(typ="safe").load(FILE.read_text())}


def live_ids() -> list[str]:
    """The cases whose rows are all posted today."""
    return [name for name, case in cases().items() if case.get("since", IMPLEMENTED) <= IMPLEMENTED]


def events_of(case: Mapping[str, Any], arrived: int = 9) -> list[Event]:
    """The case's events known once everything up to `arrives: N` is in, without what comes later in the product."""
    known = [
        event
        for event in case["events"]
        if event.get("arrives", 1) <= arrived and event.get("since", IMPLEMENTED) <= IMPLEMENTED
    ]
    return [Event.model_validate({k: v for k, v in event.items() if k not in OURS}) for event in known]


def items_of(case: Mapping[str, Any]) -> dict[str, Item]:
    """The case's item master, as far as the model knows it."""
    return {
        item["sku"]: Item.model_validate({k: v for k, v in item.items() if k in Item.model_fields})
        for item in case.get("items", [])
    }


def facts_of(case: Mapping[str, Any]) -> Facts:
    """What the case's items are sold for alone, and what they are made of."""
    prices = [
        Price(item["sku"], date.min, Fraction(item["stand_alone_price"]))
        for item in case.get("items", [])
        if "stand_alone_price" in item
    ]
    boms = [
        Bom(item["sku"], date.min, tuple(Part(sku, Fraction(q)) for sku, q in item["components"].items()))
        for item in case.get("items", [])
        if "components" in item
    ]
    routings = [
        Routing(item["sku"], date.min, **{name: Fraction(text) for name, text in item["routing"].items()})
        for item in case.get("items", [])
        if "routing" in item
    ]
    return Facts(prices=prices, boms=boms, routings=routings)


def run(case: Mapping[str, Any], arrived: int = 9) -> Books:
    events, policy, currency = events_of(case, arrived), case.get("policy", {}), case.get("currency", "USD")
    return books(events, policy, currency, items_of(case), facts_of(case))


def expected(case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The case's expected lines, without those of events that come later in the product."""
    later = {event["id"] for event in case["events"] if event.get("since", IMPLEMENTED) > IMPLEMENTED}
    return [entry for entry in case["expect"] if not later & set(entry["events"])]


def minor_lines(lines: Mapping[str, Any], currency: str) -> dict[str, int | dict[str, int]]:
    return {
        role: {item: to_minor(a, currency) for item, a in amount.items()}
        if isinstance(amount, dict)
        else to_minor(amount, currency)
        for role, amount in lines.items()
    }


def role_total(amount: int | dict[str, int]) -> int:
    return sum(amount.values()) if isinstance(amount, dict) else amount


def actual(found: Books, names: Iterable[str], shape: Mapping[str, int | dict[str, int]]) -> dict[str, Any]:
    """Role lines of some events, by item where the expectation is by item."""
    roles: Counter[str] = Counter()
    items: Counter[tuple[str, str]] = Counter()
    for name in names:
        roles.update(found.roles.get(name, Counter()))
        items.update(found.items.get(name, Counter()))
    return {
        role: {item: a for (r, item), a in items.items() if r == role and a}
        if isinstance(shape.get(role), dict)
        else amount
        for role, amount in roles.items()
        if amount or isinstance(shape.get(role), dict)
    }


def books(
    events: Iterable[Event],
    policy: Mapping[str, Any],
    currency: str = "USD",
    items: Mapping[str, Item] | None = None,
    facts: Facts = NO_FACTS,
) -> Books:
    """Value events with the engine."""
    known = list(events)
    if len({event.company for event in known}) > 1:
        found = _together(value_group(known, policy, currency=currency, items=items, facts=facts))
    else:
        found = value(known, policy, currency=currency, items=items, facts=facts)
    roles, by_item = lines_by_event(flow for m in found.movements for flow in m.flows if flow.row not in MEMO_ROWS)
    keys = {(m.line.event_id, m.line.line_id): m for m in found.movements}
    stock = [h for h in found.holdings if h.role in STOCK_ROLES]
    return Books(
        roles=roles,
        items=by_item,
        totals=dict(found.totals),
        cost={key: m.cost for key, m in keys.items()},
        restated={key: by_cause(m.restatements) for key, m in keys.items() if m.restatements},
        final={key: m.final_cost for key, m in keys.items()},
        pools={(h.item, h.location): (h.quantity, h.value) for h in stock},
        layers={(h.item, h.location): [(x.quantity, x.value) for x in h.layers] for h in stock},
        stock=dict(found.on_hand),
        refused=frozenset(refusal.line.event_id for refusal in found.refused),
        booked=frozenset(flow.line.event_id for m in found.movements for flow in m.flows if flow.amount),
    )


def _together(companies: Mapping[str, Valuation]) -> Valuation:
    """The books of several companies laid side by side."""
    totals: Counter[str] = Counter()
    for answer in companies.values():
        totals.update(answer.totals)
    return Valuation(
        next(iter(companies.values())).currency,
        tuple(movement for answer in companies.values() for movement in answer.movements),
        tuple(holding for answer in companies.values() for holding in answer.holdings),
        {place: q for answer in companies.values() for place, q in answer.on_hand.items()},
        tuple(refusal for answer in companies.values() for refusal in answer.refused),
        {role: amount for role, amount in totals.items() if amount},
    )


def flows_of(events: Iterable[Event], policy: Mapping[str, Any], currency: str) -> list[Flow]:
    """Every flow of a set of events, valued from nothing."""
    return [flow for m in value(events, policy, currency=currency).movements for flow in m.flows]


def valuer_for(policy: Mapping[str, Any], currency: str, lookup: Lookup) -> Valuer:
    """A valuer with empty states, as a process has after a start."""
    return Valuer(PolicyBook.of(**policy), lambda sku: Item(sku=sku), currency, "UTC", lookup=lookup)
