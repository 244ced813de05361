"""Posting into the store: `should have − already posted` becomes bookings in open entries, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import NamedTuple

from tieout.errors import Refused
from tieout.model.event import EventLine
from tieout.model.journal import Booking, new_tuple
from tieout.model.roles import NATIVE_ROLES
from tieout.posting.bookings import Refusal
from tieout.posting.dates import PostingDay, PostingDays
from tieout.posting.delta import delta
from tieout.posting.entries import Group, Grouping, group_of, native_role
from tieout.posting.owned import is_external
from tieout.store.journal import Journal, NewEntry
from tieout.store.tx import Tx

_line_key = attrgetter("event_id", "line_id")


def _next_open(_line: EventLine, _day: date) -> str:
    return "next_open_period"


class Rules(NamedTuple):
    """How bookings become entries: ledger connection, `mode` post or propose, open days, grouping, and the policy
    `locked_period` in force for a line on its day."""

    ledger: str
    days: PostingDays
    grouping: Grouping = "daily"
    mode: str = "post"
    locked_period: Callable[[EventLine, date], str] = _next_open


class Placed(NamedTuple):
    """A booking with the group it goes into and the day it is posted on."""

    booking: Booking
    group: Group
    day: PostingDay


class Plan(NamedTuple):
    """What posting would append; `refused` events are left as they are, nothing of them is in `placed`."""

    placed: list[Placed]
    refused: list[Refusal]


class Posted(NamedTuple):
    """What one `post` did. `refused`: events held back, for the exceptions."""

    bookings: int
    corrections: int
    entries: int
    refused: list[Refusal]


def plan(should: Sequence[Booking], posted: Sequence[Booking], rules: Rules, refused: Iterable[Refusal] = ()) -> Plan:
    """The difference, placed in groups and days. Pure; `tieout plan` shows it, `post` writes it.

    An event with a day that its policy will not post on is refused whole. `refused` names events that could not be
    booked at all: what is posted for them stays.
    """
    held = {refusal.line.event_id: refusal for refusal in refused}
    if held:
        should = [each for each in should if each.line.event_id not in held]
        posted = [each for each in posted if each.line.event_id not in held]
    placed: list[Placed] = []
    daily: dict[tuple[date, str, str, str], tuple[Group, PostingDay]] = {}
    before = len(held)
    wanted = delta(should, posted)
    native = {
        each.line.event_id: native_role(each.debit, each.credit)
        for each in wanted
        if (each.debit.role in NATIVE_ROLES or each.credit.role in NATIVE_ROLES) and not is_external(each.row)
    }
    by_day = rules.grouping == "daily"
    for each in wanted:
        line = each.line
        plain = by_day and not is_external(each.row) and (not native or line.event_id not in native)
        key = (each.effective, line.location, line.type, line.channel)
        found = daily.get(key) if plain else None
        if found is None:
            try:
                day = rules.days.at(each.effective)
                if day.corrects:
                    rules.days.at(each.effective, rules.locked_period(line, each.effective))
            except Refused as error:
                held.setdefault(line.event_id, Refusal(line, error))
                continue
            found = (group_of(each, day, rules.grouping, native.get(line.event_id, "")), day)
            if plain and not day.corrects:  # the policy may differ from line to line where the day is locked
                daily[key] = found
        placed.append(new_tuple(Placed, (each, *found)))
    if len(held) > before:
        placed = [each for each in placed if each.booking.line.event_id not in held]
    return Plan(placed, list(held.values()))


def concerned(posted: Sequence[Booking], only: Mapping[int, Collection[str]]) -> list[Booking]:
    """Without what lines that stand for several items posted for other items than these."""
    return [each for each in posted if each.line.row not in only or each.item in only[each.line.row]]


def post(
    tx: Tx,
    journal: Journal,
    should: Sequence[Booking],
    lines: Mapping[int, EventLine],
    rules: Rules,
    *,
    now: int,
    taken_back: Iterable[int] = (),
    refused: Iterable[Refusal] = (),
    refers: Mapping[int, EventLine] | None = None,
    only: Mapping[int, Collection[str]] | None = None,
) -> Posted:
    """Append the difference to the journal and open the entries it needs.

    `lines`: event row id → line, of every line for which `should` is complete (a line that should have nothing belongs
    here too). `refers`: further lines that bookings name: affected movements, origins of layers. `taken_back`: row ids
    of superseded lines; what was posted for them is mirrored. `only`: lines that stand for several items, of which
    `should` is complete for these items only; the rest stays as posted. `now` in UTC microseconds.
    """
    known = {**refers, **lines} if refers else lines
    posted, numbers = journal.posted(tx, [*lines, *taken_back], known)
    if only:
        posted = concerned(posted, only)
    planned = plan(should, posted, rules, refused)
    numbers.update(zip(map(_line_key, known.values()), known, strict=True))
    if not planned.placed:
        return Posted(0, 0, 0, planned.refused)
    bookings: tuple[Booking, ...]
    bookings, of_booking, days = zip(*planned.placed, strict=True)
    # by identity first: ten thousand bookings share a few groups, and hashing a group costs more than the rest
    identities = list(map(id, of_booking))
    each_once = dict(zip(identities, zip(of_booking, days, strict=True), strict=True))
    groups: dict[Group, PostingDay] = dict(each_once.values())
    new = {
        group.text(): NewEntry(day.day, day.period, day.corrects, "external" if group.external else "journal")
        for group, day in groups.items()
    }
    opened = journal.open_entries(tx, rules.ledger, rules.mode, new, now=now)
    ids = {group: opened[group.text()] for group in groups}
    entry_of = {identity: ids[group] for identity, (group, _) in each_once.items()}
    journal.append(tx, bookings, [entry_of[identity] for identity in identities], numbers)
    corrections = sum([each.correction for each in bookings])
    return Posted(len(planned.placed), corrections, len(ids), planned.refused)
