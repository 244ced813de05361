"""Reports from the events alone: stock and its value as of any day and as known at any instant, and mapping coverage.

`reperform` values everything again from nothing, in order of time and in pieces, so that what it says owes nothing to
the journal or to any cache: the control total is the proof of both.
"""

from __future__ import annotations

import json
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

import sqlalchemy as sa

from tieout.config.project import Connection
from tieout.errors import UsageError
from tieout.model.event import EPOCH, EventLine, OrderKey
from tieout.model.journal import Flow
from tieout.model.money import allocate, from_minor, spread
from tieout.model.quantity import from_scaled
from tieout.model.roles import STOCK_ROLES
from tieout.operations.desk import Desk
from tieout.operations.office import Office
from tieout.pull.canonical import decode_records
from tieout.store import balances
from tieout.store.history import ReadingHistory
from tieout.store.schema import batch, event, meta, name, page
from tieout.store.tx import Tx
from tieout.valuation.engine import Valuer, is_alone
from tieout.valuation.records import TAIL, Pool
from tieout.valuation.replay import Change, advance
from tieout.valuation.result import unit_cost
from tieout.valuation.state import ItemState

LINES_A_PIECE = 10_000
END_OF_TIME = 2**62
COVERAGE_RECORDS_MAX = 1_000
_MAIN = frozenset({"inventory", "inventory_raw"})
_RARE = STOCK_ROLES - _MAIN

Place = tuple[str, str, str]  # item, role, location


class Known(ReadingHistory):
    """What had landed up to a batch and happened up to an instant; reads no cache of values and writes nothing."""

    def __init__(
        self, rx: Tx, desk: Desk, *, up_to: int, horizon: int, touching: dict[str, dict[OrderKey, EventLine]]
    ) -> None:
        super().__init__(rx, desk.names, done=0, up_to=up_to, horizon=horizon, since=desk.cutover_at(rx))
        self.touching = touching

    def between(self, after: int, until: int) -> list[EventLine]:
        """Lines of two instants' time, the second included."""
        found = self._load(event.c.at > after, event.c.at <= until)
        whole: dict[str, list[EventLine]] = {}
        for line in found:  # the lines of an event share its instant: asking for it again would walk the whole table
            whole.setdefault(line.event_id, []).append(line)
        self._events.update(whole)
        return found

    def checkpoint(self, item: str, before: OrderKey) -> tuple[OrderKey, bytes] | None:
        return None


class Reperformed(NamedTuple):
    """A valuation from nothing: the live states, units in the rarer stock roles per place, and what was refused."""

    valuer: Valuer
    places: Mapping[Place, int]
    refused: int


def new_valuer(desk: Desk) -> Valuer:
    """A valuer of the company's policies with no state, which keeps every item."""
    company = desk.company
    return Valuer(
        company.policies,
        desk.item,
        company.currency,
        company.timezone.key,
        methods=desk.cost_methods(),
        facts=desk.facts,
        states_max=2**62,
        movements_max=2**62,
    )


def last_batch(rx: Tx, desk: Desk, received: int | None = None) -> int:
    """The company's last batch, or its last one received up to an instant (UTC microseconds)."""
    query = sa.select(sa.func.max(batch.c.id)).where(batch.c.company == desk.id)
    if received is not None:
        query = query.where(batch.c.received_at <= received)
    return int(rx.execute(query).scalar() or 0)


def valued_through(rx: Tx, desk: Desk) -> int:
    """The last batch the books have taken in whole."""
    text = rx.execute(sa.select(meta.c.value).where(meta.c.key == f"books:{desk.id}")).scalar()
    return int(json.loads(text)[0]) if text else 0


