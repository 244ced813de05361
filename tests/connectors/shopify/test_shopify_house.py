"""A busy fortnight in the shop, through the whole house into a beancount ledger: everything ties out, and again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.connectors.shopify.conftest import Shop, opened

from tieout.workspace import Workspace
from tieout_sandbox.simulators.app import mounted
from tieout_sandbox.simulators.shopify.lines import Line

PROJECT = """
[project]
name = "Shop"
store = "sqlite:///tieout.db"

[companies.main]
legal_name = "Shop Inc."
currency = "USD"
timezone = "America/New_York"
ledger = "books"
items_file = "items.csv"
locations_file = "locations.csv"
accounts_template = "beancount"

[[companies.main.policies]]
cost_method = "fifo"
revenue_trigger = "{trigger}"

[connections.shop]
id = "shop"
connector = "shopify"
company = "main"
shop = "demo.myshopify.com"
token = "env:SHOP_TOKEN"
plan = "plus"
revenue = {revenue}

[connections.books]
id = "books"
connector = "beancount"
company = "main"
path = "books.beancount"
"""
STREAM = """
[[connections.shop.streams]]
name = "{name}"
mapping = "shipped:shopify_{name}"
"""
STOCK = """
[[connections.shop.streams]]
name = "stock"
"""


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("SHOP_TOKEN", "shpat_sandbox")
    made = opened(plan="plus")
    made.sim.bulk.work_seconds = 30
    return made


def project(folder: Path, shop: Shop, trigger: str = "external") -> None:
    streams = ["orders", "transfers", "adjustments"] + (["payouts"] if trigger != "external" else [])
    text = PROJECT.format(trigger=trigger, revenue="true" if trigger != "external" else "false")
    (folder / "tieout.toml").write_text(text + "".join(STREAM.format(name=name) for name in streams) + STOCK)
    items = "".join(f"{sku},{sku.title()},goods,each\n" for sku in ("MUG", "BOWL", "PLATE"))
    (folder / "items.csv").write_text("sku,name,category,stock_unit\n" + items)
    places = f"{shop.main},Main,warehouse\n{shop.east},East,warehouse\n"
    (folder / "locations.csv").write_text("code,name,kind\n" + places)


def opened_at(folder: Path, shop: Shop) -> Workspace:
    work = Workspace.open(folder, actor="ann")
    desk = work.office("main").desk
    desk.transports["shop"] = mounted(shop.sim)
    desk.now = shop.sim.clock.utc
    desk.sleep = shop.sim.clock.sleep
    return work


@pytest.fixture
def house(tmp_path: Path, shop: Shop) -> Iterator[Workspace]:
    project(tmp_path, shop)
    with opened_at(tmp_path, shop) as work:
        yield work


def busy(shop: Shop, days: int, seed: int = 1) -> None:
    """Days of trade: orders, partial shipments, refunds, returns, exchanges, edits, cancellations, transfers, counts."""
    sim, dice = shop.sim, random.Random(seed)
    places = (shop.main, shop.east)
    for day in range(days):
        for n in range(4):
            sku, other = dice.sample(["MUG", "BOWL", "PLATE"], 2)
            basket = [Line(sku, dice.randint(2, 4)), Line(other, 1)]
            if n == 1:
                basket += [Line("CARD", 1), Line("WRAP", 1), Line("", 1, "5.00", title="Engraving")]
            order = sim.orders.sell(
                basket, dice.choice(places), shipping="4.90", tax_rate="0.1", test=n == 3 and day == 2
            )
            sim.clock.advance(600)
            kind = (day * 4 + n) % 8
            if kind == 0:
                sim.orders.cancel(order)
                continue
            if kind == 1:
                sim.orders.edit(order, add=[("PLATE", 1)], remove={sku: 1})
            if kind == 2:
                sim.orders.cancel_fulfilment(sim.orders.fulfil(order))
            sim.orders.fulfil(order, {sku: 1}, location=dice.choice(places))
            if kind == 3:
                continue
            sim.clock.advance(60)
            sim.orders.fulfil(order)
            sim.clock.advance(3_600)
            if kind == 4:
                sim.returns.refund(order, {sku: 1}, location=dice.choice(places), shipping="1.00")
            if kind == 5:
                back = sim.returns.return_goods(order, {sku: 2})
                sim.returns.dispose(back, sku, 1, location=shop.east)
                sim.returns.dispose(back, sku, 1, "MISSING")
                sim.returns.refund(order, {sku: 1}, of=back)
                sim.returns.close(back)
            if kind == 6:
                back = sim.returns.return_goods(order, {sku: 1}, exchange=[(other, 1)])
                sim.returns.dispose(back, sku, 1)
                sim.orders.fulfil(order, {other: 1})
            if kind == 7:
                sim.returns.refund(order, extra="1.50")
        if day % 3 == 0:
            shipment = sim.transfers.ship(sim.transfers.transfer(shop.main, shop.east, {"MUG": 4, "BOWL": 2}))
            sim.clock.advance(7_200)
            sim.transfers.receive(shipment, {"MUG": 3, "BOWL": 2}, {"MUG": 1} if day % 2 else None)
        if day % 4 == 1:
            sim.stock.adjust("BOWL", shop.main, -1, reason="shrinkage")
            sim.stock.move("PLATE", shop.main, 2, "available", "quality_control", reason="quality_control")
        if day % 5 == 2:
            for sku in ("MUG", "BOWL", "PLATE"):
                for place in places:
                    sim.stock.receive_goods(sku, place, 20, cost=f"{4 + day % 3}.25")
        sim.clock.advance(timedelta(hours=18))
    sim.clock.advance(timedelta(hours=1))


def judged(work: Workspace, shop: Shop, answer: dict[str, Any]) -> dict[str, Any]:
    """The tie-out of a run, against the shop's own books."""
    assert work.exceptions()["exceptions"] == []
    (found,) = answer["companies"]
    assert (found["tied_out"], found["unexplained"], found["differences"]) == (True, "0.00", [])
    held: dict[str, int] = {}
    for (_, location), units in shop.sim.stock.on_hand().items():
        held[location] = held.get(location, 0) + units
    for row in found["locations"]:
        assert int(row["source"]) == int(row["subledger"]) == held[row["location"]]
    return dict(found)


