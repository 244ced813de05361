"""Guarantee: the journal plus the delta is what the journal should be, whatever it held; running it twice posts nothing."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.model.event import EventLine
from tieout.model.journal import Booking, Leg
from tieout.posting.delta import delta, net

LEGS = [
    Leg("inventory", "1400", "MAIN"),
    Leg("inventory", "1400", "WEST"),
    Leg("cogs", "5000", "MAIN"),
    Leg("grni", "2100", "MAIN"),
    Leg("ap", "2000", "", (("class", "retail"),)),
]


def line(event: str, number: str = "") -> EventLine:
    return EventLine(event_id=event, line_id=number, type="order.fulfilled", at=0, phase=60)


@st.composite
def booking(draw: st.DrawFn) -> Booking:
    debit, credit = draw(st.permutations(LEGS))[:2]
    affected = draw(st.sampled_from([None, line("m1"), line("m2", "1")]))
    return Booking(
        line=line(draw(st.sampled_from(["e1", "e2", "e3"])), draw(st.sampled_from(["", "2"]))),
        row="SAL-04",
        debit=debit,
        credit=credit,
        amount=draw(st.integers(-300, 300)),
        quantity=draw(st.integers(-3, 3)),
        item=draw(st.sampled_from(["A", "B"])),
        credit_item=draw(st.sampled_from(["", "", "C"])),
        effective=draw(st.sampled_from([date(2026, 1, 31), date(2026, 2, 1)])),
        affected=affected,
        provisional=False,
        layers=(),
        component="material",
        correction=False,
    )


BOOKINGS = st.lists(booking(), max_size=8)


def by_key(bookings: list[Booking]) -> dict[object, object]:
    keys = {(b.line.event_id, b.line.line_id, b.affected and b.affected.event_id, b.effective) for b in bookings}
    sums = {
        key: net(
            b
            for b in bookings
            if (b.line.event_id, b.line.line_id, b.affected and b.affected.event_id, b.effective) == key
        )
        for key in keys
    }
    return {key: value for key, value in sums.items() if value}


@given(BOOKINGS, BOOKINGS)
@settings(max_examples=300)
def test_posted_plus_delta_is_what_should_be(should: list[Booking], posted: list[Booking]) -> None:
    added = delta(should, posted)
    assert by_key(posted + added) == by_key(should)
    assert delta(should, posted + added) == []


@given(BOOKINGS)
def test_running_twice_posts_nothing(should: list[Booking]) -> None:
    first = delta(should, [])
    assert first == should
    assert delta(should, first) == []


@given(BOOKINGS)
def test_an_event_taken_back_gets_its_mirror(posted: list[Booking]) -> None:
    mirror = delta([], posted)
    assert by_key(posted + mirror) == {}
    assert all(b.correction and b.amount >= 0 for b in mirror)


@given(BOOKINGS, BOOKINGS)
def test_no_more_pairs_than_the_difference_needs(should: list[Booking], posted: list[Booking]) -> None:
    known = {b.line.event_id for b in posted}
    held_keys = {(b.line.event_id, b.line.line_id, b.affected and b.affected.event_id, b.effective) for b in posted}
    added = [b for b in delta(should, posted) if b.line.event_id in known]
    for key in held_keys:
        group = [
            b
            for b in added
            if (b.line.event_id, b.line.line_id, b.affected and b.affected.event_id, b.effective) == key
        ]
        assert len(group) <= max(0, len(net(group)) - 1)
        assert all(b.debit != b.credit or (b.credit_item or b.item) != b.item for b in group)


def test_a_higher_cost_is_one_pair_of_the_difference() -> None:
    posted = Booking(
        line("e1"),
        "SAL-04",
        LEGS[2],
        LEGS[0],
        500,
        1,
        "A",
        "",
        date(2026, 1, 31),
        None,
        False,
        (),
        "material",
        False,
    )
    (only,) = delta([posted._replace(amount=575)], [posted])
    assert (only.debit, only.credit, only.amount, only.quantity) == (LEGS[2], LEGS[0], 75, 0)
    assert only.correction
    (back,) = delta([posted._replace(amount=425)], [posted])
    assert (back.debit, back.credit, back.amount) == (LEGS[0], LEGS[2], 75)


def test_a_changed_date_mirrors_the_old_day_and_posts_the_new_one() -> None:
    posted = Booking(
        line("e1"),
        "SAL-04",
        LEGS[2],
        LEGS[0],
        500,
        1_000_000,
        "A",
        "",
        date(2026, 1, 31),
        None,
        False,
        (),
        "material",
        False,
    )
    new, mirror = delta([posted._replace(effective=date(2026, 2, 1))], [posted])
    assert (new.effective, new.amount, new.debit.role, new.correction) == (date(2026, 2, 1), 500, "cogs", True)
    assert (mirror.effective, mirror.amount, mirror.debit.role) == (date(2026, 1, 31), 500, "inventory")