def reperform(rx: Tx, desk: Desk, *, up_to: int, horizon: int = END_OF_TIME) -> Reperformed:
    """Value everything that landed up to batch `up_to` and happened up to `horizon` (UTC microseconds, inclusive)."""
    valuer = new_valuer(desk)
    touching: dict[str, dict[OrderKey, EventLine]] = {}
    rare: dict[tuple[str, str], list[tuple[Place, int]]] = {}
    refused: set[tuple[str, str]] = set()
    for after, until in _pieces(rx, desk, up_to, horizon):
        history = Known(rx, desk, up_to=up_to, horizon=until, touching=touching)
        for result in advance(valuer, history, [Change(line) for line in history.between(after, until)]):
            line = result.line
            key = (line.event_id, line.line_id)
            if not is_alone(line):
                history.touched(line, valuer.touches(line))
            (refused.add if result.error is not None else refused.discard)(key)
            moved = list(_rare(result.flows))
            if moved:
                rare[key] = moved
            else:
                rare.pop(key, None)
    places: dict[Place, int] = {}
    for moves in rare.values():
        for place, quantity in moves:
            places[place] = places.get(place, 0) + quantity
    return Reperformed(valuer, places, len(refused))


def _pieces(rx: Tx, desk: Desk, up_to: int, horizon: int) -> Iterator[tuple[int, int]]:
    """Stretches of time that hold some ten thousand lines each; whole instants only."""
    e = event.c
    query = sa.select(e.at).where(e.company == desk.id, e.batch <= up_to, e.at <= horizon)
    instants = array("q", sorted(rx.execute(query).scalars()))
    after = -END_OF_TIME
    while True:
        end = bisect_right(instants, after) + LINES_A_PIECE
        if end >= len(instants):
            yield after, horizon
            return
        yield after, instants[end - 1]
        after = instants[end - 1]


def _rare(flows: Sequence[Flow]) -> Iterator[tuple[Place, int]]:
    """Units that came into (or left) stock that is not for sale, per place."""
    for flow in flows:
        if not flow.quantity:
            continue
        source = flow.affected or flow.line
        if flow.debit in _RARE:
            item = flow.item or source.item or flow.line.item
            yield (item, flow.debit, flow.debit_location or source.location), flow.quantity
        if flow.credit in _RARE:
            item = flow.credit_item or source.item or flow.line.item
            yield (item, flow.credit, flow.credit_location or source.location), -flow.quantity


# ── valuation ──────────────────────────────────────────────────────────────────────────────────────────────────────
def valuation(
    office: Office, *, as_of: str | None = None, as_known: str | None = None, layers: bool = False
) -> dict[str, Any]:
    """Quantity and value per item and location, from events effective up to a day and received up to an instant.

    Where the cost pool is the whole company, each place has its share of the pool's value by quantity (largest
    remainder), and the pool's layers stand with the first of its rows. `journal` is what the control accounts say for
    the same day, `difference` what this says beyond it; both are None where `as_known` asks about the past.
    """
    desk = office.desk
    day = _day(as_of) if as_of else None
    horizon = desk.days.end_of(day) - 1 if day else END_OF_TIME
    received = _instant(desk, as_known) if as_known else None
    with desk.store.read() as rx:
        done = reperform(rx, desk, up_to=last_batch(rx, desk, received), horizon=horizon)
        documents = _documents(rx, desk, done.valuer) if layers else {}
        posted = balances.control_value(rx, desk.journal, through=day) if received is None else None
    items = [
        row
        for item in sorted(done.valuer.states)
        for row in _rows(desk, done.valuer.states[item], done.places, documents if layers else None)
    ]
    total = sum(row.pop("minor") for row in items)
    shadow = sum(
        value
        for item, state in done.valuer.states.items()
        if desk.mode_of(item) == "shadow"
        for _, value in worth(state).values()
    )
    journal = None if posted is None else sum(posted.values())
    money = desk.currency
    return {
        "company": desk.company.code,
        "currency": money,
        "as_of": (day or desk.today()).isoformat(),
        "as_known": None if received is None else _text(received),
        "rows": len(items),
        "value": from_minor(total, money),
        "quantity": from_scaled(sum(row.pop("scaled") for row in items)),
        "journal": None if journal is None else from_minor(journal, money),
        "difference": None if journal is None else from_minor(total - shadow - journal, money),
        "refused": done.refused,
        "policy": policy_words(desk, day or desk.today()),
        "items": items,
    }


