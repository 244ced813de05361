"""The records an item's state consists of: layers and pools, movements, receipts and claims. Data only.

All are lists on the wire (`array_like`): a state is written into a checkpoint as it stands, and read back the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from tieout.model.event import EventLine, OrderKey
from tieout.model.journal import Flow

HEAD, TAIL, PICK = 0, 1, 2  # how a pool finds the layer to take from
# What a change of value does when the value before it changes: it takes a layer down to a net realisable value, sets a
# unit cost, or is an amount; none of them leaves a layer below zero. Kept where other operations say what they feed.
TO_NRV, TO_COST, BY_AMOUNT = -2, -3, -4

# What an inflow at current cost was derived from: a pool's value and quantity, or (quantity 0) the cost at an operation;
# the pool, and what it came to.
Derived: TypeAlias = tuple[int, int, int, int, int]
PoolKey: TypeAlias = tuple[str, str, str, str]  # role, location, lot, reference


class Layer(msgspec.Struct, array_like=True, gc=False):
    """Units at one cost. `key` is its place in the queue; `event`, `line` made it; `origin_at` is for ageing (UTC µs)."""

    pool: int
    key: OrderKey
    event: str
    line: str
    origin_at: int
    quantity: int = 0
    value: int = 0
    last: int = -1  # number of its latest operation


class Estimate(msgspec.Struct, array_like=True, gc=False):
    """Units that left a pool which did not hold them: open at an estimate until an inflow settles them (§5)."""

    move: int
    quantity: int
    value: int
    dest: int = -1  # the inflow that carries the estimate on, when they were handed over
    item: str = ""  # whose inflow that is, where it is another item's


class Pool(msgspec.Struct, array_like=True, gc=False):
    """A holding. `quantity` and `value` are what its layers hold; `open` are units owed to issues, oldest first."""

    key: PoolKey
    method: str
    mode: int = HEAD
    joins: bool = False
    fixed: bool = False
    quantity: int = 0
    value: int = 0
    queue: list[int] = []  # layers that hold units, by key
    head: int = 0
    open: list[Estimate] = []
    last: int = -1  # operation whose unit cost is the last known one
    last_quantity: int = 0  # that unit cost once the operation was let go
    last_value: int = 0
    derived: list[int] = []  # inflows valued at current cost, restated with the pool


class Part(msgspec.Struct, array_like=True, gc=False):
    """Units of an issue that moved on to another role than the one they were issued to (invoiced, lost under way)."""

    role: str
    quantity: int
    value: int
    line: EventLine  # the line that moved them
    base: str


class Move(msgspec.Struct, array_like=True, gc=False):
    """One movement: `value` and `quantity` it moves now from role `credit` to role `debit`. A shipment's returns and
    the parts that moved on are kept with it; so are `taken` (its outflows) and `fed` (its inflows)."""

    line: EventLine
    debit: str
    credit: str
    debit_location: str
    credit_location: str
    quantity: int
    value: int
    taken: Sequence[int] = ()
    fed: Sequence[int] = ()
    open_quantity: int = 0
    returned: int = 0
    returned_value: int = 0
    returns: Sequence[list[int]] = ()  # [inflow or -1, quantity, movement, value] of what came back, in order
    parts: Sequence[Part] = ()
    item: str = ""  # of the debit and credit side, where they are not the line's own
    credit_item: str = ""
    source: int = -1  # the issue a return takes back
    released: int = 0  # allowance that left with its units

    # Most movements have one outflow or inflow and nothing else: an empty list each would cost more than the rest.
    def add_taken(self, op: int) -> None:
        self.taken = (*self.taken, op)

    def add_fed(self, op: int) -> None:
        self.fed = (*self.fed, op)

    def add_return(self, inflow: int, quantity: int, movement: int, value: int) -> None:
        self.returns = [*self.returns, [inflow, quantity, movement, value]]

    def add_part(self, part: Part) -> None:
        self.parts = [*self.parts, part]


class Receipt(msgspec.Struct, array_like=True, gc=False):
    """What a vendor still has to bill for a receipt, and what else was promised for it."""

    move: int
    inflow: int  # operation it put into stock, -1: none (drop-ship)
    quantity: int
    price: int  # value at the vendor's price, as far as known
    open_quantity: int  # received, neither billed nor sent back
    open_value: int
    accrued: int = 0  # landed cost estimated, not billed
    sent_back: int = 0
    prices: list[tuple[OrderKey, int]] = []  # changes of price by bills and allowances, and where
    credits: list[int] = []  # supplier returns of it
    written_off: Sequence[int] = ()  # [quantity, value] cleared away while the bill did not come
    bills: Sequence[list[str | int]] = ()  # [event, line, quantity, cleared, change] of each bill that cleared it


class Claim(msgspec.Struct, array_like=True, gc=False):
    """A supplier return: credit that is expected for it and not yet noted."""

    move: int
    quantity: int
    unclaimed: int  # quantity that left before its bill: no credit expected until it is billed
    open_quantity: int
    open_value: int


class Ahead(msgspec.Struct, array_like=True, gc=False):
    """A document that came before the goods: a bill in `ginr`, or an invoice not yet shipped (value 0)."""

    line: EventLine
    quantity: int
    value: int


class Kept(msgspec.Struct, array_like=True, gc=False):
    """Everything in an item's state, as it is written into a checkpoint. Tables by number are sorted pairs: the encoder
    orders the keys of a table only where they are text."""

    item: str
    base: int
    ops: tuple[list[int], ...]
    move_base: int
    moves: list[Move]
    layers: list[tuple[int, Layer]]
    layer_count: int
    pools: list[Pool]
    on_hand: dict[str, int]
    receipts: list[tuple[int, Receipt]]
    claims: list[tuple[int, Claim]]
    bills_ahead: list[Ahead]
    invoices_ahead: list[Ahead]
    undone: list[tuple[int, list[list[int]]]]
    derived: list[tuple[int, Derived]]
    added: list[tuple[int, list[tuple[str, int]]]]
    carried: list[tuple[int, tuple[str, int]]]
    made: list[tuple[int, dict[str, int]]]
    standards: dict[str, tuple[int, int]]
    early: dict[str, list[Flow]]
    links: list[str]
    count: int
    horizon: tuple[int, int]
    marks: list[tuple[int, int]]
    last_key: OrderKey | None
    set_aside: dict[str, list[int]] = {}  # [quantity, value] by name: allowances, onerous orders
