"""The second half of the demonstration: what the sources send after the books were tied out.

Each function puts its files into the drop folder, together with the source's new stock report, and says what it was.
They are meant in the order of `ACTS`; each stock report assumes the acts before it.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random

from tieout_sandbox.sample.feeds import BY_STREAM, write_feed
from tieout_sandbox.sample.project import EXPECTED, write_stock
from tieout_sandbox.sample.quarter import Quarter
from tieout_sandbox.sample.world import LAST_DAY, Record, cents

ACTS = ("shuffled", "backdated", "edited", "cancelled", "unknown_sku")
LATE_DAY = date(2026, 1, 12)


@dataclass(frozen=True)
class Act:
    """What an act was about. `amount` is the money at stake where the act knows it."""

    name: str
    text: str
    document: str = ""
    sku: str = ""
    amount: str = ""


Delivery = tuple[dict[str, list[Record]], Act]


def redeliver(folder: Path) -> Act:
    """Every feed once more, in another order and under another name."""
    return _deliver(folder, "shuffled")


def backdate(folder: Path) -> Act:
    """A receipt from early in the quarter turns up, cheaper than what was sold since."""
    return _deliver(folder, "backdated")


def edit(folder: Path) -> Act:
    """A shipped quantity is corrected: revision 2 of the same line."""
    return _deliver(folder, "edited")


def cancel(folder: Path) -> Act:
    """A shipped line is cancelled: revision 2 says that nothing left."""
    return _deliver(folder, "cancelled")


def unknown_sku(folder: Path) -> Act:
    """A shipment of something nobody has put into the item master, among three good lines."""
    return _deliver(folder, "unknown_sku")


def acts(folder: Path) -> list[Act]:
    """All of them, in order."""
    return [_deliver(folder, name) for name in ACTS]


def after(quarter: Quarter, last: str) -> None:
    """Bring a quarter's book to where the source stands after an act."""
    for name in ACTS[: ACTS.index(last) + 1]:
        _ACT[name](quarter)


def _deliver(folder: Path, name: str) -> Act:
    quarter = Quarter(int(json.loads((folder / EXPECTED).read_text(encoding="utf-8"))["seed"]))
    number = ACTS.index(name) + 1
    for earlier in ACTS[: number - 1]:
        _ACT[earlier](quarter)
    records, act = _ACT[name](quarter)
    for stream, rows in records.items():
        write_feed(folder, BY_STREAM[stream], rows, f"act-{number}-{name}")
    write_stock(folder, quarter.book, LAST_DAY + timedelta(days=number))
    return act


def _shuffled(quarter: Quarter) -> Delivery:
    rng = Random(len(quarter.records))
    streams: dict[str, list[Record]] = {}
    for record in quarter.records:
        streams.setdefault(record.stream, []).append(record)
    for rows in streams.values():
        rng.shuffle(rows)
    return streams, Act("shuffled", f"{len(quarter.records)} records once more, shuffled: nothing may be posted")


def _backdated(quarter: Quarter) -> Delivery:
    item = next(item for item in quarter.items if item.role == "quiet")
    sold = [int(r.data["quantity"]) for r in quarter.records if r.stream == "shipments" and r.data["sku"] == item.sku]
    line = {
        "line": 1,
        "sku": item.sku,
        "quantity": "12",
        "unit": item.unit,
        "unit_price": cents(max(1, item.cost * 4 // 5)),
        "weight_kg": "12.000",
    }
    data = {
        "receipt_no": "GR-LATE-1",
        "received_at": f"{LATE_DAY.isoformat()}T07:30:00+01:00",
        "supplier": item.supplier,
        "location": "MAIN",
        "lines": [line],
        "rev": 1,
    }
    quarter.book.move(item.sku, "MAIN", 120)
    record = Record("receipts", quarter.records[0].at, "GR-LATE-1", data, Counter(["purchase.received"]))
    text = f"12 of {item.sku} received on {LATE_DAY}, known only now; {len(sold)} sales of {sum(sold)} came after"
    return {"receipts": [record]}, Act("backdated", text, "GR-LATE-1", item.sku)


def _last_sale(quarter: Quarter, skip: int) -> Record:
    """A March shipment line of at least two units of a normal item that nobody has returned."""
    returned = {(r.data["shipment_no"], r.data["shipment_line"]) for r in quarter.records if r.stream == "returns"}
    fitting = [
        r
        for r in quarter.records
        if r.stream == "shipments"
        and r.at.month == 3
        and quarter.by_sku[r.data["sku"]].role == "normal"
        and r.data["quantity"] in ("2", "3", "4", "5")
        and (r.data["shipment_no"], r.data["line"]) not in returned
    ]
    return fitting[-1 - skip]


def _edited(quarter: Quarter) -> Delivery:
    sale = _last_sale(quarter, 40)
    fewer = int(sale.data["quantity"]) - 1
    quarter.book.move(sale.data["sku"], sale.data["location"], 10)
    record = replace(sale, data={**sale.data, "quantity": str(fewer), "rev": 2})
    text = f"line {sale.data['line']} of {sale.data['shipment_no']} was {sale.data['quantity']}, is {fewer}"
    return {"shipments": [record]}, Act("edited", text, sale.data["shipment_no"], sale.data["sku"])


def _cancelled(quarter: Quarter) -> Delivery:
    sale = _last_sale(quarter, 80)
    quarter.book.move(sale.data["sku"], sale.data["location"], 10 * int(sale.data["quantity"]))
    record = replace(sale, data={**sale.data, "status": "cancelled", "rev": 2}, events=Counter())
    text = f"line {sale.data['line']} of {sale.data['shipment_no']} ({sale.data['quantity']} units) is cancelled"
    return {"shipments": [record]}, Act("cancelled", text, sale.data["shipment_no"], sale.data["sku"])


def _unknown_sku(quarter: Quarter) -> Delivery:
    sale = _last_sale(quarter, 0)
    known = [i for i in quarter.items if i.role == "normal" and quarter.free(i.sku, "MAIN") >= 100][:3]
    rows = []
    for line, (sku, unit, price) in enumerate(
        (("XX-9999", "each", "49.90"), *((i.sku, i.unit, cents(i.cost * 2 + 95)) for i in known)), 1
    ):
        data = {**sale.data, "shipment_no": "SH-NEW-1", "order_no": "SO-NEW-1", "line": line, "sku": sku}
        data |= {"location": "MAIN", "quantity": "1", "unit": unit, "unit_price": price}
        rows.append(replace(sale, key=f"SH-NEW-1/{line}", data=data))
        if line > 1:
            quarter.book.move(sku, "MAIN", -10)
    text = "SH-NEW-1 has one line with SKU XX-9999, which nobody knows, and three good ones"
    return {"shipments": rows}, Act("unknown_sku", text, "SH-NEW-1", "XX-9999", "49.90")


_ACT = {
    "shuffled": _shuffled,
    "backdated": _backdated,
    "edited": _edited,
    "cancelled": _cancelled,
    "unknown_sku": _unknown_sku,
}
