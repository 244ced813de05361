"""One company's office: its desk, its intake, its books, its delivery lane and its tie-out, made once per process."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import sqlalchemy as sa

from tieout.deliver.drain import Drained, drain, retry_rejected
from tieout.deliver.problems import STAGE
from tieout.deliver.settings import Delivery
from tieout.errors import TieoutError
from tieout.operations.books import Books
from tieout.operations.desk import Desk
from tieout.operations.intake import Intake
from tieout.operations.tie import tie_out
from tieout.store.exceptions import list_exceptions
from tieout.store.schema import cursor

RETRIED = ("TO6110", "TO6116")  # refused by the ledger, held by its lock date: surely not in it


class Office:
    """Composition of one company's stages."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.intake = Intake(desk)
        self.books = Books(desk)

    def delivery(self) -> Delivery | None:
        """The ledger lane, None while the company has no ledger."""
        desk, company = self.desk, self.desk.company
        ledger = desk.ledger()
        if ledger is None:
            return None
        return Delivery(
            company=desk.id,
            code=company.code,
            currency=company.currency,
            connection=desk.ledger_id,
            ledger=ledger,
            days=desk.days,
            calendar=company.calendar,
            locked_through=company.locked_through,
            locked_period=company.policies.at(desk.today()).locked_period,
            native_as_journal=company.posting.native_as_journal,
            seal_lag_seconds=int(company.posting.seal_lag.total_seconds()),
            actor=desk.actor,
            clock=desk.micros,
            sleep=desk.sleep,
        )

    def deliver(self, *, seal_now: bool = False, progress: Callable[[str], None] = lambda _: None) -> Drained | None:
        """Seal what is due and send it; None while there is no ledger."""
        delivery = self.delivery()
        if delivery is None:
            return None
        delivery = delivery._replace(progress=progress)
        with self.desk.store.read() as rx:
            query = sa.select(cursor.c.watermark).where(cursor.c.company == self.desk.id)
            watermarks = list(rx.execute(query).scalars())
        drained = drain(self.desk.store, self.desk.journal, delivery, watermarks=watermarks, seal_now=seal_now)
        self.desk.journal.forget()
        return drained

    def retry_refused(self, numbers: Collection[int] | None) -> tuple[list[int], list[int]]:
        """Entries the ledger refused, or that its lock date held, once more after the reason was mended: (exceptions that
        are through, those still open). `numbers` None: all open ones. A parked entry is not retried here: whether it is in
        the ledger takes a look by a person."""
        delivery = self.delivery()
        if delivery is None:
            return [], []
        desk = self.desk
        with desk.store.read() as rx:
            rows = [
                row
                for row in list_exceptions(rx, desk.id, stage=STAGE)
                if row["code"] in RETRIED and (numbers is None or row["id"] in numbers)
            ]
        done: list[int] = []
        open_: list[int] = []
        for row in rows:
            try:
                with desk.store.write() as tx:
                    retry_rejected(tx, delivery, row["entry"], actor=desk.actor)
                done.append(row["id"])
            except TieoutError as error:
                if error.code != "TO6115":
                    raise
                open_.append(row["id"])  # another part of it is in the ledger: voiding that is a person's work
        desk.journal.forget()
        return done, open_

    def tie_out(self, as_of: str | None = None) -> dict[str, Any]:
        """The three ties, with every difference named."""
        return tie_out(self.desk, self.intake, as_of=as_of)
