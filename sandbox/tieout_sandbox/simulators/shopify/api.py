"""GraphQL over the shop's documents: one resolver for every field, and the few fields that are more than a look-up."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    get_named_type,
    parse,
    validate,
)

from tieout_sandbox.simulators.shopify import history
from tieout_sandbox.simulators.shopify.cost import MOST, Costs
from tieout_sandbox.simulators.shopify.keep import PREFIX, epoch_of, gid, kind_of, number_of, stamp
from tieout_sandbox.simulators.shopify.search import search, sorted_by
from tieout_sandbox.simulators.shopify.stock import NAMES, ON_HAND

if TYPE_CHECKING:
    from tieout_sandbox.simulators.shopify.app import ShopifySim

PAGE_MAX: Final = 250
DEPTH_MAX: Final = 25_000
WINDOW_SECONDS: Final = 60 * 86_400
DOCUMENTATION: Final = "https://shopify.dev/api/usage/access-scopes"
SCOPES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("QueryRoot", "orders"): ("read_orders",),
    ("QueryRoot", "order"): ("read_orders",),
    ("QueryRoot", "refund"): ("read_orders",),
    ("QueryRoot", "fulfillment"): ("read_orders",),
    ("QueryRoot", "tenderTransactions"): ("read_orders",),
    ("QueryRoot", "return"): ("read_returns",),
    ("Order", "returns"): ("read_returns",),
    ("Order", "customer"): ("read_customers",),
    ("Order", "fulfillmentOrders"): ("read_merchant_managed_fulfillment_orders",),
    ("QueryRoot", "inventoryTransfers"): ("read_inventory_transfers",),
    ("InventoryTransfer", "shipments"): ("read_inventory_shipments",),
    ("QueryRoot", "shopifyqlQuery"): ("read_reports",),
    ("QueryRoot", "shopifyPaymentsAccount"): ("read_shopify_payments_accounts", "read_shopify_payments_payouts"),
    ("ShopifyPaymentsAccount", "payouts"): ("read_shopify_payments_payouts",),
    ("ShopifyPaymentsAccount", "balanceTransactions"): ("read_shopify_payments_payouts",),
    ("QueryRoot", "inventoryItems"): ("read_inventory",),
    ("QueryRoot", "inventoryItem"): ("read_inventory",),
    ("QueryRoot", "inventoryLevel"): ("read_inventory",),
    ("Location", "inventoryLevels"): ("read_inventory",),
    ("QueryRoot", "locations"): ("read_locations",),
    ("QueryRoot", "location"): ("read_locations",),
    ("QueryRoot", "productVariants"): ("read_products",),
    ("Mutation", "inventorySetQuantities"): ("write_inventory",),
    ("Mutation", "inventoryAdjustQuantities"): ("write_inventory",),
}
_ROOTS: Final = {
    "orders": "Order",
    "locations": "Location",
    "inventoryItems": "InventoryItem",
    "inventoryTransfers": "InventoryTransfer",
    "productVariants": "ProductVariant",
    "tenderTransactions": "TenderTransaction",
    "payouts": "ShopifyPaymentsPayout",
    "balanceTransactions": "ShopifyPaymentsBalanceTransaction",
}
_SORTED: Final = {
    "UPDATED_AT": "updatedAt",
    "CREATED_AT": "createdAt",
    "PROCESSED_AT": "processedAt",
    "ISSUED_AT": "issuedAt",
}
_VALIDATION: Final = (
    ("Cannot query field", "undefinedField"),
    ("Unknown argument", "argumentNotAccepted"),
    ("Unknown type", "undefinedType"),
    ("Unknown directive", "undefinedDirective"),
    ("is never used", "variableNotUsed"),
    ("is required, but it was not provided", "missingRequiredArguments"),
    ("must have a selection", "selectionMismatch"),
)


@cache
def schema() -> GraphQLSchema:
    """The part of the published schema that is answered here."""
    text = files("tieout_sandbox.simulators.shopify").joinpath("schema.graphql").read_text(encoding="utf-8")
    return build_schema(text)


class Asked(NamedTuple):
    """What is known of one request while it is answered. `sizes`: nodes of each connection, by its place in the text."""

    host: str
    warnings: list[dict[str, Any]]
    sizes: dict[int, int]
    whole: bool  # a bulk operation: pages do not exist


Info = GraphQLResolveInfo[Any]


def refused(message: str, code: str, **more: Any) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code, **more})


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}


def operation_of(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    for each in operations:
        if name is None or (each.name and each.name.value == name):
            return each
    raise refused("No operation to run", "BAD_REQUEST")


class Api:
    """Answers documents."""

    def __init__(self, sim: ShopifySim) -> None:
        self.sim = sim
        self.book = sim.book
        self.special: dict[tuple[str, str], Callable[..., Any]] = {
            ("QueryRoot", "shop"): self._shop,
            ("QueryRoot", "currentAppInstallation"): self._installation,
            ("QueryRoot", "publicApiVersions"): self._versions,
            ("QueryRoot", "inventoryProperties"): self._properties,
            ("QueryRoot", "node"): self._by_id,
            ("QueryRoot", "nodes"): self._nodes,
            ("QueryRoot", "shopifyqlQuery"): self._history,
            ("QueryRoot", "shopifyPaymentsAccount"): self._account,
            ("Location", "inventoryLevels"): self._levels,
            ("InventoryItem", "inventoryLevels"): self._levels,
            ("InventoryLevel", "quantities"): self._quantities,
            ("Mutation", "bulkOperationRunQuery"): lambda _, info, args: sim.bulk.start(info, args),
            ("Mutation", "inventorySetQuantities"): lambda _, info, args: sim.writes_to.set(info, args),
            ("Mutation", "inventoryAdjustQuantities"): lambda _, info, args: sim.writes_to.adjust(info, args),
            ("Mutation", "webhookSubscriptionCreate"): lambda _, info, args: sim.writes_to.subscribe(args),
        }
        for name in ("order", "refund", "fulfillment", "return", "inventoryItem", "inventoryLevel", "location"):
            self.special["QueryRoot", name] = self._by_id
        self.special["QueryRoot", "bulkOperation"] = lambda _, info, args: sim.bulk.get(args["id"], info.context.host)

    # ── a whole request ────────────────────────────────────────────────────────────────────────────────────────────
    def answer(self, query: str, variables: Mapping[str, Any], name: str | None, host: str) -> dict[str, Any]:
        """`data`, `errors` and `extensions` of a document, after its cost was paid."""
        try:
            document = parse(query)
        except GraphQLSyntaxError as error:
            place = error.locations[0] if error.locations else None
            text = f"syntax error, {error.description.lower()} at [{place.line}, {place.column}]" if place else "syntax"
            return {"errors": [{"message": text, "extensions": {"code": "PARSE_ERROR"}}]}
        wrong = validate(schema(), document)
        if wrong:
            return {"errors": [_worded(error) for error in wrong]}
        operation = operation_of(document, name)
        costs = Costs(schema(), fragments_of(document), variables)
        requested = costs.of(operation)
        bucket = self.sim.bucket
        if requested > MOST:
            message = f"Query cost is {requested}, which exceeds the single query max cost limit ({MOST})."
            facts = {"code": "MAX_COST_EXCEEDED", "cost": requested, "maxCost": MOST, "documentation": DOCUMENTATION}
            return {"errors": [{"message": message, "extensions": facts}]}
        if not bucket.take(requested, self.sim.clock.now()):
            facts = {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"}
            shown = {"cost": bucket.shown(requested, None)}
            return {"errors": [{"message": "Throttled", "extensions": facts}], "extensions": shown}
        asked = Asked(host, [], {}, False)
        made = self.run(document, variables, name, asked)
        actual = min(requested, _Actual(costs, asked.sizes).of(operation))
        bucket.give_back(requested - actual)
        extensions: dict[str, Any] = {"cost": bucket.shown(requested, actual)}
        if asked.warnings:
            extensions["search"] = asked.warnings
        return {**made, "extensions": extensions}

    def run(
        self, document: DocumentNode, variables: Mapping[str, Any], name: str | None, asked: Asked
    ) -> dict[str, Any]:
        result = execute_sync(
            schema(),
            document,
            root_value={},
            context_value=asked,
            variable_values=dict(variables),
            operation_name=name,
            field_resolver=self.resolve,
            type_resolver=lambda value, *_: value.get("__typename") or kind_of(value["id"]),
        )
        made: dict[str, Any] = {"data": result.data}
        if result.errors:
            made["errors"] = [error.formatted for error in result.errors]
            if all(_early(error) for error in result.errors):
                del made["data"]
        return made

    # ── one field ──────────────────────────────────────────────────────────────────────────────────────────────────
    def resolve(self, source: Mapping[str, Any], info: Info, **args: Any) -> Any:
        parent, name = info.parent_type.name, info.field_name
        wanted = SCOPES.get((parent, name), ())
        if wanted and not set(wanted) & self.sim.grants.scopes:
            access = " or ".join(f"`{scope}` access scope" for scope in wanted)
            raise refused(
                f"Access denied for {name} field. Required access: {access}.",
                "ACCESS_DENIED",
                requiredAccess=access,
                documentation=DOCUMENTATION,
            )
        special = self.special.get((parent, name))
        if special is not None:
            return special(source, info, args)
        kind = get_named_type(info.return_type).name
        if kind.endswith("Connection"):
            if name in _ROOTS and parent in ("QueryRoot", "ShopifyPaymentsAccount"):
                return self._root(name, info, args)
            return self._page([self._loaded(each) for each in source.get(name) or ()], info, args)
        value = source.get(name)
        if isinstance(value, list):
            value = [self._loaded(each) for each in value]
            return value[: args["first"]] if args.get("first") is not None else value
        return self._loaded(value) if kind not in ("ID", "String", "URL") else value

    def _loaded(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(PREFIX):
            return self._visible(value)
        return value

    def _visible(self, identity: str) -> dict[str, Any] | None:
        """A document; orders before the window only with the scope for all of them."""
        if not identity.startswith(PREFIX):
            raise refused(f"Invalid global id '{identity}'", "RESOURCE_NOT_FOUND")
        found = self.book.get(identity)
        if found is not None and kind_of(identity) == "Order" and not self._in_window(found):
            return None
        return found

    def _in_window(self, order: Mapping[str, Any]) -> bool:
        if "read_all_orders" in self.sim.grants.scopes:
            return True
        return epoch_of(order["createdAt"]) >= self.book.clock.now() - WINDOW_SECONDS

    # ── connections ────────────────────────────────────────────────────────────────────────────────────────────────
    def _root(self, name: str, info: Info, args: Mapping[str, Any]) -> dict[str, Any]:
        """A searched connection: what the index knows, which is late, sorted by what the index knows."""
        rows = list(self.book.all(_ROOTS[name]))
        if name == "orders":
            rows = [row for row in rows if self._in_window(row) and self._indexed(row) is not None]
        if name == "balanceTransactions" and args.get("hideTransfers"):
            rows = [row for row in rows if row["type"] != "TRANSFER"]
        if name == "locations" and not args.get("includeInactive"):
            rows = [row for row in rows if row["isActive"]]
        rows = self._searched(name, rows, info, args)
        field = _SORTED.get(args.get("sortKey") or "", "")
        if name == "balanceTransactions" and field:
            field = "transactionDate"

        def key(row: Mapping[str, Any]) -> Any:
            if field == "updatedAt":
                return self._indexed(row) or ""
            return row.get(field) or "" if field else ""

        rows = sorted_by(rows, key)
        return self._page(rows[::-1] if args.get("reverse") else rows, info, args, key)

    def _searched(
        self, name: str, rows: list[dict[str, Any]], info: Info, args: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        found = search(name, args.get("query"), self._value)
        if found.warnings:
            path = [str(part) for part in info.path.as_list()]
            info.context.warnings.append({"path": path, "query": args.get("query"), "warnings": found.warnings})
        return [row for row in rows if found.keep(row)]

    def _indexed(self, row: Mapping[str, Any]) -> str | None:
        """When the index believes a document last changed; None while it does not know it at all."""
        known = stamp(self.book.clock.now() - self.sim.index_lag_seconds)
        seen = [each for each in row.get("_changes", ()) if each <= known]
        return str(seen[-1]) if seen else None

    def _value(self, row: Mapping[str, Any], field: str) -> Any:
        if field == "updated_at":
            return self._indexed(row) if "_changes" in row else None
        if field == "payments_transfer_id":
            return row["associatedPayout"]["id"]
        if field == "payout_status":
            return row["associatedPayout"]["status"]
        if field == "processed_at" and "transactionDate" in row:
            return row["transactionDate"]
        if field == "inventory_item_id":
            return row["item"]
        if field in ("origin_id", "destination_id"):
            return row["_" + field.removesuffix("_id")]
        if field == "created_at":
            return row.get("createdAt") or row.get("dateCreated")
        words = field.split("_")
        return row.get(words[0] + "".join(word.title() for word in words[1:]))

    def _page(
        self,
        rows: list[Any],
        info: Info,
        args: Mapping[str, Any],
        key: Callable[[Mapping[str, Any]], Any] | None = None,
    ) -> dict[str, Any]:
        """A page by cursor. `key`: rows are in order of it and may move; without it a cursor is a place in the list."""
        asked: Asked = info.context
        rows = [row for row in rows if row is not None]
        first, last = args.get("first"), args.get("last")
        if not asked.whole:
            if first is None and last is None:
                raise refused("you must provide one of first or last", "BAD_REQUEST")
            if first is not None and last is not None:
                raise refused("providing both first and last is not supported", "BAD_REQUEST")
            if not 0 <= (first if first is not None else last or 0) <= PAGE_MAX:
                raise refused(f"first must be between 0 and {PAGE_MAX}", "BAD_REQUEST")
        marks = [
            (key(row) if key else n, row.get("id") if isinstance(row, dict) else None) for n, row in enumerate(rows)
        ]
        begin, end = 0, len(rows)
        for name in ("after", "before"):
            if args.get(name):
                place = self._place(args[name], marks, key is not None, bool(args.get("reverse")))
                begin, end = (place, end) if name == "after" else (begin, place - 1)
        if asked.whole:
            chosen = range(len(rows))
        elif first is not None:
            chosen = range(begin, min(end, begin + first))
        else:
            chosen = range(max(begin, end - (last or 0)), end)
        here = info.field_nodes[0].loc
        place = here.start if here else 0
        asked.sizes[place] = max(asked.sizes.get(place, 0), len(chosen))
        cursors = [_cursor(marks[n]) for n in chosen]
        nodes = [rows[n] for n in chosen]
        return {
            "nodes": nodes,
            "edges": [{"cursor": c, "node": n} for c, n in zip(cursors, nodes, strict=True)],
            "pageInfo": {
                "hasNextPage": bool(chosen) and chosen[-1] + 1 < end if chosen else begin < end and first == 0,
                "hasPreviousPage": bool(chosen) and chosen[0] > 0,
                "startCursor": cursors[0] if cursors else None,
                "endCursor": cursors[-1] if cursors else None,
            },
        }

    def _place(self, cursor: str, marks: list[tuple[Any, Any]], moving: bool, backwards: bool) -> int:
        """Where a cursor points: just behind its row, wherever that would stand now."""
        try:
            held = json.loads(base64.b64decode(cursor))
            value, identity = held["last_value"], held["last_id"]
        except (ValueError, KeyError, TypeError):
            raise refused(f"`{cursor}` is not a valid cursor", "BAD_REQUEST") from None
        if not moving:
            return int(value) + 1
        mark = (value, _order(identity))
        behind = [((v, _order(i)) >= mark if backwards else (v, _order(i)) <= mark) for v, i in marks]
        return sum(behind)

    # ── fields of their own ────────────────────────────────────────────────────────────────────────────────────────
    def _by_id(self, _: Any, info: Info, args: Mapping[str, Any]) -> Any:
        identity = args.get("id") or ""
        if not identity.startswith(PREFIX):
            raise refused(f"Invalid global id '{identity}'", "RESOURCE_NOT_FOUND")
        kind = get_named_type(info.return_type).name
        return self._visible(identity) if kind in ("Node", kind_of(identity)) else None

    def _nodes(self, _: Any, info: Info, args: Mapping[str, Any]) -> list[Any]:
        if len(args["ids"]) > PAGE_MAX:
            message = f"The input array size of {len(args['ids'])} is greater than the maximum allowed of {PAGE_MAX}."
            raise refused(message, "MAX_INPUT_SIZE_EXCEEDED")
        return [self._visible(identity) for identity in args["ids"]]

    def _levels(self, source: Mapping[str, Any], info: Info, args: Mapping[str, Any]) -> dict[str, Any]:
        field = "location" if info.parent_type.name == "Location" else "item"
        rows = [row for row in self.book.all("InventoryLevel") if row[field] == source["id"]]
        if not args.get("includeInactive"):
            rows = [row for row in rows if row["isActive"]]
        return self._page(self._searched("inventoryLevels", rows, info, args), info, args)

    def _quantities(self, level: Mapping[str, Any], _: Any, args: Mapping[str, Any]) -> list[dict[str, Any]]:
        out = []
        for name in args["names"]:
            if name not in NAMES:
                raise refused(f"The specified quantity name '{name}' is invalid", "BAD_REQUEST")
            states = level["_states"]
            total = sum(states[s]["quantity"] for s in ON_HAND) if name == "on_hand" else states[name]["quantity"]
            changed = None if name == "on_hand" else states[name]["updatedAt"]
            identity = gid("InventoryQuantity", f"{number_of(level['id'])}&name={name}")
            out.append({"id": identity, "name": name, "quantity": total, "updatedAt": changed})
        return out

    def _history(self, _: Any, info: Info, args: Mapping[str, Any]) -> dict[str, Any]:
        del info
        return history.answer(self.book, args["query"], late_seconds=self.sim.history_late_seconds)

    def _account(self, *_: Any) -> dict[str, Any] | None:
        if not self.sim.has_payments:
            return None
        return {
            "id": gid("ShopifyPaymentsAccount", "1"),
            "activated": True,
            "country": "CA",
            "defaultCurrency": self.book.currency,
        }

    def _shop(self, *_: Any) -> dict[str, Any]:
        return {
            "id": gid("Shop", "1"),
            "name": self.sim.shop.partition(".")[0].title(),
            "myshopifyDomain": self.sim.shop,
            "currencyCode": self.book.currency,
            "ianaTimezone": self.sim.zone,
            "taxesIncluded": False,
            "weightUnit": "KILOGRAMS",
            "plan": {"publicDisplayName": "Basic", "partnerDevelopment": False, "shopifyPlus": False},
        }

    def _installation(self, *_: Any) -> dict[str, Any]:
        scopes = [{"handle": scope} for scope in sorted(self.sim.grants.scopes)]
        return {"id": gid("AppInstallation", "1"), "accessScopes": scopes}

    def _versions(self, *_: Any) -> list[dict[str, Any]]:
        return [{"handle": v, "displayName": v, "supported": True} for v in self.sim.versions]

    def _properties(self, *_: Any) -> dict[str, Any]:
        names = []
        for name in NAMES:
            comprises = sorted(ON_HAND) if name == "on_hand" else []
            belongs = ["on_hand"] if name in ON_HAND else []
            shown = name.replace("_", " ").title()
            names.append(
                {"name": name, "displayName": shown, "isInUse": True, "belongsTo": belongs, "comprises": comprises}
            )
        return {"quantityNames": names}


class _Actual(Costs):
    """The cost with the pages as they came out, rather than as they were asked for."""

    def __init__(self, costs: Costs, sizes: Mapping[int, int]) -> None:
        super().__init__(costs.schema, costs.fragments, costs.variables)
        self._sizes = sizes

    def _size(self, field: Any) -> int:
        return self._sizes.get(field.loc.start if field.loc else 0, 0)


def _cursor(mark: tuple[Any, Any]) -> str:
    value, identity = mark
    return base64.b64encode(json.dumps({"last_id": identity, "last_value": value}).encode()).decode()


def _order(identity: str | None) -> tuple[int, str]:
    text = number_of(identity or "").partition("?")[0]
    return (int(text) if text.isdigit() else 0, identity or "")


def _worded(error: GraphQLError) -> dict[str, Any]:
    shown = dict(error.formatted)
    code = next((code for words, code in _VALIDATION if words in error.message), "argumentLiteralsIncompatible")
    if code == "undefinedField":
        parts = error.message.split("'")
        shown["message"] = f"Field '{parts[1]}' doesn't exist on type '{parts[3]}'"
    return {**shown, "extensions": {"code": code}}


def _early(error: GraphQLError) -> bool:
    """A fault of the request as a whole, told without data."""
    return error.path is None
