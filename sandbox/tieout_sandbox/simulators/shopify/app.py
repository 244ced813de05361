"""The application: one shop, its API, its grants, its webhooks, and the people who work in it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tieout_sandbox.simulators.app import Reply, Request, Simulator
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.faults import Faults
from tieout_sandbox.simulators.keeping import Keeping
from tieout_sandbox.simulators.shopify.api import Api
from tieout_sandbox.simulators.shopify.bulk import Bulk
from tieout_sandbox.simulators.shopify.cost import Bucket
from tieout_sandbox.simulators.shopify.keep import Book
from tieout_sandbox.simulators.shopify.money import Payments
from tieout_sandbox.simulators.shopify.oauth import Grants
from tieout_sandbox.simulators.shopify.orders import Orders
from tieout_sandbox.simulators.shopify.returns import Returns
from tieout_sandbox.simulators.shopify.stock import Stock
from tieout_sandbox.simulators.shopify.transfers import Transfers
from tieout_sandbox.simulators.shopify.webhooks import Webhooks
from tieout_sandbox.simulators.shopify.writes import Writes

SHOP: Final = "demo.myshopify.com"
TOKEN: Final = "shpat_sandbox"
VERSIONS: Final = ("2026-01", "2026-04", "2026-07", "2026-10")
ALL_SCOPES: Final = frozenset(
    [
        "read_products",
        "read_inventory",
        "read_locations",
        "read_orders",
        "read_all_orders",
        "read_fulfillments",
        "read_merchant_managed_fulfillment_orders",
        "read_returns",
        "read_order_edits",
        "read_inventory_transfers",
        "read_inventory_shipments",
        "read_shopify_payments_accounts",
        "read_shopify_payments_payouts",
        "read_reports",
        "write_inventory",
    ]
)
_PATH: Final = re.compile(r"/admin/api/(?P<version>[\w-]+)/graphql\.json")
_BULK: Final = re.compile(r"/bulk/(?P<number>\d+)\.jsonl")
_LOOPBACK: Final = ("127.0.0.1", "localhost")
_CLOSED: Final = {
    "frozen": (402, "Unavailable Shop"),
    "locked": (423, "This shop is currently locked"),
    "flagged": (403, "Access denied"),
    "rejected": (430, "Security rejection"),
}


class ShopifySim(Simulator):
    """One shop.

    Its people: `stock`, `orders`, `returns`, `transfers`, `payments`. `index_lag_seconds`: how late the search index is.
    `history_late_seconds`: how late ShopifyQL is. `scopes`: what the app was given (`grants.scopes` may change).
    `state`: `open`, `frozen`, `locked`, `flagged` or `rejected`. `versions`: supported ones, oldest first.
    """

    name = "shopify"

    def __init__(
        self,
        *,
        clock: SimClock | None = None,
        faults: Faults | None = None,
        path: Path | None = None,
        shop: str = SHOP,
        currency: str = "USD",
        zone: str = "America/New_York",
        plan: str = "standard",
        client: tuple[str, str] = ("client", "secret"),
        token: str = TOKEN,
        scopes: frozenset[str] = ALL_SCOPES,
        versions: tuple[str, ...] = VERSIONS,
        index_lag_seconds: float = 0,
        history_late_seconds: float = 0,
    ) -> None:
        super().__init__(clock=clock, faults=faults)
        self.shop = shop
        self.zone = zone
        self.versions = versions
        self.state = "open"
        self.has_payments = True
        self.index_lag_seconds = index_lag_seconds
        self.history_late_seconds = history_late_seconds
        keep = Keeping(path)
        self.book = Book(keep, self.clock, currency)
        self.grants = Grants(keep, self.clock, client, token, scopes)
        self.webhooks = Webhooks(self.clock, client[1], shop, versions[-1])
        self.book.listeners.append(self.webhooks.tell)
        self.stock = Stock(self.book)
        self.orders = Orders(self.book, self.stock)
        self.returns = Returns(self.orders)
        self.transfers = Transfers(self.book, self.stock)
        self.payments = Payments(self.book)
        self.bucket = Bucket(plan, self.clock.now())
        self.writes_to = Writes(self.book, self.stock, versions[-1])
        self.api = Api(self)
        self.bulk = Bulk(self)

    # ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────
    def writes(self, request: Request) -> bool:
        return request.method == "POST" and b"mutation" in request.body[:200]

    def throttled(self, headers: Mapping[str, str]) -> Reply:
        text = "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."
        return Reply.of({"errors": text}, 429, headers)

    def refused_token(self) -> Reply:
        text = "[API] Invalid API key or access token (unrecognized login or wrong password)"
        return Reply.of({"errors": text}, 401)

    def handle(self, request: Request) -> Reply:
        reply = self._routed(request)
        mark = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.shop}{len(self.requests)}"))
        return reply._replace(headers={**reply.headers, "x-request-id": mark})

    def _routed(self, request: Request) -> Reply:
        if request.path == "/admin/oauth/access_token":
            return self.grants.token(request)
        bulk = _BULK.fullmatch(request.path)
        if bulk is not None:
            return self.bulk.file(bulk["number"])
        found = _PATH.fullmatch(request.path)
        if found is None or request.method != "POST":
            return Reply.of({"errors": "Not Found"}, 404)
        if self.state in _CLOSED:
            status, words = _CLOSED[self.state]
            return Reply.of({"errors": words}, status)
        if not self.grants.let_in(request.headers.get("x-shopify-access-token", "")):
            return self.refused_token()
        served = self._served(found["version"])
        if served is None:
            return Reply.of({"errors": "Not Found"}, 404)
        if "json" not in request.headers.get("content-type", ""):
            return Reply.of({"errors": "Content type must be application/json"}, 415)
        return self._graphql(request, served)

    def _served(self, version: str) -> str | None:
        """The version that answers: a retired one is answered by the oldest that is left, without a word."""
        if version in self.versions:
            return version
        return self.versions[0] if re.fullmatch(r"\d{4}-\d{2}", version) and version < self.versions[0] else None

    def _graphql(self, request: Request, served: str) -> Reply:
        headers = {"x-shopify-api-version": served}
        try:
            given: Any = json.loads(request.body or b"null")
        except ValueError:
            return Reply.of({"errors": {"query": "Required parameter missing or invalid"}}, 400, headers)
        if not isinstance(given, dict) or not isinstance(given.get("query"), str):
            return Reply.of({"errors": {"query": "Required parameter missing or invalid"}}, 400, headers)
        asked = request.headers.get("host", "")
        host = f"http://{asked}" if asked.partition(":")[0] in _LOOPBACK else ""
        made = self.api.answer(given["query"], given.get("variables") or {}, given.get("operationName"), host)
        return Reply.of(made, 200, headers)
