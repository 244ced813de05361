"""The auditor's work: daily checkpoints outside the database, verification, the export that proves itself, changes.

PROJECT/audit/COMPANY.jsonl     signed checkpoints, one line a day; keep copies where nobody here can write
PROJECT/audit/COMPANY.pub       the public key
PROJECT/keys/audit-COMPANY.key  the private key, readable by its owner only
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tieout.audit import bundle, chain, checkpoint
from tieout.audit.checkpoint import Checkpoint
from tieout.errors import StoreError, UsageError
from tieout.model.event import EPOCH
from tieout.operations.desk import Desk
from tieout.operations.office import Office
from tieout.store.acts import acts
from tieout.store.schema import act, batch, booking, entry, version
from tieout.store.statements import JOURNAL, ask
from tieout.store.tx import Tx

BOOKINGS_A_READ = 20_000
DIFF_LINES_MAX = 200
# What an auditor calls a change, by the beginnings of the acts that make it.
KINDS: dict[str, tuple[str, ...]] = {
    "rules": ("rules.",),
    "mapping": ("mapping.", "remap"),
    "period": ("period.",),
    "approval": ("approval.", "entry.", "cutover"),
    "master": ("item.", "location.", "party.", "facts.", "alias."),
    "exception": ("exception.",),
    "other": ("",),
}


# ── checkpoints ────────────────────────────────────────────────────────────────────────────────────────────────────
def daily(office: Office) -> Checkpoint | None:
    """Today's checkpoint, made when there is none yet; None where there is, or nothing new to cover."""
    known = _kept(office.desk)
    if known and known[-1].day == office.desk.today().isoformat():
        return None
    return make_checkpoint(office)


def make_checkpoint(office: Office) -> Checkpoint | None:
    """A further checkpoint over what is new since the last one; None where nothing is. Raises StoreError TO8030 when the
    books no longer hold what the last one says."""
    desk = office.desk
    known = _kept(desk)
    last = known[-1] if known else None
    with desk.store.read() as rx:
        heads = [_head(rx, table, desk.id) for table in (batch, act)]
        until = int(rx.execute(sa.select(sa.func.max(booking.c.id))).scalar() or 0)
        digest, count = hashlib.sha256(), last.bookings if last else 0
        newest = last.last_booking if last else 0
        for number, row in _journal(rx, desk, newest, until):
            digest.update(row)
            count += 1
            newest = number
        held = last is None or _holds(rx, desk, last)
    (batches, last_batch, batch_head), (done, last_act, act_head) = heads
    size = batches + done + count
    if last is not None and not held:
        raise StoreError(
            f"the books of {desk.company.code} do not hold what the checkpoint of {last.day} covers ({last.size} rows)",
            code="TO8030",
            where=str(_file(desk, "jsonl")),
            fix="tieout audit verify; after a restore, put the checkpoints of that day back too",
        )
    if last is not None and size == last.size:
        return None
    previous = last.root if last else checkpoint.start()
    made = Checkpoint(
        company=desk.company.code,
        day=desk.today().isoformat(),
        time=desk.now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        size=size,
        batches=batches,
        acts=done,
        bookings=count,
        last_batch=last_batch,
        last_act=last_act,
        last_booking=newest,
        batch_head=batch_head,
        act_head=act_head,
        journal=digest.hexdigest(),
        previous=previous,
        root=checkpoint.root_of(previous, digest.hexdigest(), batch_head, act_head),
    )
    signed = checkpoint.sign(made, _private_key(desk))
    _append(_file(desk, "jsonl"), signed.text())
    return signed


def _holds(rx: Tx, desk: Desk, last: Checkpoint) -> bool:
    """Whether both chains still pass through the heads of a checkpoint, and the journal has as many rows up to it."""
    for table, number, head in ((batch, last.last_batch, last.batch_head), (act, last.last_act, last.act_head)):
        found = rx.execute(sa.select(table.c.hash).where(table.c.company == desk.id, table.c.id == number)).scalar()
        if number and (found is None or found.hex() != head):
            return False
    of_company = booking.join(entry, entry.c.id == booking.c.entry)
    where = (entry.c.company == desk.id) & (booking.c.id <= last.last_booking)
    return rx.execute(sa.select(sa.func.count()).select_from(of_company).where(where)).scalar() == last.bookings


def _head(rx: Tx, table: sa.Table, company: int) -> tuple[int, int, str]:
    """(rows, last id, last hash) of a company's chain."""
    count = rx.execute(sa.select(sa.func.count()).select_from(table).where(table.c.company == company)).scalar()
    query = sa.select(table.c.id, table.c.hash).where(table.c.company == company).order_by(table.c.id.desc()).limit(1)
    row = rx.execute(query).mappings().first()
    return (int(count or 0), row["id"], row["hash"].hex()) if row else (0, 0, checkpoint.start())


