"""Landed cost: LC-01 (estimate), LC-02, LC-03 (actual, follows the units), LC-04 (parked, then allocated), LC-05
(standard cost), and the charges that are not cost of goods: LC-07 to LC-10. Freight of transfers: TRF-06, TRF-07.

The whole document is spread once: over the receipts its lines name, by its basis, by largest remainder in line order.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from tieout.model.event import EventLine, order_key
from tieout.model.money import allocate
from tieout.model.quantity import SCALE
from tieout.valuation.purchasing import matches
from tieout.valuation.records import Receipt
from tieout.valuation.refs import Lookup, targets
from tieout.valuation.state import NeedsHistory
from tieout.valuation.step import Step

TARGETS: Final = frozenset({"purchase.received", "purchase.title_passed", "opening.loaded"})

MOVED: Final = frozenset({"transfer.dispatched", "transfer.received"})

# treatment → (row, role): what never becomes cost of goods.
_EXPENSED: Final = {
    "abnormal": ("LC-07", "freight_abnormal"),
    "outbound": ("LC-08", "freight_out"),
    "storage": ("LC-09", "storage_expense"),
    "recoverable_tax": ("LC-10", "input_tax"),
    "unallocated": ("LC-04", "landed_cost_clearing"),
}


def parts(line: EventLine, lookup: Lookup | None) -> Sequence[EventLine]:
    """All lines of the document, in line order."""
    if lookup is None:
        return [line]
    return sorted(lookup.event(line.event_id), key=order_key) or [line]


def named_by(part: EventLine, lookup: Lookup | None) -> list[EventLine]:
    """Receipts the line names, else transfers. Goods whose title passed are named once, not again by their arrival."""
    before = order_key(part)
    found = targets(part.ref, TARGETS, lookup, before) or targets(part.ref, MOVED, lookup, before)
    titles = {f"e:{x.event_id}" for x in found if x.type == "purchase.title_passed"}
    if titles:
        found = [x for x in found if x.type != "purchase.received" or not _arrived(x, titles, found)]
    return [x for x in found if not part.item or x.item == part.item]


def _arrived(line: EventLine, titles: set[str], found: Sequence[EventLine]) -> bool:
    return line.ref.rpartition("#")[0] in titles or any(
        matches(x, line) for x in found if x.type == "purchase.title_passed"
    )


def estimated(step: Step) -> None:
    """LC-01: an estimate accrued on receipts."""
    for receipt, target, amount in spread(step):
        receipt.accrued += amount
        target.amend(receipt, amount, "landed_cost_accrual", "LC-01", "landed_cost_variance", "landed")


def billed(step: Step) -> None:
    """LC-02 releases what was accrued, LC-03 books the rest to the units; LC-05 at standard cost. A bill that names no
    receipt is parked (LC-04)."""
    extra = step.line.extra or {}
    head = next(x for x in parts(step.line, step.valuer.lookup) if x.head)
    treatment = (head.extra or {}).get("treatment") or ("" if head.ref or step.line.ref else "unallocated")
    if treatment in _EXPENSED:
        if step.line.head and step.only is None:
            row, role = _EXPENSED[treatment]
            if treatment in ("abnormal", "storage") and _of_transfers(step):
                row = "TRF-07"
            step.flow(row, role, "ap", step.minor(extra["head_amount"]))
        return
    for receipt, target, amount in spread(step):
        accrued, receipt.accrued = receipt.accrued, 0
        released = min(accrued, amount)
        if released:
            step.flow("LC-02", "landed_cost_accrual", "ap", released)
        change = amount - accrued
        fixed = _fixed(target, receipt)
        row = "LC-05" if fixed else "LC-02" if accrued else "LC-03"
        if target.state.move(receipt.move).line.type in MOVED:
            row = "TRF-06"
        if accrued > released:
            target.amend(receipt, change, "landed_cost_accrual", row, "landed_cost_variance", "landed")
        else:
            target.amend(receipt, change, "ap", row, "landed_cost_variance", "landed")
    if step.line.head and step.only is None:
        tax = step.charges().get("tax")
        if tax:
            step.flow("LC-10", "input_tax", "ap", step.minor(tax))


def _of_transfers(step: Step) -> bool:
    lookup = step.valuer.lookup
    return any(x.type in MOVED for part in parts(step.line, lookup) for x in named_by(part, lookup))


def allocated(step: Step) -> None:
    """LC-04: a parked bill is spread."""
    for receipt, target, amount in spread(step):
        target.amend(receipt, amount, "landed_cost_clearing", "LC-04", "landed_cost_variance", "landed")


def _fixed(step: Step, receipt: Receipt) -> bool:
    state = step.state
    if receipt.inflow < state.base:
        raise NeedsHistory(state.item, f"operation {receipt.inflow}")
    return state.pools[state.layers[state.o_layer[receipt.inflow - state.base]].pool].fixed


def spread(step: Step, sign: int = 1) -> list[tuple[Receipt, Step, int]]:
    """This line's receipts with the states they lie in and their shares of the whole document."""
    line, lookup = step.line, step.valuer.lookup
    document = parts(line, lookup)
    head = next(x for x in document if x.head)
    text = (head.extra or {}).get("head_amount")
    if text is None:
        step.refuse("TO4009", "landed cost needs the document's amount", "map the amount")
    total = step.minor(text)
    basis = (head.extra or {}).get("basis", "value")
    found: list[tuple[EventLine, EventLine]] = []
    weights: list[int | Fraction] = []
    for part in document:
        known = named_by(part, lookup)
        if not known:
            step.refuse(
                "TO4005",
                f"landed cost names {part.ref[2:].rstrip('#') or 'no receipt'}, which is not known",
                "land the receipt or correct the reference",
                total,
            )
        for target in known:
            if target.quantity > 0:
                found.append((part, target))
                weights.append(_weight(step, basis, part, target, len(known)))
    if not found:
        step.refuse("TO4005", "none of the receipts it names holds units", "name other receipts", total)
    mine = []
    for (part, target), amount in zip(found, allocate(total, weights), strict=True):
        if part.line_id == line.line_id and (step.only is None or target.item in step.only):
            other = step.at(target.item)
            if target.type in MOVED:
                mine.extend(_moved(other, target, amount))
                continue
            receipt = _receipt(other, target)
            other.check_amend(receipt, amount - receipt.accrued if sign > 0 else -amount)
            mine.append((receipt, other, amount))
    return mine


