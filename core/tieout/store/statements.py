"""Named questions to the journal, as plain SQL that both databases take; reports print them beside their answers.

Every one is set-based and sums integers. `:through` and `:start` are posting days, `:company` the store's number,
`:roles` a list. A booking has two sides; `_SIDES` is the journal as one-sided lines, debit positive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from tieout.store.tx import Tx


class Statement(NamedTuple):
    """A named query. `sql` has named parameters."""

    name: str
    sql: str


_LEGS = "SELECT id FROM leg WHERE company = :company AND role IN :roles"
_LIVE = "e.company = :company AND e.state <> 'withdrawn' AND e.day <= :through"


def _sides(columns: str, more: str = "") -> str:
    """Bookings of live entries as one-sided lines on legs of `:roles`."""
    shared = f'b.id, b.entry, b.event, b.affected, b.flags, b.layers, b."row", e.day AS posted{columns}'
    return f"""
    SELECT {shared}, b.debit AS leg, b.item AS item, b.amount AS amount, b.quantity AS quantity
    FROM booking b JOIN entry e ON e.id = b.entry
    WHERE {_LIVE} AND b.debit IN ({_LEGS}){more}
    UNION ALL
    SELECT {shared}, b.credit, coalesce(b.credit_item, b.item), -b.amount, -b.quantity
    FROM booking b JOIN entry e ON e.id = b.entry
    WHERE {_LIVE} AND b.credit IN ({_LEGS}){more}"""


ROLL_FORWARD = Statement(
    "roll-forward",
    f"""SELECT s.leg, s.item,
       CASE WHEN s.posted < :start THEN 0
            WHEN s.affected IS NOT NULL OR s.flags & 2 <> 0 OR s.corrects IS NOT NULL THEN 3
            WHEN s.quantity > 0 OR (s.quantity = 0 AND s.amount > 0) THEN 1
            ELSE 2 END AS part,
       SUM(s.amount) AS amount, SUM(s.quantity) AS quantity
FROM ({_sides(", e.corrects")}) s
GROUP BY 1, 2, 3""",
)

MARGIN = Statement(
    "margin",
    f"""SELECT l.role, s.item, coalesce(a.channel, v.channel) AS channel, s.period,
       SUM(s.amount) AS amount, SUM(s.quantity) AS quantity
FROM ({_sides(", e.period", " AND e.day >= :start")}) s
JOIN leg l ON l.id = s.leg
JOIN event v ON v.id = s.event
LEFT JOIN event a ON a.id = s.affected
GROUP BY 1, 2, 3, 4""",
)

CLEARING = Statement(
    "clearing lines",
    f"""SELECT s.event, s.leg, s.item, MIN(s.posted) AS posted, SUM(s.amount) AS amount, SUM(s.quantity) AS quantity
FROM ({_sides("")}) s
GROUP BY 1, 2, 3""",
)

RESTATED = Statement(
    "restated movements",
    f"""SELECT s.affected, s.event, s.item, s."row", SUM(s.amount) AS amount
FROM ({_sides("", " AND e.day >= :start AND b.affected IS NOT NULL")}) s
GROUP BY 1, 2, 3, 4""",
)

OWN_COSTS = Statement(
    "own costs of restated movements",
    f"""SELECT s.event, SUM(s.amount) AS amount, SUM(s.quantity) AS quantity
FROM ({_sides("", " AND b.affected IS NULL AND b.event IN (SELECT affected FROM booking WHERE affected IS NOT NULL)")}) s
GROUP BY 1""",
)

RECEIPTS = Statement(
    "receipts by cost",
    f"""SELECT s.event, s.item, v.at, SUM(s.amount) AS amount, SUM(s.quantity) AS quantity
FROM ({_sides("", " AND b.affected IS NULL")}) s
JOIN event v ON v.id = s.event
WHERE v.type IN (SELECT id FROM name WHERE company = :company AND kind = 'type' AND text IN :types)
GROUP BY 1, 2, 3
HAVING SUM(s.quantity) > 0
ORDER BY s.item, v.at, s.event""",
)

COUNTED = Statement(
    "count variances",
    f"""SELECT s.event, s.leg, s.item, SUM(s.amount) AS amount, SUM(s.quantity) AS quantity
FROM ({_sides("", " AND e.day >= :start")}) s
JOIN event v ON v.id = s.event
WHERE v.type IN (SELECT id FROM name WHERE company = :company AND kind = 'type' AND text IN :types)
GROUP BY 1, 2, 3
HAVING SUM(s.amount) <> 0 OR SUM(s.quantity) <> 0""",
)

BALANCES = Statement(
    "balances by role",
    f"""SELECT s.leg, SUM(s.amount) AS amount, SUM(s.quantity) AS quantity
FROM ({_sides("")}) s
GROUP BY 1""",
)

PROVISIONAL_ITEMS = Statement(
    "items ever issued at an estimate",
    f"""SELECT DISTINCT b.event FROM booking b JOIN entry e ON e.id = b.entry
WHERE {_LIVE} AND b.flags & 1 <> 0""",
)

JOURNAL = Statement(
    "the journal, booking by booking",
    """SELECT b.id, b.entry, v.key AS event, v.line_id, a.key AS affected, a.line_id AS affected_line, b.debit, b.credit,
       b.amount, b.quantity, b.item, b.credit_item, b.day, b."row", b.flags, b.layers
FROM booking b JOIN entry e ON e.id = b.entry JOIN event v ON v.id = b.event LEFT JOIN event a ON a.id = b.affected
WHERE e.company = :company AND b.id > :after AND b.id <= :until
ORDER BY b.id""",
)

_TYPES: Mapping[str, Any] = {"through": sa.Date(), "start": sa.Date()}


def ask(tx: Tx, statement: Statement, **given: int | str | date | Sequence[str]) -> list[Any]:
    """The rows of a named query."""
    binds = [
        sa.bindparam(name, list(value), expanding=True)
        if isinstance(value, list | tuple)
        else sa.bindparam(name, value, type_=_TYPES.get(name))
        for name, value in given.items()
    ]
    text = sa.text(statement.sql).bindparams(*binds)
    return list(tx.execute(text).all())
