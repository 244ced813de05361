"""A 12-field mapping against hand-written Python over the same records: the ratio of CPU time per record.

Both read the same decoded CSV-like records and yield the same `EventLine`s with the same validation: strict numbers,
times in the company's zone, lookups, required fields, text lengths, event identity. The hand-written version is what a
careful engineer writes: one function, one loop, lookups in dicts, `datetime.fromisoformat`, no framework.

Prints one JSON line. `--verbose` adds microseconds per record of both.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from tieout.mapping import MapContext, compile_mapping
from tieout.mapping.identity import HASH_BYTES, numbers_in
from tieout.model.event import EventLine
from tieout.model.money import AMOUNT_MAX, CURRENCIES, decimal_of, divide
from tieout.model.quantity import to_scaled
from tieout.model.units import unit_code

PAGE = 1_000
PAGES = 20
ROUNDS = 5

MAPPING = """
mapping: bench_shipments
version: "1"
stream: shipments
record: one shipped order line
lookups:
  warehouses: {table: {NJ1: EAST, NV2: WEST, TX3: SOUTH}}
skip:
  - {when: {from: status, eq: cancelled}, reason: cancelled}
events:
  - type: order.fulfilled
    fields:
      effective_at: shipped_at
      document: order_no
      party: customer
      channel: {from: channel, default: web}
    lines:
      fields:
        item: {from: sku, convert: [trim, upper]}
        quantity: qty
        unit: uom
        location: {from: warehouse, lookup: warehouses}
        lot: lot
        reason: note
        unit_price: price
        currency: currency
