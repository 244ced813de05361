"""Open lines of clearing accounts: which bookings belong together, what of them is still open, and since when.

Bookings of one role belong to one *thread* when their events name each other, or the same document (matrix §21). What a
thread's lines leave is one open line; the opening ones are used up oldest first, so its age is that of the oldest one
that is not. Every booking is in exactly one thread: the lines always add up to the balance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

from tieout.model.event import EventLine
from tieout.model.roles import CONTROL_ROLES, ROLES

# Roles that are followed item by item; the others by thread alone.
BY_ITEM = frozenset(
    {
        "grni",
        "ginr",
        "inventory_pending",
        "inventory_inbound",
        "inventory_transit",
        "inventory_transit_out",
        "inventory_returns_pending",
        "shipped_not_invoiced",
        "vendor_credit_receivable",
    }
)


class Part(NamedTuple):
    """What one event line put on a role: debit positive, with the units that moved with it."""

    line: EventLine
    role: str
    account: str
    item: str
    location: str
    amount: int
    quantity: int
    effective: date


class Open(NamedTuple):
    """An open line. `quantity`: units still there, of a role that holds units. `against`: it stands on the wrong side (a receipt billed beyond itself), so nothing explains it."""

    role: str
    account: str
    item: str
    location: str
    party: str
    document: str
    event: str
    since: date
    amount: int
    quantity: int
    against: bool


def open_lines(parts: Iterable[Part]) -> list[Open]:
    """The open lines of some roles, oldest first."""
    found = list(parts)
    threads = _threads(found)
    groups: dict[tuple[str, str, str, str], list[Part]] = {}
    for part in found:
        item = part.item if part.role in BY_ITEM else ""
        thread = threads[part.line.event_id]
        groups.setdefault((part.role, part.account, thread, item), []).append(part)
    out = [line for members in groups.values() if (line := _open(members)) is not None]
    return sorted(out, key=lambda line: (line.since, line.role, line.document, line.item, line.event))


def _threads(parts: Iterable[Part]) -> dict[str, str]:
    """Event → its thread: events joined by what they name, by id or by document."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    events: dict[str, EventLine] = {}
    for part in parts:
        line = part.line
        events[line.event_id] = line
        if line.document:
            parent[root(f"d:{line.document}")] = root(line.event_id)
        if line.ref:
            named = line.ref.rpartition("#")[0]
            parent[root(line.event_id)] = root(named.removeprefix("e:"))
    return {event: root(event) for event in events}


def _open(members: list[Part]) -> Open | None:
    amount = sum(part.amount for part in members)
    quantity = sum(part.quantity for part in members)
    if members[0].role not in CONTROL_ROLES:
        quantity = 0  # other accounts hold no units: those that passed by say nothing about what is open
    if not amount and not quantity:
        return None
    members.sort(key=lambda part: (part.line.at, part.line.event_id, part.line.line_id))
    first = _oldest(members, amount)
    normal = ROLES[first.role].normal
    against = (normal == "Dr" and amount < 0) or (normal == "Cr" and amount > 0)
    return Open(
        first.role,
        first.account,
        first.item if first.role in BY_ITEM else "",
        first.location,
        first.line.party,
        first.line.document,
        first.line.event_id,
        first.effective,
        amount,
        quantity,
        against,
    )


def _oldest(members: list[Part], amount: int) -> Part:
    """The oldest line on the side of what is open that is not used up: the newest ones make up the open amount."""
    left = abs(amount)
    chosen = members[-1]
    for part in reversed(members):
        if left <= 0 and amount:
            break
        if not amount or (part.amount > 0) == (amount > 0):
            chosen = part
            left -= abs(part.amount)
    return chosen


def age_bucket(days: int, edges: tuple[int, ...]) -> str:
    """`0-30`, `31-60`, … `>180`."""
    low = 0
    for edge in edges:
        if days <= edge:
            return f"{low}-{edge}"
        low = edge + 1
    return f">{edges[-1]}"


def by_role(lines: Iterable[Open]) -> Mapping[str, list[Open]]:
    out: dict[str, list[Open]] = {}
    for line in lines:
        out.setdefault(line.role, []).append(line)
    return out
