"""`value`: events and a policy in, the cost of everything out. A pure function; no project, no database.

Later revisions replace earlier ones of the same id, `void` takes an event back, duplicates count once, and the order in
which events are given does not matter.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
from pydantic import ValidationError

from tieout.errors import Refused, UsageError
from tieout.model.catalogue import EVENT_TYPES
from tieout.model.event import EPOCH, Event, EventLine, Line, MissingRateError, RateFinder, lines_of, order_key
from tieout.model.facts import NO_FACTS, Facts
from tieout.model.journal import Consumed, Flow
from tieout.model.master import Item
from tieout.model.money import from_minor
from tieout.model.policy import Policy, PolicyBook
from tieout.model.quantity import SCALE, from_scaled
from tieout.model.roles import CONTROL_ROLES
from tieout.model.units import factor, unit_code
from tieout.valuation.bundles import explode, sold_on
from tieout.valuation.components import components
from tieout.valuation.documents import DOCUMENTS
from tieout.valuation.engine import Valuer
from tieout.valuation.memory import MemoryHistory
from tieout.valuation.methods import BUILTIN, CostMethod
from tieout.valuation.opening import MEMO_ROWS
from tieout.valuation.records import TAIL, Pool
from tieout.valuation.replay import Change, advance

_CONTROL = frozenset(CONTROL_ROLES)
VARIANCES = frozenset({"standard_revaluation", "transfer_variance", "ppv", "landed_cost_variance"})
Key = tuple[str, str]


@dataclass(frozen=True)
class Movement:
    """What one event line did. Money in minor units, quantities in millionths.

    `cost` is its value at its own place in the order, `restatements` what later events changed of it (cause, amount),
    `final_cost` their sum; `value_change` what the line adds to the control accounts, restatements of others included.
    """

    line: EventLine
    cost: int
    value_change: int
    restatements: tuple[tuple[str, int], ...]
    flows: tuple[Flow, ...]
    layers: tuple[Consumed, ...]
    provisional: bool

    @property
    def final_cost(self) -> int:
        return self.cost + sum(amount for _, amount in self.restatements)


@dataclass(frozen=True)
class LayerHeld:
    """Units at one cost that are still held. `origin` is the event (and line) that brought them."""

    quantity: int
    value: int
    origin: str
    origin_line: str
    at: int
    components: Mapping[str, int]


@dataclass(frozen=True)
class Holding:
    """A pool of our own stock: `location` is empty where the pool is the whole company. Estimates owed are negative."""

    item: str
    location: str
    lot: str
    role: str
    quantity: int
    value: int
    layers: tuple[LayerHeld, ...]


@dataclass(frozen=True)
class Refusal:
    """An event line that was not valued, and why."""

    line: EventLine
    error: Refused


@dataclass(frozen=True)
class Valuation:
    """The answer. `movements` in the order of valuation; `on_hand` is quantity per (item, location)."""

    currency: str
    movements: tuple[Movement, ...]
    holdings: tuple[Holding, ...]
    on_hand: Mapping[Key, int]
    refused: tuple[Refusal, ...]
    totals: Mapping[str, int] = field(default_factory=dict)

    def movement(self, event_id: str, line_id: str = "") -> Movement:
        for movement in self.movements:
            if movement.line.event_id == event_id and line_id in ("", movement.line.line_id):
                return movement
        raise KeyError(event_id)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: money and quantities as exact decimal text."""
        return {
            "currency": self.currency,
            "events": [_movement_dict(m, self.currency) for m in self.movements],
            "items": [_holding_dict(h, self.currency) for h in self.holdings],
            "on_hand": [
                {"item": item, "location": location, "quantity": from_scaled(q)}
                for (item, location), q in sorted(self.on_hand.items())
            ],
            "totals": {role: from_minor(a, self.currency) for role, a in sorted(self.totals.items())},
            "refused": [
                {"event": r.line.event_id, "line": r.line.line_id, "type": r.line.type, **r.error.as_dict()}
                for r in self.refused
            ],
        }


