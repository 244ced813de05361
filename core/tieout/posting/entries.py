"""Entries: which bookings leave together (matrix SAL-20), when a group is complete, and the document it becomes.

A group's key is posting day, location of the event, event type, channel and, by setting, its document or event; a
period corrected later stands apart. `per_payout` puts the payout in the place of the location, so that what a gateway
pays out together leaves together, day by day; what is in no payout is grouped as `daily`. Lines on `ar`, `ap` or `bank`
are never grouped beyond their own document. A sealed entry never changes: what comes later for the same group is a
further entry `n + 1`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal, NamedTuple

import msgspec

from tieout.errors import Refused
from tieout.model.event import EventLine
from tieout.model.journal import Booking, Document, DocumentLine, Leg
from tieout.model.roles import NATIVE_ROLES, STOCK_ROLES
from tieout.posting.dates import PostingDay
from tieout.posting.owned import is_external

Grouping = Literal["daily", "per_document", "per_event", "per_payout"]

PAYOUT = "payout"  # the dimension of an event line that names the payout it is in
_PAYOUTS = frozenset({"payout.paid", "payout.adjusted"})

# OPN-02: the ledger carries the balance already, so the lines count as delivered and are never sent.
_KINDS = {"ap": ("bill", "vendor_credit"), "ar": ("credit_memo", "invoice")}  # (net credit, net debit)


class Group(NamedTuple):
    """The key of an entry. `text()` is its canonical form, stored and hashed; `native` is the role that sets it apart."""

    day: date
    corrects: str
    location: str
    type: str
    channel: str
    document: str
    native: str
    external: bool

    def text(self) -> str:
        return msgspec.json.encode((self.day.isoformat(), *self[1:7], "external" if self.external else "")).decode()


def payout_of(line: EventLine) -> str:
    """The payout an event line is in: its dimension `payout`, or the number of the payout it is itself; '' for none."""
    dims = line.extra.get("dims") if line.extra else None
    if dims and dims.get(PAYOUT):
        return str(dims[PAYOUT])
    return line.document if line.type in _PAYOUTS else ""


def group_of(booking: Booking, posting: PostingDay, grouping: Grouping = "daily", native: str = "") -> Group:
    """The group a booking belongs to: that of the event that causes it, wherever the units it restates are. `native`:
    the native role another booking of the event has; a bill and what it restates are one document."""
    line = booking.line
    native = native or native_role(booking.debit, booking.credit)
    external = is_external(booking.row)
    if native or grouping == "per_document":
        return Group(
            posting.day, posting.corrects, "", line.type, line.channel, line.document or line.event_id, native, external
        )
    payout = payout_of(line) if grouping == "per_payout" else ""
    return Group(
        posting.day,
        posting.corrects,
        f"payout {payout}" if payout else line.location,
        line.type,
        line.channel,
        line.event_id if grouping == "per_event" else "",
        "",
        external,
    )


def parse_group(text: str) -> Group:
    """A group from its canonical text."""
    day, corrects, location, kind, channel, document, native, external = msgspec.json.decode(text, type=list[str])
    return Group(date.fromisoformat(day), corrects, location, kind, channel, document, native, bool(external))


def waits_for_its_day(group: Group) -> bool:
    """Whether more may still come: true for daily groups, false for single documents and events."""
    return not group.document


def native_role(debit: Leg, credit: Leg) -> str:
    """`ap`, `ar` or `bank` where a pair touches one, else ''."""
    if debit.role not in NATIVE_ROLES and credit.role not in NATIVE_ROLES:
        return ""
    roles = {debit.role, credit.role}
    return next(role for role in ("ap", "ar", "bank") if role in roles)


def complete(
    day_end: int, now: int, watermarks: Iterable[int | None], seal_lag_seconds: int, *, seal_now: bool = False
) -> bool:
    """Whether a daily group may be sealed: its day is over by `seal_lag_seconds` and every stream that feeds it has a
    watermark past the day's end (UTC microseconds; None: the stream has none and holds nothing back). `seal_now`: yes.
    """
    if seal_now:
        return True
    if now < day_end + seal_lag_seconds * 1_000_000:
        return False
    return all(mark is None or mark >= day_end for mark in watermarks)


def kind_of(native: str, pairs: Iterable[Pair]) -> str:
    """journal, bill, vendor_credit, invoice or credit_memo: by the native role and the side its net is on."""
    if native not in _KINDS:
        return "journal"
    net = 0
    for pair in pairs:
        net += (pair.debit.role == native) * pair.amount - (pair.credit.role == native) * pair.amount
    return _KINDS[native][net > 0]


def allowed_kind(kind: str, documents: Sequence[str], *, native_as_journal: bool, where: str = "") -> str:
    """The kind to send where the ledger takes `documents`. Refused TO5113 when it takes neither this nor a journal."""
    if kind in documents:
        return kind
    if native_as_journal and "journal" in documents:
        return "journal"
    raise Refused(
        f"this ledger takes {', '.join(documents) or 'nothing'}, not a document of kind {kind}",
        code="TO5113",
        where=where or None,
        fix=f"allow native documents as journals for this ledger, or use a connector that takes {kind}",
    )


class Pair(NamedTuple):
    """What an entry's bookings between two legs under one matrix row add up to."""

    debit: Leg
    credit: Leg
    row: str
    amount: int
    quantity: int


