"""Which periods of a company are closed, from what people did: the acts are the only record, in order.

period.prepare   somebody found nothing in the way and signs as preparer
period.close     somebody else signs; from here on nothing is dated inside
period.reopen    with a reason
"""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from tieout.store.acts import record_act
from tieout.store.schema import act, entry
from tieout.store.tx import Tx

PREFIX = "period:"
State = Literal["open", "prepared", "closed"]
_AFTER: dict[str, State] = {"period.prepare": "prepared", "period.close": "closed", "period.reopen": "open"}


class Closing(NamedTuple):
    """Where a period stands: state, by whom and when (UTC microseconds), who prepared it, and what was said with it."""

    period: str
    state: State
    actor: str
    at: int
    preparer: str
    data: dict[str, Any]


def closings(tx: Tx, company: int) -> dict[str, Closing]:
    """Every period anybody ever prepared, closed or re-opened, by name."""
    a = act.c
    # a range, so that the index of subjects serves it
    of_periods = (a.subject >= PREFIX) & (a.subject < PREFIX[:-1] + ";")
    query = sa.select(a.subject, a.what, a.actor, a.at, a.data).where(a.company == company, of_periods).order_by(a.id)
    out: dict[str, Closing] = {}
    for row in tx.execute(query).all():
        subject, what, actor, at, data = tuple(row)
        name = subject.removeprefix(PREFIX)
        state = _AFTER.get(what)
        if state is None:
            continue
        before = out.get(name)
        preparer = actor if state == "prepared" else before.preparer if before and state == "closed" else ""
        out[name] = Closing(name, state, actor, at, preparer, json.loads(data))
    return out


def closed(tx: Tx, company: int) -> list[str]:
    """Names of the periods that are closed now."""
    return sorted(name for name, each in closings(tx, company).items() if each.state == "closed")


def record_closing(tx: Tx, company: int, actor: str, what: str, period: str, data: dict[str, Any]) -> None:
    """Write down an act on a period: `period.prepare`, `period.close` or `period.reopen`."""
    if what not in _AFTER:
        raise ValueError(f"{what} is no act on a period")
    record_act(tx, company, actor, what, PREFIX + period, data)


def corrected_since(tx: Tx, company: int, period: str, at: int) -> int:
    """How many entries of later periods correct this one, opened after an instant."""
    e = entry.c
    query = sa.select(sa.func.count()).where(
        e.company == company, e.corrects == period, e.created_at > at, e.state != "withdrawn"
    )
    return int(tx.execute(query).scalar() or 0)
