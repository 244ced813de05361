"""Reading events and their line blocks: types, identity, fields against the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tieout.mapping.fields import addresses, carried, field_kind
from tieout.mapping.limits import BLOCKS_MAX, EVENTS_MAX
from tieout.mapping.read_values import read_condition, read_value
from tieout.mapping.reader import Reader
from tieout.mapping.spec import Block, EventSpec, Skip, Value
from tieout.mapping.tree import Node
from tieout.model.catalogue import EVENT_TYPES

EVENT_KEYS: Final = ("type", "role", "when", "skip", "each", "id", "fields", "lines")
BLOCK_KEYS: Final = ("each", "id", "when", "skip", "fields")
SKIP_KEYS: Final = ("when", "reason")


def read_events(reader: Reader, node: Node, defaults: Mapping[str, Node], skips: Node | None) -> tuple[EventSpec, ...]:
    """All events of a mapping; the same type and role twice is a slip, so is an event every record of which is skipped."""
    skipped = [child.value["when"].plain() for child in _maps(skips) if "when" in child.value]
    events = []
    seen: set[tuple[str, str]] = set()
    for child in reader.items(node, "events", EVENTS_MAX):
        event = _event(reader, child, defaults)
        key = (event.type, event.role)
        if event.type and key in seen:
            why = "type and role are part of an event's identity"
            reader.slip(child, "TO2013", f"{event.label} stands here twice; give each its own role", why)
        seen.add(key)
        when = child.value.get("when") if isinstance(child.value, dict) else None
        if when is not None and when.plain() in skipped:
            reader.slip(when, "TO2012", "this event is never made", "a `skip` above has the same condition")
        events.append(event)
    if not events:
        reader.slip(node, "TO2004", "events has no event")
    return tuple(events)


def _maps(node: Node | None) -> list[Node]:
    if node is None:
        return []
    children = node.value if isinstance(node.value, list) else [node]
    return [child for child in children if isinstance(child.value, dict)]


def read_skips(reader: Reader, node: Node | None) -> tuple[Skip, ...]:
    """A list of {when, reason}."""
    out = []
    for child in reader.items(node, "skip", EVENTS_MAX):
        entries = reader.keys(child, "skip", SKIP_KEYS, SKIP_KEYS)
        reason = reader.text(entries.get("reason"), "reason")
        if "when" in entries:
            out.append(Skip(read_condition(reader, entries["when"]), reason))
    return tuple(out)


def _event(reader: Reader, node: Node, defaults: Mapping[str, Node]) -> EventSpec:
    entries = reader.keys(node, "event", EVENT_KEYS, ("type", "fields"))
    event = EventSpec(node, reader.text(entries.get("type"), "type"), reader.text(entries.get("role"), "role"))
    known = event.type in EVENT_TYPES
    if event.type and not known:
        why = "only types of the catalogue have posting rows"
        reader.slip(
            entries["type"], "TO2006", f"no event type {event.type!r}", why, wrong=event.type, names=EVENT_TYPES
        )
    if "each" in entries:
        event.each = reader.path(entries["each"])
        if "id" not in entries:
            reader.slip(node, "TO2004", "event with `each` lacks 'id'", "without it its events have one identity")
        reader.enter(event.each)
    if "id" in entries:
        event.id = read_value(reader, entries["id"], "id", "text")
    if "when" in entries:
        event.when = read_condition(reader, entries["when"])
    event.skip = read_skips(reader, entries.get("skip"))
    given = _field_nodes(reader, entries.get("fields"), "fields")
    merged = {
        **{name: spec for name, spec in defaults.items() if name.partition(".")[0] in _stems(event.type)},
        **given,
    }
    event.fields = _fields(reader, merged, event.type, line=False)
    blocks = reader.items(entries.get("lines"), "lines", BLOCKS_MAX)
    event.blocks = tuple(_block(reader, child, event.type, several=len(blocks) > 1) for child in blocks)
    if known:
        _needs(reader, node, event)
    if "each" in entries:
        reader.leave()
    return event


def _stems(event_type: str) -> frozenset[str]:
    return carried(event_type, line=False)[0] if event_type in EVENT_TYPES else frozenset()


def _field_nodes(reader: Reader, node: Node | None, what: str) -> dict[str, Node]:
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        reader.slip(node, "TO2005", f"{what} is a map of field names to field specs")
        return {}
    return {name: _placed(child, node.places[name]) for name, child in node.value.items()}


def _placed(node: Node, key: tuple[int, int]) -> Node:
    """A scalar spec keeps its own place; slips about the name use the key's place."""
    node.places.setdefault("", key)
    return node


