"""Entries one by one: what they hold, how they fared on their way, and what a person decides about parked ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tieout.deliver import decide as by_person
from tieout.errors import UsageError
from tieout.model.money import from_minor
from tieout.operations.office import Office
from tieout.operations.people import age
from tieout.store import outbox
from tieout.store.schema import entry as entry_table

TROUBLED = (outbox.PARKED, outbox.REJECTED, outbox.UNKNOWN)
LISTED_MAX = 1_000


def entries(office: Office, state: str) -> list[dict[str, Any]]:
    """Entries in a state (`troubled`: parked, rejected, unknown; `all`), oldest first, at most 1,000."""
    states: Sequence[str] = {"troubled": TROUBLED, "all": outbox.STATES}.get(state, (state,))
    with office.desk.store.read() as rx:
        rows = outbox.entries(rx, office.desk.id, None, states)[:LISTED_MAX]
    return [_row(office, row) for row in rows]


def _row(office: Office, row: Any) -> dict[str, Any]:
    desk = office.desk
    total = sum(amount for amount in outbox.amounts(row).values() if amount > 0)
    error = json.loads(row.error) if row.error else {}
    return {
        "id": row.id,
        "company": desk.company.code,
        "number": row.number,
        "day": row.day.isoformat(),
        "kind": row.kind,
        "state": row.state,
        "amount": f"{from_minor(total, desk.currency)} {desk.currency}" if row.document else None,
        "reference": row.reference,
        "ledger_id": row.ledger_id,
        "revision": row.revision,
        "age": age(desk.micros() - row.created_at),
        "why": error.get("message", ""),
    }


def find(offices: Sequence[Office], name: str) -> tuple[Office, Any]:
    """An entry by id or by its TO-reference, in whichever company has it. UsageError TO6120."""
    for office in offices:
        with office.desk.store.read() as rx:
            column = entry_table.c.id if name.isdigit() else entry_table.c.reference
            value = int(name) if name.isdigit() else name
            query = entry_table.select().where(entry_table.c.company == office.desk.id, column == value)
            row = rx.execute(query).first()
        if row is not None:
            return office, row
    raise UsageError(f"there is no entry {name!r}", code="TO6120", fix="tieout entries list --state all")


def show(office: Office, row: Any) -> dict[str, Any]:
    """One entry: its lines, every attempt to deliver it, every answer of the ledger, its other parts and revisions."""
    desk = office.desk
    with desk.store.read() as rx:
        attempts, receipts = outbox.attempts(rx, row.id), outbox.receipts(rx, row.id)
        kin = [each for each in outbox.entries(rx, desk.id, row.ledger, outbox.STATES) if _kin(each, row)]
    document = json.loads(row.document) if row.document else {}
    return {
        **_row(office, row),
        "period": row.period,
        "corrects": row.corrects,
        "prepared_by": row.preparer,
        "narration": document.get("narration", ""),
        "lines": [
            {"account": line["account"], "amount": from_minor(line["amount"], desk.currency)}
            for line in document.get("lines", ())
        ],
        "attempts": [
            {"at": _instant(each.at), "outcome": each.outcome, "detail": _message(each.detail)} for each in attempts
        ],
        "receipts": [{"at": _instant(each.at), "ledger_id": each.ledger_id} for each in receipts],
        "related": [{"id": each.id, "part": each.part, "revision": each.revision, "state": each.state} for each in kin],
        "next": [f"tieout entries decide {row.id} --posted-as LEDGER_ID --reason WHY, or --absent --reason WHY"]
        if row.state == outbox.PARKED
        else [],
    }


def _kin(each: Any, row: Any) -> bool:
    return (each.grouping, each.n, each.mode) == (row.grouping, row.n, row.mode) and each.id != row.id


def _instant(micros: int) -> str:
    return datetime.fromtimestamp(micros // 1_000_000, UTC).isoformat()


def _message(detail: str | None) -> str:
    if not detail:
        return ""
    try:
        said = json.loads(detail)
    except ValueError:
        return detail  # a ledger's own id
    return str(said.get("message", "")) if isinstance(said, dict) else str(said)


def decide(office: Office, row: Any, *, posted_as: str | None, reason: str) -> dict[str, Any]:
    """A person's decision: in the ledger under an id, or (`posted_as` None) absent and planned again."""
    delivery = office.delivery()
    if delivery is None or delivery.connection != row.ledger:
        raise UsageError(
            f"the ledger of entry {row.id} ({row.ledger}) is not configured any more",
            code="TO1010",
            fix="put its connection back into tieout.toml to decide",
        )
    desk = office.desk
    answer: dict[str, Any] = {"entry": row.id, "reference": row.reference, "verified": True, "planned_again": None}
    if posted_as is not None:
        seen = by_person.posted_as(desk.store, delivery, row.id, posted_as, actor=desk.actor, reason=reason)
        answer.update(decided="posted", ledger_id=posted_as, verified=seen)
    else:
        again = by_person.absent(desk.store, delivery, row.id, actor=desk.actor, reason=reason)
        answer.update(decided="absent", ledger_id=None, planned_again=again)
    desk.journal.forget()
    return {**answer, "next": "tieout run"}
