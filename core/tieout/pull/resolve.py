"""Vendor words to our codes: item, locations, party, unit, reason. What is unknown holds its event, never more.

An event with anything unknown is held whole: all its lines wait together, with one exception that names every unknown
word, the money it holds up and the command that teaches it. A line of an item that is not stocked (services, postage) is
left out and counted; if it was the event's first line, its header amounts move to the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import groupby
from zoneinfo import ZoneInfo

import msgspec

from tieout.errors import Refused
from tieout.model.catalogue import EVENT_TYPES, REASONS
from tieout.model.event import EventLine
from tieout.model.master import Item
from tieout.model.money import from_minor, round_fraction
from tieout.model.quantity import QUANTITY_MAX, SCALE, from_scaled
from tieout.model.units import factor, unit_code
from tieout.pull.company import Company
from tieout.store.masters import Kind
from tieout.valuation.bundles import explode

_HEAD_FIELDS = frozenset(
    [
        "head_amount",
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
)
_DAY_MICROS = 86_400_000_000
_EPOCH = date(1970, 1, 1)
_MISSING = object()
_SALES = ("order.placed", "order.edited", "order.fulfilled", "consignment.sold", "dropship.shipped")

Unknown = tuple[str, str, str, str]  # kind, connection, external id, fix
# event type, item, location, quantity in millionths of the stock unit (None where that is not known), instant
Movement = tuple[str, str, str, int | None, int]
_NO_QUANTITY = ("TO3203", "TO3204", "TO3206")


class Held(msgspec.Struct):
    """An event that waits: its lines as mapped, why, and how much money is in it (minor units, None where unknown).

    `movements`: the stock it keeps out of the books; words nobody knows are the source's own there."""

    event_id: str
    record: int
    code: str
    message: str
    fix: str
    unknown: list[Unknown]
    amount: int | None
    movements: list[Movement] = []


class Resolved(msgspec.Struct):
    """Lines in our codes with the record of each, events held, lines left out by reason."""

    lines: list[EventLine]
    records: list[int]
    held: list[Held]
    skipped: Counter[str]


class Problem(msgspec.Struct):
    """One thing wrong with one line."""

    code: str
    message: str
    fix: str
    unknown: Unknown | None = None


