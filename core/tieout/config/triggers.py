"""Who owns an event type (S50): of several systems that could report a shipment, exactly one may post it.

[companies.ACME.triggers]
order.fulfilled = "wms"                                # or by channel:
return.received = { web = "shop", store = "till" }
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tieout.config.positions import Path as KeyPath
from tieout.config.project import Connection
from tieout.config.slip import Slips, choices, nearest
from tieout.model.catalogue import EVENT_TYPES

Yields = Mapping[tuple[str, str], frozenset[str]]  # (connection, stream) → event types of its mapping


def read_triggers(
    path: KeyPath, table: Mapping[str, Any], company: str, connections: Mapping[str, Connection], slips: Slips
) -> dict[tuple[str, str], str]:
    """(event type, channel or "") → owning connection, with every slip noted."""
    owners: dict[tuple[str, str], str] = {}
    for where, event_type, channel, owner in _flatten((*path, "triggers"), table):
        if event_type not in EVENT_TYPES:
            why, near = "no event is of it, so the line decides nothing", nearest(event_type, EVENT_TYPES)
            what = f"unknown event type {event_type!r}"
            slips.add("TO1050", where, what, why, choices(EVENT_TYPES), key=True, nearest=near)
            continue
        if isinstance(owner, list):
            why = "each of them would post the same movement"
            slips.add("TO1050", where, f"{event_type} has {len(owner)} owners", why, "name exactly one connection")
            continue
        if not isinstance(owner, str):
            slips.add(
                "TO1050", where, f"{event_type}: not a connection's name", "nobody would own it", 'owner = "NAME"'
            )
            continue
        connection = connections.get(owner)
        why = "nobody would own it, and nothing of it would be posted"
        if connection is None:
            near, fix = nearest(owner, connections), choices(connections)
            slips.add("TO1010", where, f"no connection {owner!r}", why, fix, nearest=near)
        elif connection.company != company:
            what = f"connection {owner!r} belongs to company {connection.company!r}"
            slips.add("TO1050", where, what, why, f"name a connection of {company}")
        else:
            owners[event_type, channel] = owner
    return owners


def check_owners(
    path: KeyPath, company: str, owners: Mapping[tuple[str, str], str], yields: Yields, slips: Slips
) -> None:
    """An event type that several connections yield needs an owner; an owner must yield what it owns."""
    sources: dict[str, set[str]] = {}
    for (connection, _), types in yields.items():
        for event_type in types:
            sources.setdefault(event_type, set()).add(connection)
    for event_type, connections in sorted(sources.items()):
        named = {owner for (owned, _), owner in owners.items() if owned == event_type}
        general = (event_type, "") in owners
        if len(connections) > 1 and not general and not connections <= named:
            who = " and ".join(sorted(connections))
            why = "the same movement, reported by both, would be posted twice"
            fix = f'{event_type} = "CONNECTION" under [companies.{company}.triggers]'
            what = f"{event_type} has {len(connections)} owners: {who}"
            slips.add("TO1050", (*path, "triggers"), what, why, fix, key=True)
    for (event_type, channel), owner in owners.items():
        mine = [types for (connection, _), types in yields.items() if connection == owner]
        if mine and owner not in sources.get(event_type, ()):
            where = (*path, "triggers", *event_type.split("."), *([channel] if channel else []))
            why = "nothing of this type would ever be posted"
            what = f"no mapping of connection {owner!r} yields {event_type}"
            slips.add("TO1050", where, what, why, "name the connection that reports it", level="warning")


def _flatten(path: KeyPath, table: Mapping[str, Any], name: str = "") -> Iterator[tuple[KeyPath, str, str, Any]]:
    """Event types hold a dot, which TOML reads as a table within a table; what lies below a whole type is a channel."""
    for key, value in table.items():
        where, joined = (*path, key), f"{name}.{key}" if name else key
        if isinstance(value, Mapping) and joined not in EVENT_TYPES and joined.count(".") == 0:
            yield from _flatten(where, value, joined)
        elif isinstance(value, Mapping):
            for channel, owner in value.items():
                yield (*where, channel), joined, channel, owner
        else:
            yield where, joined, "", value
