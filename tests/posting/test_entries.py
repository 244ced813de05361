"""Guarantee: an entry equals the sum of its bookings per account and dimension, balances, and is the same every time."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import Refused
from tieout.model.event import EventLine
from tieout.model.journal import Booking, DocumentLine, Leg
from tieout.posting.dates import PostingDay
from tieout.posting.entries import (
    allowed_kind,
    complete,
    documents,
    group_of,
    kind_of,
    net_lines,
    parse_group,
    split,
    summary_of,
    waits_for_its_day,
)

DAY = date(2026, 2, 1)
OPEN = PostingDay(DAY, "2026-02", "")
HOUR = 3_600_000_000


def booking(
    debit: Leg,
    credit: Leg,
    amount: int,
    quantity: int = 0,
    *,
    event: str = "e1",
    kind: str = "order.fulfilled",
    **kw: str,
) -> Booking:
    line = EventLine(event_id=event, line_id="", type=kind, at=0, phase=60, **kw)  # type: ignore[arg-type]
    return Booking(line, "SAL-04", debit, credit, amount, quantity, "PEN", "", DAY, None, False, (), "material", False)


STOCK, COGS, AP, GRNI = (
    Leg("inventory", "1400", "MAIN"),
    Leg("cogs", "5000", "MAIN"),
    Leg("ap", "2000", ""),
    Leg("grni", "2100", ""),
)


def test_per_payout_groups_hold_what_is_paid_out_together_and_the_rest_is_daily() -> None:
    def group(event: str, payout: str = "", grouping: str = "per_payout", **kw: str) -> object:
        extra = {"dims": {"payout": payout}} if payout else None
        made = booking(COGS, STOCK, 5, event=event, extra=extra, channel="web", **kw)  # type: ignore[arg-type]
        return group_of(made, OPEN, grouping)  # type: ignore[arg-type]

    east, west = group("e1", "PO-1", location="EAST"), group("e2", "PO-1", location="WEST")
    assert east == west, "two places, one payout"
    assert group("e3", "PO-2", location="EAST") != east
    assert group("e4", "PO-1", location="EAST", kind="return.received") != east
    assert group("e5", location="EAST") == group("e6", grouping="daily", location="EAST"), "in no payout: as daily"
    assert waits_for_its_day(east)  # type: ignore[arg-type]
    assert parse_group(east.text()) == east  # type: ignore[attr-defined]
    fees = group("e7", kind="payout.adjusted", document="PO-1")
    assert fees.location == "payout PO-1"  # type: ignore[attr-defined]


def test_daily_groups_hold_day_place_type_and_channel() -> None:
    one = group_of(booking(COGS, STOCK, 5, location="MAIN", channel="web", document="SO-1"), OPEN)
    two = group_of(booking(COGS, STOCK, 7, event="e2", location="MAIN", channel="web", document="SO-2"), OPEN)
    west = group_of(booking(COGS, STOCK, 7, event="e3", location="WEST", channel="web"), OPEN)
    assert one == two != west
    assert waits_for_its_day(parse_group(one.text()))
    assert parse_group(one.text()) == one
    late = group_of(booking(COGS, STOCK, 5, location="MAIN", channel="web"), PostingDay(DAY, "2026-02", "2026-01"))
    assert late != one


def test_lines_on_payables_are_never_grouped() -> None:
    bill = group_of(booking(GRNI, AP, 5, kind="purchase.billed", document="B-1"), OPEN)
    other = group_of(booking(GRNI, AP, 5, event="e2", kind="purchase.billed", document="B-2"), OPEN)
    assert bill != other
    assert not waits_for_its_day(bill)
    assert kind_of(bill.native, summary_of([booking(GRNI, AP, 5)]).pairs) == "bill"
    assert kind_of(bill.native, summary_of([booking(AP, GRNI, 5)]).pairs) == "vendor_credit"
    assert kind_of("ar", summary_of([booking(Leg("ar", "1200", ""), STOCK, 5)]).pairs) == "invoice"
    assert kind_of("ar", summary_of([booking(STOCK, Leg("ar", "1200", ""), 5)]).pairs) == "credit_memo"


def test_per_document_and_per_event_groups_do_not_wait() -> None:
    a, b = booking(COGS, STOCK, 5, document="SO-1"), booking(COGS, STOCK, 5, event="e2", document="SO-1")
    assert group_of(a, OPEN, "per_document") == group_of(b, OPEN, "per_document")
    assert group_of(a, OPEN, "per_event") != group_of(b, OPEN, "per_event")
    assert not waits_for_its_day(group_of(a, OPEN, "per_event"))


def test_a_ledger_that_takes_no_bills_refuses_or_gets_a_journal() -> None:
    assert allowed_kind("bill", ("journal", "bill"), native_as_journal=False) == "bill"
    assert allowed_kind("bill", ("journal",), native_as_journal=True) == "journal"
    with pytest.raises(Refused, match="TO5113"):
        allowed_kind("bill", ("journal",), native_as_journal=False)


def test_a_day_is_sealed_when_it_is_over_and_every_stream_has_passed_it() -> None:
    end = 100 * HOUR
    assert not complete(end, end + HOUR, [end], 7200)
    assert not complete(end, end + 3 * HOUR, [end, end - 1], 7200)
    assert complete(end, end + 3 * HOUR, [end, end + 1, None], 7200)
    assert complete(end, 0, [0], 7200, seal_now=True)


LINES = st.lists(st.integers(-500, 500).filter(bool), min_size=1, max_size=30).map(
    lambda amounts: [
        DocumentLine(account=f"{n:03d}", amount=amount, quantity=n)
        for n, amount in enumerate([*amounts, -sum(amounts)])
        if amount
    ]
)


@given(LINES, st.integers(2, 7))
def test_parts_balance_fit_and_add_up(lines: list[DocumentLine], lines_max: int) -> None:
    parts = split(lines, lines_max)
    total: Counter[str] = Counter()
    quantity: Counter[str] = Counter()
    for part in parts:
        assert 0 < len(part) <= lines_max
        assert sum(line.amount for line in part) == 0
        assert [line.account for line in part] == sorted(line.account for line in part)
        for line in part:
            assert line.amount
            total[line.account] += line.amount
            quantity[line.account] += line.quantity
    assert total == Counter({line.account: line.amount for line in lines})
    assert quantity == Counter({line.account: line.quantity for line in lines})


LEGS = [STOCK, COGS, AP, GRNI, Leg("inventory", "1400", "WEST"), Leg("inventory_transit", "1400", "MAIN")]


@given(
    st.lists(st.tuples(st.permutations(LEGS), st.integers(-99, 99), st.integers(-9, 9)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_sal_20_a_document_is_the_sum_of_its_bookings_in_any_order(
    made: list[tuple[list[Leg], int, int]], rng: object
) -> None:
    bookings = [booking(legs[0], legs[1], a, q, event=f"e{n}") for n, (legs, a, q) in enumerate(made)]
    expected: Counter[tuple[str, str]] = Counter()
    for b in bookings:
        expected[b.debit.account, b.debit.location] += b.amount
        expected[b.credit.account, b.credit.location] -= b.amount
    lines = net_lines(summary_of(bookings).pairs) if bookings else []
    assert {(x.account, x.location): x.amount for x in lines} == {k: v for k, v in expected.items() if v}
    assert sum(line.amount for line in lines) == 0
    shuffled = list(bookings)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    if bookings:
        assert summary_of(bookings) == summary_of(shuffled)


def test_a_document_says_what_and_why() -> None:
    sale = booking(COGS, STOCK, 5, 2_000_000, location="MAIN", document="SO-1", party="CUST")
    correction = sale._replace(correction=True, affected=sale.line)
    (doc,) = documents(
        summary_of([correction]),
        company="main",
        currency="USD",
        day=date(2026, 3, 1),
        kind="journal",
        corrects="2026-02",
    )
    assert doc.narration == (
        "correction of order.fulfilled: 1 event at MAIN, document SO-1; restates 1 earlier movement; "
        "belongs to 2026-02-01 in period 2026-02, which is closed"
    )
    assert doc.corrects_period == "2026-02"
    assert [(x.account, x.amount, x.quantity, x.memo) for x in doc.lines] == [
        ("1400", -5, -2_000_000, "SAL-04"),
        ("5000", 5, 0, "SAL-04"),
    ]
    back = booking(STOCK, COGS, 5, -2_000_000, event="e2")
    assert documents(summary_of([sale, back]), company="main", currency="USD", day=DAY, kind="journal") == []
