"""Reports on costs: what is still an estimate, which costs changed by more than a threshold, what counts found."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from tieout.model.event import EventLine
from tieout.model.roles import CONTROL_ROLES
from tieout.operations.reports import Known, last_batch, new_valuer
from tieout.reports.question import Question
from tieout.reports.report import Column, Report, Value
from tieout.store.statements import COUNTED, OWN_COSTS, PROVISIONAL_ITEMS, RECEIPTS, RESTATED
from tieout.valuation.engine import LANDED
from tieout.valuation.replay import Change, advance
from tieout.valuation.result import unit_cost

RECEIPT_TYPES: Final = ("purchase.received", "opening.loaded", "consignment.taken", "intercompany.received")
COUNT_TYPES: Final = ("count.approved",)
THRESHOLD_PERCENT: Final = 10


# ── provisional costs ──────────────────────────────────────────────────────────────────────────────────────────────
def provisional(question: Question) -> Report:
    """Units issued before they were received, at an estimate nothing has settled yet, as of the end of the day.

    Only items that were ever issued at an estimate are valued again, so the answer owes nothing to any cache.
    """
    desk = question.desk
    rows = [row.event for row in question.ask(PROVISIONAL_ITEMS, ())]
    items = sorted({line.item for line in question.lines(rows).values() if line.item})
    horizon = desk.days.end_of(question.through) - 1
    found: list[tuple[EventLine, int, int]] = []
    done: set[str] = set()
    for item in items:
        if item not in done:
            found += _estimates(question, item, horizon, done)
    found.sort(key=lambda each: (each[0].at, each[0].event_id, each[0].line_id))
    table: list[tuple[Value, ...]] = [_estimate(question, *each) for each in found]
    columns = [Column(name) for name in ("document", "type", "item", "location", "party")]
    columns += [Column("quantity", "quantity"), Column("amount", "money"), Column("unit_cost", "unit")]
    columns += [Column("since", "day"), Column("days", "count"), Column("event")]
    return question.report("provisional", "Costs that are still an estimate", columns, table, ranged=False)


def _estimates(question: Question, item: str, horizon: int, done: set[str]) -> list[tuple[EventLine, int, int]]:
    """Open estimates of an item and of those it is linked with: (movement, quantity, value)."""
    rx, desk = question.rx, question.desk
    history = Known(rx, desk, up_to=last_batch(rx, desk), horizon=horizon, touching={})
    valuer = new_valuer(desk)
    own = [line for line in history.lines(item) if line.type not in LANDED and line.at <= horizon]
    for _ in advance(valuer, history, [Change(line) for line in own]):
        pass
    out = []
    for sku, state in valuer.states.items():
        if sku in done or (sku != item and item not in state.links):
            continue
        done.add(sku)
        out += [
            (state.move(each.move).line, each.quantity, each.value)
            for pool in state.pools
            for each in pool.open
            if each.quantity
        ]
    return out


def _estimate(question: Question, line: EventLine, quantity: int, value: int) -> tuple[Value, ...]:
    day = question.day_of(line)
    each = unit_cost(quantity, value, question.desk.currency)
    what = (line.document, line.type, line.item, line.location, line.party, quantity, value, each)
    return (*what, day, (question.through - day).days, line.event_id)


# ── changes of cost ────────────────────────────────────────────────────────────────────────────────────────────────
def cost_changes(question: Question) -> Report:
    """Receipts whose unit cost is zero or differs from the item's receipt before by more than `threshold` percent, and
    movements whose cost was changed later by more than that. Parameter `threshold`: whole percent (default 10)."""
    share = Fraction(question.number("threshold", THRESHOLD_PERCENT), 100)
    rows = [*_jumps(question, share), *_restated(question, share)]
    rows.sort(key=lambda row: (row[0], row[2], row[3], row[10]))
    columns = [Column("day", "day"), Column("what"), Column("item"), Column("document"), Column("type")]
    columns += [Column("before", "unit"), Column("after", "unit"), Column("change_percent", "share")]
    columns += [Column("quantity", "quantity"), Column("amount", "money"), Column("event"), Column("cause")]
    return question.report("cost-changes", "Costs that changed beyond the threshold", columns, rows)


def _jumps(question: Question, share: Fraction) -> list[tuple[Value, ...]]:
    found = question.ask(RECEIPTS, CONTROL_ROLES, types=list(RECEIPT_TYPES))
    word = question.words({row.item for row in found})
    days, start = question.desk.days, question.start
    chosen: list[tuple[Any, Fraction | None, Fraction]] = []
    previous: tuple[int | None, Fraction] | None = None
    for row in found:
        cost = Fraction(int(row.amount), int(row.quantity))
        before = previous[1] if previous is not None and previous[0] == row.item else None
        previous = (row.item, cost)
        jump = before is not None and abs(cost - before) > share * abs(before)
        if (jump or not cost) and days.day_of(row.at) >= start:
            chosen.append((row, before, cost))
    lines = question.lines({row.event for row, _, _ in chosen})
    money = question.desk.currency
    out: list[tuple[Value, ...]] = []
    for row, before, cost in chosen:
        line = lines[row.event]
        was = None if before is None else unit_cost(before.denominator, before.numerator, money)
        now = unit_cost(int(row.quantity), int(row.amount), money)
        change = None if not before else int((cost - before) * 10_000 / before)
        what = "received at no cost" if not cost else "receipt at another cost"
        head = (days.day_of(row.at), what, word[row.item] if row.item else "", line.document, line.type)
        out.append((*head, was, now, change, int(row.quantity), int(row.amount), line.event_id, ""))
    return out


def _restated(question: Question, share: Fraction) -> list[tuple[Value, ...]]:
    """Movements whose own cost was changed later. An inflow is valued by what it brought, an issue by what it took."""
    found = question.ask(RESTATED, CONTROL_ROLES)
    lines = question.lines({row.affected for row in found} | {row.event for row in found})
    sums: dict[tuple[int, int], int] = {}
    for row in found:
        sums[row.affected, row.event] = sums.get((row.affected, row.event), 0) + int(row.amount)
    own = _own_costs(question)
    word = question.words({row.item for row in found})
    items = {row.affected: word[row.item] if row.item else "" for row in found}
    money = question.desk.currency
    out: list[tuple[Value, ...]] = []
    for (affected, cause), amount in sums.items():
        cost, quantity = own.get(affected, (0, 0))
        if not amount or abs(amount) <= share * abs(cost):
            continue
        line, by = lines[affected], lines[cause]
        was, now = unit_cost(quantity, cost, money), unit_cost(quantity, cost + amount, money)
        change = int(Fraction(amount * 10_000, cost)) if cost else None
        head = (question.day_of(by), "changed later", items[affected], line.document, line.type)
        out.append((*head, was, now, change, quantity, amount, line.event_id, by.document or by.event_id))
    return out


def _own_costs(question: Question) -> dict[int, tuple[int, int]]:
    """(value, quantity) that restated movements put on the control accounts by themselves, by event row; signed."""
    found = question.ask(OWN_COSTS, CONTROL_ROLES)
    return {row.event: (int(row.amount), int(row.quantity)) for row in found}


# ── counts ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def count_variance(question: Question) -> Report:
    """What counts found beyond or below the books, line by line: units, and value at the cost they were written off at."""
    found = question.ask(COUNTED, CONTROL_ROLES, types=list(COUNT_TYPES))
    legs = question.legs({row.leg for row in found})
    word = question.words({row.item for row in found})
    lines = question.lines({row.event for row in found})
    rows: list[tuple[Value, ...]] = []
    for row in found:
        line, leg = lines[row.event], legs[row.leg]
        item = word[row.item] if row.item else ""
        head = (question.day_of(line), line.document, item, leg.location, leg.account)
        rows.append((*head, int(row.quantity), int(row.amount), line.event_id))
    rows.sort(key=lambda row: (row[:5], row[7]))
    columns = [Column("day", "day"), Column("document"), Column("item"), Column("location"), Column("account")]
    columns += [Column("quantity", "quantity"), Column("amount", "money"), Column("event")]
    return question.report("count-variance", "Count variances", columns, rows)
