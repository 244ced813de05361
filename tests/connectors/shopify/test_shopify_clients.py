"""Shopify's own Python client works against the simulator as it is, over a socket; and the simulator keeps Shopify's rules."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.connectors.shopify.conftest import Shop

from tieout_sandbox.simulators.app import mounted, serve

SET = """
mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id changes { name delta quantityAfterChange } }
    userErrors { code field message }
  }
}
"""


@pytest.fixture
def url(shop: Shop) -> Iterator[str]:
    with serve(shop.sim) as address:
        yield address


def test_shopify_api_client(url: str, shop: Shop) -> None:
    shopify = pytest.importorskip("shopify")
    logging.getLogger("pyactiveresource").setLevel(logging.ERROR)
    order = shop.sim.orders.sell([("MUG", 2)], shop.main)
    shop.sim.orders.fulfil(order)
    shopify.ShopifyResource.activate_session(shopify.Session("demo.myshopify.com", "2026-10", "shpat_sandbox"))
    shopify.ShopifyResource.set_site(f"{url}/admin/api/2026-10")
    try:
        client = shopify.GraphQL()
        query = "query Q($n: Int!) { orders(first: $n) { nodes { id name fulfillments { status } } } }"
        answer = json.loads(client.execute(query, {"n": 5}))
        assert answer["data"]["orders"]["nodes"][0]["fulfillments"] == [{"status": "SUCCESS"}]
        assert answer["extensions"]["cost"]["throttleStatus"]["maximumAvailable"] == 2000
        wrong = json.loads(client.execute("{ shop { nothing } }"))
        assert wrong["errors"][0]["extensions"]["code"] == "undefinedField"
        assert wrong["errors"][0]["message"] == "Field 'nothing' doesn't exist on type 'Shop'"
        assert "data" not in wrong
        item, level = shop.sim.stock.item("MUG")["id"], shop.sim.stock.quantity("MUG", shop.main, "available")
        row = {"inventoryItemId": item, "locationId": f"gid://shopify/Location/{shop.main}", "quantity": 50}
        given = {"name": "available", "reason": "correction", "quantities": [{**row, "changeFromQuantity": level}]}
        first = json.loads(client.execute(SET, {"input": given, "key": "k-1"}))["data"]["inventorySetQuantities"]
        assert [c["name"] for c in first["inventoryAdjustmentGroup"]["changes"]] == ["available", "on_hand"]
        again = json.loads(client.execute(SET, {"input": given, "key": "k-1"}))["data"]["inventorySetQuantities"]
        assert again == first
        assert shop.sim.stock.quantity("MUG", shop.main) == 50
        stale = json.loads(client.execute(SET, {"input": given, "key": "k-2"}))["data"]["inventorySetQuantities"]
        assert stale["userErrors"][0]["code"] == "CHANGE_FROM_QUANTITY_STALE"
    finally:
        shopify.ShopifyResource.clear_session()


def test_the_redirect_of_a_consent_bears_a_signature_the_client_accepts(shop: Shop) -> None:
    shopify = pytest.importorskip("shopify")
    import time

    shop.sim.clock.advance(max(0.0, time.time() - shop.sim.clock.now()))
    shopify.Session.secret = "secret"
    assert shopify.Session.validate_params(shop.sim.grants.consent("demo.myshopify.com", "state"))


class Asking:
    def __init__(self, shop: Shop) -> None:
        self.client = httpx.Client(transport=mounted(shop.sim), headers={"X-Shopify-Access-Token": "shpat_sandbox"})

    def __call__(self, query: str, **variables: Any) -> dict[str, Any]:
        address = "https://demo.myshopify.com/admin/api/2026-10/graphql.json"
        answer = self.client.post(address, json={"query": query, "variables": variables})
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def ask(shop: Shop) -> Asking:
    return Asking(shop)


def code(answer: dict[str, Any]) -> str:
    return str(answer["errors"][0]["extensions"]["code"])


def test_rules_of_pages_and_ids(ask: Asking) -> None:
    assert code(ask("{ orders { nodes { id } } }")) == "BAD_REQUEST"
    assert code(ask("{ orders(first: 1, last: 1) { nodes { id } } }")) == "BAD_REQUEST"
    assert code(ask("{ orders(first: 251) { nodes { id } } }")) == "BAD_REQUEST"
    assert code(ask('{ order(id: "not-a-gid") { id } }')) == "RESOURCE_NOT_FOUND"
    assert code(ask("{ orders(first: 1")) == "PARSE_ERROR"
    assert ask('{ order(id: "gid://shopify/Order/1") { id } }')["data"] == {"order": None}


def test_a_query_that_is_too_dear_and_a_bucket_that_is_empty(ask: Asking, shop: Shop) -> None:
    dear = "{ orders(first: 250) { nodes { lineItems(first: 250) { nodes { variant { id inventoryItem { id "
    dear += "inventoryLevels(first: 250) { nodes { id } } } } } } } } }"
    assert code(ask(dear)) == "MAX_COST_EXCEEDED"
    shop.sim.bucket.drain(shop.sim.clock.now())
    refused = ask("{ orders(first: 250) { nodes { id } } }")
    assert code(refused) == "THROTTLED"
    assert "data" not in refused
    assert refused["extensions"]["cost"]["requestedQueryCost"] == 13
    shop.sim.clock.advance(1)
    assert "errors" not in ask("{ orders(first: 250) { nodes { id } } }")


def test_an_unknown_filter_is_warned_of_and_ignored(ask: Asking, shop: Shop) -> None:
    shop.sim.orders.sell([("MUG", 1)], shop.main)
    answer = ask("{ orders(first: 5, query: \"changed_at:>'2030-01-01'\") { nodes { id } } }")
    assert len(answer["data"]["orders"]["nodes"]) == 1
    assert answer["extensions"]["search"][0]["warnings"][0]["code"] == "invalid_field"


def test_a_write_without_its_key_is_refused(ask: Asking) -> None:
    query = SET.replace(" @idempotent(key: $key)", "").replace(", $key: String!", "")
    answer = ask(query, input={"name": "available", "reason": "correction", "quantities": []})
    assert code(answer) == "BAD_REQUEST"
    assert answer["data"] == {"inventorySetQuantities": None}


def test_webhooks_are_signed_doubled_dropped_and_shuffled(shop: Shop) -> None:
    shop.sim.webhooks.take()
    order = shop.sim.orders.sell([("MUG", 2)], shop.main)
    shop.sim.orders.fulfil(order)
    sent = list(shop.sim.webhooks.waiting)
    topics = [each.headers["x-shopify-topic"] for each in sent]
    assert {"orders/create", "fulfillments/create", "orders/updated", "inventory_levels/update"} <= set(topics)
    for each in sent:
        mine = base64.b64encode(hmac.new(b"secret", each.body, hashlib.sha256).digest()).decode()
        assert each.headers["x-shopify-hmac-sha256"] == mine
    came = shop.sim.webhooks.take(seed=3, doubled=0.5, dropped=0.3, shuffled=True)
    assert [each.headers["x-shopify-webhook-id"] for each in came] != [e.headers["x-shopify-webhook-id"] for e in sent]
    assert shop.sim.webhooks.waiting == []


def test_the_states_of_a_level_add_up(shop: Shop) -> None:
    stock = shop.sim.stock
    order = shop.sim.orders.sell([("MUG", 7)], shop.main)
    assert (stock.quantity("MUG", shop.main, "available"), stock.quantity("MUG", shop.main, "committed")) == (33, 7)
    assert stock.quantity("MUG", shop.main) == 40
    shop.sim.orders.fulfil(order, {"MUG": 4})
    shop.sim.orders.cancel(order)
    assert (stock.quantity("MUG", shop.main, "available"), stock.quantity("MUG", shop.main, "committed")) == (36, 0)
    ledger: dict[tuple[str, str, str], int] = {}
    for group in shop.sim.book.all("InventoryAdjustmentGroup"):
        for change in group["changes"]:
            key = (change["item"], change["location"], change["name"])
            ledger[key] = ledger.get(key, 0) + change["delta"]
    for level in shop.sim.book.all("InventoryLevel"):
        for state, held in level["_states"].items():
            assert ledger.get((level["item"], level["location"], state), 0) == held["quantity"]
