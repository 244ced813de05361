"""Orders as records: what left, what came back, what was refunded; nothing lost and nothing doubled."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.connectors.shopify.conftest import Connect, Shop, newest, pulled

from tieout import Drift, Fatal
from tieout_sandbox.simulators.app import mounted
from tieout_sandbox.simulators.shopify.lines import Line
from tieout_shopify import Shopify

START = "2026-10-01T00:00:00+00:00"


def only(source: Shopify, shop: Shop, order: str) -> dict[str, Any]:
    records, _ = pulled(source, shop, "orders", START)
    found: dict[str, Any] = newest(records)[order]
    return found


def moved(record: dict[str, Any]) -> dict[tuple[str, str], int]:
    """Units that left (negative) and came back, by item and location, as the record tells it."""
    sums: dict[tuple[str, str], int] = {}
    for each in record["fulfillments"]:
        for line in each["lines"]:
            if each["status"] == "SUCCESS" and not line["stockless"]:
                key = (line["item"], each["location"])
                sums[key] = sums.get(key, 0) - line["quantity"]
    for back in record["restocks"]:
        if back["kind"] == "RESTOCKED" and not back["stockless"]:
            key = (back["item"], back["location"])
            sums[key] = sums.get(key, 0) + back["quantity"]
    return {key: units for key, units in sums.items() if units}


def change(shop: Shop, before: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """What the shop's own stock did since."""
    now = shop.sim.stock.on_hand()
    return {k: now.get(k, 0) - before.get(k, 0) for k in {*now, *before} if now.get(k, 0) != before.get(k, 0)}


def test_partial_fulfilments_over_two_locations(source: Shopify, shop: Shop) -> None:
    before = shop.sim.stock.on_hand()
    order = shop.sim.orders.sell([("MUG", 5), ("BOWL", 2)], shop.main)
    shop.sim.orders.fulfil(order, {"MUG": 3})
    shop.sim.clock.advance(60)
    shop.sim.orders.fulfil(order, {"MUG": 2, "BOWL": 1}, location=shop.east)
    record = only(source, shop, order)
    assert [(f["location"], f["status"]) for f in record["fulfillments"]] == [
        (shop.main, "SUCCESS"),
        (shop.east, "SUCCESS"),
    ]
    assert (
        moved(record)
        == change(shop, before)
        == {
            ("MUG", shop.main): -3,
            ("MUG", shop.east): -2,
            ("BOWL", shop.east): -1,
        }
    )
    assert shop.sim.stock.quantity("BOWL", shop.main, "committed") == 1


def test_lines_over_several_pages(source: Shopify, shop: Shop) -> None:
    for n in range(130):
        shop.sim.stock.product(f"P-{n}", price="1.00")
        shop.sim.stock.receive_goods(f"P-{n}", shop.main, 2)
    before = shop.sim.stock.on_hand()
    order = shop.sim.orders.sell([(f"P-{n}", 1) for n in range(130)], shop.main)
    shop.sim.orders.fulfil(order)
    shop.sim.returns.refund(order, {f"P-{n}": 1 for n in range(90)})
    record = only(source, shop, order)
    assert len(record["sales"]) == len(record["fulfillments"][0]["lines"]) == 130
    assert len(record["restocks"]) == 90
    assert moved(record) == change(shop, before)


def test_refunds_with_and_without_goods(source: Shopify, shop: Shop) -> None:
    before = shop.sim.stock.on_hand()
    order = shop.sim.orders.sell([("MUG", 4)], shop.main, shipping="5.00", tax_rate="0.1")
    shop.sim.orders.fulfil(order, {"MUG": 3})
    shop.sim.returns.refund(order, {"MUG": 1}, shipping="2.00")
    shop.sim.returns.refund(order, {"MUG": 1}, restock="CANCEL")
    shop.sim.returns.refund(order, extra="1.50")
    record = only(source, shop, order)
    assert moved(record) == change(shop, before) == {("MUG", shop.main): -2}
    assert [refund["total"] for refund in record["refunds"]] == ["15.2", "13.2", "1.5"]
    first = record["refunds"][0]
    assert (first["shipping"], first["tax"], first["gateway"], first["giftCard"]) == ("2.0", "1.2", "15.2", "")
    (restock,) = record["restocks"]
    assert restock["fulfillment"] == record["fulfillments"][0]["name"]


