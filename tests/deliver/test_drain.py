"""Guarantee: every entry has exactly one document in the ledger with equal amounts, whatever the ledger answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from tieout.connector import Idempotency
from tieout.deliver import decide
from tieout.deliver.drain import Drained, drain, retry_rejected
from tieout.deliver.post import Rules
from tieout.deliver.settings import Delivery
from tieout.errors import StoreError, UsageError
from tieout.model.journal import Flow
from tieout.model.period import OpenDays
from tieout.posting.dates import PostingDays
from tieout.store import exceptions, outbox
from tieout.store.acts import acts
from tieout.store.exceptions import list_exceptions
from tieout.store.schema import attempt, entry, receipt
from tieout.testing.books import START, Books, event_line
from tieout.testing.fake_ledger import FakeLedger

UNIT = 1_000_000
DAY_MICROS = 86_400_000_000


class Desk:
    """Books, a fake ledger and a drain between them."""

    def __init__(self, folder: Path, **ledger: object) -> None:
        self.books = Books(folder)
        self.ledger = FakeLedger(clock=self.books.clock, **ledger)  # type: ignore[arg-type]
        self.books.now = START + 40 * DAY_MICROS  # all days of March are over

    def delivery(self, **kw: object) -> Delivery:
        return Delivery(
            company=1,
            code="main",
            currency="USD",
            connection="ledger",
            ledger=self.ledger,
            days=self.books.days,
            calendar=self.books.calendar,
            clock=self.books.clock,
            sleep=lambda _: None,
            **kw,  # type: ignore[arg-type]
        )

    def drain(self, **kw: object) -> Drained:
        return drain(self.books.store, self.books.journal, self.delivery(**kw))

    def sale(self, number: int, amount: int = 500, **kw: object) -> Flow:
        return Flow(event_line(number, quantity=UNIT, **kw), "SAL-04", "cogs", "inventory", amount, UNIT)  # type: ignore[arg-type]

    def states(self) -> list[str]:
        with self.books.store.read() as rx:
            rows = rx.execute(sa.select(entry.c.state).order_by(entry.c.id)).all()
        return [row[0] for row in rows]

    def problems(self) -> list[str]:
        with self.books.store.read() as rx:
            return [row["code"] for row in list_exceptions(rx, 1)]

    def held(self) -> list[tuple[date, dict[str, int]]]:
        return [
            (held.document.day, {line.account: line.amount for line in held.document.lines})
            for held in self.ledger.documents.values()
        ]

    def later(self, seconds: int) -> None:
        self.books.now += seconds * 1_000_000


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.books.close()


def test_a_day_leaves_as_one_document_and_nothing_leaves_twice(desk: Desk) -> None:
    desk.books.post([desk.sale(1), desk.sale(2, 250), desk.sale(3, 100, day=date(2026, 3, 2))])
    done = desk.drain()
    assert (done.sealed, done.posted, done.waiting, done.error) == (2, 2, 0, None)
    assert desk.held() == [
        (date(2026, 3, 1), {"1400": -750, "5000": 750}),
        (date(2026, 3, 2), {"1400": -100, "5000": 100}),
    ]
    assert desk.drain().posted == 0
    assert len(desk.ledger.calls) == 2
    with desk.books.store.read() as rx:
        numbers = list(rx.connection.scalars(sa.select(entry.c.number).order_by(entry.c.id)))
        assert numbers == [1, 2]
        assert rx.connection.scalar(sa.select(sa.func.count()).select_from(receipt)) == 2
        assert (
            list(rx.connection.scalars(sa.select(attempt.c.outcome).order_by(attempt.c.entry, attempt.c.id)))
            == [
                "sending",
                "receipt",
            ]
            * 2
        )


def test_a_correction_of_a_sealed_day_is_a_further_entry(desk: Desk) -> None:
    sale = desk.sale(1)
    desk.books.post([sale])
    desk.drain()
    out = desk.books.post([Flow(sale.line, "SAL-04", "cogs", "inventory", 575, UNIT)])
    assert (out.bookings, out.corrections) == (1, 1)
    again = desk.books.post([Flow(sale.line, "SAL-04", "cogs", "inventory", 575, UNIT)])
    assert again.bookings == 0
    desk.drain()
    assert desk.held()[1] == (date(2026, 3, 1), {"1400": -75, "5000": 75})
    with desk.books.store.read() as rx:
        assert [tuple(row) for row in rx.execute(sa.select(entry.c.n, entry.c.revision).order_by(entry.c.id))] == [
            (0, 0),
            (1, 0),
        ]


def test_an_event_taken_back_before_sealing_leaves_nothing_to_deliver(desk: Desk) -> None:
    sale = desk.sale(1)
    desk.books.post([sale])
    desk.books.post([], taken_back=[1], lines=[])
    done = desk.drain()
    assert (done.sealed, done.posted) == (1, 0)
    assert desk.states() == ["posted"]
    assert desk.ledger.documents == {}


def test_a_day_that_is_not_over_waits(desk: Desk) -> None:
    desk.books.now = START + 60_000_000_000  # 17 hours into the first of March
    desk.books.post([desk.sale(1)])
    assert desk.drain().sealed == 0
    desk.books.now = START + DAY_MICROS + 3_600_000_000
    assert desk.drain().sealed == 0
    desk.books.now = START + DAY_MICROS + 3 * 3_600_000_000
    assert drain(desk.books.store, desk.books.journal, desk.delivery(), watermarks=[START]).sealed == 0
    assert drain(desk.books.store, desk.books.journal, desk.delivery(), watermarks=[START + 2 * DAY_MICROS]).sealed == 1


def test_passing_faults_are_retried_in_place_and_a_limit_is_respected(desk: Desk) -> None:
    desk.ledger.faults = ["refused_connection", "refused_connection"]
    desk.books.post([desk.sale(1)])
    assert desk.drain().posted == 1
    desk.books.post([desk.sale(2, day=date(2026, 3, 2)), desk.sale(3, day=date(2026, 3, 3))])
    desk.ledger.faults = ["rate_limited"]
    done = desk.drain()
    assert (done.posted, done.waiting) == (0, 2)
    assert done.not_before is not None
    assert desk.drain().posted == 0  # not before the time the ledger named
    desk.later(31)
    assert desk.drain().posted == 2


@pytest.mark.parametrize(
    "fault", ["error_before", "error_after", "timeout_before", "timeout_after", "unreadable_after"]
)
def test_with_a_key_a_lost_answer_is_replayed(desk: Desk, fault: str) -> None:
    desk.ledger.faults = [fault]
    desk.books.post([desk.sale(1)])
    done = desk.drain()
    assert (done.posted, done.unknown) == (1, 0)
    assert len(desk.ledger.documents) == 1
    assert len({key for key, _ in desk.ledger.calls}) == 1


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "plugin_bug_before", "plugin_bug_after"])
def test_without_a_key_the_reference_is_looked_up_after_a_quiet_time(tmp_path: Path, fault: str) -> None:
    known = Idempotency(kind="none", lookup="by_reference", index_lag_seconds=20, late_commit_seconds_max=30)
    desk = Desk(tmp_path, idempotency=known)
    desk.ledger.faults = [fault]
    desk.books.post([desk.sale(1), desk.sale(2, day=date(2026, 3, 2))])
    done = desk.drain()
    assert (done.posted, done.unknown, done.waiting) == (0, 1, 1)  # the lane waits
    desk.later(60 + 20 + 30 + 60)
    assert desk.drain().posted == 2
    assert len(desk.ledger.documents) == 2
    desk.books.close()


def test_a_write_that_lands_after_the_time_out_is_not_doubled(tmp_path: Path) -> None:
    known = Idempotency(kind="none", lookup="by_reference", index_lag_seconds=20, late_commit_seconds_max=30)
    desk = Desk(tmp_path, idempotency=known)
    desk.ledger.faults = ["timeout_late"]
    desk.books.post([desk.sale(1)])
    for _ in range(20):
        desk.drain()
        desk.later(15)
    assert len(desk.ledger.documents) == 1
    assert desk.states() == ["posted"]
    desk.books.close()


def test_a_cached_error_is_overcome_by_look_up_and_a_new_key(tmp_path: Path) -> None:
    known = Idempotency(kind="key", key_seconds=3600, replays_errors=True, lookup="by_reference")
    desk = Desk(tmp_path, idempotency=known)
    desk.ledger.faults = ["error_before"]
    desk.books.post([desk.sale(1)])
    for _ in range(12):
        desk.drain()
        desk.later(30)
    assert desk.states() == ["posted"]
    assert len({key for key, _ in desk.ledger.calls}) == 2
    assert len({reference for _, reference in desk.ledger.calls}) == 1
    desk.books.close()


def test_a_unique_reference_is_enough(tmp_path: Path) -> None:
    desk = Desk(tmp_path, idempotency=Idempotency(kind="none", unique_reference=True))
    desk.ledger.faults = ["timeout_after"]
    desk.books.post([desk.sale(1)])
    assert desk.drain().posted == 1
    assert len(desk.ledger.documents) == 1
    desk.books.close()


def test_a_ledger_that_offers_nothing_parks_and_a_person_decides(tmp_path: Path) -> None:
    desk = Desk(tmp_path, idempotency=Idempotency(kind="none"))
    desk.ledger.faults = ["timeout_after"]
    sale = desk.sale(1)
    desk.books.post([sale])
    assert desk.drain().parked == 1
    assert desk.problems() == ["TO6111"]
    desk.books.post([Flow(sale.line, "SAL-04", "cogs", "inventory", 575, UNIT), desk.sale(2, day=date(2026, 3, 2))])
    done = desk.drain()
    assert (done.posted, done.blocked) == (1, 1)  # its own chain waits, the other day goes
    assert decide.posted_as(desk.books.store, desk.delivery(), 1, "L1", actor="ann", reason="seen there")
    assert desk.problems() == []
    assert desk.drain().posted == 1
    assert desk.held()[-1] == (date(2026, 3, 1), {"1400": -75, "5000": 75})
    desk.books.close()


def parked(tmp_path: Path, fault: str) -> Desk:
    """A desk with entry 1 parked and a correction of it waiting behind."""
    desk = Desk(tmp_path, idempotency=Idempotency(kind="none"))
    desk.ledger.faults = [fault]
    sale = desk.sale(1)
    desk.books.post([sale])
    assert desk.drain().parked == 1
    desk.books.post([Flow(sale.line, "SAL-04", "cogs", "inventory", 575, UNIT)])
    return desk


def refused(desk: Desk, ledger_id: str | None) -> str:
    with pytest.raises(UsageError) as error:
        if ledger_id is None:
            decide.absent(desk.books.store, desk.delivery(), 1, actor="ann", reason="not there")
        else:
            decide.posted_as(desk.books.store, desk.delivery(), 1, ledger_id, actor="ann", reason="there")
    assert desk.states()[0] == "parked"
    return error.value.code


def test_an_entry_said_to_be_absent_goes_again_as_the_next_revision_before_its_correction(tmp_path: Path) -> None:
    desk = parked(tmp_path, "timeout_before")
    assert refused(desk, None) == "TO6127"
    desk.later(600)
    again = decide.absent(desk.books.store, desk.delivery(), 1, actor="ann", reason="looked, not there")
    assert desk.problems() == []
    with desk.books.store.read() as rx:
        old, new = outbox.one(rx, 1, 1), outbox.one(rx, 1, again)
        acted = next(acts(rx, 1, what="entry.withdraw"))
    assert (old.state, new.state, new.revision) == ("withdrawn", "planned", old.revision + 1)
    assert (new.grouping, new.lineage, new.n) == (old.grouping, old.lineage, old.n)
    assert (acted["actor"], acted["data"]["why"]) == ("ann", "looked, not there")
    assert desk.drain().posted == 2
    assert [lines["5000"] for _, lines in desk.held()] == [500, 75]
    assert desk.held()[0][1] == {"1400": -500, "5000": 500}
    desk.books.close()


def test_what_the_ledger_shows_overrules_what_a_person_says(tmp_path: Path) -> None:
    desk = parked(tmp_path, "timeout_after")
    desk.later(600)
    assert refused(desk, None) == "TO6126", "it is there"
    assert refused(desk, "L7") == "TO6124", "under another id"
    held = desk.ledger.documents["L1"].document
    changed = msgspec.structs.replace(held, day=date(2026, 3, 4))
    desk.ledger.edit("L1", changed)
    assert refused(desk, "L1") == "TO6125", "on another day"
    desk.ledger.delete("L1")
    assert refused(desk, "L1") == "TO6124", "gone"
    assert decide.absent(desk.books.store, desk.delivery(), 1, actor="ann", reason="voided there")
    assert desk.drain().posted == 2
    desk.books.close()


def test_a_parked_delivery_cannot_be_put_aside_as_an_exception(tmp_path: Path) -> None:
    desk = parked(tmp_path, "timeout_after")
    with desk.books.store.read() as rx:
        (row,) = list_exceptions(rx, 1)
    for close in (exceptions.resolve, exceptions.ignore):
        with desk.books.store.write() as tx, pytest.raises(StoreError, match="tieout entries decide 1") as error:
            close(tx, 1, "ann", row["id"], "never mind")
        assert error.value.code == "TO8020"
    desk.books.close()


def test_a_refused_document_blocks_its_chain_only_and_goes_again_as_a_new_revision(desk: Desk) -> None:
    desk.ledger.faults = ["invalid"]
    sale = desk.sale(1)
    desk.books.post([sale, desk.sale(2, day=date(2026, 3, 2))])
    done = desk.drain()
    assert (done.rejected, done.posted) == (1, 1)
    assert desk.problems() == ["TO6110"]
    desk.books.post([Flow(sale.line, "SAL-04", "cogs", "inventory", 575, UNIT)])
    assert desk.drain().blocked == 1
    with desk.books.store.write() as tx:
        retry_rejected(tx, desk.delivery(), 1, actor="ann")
    assert desk.drain().posted == 2
    assert desk.problems() == []
    assert [lines["5000"] for _, lines in desk.held()] == [500, 500, 75]  # the original before its correction
    assert desk.books.post([Flow(sale.line, "SAL-04", "cogs", "inventory", 575, UNIT)]).bookings == 0


def test_a_period_closed_before_sending_moves_the_entry_to_the_first_open_day(desk: Desk) -> None:
    desk.books.post([desk.sale(1)])
    desk.ledger.lock = date(2026, 3, 31)
    done = desk.drain()
    assert (done.planned_again, done.posted) == (1, 1)
    assert desk.held() == [(date(2026, 4, 1), {"1400": -500, "5000": 500})]
    (held,) = desk.ledger.documents.values()
    assert held.document.corrects_period == "2026-03"
    assert desk.states() == ["withdrawn", "posted"]
    assert desk.books.post([desk.sale(1)]).bookings == 0


def test_a_period_closed_between_the_look_and_the_send_does_the_same(tmp_path: Path) -> None:
    desk = Desk(tmp_path, locks=False)  # the ledger shows no lock date; it only refuses
    desk.books.post([desk.sale(1)])
    desk.ledger.lock = date(2026, 4, 10)
    done = desk.drain()
    assert (done.planned_again, done.posted, done.rejected) == (2, 1, 0)
    assert [day for day, _ in desk.held()] == [date(2026, 5, 1)]
    desk.books.close()


def test_policy_hold_keeps_it_back_with_an_exception(desk: Desk) -> None:
    desk.books.post([desk.sale(1)])
    desk.ledger.lock = date(2026, 3, 31)
    done = desk.drain(locked_period="hold")
    assert (done.rejected, done.posted) == (1, 0)
    assert desk.problems() == ["TO6116"]
    desk.ledger.lock = None
    with desk.books.store.write() as tx:
        retry_rejected(tx, desk.delivery(), 1, actor="ann")
    assert desk.drain().posted == 1
    assert desk.held()[0][0] == date(2026, 3, 1)


def test_a_receipt_that_holds_something_else_is_not_success(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = desk.ledger._receipt

    def lying(number: str) -> object:
        receipt = honest(number)
        lines = (receipt.lines[0], *(line for line in receipt.lines[2:]))
        return type(receipt)(receipt.ledger_id, receipt.reference, receipt.day, lines)

    monkeypatch.setattr(desk.ledger, "_receipt", lying)
    desk.books.post([desk.sale(1)])
    assert desk.drain().parked == 1
    assert desk.problems() == ["TO6112"]


def test_a_long_entry_is_split_into_balanced_numbered_parts(tmp_path: Path) -> None:
    desk = Desk(tmp_path, lines_max=3)
    flows = []
    for n in range(1, 7):
        line = event_line(n, quantity=UNIT, document=f"SO-{n}")
        line.extra = {"dims": {"class": f"c{n}"}}
        flows.append(Flow(line, "SAL-04", "cogs", "inventory", 100 * n, UNIT))
    desk.books.post(flows)
    done = desk.drain()
    assert done.posted == len(desk.ledger.documents) > 3
    assert all(sum(lines.values()) == 0 for _, lines in desk.held())
    assert sum(lines.get("5000", 0) for _, lines in desk.held()) >= 0
    total = sum(x.amount for h in desk.ledger.documents.values() for x in h.document.lines if x.account == "5000")
    assert total == 2100
    with desk.books.store.read() as rx:
        parts = list(rx.connection.scalars(sa.select(entry.c.part).order_by(entry.c.number)))
    assert parts == list(range(1, len(parts) + 1))
    desk.books.close()


def test_proposals_wait_for_somebody_else(desk: Desk) -> None:
    rules = Rules("ledger", PostingDays(OpenDays(), desk.books.calendar), mode="propose")
    desk.books.post([desk.sale(1)], rules=rules)
    assert desk.drain().posted == 0
    with desk.books.store.read() as rx:
        (waiting,) = outbox.waiting_approval(rx, 1)
    now = desk.books.clock()
    with desk.books.store.write() as tx, pytest.raises(UsageError, match="TO6122"):
        outbox.approve(tx, 1, waiting.id, actor="ann", preparer="ann", now=now)
    with desk.books.store.write() as tx:
        outbox.approve(tx, 1, waiting.id, actor="bob", preparer="ann", now=now)
    assert desk.drain().posted == 1


def test_a_lane_serves_one_holder_and_a_dead_one_is_followed(desk: Desk) -> None:
    desk.books.post([desk.sale(1)])
    with desk.books.store.write() as tx:
        assert outbox.take_lane(tx, 1, "deliver:ledger", "other:1:1", now=desk.books.now, lease=60_000_000)
    assert desk.drain().busy
    assert desk.drain(is_dead=lambda holder: holder == "other:1:1").posted == 1
    with desk.books.store.write() as tx:
        assert outbox.take_lane(tx, 1, "deliver:ledger", "other:1:1", now=desk.books.now, lease=60_000_000)
    desk.later(61)
    assert not desk.drain().busy


def test_twenty_parked_entries_park_the_lane(tmp_path: Path) -> None:
    desk = Desk(tmp_path, idempotency=Idempotency(kind="none"))
    desk.books.post([desk.sale(n, day=date(2026, 3, n)) for n in range(1, 6)])
    desk.ledger.faults = ["timeout_before"] * 5
    done = desk.drain(parked_max=3)
    assert done.parked == 3
    assert done.error is not None
    assert done.error.code == "TO6114"
    assert len(desk.ledger.calls) == 3
    desk.books.close()


def test_a_vendor_bill_leaves_as_a_native_document_at_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path, documents=("journal", "bill", "vendor_credit"))
    desk.books.now = START + 50_000_000_000  # its day is not over
    bill = event_line(1, "purchase.billed", document="B-1", party="ACME")
    desk.books.post([Flow(bill, "PUR-07", "grni", "ap", 5000), Flow(bill, "PUR-08", "cogs", "ap", 240)])
    assert desk.drain().posted == 1
    (held,) = desk.ledger.documents.values()
    document = held.document
    assert (document.kind, document.number, document.party) == ("bill", "B-1", "ACME")
    assert {line.account: (line.amount, line.party) for line in document.lines} == {
        "2000": (-5240, "ACME"),
        "2100": (5000, ""),
        "5000": (240, ""),
    }
    desk.books.post([Flow(bill, "PUR-07", "grni", "ap", 5000), Flow(bill, "PUR-08", "cogs", "ap", 200)])
    desk.drain()
    assert [held.document.kind for held in desk.ledger.documents.values()] == ["bill", "vendor_credit"]
    desk.books.close()


def test_a_ledger_without_bills_gets_a_journal_only_where_that_is_allowed(desk: Desk) -> None:
    bill = event_line(1, "purchase.billed", document="B-1", party="ACME")
    desk.books.post([Flow(bill, "PUR-07", "grni", "ap", 5000)])
    assert desk.drain().posted == 0
    assert desk.problems() == ["TO5113"]
    assert desk.states() == ["planned"]
    assert desk.drain(native_as_journal=True).posted == 1
    assert desk.problems() == []