class Resolver:
    """Resolves the lines of one connection of one company. Remembers answers that do not depend on the day."""

    def __init__(self, company: Company, connection: str) -> None:
        self.company = company
        self.connection = connection
        self._known: dict[str, dict[str, str | None]] = {"item": {}, "location": {}, "party": {}}
        self._dated: set[tuple[str, str]] = set()
        self._odd_items: set[str] = set()  # not stocked, or bundles
        self._same_unit: set[tuple[str, str | None]] = (
            set()
        )  # (item as the source says it, unit) that is the stock unit

    def run(self, lines: Sequence[EventLine], records: Sequence[int]) -> Resolved:
        """Resolve mapped lines, in place. `records` says which record each line is of; lines of an event are adjacent.

        Words are looked up once per page. Events that need more than that are taken one by one, which is rare.
        """
        out = Resolved([], [], [], Counter())
        care = self._care(lines)
        if not care:
            out.lines, out.records = list(lines), list(records)
            self._rename(out.lines)
            return out
        rest: list[int] = []
        for index, line in enumerate(lines):
            if line.event_id in care:
                rest.append(index)
            else:
                out.lines.append(line)
                out.records.append(records[index])
        self._rename(out.lines)
        self._carefully([lines[i] for i in rest], [records[i] for i in rest], out)
        return out

    def _care(self, lines: Sequence[EventLine]) -> set[str]:
        """Events with a word that is unknown or depends on the day, an item not stocked, a reason, another unit."""
        items = {line.item for line in lines}
        places = {line.location for line in lines} | {line.to_location for line in lines}
        parties = {line.party for line in lines}
        odd_items, odd_places, odd_parties = self._odd("item", items), self._odd("location", places), set()
        for party in parties - self._known["party"].keys() - {""}:
            self._party(party, _EPOCH)
        odd_parties = parties - self._known["party"].keys() - {""}
        odd_items |= items & self._odd_items
        plain = not (odd_items or odd_places or odd_parties)
        same = self._same_unit
        care: set[str] = set()
        for line in lines:
            extra = line.extra
            if (
                line.reason
                or (extra is not None and "unit" in extra and (line.item, extra["unit"]) not in same)
                or (extra is not None and "to_item" in extra)
            ) or (
                not plain
                and (
                    line.item in odd_items
                    or line.location in odd_places
                    or line.to_location in odd_places
                    or line.party in odd_parties
                )
            ):
                care.add(line.event_id)
        return care

    def _odd(self, kind: Kind, words: set[str]) -> set[str]:
        """Of these words, those without one answer for every day."""
        known = self._known[kind]
        for word in words - known.keys() - {""}:
            self._look_up(kind, word, _EPOCH)
        return {word for word in words if word and not known.get(word)}

    def _rename(self, lines: Sequence[EventLine]) -> None:
        """Put our codes into lines whose words are all known, and drop units that are the stock unit."""
        items = {word: code for word, code in self._known["item"].items() if code and code != word}
        places = {word: code for word, code in self._known["location"].items() if code and code != word}
        parties = {word: code for word, code in self._known["party"].items() if code and code != word}
        if items or places or parties:
            for line in lines:
                line.item = items.get(line.item, line.item)
                line.location = places.get(line.location, line.location)
                line.to_location = places.get(line.to_location, line.to_location)
                line.party = parties.get(line.party, line.party)
        if self._same_unit:
            for line in lines:
                if line.extra is not None and line.extra.pop("unit", None) is not None and not line.extra:
                    line.extra = None

    def _carefully(self, lines: Sequence[EventLine], records: Sequence[int], out: Resolved) -> None:
        pairs = zip(lines, records, strict=True)
        for event_id, group in groupby(pairs, key=lambda pair: pair[0].event_id):
            members = list(group)
            problems = [self._line(line) for line, _ in members]
            if any(problems):
                out.held.append(self._hold(event_id, members[0][1], [line for line, _ in members], problems))
                continue
            try:
                whole = self._through_bundles([line for line, _ in members])
            except Refused as error:
                problem = Problem(error.code, error.message, error.fix or "mend the master data")
                alone: list[list[Problem]] = [[] for _ in members[1:]]
                out.held.append(self._hold(event_id, members[0][1], [x for x, _ in members], [[problem], *alone]))
                continue
            kept = self._stocked(whole, out.skipped)
            out.lines += kept
            out.records += [members[0][1]] * len(kept)

    def _through_bundles(self, lines: list[EventLine]) -> list[EventLine]:
        """Lines of what bundles are made of in the place of theirs. A whole bundle that comes back after its bill of
        materials changed is refused: which one was sold is not known here; its components can be named."""
        masters, facts = self.company.masters, self.company.facts

        def is_bundle(item: str) -> bool:
            return masters.item(item).kind == "bundle"

        def day_of(line: EventLine) -> date:
            day = datetime.fromtimestamp(line.at // 1_000_000, ZoneInfo(self.company.timezone)).date()
            if line.ref and not line.type.startswith(_SALES) and facts.bom_changed(line.item, day):
                versions = f"the bill of materials of {line.item} changed before {day}"
                fix = "say which of its components came back, each as a line of its own"
                raise Refused(f"{versions}, and {line.type} says only that the bundle did", code="TO4060", fix=fix)
            return day

        if not any(line.item and is_bundle(line.item) for line in lines):
            return lines
        return explode(lines, facts, is_bundle, day_of)

    def _line(self, line: EventLine) -> list[Problem]:
        """Put our codes into a line; what could not be found."""
        found: list[Problem] = []
        day = _EPOCH + timedelta(days=line.at // _DAY_MICROS)
        external = line.item
        if line.item:
            line.item = self._code("item", line.item, day, found)
        if line.location:
            line.location = self._code("location", line.location, day, found)
        if line.to_location:
            line.to_location = self._code("location", line.to_location, day, found)
        if line.party:
            line.party = self._party(line.party, day)
        if line.extra:
            if line.extra.get("to_item"):
                line.extra["to_item"] = self._code("item", line.extra["to_item"], day, found)
            if "unit" in line.extra and not found:
                found += self._unit(line, external, day)
        if line.type == "stock.adjusted" or line.reason in self.company.reasons:
            found += self._reason(line)
        if abs(line.quantity) > QUANTITY_MAX or abs(line.amount or 0) > QUANTITY_MAX or line.type not in EVENT_TYPES:
            found.append(
                Problem("TO3206", f"{line.type}: a number beyond 64 bits, or no such type", "mend the mapping")
            )
        return found

    def _code(self, kind: Kind, external: str, day: date, problems: list[Problem]) -> str:
        known = self._known[kind]
        answer = known.get(external, _MISSING)
        if answer is _MISSING:
            answer = self._look_up(kind, external, day)
        if isinstance(answer, str):
            return answer
        fix = self.company.masters.fix(kind, self.connection, external)
        code = "TO3201" if kind == "item" else "TO3202"
        unknown = (kind, self.connection, external, fix)
        problems.append(Problem(code, f"unknown {kind} {external!r}", fix, unknown))
        return external

    def _look_up(self, kind: Kind, external: str, day: date) -> str | None:
        masters = self.company.masters
        answer = masters.resolve(kind, self.connection, external, day)
        if (kind, external) in self._dated or masters.is_dated(kind, self.connection, external):
            self._dated.add((kind, external))
            return answer
        self._known[kind][external] = answer
        if kind == "item" and answer is not None:
            item = masters.item(answer)
            if not item.stocked or item.kind == "bundle":
                self._odd_items.add(external)
        return answer

    def _party(self, external: str, day: date) -> str:
        """A party nobody taught keeps the source's own id: it decides no amount and no account of stock."""
        known = self._known["party"]
        answer = known.get(external)
        if answer is None:
            answer = self.company.masters.resolve("party", self.connection, external, day)
            if self.company.masters.is_dated("party", self.connection, external):
                return answer or external
            answer = known[external] = answer or external
        return answer

    def _unit(self, line: EventLine, external: str, day: date) -> list[Problem]:
        extra = line.extra or {}
        text = extra.pop("unit")
        line.extra = extra or None
        if not line.item:
            return []
        item = self.company.masters.item(line.item, day)
        code = unit_code(text) or (text if text in item.units else None)
        ratio = factor(code, item.stock_unit, item.units) if code else None
        if ratio is None:
            return [self._unknown_unit(item, external, text)]
        if ratio == 1:
            if external in self._known["item"]:
                self._same_unit.add((external, text))
            return []
        converted = line.quantity * ratio
        book = Fraction(extra["book_quantity"]) * ratio if "book_quantity" in extra else None
        if converted.denominator != 1 or (book is not None and (book * SCALE).denominator != 1):
            words = f"{from_scaled(line.quantity)} {text} of {item.sku} is no exact quantity of {item.stock_unit}"
            return [Problem("TO3204", words, "choose a smaller stock unit for the item, or mend its conversion")]
        line.quantity = converted.numerator
        if book is not None:
            extra["book_quantity"] = from_scaled((book * SCALE).numerator)
        if "unit_price" in extra:
            extra["unit_price"] = _exact_text(Fraction(extra["unit_price"]) / ratio)
        return []

    def _unknown_unit(self, item: Item, external: str, text: str) -> Problem:
        known = sorted({item.stock_unit, *item.units})
        fix = f"add `{text}=N` to the units of {item.sku} (known: {', '.join(known)}) and run tieout items import FILE"
        unknown = ("unit", self.connection, f"{external}/{text}", fix)
        return Problem("TO3203", f"unit {text!r} has no conversion to the stock unit of {item.sku!r}", fix, unknown)

    def _reason(self, line: EventLine) -> list[Problem]:
        given = line.reason
        reason = self.company.reasons.get(given, given)
        if line.type != "stock.adjusted" or reason in REASONS:
            line.reason = reason
            return []
        if self.company.unknown_reason == "suspense":
            line.reason = "unknown"
            return []
        fix = f'add "{given}" = one of {", ".join(sorted(REASONS))} to [reasons] in tieout.toml'
        return [Problem("TO3205", f"unknown reason {given!r}", fix, ("reason", self.connection, given, fix))]

    def _stocked(self, lines: list[EventLine], skipped: Counter[str]) -> list[EventLine]:
        masters = self.company.masters
        kept = [line for line in lines if not line.item or masters.item(line.item).stocked]
        if len(kept) == len(lines):
            return lines
        skipped["item is not stocked"] += len(lines) - len(kept)
        if kept and not kept[0].head:
            moved = {name: value for name, value in (lines[0].extra or {}).items() if name in _HEAD_FIELDS}
            kept[0].head = True
            kept[0].extra = {**(kept[0].extra or {}), **moved} or None
        return kept

    def _hold(self, event_id: str, record: int, lines: Sequence[EventLine], of_lines: Sequence[list[Problem]]) -> Held:
        amount = _amount(lines, self.company)
        problems = [problem for found in of_lines for problem in found]
        words = "; ".join(dict.fromkeys(problem.message for problem in problems))
        first = lines[0]
        money = f", {from_minor(amount, self.company.currency)} {self.company.currency}" if amount is not None else ""
        document = f" {first.document}" if first.document else ""
        return Held(
            event_id=event_id,
            record=record,
            code=problems[0].code,
            message=f"{first.type}{document}: {words}{money}",
            fix="; ".join(dict.fromkeys(problem.fix for problem in problems)),
            unknown=list(dict.fromkeys(problem.unknown for problem in problems if problem.unknown)),
            amount=amount,
            movements=[_movement(line, found) for line, found in zip(lines, of_lines, strict=True) if line.item],
        )


def _movement(line: EventLine, problems: Sequence[Problem]) -> Movement:
    converted = not (line.extra and "unit" in line.extra) and all(each.code not in _NO_QUANTITY for each in problems)
    return line.type, line.item, line.location, line.quantity if converted else None, line.at


def _amount(lines: Sequence[EventLine], company: Company) -> int | None:
    """The money in an event: its stated amounts, else quantity × the item's catalogue cost; None where neither is known."""
    stated = [abs(line.amount) for line in lines if line.amount is not None]
    if stated:
        return sum(stated)
    head = (lines[0].extra or {}).get("head_amount")
    digits = len(from_minor(1, company.currency).partition(".")[2])
    if head is not None:
        return abs(round_fraction(Fraction(head) * 10**digits))
    total, known = Fraction(0), False
    for line in lines:
        if line.item and company.masters.knows("item", line.item):
            cost = company.masters.item(line.item).catalogue_cost
            if cost is not None:
                total += Fraction(cost) * abs(line.quantity) / SCALE
                known = True
    return round_fraction(total * 10**digits) if known else None


def _exact_text(value: Fraction) -> str:
    """Decimal text where there is an exact one, else `n/d`."""
    denominator = value.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    if denominator != 1:
        return str(value)
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
    scaled = (value * 10**places).numerator
    sign, digits = ("-" if scaled < 0 else ""), str(abs(scaled)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
