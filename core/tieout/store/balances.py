"""Sums over the journal: balances per account, quantities per item and place, value per item. One scan each, grouped in
the database, over bookings of every entry that is not withdrawn."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from tieout.model.journal import Leg
from tieout.model.roles import CONTROL_ROLES, STOCK_ROLES
from tieout.store.journal import Journal
from tieout.store.schema import booking, entry, event
from tieout.store.tx import Tx

DELIVERED = ("posted", "confirmed")


class EntrySum(NamedTuple):
    """What one entry adds to one account, in minor units, debit positive."""

    entry: int
    account: str
    amount: int


def _sides(*keys: sa.ColumnElement[Any]) -> Iterable[tuple[int, sa.Select[Any]]]:
    """Two selects over live bookings of one company: (sign, leg, item, amount, quantity, *keys), grouped."""
    for sign, side, item in (
        (1, booking.c.debit, booking.c.item),
        (-1, booking.c.credit, sa.func.coalesce(booking.c.credit_item, booking.c.item)),
    ):
        columns = (side.label("leg"), item.label("item"), *keys)
        query = (
            sa.select(*columns, sa.func.sum(booking.c.amount), sa.func.sum(booking.c.quantity))
            .select_from(booking.join(entry, entry.c.id == booking.c.entry))
            .where(entry.c.state != "withdrawn")
            .group_by(*columns)
        )
        yield sign, query


def _rows(tx: Tx, query: sa.Select[Any]) -> list[Any]:
    return list(tx.execute(query).all())


def by_leg(tx: Tx, journal: Journal, *, through: date | None = None) -> dict[Leg, int]:
    """Balance of every leg by posting date, in minor units, debit positive; zeros left out."""
    sums: dict[int, int] = {}
    for sign, query in _sides():
        query = query.where(entry.c.company == journal.company)
        if through is not None:
            query = query.where(entry.c.day <= through)
        for leg, _, amount, _ in _rows(tx, query):
            sums[leg] = sums.get(leg, 0) + sign * int(amount)
    legs = journal.legs(tx, sums)
    return {legs[number]: amount for number, amount in sums.items() if amount}


def by_account(
    tx: Tx, journal: Journal, *, through: date | None = None, roles: Collection[str] | None = None
) -> dict[str, int]:
    """Balance per account by posting date (of these roles only, where given), debit positive; zeros left out."""
    out: dict[str, int] = {}
    for leg, amount in by_leg(tx, journal, through=through).items():
        if roles is None or leg.role in roles:
            out[leg.account] = out.get(leg.account, 0) + amount
    return {account: amount for account, amount in out.items() if amount}


def accounts_used(tx: Tx, journal: Journal) -> set[str]:
    """Every account anything was ever posted to, those that came back to zero with them."""
    query_of = [query.where(entry.c.company == journal.company) for _, query in _sides()]
    legs = journal.legs(tx, {row[0] for query in query_of for row in _rows(tx, query)})
    return {leg.account for leg in legs.values()}


def undelivered(tx: Tx, journal: Journal, ledger: str, *, through: date | None = None) -> list[EntrySum]:
    """What each entry that is not yet known to be in the ledger would add to each account."""
    sums: dict[tuple[int, str], int] = {}
    for sign, query in _sides(booking.c.entry):
        query = query.where(
            entry.c.company == journal.company, entry.c.ledger == ledger, entry.c.state.not_in(DELIVERED)
        )
        if through is not None:
            query = query.where(entry.c.day <= through)
        rows = _rows(tx, query)
        legs = journal.legs(tx, {row[0] for row in rows})
        for leg, _, number, amount, _ in rows:
            key = (number, legs[leg].account)
            sums[key] = sums.get(key, 0) + sign * int(amount)
    return [EntrySum(*key, amount) for key, amount in sorted(sums.items()) if amount]


def stock(tx: Tx, journal: Journal, *, as_of: int | None = None) -> dict[tuple[str, str], int]:
    """Units on hand in millionths per (item, location), from bookings of events effective up to `as_of` (UTC
    microseconds, inclusive). Zeros are left out."""
    sums: dict[tuple[int, int], int] = {}
    for sign, query in _sides():
        query = query.where(entry.c.company == journal.company, booking.c.quantity != 0)
        if as_of is not None:
            query = query.join(event, event.c.id == booking.c.event).where(event.c.at <= as_of)
        for leg, item, _, quantity in _rows(tx, query):
            if item is not None:
                sums[leg, item] = sums.get((leg, item), 0) + sign * int(quantity)
    legs = journal.legs(tx, {leg for leg, _ in sums})
    word = journal.names.texts(tx, {item for _, item in sums})
    out: dict[tuple[str, str], int] = {}
    for (number, item), quantity in sums.items():
        leg = legs[number]
        if leg.role in STOCK_ROLES:
            key = (word[item], leg.location)
            out[key] = out.get(key, 0) + quantity
    return {key: quantity for key, quantity in sorted(out.items()) if quantity}


def control_value(tx: Tx, journal: Journal, *, through: date | None = None) -> dict[tuple[str, str], int]:
    """Value per (item, account) on the control accounts (matrix §22.2) of everything effective until the end of a day, in
    minor units; item '' where a booking names none. Zeros are left out."""
    sums: dict[tuple[int, int | None], int] = {}
    for sign, query in _sides():
        query = query.where(entry.c.company == journal.company)
        if through is not None:
            query = query.where(booking.c.day <= through.toordinal())
        for leg, item, amount, _ in _rows(tx, query):
            sums[leg, item] = sums.get((leg, item), 0) + sign * int(amount)
    legs = journal.legs(tx, {leg for leg, _ in sums})
    word = journal.names.texts(tx, {item for _, item in sums})
    out: dict[tuple[str, str], int] = {}
    for (number, item), amount in sums.items():
        leg = legs[number]
        if leg.role in CONTROL_ROLES:
            key = (word[item] if item else "", leg.account)
            out[key] = out.get(key, 0) + amount
    return {key: amount for key, amount in sorted(out.items()) if amount}
