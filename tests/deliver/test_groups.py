"""Guarantee: entries that leave together are as safe as entries that leave one by one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from tieout import failpoints
from tieout.connector import Idempotency
from tieout.deliver.chains import Chains
from tieout.deliver.drain import Drained, drain
from tieout.deliver.settings import GROUP_MAX, SECOND, Delivery
from tieout.model.journal import Flow, Receipt
from tieout.store import outbox
from tieout.store.schema import attempt, entry, lane
from tieout.testing.books import START, Books, event_line
from tieout.testing.fake_ledger import FakeLedger

UNIT = 1_000_000
LOOK_UP = Idempotency(kind="none", lookup="by_reference", index_lag_seconds=10, late_commit_seconds_max=20)


class Lane:
    """Books of some days, and a ledger whose calls a test can watch."""

    def __init__(self, folder: Path, idempotency: Idempotency | None = None, days: int = 4) -> None:
        self.books = Books(folder)
        self.ledger = FakeLedger(clock=self.books.clock, idempotency=idempotency)
        self.books.now = START + 40 * 86_400 * SECOND
        self.books.post([self.sale(n, day=n) for n in range(1, days + 1)])

    def sale(self, number: int, amount: int = 500, *, day: int) -> Flow:
        line = event_line(number, quantity=UNIT, day=date(2026, 3, day))
        return Flow(line, "SAL-04", "cogs", "inventory", amount, UNIT)

    def drain(self, **kw: Any) -> Drained:
        delivery = Delivery(
            company=1,
            code="main",
            currency="USD",
            connection="ledger",
            ledger=self.ledger,
            days=self.books.days,
            calendar=self.books.calendar,
            clock=self.books.clock,
            sleep=lambda _: None,
            **kw,
        )
        return drain(self.books.store, self.books.journal, delivery)

    def watch(self, before: Any) -> None:
        """Call `before` with the number of each call (from 1) as it is made."""
        real, count = self.ledger.deliver, 0

        def deliver(body: bytes, key: str) -> Receipt:
            nonlocal count
            count += 1
            before(count)
            return real(body, key)

        self.ledger.deliver = deliver  # type: ignore[method-assign]

    def states(self) -> list[str]:
        with self.books.store.read() as rx:
            return list(rx.connection.scalars(sa.select(entry.c.state).order_by(entry.c.id)))

    def outcomes(self, number: int) -> list[str]:
        query = sa.select(attempt.c.outcome).where(attempt.c.entry == number).order_by(attempt.c.id)
        with self.books.store.read() as rx:
            return list(rx.connection.scalars(query))


@pytest.fixture
def lane_of(tmp_path: Path) -> Iterator[Any]:
    made: list[Lane] = []

    def make(**kw: Any) -> Lane:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Lane(folder, **kw))
        return made[-1]

    yield make
    for each in made:
        each.books.close()


def test_the_whole_group_is_committed_as_sending_before_its_first_byte(lane_of: Any) -> None:
    served = lane_of()
    seen: dict[int, list[str]] = {}
    served.watch(lambda n: seen.update({n: served.states()}))
    assert served.drain().posted == 4
    assert seen == dict.fromkeys(range(1, 5), ["sending"] * 4)


def test_a_group_costs_two_commits(lane_of: Any) -> None:
    served = lane_of(days=12)
    passed: list[str] = []
    failpoints.handler = passed.append
    try:
        served.drain(group_max=5)
    finally:
        failpoints.handler = None
    assert passed.count("send: after claim") == passed.count("send: after settle") == 3
    assert passed.count("send: after call") == 12


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "plugin_bug_after", "rate_limited", "reauth"])
def test_a_call_in_doubt_ends_the_group_and_the_rest_is_as_it_was(lane_of: Any, fault: str) -> None:
    served = lane_of(idempotency=LOOK_UP)
    served.ledger.faults = ["", fault]
    done = served.drain()
    first = "pending" if fault in ("rate_limited", "reauth") else "unknown"
    assert served.states() == ["posted", first, "pending", "pending"]
    assert len(served.ledger.calls) == 2
    assert (done.posted, done.waiting) == (1, 3 if first == "pending" else 2)
    assert served.outcomes(3) == ["sending", "not_begun"]
    with served.books.store.read() as rx:
        row = outbox.one(rx, 1, 3)
        assert (row.sent_at, row.deadline, outbox.sends(rx, 3, row.key)) == (None, None, 0)
    served.books.now += 300 * SECOND
    assert served.drain().posted == 3
    assert len(served.ledger.documents) == 4


def test_a_refusal_does_not_end_the_group(lane_of: Any) -> None:
    served = lane_of()
    served.ledger.faults = ["", "invalid"]
    done = served.drain()
    assert (done.posted, done.rejected) == (3, 1)
    assert served.states() == ["posted", "rejected", "posted", "posted"]
    assert len(served.ledger.calls) == 4


def test_no_call_begins_after_half_the_lease(lane_of: Any) -> None:
    served = lane_of()
    began: list[int] = []
    until: list[int] = []

    def slow(_: int) -> None:
        with served.books.store.read() as rx:
            until.append(rx.connection.scalar(sa.select(lane.c.expires_at)))
        began.append(served.books.now)
        served.books.now += 50 * SECOND

    served.watch(slow)
    assert served.drain(deadline_seconds=60, margin_seconds=60).posted == 4
    assert all(end - start >= 60 * SECOND for start, end in zip(began, until, strict=True))
    assert "not_begun" in served.outcomes(3)  # the first two used 100 s of a lease of 180
    assert len(served.ledger.calls) == 4


def test_a_crash_in_a_group_leaves_every_entry_to_be_looked_up(lane_of: Any) -> None:
    served = lane_of(idempotency=LOOK_UP)

    class Crash(BaseException):
        pass

    def die(n: int) -> None:
        if n == 3:
            raise Crash

    served.watch(die)
    with pytest.raises(Crash):
        served.drain()
    assert served.states() == ["sending"] * 4
    assert len(served.ledger.documents) == 2
    served.books.now += 30 * SECOND
    done = served.drain(is_dead=lambda _: True)
    assert (done.posted, len(served.ledger.calls)) == (2, 2)  # found; the others wait for their quiet time
    served.books.now += 400 * SECOND
    assert served.drain().posted == 2
    references = [held.document.reference for held in served.ledger.documents.values()]
    assert len(references) == len(set(references)) == 4


@pytest.mark.parametrize(
    ("known", "size"),
    [
        (Idempotency(kind="none"), 1),
        (Idempotency(kind="key", key_seconds=3_600), 1),
        (Idempotency(kind="key", replays_errors=True), 1),
        (Idempotency(kind="key"), GROUP_MAX),
        (Idempotency(kind="none", unique_reference=True), GROUP_MAX),
        (Idempotency(kind="key", key_seconds=60, lookup="by_key"), GROUP_MAX),
    ],
)
def test_a_ledger_that_may_not_tell_what_it_holds_gets_one_at_a_time(
    lane_of: Any, known: Idempotency, size: int
) -> None:
    served = lane_of(idempotency=known)
    together: list[int] = []
    served.watch(lambda _: together.append(served.states().count("sending")))
    assert served.drain().posted == 4
    assert max(together) == min(size, 4)


def test_a_correction_is_never_in_one_group_with_what_it_corrects(lane_of: Any) -> None:
    served = lane_of(days=0)
    served.books.post([served.sale(1, day=1), served.sale(2, day=2)])
    served.ledger.faults = ["rate_limited"]
    served.drain()  # sealed, and nothing has left
    line = served.books.lines[1]
    served.books.post([Flow(line, "SAL-04", "cogs", "inventory", 575, UNIT), served.sale(3, day=3)])
    served.books.now += 60 * SECOND
    seen: list[list[str]] = []
    served.watch(lambda _: seen.append(served.states()))
    assert served.drain().posted == 4
    assert seen[:3] == [["sending", "sending", "sending", "pending"]] * 3
    assert seen[3] == ["posted", "posted", "posted", "sending"]
    assert max(line.amount for line in list(served.ledger.documents.values())[3].document.lines) == 75


def test_an_entry_with_the_same_event_waits_even_on_another_lineage(lane_of: Any) -> None:
    served = lane_of(days=0)
    served.books.post([served.sale(1, day=1)])
    served.ledger.faults = ["rate_limited"]
    served.drain()
    line = served.books.lines[1]
    served.books.post([Flow(line, "SAL-04", "cogs", "inventory", 575, UNIT)], locked_through=date(2026, 3, 31))
    served.books.now += 60 * SECOND
    with served.books.store.read() as rx:
        lineages = list(rx.connection.scalars(sa.select(entry.c.lineage).order_by(entry.c.id)))
    assert len(set(lineages)) == 2
    served.ledger.faults = ["invalid"]
    done = served.drain()
    assert (done.rejected, done.posted, done.blocked) == (1, 0, 1)


def row(number: int, lineage: str) -> Any:
    return SimpleNamespace(id=number, lineage=lineage)


def test_chains() -> None:
    rows = [row(1, "a"), row(2, "a"), row(3, "b"), row(4, "c"), row(5, "d"), row(6, "e")]
    chains = Chains(rows, [row(9, "d")], {4: {3}, 6: {8}})
    first = chains.next_group(10)
    assert [each.id for each in first] == [1, 3]
    assert chains.blocked == 2  # 5 has its lineage stuck, 6 waits for one that is not on its way
    chains.settled(rows[0], "posted")
    chains.put_back([rows[2]])
    assert [each.id for each in chains.next_group(10)] == [3, 2]
    chains.settled(rows[2], "rejected")
    chains.settled(rows[1], "posted")
    assert chains.next_group(10) == []
    assert chains.blocked == 3


def test_chains_take_no_more_than_asked_and_keep_the_order() -> None:
    rows = [row(n, f"l{n}") for n in range(1, 6)]
    chains = Chains(rows, [], {})
    assert [each.id for each in chains.next_group(2)] == [1, 2]
    chains.put_back(rows[1:2])
    assert [each.id for each in chains.next_group(3)] == [2, 3, 4]
    assert [each.id for each in chains.next_group(3)] == [5]


def test_progress_is_told_in_round_numbers_and_only_of_many(lane_of: Any) -> None:
    said: list[str] = []
    served = lane_of(days=1)
    delivery = Delivery(
        company=1,
        code="main",
        currency="USD",
        connection="ledger",
        ledger=served.ledger,
        days=served.books.days,
        calendar=served.books.calendar,
        progress=said.append,
    )
    for done in range(25, 2_126, 25):
        delivery.tell("delivered", done, 25, 2_125)
    delivery.tell("delivered", 3, 3, 3)
    words = [f"main: delivered {n} of 2,125 entries" for n in ("1,000", "2,000", "2,125")]
    assert said == words