"""
CONTEXT = MapContext(
    company="acme",
    connection="c-1",
    stream="shipments",
    currency="USD",
    key=("order_no", "line_no"),
    timezone="America/New_York",
)


def records(size: int, seed: int) -> list[dict[str, str]]:
    """Shipment lines of a busy shop: 300 items, 3 warehouses, working hours to the second, one line in 50 cancelled."""
    chance = random.Random(seed)
    start = datetime(2026, 1, 5, 8)
    prices = {f"sku-{n:04d}": f"{chance.randint(199, 29_999) / 100:.2f}" for n in range(300)}
    out = []
    for number in range(size):
        sku = f"sku-{chance.randrange(300):04d}"
        out.append(
            {
                "order_no": f"SO-{seed}{number // 2:06d}",
                "line_no": str(number % 2 + 1),
                "status": "cancelled" if chance.random() < 0.02 else "shipped",
                "shipped_at": str(start + timedelta(days=chance.randrange(90), seconds=chance.randrange(12 * 3_600))),
                "customer": f"C-{chance.randrange(4_000)}",
                "channel": chance.choice(["web", "store", ""]),
                "sku": sku,
                "qty": str(chance.randint(1, 12)),
                "uom": chance.choice(["EA", "each", "PR"]),
                "warehouse": chance.choice(["NJ1", "NV2", "TX3"]),
                "lot": chance.choice(["", "", f"L{chance.randrange(50)}"]),
                "note": "",
                "price": prices[sku],
                "currency": "USD",
            }
        )
    return out


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONE = ZoneInfo("America/New_York")
_WAREHOUSES = {"NJ1": "EAST", "NV2": "WEST", "TX3": "SOUTH"}
_PREFIX = "acme\x1fc-1\x1fshipments\x1forder.fulfilled\x1f\x1f"


def _text(record: dict[str, Any], name: str, *, required: bool = False) -> str:
    value = record.get(name)
    if value is None or value == "":
        if required:
            raise ValueError(f"{name}: no value")
        return ""
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{name}: not a text")
        value = str(value)
    if len(value) > 255 or "\x00" in value:
        raise ValueError(f"{name}: too long, or a NUL")
    return value


def _instant(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        local = moment
        moment = local.replace(tzinfo=_ZONE).astimezone(UTC)
        if moment.astimezone(_ZONE).replace(tzinfo=None) != local:
            raise ValueError(f"shipped_at: {text} does not exist")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _number(text: str) -> tuple[str, int]:
    whole, dot, part = text.partition(".")
    if whole.isascii() and whole.isdigit() and (whole[0] != "0" or whole == "0"):
        if not dot:
            return text, int(whole) * 1_000_000
        if part.isascii() and part.isdigit() and len(part) <= 6:
            return text, int(whole + part) * 10 ** (6 - len(part))
    exact = decimal_of(text, "price")
    return format(exact, "f"), to_scaled(exact, "price")


def by_hand(page: list[dict[str, Any]]) -> list[EventLine]:
    """The same mapping, written out."""
    out = []
    transactions = []
    for record in page:
        if record.get("status") == "cancelled":
            continue
        order = _text(record, "order_no", required=True).replace("%", "%25").replace("/", "%2F")
        line = _text(record, "line_no", required=True).replace("%", "%25").replace("/", "%2F")
        transaction = f"{order}/{line}"
        transactions.append(transaction)
        key = f"{_PREFIX}{len(transaction)}\x1f{transaction}\x1f".encode()
        warehouse = _text(record, "warehouse", required=True)
        if warehouse not in _WAREHOUSES:
            raise ValueError(f"warehouse: {warehouse} unknown")
        quantity_text = _text(record, "qty", required=True)
        if quantity_text.isascii() and quantity_text.isdigit() and len(quantity_text) <= 12:
            quantity = int(quantity_text) * 1_000_000
        else:
            quantity = to_scaled(quantity_text)
        amount = None
        extra: dict[str, Any] = {}
        price_text = _text(record, "price")
        if price_text:
            price_text, price = _number(price_text)
            exact = price * quantity
            amount = exact // 10**10 if exact % 10**10 == 0 else divide(exact, 10**10)
            if abs(amount) > AMOUNT_MAX:
                raise ValueError("amount: too large")
            extra["unit_price"] = price_text
        unit = _text(record, "uom")
        if unit:
            extra["unit"] = unit_code(unit) or unit
        currency = _text(record, "currency")
        if currency:
            if currency not in CURRENCIES:
                raise ValueError(f"currency: {currency} unknown")
            if currency != "USD":
                raise ValueError("currency: no rate")
            extra["currency"] = currency
        out.append(
            EventLine(
                event_id=blake2b(key, digest_size=HASH_BYTES).hexdigest(),
                line_id="",
                type="order.fulfilled",
                at=_instant(_text(record, "shipped_at", required=True)),
                phase=60,
                source="c-1/shipments",
                item=_text(record, "sku", required=True).strip().upper(),
                quantity=quantity,
                location=_WAREHOUSES[warehouse],
                amount=amount,
                reason=_text(record, "note"),
                party=_text(record, "customer"),
                channel=_text(record, "channel") or "web",
                document=_text(record, "order_no"),
                lot=_text(record, "lot"),
                extra=extra or None,
            )
        )
    for made, number in zip(out, numbers_in(transactions), strict=True):
        made.event_id = f"{number:012x}{made.event_id}"
    return out


def cpu_seconds(work: Callable[[list[dict[str, Any]]], Any], pages: list[list[dict[str, Any]]]) -> float:
    """CPU seconds of one pass over all pages, the cyclic collector off as in the batch loop."""
    gc.collect()
    gc.disable()
    try:
        begun = time.process_time()
        for page in pages:
            work(page)
        return time.process_time() - begun
    finally:
        gc.enable()


def main() -> None:
    """Measure both, alternating, and print the ratio of the best rounds."""
    mapping = compile_mapping(MAPPING, "bench_shipments.yaml")
    pages: list[list[dict[str, Any]]] = [list(records(PAGE, seed)) for seed in range(1, PAGES + 1)]
    for page in pages:
        result = mapping.run(page, CONTEXT)
        if result.failed or result.lines != by_hand(page):
            raise SystemExit("the two do not yield the same lines")

    def mapped(page: list[dict[str, Any]]) -> Any:
        return mapping.run(page, CONTEXT).lines

    ours, hand = [], []
    for _ in range(ROUNDS):
        ours.append(cpu_seconds(mapped, pages))
        hand.append(cpu_seconds(by_hand, pages))
    ratio = min(ours) / min(hand)
    print(json.dumps({"name": "mapping_vs_hand", "value": round(ratio, 3), "unit": "ratio", "must": 2, "aim": 1}))
    if "--verbose" in sys.argv:
        each = 1e6 / (PAGE * PAGES)
        print(f"mapping {min(ours) * each:.2f} µs a record, by hand {min(hand) * each:.2f} µs", file=sys.stderr)


if __name__ == "__main__":
    main()
