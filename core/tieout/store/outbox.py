"""The outbox: entries on their way to a ledger, their states, and every way one state may become another.

    planned ─▶ pending ─▶ sending ─▶ posted ─▶ confirmed
                  ▲ ▲        ├─▶ rejected ─▶ withdrawn, and planned again as a new revision
                  │ └────────┤ refused before anything left
                  └─ unknown ◀┘ outcome not known ─▶ posted or parked

Every change of an entry on its way carries its fence: a holder whose lease was taken over changes nothing any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from tieout.errors import UsageError
from tieout.model.journal import Document
from tieout.store.acts import record_act
from tieout.store.schema import attempt, booking, entry, lane, receipt
from tieout.store.tx import Tx

PLANNED, PENDING, SENDING, UNKNOWN = "planned", "pending", "sending", "unknown"
POSTED, CONFIRMED, REJECTED, PARKED, WITHDRAWN = "posted", "confirmed", "rejected", "parked", "withdrawn"
STATES = (PLANNED, PENDING, SENDING, UNKNOWN, POSTED, CONFIRMED, REJECTED, PARKED, WITHDRAWN)
# Surely not in the ledger, so these may be withdrawn; nothing else ever is.
WITHDRAWABLE = (PLANNED, PENDING, REJECTED)

_REVISION = ("company", "ledger", "mode", "grouping", "n", "revision")  # what the parts of one entry share
_COPIED = [
    booking.c[name]
    for name in (
        "event",
        "affected",
        "debit",
        "credit",
        "amount",
        "quantity",
        "item",
        "credit_item",
        "day",
        "row",
        "flags",
        "layers",
    )
]

_CLAIM = (
    sa.update(entry)
    .where(entry.c.id == sa.bindparam("to_id"))
    .values(
        state=SENDING,
        key=sa.bindparam("new_key"),
        fence=sa.bindparam("new_fence"),
        attempts=entry.c.attempts + 1,
        deadline=sa.bindparam("new_deadline"),
        sent_at=sa.func.coalesce(entry.c.sent_at, sa.bindparam("now", type_=entry.c.sent_at.type)),
        not_before=None,
    )
)
_POST = (
    sa.update(entry)
    .where(entry.c.id == sa.bindparam("to_id"))
    .values(state=POSTED, ledger_id=sa.bindparam("id_there"), acknowledged_at=sa.bindparam("now"), error=None)
)


class Lane(NamedTuple):
    """A lease on a lane. `fence` goes up by one each time a holder takes it."""

    id: int
    fence: int
    not_before: int | None


class Step(NamedTuple):
    """One step of the `n`-th attempt to deliver an entry. `at` in UTC microseconds.

    outcome: sending, not_begun (claimed, and nothing left), receipt, duplicate, not_sent, rejected, unknown, error, absent
    """

    entry: int
    n: int
    key: str
    at: int
    outcome: str
    detail: str | None = None


class Sealed(NamedTuple):
    """One part of an entry as it is fixed at sealing; `reference` None where nothing is to be delivered."""

    kind: str
    document: str  # canonical JSON
    reference: str | None
    key: str | None
    body: bytes | None
    document_number: str | None


# ── leases ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def take_lane(
    tx: Tx, company: int, what: str, holder: str, *, now: int, lease: int, dead: Collection[str] = ()
) -> Lane | None:
    """The lane, leased to `holder` until `now + lease` (microseconds); None while another holds it. A lease that ran
    out, or whose holder is known to be dead, is taken over."""
    row = tx.execute(sa.select(lane).where(lane.c.company == company, lane.c.what == what).with_for_update()).first()
    if row is None:
        number = tx.allocate(lane, 1)[0]
        tx.execute(
            sa.insert(lane).values(
                id=number, company=company, what=what, fence=1, holder=holder, expires_at=now + lease, progress=0
            )
        )
        return Lane(number, 1, None)
    if row.holder and row.holder != holder and row.expires_at > now and row.holder not in dead:
        return None
    tx.execute(
        sa.update(lane).where(lane.c.id == row.id).values(fence=row.fence + 1, holder=holder, expires_at=now + lease)
    )
    return Lane(row.id, row.fence + 1, row.not_before)


def holder_of(tx: Tx, company: int, what: str) -> str | None:
    """Who holds a lane now, by its last lease."""
    query = sa.select(lane.c.holder).where(lane.c.company == company, lane.c.what == what)
    holder: str | None = tx.connection.scalar(query)
    return holder


def renew_lane(tx: Tx, held: Lane, *, until: int) -> bool:
    """Push the end of a lease; False when it was taken over."""
    where = (lane.c.id == held.id) & (lane.c.fence == held.fence)
    return tx.execute(sa.update(lane).where(where).values(expires_at=until)).rowcount == 1


def release_lane(tx: Tx, held: Lane, *, now: int, not_before: int | None = None) -> None:
    """Give a lane back; it is not served again before `not_before`."""
    where = (lane.c.id == held.id) & (lane.c.fence == held.fence)
    tx.execute(
        sa.update(lane).where(where).values(holder=None, expires_at=None, last_served=now, not_before=not_before)
    )


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────
def entries(
    tx: Tx, company: int, ledger: str | None, states: Collection[str], *, sealed: bool | None = None
) -> list[Any]:
    """Entries in these states in the order in which they leave: oldest first, a later revision in its first one's place."""
    query = sa.select(entry).where(entry.c.company == company, entry.c.state.in_(list(states)))
    if ledger is not None:
        query = query.where(entry.c.ledger == ledger)
    if sealed is not None:
        query = query.where(entry.c.sealed_at.is_not(None) if sealed else entry.c.sealed_at.is_(None))
    return list(tx.execute(query.order_by(entry.c.created_at, entry.c.n, entry.c.id)).all())


