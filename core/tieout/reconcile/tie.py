"""The three ties of one company as of a day, put together: what differs, why, and what has no reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from tieout.connector import Ledger
from tieout.model.catalogue import EVENT_TYPES
from tieout.model.journal import LedgerEntry
from tieout.model.money import from_minor
from tieout.reconcile import result as causes
from tieout.reconcile.documents import Documents, compare_documents, foreign_details
from tieout.reconcile.result import AccountRow, Detail, Result, in_order
from tieout.reconcile.stock import HeldMovement, SourceStock, compare_stock
from tieout.store import balances, outbox
from tieout.store.exceptions import list_exceptions
from tieout.store.journal import Journal
from tieout.store.lines import load_lines
from tieout.store.schema import event
from tieout.store.tx import Tx

_WHY = {
    outbox.PLANNED: causes.NOT_SEALED,
    outbox.PENDING: causes.PENDING,
    outbox.SENDING: causes.IN_FLIGHT,
    outbox.UNKNOWN: causes.IN_FLIGHT,
    outbox.REJECTED: causes.REFUSED,
    outbox.PARKED: causes.PARKED,
}


class LedgerView(NamedTuple):
    """What a ledger shows: balances per control account at the end of a day, and every entry on our accounts until then."""

    balances: Mapping[str, int]
    entries: Sequence[LedgerEntry]


def read_ledger(ledger: Ledger, control: Sequence[str], others: Iterable[str], as_of: date) -> LedgerView:
    """Ask a ledger. `others`: the further accounts our documents touch. Raises from the VendorError tree."""
    found = {balance.account: balance.amount for balance in ledger.balances(control, as_of)}
    seen: dict[str, LedgerEntry] = {}
    for each in ledger.entries(sorted({*control, *others}), None):
        if each.day <= as_of:
            seen[each.ledger_id] = each
    return LedgerView(found, list(seen.values()))


class Question(NamedTuple):
    """What to tie out. `control`: control account → role(s) in words. `instant`: the end of `as_of` in the company's zone,
    UTC microseconds. `values`: item → value of its layers in minor units, from valuation; None to leave that out.
    `ledger` None: the company has none, or it cannot be read (then say so in `notes`). `held`: movements that
    exceptions keep out, beside those this module finds itself."""

    company: str
    currency: str
    connection: str
    as_of: date
    instant: int
    control: Mapping[str, str]
    values: Mapping[str, int] | None = None
    ledger: LedgerView | None = None
    sources: Sequence[SourceStock] = ()
    held: Sequence[HeldMovement] = ()
    notes: Sequence[str] = ()


def reconcile(rx: Tx, journal: Journal, question: Question) -> Result:
    """Tie out. Reads only."""
    held, held_items = _held(rx, journal, question.instant)
    stock_now = balances.stock(rx, journal, as_of=question.instant)
    locations, details = compare_stock(
        question.sources,
        lambda at: stock_now if at >= question.instant else balances.stock(rx, journal, as_of=at),
        stock_now,
        [*held, *question.held],
    )
    layers, gaps = _layers(rx, journal, question, held_items)
    accounts, documents, more = _money(rx, journal, question, layers)
    details += [*gaps, *more]
    return Result(
        company=question.company,
        currency=question.currency,
        as_of=question.as_of,
        accounts=tuple(accounts),
        locations=tuple(locations),
        details=in_order(details),
        confirmed=tuple(documents.exact) if documents else (),
        notes=tuple(question.notes),
    )


# ── tie 2: value ───────────────────────────────────────────────────────────────────────────────────────────────────
def _money(
    rx: Tx, journal: Journal, question: Question, layers: Mapping[str, int] | None
) -> tuple[list[AccountRow], Documents | None, list[Detail]]:
    """Journal against ledger per control account, and outbox against documents."""
    control = question.control
    books = balances.by_account(rx, journal, through=question.as_of)
    view = question.ledger
    rows = [
        AccountRow(
            account=account,
            role=role,
            subledger=layers.get(account, 0) if layers is not None else None,
            journal=books.get(account, 0),
            ledger=view.balances.get(account, 0) if view is not None else None,
        )
        for account, role in sorted(control.items())
    ]
    if view is None:
        return rows, None, []
    ours = {
        reference: row
        for reference, row in outbox.by_reference(rx, journal.company, question.connection).items()
        if row.day <= question.as_of and row.state != outbox.WITHDRAWN
    }
    documents = compare_documents(ours, view.entries, control)
    details = [*documents.details, *_on_the_way(rx, journal, question, documents)]
    details += _opening(rx, journal, question, documents)
    for row in rows:
        rest = row.difference - sum(detail.amount for detail in details if detail.account == row.account)
        if rest:
            what = f"{row.account}: the ledger's balance is not the sum of what is known to be in it"
            details.append(Detail(causes.UNEXPLAINED, what, rest, account=row.account))
    return rows, documents, details


def _on_the_way(rx: Tx, journal: Journal, question: Question, documents: Documents) -> list[Detail]:
    """Entries the ledger does not hold yet, by account; a part that is found there counts as there."""
    waiting = balances.undelivered(rx, journal, question.connection, through=question.as_of)
    rows = {row.id: row for row in outbox.entries(rx, journal.company, question.connection, list(_WHY))}
    parts: dict[int, list[Any]] = {}
    out = []
    for number, account, amount in waiting:
        if account not in question.control:
            continue
        row = rows[number]
        if row.sealed_at is None:
            out.append(_undelivered(row, account, amount))
            continue
        if number not in parts:
            parts[number] = outbox.parts_of(rx, row)
        out += _parts(parts[number], account, documents)
    # parts of an entry whose first part (which carries the bookings) is delivered
    first_done = {
        (row.grouping, row.n, row.revision): row
        for row in rows.values()
        if row.part > 1 and row.id not in parts and row.reference not in documents.present
    }
    for row in first_done.values():
        siblings = outbox.parts_of(rx, row)
        if siblings[0].state in balances.DELIVERED:
            for account in question.control:
                out += _parts(siblings, account, documents)
    return out


def _parts(parts: Sequence[Any], account: str, documents: Documents) -> list[Detail]:
    out = []
    for part in parts:
        if part.state in _WHY and part.reference not in documents.present:
            amount = outbox.amounts(part).get(account, 0)
            if amount:
                out.append(_undelivered(part, account, amount))
    return out


def _undelivered(row: Any, account: str, amount: int) -> Detail:
    cause = _WHY[row.state]
    if row.state == outbox.PLANNED and row.sealed_at is not None:
        cause = causes.PROPOSED
    what = f"entry {row.id} of {row.day}: {row.state}"
    return Detail(cause, what, amount, document=row.reference or "", account=account, entry=row.id)


def _opening(rx: Tx, journal: Journal, question: Question, documents: Documents) -> list[Detail]:
    """What the ledger carried before we came (OPN-02) against its own entries up to that day; the rest is foreign."""
    rows = [
        row
        for row in outbox.entries(rx, journal.company, question.connection, balances.DELIVERED)
        if row.kind == "external"
    ]
    sums: dict[str, int] = {}
    for row in rows:
        for account, amount in outbox.amounts(row).items():
            if account in question.control and row.day <= question.as_of:
                sums[account] = sums.get(account, 0) + amount
    if not sums:
        return foreign_details(documents.foreign, question.control)
    last = max(row.day for row in rows)
    before = [each for each in documents.foreign if each.day <= last]
    after = [each for each in documents.foreign if each.day > last]
    details = foreign_details(before, question.control)
    carried = dict.fromkeys(sums, 0)
    for detail in details:
        if detail.account in carried:
            carried[detail.account] -= detail.amount
    matched = {account for account, amount in sums.items() if carried[account] == amount}
    out = [detail for detail in details if detail.account not in matched]
    for account in sorted(sums.keys() - matched):
        what = f"{from_minor(sums[account], question.currency)} should have been on {account} by {last}"
        out.append(Detail(causes.OPENING, what, sums[account], account=account))
    return [*out, *foreign_details(after, question.control)]


def _layers(
    rx: Tx, journal: Journal, question: Question, held_items: Mapping[str, str]
) -> tuple[dict[str, int] | None, list[Detail]]:
    """Value of the layers per control account, and where it differs from what was posted. They are equal by construction,
    so a gap that no exception at posting explains is unexplained. A gap is shown on the item's largest account."""
    if question.values is None:
        return None, []
    posted = balances.control_value(rx, journal, through=question.as_of)
    per_account: dict[str, int] = {}
    of_item: dict[str, list[tuple[int, str]]] = {}
    for (item, account), amount in posted.items():
        per_account[account] = per_account.get(account, 0) + amount
        of_item.setdefault(item, []).append((amount, account))
    out = []
    for item in sorted(of_item.keys() | question.values.keys()):
        known = of_item.get(item, [])
        gap = question.values.get(item, 0) - sum(amount for amount, _ in known)
        if not gap:
            continue
        account = (
            max(known, key=lambda pair: (abs(pair[0]), pair[1]))[1] if known else min(question.control, default="")
        )
        per_account[account] = per_account.get(account, 0) + gap
        if item in held_items:
            out.append(Detail(causes.HELD, held_items[item], gap, item=item))
        else:
            what = f"the layers of {item or 'no item'} are not worth what was posted for it"
            out.append(Detail(causes.UNEXPLAINED, what, gap, item=item))
    return per_account, out


