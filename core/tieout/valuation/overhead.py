"""The overhead pool: MFG-12 (incurred), MFG-13 and MFG-14 (closed at actual cost), STD-08 (closed against a budget).

Nothing is kept of it: what was incurred and what was applied since it was last closed are found among the known events,
so a report that comes late changes the closing it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tieout.errors import Refused
from tieout.model.event import EventLine, OrderKey, order_key
from tieout.model.money import allocate
from tieout.valuation.documents import WIP, charge, document, lines_of_event, order_of
from tieout.valuation.kits import conversion
from tieout.valuation.refs import Lookup
from tieout.valuation.restate import Restatement
from tieout.valuation.step import Step
from tieout.valuation.variances import absorb

SOURCES = ("production.reported", "kit.assembled")


class Applied(NamedTuple):
    """Overhead that a report or an assembly absorbed, and the item whose cost it went into."""

    line: EventLine
    item: str
    amount: int


def _incur(steps: list[Step]) -> None:
    """MFG-12: what was spent; `amounts: {bank: …}` says what of it was paid at once, the rest is owed."""
    step = next((step for step in steps if step.line.head), steps[0])
    amount = step.minor((step.line.extra or {})["head_amount"])
    paid = charge(step, "bank") or 0
    if paid > amount:
        step.refuse("TO4007", "more was paid than incurred", "correct the amounts", paid)
    if paid:
        step.flow("MFG-12", "overhead_control", "bank", paid)
    if amount > paid:
        step.flow("MFG-12", "overhead_control", "ap", amount - paid)


def _close(steps: list[Step]) -> None:
    step = next((step for step in steps if step.line.head), steps[0])
    since = _last_closed(step.line, step.valuer.lookup)
    taken = applied(step, since)
    absorbed = sum(x.amount for x in taken)
    stated = charge(step, "incurred")
    actual = _incurred(step, since) if stated is None else stated
    budget = charge(step, "overhead_budget", "budget")
    if budget is not None:
        step.flow("STD-08", "overhead_applied", "overhead_control", absorbed)
        _variance(step, "overhead_spending_variance", actual - budget)
        _variance(step, "overhead_volume_variance", budget - absorbed)
        return
    if absorbed <= actual:
        if absorbed:
            step.flow("MFG-13", "overhead_applied", "overhead_control", absorbed)
        if actual > absorbed:
            step.flow("MFG-13", "overhead_unabsorbed", "overhead_control", actual - absorbed)
        return
    if actual:
        step.flow("MFG-14", "overhead_applied", "overhead_control", actual)
    for each, excess in zip(taken, allocate(absorbed - actual, [x.amount for x in taken]), strict=True):
        if excess:
            _give_back(step, each, excess)


def _variance(step: Step, role: str, amount: int) -> None:
    if amount > 0:
        step.flow("STD-08", role, "overhead_control", amount)
    elif amount < 0:
        step.flow("STD-08", "overhead_control", role, -amount)


def _give_back(step: Step, each: Applied, excess: int) -> None:
    """MFG-14: stock is not carried above cost, so what was absorbed beyond it leaves what it went into, wherever that is."""
    there = step.at(each.item)
    for n in there.find((each.line.type,), ref=f"e:{each.line.event_id}#"):
        move = there.state.move(n)
        fed = [op for op in move.fed if any(name == "overhead" for name, _ in there.state.added.get(op, ()))]
        if not fed:
            continue
        flow = step.flow("MFG-14", move.debit, "overhead_applied", -excess, to=move.debit_location)
        flow.item = flow.credit_item = each.item
        flow.affected, flow.component = move.line, "overhead"
        there.state.added[fed[0]].append(("overhead", -excess))
        restatement = Restatement(there.state)
        restatement.amend(fed[0], -excess)
        step.finish(restatement, "MFG-14", "overhead")
        return
    step.refuse("TO4013", f"what {each.line.event_id} absorbed is not in the books", "resolve that exception first")


def applied(step: Step, since: OrderKey | None) -> list[Applied]:
    """What known reports and assemblies absorbed after a closing and before this line."""
    lookup = step.valuer.lookup
    out: list[Applied] = []
    for kind in SOURCES:
        for line in sorted(lookup.of_type(kind) if lookup is not None else (), key=order_key):
            if not line.head or order_key(line) >= step.key or (since is not None and order_key(line) <= since):
                continue
            try:
                out += _of(step.on_its_own(line))
            except Refused:
                continue  # it is an exception itself and absorbed nothing
    return out


def _of(step: Step) -> list[Applied]:
    line, lookup = step.line, step.valuer.lookup
    if line.type == "production.reported":
        item = WIP + order_of(line, lookup)
        return [Applied(line, item, value) for _, name, _, value, _ in absorb(step) if name == "overhead" and value]
    kit = next((x for x in lines_of_event(line, lookup) if (x.extra or {}).get("part") == "output"), None)
    if kit is None:
        return []
    _, amount = conversion(step.on_its_own(kit), step)
    return [Applied(line, kit.item, amount)] if amount else []


def _incurred(step: Step, since: OrderKey | None) -> int:
    lookup = step.valuer.lookup
    lines = lookup.of_type("overhead.incurred") if lookup is not None else ()
    return sum(
        step.on_its_own(line).minor((line.extra or {})["head_amount"])
        for line in lines
        if line.head and order_key(line) < step.key and (since is None or order_key(line) > since)
    )


def _last_closed(line: EventLine, lookup: Lookup | None) -> OrderKey | None:
    before = [order_key(x) for x in (lookup.of_type("overhead.closed") if lookup is not None else ())]
    return max((key for key in before if key < order_key(line) and key[4] != line.event_id), default=None)


def closings_after(lines: Sequence[EventLine], lookup: Lookup) -> list[EventLine]:
    """Known closings that changed reports, assemblies, incurred overhead or closings before them may change."""
    about = [order_key(x) for x in lines if x.type in (*SOURCES, "overhead.incurred", "overhead.closed")]
    if not about or not lookup.has("overhead.closed"):
        return []
    return [x for x in lookup.of_type("overhead.closed") if order_key(x) > min(about)]


incurred = document(_incur)
closed = document(_close)
