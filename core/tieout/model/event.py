"""Canonical events at the edge: what a mapping yields, what `tieout value` reads, what is exported as JSON Schema.

`Event` is the validated pydantic form (text and exact decimals). `EventLine` is the form everything inside works on: one
flat row per line, integers only, which is also the row of the `event` table. `lines_of` turns the first into the second.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator

from tieout.model.catalogue import (
    DISPOSITIONS,
    EVENT_TYPES,
    PHASE_NOON_MAX,
    PHASE_START_OF_DAY_MAX,
)
from tieout.model.money import CURRENCIES, decimal_of, exact_text, exponent, spread
from tieout.model.quantity import to_scaled
from tieout.model.units import unit_code

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _exact(value: object) -> Decimal:
    return decimal_of(value)  # type: ignore[arg-type]


def _date_or_time(value: object) -> object:
    if isinstance(value, str):
        return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
    return value


When = Annotated[datetime | date, BeforeValidator(_date_or_time)]
Exact = Annotated[Decimal, BeforeValidator(_exact)]
Text = Annotated[str, Field(min_length=1, max_length=255)]


class Ref(BaseModel):
    """An earlier event this one belongs to: by event id or by document number, and by line where it has several."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    event: Text | None = None
    document: Text | None = None
    line: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"event": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one(self) -> Ref:
        if (self.event is None) == (self.document is None):
            raise ValueError("ref: name either `event` (an event id) or `document` (a document number)")
        return self

    def key(self) -> str:
        """Compact text: `e:ID#LINE` or `d:NUMBER#LINE`; an absent line is empty."""
        kind, name = ("e", self.event) if self.event is not None else ("d", self.document)
        return f"{kind}:{name}#{self.line or ''}"