def one(tx: Tx, company: int, number: int) -> Any:
    """An entry by id. UsageError TO6120 when there is none."""
    row = tx.execute(sa.select(entry).where(entry.c.company == company, entry.c.id == number)).first()
    if row is None:
        raise UsageError(f"there is no entry {number}", code="TO6120", fix="tieout entries list --state all")
    return row


def by_reference(tx: Tx, company: int, ledger: str) -> dict[str, Any]:
    """Every entry of a ledger that bears a reference, by reference."""
    query = sa.select(entry).where(entry.c.company == company, entry.c.ledger == ledger, entry.c.reference.is_not(None))
    return {row.reference: row for row in tx.execute(query)}


def counts(tx: Tx, company: int) -> dict[str, int]:
    """Number of entries per state."""
    query = sa.select(entry.c.state, sa.func.count()).where(entry.c.company == company).group_by(entry.c.state)
    rows: list[Any] = list(tx.execute(query).all())
    return {state: int(number) for state, number in rows}


def parts_of(tx: Tx, row: Any) -> list[Any]:
    """All parts of an entry's revision, part 1 first (it carries the bookings)."""
    same = [entry.c[name] == getattr(row, name) for name in _REVISION]
    return list(tx.execute(sa.select(entry).where(*same).order_by(entry.c.part)).all())


def amounts(row: Any) -> dict[str, int]:
    """Net amount per account of a sealed entry's document, in minor units."""
    sums: dict[str, int] = {}
    document = msgspec.json.decode(row.document, type=Document) if row.document else None
    for line in document.lines if document else ():
        sums[line.account] = sums.get(line.account, 0) + line.amount
    return sums


def waiting_for(tx: Tx, company: int, ledger: str) -> dict[int, set[int]]:
    """Pending entry → the earlier unsettled entries of this ledger that it must not overtake, because both carry
    bookings of the same event. Every part of an earlier entry counts, and so does one that was planned again."""
    mine, other = booking.alias(), booking.alias()
    later, first, part = entry.alias(), entry.alias(), entry.alias()
    parts = [part.c[name] == first.c[name] for name in _REVISION]
    unsettled = part.c.state.in_([PENDING, SENDING, UNKNOWN, REJECTED, PARKED])
    query = (
        sa.select(later.c.id, part.c.id)
        .select_from(
            later.join(mine, mine.c.entry == later.c.id)
            .join(other, (other.c.event == mine.c.event) & (other.c.entry != mine.c.entry))
            .join(first, first.c.id == other.c.entry)
            .join(part, sa.and_(*parts))
        )
        .where(
            later.c.company == company,
            later.c.ledger == ledger,
            later.c.state == PENDING,
            first.c.ledger == ledger,
            sa.tuple_(first.c.created_at, first.c.id) < sa.tuple_(later.c.created_at, later.c.id),
            unsettled | ((part.c.state == PLANNED) & (part.c.revision > 0)),
        )
        .distinct()
    )
    found: dict[int, set[int]] = {}
    pairs: list[Any] = list(tx.execute(query).all())
    for number, earlier in pairs:
        found.setdefault(number, set()).add(earlier)
    return found


