"""Plans: what would be posted and why, saved, applied, refused when stale; and what waits for a second person."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tieout.deliver.post import Placed
from tieout.errors import TieoutError, UsageError
from tieout.model.money import from_minor
from tieout.operations import rules
from tieout.operations.office import Office
from tieout.posting.bookings import Refusal
from tieout.store import outbox

EVENTS_NAMED_MAX = 20


def plan(office: Office, *, restate: bool = False) -> dict[str, Any]:
    """What `tieout run` would post from what has landed, entry by entry, with the reason of each. `restate`: everything
    is valued again with today's policies and account maps, and the plan is the difference to what is posted."""
    placed, refused, events = office.books.plan(everything=restate)
    return {"restate": restate, **described(office, placed, refused, events), "digest": digest(placed)}


def described(office: Office, placed: Sequence[Placed], refused: Sequence[Refusal], events: int) -> dict[str, Any]:
    """Bookings that would be posted, as entries with their lines and reasons."""
    desk = office.desk
    groups: dict[tuple[str, str], list[Placed]] = {}
    for one in placed:
        mode = desk.mode_of(one.booking.line.item, one.booking.line.location)
        groups.setdefault((mode, one.group.text()), []).append(one)
    entries = [_entry(office, mode, members) for (mode, _), members in sorted(groups.items(), key=_by_day)]
    return {
        "company": desk.company.code,
        "empty": not entries,
        "count": len(entries),
        "events": events,
        "bookings": len(placed),
        "periods": sorted({one.day.period for one in placed}),
        "currency": desk.currency,
        "entries": entries,
        "refused": [_refusal(one) for one in refused],
    }


def _by_day(group: tuple[tuple[str, str], list[Placed]]) -> tuple[Any, ...]:
    (mode, text), members = group
    return members[0].day.day, mode, text


def _entry(office: Office, mode: str, members: Sequence[Placed]) -> dict[str, Any]:
    currency = office.desk.currency
    sums: dict[str, int] = {}
    for one in members:
        b = one.booking
        sums[b.debit.account] = sums.get(b.debit.account, 0) + b.amount
        sums[b.credit.account] = sums.get(b.credit.account, 0) - b.amount
    first = members[0]
    lines = {one.booking.line.event_id: one.booking.line for one in members}
    documents = sorted({line.document for line in lines.values() if line.document})
    rows = sorted({one.booking.row for one in members})
    corrections = sum(one.booking.correction for one in members)
    named = ", ".join(documents[:3]) + (f" … {documents[-1]}" if len(documents) > 3 else "")
    what = f"{first.group.type} {first.group.location}".strip() + (f": {named}" if named else "")
    why = ", ".join(rows)
    if corrections:
        why += f"; corrects {corrections} posted movement(s)"
    if first.day.corrects:
        why += f"; belongs to closed period {first.day.corrects}"
    return {
        "company": office.desk.company.code,
        "ledger": office.desk.ledger_id,
        "day": first.day.day.isoformat(),
        "narration": what,
        "why": why,
        "mode": mode,
        "corrects": first.day.corrects or None,
        "events": sorted(lines)[:EVENTS_NAMED_MAX],
        "documents": documents[:EVENTS_NAMED_MAX],
        "lines": [
            {"account": account, "amount": from_minor(amount, currency)}
            for account, amount in sorted(sums.items())
            if amount
        ],
    }


def _refusal(one: Refusal) -> dict[str, Any]:
    return {"event": one.line.event_id, "document": one.line.document, **one.error.as_dict()}


def digest(placed: Sequence[Placed]) -> str:
    """A fingerprint of exactly these bookings: two equal plans have the same one."""
    sha = hashlib.sha256()
    for one in sorted(
        (
            one.group.text(),
            one.booking.line.event_id,
            one.booking.line.line_id,
            one.booking.row,
            one.booking.debit,
            one.booking.credit,
            one.booking.amount,
            one.booking.quantity,
            one.booking.affected.event_id if one.booking.affected else "",
        )
        for one in placed
    ):
        sha.update(json.dumps(one, default=str).encode())
    return sha.hexdigest()


def apply(office: Office, saved: Mapping[str, Any]) -> dict[str, int]:
    """Post a saved plan. Refused (TO1094) when what would be posted now is not what the plan says."""
    if saved.get("kind") == "reapply":
        from tieout.operations import reapplying

        return reapplying.apply(office, saved)
    everything = bool(saved.get("restate"))
    placed, _, _ = office.books.plan(everything=everything)
    if digest(placed) != saved.get("digest"):
        raise UsageError(
            f"the plan of {saved.get('count')} entries no longer fits: what is known has changed since",
            code="TO1094",
            fix="make a new one: tieout plan --out FILE",
        )
    kept = office.books.restate() if everything else office.books.keep()
    if everything:
        rules.accept(office)
    return {"entries": kept.entries, "bookings": kept.bookings, "events": kept.events}


# ── approvals ──────────────────────────────────────────────────────────────────────────────────────────────────────
def waiting(office: Office) -> list[dict[str, Any]]:
    """Proposed entries that wait for somebody who did not prepare them."""
    desk = office.desk
    with desk.store.read() as rx:
        rows = outbox.waiting_approval(rx, desk.id)
        amounts = {row.id: outbox.amounts(row) for row in rows}
    return [
        {
            "id": str(row.id),
            "company": desk.company.code,
            "what": f"{row.kind} {row.reference or ''}".strip(),
            "day": row.day.isoformat(),
            "amount": from_minor(sum(a for a in amounts[row.id].values() if a > 0), desk.currency),
            "prepared_by": row.preparer,
        }
        for row in rows
    ]


def approve(office: Office, ids: Sequence[str]) -> int:
    """Approve entries; the preparer is refused."""
    desk = office.desk
    chosen = _chosen(office, ids)
    with desk.store.write() as tx:
        for number in chosen:
            preparer = outbox.parts_of(tx, outbox.one(tx, desk.id, number))[0].preparer
            outbox.approve(tx, desk.id, number, actor=desk.actor, preparer=preparer, now=desk.micros())
    return len(chosen)


def reject(office: Office, ids: Sequence[str], reason: str) -> int:
    desk = office.desk
    chosen = _chosen(office, ids)
    with desk.store.write() as tx:
        for number in chosen:
            outbox.reject(tx, desk.id, number, actor=desk.actor, why=reason, now=desk.micros())
    return len(chosen)


def _chosen(office: Office, ids: Sequence[str]) -> list[int]:
    known = [int(row["id"]) for row in waiting(office)]
    if list(ids) == ["all"]:
        return known
    wrong = [each for each in ids if not each.isdigit() or int(each) not in known]
    if wrong:
        raise TieoutError(f"{', '.join(wrong)}: not waiting for approval", code="TO1095", fix="tieout approvals list")
    return [int(each) for each in ids]
