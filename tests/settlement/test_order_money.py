"""An order's money, row by row: deposits, invoices, revenue, tenders, edits, cancellations, refunds (matrix §7, 8, 18)."""

from __future__ import annotations

import pytest
from tests.settlement.books import event, line, prices, refusals, roles, rows, run, stock, totals, unit


def test_a_deposit_becomes_the_tender_of_the_sale_and_the_rest_is_owed() -> None:
    """SAL-02, SAL-08, SAL-09; a later payment settles the receivable."""
    answer = run(
        stock(),
        event("paid", "order.paid", "2026-01-02", document="O-1", tenders={"card": "30.00"}),
        event("ships", "order.fulfilled", "2026-01-03", unit(unit_price="100.00"), ref={"document": "O-1"}),
        event("rest", "order.paid", "2026-01-04", document="O-1", tenders={"card": "80.00"}),
    )
    assert roles(answer, "paid") == {"payment_clearing": 3000, "customer_deposits": -3000}
    assert roles(answer, "ships") == {"customer_deposits": 3000, "ar": 7000, "revenue": -10000}
    assert roles(answer, "rest") == {"payment_clearing": 8000, "ar": -7000, "customer_deposits": -1000}


def test_parts_of_an_order_take_its_prices_and_charges_and_the_last_takes_the_rest() -> None:
    """SAL-10: 10.00 in three parts is 3.33, 3.34, 3.33; so are 1.00 of shipping and 0.80 of tax."""
    order = event(
        "order",
        "order.placed",
        "2026-01-01",
        line(quantity="3", amount="10.00"),
        document="O-1",
        amounts={"shipping": "1.00", "tax": "0.80"},
    )
    parts = [
        event(f"part{n}", "order.fulfilled", f"2026-01-0{n + 2}", unit(), ref={"document": "O-1"}) for n in (1, 2, 3)
    ]
    answer = run(stock(), order, *parts)
    assert [roles(answer, part.id)["revenue"] for part in parts] == [-333, -334, -333]
    assert [roles(answer, part.id)["shipping_revenue"] for part in parts] == [-33, -34, -33]
    assert all("SAL-10" in rows(answer, part.id) for part in parts)
    assert totals(answer) == {"ar": 1180, "revenue": -1000, "shipping_revenue": -100, "output_tax": -80}


def test_an_invoice_before_delivery_waits_as_a_contract_liability_with_its_tax_booked_once() -> None:
    answer = run(
        stock(),
        event("bill", "order.invoiced", "2026-01-02", line(amount="100.00"), document="O-1", amounts={"tax": "8.00"}),
        event("paid", "order.paid", "2026-01-03", document="O-1", tenders={"card": "108.00"}),
        event(
            "ships",
            "order.fulfilled",
            "2026-01-04",
            unit(amount="100.00"),
            ref={"document": "O-1"},
            amounts={"tax": "8.00"},
        ),
    )
    assert roles(answer, "bill") == {"ar": 10800, "contract_liability": -10000, "output_tax": -800}
    assert rows(answer, "bill") == {"SAL-03"}
    assert roles(answer, "paid") == {"payment_clearing": 10800, "ar": -10800}
    assert roles(answer, "ships") == {"contract_liability": 10000, "revenue": -10000}
    assert totals(answer) == {"payment_clearing": 10800, "revenue": -10000, "output_tax": -800}


def test_an_invoice_after_shipment_is_a_memo() -> None:
    answer = run(
        stock(),
        event("ships", "order.fulfilled", "2026-01-02", unit(amount="100.00"), document="O-1"),
        event("bill", "order.invoiced", "2026-01-03", line(amount="100.00"), document="O-1"),
    )
    assert roles(answer, "bill") == {}
    assert totals(answer) == {"ar": 10000, "revenue": -10000}


def test_cancelled_before_shipment_gives_the_deposit_back_and_mirrors_the_invoice() -> None:
    """SAL-11."""
    answer = run(
        event("bill", "order.invoiced", "2026-01-02", line(amount="50.00"), document="O-1", amounts={"tax": "5.00"}),
        event("off", "order.cancelled", "2026-01-03", document="O-1"),
        event("paid", "order.paid", "2026-01-02", document="O-2", tenders={"card": "40.00"}),
        event("back", "order.cancelled", "2026-01-03", document="O-2", tenders={"card": "40.00"}),
        event("more", "order.cancelled", "2026-01-04", document="O-2", tenders={"card": "1.00"}),
    )
    assert roles(answer, "off") == {"contract_liability": 5000, "output_tax": 500, "ar": -5500}
    assert roles(answer, "back") == {"customer_deposits": 4000, "payment_clearing": -4000}
    assert refusals(answer) == {"more": "TO4037"}
    assert totals(answer) == {}


