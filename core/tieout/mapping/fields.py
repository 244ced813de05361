"""The fields a mapping can fill: which kind each is, which type carries it, and how a value becomes it.

Names and levels are those of `model.event.Event` and `Line`; a test keeps this table equal to the models.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from tieout.mapping.conversions import kind_of, number_of, text_of
from tieout.mapping.limits import MEMO_CHARACTERS_MAX, TEXT_CHARACTERS_MAX
from tieout.mapping.times import parse_when
from tieout.model.catalogue import DISPOSITIONS, EVENT_TYPES
from tieout.model.money import CURRENCIES
from tieout.model.quantity import SCALE, to_scaled
from tieout.model.units import unit_code

Number = tuple[str, int | Fraction]  # canonical text, millionths (a Fraction where millionths do not hold it)

EVENT_FIELDS: Final[dict[str, str]] = {
    "effective_at": "when",
    "recorded_at": "when",
    "sequence": "count",
    "document": "text",
    "party": "text",
    "party_group": "text",
    "channel": "text",
    "reason": "text",
    "actor": "text",
    "memo": "memo",
    "amount": "number",
    "currency": "currency",
    "rate": "number",
    "basis": "basis",
    "treatment": "treatment",
    "status": "text",
    "category": "text",
}
LINE_FIELDS: Final[dict[str, str]] = {
    "item": "text",
    "quantity": "quantity",
    "unit": "unit",
    "location": "text",
    "to_location": "text",
    "to_item": "text",
    "owner": "text",
    "condition": "text",
    "lot": "text",
    "unit_price": "number",
    "amount": "number",
    "currency": "currency",
    "tax": "number",
    "reason": "text",
    "disposition": "disposition",
    "part": "part",
    "book_quantity": "number",
    "weight": "number",
    "volume": "number",
    "landed_estimate": "number",
    "nrv": "number",
    "share": "number",
    "origin_date": "date",
}
MAP_FIELDS: Final[dict[str, str]] = {
    "amounts": "number",
    "tenders": "number",
    "hours": "number",
    "dimensions": "text",
    "policies": "text",
}
REF_FIELDS: Final = ("ref.event", "ref.document", "ref.line")
# What every event may carry beside its type's own fields.
_ENVELOPE: Final = frozenset(
    [
        "effective_at",
        "recorded_at",
        "sequence",
        "document",
        "party",
        "party_group",
        "channel",
        "reason",
        "actor",
        "memo",
        "ref",
        "dimensions",
    ]
)
WORDS: Final[dict[str, tuple[str, ...]]] = {
    "basis": ("value", "quantity", "weight", "volume", "equal", "custom"),
    "treatment": ("inventory", "abnormal", "outbound", "storage", "recoverable_tax", "unallocated"),
    "disposition": DISPOSITIONS,
    "part": ("component", "output", "by_product", "joint", "broken", "missing"),
}
# Which kinds of value can become which kind of field.
FITS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("quantity", "number", "count", "text"), frozenset({"text", "number", "any"})),
    **dict.fromkeys(("memo", "currency", "unit", *WORDS), frozenset({"text", "any"})),
    **dict.fromkeys(("when", "date"), frozenset({"text", "date", "time", "any"})),
}


def carried(event_type: str, *, line: bool) -> tuple[frozenset[str], tuple[str, ...]]:
    """(fields allowed, fields needed) of an event type at one level; `ref`, `dimensions` and the like as their stem."""
    spec = EVENT_TYPES[event_type]
    if line:
        return frozenset((*spec.line_needs, *spec.line_may)), spec.line_needs
    return _ENVELOPE | set(spec.needs) | set(spec.may), ("effective_at", *spec.needs)


def addresses(event_type: str, *, line: bool) -> list[str]:
    """The names a mapping may write at one level, for suggestions: `ref.document`, `amounts.NAME` and so on."""
    allowed, _ = carried(event_type, line=line)
    out: list[str] = []
    for stem in sorted(allowed):
        if stem == "ref":
            out.extend(REF_FIELDS)
        elif stem in MAP_FIELDS:
            out.append(f"{stem}.NAME")
        else:
            out.append(stem)
    return out


def field_kind(name: str, *, line: bool) -> str | None:
    """The kind of a field by its address, None when there is no such field at this level."""
    if name in REF_FIELDS:
        return "text"
    stem, dot, rest = name.partition(".")
    if dot:
        return MAP_FIELDS.get(stem) if rest and "." not in rest else None
    return (LINE_FIELDS if line else EVENT_FIELDS).get(name)


def texts(values: list[Any], longest: int = TEXT_CHARACTERS_MAX) -> list[Any]:
    """Many values → texts: whole numbers as text; too long, NUL and broken Unicode refused."""
    if set(map(type, values)) != {str}:
        values = list(map(text_of, values))
    whole = "\x00".join(values)
    whole.encode()  # a lone surrogate is no text
    if whole.count("\x00") != len(values) - 1:
        raise ValueError("a text holds the sign NUL")
    if max(map(len, values)) > longest:
        raise ValueError(f"longer than {longest} characters")
    return values


def number(value: Any) -> Number:
    """An exact number as (canonical text, millionths). Plain short decimals take the fast way."""
    if type(value) is str and len(value) <= 18 and value.isascii():
        whole, dot, part = value.partition(".")
        if whole.isdigit() and (whole[0] != "0" or whole == "0"):
            if not dot:
                return value, int(whole) * SCALE
            if part.isdigit() and len(part) <= 6:
                return value, int(whole + part) * 10 ** (6 - len(part))
    exact = number_of(value)
    scaled = Fraction(exact) * SCALE
    return format(exact, "f"), scaled.numerator if scaled.denominator == 1 else scaled


def quantity(value: Any) -> int:
    """Millionths of a unit; more than six decimals refused."""
    if type(value) is str and len(value) <= 12 and value.isascii() and value.isdigit():
        return int(value) * SCALE
    return to_scaled(number_of(value))


def count(value: Any) -> int:
    """A whole number from 0."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    raise ValueError(f"{value!r} is not a whole number from 0")


