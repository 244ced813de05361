"""Transfers between locations and their shipments.

ready         origin: available -q, reserved +q
in transit    origin: reserved -q (on hand falls); destination: incoming +q
accepted      destination: incoming -q, available +q          rejected: incoming -q, the unit is nowhere any more
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout_sandbox.simulators.shopify.keep import Book, Refused, gid, number_of
from tieout_sandbox.simulators.shopify.stock import Change, Stock

Goods = Mapping[str, int]


class Transfers:
    """Goods on their way from one location to another."""

    def __init__(self, book: Book, stock: Stock) -> None:
        self.book = book
        self.stock = stock

    def transfer(self, origin: str, destination: str, goods: Goods, *, draft: bool = False) -> str:
        """Plan to move units; the transfer's number."""
        book = self.book
        made = book.new(
            "InventoryTransfer",
            {
                "name": f"#T{book.keep.next_id('transfer'):04d}",
                "referenceName": None,
                "status": "DRAFT",
                "dateCreated": book.now(),
                "totalQuantity": sum(goods.values()),
                "receivedQuantity": 0,
                "note": None,
                "tags": [],
                "origin": self._snapshot(origin),
                "destination": self._snapshot(destination),
                "lineItems": [
                    {
                        "id": gid("InventoryTransferLineItem", str(book.keep.next_id("tli"))),
                        "title": sku,
                        "totalQuantity": units,
                        "shippedQuantity": 0,
                        "shippableQuantity": 0,
                        "processableQuantity": units,
                        "pickedForShipmentQuantity": 0,
                        "inventoryItem": self.stock.item(sku)["id"],
                    }
                    for sku, units in goods.items()
                ],
                "shipments": [],
                "_origin": origin,
                "_destination": destination,
            },
        )
        if not draft:
            self.ready(str(made["legacyResourceId"]))
        return str(made["legacyResourceId"])

    def _snapshot(self, location: str) -> dict[str, Any]:
        found = self.book.need(gid("Location", location))
        return {"name": found["name"], "snapshottedAt": self.book.now(), "location": found["id"]}

    def ready(self, transfer: str) -> None:
        found = self._need(transfer, "DRAFT")
        changes = []
        for line in found["lineItems"]:
            item, units = number_of(line["inventoryItem"]), line["totalQuantity"]
            line["shippableQuantity"] = units
            changes += [
                Change(item, found["_origin"], "available", -units),
                Change(item, found["_origin"], "reserved", units),
            ]
        self.stock.change(changes, "movement_created", found["id"])
        self._put(found, "READY_TO_SHIP", "inventory_transfers/ready_to_ship")

    def _need(self, transfer: str, *states: str) -> dict[str, Any]:
        found = self.book.need(gid("InventoryTransfer", transfer))
        if found["status"] not in states:
            raise Refused(f"{found['name']} is {found['status']}")
        return found

    def _put(self, found: dict[str, Any], status: str, topic: str) -> None:
        self.book.put({**found, "status": status})
        self.book.tell(topic, {"id": int(number_of(found["id"])), "admin_graphql_api_id": found["id"]})

    def ship(self, transfer: str, goods: Goods | None = None) -> str:
        """Units leave the origin; the shipment's number."""
        book = self.book
        found = self._need(transfer, "READY_TO_SHIP", "IN_PROGRESS")
        by_sku = {book.need(line["inventoryItem"])["sku"]: line for line in found["lineItems"]}
        wanted = goods or {sku: line["shippableQuantity"] for sku, line in by_sku.items() if line["shippableQuantity"]}
        changes, rows = [], []
        for sku, units in wanted.items():
            line = by_sku[sku]
            if not 0 < units <= line["shippableQuantity"]:
                raise Refused(f"{sku}: {line['shippableQuantity']} can be shipped, not {units}")
            item = number_of(line["inventoryItem"])
            line["shippableQuantity"] -= units
            line["shippedQuantity"] += units
            changes += [
                Change(item, found["_origin"], "reserved", -units),
                Change(item, found["_destination"], "incoming", units),
            ]
            rows.append(
                {
                    "id": gid("InventoryShipmentLineItem", str(book.keep.next_id("sli"))),
                    "quantity": units,
                    "acceptedQuantity": 0,
                    "rejectedQuantity": 0,
                    "unreceivedQuantity": units,
                    "inventoryItem": line["inventoryItem"],
                }
            )
        made = book.new(
            "InventoryShipment",
            {
                "name": f"{found['name']}-{len(found['shipments']) + 1}",
                "status": "IN_TRANSIT",
                "dateCreated": book.now(),
                "dateShipped": book.now(),
                "dateReceived": None,
                "totalAcceptedQuantity": 0,
                "totalReceivedQuantity": 0,
                "totalRejectedQuantity": 0,
                "tracking": None,
                "lineItems": rows,
                "_transfer": found["id"],
            },
        )
        self.stock.change(changes, "movement_updated", made["id"])
        self._put(
            {**found, "shipments": [*found["shipments"], made["id"]]}, "IN_PROGRESS", "inventory_transfers/updated"
        )
        return str(made["legacyResourceId"])

    def receive(self, shipment: str, accepted: Goods | None = None, rejected: Goods | None = None) -> None:
        """Units arrive: accepted ones are stock, rejected ones are gone. All are accepted if none are named."""
        book = self.book
        found = book.need(gid("InventoryShipment", shipment))
        transfer = book.need(found["_transfer"])
        by_sku = {book.need(line["inventoryItem"])["sku"]: line for line in found["lineItems"]}
        if accepted is None and rejected is None:
            accepted = {sku: line["unreceivedQuantity"] for sku, line in by_sku.items()}
        changes = []
        for goods, field in ((accepted or {}, "acceptedQuantity"), (rejected or {}, "rejectedQuantity")):
            for sku, units in goods.items():
                line = by_sku[sku]
                if units > line["unreceivedQuantity"]:
                    raise Refused(f"{sku}: {line['unreceivedQuantity']} are under way, not {units}")
                item = number_of(line["inventoryItem"])
                line[field] += units
                line["unreceivedQuantity"] -= units
                changes.append(Change(item, transfer["_destination"], "incoming", -units))
                if field == "acceptedQuantity":
                    changes.append(Change(item, transfer["_destination"], "available", units))
        self.stock.change(changes, "movement_received", found["id"])
        left = sum(line["unreceivedQuantity"] for line in found["lineItems"])
        found.update(
            dateReceived=found["dateReceived"] or book.now(),
            status="PARTIALLY_RECEIVED" if left else "RECEIVED",
            totalAcceptedQuantity=sum(line["acceptedQuantity"] for line in found["lineItems"]),
            totalRejectedQuantity=sum(line["rejectedQuantity"] for line in found["lineItems"]),
        )
        found["totalReceivedQuantity"] = found["totalAcceptedQuantity"] + found["totalRejectedQuantity"]
        book.put(found)
        shipments = [book.need(each) for each in transfer["shipments"]]
        open_lines = any(line["shippableQuantity"] for line in transfer["lineItems"])
        done = not open_lines and all(each["status"] == "RECEIVED" for each in shipments)
        transfer["receivedQuantity"] = sum(each["totalReceivedQuantity"] for each in shipments)
        self._put(transfer, "TRANSFERRED" if done else "IN_PROGRESS", "inventory_shipments/receive_items")

    def cancel(self, transfer: str) -> None:
        """What has not left is free again."""
        found = self._need(transfer, "DRAFT", "READY_TO_SHIP")
        changes = []
        for line in found["lineItems"]:
            item, units = number_of(line["inventoryItem"]), line["shippableQuantity"]
            line["shippableQuantity"] = 0
            changes += [
                Change(item, found["_origin"], "reserved", -units),
                Change(item, found["_origin"], "available", units),
            ]
        self.stock.change(changes, "movement_canceled", found["id"])
        self._put(found, "CANCELED", "inventory_transfers/cancel")
