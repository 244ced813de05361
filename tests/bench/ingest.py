"""Whole ingest: the same feed as the floor, through everything: plugin pages, mapping, validation, bytes kept and hashed,
dedup, valuation, bookings, audit chain, sealed outbox. Like the floor's, the time begins once the program is loaded: a
small feed goes through first (start-up has a figure of its own, `help_vs_python`). Usage: `python tests/bench/ingest.py FEED.jsonl FOLDER [--profile]`
prints CPU seconds, movements and the process's peak memory in KiB.
"""

from __future__ import annotations

import cProfile
import pstats
import resource
import shutil
import sys
import time
from itertools import islice
from pathlib import Path

from tieout.deliver.seal import seal_due
from tieout.workspace import Workspace

WARM_RECORDS = 100
CONFIG = """
[project]
name = "bench"

[companies.main]
legal_name = "Bench"
currency = "USD"
timezone = "UTC"
ledger = "books"
items_file = "items.csv"
locations_file = "locations.csv"
accounts_template = "beancount"

[connections.feed]
id = "feed"
connector = "files"
company = "main"

[[connections.feed.streams]]
name = "movements"
path = "feed.jsonl"
key = ["id"]
revision = "revision"
mapping = "movements.yaml"

[connections.books]
id = "books"
connector = "beancount"
company = "main"
path = "books.beancount"
"""
MAPPING = """
mapping: movements
version: "1"
stream: movements
record: one receipt or shipment
events:
  - type: purchase.received
    when: {from: kind, eq: receipt}
    fields: {effective_at: at, document: order, party: party}
    lines:
      fields: {item: sku, quantity: quantity, location: location, unit_price: unit_cost, currency: currency}
  - type: order.fulfilled
    when: {from: kind, eq: shipment}
    fields: {effective_at: at, document: order, party: party, channel: channel}
    lines:
      fields: {item: sku, quantity: quantity, location: location}
"""


def project(feed: Path, folder: Path, items: int) -> None:
    """A project folder around the feed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "tieout.toml").write_text(CONFIG)
    (folder / "movements.yaml").write_text(MAPPING)
    (folder / "items.csv").write_text("sku,stock_unit\n" + "".join(f"SKU-{n:05d},C62\n" for n in range(items)))
    (folder / "locations.csv").write_text("code,name\nMAIN,Main\n")
    (folder / "feed.jsonl").hardlink_to(feed)


def run(folder: Path) -> int:
    with Workspace.open(folder, actor="bench") as work:
        office = work.office()
        pulled = office.intake.pull("bench")
        kept = office.books.keep()
        delivery = office.delivery()
        assert delivery is not None
        seal_due(work.store, office.desk.journal, delivery, seal_now=True)
        failed = [one.error or one.result.held for one in pulled if one.error or one.result.held]
        assert not failed, failed
        assert kept.refused == 0
        return kept.events


def warm(feed: Path, folder: Path, items: int) -> None:
    """Load everything that is used, with the first records of the feed."""
    first = folder.with_name("warm.jsonl")
    with feed.open("rb") as lines:
        first.write_bytes(b"".join(islice(lines, WARM_RECORDS)))
    project(first, folder.with_name("warm"), items)
    run(folder.with_name("warm"))
    first.unlink()


if __name__ == "__main__":
    items_known = int(sys.argv[3]) if sys.argv[3:4] and sys.argv[3].isdigit() else 2_000
    warm(Path(sys.argv[1]), Path(sys.argv[2]), items_known)
    project(Path(sys.argv[1]), Path(sys.argv[2]), items_known)
    profile = cProfile.Profile() if "--profile" in sys.argv else None
    before = time.process_time()
    if profile:
        profile.enable()
    count = run(Path(sys.argv[2]))
    if profile:
        profile.disable()
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(45)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{time.process_time() - before:.3f} {count} {peak}")
