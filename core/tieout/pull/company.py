"""What the pull stage must know of a company: who it is, its names and master data, its reasons and owners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa

from tieout.model.event import EPOCH
from tieout.model.facts import NO_FACTS, Facts
from tieout.pull.fresh import Fresh
from tieout.store.exceptions import NewException
from tieout.store.facts import load_facts
from tieout.store.masters import Masters
from tieout.store.names import Names
from tieout.store.schema import company as company_table
from tieout.store.tx import Tx


class Company(msgspec.Struct, kw_only=True):
    """One legal entity. `reasons`: a source's reason text → a reason of the catalogue. `owners`: error code, its first
    three digits with `TO` (`TO32`), or stage → who looks after such exceptions; `owner_of`: the plugins' word on one,
    which goes first. `keys`: folder of the pseudonym keys. `unknown_reason`: policy of that name (matrix §3). `fresh`: what
    this process landed last, for the books."""

    id: int
    code: str
    currency: str
    timezone: str
    names: Names
    masters: Masters
    facts: Facts = NO_FACTS
    reasons: Mapping[str, str] = {}
    unknown_reason: Literal["hold", "suspense"] = "hold"
    owners: Mapping[str, str] = {}
    owner_of: Callable[[NewException], str | None] | None = None
    keys: Path | None = None
    fresh: Fresh = msgspec.field(default_factory=Fresh)

    def owned(self, new: NewException) -> NewException:
        """The same exception with its owner: by hook, by code, by class of code, by stage."""
        if new.owner is None and self.owner_of is not None:
            new.owner = self.owner_of(new)
        if new.owner is None:
            owners = (self.owners.get(name) for name in (new.code, new.code[:4], new.stage))
            new.owner = next((owner for owner in owners if owner), None)
        return new

    def rate_at(self, currency: str, at: int) -> Fraction | None:
        """The exchange rate of the company's day of an instant (UTC microseconds); see `Facts.rate`."""
        day = (EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(self.timezone)).date()
        return self.facts.rate(currency, day)

    def reload(self, tx: Tx) -> None:
        """Read the master data again, after somebody taught something."""
        self.masters = Masters.load(tx, self.id)
        self.facts = load_facts(tx, self.id)


def ensure_company(tx: Tx, code: str, currency: str, timezone: str) -> int:
    """The number of a company; made when new. Currency and zone are brought up to date."""
    t = company_table.c
    row = tx.connection.execute(sa.select(t.id, t.currency, t.timezone).where(t.code == code)).one_or_none()
    if row is None:
        number = tx.allocate(company_table, 1)[0]
        tx.execute(sa.insert(company_table).values(id=number, code=code, currency=currency, timezone=timezone))
        return number
    if (row[1], row[2]) != (currency, timezone):
        tx.execute(sa.update(company_table).where(t.id == row[0]).values(currency=currency, timezone=timezone))
    found: int = row[0]
    return found


def load_company(tx: Tx, code: str, currency: str, timezone: str, **more: object) -> Company:
    """A company ready to pull, with its master data in memory. `more`: the other fields of `Company`."""
    number = ensure_company(tx, code, currency, timezone)
    return Company(
        id=number,
        code=code,
        currency=currency,
        timezone=timezone,
        names=Names(number),
        masters=Masters.load(tx, number),
        facts=load_facts(tx, number),
        **more,  # type: ignore[arg-type]
    )
