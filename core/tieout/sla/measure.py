"""Measuring: pure functions of instants. All times are UTC microseconds, all lengths microseconds; nothing is rounded.

    occurred ──vendor──▶ last look ──polling──▶ received ──mapping──▶ mapped ──posting──▶ posted ··grouping·· sealed ──delivery──▶ acknowledged

What a look at the vendor did not bring yet, or could not because the vendor failed, was late at the vendor until then; the
rest until it came is our polling. The
wait for the end of a daily entry is a rule of the company, so it is kept apart, as is announced maintenance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

STAGES: Final = ("vendor", "polling", "mapping", "posting", "delivery")
OURS: Final = ("polling", "mapping", "posting", "delivery")
BY_POLICY: Final = ("grouping", "maintenance")

Spans = Sequence[tuple[int, int]]  # sorted, not touching; the end is without


class Stamps(NamedTuple):
    """What is known of one event's way. `looked`: the last look at the stream that did not bring it, None when the look
    that brought it was the first. None for what has not come to pass; `delivered` False: no ledger takes it."""

    event: int
    record: int
    document: str
    occurred: int
    looked: int | None
    received: int
    mapped: int
    posted: int | None
    sealed: int | None
    acknowledged: int | None
    delivered: bool = True


class Latency(NamedTuple):
    """An event's way, cut into stages. `whole` is the sum of the stages without what is by policy; `done`: arrived."""

    event: int
    record: int
    document: str
    occurred: int
    parts: tuple[int, ...]  # as STAGES
    grouping: int
    maintenance: int
    whole: int
    done: bool


class Share(NamedTuple):
    """How many kept an objective. `open` ones have neither kept nor missed it yet."""

    met: int
    missed: int
    open: int = 0

    @property
    def counted(self) -> int:
        return self.met + self.missed

    def reaches(self, objective: Fraction) -> bool:
        """Whether the share is at least the objective; with nothing counted it is."""
        return self.met >= objective * self.counted

    @property
    def basis_points(self) -> int | None:
        """Hundredths of a per cent, rounded down: 99.999 % is not shown as kept in full. None: nothing counted."""
        return self.met * 10_000 // self.counted if self.counted else None


class Figures(NamedTuple):
    """Exact percentiles (nearest rank) of some lengths."""

    number: int
    p50: int
    p95: int
    p99: int
    max: int


class Budget(NamedTuple):
    """An error budget: how many may miss the objective, how many did, and how fast it burns (1 = exactly used up)."""

    allowed: Fraction
    used: int
    burn: Fraction | None  # None: the objective is 100 %, and something missed it


def figures(lengths: Iterable[int]) -> Figures | None:
    """None for nothing. Of 1 to 100 seconds the 95th percentile is 95 seconds."""
    ranked = sorted(lengths)
    if not ranked:
        return None
    p50, p95, p99 = (percentile(ranked, p) for p in (50, 95, 99))
    return Figures(len(ranked), p50, p95, p99, ranked[-1])


def percentile(ranked: Sequence[int], per_cent: int) -> int:
    """The smallest value that at least `per_cent` per cent of the values do not exceed."""
    return ranked[max(1, -(-per_cent * len(ranked) // 100)) - 1]


def budget(share: Share, objective: Fraction) -> Budget:
    """`objective` is the share that must be met, 0 < objective ≤ 1."""
    spare = 1 - objective
    allowed = spare * share.counted
    if not share.missed:
        return Budget(allowed, 0, Fraction(0))
    return Budget(allowed, share.missed, Fraction(share.missed) / allowed if allowed else None)


# ── spans ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted, overlapping and touching ones as one, empty ones gone."""
    out: list[tuple[int, int]] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def overlap(start: int, end: int, spans: Spans) -> int:
    """How much of [start, end) lies in the spans."""
    return sum(max(0, min(end, e) - max(start, s)) for s, e in spans if s < end and e > start)


def inside(moment: int, spans: Spans) -> bool:
    return any(start <= moment < end for start, end in spans)


# ── one event ──────────────────────────────────────────────────────────────────────────────────────────────────────
def latency(stamps: Stamps, now: int, source_away: Spans = (), ledger_away: Spans = ()) -> Latency:
    """Cut an event's way into stages; what has not come to pass yet lasts until now."""
    s = stamps
    occurred = min(s.occurred, s.received)  # a date ahead of its record is no latency
    seen = min(max(occurred, s.looked), s.received) if s.looked is not None else s.received
    away = 0

    def lasting(start: int, end: int | None, spans: Spans) -> int:
        nonlocal away
        until = max(start, now if end is None else end)
        out = overlap(start, until, spans)
        away += out
        return until - start - out

    vendor = lasting(occurred, seen, source_away)
    polling = lasting(seen, s.received, source_away)
    mapping = lasting(s.received, s.mapped, ())
    posting = lasting(s.mapped, s.posted, ())
    grouping = delivery = 0
    done = s.posted is not None and (not s.delivered or s.acknowledged is not None)
    if s.posted is not None and s.delivered:
        sealed = s.sealed if s.sealed is not None else now
        grouping = max(0, sealed - s.posted)
        if s.sealed is not None:
            delivery = lasting(max(s.posted, s.sealed), s.acknowledged, ledger_away)
    parts = (vendor, polling, mapping, posting, delivery)
    return Latency(s.event, s.record, s.document, occurred, parts, grouping, away, sum(parts), done)


def attainment(latencies: Iterable[Latency], objective: int) -> Share:
    """What is still on its way and already beyond the objective has missed it."""
    met = missed = waiting = 0
    for one in latencies:
        if one.whole > objective:
            missed += 1
        elif one.done:
            met += 1
        else:
            waiting += 1
    return Share(met, missed, waiting)
