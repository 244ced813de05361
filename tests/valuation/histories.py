"""Random but valid canonical histories: what a company of three items and two locations might live through.

`histories()` draws the events in the order they happened. Later events name earlier ones by event and line. Instants
tie on purpose, prices have thirds and fractions of a cent, quantities run from a millionth to a billion. Revisions that
edit or void earlier events follow at the end. `arrivals()` is the same history as some feed might deliver it.

What is left out on purpose, because the rules refuse it or a person must decide: more billed, returned or received than
there is; a credit above the receipt's value; stock sent out that a location does not hold (shipments, adjustments and
counts may; see `shortages`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tieout.model.event import Event
from tieout.model.money import exponent

ITEMS = ("A", "B", "C")
LOCATIONS = ("MAIN", "STORE")
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
LOSSES = ("shrinkage", "damage", "theft", "sample", "donation", "internal_use")
MILLIONTH = Decimal("0.000001")

whole_quantities = st.integers(1, 24).map(Decimal)
quantities = st.one_of(
    whole_quantities,
    whole_quantities,
    st.decimals("0.000001", "9.999999", places=6),
    st.sampled_from([Decimal("0.333333"), Decimal("2.5"), MILLIONTH]),
    st.integers(10**6, 10**9).map(Decimal),
)
prices = st.one_of(
    st.decimals("0.01", "99.99", places=2),
    st.decimals("0.0001", "9.9999", places=4),
    st.sampled_from([Decimal("3.333333"), Decimal("0.005"), Decimal(10) / 4, Decimal(0), Decimal("1234.5")]),
)


@dataclass(frozen=True)
class History:
    """Every revision of every event, in the order of happening, and how money is counted."""

    events: tuple[Event, ...]
    currency: str


@dataclass
class Incoming:
    """A receipt line and what has been done about it."""

    event: str
    line: str
    item: str
    location: str
    quantity: Decimal
    price: Decimal | None
    at: datetime
    phase: int = 20
    billed: Decimal = Decimal(0)
    sent_back: Decimal = Decimal(0)
    repriced: bool = False  # by a bill at another price
    allowed: bool = False  # an allowance was given
    landed: bool = False


@dataclass
class Outgoing:
    """A shipment line, or a dispatch, and how much of it came back, was undone or arrived."""

    event: str
    line: str
    item: str
    location: str
    quantity: Decimal
    at: datetime
    party: str = ""
    done: Decimal = Decimal(0)


@dataclass
class Builder:
    """Draws one event at a time and keeps just enough of the books to keep the next one valid."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    method: str
    currency: str
    shortages: bool
    items: tuple[str, ...]
    unpriced: bool
    now: datetime = START
    events: list[Event] = field(default_factory=list)
    receipts: list[Incoming] = field(default_factory=list)
    shipments: list[Outgoing] = field(default_factory=list)
    dispatches: list[Outgoing] = field(default_factory=list)
    credits: list[tuple[str, str, Decimal, Decimal]] = field(default_factory=list)
    stock: defaultdict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    referenced: set[str] = field(default_factory=set)
    known: set[tuple[str, str]] = field(default_factory=set)  # items that have had a cost at this location
    anchors: set[str] = field(default_factory=set)  # events that gave them their first: never taken back

    # ---- building blocks

    def pick(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def wait(self) -> None:
        seconds = self.pick([0, 0, 1, 3600, 86_400, 259_200])
        self.now += timedelta(seconds=seconds)

    def after(self, at: datetime, phase: int, own: int) -> None:
        """Nothing may be ordered before what it refers to: inside one instant the phase decides."""
        if self.now <= at and own <= phase:
            self.now = at + timedelta(seconds=1)

    def apart(self) -> None:
        self.now += timedelta(seconds=1)

    def post(self, kind: str, lines: list[dict[str, Any]], **head: Any) -> Event:
        cleaned = [{k: v for k, v in line.items() if v is not None} for line in lines]
        name = f"{kind.rsplit('.', maxsplit=1)[-1]}-{len(self.events) + 1:02d}"
        for line in cleaned:
            if isinstance(line.get("ref"), dict):
                self.referenced.add(line["ref"]["event"])
        event = Event.model_validate({"id": name, "type": kind, "effective_at": self.now, "lines": cleaned, **head})
        self.events.append(event)
        return event

    def held(self, item: str, location: str) -> Decimal:
        """Units that can certainly leave this location, whatever the scope of the pool."""
        everywhere = sum((self.stock[(item, place)] for place in LOCATIONS), Decimal(0))
        return max(Decimal(0), min(self.stock[(item, location)], everywhere))

    def part_of(self, whole: Decimal) -> Decimal:
        """Some or all of a quantity, exact to a millionth."""
        if whole <= 0:
            return Decimal(0)
        share: Decimal = self.pick([Decimal(1), Decimal(1), Decimal("0.5"), Decimal(1) / 3, Decimal("0.9")])
        return max(MILLIONTH, (whole * share).quantize(MILLIONTH, rounding="ROUND_DOWN"))

    def learn(self, item: str, location: str, event: Event) -> None:
        if (item, location) not in self.known:
            self.known.add((item, location))
            self.anchors.add(event.id)

    def money(self, amount: Decimal) -> Decimal:
        return amount.quantize(Decimal(1).scaleb(-exponent(self.currency)), rounding="ROUND_DOWN")

    # ---- the events

    def standard(self) -> None:
        if any(d.done < d.quantity for d in self.dispatches):
            return
        chosen = self.pick(self.items)
        self.apart()
        price = max(self.draw(prices), Decimal("0.01"))
        self.post("cost.standard_changed", [{"item": chosen, "unit_price": price}])

    def opening(self) -> None:
        item, location = self.pick(self.items), self.pick(LOCATIONS)
        quantity = self.draw(quantities)
        line = {"item": item, "location": location, "quantity": quantity, "unit_price": self.draw(prices)}
        event = self.post("opening.loaded", [line])
        self.stock[(item, location)] += quantity
        self.learn(item, location, event)

    def receive(self) -> None:
        lines = []
        location = self.pick(LOCATIONS)
        for number in range(1, self.pick([1, 1, 2, 3]) + 1):
            item, quantity = self.pick(self.items), self.draw(quantities)
            priced = (item, location) not in self.known or not self.unpriced or self.pick([True, True, True, False])
            price = self.draw(prices) if priced else None
            weight = self.draw(st.integers(0, 50))
            lines.append((str(number), item, quantity, price, weight))
        event = self.post(
            "purchase.received",
            [
                {"id": n, "item": i, "quantity": q, "location": location, "unit_price": p, "weight": w}
                for n, i, q, p, w in lines
            ],
        )
        for line, item, quantity, price, _ in lines:
            self.receipts.append(Incoming(event.id, line, item, location, quantity, price, self.now))
            self.stock[(item, location)] += quantity
            self.learn(item, location, event)

    def bill(self) -> None:
        open_lines = [r for r in self.receipts if r.billed + r.sent_back < r.quantity]
        if not open_lines:
            return
        receipt = self.pick(open_lines)
        left = receipt.quantity - receipt.billed - receipt.sent_back
        if receipt.price is None:
            if receipt.sent_back:
                return
            quantity, price = receipt.quantity, self.draw(prices)
        else:
            quantity = self.part_of(left)
            same = bool(receipt.sent_back) or self.pick([True, False])
            price = receipt.price if same else receipt.price * self.pick([Decimal("1.12"), Decimal("0.75"), Decimal(2)])
            receipt.repriced = receipt.repriced or not same
        tax = self.money(quantity * price / 5) if self.pick([True, False]) else None
        self.after(receipt.at, receipt.phase, 90)
        self.post(
            "purchase.billed",
            [{"item": receipt.item, "quantity": quantity, "unit_price": price, "tax": tax, "ref": ref(receipt)}],
        )
        receipt.billed += quantity
        receipt.price = price if receipt.price is None else receipt.price
        receipt.at, receipt.phase = self.now, 90

    def landed(self) -> None:
        priced = [r for r in self.receipts if r.price is not None]
        if not priced:
            return
        targets = self.draw(
            st.lists(st.sampled_from(priced), min_size=1, max_size=3, unique_by=lambda r: (r.event, r.line))
        )
        for receipt in targets:
            self.after(receipt.at, receipt.phase, 90)
        amount = self.money(self.draw(st.decimals("1", "500", places=2)))
        basis = self.pick(["quantity", "value", "weight", "equal"])
        self.post(
            "landed_cost.billed",
            [{"id": str(n), "ref": ref(r)} for n, r in enumerate(targets, 1)],
            amount=amount,
            basis=basis,
        )
        for receipt in targets:
            receipt.at, receipt.phase, receipt.landed = self.now, 90, True

    def allowance(self) -> None:
        able = [r for r in self.receipts if r.price and not r.allowed and not r.sent_back]
        if not able:
            return
        receipt = self.pick(able)
        amount = self.money(receipt.price * receipt.quantity / 8)
        if amount <= 0:
            return
        receipt.allowed = True
        self.after(receipt.at, receipt.phase, 90)
        self.post("purchase.credited", [{"item": receipt.item, "amount": amount, "ref": ref(receipt)}])
        receipt.at, receipt.phase = self.now, 90

    def send_back(self) -> None:
        """To the supplier, once per receipt: not billed at all, or billed in full."""
        able = [
            r
            for r in self.receipts
            if r.price is not None
            and not r.allowed
            and not r.sent_back
            and r.billed in (0, r.quantity)
            and self.held(r.item, r.location) > 0
        ]
        if not able:
            return
        receipt = self.pick(able)
        quantity = self.part_of(min(receipt.quantity - receipt.sent_back, self.held(receipt.item, receipt.location)))
        self.apart()
        line = {"item": receipt.item, "quantity": quantity, "location": receipt.location, "ref": ref(receipt)}
        billed = receipt.billed > 0
        if billed and self.pick([True, False]):
            line["amount"] = self.money(quantity * receipt.price)
        event = self.post("purchase.returned", [line])
        receipt.sent_back += quantity
        receipt.at, receipt.phase = self.now, 80
        self.stock[(receipt.item, receipt.location)] -= quantity
        if billed:
            self.credits.append((event.id, receipt.item, quantity, receipt.price))

    def credit_note(self) -> None:
        if not self.credits:
            return
        event, item, quantity, price = self.credits.pop()
        amount = self.money(quantity * price * self.pick([Decimal(1), Decimal("0.9")]))
        self.apart()
        self.post(
            "purchase.credited", [{"item": item, "quantity": quantity, "amount": amount, "ref": {"event": event}}]
        )

    def ship(self) -> None:
        lines = []
        location = self.pick(LOCATIONS)
        party = self.pick(["", "P1", "P2"])
        for number in range(1, self.pick([1, 1, 1, 2]) + 1):
            item = self.pick(self.items)
            if not any((item, place) in self.known for place in LOCATIONS):
                continue
            held = self.held(item, location)
            quantity = self.part_of(held) if held else Decimal(0)
            if self.shortages and self.pick([True, False]):
                quantity += self.pick([Decimal(1), Decimal("2.5"), Decimal(3)])
            if quantity > 0:
                lines.append({"id": str(number), "item": item, "quantity": quantity, "location": location})
                self.stock[(item, location)] -= quantity
        if not lines:
            return
        event = self.post("order.fulfilled", lines, party=party or None)
        for line in lines:
            self.shipments.append(
                Outgoing(event.id, line["id"], line["item"], location, line["quantity"], self.now, party)
            )

    def take_back(self) -> None:
        able = [s for s in self.shipments if s.done < s.quantity]
        if not able:
            return
        shipment = self.pick(able)
        quantity = self.part_of(shipment.quantity - shipment.done)
        self.after(shipment.at, 60, 70)
        # Units of the store never go back to the warehouse while costs can run in a circle (see valuation-rules §6).
        location = shipment.location if shipment.location == "STORE" else self.pick(LOCATIONS)
        self.post(
            "return.received",
            [
                {
                    "item": shipment.item,
                    "quantity": quantity,
                    "location": location,
                    "disposition": "restock",
                    "ref": ref(shipment),
                }
            ],
        )
        shipment.done += quantity
        self.stock[(shipment.item, location)] += quantity

    def take_back_unlinked(self) -> None:
        item = self.pick(self.items)
        location = self.pick(LOCATIONS)
        if (item, location) not in self.known:
            return
        quantity, party = self.draw(whole_quantities), self.pick([None, "P1", "P2"])
        line = {"item": item, "quantity": quantity, "location": location, "disposition": "restock"}
        self.post("return.received", [line], party=party)
        self.stock[(item, location)] += quantity

    def undo(self) -> None:
        able = [s for s in self.shipments if s.done == 0]
        if not able:
            return
        shipment = self.pick(able)
        self.after(shipment.at, 60, 70)
        self.post(
            "order.cancelled",
            [
                {
                    "item": shipment.item,
                    "quantity": shipment.quantity,
                    "location": shipment.location,
                    "ref": ref(shipment),
                }
            ],
        )
        shipment.done = shipment.quantity
        self.stock[(shipment.item, shipment.location)] += shipment.quantity

    def lose(self) -> None:
        item, location = self.pick(self.items), self.pick(LOCATIONS)
        quantity = self.part_of(self.held(item, location))
        if quantity > 0:
            self.adjust(item, location, -quantity, self.pick(LOSSES))

    def find(self) -> None:
        item, location = self.pick(self.items), self.pick(LOCATIONS)
        if (item, location) in self.known:
            self.adjust(item, location, self.draw(whole_quantities), "found")

    def merge(self) -> None:
        item, location, other = self.pick(self.items), self.pick(LOCATIONS), self.pick(ITEMS)
        quantity = self.part_of(self.held(item, location))
        # One way only, A to B to C: a circle of hand-overs is a different test.
        if quantity > 0 and other > item and (self.method != "standard" or other in self.items):
            self.apart()
            event = self.adjust(item, location, -quantity, "merged", to_item=other)
            self.stock[(other, location)] += quantity
            self.learn(other, location, event)

    def adjust(self, item: str, location: str, quantity: Decimal, reason: str, **more: Any) -> Event:
        line = {"item": item, "location": location, "quantity": quantity, "reason": reason, **more}
        self.stock[(item, location)] += quantity
        return self.post("stock.adjusted", [line])

    def count(self) -> None:
        item, location = self.pick(self.items), self.pick(LOCATIONS)
        if (item, location) not in self.known:
            return
        book = self.stock[(item, location)]
        counted = max(Decimal(0), book + self.pick([Decimal(-2), Decimal(-1), Decimal(0), Decimal(1)]))
        self.apart()  # movements of this instant that come later here would be before the count in effective order
        self.post("count.approved", [{"item": item, "location": location, "quantity": counted}], actor="controller")
        self.stock[(item, location)] = counted
        self.apart()

    def dispatch(self) -> None:
        item = self.pick(self.items)
        # Warehouse to store only: costs that run in a circle are settled by a rule of their own.
        quantity = self.part_of(self.held(item, "MAIN"))
        if quantity <= 0:
            return
        self.apart()
        event = self.post(
            "transfer.dispatched", [{"item": item, "quantity": quantity, "location": "MAIN", "to_location": "STORE"}]
        )
        self.stock[(item, "MAIN")] -= quantity
        self.dispatches.append(Outgoing(event.id, "", item, "MAIN", quantity, self.now))

    def arrive(self) -> None:
        travelling = [d for d in self.dispatches if d.done < d.quantity]
        if not travelling:
            return
        dispatch = self.pick(travelling)
        quantity = self.part_of(dispatch.quantity - dispatch.done)
        self.after(dispatch.at, 40, 50)
        line = {"item": dispatch.item, "quantity": quantity, "location": "STORE", "ref": {"event": dispatch.event}}
        self.post("transfer.received", [line])
        dispatch.done += quantity
        self.stock[(dispatch.item, "STORE")] += quantity

    def close_short(self) -> None:
        travelling = [d for d in self.dispatches if d.done < d.quantity]
        if not travelling:
            return
        dispatch = self.pick(travelling)
        self.apart()
        line = {"item": dispatch.item, "quantity": dispatch.quantity - dispatch.done, "ref": {"event": dispatch.event}}
        self.post("transfer.closed_short", [line])
        dispatch.done = dispatch.quantity

    # ---- second thoughts

    def revise(self) -> None:
        """A higher revision of an earlier event: another quantity, price or date, or taken back."""
        change = self.pick(["quantity", "price", "date", "void"])
        fresh = [e for e in self.events if sum(other.id == e.id for other in self.events) == 1]
        editable = [e for e in fresh if e.type in CHANGES[change] and self.may_change(e, change)]
        if not editable:
            return
        event = self.pick(editable)
        first = event.lines[0]
        update: dict[str, Any] = {}
        if change == "void":
            update = {"void": True}
        elif change == "date":
            update = {"effective_at": event.effective_at + timedelta(hours=self.pick([1, 30]))}
        elif change == "quantity" and first.quantity is not None:
            half = max(MILLIONTH, (abs(first.quantity) / 2).quantize(MILLIONTH, rounding="ROUND_HALF_UP"))
            smaller = first.model_copy(update={"quantity": half.copy_sign(first.quantity)})
            update = {"lines": (smaller, *event.lines[1:])}
        elif change == "price" and first.unit_price is not None:
            dearer = first.model_copy(update={"unit_price": first.unit_price + Decimal("0.07")})
            update = {"lines": (dearer, *event.lines[1:])}
        if update:
            self.events.append(event.model_copy(update={"revision": 1, **update}))

    def may_change(self, event: Event, change: str) -> bool:
        """Prices may change under a bill; everything else only where no other document counts on it."""
        if change == "price":
            named = {event.id, *(line.ref.event for line in event.lines if line.ref)}
            return not any(r.event in named and (r.allowed or r.sent_back) for r in self.receipts)
        return event.id not in self.referenced and not (event.id in self.anchors and change != "quantity")


_MOVEMENTS = frozenset({"purchase.received", "order.fulfilled", "stock.adjusted", "return.received"})
CHANGES = {
    "quantity": _MOVEMENTS,
    "price": frozenset({"purchase.received", "purchase.billed"}),
    "date": _MOVEMENTS - {"purchase.received"} | {"landed_cost.billed"},
    "void": _MOVEMENTS | {"landed_cost.billed", "count.approved"},
}
STEPS = (
    *("receive", "receive", "receive", "ship", "ship", "ship", "ship", "ship", "bill", "bill", "landed", "landed"),
    *("take_back", "take_back", "undo", "lose", "find", "merge", "count", "dispatch", "dispatch", "arrive", "arrive"),
    *("close_short", "send_back", "credit_note", "allowance", "take_back_unlinked"),
)


def ref(line: Incoming | Outgoing) -> dict[str, str]:
    return {"event": line.event, "line": line.line} if line.line else {"event": line.event}


@st.composite
def histories(
    draw: Any,
    *,
    method: str = "fifo",
    shortages: bool = True,
    revisions_max: int = 2,
    steps_max: int = 14,
    unpriced: bool = True,
    without: tuple[str, ...] = (),
) -> History:
    """A history of up to `steps_max` events. `unpriced`: receipts may come without a price. `without`: steps left out."""
    items = draw(st.sampled_from([("A",), ("A", "B"), ITEMS]))
    currency = draw(st.sampled_from(["USD", "USD", "JPY", "KWD"]))
    builder = Builder(draw, method, currency, shortages, items, unpriced)
    if method == "standard":
        lines = [{"item": item, "unit_price": max(draw(prices), Decimal("0.01"))} for item in ITEMS]
        builder.post("cost.standard_changed", lines)
        builder.known.update((item, place) for item in items for place in LOCATIONS)
        builder.apart()
    elif draw(st.booleans()):
        builder.opening()
    steps = [s for s in (*STEPS, *(("standard",) if method == "standard" else ())) if s not in without]
    builder.receive()
    for _ in range(draw(st.integers(min(8, steps_max), steps_max))):
        builder.wait()
        before = len(builder.events)
        for _ in range(3):  # a step that has nothing to work on is drawn again
            if len(builder.events) == before:
                getattr(builder, draw(st.sampled_from(steps)))()
    for _ in range(draw(st.integers(0, revisions_max))):
        builder.revise()
    return History(tuple(builder.events), currency)


def tell(history: History) -> str:
    """The history in a few short lines, for the report of a failing case."""
    out = [history.currency]
    for event in history.events:
        lines = [
            " ".join(f"{k}={v.key() if k == 'ref' else v}" for k, v in line if v is not None and k != "id")
            for line in event.lines
        ]
        void = " VOID" if event.void else ""
        money = f" amount={event.amount} basis={event.basis}" if event.amount is not None else ""
        head = f"{event.effective_at:%d.%H:%M:%S} {event.type} {event.id} r{event.revision}{void}{money}"
        out.append(" | ".join([head, *lines]))
    return "\n".join(out)


@st.composite
def arrivals(draw: Any, events: tuple[Event, ...], duplicates_max: int = 4) -> tuple[Event, ...]:
    """The same facts as a careless feed delivers them: any order, some of them twice."""
    again = draw(st.lists(st.sampled_from(events), max_size=duplicates_max))
    return tuple(draw(st.permutations([*events, *again])))
