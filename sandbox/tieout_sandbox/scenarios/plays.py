"""The named scenarios. Each plays a few days of one business and lets the house work in the evenings."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any, Final

from tieout_sandbox.scenarios.business import ZONE, Item
from tieout_sandbox.scenarios.stage import ITEMS, Scenario, Stage


def normal_day(stage: Stage) -> None:
    """A bit of everything: bought, sold in parts, returned, moved, counted, billed, paid out."""
    shop = stage.shop
    stage.open()
    stage.evening("the books open")
    stage.morning()
    moved = shop.dispatch("MUG", "20")
    receipts = stage.purchases(3)
    sold = stage.sales(6)
    stage.evening("a working day")
    stage.morning()
    shop.arrive(moved, "20")
    stage.bills(receipts)
    shop.freight(receipts[:2], "37.45")
    back = shop.returned(sold[0], "1", how="inspect")
    stage.sales(6)
    shop.adjust("VASE", "-2", "damage")
    shop.pay_out("412.10", "12.90")
    stage.evening("bills, a return, a payout")
    stage.morning()
    shop.decide(back, "sellable")
    shop.count({"VASE": str(shop.held("VASE") - 1), "LAMP": str(shop.held("LAMP"))})
    stage.house.restart()
    stage.evening("a count, after a restart")


def peak_sale(stage: Stage) -> None:
    """Fifty times the usual rate for a day: a normal day has four orders, this one two hundred."""
    stage.shop.open({"MUG": "2000", "PEN": "9000", "LAMP": "900", "CLOTH": "2500", "VASE": "4000"})
    stage.sales(4)
    stage.evening("a normal day")
    stage.morning()
    stage.sales(200)
    stage.evening("the sale")
    stage.morning()
    stage.purchases(4)
    stage.sales(4)
    stage.evening("the day after")


def returns(stage: Stage) -> None:
    """Refunded without goods, back on the shelf, inspected and scrapped, exchanged for something else."""
    shop = stage.shop
    stage.open()
    kept = shop.ship(("LAMP", "1"))
    whole = shop.ship(("MUG", "3"), ("CLOTH", "2.5"))
    broken = shop.ship(("VASE", "4"))
    swap = shop.ship(("MUG", "1"), channel="shop")
    stage.evening("sold")
    stage.morning(3)
    shop.returned(whole, "2")
    shop.returned(whole, "0.5", line=2)
    looked_at = shop.returned(broken, "3", how="inspect")
    shop.returned(swap, "1")
    shop.ship(("PEN", "5"), channel="shop")  # the exchange
    shop.pay_out("88.00", "2.10")  # net of the refund for what was never sent back
    stage.steps.append(f"{kept} was refunded and kept by the customer: no stock moves")
    stage.evening("back and exchanged")
    stage.morning(2)
    shop.decide(looked_at, "sellable", "2")
    shop.decide(looked_at, "scrap", "1")
    stage.evening("looked at")


def transfers(stage: Stage) -> None:
    """Dispatched, received in parts, one unit never found; one transfer still on the road at the end."""
    shop = stage.shop
    stage.open()
    first = shop.dispatch("MUG", "24")
    second = shop.dispatch("CLOTH", "40.5")
    stage.evening("on the road")
    stage.morning()
    shop.arrive(first, "10")
    shop.arrive(second, "40.5")
    stage.evening("partly there")
    stage.morning(2)
    shop.arrive(first, "13")
    shop.ship(("MUG", "5"), place="EAST")
    shop.dispatch("LAMP", "3")
    stage.evening("the rest, less one")
    stage.morning(5)
    shop.lose(first, "1")
    stage.evening("the lost unit is written off")


def cancellations(stage: Stage) -> None:
    """Cancelled before shipment (nothing was ever told), and after it was told as shipped; edited quantities."""
    shop = stage.shop
    stage.open()
    sold = [shop.ship(("MUG", "2")), shop.ship(("PEN", "7"), ("LAMP", "1")), *stage.sales(4)]
    stage.evening("sold")
    stage.morning()
    shop.cancel_shipment(sold[0])
    shop.edit_shipment(sold[1], "4")
    stage.evening("one cancelled, one edited")
    stage.morning()
    shop.edit_shipment(sold[1], "9")
    same_day = shop.ship(("VASE", "6"))
    shop.cancel_shipment(same_day)
    stage.evening("edited again; told and cancelled in one feed")


def backdated(stage: Stage) -> None:
    """Receipts and sales that turn up late and change what was already costed, posted and delivered."""
    shop = stage.shop
    shop.open({"MUG": "5", "LAMP": "3"})
    stage.evening("the books open")
    sold = []
    for _ in range(3):
        stage.morning()
        shop.receive("MUG", "6", "4.60")
        sold.append(shop.ship(("MUG", "4")))
        stage.evening("bought and sold")
    stage.morning()
    early = datetime.combine(stage.scenario.start, datetime.min.time(), ZONE) + timedelta(hours=10)
    late = shop.receive("MUG", "12", "3.10", at=early)
    shop.ship(("LAMP", "2"), at=early + timedelta(days=1))
    stage.evening("a cheap receipt from the first day")
    stage.morning()
    shop.bill(late, "3.35", at=early + timedelta(days=1))
    shop.edit_shipment(sold[0], "3")
    stage.evening("its bill, and an older sale corrected")


def made(stage: Stage) -> None:
    """A virtual bundle sold as its parts, kits built and taken apart, a production order through work in process."""
    shop = stage.shop
    for sku, quantity in (("MUG", "100"), ("PEN", "300"), ("CLAY", "500")):
        shop.open({sku: quantity})
    stage.evening("the books open")
    stage.morning()
    # as many parts as kits: the journal counts a part's units on the kit, so a kit of several parts does not tie to stock yet
    shop.assemble("KIT", "10", {"MUG": "10"})
    shop.produce("MO-1", CLAY="120")
    bundle = shop.ship(("SET", "3"))
    stage.evening("kits built, clay issued, bundles sold")
    stage.morning()
    shop.produce("MO-1", ("POT", "40"))
    shop.ship(("KIT", "4"), ("POT", "15"))
    shop.edit_shipment(bundle, "2")
    stage.evening("pots made, kits and pots sold, a bundle less")
    stage.morning()
    shop.assemble("KIT", "2", {"MUG": "2"}, apart=True)
    stage.evening("two kits taken apart")


def intercompany(stage: Stage) -> None:
    """Two companies: one sells to the other; a leg waits for its partner, and both books tie out."""
    north, south = stage.businesses
    north.open({"MUG": "80"})
    south.open({"MUG": "2"})
    stage.evening("the books open")
    stage.morning()
    for number, quantity in (("IC-1", "12"), ("IC-2", "5")):
        north.move("MUG", "MAIN", f"-{quantity}")
        line = {"item": "MUG", "quantity": quantity, "location": "MAIN", "unit_price": "6.00"}
        north.tell("intercompany.shipped", number, [line], party="south")
        south.move("MUG", "MAIN", quantity)
        south.tell("intercompany.received", number, [line], party="north")
    north.ship(("MUG", "3"))
    stage.evening("goods between affiliates")
    stage.morning()
    south.ship(("MUG", "9"))
    stage.evening("sold on")
    stage.house.retry()
    stage.evening("and looked at again")


def counts(stage: Stage) -> None:
    """Counts that agree, that are short, that find more, and one of an item on its way."""
    shop = stage.shop
    stage.open()
    stage.sales(5)
    shop.count({sku: str(shop.held(sku)) for sku in ("MUG", "PEN")})
    stage.evening("all there")
    stage.morning()
    shop.dispatch("MUG", "6")
    shop.count({"MUG": str(shop.held("MUG") - 2), "VASE": str(shop.held("VASE") + 3)})
    shop.adjust("PEN", "-4", "theft")
    shop.adjust("CLOTH", "1.5", "found")
    stage.evening("short and over")
    stage.morning()
    shop.count({"MUG": str(shop.held("MUG") + 2)})
    stage.sales(4)
    stage.evening("found again")


def closed_period(stage: Stage) -> None:
    """The ledger closes January while late January documents are still to come: they go into the open month."""
    shop = stage.shop
    stage.open()
    sold = stage.sales(4)
    receipts = stage.purchases(2)
    stage.evening("a day in January")
    stage.today = date(2026, 2, 2)
    stage.morning()
    for books in stage.house.books.values():
        books.lock(date(2026, 1, 31))
    late = datetime(2026, 1, 30, 11, tzinfo=ZONE)
    shop.receive("MUG", "8", "3.70", at=late)
    shop.ship(("VASE", "3"), at=late + timedelta(hours=1))
    stage.bills(receipts)
    stage.evening("January is closed in the ledger, and late papers come")
    stage.morning()
    shop.edit_shipment(sold[0], "1")
    stage.sales(3)
    stage.evening("an old sale corrected")


def vendor_outage(stage: Stage) -> None:
    """The ledger is away for two days, with the grant's hour long over; the backlog goes out once it is back."""
    shop = stage.shop
    stage.open()
    stage.evening("the books open")
    rates = stage.house.faults.rates
    for day in range(2):
        stage.morning()
        stage.house.faults.rates = {"error_before": 0.7, "timeout_before": 0.3}  # ratio
        stage.sales(4)
        stage.purchases(1)
        stage.evening(f"the ledger is away, day {day + 1}", settle=False)
    stage.house.faults.rates = rates
    stage.house.restart()
    stage.morning()
    shop.adjust("MUG", "-1", "damage")
    stage.evening("it is back")


