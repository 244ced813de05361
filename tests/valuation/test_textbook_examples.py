"""Examples of the standards and of textbooks, figures worked by hand from the source each test names."""

from __future__ import annotations

from tests.settlement.books import event, roles, run, totals, unit


def test_ifrs_15_example_22_right_of_return() -> None:
    """IFRS 15.IE110-IE115: 100 products sold at 100, cost 60 each, 3 expected back: revenue 9,700, refund liability 300;
    cost of sales 5,820, right to recover 180. Then 2 come back and the window closes on the third."""
    sold = event(
        "sale", "order.fulfilled", "2026-01-10", unit(quantity="100", amount="10000"), tenders={"card": "10000"}
    )
    expected = {"item": "A", "quantity": "3", "ref": "sale"}
    estimate = event("estimate", "returns.estimated", "2026-01-10", expected, amount="300")
    stocked = event("stock", "opening.loaded", "2026-01-01", unit(quantity="100", unit_price="60"))
    answer = run(stocked, sold, estimate)
    booked = {role: amount for role, amount in totals(answer).items() if role not in ("inventory", "opening_equity")}
    assert booked == {
        "payment_clearing": 1_000_000,
        "revenue": -970_000,
        "refund_liability": -30_000,
        "cogs": 582_000,
        "return_asset": 18_000,
    }
    back = event("back", "return.received", "2026-02-01", unit(quantity="2", ref="sale", disposition="restock"))
    refund = event(
        "refund", "refund.issued", "2026-02-01", {"item": "A", "quantity": "2", "ref": "sale"}, tenders={"card": "200"}
    )
    released = event("over", "returns.released", "2026-03-01", {"item": "A", "quantity": "1", "ref": "estimate"})
    answer = run(stocked, sold, estimate, back, refund, released)
    assert roles(answer, "back") == {"inventory": 12_000, "return_asset": -12_000}
    assert roles(answer, "refund") == {"refund_liability": 20_000, "payment_clearing": -20_000}
    assert roles(answer, "over") == {
        "refund_liability": 10_000,
        "revenue": -10_000,
        "cogs": 6_000,
        "return_asset": -6_000,
    }
    assert (totals(answer)["revenue"], totals(answer)["cogs"]) == (-980_000, 588_000)


def test_weighted_average_is_perpetual_not_periodic() -> None:
    """IAS 2.27 allows both: as each shipment is received, or periodically. 100 @ 10, 50 sold, 100 @ 12, 50 sold. Perpetual:
    500 and 50 × 1,700/150 = 566.67. Periodic would be 100 × 11 = 1,100; tieout keeps the first."""
    answer = run(
        event("first", "purchase.received", "2026-01-05", unit(quantity="100", unit_price="10")),
        event("one", "order.fulfilled", "2026-01-06", unit(quantity="50")),
        event("second", "purchase.received", "2026-01-07", unit(quantity="100", unit_price="12")),
        event("two", "order.fulfilled", "2026-01-08", unit(quantity="50")),
        trigger="external",
        cost_method="weighted_average",
    )
    assert (roles(answer, "one")["cogs"], roles(answer, "two")["cogs"]) == (50_000, 56_667)
    assert totals(answer)["inventory"] == 220_000 - 106_667


def test_fifo_and_lifo_over_the_same_purchases() -> None:
    """The usual three-layer example (IAS 2.27; LIFO under ASC 330-10-30-9 only): 100 @ 10, 100 @ 11, 100 @ 12; 150 sold."""
    events = [
        *(
            event(f"p{n}", "purchase.received", f"2026-01-0{n}", unit(quantity="100", unit_price=str(9 + n)))
            for n in (1, 2, 3)
        ),
        event("sale", "order.fulfilled", "2026-01-08", unit(quantity="150")),
    ]
    fifo = run(*events, trigger="external")
    lifo = run(*events, trigger="external", cost_method="lifo", framework="us_gaap")
    assert roles(fifo, "sale")["cogs"] == 100_000 + 55_000
    assert roles(lifo, "sale")["cogs"] == 120_000 + 55_000
    assert totals(fifo)["inventory"] + 155_000 == totals(lifo)["inventory"] + 175_000 == 330_000