def currency(value: Any) -> str:
    """An active ISO 4217 code."""
    if value in CURRENCIES:
        return str(value)
    raise ValueError(f"{value!r} is not an active ISO 4217 code (such as USD, EUR, JPY)")


def unit(value: Any) -> str:
    """The UN/CEFACT code of a known unit, else the text as written (the pull stage decides)."""
    text = text_of(value)
    return unit_code(text) or texts([text])[0]


def _word(kind: str) -> Callable[[Any], str]:
    words = WORDS[kind]

    def cast(value: Any) -> str:
        if value in words:
            return str(value)
        raise ValueError(f"{value!r} is not one of {', '.join(words)}")

    return cast


def day(value: Any) -> str:
    """A date as ISO text."""
    moment = parse_when(value)
    if type(moment) is not date:
        raise ValueError(f"{value!r} is {kind_of(value)} with a time, not a date")
    return moment.isoformat()


Cast = Callable[[list[Any]], list[Any]]


def _each(function: Callable[[Any], Any]) -> Cast:
    return lambda values: list(map(function, values))


# Casts of many values at once; `when` needs a zone and a phase and is made by the run.
CASTS: Final[dict[str, Cast]] = {
    "text": texts,
    "memo": lambda values: texts(values, MEMO_CHARACTERS_MAX),
    "number": _each(number),
    "quantity": _each(quantity),
    "count": _each(count),
    "currency": _each(currency),
    "unit": _each(unit),
    "date": _each(day),
    "when": _each(parse_when),
    **{kind: _each(_word(kind)) for kind in WORDS},
}


def const_kind(value: Any) -> str:
    """The kind of a constant: text, number or any."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return "number"
    return "text" if isinstance(value, str) else "boolean"
