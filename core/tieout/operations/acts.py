"""Events that people make here rather than at a source: openings at cut-over, SKU merges. They land like any record."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from tieout.errors import UsageError
from tieout.mapping import event_key
from tieout.model.event import Event, lines_of
from tieout.model.quantity import from_scaled
from tieout.operations.office import Office
from tieout.operations.people import known_item
from tieout.pull import own
from tieout.pull.landing import Landed
from tieout.store import balances


def load_openings(office: Office, day: date, lines: Sequence[Mapping[str, Any]], ledger: str | None) -> Landed:
    """Land one opening document as of the start of a day; `ledger` is what the ledger carries already (OPN-02, 03)."""
    desk = office.desk
    document = f"OPENING {day}"
    event = Event.model_validate(
        {
            "id": event_key(
                company=desk.company.code,
                connection=own.CONNECTION,
                stream="cutover",
                transaction=document,
                line="",
                event_type="opening.loaded",
            ),
            "type": "opening.loaded",
            "company": desk.company.code,
            "effective_at": datetime.combine(day, time(), desk.company.timezone),
            "document": document,
            "actor": desk.actor,
            **({"amount": ledger} if ledger is not None else {}),
            "lines": lines,
        }
    )
    with desk.store.write() as tx:
        return own.land_own(
            tx, desk.pulling, desk.actor, "cutover", lines_of(event, currency=desk.currency), subject=document
        )


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
        stock = balances.stock(rx, desk.journal, as_of=instant)
    held = {location: quantity for (item, location), quantity in stock.items() if item == old and quantity > 0}
    with desk.store.write() as tx:
        own.merge_items(tx, desk.pulling, desk.actor, old=old, into=new, day=when, held=held)
    desk.reload_masters()
    office.books.keep()
    return {"old": old, "new": new, "day": day, "quantity": from_scaled(sum(held.values())), "movements": len(held)}


def read_rows(path: Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """(line, row) of a CSV with a header; every missing column is named at once."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in needed if name not in (reader.fieldnames or [])]
        if missing:
            words = f"columns are missing: {', '.join(missing)}"
            raise UsageError(words, where=f"{path}:1", fix=f"needed: {', '.join(needed)}")
        return [(reader.line_num, {k: v for k, v in row.items() if k and v not in (None, "")}) for row in reader]
