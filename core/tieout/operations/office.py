"""One company's office: its desk, its intake, its books, its delivery lane and its tie-out, made once per process."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tieout.deliver.drain import Drained, drain
from tieout.deliver.settings import Delivery
from tieout.operations.books import Books
from tieout.operations.desk import Desk
from tieout.operations.intake import Intake
from tieout.store.schema import cursor


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
            seal_lag_seconds=int(company.posting.seal_lag.total_seconds()),
            actor=desk.actor,
        )

    def deliver(self, *, seal_now: bool = False) -> Drained | None:
        """Seal what is due and send it; None while there is no ledger."""
        delivery = self.delivery()
        if delivery is None:
            return None
        with self.desk.store.read() as rx:
            query = sa.select(cursor.c.watermark).where(cursor.c.company == self.desk.id)
            watermarks = list(rx.execute(query).scalars())
        drained = drain(self.desk.store, self.desk.journal, delivery, watermarks=watermarks, seal_now=seal_now)
        self.desk.journal.forget()
        return drained

    def tie_out(self, as_of: str | None = None) -> dict[str, Any]:
        """The three ties, with every difference named."""
        from tieout.operations.tie import tie_out

        return tie_out(self, as_of=as_of)
