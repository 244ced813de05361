"""Guarantee: documents that share one call are as safe as documents sent one by one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from tieout import failpoints
from tieout.connector import BatchLedger, Idempotency
from tieout.deliver.calls import calls_of
from tieout.deliver.drain import Drained, drain
from tieout.deliver.settings import SECOND, Delivery
from tieout.errors import Retryable, VendorError
from tieout.model.journal import Flow, Receipt
from tieout.store import outbox
from tieout.store.schema import entry
from tieout.testing.books import START, Books, event_line
from tieout.testing.fake_ledger import FakeBatchLedger, FakeLedger

UNIT = 1_000_000
PER_ITEM = Idempotency(kind="key", batch="per_item")
LOOK_UP = Idempotency(
    kind="none", lookup="by_reference", index_lag_seconds=10, late_commit_seconds_max=20, batch="per_item"
)
PER_CALL = Idempotency(
    kind="key",
    key_seconds=360,
    lookup="by_reference",
    index_lag_seconds=10,
    late_commit_seconds_max=20,
    batch="per_item",
    batch_key="call",
)


class Crash(BaseException):
    """The process is gone."""


class Lane:
    """Books of some days, and a ledger that takes several documents a call."""

    def __init__(self, folder: Path, idempotency: Idempotency, size: int = 3, days: int = 6) -> None:
        self.books = Books(folder)
        self.ledger = FakeBatchLedger(clock=self.books.clock, idempotency=idempotency, batch_size_max=size)
        self.books.now = START + 40 * 86_400 * SECOND
        self.books.post([self.sale(n, day=n) for n in range(1, days + 1)])

    def sale(self, number: int, amount: int = 500, *, day: int) -> Flow:
        line = event_line(number, quantity=UNIT, day=date(2026, 3, day))
        return Flow(line, "SAL-04", "cogs", "inventory", amount, UNIT)

    def delivery(self, **kw: Any) -> Delivery:
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
            is_dead=lambda _: True,
            **kw,
        )

    def drain(self, **kw: Any) -> Drained:
        return drain(self.books.store, self.books.journal, self.delivery(**kw))

    def states(self) -> list[str]:
        with self.books.store.read() as rx:
            return list(rx.connection.scalars(sa.select(entry.c.state).order_by(entry.c.id)))

    def held(self) -> list[str]:
        return [held.document.reference for held in self.ledger.documents.values()]

    def references(self) -> list[str]:
        with self.books.store.read() as rx:
            return list(rx.connection.scalars(sa.select(entry.c.reference).order_by(entry.c.id)))


@pytest.fixture
def lane_of(tmp_path: Path) -> Iterator[Any]:
    made: list[Lane] = []

    def make(*given: Any, **kw: Any) -> Lane:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Lane(folder, *given, **kw))
        return made[-1]

    yield make
    failpoints.handler = None
    for each in made:
        each.books.close()


def test_the_fake_is_what_the_protocol_asks_for(lane_of: Any) -> None:
    assert isinstance(lane_of(PER_ITEM).ledger, BatchLedger)
    assert not isinstance(FakeLedger(clock=lambda: 0), BatchLedger)


def test_documents_travel_together_up_to_what_the_ledger_takes(lane_of: Any) -> None:
    served = lane_of(PER_ITEM, size=4, days=6)
    assert served.drain().posted == 6
    assert [len(references) for _, references in served.ledger.batches] == [4, 2]
    assert served.held() == served.references()


def test_sending_is_committed_for_all_before_the_first_byte_leaves(lane_of: Any) -> None:
    served = lane_of(PER_ITEM, size=6)
    seen: list[list[str]] = []
    real = served.ledger.deliver_many

    def watched(*given: Any) -> list[Receipt | VendorError]:
        seen.append(served.states())
        answers: list[Receipt | VendorError] = real(*given)
        return answers

    served.ledger.deliver_many = watched
    assert served.drain().posted == 6
    assert seen == [["sending"] * 6]


def test_a_refused_element_stops_only_its_chain(lane_of: Any) -> None:
    served = lane_of(PER_CALL, size=6)
    served.ledger.faults = ["invalid_second"]
    done = served.drain()
    assert (done.posted, done.rejected) == (5, 1)
    assert served.states() == ["posted", "rejected", "posted", "posted", "posted", "posted"]
    line = served.books.lines[2]
    served.books.post([Flow(line, "SAL-04", "cogs", "inventory", 575, UNIT), served.sale(7, day=7)])
    done = served.drain()
    assert (done.posted, done.blocked) == (1, 1)


@pytest.mark.parametrize("known", [PER_ITEM, PER_CALL])
@pytest.mark.parametrize("fault", ["timeout_before", "timeout_between", "timeout_after", "unreadable_after"])
def test_a_lost_answer_is_asked_for_again_under_the_same_key(lane_of: Any, known: Idempotency, fault: str) -> None:
    served = lane_of(known, size=6)
    served.ledger.faults = [fault]
    assert served.drain().posted == 6
    assert sorted(served.held()) == sorted(served.references())
    if known.batch_key == "call":
        assert len(served.ledger.batches) == 2
        assert len(set(served.ledger.batches)) == 1


@pytest.mark.parametrize("known", [PER_ITEM, PER_CALL, LOOK_UP])
def test_a_crash_in_the_call_leaves_every_member_to_be_looked_up(lane_of: Any, known: Idempotency) -> None:
    served = lane_of(known, size=6)
    served.ledger.faults = ["timeout_between"]

    def die(name: str) -> None:
        if name == "send: after call":
            raise Crash

    failpoints.handler = die
    with pytest.raises(Crash):
        served.drain()
    failpoints.handler = None
    assert served.states() == ["sending"] * 6
    assert len(served.held()) == 3
    served.drain()
    assert len(served.held()) == (3 if known is LOOK_UP else 6)  # without a key, only after the quiet time
    served.books.now += 400 * SECOND
    served.drain()
    assert served.states() == ["posted"] * 6
    assert sorted(served.held()) == sorted(served.references())


def test_past_the_life_of_its_key_a_call_is_never_made_again(lane_of: Any) -> None:
    """Each member is looked up by its own reference; only those proved absent go, in a new call under a new key."""
    served = lane_of(PER_CALL, size=6)
    served.ledger.faults = ["timeout_between", "rate_limited"]
    served.drain()
    assert served.states() == ["unknown"] * 6
    served.books.now += 400 * SECOND
    assert served.drain().posted == 6
    first, _, last = served.ledger.batches
    assert last[0] != first[0]
    assert list(last[1]) == served.references()[3:]
    assert sorted(served.held()) == sorted(served.references())


def test_other_bytes_are_never_sent_under_the_key_of_a_call(lane_of: Any) -> None:
    """A connector that joins documents differently after an upgrade looks them up instead."""
    served = lane_of(PER_CALL, size=6)
    served.ledger.faults = ["timeout_between", "rate_limited"]
    served.drain()
    real = served.ledger.join
    served.ledger.join = lambda documents: real(documents) + b" "
    served.books.now += 200 * SECOND  # the key is still good, the quiet time is over
    assert served.drain().posted == 6
    assert len({key for key, _ in served.ledger.batches}) == 2
    assert sorted(served.held()) == sorted(served.references())


@pytest.mark.parametrize("known", [PER_ITEM, PER_CALL, LOOK_UP])
def test_a_document_that_breaks_the_plugin_takes_no_other_with_it(lane_of: Any, known: Idempotency) -> None:
    served = lane_of(known, size=6)
    served.ledger.faults = ["rate_limited"]
    served.drain()
    poison = served.references()[2]
    served.ledger.poison = {poison}
    for _ in range(8):
        served.books.now += 100 * SECOND
        served.drain()
    assert served.states() == ["posted", "posted", "parked", "posted", "posted", "posted"]
    assert sorted(served.held()) == sorted(set(served.references()) - {poison})


def test_too_few_answers_are_no_answer(lane_of: Any) -> None:
    served = lane_of(LOOK_UP, size=6)
    real = served.ledger.deliver_many
    served.ledger.deliver_many = lambda *given: real(*given)[:-1]
    assert served.drain().posted == 0
    served.books.now += 15 * SECOND
    assert served.drain().posted == 6  # found by look-up
    assert len(served.held()) == 6


def test_an_element_that_was_not_written_goes_again(lane_of: Any) -> None:
    served = lane_of(PER_ITEM, size=6)
    real = served.ledger.deliver_many

    def leaves_the_last(body: bytes, key: str, documents: Any) -> list[Receipt | Exception]:
        return [*real(body, key, documents[:-1]), Retryable("the file is full")]

    served.ledger.deliver_many = leaves_the_last
    done = served.drain()
    assert (done.posted, done.waiting) == (5, 1)
    assert served.states()[-1] == "pending"
    assert served.drain().posted == 1


def test_a_ledger_that_keys_calls_and_shows_nothing_gets_one_document_a_call(lane_of: Any) -> None:
    served = lane_of(Idempotency(kind="key", batch="per_item", batch_key="call"))
    assert served.drain().posted == 6
    assert served.ledger.batches == []
    assert len(served.ledger.calls) == 6


def test_a_correction_never_shares_a_call_with_what_it_corrects(lane_of: Any) -> None:
    served = lane_of(PER_ITEM, size=6, days=2)
    served.ledger.faults = ["rate_limited"]
    served.drain()
    served.books.post([Flow(served.books.lines[1], "SAL-04", "cogs", "inventory", 575, UNIT)])
    served.books.now += 60 * SECOND
    assert served.drain().posted == 3
    assert [len(references) for _, references in served.ledger.batches] == [2, 2]
    with served.books.store.read() as rx:
        assert [row.state for row in outbox.entries(rx, 1, "ledger", outbox.STATES)] == ["posted"] * 3


def test_a_call_carries_documents_of_one_kind(lane_of: Any) -> None:
    served = lane_of(PER_CALL, size=2, days=1)
    kinds = ["journal", "bill", "journal", "bill", "journal"]
    rows = [
        SimpleNamespace(
            id=n,
            kind=kind,
            state="pending",
            error=None,
            reference=f"TO-{n}",
            generation=0,
            body=f"{n}".encode(),
            key="",
        )
        for n, kind in enumerate(kinds, 1)
    ]
    calls = calls_of(served.delivery(), rows)
    assert [[row.id for row in call.rows] for call in calls] == [[1, 3], [5], [2, 4]]
    assert len({call.key for call in calls}) == 3
