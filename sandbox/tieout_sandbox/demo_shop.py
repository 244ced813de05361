"""The demonstration over HTTP: a Shopify shop's fortnight into QuickBooks or Xero, both simulated on loopback, faults on."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tieout_sandbox.demo_stage import MARKER, PARTLY_DONE, UNAVAILABLE, Failed, Stage, fresh
from tieout_sandbox.scenarios import ledgers
from tieout_sandbox.simulators.app import serve
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.faults import Faults
from tieout_sandbox.simulators.shopify import ShopifySim
from tieout_sandbox.simulators.shopify.app import TOKEN
from tieout_sandbox.simulators.shopify.lines import Line

# No fault that keeps a person waiting: time-outs last a minute, and a page byte by byte longer.
RATES: Final = {
    "throttled": 0.03,  # ratio
    "error_before": 0.04,  # ratio
    "error_after": 0.04,  # ratio
    "server_error_after": 0.03,  # ratio
    "reset_before": 0.03,  # ratio
    "reset_after": 0.03,  # ratio
    "truncated": 0.03,  # ratio
    "html": 0.02,  # ratio
    "expired_token": 0.02,  # ratio
}
RUNS_MAX: Final = 12
DAYS: Final = 12
ITEMS: Final = (("MUG", "12.00", "4.00"), ("BOWL", "20.00", "7.50"), ("PLATE", "9.00", "3.00"))
STREAMS: Final = ("orders", "transfers", "adjustments")


class Vendors:
    """Shop and ledger on one running clock that reaches the present when the trading is done."""

    def __init__(self, ledger: str, folder: Path) -> None:
        self.clock = SimClock(datetime.now(UTC) - timedelta(days=DAYS), running=True)
        self.shop = ShopifySim(clock=self.clock, plan="plus", path=folder / "shopify.db")
        self.shop.bulk.work_seconds = 1
        self.books = ledgers.make(ledger, self.clock, Faults(), folder / f"{ledger}-main.db")
        self.dice = random.Random(7)
        stock = self.shop.stock
        self.main, self.east = stock.location("Main"), stock.location("East")
        for sku, price, cost in ITEMS:
            stock.product(sku, price=price, cost=cost)
            stock.receive_goods(sku, self.main, 60)
            stock.receive_goods(sku, self.east, 20)
        self.sold = ""

    def trade(self, days: int) -> None:
        """Orders, parts of them shipped, refunds, returns, an exchange, edits, cancellations, transfers, a count."""
        shop, dice = self.shop, self.dice
        for day in range(days):
            for n in range(5):
                sku, other = dice.sample([item[0] for item in ITEMS], 2)
                order = shop.orders.sell([Line(sku, 3), Line(other, 1)], dice.choice((self.main, self.east)))
                self.clock.advance(1_200)
                self._order(order, sku, other, (day * 5 + n) % 8)
            if day % 3 == 0:
                sent = shop.transfers.ship(shop.transfers.transfer(self.main, self.east, {"MUG": 4, "BOWL": 2}))
                self.clock.advance(7_200)
                shop.transfers.receive(sent, {"MUG": 3, "BOWL": 2}, {"MUG": 1} if day % 2 else None)
            if day % 4 == 1:
                shop.stock.adjust("BOWL", self.main, -1, reason="shrinkage")
            if day % 5 == 2:
                for item, _, _ in ITEMS:
                    shop.stock.receive_goods(item, self.main, 30, cost=f"{4 + day % 3}.25")
            self.clock.advance(timedelta(hours=12))

    def _order(self, order: str, sku: str, other: str, kind: int) -> None:
        shop = self.shop
        if kind == 0:
            shop.orders.cancel(order)
            return
        if kind == 1:
            shop.orders.edit(order, add=[("PLATE", 1)], remove={sku: 1})
        shop.orders.fulfil(order, {sku: 1})
        if kind == 3:
            return
        self.clock.advance(60)
        shop.orders.fulfil(order)
        self.clock.advance(3_600)
        if kind == 4:
            shop.returns.refund(order, {sku: 1}, location=self.main)
        elif kind == 5:
            back = shop.returns.return_goods(order, {sku: 2})
            shop.returns.dispose(back, sku, 1)
            shop.returns.dispose(back, sku, 1, "MISSING")
            shop.returns.close(back)
        elif kind == 6:
            back = shop.returns.return_goods(order, {sku: 1}, exchange=[(other, 1)])
            shop.returns.dispose(back, sku, 1)
            shop.orders.fulfil(order, {other: 1})
        elif kind == 7:
            self.sold = str(shop.orders.order(order)["name"])

    def faults(self) -> Counter[str]:
        return self.shop.faults.happened + self.books.sim.faults.happened


def project(folder: Path, vendors: Vendors, shop: str, books: str, ledger: str) -> None:
    """The project folder of the demonstration."""
    token = "/oauth2/v1/tokens/bearer" if ledger == "quickbooks" else "/connect/token"
    root = books if ledger == "quickbooks" else f"{books}/api.xro/2.0"
    parts = [
        '[project]\nname = "Shop"\nstore = "sqlite:///tieout.db"\n',
        '[companies.main]\nlegal_name = "Shop Inc."\ncurrency = "USD"\ntimezone = "America/New_York"\nledger = "books"',
        'items_file = "items.csv"\nlocations_file = "locations.csv"\naccounts_file = "accounts.csv"\n',
        '[[companies.main.policies]]\ncost_method = "fifo"\n',
        f'[connections.shop]\nid = "shop"\nconnector = "shopify"\ncompany = "main"\nshop = "{vendors.shop.shop}"',
        f'api_url = "{shop}"\ntoken = "file:shop.token"\nplan = "plus"\nrevenue = false\n',
        *(f'[[connections.shop.streams]]\nname = "{n}"\nmapping = "shipped:shopify_{n}"\n' for n in STREAMS),
        '[[connections.shop.streams]]\nname = "stock"\n',
        '[connections.books]\nid = "books"\ncompany = "main"\nclient_id = "file:client.id"',
        f'client_secret = "file:client.secret"\napi_url = "{root}"\ntoken_url = "{books}{token}"',
        vendors.books.config(date.today() - timedelta(days=DAYS)),
    ]
    (folder / "tieout.toml").write_text("\n".join(parts))
    rows = [f"{role},{account}" for role, account in ledgers.accounts(ledger).items()]
    (folder / "accounts.csv").write_text("\n".join(["role,account", *rows]) + "\n")
    items = "".join(f"{sku},{sku.title()},goods,each\n" for sku, _, _ in ITEMS)
    (folder / "items.csv").write_text("sku,name,category,stock_unit\n" + items)
    places = f"{vendors.main},Main,warehouse\n{vendors.east},East,warehouse\n"
    (folder / "locations.csv").write_text("code,name,kind\n" + places)
    for name, text in (("client.id", "client"), ("client.secret", "secret"), ("shop.token", TOKEN)):
        (folder / name).write_text(text)


def settle(stage: Stage) -> dict[str, Any]:
    """`tieout run`, as a schedule would, until nothing is on its way."""
    answer: dict[str, Any] = {}
    for number in range(RUNS_MAX):
        answer = stage.json("run", "--seal-now", allowed=(0, 3, PARTLY_DONE, UNAVAILABLE))
        sent, held = answer["delivered"], answer["pulled"]["held"]
        stage.tell(
            f"run {number + 1}: {answer['posted']['events']} events, {sent['posted']} documents delivered, "
            f"{sent['waiting'] + sent['unknown']} on their way" + (f"; {sent['stopped']}" if sent["stopped"] else "")
        )
        if not (sent["stopped"] or sent["waiting"] or sent["unknown"] or held):
            return answer
        if "TO6205" in str(sent["stopped"]):
            stage.tell("a rotated token was lost on its way, so a person consents anew")
            stage.consent()
        time.sleep(1)
    raise Failed(f"after {RUNS_MAX} runs something is still on its way")


def play(stage: Stage, ledger: str) -> None:
    with ExitStack() as stack:
        _play(stage, ledger, stack)


def _play(stage: Stage, ledger: str, stack: ExitStack) -> None:
    name = {"quickbooks": "QuickBooks", "xero": "Xero"}[ledger]
    stage.title(f"A shop's first week in simulated Shopify, and {name}; both answer over HTTP, and both fail at times")
    fresh(stage.folder)
    vendors = Vendors(ledger, stage.folder)
    vendors.trade(DAYS // 2)
    shop, books = stack.enter_context(serve(vendors.shop)), stack.enter_context(serve(vendors.books.sim))
    project(stage.folder, vendors, shop, books, ledger)
    (stage.folder / MARKER).write_text("made by `make demo`; may be deleted\n")
    asked: Any = vendors.books.sim
    stage.consent = lambda: stage.tieout("sandbox", "connect", "books", "--code", asked.grants.consent(), show=False)
    stage.consent()
    stage.tieout("check")
    # a shop's fixed token that is refused is revoked: nothing but a person helps, so that fault is the ledger's only
    vendors.shop.faults = Faults(11, {name: rate for name, rate in RATES.items() if name != "expired_token"})
    vendors.books.sim.faults = Faults(12, RATES)
    stage.title("The main job: orders, transfers and adjustments in; journals out; tie out")
    settle(stage)

    stage.title("The rest of the fortnight: refunds, returns, an exchange, edits, cancellations, a lost unit")
    vendors.trade(DAYS // 4)
    settle(stage)

    stage.title("Once more with nothing new: nothing may happen")
    again = settle(stage)
    if again["posted"]["bookings"] or again["delivered"]["posted"]:
        raise Failed("a run without news posted something")

    stage.title(f"What {name} itself holds, and what went wrong on the way there")
    vendors.shop.faults, vendors.books.sim.faults = _quiet(vendors.shop.faults), _quiet(vendors.books.sim.faults)
    _weigh(stage, vendors, name)
    stage.title("Where everything stands")
    stage.tieout("status")
    status = stage.json("status")
    if not status["tied_out"] or not stage.json("reconcile")["tied_out"]:
        raise Failed("the books do not tie out")
    print(f"\nunexplained {status['unexplained']}   ({time.monotonic() - stage.started:.0f} s in all)")


def _quiet(faults: Faults) -> Faults:
    faults.rates = {}
    return faults


def _weigh(stage: Stage, vendors: Vendors, name: str) -> None:
    """The ledger's own books against the journal: each entry exactly once, each account to the cent."""
    text = str(stage.json("export", "jsonl")["text"])
    journal = [json.loads(line, parse_float=Decimal) for line in text.splitlines() if line]
    times = Counter(held.reference for held in vendors.books.held())
    lost = sum(document["reference"] not in times for document in journal)
    doubled = sum(count - 1 for count in times.values())
    sums: Counter[str] = Counter()
    for document in journal:
        for line in document["lines"]:
            sums[line["account"]] += line["amount"]
    wrong = [a for a in {*sums, *vendors.books.balances()} if vendors.books.balances().get(a, 0) * 100 != sums[a]]
    happened = vendors.faults()
    stage.tell(
        f"{sum(happened.values())} calls went wrong: {', '.join(f'{k} {n}' for k, n in sorted(happened.items()))}"
    )
    calls = len(vendors.shop.requests) + len(vendors.books.sim.requests)
    stage.tell(f"{calls} requests; {len(journal)} entries; {name} holds {sum(times.values())} documents")
    stage.tell(f"lost {lost}, doubled {doubled}, accounts that differ {len(wrong)}")
    if lost or doubled or wrong:
        raise Failed(f"{name} does not hold what the journal says")


def ledger_wanted() -> str:
    """`DEMO`: files (the default), quickbooks, or xero."""
    return os.environ.get("DEMO") or "files"
