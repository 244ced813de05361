"""The rule of the house: post `should have − already posted` (matrix §4, "A correction is the delta …").

Bookings are compared per event line, affected movement, effective date and whether the ledger booked them itself; inside that, per *node*: a leg (account,
location, dimensions) and an item. The difference of amount and quantity at each node is posted as pairs, so it
balances like everything else. The posting date takes no part. Nothing posted is touched; running it twice posts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from tieout.model.journal import Booking, Leg
from tieout.posting.owned import is_external

_Key = tuple[str, str, tuple[str, str] | None, date, bool]
_Node = tuple[Leg, str]
_Net = dict[_Node, tuple[int, int]]
_ZERO = (0, 0)


def delta(should: Iterable[Booking], posted: Sequence[Booking]) -> list[Booking]:
    """Bookings to append so that `posted` becomes `should`.

    `posted` holds everything the journal has for the events in question, including events that should have nothing any
    more (taken back, superseded): those get their mirror. An event without anything posted is returned as it is; the
    bookings of all others are flagged `correction`. Order: that of `should`, then that of `posted`.
    """
    if not posted:
        return list(should)
    known = {booking.line.event_id for booking in posted}
    out: list[Booking] = []
    groups: dict[_Key, tuple[list[Booking], list[Booking]]] = {}
    for booking in should:
        if booking.line.event_id in known:
            groups.setdefault(_key(booking), ([], []))[0].append(booking)
        else:
            out.append(booking)
    for booking in posted:
        groups.setdefault(_key(booking), ([], []))[1].append(booking)
    for wanted, held in groups.values():
        if not held:
            out.extend(booking._replace(correction=True) for booking in wanted)
        else:
            out.extend(_difference(wanted, held))
    return out


def _key(booking: Booking) -> _Key:
    affected = booking.affected
    return (
        booking.line.event_id,
        booking.line.line_id,
        (affected.event_id, affected.line_id) if affected is not None else None,
        booking.effective,
        is_external(booking.row),
    )


def net(bookings: Iterable[Booking]) -> _Net:
    """(amount, quantity) per node, debit positive; nodes at zero are left out."""
    out: _Net = {}
    for booking in bookings:
        for node, sign in ((_debit(booking), 1), (_credit(booking), -1)):
            amount, quantity = out.get(node, _ZERO)
            out[node] = (amount + sign * booking.amount, quantity + sign * booking.quantity)
    return {node: value for node, value in out.items() if value != _ZERO}


def _debit(booking: Booking) -> _Node:
    return (booking.debit, booking.item)


def _credit(booking: Booking) -> _Node:
    return (booking.credit, booking.credit_item or booking.item)


def _difference(wanted: list[Booking], held: list[Booking]) -> list[Booking]:
    nodes = net(wanted)
    for node, (amount, quantity) in net(held).items():
        have = nodes.get(node, _ZERO)
        nodes[node] = (have[0] - amount, have[1] - quantity)
    nodes = {node: value for node, value in nodes.items() if value != _ZERO}
    if not nodes:
        return []
    pairs = _by_pair(wanted, held)
    if len(pairs) < len(nodes):
        return pairs
    return _by_hub(nodes, wanted or held)


def _by_pair(wanted: list[Booking], held: list[Booking]) -> list[Booking]:
    """The difference of each pair of nodes on its own: keeps row and component, and mirrors what is taken back."""
    sums: dict[tuple[_Node, _Node], tuple[int, int]] = {}
    first: dict[tuple[_Node, _Node], Booking] = {}
    for sign, bookings in ((1, wanted), (-1, held)):
        for booking in bookings:
            ends = (_debit(booking), _credit(booking))
            if ends[::-1] in sums:
                ends, turn = (ends[1], ends[0]), -sign
            else:
                turn = sign
            amount, quantity = sums.get(ends, _ZERO)
            sums[ends] = (amount + turn * booking.amount, quantity + turn * booking.quantity)
            first.setdefault(ends, booking)
    return [_pair(first[ends], *ends, value) for ends, value in sums.items() if value != _ZERO and ends[0] != ends[1]]


def _by_hub(nodes: _Net, samples: list[Booking]) -> list[Booking]:
    """One pair fewer than nodes: exact opposites are joined first, the rest meet at the last node."""
    out: list[Booking] = []
    waiting: dict[tuple[int, int], list[_Node]] = {}
    for node, (amount, quantity) in nodes.items():
        opposite = waiting.get((-amount, -quantity))
        if opposite:
            out.append(_pair(samples[0], node, opposite.pop(), (amount, quantity)))
        else:
            waiting.setdefault((amount, quantity), []).append(node)
    rest = [(node, value) for value, members in waiting.items() for node in members]
    for node, value in rest[:-1]:
        out.append(_pair(samples[0], node, rest[-1][0], value))
    return out


def _pair(sample: Booking, debit: _Node, credit: _Node, value: tuple[int, int]) -> Booking:
    """A correction that moves `value` from one node to the other, sides swapped so that the amount is positive."""
    amount, quantity = value
    if amount < 0 or (amount == 0 and quantity < 0):
        debit, credit, amount, quantity = credit, debit, -amount, -quantity
    return sample._replace(
        debit=debit[0],
        credit=credit[0],
        amount=amount,
        quantity=quantity,
        item=debit[1],
        credit_item=credit[1] if credit[1] != debit[1] else "",
        layers=(),
        correction=True,
    )