class Summary(NamedTuple):
    """All that a document says about its entry. `summary_of` makes it from bookings, the store from one grouped query.

    `place` and `party` are empty unless all events share one; `first_document` and `last_document` are in text order.
    """

    pairs: tuple[Pair, ...]
    type: str
    events: int
    place: str
    party: str
    documents: int
    first_document: str
    last_document: str
    restated: int
    correction: bool
    provisional: bool
    effective_from: date
    effective_to: date


def summary_of(bookings: Sequence[Booking]) -> Summary:
    """The summary of one entry's bookings, at least one; independent of their order."""
    sums: dict[tuple[Leg, Leg, str], tuple[int, int]] = {}
    for booking in bookings:
        key = (booking.debit, booking.credit, booking.row)
        amount, quantity = sums.get(key, (0, 0))
        sums[key] = (amount + booking.amount, quantity + booking.quantity)
    lines = [booking.line for booking in bookings]
    numbers = {line.document for line in lines} - {""}
    days = [booking.effective for booking in bookings]
    affected = [booking.affected for booking in bookings if booking.affected is not None]
    return Summary(
        pairs=tuple(sorted(Pair(*key, *value) for key, value in sums.items())),
        type=lines[0].type,
        events=len({line.event_id for line in lines}),
        place=_only({line.location for line in lines}),
        party=_only({line.party for line in lines}),
        documents=len(numbers),
        first_document=min(numbers, default=""),
        last_document=max(numbers, default=""),
        restated=len({(line.event_id, line.line_id) for line in affected}),
        correction=any(booking.correction for booking in bookings),
        provisional=any(booking.provisional for booking in bookings),
        effective_from=min(days),
        effective_to=max(days),
    )


def _only(values: set[str]) -> str:
    return values.pop() if len(values) == 1 else ""


class _Sum:
    __slots__ = ("amount", "quantity", "roles", "rows")

    def __init__(self) -> None:
        self.amount = 0
        self.quantity = 0
        self.roles: set[str] = set()
        self.rows: set[str] = set()


def net_lines(pairs: Iterable[Pair], party: str = "") -> list[DocumentLine]:
    """Lines net per account, location and dimensions, in that order, zeros left out. They balance. `quantity` counts
    units that enter or leave stock there; `memo` names the matrix rows; `party` goes on receivables and payables."""
    sums: dict[tuple[str, str, tuple[tuple[str, str], ...]], _Sum] = {}
    for pair in pairs:
        for leg, sign in ((pair.debit, 1), (pair.credit, -1)):
            key = (leg.account, leg.location, leg.dimensions)
            total = sums.get(key)
            if total is None:
                total = sums[key] = _Sum()
            total.amount += sign * pair.amount
            if leg.role in STOCK_ROLES:
                total.quantity += sign * pair.quantity
            total.roles.add(leg.role)
            total.rows.add(pair.row)
    return [
        DocumentLine(
            account=account,
            amount=total.amount,
            role=min(total.roles),
            location=location,
            dimensions=dimensions,
            memo=", ".join(sorted(total.rows)),
            party=party if total.roles & {"ar", "ap"} else "",
            quantity=total.quantity,
        )
        for (account, location, dimensions), total in sorted(sums.items(), key=lambda pair: pair[0])
        if total.amount
    ]


