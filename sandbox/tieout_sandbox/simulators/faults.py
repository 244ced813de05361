"""Faults by name and seed. A fault is asked for before a request is handled; it says what becomes of the answer.

    faults = Faults(seed=7, rates={"error_after": 0.05, "throttled": 0.1})     each call draws, always the same for a seed
    faults.next("timeout_after")                                               the next call that writes, once

`effect` says whether the vendor did what was asked before things went wrong; that is what exactly-once is about.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple


class Fault(NamedTuple):
    """One kind of fault: what the client sees, whether the effect took place, and which calls it may hit."""

    name: str
    seen: str
    effect: bool
    calls: Literal["any", "write"]
    row: str  # of the fault catalogue


_ALL: Final = (
    Fault("throttled", "429 with Retry-After in seconds", False, "any", "V1"),
    Fault("throttled_date", "429 with Retry-After as a date", False, "any", "V1"),
    Fault("throttled_silent", "429 without Retry-After", False, "any", "V1"),
    Fault("error_before", "503 before the effect", False, "any", "V2"),
    Fault("error_after", "503 after the effect", True, "any", "V2"),
    Fault("server_error_before", "500 before the effect", False, "any", "V2"),
    Fault("server_error_after", "500 after the effect", True, "any", "V2"),
    Fault("timeout_before", "no answer, nothing done", False, "any", "V3"),
    Fault("timeout_after", "no answer, but done", True, "any", "V3"),
    Fault("reset_before", "connection reset, nothing done", False, "any", "V9"),
    Fault("reset_after", "connection reset in the body, but done", True, "any", "V9"),
    Fault("truncated", "200 with half a body", True, "any", "V5"),
    Fault("html", "200 with a page of HTML", True, "any", "V5"),
    Fault("empty", "200 without a body", True, "any", "V5"),
    Fault("slow", "a byte at a time", True, "any", "V4"),
    Fault("expired_token", "401 although the token lives", False, "any", "V7"),
)
FAULTS: Final[Mapping[str, Fault]] = {fault.name: fault for fault in _ALL}


class Faults:
    """What goes wrong, drawn from a seed or asked for by name. Thread-safe; `happened` counts by name, `rates` may change."""

    def __init__(self, seed: int = 0, rates: Mapping[str, float] | None = None) -> None:
        unknown = set(rates or ()) - set(FAULTS)
        if unknown:
            raise ValueError(f"no fault {sorted(unknown)}; known: {', '.join(FAULTS)}")
        self._random = random.Random(seed)
        self.rates = dict(rates or {})
        self._asked: list[Fault] = []
        self._lock = threading.Lock()
        self.happened: Counter[str] = Counter()

    def next(self, *names: str) -> None:
        """These faults for the next calls they fit, in order."""
        with self._lock:
            self._asked += [FAULTS[name] for name in names]

    def draw(self, *, writing: bool) -> Fault | None:
        """What happens to this call; None: nothing."""
        with self._lock:
            found = None
            if self._asked and (writing or self._asked[0].calls == "any"):
                found = self._asked.pop(0)
            elif self.rates:
                dice = self._random.random()  # drawn for every call, so that a call more shifts nothing but itself
                for name, rate in sorted(self.rates.items()):
                    if dice < rate:
                        found = FAULTS[name] if writing or FAULTS[name].calls == "any" else None
                        break
                    dice -= rate
            if found is not None:
                self.happened[found.name] += 1
            return found
