"""Production orders: MFG-01 to MFG-11, MFG-15, STD-04 to STD-07.

An order's work in process is a holding of its own: value comes in with material, labour, overhead and subcontracted work,
and leaves with what is finished or scrapped, by units. Its units are those that were started (a line `part: output` of
`production.issued`), else all that is known to have come out. Cost that becomes known later follows the units. An output
at standard cost takes its standard; what is left when the order closes is its variances.
"""

from __future__ import annotations

from fractions import Fraction

from tieout.model.event import EventLine
from tieout.model.quantity import SCALE, from_scaled
from tieout.valuation.documents import (
    WIP,
    arrive,
    document,
    draw,
    drawn,
    hand_over,
    issue,
    order_lines,
    order_of,
    own,
    pass_on,
    settle,
    weigh,
)
from tieout.valuation.records import Move, Pool, Receipt
from tieout.valuation.refs import Lookup
from tieout.valuation.restate import Restatement
from tieout.valuation.step import Step
from tieout.valuation.variances import absorb, close_standard

ROLE = "inventory_wip"
MAIN = ("output", "joint", "")


def work(step: Step) -> tuple[Step, Pool]:
    """The order's work in process: its state as a step of the same line, and its holding."""
    order = order_of(step.line, step.valuer.lookup)
    wip = step if step.state.item == WIP + order else step.at(WIP + order)
    return wip, wip.side(ROLE, order)


def part_of(step: Step) -> str:
    return _part(step.line)


def _part(line: EventLine) -> str:
    return str((line.extra or {}).get("part", ""))


def put_in(wip: Step, pool: Pool, line: EventLine, v: int, credit: str) -> tuple[int, int]:
    """Value into work in process; the movement and the inflow."""
    state = wip.state
    n = state.add_move(Move(line, ROLE, credit, "", "", 0, v))
    move = state.move(n)
    move.item = state.item
    op = state.shift(pool, 0, v, n, line, wip.key)
    move.add_fed(op)
    return n, op


# ── MFG-01 ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _issue(steps: list[Step]) -> None:
    for step in steps:
        step.need_quantity()
        if part_of(step) not in ("component", "output", ""):
            step.refuse(
                "TO4009", f"part {part_of(step)} is not issued", "issue components; `output` says what is started"
            )
    back = [step for step in steps if step.line.reason == "returned" and part_of(step) != "output"]
    out = [step for step in steps if part_of(step) != "output" and step not in back and not step.line.owner]
    for step in out:
        pool = step.home()
        if pool.fixed:
            step.need_standard()
        elif step.rules.block:
            step.check_stock(pool, step.line.quantity)
    taken = [_room(step) for step in back]
    for step in steps:
        if part_of(step) == "output":
            wip, pool = work(step)
            weigh(wip, pool, step.line.quantity)
    for step in out:
        wip, pool = work(step)
        n, value = issue(step, step.home(), step.line.quantity, "MFG-01", wip, ROLE)
        _, op = put_in(wip, pool, step.line, value, step.role)
        hand_over(step, n, wip, op)
    for step, pairs in zip(back, taken, strict=True):
        _back_to_stores(step, pairs, "MFG-01")


def _room(step: Step) -> list[tuple[int, int]]:
    """(issue, units) of this order that material comes back from, oldest first."""
    state, lookup = step.state, step.valuer.lookup
    order, left = order_of(step.line, lookup), step.line.quantity
    pairs: list[tuple[int, int]] = []
    for line in order_lines(order, lookup):
        if line.type != "production.issued" or line.item != state.item or not left:
            continue
        for n in step.find(("production.issued",), ref=f"e:{line.event_id}#{line.line_id}"):
            move = state.move(n)
            part = min(left, move.quantity - move.returned) if move.debit == ROLE else 0
            if part > 0 and all(n != known for known, _ in pairs):
                pairs.append((n, part))
                left -= part
    if left:
        held = from_scaled(step.line.quantity - left)
        step.refuse(
            "TO4007",
            f"{from_scaled(step.line.quantity)} {state.item} to come back from order {order}, {held} issued to it",
            "correct the quantity or the order",
        )
    return pairs


def _back_to_stores(step: Step, pairs: list[tuple[int, int]], row: str) -> None:
    """Material comes back at what its issue finally cost; the order holds so much less."""
    wip, pool = work(step)
    for number, (n, q) in enumerate(pairs):
        move = step.state.move(n)
        upto = step.share(move.value, move.returned + q, move.quantity)
        value = upto - move.returned_value
        home = step.home()
        first = len(step.flows)
        back = step.enter(home, q, value, row, ROLE, step.line.location, part=number)
        for flow in step.flows[first:]:
            if flow.credit == ROLE:
                flow.credit_item = wip.state.item
        inflow = step.state.move(back).fed[0]
        step.state.move(back).credit_item = wip.state.item
        move.returned += q
        move.returned_value = upto
        move.add_return(inflow, q, back, value)
        out = wip.state.add_move(Move(step.line, ROLE, ROLE, "", "", 0, -value))
        op = wip.state.shift(pool, 0, -value, out, step.line, wip.key)
        step.state.carried[inflow] = (wip.state.item, op)
        step.link(wip)


