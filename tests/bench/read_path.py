"""The read path: pages of the files connector, validated and parsed with decimals kept, against orjson on the same bytes.

Usage: `python tests/bench/read_path.py FEED.jsonl` prints CPU seconds of ours, of orjson, and the number of records.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from tieout import Context, Page
from tieout.plugins import Plugins


def ours(feed: Path) -> int:
    made = Plugins.load().connector("files")
    config = made.manifest.config.model_validate({"streams": [{"name": "f", "path": feed.name, "key": ["id"]}]})
    context = Context(
        connection="b", company="b", currency="USD", config=config, root=feed.parent, now=lambda: datetime.now(UTC)
    )
    make: Any = made
    pages: Iterator[Page] = make(context).pull("f", None, datetime.now(UTC))
    return sum(len(page.records) for page in pages)


def plain(feed: Path) -> int:
    with feed.open("rb") as lines:
        return sum(1 for line in lines if orjson.loads(line))


if __name__ == "__main__":
    path = Path(sys.argv[1])
    times = []
    for run in (ours, plain):
        before = time.process_time()
        count = run(path)
        times.append(time.process_time() - before)
    print(f"{times[0]:.3f} {times[1]:.3f} {count}")
