"""Events that people make in tieout itself: they land like any other record, with bytes, batch and digest.

One record is one event in canonical form; its key is the event's identity. Landing the same event again changes nothing,
landing it with other content replaces it. Codes are ours already, so nothing is resolved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tieout.connector import Page, Stream
from tieout.mapping import Drifted, MapContext, MapResult, event_key
from tieout.model.catalogue import EVENT_TYPES
from tieout.model.event import EventLine
from tieout.model.facts import StandardCost
from tieout.pull.company import Company
from tieout.pull.cursors import micros
from tieout.pull.identity import Identity
from tieout.pull.landing import Landed, Lander, land
from tieout.pull.resolve import Resolved, Resolver
from tieout.store.acts import record_act
from tieout.store.masters import retire
from tieout.store.tx import Tx

CONNECTION = "tieout"


class _Canonical:
    """Reads records that are events in canonical form."""

    version = "canonical-1"

    def run(
        self,
        records: Sequence[Mapping[str, Any]],
        context: MapContext,
        *,
        keys: Sequence[tuple[str, str]] | None = None,
    ) -> MapResult:
        lines: list[EventLine] = []
        origins: list[int] = []
        for index, record in enumerate(records):
            some = msgspec.convert(record["lines"], list[EventLine])
            lines += some
            origins += [index] * len(some)
        return MapResult(lines, origins, None, [], [])

    def drift(self, records: Sequence[Mapping[str, Any]], result: MapResult) -> Sequence[Drifted]:
        return ()

    def types_seen(self, records: Sequence[Mapping[str, Any]]) -> Mapping[str, frozenset[str]]:
        return {}


class _AsIs(Resolver):
    def run(self, lines: Sequence[EventLine], records: Sequence[int]) -> Resolved:
        return Resolved(list(lines), list(records), [], Counter())


def land_own(
    tx: Tx, company: Company, actor: str, what: str, lines: Sequence[EventLine], *, run: str = "", subject: str = ""
) -> Landed:
    """Land events made by `actor`; `what` names the kind of act and the stream (`items.merge`, `cutover` …). An act.

    Lines of one event are adjacent. `source` of the lines is set to `tieout/WHAT`.
    """
    stream = Stream(name=what, key=("id",))
    context = MapContext(
        company=company.code, connection=CONNECTION, stream=what, currency=company.currency, key=stream.key
    )
    lander = Lander(
        company=company,
        connection=CONNECTION,
        stream=stream,
        mapper=_Canonical(),
        run=run,
        identity=Identity(f"{CONNECTION}/{what}", stream),
        resolver=_AsIs(company, CONNECTION),
        context=context,
    )
    records = []
    for event_id, group in groupby(lines, key=lambda line: line.event_id):
        own = [msgspec.structs.replace(line, source=lander.source) for line in group]
        records.append({"id": event_id, "lines": msgspec.to_builtins(own)})
    landed = land(tx, lander, [Page(records=records, cursor="")])
    data = {"events": [record["id"] for record in records], "batch": landed.batch}
    record_act(tx, company.id, actor, what, subject or what, data)
    return landed


def merge_items(
    tx: Tx, company: Company, actor: str, *, old: str, into: str, day: date, held: Mapping[str, int]
) -> Landed:
    """Merge item `old` into another from the beginning of a day (matrix ADJ-10): alias, event and act.

    `held` is what is on hand of `old` then, millionths by location; its layers move one to one. Later movements of `old`
    mean `into`. Unknown item: StoreError TO8015.
    """
    retire(tx, company.id, actor, old=old, into=into, effective=day)
    kind = "stock.adjusted"
    at = micros(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(company.timezone)))
    event_id = event_key(
        company=company.code,
        connection=CONNECTION,
        stream="items.merge",
        transaction=f"{old}>{into}@{day}",
        line="",
        event_type=kind,
    )
    lines = [
        EventLine(
            event_id=event_id,
            line_id=location,
            type=kind,
            at=at,
            phase=EVENT_TYPES[kind].phase,
            item=old,
            quantity=-quantity,
            location=location,
            reason="merged",
            head=number == 0,
            extra={"to_item": into},
        )
        for number, (location, quantity) in enumerate(sorted((place, units) for place, units in held.items() if units))
    ]
    company.reload(tx)
    return land_own(tx, company, actor, "items.merge", lines, subject=f"{old} into {into}")


def land_standards(tx: Tx, company: Company, actor: str, standards: Sequence[StandardCost]) -> int:
    """Land standard costs as `cost.standard_changed`, each from the beginning of its day (STD-09). Returns how many are new
    or changed. A standard without a day holds from 1970 on."""
    zone = ZoneInfo(company.timezone)
    lines = [
        EventLine(
            event_id=event_key(
                company=company.code,
                connection=CONNECTION,
                stream="standards",
                transaction=f"{standard.item}@{standard.location}@{standard.effective}",
                line="",
                event_type="cost.standard_changed",
            ),
            line_id="",
            type="cost.standard_changed",
            at=_start(standard.effective, zone),
            phase=EVENT_TYPES["cost.standard_changed"].phase,
            item=standard.item,
            location=standard.location,
            extra={"unit_price": str(standard.cost)},
        )
        for standard in standards
    ]
    if not lines:
        return 0
    return len(land_own(tx, company, actor, "standards", lines, subject=f"{len(lines)} standard costs").events)


def _start(day: date, zone: ZoneInfo) -> int:
    first = date(1970, 1, 1)
    return micros(datetime.combine(max(day, first), datetime.min.time(), zone)) if day > first else 0
