"""Closing a period: what is in the way (matrix §21), who signs, and what corrected it later.

One person prepares, another one closes; both find nothing in the way, or say why what is there may stay. Some things may
never stay: value without an owner, goods without a line, entries the ledger does not have. A closed period takes no
posting date; later corrections follow the policy `locked_period`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from tieout.errors import UsageError
from tieout.model.event import EPOCH
from tieout.model.money import from_minor
from tieout.model.period import Period
from tieout.operations.desk import Desk
from tieout.operations.office import Office
from tieout.operations.reports import last_batch, valued_through
from tieout.reports.catalogue import find_period
from tieout.reports.clearing import EXPLAINED, opened
from tieout.reports.costs import provisional
from tieout.reports.question import Question
from tieout.reports.threads import Open
from tieout.store import balances, holdings
from tieout.store.exceptions import list_exceptions
from tieout.store.periods import Closing, closings, corrected_since, record_closing
from tieout.store.schema import entry
from tieout.store.tx import Tx

AGE_LIMIT_DAYS = 90
NAMED_MAX = 20
DELIVERED = ("posted", "confirmed", "withdrawn")
MUST_BE_ZERO = frozenset({"suspense"})
# What a signer may let stand, with a reason. Everything else must be mended.
MAY_STAY = frozenset({"aged", "provisional", "exception"})


class Blocker(NamedTuple):
    """Something in the way of closing: its kind, what it is about, the money in minor units, and what to do."""

    kind: str
    what: str
    amount: int
    lines: int
    fix: str
    documents: tuple[str, ...] = ()


def check(office: Office, period: Period, *, age_limit: int = AGE_LIMIT_DAYS) -> list[Blocker]:
    """Everything in the way of closing a period, as things stand."""
    with office.desk.store.read() as rx:
        question = Question(rx, office, start=period.start, through=period.end)
        return [
            *_not_valued(rx, office.desk),
            *_undelivered(rx, office.desk, period),
            *_exceptions(rx, office.desk),
            *_clearing(question, age_limit),
            *_estimates(question),
            *_value(rx, office.desk),
        ]


def status(office: Office, name: str, *, age_limit: int = AGE_LIMIT_DAYS) -> dict[str, Any]:
    """Where a period stands: open, prepared or closed, by whom, what is in its way and what corrected it since."""
    desk = office.desk
    period = find_period(desk.company.calendar, name)
    with desk.store.read() as rx:
        known = closings(rx, desk.id).get(name)
        since = corrected_since(rx, desk.id, name, known.at) if known and known.state == "closed" else 0
    found = [] if known and known.state == "closed" else check(office, period, age_limit=age_limit)
    return _answer(desk, period, known, found, since)


def close(office: Office, name: str, *, accept: str = "", age_limit: int = AGE_LIMIT_DAYS) -> dict[str, Any]:
    """Sign a period: the first person prepares it, a second one closes it.

    `accept`: why blockers that may stay (`MAY_STAY`) do. Raises UsageError TO7110 with the blockers, TO7111 when the
    preparer would close it too, TO7112 when it is closed already.
    """
    desk = office.desk
    period = find_period(desk.company.calendar, name)
    if period.end >= desk.today():
        raise UsageError(f"{name} ends on {period.end}: it is not over", code="TO7110", fix="close it when it is over")
    found = check(office, period, age_limit=age_limit)
    standing = [each for each in found if not (accept and each.kind in MAY_STAY)]
    if standing:
        raise UsageError(
            f"{name} cannot be closed: " + "; ".join(each.what for each in standing),
            code="TO7110",
            where=desk.company.code,
            amount=f"{from_minor(sum(abs(each.amount) for each in standing), desk.currency)} {desk.currency}",
            fix=standing[0].fix,
        )
    with desk.store.write() as tx:
        known = closings(tx, desk.id).get(name)
        if known is not None and known.state == "closed":
            raise UsageError(f"{name} is closed, by {known.actor}", code="TO7112", fix=f"tieout close {name} --reopen")
        data = {
            "start": period.start.isoformat(),
            "end": period.end.isoformat(),
            "accepted": accept,
            "blockers": [each.what for each in found],
            "balances": _balances(tx, desk, period),
        }
        if known is None or known.state == "open":
            what = "period.prepare"
        elif known.actor == desk.actor:
            raise UsageError(
                f"{desk.actor} prepared {name}: another person closes it",
                code="TO7111",
                fix=f"tieout close {name} --actor SOMEBODY-ELSE",
            )
        elif known.data.get("balances") != data["balances"]:
            what = "period.prepare"  # what was prepared is no longer what is there: it is prepared anew
        else:
            what = "period.close"
        record_closing(tx, desk.id, desk.actor, what, name, data)
        now = closings(tx, desk.id)[name]
    return _answer(desk, period, now, found, 0)


def reopen(office: Office, name: str, reason: str) -> dict[str, Any]:
    """Take the signatures back, with a reason. Raises UsageError TO7112 when there are none, or no reason."""
    desk = office.desk
    period = find_period(desk.company.calendar, name)
    with desk.store.write() as tx:
        known = closings(tx, desk.id).get(name)
        if known is None or known.state == "open":
            raise UsageError(f"{name} is open", code="TO7112")
        if not reason:
            raise UsageError(f"{name}: re-opening needs a reason", code="TO7112", fix="--reason TEXT")
        record_closing(tx, desk.id, desk.actor, "period.reopen", name, {"reason": reason})
        now = closings(tx, desk.id)[name]
    return _answer(desk, period, now, [], 0)


# ── what is in the way ─────────────────────────────────────────────────────────────────────────────────────────────
def _not_valued(rx: Tx, desk: Desk) -> list[Blocker]:
    if last_batch(rx, desk) <= valued_through(rx, desk):
        return []
    return [Blocker("not posted", "what has landed is not all valued and posted", 0, 1, "tieout run")]


def _undelivered(rx: Tx, desk: Desk, period: Period) -> list[Blocker]:
    """Entries of the period, or before it, that the ledger does not have."""
    e = entry.c
    if desk.company.ledger is None:
        return []
    where = (e.company == desk.id) & (e.day <= period.end) & e.state.not_in(DELIVERED)
    rows = rx.execute(sa.select(e.id, e.state, e.reference).where(where).order_by(e.id)).all()
    if not rows:
        return []
    states = sorted({row.state for row in rows})
    named = tuple(row.reference or f"entry {row.id}" for row in rows[:NAMED_MAX])
    what = f"{len(rows)} entries are not in the ledger ({', '.join(states)})"
    return [Blocker("undelivered", what, 0, len(rows), "tieout run --seal-now", named)]


def _exceptions(rx: Tx, desk: Desk) -> list[Blocker]:
    rows = list_exceptions(rx, desk.id, state="open")
    if not rows:
        return []
    amount = sum(abs(row["amount"] or 0) for row in rows)
    named = tuple(f"exception {row['id']} {row['code']}" for row in rows[:NAMED_MAX])
    return [
        Blocker("exception", f"{len(rows)} exceptions are open", amount, len(rows), "tieout exceptions list", named)
    ]


def _clearing(question: Question, age_limit: int) -> list[Blocker]:
    """Matrix §21: each balance is its open lines, none of them stands on the wrong side or is too old."""
    out: list[Blocker] = []
    by_role: dict[str, list[Open]] = {}
    for line in opened(question, EXPLAINED):
        by_role.setdefault(line.role, []).append(line)
    for role, lines in sorted(by_role.items()):
        balance = question.balance({role})
        against = [line for line in lines if line.against]
        if role in MUST_BE_ZERO and balance:
            out.append(_blocker("suspense", role, "is not zero", lines, balance))
            continue
        gap = balance - sum(line.amount for line in lines)
        if against or gap:
            amount = gap + sum(line.amount for line in against)
            out.append(_blocker("unexplained", role, "has lines nothing explains", against or lines, amount))
        old = [x for x in lines if not x.against and (question.through - x.since).days > age_limit]
        if old:
            amount = sum(line.amount for line in old)
            out.append(_blocker("aged", role, f"has lines older than {age_limit} days", old, amount))
    return out


def _blocker(kind: str, role: str, what: str, lines: Sequence[Open], amount: int) -> Blocker:
    named = tuple(line.document or line.event[:12] for line in lines[:NAMED_MAX])
    return Blocker(kind, f"{role} {what}", amount, len(lines), f"tieout report clearing --role {role}", named)


def _estimates(question: Question) -> list[Blocker]:
    found = provisional(question)
    if not found.rows:
        return []
    names = [column.name for column in found.columns]
    at = names.index("amount")
    amount = sum(row[at] for row in found.rows if isinstance(row[at], int))  # type: ignore[misc]
    named = tuple(str(row[0] or row[-1]) for row in found.rows[:NAMED_MAX])
    what = f"{len(found.rows)} costs are still an estimate"
    return [Blocker("provisional", what, amount, len(found.rows), "tieout report provisional", named)]


def _value(rx: Tx, desk: Desk) -> list[Blocker]:
    """Value of the layers = control accounts, item by item: any difference at all."""
    worth = {item: v for item, v in holdings.worth(rx, desk.names).items() if desk.mode_of(item) != "shadow"}
    posted: dict[str, int] = {}
    for (item, _), amount in balances.control_value(rx, desk.journal).items():
        posted[item] = posted.get(item, 0) + amount
    gaps = {item: worth.get(item, 0) - posted.get(item, 0) for item in {*worth, *posted}}
    wrong = sorted(item for item, gap in gaps.items() if gap)
    if not wrong:
        return []
    amount = sum(abs(gaps[item]) for item in wrong)
    what = f"the value ledger differs from the control accounts for {len(wrong)} items"
    return [Blocker("value", what, amount, len(wrong), "tieout db verify", tuple(wrong[:NAMED_MAX]))]


# ── telling ────────────────────────────────────────────────────────────────────────────────────────────────────────
def _balances(tx: Tx, desk: Desk, period: Period) -> dict[str, str]:
    """Closing balances of every account, as signed."""
    found = balances.by_account(tx, desk.journal, through=period.end)
    return {account: from_minor(amount, desk.currency) for account, amount in sorted(found.items())}


def _answer(
    desk: Desk, period: Period, known: Closing | None, found: Collection[Blocker], since: int
) -> dict[str, Any]:
    from datetime import timedelta

    signed: Mapping[str, Any] = known.data if known else {}
    state = known.state if known else "open"
    return {
        "company": desk.company.code,
        "currency": desk.currency,
        "period": period.name,
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "state": state,
        "actor": known.actor if known else None,
        "at": (EPOCH + timedelta(microseconds=known.at)).isoformat() if known else None,
        "preparer": known.preparer or None if known else None,
        "accepted": signed.get("accepted") or None,
        "reason": signed.get("reason"),
        "corrected_since": since,
        "sign_off": "stands" if state == "closed" and not since else "open again" if since else "none",
        "blockers": [
            {**each._asdict(), "amount": from_minor(each.amount, desk.currency), "documents": list(each.documents)}
            for each in found
        ],
    }
