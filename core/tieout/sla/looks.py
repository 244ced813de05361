"""Looks at a vendor: which ones succeeded, how long none did, when it was away, and what was missing from its numbers.

A look that failed counts against the vendor only where the failure was its own: unreachable, no whole answer, a server
fault, a limit. Our used-up budget, a missing grant or a slip of ours says nothing about the vendor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from tieout.sla.measure import Share, Spans, inside, overlap

# The vendor's own failures (`http/codes.py`) and their general forms.
VENDORS_FAULT: Final = frozenset({"TO6201", "TO6202", "TO6203", "TO6204", "TO6209", "TO6217", "TO6001", "TO6002"})
OUTAGE_LOOKS_MIN: Final = 3  # failures in a row before it is told as an outage
_CODE: Final = re.compile(r"\bTO\d{4}\b")
_NUMBERED: Final = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)
MISSING_SHOWN_MAX: Final = 1_000

Outcome = Literal["ok", "vendor", "ours", "away", "running"]


class Look(NamedTuple):
    """One firing of a stream's pull: its id, when it began and ended (0: not yet), and what became of it."""

    number: int
    at: int
    outcome: Outcome
    detail: str = ""
    ended: int = 0


class Outage(NamedTuple):
    """Looks that failed in a row, from the first of them to the first that succeeded (None: it still lasts)."""

    starts: int
    ends: int | None
    looks: tuple[int, ...]
    detail: str


class Stale(NamedTuple):
    """A time in which nothing new could be seen: from the last success to the next (None: now), `age` without what was
    announced. `vendor`: at least one look failed for the vendor's reasons meanwhile."""

    since: int
    until: int | None
    age: int
    level: Literal["warn", "error"]
    vendor: bool


class Gap(NamedTuple):
    """Document numbers that are missing between two that came."""

    after: str
    before: str
    missing: tuple[str, ...]
    number: int


def outcome_of(outcome: str, detail: str, at: int, away: Spans) -> Outcome:
    """What a firing's row says of the vendor."""
    if outcome == "done":
        return "ok"
    if outcome == "running":
        return "running"
    if inside(at, away):
        return "away"
    return "vendor" if VENDORS_FAULT & set(_CODE.findall(detail)) else "ours"


def availability(looks: Iterable[Look]) -> Share:
    """Successful looks ÷ looks that succeeded or failed for the vendor's reasons."""
    outcomes = [look.outcome for look in looks]
    return Share(outcomes.count("ok"), outcomes.count("vendor"))


def outages(looks: Iterable[Look], looks_min: int = OUTAGE_LOOKS_MIN) -> list[Outage]:
    """Failures of the vendor in a row; what says nothing about it neither ends nor lengthens one."""
    out: list[Outage] = []
    failed: list[Look] = []
    for look in sorted(looks, key=lambda each: (each.at, each.number)):
        if look.outcome == "vendor":
            failed.append(look)
        elif look.outcome == "ok":
            if len(failed) >= looks_min:
                out.append(_outage(failed, look.at))
            failed = []
    if len(failed) >= looks_min:
        out.append(_outage(failed, None))
    return out


def _outage(failed: Sequence[Look], ends: int | None) -> Outage:
    return Outage(failed[0].at, ends, tuple(look.number for look in failed), failed[-1].detail)


def stale(
    successes: Sequence[int],
    looks: Sequence[Look],
    *,
    start: int,
    end: int,
    now: int,
    away: Spans,
    warn: int,
    error: int,
) -> list[Stale]:
    """Times without a success that were longer than an objective, where they reach into [start, end)."""
    out = []
    ends: list[int | None] = [*successes[1:], None] if successes else []
    for since, until in zip(successes, ends, strict=True):
        last = min(now if until is None else until, end)
        if last <= start:
            continue
        age = last - since - overlap(since, last, away)
        if age > warn:
            vendor = any(look.outcome == "vendor" and since <= look.at < last for look in looks)
            out.append(Stale(since, until, age, "error" if age > error else "warn", vendor))
    return out


def gaps(documents: Iterable[str]) -> list[Gap]:
    """Missing numbers between the least and the greatest of each series: a series is the text around the last number."""
    series: dict[tuple[str, str, int], set[int]] = {}
    for document in documents:
        found = _NUMBERED.fullmatch(document)
        if found is None:
            continue
        head, digits, tail = found.groups()
        width = len(digits) if digits.startswith("0") else 0
        series.setdefault((head, tail, width), set()).add(int(digits))
    out = []
    for (head, tail, width), numbers in sorted(series.items()):
        ranked = sorted(numbers)
        for low, high in pairwise(ranked):
            if high - low > 1:
                some = range(low + 1, min(high, low + 1 + MISSING_SHOWN_MAX))
                names = tuple(f"{head}{n:0{width}d}{tail}" for n in some)
                out.append(Gap(f"{head}{low:0{width}d}{tail}", f"{head}{high:0{width}d}{tail}", names, high - low - 1))
    return out
