"""Moves between two entities of one group: ICO-01 (seller), ICO-02 (buyer), ICO-07, ICO-08 (return), ICO-04 to 06 (group).

Each entity keeps its own books; the two legs share one intercompany id, the document number. A late cost of the seller's
goods stays with the seller (`ic_cogs`): the transfer price does not change, so neither does the affiliate's stock. What
the price holds above the seller's cost is the component `intercompany_profit` of the buyer's layers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tieout.model.event import EventLine, order_key
from tieout.model.money import allocate
from tieout.model.quantity import from_scaled
from tieout.valuation.purchasing import own
from tieout.valuation.records import Receipt
from tieout.valuation.refs import Lookup
from tieout.valuation.returns import bring_back
from tieout.valuation.step import Step
from tieout.valuation.supplier_returns import own_layer, stand_against

SHIPPED: Final = frozenset({"intercompany.shipped"})
RECEIVED: Final = frozenset({"intercompany.received"})
PROFIT: Final = "intercompany_profit"
TITLE: Final = "title"  # reason: title passed, the goods are on the way

# What an elimination states, year to date, and how it is booked: name → (row, debit, credit).
FIGURES: Final = {
    "cost": ("ICO-04", "ic_revenue", "ic_cogs"),
    "realised": ("ICO-04", "ic_revenue", "cogs"),
    "unrealised": ("ICO-04", "ic_revenue", "inventory"),
    "balance": ("ICO-05", "ic_payable", "ic_receivable"),
    "opening_sold": ("ICO-06", "retained_earnings", "cogs"),
    "opening_held": ("ICO-06", "retained_earnings", "inventory"),
}


def _terms(step: Step) -> int:
    """The transfer price of the line; refused without it, the counterparty or the id that both legs share."""
    line = step.line
    if line.amount is None:
        step.refuse("TO4002", "an intercompany move needs its transfer price", "map the price")
    if not line.party or not (line.document or line.ref):
        step.refuse(
            "TO4009",
            "an intercompany move needs the affiliate (party) and the document number both entities know it by",
            "complete the event",
            line.amount,
        )
    return line.amount


def shipped(step: Step) -> None:
    """ICO-01: revenue at the transfer price, cost of it at `c`. ICO-07 is the same without a markup."""
    line = step.line
    if line.owner or not step.known.stocked:
        return
    q = step.need_quantity()
    price = _terms(step)
    step.leave(step.home(), q, "ICO-01", "ic_cogs", line.location)
    step.flow("ICO-01", "ic_receivable", "ic_revenue", price)


def received(step: Step) -> None:
    """ICO-02: at the transfer price; `amounts.original_cost` says how much of the document the seller's cost is. By reason
    `title` the goods are `inventory_inbound` until a line names this one on their arrival."""
    line, state = step.line, step.state
    if line.owner or not step.known.stocked:
        return
    q = step.need_quantity()
    price = _terms(step)
    if line.reason == TITLE:
        _enter(step, q, price, inbound=True)
        return
    for n in [n for n in step.find(RECEIVED) if state.move(n).debit == "inventory_inbound"]:
        pool = step.side("inventory_inbound", own(state.move(n).line))
        part = min(q, pool.quantity)
        if part:
            step.carry(pool, step.home(), part, "ICO-02", "", line.location, variance="ppv")
            q -= part
    if q:
        _enter(step, q, step.share(price, q, line.quantity), inbound=False)


def _enter(step: Step, q: int, price: int, *, inbound: bool) -> None:
    line, state = step.line, step.state
    pool = step.side("inventory_inbound", own(line)) if inbound else step.home()
    at = "" if inbound else line.location
    n = step.enter(pool, q, price, "ICO-02", "ic_payable", at, variance="ppv")
    profit = _profit(step)
    if profit and not pool.fixed:
        state.added.setdefault(state.move(n).fed[0], []).append((PROFIT, profit))


def _profit(step: Step) -> int:
    """The line's share of what the document's price is above the seller's cost."""
    line, lookup = step.line, step.valuer.lookup
    document = [line] if lookup is None else list(lookup.event(line.event_id))
    head = next((x for x in document if x.head), line)
    text = ((head.extra or {}).get("amounts") or {}).get("original_cost")
    if text is None:
        return 0
    prices = [max(x.amount or 0, 0) for x in document]
    shares = allocate(sum(prices) - step.minor(text), prices)
    return shares[next(i for i, x in enumerate(document) if x.line_id == line.line_id)]


