"""The monthly report of a company's feeds, as JSON-ready data: what was agreed, what was kept, and the records that prove it.

Lengths are seconds as exact decimal text, shares per cent rounded down, instants UTC.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from tieout.operations.desk import Desk
from tieout.operations.watching import Watched, month_bounds, seconds, text_of, watch
from tieout.sla.looks import Outage, Stale
from tieout.sla.measure import STAGES, Figures, Latency, Share
from tieout.store import alerts

EVIDENCE_MAX: Final = 20  # rows named for each finding; their number is exact


def month(desk: Desk, name: str | None = None, *, connection: str | None = None) -> dict[str, Any]:
    """A month of every stream, or of one connection's. `kept`: no objective was missed."""
    text, start, end = month_bounds(desk, name)
    now = desk.micros()
    streams = [_stream(one) for one in watch(desk, start, end, connection=connection)]
    return {
        "company": desk.company.code,
        "legal_name": desk.company.legal_name,
        "month": text,
        "from": text_of(start),
        "to": text_of(end),
        "as_of": text_of(min(now, end)),
        "zone": desk.company.timezone.key,
        "complete": now >= end,
        "kept": not any(stream["breaches"] for stream in streams),
        "streams": streams,
    }


def _stream(one: Watched) -> dict[str, Any]:
    found, agreed, known = one.found, one.objectives, one.known
    return {
        "connection": one.connection.name,
        "stream": one.stream.name,
        "connector": one.connection.connector,
        "owner": one.connection.owner,
        "records": found.records,
        "duplicates": found.duplicates,
        "events": found.events,
        "apart": dict(found.apart),
        "breaches": one.breaches,
        "latency": {
            "objective": seconds(agreed.latency),
            "share_wanted": _per_cent(agreed.share),
            **_share(found.share),
            "whole": _figures(found.whole),
            "stages": {stage: _figures(found.stages[stage]) for stage in STAGES},
            "late": [_late(way) for way in found.late[:EVIDENCE_MAX]],
        },
        "budget": {
            "allowed": _fraction(found.spent.allowed),
            "used": found.spent.used,
            "burn_rate": None if found.spent.burn is None else _fraction(found.spent.burn),
        },
        "freshness": {
            "warn": seconds(agreed.warn),
            "error": seconds(agreed.error),
            "age": seconds(found.age),
            "stale": [_stale(each) for each in found.stale],
        },
        "availability": {
            "wanted": _per_cent(agreed.availability),
            **_share(found.available),
            "outages": [_outage(each) for each in found.outages],
        },
        "quality": _quality(one),
        "schema_violations": {
            "count": len(found.drifts),
            "per_10000": _fraction(Fraction(len(found.drifts) * 10_000, found.records)) if found.records else None,
            "found": [
                {"exception": d.id, "at": text_of(d.opened_at), "until": text_of(d.closed_at), "what": d.message}
                for d in found.drifts
            ],
        },
        "numbers": [
            {"after": gap.after, "before": gap.before, "count": gap.number, "missing": list(gap.missing[:EVIDENCE_MAX])}
            for gap in found.gaps
        ],
        "coverage": {
            what: {
                "known": known_words,
                "unknown": words,
                "events": _share(Share(events, unknown)),
            }
            for what, (known_words, words, events, unknown) in one.coverage.items()
        },
        "maintenance": [
            {"from": text_of(start), "to": text_of(end)}
            for start, end in known.source_away
            if start < known.end and end > known.start
        ],
    }


def _quality(one: Watched) -> dict[str, Any]:
    found = one.found.quality
    minimum = one.objectives.quality_min
    return {
        "score": found.shown(),
        "wanted": _fraction(minimum),
        "parts": [
            {
                "part": part.name,
                "weight": part.weight,
                **_share(part.share),
                "behind": [{"record": number, "why": why} for number, why in part.behind],
            }
            for part in found.parts
        ],
    }


def _share(share: Share) -> dict[str, Any]:
    points = share.basis_points
    return {
        "met": share.met,
        "missed": share.missed,
        "open": share.open,
        "share": None if points is None else f"{points // 100}.{points % 100:02d}",
    }


def _figures(found: Figures | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "count": found.number,
        "p50": seconds(found.p50),
        "p95": seconds(found.p95),
        "p99": seconds(found.p99),
        "max": seconds(found.max),
    }


def _late(way: Latency) -> dict[str, Any]:
    return {
        "event": way.event,
        "record": way.record,
        "document": way.document,
        "occurred": text_of(way.occurred),
        "seconds": seconds(way.whole),
        "arrived": way.done,
        "stages": {name: seconds(length) for name, length in zip(STAGES, way.parts, strict=True)},
        "maintenance": seconds(way.maintenance),
    }


def _stale(one: Stale) -> dict[str, Any]:
    return {
        "from": text_of(one.since),
        "to": text_of(one.until),
        "seconds": seconds(one.age),
        "level": one.level,
        "vendor": one.vendor,
    }


def _outage(one: Outage) -> dict[str, Any]:
    return {
        "from": text_of(one.starts),
        "to": text_of(one.ends),
        "failed_looks": len(one.looks),
        "firings": list(one.looks[:EVIDENCE_MAX]),
        "detail": one.detail,
    }


def _per_cent(share: Fraction) -> str:
    return _fraction(share * 100)


def _fraction(value: Fraction) -> str:
    """Decimal text with at most two places, rounded down."""
    whole = value.numerator * 100 // value.denominator
    text = f"{whole // 100}.{whole % 100:02d}"
    return text.rstrip("0").rstrip(".")


def line(desk: Desk) -> dict[str, Any]:
    """What `tieout status` says of objectives: looks only, so that it is quick; the month's events are in `tieout sla`."""
    _, start, end = month_bounds(desk, None)
    watched = watch(desk, start, end, events=False)
    ages = [one.found.age for one in watched if one.found.age is not None]
    with desk.store.read() as rx:
        lasting = [row.subject for row in alerts.open_rows(rx, desk.id)]
    return {
        "streams": len(watched),
        "missed": [f"{one.name}: {', '.join(one.breaches)}" for one in watched if one.breaches],
        "oldest_look_seconds": seconds(max(ages)) if ages else None,
        "alerts": lasting,
    }