def worth(state: ItemState) -> dict[str, tuple[int, int]]:
    """(quantity, value) of an item per control role, estimates owed taken off."""
    out: dict[str, tuple[int, int]] = {}
    for pool in state.pools:
        quantity, value = _held(pool)
        q, v = out.get(pool.key[0], (0, 0))
        out[pool.key[0]] = (q + quantity, v + value)
    return out


def _held(pool: Pool) -> tuple[int, int]:
    owed_quantity, owed_value = sum(x.quantity for x in pool.open), sum(x.value for x in pool.open)
    return pool.quantity - owed_quantity, pool.value - owed_value


def _rows(
    desk: Desk, state: ItemState, places: Mapping[Place, int], documents: Mapping[str, str] | None
) -> Iterator[dict[str, Any]]:
    """The rows of an item: role by role, place by place; nothing for what is neither held nor worth anything."""
    pools: dict[tuple[str, str], list[Pool]] = {}
    for pool in state.pools:
        pools.setdefault((pool.key[0], pool.key[1]), []).append(pool)
    for (role, location), members in sorted(pools.items()):
        quantity = sum(_held(pool)[0] for pool in members)
        value = sum(_held(pool)[1] for pool in members)
        if not quantity and not value:
            continue
        held = _layers(desk, state, members, documents) if documents is not None else []
        for place, q, v in _spread(_at(state, places, (role, location), pools), quantity, value):
            yield {
                "item": state.item,
                "location": place,
                "role": role,
                "quantity": from_scaled(q),
                "value": from_minor(v, desk.currency),
                "unit_cost": unit_cost(q, v, desk.currency),
                "layers": held,
                "minor": v,
                "scaled": q,
            }
            held = []


def _at(
    state: ItemState, places: Mapping[Place, int], key: tuple[str, str], pools: Mapping[tuple[str, str], Sequence[Pool]]
) -> dict[str, int]:
    """Where the units of a pool are: its own place, or for a pool of the whole company the places that hold them."""
    role, location = key
    quantity = sum(_held(pool)[0] for pool in pools[key])
    if location or role not in STOCK_ROLES:
        return {location: quantity}
    other: dict[str, int] = {}
    for (item, of, place), q in places.items() if role in _MAIN else ():
        if item == state.item and of in _RARE:
            other[place] = other.get(place, 0) + q
    if role in _MAIN:
        for (of, place), members in pools.items():
            if place and of in _MAIN:
                other[place] = other.get(place, 0) + sum(_held(pool)[0] for pool in members)
        at = {place: q - other.get(place, 0) for place, q in state.on_hand.items()}
    else:
        at = {place: q for (item, of, place), q in places.items() if item == state.item and of == role}
    at = {place: q for place, q in sorted(at.items()) if q}
    missing = quantity - sum(at.values())
    if missing or not at:
        at[""] = at.get("", 0) + missing  # units that no place holds
    return at


def _spread(at: Mapping[str, int], quantity: int, value: int) -> list[tuple[str, int, int]]:
    """Each place's share of a pool's value by quantity, exact in sum."""
    if quantity:
        shares = spread([Fraction(value * q, quantity) for q in at.values()])
    else:
        shares = allocate(value, [abs(q) for q in at.values()])
    return [(place, q, v) for (place, q), v in zip(at.items(), shares, strict=True)]


def _layers(desk: Desk, state: ItemState, pools: Sequence[Pool], documents: Mapping[str, str]) -> list[dict[str, Any]]:
    """Layers in the order in which they will leave."""
    out = []
    for pool in pools:
        held = pool.queue[pool.head :]
        for number in reversed(held) if pool.mode == TAIL else held:
            layer = state.layers[number]
            if layer.quantity or layer.value:
                out.append(
                    {
                        "date": desk.days.day_of(layer.origin_at).isoformat(),
                        "origin": documents.get(layer.event) or layer.event,
                        "event": layer.event,
                        "line": layer.line,
                        "quantity": from_scaled(layer.quantity),
                        "value": from_minor(layer.value, desk.currency),
                        "unit_cost": unit_cost(layer.quantity, layer.value, desk.currency),
                    }
                )
    return out


