"""The sample company's project folder: configuration, master data, feeds, stock reports and what must come of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

from tieout_sandbox.sample.feeds import BY_STREAM, FEEDS, FOLDER, by_month, pattern, table, write_feed
from tieout_sandbox.sample.quarter import Quarter
from tieout_sandbox.sample.world import CARRIER, CASE, LAST_DAY, LOCATIONS, SUPPLIERS, Book, Item, Record, cents, tenths

STOCK_FOLDER = "stock"
EXPECTED = "expected.json"
RESENT_DAYS = 3
REPEATED_ROWS = 40


@dataclass(frozen=True)
class SampleCompany:
    """What was written where, and the figures that must come out: `expected` is also in `expected.json`."""

    folder: Path
    seed: int
    expected: dict[str, Any]

    def describe(self) -> str:
        """One line for people: what there is."""
        streams = self.expected["records_by_stream"]
        kinds = f"{streams['shipments']} shipments, {streams['receipts']} receipts, {streams['returns']} returns"
        return (
            f"{self.expected['records']} records in {len(streams)} feeds ({kinds} and more), "
            f"{self.expected['duplicates']} of them sent twice; project in {self.folder}"
        )


def create(folder: Path, seed: int = 7) -> SampleCompany:
    """Write the whole project folder. The same seed writes the same bytes; existing feeds are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (FOLDER, STOCK_FOLDER):
        (folder / name).mkdir(exist_ok=True)
        for old in sorted((folder / name).iterdir()):
            old.unlink()
    quarter = Quarter(seed)
    (folder / "tieout.toml").write_text(_config(), encoding="utf-8")
    write_masters(folder, quarter)
    duplicates = _write_feeds(folder, quarter.records, Random(seed + 1))
    write_stock(folder, quarter.book, LAST_DAY)
    expected = _expected(seed, quarter, duplicates)
    (folder / EXPECTED).write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return SampleCompany(folder, seed, expected)


def _write_feeds(folder: Path, records: Sequence[Record], rng: Random) -> int:
    """Every stream's files, with what real feeds do to them: rows sent twice inside a file, and the last days of a month
    sent again in a file of another name. Returns how many records are duplicates."""
    duplicates = 0
    for feed in FEEDS:
        own = [record for record in records if record.stream == feed.stream]
        for month, rows in (by_month(own) if feed.monthly else {"2026-q1": own}).items():
            if feed.stream == "shipments":
                repeated = rng.sample(rows, REPEATED_ROWS)
                duplicates += len(repeated)
                rows = [*rows, *repeated]
            elif feed.stream == "receipts":
                duplicates += 1
                rows = [*rows, rows[0]]
            write_feed(folder, feed, rows, month)
    again = [r for r in records if r.stream == "shipments" and r.at.date() > date(2026, 2, 28 - RESENT_DAYS)]
    again = [r for r in again if r.at.month == 2]
    write_feed(folder, BY_STREAM["shipments"], again, "2026-02-resent")
    return duplicates + len(again)


def write_masters(folder: Path, quarter: Quarter) -> None:
    """Items, locations and parties as the accountant keeps them."""
    items = [_item_row(item) for item in quarter.items]
    header = ("sku", "name", "category", "stock_unit", "units", "catalogue_cost", "weight")
    (folder / "items.csv").write_bytes(table(header, items))
    places = [(code, name, "warehouse" if code == "MAIN" else "store") for code, name in LOCATIONS.items()]
    (folder / "locations.csv").write_bytes(table(("code", "name", "kind"), places))
    parties = [(code, name, "supplier") for code, name in (*SUPPLIERS.items(), (CARRIER, "Rhine Carriers"))]
    parties += [(f"C-{number:04d}", f"Customer {number}", "customer") for number in range(quarter.customers)]
    (folder / "parties.csv").write_bytes(table(("code", "name", "kind"), parties))


def _item_row(item: Item) -> tuple[str, ...]:
    units = f"case={CASE}" if item.cased else ""
    kilograms = f"{item.weight // 1000}.{item.weight % 1000:03d}"
    return (item.sku, item.name, item.category, item.unit, units, cents(item.cost), kilograms)


def write_stock(folder: Path, book: Book, day: date) -> Path:
    """The source's own stock report at the end of a day: every item at every place, returned goods included."""
    rows = [(sku, place, tenths(quantity)) for (sku, place), quantity in sorted(book.stock.items())]
    path = folder / STOCK_FOLDER / f"stock-{day.isoformat()}.csv"
    path.write_bytes(table(("sku", "location", "quantity"), rows))
    return path


def _expected(seed: int, quarter: Quarter, duplicates: int) -> dict[str, Any]:
    events: Counter[str] = Counter()
    for record in quarter.records:
        events.update(record.events)
    closing = {
        f"{sku}@{place}": tenths(quantity) for (sku, place), quantity in sorted(quarter.book.stock.items()) if quantity
    }
    layers = quarter.book.layers
    return {
        "seed": seed,
        "records": len(quarter.records),
        "duplicates": duplicates,
        "records_by_stream": dict(sorted(Counter(r.stream for r in quarter.records).items())),
        "events": dict(sorted(events.items())),
        "closing": closing,
        "in_transit": {sku: tenths(q) for sku, q in sorted(quarter.book.transit.items()) if q},
        "fifo_value": {
            item.sku: cents(sum(layer.value for layer in layers[item.sku]))
            for item in quarter.items
            if item.role == "plain"
        },
    }


# configuration

_HEAD = """\
# A sample company: a warehouse, two shops, two suppliers, three months. Made by tieout_sandbox.sample; edit freely.
[project]
name = "Sample company"
store = "sqlite:///tieout.db"

[companies.main]
legal_name = "Harbour Home Goods B.V."
currency = "EUR"
timezone = "Europe/Amsterdam"
ledger = "books"
items_file = "items.csv"
locations_file = "locations.csv"
parties_file = "parties.csv"
accounts_template = "beancount"

[[companies.main.policies]]
cost_method = "fifo"

[connections.ops]
id = "ops"
connector = "files"
company = "main"
"""
_LEDGER = """
[connections.books]
id = "books"
connector = "beancount"
company = "main"
path = "books.beancount"
"""


def _config() -> str:
    parts = [_HEAD]
    for feed in FEEDS:
        lines = ["", "[[connections.ops.streams]]", f'name = "{feed.stream}"', f'path = "{pattern(feed)}"']
        lines.append(f"key = {json.dumps(list(feed.key))}")
        lines.append('revision = "rev"')
        lines.append(f'mapping = "shipped:sample_{feed.stream}"')
        if feed.dutch:
            lines.append('delimiter = ";"')
        parts.append("\n".join(lines) + "\n")
    stock = [
        "",
        "[[connections.ops.streams]]",
        'name = "stock"',
        'kind = "stock"',
        f'path = "{STOCK_FOLDER}/stock-*.csv"',
        'key = ["sku", "location"]',
        'stock = { item = "sku", location = "location", quantity = "quantity", as_of_name = "stock-%Y-%m-%d.csv" }',
    ]
    parts.append("\n".join(stock) + "\n")
    parts.append(_LEDGER)
    return "".join(parts)