def balances(answer: dict[str, Any]) -> dict[str, str]:
    return {row["account"]: row["ledger"] for row in answer["companies"][0]["accounts"]}


def test_a_busy_fortnight_ties_out_and_again(house: Workspace, shop: Shop, tmp_path: Path) -> None:
    for week in range(2):
        busy(shop, 7, seed=week)
        answer = house.run(seal_now=True)
        judged(house, shop, answer)
        assert answer["posted"]["entries"] > 0
    for _ in range(2):
        again = house.run(seal_now=True)
        judged(house, shop, again)
        assert (again["posted"]["bookings"], again["posted"]["entries"]) == (0, 0)
    other = tmp_path / "other"
    other.mkdir()
    project(other, shop)
    with opened_at(other, shop) as work:  # a house that hears of it all at once has the same books
        late = work.run(seal_now=True)
        judged(work, shop, late)
        assert balances(late) == balances(again)


@pytest.fixture
def seller(tmp_path: Path, shop: Shop) -> Iterator[Workspace]:
    project(tmp_path, shop, "shipment")
    with opened_at(tmp_path, shop) as work:
        yield work


EXPECTED = {
    "Income:Revenue": Decimal("-44.00"),
    "Income:Shipping-Revenue": Decimal("-5.00"),
    "Income:Sales-Returns": Decimal("17.00"),  # a mug, and the shipping
    "Liabilities:Output-Tax": Decimal("-3.20"),
    "Liabilities:Gift-Card-Liability": Decimal("-40.00"),  # a card of 50 sold, 10 of another used
    "Liabilities:Customer-Deposits": None,
    "Assets:Receivable": None,
    "Assets:Payment-Clearing": None,  # everything the gateway took was paid out
    "Assets:Bank-Clearing": Decimal("71.89"),
    "Expenses:Payment-Fees": Decimal("3.31"),
}


def ledger(folder: Path) -> dict[str, Decimal]:
    """Balances of the beancount file, read as text by nobody of ours."""
    from beancount import loader

    entries, errors, _ = loader.load_file(str(folder / "books.beancount"))
    assert errors == []
    sums: dict[str, Decimal] = {}
    for entry in entries:
        for posting in getattr(entry, "postings", ()):
            sums[posting.account] = sums.get(posting.account, Decimal(0)) + posting.units.number
    return {account: amount for account, amount in sums.items() if amount}


def test_revenue_tenders_and_payouts(seller: Workspace, shop: Shop, tmp_path: Path) -> None:
    sim = shop.sim
    order = sim.orders.sell(
        [("MUG", 2), ("BOWL", 1)], shop.main, shipping="5.00", tax_rate="0.1", tenders={"gift_card": "10"}
    )
    sim.clock.advance(60)
    sim.orders.fulfil(order, {"MUG": 1})
    sim.clock.advance(86_400)
    sim.orders.fulfil(order)
    sim.clock.advance(86_400)
    sim.returns.refund(order, {"MUG": 1}, shipping="5.00")
    card = sim.orders.sell([("CARD", 1)], shop.main)
    sim.orders.fulfil(card)
    sim.clock.advance(60)
    payout = sim.payments.pay_out()
    assert payout
    sim.clock.advance(86_400)
    answer = seller.run(seal_now=True)
    judged(seller, shop, answer)
    books = ledger(tmp_path)
    assert {account: books.get(account) for account in EXPECTED} == EXPECTED
    again = seller.run(seal_now=True)
    assert again["posted"]["bookings"] == 0