def test_a_refund_names_the_shipments_it_came_from(source: Shopify, shop: Shop) -> None:
    order = shop.sim.orders.sell([("MUG", 5)], shop.main)
    shop.sim.orders.fulfil(order, {"MUG": 2})
    shop.sim.clock.advance(60)
    shop.sim.orders.fulfil(order, {"MUG": 3})
    back = shop.sim.returns.return_goods(order, {"MUG": 1})
    shop.sim.returns.dispose(back, "MUG", 1)
    shop.sim.returns.refund(order, {"MUG": 2})
    record = only(source, shop, order)
    name = record["name"]
    assert [(r["quantity"], r["fulfillment"]) for r in record["restocks"]] == [
        (1, f"{name}-F1"),
        (1, f"{name}-F1"),
        (1, f"{name}-F2"),
    ]


def test_dispositions_count_each_unit_once(source: Shopify, shop: Shop) -> None:
    before = shop.sim.stock.on_hand()
    order = shop.sim.orders.sell([("MUG", 5)], shop.main)
    shop.sim.orders.fulfil(order)
    back = shop.sim.returns.return_goods(order, {"MUG": 4})
    shop.sim.returns.dispose(back, "MUG", 4, "PROCESSING_REQUIRED")
    assert moved(only(source, shop, order)) == {("MUG", shop.main): -5}
    shop.sim.returns.dispose(back, "MUG", 2, "RESTOCKED", location=shop.east)
    shop.sim.returns.dispose(back, "MUG", 1, "MISSING")
    shop.sim.returns.refund(order, {"MUG": 3}, of=back)
    shop.sim.returns.dispose(back, "MUG", 1, "NOT_RESTOCKED")
    record = only(source, shop, order)
    assert sorted(r["kind"] for r in record["restocks"]) == ["MISSING", "NOT_RESTOCKED", "RESTOCKED"]
    assert moved(record) == change(shop, before) == {("MUG", shop.main): -5, ("MUG", shop.east): 2}


def test_an_exchange_is_a_return_and_another_shipment(source: Shopify, shop: Shop) -> None:
    before = shop.sim.stock.on_hand()
    order = shop.sim.orders.sell([("MUG", 2)], shop.main)
    shop.sim.orders.fulfil(order)
    back = shop.sim.returns.return_goods(order, {"MUG": 1}, exchange=[("BOWL", 1)])
    shop.sim.returns.dispose(back, "MUG", 1)
    shop.sim.orders.fulfil(order, {"BOWL": 1})
    record = only(source, shop, order)
    assert moved(record) == change(shop, before) == {("MUG", shop.main): -1, ("BOWL", shop.main): -1}


def test_a_cancelled_fulfilment_and_a_new_one(source: Shopify, shop: Shop) -> None:
    before = shop.sim.stock.on_hand()
    order = shop.sim.orders.sell([("MUG", 3)], shop.main)
    wrong = shop.sim.orders.fulfil(order)
    shop.sim.orders.cancel_fulfilment(wrong)
    assert moved(only(source, shop, order)) == {}
    assert change(shop, before) == {}
    assert shop.sim.stock.quantity("MUG", shop.main, "committed") == 3
    shop.sim.orders.fulfil(order, location=shop.east)
    assert moved(only(source, shop, order)) == change(shop, before) == {("MUG", shop.east): -3}


def test_edits_and_cancellations(source: Shopify, shop: Shop) -> None:
    before = shop.sim.stock.on_hand()
    order = shop.sim.orders.sell([("MUG", 3)], shop.main)
    shop.sim.orders.edit(order, add=[("BOWL", 2)], remove={"MUG": 1})
    shop.sim.orders.fulfil(order, {"MUG": 1, "BOWL": 1})
    shop.sim.orders.cancel(order)
    record = only(source, shop, order)
    assert record["cancelledAt"] is not None
    assert [(s["item"], s["quantity"], s["currentQuantity"]) for s in record["sales"]] == [
        ("MUG", 3, 1),
        ("BOWL", 2, 1),
    ]
    assert moved(record) == change(shop, before) == {("MUG", shop.main): -1, ("BOWL", shop.main): -1}
    assert shop.sim.stock.quantity("MUG", shop.main, "committed") == 0


def test_what_has_no_stock_moves_none(source: Shopify, shop: Shop) -> None:
    before = shop.sim.stock.on_hand()
    order = shop.sim.orders.sell(
        [("MUG", 1), ("CARD", 1), ("WRAP", 2), Line("", 1, "15.00", title="Engraving")], shop.main
    )
    shop.sim.orders.fulfil(order)
    shop.sim.returns.refund(order, {"WRAP": 1})
    record = only(source, shop, order)
    assert [s["stockless"] for s in record["sales"]] == ["", "gift card", "untracked item", "custom line"]
    assert moved(record) == change(shop, before) == {("MUG", shop.main): -1}