# ── MFG-02, MFG-03, MFG-04 ─────────────────────────────────────────────────────────────────────────────────────────
def _report(steps: list[Step]) -> None:
    """Labour and overhead by hours and rates (STD-04 where the product is at standard), and work of a subcontractor: the
    amount of a line that names no item."""
    head = next((step for step in steps if step.line.head), steps[0])
    done = absorb(head)
    priced = [step for step in steps if step.line.amount is not None and not step.line.item]
    if not done and not priced:
        head.refuse(
            "TO4009",
            "the report says neither hours, nor amounts, nor subcontracted work",
            "give hours and rates, or amounts labour_applied and overhead_applied, or a line with an amount",
        )
    wip, pool = work(head)
    for row, name, credit, value, paid in done:
        n, op = put_in(wip, pool, head.line, value, credit)
        wip.state.added.setdefault(op, []).append((name, value))
        wip.flow(row, ROLE, credit, value)
        if paid > value:
            wip.flow("STD-04", "labour_rate_variance", credit, paid - value)
        elif paid < value:
            wip.flow("STD-04", credit, "labour_rate_variance", value - paid)
        assert n >= 0
    for step in priced:
        price = step.line.amount or 0
        wip, pool = work(step)
        n, op = put_in(wip, pool, step.line, price, "grni")
        wip.flow("MFG-04", ROLE, "grni", price, step.line.quantity)
        q = step.line.quantity or SCALE
        wip.state.receipts[n] = Receipt(n, op, q, price, q, price)


# ── MFG-06, MFG-07 ─────────────────────────────────────────────────────────────────────────────────────────────────
def _scrap(steps: list[Step]) -> None:
    """Normal scrap stays in the order and raises the cost of good units; abnormal scrap leaves it at its cost to that
    stage. Scrap that will fetch something (`part: by_product` with its nrv) goes into stock at that."""
    saleable = [step for step in steps if part_of(step) == "by_product"]
    units = [step for step in steps if part_of(step) != "by_product"]
    for step in steps:
        step.need_quantity()
        if step.line.reason not in ("normal", "abnormal"):
            step.refuse("TO4004", f"scrap for reason {step.line.reason!r}", "say whether it is normal or abnormal")
        _is_of_order(step)
    worth = [_nrv(step) for step in saleable]
    plan = [(step, _standard_of(step)) for step in units]
    for step, standard in plan:
        wip, pool = work(step)
        if step.line.reason == "normal":
            if _started(wip):
                weigh(wip, pool, -min(step.line.quantity, pool.quantity))
            continue
        q = step.line.quantity
        if standard is not None:
            drawn(wip, pool, 0, standard, step, "MFG-07", "scrap_abnormal", q)
        else:
            _units(wip, pool, step.line, q)
            draw(wip, pool, q, step, "MFG-07", "scrap_abnormal", q)
    for step, value in zip(saleable, worth, strict=True):
        abnormal = step.line.reason == "abnormal"
        home = step.home()
        if abnormal:
            step.enter(home, step.line.quantity, value, "MFG-07", "scrap_abnormal", step.line.location)
        else:
            wip, pool = work(step)
            drawn(wip, pool, 0, value, step, "MFG-06", home.key[0], step.line.quantity)
            op = arrive(step, home, step.line.quantity, value, "MFG-06", ROLE, "standard_revaluation")
            settle(step, home, op)


def _is_of_order(step: Step) -> None:
    """Scrap is units of the product, or something that will fetch a price; material scrapped is no unit of the order."""
    lookup = step.valuer.lookup
    lines = order_lines(order_of(step.line, lookup), lookup)
    products = {
        x.item for x in lines if _part(x) in ("output", "joint") or (x.type.endswith("completed") and not _part(x))
    }
    item = step.line.item if part_of(step) != "by_product" else ""
    if part_of(step) == "component" or (item and products and item not in products):
        step.refuse(
            "TO4009",
            f"{item} is not what order {order_of(step.line, lookup)} makes",
            "name units of the product; scrap that can be sold is a line part = by_product with its nrv",
        )