def still_open(tx: Tx, ids: Collection[int]) -> set[int]:
    """Those of these entries that are not sealed yet, locked against sealing until the end of the transaction."""
    query = sa.select(entry.c.id).where(entry.c.id.in_(ids), entry.c.state == PLANNED, entry.c.sealed_at.is_(None))
    return set(tx.connection.scalars(query.with_for_update()))


def attempts_failed(tx: Tx, number: int) -> int:
    """How often an unexpected error of our own or of a plugin stopped this entry."""
    query = sa.select(sa.func.count()).where(attempt.c.entry == number, attempt.c.outcome == "error")
    return int(tx.connection.scalar(query) or 0)


def sends(tx: Tx, number: int, key: str) -> int:
    """How often an entry was sent, or may have been, under this key."""
    weight = sa.case((attempt.c.outcome == "sending", 1), (attempt.c.outcome == "not_begun", -1), else_=0)
    query = sa.select(sa.func.sum(weight)).where(attempt.c.entry == number, attempt.c.key == key)
    return int(tx.connection.scalar(query) or 0)


# ── sealing ────────────────────────────────────────────────────────────────────────────────────────────────────────
_SEAL = (
    sa.update(entry)
    .where(entry.c.id == sa.bindparam("to_id"))
    .values(
        {name: sa.bindparam(f"new_{name}", type_=entry.c[name].type) for name in (*Sealed._fields, "number", "state")}
        | {name: sa.bindparam(f"new_{name}", type_=entry.c[name].type) for name in ("sealed_at", "acknowledged_at")}
    )
)
_SHARED = (*_REVISION, "day", "period", "corrects", "lineage", "created_at", "preparer")


def seal(tx: Tx, company: int, sealed: Sequence[tuple[Any, Sequence[Sealed], str]], *, now: int) -> None:
    """Fix the documents of entries, (entry, parts, state) each, number them per kind without gaps, and move them to their
    states.

    Without parts the bookings net to nothing: the entry is posted as it is, and never leaves.
    """
    highest = sa.select(entry.c.kind, sa.func.max(entry.c.number)).where(entry.c.company == company)
    rows: list[Any] = list(tx.execute(highest.where(entry.c.number.is_not(None)).group_by(entry.c.kind)).all())
    last: dict[str, int] = {str(row[0]): int(row[1]) for row in rows}
    first: list[dict[str, Any]] = []
    further: list[dict[str, Any]] = []
    for row, parts, state in sealed:
        if not parts:
            values = {"state": POSTED, "sealed_at": now, "acknowledged_at": now}
            tx.execute(sa.update(entry).where(entry.c.id == row.id).values(values))
            continue
        ids = [row.id, *tx.allocate(entry, len(parts) - 1)]
        for position, (to_id, part) in enumerate(zip(ids, parts, strict=True), 1):
            number = last[part.kind] = last.get(part.kind, 0) + 1
            at = now if state == POSTED else None
            values = {**part._asdict(), "number": number, "state": state, "sealed_at": now, "acknowledged_at": at}
            if position == 1:
                first.append({"to_id": to_id, **{f"new_{name}": value for name, value in values.items()}})
            else:
                same = {name: getattr(row, name) for name in _SHARED}
                further.append({"id": to_id, "part": position, **same, **values})
    if first:
        tx.execute(_SEAL, first)
    if further:
        tx.execute(sa.insert(entry), further)


# ── on the way ─────────────────────────────────────────────────────────────────────────────────────────────────────
def claim(
    tx: Tx, held: Lane, rows: Sequence[Any], keys: Mapping[int, str], *, now: int, deadline: int
) -> dict[int, str]:
    """These entries, `pending` (or `unknown`, for a replay) → `sending`, with key, fence, attempt and deadline.

    The caller has renewed the lane in this transaction, so nobody else can take it before the commit. Returns the
    entries that were left alone because they are no longer in the state they were read in, with the state they are in.
    """
    query = sa.select(entry.c.id, entry.c.state).where(entry.c.id.in_([row.id for row in rows]))
    states: dict[int, str] = {found.id: found.state for found in tx.execute(query.with_for_update())}
    taken = [row for row in rows if states.get(row.id) == row.state]
    if taken:
        same = {"new_fence": held.fence, "new_deadline": deadline, "now": now}
        tx.execute(_CLAIM, [{"to_id": row.id, "new_key": keys[row.id], **same} for row in taken])
        note(tx, [Step(row.id, row.attempts + 1, keys[row.id], now, "sending") for row in taken])
    return {number: state for number, state in states.items() if number not in {row.id for row in taken}}


