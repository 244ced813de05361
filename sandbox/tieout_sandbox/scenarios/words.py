"""How a scenario's business tells what happens: one JSONL feed for each event type, and the mapping that reads it."""

from __future__ import annotations

import json
from typing import Any, Final

# Event type → fields of the event, fields of its lines. `at`, `document` and `rev` are always there.
TYPES: Final[dict[str, tuple[str, str]]] = {
    "opening.loaded": ("", "item quantity location amount"),
    "purchase.received": ("party currency rate", "item quantity location unit unit_price currency weight"),
    "purchase.billed": ("party currency rate", "item quantity unit amount tax ref.document ref.line"),
    "purchase.returned": ("party", "item quantity location ref.document ref.line"),
    "purchase.credited": ("party", "item quantity amount ref.document ref.line"),
    "landed_cost.billed": ("party amount basis", "ref.document"),
    "order.fulfilled": ("party channel", "item quantity location unit unit_price"),
    "return.received": ("", "item quantity location disposition ref.document ref.line"),
    "return.dispositioned": ("", "item quantity location disposition ref.document ref.line"),
    "stock.adjusted": ("", "item quantity location reason"),
    "count.approved": ("actor", "item quantity location book_quantity"),
    "transfer.dispatched": ("", "item quantity location to_location"),
    "transfer.received": ("", "item quantity location ref.document ref.line"),
    "transfer.closed_short": ("", "item quantity location ref.document ref.line"),
    "intercompany.shipped": ("party", "item quantity location unit_price"),
    "intercompany.received": ("party", "item quantity location unit_price"),
    "kit.assembled": ("", "item quantity location part"),
    "kit.disassembled": ("", "item quantity location part"),
    "production.issued": ("", "item quantity location"),
    "production.completed": ("", "item quantity location"),
    "payout.paid": ("channel amount amounts.fees", ""),
}


def stream(kind: str) -> str:
    return kind.replace(".", "_")


def mapping(kind: str) -> str:
    """The mapping file of one feed. YAML is a superset of the JSON this is."""
    event, line = TYPES[kind]
    fields = {"effective_at": "at", "document": "document", **{name: _key(name) for name in event.split()}}
    made: dict[str, Any] = {"type": kind, "fields": fields}
    if line:
        made["lines"] = {"each": "lines", "id": "id", "fields": {name: _key(name) for name in line.split()}}
    return json.dumps(
        {
            "mapping": f"scenario_{stream(kind)}",
            "version": "1",
            "stream": stream(kind),
            "record": f"one document of a scenario: {kind}",
            "skip": [{"when": {"from": "status", "eq": "cancelled"}, "reason": "cancelled, nothing of it holds"}],
            "events": [made],
        },
        indent=1,
    )


def _key(name: str) -> str:
    return name.replace(".", "_")
