"""Clearing accounts put right by a person: PUR-19 (stale receipts and bills), PUR-21 (a bill removed in the ledger)."""

from __future__ import annotations

from typing import Final

from tieout.model.event import EventLine
from tieout.model.quantity import from_scaled
from tieout.valuation.purchasing import names, receipts_of, reprice, speaks_first
from tieout.valuation.records import Receipt
from tieout.valuation.state import NeedsHistory
from tieout.valuation.step import Step

BILLS: Final = frozenset({"purchase.billed"})


def approved(step: Step) -> None:
    """Refuse what only a person may decide when nobody stands for it."""
    lookup, line = step.valuer.lookup, step.line
    document = [line] if lookup is None else [*lookup.event(line.event_id), line]
    if not any((x.extra or {}).get("actor") for x in document):
        step.refuse("TO4017", f"{line.type} needs somebody who approved it", "state the event's `actor`")


def written_off(step: Step) -> None:
    """PUR-19: what a receipt (or a bill) that is named still has open goes to `grni_writeoff`. The bill of a receipt
    takes it back when it comes after all."""
    approved(step)
    line, state = step.line, step.state
    receipts = [receipt for receipt in receipts_of(step) if receipt.open_quantity or receipt.open_value]
    bills = [
        bill for bill in state.bills_ahead if bill.value and (names(line.ref, bill.line) or bill.line.ref == line.ref)
    ]
    if not receipts and not bills:
        step.refuse("TO4007", "nothing is open for the receipt or bill it names", "correct the reference")
    held = sum(r.open_quantity for r in receipts) + sum(b.quantity for b in bills)
    left = line.quantity or held
    if left > held:
        step.refuse("TO4007", f"{from_scaled(left)} to clear, {from_scaled(held)} open", "correct the quantity")
    for receipt in receipts:
        part = min(left, receipt.open_quantity)
        if not part:
            continue
        value = receipt.open_value
        if part < receipt.open_quantity:
            value = step.share(receipt.open_value, part, receipt.open_quantity)
        receipt.open_quantity -= part
        receipt.open_value -= value
        before = receipt.written_off or [0, 0]
        receipt.written_off = [before[0] + part, before[1] + value]
        left -= part
        _flow(step, "PUR-19", "grni", "grni_writeoff", value)
    for bill in bills:
        part = min(left, bill.quantity)
        value = bill.value if part == bill.quantity else step.share(bill.value, part, bill.quantity)
        bill.quantity -= part
        bill.value -= value
        left -= part
        _flow(step, "PUR-19", "grni_writeoff", "ginr", value)
    state.bills_ahead = [bill for bill in state.bills_ahead if bill.quantity]


def _flow(step: Step, row: str, debit: str, credit: str, value: int) -> None:
    if value < 0:
        debit, credit, value = credit, debit, -value
    step.flow(row, debit, credit, value)


def drift_accepted(step: Step) -> None:
    """PUR-21: a bill that is gone from the ledger counts no more: mirror of what it did, at the day it was found. Its
    receipts are open again; differences in price leave the units wherever they are."""
    approved(step)
    state = step.state
    bills = {(x.event_id, x.line_id): x for x in step.sources(BILLS)}
    if bills and state.move_base:
        raise NeedsHistory(state.item, step.line.ref)
    cleared = [
        (receipt, entry)
        for _, receipt in sorted(state.receipts.items())
        for entry in receipt.bills
        if (entry[0], entry[1]) in bills
    ]
    waiting = [bill for bill in state.bills_ahead if (bill.line.event_id, bill.line.line_id) in bills]
    if not cleared and not waiting:
        step.refuse("TO4013", "the bill it names is not known here, or is too old", "correct the reference")
    for receipt, entry in cleared:
        _reopen(step, receipt, entry)
    for bill in waiting:
        step.flow("PUR-21", "ap", "ginr", bill.value)
    state.bills_ahead = [bill for bill in state.bills_ahead if all(bill is not x for x in waiting)]
    if speaks_first(step):
        for bill_line in bills.values():
            _untax(step, bill_line)


def _reopen(step: Step, receipt: Receipt, entry: list[str | int]) -> None:
    quantity, value, change, exchange = (int(number) for number in entry[2:])
    step.check_amend(receipt, -change)
    step.flow("PUR-21", "ap", "grni", value)
    _flow(step, "PUR-21", "ap", "fx_gain_loss", exchange)
    receipt.bills = [x for x in receipt.bills if x is not entry]
    receipt.open_quantity += quantity
    receipt.open_value += value
    reprice(step, receipt, -change)
    step.amend(receipt, -change, "ap", "PUR-21", "cogs_dropship" if receipt.inflow < 0 else "ppv")


def _untax(step: Step, bill: EventLine) -> None:
    extra = bill.extra or {}
    charges = extra.get("amounts", {})
    for text in (extra.get("tax"), charges.get("tax"), charges.get("input_tax")):
        if text:
            step.flow("PUR-21", "ap", "input_tax", step.minor(text))
