"""Mutations: quantities under an idempotency key with a check of the present value, and webhook subscriptions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from graphql import StringValueNode, VariableNode

from tieout_sandbox.simulators.shopify.api import Info, refused
from tieout_sandbox.simulators.shopify.keep import Book, gid, number_of
from tieout_sandbox.simulators.shopify.stock import ON_HAND, REASONS, Change, Stock

KEY_SECONDS: Final = 86_400
SETTABLE: Final = frozenset({"available", "on_hand"})
ADJUSTABLE: Final = frozenset({"available", "damaged", "incoming", "quality_control", "reserved", "safety_stock"})
Made = tuple[list[Change], list[dict[str, Any]]]


class Writes:
    """What an app may change."""

    def __init__(self, book: Book, stock: Stock, version: str) -> None:
        self.book = book
        self.stock = stock
        self.version = version

    def set(self, info: Info, args: Mapping[str, Any]) -> dict[str, Any]:
        return self._once(info, args, self._set)

    def adjust(self, info: Info, args: Mapping[str, Any]) -> dict[str, Any]:
        return self._once(info, args, self._adjust)

    def _once(self, info: Info, args: Mapping[str, Any], do: Callable[[Mapping[str, Any]], Made]) -> dict[str, Any]:
        """Under the key of `@idempotent`: the same request again gets the same answer for a day."""
        key = _key(info)
        if key is None:
            message = "The @idempotent directive is required for this mutation but was not provided."
            raise refused(message, "BAD_REQUEST")
        given = args["input"]
        text = json.dumps([info.field_name, given], sort_keys=True, default=str)
        kept = json.loads(self.book.keep.fact(f"key:{key}", "null"))
        if kept is not None and self.book.clock.now() < kept["until"]:
            if kept["request"] != text:
                error: dict[str, Any] = {
                    "code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
                    "field": None,
                    "message": "Key used before.",
                }
                return _answer(None, [error])
            return _answer(self.book.get(kept["group"]) if kept["group"] else None, [])
        if given["reason"] not in REASONS:
            error = {"code": "INVALID_REASON", "field": ["input", "reason"], "message": "The reason is invalid."}
            return _answer(None, [error])
        changes, errors = do(given)
        if errors:
            return _answer(None, errors)
        group = self.stock.change(changes, given["reason"], given.get("referenceDocumentUri"), "App")
        memory = {"until": self.book.clock.now() + KEY_SECONDS, "request": text, "group": group}
        self.book.keep.set_fact(f"key:{key}", json.dumps(memory))
        return _answer(self.book.get(group) if group else None, [])

    def _set(self, given: Mapping[str, Any]) -> Made:
        name = given["name"]
        if name not in SETTABLE:
            error = {"code": "INVALID_NAME", "field": ["input", "name"], "message": "The quantity name is invalid."}
            return [], [error]
        changes, errors = [], []
        for n, row in enumerate(given["quantities"]):
            if "changeFromQuantity" not in row:
                message = "InventoryQuantityInput must include the following argument: changeFromQuantity."
                raise refused(message, "INVALID_FIELD_ARGUMENTS")
            place = ["input", "quantities", str(n)]
            wrong = self._missing(row, place)
            if wrong:
                errors.append(wrong)
                continue
            item, location = number_of(row["inventoryItemId"]), number_of(row["locationId"])
            level = self.stock.level(item, location)
            states = level["_states"] if level else {}
            names = ON_HAND if name == "on_hand" else (name,)
            held = sum(states[each]["quantity"] for each in names) if states else 0
            if row["changeFromQuantity"] not in (None, held):
                message = "The changeFromQuantity value does not match persisted value."
                where = [*place, "changeFromQuantity"]
                errors.append({"code": "CHANGE_FROM_QUANTITY_STALE", "field": where, "message": message})
            elif level is not None:  # a level that is not activated does not take a quantity, and says nothing
                changes.append(Change(item, location, "available", row["quantity"] - held))
        return changes, errors

    def _adjust(self, given: Mapping[str, Any]) -> Made:
        name = given["name"]
        if name not in ADJUSTABLE:
            error = {"code": "INVALID_QUANTITY_NAME", "field": ["input", "name"], "message": "Invalid quantity name."}
            return [], [error]
        changes, errors = [], []
        for n, row in enumerate(given["changes"]):
            if "changeFromQuantity" not in row:
                message = "InventoryChangeInput must include the following argument: changeFromQuantity."
                raise refused(message, "INVALID_FIELD_ARGUMENTS")
            place = ["input", "changes", str(n)]
            wrong = self._missing(row, place) or _ledger(name, row.get("ledgerDocumentUri"), place)
            if wrong:
                errors.append(wrong)
                continue
            item, location = number_of(row["inventoryItemId"]), number_of(row["locationId"])
            changes.append(Change(item, location, name, row["delta"], row.get("ledgerDocumentUri")))
        return changes, errors

    def _missing(self, row: Mapping[str, Any], place: Sequence[str]) -> dict[str, Any] | None:
        wanted = (
            ("inventoryItemId", "InventoryItem", "INVALID_INVENTORY_ITEM", "inventory item"),
            ("locationId", "Location", "INVALID_LOCATION", "location"),
        )
        for field, kind, code, words in wanted:
            if self.book.get(gid(kind, number_of(row[field]))) is None:
                message = f"The specified {words} could not be found."
                return {"code": code, "field": [*place, field], "message": message}
        return None

    def subscribe(self, args: Mapping[str, Any]) -> dict[str, Any]:
        given = args["webhookSubscription"]
        body = {
            "topic": args["topic"],
            "uri": given.get("uri") or given.get("callbackUrl"),
            "format": given.get("format") or "JSON",
            "createdAt": self.book.now(),
            "apiVersion": {"handle": self.version, "displayName": self.version, "supported": True},
        }
        if not body["uri"]:
            error = {"field": ["webhookSubscription", "uri"], "message": "Address can't be blank"}
            return {"webhookSubscription": None, "userErrors": [error]}
        return {"webhookSubscription": self.book.new("WebhookSubscription", body), "userErrors": []}


def _answer(group: Mapping[str, Any] | None, errors: list[dict[str, Any]]) -> dict[str, Any]:
    return {"inventoryAdjustmentGroup": group, "userErrors": errors}


def _ledger(name: str, uri: str | None, place: Sequence[str]) -> dict[str, Any] | None:
    where = [*place, "ledgerDocumentUri"]
    if name == "available" and uri:
        message = "A ledger document URI is not allowed when adjusting available."
        return {"code": "INVALID_AVAILABLE_DOCUMENT", "field": where, "message": message}
    if name != "available" and (not uri or uri.startswith("gid://shopify/")):
        message = "A ledger document URI is required except when adjusting available."
        return {"code": "INVALID_QUANTITY_DOCUMENT", "field": where, "message": message}
    return None


def _key(info: Info) -> str | None:
    for directive in info.field_nodes[0].directives or ():
        if directive.name.value == "idempotent":
            for argument in directive.arguments or ():
                if isinstance(argument.value, StringValueNode):
                    return argument.value.value
                if isinstance(argument.value, VariableNode):
                    given: Any = info.variable_values  # a mapping, or in newer releases an object that holds one
                    return str(getattr(given, "coerced", given)[argument.value.name.value])
    return None
