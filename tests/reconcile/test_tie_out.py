"""Guarantee: every difference between source, subledger and ledger gets its name, and what has none is said to have none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from tieout.connector import Idempotency, StockReport, StockRow
from tieout.deliver.drain import drain
from tieout.deliver.post import Rules
from tieout.model.journal import DocumentLine, Flow, LedgerEntry
from tieout.model.period import OpenDays
from tieout.posting.dates import PostingDays
from tieout.reconcile.record import mark_confirmed, record
from tieout.reconcile.result import Result
from tieout.reconcile.stock import HeldMovement, Resolved, SourceStock, read_report
from tieout.reconcile.tie import Question, read_ledger, reconcile
from tieout.store import balances, outbox
from tieout.store.exceptions import NewException, list_exceptions, open_exceptions
from tieout.testing.books import START, Books, event_line
from tieout.testing.fake_ledger import FakeLedger

UNIT = 1_000_000
DAY_MICROS = 86_400_000_000
AS_OF = date(2026, 3, 31)
CONTROL = {"1400": "inventory", "1450": "inventory_transit"}


class Desk:
    def __init__(self, folder: Path, **ledger: object) -> None:
        self.books = Books(folder)
        self.books.now = START + 40 * DAY_MICROS
        self.ledger = FakeLedger(clock=self.books.clock, **ledger)  # type: ignore[arg-type]

    def receive(self, number: int = 1, quantity: int = 10, amount: int = 5000, **kw: object) -> Flow:
        line = event_line(number, "purchase.received", quantity=quantity * UNIT, **kw)  # type: ignore[arg-type]
        return Flow(line, "PUR-05", "inventory", "grni", amount, quantity * UNIT)

    def ship(self, number: int, quantity: int = 1, amount: int = 500, **kw: object) -> Flow:
        line = event_line(number, quantity=quantity * UNIT, **kw)  # type: ignore[arg-type]
        return Flow(line, "SAL-04", "cogs", "inventory", amount, quantity * UNIT)

    def deliver(self, **kw: object) -> None:
        drain(self.books.store, self.books.journal, self.books.delivery(self.ledger, **kw))

    def tie(self, **kw: object) -> Result:
        with self.books.store.read() as rx:
            posted = balances.control_value(rx, self.books.journal)
            values: dict[str, int] = {}
            for (item, _), amount in posted.items():
                values[item] = values.get(item, 0) + amount
            stock = balances.stock(rx, self.books.journal)
            question = Question(
                company="main",
                currency="USD",
                connection="ledger",
                as_of=AS_OF,
                instant=self.books.days.end_of(AS_OF) - 1,
                control=CONTROL,
                values=values,
                ledger=read_ledger(self.ledger, sorted(CONTROL), ["2100", "5000", "5100"], AS_OF),
                sources=[SourceStock("shop", self.books.days.end_of(AS_OF) - 1, stock)],
            )
            return reconcile(rx, self.books.journal, question._replace(**kw))  # type: ignore[arg-type]

    def causes(self, **kw: object) -> dict[str, tuple[int, int]]:
        return {cause: (amount, quantity) for cause, _, amount, quantity in self.tie(**kw).differences()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    desk.books.post(
        [desk.receive(), desk.ship(2, 2, 1000, document="SO-2"), desk.ship(3, 1, 500, day=date(2026, 3, 5))]
    )
    yield desk
    desk.books.close()


def test_everything_delivered_ties_out_and_is_confirmed(desk: Desk) -> None:
    desk.deliver()
    found = desk.tie()
    assert found.tied_out
    assert found.details == ()
    (stock, transit) = found.as_dict()["accounts"]
    assert stock == {
        "account": "1400",
        "role": "inventory",
        "subledger": "35.00",
        "journal": "35.00",
        "ledger": "35.00",
        "difference": "0.00",
    }
    assert transit["ledger"] == "0.00"
    assert found.as_dict()["locations"] == [
        {"location": "MAIN", "source": "7", "subledger": "7", "difference": "0", "items_differing": 0}
    ]
    with desk.books.store.write() as tx:
        assert mark_confirmed(tx, found.confirmed) == 3
    with desk.books.store.read() as rx:
        assert outbox.counts(rx, 1) == {"confirmed": 3}
    assert desk.tie().tied_out


def test_what_has_not_left_yet_is_named_by_where_it_is(desk: Desk) -> None:
    assert desk.causes() == {"day not complete": (3500, 0)}
    desk.ledger.faults = ["rate_limited"]
    desk.deliver()
    assert desk.causes() == {"waiting to be sent": (3500, 0)}
    desk.books.now += 60_000_000
    desk.ledger.faults = ["invalid"]
    desk.deliver()
    assert desk.causes() == {"refused by the ledger": (5000, 0)}
    assert desk.tie().tied_out


def test_an_unknown_outcome_is_in_flight_until_the_ledger_shows_it(tmp_path: Path) -> None:
    known = Idempotency(kind="none", lookup="by_reference", index_lag_seconds=600)
    desk = Desk(tmp_path, idempotency=known)
    desk.books.post([desk.receive()])
    desk.ledger.faults = ["timeout_before"]
    desk.deliver()
    assert desk.causes() == {"sent, outcome unknown": (5000, 0)}
    other = Desk(tmp_path / "b", idempotency=known)
    other.books.post([other.receive()])
    other.ledger.faults = ["timeout_after"]
    other.deliver()
    assert other.causes() == {}  # not acknowledged, but the ledger's list has it
    desk.books.close()
    other.books.close()


def test_proposals_wait_for_approval(desk: Desk) -> None:
    desk.deliver()
    rules = Rules("ledger", PostingDays(OpenDays(), desk.books.calendar), mode="propose")
    desk.books.post([desk.ship(4, 1, 500, day=date(2026, 3, 6))], rules=rules)
    desk.deliver()
    assert desk.causes() == {"waiting for approval": (-500, 0)}


def test_an_edited_a_deleted_a_doubled_and_a_foreign_document_are_told_apart(desk: Desk) -> None:
    desk.deliver()
    (receipt, first_sale, second_sale) = list(desk.ledger.documents)
    held = desk.ledger.documents[first_sale].document
    lines = tuple(replace(line, amount=line.amount * 2) for line in held.lines)
    desk.ledger.edit(first_sale, replace(held, lines=lines))
    desk.ledger.delete(second_sale)
    desk.ledger.documents["L9"] = desk.ledger.documents[receipt]
    by_hand = (DocumentLine("1400", 1234), DocumentLine("9999", -1234))
    desk.ledger.book_by_hand(LedgerEntry("F1", date(2026, 3, 9), "", by_hand, narration="stock take", author="Bob"))
    desk.ledger.book_by_hand(LedgerEntry("F2", date(2026, 3, 9), "", (DocumentLine("2100", 5), DocumentLine("1", -5))))
    desk.ledger.book_by_hand(LedgerEntry("F3", date(2026, 4, 9), "", by_hand))
    found = desk.tie()
    assert found.tied_out
    assert desk.causes() == {
        "document edited in the ledger": (1000, 0),
        "document gone from the ledger": (-500, 0),
        "document twice in the ledger": (-5000, 0),
        "foreign entry": (-1234, 0),
    }
    (foreign,) = [detail for detail in found.details if detail.cause == "foreign entry"]
    assert (foreign.document, foreign.account) == ("F1", "1400")
    assert "Bob" in foreign.what
    (account, _) = found.accounts
    assert account.difference == sum(detail.amount for detail in found.details if detail.account == "1400")


def test_our_marker_on_a_document_we_never_issued_is_called_out(desk: Desk) -> None:
    desk.deliver()
    lines = (DocumentLine("1400", 100), DocumentLine("2100", -100))
    desk.ledger.book_by_hand(LedgerEntry("X", date(2026, 3, 3), "TO-ABCDEFGHIJKL", lines))
    assert desk.causes() == {"our marker on an unknown document": (-100, 0)}


def test_a_balance_that_is_not_the_sum_of_its_entries_stays_unexplained(desk: Desk) -> None:
    desk.deliver()
    view = read_ledger(desk.ledger, sorted(CONTROL), ["2100", "5000"], AS_OF)
    found = desk.tie(ledger=view._replace(balances={**view.balances, "1400": 3501}))
    assert not found.tied_out
    assert found.as_dict()["unexplained"] == "0.01"


def test_layers_that_are_not_worth_what_was_posted_stay_unexplained(desk: Desk) -> None:
    desk.deliver()
    found = desk.tie(values={"PEN": 3600})
    assert not found.tied_out
    assert found.as_dict()["unexplained"] == "1.00"
    assert found.accounts[0].subledger == 3600


def test_a_source_that_counts_otherwise_is_explained_or_said_not_to_be(desk: Desk) -> None:
    desk.deliver()
    end = desk.books.days.end_of(AS_OF) - 1
    found = desk.tie(sources=[SourceStock("shop", end, {("PEN", "MAIN"): 6 * UNIT, ("INK", "MAIN"): 2 * UNIT})])
    assert not found.tied_out
    assert found.as_dict()["unexplained"] == "0.00"
    assert [(d.item, d.quantity) for d in found.details] == [("INK", 2 * UNIT), ("PEN", -UNIT)]
    assert found.locations[0].items_differing == 2
    held = [HeldMovement("PEN", "MAIN", -UNIT, "exception 7", "SO-9"), HeldMovement("INK", "", None, "exception 8")]
    again = desk.tie(
        sources=[SourceStock("shop", end, {("PEN", "MAIN"): 6 * UNIT, ("INK", "MAIN"): 2 * UNIT})], held=held
    )
    assert again.tied_out
    assert {(d.cause, d.item, d.quantity) for d in again.details} == {
        ("held exception", "PEN", -UNIT),
        ("held exception", "INK", 2 * UNIT),
    }


def test_an_open_exception_of_a_landed_event_explains_its_units(desk: Desk) -> None:
    desk.deliver()
    (number,) = desk.books.land([event_line(9, quantity=3 * UNIT, document="SO-9")])
    with desk.books.store.write() as tx:
        problem = NewException(stage="post", code="TO5101", subject="e9", message="no account", event=number)
        open_exceptions(tx, 1, [problem])
    end = desk.books.days.end_of(AS_OF) - 1
    found = desk.tie(sources=[SourceStock("shop", end, {("PEN", "MAIN"): 4 * UNIT})])
    assert found.tied_out
    assert [(d.cause, d.quantity, d.document) for d in found.details] == [("held exception", -3 * UNIT, "SO-9")]


def test_stock_is_compared_at_the_instant_of_the_report_and_later_moves_are_timing(desk: Desk) -> None:
    desk.deliver()
    early = START + 2 * DAY_MICROS
    found = desk.tie(sources=[SourceStock("shop", early, {("PEN", "MAIN"): 8 * UNIT})])
    assert found.tied_out
    assert [(d.cause, d.quantity) for d in found.details] == [("movement after the stock report", UNIT)]


def test_a_source_speaks_for_its_own_places_only(desk: Desk) -> None:
    desk.books.post([desk.receive(20, 4, 400, location="WEST", day=date(2026, 3, 7))])
    desk.deliver()
    end = desk.books.days.end_of(AS_OF) - 1
    found = desk.tie(sources=[SourceStock("shop", end, {("PEN", "MAIN"): 7 * UNIT}, locations=frozenset({"MAIN"}))])
    assert found.tied_out
    assert [(row.location, row.source, row.subledger) for row in found.locations] == [
        ("MAIN", 7 * UNIT, 7 * UNIT),
        ("WEST", None, 4 * UNIT),
    ]
    whole = desk.tie(sources=[SourceStock("shop", end, {("PEN", "MAIN"): 7 * UNIT})])
    assert [(d.cause, d.location) for d in whole.details] == [("unexplained", "WEST")]


def test_a_report_row_nobody_can_map_is_unmapped_not_unexplained() -> None:
    report = StockReport(
        datetime(2026, 3, 31, tzinfo=UTC),
        (StockRow("pen", "main", "3"), StockRow("pen", "main", "0.5"), StockRow("?", "main", "4", "PCE")),
    )

    def resolve(row: StockRow) -> Resolved | str:
        return (
            Resolved("PEN", "MAIN", 500_000 if row.quantity == "0.5" else 3 * UNIT) if row.item == "pen" else "no item"
        )

    stock = read_report("shop", report, resolve)
    assert stock.quantities == {("PEN", "MAIN"): 3_500_000}
    assert [detail.what for detail in stock.unmapped] == ["shop: 4 PCE of ?: no item"]


def test_an_opening_balance_the_ledger_already_carries_is_not_foreign(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    line = event_line(1, "opening.loaded", quantity=10 * UNIT)
    desk.books.post([Flow(line, "OPN-02", "inventory", "opening_equity", 5000, 10 * UNIT)])
    carried = (DocumentLine("1400", 5000), DocumentLine("3000", -5000))
    desk.ledger.book_by_hand(LedgerEntry("OB", date(2026, 2, 28), "", carried))
    desk.deliver()
    assert desk.ledger.documents == {}
    assert desk.causes() == {}
    desk.ledger.book_by_hand(
        LedgerEntry("OB2", date(2026, 2, 28), "", (DocumentLine("1400", 7), DocumentLine("3000", -7)))
    )
    assert sum(amount for amount, _ in desk.causes().values()) == -7
    assert desk.tie().tied_out
    desk.books.close()


def test_a_tampered_document_becomes_an_exception_until_it_is_mended(desk: Desk) -> None:
    desk.deliver()
    (number, *_) = desk.ledger.documents
    sent = desk.ledger.documents[number].document
    desk.ledger.edit(number, replace(sent, day=date(2026, 3, 2)))
    with desk.books.store.write() as tx:
        assert len(record(tx, 1, desk_tie := desk.tie())) == 1
        assert len(desk_tie.confirmed) == 2
    with desk.books.store.read() as rx:
        (problem,) = list_exceptions(rx, 1)
    assert (problem["code"], problem["stage"]) == ("TO7101", "reconcile")
    assert "date 2026-03-02 instead of 2026-03-01" in problem["message"]
    desk.ledger.edit(number, sent)
    with desk.books.store.write() as tx:
        assert record(tx, 1, desk.tie()) == []
    with desk.books.store.read() as rx:
        assert list_exceptions(rx, 1) == []
        assert outbox.counts(rx, 1) == {"confirmed": 3}
