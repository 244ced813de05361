"""Stock as lots for an independent program: `bean-check` books them FIFO (or LIFO) itself and must agree to the cent.

    an item's pool is an account, an item a commodity, a cost layer a run of lots in the order of its units
    an inflow      adds lots at what they finally cost
    an issue       takes units with `{}`: which lots, and what they cost, beancount finds out; our cost stands beside it

A layer gives `round(value × q / quantity)` to each issue, so its units have no one price: a layer is written as one lot
for each issue from it and one for the rest. A lot's date is its place in the queue (days since the year 1000). What names its
own units (a supplier return, an arrival) takes them by label. Value that comes to a layer later replaces its rest by new
lots. Matching is quadratic in lots, so each period is a file of its own: it begins with the lots in hand and ends by taking
all of them out at our closing value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from tieout.errors import Refused, UsageError
from tieout.model.event import EventLine, order_key
from tieout.model.money import from_minor
from tieout.model.quantity import from_scaled
from tieout.operations.desk import Desk
from tieout.operations.office import Office
from tieout.operations.reports import END_OF_TIME, Known, last_batch, new_valuer
from tieout.valuation.engine import Valuer
from tieout.valuation.records import HEAD, TAIL, Pool
from tieout.valuation.state import ItemState

FIRST_DAY: Final = date(1000, 1, 1)
BOOKING: Final = {HEAD: "FIFO", TAIL: "LIFO"}
# Issues whose units the cost method chooses. All others name theirs.
CHOSEN: Final = frozenset(
    {
        "order.fulfilled",
        "stock.adjusted",
        "count.approved",
        "transfer.dispatched",
        "kit.assembled",
        "production.issued",
        "consignment.sent",
        "intercompany.shipped",
        "warranty.replaced",
    }
)


class Lot(NamedTuple):
    """Units that leave together. `rank`: place in the queue of its pool."""

    label: str
    account: str
    commodity: str
    quantity: int
    value: int
    rank: int


class Act(NamedTuple):
    """One transaction: lots in, lots out. `chosen`: the method chooses them; `change`: value in less value out."""

    day: date
    line: EventLine
    into: Sequence[Lot]
    out: Sequence[Lot]
    chosen: bool
    other: str  # the role on the other side


def lots(office: Office, period: str | None = None) -> dict[str, Any]:
    """Beancount files by period: `{"periods": [{"period", "movements", "lots", "text"}], "left_out": [...]}`.

    `left_out` names pools that are not FIFO or LIFO (an average, standard cost, lots by serial). UsageError for a period
    without movements.
    """
    desk = office.desk
    valuer = _valued(desk)
    left_out = sorted({f"{p.key[0]} ({p.method})" for s in valuer.states.values() for p in s.pools if not _listed(p)})
    acts: list[Act] = []
    for number, item in enumerate(sorted(valuer.states), 1):
        acts += _acts(desk, valuer.states[item], f"I-{number}")
    acts.sort(key=lambda each: each.day)  # stable: an item's own order stays
    names = {f"I-{n}": item for n, item in enumerate(sorted(valuer.states), 1)}
    accounts = {
        _account(pool, f"I-{n}"): BOOKING[pool.mode]
        for n, item in enumerate(sorted(valuer.states), 1)
        for pool in valuer.states[item].pools
        if _listed(pool)
    }
    files = list(_files(desk, acts, accounts, names))
    if period is not None:
        files = [each for each in files if each["period"] == period]
        if not files:
            raise UsageError(f"nothing moved in period {period}", fix="write it as 2026-01")
    return {"company": desk.company.code, "periods": files, "left_out": left_out}


def _valued(desk: Desk) -> Valuer:
    """Everything valued again in order of time, with every operation kept."""
    valuer = new_valuer(desk)
    with desk.store.read() as rx:
        history = Known(rx, desk, up_to=last_batch(rx, desk), horizon=END_OF_TIME, touching={})
        valuer.lookup = history
        for line in sorted(history.between(-END_OF_TIME, END_OF_TIME), key=order_key):
            for item in valuer.touches(line):
                valuer.state(item).deep = True
            try:
                valuer.step(line)
            except Refused:
                continue  # it stands among the exceptions, and has no cost anywhere
    return valuer


def _listed(pool: Pool) -> bool:
    return pool.mode in BOOKING and not pool.joins and not pool.fixed


def _account(pool: Pool, commodity: str) -> str:
    """One for each pool of each item: matching costs what an account holds."""
    words = [re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-") for part in pool.key if part]
    return ":".join(["Assets", *(word[:1].upper() + word[1:] for word in words if word), commodity])


# ── operations to lots ─────────────────────────────────────────────────────────────────────────────────────────────
class _Run(NamedTuple):
    """A stretch of a layer between two inflows: the lots it is written as, by the operation that takes each."""

    start: int
    lots: dict[int, Lot]
    rest: Lot | None


def _acts(desk: Desk, state: ItemState, commodity: str) -> Iterator[Act]:
    """An item's operations as transactions, in their order."""
    runs, of = _runs(state, commodity)
    rest: dict[int, Lot | None] = {}
    day = date.min
    taken: tuple[int, int, list[Lot]] | None = None  # movement, pool, lots of outflows that follow each other
    for i, n in enumerate([*state.o_layer, -1]):
        layer = state.layers.get(n)
        pool = layer.pool if layer is not None and _listed(state.pools[layer.pool]) else -1
        move = state.o_move[i] if layer is not None else -1
        out = pool >= 0 and state.o_q[i] < 0
        if taken is not None and not (out and taken[:2] == (move, pool)):
            of_move = state.move(taken[0])
            day = max(day, desk.days.day_of(of_move.line.at))
            yield Act(day, of_move.line, (), taken[2], of_move.line.type in CHOSEN, of_move.debit)
            taken = None
        if out:
            taken = taken or (move, pool, [])
            taken[2].append(of[i])
        elif pool >= 0:
            of_move, run, before = state.move(move), runs[i], rest.get(n)
            rest[n] = run.rest
            day = max(day, desk.days.day_of(of_move.line.at))
            lots_in = tuple(run.lots.values())
            yield Act(day, of_move.line, lots_in, (before,) if before else (), False, of_move.credit)


