"""Health: what the books can prove about themselves (`verify`), and what stands around them (`doctor`).

`verify` writes nothing. Beyond what the database proves of its rows, everything that is only a cache is rebuilt from the
events and compared, and the journal is added up.
"""

from __future__ import annotations

import platform
import shutil
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tieout.config.project import Connection, Project
from tieout.errors import TieoutError
from tieout.model.money import from_minor
from tieout.operations.consent import state_of
from tieout.operations.desk import Desk
from tieout.operations.office import Office
from tieout.operations.reports import (
    END_OF_TIME,
    Reperformed,
    last_batch,
    new_valuer,
    reperform,
    valued_through,
    worth,
)
from tieout.posting.reference import parse
from tieout.store import balances, outbox
from tieout.store.backup import unverified
from tieout.store.history import ReadingHistory
from tieout.store.schema import booking, checkpoint, entry, exception, holding, lane, name
from tieout.store.store import Store
from tieout.store.tx import Tx
from tieout.store.verify import verify as verify_store
from tieout.valuation.replay import Change, advance

SHOWN_MAX = 5
LIBRARIES = ("tieout", "sqlalchemy", "msgspec", "pydantic", "pluggy", "alembic")
FREE_BYTES_MIN = 1_000_000_000
CLOCK_OFF_SECONDS_MAX = 30
READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH

Check = dict[str, Any]
Worth = dict[str, dict[str, tuple[int, int]]]  # item → control role → (quantity, value)


# ── verify ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def verify(store: Store, offices: Sequence[Office]) -> dict[str, Any]:
    """Every check with its outcome: `{"ok", "checks": [{"ok", "what", "detail"}]}`."""
    found = verify_store(store)
    checks = [
        _check(
            "pages, audit chains, rows, triggers",
            [f"{problem.where}: {problem.what}" for problem in found.problems],
            f"{found.pages} pages, {found.batches} batches, {found.acts} acts",
        )
    ]
    for office in offices:
        checks += _books(office)
    return {"ok": all(check["ok"] for check in checks), "checks": checks}


def _check(what: str, problems: Sequence[str], detail: str) -> Check:
    shown = "; ".join(problems[:SHOWN_MAX]) + (
        f"; and {len(problems) - SHOWN_MAX} more" if len(problems) > SHOWN_MAX else ""
    )
    return {"ok": not problems, "what": what, "detail": shown or detail}


def _books(office: Office) -> list[Check]:
    desk = office.desk
    code = desk.company.code
    with desk.store.read() as rx:
        checks = [_entries(rx, desk)]
        done = valued_through(rx, desk)
        if last_batch(rx, desk) != done:
            waiting = "what has landed is not posted yet; run `tieout run`, then verify again"
            return [*checks, _check(f"{code}: caches and layers", [], waiting)]
        again = reperform(rx, desk, up_to=done)
        fresh: Worth = {item: _held(worth(state)) for item, state in again.valuer.states.items()}
        checks.append(_holdings(rx, desk, fresh))
        checks.append(_checkpoints(rx, desk, fresh, done))
        checks.append(_layers(rx, desk, fresh, again))
    return checks


