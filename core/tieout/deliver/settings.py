"""What a drain of one ledger lane is given: whose books, which ledger, which calendar, which clock."""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple

from tieout.connector import BatchLedger, Capabilities, Ledger
from tieout.model.period import Calendar, OpenDays, Period
from tieout.posting.dates import CompanyDays
from tieout.store.acts import now_micros
from tieout.store.outbox import Lane
from tieout.store.store import Store

SECOND = 1_000_000  # microseconds
GROUP_MAX = 25  # entries claimed in one transaction and settled in one; a commit costs more than most local sends
PROGRESS_ENTRIES = 1_000  # how many are sealed or sent from one word of progress to the next
_drains = itertools.count(1)


def this_holder() -> str:
    """A name for one drain of this process: host, process id, count."""
    return f"{socket.gethostname()}:{os.getpid()}:{next(_drains)}"


def is_dead(holder: str) -> bool:
    """Whether a holder was a process of this machine that is gone. Elsewhere only the lease can tell."""
    host, _, rest = holder.partition(":")
    number = rest.partition(":")[0]
    if host != socket.gethostname() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class Delivery(NamedTuple):
    """One ledger lane of one company. Times in seconds; `clock` gives UTC microseconds.

    `closed` and `locked_through` are our own closed periods; the ledger's lock date is read at each drain.
    `deadline_seconds` is the connector's hard wall for one call; the lease is at least twice that. `group_max`: entries
    sent between two commits, where the ledger can tell afterwards which of them arrived. `progress` is told what is being
    done while there is much of it.
    """

    company: int
    code: str
    currency: str
    connection: str
    ledger: Ledger
    days: CompanyDays
    calendar: Calendar
    closed: Sequence[Period] = ()
    locked_through: date | None = None
    locked_period: str = "next_open_period"
    native_as_journal: bool = False
    seal_lag_seconds: int = 7_200
    deadline_seconds: int = 60
    margin_seconds: int = 60
    retries_max: int = 3
    group_max: int = GROUP_MAX
    parked_max: int = 20
    errors_max: int = 3
    sends_per_key_max: int = 10
    actor: str = "tieout"
    progress: Callable[[str], None] = lambda _: None
    clock: Callable[[], int] = now_micros
    sleep: Callable[[float], None] = time.sleep
    is_dead: Callable[[str], bool] = is_dead

    @property
    def lane(self) -> str:
        return f"deliver:{self.connection}"

    @property
    def capabilities(self) -> Capabilities:
        return self.ledger.manifest.capabilities or Capabilities()

    @property
    def lease(self) -> int:
        """Microseconds: twice the deadline of a call and the clock's margin."""
        return (2 * self.deadline_seconds + self.margin_seconds) * SECOND

    @property
    def send_for(self) -> int:
        """Microseconds after a claim in which calls may begin: half the lease, so that the last one ends within it."""
        return self.lease // 2

    @property
    def group(self) -> int:
        """How many entries may be on their way between two commits. One where a crash would leave a person to find out
        what became of them: without a look-up, a unique reference, or a key that lives for ever."""
        known = self.capabilities.idempotency
        lasting = known.kind == "key" and known.key_seconds is None and not known.replays_errors
        able = known.lookup != "none" or known.unique_reference or lasting
        return max(self.group_max, self.batch) if able else 1

    @property
    def batch(self) -> int:
        """How many documents one call may carry. One where the ledger keys the call and cannot be asked for a document
        of it by our reference: a call that cannot be made again as it was would then be left to a person."""
        able = self.capabilities
        if not isinstance(self.ledger, BatchLedger):
            return 1
        keyed = able.idempotency.batch_key == "call"
        return able.batch_size_max if not keyed or able.idempotency.lookup == "by_reference" else 1

    @property
    def quiet(self) -> int:
        """Microseconds after a deadline until an empty look-up proves absence."""
        known = self.capabilities.idempotency
        return (known.late_commit_seconds_max + known.index_lag_seconds + self.margin_seconds) * SECOND

    def tell(self, what: str, done: int, step: int, of: int) -> None:
        """A word of progress where `step` more have passed a round number or come to the end of many."""
        before = done - step
        if done // PROGRESS_ENTRIES > before // PROGRESS_ENTRIES or (done == of > PROGRESS_ENTRIES):
            self.progress(f"{self.code}: {what} {done:,} of {of:,} entries")

    def open_days(self, ledger_lock: date | None) -> OpenDays:
        """Open days under the later of our own lock and the ledger's."""
        locks = [day for day in (self.locked_through, ledger_lock) if day is not None]
        return OpenDays(max(locks, default=None), self.closed)


class Work(NamedTuple):
    """A drain in progress: the store, what is drained, and the lease it is done under."""

    store: Store
    delivery: Delivery
    held: Lane
