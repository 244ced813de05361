"""Draining a ledger's lane: seal what is due, settle what is unknown, send what is pending, in order, and stop in time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import msgspec

from tieout.deliver import problems
from tieout.deliver.after_restore import held_back, look_first
from tieout.deliver.chains import Chains
from tieout.deliver.resolve import resolve
from tieout.deliver.seal import seal_due
from tieout.deliver.send import FencedOff, Sent, send
from tieout.deliver.settings import Delivery, Work, this_holder
from tieout.errors import RateLimited, Rejected, TieoutError, VendorError
from tieout.failpoints import failpoint
from tieout.store import outbox
from tieout.store.journal import Journal
from tieout.store.outbox import Lane
from tieout.store.store import Store
from tieout.store.tx import Tx

PASSES_MAX = 5  # an entry planned again on an open day is sealed and sent in the next pass

# While one of these is unsettled, nothing later of its chain leaves.
_BLOCKING = (outbox.UNKNOWN, outbox.REJECTED, outbox.PARKED)


class Drained(msgspec.Struct):
    """What one drain did. `busy`: another holder has the lane. `fenced`: it was taken over. `waiting`: entries still to
    be sent. `not_before` (UTC microseconds): the ledger asked for patience. `error`: what stopped the lane."""

    sealed: int = 0
    posted: int = 0
    rejected: int = 0
    parked: int = 0
    unknown: int = 0
    planned_again: int = 0
    waiting: int = 0
    blocked: int = 0
    busy: bool = False
    fenced: bool = False
    not_before: int | None = None
    error: TieoutError | None = None


def drain(
    store: Store,
    journal: Journal,
    delivery: Delivery,
    *,
    watermarks: Iterable[int | None] = (),
    seal_now: bool = False,
) -> Drained:
    """Serve one ledger lane until nothing more can be sent. Never raises for what the ledger does: see `Drained.error`.

    `watermarks`: of every stream that feeds this company (UTC microseconds, None where a stream has none).
    """
    done = Drained()
    holder, now = this_holder(), delivery.clock()
    with store.write() as tx:
        previous = outbox.holder_of(tx, delivery.company, delivery.lane)
        dead = [previous] if previous and delivery.is_dead(previous) else []
        held = outbox.take_lane(tx, delivery.company, delivery.lane, holder, now=now, lease=delivery.lease, dead=dead)
        if held is not None:
            outbox.adopt(tx, held, delivery.company, delivery.connection)
    if held is None:
        done.busy = True
        return done
    failpoint("drain: after lease")
    try:
        _serve(journal, Work(store, delivery, held), done, list(watermarks), seal_now=seal_now)
    except FencedOff:
        done.fenced = True
    except Exception:
        _release(store, delivery, held, done)
        raise
    _release(store, delivery, held, done)
    with store.read() as rx:
        done.waiting = len(outbox.entries(rx, delivery.company, delivery.connection, [outbox.PENDING]))
        done.unknown = len(outbox.entries(rx, delivery.company, delivery.connection, [outbox.UNKNOWN]))
    return done


def _release(store: Store, delivery: Delivery, held: Lane, done: Drained) -> None:
    with store.write() as tx:
        outbox.release_lane(tx, held, now=delivery.clock(), not_before=done.not_before)


def _serve(journal: Journal, work: Work, done: Drained, watermarks: list[int | None], *, seal_now: bool) -> None:
    store, delivery, held = work
    for _ in range(PASSES_MAX):
        before = done.planned_again
        try:
            lock = delivery.ledger.locked_through() if delivery.capabilities.locks else None
        except VendorError as error:
            # what is complete is sealed all the same: sealing needs no ledger
            done.sealed += seal_due(store, journal, delivery, watermarks=watermarks, seal_now=seal_now)
            done.error = error
            return
        _leave_locked_days(store, delivery, lock, done)
        done.sealed += seal_due(store, journal, delivery, watermarks=watermarks, seal_now=seal_now)
        if held.not_before is not None and held.not_before > delivery.clock():
            done.not_before = held.not_before
            return
        if not look_first(journal, work, done):
            return
        if not _settle_unknown(work, done):
            return
        if not _send_pending(work, done) or done.planned_again == before:
            return


def _settle_unknown(work: Work, done: Drained) -> bool:
    """Every unknown entry once, oldest first. False: the lane waits."""
    store, delivery, _ = work
    with store.read() as rx:
        rows = outbox.entries(rx, delivery.company, delivery.connection, [outbox.UNKNOWN])
    go_on = True
    tried: set[str] = set()  # keys of calls made once more in this pass
    for row in rows:
        go_on = _count(done, resolve(work, row, again=row.key not in tried)) and go_on
        tried.add(row.key)
        if done.error is not None and not go_on:
            return False
    return go_on


def _send_pending(work: Work, done: Drained) -> bool:
    """Every pending entry whose chain is free, oldest first, in groups. False: the lane stops."""
    store, delivery, _ = work
    with store.read() as rx:
        rows = outbox.entries(rx, delivery.company, delivery.connection, [outbox.PENDING])
        stuck = outbox.entries(rx, delivery.company, delivery.connection, _BLOCKING)
        waits = outbox.waiting_for(rx, delivery.company, delivery.connection)
        unseen = held_back(rx, delivery)
    chains = Chains([row for row in rows if row.id not in unseen], stuck, waits)
    parked = sum(row.state == outbox.PARKED for row in stuck)
    go_on, through = True, 0
    while go_on and (group := chains.next_group(delivery.group)):
        if parked >= delivery.parked_max:
            done.error = TieoutError(
                f"{parked} entries of {delivery.connection} are parked; nothing more is sent",
                code="TO6114",
                fix="tieout entries list; then decide them, oldest first: tieout entries decide ID",
            )
            return False
        sent = _send_group(work, group)
        chains.put_back([row for row in group if not sent[row.id].begun])
        begun = [(row, sent[row.id]) for row in group if sent[row.id].begun]
        for row, each in begun:
            if each.state == outbox.REJECTED:
                _handle_rejection(store, delivery, row.id, each, done)
            parked += each.state == outbox.PARKED
            chains.settled(row, each.state)
            go_on = _count(done, each) and go_on
        go_on = go_on and bool(begun)
        through += len(begun)
        delivery.tell("delivered", through, len(begun), len(rows))
    done.blocked = chains.blocked
    return go_on


def _send_group(work: Work, group: list[Any]) -> dict[int, Sent]:
    """What came of each of a group; what is in doubt is resolved at once, if that can be done now."""
    store, delivery, _ = work
    sent = send(work, group)
    tried: set[str] = set()
    for row in group:
        if sent[row.id].state == outbox.UNKNOWN and not sent[row.id].stop:
            with store.read() as rx:
                claimed = outbox.one(rx, delivery.company, row.id)
            sent[row.id] = resolve(work, claimed, again=claimed.key not in tried)
            tried.add(claimed.key)
    return sent


def _count(done: Drained, sent: Sent) -> bool:
    done.posted += sent.state == outbox.POSTED
    done.parked += sent.state == outbox.PARKED
    if not sent.stop:
        return True
    done.error = sent.error
    if isinstance(sent.error, RateLimited):
        done.not_before = int(sent.error.until * 1_000_000)
    return False


# ── closed periods ─────────────────────────────────────────────────────────────────────────────────────────────────
def _leave_locked_days(store: Store, delivery: Delivery, lock: date | None, done: Drained) -> None:
    """Entries that were not sent yet and whose day has been locked since move to the first open day."""
    days = delivery.open_days(lock)
    with store.read() as rx:
        rows = outbox.entries(rx, delivery.company, delivery.connection, [outbox.PLANNED, outbox.PENDING])
    for row in rows:
        if row.part == 1 and row.kind != "external" and not days.is_open(row.day):
            with store.write() as tx:
                _move_day(tx, delivery, row, days.first_open(row.day), done)


def _handle_rejection(store: Store, delivery: Delivery, number: int, sent: Sent, done: Drained) -> None:
    """A closed period moves the entry to an open day; any other reason is a person's."""
    error = sent.error
    lock = _lock_now(delivery)
    with store.write() as tx:
        row = outbox.one(tx, delivery.company, number)
        days = delivery.open_days(lock)
        stated = isinstance(error, Rejected) and error.data.get("closed_period")
        if not days.is_open(row.day):
            _move_day(tx, delivery, row, days.first_open(row.day), done)
        elif stated:  # closed, says the ledger, by a lock it does not show: try the next period
            after = delivery.calendar.period(row.day).end + timedelta(days=1)
            _move_day(tx, delivery, row, days.first_open(after), done)
        else:
            done.rejected += 1
            problem = TieoutError(
                f"{row.reference} of {row.day} was refused: {error.message if error else 'no reason given'}",
                code="TO6110",
                fix=(error.fix if error else None) or "mend the reason, then retry this exception",
            )
            problems.raise_for(tx, delivery.company, row, problem)
        failpoint("reject: in transaction")
    failpoint("reject: after commit")


