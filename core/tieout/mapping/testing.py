"""The tests beside a mapping: sample record → expected events; only what a test states is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tieout.mapping.spec import TestSpec
from tieout.model.event import EventLine
from tieout.model.money import from_minor
from tieout.model.quantity import from_scaled
from tieout.model.units import unit_code

if TYPE_CHECKING:
    from tieout.mapping.compiled import CompiledMapping, MapResult

_HEAD: Final = ("source", "reason", "party", "channel", "document")
_LINE: Final = ("item", "location", "to_location", "ref", "reason", "lot", "owner")
_EVENT_EXTRA: Final = frozenset(
    {
        "amounts", "tenders", "hours", "basis", "treatment", "status", "policies", "category", "party_group", "memo",
        "actor",
    }
)  # fmt: skip


class TestOutcome(msgspec.Struct, frozen=True):
    """One test's result; `problem` says what differs, empty when it passed."""

    name: str
    line: int
    column: int
    problem: str = ""

    @property
    def passed(self) -> bool:
        return not self.problem


def run_tests(mapping: CompiledMapping) -> list[TestOutcome]:
    """Run every test of a mapping, in file order."""
    return [
        TestOutcome(test.name, test.node.line, test.node.column, _problem(mapping, test)) for test in mapping.spec.tests
    ]


def _problem(mapping: CompiledMapping, test: TestSpec) -> str:
    from tieout.mapping.compiled import MapContext

    context = MapContext(
        company="test",
        connection="test",
        stream=mapping.stream,
        currency=test.currency,
        timezone=test.timezone,
        key=(),
    )
    result = mapping.run([test.record], context, keys=[("test", "")])
    refused = f"{result.failed[0].field}: {result.failed[0].reason}" if result.failed else ""
    if test.refused:
        return (
            "" if refused.startswith(test.refused) else f"expected {test.refused} refused, got {_got(result, refused)}"
        )
    if test.skipped:
        reasons = [skip.reason for skip in result.skipped]
        fits = not result.lines and any(test.skipped in reason for reason in reasons)
        return "" if fits else f"expected it skipped for {test.skipped!r}, got {_got(result, refused)}"
    if refused:
        return f"the record is refused: {refused}"
    found = event_views(result.lines, test.currency)
    expected = test.events or ()
    if len(found) != len(expected):
        return f"expected {len(expected)} events, got {_got(result, refused)}"
    return next(
        (
            problem
            for number, (want, have) in enumerate(zip(expected, found, strict=True), 1)
            if (problem := _differs(want, have, f"event {number}"))
        ),
        "",
    )


def _got(result: MapResult, refused: str) -> str:
    if refused:
        return f"refused: {refused}"
    if result.lines:
        return f"{len({line.event_id for line in result.lines})} events: " + ", ".join(
            line.type for line in result.lines
        )
    return "skipped: " + ", ".join(skip.reason for skip in result.skipped)


def event_views(lines: Sequence[EventLine], currency: str) -> list[dict[str, Any]]:
    """Event lines as people write them: one map an event with its lines; amounts and quantities as text."""
    events: dict[str, dict[str, Any]] = {}
    for line in lines:
        extra = dict(line.extra or {})
        event = events.get(line.event_id)
        if event is None:
            event = events[line.event_id] = {
                "type": line.type,
                "effective_at": _instant(line.at),
                "sequence": line.sequence,
                **{name: getattr(line, name) for name in _HEAD if getattr(line, name)},
                **{name: extra[name] for name in _EVENT_EXTRA & extra.keys()},
                "lines": [],
            }
            if "head_amount" in extra:
                event["amount"] = extra["head_amount"]
        view = {name: getattr(line, name) for name in _LINE if getattr(line, name)}
        view |= {name: value for name, value in extra.items() if name not in _EVENT_EXTRA and name != "head_amount"}
        view["dimensions"] = view.pop("dims", {})
        view |= {"id": line.line_id, "quantity": from_scaled(line.quantity)}
        if line.amount is not None:
            view["amount"] = from_minor(line.amount, currency)
        event["lines"].append(view)
        if len(event["lines"]) == 1:  # what every line carries may be stated at the event too
            event |= {
                k: v for k, v in view.items() if k in {"currency", "rate", "ref", "dimensions"} and k not in event
            }
    return list(events.values())


def _instant(micros: int) -> str:
    seconds, rest = divmod(micros, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    return moment.isoformat().replace("+00:00", "Z")


def _differs(want: Any, have: Any, where: str) -> str:
    if isinstance(want, Mapping):
        if not isinstance(have, Mapping):
            return f"{where}: expected fields, got {have!r}"
        flat = _unflattened(want)
        for name, value in flat.items():
            if name == "unit":
                value = unit_code(str(value)) or value
            if problem := _differs(value, have.get(name), f"{where} {name}"):
                return problem
        return ""
    if isinstance(want, list):
        if not isinstance(have, list) or len(want) != len(have):
            return f"{where}: expected {len(want)}, got {len(have) if isinstance(have, list) else have!r}"
        pairs = enumerate(zip(want, have, strict=True), 1)
        return next((p for number, (w, h) in pairs if (p := _differs(w, h, f"{where} {number}"))), "")
    return "" if _same(want, have) else f"{where}: expected {want}, got {have if have is not None else 'nothing'}"


def _unflattened(want: Mapping[str, Any]) -> dict[str, Any]:
    """`dimensions.x: 1` as `dimensions: {x: 1}`; `ref.document: A` as the text a line keeps."""
    out: dict[str, Any] = {}
    for name, value in want.items():
        stem, _, rest = name.partition(".")
        if stem == "ref" and rest in {"event", "document"}:
            out["ref"] = f"{rest[0]}:{value}#{want.get('ref.line', '')}"
        elif rest and stem != "ref":
            out.setdefault(stem, {})[rest] = value
        elif name != "ref.line":
            out[name] = value
    return out


def _same(want: Any, have: Any) -> bool:
    if want is None:
        return have in (None, "", {})
    if have is None or isinstance(want, bool):
        return False
    if str(want) == str(have):
        return True
    try:
        return Decimal(str(want)) == Decimal(str(have))
    except InvalidOperation:
        pass  # not numbers: perhaps two ways to write one instant
    try:
        left, right = (datetime.fromisoformat(str(side)) for side in (want, have))
    except ValueError:
        return False
    return left.tzinfo is not None and right.tzinfo is not None and left == right