def value(
    events: Iterable[Event | EventLine],
    policy: Policy | PolicyBook | Mapping[str, Any],
    *,
    items: Mapping[str, Item] | Callable[[str], Item] | None = None,
    currency: str = "USD",
    timezone: str = "UTC",
    as_known: int | None = None,
    methods: Mapping[str, type[CostMethod]] = BUILTIN,
    facts: Facts = NO_FACTS,
) -> Valuation:
    """Value events under a policy. `as_known` n: as if only the first n of them were known. Without `items` every SKU is
    an item whose unit is the events' own. `facts`: bills of materials, routings, prices, rates, each as of a day."""
    known = list(events)[:as_known] if as_known is not None else list(events)
    find = _finder(items)
    valuer = Valuer(
        book_of(policy), find, currency, timezone, methods=methods, states_max=2**62, movements_max=2**62, facts=facts
    )
    history = MemoryHistory(valuer.touches)
    valuer.lookup = history
    missing: list[tuple[EventLine, Refused]] = []
    lines, unknown = _exploded(valuer, current_lines(known, find, currency, valuer.rate_at, missing))
    lines += _standards(valuer, lines)
    history.add(lines)
    answers: dict[Key, tuple[EventLine, list[Flow], Refused | None]] = {
        (line.event_id, line.line_id): (line, [], error) for line, error in (*missing, *unknown)
    }
    for result in advance(valuer, history, [Change(line) for line in lines]):
        answers[(result.line.event_id, result.line.line_id)] = (result.line, result.flows, result.error)
    return _valuation(valuer, currency, [answers[k] for k in sorted(answers, key=lambda k: order_key(answers[k][0]))])


def compare(
    events: Sequence[Event | EventLine], policies: Mapping[str, Policy | PolicyBook | Mapping[str, Any]], **how: Any
) -> dict[str, Valuation]:
    """The same events under several policies, by the name each is given."""
    return {name: value(events, policy, **how) for name, policy in policies.items()}


def read_events(lines: Iterable[bytes]) -> list[Event]:
    """Canonical events from JSON lines, decimals kept exact. Raises one UsageError that names every bad line."""
    decoder = msgspec.json.Decoder(float_hook=Decimal)
    events, slips = [], []
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            events.append(Event.model_validate(decoder.decode(raw)))
        except msgspec.DecodeError as error:
            slips.append(f"line {number}: not JSON: {error}")
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            slips.append(f"line {number}: {where + ': ' if where else ''}{first['msg']}")
    if slips:
        raise UsageError(
            f"{len(slips)} of the lines cannot be read: " + "; ".join(slips[:20]),
            code="TO4020",
            fix="mend these lines; `tieout explain EVENT_TYPE` shows what each type needs",
            slips=slips,
        )
    return events


def book_of(policy: Policy | PolicyBook | Mapping[str, Any]) -> PolicyBook:
    if isinstance(policy, PolicyBook):
        return policy
    if isinstance(policy, Policy):
        return PolicyBook.of(**policy.model_dump(exclude_unset=True))
    return PolicyBook.of(**dict(policy))


def current_lines(
    events: Iterable[Event | EventLine],
    find: Callable[[str], Item],
    currency: str,
    rates: RateFinder | None = None,
    missing: list[tuple[EventLine, Refused]] | None = None,
) -> list[EventLine]:
    """Lines of the events as they stand: of each id the highest (revision, content), unless that one is void. Foreign
    amounts are converted by `rates`; events for whose day there is none go to `missing`, where that is given."""
    best: dict[str, tuple[tuple[int, bytes], Event]] = {}
    lines: dict[Key, EventLine] = {}
    for event in events:
        if isinstance(event, EventLine):
            lines[(event.event_id, event.line_id)] = event
            continue
        rank = (event.revision, b"")
        held = best.get(event.id)
        if held is not None and held[0][0] == event.revision and held[1] != event:
            rank, held = (event.revision, _content(event)), ((held[1].revision, _content(held[1])), held[1])
        if held is None or rank > held[0]:
            best[event.id] = (rank, event)
    for _, event in best.values():
        if event.void:
            continue
        try:
            event = _in_stock_units(event, find)
            found = lines_of(event, currency=currency, rates=rates)
        except MissingRateError as error:
            if missing is None:
                raise
            missing += [(line, _no_rate(line, error)) for line in lines_of(event, currency=currency, rates=_unpriced)]
            continue
        except Refused as error:
            if missing is None:
                raise
            missing += [(line, error) for line in lines_of(event, currency=currency, rates=_unpriced)]
            continue
        for line in found:
            lines[(line.event_id, line.line_id)] = line
    return list(lines.values())


