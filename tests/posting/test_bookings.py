"""Guarantee: every flow finds its account by the movement it touches, or its whole event is held back."""

from __future__ import annotations

from datetime import UTC, date, datetime

from tieout.model.event import EventLine, instant
from tieout.model.journal import Flow, Leg
from tieout.posting.accounts import AccountMap, AccountRow
from tieout.posting.bookings import Booker, book
from tieout.posting.dates import CompanyDays

MAP = AccountMap(
    [
        AccountRow("inventory", "1400"),
        AccountRow("inventory", "1410", category="books"),
        AccountRow("cogs", "5000"),
        AccountRow("cogs", "5010", channel="amazon"),
        AccountRow("cogs", "5099", effective=date(2026, 3, 1)),
        AccountRow("shrinkage", "6000"),
        AccountRow("shrinkage", "6001", reason="damage"),
        AccountRow("ap", "2000"),
        AccountRow("ap", "2001", party_group="affiliates"),
    ]
)
UTC_DAYS = CompanyDays("UTC")


def line(event: str = "e1", day: date = date(2026, 2, 1), **kw: object) -> EventLine:
    return EventLine(
        event_id=event,
        line_id="",
        type="order.fulfilled",
        at=instant(datetime(day.year, day.month, day.day, 12, tzinfo=UTC), 60),
        phase=60,
        **kw,  # type: ignore[arg-type]
    )


def test_accounts_follow_item_channel_reason_and_day() -> None:
    sale = line(item="BOOK", location="MAIN", channel="amazon", quantity=1_000_000)
    later = line("e2", date(2026, 3, 1), item="PEN", location="MAIN")
    out = book(
        [Flow(sale, "SAL-04", "cogs", "inventory", 500, 1_000_000), Flow(later, "SAL-04", "cogs", "inventory", 10)],
        MAP,
        UTC_DAYS,
        category={"BOOK": "books"}.get,  # type: ignore[arg-type]
    )
    first, second = out.bookings
    assert first.debit == Leg("cogs", "5010", "MAIN")
    assert first.credit == Leg("inventory", "1410", "MAIN")
    assert (first.effective, first.item, first.credit_item) == (date(2026, 2, 1), "BOOK", "")
    assert second.debit.account == "5099"
    assert second.credit.account == "1400"


def test_a_restatement_takes_its_keys_from_the_movement_and_its_day_from_the_cause() -> None:
    loss = line("loss", date(2026, 2, 1), item="PEN", location="WEST", reason="damage")
    bill = line("bill", date(2026, 2, 20), party="ACME", item="PEN", location="MAIN")
    (booking,) = book(
        [Flow(bill, "PUR-08", "shrinkage", "ap", 75, affected=loss)],
        MAP,
        UTC_DAYS,
        party_group={"ACME": "affiliates"}.get,  # type: ignore[arg-type]
    ).bookings
    assert booking.debit == Leg("shrinkage", "6001", "WEST")
    assert booking.effective == date(2026, 2, 20)
    assert booking.affected is loss


def test_party_group_decides_where_the_map_names_it() -> None:
    bill = line("bill", party="ACME", item="PEN", location="MAIN")
    booker = Booker(MAP, UTC_DAYS, party_group=lambda party: "affiliates" if party == "ACME" else "")
    other = line("bill2", party="OTHER", item="PEN", location="MAIN")
    out = booker.book(Flow(each, "PUR-07", "inventory", "ap", 5) for each in (bill, other, bill)).bookings
    assert [b.credit.account for b in out] == ["2001", "2000", "2001"]


def test_two_locations_and_two_items_stay_apart() -> None:
    moved = line(item="PEN", location="MAIN", to_location="WEST", quantity=2_000_000)
    merge = Flow(
        moved,
        "ADJ-10",
        "inventory",
        "inventory",
        90,
        2_000_000,
        debit_location="WEST",
        credit_location="MAIN",
        item="PENCIL",
        credit_item="PEN",
    )
    (booking,) = book([merge], MAP, UTC_DAYS).bookings
    assert (booking.debit.location, booking.credit.location) == ("WEST", "MAIN")
    assert (booking.item, booking.credit_item) == ("PENCIL", "PEN")


def test_a_missing_account_holds_the_whole_event_and_no_other() -> None:
    bad = line("bad", item="PEN", location="MAIN")
    good = line("good", item="PEN", location="MAIN")
    out = book(
        [
            Flow(bad, "SAL-04", "cogs", "inventory", 5),
            Flow(good, "SAL-04", "cogs", "inventory", 7),
            Flow(bad, "ADJ-03", "theft_loss", "inventory", 5),
        ],
        MAP,
        UTC_DAYS,
    )
    assert [b.line.event_id for b in out.bookings] == ["good"]
    (refusal,) = out.refused
    assert refusal.line is bad
    assert refusal.error.code == "TO5101"
    assert "theft_loss" in str(refusal.error)


def test_dimensions_stand_on_both_legs_and_nothing_moves_for_nothing() -> None:
    sale = line(item="PEN", location="MAIN", extra={"dims": {"project": "x", "class": "retail"}})
    out = book(
        [Flow(sale, "SAL-04", "cogs", "inventory", 5), Flow(sale, "SAL-04", "cogs", "inventory", 0)], MAP, UTC_DAYS
    )
    (booking,) = out.bookings
    assert booking.debit.dimensions == booking.credit.dimensions == (("class", "retail"), ("project", "x"))
