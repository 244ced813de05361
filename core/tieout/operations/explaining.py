"""Explain: why a movement cost what it did, and why a line went to an account. In words, and as data.

A cost is explained by valuing the item again from its events, and proved against the journal: what is posted for the
movement and for everything that restated it must be, role by role, what valuation says.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any, NamedTuple

import sqlalchemy as sa

from tieout.errors import StoreError, TieoutError, UsageError
from tieout.model.event import EventLine, order_key
from tieout.model.journal import Flow
from tieout.model.money import from_minor
from tieout.model.quantity import from_scaled
from tieout.model.roles import ROLES
from tieout.operations.cost_story import Storyteller, in_words, plain
from tieout.operations.desk import Desk
from tieout.operations.office import Office
from tieout.operations.reports import END_OF_TIME, Known, last_batch, new_valuer, valued_through
from tieout.operations.trace import Tracer
from tieout.posting.accounts import KEYS, AccountKeys, AccountRow
from tieout.store.lines import load_lines
from tieout.store.schema import booking, entry, event, exception
from tieout.store.tx import Tx
from tieout.valuation.engine import LANDED
from tieout.valuation.opening import MEMO_ROWS
from tieout.valuation.replay import Change, Result, advance
from tieout.valuation.result import VARIANCES, moved_value, unit_cost

TOPICS = ("cost-of", "account-of")
LINES_MAX = 100
Key = tuple[str, str]


def explain(offices: Sequence[Office], topic: Sequence[str]) -> dict[str, Any]:
    """The page on a topic: `("cost-of", MOVEMENT)` or `("account-of", ROLE, "key=value", …)`; the words are in `text`.

    Raises UsageError with the nearest topic, movement or role where there is none of that name.
    """
    kind, *rest = topic
    if kind == "cost-of" and len(rest) == 1:
        return cost_of(offices, rest[0])
    if kind == "account-of" and rest:
        return account_of(offices, rest[0], rest[1:])
    if kind in TOPICS:
        raise UsageError(
            f"explain {kind}: one more word is missing or one too many",
            fix="explain cost-of MOVEMENT, or explain account-of ROLE [key=value …]",
        )
    known = [*TOPICS, *_words()]
    near = difflib.get_close_matches(kind, known, 1)
    raise UsageError(
        f"nothing to explain is called {kind!r}",
        fix=f"did you mean {near[0]}?" if near else "cost-of, account-of, an error code, a role, an event type",
    )


def _words() -> list[str]:
    from tieout.codes import all_codes
    from tieout.model.catalogue import EVENT_TYPES, REASONS

    return [*EVENT_TYPES, *ROLES, *REASONS, *all_codes()]


# ── accounts ───────────────────────────────────────────────────────────────────────────────────────────────────────
def account_of(offices: Sequence[Office], role: str, given: Sequence[str]) -> dict[str, Any]:
    """Which row of each company's account map decides for these keys, and which rows it beats."""
    if role not in ROLES:
        near = difflib.get_close_matches(role, ROLES, 1)
        raise UsageError(
            f"there is no role {role!r}", fix=f"did you mean {near[0]}?" if near else "docs/configuration.md lists them"
        )
    values = _given(given)
    day = date.fromisoformat(values.pop("day")) if "day" in values else None
    answers = [_account(office.desk, role, values, day or office.desk.today()) for office in offices]
    return {
        "kind": "account-of",
        "id": role,
        "accounts": answers,
        "text": "\n\n".join(str(answer["text"]) for answer in answers),
    }