def test_cancelled_after_shipment_mirrors_the_sale_and_holds_the_money_until_it_is_refunded() -> None:
    """SAL-12: goods back undelivered; the refund has its own date."""
    answer = run(
        stock(),
        event(
            "ships",
            "order.fulfilled",
            "2026-01-02",
            unit(quantity="2", amount="30.00"),
            document="O-1",
            amounts={"tax": "3.00"},
            tenders={"card": "33.00"},
        ),
        event("off", "order.cancelled", "2026-01-05", unit(quantity="2"), ref={"event": "ships"}),
        event("refund", "order.cancelled", "2026-01-06", ref={"event": "ships"}, reason="refunded"),
    )
    assert roles(answer, "off") == {"revenue": 3000, "output_tax": 300, "customer_deposits": -3300}


def test_lost_after_shipment_is_a_refund_through_sales_returns() -> None:
    """SAL-13 and the carrier's claim, SAL-14."""
    answer = run(
        stock(),
        event(
            "ships", "order.fulfilled", "2026-01-02", unit(amount="30.00"), document="O-1", tenders={"card": "30.00"}
        ),
        event(
            "lost", "order.cancelled", "2026-01-05", ref={"event": "ships"}, reason="lost", tenders={"card": "30.00"}
        ),
        event("claim", "claim.accepted", "2026-01-09", amount="20.00", ref={"event": "lost"}),
    )
    assert roles(answer, "lost") == {"sales_returns": 3000, "payment_clearing": -3000}
    assert rows(answer, "lost") == {"SAL-13"}
    assert roles(answer, "claim") == {"claims_receivable": 2000, "claims_recovery": -2000}


def test_an_edit_after_posting_books_the_difference_the_way_the_sale_was_paid() -> None:
    """SAL-15."""
    answer = run(
        stock(),
        event(
            "ships",
            "order.fulfilled",
            "2026-01-02",
            unit(amount="100.00"),
            document="O-1",
            amounts={"tax": "10.00"},
            tenders={"card": "110.00"},
        ),
        event("edit", "order.edited", "2026-01-05", line(amount="90.00"), document="O-1", amounts={"tax": "9.00"}),
    )
    assert roles(answer, "edit") == {"revenue": 1000, "output_tax": 100, "payment_clearing": -1100}
    assert rows(answer, "edit") == {"SAL-15"}


def test_an_edit_before_shipment_changes_what_is_sold_later_and_posts_nothing() -> None:
    answer = run(
        stock(),
        event("order", "order.placed", "2026-01-01", line(amount="100.00"), document="O-1"),
        event("edit", "order.edited", "2026-01-02", line(amount="80.00"), document="O-1"),
        event("ships", "order.fulfilled", "2026-01-03", unit(), ref={"document": "O-1"}),
    )
    assert roles(answer, "edit") == {}
    assert roles(answer, "ships") == {"ar": 8000, "revenue": -8000}


def test_tax_a_marketplace_remits_nets_to_zero_in_the_end() -> None:
    """SAL-18: withheld at once where the tenders leave it out, with the payout where they hold it."""
    answer = run(
        stock(),
        event(
            "out",
            "order.fulfilled",
            "2026-01-02",
            unit(amount="100.00"),
            amounts={"marketplace_tax": "8.00"},
            tenders={"card": "100.00"},
        ),
        event(
            "in",
            "order.fulfilled",
            "2026-01-02",
            unit(amount="100.00"),
            amounts={"marketplace_tax": "8.00"},
            tenders={"card": "108.00"},
        ),
        event(
            "payout",
            "payout.paid",
            "2026-01-09",
            amount="195.00",
            amounts={"fees": "5.00", "marketplace_tax": "8.00"},
        ),
    )
    assert "SAL-18" in rows(answer, "out") & rows(answer, "in")
    assert totals(answer) == {"revenue": -20000, "bank": 19500, "payment_fees": 500}


@pytest.mark.parametrize(
    ("kind", "row"), [("order.fulfilled", "SAL-19"), ("dropship.shipped", "DRP-03"), ("consignment.sold", "CON-08")]
)
def test_an_agent_sale_is_its_fee_and_what_is_owed_to_the_principal(kind: str, row: str) -> None:
    sale = event(
        "sale",
        kind,
        "2026-01-02",
        unit(amount="100.00", owner="V"),
        amounts={"fee": "15.00", "tax": "8.00"},
        tenders={"card": "108.00"},
    )
    answer = run(sale)
    assert roles(answer, "sale") == {
        "payment_clearing": 10800,
        "consignment_payable": -8500,
        "commission_revenue": -1500,
        "output_tax": -800,
    }
    assert row in rows(answer, "sale")


