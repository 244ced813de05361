"""The data quality score of a feed (K24): six parts, each passed ÷ checked, weighed; and the records behind each.

completeness   records whose required fields are present
validity       records whose values have the right form
uniqueness     records not sent twice at a time (what we read again by our own overlap is no fault of the sender)
referential    records whose item, location, unit and reason are known
consistency    records whose sums, signs and references agree
timeliness     events that met the latency objective
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from tieout.sla.measure import Share

PARTS: Final = ("completeness", "validity", "uniqueness", "referential", "consistency", "timeliness")
SHOWN_MAX: Final = 20  # records named behind a part; their number is exact

# Which part of quality a refusal tells against. Codes that are not here are ours or a rule's: they count for nothing.
PART_OF: Final[Mapping[str, str]] = {
    **dict.fromkeys(("TO2101", "TO3150", "TO4009", "TO4011", "TO4034", "TO4036"), "completeness"),
    **dict.fromkeys(("TO2102", "TO2104", "TO2105", "TO3151", "TO3206", "TO4031", "TO4032", "TO4035"), "validity"),
    **dict.fromkeys(("TO2103", "TO3201", "TO3202", "TO3203", "TO3205", "TO4004", "TO4005", "TO4013"), "referential"),
    **dict.fromkeys(("TO3204", "TO4006", "TO4007", "TO4008", "TO4033", "TO4037", "TO4040"), "consistency"),
}


class Refusal(NamedTuple):
    """An exception of a record: its number, code, the record's row and what was said."""

    number: int
    code: str
    record: int
    message: str


class Part(NamedTuple):
    """One part of the score. `behind`: what did not pass, as (record or event row, why); the first ones."""

    name: str
    weight: int
    share: Share
    behind: tuple[tuple[int, str], ...] = ()


class Quality(NamedTuple):
    """The score: 100 × Σ weight × part ÷ Σ weights. A part with nothing to check counts as passed."""

    parts: tuple[Part, ...]
    score: Fraction

    def shown(self, places: int = 2) -> str:
        """The score as decimal text, rounded down: 99.999 is not shown as 100."""
        whole = self.score.numerator * 10**places // self.score.denominator
        return str(Decimal(whole).scaleb(-places))


def quality(
    *, records: int, repeated: int, refusals: Iterable[Refusal], timeliness: Share, weights: Mapping[str, int]
) -> Quality:
    """The score of a feed's records. `records`: fresh ones; `repeated`: those beyond them that came twice at a time."""
    behind: dict[str, dict[int, str]] = {name: {} for name in PARTS}
    for one in refusals:
        part = PART_OF.get(one.code)
        if part is not None:
            behind[part].setdefault(one.record, f"{one.code} {one.message}")
    shares = {name: Share(records - len(behind[name]), len(behind[name])) for name in PARTS}
    shares["uniqueness"] = Share(records, repeated)
    shares["timeliness"] = timeliness
    parts = tuple(
        Part(name, weights.get(name, 0), shares[name], tuple(sorted(behind[name].items()))[:SHOWN_MAX])
        for name in PARTS
    )
    total = sum(part.weight for part in parts)
    passed = sum(
        (part.weight * _ratio(part.share) for part in parts),
        Fraction(0),
    )
    return Quality(parts, 100 * passed / total)


def _ratio(share: Share) -> Fraction:
    return Fraction(share.met, share.counted) if share.counted else Fraction(1)
