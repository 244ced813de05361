"""Exceptions: what could not go on, why, how much money it holds up, what to do, and who should.

One open row per stage and subject: coming up again counts, it does not repeat. A person resolves, assigns or ignores it
(each an act); a newer revision of its record, or a retry that goes through, closes it by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from tieout.errors import StoreError
from tieout.store.acts import now_micros, record_act, to_json
from tieout.store.schema import entry, exception
from tieout.store.tx import Tx

LIST_MAX = 10_000
PARKED = "parked"  # state of an entry on its way to the ledger


class NewException(msgspec.Struct, kw_only=True):
    """An exception to open. `subject` is unique while open; `amount` in minor units of the company's currency."""

    stage: str
    code: str
    subject: str
    message: str
    fix: str = ""
    amount: int | None = None
    record: int | None = None
    event: int | None = None
    entry: int | None = None
    owner: str | None = None
    data: Mapping[str, Any] = {}


def open_exceptions(tx: Tx, company: int, new: Sequence[NewException]) -> list[int]:
    """Open these, or bring their open row up to date and count it. Returns their numbers, in order."""
    e = exception.c
    open_rows: dict[tuple[str, str], tuple[int, str | None]] = {}
    equal = {"company": company, "state": "open"}
    rows = tx.select_keys(exception, ("stage", "subject", "id", "owner"), "subject", {x.subject for x in new}, **equal)
    for stage, subject, number, owner in rows:
        open_rows[stage, subject] = (number, owner)
    numbers = []
    for x in new:
        values: dict[str, Any] = {
            "code": x.code,
            "message": x.message,
            "fix": x.fix or None,
            "amount": x.amount,
            "record": x.record,
            "event": x.event,
            "entry": x.entry,
            "data": to_json(x.data) if x.data else None,
        }
        old = open_rows.get((x.stage, x.subject))
        if old is not None:
            values["owner"] = old[1] or x.owner
            tx.execute(sa.update(exception).where(e.id == old[0]).values(**values, times=e.times + 1))
            numbers.append(old[0])
            continue
        number = tx.allocate(exception, 1)[0]
        tx.execute(
            sa.insert(exception).values(
                id=number,
                company=company,
                stage=x.stage,
                subject=x.subject,
                state="open",
                owner=x.owner,
                times=1,
                opened_at=now_micros(),
                **values,
            )
        )
        open_rows[x.stage, x.subject] = (number, x.owner)
        numbers.append(number)
    return numbers


def close_by_record(tx: Tx, company: int, records: Iterable[int], why: str) -> int:
    """Close the open exceptions of these record rows by themselves. Returns how many."""
    return close_numbers(tx, [row[0] for row in of_records(tx, company, records)], why)


def of_records(tx: Tx, company: int, records: Iterable[int]) -> list[tuple[int, int]]:
    """(number, record row) of the open exceptions of these records."""
    rows = tx.select_keys(exception, ("id", "record"), "record", records, company=company, state="open")
    return [(number, record) for number, record in rows]


def close_numbers(tx: Tx, numbers: Iterable[int], why: str, state: str = "resolved") -> int:
    """Close open exceptions by number."""
    closed, now = 0, now_micros()
    for number in numbers:
        where = (exception.c.id == number) & (exception.c.state == "open")
        result = tx.execute(sa.update(exception).where(where).values(state=state, closed_at=now, closed_why=why))
        closed += result.rowcount
    return closed


def list_exceptions(
    tx: Tx,
    company: int,
    *,
    state: str | None = "open",
    stage: str | None = None,
    code: str | None = None,
    owner: str | None = None,
    limit: int = LIST_MAX,
) -> list[dict[str, Any]]:
    """Exceptions as dictionaries, the largest amount first, then the oldest; `data` decoded."""
    e = exception.c
    query = sa.select(exception).where(e.company == company)
    for column, value in ((e.state, state), (e.stage, stage), (e.code, code), (e.owner, owner)):
        if value is not None:
            query = query.where(column == value)
    query = query.order_by(sa.func.abs(sa.func.coalesce(e.amount, 0)).desc(), e.id).limit(limit)
    return [_plain(row) for row in tx.execute(query).mappings()]


def get_exception(tx: Tx, company: int, number: int) -> dict[str, Any]:
    """One exception. Unknown: StoreError TO8017."""
    where = (exception.c.company == company) & (exception.c.id == number)
    row = tx.execute(sa.select(exception).where(where)).mappings().one_or_none()
    if row is None:
        raise StoreError(f"there is no exception {number}", code="TO8017", fix="tieout exceptions list")
    return _plain(row)


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {**row, "data": json.loads(row["data"]) if row["data"] else {}}


def assign(tx: Tx, company: int, actor: str, number: int, owner: str) -> None:
    """Give an open exception to somebody."""
    _open(tx, company, number)
    tx.execute(sa.update(exception).where(exception.c.id == number).values(owner=owner))
    record_act(tx, company, actor, "exception.assign", str(number), {"owner": owner})


def ignore(tx: Tx, company: int, actor: str, number: int, reason: str) -> None:
    """Leave it for good, with a reason an auditor can read. What it holds stays out of the books, and is listed so."""
    _close(tx, company, actor, number, reason, "ignored", "exception.ignore")


def resolve(tx: Tx, company: int, actor: str, number: int, reason: str) -> None:
    """Declare it settled by other means."""
    _close(tx, company, actor, number, reason, "resolved", "exception.resolve")


def _close(tx: Tx, company: int, actor: str, number: int, reason: str, state: str, what: str) -> None:
    row = _open(tx, company, number)
    number_of = row["entry"]
    if (
        number_of is not None
        and tx.connection.scalar(sa.select(entry.c.state).where(entry.c.id == number_of)) == PARKED
    ):
        raise StoreError(
            f"exception {number} is a parked delivery: whether it is in the ledger has to be decided, not put aside",
            code="TO8020",
            where=row["message"],
            fix=f"tieout entries decide {number_of} --posted-as LEDGER_ID, or --absent; with --reason",
        )
    if not reason.strip():
        raise StoreError("a reason is needed", code="TO8018", where=f"exception {number}", fix="--reason 'why'")
    close_numbers(tx, [number], f"{actor}: {reason}", state)
    data = {"reason": reason, "code": row["code"], "subject": row["subject"], "amount": row["amount"]}
    record_act(tx, company, actor, what, str(number), data)


def _open(tx: Tx, company: int, number: int) -> dict[str, Any]:
    row = get_exception(tx, company, number)
    if row["state"] != "open":
        raise StoreError(
            f"exception {number} is {row['state']} already", code="TO8017", fix="tieout exceptions show " + str(number)
        )
    return row


def unmapped(tx: Tx, company: int, kind: str | None = None) -> list[dict[str, Any]]:
    """What open exceptions do not know, most money first: kind, connection, external id, how many events, amount."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in list_exceptions(tx, company, stage="resolve"):
        for of, connection, external, fix in row["data"].get("unknown", ()):
            if kind is not None and of != kind:
                continue
            key = (of, connection, external)
            entry = found.setdefault(
                key,
                {
                    "kind": of,
                    "connection": connection,
                    "external": external,
                    "events": 0,
                    "amount": 0,
                    "fix": fix,
                },
            )
            entry["events"] += 1
            entry["amount"] += abs(row["amount"] or 0)
    return sorted(found.values(), key=lambda x: (-x["amount"], -x["events"], x["kind"], x["external"]))
