"""One stream over one span of time: everything its objectives are measured by, from the rows that say it. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

from tieout.sla.looks import Gap, Look, Outage, Stale, availability, gaps, outages, stale
from tieout.sla.measure import (
    STAGES,
    Budget,
    Figures,
    Latency,
    Share,
    Spans,
    Stamps,
    attainment,
    budget,
    figures,
    latency,
    merged,
    overlap,
)
from tieout.sla.quality import Quality, Refusal, quality
from tieout.store.stamps import EventRow

# Why an event's latency is not measured: it lay there before we first looked; the vendor does not say when it was
# changed; a rule of the company holds its entry back; its record was mapped again by us.
APART: Final = ("backfill", "revised", "held", "remapped")


class Objectives(NamedTuple):
    """What was agreed for a stream: lengths in microseconds, shares as fractions of one, the score of 100."""

    latency: int
    share: Fraction
    warn: int
    error: int
    availability: Fraction
    quality_min: Fraction
    weights: Mapping[str, int]
    numbered: bool = False


class Known(NamedTuple):
    """What was read of a stream. `looks` and `batches` reach back before `start`, to the last success before it;
    `drifts` and `refusals` are of [start, end). Batches have run, received_at, records, duplicates, repeated."""

    start: int
    end: int
    now: int
    events: Sequence[EventRow]
    looks: Sequence[Look]
    batches: Sequence[Any]
    refusals: Sequence[Refusal]
    drifts: Sequence[Any]
    first_look: int | None = None
    source_away: Spans = ()
    ledger_away: Spans = ()
    quiet: Spans = ()


class StreamMonth(NamedTuple):
    """What came of it. `whole` and `stages` are of events that arrived; `late` are those that missed, the latest first."""

    records: int
    duplicates: int
    events: int
    apart: Mapping[str, int]
    share: Share
    whole: Figures | None
    stages: Mapping[str, Figures | None]
    late: Sequence[Latency]
    spent: Budget
    available: Share
    outages: Sequence[Outage]
    stale: Sequence[Stale]
    age: int | None
    quality: Quality
    drifts: Sequence[Any]
    gaps: Sequence[Gap]


def measure(known: Known, objectives: Objectives) -> StreamMonth:
    """Measure a stream against its objectives."""
    begun = begins(known.looks, known.batches)
    stamps, apart = measured(known, begun)
    ways = [latency(one, known.now, known.source_away, known.ledger_away) for one in stamps]
    share = attainment(ways, objectives.latency)
    done = [way for way in ways if way.done]
    here = [one for one in known.batches if known.start <= one.received_at < known.end]
    mine = [look for look in known.looks if known.start <= look.at < known.end]
    away = merged([*known.source_away, *known.quiet])
    until = min(known.end, known.now)
    late = sorted((way for way in ways if way.whole > objectives.latency), key=lambda way: (-way.whole, way.event))
    return StreamMonth(
        records=sum(one.records for one in here),
        duplicates=sum(one.duplicates for one in here),
        events=len(known.events),
        apart={name: apart[name] for name in APART},
        share=share,
        whole=figures(way.whole for way in done),
        stages={name: figures(way.parts[n] for way in done) for n, name in enumerate(STAGES)},
        late=late,
        spent=budget(share, objectives.share),
        available=availability(mine),
        outages=[one for one in outages(known.looks) if one.starts < known.end and (one.ends or until) > known.start],
        stale=stale(
            begun,
            known.looks,
            start=known.start,
            end=known.end,
            now=known.now,
            away=away,
            warn=objectives.warn,
            error=objectives.error,
        ),
        age=age(begun, known.now, away),
        quality=quality(
            records=sum(one.records - one.duplicates for one in here),
            repeated=sum(one.repeated for one in here),
            refusals=known.refusals,
            timeliness=share,
            weights=objectives.weights,
        ),
        drifts=known.drifts,
        gaps=gaps(row.document for row in known.events if row.document) if objectives.numbered else (),
    )


def begins(looks: Iterable[Look], batches: Iterable[Any]) -> list[int]:
    """When each look that succeeded began. A run by hand leaves no firing: its first landing stands for it."""
    starts = sorted(look.at for look in looks if look.outcome == "ok")
    runs: dict[str, int] = {}
    for one in batches:
        if one.records and one.run != "retry":
            runs[one.run] = min(runs.get(one.run, one.received_at), one.received_at)
    ended = {look.at: look.ended for look in looks if look.outcome == "ok"}
    for at in runs.values():
        place = bisect_right(starts, at) - 1
        if place < 0 or at > ended.get(starts[place], starts[place]):
            starts.insert(place + 1, at)
            ended[at] = at
    return starts


def measured(known: Known, begun: Sequence[int]) -> tuple[list[Stamps], Counter[str]]:
    """The events whose latency is a fair figure, and how many are not, by the reason."""
    out: list[Stamps] = []
    apart: Counter[str] = Counter()
    tried = sorted({*begun, *(look.at for look in known.looks if look.outcome == "vendor")})
    for row in known.events:
        brought = begun[max(0, bisect_right(begun, row.received) - 1)] if begun else row.received
        place = bisect_left(tried, brought)
        looked = tried[place - 1] if place > 0 else None
        occurred = row.at
        if row.remapped:
            apart["remapped"] += 1
        elif row.held:
            apart["held"] += 1
        elif row.landing and row.recorded is None:
            apart["revised"] += 1
        else:
            if row.landing and row.recorded is not None:
                occurred = row.recorded
            first = begun[0] if known.first_look is None and begun else known.first_look
            if first is None or occurred < first:
                apart["backfill"] += 1
                continue
            end = (row.posted, row.sealed, row.acknowledged)
            out.append(
                Stamps(
                    *(row.event, row.record, row.document, occurred, looked, row.received, row.mapped),
                    *end,
                    delivered=row.delivered,
                )
            )
    return out, apart


def age(begun: Sequence[int], now: int, away: Spans) -> int | None:
    """How long ago the last look that succeeded began, without what was announced; None when there was none."""
    return max(0, now - begun[-1] - overlap(begun[-1], now, away)) if begun else None


def breaches(found: StreamMonth, objectives: Objectives) -> list[str]:
    """Which objectives were not kept: latency, freshness, availability, quality, numbers."""
    out = []
    if not found.share.reaches(objectives.share):
        out.append("latency")
    if any(one.level == "error" for one in found.stale):
        out.append("freshness")
    if not found.available.reaches(objectives.availability):
        out.append("availability")
    if found.quality.score < objectives.quality_min:
        out.append("quality")
    if found.gaps:
        out.append("numbers")
    return out
