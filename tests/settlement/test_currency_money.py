"""Foreign currency (matrix §17): every difference is split exactly, and a rate is never guessed."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.settlement.books import event, line, rates, refusals, roles, rows, run, stock, totals, unit

USD = {"currency": "USD"}


def purchase(price: str, billed: str, at: str, bill_at: str, quantity: str = "10") -> tuple[object, ...]:
    return (
        event("receipt", "purchase.received", "2026-01-05", unit(quantity=quantity, unit_price=price), rate=at, **USD),
        event(
            "bill",
            "purchase.billed",
            "2026-01-20",
            line(quantity=quantity, unit_price=billed, ref="receipt"),
            rate=bill_at,
            **USD,
        ),
    )


def test_fx_09_price_and_rate_both_differ() -> None:
    """FX-09: 10 @ 100 at 0.90, billed 10 @ 105 at 0.92: price 46.00, exchange 20.00, together 66.00."""
    answer = run(*purchase("100", "105", "0.90", "0.92"), currency="EUR")  # type: ignore[arg-type]
    assert roles(answer, "bill") == {"grni": 90000, "inventory": 4600, "fx_gain_loss": 2000, "ap": -96600}
    assert {"PUR-07", "PUR-08", "FX-02"} == rows(answer, "bill")


def test_the_exchange_difference_may_follow_the_units() -> None:
    answer = run(*purchase("100", "105", "0.90", "0.92"), currency="EUR", fx_bill_difference="inventory_cost")  # type: ignore[arg-type]
    assert roles(answer, "bill") == {"grni": 90000, "inventory": 6600, "ap": -96600}
    assert {"PUR-07", "PUR-08", "FX-02"} == rows(answer, "bill")


amounts = st.decimals("500", "999.99", places=2).map(str)  # a price that falls by half or more is a mistake: TO4008
exchange = st.decimals("0.8000000001", "1.2", places=10).map(str)


@given(amounts, amounts, exchange, exchange, st.integers(1, 9), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_fx_09_the_parts_of_a_difference_are_the_whole(
    price: str, billed: str, at: str, bill_at: str, quantity: int, currency: str
) -> None:
    """FX-09: payable = what was received + price part + exchange part, to the minor unit, in currencies of 0, 2 and 3
    decimals; and paying it leaves nothing on it."""
    events = purchase(price, billed, at, bill_at, str(quantity))
    foreign = Fraction(billed) * quantity
    paid = event("paid", "purchase.paid", "2026-02-10", amount=cents(foreign), rate="1.1", ref={"event": "bill"}, **USD)
    answer = run(*events, paid, currency=currency)  # type: ignore[arg-type]
    found = roles(answer, "bill")
    assert sum(found.values()) == 0
    scale = {"EUR": 100, "JPY": 1, "KWD": 1000}[currency]
    assert -found.get("ap", 0) == round(foreign * Fraction(bill_at) * scale)
    assert totals(answer).get("ap", 0) == 0 and totals(answer).get("grni", 0) == 0


def cents(value: Fraction) -> str:
    whole = value * 100
    assert whole.denominator == 1
    return f"{whole.numerator // 100}.{whole.numerator % 100:02d}"


def test_partial_payments_take_the_payable_at_its_own_rate_and_the_last_takes_the_rest() -> None:
    """FX-04."""
    bill = purchase("33.33", "33.33", "0.9", "0.9", "3")
    pays = [
        event(f"pay{n}", "purchase.paid", f"2026-02-1{n}", amount="33.33", rate="0.95", ref={"event": "bill"}, **USD)
        for n in (1, 2, 3)
    ]
    answer = run(*bill, *pays, currency="EUR")  # type: ignore[arg-type]
    assert totals(answer)["bank"] == -3 * 3166
    assert "ap" not in totals(answer)
    over = event("over", "purchase.paid", "2026-02-20", amount="0.01", rate="0.95", ref={"event": "bill"}, **USD)
    assert refusals(run(*bill, *pays, over, currency="EUR")) == {"over": "TO4037"}  # type: ignore[arg-type]


def test_a_foreign_payment_that_names_no_bill_waits() -> None:
    paid = event("paid", "purchase.paid", "2026-02-10", amount="100.00", rate="0.93", ref={"document": "B-9"}, **USD)
    assert refusals(run(paid, currency="EUR")) == {"paid": "TO4036"}


def test_rates_come_from_the_event_then_from_the_facts_and_are_never_guessed() -> None:
    facts = rates(USD={"2026-01-01": "0.90"})
    known = event("known", "purchase.received", "2026-01-08", unit(unit_price="100"), **USD)
    stale = event("stale", "purchase.received", "2026-01-09", unit(unit_price="100"), **USD)
    own = event("own", "purchase.received", "2026-01-09", unit(unit_price="100"), rate="0.95", **USD)
    answer = run(known, stale, own, currency="EUR", facts=facts)
    assert roles(answer, "known") == {"inventory": 9000, "grni": -9000}
    assert roles(answer, "own") == {"inventory": 9500, "grni": -9500}
    assert refusals(answer) == {"stale": "TO4030"}
    assert "USD" in answer.refused[0].error.message and "2026-01-09" in answer.refused[0].error.message


def test_a_journal_line_says_its_original_currency_amount_and_rate() -> None:
    receipt = event(
        "receipt", "purchase.received", "2026-01-08", unit(quantity="3", unit_price="1.11"), rate="0.9", **USD
    )
    (flow,) = run(receipt, currency="EUR").as_dict()["events"][0]["journal"]
    assert flow["original"] == {"currency": "USD", "rate": "0.9", "amount": "3.33"}


def test_remeasurement_takes_itself_back_the_next_day() -> None:
    """FX-05, R4: the payable and the clearing account at the closing rate; inventory never."""
    sale = event(
        "sale", "order.fulfilled", "2026-01-10", unit(amount="200"), tenders={"card": "200"}, rate="0.91", **USD
    )
    close = event("close", "fx.remeasured", "2026-01-31", rate="0.95", **USD)
    answer = run(stock(), *purchase("100", "100", "0.90", "0.92"), sale, close, currency="EUR")  # type: ignore[arg-type]
    flows = [flow for m in answer.movements if m.line.event_id == "close" for flow in m.flows]
    first = [(f.debit, f.credit, f.amount) for f in flows if not f.at]
    assert first == [("fx_unrealised", "ap", 3000), ("payment_clearing", "fx_unrealised", 800)]
    back = [(f.debit, f.credit, f.amount) for f in flows if f.at]
    assert back == [(credit, debit, amount) for debit, credit, amount in first]
    assert {f.at - f.line.at for f in flows if f.at} == {86_400_000_000}
    assert roles(answer, "close") == {}


def test_receipts_not_billed_are_remeasured_without_what_was_paid_in_advance() -> None:
    advance = event("advance", "purchase.prepaid", "2026-01-02", amount="400", rate="0.88", document="PO-1", **USD)
    receipt = event(
        "receipt",
        "purchase.received",
        "2026-01-05",
        unit(quantity="10", unit_price="100"),
        rate="0.90",
        ref={"document": "PO-1"},
        **USD,
    )
    close = event("close", "fx.remeasured", "2026-01-31", rate="0.95", **USD)
    answer = run(advance, receipt, close, currency="EUR")
    flows = [flow for m in answer.movements if m.line.event_id == "close" for flow in m.flows if not flow.at]
    assert [(f.debit, f.credit, f.amount) for f in flows] == [("fx_unrealised", "grni", 3000)]


def test_a_deposit_keeps_its_rate_and_a_receivable_is_settled_at_its_own() -> None:
    """FX-06 with IFRIC 22; FX-07 on a receivable."""
    answer = run(
        stock(),
        event("paid", "order.paid", "2026-01-02", document="O-1", tenders={"card": "40"}, rate="0.80", **USD),
        event(
            "ships", "order.fulfilled", "2026-01-03", unit(amount="100"), ref={"document": "O-1"}, rate="0.90", **USD
        ),
        event("rest", "order.paid", "2026-01-09", document="O-1", tenders={"card": "60"}, rate="0.95", **USD),
        currency="EUR",
    )
    assert roles(answer, "ships") == {"customer_deposits": 3200, "ar": 5400, "revenue": -8600}
    assert "FX-06" in rows(answer, "ships")
    assert roles(answer, "rest") == {"payment_clearing": 5700, "ar": -5400, "fx_gain_loss": -300}


def test_fx_08_a_payout_converted_by_the_gateway() -> None:
    """FX-08: sales in dollars at their own rates, paid out in euros."""
    answer = run(
        stock(),
        event("s1", "order.fulfilled", "2026-01-02", unit(amount="100"), tenders={"card": "100"}, rate="0.90", **USD),
        event("s2", "order.fulfilled", "2026-01-03", unit(amount="100"), tenders={"card": "100"}, rate="0.92", **USD),
        event(
            "payout",
            "payout.paid",
            "2026-01-09",
            {"amount": "93.00", "reason": "charge", "ref": "s1"},
            {"amount": "93.00", "reason": "charge", "ref": "s2"},
            {"amount": "-6.00", "reason": "fee"},
            amount="180.00",
        ),
        currency="EUR",
    )
    assert roles(answer, "payout") == {
        "bank": 18000,
        "payment_fees": 600,
        "fx_gain_loss": -400,
        "payment_clearing": -18200,
    }
    assert "payment_clearing" not in totals(answer)


@pytest.mark.parametrize(("currency", "want"), [("JPY", -11000), ("KWD", -110_000), ("USD", -11000)])
def test_currencies_of_no_two_and_three_decimals(currency: str, want: int) -> None:
    amount = {"JPY": "11000", "KWD": "110.000", "USD": "110.00"}[currency]
    sale = event("sale", "order.fulfilled", "2026-01-02", unit(amount=amount), tenders={"card": amount})
    assert roles(run(stock(), sale, currency=currency), "sale")["revenue"] == want