def unclaim(tx: Tx, held: Lane, rows: Sequence[Any], keys: Mapping[int, str], *, now: int) -> None:
    """Claimed entries of which this holder knows that not a byte left: as they were read, before the claim."""
    for row in rows:
        where = (entry.c.id == row.id) & (entry.c.state == SENDING) & (entry.c.fence == held.fence)
        same = {name: getattr(row, name) for name in ("state", "deadline", "sent_at", "not_before")}
        tx.execute(sa.update(entry).where(where).values(same))
    note(tx, [Step(row.id, row.attempts + 1, keys[row.id], now, "not_begun") for row in rows])


def settle(tx: Tx, held: Lane, row: Any, state: str, *, was: str = SENDING, **values: Any) -> bool:
    """Move an entry on, if it is still in `was` under our fence. False: fenced off, the result is dropped."""
    where = (entry.c.id == row.id) & (entry.c.state == was) & (entry.c.fence == held.fence)
    return tx.execute(sa.update(entry).where(where).values(state=state, **values)).rowcount == 1


def settle_posted(tx: Tx, held: Lane, ledger_ids: Mapping[int, str], *, was: str, now: int) -> bool:
    """Move entries to `posted` under their ledger's ids, if all are still in `was` under our fence. False: fenced off,
    nothing is changed."""
    if not ledger_ids:
        return True
    where = (entry.c.id.in_(list(ledger_ids))) & (entry.c.state == was) & (entry.c.fence == held.fence)
    ours = list(tx.connection.scalars(sa.select(entry.c.id).where(where).with_for_update()))
    if len(ours) != len(ledger_ids):
        return False
    tx.execute(_POST, [{"to_id": number, "id_there": there, "now": now} for number, there in ledger_ids.items()])
    return True


def adopt(tx: Tx, held: Lane, company: int, ledger: str) -> list[int]:
    """Under a fresh lease: what an earlier holder left `sending` may have been sent, so it is `unknown`. Those already
    unknown come under our fence too. Returns the ids of the former."""
    mine = (entry.c.company == company) & (entry.c.ledger == ledger) & (entry.c.fence < held.fence)
    lost = list(tx.connection.scalars(sa.select(entry.c.id).where(mine, entry.c.state == SENDING)))
    tx.execute(sa.update(entry).where(mine, entry.c.state == SENDING).values(state=UNKNOWN, fence=held.fence))
    tx.execute(sa.update(entry).where(mine, entry.c.state == UNKNOWN).values(fence=held.fence))
    return lost


def take_over(tx: Tx, held: Lane, ids: Collection[int]) -> None:
    """Bring entries that are not on their way under our fence, so that this holder may settle them."""
    free = (entry.c.id.in_(ids)) & entry.c.state.in_([PENDING, UNKNOWN]) & (entry.c.fence <= held.fence)
    tx.execute(sa.update(entry).where(free).values(fence=held.fence))


def note(tx: Tx, steps: Sequence[Step]) -> None:
    """Write down steps of attempts to deliver."""
    tx.insert(attempt, Step._fields, steps)


def acknowledge(tx: Tx, said: Sequence[tuple[int, str, str, str]], *, at: int) -> None:
    """Write down what the ledger said it holds: (entry, ledger id, revision, body) each."""
    tx.insert(receipt, ("at", "entry", "ledger_id", "revision", "body"), [(at, *each) for each in said])


def hold(tx: Tx, row: Any) -> None:
    """Stop an entry that surely is not in the ledger until a person retries it: `rejected`."""
    where = (entry.c.id == row.id) & entry.c.state.in_(WITHDRAWABLE)
    tx.execute(sa.update(entry).where(where).values(state=REJECTED))


# ── taking back what never left ────────────────────────────────────────────────────────────────────────────────────
def withdraw(tx: Tx, row: Any, *, actor: str, why: str, now: int, absent: Collection[int] = ()) -> bool:
    """Withdraw an entry (all its parts) that is surely not in the ledger; its bookings no longer count. False when a
    part of it is, or may be, in the ledger: then nothing is changed. `absent`: parked parts proved not to be in it."""
    parts = parts_of(tx, row)
    if any(part.state not in WITHDRAWABLE and not (part.state == PARKED and part.id in absent) for part in parts):
        return False
    where = entry.c.id.in_([part.id for part in parts])
    tx.execute(sa.update(entry).where(where).values(state=WITHDRAWN))
    subject = row.reference or f"entry {row.id}"
    record_act(tx, row.company, actor, "entry.withdraw", subject, {"entry": row.id, "why": why}, at=now)
    return True


