"""The connector: streams of orders, transfers, adjustments and payouts, and the shop's own stock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from tieout import (
    Context,
    Drift,
    Endpoint,
    Fatal,
    Finding,
    FixedToken,
    Http,
    Manifest,
    Notice,
    Page,
    Points,
    Purse,
    StockReport,
    StockRow,
    Stream,
    VendorError,
    is_signed,
)
from tieout_shopify.adjustments import Seen, adjustment_records
from tieout_shopify.bulk import PREFIX, Result, bulk_orders, bulk_result, bulk_started, still
from tieout_shopify.config import PLANS, VERSION, ShopifyConfig
from tieout_shopify.graphql import GraphQL, Look, nodes
from tieout_shopify.names import short
from tieout_shopify.orders import order_completed, order_record, order_unmoved
from tieout_shopify.queries import CHANGED_ORDERS, LOCATIONS, PAYOUT_LINES, PAYOUTS, SHOP, STOCK, TRANSFERS

ORDERS_A_PAGE = 25
IDS_A_PAGE = 250
WINDOW_DAYS = 60  # orders older than this need the scope read_all_orders
SCOPES = {
    "orders": {"read_orders", "read_products", "read_inventory", "read_returns"},
    "transfers": {"read_inventory_transfers", "read_inventory_shipments", "read_inventory"},
    "adjustments": {"read_reports", "read_inventory"},
    "payouts": {"read_shopify_payments_accounts", "read_shopify_payments_payouts"},
    "stock": {"read_locations", "read_inventory"},
}


# what a webhook is about → the stream that shows it; anything else wakes all
TOPICS = {
    "orders": "orders",
    "refunds": "orders",
    "fulfillments": "orders",
    "returns": "orders",
    "reverse_fulfillment_orders": "orders",
    "inventory_transfers": "transfers",
    "inventory_shipments": "transfers",
    "inventory_levels": "adjustments",
}


class Shopify:
    """Source connector `shopify` (see the README for its configuration)."""

    manifest: ClassVar[Manifest] = Manifest(
        name="shopify",
        vendor="Shopify",
        version="0.1.0",
        vendor_api=f"Admin GraphQL {VERSION}",
        roles=("source",),
        config=ShopifyConfig,
        hosts=("*.myshopify.com", "storage.googleapis.com"),
        rate_limits={"points": "2,000 held, 100 a second (standard plan)", "query": "1,000 points"},
        streams=(
            Stream(
                name="orders",
                key=("id",),
                revision="updatedAt",
                cursor="time of the last change seen",
                lag_seconds=60,
                webhook="orders/updated",
            ),
            Stream(
                name="transfers",
                key=("id",),
                cursor="none: open transfers are read anew",
                webhook="inventory_transfers/updated",
            ),
            Stream(
                name="adjustments",
                key=("group", "item", "location"),
                cursor="end of the last window, and what of the two days before was told",
                lag_seconds=300,
            ),
            Stream(name="payouts", key=("id",), cursor="day of the oldest payout that may change", lag_seconds=3_600),
            Stream(name="stock", key=("item", "location"), kind="stock"),
        ),
    )

    def __init__(self, context: Context) -> None:
        config = context.config
        if not isinstance(config, ShopifyConfig):
            raise Fatal("the configuration is not a ShopifyConfig", fix="validate it with manifest.config")
        self._config = config
        self._now = context.now
        points = Points(*PLANS[config.plan])
        way: dict[str, Any] = (
            {"oauth": self._endpoint()}
            if config.token is None
            else {"auth": FixedToken("X-Shopify-Access-Token", config.token.get)}
        )
        self.http: Http = context.http(
            base_url=config.base_url, purse=Purse((points,), in_flight_max=4), look=Look(points), **way
        )
        self._graph = GraphQL(self.http)

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notice] | None:
        """Signed with the app's client secret; a token made in the admin has none, and its shop cannot call."""
        secret = self._config.client_secret
        if secret is None or not is_signed(body, headers.get("x-shopify-hmac-sha256", ""), [secret.get()]):
            return None
        topic = headers.get("x-shopify-topic", "")
        return [Notice(headers.get("x-shopify-webhook-id", ""), TOPICS.get(topic.partition("/")[0], ""))]

    def _endpoint(self) -> Endpoint | None:
        config = self._config
        if config.client_id is None or config.client_secret is None:
            return None
        consent = config.grant == "authorization_code"
        return Endpoint(
            url=config.token_url,
            client_id=config.client_id.get,
            client_secret=config.client_secret.get,
            client="json",
            grant="refresh_token" if consent else "client_credentials",
            header="X-Shopify-Access-Token",
            prefix="",
            scope=",".join(sorted(set().union(*SCOPES.values()))) if consent else "",
            life_seconds_default=86_399,
            consent_url=f"https://{config.shop}/admin/oauth/authorize" if consent else "",
            exchange_fields={"expiring": "1"},
            account_fields={"shop": config.shop},
            pkce=False,
        )

    # ── what is there ──────────────────────────────────────────────────────────────────────────────────────────────
    def check(self) -> list[Finding]:
        """Reaches the shop; missing scopes, and the window of orders that the scopes let us see."""
        try:
            found = self._graph.ask(SHOP)
        except VendorError as error:
            return [Finding("error", error.message, error.fix or "")]
        shop = found["shop"]
        findings = [
            Finding("ok", f"connected to {shop['name']} ({shop['currencyCode']}, {shop['ianaTimezone']})"),
        ]
        held = {scope["handle"] for scope in found["currentAppInstallation"]["accessScopes"]}
        wanted = [stream.name for stream in self._config.streams] or list(SCOPES)
        for stream in wanted:
            missing = sorted(SCOPES.get(stream, set()) - held)
            if missing:
                findings.append(
                    Finding("error", f"{stream}: scope {', '.join(missing)} is missing", "add it to the app")
                )
        if "orders" in wanted and "read_all_orders" not in held:
            since = (self._now() - timedelta(days=WINDOW_DAYS)).date()
            findings.append(
                Finding(
                    "warning",
                    f"without the scope read_all_orders only orders created since {since} can be seen, silently",
                    "ask Shopify for the scope, or begin with a cut-over after that day",
                )
            )
        return findings

    def streams(self) -> Sequence[Stream]:
        names = {stream.name for stream in self._config.streams}
        return [stream for stream in self.manifest.streams if not names or stream.name in names]

    def pull(self, stream: str, cursor: str | None, until: datetime) -> Iterator[Page]:
        if stream == "orders":
            yield from self._orders(cursor, until.astimezone(UTC))
            return
        if stream == "adjustments":
            yield from self._adjustments(cursor, until.astimezone(UTC))
            return
        since = datetime.fromisoformat(cursor) if cursor else self._config.history_from
        pulls = {
            "transfers": self._transfers,
            "payouts": self._payouts,
        }
        yield from pulls[stream](since, until.astimezone(UTC))

    # ── orders ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _orders(self, cursor: str | None, until: datetime) -> Iterator[Page]:
        """The first load by a bulk operation, then by pages what changed since it began."""
        since = self._config.history_from
        operation = ""
        if cursor is None and since is None:
            operation = bulk_started(self._graph) or ""
            if operation:
                yield Page(records=[], cursor=PREFIX + operation)
        elif cursor is not None and cursor.startswith(PREFIX):
            operation = cursor.removeprefix(PREFIX)
        elif cursor is not None:
            since = datetime.fromisoformat(cursor)
        if operation:
            result = bulk_result(self._graph, operation, self._now())
            if result is not None:
                yield from self._loaded(operation, result)
                since = result.begun
        yield from self._changed(since, until)

    def _loaded(self, operation: str, result: Result) -> Iterator[Page]:
        """Orders of a bulk file. Until the last has landed the cursor stays at the operation."""
        chunk: list[dict[str, Any]] = []
        for head in bulk_orders(self._graph, result):
            made = order_unmoved if still(head) else order_completed
            record = made(self._graph, head, self._config.item_key, self._config.revenue)
            if record is None:  # it has changed since, or is gone
                record = order_record(self._graph, head["id"], self._config.item_key, self._config.revenue)
            if record is not None:
                chunk.append(record)
            if len(chunk) >= ORDERS_A_PAGE:
                yield Page(records=chunk, cursor=PREFIX + operation)
                chunk = []
        yield Page(records=chunk, cursor=stamp(result.begun))

    def _changed(self, since: datetime | None, until: datetime) -> Iterator[Page]:
        """Orders changed since a mark, in order of their change. Sorted so, one that changes while we read moves to the
        end and is seen again; equal times are common, so the bound is inclusive."""
        begin = since - timedelta(seconds=self._config.overlap_seconds) if since else None
        end = until - timedelta(seconds=self._config.lag_seconds)
        terms = [f"updated_at:>='{stamp(begin)}'"] if begin else []
        query = " ".join([*terms, f"updated_at:<'{stamp(end)}'"])
        found = self._graph.pages(CHANGED_ORDERS, lambda data: data["orders"], first=IDS_A_PAGE, query=query)
        for page in found:
            for start in range(0, len(page), ORDERS_A_PAGE):
                chunk = page[start : start + ORDERS_A_PAGE]
                records = [
                    order_record(self._graph, node["id"], self._config.item_key, self._config.revenue) for node in chunk
                ]
                # an order may be newer than the index believed: never beyond what this window covers
                mark = min(datetime.fromisoformat(chunk[-1]["updatedAt"]), end)
                yield Page(records=[r for r in records if r is not None], cursor=stamp(mark), watermark=mark)
        done = max(end, since) if since else end
        yield Page(records=[], cursor=stamp(done), watermark=end)

    # ── transfers ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _transfers(self, since: datetime | None, until: datetime) -> Iterator[Page]:
        """Every transfer, each run: transfers have no time of change, and one that is done may be the one that changed
        since. Unchanged ones are duplicates and cost a look-up each."""
        mark = stamp(until)
        for page in self._graph.pages(TRANSFERS, lambda data: data["inventoryTransfers"], first=10, query=None):
            yield Page(records=[self._transfer(node) for node in page], cursor=mark)
        yield Page(records=[], cursor=mark, watermark=until)

    def _transfer(self, node: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": short(node["id"]),
            "name": node["name"],
            "status": node["status"],
            "createdAt": node["dateCreated"],
            "origin": _place(node["origin"]),
            "destination": _place(node["destination"]),
            "shipments": [
                {
                    "id": short(shipment["id"]),
                    "name": shipment["name"],
                    "status": shipment["status"],
                    "shippedAt": shipment["dateShipped"] or shipment["dateCreated"],
                    "receivedAt": shipment["dateReceived"],
                    "lines": [
                        {
                            "id": short(line["id"]),
                            "item": self._item(line["inventoryItem"]),
                            "quantity": line["quantity"],
                            "accepted": line["acceptedQuantity"],
                            "rejected": line["rejectedQuantity"],
                        }
                        for line in nodes(shipment["lineItems"], f"shipment {shipment['name']}")
                    ],
                }
                for shipment in nodes(node["shipments"], f"transfer {node['name']}")
            ],
        }

    def _item(self, item: Mapping[str, Any] | None) -> str:
        if item is None:
            return ""
        return short(item["id"]) if self._config.item_key == "inventory_item" or not item["sku"] else str(item["sku"])

    # ── adjustments and payouts ────────────────────────────────────────────────────────────────────────────────────
    def _adjustments(self, cursor: str | None, until: datetime) -> Iterator[Page]:
        seen = Seen(cursor)
        first = self._config.history_from or (seen.at or until) - timedelta(days=WINDOW_DAYS)
        yield from adjustment_records(self._graph, seen, first, until, self._config.item_key)

    def _payouts(self, since: datetime | None, until: datetime) -> Iterator[Page]:
        """Payouts since the oldest that was still under way, each with the movements it settles."""
        query = f"issued_at:>='{stamp(since - timedelta(days=7))}'" if since else None
        oldest = until
        for page in self._graph.pages(PAYOUTS, _payouts_of, first=25, query=query):
            records = []
            for node in page:
                if node["status"] == "SCHEDULED":
                    oldest = min(oldest, datetime.fromisoformat(node["issuedAt"]))
                records.append({**node, "id": short(node["id"]), "movements": list(self._movements(short(node["id"])))})
            yield Page(records=records, cursor=stamp(oldest))
        yield Page(records=[], cursor=stamp(oldest), watermark=until)

    def _movements(self, payout: str) -> Iterator[dict[str, Any]]:
        query = f"payments_transfer_id:{payout}"
        for page in self._graph.pages(PAYOUT_LINES, _movements_of, first=100, query=query):
            for node in page:
                if not node["test"]:
                    yield {**node, "id": short(node["id"])}

    # ── stock ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def stock(self, as_of: datetime) -> StockReport | None:
        """`on_hand` of every tracked item at every location, inactive levels with it: they keep their units."""
        rows = []
        for page in self._graph.pages(LOCATIONS, lambda data: data["locations"], first=250):
            for location in page:
                rows += list(self._levels(location["id"]))
        return StockReport(self._now().astimezone(UTC), tuple(rows))

    def _levels(self, location: str) -> Iterator[StockRow]:
        def levels(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
            found: Mapping[str, Any] | None = (data["location"] or {}).get("inventoryLevels")
            return found

        for page in self._graph.pages(STOCK, levels, location=location, first=100):
            for level in page:
                held = {quantity["name"]: quantity["quantity"] for quantity in level["quantities"]}
                if "on_hand" not in held:
                    raise Drift("an inventory level has no on_hand", code="TO6505", where=level["id"])
                if level["item"]["tracked"]:
                    yield StockRow(self._item(level["item"]), short(location), str(held["on_hand"]))


def _payouts_of(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = (data["shopifyPaymentsAccount"] or {}).get("payouts")
    return found


def _movements_of(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = (data["shopifyPaymentsAccount"] or {}).get("balanceTransactions")
    return found


def _place(snapshot: Mapping[str, Any] | None) -> str:
    """A location's id; its name where the location was deleted."""
    if snapshot is None:
        return ""
    return short((snapshot["location"] or {}).get("id", "")) or str(snapshot["name"])


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
