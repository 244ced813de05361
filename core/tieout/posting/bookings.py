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
from tieout.model.journal import Booking, Flow, Leg
from tieout.posting.accounts import AccountKeys, AccountMap
from tieout.posting.dates import CompanyDays

_LEGS_CACHED_MAX = 100_000

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
        legs, day_of, leg, by_item = self._legs, self._days.day_of, self._leg, self._by_item
        for flow in flows:
            if not flow.amount and not flow.quantity:
                continue
            line = flow.line
            source = flow.affected or line
            day = day_of(flow.at or line.at)
            item = flow.item or source.item or line.item
            credit_item = flow.credit_item or source.item or line.item
            common = self._common(source, day)
            debit_at = flow.debit_location or source.location
            credit_at = flow.credit_location or source.location
            debit = legs.get((flow.debit, item if by_item else "", debit_at, common))
            credit = legs.get((flow.credit, credit_item if by_item else "", credit_at, common))
            if debit is None or credit is None:
                try:
                    debit = leg(flow.debit, item, debit_at, source, day)
                    credit = leg(flow.credit, credit_item, credit_at, source, day)
                except Refused as error:
                    refused.setdefault(line.event_id, Refusal(line, error))
                    continue
            if credit_item == item:
                credit_item = ""
            bookings.append(
                Booking(
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
                )
            )
        if refused:
            bookings = [booking for booking in bookings if booking.line.event_id not in refused]
        return Booked(bookings, list(refused.values()))

    def _common(self, source: EventLine, day: date) -> _Common:
        version = self._version.get(day)
        if version is None:
            version = self._version[day] = bisect_right(self._starts, day)
        return (
            source.reason if self._by_reason else "",
            source.channel if self._by_channel else "",
            self._group_of(source) if self._by_party else "",
            _dimensions(source) if source.extra else (),
            version,
        )

    def _leg(self, role: str, item: str, location: str, source: EventLine, day: date) -> Leg:
        common = self._common(source, day)
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