def _held(roles: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {role: held for role, held in roles.items() if held != (0, 0)}


def _entries(rx: Tx, desk: Desk) -> Check:
    """Every document balances and says, with its other parts, exactly what its bookings say."""
    e = entry.c
    query = sa.select(entry).where(e.company == desk.id, e.sealed_at.is_not(None), e.state != outbox.WITHDRAWN)
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in rx.execute(query.order_by(e.part)):
        groups.setdefault((row.ledger, row.mode, row.grouping, row.n, row.revision), []).append(row)
    booked = _booked(rx, desk)
    problems = []
    for parts in groups.values():
        sums: dict[str, int] = {}
        for row in parts:
            lines = parse(row.document).lines if row.document else ()
            off = sum(line.amount for line in lines)
            if off:
                problems.append(f"entry {row.id} is out of balance by {from_minor(off, desk.currency)}")
            for line in lines:
                sums[line.account] = sums.get(line.account, 0) + line.amount
        if _nonzero(sums) != _nonzero(booked.get(parts[0].id, {})):
            problems.append(f"entry {parts[0].id}: its document does not say what its bookings say")
    return _check(f"{desk.company.code}: entries", problems, f"{len(groups)} sealed entries balance")


def _nonzero(sums: Mapping[str, int]) -> dict[str, int]:
    return {account: amount for account, amount in sums.items() if amount}


def _booked(rx: Tx, desk: Desk) -> dict[int, dict[str, int]]:
    """What the bookings of each entry add to each account, debit positive."""
    b = booking.c
    out: dict[int, dict[str, int]] = {}
    for sign, side in ((1, b.debit), (-1, b.credit)):
        query = (
            sa.select(b.entry, side, sa.func.sum(b.amount))
            .select_from(booking.join(entry, entry.c.id == b.entry))
            .where(entry.c.company == desk.id)
            .group_by(b.entry, side)
        )
        rows: list[Any] = list(rx.execute(query).all())
        legs = desk.journal.legs(rx, {row[1] for row in rows})
        for number, leg, amount in rows:
            sums = out.setdefault(number, {})
            sums[legs[leg].account] = sums.get(legs[leg].account, 0) + sign * int(amount)
    return out


def _holdings(rx: Tx, desk: Desk, fresh: Worth) -> Check:
    h = holding.c
    query = (
        sa.select(name.c.text, h.role, h.quantity, h.value)
        .join(name, name.c.id == h.item)
        .where(h.company == desk.id, sa.or_(h.quantity != 0, h.value != 0))
    )
    kept: Worth = {}
    for row in rx.execute(query):
        kept.setdefault(row.text, {})[row.role] = (row.quantity, row.value)
    problems = _differing(desk, fresh, kept)
    return _check(f"{desk.company.code}: holdings rebuilt", problems, f"{len(fresh)} items valued from nothing")


def _differing(desk: Desk, fresh: Worth, kept: Worth) -> list[str]:
    return [
        f"{item}: kept {_words(desk, kept.get(item, {}))}, from the events {_words(desk, fresh.get(item, {}))}"
        for item in sorted({*fresh, *kept})
        if fresh.get(item, {}) != kept.get(item, {})
    ]


def _words(desk: Desk, roles: Mapping[str, tuple[int, int]]) -> str:
    return (
        ", ".join(f"{role} {from_minor(value, desk.currency)}" for role, (_, value) in sorted(roles.items()))
        or "nothing"
    )


def _checkpoints(rx: Tx, desk: Desk, fresh: Worth, done: int) -> Check:
    """Items that have a saved state, valued on from it: the same as from nothing."""
    query = sa.select(checkpoint.c.item).distinct().where(checkpoint.c.company == desk.id)
    numbers = list(rx.execute(query).scalars())
    word = desk.names.texts(rx, numbers)
    resumed: Worth = {}
    since = desk.cutover_at(rx)
    for item in sorted(word[number] for number in numbers):
        valuer = new_valuer(desk)
        history = ReadingHistory(rx, desk.names, done=done, up_to=done, horizon=END_OF_TIME, since=since)
        lines = history.lines(item)
        if lines:
            for _ in advance(valuer, history, [Change(lines[-1])]):
                pass
            resumed[item] = _held(worth(valuer.states[item]))
    problems = _differing(desk, {item: fresh.get(item, {}) for item in resumed}, resumed)
    return _check(
        f"{desk.company.code}: checkpoints resumed", problems, f"{len(resumed)} items valued from saved states"
    )


def _layers(rx: Tx, desk: Desk, fresh: Worth, again: Reperformed) -> Check:
    """Σ layers = Σ bookings on the control accounts, item by item (matrix §22.2)."""
    posted: dict[str, int] = {}
    for (item, _), value in balances.control_value(rx, desk.journal).items():
        posted[item] = posted.get(item, 0) + value
    held_back = _held_back(rx, desk)
    compared = {item for item in {*fresh, *posted} if desk.mode_of(item) != "shadow" and item not in held_back}
    problems = []
    for item in sorted(compared):
        layers = sum(value for _, value in fresh.get(item, {}).values())
        if layers != posted.get(item, 0):
            problems.append(
                f"{item or 'no item'}: layers {from_minor(layers, desk.currency)}, "
                f"bookings {from_minor(posted.get(item, 0), desk.currency)}"
            )
    more = f", {len(held_back)} wait for exceptions" if held_back else ""
    more += f", {again.refused} event lines refused" if again.refused else ""
    return _check(f"{desk.company.code}: layers = bookings", problems, f"{len(compared)} items{more}")


def _held_back(rx: Tx, desk: Desk) -> set[str]:
    """Items whose events are valued and could not be posted."""
    from tieout.store.exceptions import list_exceptions

    rows = list_exceptions(rx, desk.id, stage="post")
    return {str(row["data"].get("item", "")) for row in rows if row["data"]}


# ── doctor ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def doctor(store: Store, project: Project, offices: Sequence[Office]) -> dict[str, Any]:
    """The machine, the database, the configuration, plugins, connections, locks and what waits:
    `{"findings": [{"level": ok | warning | error, "what", "fix"}]}`."""
    findings = [
        _finding("ok", f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"),
        _finding("ok", ", ".join(_versions())),
        *(_finding(note.level, note.what, note.fix) for note in store.doctor()),
        *(_finding("warning", f"{slip.where}: {slip.what}", slip.why) for slip in project.warnings),
        *_plugins(project),
        *_disk(store, project),
        *_permissions(store, project),
        *_restored(store),
    ]
    for office in offices:
        findings += [*_connections(office), *_locks(office), *_backlog(office)]
    return {"findings": findings}


def _restored(store: Store) -> list[dict[str, str]]:
    lanes = unverified(store)
    if not lanes:
        return []
    what = f"restored from a backup: {', '.join(lanes)} looks for each entry in the ledger before sending it"
    return [_finding("warning", what, "tieout run; this goes when the ledger shows no document that is unknown here")]


def _finding(level: str, what: str, fix: str = "") -> dict[str, str]:
    return {"level": level, "what": what, "fix": fix}


def _versions() -> Iterable[str]:
    for library in LIBRARIES:
        try:
            yield f"{library} {version(library)}"
        except PackageNotFoundError:
            yield f"{library} (not installed as a distribution)"


def _plugins(project: Project) -> list[dict[str, str]]:
    return [
        _finding("error", f"plugin {row['name']} ({row['distribution']}): {row['error']}", row["fix"])
        for row in project.plugins.describe()
        if row["state"] == "broken"
    ]


def _disk(store: Store, project: Project) -> list[dict[str, str]]:
    folder = store.path.parent if store.path else project.root
    free = shutil.disk_usage(folder).free
    wanted = max(FREE_BYTES_MIN, store.path.stat().st_size if store.path and store.path.exists() else 0)
    words = f"{free // 1_000_000:,} MB free at {folder}"
    if free < wanted:
        return [_finding("warning", words, f"make room: at least {wanted // 1_000_000:,} MB, as much as the database")]
    return [_finding("ok", words)]


def _permissions(store: Store, project: Project) -> list[dict[str, str]]:
    """Files that other users of this machine can read or change and should not."""
    if sys.platform == "win32":
        return []
    out = []
    watched: list[tuple[Path, int, str]] = [(project.file, WRITABLE_BY_OTHERS, "changed")]
    if store.path:
        watched.append((store.path, WRITABLE_BY_OTHERS, "changed"))
    keys = project.root / "keys"
    watched += [(path, READABLE_BY_OTHERS | WRITABLE_BY_OTHERS, "read") for path in sorted(keys.glob("*"))]
    for path, bits, verb in watched:
        if path.exists() and path.stat().st_mode & bits:
            mode = "600" if verb == "read" else "go-w"
            out.append(_finding("warning", f"{path} can be {verb} by others", f"chmod {mode} {path}"))
    return out


def _connections(office: Office) -> list[dict[str, str]]:
    desk, out = office.desk, []
    for connection in desk.project.connections_of(desk.company.code):
        try:
            if "source" in connection.roles:
                built: Any = office.intake.source(connection)
            else:
                made: Any = connection.implementation
                built = made(desk.context(connection))
            found = list(built.check())
            out += [*_clock(connection.name, built), *_grant(desk, connection)]
        except TieoutError as error:
            out.append(_finding("error", f"{connection.name}: {error.message}", error.fix or ""))
            continue
        out += [_finding(each.level, f"{connection.name}: {each.what}", each.fix) for each in found]
        if not found:
            out.append(_finding("ok", f"{connection.name}: nothing to remark"))
    return out


def _clock(name: str, built: Any) -> list[dict[str, str]]:
    """Our clock against the vendor's, by the `Date` of its last answer."""
    off = getattr(getattr(built, "http", None), "clock_off", None)
    if off is None or abs(off) <= CLOCK_OFF_SECONDS_MAX:
        return []
    side = "ahead of" if off > 0 else "behind"
    return [
        _finding("warning", f"{name}: our clock is {abs(round(off))} s {side} the vendor's", "let NTP set the clock")
    ]


def _grant(desk: Desk, connection: Connection) -> list[dict[str, str]]:
    """How long the grant of a connection still lives."""
    state = state_of(desk, connection)
    if state["state"] in ("not_needed", "connected"):
        until = state["refresh_until"]
        return [_finding("ok", f"{connection.name}: consent lasts until {until}")] if until else []
    words = {"none": "nobody has consented", "expired": "the consent has expired"}
    what = words.get(state["state"], f"the consent ends on {state['refresh_until']}")
    level = "warning" if state["state"] == "ends_soon" else "error"
    return [_finding(level, f"{connection.name}: {what}", state["next"])]


def _locks(office: Office) -> list[dict[str, str]]:
    company = office.desk.company
    try:
        ledger = office.desk.read_lock()
    except TieoutError as error:
        return [
            _finding(
                "error", f"{company.code}: the ledger's lock date cannot be read: {error.message}", error.fix or ""
            )
        ]
    own = company.locked_through
    words = f"{company.code}: locked through {own or 'nothing'} here, {ledger or 'nothing'} in the ledger"
    if own and ledger and own < ledger:
        return [_finding("warning", words, f"set locked_through = {ledger}: the ledger is closed further")]
    return [_finding("ok", words)]


def _backlog(office: Office) -> list[dict[str, str]]:
    desk, code = office.desk, office.desk.company.code
    with desk.store.read() as rx:
        landed, valued = last_batch(rx, desk), valued_through(rx, desk)
        states = outbox.counts(rx, desk.id)
        query = sa.select(sa.func.count()).where(exception.c.company == desk.id, exception.c.state == "open")
        problems = int(rx.execute(query).scalar() or 0)
        lanes = rx.execute(sa.select(lane).where(lane.c.company == desk.id, lane.c.not_before > desk.micros())).all()
    out = []
    if landed != valued:
        out.append(_finding("warning", f"{code}: landed records are not posted yet", "tieout run"))
    for state in ("rejected", "parked", "unknown"):
        if states.get(state):
            out.append(_finding("warning", f"{code}: {states[state]} entries are {state}", "tieout status"))
    if problems:
        out.append(_finding("warning", f"{code}: {problems} open exceptions", "tieout exceptions list"))
    for row in lanes:
        until = datetime.fromtimestamp(row.not_before // 1_000_000, UTC).isoformat().replace("+00:00", "Z")
        out.append(_finding("ok", f"{code}: {row.what} goes on at {until}, as its vendor asked"))
    waiting = sum(states.get(state, 0) for state in ("planned", "pending", "sending"))
    return out or [
        _finding("ok", f"{code}: nothing waits" + (f" but {waiting} entries on their way" if waiting else ""))
    ]
