"""Open lines of clearing accounts (matrix §21, invariant 13): they always add up, pair what belongs together, and age."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tieout.model.event import EventLine
from tieout.reports.threads import Part, age_bucket, open_lines

DAY = 86_400_000_000


def part(
    event: str, day: int, amount: int, *, role: str = "grni", document: str = "", ref: str = "", item: str = "A"
) -> Part:
    line = EventLine(event, "", "purchase.received", day * DAY, 0, "s", document=document, ref=ref, item=item)
    return Part(line, role, role.upper(), item, "M", amount, 0, date(2026, 1, 1) + timedelta(days=day))


def test_a_bill_that_names_its_receipt_closes_it() -> None:
    assert open_lines([part("r", 1, -5000), part("b", 3, 5000, ref="e:r#")]) == []


def test_events_that_name_the_same_document_belong_together() -> None:
    """An order nobody posted: both the receipt and the bill name it."""
    found = open_lines([part("r", 1, -5000, ref="d:PO-1#1"), part("b", 3, 3000, ref="d:PO-1#1")])
    assert [(line.event, line.amount) for line in found] == [("r", -2000)]


def test_a_document_stands_for_its_event() -> None:
    assert open_lines([part("r", 1, -5000, document="GR-1"), part("b", 3, 5000, ref="d:GR-1#")]) == []


def test_items_of_one_receipt_are_separate_lines() -> None:
    found = open_lines([part("r", 1, -5000), part("r", 1, -700, item="B"), part("b", 3, 5000, ref="e:r#")])
    assert [(line.item, line.amount) for line in found] == [("B", -700)]


def test_the_age_is_that_of_the_oldest_line_not_used_up() -> None:
    both = [part("r1", 1, -1000, ref="d:PO#"), part("r2", 20, -1000, ref="d:PO#"), part("b", 21, 1000, ref="d:PO#")]
    assert [(line.since, line.amount) for line in open_lines(both)] == [(date(2026, 1, 21), -1000)]
    more = [*both[:2], part("b", 21, 400, ref="d:PO#")]
    assert [(line.since, line.amount) for line in open_lines(more)] == [(date(2026, 1, 2), -1600)]


def test_a_line_on_the_wrong_side_is_marked() -> None:
    found = open_lines([part("r", 1, -5000), part("b", 3, 5200, ref="e:r#")])
    assert [(line.amount, line.against) for line in found] == [(200, True)]


parts = st.lists(
    st.builds(
        part,
        st.sampled_from("abcdefgh"),
        st.integers(0, 90),
        st.integers(-9000, 9000),
        role=st.sampled_from(["grni", "landed_cost_accrual", "payment_clearing"]),
        document=st.sampled_from(["", "D1", "D2"]),
        ref=st.sampled_from(["", "e:a#", "e:b#1", "d:D1#", "d:D2#2", "d:PO#"]),
        item=st.sampled_from(["A", "B", ""]),
    )
)


@given(parts)
def test_open_lines_add_up_to_the_balance(given_parts: list[Part]) -> None:
    for role in {each.role for each in given_parts}:
        balance = sum(each.amount for each in given_parts if each.role == role)
        assert sum(line.amount for line in open_lines(given_parts) if line.role == role) == balance


def test_ages_fall_into_buckets() -> None:
    edges = (30, 60)
    assert [age_bucket(days, edges) for days in (0, 30, 31, 60, 61)] == ["0-30", "0-30", "31-60", "31-60", ">60"]