class Source(BaseModel):
    """Where an event came from: the connection's immutable id, stream, and the vendor's own transaction, line and revision."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    connection: Text
    stream: Text
    transaction: Text
    line: str = ""
    revision: str = ""


class Line(BaseModel):
    """One line of an event. Which fields a type needs and may carry: the catalogue (`tieout explain TYPE`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = ""
    item: Text | None = None
    quantity: Exact | None = None
    unit: Text | None = None
    location: Text | None = None
    to_location: Text | None = None
    to_item: Text | None = None
    owner: Text | None = None
    condition: Text | None = None
    lot: Text | None = None
    unit_price: Exact | None = None
    amount: Exact | None = None
    currency: Text | None = None
    tax: Exact | None = None
    ref: Ref | None = None
    reason: Text | None = None
    disposition: Literal["restock", "inspect", "sellable", "scrap", "second_grade", "refused"] | None = None
    part: Literal["component", "output", "by_product", "joint", "broken", "missing"] | None = None
    book_quantity: Exact | None = None
    weight: Exact | None = None
    volume: Exact | None = None
    landed_estimate: Exact | None = None
    nrv: Exact | None = None
    share: Exact | None = None
    origin_date: date | None = None
    dimensions: dict[str, str] | None = None


_ENVELOPE = frozenset(
    [
        "id",
        "type",
        "company",
        "effective_at",
        "recorded_at",
        "sequence",
        "revision",
        "void",
        "source",
        "document",
        "party",
        "party_group",
        "channel",
        "reason",
        "actor",
        "ref",
        "memo",
        "dimensions",
        "lines",
    ]
)
_LINE_ENVELOPE = frozenset({"id"})


class Event(BaseModel):
    """A canonical event. `id` is its identity; a higher `revision` of the same id replaces it, `void` takes it back."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Text
    type: Text
    company: Text = "main"
    effective_at: When
    recorded_at: datetime | None = None
    sequence: int = Field(default=0, ge=0)
    revision: int = Field(default=0, ge=0)
    void: bool = False
    source: Source | None = None
    document: Text | None = None
    party: Text | None = None
    party_group: Text | None = None
    channel: Text | None = None
    reason: Text | None = None
    actor: Text | None = None
    memo: str | None = None
    ref: Ref | None = None
    dimensions: dict[str, str] | None = None
    amount: Exact | None = None
    amounts: dict[str, Exact] | None = None
    tenders: dict[str, Exact] | None = None
    hours: dict[str, Exact] | None = None
    currency: Text | None = None
    rate: Exact | None = None
    basis: Literal["value", "quantity", "weight", "volume", "equal", "custom"] | None = None
    treatment: Literal["inventory", "abnormal", "outbound", "storage", "recoverable_tax", "unallocated"] | None = None
    status: Text | None = None
    policies: dict[str, str] | None = None
    category: Text | None = None
    lines: tuple[Line, ...] = ()

    @model_validator(mode="after")
    def _fits_its_type(self) -> Event:
        spec = EVENT_TYPES.get(self.type)
        if spec is None:
            raise ValueError(f"type: {self.type!r} is not an event type of the catalogue")
        if isinstance(self.effective_at, datetime) and self.effective_at.tzinfo is None:
            raise ValueError("effective_at: a time needs its offset from UTC, such as 2026-03-01T10:00:00+01:00")
        if self.void:
            return self
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        _require(spec.needs, given, "")
        _refuse(given - _ENVELOPE - set(spec.needs) - set(spec.may), self.type, "")
        for number, line in enumerate(self.lines, 1):
            here = {name for name in line.model_fields_set if getattr(line, name) is not None}
            where = f"lines[{number}]."
            _require(spec.line_needs, here, where)
            _refuse(here - _LINE_ENVELOPE - set(spec.line_needs) - set(spec.line_may), self.type, where)
            if line.unit is not None and unit_code(line.unit) is None:
                raise ValueError(f"{where}unit: {line.unit!r} is neither a UN/CEFACT code nor a known unit name")
        if spec.line_needs and not self.lines:
            raise ValueError(f"lines: {self.type} needs at least one line")
        for code in (self.currency, *(line.currency for line in self.lines)):
            if code is not None and code not in CURRENCIES:
                raise ValueError(f"currency: {code!r} is not an active ISO 4217 code")
        return self


def _require(needed: tuple[str, ...], given: set[str], where: str) -> None:
    for name in needed:
        if name not in given:
            raise ValueError(f"{where}{name}: missing")


def _refuse(extra: set[str], event_type: str, where: str) -> None:
    if extra:
        raise ValueError(f"{where}{min(extra)}: {event_type} does not carry this field")


@cache
def model_for(event_type: str) -> type[Event]:
    """The pydantic model of one event type: `Event` narrowed to the fields that type carries, the needed ones required."""
    spec = EVENT_TYPES[event_type]

    def narrowed(base: type[BaseModel], keep: frozenset[str], needs: tuple[str, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, field in base.model_fields.items():
            if name in needs:
                out[name] = (field.rebuild_annotation(), Field())
            elif name not in keep:
                out[name] = (None, None)
        return out

    title = "".join(part.capitalize() for part in event_type.replace(".", "_").split("_"))
    line_model = create_model(
        f"{title}Line",
        __base__=Line,
        **narrowed(Line, _LINE_ENVELOPE | set(spec.line_needs) | set(spec.line_may), spec.line_needs),
    )
    fields = narrowed(Event, _ENVELOPE | set(spec.needs) | set(spec.may), spec.needs)
    fields["type"] = (Literal[event_type], event_type)
    fields["lines"] = (tuple[line_model, ...], ...) if spec.line_needs else (tuple[line_model, ...], ())
    return create_model(title, __base__=Event, __doc__=f"{event_type}: matrix rows {spec.rows}.", **fields)


def json_schema() -> dict[str, Any]:
    """JSON Schema of every event type, as `{type: schema}`; fields a type does not carry are left out."""
    schemas = {}
    for name in EVENT_TYPES:
        schema = model_for(name).model_json_schema()
        for part in (schema, *schema.get("$defs", {}).values()):
            properties = part.get("properties", {})
            for absent in [key for key, value in properties.items() if value.get("type") == "null"]:
                del properties[absent]
        schemas[name] = schema
    return schemas


class EventLine(msgspec.Struct, gc=False, omit_defaults=True):
    """One line of one event, flat: the unit of landing, valuation and posting, and a row of the `event` table.

    `at` is UTC microseconds since 1970; `quantity` millionths of the item's stock unit (signed only for
    `stock.adjusted`); `amount` minor units of the company's currency, None where the source states no price.
    `ref` is `Ref.key()`. `extra` holds what only some types carry, as canonical text, integers and lists of them
    (see `lines_of`); header amounts sit on the event's first line (`head` True).
    Order of valuation (`valuation-rules` §1): `order_key(line)`.
    """

    event_id: str
    line_id: str
    type: str
    at: int
    phase: int
    source: str = ""  # "connection/stream"
    sequence: int = 0
    item: str = ""
    quantity: int = 0
    location: str = ""
    to_location: str = ""
    amount: int | None = None
    ref: str = ""
    reason: str = ""
    party: str = ""
    channel: str = ""
    document: str = ""
    lot: str = ""
    owner: str = ""
    head: bool = True
    extra: dict[str, Any] | None = None
    row: int = 0  # the store's row id, 0 outside a store; takes no part in anything pure
    recorded_at: int | None = None  # when the source learned of it, UTC microseconds, where it says so


OrderKey = tuple[int, int, str, int, str, str]


def order_key(line: EventLine) -> OrderKey:
    """The total order of valuation: instant, phase, source, sequence, event id, line id. Independent of arrival."""
    return (line.at, line.phase, line.source, line.sequence, line.event_id, line.line_id)


def default_time(day: date, phase: int) -> timedelta:
    """Time of day for a source that knows dates only: start, noon or end of day by phase (`valuation-rules` §1)."""
    if phase <= PHASE_START_OF_DAY_MAX:
        return timedelta(0)
    if phase <= PHASE_NOON_MAX:
        return timedelta(hours=12)
    return timedelta(days=1, microseconds=-1)


def instant(value: datetime | date, phase: int) -> int:
    """UTC microseconds of an effective time; a bare date takes its phase's default time, in UTC."""
    if isinstance(value, datetime):
        moment = value
    else:
        moment = datetime(value.year, value.month, value.day, tzinfo=UTC) + default_time(value, phase)
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


