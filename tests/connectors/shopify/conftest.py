"""A shop with two locations and a few items, and the connector mounted on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from tests.http.vendor import MemoryVault

from tieout import Context, Http
from tieout_sandbox.simulators.app import mounted
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.shopify import ShopifySim
from tieout_shopify import Shopify
from tieout_shopify.config import ShopifyConfig


class Shop(NamedTuple):
    """The simulator, and the numbers of its two locations."""

    sim: ShopifySim
    main: str
    east: str


def opened(**how: Any) -> Shop:
    sim = ShopifySim(clock=SimClock(datetime(2026, 10, 1, 9, tzinfo=UTC)), **how)
    main, east = sim.stock.location("Main"), sim.stock.location("East")
    for sku, price, cost in (("MUG", "12.00", "4.00"), ("BOWL", "20.00", "7.50"), ("PLATE", "9.00", "3.00")):
        sim.stock.product(sku, price=price, cost=cost)
        sim.stock.receive_goods(sku, main, 40)
        sim.stock.receive_goods(sku, east, 10)
    sim.stock.product("CARD", price="50.00", cost=None, gift_card=True)
    sim.stock.product("WRAP", price="2.00", tracked=False)
    sim.clock.advance(3_600)
    return Shop(sim, main, east)


@pytest.fixture
def shop() -> Shop:
    return opened()


Connect = Callable[..., Shopify]


@pytest.fixture
def connect(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Connect]:
    monkeypatch.setenv("SHOP_TOKEN", "shpat_sandbox")
    monkeypatch.setenv("SHOP_ID", "client")
    monkeypatch.setenv("SHOP_SECRET", "secret")
    made: list[Shopify] = []

    def connected(
        transport: httpx.BaseTransport | None = None, vault: MemoryVault | None = None, **more: Any
    ) -> Shopify:
        given = {"shop": "demo.myshopify.com", **({} if "client_id" in more else {"token": "env:SHOP_TOKEN"}), **more}
        context = Context(
            connection="shop",
            company="ACME",
            currency="USD",
            config=ShopifyConfig.model_validate(given),
            root=tmp_path,
            now=shop.sim.clock.utc,
            http=partial(
                Http,
                hosts=Shopify.manifest.hosts,
                vault=vault or MemoryVault(),
                transport=transport or mounted(shop.sim),
                now=shop.sim.clock.now,
                sleep=shop.sim.clock.sleep,
            ),
        )
        made.append(Shopify(context))
        return made[-1]

    yield connected
    for source in made:
        source.http.close()


@pytest.fixture
def source(connect: Connect) -> Shopify:
    return connect()


def pulled(source: Shopify, shop: Shop, stream: str, cursor: str | None = None) -> tuple[list[Any], str]:
    """Everything a pull yields a little later, when the index has caught up; and the last cursor."""
    shop.sim.clock.advance(300)
    records: list[Any] = []
    last = cursor or ""
    for page in source.pull(stream, cursor, shop.sim.clock.utc()):
        records += page.records
        last = page.cursor
    return records, last


def newest(records: list[Any], key: str = "id") -> dict[str, Any]:
    """The last state of each record, as landing leaves it."""
    return {record[key]: record for record in records}