def _lock_now(delivery: Delivery) -> date | None:
    if not delivery.capabilities.locks:
        return None
    try:
        return delivery.ledger.locked_through()
    except VendorError:  # the refusal itself still stands and is handled without it
        return None


def _move_day(tx: Tx, delivery: Delivery, row: Any, day: date, done: Drained) -> None:
    now = delivery.clock()
    if delivery.locked_period != "next_open_period":
        problem = TieoutError(
            f"{row.day} was locked in the ledger before entry {row.id} was sent, and policy locked_period is "
            f"{delivery.locked_period}",
            code="TO6116",
            fix="move the lock date back, or set locked_period to next_open_period; then retry",
        )
        problems.raise_for(tx, delivery.company, row, problem)
        outbox.hold(tx, row)
        done.rejected += 1
        return
    if not outbox.withdraw(tx, row, actor=delivery.actor, why=f"{row.day} is closed in the ledger", now=now):
        problem = TieoutError(
            f"{row.reference} of {row.day}: the period was closed after another part of this entry was posted",
            code="TO6115",
            fix="reopen the period in the ledger and retry, or void the parts already there",
        )
        problems.raise_for(tx, delivery.company, row, problem)
        outbox.hold(tx, row)
        done.rejected += 1
        return
    period = delivery.calendar.period(day).name
    outbox.plan_again(tx, row, day=day, period=period, corrects=row.corrects or row.period)
    problems.close(tx, delivery.company, row, f"planned again on {day}")
    done.planned_again += 1


def retry_rejected(tx: Tx, delivery: Delivery, number: int, *, actor: str) -> int:
    """A rejected entry once more, after its reason was mended: withdrawn, and planned as a new revision on its day.

    Returns the new entry's id. TO6123 when it is not rejected, TO6115 when another part of it is in the ledger."""
    row = outbox.one(tx, delivery.company, number)
    now = delivery.clock()
    if row.state != outbox.REJECTED:
        raise TieoutError(f"entry {number} is {row.state}, not rejected", code="TO6123")
    if not outbox.withdraw(tx, row, actor=actor, why="retried after the reason was mended", now=now):
        raise TieoutError(f"another part of entry {number} is in the ledger", code="TO6115")
    problems.close(tx, delivery.company, row, "planned again")
    return outbox.plan_again(tx, row, day=row.day, period=row.period, corrects=row.corrects)
