"""Revenue through the whole house: orders shipped and paid, the payment learned late, the payout; the books tie out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.operations.conftest import first_feeds, write

from tieout.workspace import Workspace

ACCOUNTS = """
[companies.main.accounts]
customer_deposits = "Liabilities:Deposits"
payment_clearing = "Assets:Clearing:Payments"
payment_fees = "Expenses:Fees"
ar = "Assets:Receivable"
bank = "Assets:BankClearing"
revenue = "Income:Sales"
output_tax = "Liabilities:VAT"
"""
STREAMS = """
[[connections.ops.streams]]
name = "payments"
path = "feeds/payments*.jsonl"
key = ["number"]
revision = "rev"
mapping = "mappings/payments.yaml"

[[connections.ops.streams]]
name = "payouts"
path = "feeds/payouts*.jsonl"
key = ["number"]
revision = "rev"
mapping = "mappings/payouts.yaml"
"""
SHIPMENTS = """
mapping: shipments
version: "1"
stream: shipments
record: one shipped line
timezone: Europe/Amsterdam
skip:
  - when: {from: status, eq: cancelled}
    reason: nothing left the shelf
events:
  - type: order.fulfilled
    fields: {effective_at: shipped_at, document: shipment_no, channel: channel, ref.document: order_no}
    lines:
      id: line
      fields: {item: sku, quantity: quantity, location: location, unit_price: unit_price}
"""
PAYMENTS = """
mapping: payments
version: "1"
stream: payments
record: money captured for an order
events:
  - type: order.paid
    fields: {effective_at: date, ref.document: order, channel: channel, tenders.card: amount}
"""
PAYOUTS = """
mapping: payouts
version: "1"
stream: payouts
record: what the gateway paid out
events:
  - type: payout.paid
    fields: {effective_at: date, document: number, channel: channel, amount: net, amounts.fees: fees}
"""


def project(folder: Path) -> None:
    first_feeds(folder)
    text = (folder / "tieout.toml").read_text()
    text = text.replace('cost_method = "fifo"', 'cost_method = "fifo"\nrevenue_trigger = "shipment"')
    text = text.replace("[connections.ops]", ACCOUNTS + "\n[connections.ops]").replace(
        "[connections.books]", STREAMS + "\n[connections.books]"
    )
    (folder / "tieout.toml").write_text(text.replace("shipped:sample_shipments", "mappings/shipments.yaml"))
    write(folder, "mappings/shipments.yaml", SHIPMENTS)
    write(folder, "mappings/payments.yaml", PAYMENTS)
    write(folder, "mappings/payouts.yaml", PAYOUTS)
    write(folder, "feeds/payments-0.jsonl")
    write(folder, "feeds/payouts-0.jsonl")


def balances(folder: Path) -> dict[str, str]:
    from collections import Counter
    from decimal import Decimal

    sums: Counter[str] = Counter()
    for line in (folder / "books.beancount").read_text().splitlines():
        words = line.split()
        if line.startswith("  ") and len(words) >= 3 and words[2] == "EUR":
            sums[words[0]] += Decimal(words[1])  # type: ignore[assignment]
    return {account: str(amount) for account, amount in sums.items() if amount}


def run(folder: Path) -> dict[str, Any]:
    with Workspace.open(folder, actor="ann") as work:
        work.run(seal_now=True)
        return work.status()


def test_a_late_payment_moves_the_sale_from_receivable_to_deposit_and_the_books_tie_out(tmp_path: Path) -> None:
    project(tmp_path)
    assert run(tmp_path)["unexplained"] == "0.00"
    first = balances(tmp_path)
    assert first["Income:Sales"] == "-108.00", "11 mugs and a bowl at 9.00"
    assert first["Assets:Receivable"] == "108.00"
    paid = {"number": "P-1", "date": "2026-01-09T10:00:00+01:00", "order": "SO-1", "channel": "web", "rev": 1}
    write(tmp_path, "feeds/payments-1.jsonl", {**paid, "amount": "100.00"})
    payout = {"number": "PO-1", "date": "2026-01-14T10:00:00+01:00", "channel": "web", "rev": 1}
    write(tmp_path, "feeds/payouts-1.jsonl", {**payout, "net": "97.00", "fees": "3.00"})
    assert run(tmp_path)["unexplained"] == "0.00"
    late = balances(tmp_path)
    assert late["Income:Sales"] == "-108.00"
    assert late["Assets:Receivable"] == "8.00", "the deposit pays the rest of what was shipped"
    assert "Liabilities:Deposits" not in late and "Assets:Clearing:Payments" not in late
    assert (late["Assets:BankClearing"], late["Expenses:Fees"]) == ("97.00", "3.00")
