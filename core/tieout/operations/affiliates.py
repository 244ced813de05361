"""Legs between companies of one project: each needs its partner in the other's books (matrix §10)."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from tieout.model.event import EventLine
from tieout.operations.desk import Desk
from tieout.store.history import ReadingHistory
from tieout.store.names import Names
from tieout.store.schema import batch
from tieout.store.schema import company as company_table
from tieout.store.tx import Tx
from tieout.valuation.group import LEGS, unpaired
from tieout.valuation.intercompany import TITLE, partner_missing

END_OF_TIME = 2**62
UNPAIRED = "TO4023"


def admits(desk: Desk, tx: Tx) -> Callable[[EventLine], None] | None:
    """What refuses a leg without its partner (TO4023), reading the affiliate's lines in the same transaction. None where
    the project has one company: an affiliate outside of it cannot be asked."""
    if len(desk.project.companies) < 2:
        return None
    histories: dict[str, ReadingHistory | None] = {}

    def admit(line: EventLine) -> None:
        if line.type not in LEGS or line.reason == TITLE or line.party not in desk.project.companies:
            return
        if line.party not in histories:
            histories[line.party] = _history(tx, line.party)
        history = histories[line.party]
        found = [] if history is None else list(history.document(line.document))
        why = partner_missing(line, [x for x in found if x.party == desk.company.code])
        if why:
            raise unpaired(line, why, desk.currency)

    return admit


def _history(tx: Tx, code: str) -> ReadingHistory | None:
    number = tx.execute(sa.select(company_table.c.id).where(company_table.c.code == code)).scalar()
    if number is None:
        return None
    newest = tx.execute(sa.select(sa.func.max(batch.c.id)).where(batch.c.company == number)).scalar() or 0
    return ReadingHistory(tx, Names(number), done=newest, up_to=newest, horizon=END_OF_TIME)