def _runs(state: ItemState, commodity: str) -> tuple[dict[int, _Run], dict[int, Lot]]:
    """Every run by the operation it starts at, and every outflow's lot."""
    by_layer: dict[int, list[int]] = {}
    for i, n in enumerate(state.o_layer):
        by_layer.setdefault(n, []).append(i)
    drafts: list[tuple[int, list[tuple[int, int, int]]]] = []  # start, [(operation or -1, quantity, value)]
    by_pool: dict[int, list[tuple[Any, int, int]]] = {}
    for n, ops in by_layer.items():
        layer = state.layers[n]
        for start, members in _stretches(state, ops):
            parts = [(i, -state.o_q[i], -state.o_v[i]) for i in members if i != start]
            last = members[-1]
            if state.o_rq[last] or state.o_rv[last]:
                parts.append((-1, state.o_rq[last], state.o_rv[last]))
            if state.pools[layer.pool].mode == TAIL:
                parts.reverse()
            at = len(drafts)
            drafts.append((start, parts))
            by_pool.setdefault(layer.pool, []).extend((layer.key, start, at) for _ in parts[:1])
    runs: dict[int, _Run] = {}
    of: dict[int, Lot] = {}
    for number, members_of in by_pool.items():
        account, rank = _account(state.pools[number], commodity), 0
        for _, _, at in sorted(members_of):
            start, parts = drafts[at]
            written: dict[int, Lot] = {}
            for place, (i, quantity, value) in enumerate(parts):
                rank += 1
                written[i] = Lot(f"{start}.{place}", account, commodity, quantity, value, rank)
            runs[start] = _Run(start, written, written.get(-1))
            of.update({i: lot for i, lot in written.items() if i >= 0})
    return runs, of