def _journal(rx: Tx, desk: Desk, after: int, until: int) -> Iterator[tuple[int, bytes]]:
    """Bookings as (id, canonical bytes), in order; nothing in them is a number that only this database knows."""
    for start in range(after, until, BOOKINGS_A_READ):
        found = ask(rx, JOURNAL, company=desk.id, after=start, until=min(start + BOOKINGS_A_READ, until))
        legs = desk.journal.legs(rx, {side for row in found for side in (row.debit, row.credit)})
        word = desk.names.texts(rx, {name for row in found for name in (row.item, row.credit_item, row.row)})
        for row in found:
            yield (
                row.id,
                checkpoint.journal_row(
                    {
                        "id": row.id,
                        "entry": row.entry,
                        "event": row.event.hex(),
                        "line": row.line_id or "",
                        "affected": row.affected.hex() if row.affected else None,
                        "affected_line": row.affected_line or "",
                        "debit": legs[row.debit],
                        "credit": legs[row.credit],
                        "amount": row.amount,
                        "quantity": row.quantity,
                        "item": word[row.item] if row.item else "",
                        "credit_item": word[row.credit_item] if row.credit_item else "",
                        "day": date.fromordinal(row.day).isoformat(),
                        "row": word[row.row],
                        "flags": row.flags,
                        "layers": row.layers,
                    }
                ),
            )


def _file(desk: Desk, ending: str) -> Path:
    return desk.project.root / "audit" / f"{desk.company.code}.{ending}"


def _kept(desk: Desk) -> list[Checkpoint]:
    path = _file(desk, "jsonl")
    try:
        return checkpoint.read(path.read_text(encoding="utf-8").splitlines()) if path.exists() else []
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path.name} holds a line that is no checkpoint: {error}",
            code="TO8031",
            where=str(path),
            fix="put back the copy you keep elsewhere",
        ) from error


def _append(path: Path, line: str) -> None:
    """One more line, whole or not at all: a crash leaves the file as it was."""
    path.parent.mkdir(exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(before + line + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _private_key(desk: Desk) -> bytes:
    """The company's key; made on first use."""
    path = desk.project.root / "keys" / f"audit-{desk.company.code}.key"
    if path.exists():
        return bytes.fromhex(path.read_text(encoding="ascii").strip())
    path.parent.mkdir(exist_ok=True)
    private = checkpoint.new_key()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(private.hex() + "\n")
    public = _file(desk, "pub")
    public.parent.mkdir(exist_ok=True)
    public.write_text(checkpoint.public_key(private) + "\n", encoding="ascii")
    return private


def _public_key(desk: Desk) -> str:
    path = _file(desk, "pub")
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


# ── verifying and exporting ────────────────────────────────────────────────────────────────────────────────────────
def verify(office: Office) -> dict[str, Any]:
    """The database against itself and against the checkpoints kept outside it: `{"ok", "company", "checks"}`."""
    desk = office.desk
    kept = _kept(desk)
    with desk.store.read() as rx:
        batches, done = _rows(rx, batch, desk.id), _rows(rx, act, desk.id)
        until = kept[-1].last_booking if kept else 0
        checks = [
            _broken("chain of landings", chain.verify(batches), f"{len(batches)} landings"),
            _broken("chain of acts", chain.verify(done), f"{len(done)} acts"),
            *bundle.books_checks(kept, _public_key(desk), batches, done, _journal(rx, desk, 0, until)),
            bundle.numbers_check(_entries(rx, desk)),
        ]
    return {"ok": all(check["ok"] for check in checks), "company": desk.company.code, "checks": checks}


def verify_file(path: Path, key: str = "") -> dict[str, Any]:
    """An export against itself, offline. UsageError TO8032 where it is none."""
    try:
        return bundle.verify(path.read_bytes(), key)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} cannot be read as an audit export: {error}", code="TO8032", where=str(path)
        ) from error


