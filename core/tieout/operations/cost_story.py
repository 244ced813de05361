"""What a cost is made of, back to the documents: receipt, bill difference, freight share, components, return.

    2 mugs for 11.20  ─▶  receipt GR-1 10.00, bill VB-1 0.40, freight FB-1 0.80

A part of an inflow's units has its share of the inflow's own value by quantity; what it is worth beyond that came later,
and is shared by what came for the inflow before these units left. Largest remainder, so the parts always add up. Where the inflow itself took units from somewhere (a kit its components, a
return its sale, an arrival its dispatch), the story goes on there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from tieout.model.event import EventLine, OrderKey, order_key
from tieout.model.journal import Flow
from tieout.model.money import from_minor, spread
from tieout.model.quantity import from_scaled
from tieout.operations.desk import Desk
from tieout.valuation.opening import MEMO_ROWS
from tieout.valuation.replay import Result
from tieout.valuation.result import VARIANCES, moved_value

DEPTH_MAX = 8
Key = tuple[str, str]


class Storyteller:
    """The lines of an item (and of those it is linked with), valued, by event and line."""

    def __init__(self, desk: Desk, results: Mapping[Key, Result]) -> None:
        self.desk = desk
        self.results = results
        self.causes: dict[Key, list[tuple[EventLine, Flow]]] = {}
        for result in results.values():
            for flow in result.flows:
                if flow.affected is not None and flow.amount and flow.row not in MEMO_ROWS:
                    key = (flow.affected.event_id, flow.affected.line_id)
                    self.causes.setdefault(key, []).append((result.line, flow))

    def made_of(
        self, origin: Key, quantity: Fraction, value: int, before: OrderKey, depth: int = 0
    ) -> list[dict[str, Any]]:
        """The parts of `value`, which `quantity` units (millionths) brought by line `origin` had when they left at `before`;
        [] where unknown.

        Each part: document, type, day, matrix row, component, policy, amount in minor units (`minor`) and as text, and
        `made_of` again where the part was itself taken from somewhere. They sum to `value`.
        """
        result = self.results.get(origin)
        if result is None or depth >= DEPTH_MAX:
            return []
        own, later = list(self._own(result)), list(self._later(origin, before))
        whole, units = sum(amount for *_, amount in own), abs(result.line.quantity)
        since = sum(amount for *_, amount in later)
        if not whole or not units:
            return []
        first = round(whole * quantity / units) if since else value
        parts = [*_shared(own, first), *(_shared(later, value - first) if since else ())]
        return [self._part(line, flow, share, depth, Fraction(share, whole)) for line, flow, share in parts if share]

    def _own(self, result: Result) -> Iterator[tuple[EventLine, Flow, int]]:
        for flow in result.flows:
            if flow.affected is None and flow.row not in MEMO_ROWS:
                amount = moved_value(result.line, flow)
                if amount:
                    yield result.line, flow, amount

    def _later(self, origin: Key, before: OrderKey) -> Iterator[tuple[EventLine, Flow, int]]:
        for line, flow in self.causes.get(origin, ()):
            if order_key(line) < before and flow.debit not in VARIANCES:
                yield line, flow, flow.amount

    def _part(self, line: EventLine, flow: Flow, share: int, depth: int, of_whole: Fraction) -> dict[str, Any]:
        desk = self.desk
        day = desk.days.day_of(line.at)
        policy = desk.company.policies.at(day, desk.category(line.item), line.channel)
        return {
            "event": line.event_id,
            "document": line.document,
            "type": line.type,
            "date": day.isoformat(),
            "row": flow.row,
            "component": flow.component,
            "policy": f"{policy.cost_method}, one pool per {policy.cost_scope}",
            "value": from_minor(share, desk.currency),
            "minor": share,
            "made_of": self._taken(line, flow, share, depth, of_whole),
        }

    def _taken(self, line: EventLine, flow: Flow, share: int, depth: int, of_whole: Fraction) -> list[dict[str, Any]]:
        """Where the units of a part came from, when they came from somewhere here."""
        whole = sum(layer.value for layer in flow.layers)
        if not whole:
            return []
        shares = spread([Fraction(share * layer.value, whole) for layer in flow.layers])
        out = []
        for layer, value in zip(flow.layers, shares, strict=True):
            origin = (layer.origin_event, layer.origin_line)
            found = self.results.get(origin)
            if found is None or found.line is line:
                continue
            quantity = layer.quantity * of_whole
            out.append(
                {
                    "event": layer.origin_event,
                    "document": found.line.document,
                    "type": found.line.type,
                    "date": self.desk.days.day_of(found.line.at).isoformat(),
                    "quantity": from_scaled(round(quantity)),
                    "value": from_minor(value, self.desk.currency),
                    "minor": value,
                    "made_of": self.made_of(origin, quantity, value, order_key(line), depth + 1),
                }
            )
        return out


def _shared(parts: Sequence[tuple[EventLine, Flow, int]], value: int) -> Iterator[tuple[EventLine, Flow, int]]:
    """`value` over these parts by their amounts, exact in sum."""
    whole = sum(amount for *_, amount in parts)
    shares = spread([Fraction(value * amount, whole) for *_, amount in parts])
    return ((line, flow, share) for (line, flow, _), share in zip(parts, shares, strict=True))


def in_words(parts: Sequence[Mapping[str, Any]], indent: int) -> Iterator[str]:
    """Lines of text, a level deeper for each step back."""
    for part in parts:
        name = part["document"] or part["event"][:20]
        how = f", row {part['row']}, {part['component']}" if "row" in part else f", {part['quantity']} units"
        yield f"{' ' * indent}{part['value']} {name} ({part['type']}, {part['date']}{how})"
        yield from in_words(part["made_of"], indent + 2)


def plain(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Without the amounts in minor units: they are there as text."""
    return [
        {**{name: value for name, value in part.items() if name != "minor"}, "made_of": plain(part["made_of"])}
        for part in parts
    ]
