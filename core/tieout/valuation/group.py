"""Several entities of one group valued side by side: their legs paired, the markup of the seller carried to the buyer, and
the figures an elimination needs (ICO-04 to 06). Each entity stays a valuation of its own; nothing crosses but the cost
the seller gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

from tieout.errors import Refused
from tieout.model.catalogue import EVENT_TYPES
from tieout.model.event import EPOCH, Event, EventLine, instant, lines_of
from tieout.model.money import from_minor
from tieout.model.policy import Policy, PolicyBook
from tieout.valuation.intercompany import PROFIT, TITLE, partner_missing
from tieout.valuation.result import Refusal, Valuation, value

LEGS: Final = frozenset({"intercompany.shipped", "intercompany.received"})
ELIMINATED: Final = "intercompany.eliminated"


def value_group(
    events: Iterable[Event], policy: Policy | PolicyBook | Mapping[str, Any], *, currency: str = "USD", **how: Any
) -> dict[str, Valuation]:
    """Valuations by company, under one policy and currency. A leg without its partner is refused (TO4023) and valued in
    neither books. Eliminations that state no amounts get those of the group as of their instant."""
    known = _current(events)
    lonely = _lonely(known, currency)
    gone = {refusal.line.event_id for refusal in lonely}
    kept = [event for event in known if event.id not in gone]
    plain = [event for event in kept if event.type != ELIMINATED or event.amounts]
    told = [*plain]
    for event in kept:
        if event.type == ELIMINATED and not event.amounts:
            stated = figures(plain, policy, event, currency=currency, **how)
            told.append(event.model_copy(update={"amounts": stated}))
    answers = _valued(told, policy, currency, how)
    for refusal, company in ((r, _company(known, r)) for r in lonely):
        before = answers.get(company) or value([], policy, currency=currency, **how)
        answers[company] = Valuation(
            before.currency,
            before.movements,
            before.holdings,
            before.on_hand,
            (*before.refused, refusal),
            before.totals,
        )
    return answers


def figures(
    events: Sequence[Event],
    policy: Policy | PolicyBook | Mapping[str, Any],
    elimination: Event,
    *,
    currency: str = "USD",
    **how: Any,
) -> dict[str, Decimal]:
    """What an elimination states, year to date as of its instant: sales between affiliates, their cost, the markup realised
    outside and still in stock, open balances, and what of the opening markup was sold or is still held."""
    at = instant(elimination.effective_at, EVENT_TYPES[ELIMINATED].phase)
    opened = _micros(_day(at).replace(month=1, day=1))
    now = _valued([e for e in events if _at(e) <= at], policy, currency, how)
    then = _valued([e for e in events if _at(e) < opened], policy, currency, how)
    sales = cost = 0
    for answer in now.values():
        for movement in answer.movements:
            if movement.line.at < opened:
                continue
            for flow in movement.flows:
                sales += flow.amount * ((flow.credit == "ic_revenue") - (flow.debit == "ic_revenue"))
                cost += flow.amount * ((flow.debit == "ic_cogs") - (flow.credit == "ic_cogs"))
    opening = markup(then.values())
    held = min(opening, markup(now.values(), before=opened))
    unrealised = markup(now.values()) - held
    amounts = {
        "sales": sales,
        "cost": cost,
        "realised": sales - cost - unrealised,
        "unrealised": unrealised,
        "balance": sum(answer.totals.get("ic_receivable", 0) for answer in now.values()),
        "opening_sold": opening - held,
        "opening_held": held,
    }
    return {name: Decimal(from_minor(amount, currency)) for name, amount in amounts.items() if amount}


def markup(answers: Iterable[Valuation], before: int | None = None) -> int:
    """Affiliates' profit in what the group holds; `before`: only in layers that came in before that instant."""
    return sum(
        layer.components.get(PROFIT, 0)
        for answer in answers
        for holding in answer.holdings
        for layer in holding.layers
        if before is None or layer.at < before
    )


def _valued(
    events: Sequence[Event], policy: Policy | PolicyBook | Mapping[str, Any], currency: str, how: Mapping[str, Any]
) -> dict[str, Valuation]:
    """Each company's events; what the seller's goods cost becomes the buyer's `original_cost`, until nothing changes."""
    answers: dict[str, Valuation] = {}
    costs: dict[tuple[str, str], int] = {}
    companies = sorted({event.company for event in events})
    for _ in range(len(companies) + 1):
        for company in companies:
            own = [_with_cost(event, costs, currency) for event in events if event.company == company]
            answers[company] = value(own, policy, currency=currency, **how)
        new: dict[tuple[str, str], int] = {}
        for company, answer in answers.items():
            for movement in answer.movements:
                if movement.line.type == "intercompany.shipped":
                    key = (company, movement.line.document)
                    new[key] = new.get(key, 0) + movement.final_cost
        if new == costs:
            break
        costs = new
    return answers


def _with_cost(event: Event, costs: Mapping[tuple[str, str], int], currency: str) -> Event:
    if event.type != "intercompany.received" or "original_cost" in (event.amounts or {}):
        return event
    cost = costs.get((event.party or "", event.document or ""))
    if cost is None:
        return event
    amounts = {**(event.amounts or {}), "original_cost": Decimal(from_minor(cost, currency))}
    return event.model_copy(update={"amounts": amounts})


def _current(events: Iterable[Event]) -> list[Event]:
    latest: dict[tuple[str, str], Event] = {}
    for event in events:
        held = latest.get((event.company, event.id))
        if held is None or event.revision > held.revision:
            latest[(event.company, event.id)] = event
    return [event for event in latest.values() if not event.void]


def _lonely(events: Sequence[Event], currency: str) -> list[Refusal]:
    """Legs whose affiliate is one of the companies and has no leg that agrees."""
    legs = [(event, lines_of(event, currency=currency)) for event in events if event.type in LEGS]
    companies = {event.company for event in events}
    out = []
    for event, lines in legs:
        if event.party not in companies:
            continue
        others = [
            line
            for other, found in legs
            for line in found
            if other.company == event.party and other.party == event.company and other.document == event.document
        ]
        for line in lines:
            why = "" if line.reason == TITLE else partner_missing(line, others)
            if why:
                out.append(Refusal(line, unpaired(line, why, currency)))
    return out


def unpaired(line: EventLine, why: str, currency: str) -> Refused:
    """The refusal of a leg without its partner: TO4023."""
    return Refused(
        why,
        code="TO4023",
        where=f"{line.type} {line.document or line.event_id}",
        amount=None if line.amount is None else from_minor(line.amount, currency),
        fix="land the affiliate's leg under the same document number, or correct quantity or price on one side",
        item=line.item,
    )


def _company(events: Sequence[Event], refusal: Refusal) -> str:
    return next(event.company for event in events if event.id == refusal.line.event_id)


def _at(event: Event) -> int:
    return instant(event.effective_at, EVENT_TYPES[event.type].phase)


def _day(at: int) -> date:
    return datetime.fromtimestamp(at // 1_000_000, UTC).date()


def _micros(day: date) -> int:
    return int((datetime.combine(day, time.min, UTC) - EPOCH).total_seconds()) * 1_000_000
