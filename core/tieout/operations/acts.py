"""Events that people make here rather than at a source: openings at cut-over, SKU merges. They land like any record:
as a page with its bytes, mapped to events, deduplicated, traced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import msgspec

from tieout.connector import Page, Stream
from tieout.errors import UsageError
from tieout.mapping import CompiledMapping, compile_mapping
from tieout.model.quantity import from_scaled
from tieout.operations.office import Office
from tieout.operations.people import known_item
from tieout.pull.landing import Landed, land
from tieout.pull.stream import make_lander
from tieout.store import balances
from tieout.store.masters import retire

CONNECTION = "tieout"
STREAMS = {
    "openings": Stream(name="openings", key=("document",), kind="records"),
    "merges": Stream(name="merges", key=("old", "new", "location"), kind="records"),
}
_MERGE = """
mapping: tieout_merges
version: "1"
stream: merges
record: one item merged into another at one location
events:
  - type: stock.adjusted
    fields: {effective_at: at, document: document}
    lines:
      fields: {item: old, to_item: new, quantity: quantity, location: location, reason: {const: merged}}
"""
_OPENING = """
mapping: tieout_openings
version: "1"
stream: openings
record: the opening stock of a cut-over, with what the ledger carries already
events:
  - type: opening.loaded
    fields: {effective_at: at, document: document, amount: ledger}
    lines:
      each: lines
      id: line
      fields: {item: item, location: location, quantity: quantity, amount: value, origin_date: origin_date, lot: lot}
"""
MAPPINGS = {"openings": _OPENING, "merges": _MERGE}


def mapping_of(stream: str) -> CompiledMapping:
    return compile_mapping(MAPPINGS[stream], f"tieout {stream}")


def land_records(office: Office, stream: str, records: Sequence[Mapping[str, Any]]) -> Landed:
    """Land records of our own making, in one transaction, with their bytes."""
    desk = office.desk
    lander = make_lander(desk.pulling, CONNECTION, STREAMS[stream], mapping_of(stream), f"{desk.actor}")
    body = msgspec.json.encode(list(records))
    with desk.store.write() as tx:
        return land(tx, lander, [Page(records=records, cursor="", body=body, codec="json")])


def start_of(office: Office, day: date) -> str:
    """The first instant of a day in the company's zone, as text with its offset."""
    return datetime.combine(day, time(), office.desk.company.timezone).isoformat()


def merge_items(office: Office, *, old: str, new: str, day: str) -> dict[str, Any]:
    """From that day the old SKU means the new one; what is held of it moves with its layers (ADJ-10)."""
    desk = office.desk
    known_item(desk, old)
    known_item(desk, new)
    if old == new:
        raise UsageError(f"{old} cannot be merged into itself")
    when = date.fromisoformat(day)
    instant = desk.days.end_of(date.fromordinal(when.toordinal() - 1)) - 1
    office.books.keep()
    with desk.store.read() as rx:
        held = balances.stock(rx, desk.journal, as_of=instant)
    records = [
        {
            "at": start_of(office, when),
            "document": f"MERGE {old} {new}",
            "old": old,
            "new": new,
            "location": location,
            "quantity": f"-{from_scaled(quantity)}",
        }
        for (item, location), quantity in sorted(held.items())
        if item == old and quantity > 0
    ]
    if records:
        land_records(office, "merges", records)
    with desk.store.write() as tx:
        retire(tx, desk.id, desk.actor, old=old, into=new, effective=when)
    desk.reload_masters()
    office.books.keep()
    moved = sum(quantity for (item, _), quantity in held.items() if item == old)
    return {"old": old, "new": new, "day": day, "quantity": from_scaled(moved), "movements": len(records)}


def read_rows(path: Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """(line, row) of a CSV with a header; every missing column is named at once."""
    import csv

    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in needed if name not in (reader.fieldnames or [])]
        if missing:
            raise UsageError(
                f"columns are missing: {', '.join(missing)}", where=f"{path}:1", fix=f"needed: {', '.join(needed)}"
            )
        return [(reader.line_num, {k: v for k, v in row.items() if k and v not in (None, "")}) for row in reader]