def _documents(rx: Tx, desk: Desk, valuer: Valuer) -> dict[str, str]:
    """The document of each event that made a layer which is still held."""
    keys = {
        state.layers[number].event
        for state in valuer.states.values()
        for pool in state.pools
        for number in pool.queue[pool.head :]
        if number in state.layers
    }
    rows = rx.select_keys(
        event, ("key", "document"), "key", [bytes.fromhex(key) for key in sorted(keys)], company=desk.id
    )
    return {key.hex(): document for key, document in rows if document}


def policy_words(desk: Desk, day: date) -> str:
    """The methods in force, in words: the company's own and every category's that differs."""
    book = desk.company.policies

    def words(category: str) -> str:
        policy = book.at(day, category)
        return f"{policy.cost_method}, one pool per {policy.cost_scope}"

    general = words("")
    categories = sorted({version.category for version in book.versions if version.category})
    return "; ".join([general, *(f"{name}: {words(name)}" for name in categories if words(name) != general)])


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--as-of: {text!r} is not a day", fix="write it as 2026-03-31") from None


def _instant(desk: Desk, text: str) -> int:
    """UTC microseconds of an instant; a day means its end, a time without an offset is in the company's zone."""
    try:
        if len(text) == len("2026-03-31"):
            return desk.days.end_of(date.fromisoformat(text)) - 1
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--as-known: {text!r} is not an instant", fix="write it as 2026-03-31T18:00:00+02:00, or a day"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=desk.company.timezone)
    return (moment.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


def _text(micros: int) -> str:
    return (EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


# ── mapping coverage ───────────────────────────────────────────────────────────────────────────────────────────────
def coverage(office: Office, connection: Connection, stream: str) -> dict[str, Any]:
    """How many source fields the stream's mapping reads, of all that its newest landed records have, and the rest."""
    from tieout.mapping.coverage import coverage as compare

    desk, intake = office.desk, office.intake
    configured = connection.stream(stream)
    declared = next((each for each in intake.source(connection).streams() if each.name == stream), None)
    if declared is None or configured.mapping is None:
        raise UsageError(f"stream {connection.name}/{stream} has no mapping", fix="name a stream of records")
    mapping = intake.mapping(configured, declared)
    with desk.store.read() as rx:
        records = _newest(rx, office, f"{connection.id}/{stream}")
    keys = [*declared.key, *(path for path in (declared.line_key, declared.revision) if path)]
    found = compare([each.path for each in mapping.paths()], schema=declared.schema, records=records, key=keys)
    return {
        "read": len(found.read),
        "fields": len(found.read) + len(found.unread),
        "unread": list(found.unread),
        "records": len(records),
    }


def _newest(rx: Tx, office: Office, source: str) -> list[Mapping[str, Any]]:
    """The newest landed records of a source, a thousand at most."""
    desk = office.desk
    number = desk.names.find(rx, "source", [source]).get(source)
    if number is None:
        return []
    pages = sa.select(page.c.id).where(page.c.company == desk.id, page.c.source == number).order_by(page.c.id.desc())
    out: list[Mapping[str, Any]] = []
    for row in rx.execute(pages.limit(COVERAGE_RECORDS_MAX)).scalars():
        out += page_records(rx, office, row)
        if len(out) >= COVERAGE_RECORDS_MAX:
            break
    return out[:COVERAGE_RECORDS_MAX]


def page_records(rx: Tx, office: Office, number: int) -> list[Mapping[str, Any]]:
    """All records of a landed page, read by its connector where the bytes are of its own kind."""
    query = sa.select(page.c.codec, page.c.body, name.c.text).join(name, name.c.id == page.c.source)
    row = rx.execute(query.where(page.c.id == number)).one()
    body = zlib.decompress(row.body)
    return decode_records(body) if row.codec == "json" else list(office.intake.decode(row.text, body, row.codec))
