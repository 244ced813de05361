"""A receipt dated before 1,000 later issues of its item, in books that stand: from valuing to the delta lines committed.

Usage: `python tests/bench/backdated.py FOLDER` prints CPU seconds and the number of corrections written.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest import project  # type: ignore[import-not-found]

from tieout.workspace import Workspace

ISSUES = 1_000
START = datetime(2024, 1, 1, tzinfo=UTC)


def record(number: int, kind: str, at: datetime, quantity: int, cost: str | None) -> str:
    return json.dumps(
        {
            "id": f"{kind[0].upper()}-{number}",
            "kind": kind,
            "at": at.isoformat(),
            "sku": "SKU-00000",
            "location": "MAIN",
            "quantity": str(quantity),
            "unit_cost": cost,
            "order": f"SO-{number}",
            "party": "C-1",
            "channel": "web",
            "currency": "USD",
            "revision": "1",
        }
    )


def main(folder: Path) -> None:
    feed = folder.parent / "backdated.jsonl"
    first = record(1, "receipt", START, 2 * ISSUES, "3.00")
    issues = [record(n + 2, "shipment", START + timedelta(minutes=n + 1), 1, None) for n in range(ISSUES)]
    feed.write_text("\n".join([first, *issues]) + "\n")
    project(feed, folder, 1)
    with Workspace.open(folder, actor="bench") as work:
        office = work.office()
        office.intake.pull("bench")
        assert office.books.keep().events == ISSUES + 1
        with feed.open("a") as file:
            file.write(record(9_000, "receipt", START - timedelta(days=1), 2 * ISSUES, "2.00") + "\n")
        office.intake.pull("bench")
        before = time.process_time()
        kept = office.books.keep()
        spent = time.process_time() - before
    assert kept.corrections >= ISSUES, kept
    print(f"{spent:.4f} {kept.corrections}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
