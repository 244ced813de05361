"""What people do: look after exceptions, teach master data, approve. Every act is written down with its actor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from tieout.errors import UsageError
from tieout.model.money import from_minor
from tieout.operations.desk import Desk
from tieout.operations.intake import Intake
from tieout.pull.own import land_standards
from tieout.pull.retry import original
from tieout.store import exceptions as store_exceptions
from tieout.store import facts as store_facts
from tieout.store import masters as store_masters
from tieout.store.master_files import import_file
from tieout.store.masters import ALWAYS, Kind

_SECONDS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def age(micros: int) -> str:
    """How long ago in the largest whole unit: `3 d`, `5 h`, `12 s`."""
    seconds = max(micros // 1_000_000, 0)
    for size, unit in _SECONDS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "0 s"


def exceptions(desk: Desk, *, state: str = "open", owner: str | None = None) -> list[dict[str, Any]]:
    """Exceptions, the largest amount first."""
    with desk.store.read() as rx:
        rows = store_exceptions.list_exceptions(rx, desk.id, state=None if state == "all" else state, owner=owner)
    now = desk.micros()
    return [
        {
            "id": row["id"],
            "company": desk.company.code,
            "stage": row["stage"],
            "code": row["code"],
            "age": age(now - row["opened_at"]),
            "amount": None if row["amount"] is None else f"{from_minor(row['amount'], desk.currency)} {desk.currency}",
            "owner": row["owner"],
            "state": row["state"],
            "message": row["message"],
            "fix": row["fix"],
        }
        for row in rows
    ]


def exception(desk: Desk, intake: Intake, number: int) -> dict[str, Any]:
    """One exception with its record as it was received."""
    with desk.store.read() as rx:
        row = store_exceptions.get_exception(rx, desk.id, number)
        record = original(rx, row["record"], intake.decode) if row["record"] is not None else None
    amount = None if row["amount"] is None else f"{from_minor(row['amount'], desk.currency)} {desk.currency}"
    plain = {key: row[key] for key in ("id", "stage", "code", "state", "message", "fix", "owner", "subject", "times")}
    return {**plain, "amount": amount, "data": row["data"], "record": record.record if record else None}


def close(desk: Desk, numbers: Sequence[int], *, verb: str, reason: str) -> int:
    """Resolve or ignore, with the reason."""
    act = {"resolve": store_exceptions.resolve, "ignore": store_exceptions.ignore}[verb]
    with desk.store.write() as tx:
        for number in numbers:
            act(tx, desk.id, desk.actor, number, reason)
    return len(numbers)


def assign(desk: Desk, numbers: Sequence[int], owner: str) -> int:
    with desk.store.write() as tx:
        for number in numbers:
            store_exceptions.assign(tx, desk.id, desk.actor, number, owner)
    return len(numbers)


def unmapped(desk: Desk, kind: Kind) -> list[dict[str, Any]]:
    """What open exceptions do not know, most money first, with the nearest known code."""
    with desk.store.read() as rx:
        rows = store_exceptions.unmapped(rx, desk.id, kind)
    return [
        {
            "company": desk.company.code,
            "connection": row["connection"],
            "external": row["external"],
            "count": row["events"],
            "amount": from_minor(row["amount"], desk.currency),
            "nearest": next(iter(desk.masters.nearest(kind, row["external"])), ""),
            "fix": row["fix"],
        }
        for row in rows
    ]


def alias(desk: Desk, kind: Kind, *, external: str, code: str, connection: str, effective: str | None) -> int:
    """Teach an alias; returns how many open exceptions wait for something unknown of this kind."""
    day = date.fromisoformat(effective) if effective else ALWAYS
    with desk.store.write() as tx:
        store_masters.add_alias(
            tx, desk.id, desk.actor, kind, connection=connection, external=external, code=code, effective=day
        )
    desk.reload_masters()
    return sum(row["count"] for row in unmapped(desk, kind) if row["external"] == external)


def import_master(desk: Desk, kind: Kind, path: Path) -> dict[str, Any]:
    """Load master records from CSV or JSON. A wrong row refuses the file, naming row, field and reason."""
    with desk.store.write() as tx:
        done = import_file(tx, desk.id, desk.actor, kind, path)
    desk.reload_masters()
    return {"imported": done.changed + done.aliases, "unchanged": done.rows - done.changed, "refused": []}


def import_facts(desk: Desk, path: Path) -> dict[str, Any]:
    """Load dated facts from CSV or JSON. A wrong row refuses the file; standard costs land as events of our own."""
    with desk.store.write() as tx:
        done = store_facts.import_facts(tx, desk.id, desk.actor, path)
        unknown = sorted({x.item for x in done.standards if not desk.masters.knows("item", x.item)})
        if unknown:
            raise UsageError(
                f"{path.name}: there is no item {unknown[0]!r}",
                code="TO1005",
                fix=desk.masters.fix("item", "", unknown[0]),
            )
        landed = land_standards(tx, desk.pulling, desk.actor, done.standards)
    desk.reload_masters()
    return {"imported": done.changed + landed, "unchanged": done.rows - done.changed - landed, "refused": []}


def known_item(desk: Desk, code: str) -> str:
    """The item's code, or a usage error with the nearest one."""
    if desk.masters.knows("item", code):
        return code
    near = desk.masters.nearest("item", code)
    raise UsageError(f"there is no item {code!r}", code="TO1005", fix=f"did you mean {near[0]}?" if near else None)
