"""Budgets of an account at a vendor, and its circuit breaker, shared by every process of a project through one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tieout.http.budgets import Taken
from tieout.store.schema import budget
from tieout.store.store import Store
from tieout.store.tx import Tx

ACCOUNT: Final = ""  # the row of the account itself: refusals and the breaker; others are windows
MILLION: Final = 1_000_000


class StoreShared:
    """`http.budgets.Shared` in the store. A lost block or trial mends itself: windows and trials end by the clock."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account
        self._failing = True  # until the table says otherwise

    def take(self, name: str, *, calls: int, seconds: float, want: int, least: int, now: float) -> Taken:
        with self._store.write() as tx:
            row = self._row(tx, name)
            ends, taken = (row.ends_at, row.taken) if row is not None else (0, 0)
            if int(now * MILLION) >= ends:
                ends, taken = int((now + seconds) * MILLION), 0
            granted = min(want, calls - taken)
            if granted < least:
                granted = 0
            self._put(tx, name, row, ends_at=ends, taken=taken + granted)
        return Taken(granted, ends / MILLION, 0.0)  # seconds

    def refused(self, until: float) -> None:
        with self._store.write() as tx:
            row = self._row(tx, ACCOUNT)
            before = row.ends_at if row is not None else 0
            self._put(tx, ACCOUNT, row, ends_at=max(before, int(until * MILLION)))

    def closed_until(self) -> float:
        with self._store.read() as rx:
            row = self._row(rx, ACCOUNT)
        self._failing = row is not None and row.failures > 0
        return row.ends_at / MILLION if row is not None else 0.0  # seconds

    def failed(self, now: float, open_seconds: Callable[[int], float]) -> None:
        self._failing = True
        with self._store.write() as tx:
            row = self._row(tx, ACCOUNT)
            failures = (row.failures if row is not None else 0) + 1
            pause = open_seconds(failures)
            until = int((now + pause) * MILLION) if pause else 0
            self._put(tx, ACCOUNT, row, failures=failures, closed_until=until)

    def succeeded(self) -> None:
        if not self._failing:
            return
        with self._store.write() as tx:
            row = self._row(tx, ACCOUNT)
            if row is not None:
                self._put(tx, ACCOUNT, row, failures=0, closed_until=0)
        self._failing = False

    def trial(self, now: float, trial_seconds: float) -> float:
        if not self._failing:
            return 0.0  # seconds
        at = int(now * MILLION)
        with self._store.write() as tx:
            row = self._row(tx, ACCOUNT)
            if row is None or not row.closed_until:
                return 0.0  # seconds
            if at < row.closed_until:
                return float(row.closed_until / MILLION)  # seconds
            self._put(tx, ACCOUNT, row, closed_until=at + int(trial_seconds * MILLION))
        return 0.0  # seconds

    def _mine(self, name: str) -> Any:
        return (budget.c.account == self._account) & (budget.c.name == name)

    def _row(self, tx: Tx, name: str) -> Any:
        query = sa.select(budget).where(self._mine(name))
        if tx.writes and tx.dialect != "sqlite":
            query = query.with_for_update()
        return tx.execute(query).one_or_none()

    def _put(self, tx: Tx, name: str, row: Any, **values: int) -> None:
        if row is not None:
            tx.execute(sa.update(budget).where(self._mine(name)).values(**values))
            return
        empty = {"ends_at": 0, "taken": 0, "closed_until": 0, "failures": 0}
        new = {"account": self._account, "name": name, **empty, **values}
        made = sqlite.insert(budget) if tx.dialect == "sqlite" else postgresql.insert(budget)
        tx.execute(made.values(**new).on_conflict_do_nothing())  # another process was first: its word stands
