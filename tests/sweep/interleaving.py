"""Two processes on one lane: the first stops where it is for longer than its lease, the second takes over, both go on.

Each is a thread, and only one of them runs at a time, so that a seed gives the same order every time. They change places
where no transaction is open and no call to the ledger is about to begin: the wall around a call is the client's own.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from tieout import failpoints
from tieout.deliver.drain import drain
from tieout.store.journal import Journal
from tieout.store.names import Names

if TYPE_CHECKING:
    from tests.sweep.simulation import Life

PLACES: Final = (
    "drain: after lease",
    "send: before claim",
    "send: after claim",
    "send: after call",
    "send: after settle",
    "resolve: after find",
    "resolve: after settle",
)
SLEPT_SECONDS: Final = 700  # longer than a lease, a deadline and any quiet time


class Pause(NamedTuple):
    """The first process stops at the `first`-th such place; the second at its `second`-th (0: it does not stop)."""

    first: int
    second: int


class _Turns:
    """Who runs: process 0 or 1."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.running = 0
        self.done = [False, False]

    def wait_for(self, who: int) -> None:
        with self.turn:
            self.turn.wait_for(lambda: self.running == who)

    def give(self, who: int) -> None:
        with self.turn:
            self.running = who
            self.turn.notify_all()


def two_at_once(life: Life, pause: Pause) -> None:
    """Drain with two processes, changing places as `pause` says; ends when both have ended."""
    turns, watch = _Turns(), failpoints.handler
    passed = [0, 0]
    stops = (pause.first, pause.second)
    mine = threading.local()
    errors: list[BaseException] = []

    def handler(name: str) -> None:
        if watch is not None:
            watch(name)
        who = mine.who
        if name in PLACES:
            passed[who] += 1
            if passed[who] == stops[who] and not turns.done[1 - who]:
                life.books.now += SLEPT_SECONDS * 1_000_000 if who == 0 else 0
                turns.give(1 - who)
                turns.wait_for(who)

    def process(who: int) -> None:
        mine.who = who
        turns.wait_for(who)
        try:
            journal = life.books.journal if who == 0 else Journal(Names(1))
            drain(life.books.store, journal, life.delivery())
        except BaseException as error:  # noqa: BLE001  (told where the two are joined)
            errors.append(error)
        finally:
            turns.done[who] = True
            turns.give(1 - who)

    failpoints.handler = handler
    threads = [threading.Thread(target=process, args=(who,), daemon=True) for who in (0, 1)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            if thread.is_alive():
                raise AssertionError("two processes wait for each other")
    finally:
        failpoints.handler = watch
    if errors:
        raise errors[0]
