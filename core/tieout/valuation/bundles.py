"""Virtual bundles: BND-01, BND-02, BND-03. A bundle is sold and returned, never held: its lines become lines of what it
is made of, by the bill of materials of the day it was sold, down to items that are held.

A component's line is `LINE/1`, `LINE/2` …; a reference to the bundle's line names all of them (`refs.fits`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from fractions import Fraction
from typing import Final, NoReturn

import msgspec

from tieout.errors import Refused
from tieout.model.event import EventLine
from tieout.model.facts import Bom, Facts
from tieout.model.money import allocate
from tieout.model.quantity import from_scaled
from tieout.valuation.refs import fits, parse

DEPTH_MAX: Final = 32  # bundles in bundles

# What may be said of a bundle: it is sold, moved or taken back through what it is made of.
_THROUGH: Final = (
    "order.",
    "return.",
    "returns.",
    "refund.",
    "exchange.",
    "warranty.",
    "consignment.",
    "dropship.",
    "transfer.",
    "intercompany.",
    "stock.adjusted",
)
_SALES: Final = frozenset({"order.fulfilled", "consignment.sold", "dropship.shipped", "intercompany.shipped"})
_NOT_OF_A_PART: Final = ("unit_price", "weight", "volume", "tax", "nrv", "book_quantity")


def share_by_price(amount: int, parts: Sequence[tuple[str, int]], facts: Facts, day: date) -> list[int]:
    """BND-02: shares of a price (minor units) for components, each (item, quantity), by stand-alone selling price on a day
    (IFRS 15.76), by largest remainder; they add up to the amount. Refused TO4062 where a price is not known."""
    weights: list[int | Fraction] = []
    for item, quantity in parts:
        price = facts.price(item, day)
        if price is None:
            raise Refused(
                f"{item} has no stand-alone price on {day}, so the price of its bundle cannot be split",
                code="TO4062",
                where=item,
                fix="import its stand-alone price: tieout items facts FILE",
                item=item,
            )
        weights.append(price * quantity)
    return allocate(amount, weights)


def explode(
    lines: Iterable[EventLine],
    facts: Facts,
    is_bundle: Callable[[str], bool],
    day_of: Callable[[EventLine], date],
) -> list[EventLine]:
    """Lines with every line of a bundle replaced by those of its components. `day_of`: the day whose bill of materials
    and stand-alone prices count for a line. Refused: TO4060 to TO4064."""
    out: list[EventLine] = []
    for line in lines:
        if line.item and is_bundle(line.item):
            out += components_of(line, facts, is_bundle, day_of(line))
        else:
            out.append(line)
    return out


def components_of(line: EventLine, facts: Facts, is_bundle: Callable[[str], bool], day: date) -> list[EventLine]:
    """The lines a line of a bundle stands for. Its amount is split by stand-alone price; where one of them is not known
    no part has an amount, and the first carries it as `bundle_amount`."""
    if not line.type.startswith(_THROUGH):
        _refuse(
            "TO4064", line, f"{line.item} is a bundle: it is never held itself", "say it of the items it is made of"
        )
    leaves = _leaves(line, line.item, Fraction(line.quantity), line.line_id or "1", facts, is_bundle, day, ())
    parts = [(item, int(quantity)) for _, item, quantity in leaves]
    shares: list[int | None] = [None] * len(parts)
    priced = all(facts.price(item, day) is not None for item, _ in parts)
    if line.amount is not None and priced:
        shares = list(share_by_price(line.amount, [(item, abs(q)) for item, q in parts], facts, day))
    plain = {name: value for name, value in (line.extra or {}).items() if name not in _NOT_OF_A_PART}
    first = {name: value for name, value in (line.extra or {}).items() if name != "unit_price"}
    if line.amount is not None and not priced:
        first["bundle_amount"] = line.amount
    rest = {name: plain[name] for name in ("dims", "disposition", "condition", "currency", "rate") if name in plain}
    return [
        msgspec.structs.replace(
            line,
            line_id=line_id,
            item=item,
            quantity=quantity,
            amount=share,
            head=line.head and n == 0,
            extra={**(first if n == 0 else rest), "bundle": line.item},
        )
        for n, ((line_id, _, _), (item, quantity), share) in enumerate(zip(leaves, parts, shares, strict=True))
    ]


def _leaves(
    line: EventLine,
    item: str,
    quantity: Fraction,
    line_id: str,
    facts: Facts,
    is_bundle: Callable[[str], bool],
    day: date,
    above: tuple[str, ...],
) -> list[tuple[str, str, Fraction]]:
    if item in above or len(above) >= DEPTH_MAX:
        _refuse("TO4061", line, f"{item} is made of itself: {' > '.join((*above, item))}", "mend the bill of materials")
    out: list[tuple[str, str, Fraction]] = []
    for n, part in enumerate(known_bom(line, item, facts, day).parts, 1):
        own = (f"{line_id}/{n}", part.item, quantity * part.quantity)
        if is_bundle(part.item):
            out += _leaves(line, part.item, own[2], own[0], facts, is_bundle, day, (*above, item))
        elif own[2].denominator != 1:
            words = f"{from_scaled(line.quantity)} {line.item} is no exact quantity of {part.item}"
            _refuse("TO4063", line, words, "mend the bill of materials: at most six decimals")
        else:
            out.append(own)
    return out


def known_bom(line: EventLine, item: str, facts: Facts, day: date) -> Bom:
    """The bill of materials in force on a day; never guessed: Refused TO4060."""
    bom = facts.bom(item, day)
    if bom is None:
        _refuse(
            "TO4060",
            line,
            f"{item} has no bill of materials on {day}",
            "import it: tieout items facts FILE (columns item, component, quantity, effective)",
        )
    return bom


def sold_on(line: EventLine, known: Callable[[str, str], Iterable[EventLine]], day: Callable[[int], date]) -> date:
    """The day whose bill of materials counts: of the sale a line names, else its own. `known(kind, name)` gives the known
    lines of an event (`e`) or a document (`d`)."""
    if line.ref and line.type not in _SALES:
        kind, name, wanted = parse(line.ref)
        sales = [x.at for x in known(kind, name) if x.type in _SALES and fits(x, wanted)]
        if sales:
            return day(min(sales))
    return day(line.at)


def _refuse(code: str, line: EventLine, message: str, fix: str) -> NoReturn:
    where = f"{line.type} {line.document or line.event_id}" + (f" line {line.line_id}" if line.line_id else "")
    raise Refused(message, code=code, where=where, fix=fix, item=line.item, quantity=from_scaled(line.quantity))