def returned(step: Step) -> None:
    """ICO-08: the seller takes the goods back at their original cost, the buyer gives them back by their own layer; both at
    the original price (or the line's). Which of the two this is, the move it names tells."""
    line, state = step.line, step.state
    q = step.need_quantity()
    sales, purchases = step.find(SHIPPED), step.find(RECEIVED)
    room = sum(state.move(n).quantity - state.move(n).returned for n in sales or purchases)
    if not sales and not purchases:
        step.refuse("TO4013", "the intercompany move that comes back is not known", "add its reference", line.amount)
    if q > room:
        step.refuse("TO4007", f"{from_scaled(q)} to go back, {from_scaled(room)} of it left", "correct the quantity")
    left = q
    for number, n in enumerate(sales or purchases):
        move = state.move(n)
        part = min(left, move.quantity - move.returned)
        if not part:
            continue
        left -= part
        price = step.share(move.line.amount or 0, part, move.line.quantity)
        if line.amount is not None:
            price = step.share(line.amount, part, q)
        if sales:
            step.flow("ICO-08", "ic_revenue", "ic_receivable", price)
            bring_back(step, n, part, step.home(), step.home(), "ICO-08", number, False)
        else:
            _give_back(step, n, part, price)


def _give_back(step: Step, n: int, q: int, price: int) -> None:
    move = step.state.move(n)
    pool = step.home()
    if step.rules.block:
        step.check_stock(pool, q)
    first = own_layer(step, pool, [Receipt(n, move.fed[0], move.quantity, 0, 0, 0)] if move.fed else [])
    out = step.leave(pool, q, "", "purchase_return_variance", step.line.location, first=first, silent=True)
    move.returned += q
    stand_against(step, out, [("ICO-08", "ic_payable", price)], step.line.location)


def eliminated(step: Step) -> None:
    """ICO-04, 05, 06 in the elimination ledger: the figures of `amounts`, year to date. A further one of the same fiscal
    year takes the earlier back and brings its own (R4): what is posted is the difference."""
    line = step.line
    if not line.head:
        return
    now = _figures(step, line)
    if now is None:
        step.refuse(
            "TO4009",
            f"an elimination states {', '.join(FIGURES)}, and its sales are cost, realised and unrealised markup together",
            "take the figures of the group's valuation",
        )
    year = _year(step, line)
    earlier = [x for x in _others(step.valuer.lookup) if order_key(x) < step.key and _year(step, x) == year]
    stated = [figures for x in earlier if (figures := _figures(step, x)) is not None]
    before = stated[-1] if stated else dict.fromkeys(FIGURES, 0)
    for name, (row, debit, credit) in FIGURES.items():
        change = now[name] - before[name]
        if change > 0:
            step.flow(row, debit, credit, change)
        elif change < 0:
            step.flow(row, credit, debit, -change)


def _others(lookup: Lookup | None) -> list[EventLine]:
    """Known eliminations in order."""
    known = [] if lookup is None else [x for x in lookup.of_type("intercompany.eliminated") if x.head]
    return sorted(known, key=order_key)


def _year(step: Step, line: EventLine) -> int:
    return step.valuer.fiscal_year(step.valuer.book.day(line.at))


def _figures(step: Step, line: EventLine) -> dict[str, int] | None:
    """What an elimination states, in minor units; None where it does not add up or says something else."""
    amounts = (line.extra or {}).get("amounts") or {}
    if not amounts or set(amounts) - set(FIGURES) - {"sales"}:
        return None
    figures = {name: step.minor(amounts.get(name, "0")) for name in FIGURES}
    made = figures["cost"] + figures["realised"] + figures["unrealised"]
    return None if "sales" in amounts and step.minor(amounts["sales"]) != made else figures


def later_eliminations(lines: Iterable[EventLine], lookup: Lookup) -> list[EventLine]:
    """Eliminations that follow one of these: what they post is the difference to it."""
    keys = [order_key(line) for line in lines if line.type == "intercompany.eliminated"]
    return [x for x in _others(lookup) if order_key(x) > min(keys)] if keys else []


def partner_missing(line: EventLine, others: list[EventLine]) -> str:
    """Why a leg has no partner among the affiliate's lines of the same document; '' when it has one that agrees."""
    wanted = {"intercompany.shipped": "intercompany.received", "intercompany.received": "intercompany.shipped"}
    kind = wanted.get(line.type, line.type)
    mine = [x for x in others if x.type == kind and x.item == line.item and x.reason != TITLE]
    if not mine:
        return f"the affiliate {line.party} has no {kind} {line.document} of {line.item}"
    if sum(x.quantity for x in mine) != line.quantity:
        return f"the affiliate {line.party} states {from_scaled(sum(x.quantity for x in mine))} of {line.item}"
    if sum(x.amount or 0 for x in mine) != (line.amount or 0):
        return f"the affiliate {line.party} states another price for {line.item}"
    return ""
