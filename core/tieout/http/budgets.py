"""Budgets of calls: what a vendor allows in a window of time, in flight, or in points that restore. Its own word is believed.

A budget belongs to one account at the vendor (a realm, a tenant, a shop). `take` waits a little where that is enough;
where it is not, it raises `RateLimited` with the moment it will be possible, and the work is put off, not asleep.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

from tieout.errors import Ambiguous, RateLimited, Retryable, VendorError

PATIENCE_SECONDS: Final = 30.0  # longest wait for a budget before a write
SHARED_SECONDS_MIN: Final = 30.0
BLOCKS: Final = 20
FAILURES_MAX: Final = 12  # in a row: two reads with all their attempts
OPEN_SECONDS: Final = 120.0  # the first time; longer than a read's patience, so that work is put off, not asleep
OPEN_SECONDS_MAX: Final = 900.0
TRIAL_SECONDS: Final = 90.0  # one process tries, the others wait for what becomes of it
CLOSED_SEEN_SECONDS: Final = 1.0  # how old the word of another process may be
READ_PATIENCE_SECONDS: Final = 75.0  # before a read: longer than a minute's window, so that many pages come to an end


class Budget(Protocol):
    """Something a call must be paid from."""

    def wait(self, cost: int) -> float:
        """Seconds until `cost` can be taken; 0.0 takes it now."""
        ...

    def refused(self, until: float) -> None:
        """The vendor said that nothing is to be had before `until` (epoch seconds)."""
        ...

    def run_on(self, now: Callable[[], float]) -> None:
        """Take the time from this clock."""
        ...


class Taken(NamedTuple):
    """A piece of a window: how many calls were granted, when the window ends, until when nothing is to be had."""

    granted: int
    ends: float
    closed_until: float


class Shared(Protocol):
    """What all processes of a project know together of one account at a vendor. Times are epoch seconds."""

    def take(self, name: str, *, calls: int, seconds: float, want: int, least: int, now: float) -> Taken:
        """Up to `want` calls of the window in hand, none when fewer than `least` are left."""
        ...

    def refused(self, until: float) -> None:
        """The vendor said that nothing is to be had before `until`."""
        ...

    def closed_until(self) -> float:
        """Until when the vendor said that nothing is to be had; 0.0: it did not."""
        ...

    def failed(self, now: float, open_seconds: Callable[[int], float]) -> None:
        """A call failed; `open_seconds` says for how long nobody calls after so many failures in a row, 0.0 for not yet."""
        ...

    def succeeded(self) -> None:
        """A call was answered."""
        ...

    def trial(self, now: float, trial_seconds: float) -> float:
        """0.0 when a call may go out: none failed, or it is the one trial. Else the moment of the next trial."""
        ...


class Window:
    """`calls` in each window of `seconds`: fixed windows, as vendors count them. The vendor's own remainder overrides.

    Shared among processes, a window is taken in blocks of a twentieth, so that not every call asks the database; what a
    process does not use of its block is lost for that window. Windows of seconds are not shared: they would be over first.
    """

    def __init__(self, name: str, calls: int, seconds: float) -> None:
        self.name = name
        self.calls = calls
        self.seconds = seconds
        self._shared: Shared | None = None
        self._now: Callable[[], float] = time.time
        self._ends = 0.0
        self._left = calls
        self._closed_until = 0.0

    def wait(self, cost: int) -> float:
        now = self._now()
        if now < self._closed_until:
            return self._closed_until - now
        if self._shared is not None:
            self._fetch(self._shared, cost, now)
        elif now >= self._ends:
            self._ends, self._left = now + self.seconds, self.calls
        if cost > self._left:
            return max(self._ends, self._closed_until) - now
        self._left -= cost
        return 0.0

    def share(self, shared: Shared) -> None:
        if self.seconds >= SHARED_SECONDS_MIN:
            self._shared, self._left, self._ends = shared, 0, 0.0

    def _fetch(self, shared: Shared, cost: int, now: float) -> None:
        """A further block of the shared window, when what is left of the last one does not do."""
        if now < self._ends and cost <= self._left:
            return
        want = max(cost, self.calls // BLOCKS)
        taken = shared.take(self.name, calls=self.calls, seconds=self.seconds, want=want, least=cost, now=now)
        left = self._left if taken.ends == self._ends else 0
        self._left, self._ends = left + taken.granted, taken.ends

    def run_on(self, now: Callable[[], float]) -> None:
        self._now = now

    def believe(self, remaining: int) -> None:
        """What the vendor's header says is left of this window; never more than we would have allowed."""
        self._left = min(self._left, remaining)

    def refused(self, until: float) -> None:
        self._closed_until = max(self._closed_until, until)