def test_a_bundle_is_its_components(source: Shopify, shop: Shop) -> None:
    shop.sim.stock.product("SET", price="30.00", bundle={"MUG": 2, "BOWL": 1})
    before = shop.sim.stock.on_hand()
    order = shop.sim.orders.sell([("SET", 2)], shop.main)
    shop.sim.orders.fulfil(order)
    record = only(source, shop, order)
    assert [(s["item"], s["quantity"], s["bundle"]) for s in record["sales"]] == [("MUG", 4, "SET"), ("BOWL", 2, "SET")]
    assert moved(record) == change(shop, before)


def test_test_orders_say_so(source: Shopify, shop: Shop) -> None:
    order = shop.sim.orders.sell([("MUG", 1)], shop.main, test=True)
    assert only(source, shop, order)["test"] is True


def test_amounts_are_the_shops_own_money(source: Shopify, shop: Shop) -> None:
    order = shop.sim.orders.sell([("MUG", 2)], shop.main, shown="JPY", rate="150")
    record = only(source, shop, order)
    assert (record["currency"], record["presentmentCurrency"], record["total"]) == ("USD", "JPY", "24.0")


# ── reading again and again ─────────────────────────────────────────────────────────────────────────────────────────
class Meddling(httpx.BaseTransport):
    """Somebody works in the shop between two requests."""

    def __init__(self, shop: Shop, orders: list[str]) -> None:
        self.inner = mounted(shop.sim)
        self.shop, self.orders, self.n = shop, orders, 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.n += 1
        if self.n % 3 == 0:
            self.shop.sim.clock.advance(2)
            self.shop.sim.orders.touch(self.orders[(self.n * 7) % len(self.orders)])
        return self.inner.handle_request(request)