def _nrv(step: Step) -> int:
    text = (step.line.extra or {}).get("nrv")
    if text is None:
        step.refuse("TO4009", "scrap or a by-product that goes into stock needs its nrv per unit", "complete the line")
    return step.exact(Fraction(text) * step.line.quantity / SCALE)


def _standard_of(step: Step) -> int | None:
    """Standard value of the line's units where their item is at standard cost."""
    if not step.line.item or not step.rules.fixed:
        return None
    cost = step.need_standard()
    return step.share(cost[0], step.line.quantity, cost[1])


# ── MFG-05, MFG-08, MFG-09 ─────────────────────────────────────────────────────────────────────────────────────────
def _complete(steps: list[Step]) -> None:
    """Good units take their part of the order; by-products first, at their nrv or as a share in percent; joint products
    by share, else by sales value."""
    for step in steps:
        step.need_quantity()
    main = [step for step in steps if part_of(step) in MAIN]
    by = [step for step in steps if part_of(step) == "by_product"]
    if not main and not by:
        steps[0].refuse("TO4009", "nothing is completed", "give the product a line part = output")
    at_nrv = [(step, _nrv(step)) for step in by if "share" not in (step.line.extra or {})]
    shared = [step for step in by if "share" in (step.line.extra or {})]
    weights = _weights(main, shared)
    standard = [(step, _standard_of(step)) for step in main]
    for step, value in at_nrv:
        _output(step, value, "MFG-08")
    for step, worth in standard:
        if worth is not None:
            _output(step, worth, "MFG-05")
    actual = [step for step, worth in standard if worth is None]
    if not actual:
        return
    wip, pool = work(actual[0])
    if len(actual) == 1 and not shared:
        _units(wip, pool, actual[0].line, actual[0].line.quantity)
        _finish(wip, pool, actual[0].line.quantity, actual[0], "MFG-05")
        return
    total = sum(step.line.quantity for step in actual)
    _units(wip, pool, actual[0].line, total)
    through = wip.side(ROLE, own(actual[0].line))
    value = pool.value if total == pool.quantity else wip.share(pool.value, total, pool.quantity)
    line = actual[0].line
    n = wip.state.add_move(Move(line, ROLE, ROLE, "", "", total, value))
    move = wip.state.move(n)
    move.item = move.credit_item = wip.state.item
    move.taken = (wip.state.shift(pool, -total, -value, n, line, wip.key),)
    into = wip.state.shift(through, sum(weights), value, n, line, wip.key)
    move.add_fed(into)
    pass_on(wip, n, into)
    for step, weight in zip([*actual, *shared], weights, strict=True):
        _finish(wip, through, weight, step, "MFG-08" if step in shared else "MFG-09" if len(actual) > 1 else "MFG-05")


def _output(step: Step, value: int, row: str) -> None:
    """Output at a value that is given."""
    wip, pool = work(step)
    home = step.home()
    drawn(wip, pool, 0, value, step, row, home.key[0], step.line.quantity)
    settle(step, home, arrive(step, home, step.line.quantity, value, row, ROLE, "standard_revaluation"))


def _finish(wip: Step, pool: Pool, weight: int, step: Step, row: str) -> None:
    home = step.home()
    n, value = draw(wip, pool, weight, step, row, home.key[0], step.line.quantity)
    op = arrive(step, home, step.line.quantity, value, row, ROLE, "standard_revaluation")
    hand_over(wip, n, step, op)
    settle(step, home, op)


def _weights(main: list[Step], shared: list[Step]) -> list[int]:
    """Weights of joint products, then of by-products that take a share: integers in proportion."""
    actual = [step for step in main if not (step.line.item and step.rules.fixed)]
    percents = [Fraction((step.line.extra or {})["share"]) for step in shared]
    if sum(percents) > 100:
        shared[0].refuse("TO4009", f"by-products take {sum(percents)} percent", "shares are percent of the input")
    own_shares = [Fraction((step.line.extra or {}).get("share", 0)) for step in actual]
    if len(actual) == 1:
        own_shares = [Fraction(1)]
    elif actual and not all(own_shares):
        own_shares = [_sales_value(step) for step in actual]
    whole = sum(own_shares) or Fraction(1)
    exact = [each / whole * (100 - sum(percents)) for each in own_shares] + percents
    return [round(each * SCALE) or 1 for each in exact]


def _sales_value(step: Step) -> Fraction:
    """MFG-09: relative sales value at split-off, unless the lines give shares."""
    price = step.valuer.facts.price(step.line.item, step.valuer.book.day(step.line.at))
    if price is None:
        step.refuse(
            "TO4062",
            f"{step.line.item} has neither a share nor a stand-alone price: joint products cannot be told apart",
            "give each joint product a share, or import stand-alone prices: tieout items facts FILE",
        )
    return price * step.line.quantity


