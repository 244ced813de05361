"""Payouts, disputes, reserves, cards, provisions and vendors' money (matrix §5, 17, 18)."""

from __future__ import annotations

import itertools

import pytest
from tests.settlement.books import event, refusals, roles, rows, run, totals, unit
from tests.valuation.test_books_do_not_depend_on_arrival import Memory


def test_a_payout_with_everything_it_can_hold_back() -> None:
    """PAY-01, PAY-03, PAY-04 in one: the lines come to what reached the bank, each to its role."""
    payout = event(
        "payout",
        "payout.paid",
        "2026-01-09",
        {"amount": "200.00", "reason": "charge"},
        {"amount": "-20.00", "reason": "refund"},
        {"amount": "-5.00", "reason": "fee"},
        {"amount": "-10.00", "reason": "reserve"},
        {"amount": "4.00", "reason": "reserve_release"},
        {"amount": "-2.50", "reason": "shipping_label"},
        amount="166.50",
    )
    assert roles(run(payout), "payout") == {
        "bank": 16650,
        "payment_fees": 500,
        "reserve_receivable": 600,
        "freight_out": 250,
        "payment_clearing": -18000,
    }


def test_an_unmapped_type_stops_the_whole_payout() -> None:
    payout = event(
        "payout",
        "payout.paid",
        "2026-01-09",
        {"amount": "100.00", "reason": "charge"},
        {"amount": "-1.00", "reason": "mystery_levy"},
        amount="99.00",
    )
    answer = run(payout)
    assert refusals(answer) == {"payout": "TO4035"}
    assert totals(answer) == {}
    assert "mystery_levy" in answer.refused[0].error.message


def test_a_payout_whose_lines_do_not_come_to_its_amount_waits() -> None:
    payout = event("payout", "payout.paid", "2026-01-09", {"amount": "100.00", "reason": "charge"}, amount="99.00")
    assert refusals(run(payout)) == {"payout": "TO4040"}


def test_a_payout_that_fails_is_a_negative_one() -> None:
    """R1e: what left comes back."""
    out = event("out", "payout.paid", "2026-01-09", amount="95.00", amounts={"fees": "5.00"})
    back = event("back", "payout.paid", "2026-01-11", amount="-95.00", amounts={"fees": "-5.00"})
    assert totals(run(out, back)) == {}


def test_a_fee_of_its_own() -> None:
    """PAY-04."""
    answer = run(event("fee", "payout.adjusted", "2026-01-09", amount="7.00", reason="storage"))
    assert roles(answer, "fee") == {"storage_expense": 700, "payment_clearing": -700}


@pytest.mark.parametrize(
    ("reason", "end", "want"),
    [
        ("", "won", {}),
        ("", "lost", {"chargeback_loss": 6500, "payment_clearing": -6500}),
        ("claim", "won", {}),
        ("claim", "lost", {"chargeback_loss": 6500, "payment_clearing": -6500}),
    ],
)
def test_a_dispute_from_opening_to_its_end(reason: str, end: str, want: dict[str, int]) -> None:
    """PAY-02."""
    more = {"reason": reason} if reason else {}
    opened = event(
        "opened", "dispute.changed", "2026-01-09", amount="50.00", amounts={"fees": "15.00"}, status="opened", **more
    )
    ended = event("ended", "dispute.changed", "2026-02-09", amount="65.00", status=end, ref={"event": "opened"})
    held = "claims_receivable" if reason else "chargeback_loss"
    assert roles(run(opened), "opened") == {held: 6500, "payment_clearing": -6500}
    assert totals(run(opened, ended)) == want


def test_a_dispute_lost_that_was_never_seen_open_is_a_loss_and_a_won_one_is_nothing() -> None:
    lost = event("lost", "dispute.changed", "2026-01-09", amount="50.00", status="lost")
    won = event("won", "dispute.changed", "2026-01-09", amount="50.00", status="won")
    odd = event("odd", "dispute.changed", "2026-01-09", amount="50.00", status="pondered")
    answer = run(lost, won, odd)
    assert totals(answer) == {"chargeback_loss": 5000, "payment_clearing": -5000}
    assert refusals(answer) == {"odd": "TO4039"}


def test_a_reserve_held_and_released() -> None:
    """PAY-03."""
    held = event("held", "reserve.changed", "2026-01-09", amount="50.00", status="held")
    released = event("released", "reserve.changed", "2026-04-09", amount="50.00", status="released")
    assert totals(run(held)) == {"reserve_receivable": 5000, "payment_clearing": -5000}
    assert totals(run(held, released)) == {}