# ── exceptions ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _held(rx: Tx, journal: Journal, instant: int) -> tuple[list[HeldMovement], dict[str, str]]:
    """Units kept out of the subledger by open exceptions of landed events, and the items whose value they hold up."""
    opened = [row for row in list_exceptions(rx, journal.company) if row["event"] is not None]
    if not opened:
        return [], {}
    numbers = {row["event"]: row for row in opened}
    keys = {row[0] for row in rx.select_keys(event, ("key",), "id", numbers)}
    found = load_lines(rx, journal.names, event.c.key.in_(keys)) if keys else ([], [])
    by_event: dict[str, dict[str, Any]] = {}
    for number, line in zip(*found, strict=True):
        if number in numbers:
            by_event[line.event_id] = numbers[number]
    movements, items = [], {}
    for _, line in zip(*found, strict=True):
        problem = by_event.get(line.event_id)
        if problem is None or line.at > instant or not line.item:
            continue
        what = f"exception {problem['id']} ({problem['code']}): {problem['message']}"
        items[line.item] = what
        movements.append(HeldMovement(line.item, line.location, on_hand(line.type, line.quantity), what, line.document))
    return movements, items


def on_hand(event_type: str, quantity: int) -> int | None:
    """What an event line does to the units at its location; None where that takes valuation to say."""
    if event_type == "stock.adjusted":
        return quantity
    if event_type == "transfer.dispatched":
        return -quantity
    if event_type == "transfer.received":
        return quantity
    known = EVENT_TYPES.get(event_type)
    return {"in": quantity, "out": -quantity, "cost": 0, "none": 0}.get(known.units) if known else None