def _unpriced(currency: str, at: int) -> Fraction:
    """No worth in our currency: for lines that only say what was refused."""
    del currency, at
    return Fraction(0)


def _no_rate(line: EventLine, error: MissingRateError) -> Refused:
    line.amount = None
    return Refused(
        str(error).removeprefix("rate: "),
        code="TO4030",
        where=f"{line.type} {line.document or line.event_id}",
        fix=f"give the event its rate, or the rates of {error.currency} among the facts",
        item=line.item,
        quantity=from_scaled(line.quantity),
    )


def _exploded(valuer: Valuer, lines: Sequence[EventLine]) -> tuple[list[EventLine], list[tuple[EventLine, Refused]]]:
    """Lines with bundles replaced by what they are made of; an event with a bundle nobody knows is refused whole."""
    by_name: dict[tuple[str, str], list[EventLine]] = {}
    for line in lines:
        by_name.setdefault(("e", line.event_id), []).append(line)
        by_name.setdefault(("d", line.document), []).append(line)
    out: list[EventLine] = []
    refused: list[tuple[EventLine, Refused]] = []

    def day_of(line: EventLine) -> date:
        return sold_on(line, lambda kind, name: by_name.get((kind, name), ()), valuer.book.day)

    for (kind, _), own in by_name.items():
        if kind == "e":
            try:
                out += explode(own, valuer.facts, valuer.is_bundle, day_of)
            except Refused as error:
                refused += [(line, error) for line in own]
    return out, refused


def _standards(valuer: Valuer, lines: Sequence[EventLine]) -> list[EventLine]:
    """The standard costs among the facts as events, each from the beginning of its day."""
    first = min((line.at for line in lines), default=0)
    return [
        EventLine(
            event_id=f"standard:{x.item}@{x.location}@{x.effective}",
            line_id="",
            type="cost.standard_changed",
            at=first if x.effective == date.min else valuer.book.start(x.effective),
            phase=EVENT_TYPES["cost.standard_changed"].phase,
            item=x.item,
            location=x.location,
            extra={"unit_price": str(x.cost)},
        )
        for x in valuer.facts.standards
    ]


def _content(event: Event) -> bytes:
    return hashlib.sha256(event.model_dump_json(exclude_defaults=True).encode()).digest()


def _finder(items: Mapping[str, Item] | Callable[[str], Item] | None) -> Callable[[str], Item]:
    if items is None:
        return lambda sku: Item(sku=sku)
    if callable(items):
        return items
    return lambda sku: items[sku] if sku in items else Item(sku=sku)


def _in_stock_units(event: Event, find: Callable[[str], Item]) -> Event:
    """Purchase and sales units become the item's stock unit, exactly; an amount keeps its total."""
    if not any(line.unit and line.item for line in event.lines):
        return event
    return event.model_copy(update={"lines": tuple(_in_stock_unit(line, find) for line in event.lines)})


def _in_stock_unit(line: Line, find: Callable[[str], Item]) -> Line:
    if not line.unit or not line.item or line.quantity is None:
        return line
    item = find(line.item)
    code = unit_code(line.unit) or line.unit
    times = factor(code, item.stock_unit, item.units)
    if times is None:
        raise Refused(
            f"item {item.sku}: no conversion from {line.unit} to its stock unit {item.stock_unit}",
            code="TO3203",
            fix="give the item its conversion",
            item=item.sku,
        )
    if times == 1:
        return line
    exact = Fraction(line.quantity) * times
    update: dict[str, Any] = {"quantity": Decimal(exact.numerator) / Decimal(exact.denominator), "unit": None}
    if line.amount is None and line.unit_price is not None:
        update.update(amount=line.unit_price * line.quantity, unit_price=None)
    return line.model_copy(update=update)


