"""Opening layers: OPN-01, 02, 03, what was open at cut-over (OPN-04, memo too), and CST-05 for a value that came without units.

A document that states the ledger's own balance (`amount`, or `amounts.ledger`) takes over what the ledger already
carries: its lines enter the value ledger only (row OPN-02 is memo, see `MEMO_ROWS`), the difference is OPN-03.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from tieout.model.event import EPOCH, EventLine
from tieout.valuation.records import Ahead, Receipt
from tieout.valuation.step import Step

MEMO_ROWS: Final = frozenset({"OPN-02", "OPN-04"})  # value ledger only: the general ledger has these amounts already
OPEN_RECEIPT, OPEN_BILL = "open_receipt", "open_bill"  # reasons: what was open at cut-over (OPN-04)
RESIDUE_MAX: Final = 5  # minor units of a residue that is rounding (matrix §20.4)


def loaded(step: Step) -> None:
    """OPN-01 against `opening_equity`, OPN-02 memo, OPN-03 the difference to the ledger, once per document."""
    line = step.line
    document = _document(step)
    ledger = _ledger(step, document)
    row = "OPN-01" if ledger is None else "OPN-02"
    value = line.amount
    if line.reason == OPEN_BILL:
        _open_bill(step)
    elif line.quantity > 0:
        home = step.home()
        derived = None
        if value is None:
            if home.fixed:
                cost = step.need_standard()
                value = step.share(cost[0], line.quantity, cost[1])
            else:
                value, derived = step.current_cost(home, line.quantity)
        n = step.enter(
            home, line.quantity, value, row, "opening_equity", line.location, origin_at=_origin(line), derived=derived
        )
        state = step.state
        still = line.reason == OPEN_RECEIPT
        state.receipts[n] = Receipt(
            n, state.move(n).fed[0], line.quantity, value, line.quantity if still else 0, value if still else 0
        )
        if still:
            step.flow("OPN-04", "opening_equity", "grni", value)
    elif value:
        residue = "rounding" if abs(value) <= RESIDUE_MAX else "inventory_revaluation"
        step.flow(row, step.role, "opening_equity", value, to=line.location)
        step.flow("CST-05", residue, step.role, value, at=line.location)
    if ledger is not None and line.head:
        gap = sum(x.amount or 0 for x in document) - ledger
        if gap > 0:
            step.flow("OPN-03", step.role, "migration_difference", gap, to=line.location)
            step.flow("OPN-02", "opening_equity", step.role, gap, at=line.location)  # so much the ledger did not carry
        elif gap < 0:
            step.flow("OPN-03", "migration_difference", step.role, -gap, at=line.location)
            step.flow("OPN-02", step.role, "opening_equity", -gap, to=line.location)


def _open_bill(step: Step) -> None:
    """OPN-04: a bill that was entered before its goods came; their receipt takes its amount out of `ginr`."""
    line = step.line
    if line.amount is None:
        step.refuse("TO4009", "an open bill needs its amount", "complete the line")
    step.state.bills_ahead.append(Ahead(line, step.need_quantity(), line.amount))
    step.flow("OPN-04", "ginr", "opening_equity", line.amount)


def _document(step: Step) -> list[EventLine]:
    lookup = step.valuer.lookup
    return list(lookup.event(step.line.event_id)) if lookup is not None else [step.line]


def _ledger(step: Step, document: list[EventLine]) -> int | None:
    head = next((x for x in document if x.head), step.line)
    extra = head.extra or {}
    text = extra.get("head_amount") or extra.get("amounts", {}).get("ledger")
    return None if text is None else step.minor(text)


def _origin(line: EventLine) -> int:
    text = (line.extra or {}).get("origin_date")
    if text is None:
        return line.at
    moment = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    return int((moment - EPOCH).total_seconds()) * 1_000_000
