"""What each item's valuation state is worth, per control role: a cache of the subledger, rebuilt with the states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tieout.store.names import Names
from tieout.store.schema import holding
from tieout.store.tx import Row, Tx

ITEMS_PER_DELETE = 5_000


def write_holdings(tx: Tx, company: int, items: Sequence[int], rows: Sequence[Row]) -> None:
    """Replace what is kept for these items (name ids). Rows: company, item, role, quantity, value."""
    known = {row[0] for row in tx.select_keys(holding, ("item",), "item", items, company=company)}
    stale = sorted(known)
    for start in range(0, len(stale), ITEMS_PER_DELETE):
        chunk = stale[start : start + ITEMS_PER_DELETE]
        tx.execute(sa.delete(holding).where(holding.c.company == company, holding.c.item.in_(chunk)))
    tx.insert(holding, ("company", "item", "role", "quantity", "value"), rows)


def worth(tx: Tx, names: Names) -> dict[str, int]:
    """Value per item over all control roles, in minor units."""
    total = sa.func.sum(holding.c.value)
    query = sa.select(holding.c.item, total).where(holding.c.company == names.company).group_by(holding.c.item)
    rows: list[Any] = list(tx.execute(query).all())
    found = {int(row[0]): int(row[1]) for row in rows}
    words = names.texts(tx, found)
    return {words[item]: value for item, value in found.items() if value}
