"""Entries: which bookings leave together (matrix SAL-20), when a group is complete, and the document it becomes.

A group's key is posting day, location of the event, event type, channel and, by setting, its document or event; a
period corrected later stands apart; lines on `ar`, `ap` or `bank` are never grouped beyond their own document. A sealed
entry never changes: what comes later for the same group is a further entry `n + 1`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal, NamedTuple

import msgspec

from tieout.errors import Refused
from tieout.model.journal import Booking, Document, DocumentLine, Leg
from tieout.model.roles import NATIVE_ROLES, STOCK_ROLES
from tieout.posting.dates import PostingDay

Grouping = Literal["daily", "per_document", "per_event"]

# OPN-02: the ledger carries the balance already, so the lines count as delivered and are never sent.
EXTERNAL_ROWS = frozenset({"OPN-02"})

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


def group_of(booking: Booking, posting: PostingDay, grouping: Grouping = "daily") -> Group:
    """The group a booking belongs to: that of the event that causes it, wherever the units it restates are."""
    line = booking.line
    native = _native(booking.debit, booking.credit)
    external = booking.row in EXTERNAL_ROWS
    if native or grouping == "per_document":
        return Group(
            posting.day, posting.corrects, "", line.type, line.channel, line.document or line.event_id, native, external
        )
    return Group(
        posting.day,
        posting.corrects,
        line.location,
        line.type,
        line.channel,
        line.event_id if grouping == "per_event" else "",
        "",
        external,
    )


def waits_for_its_day(group: str) -> bool:
    """Whether more may still come for this group (canonical text): true for daily groups, false for single documents."""
    return not msgspec.json.decode(group)[5]


def _native(debit: Leg, credit: Leg) -> str:
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


def kind_of(native: str, bookings: Iterable[Booking]) -> str:
    """journal, bill, vendor_credit, invoice or credit_memo: by the native role and the side its net is on."""
    if native not in _KINDS:
        return "journal"
    net = 0
    for booking in bookings:
        net += (booking.debit.role == native) * booking.amount - (booking.credit.role == native) * booking.amount
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


class _Sum:
    __slots__ = ("amount", "quantity", "roles", "rows")

    def __init__(self) -> None:
        self.amount = 0
        self.quantity = 0
        self.roles: set[str] = set()
        self.rows: set[str] = set()


def net_lines(bookings: Iterable[Booking], party: str = "") -> list[DocumentLine]:
    """Lines net per account, location and dimensions, in that order, zeros left out. They balance. `quantity` counts
    units that enter or leave stock there; `memo` names the matrix rows; `party` goes on receivables and payables."""
    sums: dict[tuple[str, str, tuple[tuple[str, str], ...]], _Sum] = {}
    for booking in bookings:
        for leg, sign in ((booking.debit, 1), (booking.credit, -1)):
            key = (leg.account, leg.location, leg.dimensions)
            total = sums.get(key)
            if total is None:
                total = sums[key] = _Sum()
            total.amount += sign * booking.amount
            if leg.role in STOCK_ROLES:
                total.quantity += sign * booking.quantity
            total.roles.add(leg.role)
            total.rows.add(booking.row)
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
    bookings: Sequence[Booking],
    *,
    company: str,
    currency: str,
    day: date,
    kind: str,
    corrects: str = "",
    lines_max: int = 10_000,
    narration_length_max: int = 4_000,
) -> list[Document]:
    """The document of one entry, or its numbered parts; empty when the bookings net to nothing. `reference` is left ''.

    Deterministic: it depends on the set of bookings, not on their order.
    """
    parties = {booking.line.party for booking in bookings}
    numbers = {booking.line.document for booking in bookings if booking.line.document}
    party = parties.pop() if len(parties) == 1 else ""
    parts = split(net_lines(bookings, party), lines_max)
    text = narration(bookings, corrects)
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
                number=next(iter(numbers)) if len(numbers) == 1 and kind != "journal" else "",
                party=party if kind != "journal" else "",
                corrects_period=corrects,
                metadata=_metadata(bookings),
            )
        )
    return out


def narration(bookings: Sequence[Booking], corrects: str = "") -> str:
    """What an entry is and why, in one line: event types and counts, place, documents; the cause of a correction."""
    types = sorted({booking.line.type for booking in bookings})
    events = {booking.line.event_id for booking in bookings}
    places = sorted({booking.line.location for booking in bookings if booking.line.location})
    numbers = sorted({booking.line.document for booking in bookings if booking.line.document})
    text = f"{' and '.join(types)}: {len(events)} event{'s' if len(events) != 1 else ''}"
    if len(places) == 1:
        text += f" at {places[0]}"
    if len(numbers) == 1:
        text += f", document {numbers[0]}"
    elif numbers:
        text += f", {len(numbers)} documents {numbers[0]} to {numbers[-1]}"
    restated = {b.affected.event_id for b in bookings if b.affected is not None}
    if restated:
        text += f"; restates {len(restated)} earlier movement{'s' if len(restated) != 1 else ''}"
    if any(booking.correction for booking in bookings):
        text = f"correction of {text}"
    if corrects:
        days = sorted({booking.effective for booking in bookings})
        span = f"{days[0]}" if len(days) == 1 else f"{days[0]} to {days[-1]}"
        text += f"; belongs to {span} in period {corrects}, which is closed"
    return text


def _metadata(bookings: Sequence[Booking]) -> dict[str, str]:
    days = sorted({booking.effective.isoformat() for booking in bookings})
    out = {
        "rows": " ".join(sorted({booking.row for booking in bookings})),
        "effective": days[0] if len(days) == 1 else f"{days[0]}..{days[-1]}",
    }
    if any(booking.provisional for booking in bookings):
        out["provisional"] = "yes"
    return out
