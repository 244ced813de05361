"""Which earlier lines a reference names. A reference is `e:EVENT#LINE` or `d:DOCUMENT#LINE`; the line may be empty.

It names the lines of that event or document of the kinds that fit; where there are none, the lines that carry the same
reference themselves (receipt and bill of one purchase order, shipment and invoice of one order).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from tieout.model.event import EventLine, OrderKey, order_key
from tieout.valuation.state import ItemState, NeedsHistory


class Lookup(Protocol):
    """Known, current lines by event id and by document number. Lines that were taken back are not among them."""

    def event(self, event_id: str) -> Sequence[EventLine]: ...

    def document(self, number: str) -> Sequence[EventLine]: ...

    def citing(self, names: Collection[str]) -> Sequence[EventLine]:
        """Lines whose reference names one of these: `e:EVENT` or `d:DOCUMENT`, without the line part."""
        ...

    def has(self, event_type: str) -> bool:
        """Whether any line of this type may be known: false is certain, and cheap to ask."""
        ...

    def of_type(self, event_type: str) -> Sequence[EventLine]:
        """All lines of a type; for types of which there are few."""
        ...

    def in_currency(self, currency: str) -> Sequence[EventLine]:
        """All lines whose amounts are in a foreign currency; for period ends."""
        ...


def parse(ref: str) -> tuple[str, str, str]:
    """(kind, name, line) of a reference: `d:PO-1#2` → ("d", "PO-1", "2")."""
    kind, _, rest = ref.partition(":")
    name, _, line = rest.rpartition("#")
    return kind, name, line


def fits(line: EventLine, wanted: str) -> bool:
    """Whether a line is the one a reference's line part names: itself, or one of the bundle it was part of. An event's
    only line may have no id of its own."""
    return (
        not wanted
        or line.line_id == wanted
        or (not line.line_id and wanted == "1")
        or line.line_id.startswith(f"{wanted}/")
    )


def named(state: ItemState, ref: str, types: Collection[str], lookup: Lookup | None, before: OrderKey) -> list[int]:
    """Movements of this item's state that `ref` names, oldest first."""
    if not ref:
        return []
    kind, name, wanted = parse(ref)
    index = state.by_event if kind == "e" else state.by_document
    found = _fitting(state, index.get(name, ()), types, wanted)
    if not found:
        found = _fitting(state, state.by_ref.get(ref, ()), types, "")
    if not found and state.move_base:
        # The state let go of old movements: only what is known can tell whether this one is older or unknown.
        known: list[EventLine] = []
        if lookup is not None:
            known += lookup.event(name) if kind == "e" else lookup.document(name)
            known += [x for x in lookup.citing([f"{kind}:{name}"]) if x.ref == ref]
        keys = [order_key(x) for x in known if x.item in ("", state.item) and x.type in types]
        if any(key < before for key in keys):
            raise NeedsHistory(state.item, ref, min(keys))
    return found


def _fitting(state: ItemState, numbers: Sequence[int], types: Collection[str], wanted: str) -> list[int]:
    out = []
    for n in numbers:
        line = state.moves[n - state.move_base].line
        if line.type in types and fits(line, wanted):
            out.append(n)
    return out


def targets(ref: str, types: Collection[str], lookup: Lookup | None, before: OrderKey | None) -> list[EventLine]:
    """Known lines that `ref` names, of any item, in order; `before` leaves out what comes later."""
    if not ref or lookup is None:
        return []
    kind, name, wanted = parse(ref)
    lines = lookup.event(name) if kind == "e" else lookup.document(name)
    fitting = [x for x in lines if x.type in types and fits(x, wanted) and (before is None or order_key(x) < before)]
    return sorted(fitting, key=order_key)