def _stretches(state: ItemState, ops: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """A layer's operations, cut before each one that brings units or value."""
    members: list[int] = []
    for i in ops:
        if state.o_q[i] >= 0 and members:
            yield members[0], members
            members = []
        members.append(i)
    if members:
        yield members[0], members


# ── beancount ──────────────────────────────────────────────────────────────────────────────────────────────────────
def _files(
    desk: Desk, acts: Sequence[Act], accounts: Mapping[str, str], names: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """A file a period, with the lots in hand at its start."""
    calendar = desk.company.calendar
    live: dict[tuple[str, str], Lot] = {}
    at = 0
    while at < len(acts):
        period = calendar.period(acts[at].day)
        end = at
        while end < len(acts) and acts[end].day <= period.end:
            end += 1
        chosen = acts[at:end]
        text = [*_head(desk, period.start, accounts, names, live.values(), chosen)]
        text += _lots_in(desk, period.start, "opening lots", live.values(), "Equity:Opening")
        for act in chosen:
            text += _transaction(desk, act)
            for lot in act.out:
                live.pop((lot.commodity, lot.label), None)
            live.update({(lot.commodity, lot.label): lot for lot in act.into})
        text += _lots_out(desk, period.end, live.values())
        yield {"period": period.name, "movements": len(chosen), "lots": len(live), "text": "\n".join([*text, ""])}
        at = end


def _head(
    desk: Desk, first: date, accounts: Mapping[str, str], names: Mapping[str, str], live: Any, acts: Sequence[Act]
) -> Iterator[str]:
    money = desk.currency
    half = "0." + "0" * (len(from_minor(1, money).partition(".")[2])) + "5" if "." in from_minor(1, money) else "0.5"
    used = {lot.commodity for lot in live} | {lot.commodity for act in acts for lot in (*act.into, *act.out)}
    yield f'option "operating_currency" "{money}"'
    yield f'option "inferred_tolerance_default" "{money}:{half}"'
    yield ""
    opened = FIRST_DAY - timedelta(days=1)
    touched = {lot.account for lot in live} | {lot.account for act in acts for lot in (*act.into, *act.out)}
    for account, booking in sorted((name, booking) for name, booking in accounts.items() if name in touched):
        yield f'{opened} open {account} "{booking}"'
    others = {_other(act) for act in acts} | {"Equity:Opening", "Equity:Closing"}
    yield from (f"{opened} open {account}" for account in sorted(others))
    for commodity in sorted(used):
        yield f"{opened} commodity {commodity}"
        yield f'  name: "{_plain(names[commodity])}"'
    yield ""


def _other(act: Act) -> str:
    word = re.sub(r"[^A-Za-z0-9]+", "-", act.other).strip("-") or "other"
    root = "Expenses" if act.out and not act.into else "Equity"
    return f"{root}:{word[:1].upper()}{word[1:]}"


def _transaction(desk: Desk, act: Act) -> Iterator[str]:
    line, money = act.line, desk.currency
    title = " ".join(part for part in (line.type, line.document, line.item) if part)
    yield f'{act.day} * "{_plain(title)}"'
    yield f'  event: "{line.event_id}"'
    change = 0
    for lot in act.into:
        change += lot.value
        yield f"  {_put(desk, lot)}"
    if act.chosen:
        quantity = sum(lot.quantity for lot in act.out)
        yield f"  {act.out[0].account}  -{from_scaled(quantity)} {act.out[0].commodity} {{}}"
    else:
        for lot in act.out:
            yield f'  {lot.account}  -{from_scaled(lot.quantity)} {lot.commodity} {{"{lot.label}"}}'
    change -= sum(lot.value for lot in act.out)
    if change or not act.into:
        yield f"  {_other(act)}  {from_minor(-change, money)} {money}"
    yield ""


def _put(desk: Desk, lot: Lot) -> str:
    money = desk.currency
    place = FIRST_DAY + timedelta(days=lot.rank)
    cost = f'{{{{{from_minor(lot.value, money)} {money}, {place}, "{lot.label}"}}}}'
    return f"{lot.account}  {from_scaled(lot.quantity)} {lot.commodity} {cost}"


def _lots_in(desk: Desk, day: date, title: str, live: Any, other: str) -> list[str]:
    found = sorted(live, key=lambda lot: (lot.account, lot.commodity, lot.rank))
    if not found:
        return []
    total = from_minor(-sum(lot.value for lot in found), desk.currency)
    return [f'{day} * "{title}"', *(f"  {_put(desk, lot)}" for lot in found), f"  {other}  {total} {desk.currency}", ""]


def _lots_out(desk: Desk, day: date, live: Any) -> list[str]:
    """Everything in hand leaves at our closing value, item by item: what beancount holds must be worth the same."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for lot in live:
        quantity, value = sums.get((lot.account, lot.commodity), (0, 0))
        sums[lot.account, lot.commodity] = (quantity + lot.quantity, value + lot.value)
    out = []
    for (account, commodity), (quantity, value) in sorted(sums.items()):
        out += [
            f'{day} * "closing stock"',
            f"  {account}  -{from_scaled(quantity)} {commodity} {{}}",
            f"  Equity:Closing  {from_minor(value, desk.currency)} {desk.currency}",
            "",
        ]
    return out


def _plain(text: str) -> str:
    return text.replace("\\", "/").replace('"', "'").replace("\n", " ")
