"""The tie-out of a company: ask the sources and the ledger, compare, and say it in the shape every report uses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Any

import sqlalchemy as sa

from tieout.connector import StockRow
from tieout.errors import PluginError, VendorError
from tieout.model.money import from_minor
from tieout.model.quantity import to_scaled
from tieout.model.roles import CONTROL_ROLES
from tieout.model.units import factor, unit_code
from tieout.operations.desk import Desk
from tieout.operations.intake import Intake
from tieout.posting.accounts import AccountMap
from tieout.reconcile.record import record
from tieout.reconcile.stock import HeldMovement, Resolved, SourceStock, read_report
from tieout.reconcile.tie import LedgerView, Question, on_hand, read_ledger, reconcile
from tieout.store import balances, holdings, outbox
from tieout.store.exceptions import list_exceptions
from tieout.store.masters import Kind
from tieout.store.schema import batch, entry, event, exception, superseded
from tieout.store.tx import Tx

HELD_STAGES = ("pull", "map", "resolve", "value", "post")  # before an entry is made of it


def tie_out(desk: Desk, intake: Intake, as_of: str | None = None) -> dict[str, Any]:
    """The three ties as of a day (default: the last day anything is known for), with counts and what to do next."""
    day = date.fromisoformat(as_of) if as_of else _latest(desk)
    instant = desk.days.end_of(day) - 1
    notes: list[str] = []
    with desk.store.read() as rx:
        control = _control(rx, desk)
        accounts = balances.accounts_used(rx, desk.journal) | set(control)
        values = _values(rx, desk) if as_of is None else None
        ledger = _ledger(desk, control, accounts, day, notes)
        found = reconcile(
            rx,
            desk.journal,
            Question(
                company=desk.company.code,
                currency=desk.currency,
                connection=desk.ledger_id,
                as_of=day,
                instant=instant,
                control=control,
                values=values,
                ledger=ledger,
                sources=_sources(desk, intake, instant, notes),
                held=_held(rx, desk, instant),
                notes=notes,
            ),
        )
        counts = _counts(rx, desk)
        waiting = _waiting(rx, desk)
    with desk.store.write() as tx:
        record(tx, desk.id, found)
    answer = found.as_dict()
    return {**answer, "held": waiting, "counts": counts, "next": _next(answer, counts)}


def _waiting(rx: Tx, desk: Desk) -> list[dict[str, Any]]:
    """What is kept out of the books by exceptions, the largest amount first. A record the mapping refused has no item or
    quantity anybody could vouch for, so it explains no difference of its own; here it is named, with its amount if known."""
    return [
        {
            "exception": row["id"],
            "stage": row["stage"],
            "code": row["code"],
            "amount": None if row["amount"] is None else from_minor(row["amount"], desk.currency),
            "subject": row["subject"],
            "what": row["message"],
        }
        for row in list_exceptions(rx, desk.id)
        if row["stage"] in HELD_STAGES
    ]


def _latest(desk: Desk) -> date:
    """Today, or the last posting day when the books reach further."""
    with desk.store.read() as rx:
        last = rx.execute(sa.select(sa.func.max(entry.c.day)).where(entry.c.company == desk.id)).scalar()
    return max(desk.today(), last) if last is not None else desk.today()


def _values(rx: Tx, desk: Desk) -> dict[str, int]:
    """Value of the layers per item. What runs in shadow posts nothing and takes no part."""
    worth = holdings.worth(rx, desk.names)
    return {item: value for item, value in worth.items() if desk.mode_of(item) != "shadow"}


def _control(rx: Tx, desk: Desk) -> dict[str, str]:
    """Control account → the roles it carries: those mapped today and those anything was ever posted to."""
    roles: dict[str, set[str]] = {}
    for role, account in mapped(desk.company.accounts):
        if role in CONTROL_ROLES:
            roles.setdefault(account, set()).add(role)
    for leg in balances.by_leg(rx, desk.journal):
        if leg.role in CONTROL_ROLES:
            roles.setdefault(leg.account, set()).add(leg.role)
    used = {leg.account for leg in balances.by_leg(rx, desk.journal)}
    return {account: ", ".join(sorted(of)) for account, of in roles.items() if account in used or "inventory" in of}


def mapped(accounts: AccountMap) -> list[tuple[str, str]]:
    """(role, account) of every row of an account map."""
    return [(row.role, row.account) for row in accounts.rows]


def _ledger(
    desk: Desk, control: Mapping[str, str], accounts: set[str], day: date, notes: list[str]
) -> LedgerView | None:
    ledger = desk.ledger()
    if ledger is None:
        notes.append("no ledger is configured: the subledger is compared with the journal only")
        return None
    try:
        return read_ledger(ledger, sorted(control), accounts, day)
    except VendorError as error:
        notes.append(f"the ledger could not be read: {error.message}")
        return None


def _sources(desk: Desk, intake: Intake, instant: int, notes: list[str]) -> list[SourceStock]:
    """Every source's own stock report at that instant, in our codes."""
    # in the company's zone: a count that bears only a date is one of the company's days
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)).astimezone(desk.days.zone)
    out = []
    for connection in desk.sources():
        try:
            report = intake.source(connection).stock(moment)
        except (VendorError, PluginError) as error:
            notes.append(f"{connection.name}: no stock report: {error.message}")
            continue
        if report is not None:
            out.append(read_report(connection.name, report, partial(_resolve, desk, connection.id)))
    if len(out) > 1:  # each speaks for the places it lists; what another one keeps is not missing in it
        out = [each._replace(locations=frozenset(place for _, place in each.quantities)) for each in out]
    return out