def _moved(step: Step, target: EventLine, amount: int) -> list[tuple[Receipt, Step, int]]:
    """The units a transfer moved, layer by layer, as receipts of their own that are not kept."""
    state = step.state
    n = _movement(step, target)
    inflows = state.move(n).fed
    if not inflows:
        step.refuse(
            "TO4005", f"{target.event_id}, which it names, moved no units of its own", "name its receipt", amount
        )
    if min(inflows) < state.base:
        raise NeedsHistory(state.item, f"operation {min(inflows)}")
    sizes = [state.o_q[op - state.base] for op in inflows]
    shares = allocate(amount, sizes)
    return [(Receipt(n, op, q, 0, 0, 0), step, part) for op, q, part in zip(inflows, sizes, shares, strict=True)]


def _movement(step: Step, target: EventLine) -> int:
    state = step.state
    for n in state.by_event.get(target.event_id, ()):
        if state.move(n).line.line_id == target.line_id:
            return n
    if not state.move_base:
        step.refuse("TO4005", f"{target.event_id}, which it names, is an exception itself", "resolve that one first")
    raise NeedsHistory(state.item, target.event_id, order_key(target))


def _receipt(step: Step, target: EventLine) -> Receipt:
    state = step.state
    for n in state.by_event.get(target.event_id, ()):
        if state.move(n).line.line_id == target.line_id and n in state.receipts:
            return state.receipts[n]
    if not state.move_base:
        step.refuse("TO4005", f"{target.event_id}, which it names, is an exception itself", "resolve that one first")
    raise NeedsHistory(state.item, target.event_id, order_key(target))


def _price(step: Step, target: EventLine) -> int:
    """Price of a receipt at this place in the order, wherever its item's state stands now (not before it)."""
    receipt = _receipt(step.at(target.item), target)
    return receipt.price - sum(change for key, change in receipt.prices if key > step.key)


def _weight(step: Step, basis: str, part: EventLine, target: EventLine, among: int) -> int | Fraction:
    """Weight of one receipt. A weight stated on the cost line counts when the line names this receipt alone; value is
    what the vendor charges for it as far as known at this place, before landed cost."""
    if basis == "equal":
        return 1
    if basis == "quantity":
        return part.quantity if part.quantity and among == 1 else target.quantity
    if basis == "value":
        if target.type in MOVED:
            other = step.at(target.item)
            return max(other.state.move(_movement(other, target)).value, 0)
        return max(_price(step, target), 0)
    own = (part.extra or {}).get("weight") if among == 1 else None
    if own is not None:
        return Fraction(own)
    stated = (target.extra or {}).get("volume" if basis == "volume" else "weight")
    if stated is not None:
        return Fraction(stated)
    item = step.valuer.item(target.item)
    each = item.volume if basis == "volume" else item.weight
    return Fraction(each) * target.quantity / SCALE if each is not None else 0
