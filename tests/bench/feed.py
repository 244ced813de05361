"""The feed both sides of `ingest_vs_floor` read: JSON Lines of receipts and shipments, seeded, at constant density."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

ITEMS = 2_000
A_DAY = 2_000  # movements a day: more movements mean a longer period


def write(path: Path, movements: int, items: int = ITEMS, seed: int = 1) -> None:
    """Write `movements` records: one receipt to about nine shipments, never below zero, in time order."""
    rng = random.Random(seed)
    held = [0] * items
    start = datetime(2024, 1, 1, tzinfo=UTC)
    step = timedelta(days=1) / A_DAY
    with path.open("w") as file:
        for number in range(movements):
            item = rng.randrange(items)
            wanted = rng.randint(1, 5)
            receipt = held[item] < wanted
            quantity = rng.randint(20, 40) if receipt else wanted
            held[item] += quantity if receipt else -quantity
            record = {
                "id": f"{'R' if receipt else 'S'}-{1_000_000 + number}",
                "kind": "receipt" if receipt else "shipment",
                "at": (start + step * number).isoformat(timespec="seconds"),
                "sku": f"SKU-{item:05d}",
                "location": "MAIN",
                "quantity": str(quantity),
                "unit_cost": f"{rng.randint(100, 9_999) / 100:.2f}" if receipt else None,
                "order": f"SO-{number // 3}",
                "party": f"C-{rng.randrange(500):03d}",
                "channel": "web",
                "currency": "USD",
                "revision": "1",
            }
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]), int(sys.argv[2]))
