"""Guarantee: posting appends exactly the difference, for whole events or not at all, and reads back what it wrote."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from tieout.deliver.post import Rules, plan
from tieout.deliver.seal import summaries
from tieout.errors import Refused, StoreError
from tieout.model.journal import Booking, Consumed, Flow, Leg
from tieout.model.period import Calendar, OpenDays
from tieout.posting.bookings import Refusal
from tieout.posting.dates import PostingDays
from tieout.posting.entries import summary_of
from tieout.store import balances
from tieout.store.schema import booking, entry
from tieout.testing.books import Books, event_line

UNIT = 1_000_000
RULES = Rules("ledger", PostingDays(OpenDays(), Calendar()))


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path)
    yield books
    books.close()


def receipt(number: int, amount: int, quantity: int = 10, **kw: object) -> Flow:
    line = event_line(number, "purchase.received", quantity=quantity * UNIT, **kw)  # type: ignore[arg-type]
    return Flow(line, "PUR-05", "inventory", "grni", amount, quantity * UNIT)


def posted(books: Books) -> list[Booking]:
    with books.store.read() as rx:
        return books.journal.posted(rx, list(books.lines))[0]


def test_what_was_posted_reads_back_as_it_was(books: Books) -> None:
    bought = receipt(1, 5000, document="PO-1")
    sold = event_line(2, quantity=4 * UNIT, extra={"dims": {"class": "retail"}}, channel="web")
    layers = (Consumed(bought.line.event_id, "", 4 * UNIT, 2000),)
    bill = event_line(3, "purchase.billed", document="B-1", party="ACME")
    flows = [
        bought,
        Flow(sold, "SAL-04", "cogs", "inventory", 2000, 4 * UNIT, layers=layers, provisional=True),
        Flow(bill, "PUR-08", "cogs", "ap", 240, affected=sold, component="landed"),
        Flow(bill, "PUR-08", "inventory", "ap", 360, affected=bought.line),
    ]
    books.post(flows)
    should = books.booker.book(flows).bookings
    books.restart()
    assert posted(books) == should
    assert should[1].layers == layers
    with books.store.read() as rx:
        groups = rx.execute(sa.select(entry.c.grouping, entry.c.kind, entry.c.state).order_by(entry.c.id)).all()
        assert len(groups) == 3  # the receipts' day, the shipments' day, the bill
        assert balances.by_account(rx, books.journal) == {"1400": 3360, "2000": -600, "2100": -5000, "5000": 2240}
        assert balances.by_account(rx, books.journal, roles={"cogs"}) == {"5000": 2240}
        assert balances.stock(rx, books.journal) == {("PEN", "MAIN"): 6 * UNIT}
        assert balances.stock(rx, books.journal, as_of=bought.line.at) == {("PEN", "MAIN"): 10 * UNIT}
        assert balances.control_value(rx, books.journal) == {("PEN", "1400"): 3360}


def test_summaries_from_the_database_equal_those_of_the_bookings(books: Books) -> None:
    bought = receipt(1, 5000, document="PO-1")
    flows = [bought, receipt(2, 700, 7, document="PO-2", location="WEST"), receipt(3, 90, 1, item="INK")]
    bill = event_line(5, "purchase.billed", document="B-1", party="ACME")
    flows += [Flow(bill, "PUR-08", "cogs", "ap", 240, affected=bought.line, provisional=True)]
    flows += [Flow(bill, "PUR-07", "grni", "ap", 5000)]
    flows += [Flow(event_line(6, party=p, document=p), "SAL-04", "cogs", "inventory", 5, UNIT) for p in ("A",)]
    flows += [Flow(event_line(7, party="B"), "SAL-04", "cogs", "inventory", 6, UNIT)]
    books.post(flows)
    corrected = bought.line, receipt(1, 5100).amount
    books.post([Flow(corrected[0], "PUR-05", "inventory", "grni", corrected[1], 10 * UNIT)])
    by_entry: dict[int, list[Booking]] = {}
    with books.store.read() as rx:
        numbers = list(rx.connection.scalars(sa.select(booking.c.entry).order_by(booking.c.id)))
        read, _ = books.journal.posted(rx, list(books.lines))
        for number, each in zip(numbers, read, strict=True):
            by_entry.setdefault(number, []).append(each)
        found = summaries(rx, books.journal, sorted(by_entry))
    assert len(by_entry) == 4
    assert found == {number: summary_of(each) for number, each in by_entry.items()}


def test_an_edit_that_moves_the_day_mirrors_there_and_posts_here(books: Books) -> None:
    books.post([receipt(1, 5000)])
    moved = receipt(1, 5000, day=date(2026, 3, 4))
    (new,) = books.land([moved.line])
    out = books.post([moved], taken_back=[1], lines=[new])
    assert (out.bookings, out.corrections, out.entries) == (2, 2, 2)
    with books.store.read() as rx:
        assert balances.by_account(rx, books.journal, through=date(2026, 3, 3)) == {}
        assert balances.by_account(rx, books.journal) == {"1400": 5000, "2100": -5000}
        assert balances.stock(rx, books.journal) == {("PEN", "MAIN"): 10 * UNIT}
    assert books.post([moved], taken_back=[1], lines=[new]).bookings == 0


def test_a_locked_day_is_posted_on_the_first_open_one_in_an_entry_of_its_own(books: Books) -> None:
    books.post([receipt(1, 5000), receipt(2, 300, day=date(2026, 4, 1))], locked_through=date(2026, 3, 31))
    with books.store.read() as rx:
        rows = rx.execute(sa.select(entry.c.day, entry.c.corrects, entry.c.period).order_by(entry.c.id)).all()
    assert [tuple(row) for row in rows] == [
        (date(2026, 4, 1), "2026-03", "2026-04"),
        (date(2026, 4, 1), None, "2026-04"),
    ]


def test_an_event_whose_policy_holds_it_posts_nothing_while_others_go_on(books: Books) -> None:
    days = PostingDays(OpenDays(date(2026, 3, 1)), Calendar())
    rules = Rules("ledger", days, locked_period=lambda line, _: "hold" if line.item == "INK" else "next_open_period")
    out = books.post([receipt(1, 5000, item="INK"), receipt(2, 300), receipt(3, 40, day=date(2026, 3, 2))], rules=rules)
    assert (out.bookings, [r.error.code for r in out.refused]) == (2, ["TO5111"])
    assert out.refused[0].line.item == "INK"


def test_a_refused_event_is_left_as_it_is_with_all_its_lines() -> None:
    line = event_line(1)
    each = Booking(
        line, "SAL-04", Leg("cogs", "5", ""), Leg("inventory", "1", ""), 5, 1, "PEN", "", date(2026, 3, 1), None, False,
        (), "material", False,
    )  # fmt: skip
    refusal = Refusal(line, Refused("no cost"))
    assert plan([each], [], RULES, [refusal]).placed == []
    assert plan([each._replace(amount=7)], [each], RULES, [refusal]).placed == []
    assert plan([], [each], RULES, [refusal]).placed == []
    assert plan([each], [], RULES).placed


def test_posted_facts_refuse_change(books: Books) -> None:
    books.post([receipt(1, 5000)])
    with pytest.raises(StoreError, match="TO8010"), books.store.write() as tx:
        tx.execute(sa.update(booking).values(amount=1))


def test_an_undone_transaction_leaves_nothing_remembered(books: Books) -> None:
    flow = receipt(1, 5000)
    books.land([flow.line])
    with pytest.raises(RuntimeError), books.store.write() as tx:
        books.journal.leg_ids(tx, [Leg("inventory", "1400", "MAIN")])
        raise RuntimeError
    books.post([flow])
    with books.store.read() as rx:
        assert balances.by_account(rx, books.journal) == {"1400": 5000, "2100": -5000}