_EXTRA_LINE = [
    "to_item",
    "condition",
    "disposition",
    "part",
    "nrv",
    "share",
    "weight",
    "volume",
    "landed_estimate",
    "tax",
    "book_quantity",
    "origin_date",
]
_EXTRA_HEAD = [
    "amount",
    "amounts",
    "tenders",
    "hours",
    "basis",
    "treatment",
    "status",
    "policies",
    "category",
    "party_group",
    "memo",
    "actor",
]


# Company-currency units per one unit of a currency at an instant (UTC microseconds), None where no rate is known.
RateFinder: TypeAlias = Callable[[str, int], Fraction | None]


class MissingRateError(ValueError):
    """A foreign amount without a rate: the event states none and none is known for its day."""

    def __init__(self, currency: str, at: int) -> None:
        day = (EPOCH + timedelta(microseconds=at)).date()
        super().__init__(f"rate: no exchange rate for {currency} on {day}")
        self.currency = currency
        self.at = at


def lines_of(event: Event, *, currency: str = "USD", rates: RateFinder | None = None) -> list[EventLine]:
    """Flatten an event into its lines, in order. `currency` is the company's own.

    Foreign amounts are converted at the event's `rate`, else at the one `rates` finds for its instant, else
    `MissingRateError`; `extra` keeps their `currency`, the `rate` and the `foreign` amount, exact. A document's exact line amounts (quantity × unit price × rate, or stated amounts × rate) are rounded once as a total
    and spread by largest remainder (matrix §20.6). An event without lines gives one line without an item.
    """
    spec = EVENT_TYPES[event.type]
    at = instant(event.effective_at, spec.phase)
    source = f"{event.source.connection}/{event.source.stream}" if event.source else ""
    scale = 10 ** exponent(currency)
    lines = event.lines or (Line(),)
    used = [_rate(event, line.currency or event.currency, currency, at, rates) for line in lines]
    priced = [_exact_amount(line, spec.units) for line in lines]
    known = [p * rate * scale for p, rate in zip(priced, used, strict=True) if p is not None]
    minor = iter(spread(known))
    out: list[EventLine] = []
    for number, (line, price, rate) in enumerate(zip(lines, priced, used, strict=True), 1):
        extra = _extra(event, line, head=number == 1)
        if extra.get("currency", currency) != currency:
            extra.setdefault("rate", exact_text(rate))
            if price is not None:
                extra["foreign"] = exact_text(price)
        ref = line.ref or event.ref
        out.append(
            EventLine(
                event_id=event.id,
                line_id=line.id or (str(number) if len(lines) > 1 else ""),
                type=event.type,
                at=at,
                phase=spec.phase,
                source=source,
                sequence=event.sequence,
                item=line.item or "",
                quantity=to_scaled(line.quantity) if line.quantity is not None else 0,
                location=line.location or "",
                to_location=line.to_location or "",
                amount=next(minor) if price is not None else None,
                ref=ref.key() if ref else "",
                reason=line.reason or event.reason or "",
                party=event.party or "",
                channel=event.channel or "",
                document=event.document or "",
                lot=line.lot or "",
                owner=line.owner or "",
                head=number == 1,
                extra=extra or None,
                recorded_at=instant(event.recorded_at, spec.phase) if event.recorded_at is not None else None,
            )
        )
    return out