def _valuation(
    valuer: Valuer, currency: str, answers: Sequence[tuple[EventLine, list[Flow], Refused | None]]
) -> Valuation:
    restated: dict[Key, Counter[str]] = {}
    totals: Counter[str] = Counter()
    handed: Counter[Key] = Counter()  # what other lines of the same event gave a line, or took from it
    places = {(x.event_id, x.item): x.line_id for x, _, _ in reversed(answers) if x.type in DOCUMENTS and x.item}
    for line, flows, _ in answers:
        for flow in flows:
            if flow.row in MEMO_ROWS:
                continue
            for at in _hand_overs(flow, places):
                if flow.affected is None:
                    handed[at] += flow.amount
                else:
                    restated.setdefault(at, Counter())[line.event_id] += flow.amount
            totals[flow.debit] += flow.amount
            totals[flow.credit] -= flow.amount
            if flow.affected is not None and flow.debit not in VARIANCES:
                causes = restated.setdefault((flow.affected.event_id, flow.affected.line_id), Counter())
                causes[line.event_id] += flow.amount
    opens = {
        (state.move(x.move).line.event_id, state.move(x.move).line.line_id)
        for state in valuer.states.values()
        for pool in state.pools
        for x in pool.open
    }
    movements = [
        _movement(line, flows, restated.get((line.event_id, line.line_id), Counter()), opens, handed)
        for line, flows, error in answers
        if error is None
    ]
    refused = [Refusal(line, error) for line, _, error in answers if error is not None]
    holdings, on_hand = holdings_of(valuer)
    return Valuation(
        currency, tuple(movements), holdings, on_hand, tuple(refused), {r: a for r, a in totals.items() if a}
    )


def _hand_overs(flow: Flow, places: Mapping[Key, str]) -> Iterable[Key]:
    """Lines of an event, beside the flow's own, whose item's value it moves: the kit of a component, and the reverse."""
    line = flow.affected or flow.line
    if line.type not in DOCUMENTS:
        return
    for role, item in ((flow.debit, flow.item), (flow.credit, flow.credit_item)):
        place = places.get((line.event_id, item)) if item not in ("", line.item) else None
        if place is not None and role in _CONTROL:
            yield line.event_id, place


def _movement(
    line: EventLine, flows: list[Flow], restated: Counter[str], opens: set[Key], handed: Mapping[Key, int]
) -> Movement:
    own = [flow for flow in flows if flow.affected is None]
    cost = sum(moved_value(line, flow) for flow in own) + handed.get((line.event_id, line.line_id), 0)
    change = sum(
        flow.amount * ((flow.debit in _CONTROL) - (flow.credit in _CONTROL))
        for flow in flows
        if flow.row not in MEMO_ROWS
    )
    layers = tuple(consumed for flow in own for consumed in flow.layers)
    return Movement(
        line,
        cost,
        change,
        tuple((cause, amount) for cause, amount in restated.items() if amount),
        tuple(flows),
        layers,
        (line.event_id, line.line_id) in opens,
    )


def moved_value(line: EventLine, flow: Flow) -> int:
    """What a flow contributes to the value the line moved."""
    if line.item and flow.credit_item not in ("", line.item) and flow.item != line.item:
        return 0
    into, out = flow.debit in _CONTROL, flow.credit in _CONTROL
    if flow.row == "REV-04":
        return 0  # the allowance of units, not their cost
    if line.type.startswith("cost.") or flow.row == "PUR-02":
        return flow.amount * (into - out)
    if into or out or flow.debit == "cogs_dropship":
        return flow.amount
    return 0


def holdings_of(valuer: Valuer) -> tuple[tuple[Holding, ...], dict[Key, int]]:
    holdings: list[Holding] = []
    on_hand: dict[Key, int] = {}
    for sku in sorted(valuer.states):
        state = valuer.states[sku]
        for location, q in state.on_hand.items():
            if q:
                on_hand[(sku, location)] = q
        for pool in state.pools:
            role, location, lot, ref = pool.key
            owed_q, owed_v = sum(x.quantity for x in pool.open), sum(x.value for x in pool.open)
            layers = tuple(
                LayerHeld(
                    layer.quantity, layer.value, layer.event, layer.line, layer.origin_at, components(state, n, layer)
                )
                for n, layer in ((n, state.layers[n]) for n in _in_turn(pool))
                if layer.quantity or layer.value
            )
            if layers or owed_q or (not ref and pool.last >= 0):
                q, v = pool.quantity - owed_q, pool.value - owed_v
                holdings.append(Holding(sku, location, lot, role, q, v, layers))
    return tuple(holdings), on_hand


