"""The words a document's `amounts` and `tenders` may use, and the roles they stand for.

This is the one list: anything else is refused with TO4031 (a charge) or TO4032 (a tender). Role names are words too.
"""

from __future__ import annotations

from typing import Final

# What a sale charges beside its goods: word → role it credits.
CHARGES: Final = {
    "services": "revenue",  # custom lines, untracked items: sold, never stock
    "shipping": "shipping_revenue",
    "tax": "output_tax",
    "tips": "tips_payable",
    "duties": "duties_payable",
    "marketplace_tax": "marketplace_tax_clearing",
    **{
        role: role
        for role in ("shipping_revenue", "output_tax", "tips_payable", "duties_payable", "marketplace_tax_clearing")
    },
}
# What is taken off the price: word → role it debits.
DEDUCTIONS: Final = {
    "discount": "sales_discounts",
    "discounts": "sales_discounts",
    "sales_discounts": "sales_discounts",
    "commission": "commission_expense",
    "commission_expense": "commission_expense",
}
# The fee of an agent (SAL-19, CON-08, DRP-03): the rest of the price belongs to the principal.
AGENT_FEE: Final = frozenset({"fee", "commission_revenue"})
# What is kept back from a refund.
KEPT: Final = {"restocking_fee": "restocking_fee_income", "restocking_fee_income": "restocking_fee_income"}

# How it is paid (SAL-09): word → role.
TENDERS: Final = {
    "on_account": "ar",
    "card": "payment_clearing",
    "wallet": "payment_clearing",
    "gateway": "payment_clearing",
    "deposit": "customer_deposits",
    "pre_invoiced": "contract_liability",
    "gift_card": "gift_card_liability",
    "store_credit": "store_credit_liability",
    "promotional_card": "sales_discounts",  # GC-04: issued free, so using it is a discount
    **{
        role: role
        for role in (
            "ar",
            "payment_clearing",
            "customer_deposits",
            "contract_liability",
            "gift_card_liability",
            "store_credit_liability",
            "bank",
        )
    },
}
# Row of a tender that has one of its own.
TENDER_ROWS: Final = {"gift_card_liability": "GC-02", "sales_discounts": "GC-04"}

# What a payout holds back or adds (PAY-01, PAY-04): word → (row, role, side); the other side is `payment_clearing`.
# Side 1: taken off the payout (debit). Side -1: paid with it (credit).
PAYOUT_PARTS: Final = {
    "fees": ("PAY-01", "payment_fees", 1),
    "fee": ("PAY-01", "payment_fees", 1),
    "payment_fees": ("PAY-01", "payment_fees", 1),
    "tax": ("PAY-01", "input_tax", 1),
    "input_tax": ("PAY-01", "input_tax", 1),
    "marketplace_tax": ("SAL-18", "marketplace_tax_clearing", 1),
    "commission": ("PAY-04", "commission_expense", 1),
    "commission_expense": ("PAY-04", "commission_expense", 1),
    "shipping_label": ("PAY-04", "freight_out", 1),
    "freight_out": ("PAY-04", "freight_out", 1),
    "storage": ("PAY-04", "storage_expense", 1),
    "storage_expense": ("PAY-04", "storage_expense", 1),
    "adjustment": ("PAY-04", "payment_fees", 1),
    "chargeback": ("PAY-02", "chargeback_loss", 1),
    "chargeback_loss": ("PAY-02", "chargeback_loss", 1),
    "reserve": ("PAY-03", "reserve_receivable", 1),
    "reserve_receivable": ("PAY-03", "reserve_receivable", 1),
    "reserve_release": ("PAY-03", "reserve_receivable", -1),
    "reimbursement": ("PAY-04", "claims_recovery", -1),
    "claims_receivable": ("PAY-04", "claims_receivable", -1),
}
# Payout lines that are the sales and refunds themselves: part of the gross.
PAYOUT_GROSS: Final = frozenset({"charge", "sale", "payment", "refund", ""})