def _rate(event: Event, foreign: str | None, own: str, at: int, rates: RateFinder | None) -> Fraction:
    if event.rate is not None:
        return Fraction(event.rate)
    if foreign is None or foreign == own:
        return Fraction(1)
    found = rates(foreign, at) if rates is not None else None
    if found is None:
        raise MissingRateError(foreign, at)
    return found


def _exact_amount(line: Line, units: str) -> Fraction | None:
    if line.amount is not None:
        return Fraction(line.amount)
    if line.unit_price is None or line.quantity is None:
        return None
    return Fraction(line.unit_price) * Fraction(line.quantity)


def _canonical(value: object) -> str:
    """Text as `decimal_of` reads it back: decimals without an exponent (`str` writes 0.000000000 as 0E-9)."""
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _extra(event: Event, line: Line, *, head: bool) -> dict[str, Any]:
    """Rare fields as canonical text; see the field lists above. `dims` merges the event's and the line's dimensions."""
    extra: dict[str, Any] = {}
    for name in _EXTRA_LINE:
        value = getattr(line, name)
        if value is not None:
            extra[name] = _canonical(value)
    if line.unit_price is not None:
        extra["unit_price"] = _canonical(line.unit_price)
    if line.unit is not None:
        extra["unit"] = unit_code(line.unit) or line.unit
    foreign = line.currency or event.currency
    if foreign is not None:
        extra["currency"] = foreign
    if event.rate is not None:
        extra["rate"] = _canonical(event.rate)
    dims = {**(event.dimensions or {}), **(line.dimensions or {})}
    if dims:
        extra["dims"] = dims
    if head:
        for name in _EXTRA_HEAD:
            value = getattr(event, name)
            if value is None:
                continue
            is_map = isinstance(value, dict)
            extra[f"head_{name}" if name == "amount" else name] = (
                {k: _canonical(v) for k, v in sorted(value.items())} if is_map else _canonical(value)
            )
    return extra


__all__ = [
    "DISPOSITIONS",
    "Event",
    "EventLine",
    "Line",
    "MissingRateError",
    "OrderKey",
    "RateFinder",
    "Ref",
    "Source",
    "default_time",
    "instant",
    "json_schema",
    "lines_of",
    "model_for",
    "order_key",
]
