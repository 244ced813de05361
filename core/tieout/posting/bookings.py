"""Account determination: the flows of an event become bookings between legs (account, location, dimensions).

The keys that choose an account (item, category, reason, location, channel, party group) come from the movement whose
cost is restated where there is one, else from the event line itself; the day always comes from the causing line.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import date
from typing import NamedTuple

from tieout.errors import Refused
from tieout.model.event import EventLine
from tieout.model.journal import Booking, Flow, Leg, new_tuple
from tieout.posting.accounts import AccountKeys, AccountMap
from tieout.posting.dates import CompanyDays

_LEGS_CACHED_MAX = 100_000
_PAIRS_CACHED_MAX = 100_000

Dimensions = tuple[tuple[str, str], ...]
# What decides a leg beside role, item and location: reason, channel, party group, dimensions, version of the account map.
_Common = tuple[str, str, str, Dimensions, int]


class Refusal(NamedTuple):
    """An event that cannot be posted as things stand, by its first line that fails, and why."""

    line: EventLine
    error: Refused


class Booked(NamedTuple):
    """`bookings` in the order of the flows; `refused` one entry per event held back, which has no booking here."""

    bookings: list[Booking]
    refused: list[Refusal]


def _nothing(_: str) -> str:
    return ""


class Booker:
    """Turns flows into bookings; keeps the legs it has determined. One per company, account map and zone.

    `category` and `party_group` give an item's category and a party's group ('' when none). A leg depends only on the
    keys that some row of the map names, so the others take no part in what is remembered.
    """

    def __init__(
        self,
        accounts: AccountMap,
        days: CompanyDays,
        *,
        category: Callable[[str], str] = _nothing,
        party_group: Callable[[str], str] = _nothing,
    ) -> None:
        self._accounts = accounts
        self._days = days
        self._category = category
        self._party_group = party_group
        self._legs: dict[tuple[str, str, str, _Common], Leg] = {}
        self._pairs: dict[tuple[str, str, str, str, _Common | int, tuple[str, str] | bool], tuple[Leg, Leg]] = {}
        named = {key for row in accounts.rows for key in row.named()}
        self._by_item = bool(named & {"item", "category"})
        self._by_reason = "reason" in named
        self._by_channel = "channel" in named
        self._by_party = "party_group" in named
        self._starts = sorted({row.effective for row in accounts.rows})
        self._version: dict[date, int] = {}

    def book(self, flows: Iterable[Flow]) -> Booked:
        """The should-have bookings of these flows. A flow that moves neither value nor units is left out."""
        bookings: list[Booking] = []
        refused: dict[str, Refusal] = {}
        pairs, day_of, by_item = self._pairs, self._days.day_of, self._by_item
        plain = not (self._by_reason or self._by_channel or self._by_party)
        for flow in flows:
            if not flow.amount and not flow.quantity:
                continue
            line = flow.line
            source = flow.affected or line
            day = day_of(flow.at or line.at)
            item = flow.item or source.item or line.item
            credit_item = flow.credit_item or source.item or line.item
            debit_at = flow.debit_location or source.location
            credit_at = flow.credit_location or source.location
            common = self._plain(day) if plain and not source.extra else self._common(source, day)
            key = (flow.debit, flow.credit, debit_at, credit_at, common, by_item and (item, credit_item))
            pair = pairs.get(key)
            if pair is None:
                try:
                    debit = self._leg(flow.debit, item, debit_at, source, day)
                    credit = self._leg(flow.credit, credit_item, credit_at, source, day)
                except Refused as error:
                    refused.setdefault(line.event_id, Refusal(line, error))
                    continue
                if len(pairs) >= _PAIRS_CACHED_MAX:
                    pairs.clear()
                pair = pairs[key] = (debit, credit)
            debit, credit = pair
            if credit_item == item:
                credit_item = ""
            bookings.append(
                new_tuple(
                    Booking,
                    (
                        line,
                        flow.row,
                        debit,
                        credit,
                        flow.amount,
                        flow.quantity,
                        item,
                        credit_item,
                        day,
                        flow.affected,
                        flow.provisional,
                        flow.layers,
                        flow.component,
                        False,
                    ),
                )
            )
        if refused:
            bookings = [booking for booking in bookings if booking.line.event_id not in refused]
        return Booked(bookings, list(refused.values()))

    def _plain(self, day: date) -> int:
        """Which version of the account map a day has: all that decides a leg when nothing but the role is looked at."""
        version = self._version.get(day)
        if version is None:
            version = self._version[day] = bisect_right(self._starts, day)
        return version

    def _common(self, source: EventLine, day: date) -> _Common:
        return (
            source.reason if self._by_reason else "",
            source.channel if self._by_channel else "",
            self._group_of(source) if self._by_party else "",
            _dimensions(source) if source.extra else (),
            self._plain(day),
        )

    def _leg(self, role: str, item: str, location: str, source: EventLine, day: date) -> Leg:
        common = self._common(source, day)
        known = self._legs.get((role, item if self._by_item else "", location, common))
        if known is not None:
            return known
        keys = AccountKeys(
            item=item,
            category=self._category(item) if item and self._by_item else "",
            reason=source.reason,
            location=location,
            channel=source.channel,
            party_group=common[2],
        )
        leg = Leg(role, self._accounts.account(role, keys, day), location, common[3])
        if len(self._legs) >= _LEGS_CACHED_MAX:
            self._legs.clear()
        self._legs[role, item if self._by_item else "", location, common] = leg
        return leg

    def _group_of(self, source: EventLine) -> str:
        stated = source.extra.get("party_group") if source.extra else None
        return str(stated) if stated else self._party_group(source.party) if source.party else ""


def _dimensions(line: EventLine) -> Dimensions:
    dims = line.extra.get("dims") if line.extra else None
    return tuple(sorted(dims.items())) if dims else ()


def book(
    flows: Iterable[Flow],
    accounts: AccountMap,
    days: CompanyDays,
    *,
    category: Callable[[str], str] = _nothing,
    party_group: Callable[[str], str] = _nothing,
) -> Booked:
    """`Booker(...).book(flows)` for one use."""
    return Booker(accounts, days, category=category, party_group=party_group).book(flows)