def _fields(reader: Reader, nodes: Mapping[str, Node], event_type: str, *, line: bool) -> dict[str, Value]:
    level = "lines" if line else "fields"
    out: dict[str, Value] = {}
    for name, node in nodes.items():
        kind = field_kind(name, line=line)
        at = node.places.get("", (node.line, node.column))
        if event_type in EVENT_TYPES:
            allowed, _ = carried(event_type, line=line)
            if kind is None or name.partition(".")[0] not in allowed:
                _foreign(reader, at, name, event_type, line=line)
                continue
        elif kind is None:
            reader.slip(at, "TO2007", f"no field {name!r} in {level}")
            continue
        out[name] = read_value(reader, node, name, kind)
    if "ref.event" in out and "ref.document" in out:
        at = nodes["ref.document"].places.get("", (0, 0))
        reader.slip(
            at, "TO2003", "ref.event and ref.document exclude each other", "an event refers to one earlier event"
        )
    if "ref.line" in out and not {"ref.event", "ref.document"} & out.keys():
        at = nodes["ref.line"].places.get("", (0, 0))
        reader.slip(at, "TO2004", "ref.line lacks ref.event or ref.document", "a line alone names nothing")
    return out


def _foreign(reader: Reader, at: tuple[int, int], name: str, event_type: str, *, line: bool) -> None:
    names = addresses(event_type, line=line)
    level = "lines of" if line else ""
    stem = name.partition(".")[0]
    other = addresses(event_type, line=not line)
    if name in other and name not in names:
        where = "the event's `fields`" if line else "`lines`"
        why = f"{name} belongs in {where}"
    elif stem == name and any(address.startswith(f"{stem}.") for address in names):
        why = f"write {stem}.NAME, such as " + next(address for address in names if address.startswith(f"{stem}."))
    else:
        why = f"{level} {event_type} may carry {', '.join(names) or 'no fields'}".strip()
    reader.slip(at, "TO2007", f"{level} {event_type} does not carry {name!r}".strip(), why, wrong=name, names=names)


def _block(reader: Reader, node: Node, event_type: str, *, several: bool) -> Block:
    entries = reader.keys(node, "line block", BLOCK_KEYS, ("fields",))
    block = Block(node)
    if "each" in entries:
        block.each = reader.path(entries["each"])
        reader.enter(block.each)
    if ("each" in entries or several) and "id" not in entries:
        why = "a line id keeps its identity when the document changes; `id: $index` where the vendor has none"
        reader.slip(node, "TO2004", "line block lacks 'id'", why)
    if "id" in entries:
        block.id = read_value(reader, entries["id"], "id", "text")
    if "when" in entries:
        block.when = read_condition(reader, entries["when"])
    block.skip = read_skips(reader, entries.get("skip"))
    block.fields = _fields(reader, _field_nodes(reader, entries.get("fields"), "fields"), event_type, line=True)
    if "each" in entries:
        reader.leave()
    return block


def _needs(reader: Reader, node: Node, event: EventSpec) -> None:
    """Every needed field is there; `ref` of a line may stand at the event, because an event line has one reference."""
    _, needed = carried(event.type, line=False)
    stems = {name.partition(".")[0] for name in event.fields}
    at = node.value["fields"] if isinstance(node.value, dict) and "fields" in node.value else node
    for name in needed:
        if name not in stems:
            reader.slip(at, "TO2004", f"{event.type} needs the field {name!r}", "without it the event cannot be posted")
    _, line_needed = carried(event.type, line=True)
    if line_needed and not event.blocks:
        reader.slip(node, "TO2004", f"{event.type} needs lines with {', '.join(line_needed)}")
    for block in event.blocks:
        here = {name.partition(".")[0] for name in block.fields}
        for name in line_needed:
            if name not in here and not (name == "ref" and "ref" in stems):
                place = block.node.value.get("fields", block.node) if isinstance(block.node.value, dict) else block.node
                why = "without it the line cannot be valued"
                reader.slip(place, "TO2004", f"lines of {event.type} need the field {name!r}", why)
