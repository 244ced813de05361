"""Transfers, adjustments, payouts and stock, and what `check` says of the grant."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.connectors.shopify.conftest import Connect, Shop, newest, pulled

from tieout import Drift, NeedsReauth
from tieout_shopify import Shopify


def test_a_transfer_partly_received_and_rejected(source: Shopify, shop: Shop) -> None:
    before = shop.sim.stock.on_hand()
    transfer = shop.sim.transfers.transfer(shop.main, shop.east, {"MUG": 10, "BOWL": 4})
    assert shop.sim.stock.on_hand() == before
    shipment = shop.sim.transfers.ship(transfer, {"MUG": 8})
    shop.sim.clock.advance(86_400)
    shop.sim.transfers.receive(shipment, {"MUG": 5}, {"MUG": 1})
    (first,), cursor = pulled(source, shop, "transfers")
    (line,) = first["shipments"][0]["lines"]
    assert (line["quantity"], line["accepted"], line["rejected"]) == (8, 5, 1)
    shop.sim.transfers.receive(shipment, {"MUG": 2})
    shop.sim.transfers.ship(transfer)
    (then,), _ = pulled(source, shop, "transfers", cursor)
    assert [(s["status"], [x["accepted"] for x in s["lines"]]) for s in then["shipments"]] == [
        ("RECEIVED", [7]),
        ("IN_TRANSIT", [0, 0]),
    ]
    now = shop.sim.stock.on_hand()
    assert now["MUG", shop.main] == before["MUG", shop.main] - 10
    assert now["MUG", shop.east] == before["MUG", shop.east] + 7
    assert shop.sim.stock.quantity("MUG", shop.east, "incoming") == 2


def test_a_transfer_called_off_moves_nothing(source: Shopify, shop: Shop) -> None:
    before = shop.sim.stock.on_hand()
    shop.sim.transfers.cancel(shop.sim.transfers.transfer(shop.main, shop.east, {"MUG": 10}))
    (record,), _ = pulled(source, shop, "transfers")
    assert (record["status"], record["shipments"]) == ("CANCELED", [])
    assert shop.sim.stock.on_hand() == before


def test_adjustments_are_what_has_no_other_document(source: Shopify, shop: Shop) -> None:
    shop.sim.clock.advance(86_400)
    shop.sim.clock.advance(86_400)
    _, begin = pulled(source, shop, "adjustments")
    order = shop.sim.orders.sell([("MUG", 2)], shop.main)
    shop.sim.orders.fulfil(order)
    shop.sim.transfers.receive(shop.sim.transfers.ship(shop.sim.transfers.transfer(shop.main, shop.east, {"MUG": 2})))
    shop.sim.stock.move("MUG", shop.main, 3, "available", "damaged", reason="damaged")
    shop.sim.stock.adjust("MUG", shop.main, -1, state="damaged", reason="shrinkage")
    shop.sim.stock.receive_goods("BOWL", shop.main, 6, cost="8.00")
    shop.sim.stock.adjust("BOWL", shop.east, -2, reason="cycle_count_available")
    records, _ = pulled(source, shop, "adjustments", begin)
    assert [(r["item"], r["location"], r["delta"], r["reason"], r["direction"]) for r in records] == [
        ("MUG", shop.main, "-1", "shrinkage", "out"),
        ("BOWL", shop.main, "6", "received", "in"),
        ("BOWL", shop.east, "-2", "cycle_count_available", "out"),
    ]
    assert records[1]["unitCost"] == "8.0"


def test_a_window_of_adjustments_that_does_not_fit_is_halved(source: Shopify, shop: Shop) -> None:
    _, begin = pulled(source, shop, "adjustments")
    for _ in range(700):
        shop.sim.stock.adjust("MUG", shop.main, 1)
        shop.sim.clock.advance(30)
    records, cursor = pulled(source, shop, "adjustments", begin)
    assert len(records) == 700
    assert len({record["group"] for record in records}) == 700
    more, _ = pulled(source, shop, "adjustments", cursor)
    assert more == []


def test_adjustments_that_come_late_are_told_once(source: Shopify, shop: Shop) -> None:
    _, begin = pulled(source, shop, "adjustments")
    shop.sim.stock.receive_goods("MUG", shop.main, 1, cost="4.00")
    shop.sim.history_late_seconds = 3_600
    records, cursor = pulled(source, shop, "adjustments", begin)
    assert records == []
    shop.sim.history_late_seconds = 0
    shop.sim.stock.set_cost("MUG", "5.00")
    (late,), cursor = pulled(source, shop, "adjustments", cursor)
    assert late["unitCost"] == "5.0"
    shop.sim.stock.set_cost("MUG", "6.00")
    assert pulled(source, shop, "adjustments", cursor)[0] == []


def test_more_adjustments_in_a_second_than_can_be_asked_for(source: Shopify, shop: Shop) -> None:
    begin = shop.sim.clock.utc()
    for _ in range(600):
        shop.sim.stock.adjust("MUG", shop.main, 1)
    with pytest.raises(Drift, match="within a second"):
        pulled(source, shop, "adjustments", begin.isoformat())


def test_payouts_with_what_they_settle(source: Shopify, shop: Shop) -> None:
    order = shop.sim.orders.sell([("MUG", 2)], shop.main)
    shop.sim.orders.fulfil(order)
    shop.sim.returns.refund(order, {"MUG": 1})
    first = shop.sim.payments.pay_out()
    shop.sim.clock.advance(86_400)
    shop.sim.orders.sell([("BOWL", 1)], shop.main)
    second = shop.sim.payments.pay_out(status="SCHEDULED")
    assert first
    assert second
    records, cursor = pulled(source, shop, "payouts")
    paid = newest(records)[first]
    assert [(m["type"], m["amount"]["amount"]) for m in paid["movements"]] == [("CHARGE", "24.0"), ("REFUND", "-12.0")]
    assert paid["net"]["amount"] == "11.0"
    assert newest(records)[second]["status"] == "SCHEDULED"
    shop.sim.clock.advance(3 * 86_400)
    shop.sim.payments.settle(second)
    records, _ = pulled(source, shop, "payouts", cursor)
    assert newest(records)[second]["status"] == "PAID"


def test_a_shop_without_shopify_payments_has_no_payouts(source: Shopify, shop: Shop) -> None:
    shop.sim.has_payments = False
    assert pulled(source, shop, "payouts")[0] == []


def test_stock_is_on_hand_with_inactive_levels_and_without_untracked_items(source: Shopify, shop: Shop) -> None:
    order = shop.sim.orders.sell([("MUG", 5)], shop.main)
    shop.sim.orders.fulfil(order, {"MUG": 2})
    shop.sim.stock.deactivate("BOWL", shop.east)
    report = source.stock(shop.sim.clock.utc())
    assert report is not None
    assert report.complete
    held = {(row.item, row.location): int(row.quantity) for row in report.rows if row.quantity != "0"}
    assert held == shop.sim.stock.on_hand()
    assert held["BOWL", shop.east] == 10
    assert held["MUG", shop.main] == 38


def test_items_may_be_called_by_their_id(connect: Connect, shop: Shop) -> None:
    item = str(shop.sim.stock.item("MUG")["legacyResourceId"])
    report = connect(item_key="inventory_item").stock(shop.sim.clock.utc())
    assert report is not None
    assert item in {row.item for row in report.rows}


def test_check_names_missing_scopes_and_the_window_of_orders(source: Shopify, shop: Shop) -> None:
    assert {finding.level for finding in source.check()} == {"ok"}
    shop.sim.grants.scopes -= {"read_all_orders", "read_reports"}
    found = {finding.level: finding.what for finding in source.check()}
    assert "read_reports" in found["error"]
    assert "2026-08-02" in found["warning"]


def test_without_the_scope_for_all_orders_the_old_ones_are_not_seen(source: Shopify, shop: Shop) -> None:
    old = shop.sim.orders.sell([("MUG", 1)], shop.main)
    shop.sim.clock.advance(timedelta(days=61))
    new = shop.sim.orders.sell([("MUG", 1)], shop.main)
    shop.sim.grants.scopes -= {"read_all_orders"}
    assert set(newest(pulled(source, shop, "orders")[0])) == {new}
    shop.sim.grants.scopes |= {"read_all_orders"}
    assert set(newest(pulled(source, shop, "orders")[0])) == {old, new}


def test_history_that_is_refused_says_which_scope(source: Shopify, shop: Shop) -> None:
    shop.sim.grants.scopes -= {"read_reports"}
    with pytest.raises(NeedsReauth, match="read_reports"):
        pulled(source, shop, "adjustments", "2026-10-01T00:00:00+00:00")