def test_cards_sold_below_face_value_and_escheated() -> None:
    """GC-01, GC-03."""
    sold = event(
        "sold",
        "giftcard.sold",
        "2026-01-09",
        amount="50.00",
        amounts={"discount": "5.00"},
        tenders={"card": "45.00"},
    )
    broken = event("broken", "giftcard.broken", "2026-12-31", amount="20.00", reason="escheat")
    wrong = event("wrong", "giftcard.sold", "2026-01-09", amount="50.00", tenders={"card": "45.00"})
    answer = run(sold, broken, wrong)
    assert roles(answer, "sold") == {"payment_clearing": 4500, "sales_discounts": 500, "gift_card_liability": -5000}
    assert roles(answer, "broken") == {"gift_card_liability": 2000, "unclaimed_property": -2000}
    assert refusals(answer) == {"wrong": "TO4033"}


def test_a_settlement_discount() -> None:
    """PUR-17: taken at payment, cost of sales by default."""
    receipt = event("receipt", "purchase.received", "2026-01-05", unit(quantity="10", unit_price="10.00"))
    bill = event(
        "bill",
        "purchase.billed",
        "2026-01-06",
        {"item": "A", "quantity": "10", "unit_price": "10.00", "ref": "receipt"},
    )
    paid = event(
        "paid", "purchase.paid", "2026-01-09", amount="98.00", amounts={"discount": "2.00"}, ref={"event": "bill"}
    )
    answer = run(receipt, bill, paid)
    assert roles(answer, "paid") == {"ap": 10000, "bank": -9800, "purchase_discounts": -200}
    assert "PUR-17" in rows(answer, "paid")
    assert (totals(answer).get("ap", 0), totals(answer)["bank"]) == (0, -9800)


def test_pur_17_a_settlement_discount_may_follow_the_units() -> None:
    """2.00 of 100.00 on 10 A and 1.00 of 50.00 on 5 B of one bill; 4 A are sold: 0.80 of it is cost of sales."""
    lines = [unit("A", "10", unit_price="10.00"), unit("B", "5", unit_price="10.00")]
    billed = [
        {
            "item": x["item"],
            "quantity": x["quantity"],
            "unit_price": "10.00",
            "ref": {"event": "receipt", "line": str(n)},
        }
        for n, x in enumerate(lines, 1)
    ]
    receipt = event("receipt", "purchase.received", "2026-01-05", *lines)
    bill = event("bill", "purchase.billed", "2026-01-06", *billed)
    sold = event("sold", "order.fulfilled", "2026-01-07", unit("A", "4"))
    fields = {"amount": "147.00", "amounts": {"discount": "3.00"}, "ref": {"event": "bill"}}
    paid = event("paid", "purchase.paid", "2026-01-09", **fields)
    answer = run(receipt, bill, sold, paid, trigger="external", settlement_discount="follow_units")
    assert roles(answer, "paid") == {"ap": 15000, "bank": -14700, "inventory": -220, "cogs": -80}
    assert {(h.item, h.value) for h in answer.holdings} == {("A", 5880), ("B", 4900)}
    early = event("paid", "purchase.paid", "2026-01-09", amount="147", amounts={"discount": "3.00"})
    assert (
        roles(run(receipt, bill, early, settlement_discount="follow_units"), "paid")["purchase_discounts"] == -300
    )  # names no bill
    for order in itertools.permutations([receipt, bill, sold, paid]):
        memory = Memory({"settlement_discount": "follow_units"}, "USD")
        for each in order:
            memory.deliver([each])
        assert memory.books() == memory.from_nothing()


def test_a_consignor_is_settled() -> None:
    """CON-09."""
    bill = event("bill", "consignment.settled", "2026-01-31", amount="80.00", amounts={"tax": "8.00"})
    assert roles(run(bill), "bill") == {"consignment_payable": 8000, "input_tax": 800, "ap": -8800}


def test_an_advance_in_our_own_currency_is_used_by_its_receipt_and_left_out_of_the_payable() -> None:
    """PUR-03, FX-03."""
    advance = event("advance", "purchase.prepaid", "2026-01-02", amount="40.00", document="PO-1")
    receipt = event(
        "receipt", "purchase.received", "2026-01-05", unit(quantity="10", unit_price="10.00"), ref={"document": "PO-1"}
    )
    bill = event(
        "bill",
        "purchase.billed",
        "2026-01-06",
        {"item": "A", "quantity": "10", "unit_price": "10.00", "ref": "receipt"},
    )
    answer = run(advance, receipt, bill)
    assert roles(answer, "receipt") == {"inventory": 10000, "vendor_prepayment": -4000, "grni": -6000}
    assert roles(answer, "bill") == {"grni": 6000, "ap": -6000}
    assert totals(answer) == {"inventory": 10000, "ap": -6000, "bank": -4000}


def test_a_warranty_is_provided_for_and_a_vendor_pays_for_a_defect() -> None:
    """RET-14, RET-17."""
    provided = event("provided", "warranty.provided", "2026-01-31", amount="20.00")
    claim = event("claim", "claim.accepted", "2026-02-28", amount="5.00", reason="warranty")
    assert totals(run(provided, claim)) == {
        "warranty_expense": 1500,
        "warranty_provision": -2000,
        "claims_receivable": 500,
    }
