"""Documents the ledger owns (policy `bill_owner = ledger`): what a bill booked there by itself, and what is left for us.

People, or an AP tool, write the bill in the ledger and code it to a clearing account; its connector tells us of it. So the
lines of that document are in the journal as *external*, already delivered, and ours is only the rest, against the same
clearing account:

    matrix                         the ledger's own document        ours
    Dr grni        500 Cr ap 500   Dr grni 500 Cr ap 500
    Dr inventory    60 Cr ap  60   Dr grni  60 Cr ap  60            Dr inventory 60 Cr grni 60
    Dr input_tax   100 Cr ap 100   Dr input_tax 100 Cr ap 100

An external part keeps its matrix row with a mark, `PUR-08@ledger`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from tieout.model.journal import Flow

MARK: Final = "@ledger"
# Where such a document is coded to in the ledger.
CLEARED_BY: Final = {
    "purchase.billed": "grni",
    "purchase.credited": "vendor_credit_receivable",
    "landed_cost.billed": "landed_cost_clearing",
}
WHOLE: Final = frozenset({"purchase.paid", "purchase.prepaid"})  # the ledger booked every line of it
_MONEY: Final = frozenset({"ap", "bank"})
_OWN: Final = frozenset({"input_tax"})  # coded on the document itself


def is_external(row: str) -> bool:
    """Whether a booking of this row is in the ledger without us."""
    return row == "OPN-02" or row.endswith(MARK)


def matrix_row(row: str) -> str:
    """The row of the matrix, without the mark."""
    return row.removesuffix(MARK)


def booked_in_ledger(flows: Iterable[Flow]) -> list[Flow]:
    """The flows of an event that is a document of the ledger, split into what it booked and what is left for us."""
    out: list[Flow] = []
    for flow in flows:
        if flow.line.type in WHOLE:
            out.append(replace(flow, row=flow.row + MARK))
            continue
        clearing = CLEARED_BY.get(flow.line.type)
        if clearing is None or not {flow.debit, flow.credit} & _MONEY:
            out.append(flow)
            continue
        money_is_credit = flow.credit in _MONEY
        other = flow.debit if money_is_credit else flow.credit
        if other == clearing or other in _OWN:
            out.append(replace(flow, row=flow.row + MARK))
        elif money_is_credit:
            out.append(_document(flow, clearing, flow.credit))
            out.append(replace(flow, credit=clearing, credit_location=""))
        else:
            out.append(_document(flow, flow.debit, clearing))
            out.append(replace(flow, debit=clearing, debit_location=""))
    return out


def _document(flow: Flow, debit: str, credit: str) -> Flow:
    """The ledger's own pair: value only; which units it concerns is ours to say."""
    return replace(
        flow,
        row=flow.row + MARK,
        debit=debit,
        credit=credit,
        quantity=0,
        debit_location="",
        credit_location="",
        affected=None,
        layers=(),
        provisional=False,
    )
