"""Two processes share an account's budget, its silence after a 429 and its circuit breaker: through the table, not memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tieout.errors import RateLimited, Rejected, Retryable
from tieout.http.budgets import FAILURES_MAX, Purse, Window
from tieout.store.budgets import StoreShared
from tieout.store.store import Store


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Clock, Purse, Purse]]:
    """A clock, and the purses of two processes for one account (a store each, one database)."""
    url, clock = f"sqlite:///{tmp_path}/t.db", Clock()
    with Store.open(url, create=True) as one, Store.open(url) as other:
        purses = []
        for store in (one, other):
            purse = Purse((Window("minute", 60, 60),))
            purse.run_on(clock, clock.sleep)
            purse.share(StoreShared(store, "xero:tenant"))
            purses.append(purse)
        yield clock, purses[0], purses[1]


def spend(purse: Purse, error: Exception | None = None) -> None:
    with purse.paying(1, patience_seconds=0.0):
        if error is not None:
            raise error


def test_two_processes_never_spend_more_than_the_window(two: tuple[Clock, Purse, Purse]) -> None:
    clock, one, other = two
    spent = 0
    for purse in [one, other] * 60:
        try:
            spend(purse)
            spent += 1
        except RateLimited as error:
            assert error.until == clock.now + 60
    assert spent == 60
    clock.now += 60
    spend(one)
    spend(other)


def test_a_429_of_one_process_silences_the_other(two: tuple[Clock, Purse, Purse]) -> None:
    clock, one, other = two
    one.refused(clock.now + 30)
    with pytest.raises(RateLimited) as caught:
        spend(other)
    assert caught.value.until == clock.now + 30
    clock.now += 31
    spend(other)


def test_a_dead_vendor_is_left_alone_and_tried_by_one_process_at_a_time(two: tuple[Clock, Purse, Purse]) -> None:
    clock, one, other = two
    for n in range(FAILURES_MAX):
        clock.now += 2
        with pytest.raises(Retryable):
            spend((one, other)[n % 2], Retryable("no answer", code="TO6202"))
    opened = clock.now
    clock.now += 2
    for purse in (one, other):
        with pytest.raises(RateLimited, match="the next call goes out at 1970-01-12T") as caught:
            spend(purse)
        assert (caught.value.code, caught.value.until) == ("TO6217", opened + 120)
    clock.now = opened + 121
    with pytest.raises(Retryable):  # the trial fails: twice as long now
        spend(one, Retryable("no answer", code="TO6202"))
    failed = clock.now
    clock.now += 2
    with pytest.raises(RateLimited) as caught:
        spend(other)
    assert caught.value.until == failed + 240
    clock.now = failed + 241
    with one.paying(1, patience_seconds=0.0), pytest.raises(RateLimited):
        spend(other)  # one trial at a time
    clock.now += 2
    spend(other)  # it was answered: all go on


def test_an_answer_that_refuses_is_an_answer(two: tuple[Clock, Purse, Purse]) -> None:
    _, one, _ = two
    for _ in range(FAILURES_MAX - 1):
        with pytest.raises(Retryable):
            spend(one, Retryable("no answer", code="TO6202"))
    with pytest.raises(Rejected):
        spend(one, Rejected("bad field", code="TO6206"))
    with pytest.raises(Retryable):
        spend(one, Retryable("no answer", code="TO6202"))
    spend(one)