def plan_again(tx: Tx, row: Any, *, day: date, period: str, corrects: str | None) -> int:
    """A withdrawn entry once more, as the next revision on `day`, with the same bookings. Returns its id."""
    first = parts_of(tx, row)[0]
    number = tx.allocate(entry, 1)[0]
    same = ("company", "ledger", "kind", "mode", "grouping", "n", "lineage", "preparer")
    tx.execute(
        sa.insert(entry).values(
            id=number,
            **{name: getattr(first, name) for name in same},
            part=1,
            day=day,
            period=period,
            corrects=corrects,
            revision=first.revision + 1,
            state=PLANNED,
            created_at=first.created_at,  # its place in the order of its chain
        )
    )
    copied = sa.select(sa.literal(number), *_COPIED).where(booking.c.entry == first.id).order_by(booking.c.id)
    tx.execute(sa.insert(booking).from_select(["entry", *(column.name for column in _COPIED)], copied))
    return number


# ── people ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def approve(tx: Tx, company: int, number: int, *, actor: str, preparer: str, now: int) -> None:
    """Release a proposed entry, all parts. UsageError TO6121 not waiting, TO6122 approver is the preparer."""
    row = _waiting(tx, company, number)
    if actor == preparer:
        raise UsageError(
            f"{actor} prepared entry {number} and cannot approve it",
            code="TO6122",
            fix="let another person run `tieout approvals approve`",
        )
    where = entry.c.id.in_([part.id for part in parts_of(tx, row)])
    tx.execute(sa.update(entry).where(where).values(state=PENDING if row.reference else POSTED))
    record_act(
        tx, company, actor, "approval.approve", row.reference or f"entry {number}", {"preparer": preparer}, at=now
    )


def reject(tx: Tx, company: int, number: int, *, actor: str, why: str, now: int) -> None:
    """Withdraw a proposed entry. UsageError TO6121 when it does not wait for approval."""
    row = _waiting(tx, company, number)
    withdraw(tx, row, actor=actor, why=why, now=now)


def waiting_approval(tx: Tx, company: int) -> list[Any]:
    """Proposed entries that are sealed and wait for a person."""
    return [row for row in entries(tx, company, None, [PLANNED], sealed=True) if row.mode == "propose"]


def _waiting(tx: Tx, company: int, number: int) -> Any:
    row = one(tx, company, number)
    if row.mode != "propose" or row.state != PLANNED or row.sealed_at is None:
        raise UsageError(
            f"entry {number} is {row.state} and does not wait for approval",
            code="TO6121",
            fix="`tieout approvals list` shows what waits",
        )
    return row


def parked(tx: Tx, company: int, number: int) -> Any:
    """A parked entry. UsageError TO6123 when a person has nothing to decide about it."""
    row = one(tx, company, number)
    if row.state != PARKED:
        raise UsageError(
            f"entry {number} is {row.state}, not parked: there is nothing to decide",
            code="TO6123",
            fix="`tieout entries list` shows the parked ones",
        )
    return row


def mark_posted(tx: Tx, row: Any, ledger_id: str, *, actor: str, now: int, reason: str, seen: bool) -> None:
    """A person's word that a parked entry is in the ledger under that id; `seen`: the ledger shows it as sent."""
    values = {"state": POSTED, "ledger_id": ledger_id, "acknowledged_at": now, "error": None}
    tx.execute(sa.update(entry).where(entry.c.id == row.id).values(**values))
    data = {"entry": row.id, "ledger_id": ledger_id, "reason": reason, "seen": seen}
    record_act(tx, row.company, actor, "entry.mark_posted", row.reference or f"entry {row.id}", data, at=now)


def attempts(tx: Tx, number: int) -> list[Any]:
    """Every step of every attempt to deliver an entry, oldest first."""
    return list(tx.execute(sa.select(attempt).where(attempt.c.entry == number).order_by(attempt.c.id)).all())


def receipts(tx: Tx, number: int) -> list[Any]:
    """What the ledger said it holds of an entry, oldest first."""
    return list(tx.execute(sa.select(receipt).where(receipt.c.entry == number).order_by(receipt.c.id)).all())