def test_discounts_are_shared_out_over_the_lines() -> None:
    """PRM-04: 1.00 off three lines of equal price is 0.34, 0.33, 0.33."""
    answer = run(
        stock("A", "B", "C"),
        event(
            "sale",
            "order.fulfilled",
            "2026-01-02",
            *(unit(item, amount="10.00") for item in "ABC"),
            amounts={"discount": "1.00"},
            tenders={"card": "29.00"},
        ),
    )
    assert roles(answer, "sale") == {"payment_clearing": 2900, "sales_discounts": 100, "revenue": -3000}
    shares = [flow.amount for m in answer.movements for flow in m.flows if flow.row == "PRM-04"]
    assert shares == [34, 33, 33]


def test_buy_two_get_one_spreads_the_price_over_all_units() -> None:
    """PRM-03."""
    answer = run(
        stock(),
        event(
            "sale",
            "order.fulfilled",
            "2026-01-02",
            unit(quantity="2", amount="30.00", id="paid"),
            unit(quantity="1", amount="0.00", id="free"),
            tenders={"card": "30.00"},
        ),
    )
    by_line = {m.line.line_id: sum(f.amount for f in m.flows if f.credit == "revenue") for m in answer.movements}
    assert (by_line["paid"], by_line["free"]) == (2000, 1000)
    assert "PRM-03" in rows(answer, "sale")


def test_a_gift_without_a_stand_alone_price_is_refused() -> None:
    """PRM-01 is never guessed."""
    gift = event(
        "sale",
        "order.fulfilled",
        "2026-01-02",
        unit("A", amount="100.00"),
        unit("G", amount="0.00", reason="gift_with_purchase"),
        tenders={"card": "100.00"},
    )
    assert set(refusals(run(stock("A", "G"), gift, facts=prices(A="100")))) == {"sale"}
    answer = run(stock("A", "G"), gift, facts=prices(A="100", G="25"))
    assert roles(answer, "sale") == {"payment_clearing": 10000, "revenue": -10000}


def test_ret_07_ret_08_gc_05_refunds_by_kind() -> None:
    """RET-07 with a restocking fee, RET-08 without goods, GC-05 to store credit; goods at their own revenue (BND-03)."""
    sale = event(
        "sale",
        "order.fulfilled",
        "2026-01-02",
        unit("A", "3", amount="10.00"),
        document="O-1",
        amounts={"tax": "1.00"},
        tenders={"card": "11.00"},
    )
    answer = run(
        stock(),
        sale,
        event(
            "goods",
            "refund.issued",
            "2026-01-05",
            line("A", "1"),
            ref={"document": "O-1"},
            amounts={"tax": "0.33", "restocking_fee": "0.50"},
            tenders={"card": "3.16"},
        ),
        event("goodwill", "refund.issued", "2026-01-06", ref={"document": "O-1"}, tenders={"card": "2.00"}),
        event(
            "credit",
            "refund.issued",
            "2026-01-07",
            line("A", "2"),
            ref={"event": "sale"},
            tenders={"store_credit": "6.67"},
        ),
    )
    assert roles(answer, "goods") == {
        "sales_returns": 333,
        "output_tax": 33,
        "restocking_fee_income": -50,
        "payment_clearing": -316,
    }
    assert roles(answer, "goodwill") == {"sales_returns": 200, "payment_clearing": -200}
    assert roles(answer, "credit") == {"sales_returns": 667, "store_credit_liability": -667}
    assert (rows(answer, "goods"), rows(answer, "goodwill"), rows(answer, "credit")) == (
        {"RET-07"},
        {"RET-08"},
        {"GC-05"},
    )


def test_a_refund_of_what_was_never_shipped_comes_out_of_the_deposit() -> None:
    answer = run(
        event("paid", "order.paid", "2026-01-02", document="O-1", tenders={"card": "40.00"}),
        event("refund", "refund.issued", "2026-01-03", ref={"document": "O-1"}, tenders={"card": "40.00"}),
    )
    assert roles(answer, "refund") == {"customer_deposits": 4000, "payment_clearing": -4000}


def test_a_forfeited_deposit_is_revenue_or_breakage() -> None:
    """DEP-01."""
    paid = event("paid", "order.paid", "2026-01-02", document="O-1", tenders={"card": "40.00"})
    kept = event("kept", "deposit.forfeited", "2026-06-02", document="O-1", amount="30.00")
    broken = event("broken", "deposit.forfeited", "2026-06-03", document="O-1", amount="10.00", reason="breakage")
    assert totals(run(paid, kept, broken)) == {"payment_clearing": 4000, "revenue": -3000, "breakage_income": -1000}


