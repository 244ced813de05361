"""Which known documents belong together: those that name each other, or share the number of an order.

Nothing is stored: the set is found each time from what is known, so it is the same in every order of arrival.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from tieout.model.event import EventLine, OrderKey, order_key
from tieout.valuation.refs import Lookup

ROUNDS_MAX: Final = 8  # references followed from one document to the next

ORDERS: Final = frozenset(
    {
        "order.placed",
        "order.edited",
        "order.cancelled",
        "order.paid",
        "order.invoiced",
        "order.fulfilled",
        "order.delivered",
        "dropship.shipped",
        "consignment.sold",
        "refund.issued",
        "returns.estimated",
        "returns.released",
        "deposit.forfeited",
    }
)
PURCHASES: Final = frozenset(
    {"purchase.prepaid", "purchase.received", "purchase.billed", "purchase.paid", "landed_cost.billed"}
)
DISPUTES: Final = frozenset({"dispute.changed"})

Document = list[EventLine]


def names_of(line: EventLine) -> set[str]:
    """Names by which others may know a line's document, and the one it names."""
    names = {f"e:{line.event_id}"}
    if line.document:
        names.add(f"d:{line.document}")
    if line.ref:
        names.add(line.ref.rpartition("#")[0])
    return names


def related(line: EventLine, types: Collection[str], lookup: Lookup | None) -> list[Document]:
    """Every known document of these types that hangs together with the line's, itself included, in order of time."""
    if lookup is None:
        return [[line]]
    found: dict[str, Document] = {line.event_id: _whole(line, lookup)}
    known: set[str] = set()
    new = {name for x in found[line.event_id] for name in names_of(x)}
    for _ in range(ROUNDS_MAX):
        new -= known
        if not new:
            break
        known |= new
        lines: list[EventLine] = list(lookup.citing(new))
        for name in new:
            lines.extend(lookup.event(name[2:]) if name[0] == "e" else lookup.document(name[2:]))
        new = set()
        for x in lines:
            if x.type in types and x.event_id not in found:
                found[x.event_id] = _whole(x, lookup)
                new |= {name for y in found[x.event_id] for name in names_of(y)}
    return sorted(found.values(), key=lambda document: order_key(document[0]))


def _whole(line: EventLine, lookup: Lookup) -> Document:
    return sorted(lookup.event(line.event_id), key=order_key) or [line]


def document_of(line: EventLine, lookup: Lookup | None) -> Document:
    """All lines of the line's event, in order."""
    return [line] if lookup is None else _whole(line, lookup)


def head_of(document: Document) -> EventLine:
    return next((x for x in document if x.head), document[0])


def dependents(lines: Iterable[EventLine], types: Collection[str], lookup: Lookup) -> list[EventLine]:
    """Known lines whose money may change because these did: later ones of the same order, purchase or dispute, and
    remeasurements after a foreign one. `types`: those that settle anything under the policies in force."""
    out: dict[OrderKey, EventLine] = {}
    prepays = lookup.has("purchase.prepaid")
    pays = lookup.has("purchase.paid")
    remeasures = lookup.has("fx.remeasured")
    pays_out = lookup.has("payout.paid")
    done: set[tuple[str, OrderKey]] = set()
    for line in lines:
        kind = line.type
        key = order_key(line)
        head = (line.event_id, (*key[:4], "", ""))
        if kind in ORDERS and kind in types:
            family = ORDERS
        elif kind in DISPUTES:
            family = DISPUTES
        elif (prepays and kind in ("purchase.prepaid", "purchase.received", "purchase.billed")) or (
            pays and kind in ("purchase.billed", "purchase.paid", "landed_cost.billed")
        ):
            family = PURCHASES
        else:
            family = frozenset()
        if family and head not in done:
            done.add(head)
            for document in related(line, family, lookup):
                for x in document:
                    if order_key(x) > key and (x.type in types or x.type in _VALUED):
                        out[order_key(x)] = x
                if family is ORDERS and pays_out:  # what a payout carries and recognises is its sales'
                    names = {name for x in document for name in (f"e:{x.event_id}", f"d:{x.document}")}
                    for x in lookup.citing(names):
                        if x.type == "payout.paid":
                            out.update((order_key(y), y) for y in _whole(x, lookup))
        if remeasures and (kind == "fx.remeasured" or (line.extra and "currency" in line.extra)):
            for x in lookup.of_type("fx.remeasured"):
                reverses = kind == "fx.remeasured" and line.ref.rpartition("#")[0] in names_of(x)
                if order_key(x) > key or reverses:
                    out[order_key(x)] = x
    return [out[key] for key in sorted(out)]


# Types with a stock side that looks at prepayments.
_VALUED: Final = frozenset({"purchase.received", "purchase.billed"})