def export(office: Office, path: Path) -> dict[str, Any]:
    """Write the audit export of a company. Makes a checkpoint first, so that the export ends with one."""
    desk = office.desk
    make_checkpoint(office)
    kept = _kept(desk)
    with desk.store.read() as rx:
        until = kept[-1].last_booking if kept else 0
        lines = [row for _, row in _journal(rx, desk, 0, until)]
        entries = _entries(rx, desk)
        parts = {
            "batches.jsonl": bundle.to_lines(_rows(rx, batch, desk.id)),
            "acts.jsonl": bundle.to_lines(_rows(rx, act, desk.id)),
            "entries.jsonl": bundle.to_lines(entries),
            "journal.jsonl": b"".join(lines),
            "changes.jsonl": bundle.to_lines(changes(office)["changes"]),
            "checkpoints.jsonl": "".join(f"{each.text()}\n" for each in kept).encode(),
            "key.txt": _public_key(desk).encode(),
        }
    about = {
        "company": desk.company.code,
        "legal_name": desk.company.legal_name,
        "currency": desk.currency,
        "timezone": desk.company.timezone.key,
        "made_at": kept[-1].time if kept else None,
        "root": kept[-1].root if kept else None,
        "totals": {
            "bookings": len(lines),
            "turnover": sum(abs(json.loads(line)["amount"]) for line in lines),
            "entries": len(entries),
        },
    }
    data = bundle.pack(parts, about)
    path.write_bytes(data)
    return {**about, "file": str(path), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _rows(rx: Tx, table: sa.Table, company: int) -> list[dict[str, Any]]:
    query = sa.select(table).where(table.c.company == company).order_by(table.c.id)
    return [dict(row) for row in rx.execute(query).mappings()]


def _entries(rx: Tx, desk: Desk) -> list[dict[str, Any]]:
    """Every entry that was ever numbered or still waits, with the state it is in."""
    names = ("id", "number", "kind", "mode", "day", "period", "corrects", "lineage", "revision", "part", "state")
    more = ("reference", "document", "document_number", "ledger", "ledger_id", "preparer", "created_at", "sealed_at")
    columns = [entry.c[name] for name in (*names, *more, "acknowledged_at")]
    query = sa.select(*columns).where(entry.c.company == desk.id).order_by(entry.c.id)
    return [{**row, "day": row["day"].isoformat()} for row in rx.execute(query).mappings()]


def _broken(what: str, breaks: Sequence[chain.Break], detail: str) -> dict[str, Any]:
    shown = "; ".join(f"row {each.row} {each.what}" for each in breaks[:5])
    return {"ok": not breaks, "what": what, "detail": shown or detail}


# ── changes ────────────────────────────────────────────────────────────────────────────────────────────────────────
def changes(office: Office, *, kind: str | None = None, since: str | None = None) -> dict[str, Any]:
    """What people changed, oldest first: rules and mappings with the lines that differ, periods, approvals, master data.

    `kind`: one of `KINDS`; `since`: a day in the company's zone. UsageError for others.
    """
    desk = office.desk
    if kind is not None and kind not in KINDS:
        raise UsageError(f"--kind: {kind!r} is not one of {', '.join(KINDS)}")
    first = desk.days.end_of(_day(since) - timedelta(days=1)) if since else 0
    with desk.store.read() as rx:
        rows = [_act(row) for row in acts(rx, desk.id)]
        texts = _versions(rx, desk)
    known = {(row["kind"], row["subject"]) for row in rows}
    rows = [{**row, "diff": texts.get(("rules", row["subject"]), {}).get("diff", [])} for row in rows]
    rows += [text for key, text in texts.items() if key not in known]
    rows = [row for row in rows if row["micros"] >= first and kind in (None, row["kind"])]
    rows.sort(key=lambda row: (row["micros"], row["subject"]))
    out = [{name: value for name, value in row.items() if name != "micros"} for row in rows]
    return {"company": desk.company.code, "count": len(out), "changes": out}


def _act(row: dict[str, Any]) -> dict[str, Any]:
    what = row["what"]
    kind = next(name for name, starts in KINDS.items() if any(what.startswith(start) for start in starts))
    return {
        "at": _time(row["at"]),
        "micros": row["at"],
        "actor": row["actor"],
        "kind": kind,
        "what": what,
        "subject": row["subject"],
        "data": row["data"],
    }


def _versions(rx: Tx, desk: Desk) -> dict[tuple[str, str], dict[str, Any]]:
    """First uses of mapping and rule texts, each with what it changes of the one of its kind and name before it."""
    v = version.c
    out: dict[tuple[str, str], dict[str, Any]] = {}
    before: dict[str, str] = {}
    for row in rx.execute(sa.select(version).where(v.company == desk.id).order_by(v.first_used, v.id)).all():
        name = row.kind if row.kind == "rules" else f"{row.kind} {row.version.partition(' ')[0].partition('@')[0]}"
        old = before.get(name)
        diff = (
            [] if old is None else list(difflib.unified_diff(old.splitlines(), row.body.splitlines(), lineterm="", n=0))
        )
        before[name] = row.body
        out[row.kind, row.version] = {
            "at": _time(row.first_used),
            "micros": row.first_used,
            "actor": "",
            "kind": row.kind,
            "what": f"{row.kind}.first_used",
            "subject": row.version,
            "data": {"lines": row.body.count("\n") + 1},
            "diff": diff[2 : DIFF_LINES_MAX + 2],
        }
    return out


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since: {text!r} is not a day", fix="write it as 2026-03-31") from None


def _time(micros: int) -> str:
    moment: datetime = EPOCH + timedelta(microseconds=micros)
    return moment.isoformat().replace("+00:00", "Z")
