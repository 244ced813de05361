"""Writes the sample company's records the way its systems would: CSV, TSV, spreadsheets, JSON lines, gzip, two locales."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from tieout_sandbox.sample.world import Record
from tieout_sandbox.sample.xlsx import write_sheet

Kind = Literal["csv", "tsv", "jsonl", "jsonl.gz", "xlsx"]


@dataclass(frozen=True)
class Feed:
    """How one stream is delivered. `monthly`: one file a month. `dutch`: semicolons, decimal commas, day-month-year."""

    stream: str
    kind: Kind
    key: tuple[str, ...]
    monthly: bool = True
    dutch: bool = False


FEEDS = (
    Feed("openings", "csv", ("sku", "location"), monthly=False),
    Feed("receipts", "jsonl", ("receipt_no",)),
    Feed("bills", "jsonl", ("bill_no",)),
    Feed("freight", "jsonl", ("bill_no",), monthly=False),
    Feed("supplier_returns", "csv", ("rma_no", "line"), monthly=False),
    Feed("credits", "csv", ("credit_no",), monthly=False),
    Feed("shipments", "csv", ("shipment_no", "line")),
    Feed("returns", "jsonl.gz", ("return_no", "line")),
    Feed("dispositions", "csv", ("disposition_no",), monthly=False, dutch=True),
    Feed("transfers", "tsv", ("transfer_no", "line", "step")),
    Feed("adjustments", "xlsx", ("adjustment_no",)),
    Feed("counts", "jsonl", ("count_no",), monthly=False),
)
BY_STREAM = {feed.stream: feed for feed in FEEDS}
FOLDER = "feeds"


def pattern(feed: Feed) -> str:
    """The glob of a feed's files, as the project's configuration names it."""
    return f"{FOLDER}/{feed.stream}-*.{feed.kind}"


def write_feed(folder: Path, feed: Feed, records: Sequence[Record], name: str) -> Path:
    """One file of one stream, rows in the order given."""
    path = folder / FOLDER / f"{feed.stream}-{name}.{feed.kind}"
    rows = [record.data for record in records]
    if feed.kind.startswith("jsonl"):
        text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
        body = text.encode()
        path.write_bytes(gzip.compress(body, mtime=0) if feed.kind.endswith("gz") else body)
        return path
    header = list(rows[0])
    cells = [[_cell(row[column], feed.dutch) for column in header] for row in rows]
    if feed.kind == "xlsx":
        write_sheet(path, header, cells)
    else:
        path.write_bytes(table(header, cells, "\t" if feed.kind == "tsv" else ";" if feed.dutch else ","))
    return path


def _cell(value: Any, dutch: bool) -> str:
    text = str(value)
    if not dutch:
        return text
    if text.replace(".", "", 1).isdigit():
        return text.replace(".", ",")
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M").strftime("%d-%m-%Y %H:%M")
    except ValueError:
        return text


def table(header: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def by_month(records: Iterable[Record]) -> dict[str, list[Record]]:
    months: dict[str, list[Record]] = {}
    for record in records:
        months.setdefault(record.at.strftime("%Y-%m"), []).append(record)
    return months