def test_orders_that_move_while_we_read_are_neither_lost_nor_doubled(
    connect: Connect, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tieout_shopify.source.IDS_A_PAGE", 7)
    shop.sim.index_lag_seconds = 20
    orders = []
    for _ in range(40):
        orders.append(shop.sim.orders.sell([("MUG", 1)], shop.main))
        shop.sim.clock.advance(5)
    source = connect(Meddling(shop, orders), plan="plus")
    shop.sim.bucket.maximum, shop.sim.bucket.held = 20_000, 20_000.0
    seen: dict[str, dict[str, Any]] = {}
    cursor: str | None = START
    for _ in range(3):
        records, cursor = pulled(source, shop, "orders", cursor)
        for record in records:
            old = seen.get(record["id"])
            assert old is None or old["updatedAt"] <= record["updatedAt"]
            seen[record["id"]] = record
    assert set(seen) == set(orders)
    quiet = connect()
    records, cursor = pulled(quiet, shop, "orders", cursor)
    for record in records:
        seen[record["id"]] = record
    for order in orders:
        assert seen[order]["updatedAt"] == shop.sim.orders.order(order)["updatedAt"]
    again, _ = pulled(quiet, shop, "orders", cursor)
    assert {(r["id"], r["updatedAt"]) for r in again} <= {(r["id"], r["updatedAt"]) for r in seen.values()}


def test_the_cursor_never_runs_ahead_of_the_window(source: Shopify, shop: Shop) -> None:
    shop.sim.index_lag_seconds = 30
    order = shop.sim.orders.sell([("MUG", 1)], shop.main)
    shop.sim.clock.advance(300)
    shop.sim.orders.touch(order)  # newer than the index believes
    until = shop.sim.clock.utc()
    cursors = [page.cursor for page in source.pull("orders", START, until) if page.records]
    assert cursors
    assert max(cursors) <= until.isoformat().replace("+00:00", "Z")


# ── the first load ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_first_load_is_one_bulk_operation(source: Shopify, shop: Shop) -> None:
    orders = [shop.sim.orders.sell([("MUG", 1), ("BOWL", 2)], shop.main) for _ in range(30)]
    for order in orders[::3]:
        shop.sim.orders.fulfil(order)
    shop.sim.returns.refund(orders[0], {"MUG": 1})
    shop.sim.clock.advance(3_600)
    records, cursor = pulled(source, shop, "orders")
    by_pages, _ = pulled(source, shop, "orders", START)
    assert len(records) == 30
    assert newest(records) == newest(by_pages)
    assert len(list(shop.sim.book.all("BulkOperation"))) == 1
    shop.sim.orders.fulfil(orders[1])
    more, _ = pulled(source, shop, "orders", cursor)
    assert newest(more)[orders[1]]["fulfillments"]
    assert len(list(shop.sim.book.all("BulkOperation"))) == 1


def test_a_failed_bulk_operation_is_not_used(source: Shopify, shop: Shop) -> None:
    orders = {shop.sim.orders.sell([("MUG", 1)], shop.main) for _ in range(10)}
    shop.sim.bulk.fails_after = 5
    records, _ = pulled(source, shop, "orders")
    assert set(newest(records)) == orders


def test_an_interrupted_first_load_goes_on_with_its_operation(source: Shopify, shop: Shop) -> None:
    orders = {shop.sim.orders.sell([("MUG", 1)], shop.main) for _ in range(60)}
    shop.sim.clock.advance(600)
    pages = source.pull("orders", None, shop.sim.clock.utc())
    first = [next(pages), next(pages)]
    assert first[1].cursor.startswith("bulk:gid://")
    records, cursor = pulled(source, shop, "orders", first[1].cursor)
    assert set(newest(records)) == orders
    assert not cursor.startswith("bulk:")
    assert len(list(shop.sim.book.all("BulkOperation"))) == 1


def test_a_bulk_file_that_expired_leaves_it_to_the_pages(source: Shopify, shop: Shop) -> None:
    order = shop.sim.orders.sell([("MUG", 1)], shop.main)
    shop.sim.clock.advance(600)
    cursor = next(iter(source.pull("orders", None, shop.sim.clock.utc()))).cursor
    shop.sim.clock.advance(8 * 86_400)
    records, _ = pulled(source, shop, "orders", cursor)
    assert set(newest(records)) == {order}


def test_an_empty_shop_has_nothing_to_load(source: Shopify, shop: Shop) -> None:
    records, cursor = pulled(source, shop, "orders")
    assert records == []
    assert cursor > START


# ── money ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_was_agreed(connect: Connect, shop: Shop) -> None:
    source = connect(revenue=True)
    lines = [Line("MUG", 3, discount="6.00"), Line("", 1, "15.00", title="Engraving"), Line("CARD", 1)]
    order = shop.sim.orders.sell(
        lines, shop.main, shipping="5.00", tip="2.00", tax_rate="0.1", tenders={"gift_card": "10"}
    )
    shop.sim.orders.edit(order, add=[("BOWL", 1)], remove={"MUG": 1})
    record = only(source, shop, order)
    placed, added = record["placed"]
    assert [(x["item"], x["quantity"], x["amount"]) for x in placed["lines"]] == [("MUG", 3, "30.0")]
    assert (placed["shipping"], placed["tips"], placed["tax"], placed["services"]) == ("5.0", "2.0", "4.5", "15.0")
    assert [(x["item"], x["quantity"], x["amount"]) for x in added["lines"]] == [("BOWL", 1, "20.0")]
    (edit,) = record["edits"]
    assert [(x["item"], x["quantity"], x["amount"]) for x in edit["lines"]] == [("MUG", 2, "20.0")]
    assert [(p["gateway"], p["amount"]) for p in record["payments"]][:2] == [
        ("gift_card", "10.0"),
        ("shopify_payments", "96.5"),
    ]
    assert [card["amount"] for card in record["giftCards"]] == ["50.0"]


def test_more_than_a_page_takes_is_refused_rather_than_cut(source: Shopify, shop: Shop) -> None:
    order = shop.sim.orders.sell([("MUG", 11)], shop.main)
    shop.sim.orders.fulfil(order)
    for _ in range(11):
        shop.sim.returns.return_goods(order, {"MUG": 1})
    with pytest.raises(Fatal, match="more entries than one page"):
        pulled(source, shop, "orders", START)


def test_a_deleted_order_is_passed_by(connect: Connect, shop: Shop) -> None:
    order = shop.sim.orders.sell([("MUG", 1)], shop.main)
    other = shop.sim.orders.sell([("MUG", 1)], shop.main)

    class Deleting(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = mounted(shop.sim).handle_request(request)
            if b"TieoutChangedOrders" in request.content and shop.sim.book.get(f"gid://shopify/Order/{order}"):
                shop.sim.orders.delete(order)
            return answer

    records, _ = pulled(connect(Deleting()), shop, "orders", START)
    assert set(newest(records)) == {other}


def test_a_bulk_query_that_is_refused_is_drift(connect: Connect, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tieout_shopify.bulk.BULK_ORDERS", "query X { shop { id } }")
    with pytest.raises(Drift, match="at least one connection"):
        pulled(connect(), shop, "orders")
