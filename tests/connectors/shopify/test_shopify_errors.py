"""What goes wrong between the connector and the shop: each case ends in the class that says what to do."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.connectors.shopify.conftest import Connect, Shop, newest, pulled
from tests.http.vendor import MemoryVault

from tieout import Drift, Fatal, NeedsReauth, RateLimited, Rejected, Retryable, Tokens
from tieout_sandbox.simulators.app import mounted
from tieout_shopify import Shopify

START = "2026-10-01T00:00:00+00:00"


class Saying(httpx.BaseTransport):
    """A shop that always says the same."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        text = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return httpx.Response(self.status, content=text, headers=self.headers, request=request)


def error(code: str, message: str = "no", **more: Any) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code, **more}}], "data": {"locations": None}}


THROTTLED = {
    **error("THROTTLED", "Throttled"),
    "extensions": {
        "cost": {
            "requestedQueryCost": 900,
            "actualQueryCost": None,
            "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 0, "restoreRate": 0.0},
        }
    },
}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, error("ACCESS_DENIED", "Access denied for locations field."), NeedsReauth),
        (200, error("MAX_COST_EXCEEDED", "Query cost is 1723"), Fatal),
        (200, error("undefinedField", "Field 'isActive' doesn't exist"), Drift),
        (200, error("argumentNotAccepted"), Drift),
        (200, error("INTERNAL_SERVER_ERROR"), Retryable),
        (200, error("BAD_REQUEST"), Fatal),
        (200, {"errors": "Not Found"}, Fatal),
        (200, {"data": None}, Retryable),
        (200, b"<!doctype html>", Retryable),
        (200, b"", Retryable),
        (200, [1], Retryable),
        (200, THROTTLED, RateLimited),
        (400, {"errors": {"query": "missing"}}, Rejected),
        (401, {"errors": "[API] Invalid API key or access token"}, NeedsReauth),
        (402, {"errors": "Unavailable Shop"}, Retryable),
        (403, {"errors": "Access denied"}, NeedsReauth),
        (404, {"errors": "Not Found"}, Rejected),
        (423, {"errors": "locked"}, Retryable),
        (429, {"errors": "Exceeded 2 calls per second"}, RateLimited),
        (430, {"errors": "Security rejection"}, Retryable),
        (500, b"", Retryable),
        (503, b"", Retryable),
    ],
)
def test_the_error_table(connect: Connect, shop: Shop, status: int, body: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        connect(Saying(status, body)).stock(shop.sim.clock.utc())


def test_an_older_version_that_answers_is_refused(connect: Connect, shop: Shop) -> None:
    shop.sim.versions = ("2027-01", "2027-04")
    with pytest.raises(Fatal, match="version 2027-01"):
        connect().stock(shop.sim.clock.utc())


def test_a_filter_the_shop_ignores_is_an_error(source: Shopify, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.sim.orders.sell([("MUG", 1)], shop.main)
    known = tuple(f for f in ("id", "name", "created_at"))
    monkeypatch.setitem(
        vars(__import__("tieout_sandbox.simulators.shopify.search", fromlist=["x"]))["FIELDS"], "orders", known
    )
    with pytest.raises(Fatal, match="ignored a filter"):
        pulled(source, shop, "orders", START)


def test_partial_data_is_never_used(source: Shopify, shop: Shop) -> None:
    order = shop.sim.orders.sell([("MUG", 1)], shop.main)
    shop.sim.orders.fulfil(order)
    shop.sim.grants.scopes -= {"read_returns"}
    with pytest.raises(NeedsReauth, match="returns"):
        pulled(source, shop, "orders", START)


def test_the_bucket_is_respected_so_throttling_stays_away(source: Shopify, shop: Shop) -> None:
    orders = {shop.sim.orders.sell([("MUG", 1)], shop.main) for _ in range(60)}
    for order in orders:
        shop.sim.orders.fulfil(order)
    began = shop.sim.clock.now()
    records, _ = pulled(source, shop, "orders", START)
    assert set(newest(records)) == orders
    assert shop.sim.bucket.held >= 0
    assert shop.sim.clock.now() - began < 600


def test_a_bucket_emptied_by_others_is_waited_for(source: Shopify, shop: Shop) -> None:
    order = shop.sim.orders.sell([("MUG", 1)], shop.main)
    source.stock(shop.sim.clock.utc())
    shop.sim.bucket.drain(shop.sim.clock.now())
    records, _ = pulled(source, shop, "orders", START)
    assert set(newest(records)) == {order}


@pytest.mark.parametrize(
    "fault", ["error_after", "timeout_after", "reset_after", "truncated", "html", "empty", "throttled"]
)
def test_reads_are_repeated(source: Shopify, shop: Shop, fault: str) -> None:
    order = shop.sim.orders.sell([("MUG", 1)], shop.main)
    shop.sim.faults.next(fault, fault)
    records, _ = pulled(source, shop, "orders", START)
    assert set(newest(records)) == {order}


@pytest.mark.parametrize("state", ["frozen", "locked", "rejected"])
def test_a_closed_shop_pauses(source: Shopify, shop: Shop, state: str) -> None:
    shop.sim.state = state
    with pytest.raises(Retryable):
        source.stock(shop.sim.clock.utc())
    shop.sim.state = "open"
    assert source.stock(shop.sim.clock.utc()) is not None


def test_client_credentials_are_asked_for_again_after_a_day(connect: Connect, shop: Shop) -> None:
    source = connect(client_id="env:SHOP_ID", client_secret="env:SHOP_SECRET")
    assert source.stock(shop.sim.clock.utc()) is not None
    shop.sim.clock.advance(timedelta(days=2))
    assert source.stock(shop.sim.clock.utc()) is not None
    tokens = [path for _, path, _ in shop.sim.requests if path.endswith("access_token")]
    assert len(tokens) == 2


def test_expiring_tokens_rotate(connect: Connect, shop: Shop) -> None:
    vault = MemoryVault()
    app = {"client_id": "env:SHOP_ID", "client_secret": "env:SHOP_SECRET", "grant": "authorization_code"}
    source = connect(vault=vault, **app)
    assert source.http.grant is not None
    code = shop.sim.grants.consent("demo.myshopify.com")["code"]
    first = source.http.grant.exchange({"code": code, **source.http.grant.endpoint.exchange_fields})
    assert isinstance(first, Tokens)
    assert first.refresh
    for _ in range(3):
        shop.sim.clock.advance(timedelta(hours=2))
        assert source.stock(shop.sim.clock.utc()) is not None
    assert shop.sim.book.keep.fact("refresh") != first.refresh
    shop.sim.grants.revoked = True
    with pytest.raises(NeedsReauth):
        source.stock(shop.sim.clock.utc())


def test_a_token_that_dies_in_the_middle_is_renewed_and_the_request_goes_again(connect: Connect, shop: Shop) -> None:
    source = connect(client_id="env:SHOP_ID", client_secret="env:SHOP_SECRET")
    order = shop.sim.orders.sell([("MUG", 1)], shop.main)
    source.stock(shop.sim.clock.utc())
    shop.sim.faults.next("expired_token")
    records, _ = pulled(source, shop, "orders", START)
    assert set(newest(records)) == {order}


def test_no_secret_goes_to_the_host_of_bulk_files(connect: Connect, shop: Shop) -> None:
    shop.sim.orders.sell([("MUG", 1)], shop.main)
    seen: list[httpx.Request] = []

    class Watching(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return mounted(shop.sim).handle_request(request)

    pulled(connect(Watching()), shop, "orders")
    files = [request for request in seen if request.url.host == "storage.googleapis.com"]
    assert files
    assert all("x-shopify-access-token" not in request.headers for request in files)