def _started(wip: Step) -> bool:
    return any(move.line.type == "production.issued" and _part(move.line) == "output" for move in wip.state.moves)


def _units(wip: Step, pool: Pool, line: EventLine, q: int) -> None:
    """Make the holding stand for the order's units before `q` of them leave: those started, else all that are known to
    come out of it; never fewer than leave now."""
    missing = 0
    if not pool.quantity and not _started(wip):
        missing = sum(x.quantity for x in outputs(line, wip)) - _left(wip)
    missing = max(missing, q - pool.quantity)
    if missing > 0:
        weigh(wip, pool, missing)


def outputs(line: EventLine, step: Step) -> list[EventLine]:
    """Lines of the order that take units out of it: completed, or scrapped beyond the normal."""
    found = order_lines(order_of(line, step.valuer.lookup), step.valuer.lookup)
    completed = [x for x in found if x.type == "production.completed"]
    scrapped = [x for x in found if x.type == "production.scrapped" and x.reason != "normal"]
    return [x for x in (*completed, *scrapped) if _part(x) in MAIN and not x.owner]


def depending(line: EventLine, lookup: Lookup) -> list[EventLine]:
    """Known lines of the order that are worth something else because this one is known, wherever it lies in time: what
    comes out while nobody said how much was started, and hours whose rate is that of the product."""
    started = line.type == "production.issued" and _part(line) == "output"
    if line.type not in ("production.completed", "production.scrapped") and not started:
        return []
    lines = order_lines(order_of(line, lookup), lookup)
    known = any(x.type == "production.issued" and _part(x) == "output" for x in lines)
    out = (
        [x for x in lines if x.type in ("production.completed", "production.scrapped")] if started or not known else []
    )
    return out + [x for x in lines if x.type == "production.reported" and "hours" in (x.extra or {})]


def _left(wip: Step) -> int:
    """Units that left the order so far."""
    return sum(
        move.quantity
        for move in wip.state.moves
        if move.credit == ROLE and move.debit != ROLE and _part(move.line) in MAIN
    )


# ── MFG-10, MFG-11, MFG-15 ─────────────────────────────────────────────────────────────────────────────────────────
def _close(steps: list[Step]) -> None:
    step = steps[0]
    wip, pool = work(step)
    state = wip.state
    made = [n for n, move in enumerate(state.moves, state.move_base) if _is_output(move)]
    actual = [n for n in made if state.move(n).taken[0] in state.carried]
    if not pool.value and not made:
        return
    if not made:
        step.refuse("TO4009", "the order closes with nothing completed", "cancel it instead", pool.value)
    if not actual:
        close_standard(step, wip, pool, [state.move(n).line for n in made])
        return
    if not pool.value:
        return
    total = sum(state.move(n).quantity for n in actual)
    weigh(wip, pool, total - pool.quantity)
    for done in actual:
        move = state.move(done)
        there = state.carried[move.taken[0]]
        value = pool.value if move.quantity == pool.quantity else wip.share(pool.value, move.quantity, pool.quantity)
        m = state.add_move(Move(step.line, move.debit, ROLE, move.debit_location, "", 0, value))
        rest = state.move(m)
        rest.item, rest.credit_item = move.item, state.item
        rest.taken = (state.shift(pool, -move.quantity, -value, m, step.line, wip.key),)
        state.carried[rest.taken[0]] = there
        flow = step.flow("MFG-10", move.debit, ROLE, value, to=move.debit_location)
        flow.item, flow.credit_item, flow.affected = move.item, state.item, move.line
        restatement = Restatement(wip.valuer.state(there[0]))
        restatement.amend(there[1], value)
        step.finish(restatement, "MFG-10")


def _is_output(move: Move) -> bool:
    return move.line.type == "production.completed" and bool(move.taken) and move.debit != ROLE


def _cancel(steps: list[Step]) -> None:
    """Material that comes back at what it cost; the rest of the order is abnormal scrap."""
    returning = [step for step in steps if step.line.item]
    for step in returning:
        step.need_quantity()
    taken = [_room(step) for step in returning]
    for step, pairs in zip(returning, taken, strict=True):
        _back_to_stores(step, pairs, "MFG-15")
    wip, pool = work(steps[0])
    weigh(wip, pool, max(1 - pool.quantity, 0))
    if pool.value:
        m, _ = drawn(wip, pool, pool.quantity, pool.value, steps[0], "MFG-15", "scrap_abnormal", 0)
        move, flow = wip.state.move(m), steps[0].flows[-1]
        move.item = flow.item = wip.state.item


issued = document(_issue)
reported = document(_report)
scrapped = document(_scrap)
completed = document(_complete)
closed = document(_close)
cancelled = document(_cancel)
