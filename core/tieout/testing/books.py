"""Books in a box: a real store with landed events and posted flows, for tests that begin at the journal.

books = Books(tmp_path)
books.post([flow, flow], taken_back=[...])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from tieout.connector import Ledger
from tieout.deliver.post import Posted, Rules, post
from tieout.deliver.settings import Delivery
from tieout.model.event import EventLine
from tieout.model.journal import Flow
from tieout.model.period import Calendar, OpenDays
from tieout.posting.accounts import AccountMap, AccountRow
from tieout.posting.bookings import Booker
from tieout.posting.dates import CompanyDays, PostingDays
from tieout.store.journal import Journal
from tieout.store.lines import insert_lines
from tieout.store.names import Names
from tieout.store.schema import event
from tieout.store.store import Store
from tieout.testing.databases import store_url

ACCOUNTS = AccountMap(
    AccountRow(role, account)
    for role, account in {
        "inventory": "1400",
        "inventory_transit": "1450",
        "grni": "2100",
        "ap": "2000",
        "cogs": "5000",
        "shrinkage": "5100",
        "ppv": "5200",
        "opening_equity": "3000",
        "migration_difference": "5900",
    }.items()
)
START = 1_772_323_200_000_000  # 2026-03-01T00:00Z, in microseconds


class Books:
    """One company (id 1, code `main`, USD, UTC) in a store at `folder/tieout.db`."""

    def __init__(self, folder: Path, accounts: AccountMap = ACCOUNTS) -> None:
        self.path = folder / "tieout.db"  # on SQLite
        self.store = Store.open(store_url(folder), create=True)
        self.days = CompanyDays("UTC")
        self.calendar = Calendar()
        self.accounts = accounts
        self.lines: dict[int, EventLine] = {}
        self.now = START
        self.restart()

    def restart(self) -> None:
        """What a new process begins with: nothing remembered."""
        self.names = Names(1)
        self.journal = Journal(self.names)
        self.booker = Booker(self.accounts, self.days)

    def clock(self) -> int:
        """Each look at the clock is a millisecond later, so that order is visible."""
        self.now += 1_000
        return self.now

    def close(self) -> None:
        self.store.close()

    def land(self, lines: Sequence[EventLine]) -> list[int]:
        """Event rows of these lines, as if pulled."""
        with self.store.write() as tx:
            ids = list(tx.allocate(event, len(lines)))
            insert_lines(tx, self.names, lines, ids=ids, records=[1] * len(lines), batch=1)
        self.lines.update(zip(ids, lines, strict=True))
        return ids

    def post(
        self,
        flows: Iterable[Flow],
        *,
        taken_back: Sequence[int] = (),
        locked_through: date | None = None,
        lines: Sequence[int] | None = None,
        rules: Rules | None = None,
    ) -> Posted:
        """Land what is new, and post the difference for the lines of these flows (or for event rows `lines`)."""
        flows = list(flows)
        known = {(line.event_id, line.line_id) for line in self.lines.values()}
        new: dict[tuple[str, str], EventLine] = {}
        for flow in flows:
            for line in (flow.line, flow.affected):
                if line is not None and (line.event_id, line.line_id) not in known:
                    new[line.event_id, line.line_id] = line
        self.land(list(new.values()))
        asked = {flow.line.event_id for flow in flows}
        scope = {
            row: line
            for row, line in self.lines.items()
            if row not in taken_back and (row in lines if lines is not None else line.event_id in asked)
        }
        booked = self.booker.book(flows)
        rules = rules or Rules("ledger", PostingDays(OpenDays(locked_through), self.calendar))
        with self.store.write() as tx:
            return post(
                tx,
                self.journal,
                booked.bookings,
                scope,
                rules,
                now=self.clock(),
                taken_back=taken_back,
                refused=booked.refused,
                refers=self.lines,
            )

    def delivery(self, ledger: Ledger, **kw: Any) -> Delivery:
        """The lane to a ledger, with this company's calendar and clock; nothing sleeps."""
        return Delivery(
            company=1,
            code="main",
            currency="USD",
            connection="ledger",
            ledger=ledger,
            days=self.days,
            calendar=self.calendar,
            clock=self.clock,
            sleep=lambda _: None,
            **kw,
        )


def event_line(number: int, type_: str = "order.fulfilled", *, day: date = date(2026, 3, 1), **kw: object) -> EventLine:
    """A line of the `number`-th event, at noon of a day, with the phase of its type."""
    from tieout.model.catalogue import EVENT_TYPES

    at = START + (day - date(2026, 3, 1)).days * 86_400_000_000 + 43_200_000_000
    fields = {"item": "PEN", "location": "MAIN", **kw}
    return EventLine(
        event_id=f"{number:032x}",
        line_id="",
        type=type_,
        at=at + number,
        phase=EVENT_TYPES[type_].phase,
        source="shop/orders",
        **fields,  # type: ignore[arg-type]
    )
