"""Simulated time: a fiscal year in seconds. Every part of a simulator asks this clock and no other."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class SimClock:
    """Epoch seconds that stand still until they are moved, or run from a beginning with `running=True`."""

    def __init__(self, start: datetime | None = None, *, running: bool = False) -> None:
        self._base = (start or datetime(2026, 1, 1, tzinfo=UTC)).timestamp()
        self._began = time.monotonic() if running else None
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            return self._base + (time.monotonic() - self._began if self._began is not None else 0)

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)

    def advance(self, by: timedelta | float) -> None:
        """Move time on; never back."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if seconds < 0:
            raise ValueError("time does not run backwards here")
        with self._lock:
            self._base += seconds

    def sleep(self, seconds: float) -> None:
        """For a client under test: waiting moves the clock."""
        self.advance(max(seconds, 0))
