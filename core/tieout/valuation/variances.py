"""What production absorbs, and its variances at standard cost: MFG-02, MFG-03, STD-04 to STD-07, MFG-11.

Hours count at the rate the report states, else at the routing's of that day. Where the product is at standard cost, labour
is what was paid and the difference to the standard rate is a variance at once; what the order used beyond what its output
allows, by bill of materials and routing of the day of completion, is a variance when it closes.
"""

from __future__ import annotations

from fractions import Fraction

from tieout.model.event import EventLine, order_key
from tieout.model.facts import Routing
from tieout.model.quantity import SCALE
from tieout.valuation.bundles import known_bom
from tieout.valuation.documents import WIP, charge, drawn, order_lines, order_of, weigh
from tieout.valuation.records import Pool
from tieout.valuation.step import Step

Absorbed = tuple[str, str, str, int, int]  # row, component, role it comes from, value, what was paid


def absorb(step: Step) -> list[Absorbed]:
    """What a report adds to its order: labour and overhead, each with the role it comes from."""
    hours = {name: Fraction(text) for name, text in (step.line.extra or {}).get("hours", {}).items()}
    routing = routing_of(step)
    out: list[Absorbed] = []
    labour = _labour(step, hours.get("labour"), routing)
    if labour is not None:
        out.append(labour)
    stated = charge(step, "overhead_applied", "overhead")
    driver = hours.get("overhead")
    rate = _rate(step, "overhead_rate", routing.overhead_rate if routing else None)
    if stated is None and driver is not None:
        stated = _at_rate(step, driver, rate, "overhead_rate")
    if stated is not None:
        out.append(("MFG-03", "overhead", "overhead_applied", stated, stated))
    return out


def _labour(step: Step, hours: Fraction | None, routing: Routing | None) -> Absorbed | None:
    stated = charge(step, "labour_applied", "labour")
    paid_rate = _rate(step, "labour_rate_paid", None)
    if hours is None:
        return None if stated is None else ("MFG-02", "labour", "labour_applied", stated, stated)
    rate = _rate(step, "labour_rate", routing.labour_rate if routing else None)
    if paid_rate is not None:
        value = _at_rate(step, hours, rate, "labour_rate")
        return "STD-04", "labour", "payroll_clearing", value, step.exact(hours * paid_rate)
    if stated is None:
        stated = _at_rate(step, hours, rate, "labour_rate")
    return "MFG-02", "labour", "labour_applied", stated, stated


def _rate(step: Step, name: str, otherwise: Fraction | None) -> Fraction | None:
    charges = step.charges()
    return Fraction(charges[name]) if name in charges else otherwise


def _at_rate(step: Step, hours: Fraction, rate: Fraction | None, name: str) -> int:
    if rate is None:
        step.refuse(
            "TO4066",
            f"the hours have no {name}",
            f"state {name} among the amounts, or import the product's routing: tieout items facts FILE",
        )
    return step.exact(hours * rate)


def routing_of(step: Step) -> Routing | None:
    """The routing of the order's product on the day of the line, where the product is known by then."""
    lookup = step.valuer.lookup
    day = step.valuer.book.day(step.line.at)
    lines = order_lines(order_of(step.line, lookup), lookup)
    made = [
        x for x in lines if x.item and ((x.extra or {}).get("part") == "output" or x.type == "production.completed")
    ]
    return next((found for x in made if (found := step.valuer.facts.routing(x.item, day)) is not None), None)


def close_standard(step: Step, wip: Step, pool: Pool, made: list[EventLine]) -> None:
    """MFG-11: the residual is what was used beyond what the output allows. Usage by quantity × standard (STD-05), labour
    and overhead by hours × standard rate (STD-06, STD-07); what these do not explain is material too (MFG-11)."""
    lookup = step.valuer.lookup
    lines = [x for x in order_lines(order_of(step.line, lookup), lookup) if order_key(x) < step.key]
    scrapped = [
        x for x in lines if x.type == "production.scrapped" and x.reason != "normal" and x.item and _is_product(x, made)
    ]
    done = [*made, *scrapped]
    usage = _usage(step, wip, lines, done)
    labour, overhead = _efficiency(step, lines, done)
    rest = pool.value - usage - labour - overhead
    for row, role, value in (
        ("STD-06", "labour_efficiency_variance", labour),
        ("STD-07", "overhead_efficiency_variance", overhead),
        ("STD-05", "material_usage_variance", usage),
    ):
        if value:
            _out(step, wip, pool, 0, value, row, role)
    weigh(wip, pool, 1 - pool.quantity)
    assert pool.value == rest
    _out(step, wip, pool, 1, rest, "MFG-11", "material_usage_variance")


def _is_product(line: EventLine, made: list[EventLine]) -> bool:
    return any(line.item == x.item for x in made)


def _out(step: Step, wip: Step, pool: Pool, q: int, value: int, row: str, role: str) -> None:
    m, _ = drawn(wip, pool, q, value, step, row, role, 0)
    flow = step.flows[-1]
    wip.state.move(m).item = flow.item = wip.state.item
    if not value:
        step.flows.pop()
    elif value < 0:
        flow.debit, flow.credit, flow.amount = flow.credit, flow.debit, -value
        flow.debit_location, flow.credit_location = "", ""


def _usage(step: Step, wip: Step, lines: list[EventLine], done: list[EventLine]) -> int:
    """(actual − allowed quantity) × standard over the components, in minor units."""
    actual: dict[str, tuple[int, int]] = {}
    for move in wip.state.moves:
        if move.line.type in ("production.issued", "production.cancelled") and move.line.item and move.value:
            back = move.value < 0 or move.line.reason == "returned"
            q, v = actual.get(move.line.item, (0, 0))
            actual[move.line.item] = (q + (-1 if back else 1) * move.line.quantity, v + move.value)
    allowed: dict[str, Fraction] = {}
    for line in done:
        for part in known_bom(line, line.item, step.valuer.facts, step.valuer.book.day(line.at)).parts:
            allowed[part.item] = allowed.get(part.item, Fraction(0)) + part.quantity * line.quantity
    total = Fraction(0)
    for item in sorted({*actual, *allowed}):
        q, v = actual.get(item, (0, 0))
        component = step.at(item)
        cost = component.standard() if component.rules.fixed or not q else (v, q)
        if cost is None:
            cost = component.need_standard()
        total += (q - allowed.get(item, Fraction(0))) * Fraction(cost[0], cost[1])
    return round(total)


def _efficiency(step: Step, lines: list[EventLine], done: list[EventLine]) -> tuple[int, int]:
    """(actual − allowed hours) × standard rate, of labour and of overhead."""
    labour = overhead = Fraction(0)
    for line in lines:
        if line.type == "production.reported" and line.head:
            for row, name, _role, value, _paid in absorb(step.of(line, WIP + order_of(line, step.valuer.lookup))):
                if name == "labour":
                    labour += value
                else:
                    overhead += value
                assert row
    for line in done:
        routing = step.valuer.facts.routing(line.item, step.valuer.book.day(line.at))
        if routing is None:
            if labour or overhead:
                step.refuse(
                    "TO4066",
                    f"{line.item} has no routing, so the hours its output allows are not known",
                    "import it: tieout items facts FILE (item, labour_hours, labour_rate, overhead_rate)",
                )
            continue
        units = Fraction(line.quantity, SCALE) * step.valuer.scale
        hours = routing.labour_hours if routing.overhead_hours is None else routing.overhead_hours
        labour -= routing.labour_hours * routing.labour_rate * units
        overhead -= hours * routing.overhead_rate * units
    return round(labour), round(overhead)
