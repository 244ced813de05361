"""The journal: flows between roles, bookings between accounts, and the documents a ledger receives.

The atom is a *pair*: an amount moved from a credit side to a debit side. A pair cannot be out of balance, so neither can
anything made of pairs (matrix invariant 1 holds by construction). A journal *line* is one side, summed by account.

    Flow     engine's answer: value (and units) from one role to another, by one event line       pure, roles
    Booking  a flow after account determination and subtraction of what is already posted         stored, accounts
    Document what a ledger gets: an entry's lines, net per account and dimensions                 sent
"""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import msgspec

from tieout.model.event import EventLine

new_tuple = tuple.__new__  # makes a NamedTuple of its fields in a third of the time its own constructor takes


class Consumed(NamedTuple):
    """Part of a cost layer that an issue took. `origin` is the event line that made the layer."""

    origin_event: str
    origin_line: str
    quantity: int  # millionths
    value: int  # minor units


class Flow(msgspec.Struct, gc=False):
    """Value, and units if any, moved from role `credit` to role `debit` by one event line.

    `amount` is in minor units of the company's currency; it may be negative only where it restates (`affected` set) or
    takes back. `quantity` is in millionths and counts units that change their role or place; 0 for a pure change of
    value. `affected`: the earlier movement whose cost this restates (matrix §19); its keys (item, location, reason,
    channel …) decide the account, the causing line's date decides the day. `component` is the cost component.
    """

    line: EventLine
    row: str  # matrix row, "SAL-04"
    debit: str
    credit: str
    amount: int
    quantity: int = 0
    debit_location: str = ""
    credit_location: str = ""
    item: str = ""  # of the debit side where it differs from line.item (SKU merge, second grade, kit)
    credit_item: str = ""
    affected: EventLine | None = None
    component: str = "material"
    provisional: bool = False
    layers: tuple[Consumed, ...] = ()
    at: int = 0  # its own instant where it is not the line's: an automatic reversal (R4), UTC microseconds


class Leg(NamedTuple):
    """One side of a booking: an account with what the ledger keeps beside it. Interned by the store."""

    role: str
    account: str
    location: str
    dimensions: tuple[tuple[str, str], ...] = ()


class Booking(NamedTuple):
    """A pair between two legs, to be appended to the journal. Never changed afterwards."""

    line: EventLine
    row: str
    debit: Leg
    credit: Leg
    amount: int
    quantity: int
    item: str
    credit_item: str
    effective: date
    affected: EventLine | None
    provisional: bool
    layers: tuple[Consumed, ...]
    component: str
    correction: bool  # True: the delta of something already posted


class DocumentLine(msgspec.Struct, frozen=True):
    """One line of a delivered document. `amount` in minor units, debit positive."""

    account: str
    amount: int
    role: str = ""
    location: str = ""
    dimensions: tuple[tuple[str, str], ...] = ()
    memo: str = ""
    party: str = ""
    quantity: int = 0


class Document(msgspec.Struct, frozen=True):
    """What a ledger connector delivers: a journal entry, or a native bill, credit or invoice.

    `reference` is the marker that is written into the vendor's document and found again (`TO-…`). `lines` balance.
    """

    kind: str  # journal, bill, vendor_credit, invoice, credit_memo
    company: str
    currency: str
    day: date
    reference: str
    narration: str
    lines: tuple[DocumentLine, ...]
    number: str = ""
    party: str = ""
    corrects_period: str = ""
    metadata: dict[str, Any] = {}


class Receipt(msgspec.Struct, frozen=True):
    """A ledger's answer to a delivery or a look-up: its own id, and what it holds, to compare with what was sent."""

    ledger_id: str
    reference: str
    day: date
    lines: tuple[DocumentLine, ...]
    revision: str = ""
    url: str = ""
    raw: bytes = b""


class LedgerEntry(msgspec.Struct, frozen=True):
    """An entry as the ledger shows it now; `reference` is empty on entries that are not ours."""

    ledger_id: str
    day: date
    reference: str
    lines: tuple[DocumentLine, ...]
    revision: str = ""
    narration: str = ""
    author: str = ""


class Balance(msgspec.Struct, frozen=True):
    """An account's balance in minor units, debit positive, at the end of `day`."""

    account: str
    amount: int
    currency: str
    day: date
