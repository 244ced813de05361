"""A bill that the ledger owns: what it booked there and what is left for us add up to what the matrix posts."""

from __future__ import annotations

from collections import Counter

import pytest

from tieout.model.event import EventLine
from tieout.model.journal import Flow
from tieout.posting.owned import MARK, booked_in_ledger, is_external, matrix_row


def line(kind: str) -> EventLine:
    return EventLine(event_id="b", line_id="", type=kind, at=0, phase=90)


def net(flows: list[Flow]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for flow in flows:
        sums[flow.debit] += flow.amount
        sums[flow.credit] -= flow.amount
    return Counter({role: amount for role, amount in sums.items() if amount})


BILL = [
    ("PUR-07", "grni", "ap", 500),
    ("PUR-08", "inventory", "ap", 36),
    ("PUR-08", "cogs", "ap", 24),
    ("PUR-07", "input_tax", "ap", 112),
    ("FX-02", "fx_gain_loss", "ap", 7),
]
CREDIT = [
    ("PUR-14", "ap", "vendor_credit_receivable", 14),
    ("PUR-15", "ap", "inventory", 3),
    ("PUR-14", "ap", "input_tax", 2),
]
FREIGHT = [
    ("LC-03", "inventory", "ap", 80),
    ("LC-02", "landed_cost_accrual", "ap", 20),
    ("LC-10", "input_tax", "ap", 5),
]


@pytest.mark.parametrize(
    ("kind", "rows", "clearing"),
    [
        ("purchase.billed", BILL, "grni"),
        ("purchase.credited", CREDIT, "vendor_credit_receivable"),
        ("landed_cost.billed", FREIGHT, "landed_cost_clearing"),
    ],
)
def test_both_parts_add_up_and_only_the_ledgers_touches_payables(
    kind: str, rows: list[tuple[str, str, str, int]], clearing: str
) -> None:
    flows = [Flow(line(kind), *row) for row in rows]
    split = booked_in_ledger(flows)
    theirs = [flow for flow in split if is_external(flow.row)]
    ours = [flow for flow in split if not is_external(flow.row)]
    assert net(split) == net(flows)
    assert "ap" not in net(ours)
    assert set(net(theirs)) <= {"ap", clearing, "input_tax"}
    assert net(theirs)["ap"] == net(flows)["ap"]
    assert {matrix_row(flow.row) for flow in split} == {row[0] for row in rows}


def test_a_bill_as_received_leaves_nothing_for_us() -> None:
    (flow,) = booked_in_ledger([Flow(line("purchase.billed"), "PUR-07", "grni", "ap", 500)])
    assert flow.row == "PUR-07" + MARK


def test_a_payment_is_the_ledgers_own_whole() -> None:
    flows = [
        Flow(line("purchase.paid"), "FX-04", debit, "bank", amount)
        for debit, amount in (("ap", 920), ("fx_gain_loss", 10))
    ]
    assert all(is_external(flow.row) for flow in booked_in_ledger(flows))