def _in_turn(pool: Pool) -> list[int]:
    """Layers in the order in which they will leave."""
    held = pool.queue[pool.head :]
    return held[::-1] if pool.mode == TAIL else held


def unit_cost(quantity: int, amount: int, currency: str, places: int = 6) -> str | None:
    """Value per unit as decimal text, for reading only: rounded half even to the currency's decimals plus `places`."""
    if not quantity:
        return None
    digits = len(from_minor(10**6, currency).partition(".")[2]) + places
    exact = Fraction(amount, 10 ** (digits - places)) / Fraction(quantity, SCALE)
    scaled = round(exact * 10**digits)
    text = f"{'-' if scaled < 0 else ''}{abs(scaled) // 10**digits}.{abs(scaled) % 10**digits:0{digits}d}"
    whole, _, part = text.partition(".")
    part = part.rstrip("0").ljust(digits - places, "0")
    return f"{whole}.{part}" if part else whole


def _time(at: int) -> str:
    return (EPOCH + timedelta(microseconds=at)).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _date(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000, UTC).date().isoformat()


def _movement_dict(m: Movement, currency: str) -> dict[str, Any]:
    line = m.line
    return {
        "event": line.event_id,
        "line": line.line_id,
        "type": line.type,
        "effective_at": _time(line.at),
        "item": line.item,
        "location": line.location,
        "quantity": from_scaled(line.quantity),
        "value_change": from_minor(m.value_change, currency),
        "cost": from_minor(m.cost, currency),
        "restatements": [{"cause": cause, "amount": from_minor(a, currency)} for cause, a in m.restatements],
        "final_cost": from_minor(m.final_cost, currency),
        "layers": [
            {
                "origin": c.origin_event,
                "line": c.origin_line,
                "quantity": from_scaled(c.quantity),
                "value": from_minor(c.value, currency),
            }
            for c in m.layers
        ],
        "status": "provisional" if m.provisional else "final",
        "journal": [_flow_dict(flow, currency) for flow in m.flows],
    }


def _flow_dict(flow: Flow, currency: str) -> dict[str, Any]:
    out: dict[str, Any] = {
        "row": flow.row,
        "debit": flow.debit,
        "credit": flow.credit,
        "amount": from_minor(flow.amount, currency),
        "quantity": from_scaled(flow.quantity),
    }
    extra = flow.line.extra or {}
    if extra.get("currency", currency) != currency and "rate" in extra:
        out["original"] = {"currency": extra["currency"], "rate": extra["rate"]}
        if flow.amount == flow.line.amount and "foreign" in extra:
            out["original"]["amount"] = extra["foreign"]
    if flow.at:
        out["date"] = _date(flow.at)
    if flow.row in MEMO_ROWS:
        out["memo"] = "value ledger only"
    if flow.affected is not None:
        out["affected"] = flow.affected.event_id
        out["affected_line"] = flow.affected.line_id
    if flow.component != "material":
        out["component"] = flow.component
    return out


def _holding_dict(h: Holding, currency: str) -> dict[str, Any]:
    return {
        "item": h.item,
        "location": h.location,
        "lot": h.lot,
        "role": h.role,
        "quantity": from_scaled(h.quantity),
        "value": from_minor(h.value, currency),
        "unit_cost": unit_cost(h.quantity, h.value, currency),
        "layers": [
            {
                "quantity": from_scaled(x.quantity),
                "value": from_minor(x.value, currency),
                "unit_cost": unit_cost(x.quantity, x.value, currency),
                "origin": x.origin,
                "line": x.origin_line,
                "date": _date(x.at),
                "components": {name: from_minor(a, currency) for name, a in sorted(x.components.items())},
            }
            for x in h.layers
        ],
    }