def test_tenders_that_do_not_add_up_hold_the_document() -> None:
    sale = event("sale", "order.fulfilled", "2026-01-02", unit(amount="100.00"), tenders={"card": "99.99"})
    answer = run(stock(), sale)
    assert refusals(answer) == {"sale": "TO4033"}
    assert "99.99" in answer.refused[0].error.message and "100" in answer.refused[0].error.message
    assert answer.on_hand["A", "MAIN"] == 1000_000_000, "a refused line leaves no trace"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amounts": {"handling": "1.00"}, "tenders": {"card": "101.00"}}, "TO4031"),
        ({"tenders": {"cheque": "100.00"}}, "TO4032"),
    ],
)
def test_words_nobody_knows_are_refused(fields: dict[str, dict[str, str]], code: str) -> None:
    sale = event("sale", "order.fulfilled", "2026-01-02", unit(amount="100.00"), **fields)
    assert refusals(run(stock(), sale)) == {"sale": code}


def test_a_sale_without_a_price_is_refused_and_external_revenue_asks_for_none() -> None:
    sale = event("sale", "order.fulfilled", "2026-01-02", unit())
    assert refusals(run(stock(), sale)) == {"sale": "TO4034"}
    assert totals(run(stock(), sale, trigger="external")) == {}


@pytest.mark.parametrize(("trigger", "at"), [("shipment", "ships"), ("delivery", "arrives"), ("invoice", "bill")])
def test_revenue_is_recognised_once_by_its_trigger(trigger: str, at: str) -> None:
    events = (
        stock(),
        event("ships", "order.fulfilled", "2026-01-02", unit("A", "2", amount="30.00"), document="O-1"),
        event("arrives", "order.delivered", "2026-01-05", line("A", "2"), ref={"event": "ships"}),
        event("bill", "order.invoiced", "2026-01-06", line("A", "2"), ref={"event": "ships"}),
    )
    answer = run(*events, trigger=trigger)
    assert roles(answer, at)["revenue"] == -3000
    assert totals(answer)["revenue"] == -3000


def test_revenue_with_the_payout_that_contains_the_sale() -> None:
    answer = run(
        stock(),
        event("ships", "order.fulfilled", "2026-01-02", unit(amount="30.00"), tenders={"card": "30.00"}),
        event(
            "payout",
            "payout.paid",
            "2026-01-09",
            {"amount": "30.00", "reason": "charge", "ref": "ships"},
            {"amount": "-1.00", "reason": "fee"},
            amount="29.00",
        ),
        trigger="payout_summary",
    )
    assert roles(answer, "ships") == {}
    assert roles(answer, "payout") == {"revenue": -3000, "bank": 2900, "payment_fees": 100}


def test_a_promotional_card_is_a_discount_when_it_is_used() -> None:
    """GC-04."""
    answer = run(
        stock(),
        event("given", "giftcard.granted", "2026-01-02"),
        event(
            "sale",
            "order.fulfilled",
            "2026-01-03",
            unit(amount="50.00"),
            tenders={"promotional_card": "10.00", "gift_card": "15.00", "card": "25.00"},
        ),
    )
    assert roles(answer, "given") == {}
    assert roles(answer, "sale") == {
        "sales_discounts": 1000,
        "gift_card_liability": 1500,
        "payment_clearing": 2500,
        "revenue": -5000,
    }
    assert {"GC-02", "GC-04"} <= rows(answer, "sale")


def test_ret_09_money_back_first_and_the_goods_later_are_two_events_of_their_own() -> None:
    """Refund on the 5th with RET-07; the unit is back on the 9th at what its sale took: 3.33 of 10.00."""
    stocked = event("stock", "opening.loaded", "2026-01-01", unit("A", "3", amount="10.00"))
    sale = event("sale", "order.fulfilled", "2026-01-02", unit("A", "1", amount="25.00"), tenders={"card": "25.00"})
    refund = event("refund", "refund.issued", "2026-01-05", line("A", "1", ref="sale"), tenders={"card": "25.00"})
    back = event("back", "return.received", "2026-01-09", unit("A", "1", ref="sale", disposition="restock"))
    answer = run(stocked, sale, refund, back)
    assert roles(answer, "refund") == {"sales_returns": 2500, "payment_clearing": -2500}
    assert roles(answer, "back") == {"inventory": 333, "cogs": -333}
    assert totals(answer) == totals(run(stocked, sale, refund, back, returns_model="actual"))
    assert "cogs" not in totals(answer) and "payment_clearing" not in totals(answer)