def _held(rx: Tx, desk: Desk, instant: int) -> list[HeldMovement]:
    """Stock that waits with an event nobody could land yet, because one of its words is unknown."""
    out = []
    rows = list_exceptions(rx, desk.id, stage="resolve")
    ids = {row["id"]: bytes.fromhex(row["data"]["event_id"]) for row in rows if row["data"].get("movements")}
    standing = {found[0] for found in rx.select_keys(event, ("key",), "key", set(ids.values()))}
    for row in rows:
        what = f"exception {row['id']} ({row['code']}): {row['message']}"
        unknown = {(kind, word): connection for kind, connection, word, _ in row["data"].get("unknown", ())}
        for event_type, item, location, quantity, at in row["data"].get("movements", ()):
            if at > instant:
                continue
            # where an earlier revision counts already, what is missing is a difference nobody can tell from here
            told = quantity is not None and ids[row["id"]] not in standing
            effect = on_hand(event_type, quantity) if told else None
            if effect == 0:
                continue
            known = _code(desk, "item", item, unknown)
            place = _code(desk, "location", location, unknown)
            out.append(HeldMovement(known, place, effect, what, row["data"].get("event_id", "")))
    return out


def _code(desk: Desk, kind: Kind, word: str, unknown: Mapping[tuple[str, str], str]) -> str:
    """Our code for a word that was unknown when its event came, and may have been taught since; '' while it is not."""
    connection = unknown.get((kind, word))
    return word if connection is None else desk.masters.resolve(kind, connection, word) or ""


def _resolve(desk: Desk, connection: str, row: StockRow) -> Resolved | str:
    masters = desk.masters
    item = masters.resolve("item", connection, row.item)
    if item is None:
        return f"unknown item; {masters.fix('item', connection, row.item)}"
    location = masters.resolve("location", connection, row.location)
    if location is None:
        return f"unknown location {row.location!r}; {masters.fix('location', connection, row.location)}"
    known = masters.item(item)
    quantity = to_scaled(row.quantity)
    if row.unit:
        code = unit_code(row.unit)
        size = factor(code, known.stock_unit, known.units) if code else None
        if size is None:
            return f"no conversion from {row.unit!r} to {known.stock_unit}"
        exact = Fraction(quantity) * size
        if exact.denominator != 1:
            return f"{row.quantity} {row.unit} is not exact in {known.stock_unit}"
        quantity = exact.numerator
    return Resolved(item, location, quantity)


def _counts(rx: Tx, desk: Desk) -> dict[str, int]:
    b, company = batch.c, desk.id
    sums = [sa.func.coalesce(sa.func.sum(column), 0) for column in (b.records, b.duplicates, b.skipped)]
    row = rx.execute(sa.select(*sums).where(b.company == company)).one()
    records, duplicates, skipped = tuple(row)
    gone = sa.select(superseded.c.event)
    current = sa.select(sa.func.count(sa.distinct(event.c.key))).where(
        event.c.company == company, event.c.id.not_in(gone)
    )
    states = outbox.counts(rx, company)
    waiting = sum(n for state, n in states.items() if state not in ("posted", "confirmed", "withdrawn"))
    open_count = sa.select(sa.func.count()).where(exception.c.company == company, exception.c.state == "open")
    return {
        "records": int(records),
        "duplicates": int(duplicates),
        "skipped": int(skipped),
        "events": int(rx.execute(current).scalar() or 0),
        "entries": sum(n for state, n in states.items() if state != "withdrawn"),
        "delivered": sum(n for state, n in states.items() if state in ("posted", "confirmed")),
        "waiting": waiting,
        "exceptions": int(rx.execute(open_count).scalar() or 0),
    }


def _next(answer: Mapping[str, Any], counts: Mapping[str, int]) -> list[str]:
    """The commands that help most now."""
    steps = []
    if counts["exceptions"]:
        steps.append("tieout exceptions list")
    if not answer["tied_out"]:
        steps.append("tieout reconcile")
    if any(row["cause"] == "parked" for row in answer["differences"]):
        steps.append("tieout entries list")
    if any(row["cause"] == "waiting for approval" for row in answer["differences"]):
        steps.append("tieout approvals list")
    if any(row["cause"] == "day not complete" for row in answer["differences"]):
        steps.append("tieout run --seal-now")
    return steps