def cut_over(stage: Stage) -> None:
    """Migration: opening stock from the old system, proved; what the old system still reports before go-live is known."""
    shop, house = stage.shop, stage.house
    go_live = stage.today
    rows = []
    for sku, quantity, value in (("MUG", "50", "205.00"), ("LAMP", "11", "350.90"), ("VASE", "200", "198.00")):
        shop.move(sku, "MAIN", quantity)
        rows.append(f"{sku},MAIN,{quantity},{value}")
    path = house.folder / "opening.csv"
    path.write_text("\n".join(["item,location,quantity,value", *rows]) + "\n")
    house.until(stage.today, hour=7)
    house.work.cutover(path, go_live=go_live.isoformat())
    stage.steps.append(f"{go_live} cut-over")
    shop.day(go_live)
    shop.ship(("MUG", "4"))
    stage.evening("the first day")
    for _ in range(2):
        stage.morning()
        shop.ship(("VASE", "7"), ("LAMP", "1"))
        shop.receive("MUG", "10", "4.35")
        stage.evening("a day after go-live")


def edges(stage: Stage) -> None:
    """Clock changes, a leap day, JPY without and KWD with three decimals, huge and tiny quantities."""
    shop = stage.shop
    shop.open({"MUG": "100", "GRAIN": "5000000", "GOLD": "0.5"})
    stage.evening("the books open")
    stage.today = date(2028, 2, 28)
    stage.morning()
    shop.ship(("MUG", "1"))
    shop.receive("MUG", "30", "612", currency="JPY", rate="0.0067")
    shop.receive("MUG", "7", "1.275", currency="KWD", rate="3.2531")
    stage.evening("29 February")
    stage.today = date(2028, 3, 11)
    stage.morning()
    night = datetime(2028, 3, 12, 1, 59, tzinfo=ZONE)
    shop.ship(("GRAIN", "1234567.000001"), at=night)
    shop.ship(("GOLD", "0.000001"), at=night + timedelta(minutes=62))
    shop.receive("GOLD", "0.000003", "60000.00")
    stage.evening("an hour that does not exist")
    stage.today = date(2028, 11, 4)
    stage.morning()
    stage.house.until(stage.today, hour=7)
    stage.house.log_in()  # the refresh token did not live that long
    shop.ship(("GOLD", "0.123456"), at=datetime(2028, 11, 5, 1, 30, tzinfo=ZONE))
    shop.ship(("GOLD", "0.000044"), at=datetime(2028, 11, 5, 1, 30, tzinfo=ZONE, fold=1))
    shop.adjust("GRAIN", "-3765432.999999", "damage")
    stage.evening("an hour that comes twice")