class Points:
    """A bucket of points that restores with time (Shopify's query cost)."""

    def __init__(self, maximum: int, restored_per_second: int) -> None:
        self.maximum = maximum
        self.rate = restored_per_second
        self._now: Callable[[], float] = time.time
        self._held = float(maximum)  # points, never money
        self._at = time.time()
        self._closed_until = 0.0

    def wait(self, cost: int) -> float:
        now = self._now()
        if now < self._closed_until:
            return self._closed_until - now
        self._restore(now)
        if cost > self._held:
            return max((min(cost, self.maximum) - self._held) / self.rate, 0.05)
        self._held -= cost
        return 0.0

    def run_on(self, now: Callable[[], float]) -> None:
        self._now, self._at = now, now()

    def believe(self, available: int, maximum: int, restored_per_second: int) -> None:
        self.maximum, self.rate = maximum, restored_per_second
        self._held, self._at = float(available), self._now()

    def refused(self, until: float) -> None:
        self._closed_until = max(self._closed_until, until)

    def _restore(self, now: float) -> None:
        self._held = min(float(self.maximum), self._held + max(0.0, now - self._at) * self.rate)
        self._at = now


class Purse:
    """All budgets of one account, and how many calls may be in flight. Thread-safe."""

    def __init__(self, budgets: tuple[Budget, ...] = (), *, in_flight_max: int = 4) -> None:
        self.budgets = budgets
        self._now: Callable[[], float] = time.time
        self._sleep: Callable[[float], None] = time.sleep
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(in_flight_max)
        self._shared: Shared | None = None
        self._closed = (0.0, 0.0)  # (until, looked at)

    def share(self, shared: Shared) -> None:
        """Share these budgets, and a circuit breaker, with every process that works for this account."""
        self._shared = shared
        for budget in self.budgets:
            if isinstance(budget, Window):
                budget.share(shared)

    def run_on(self, now: Callable[[], float], sleep: Callable[[float], None]) -> None:
        """Take the time, and wait, by this clock; the calls' own does."""
        self._now, self._sleep = now, sleep
        for budget in self.budgets:
            budget.run_on(now)

    @contextmanager
    def paying(self, cost: int, *, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Hold a slot and take `cost` of every budget; RateLimited when that would take longer than the patience."""
        self._open_circuit()
        with self._slots:
            left = patience_seconds  # counted in what was waited, so that a clock that stands still ends it too
            for budget in self.budgets:
                while True:
                    with self._lock:
                        seconds = budget.wait(cost)
                    if seconds <= 0:
                        break
                    if seconds > left:
                        raise RateLimited(
                            f"our budget at the vendor is used up for {round(seconds)} s",
                            until=self._now() + seconds,
                            code="TO6207",
                            fix="nothing to do: the work goes on by itself then",
                        )
                    left -= seconds
                    self._sleep(seconds)
            yield from self._watched()

    def _open_circuit(self) -> None:
        """RateLimited while the vendor asked for silence, or failed so often that only one trial at a time goes out."""
        if self._shared is None:
            return
        now = self._now()
        if now - self._closed[1] >= CLOSED_SEEN_SECONDS or now < self._closed[1]:
            self._closed = (self._shared.closed_until(), now)
        if now < self._closed[0]:
            raise _later("another process was told to wait by the vendor", self._closed[0], "TO6204")
        until = self._shared.trial(now, TRIAL_SECONDS)
        if until:
            raise _later("the vendor failed many times in a row", until, "TO6217")

    def _watched(self) -> Iterator[None]:
        """Count failures of the vendor in a row; an answer, whatever it says, ends them."""
        try:
            yield
        except (Retryable, Ambiguous):
            if self._shared is not None:
                self._shared.failed(self._now(), open_seconds)
            raise
        except VendorError:
            if self._shared is not None:
                self._shared.succeeded()
            raise
        if self._shared is not None:
            self._shared.succeeded()

    def refused(self, until: float) -> None:
        """A 429: close every budget until then."""
        with self._lock:
            for budget in self.budgets:
                budget.refused(until)
        if self._shared is not None:
            self._shared.refused(until)


def open_seconds(failures: int) -> float:
    """For how long nobody calls after so many failures in a row: doubling, bounded."""
    if failures < FAILURES_MAX:
        return 0.0
    doublings = min(failures - FAILURES_MAX, 10)
    return min(OPEN_SECONDS_MAX, OPEN_SECONDS * (1 << doublings))


def _later(what: str, until: float, code: str) -> RateLimited:
    at = datetime.fromtimestamp(int(until), UTC).isoformat().replace("+00:00", "Z")
    fix = "nothing to do: the work goes on by itself then"
    return RateLimited(f"{what}; the next call goes out at {at}", until=until, code=code, fix=fix)