def split(lines: Sequence[DocumentLine], lines_max: int) -> list[list[DocumentLine]]:
    """Parts of at most `lines_max` lines that balance each, in order. Debits are met by credits one after the other; a
    line that straddles two parts is divided, its quantity staying with its first share. Nothing is plugged."""
    if lines_max < 2:
        raise ValueError(f"lines_max: {lines_max} cannot hold a balanced document; at least 2")
    if len(lines) <= lines_max:
        return [list(lines)] if lines else []
    order = {id(line): position for position, line in enumerate(lines)}
    debits = [line for line in lines if line.amount > 0]
    credits_ = [line for line in lines if line.amount < 0]
    parts: list[dict[int, tuple[DocumentLine, int]]] = [{}]
    d = c = 0
    debit_left, credit_left = debits[0].amount, -credits_[0].amount
    while True:
        step = min(debit_left, credit_left)
        new = {id(debits[d]), id(credits_[c])} - parts[-1].keys()
        if len(parts[-1]) + len(new) > lines_max:
            parts.append({})
        for line, share in ((debits[d], step), (credits_[c], -step)):
            parts[-1][id(line)] = (line, parts[-1].get(id(line), (line, 0))[1] + share)
        debit_left -= step
        credit_left -= step
        if not debit_left:
            d += 1
            if d == len(debits):
                break
            debit_left = debits[d].amount
        if not credit_left:
            c += 1
            credit_left = -credits_[c].amount
    seen: set[int] = set()
    out = []
    for part in parts:
        share_lines = []
        for key in sorted(part, key=order.__getitem__):
            line, amount = part[key]
            first = key not in seen
            seen.add(key)
            share_lines.append(msgspec.structs.replace(line, amount=amount, quantity=line.quantity if first else 0))
        out.append(share_lines)
    return out


def documents(
    entry: Summary,
    *,
    company: str,
    currency: str,
    day: date,
    kind: str,
    corrects: str = "",
    lines_max: int = 10_000,
    narration_length_max: int = 4_000,
) -> list[Document]:
    """The document of one entry, or its numbered parts; empty when the bookings net to nothing. `reference` is left ''."""
    native = kind != "journal"
    parts = split(net_lines(entry.pairs, entry.party), lines_max)
    text = narration(entry, corrects)
    days = sorted({entry.effective_from.isoformat(), entry.effective_to.isoformat()})
    metadata = {"rows": " ".join(sorted({pair.row for pair in entry.pairs})), "effective": "..".join(days)}
    if entry.provisional:
        metadata["provisional"] = "yes"
    out = []
    for number, lines in enumerate(parts, 1):
        suffix = f" (part {number} of {len(parts)})" if len(parts) > 1 else ""
        out.append(
            Document(
                kind=kind,
                company=company,
                currency=currency,
                day=day,
                reference="",
                narration=text[: narration_length_max - len(suffix)] + suffix,
                lines=tuple(lines),
                number=entry.first_document if native and entry.documents == 1 else "",
                party=entry.party if native else "",
                corrects_period=corrects,
                metadata=metadata,
            )
        )
    return out


def narration(entry: Summary, corrects: str = "") -> str:
    """What an entry is and why, in one line: event type and count, place, documents; what a correction corrects."""
    text = f"{entry.type}: {_count(entry.events, 'event')}"
    if entry.place:
        text += f" at {entry.place}"
    if entry.documents == 1:
        text += f", document {entry.first_document}"
    elif entry.documents:
        text += f", {entry.documents} documents {entry.first_document} to {entry.last_document}"
    if entry.restated:
        text += f"; restates {_count(entry.restated, 'earlier movement')}"
    if entry.correction:
        text = f"correction of {text}"
    if corrects:
        span = str(entry.effective_from)
        if entry.effective_to != entry.effective_from:
            span += f" to {entry.effective_to}"
        text += f"; belongs to {span} in period {corrects}, which is closed"
    return text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
