"""What landing costs: `python bench/landing.py [RECORDS] [REVISED_EVERY]` prints one JSON line per stage of growth.

Microseconds of CPU a record for the pull stage with everything it does (bytes kept and hashed, dedup, mapping, names,
rows, digest, commit), the mapping's own share apart, and the size of the database. `--profile` prints where it goes.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tieout.connector import Page, Stream
from tieout.mapping import MapContext, MapResult, compile_mapping
from tieout.model.master import Item, Location
from tieout.pull.company import load_company
from tieout.pull.stream import pull_stream
from tieout.store.masters import put
from tieout.store.store import Store

ITEMS = 2_000
PAGE_RECORDS = 1_000
MAPPING = """
mapping: bench
version: "1"
stream: movements
record: one movement
events:
  - type: order.fulfilled
    fields: {effective_at: at, document: order, party: party, channel: channel, currency: currency}
    lines:
      fields: {item: sku, quantity: quantity, location: location, unit_price: price}
"""
STREAM = Stream(name="movements", key=("id",), revision="revision")


def pages(count: int, start: int = 0) -> Iterator[Page]:
    """Shipments at constant density: a longer period, not more a day."""
    rng = random.Random(start)
    first = datetime(2024, 1, 1, tzinfo=UTC)
    decode = msgspec.json.Decoder().decode
    for begin in range(start, start + count, PAGE_RECORDS):
        rows = [
            {
                "id": f"S-{1_000_000 + number}",
                "at": (first + timedelta(seconds=43 * number)).isoformat(),
                "sku": f"SKU-{rng.randrange(ITEMS):05d}",
                "location": "MAIN",
                "quantity": str(rng.randint(1, 5)),
                "price": f"{rng.randint(100, 9_999) / 100:.2f}",
                "order": f"SO-{number // 3}",
                "party": f"C-{rng.randrange(500):03d}",
                "channel": "web",
                "currency": "USD",
                "revision": "1",
                "note": "",
            }
            for number in range(begin, min(begin + PAGE_RECORDS, start + count))
        ]
        body = json.dumps(rows).encode()
        yield Page(records=decode(body), cursor=str(begin), body=body)


class Timed:
    """The mapping, with its own CPU time counted."""

    def __init__(self) -> None:
        self.mapping = compile_mapping(MAPPING, "bench.yaml")
        self.version = self.mapping.version
        self.seconds = 0

    def run(
        self,
        records: Sequence[Mapping[str, Any]],
        context: MapContext,
        *,
        keys: Sequence[tuple[str, str]] | None = None,
    ) -> MapResult:
        begun = time.process_time_ns()
        result = self.mapping.run(records, context, keys=keys)
        self.seconds += time.process_time_ns() - begun
        return result

    def drift(self, records: Sequence[Mapping[str, Any]], result: MapResult) -> Any:
        begun = time.process_time_ns()
        found = self.mapping.drift(records, result)
        self.seconds += time.process_time_ns() - begun
        return found

    def types_seen(self, records: Sequence[Mapping[str, Any]]) -> Any:
        return self.mapping.types_seen(records)


class Prepared:
    """A source whose pages are made before the clock runs."""

    def __init__(self, prepared: Sequence[Page]) -> None:
        self.prepared = prepared

    def pull(self, _stream: str, _cursor: str | None, _until: datetime) -> Iterator[Page]:
        yield from self.prepared


def main(total: int, step: int, profile: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{folder}/bench.db", create=True)
        with store.write() as tx:
            company = load_company(tx, "main", "USD", "UTC")
            put(tx, company.id, "bench", [Item(sku=f"SKU-{i:05d}") for i in range(ITEMS)] + [Location(code="MAIN")])
        landed = 0
        while landed < total:
            prepared = list(pages(min(step, total - landed), landed))
            mapper = Timed()
            profiler = _profiler() if profile else None
            begun = time.process_time_ns()
            result = pull_stream(
                store,
                company,
                "bench",
                Prepared(prepared),  # type: ignore[arg-type]
                STREAM,
                mapper=mapper,
                until=datetime(2030, 1, 1, tzinfo=UTC),
            )
            spent = time.process_time_ns() - begun
            if profiler is not None:
                profiler.disable()
            count = result.counts["mapped"]
            landed += count
            size = sum(
                path.stat().st_size for path in Path(folder).iterdir() if path.suffix == ".db" or "wal" in path.name
            )
            figures = {
                "name": "landing",
                "records": landed,
                "cpu_us_per_record": round((spent - mapper.seconds) / count / 1_000, 2),
                "mapping_us_per_record": round(mapper.seconds / count / 1_000, 2),
                "database_bytes_per_record": round(size / landed),
            }
            print(json.dumps(figures), flush=True)
            if profiler is not None:
                import pstats

                pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
        store.close()


def _profiler() -> Any:
    import cProfile

    profiler = cProfile.Profile()
    profiler.enable()
    return profiler


if __name__ == "__main__":
    arguments = [int(text) for text in sys.argv[1:] if text.isdecimal()]
    records = arguments[0] if arguments else 100_000
    main(records, arguments[1] if len(arguments) > 1 else min(records, 50_000), "--profile" in sys.argv)