def _given(pairs: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        if not equals or name not in (*KEYS, "day"):
            near = difflib.get_close_matches(name, [*KEYS, "day"], 1)
            raise UsageError(
                f"{pair!r} is no key of an account",
                fix=f"did you mean {near[0]}=…?" if near else f"{', '.join(KEYS)} or day, as key=value",
            )
        values[name] = value
    if "day" in values:
        try:
            date.fromisoformat(values["day"])
        except ValueError:
            raise UsageError(f"day: {values['day']!r} is not a day", fix="write it as 2026-03-31") from None
    return values


def _account(desk: Desk, role: str, values: Mapping[str, str], day: date) -> dict[str, Any]:
    known = dict(values)
    if known.get("item") and "category" not in known:
        known["category"] = desk.category(known["item"])
    keys = AccountKeys(**{name: text for name, text in known.items() if text})
    accounts = desk.company.accounts
    row = accounts.find(role, keys, day)
    said = ", ".join(f"{name} {text}" for name, text in keys._asdict().items() if text) or "no keys"
    head = f"company {desk.company.code}: role {role} with {said} on {day}"
    if row is None:
        try:
            accounts.account(role, keys, day)
        except TieoutError as error:
            return {"company": desk.company.code, "account": None, "text": f"{head}\n  no account: {error}"}
        raise AssertionError("a role without a row has an account")
    others = [other for other in accounts.rows if other.role == role and other is not row]
    lines = [head, f"  → {row.account}", f"  decided by {_row(row)}"]
    lines += [f"  not {_row(other)}: {_beaten(other, row, keys, day)}" for other in others]
    return {
        "company": desk.company.code,
        "account": row.account,
        "where": row.where,
        "keys": {name: value for name, value in row.keys._asdict().items() if value},
        "effective": None if row.effective == date.min else row.effective.isoformat(),
        "text": "\n".join(lines),
    }


def _row(row: AccountRow) -> str:
    named = ", ".join(f"{name} {getattr(row, name)}" for name in row.named()) or "any keys"
    since = "" if row.effective == date.min else f" from {row.effective}"
    return f"the row for {named}{since} → {row.account}" + (f" ({row.where})" if row.where else "")


def _beaten(other: AccountRow, row: AccountRow, keys: AccountKeys, day: date) -> str:
    """Why this row does not decide."""
    for name in other.named():
        if getattr(other, name) != getattr(keys, name):
            return f"its {name} is not {getattr(keys, name) or 'given'}"
    if other.effective > day:
        return f"it begins on {other.effective}"
    if other.named() == row.named():
        return f"a later row holds from {row.effective}"
    first = next(name for name in KEYS if (name in row.named()) != (name in other.named()))
    return f"a row that names the {first} goes first"


# ── costs ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class Why(NamedTuple):
    """A movement with everything that made its cost. `posted` None: nothing is posted, for the reason in `note`."""

    line: EventLine
    own: list[Flow]
    causes: list[tuple[EventLine, Flow]]  # what restated it, in the order of valuation
    open: bool  # part of it is still an estimate
    posted: Mapping[str, int] | None
    note: str


def cost_of(offices: Sequence[Office], movement: str) -> dict[str, Any]:
    """Why each unit of a movement (a document number or an event id) cost what it did."""
    for office in offices:
        with office.desk.store.read() as rx:
            tracer = Tracer(rx, office)
            seeds = tracer.by_document(movement) or tracer.by_event(movement)
            if seeds is None:
                continue
            lines = _current(rx, office.desk, seeds.events)
            pages = _explain_lines(tracer, lines[:LINES_MAX])
        if not pages:
            types = ", ".join(sorted({line.type for line in lines})) or "taken back"
            raise UsageError(
                f"{movement} moves no units and has no cost of its own ({types})",
                code="TO1095",
                fix=f"tieout trace {movement} shows what it did",
            )
        texts = [str(page["text"]) for page in pages]
        if len(lines) > LINES_MAX:
            texts.append(f"{len(lines) - LINES_MAX} more lines; name one event to see it")
        return {"kind": "cost-of", "id": movement, "movements": pages, "text": "\n\n".join(texts)}
    raise UsageError(f"no movement is called {movement!r}", code="TO1095", fix=_nearest(offices, movement))


def _nearest(offices: Sequence[Office], text: str) -> str:
    for office in offices:
        with office.desk.store.read() as rx:
            start = sa.select(event.c.document).where(
                event.c.company == office.desk.id, event.c.document.startswith(text[:3], autoescape=True)
            )
            near = difflib.get_close_matches(text, list(rx.execute(start.distinct().limit(10_000)).scalars()), 1)
        if near:
            return f"did you mean {near[0]}?"
    return "a vendor document number or an event id, such as `tieout trace SKU` shows"


def _current(rx: Tx, desk: Desk, rows: Sequence[int]) -> list[EventLine]:
    numbers, lines = load_lines(rx, desk.names, event.c.id.in_(rows), order=True)
    for number, line in zip(numbers, lines, strict=True):
        line.row = number
    return lines


def _explain_lines(tracer: Tracer, lines: Sequence[EventLine]) -> list[dict[str, Any]]:
    rx, desk = tracer.rx, tracer.desk
    pages = []
    by_item: dict[str, list[EventLine]] = {}
    for line in lines:
        if line.item and line.type not in LANDED:
            by_item.setdefault(line.item, []).append(line)
    for item, members in by_item.items():
        valued = _value_item(rx, desk, item)
        story = Storyteller(desk, valued.results)
        for line in members:
            result = valued.results.get((line.event_id, line.line_id))
            if result is None:
                continue
            if result.error is not None:
                raise UsageError(
                    f"{line.document or line.event_id} was not valued: {result.error.message}",
                    code=result.error.code,
                    fix=result.error.fix,
                )
            why = _why(tracer, line, valued)
            if why.own:
                pages.append(_page(rx, desk, why, story))
    return pages


class Valued(NamedTuple):
    """An item's lines valued from the beginning, and those that are still open at an estimate."""

    results: dict[Key, Result]
    open: set[Key]


def _value_item(rx: Tx, desk: Desk, item: str) -> Valued:
    """Every line of an item (and of items it is linked with)."""
    history = Known(rx, desk, up_to=last_batch(rx, desk), horizon=END_OF_TIME, touching={})
    own = [line for line in history.lines(item) if line.type not in LANDED]
    valuer = new_valuer(desk)
    results = {(x.line.event_id, x.line.line_id): x for x in advance(valuer, history, [Change(line) for line in own])}
    state = valuer.states[item]
    movers = [state.move(estimate.move).line for pool in state.pools for estimate in pool.open]
    return Valued(results, {(line.event_id, line.line_id) for line in movers})


def _why(tracer: Tracer, line: EventLine, valued: Valued) -> Why:
    rx, desk = tracer.rx, tracer.desk
    results = valued.results
    key = (line.event_id, line.line_id)
    causes = [
        (result.line, flow)
        for result in results.values()
        for flow in result.flows
        if flow.affected is not None and (flow.affected.event_id, flow.affected.line_id) == key
    ]
    own = [flow for flow in results[key].flows if flow.affected is None]
    wanted = _net([*own, *(flow for _, flow in causes)])
    if desk.mode_of(line.item, line.location) == "shadow":
        return Why(line, own, causes, key in valued.open, None, "shadow: valued, never posted")
    posted = _posted(rx, desk, tracer.versions_of(line))
    if posted == wanted:
        return Why(line, own, causes, key in valued.open, posted, "")
    waiting = _not_through(rx, desk)
    if waiting:
        return Why(line, own, causes, key in valued.open, posted or None, waiting)
    raise StoreError(
        f"what is posted for {line.document or line.event_id} is {_roles(desk, posted)}; its cost is "
        f"{_roles(desk, wanted)}",
        code="TO8019",
        where=line.event_id,
        fix="tieout db verify, then tieout plan",
    )


def _net(flows: Sequence[Flow]) -> dict[str, int]:
    """Per role what flows add, debit positive."""
    sums: dict[str, int] = {}
    for flow in flows:
        sums[flow.debit] = sums.get(flow.debit, 0) + flow.amount
        sums[flow.credit] = sums.get(flow.credit, 0) - flow.amount
    return {role: amount for role, amount in sorted(sums.items()) if amount}


def _posted(rx: Tx, desk: Desk, rows: Sequence[int]) -> dict[str, int]:
    """Per role what is posted for a movement (all its versions) by itself and by what restated it; withdrawn entries do
    not count."""
    b = booking.c
    of_it = (b.event.in_(rows) & b.affected.is_(None)) | b.affected.in_(rows)
    query = (
        sa.select(b.debit, b.credit, b.amount)
        .select_from(booking.join(entry, entry.c.id == b.entry))
        .where(of_it, entry.c.state != "withdrawn")
    )
    found = rx.execute(query).all()
    legs = desk.journal.legs(rx, {side for each in found for side in (each.debit, each.credit)})
    sums: dict[str, int] = {}
    for each in found:
        for side, sign in ((each.debit, 1), (each.credit, -1)):
            role = legs[side].role
            sums[role] = sums.get(role, 0) + sign * each.amount
    return {role: amount for role, amount in sorted(sums.items()) if amount}


def _not_through(rx: Tx, desk: Desk) -> str:
    """Why the journal may rightly be behind the events, '' when it may not."""
    if last_batch(rx, desk) > valued_through(rx, desk):
        return "what has landed since is not posted yet: tieout run"
    x = exception.c
    waiting = sa.select(sa.func.count()).where(x.company == desk.id, x.state == "open", x.stage.in_(("value", "post")))
    count = int(rx.execute(waiting).scalar() or 0)
    return f"{count} exceptions hold events back: tieout exceptions list" if count else ""


def _roles(desk: Desk, sums: Mapping[str, int]) -> str:
    return ", ".join(f"{role} {from_minor(amount, desk.currency)}" for role, amount in sums.items()) or "nothing"


# ── the page ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _page(rx: Tx, desk: Desk, why: Why, story: Storyteller) -> dict[str, Any]:
    line, money = why.line, desk.currency
    cost = sum(moved_value(line, flow) for flow in why.own)
    layers = _layers(rx, desk, why.own)
    for each in layers:
        origin = (str(each["origin"]), str(each["line"]))
        each["made_of"] = story.made_of(origin, Fraction(each["scaled"]), each["minor"], order_key(line))
    estimate = cost - sum(layer["minor"] for layer in layers) if layers or why.open else 0
    restated = _restated(desk, why)
    final = cost + sum(each["minor"] for each in restated)
    day = desk.days.day_of(line.at)
    policy = desk.company.policies.at(day, desk.category(line.item), line.channel)
    own = sorted({(flow.row, flow.debit, flow.credit) for flow in why.own})
    unit = unit_cost(abs(line.quantity), final, money)
    words = [
        f"{line.document or line.event_id[:16]}  {line.type}  {line.item}  {from_scaled(line.quantity)}"
        + (f" at {line.location}" if line.location else "")
        + f"  {day}",
        f"  final cost {from_minor(final, money)} {money}" + (f", {unit} a unit" if unit else ""),
        *(f"  row {row}: debit {debit}, credit {credit}" for row, debit, credit in own),
        f"  policy: {policy.cost_method}, one pool per {policy.cost_scope}; bill variance {policy.bill_variance}"
        + (f"; category {desk.category(line.item)}" if desk.category(line.item) else ""),
    ]
    for each in layers:
        name = each["document"] or each["origin"][:16]
        words.append(f"  {each['quantity']} from {name} ({each['type']}, {each['date']}) at {each['value']}")
        words += in_words(each["made_of"], 6)
    if estimate:
        words.append(f"  {from_minor(estimate, money)} is an estimate for units no layer held yet")
    words.append(f"  cost when it happened {from_minor(cost, money)}")
    words += [
        f"  {each['amount']} by {each['document'] or each['cause'][:12]} ({each['type']}, {each['date']}), row {each['row']}"
        for each in restated
    ]
    if restated:
        sums = " + ".join([from_minor(cost, money), *(str(each["amount"]) for each in restated)])
        words.append(f"  {sums} = {from_minor(final, money)}")
    words.append(f"  {'not posted: ' + why.note if why.posted is None else 'posted: ' + _roles(desk, why.posted)}")
    if why.note and why.posted is not None:
        words.append(f"  {why.note}")
    return {
        "event": line.event_id,
        "line": line.line_id,
        "document": line.document,
        "type": line.type,
        "item": line.item,
        "location": line.location,
        "quantity": from_scaled(line.quantity),
        "day": day.isoformat(),
        "currency": money,
        "cost": from_minor(cost, money),
        "final_cost": from_minor(final, money),
        "unit_cost": unit,
        "provisional": why.open,
        "estimate": from_minor(estimate, money),
        "rows": [row for row, _, _ in own],
        "policy": {"cost_method": policy.cost_method, "cost_scope": policy.cost_scope},
        "layers": [{**_without(each), "made_of": plain(each["made_of"])} for each in layers],
        "restatements": [_without(each) for each in restated],
        "posted": None if why.posted is None else {r: from_minor(a, money) for r, a in why.posted.items()},
        "text": "\n".join(words),
    }


def _without(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("minor", "scaled")}


def _layers(rx: Tx, desk: Desk, own: Sequence[Flow]) -> list[dict[str, Any]]:
    """What the movement took: from which event, when, how much, at what value."""
    taken = [layer for flow in own for layer in flow.layers]
    keys = [bytes.fromhex(layer.origin_event) for layer in taken]
    _, lines = load_lines(rx, desk.names, event.c.key.in_(keys)) if keys else ([], [])
    known = {line.event_id: line for line in lines}
    out = []
    for layer in taken:
        line = known.get(layer.origin_event)
        out.append(
            {
                "origin": layer.origin_event,
                "line": layer.origin_line,
                "document": line.document if line else "",
                "type": line.type if line else "",
                "date": desk.days.day_of(line.at).isoformat() if line else "",
                "quantity": from_scaled(layer.quantity),
                "value": from_minor(layer.value, desk.currency),
                "minor": layer.value,
                "scaled": layer.quantity,
            }
        )
    return out


def _restated(desk: Desk, why: Why) -> list[dict[str, Any]]:
    return [
        {
            "cause": cause.event_id,
            "document": cause.document,
            "type": cause.type,
            "date": desk.days.day_of(cause.at).isoformat(),
            "row": flow.row,
            "amount": from_minor(flow.amount, desk.currency),
            "minor": flow.amount,
        }
        for cause, flow in why.causes
        if flow.amount and flow.row not in MEMO_ROWS and flow.debit not in VARIANCES
    ]
