"""Stock: items, locations, and levels with eight states. Every change is a row of a ledger, with its reason and reference.

on_hand = available + committed + reserved + damaged + safety_stock + quality_control        incoming is outside
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tieout_sandbox.simulators.shopify.keep import Book, Refused, gid, number_of

ON_HAND: Final = ("available", "committed", "reserved", "damaged", "safety_stock", "quality_control")
STATES: Final = (*ON_HAND, "incoming")
NAMES: Final = tuple(sorted((*STATES, "on_hand")))
REASONS: Final = frozenset(
    [
        "correction",
        "cycle_count_available",
        "damaged",
        "movement_created",
        "movement_updated",
        "movement_received",
        "movement_canceled",
        "other",
        "promotion",
        "quality_control",
        "received",
        "reservation_created",
        "reservation_deleted",
        "reservation_updated",
        "restock",
        "safety_stock",
        "shrinkage",
    ]
)


class Change(NamedTuple):
    """Units of one item in one state at one location; numbers of item and location."""

    item: str
    location: str
    state: str
    delta: int
    ledger: str | None = None


class Stock:
    """Items, locations and levels of a shop."""

    def __init__(self, book: Book) -> None:
        self.book = book

    # ── what is kept, and where ────────────────────────────────────────────────────────────────────────────────────
    def location(self, name: str, *, active: bool = True) -> str:
        """Open a location; its number."""
        body = {
            "name": name,
            "isActive": active,
            "isFulfillmentService": False,
            "fulfillsOnlineOrders": True,
            "hasActiveInventory": True,
            "deactivatedAt": None,
            "createdAt": self.book.now(),
            "updatedAt": "",
            "address": {"countryCode": "CA", "provinceCode": "ON", "city": "Ottawa", "zip": "K1A 0A1"},
        }
        return str(self.book.new("Location", body)["legacyResourceId"])

    def product(
        self,
        sku: str,
        *,
        price: str = "10.00",
        cost: str | None = "4.00",
        title: str = "",
        tracked: bool = True,
        gift_card: bool = False,
        bundle: Mapping[str, int] | None = None,
    ) -> str:
        """Put an item on sale; the number of its inventory item. `bundle`: components by SKU; such an item has no stock."""
        book = self.book
        now = book.now()
        item = book.new(
            "InventoryItem",
            {
                "sku": sku or None,
                "tracked": tracked and not gift_card,
                "requiresShipping": not gift_card,
                "duplicateSkuCount": 0,
                "countryCodeOfOrigin": None,
                "harmonizedSystemCode": None,
                "createdAt": now,
                "updatedAt": "",
                "unitCost": book.money(cost) if cost is not None else None,
                "measurement": {"id": gid("InventoryItemMeasurement", "1"), "weight": None},
                "variants": [],
            },
        )
        product = book.new("Product", {"title": title or sku, "status": "ACTIVE"})
        variant = book.new(
            "ProductVariant",
            {
                "sku": sku or None,
                "barcode": None,
                "title": title or sku,
                "price": str(price),
                "requiresComponents": bundle is not None,
                "inventoryPolicy": "CONTINUE",
                "product": product["id"],
                "inventoryItem": item["id"],
                "productVariantComponents": [
                    {
                        "id": gid("ProductVariantComponent", str(n)),
                        "quantity": count,
                        "productVariant": self.variant(part)["id"],
                    }
                    for n, (part, count) in enumerate((bundle or {}).items(), 1)
                ],
                "_gift_card": gift_card,
            },
        )
        book.put({**item, "variants": [variant["id"]]})
        book.keep.set_fact(f"sku:{sku}", variant["id"])
        return number_of(item["id"])

    def variant(self, sku: str) -> dict[str, Any]:
        return self.book.need(self.book.keep.fact(f"sku:{sku}", f"gid://shopify/ProductVariant/{sku}"))

    def item(self, sku: str) -> dict[str, Any]:
        return self.book.need(self.variant(sku)["inventoryItem"])

    def set_cost(self, sku: str, cost: str) -> None:
        self.book.put({**self.item(sku), "unitCost": self.book.money(cost)})

    # ── levels ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def level(self, item: str, location: str) -> dict[str, Any] | None:
        return self.book.get(_level_id(item, location))

    def on_hand(self) -> dict[tuple[str, str], int]:
        """What a judge compares with: units by SKU and location number, of tracked items."""
        held: dict[tuple[str, str], int] = {}
        for level in self.book.all("InventoryLevel"):
            item = self.book.need(level["item"])
            units = sum(level["_states"][state]["quantity"] for state in ON_HAND)
            if item["tracked"] and units:
                held[item["sku"] or number_of(item["id"]), number_of(level["location"])] = units
        return held

    def quantity(self, sku: str, location: str, state: str = "on_hand") -> int:
        level = self.level(number_of(self.item(sku)["id"]), location)
        if level is None:
            return 0
        states = ON_HAND if state == "on_hand" else (state,)
        return sum(level["_states"][each]["quantity"] for each in states)

    def deactivate(self, sku: str, location: str) -> None:
        """The level is hidden from reads that do not ask for inactive ones; it keeps its units."""
        level = self._level(number_of(self.item(sku)["id"]), location)
        self.book.put({**level, "isActive": False})

    def activate(self, sku: str, location: str) -> None:
        self.book.put({**self._level(number_of(self.item(sku)["id"]), location), "isActive": True})

    def _level(self, item: str, location: str) -> dict[str, Any]:
        found = self.level(item, location)
        if found is not None:
            return found
        self.book.need(gid("Location", location))
        return {
            "id": _level_id(item, location),
            "isActive": True,
            "createdAt": self.book.now(),
            "updatedAt": "",
            "item": gid("InventoryItem", item),
            "location": gid("Location", location),
            "_states": {state: {"quantity": 0, "updatedAt": None} for state in STATES},
        }

    # ── changes ────────────────────────────────────────────────────────────────────────────────────────────────────
    def change(self, changes: Sequence[Change], reason: str, reference: str | None, app: str = "Shopify") -> str | None:
        """Move states; the group's id, None where nothing changes. Untracked items do not move."""
        if reason not in REASONS:
            raise Refused(f"there is no reason {reason}")
        real = [c for c in changes if c.delta and self.book.need(gid("InventoryItem", c.item))["tracked"]]
        if not real:
            return None
        now = self.book.now()
        rows: list[dict[str, Any]] = []
        levels: dict[str, dict[str, Any]] = {}
        for change in real:
            level = levels.setdefault(
                _level_id(change.item, change.location), self._level(change.item, change.location)
            )
            state = level["_states"][change.state]
            state.update(quantity=state["quantity"] + change.delta, updatedAt=now)
            rows.append(_row(change, change.state, change.delta, change.ledger))
        sums: dict[tuple[str, str], int] = {}
        for change in real:
            if change.state in ON_HAND:
                key = (change.item, change.location)
                sums[key] = sums.get(key, 0) + change.delta
        for (item, location), delta in sums.items():
            if delta:
                rows.append(_row(Change(item, location, "on_hand", delta), "on_hand", delta, None))
        body = {
            "createdAt": now,
            "reason": reason,
            "referenceDocumentUri": reference,
            "app": {"id": gid("App", "1"), "title": app},
            "changes": rows,
        }
        group = self.book.new("InventoryAdjustmentGroup", body)
        for level in levels.values():
            self._tell(self.book.put(level))
        return str(group["id"])

    def _tell(self, level: Mapping[str, Any]) -> None:
        body = {
            "inventory_item_id": int(number_of(level["item"])),
            "location_id": int(number_of(level["location"])),
            "available": level["_states"]["available"]["quantity"],
            "updated_at": level["updatedAt"],
            "admin_graphql_api_id": level["id"],
        }
        self.book.tell("inventory_levels/update", body)

    def adjust(
        self,
        sku: str,
        location: str,
        delta: int,
        *,
        reason: str = "correction",
        state: str = "available",
        reference: str | None = None,
    ) -> str | None:
        """Somebody changes a quantity by hand, or a program does."""
        return self.change([Change(number_of(self.item(sku)["id"]), location, state, delta)], reason, reference)

    def receive_goods(self, sku: str, location: str, quantity: int, *, cost: str | None = None) -> str | None:
        """Goods from a supplier; Shopify's API shows no purchase orders, only the stock that came."""
        if cost is not None:
            self.set_cost(sku, cost)
        return self.adjust(sku, location, quantity, reason="received")

    def move(self, sku: str, location: str, quantity: int, begin: str, end: str, reason: str = "other") -> str | None:
        """Units change their state and stay on hand."""
        item = number_of(self.item(sku)["id"])
        return self.change(
            [Change(item, location, begin, -quantity), Change(item, location, end, quantity)], reason, None
        )

    def cost(self, sku: str) -> Decimal | None:
        cost = self.item(sku)["unitCost"]
        return Decimal(cost["amount"]) if cost else None


def _level_id(item: str, location: str) -> str:
    return f"gid://shopify/InventoryLevel/{location}?inventory_item_id={item}"


def _row(change: Change, state: str, delta: int, ledger: str | None) -> dict[str, Any]:
    return {
        "name": state,
        "delta": delta,
        "quantityAfterChange": None,
        "ledgerDocumentUri": ledger,
        "item": gid("InventoryItem", change.item),
        "location": gid("Location", change.location),
    }
