"""Budgets of calls: what a vendor allows in a window of time, in flight, or in points that restore. Its own word is believed.

A budget belongs to one account at the vendor (a realm, a tenant, a shop). `take` waits a little where that is enough;
where it is not, it raises `RateLimited` with the moment it will be possible, and the work is put off, not asleep.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from tieout.errors import RateLimited

PATIENCE_SECONDS: Final = 30.0  # longest wait for a budget before a write
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


class Window:
    """`calls` in each window of `seconds`: fixed windows, as vendors count them. The vendor's own remainder overrides."""

    def __init__(self, name: str, calls: int, seconds: float) -> None:
        self.name = name
        self.calls = calls
        self.seconds = seconds
        self._now: Callable[[], float] = time.time
        self._ends = 0.0
        self._left = calls
        self._closed_until = 0.0

    def wait(self, cost: int) -> float:
        now = self._now()
        if now < self._closed_until:
            return self._closed_until - now
        if now >= self._ends:
            self._ends, self._left = now + self.seconds, self.calls
        if cost > self._left:
            return self._ends - now
        self._left -= cost
        return 0.0

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

    def run_on(self, now: Callable[[], float], sleep: Callable[[float], None]) -> None:
        """Take the time, and wait, by this clock; the calls' own does."""
        self._now, self._sleep = now, sleep
        for budget in self.budgets:
            budget.run_on(now)

    @contextmanager
    def paying(self, cost: int, *, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Hold a slot and take `cost` of every budget; RateLimited when that would take longer than the patience."""
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
            yield

    def refused(self, until: float) -> None:
        """A 429: close every budget until then."""
        with self._lock:
            for budget in self.budgets:
                budget.refused(until)