_FACTS: Any = {
    "boms": [
        {"item": "SET", "component": "MUG", "quantity": "1"},
        {"item": "SET", "component": "PEN", "quantity": "2"},
    ],
    "prices": [{"item": "MUG", "price": "9.00"}, {"item": "PEN", "price": "3.00"}],
}
_MADE = (
    *ITEMS,
    Item("CLAY", "0.40", unit="kg", kind="raw"),
    Item("POT", "6.00"),
    Item("KIT", "8.00"),
    Item("SET", "6.50", kind="bundle"),
)
_EDGE = (Item("MUG", "4.00"), Item("GRAIN", "0.01", unit="kg"), Item("GOLD", "61234.56", unit="kg"))

SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "normal_day",
            "a normal week of a shop",
            normal_day,
            "opening.loaded purchase.received purchase.billed landed_cost.billed order.fulfilled return.received return.dispositioned stock.adjusted count.approved transfer.dispatched transfer.received payout.paid",
        ),
        Scenario(
            "peak_sale", "fifty times the usual rate", peak_sale, "opening.loaded purchase.received order.fulfilled"
        ),
        Scenario(
            "returns",
            "returns, inspections and exchanges",
            returns,
            "opening.loaded order.fulfilled return.received return.dispositioned payout.paid",
        ),
        Scenario(
            "transfers",
            "transfers, with a lost unit",
            transfers,
            "opening.loaded order.fulfilled transfer.dispatched transfer.received transfer.closed_short",
        ),
        Scenario("cancellations", "cancelled and edited documents", cancellations, "opening.loaded order.fulfilled"),
        Scenario(
            "backdated",
            "papers that come late",
            backdated,
            "opening.loaded purchase.received purchase.billed order.fulfilled",
        ),
        Scenario(
            "made",
            "bundles, kits and work in process",
            made,
            "opening.loaded order.fulfilled kit.assembled kit.disassembled production.issued production.completed",
            _MADE,
            {"SET": {"MUG": "1", "PEN": "2"}},
            facts=json.dumps(_FACTS),
        ),
        Scenario(
            "intercompany",
            "two companies trade",
            intercompany,
            "opening.loaded order.fulfilled intercompany.shipped intercompany.received",
            companies=("north", "south"),
        ),
        Scenario(
            "counts",
            "stock counts",
            counts,
            "opening.loaded order.fulfilled stock.adjusted count.approved transfer.dispatched",
        ),
        Scenario(
            "closed_period",
            "late papers into closed books",
            closed_period,
            "opening.loaded purchase.received purchase.billed order.fulfilled",
        ),
        Scenario(
            "vendor_outage",
            "the ledger is away",
            vendor_outage,
            "opening.loaded purchase.received order.fulfilled stock.adjusted",
        ),
        Scenario(
            "cut_over",
            "a migration with opening stock",
            cut_over,
            "purchase.received order.fulfilled",
            start=date(2026, 3, 2),
        ),
        Scenario(
            "edges",
            "clocks, currencies, huge and tiny",
            edges,
            "opening.loaded purchase.received order.fulfilled stock.adjusted",
            _EDGE,
            start=date(2028, 2, 21),
        ),
    )
}
