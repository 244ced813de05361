"""One quarter of the sample company, day by day: what was ordered, received, sold, returned, moved, counted and billed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, NamedTuple

from tieout_sandbox.sample.money import Buying
from tieout_sandbox.sample.world import (
    EAST,
    FIRST_DAY,
    LOCATIONS,
    MAIN,
    WEST,
    Book,
    Clock,
    Item,
    Record,
    cents,
    days,
    local,
    make_items,
    tenths,
    with_offset,
)

Job = Callable[[Clock], None]
CUSTOMERS = 160
REASONS_OUT = ("DMG", "SHR", "THF", "SMP", "DON", "USE", "OBS")
LATE_SALE = FIRST_DAY + timedelta(days=26)
QUIET_UNTIL = FIRST_DAY + timedelta(days=40)


class Order(NamedTuple):
    """A customer's order and the place that ships it."""

    number: str
    customer: str
    channel: str
    place: str


class Quarter:
    """The simulation. `records` is everything the sources wrote, in order; `book` what is truly on the shelves."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.items = make_items(self.rng)
        self.by_sku = {item.sku: item for item in self.items}
        self.normal = [item for item in self.items if item.role == "normal"]
        self.book = Book()
        self.customers = CUSTOMERS
        self.records: list[Record] = []
        self.agenda: defaultdict[date, list[Job]] = defaultdict(list)
        self.counters: Counter[str] = Counter()
        self.on_order: set[str] = set()
        self.returned: set[str] = set()
        self.waiting: Counter[tuple[str, str]] = Counter()  # returned units that nobody has looked at yet
        self.buying = Buying(self)
        self.run()

    # what every part of the quarter uses

    def number(self, prefix: str) -> str:
        self.counters[prefix] += 1
        return f"{prefix}-{10_000 + self.counters[prefix]}"

    def add(self, stream: str, at: datetime, key: str, data: dict[str, Any], *events: str) -> None:
        self.records.append(Record(stream, at, key, {**data, "rev": 1}, Counter(events)))

    def later(self, day: date, job: Job) -> None:
        """Do `job` on `day`; what falls after the quarter has not happened yet."""
        self.agenda[day].append(job)

    def free(self, sku: str, place: str) -> int:
        """What can be sold or sent: on the shelf, and not a return that waits for a decision."""
        return self.book.held(sku, place) - self.waiting[sku, place]

    def quantity(self, item: Item, low: int, high: int) -> int:
        """Whole units; fabrics are cut to the half metre. In tenths."""
        units = self.rng.randint(low, high) * 10
        return units + self.rng.choice((0, 5)) if item.unit == "m" else units

    # the days

    def run(self) -> None:
        self.open_books()
        for day in days():
            clock = Clock(day)
            for job in self.agenda.pop(day, ()):
                job(clock)
            if day.weekday() < 5:
                self.buying.reorder(day)
                self.adjust(clock)
            if day.weekday() in (1, 3):
                self.transfer(clock, day)
            for _ in range(self.rng.randint(42, 58) if day.weekday() < 5 else self.rng.randint(20, 30)):
                self.sell(clock, day)
            if day == LATE_SALE:
                self.sell_before_arrival(clock, day)
            if day.weekday() == 4:
                self.count(clock)

    def open_books(self) -> None:
        """Opening stock at the start of the first day: the cost of every unit is its item's."""
        at = datetime.combine(FIRST_DAY, datetime.min.time())
        for item in (i for i in self.items if i.role == "quiet"):
            self.later(QUIET_UNTIL - timedelta(days=5), partial(self.buying.receive, item.supplier, [(item, 600)]))
        for item in self.items:
            places = (MAIN,) if item.role != "normal" else (MAIN, EAST, WEST)
            for place in places:
                low, high = (24, 70) if place == MAIN else (6, 18)
                quantity = {"late": 30, "quiet": 60}.get(item.role) or self.quantity(item, low, high)
                value = quantity * item.cost // 10
                self.book.move(item.sku, place, quantity)
                if item.role == "plain":
                    self.book.add_layer(item.sku, quantity, value)
                data = {
                    "date": FIRST_DAY.isoformat(),
                    "sku": item.sku,
                    "location": place,
                    "quantity": tenths(quantity),
                    "value": cents(value),
                }
                self.add("openings", at, f"{item.sku}/{place}", data, "opening.loaded")

    def sell(self, clock: Clock, day: date) -> None:
        """One shipment of one to three lines from one place; never more than the shelf holds."""
        place = self.rng.choices((MAIN, EAST, WEST), (6, 2, 2))[0]
        chosen = []
        for item in self.rng.sample(self.items, self.rng.choice((1, 1, 2, 3))):
            quantity = self.quantity(item, 1, 5)
            if item.role == "quiet" and day < QUIET_UNTIL:
                continue
            if item.role == "late" and day <= LATE_SALE:
                continue
            if self.free(item.sku, place) >= quantity:
                chosen.append((item, quantity))
        if not chosen:
            return
        customer = f"C-{self.rng.randrange(CUSTOMERS):04d}"
        order = Order(self.number("SO"), customer, "web" if place == MAIN else "shop", place)
        if len(chosen) > 1 and self.rng.randrange(8) == 0:  # a partial shipment: the rest follows on another day
            chosen, rest = chosen[:1], chosen[1:]
            wait = day + timedelta(days=self.rng.randint(1, 4))
            self.later(wait, partial(self.ship, order, rest))
        self.ship(order, chosen, clock)

    def ship(self, order: Order, lines: list[tuple[Item, int]], clock: Clock) -> None:
        there = [(item, quantity) for item, quantity in lines if self.free(item.sku, order.place) >= quantity]
        if not there:
            return
        shipment = self.number("SH")
        for line, (item, quantity) in enumerate(there, 1):
            at = clock.tick()
            self.ship_line(at, order, (shipment, line), item, quantity)
            if item.role == "normal" and self.rng.randrange(16) == 0:
                self.plan_return(at.date(), (shipment, line), item, quantity, order.place)

    def ship_line(self, at: datetime, order: Order, shipped: tuple[str, int], item: Item, quantity: int) -> None:
        self.book.move(item.sku, order.place, -quantity)
        if item.role == "plain":
            self.book.take(item.sku, quantity)
        data = {
            "shipment_no": shipped[0],
            "line": shipped[1],
            "status": "shipped",
            "order_no": order.number,
            "customer": order.customer,
            "channel": order.channel,
            "shipped_at": local(at),
            "sku": item.sku,
            "quantity": tenths(quantity),
            "unit": item.unit,
            "unit_price": cents(item.cost * 2 + 95),
            "location": order.place,
        }
        self.add("shipments", at, f"{shipped[0]}/{shipped[1]}", data, "order.fulfilled")

    def sell_before_arrival(self, clock: Clock, day: date) -> None:
        """The deliberate negative stock: three items leave before the truck with them is booked in, two days later."""
        for item in (i for i in self.items if i.role == "late"):
            held = self.book.total(item.sku)
            order = Order(self.number("SO"), "C-0007", "web", MAIN)
            self.ship_line(clock.tick(), order, (self.number("SH"), 1), item, held + 40)
            self.later(day + timedelta(days=2), partial(self.buying.receive, item.supplier, [(item, 24 * 10)]))

    # what comes back

    def plan_return(self, day: date, shipped: tuple[str, int], item: Item, sold: int, place: str) -> None:
        quantity = sold if self.rng.randrange(2) else max(10, sold // 20 * 10)
        inspect = self.rng.randrange(3) == 0
        when = day + timedelta(days=self.rng.randint(4, 20))
        self.later(when, partial(self.take_back, shipped, (item, min(quantity, sold)), place, inspect))

    def take_back(
        self, shipped: tuple[str, int], goods: tuple[Item, int], place: str, inspect: bool, clock: Clock
    ) -> None:
        item, quantity = goods
        number, at = self.number("RT"), clock.tick()
        self.book.move(item.sku, place, quantity)
        self.returned.add(item.sku)
        data = {
            "return_no": number,
            "line": 1,
            "received_at": with_offset(at),
            "shipment_no": shipped[0],
            "shipment_line": shipped[1],
            "sku": item.sku,
            "quantity": tenths(quantity),
            "location": place,
            "inspect": "yes" if inspect else "no",
        }
        self.add("returns", at, number, data, "return.received")
        if inspect:
            self.waiting[item.sku, place] += quantity
            when = at.date() + timedelta(days=self.rng.randint(2, 9))
            self.later(when, partial(self.decide, number, item, quantity, place))

    def decide(self, return_no: str, item: Item, quantity: int, place: str, clock: Clock) -> None:
        number, at, verdict = self.number("DS"), clock.tick(), self.rng.choice(("sellable", "sellable", "scrap"))
        self.waiting[item.sku, place] -= quantity
        if verdict == "scrap":
            self.book.move(item.sku, place, -quantity)
        data = {
            "disposition_no": number,
            "decided_at": local(at),
            "return_no": return_no,
            "return_line": 1,
            "sku": item.sku,
            "quantity": tenths(quantity),
            "location": place,
            "verdict": verdict,
        }
        self.add("dispositions", at, number, data, "return.dispositioned")

    # between the shelves

    def transfer(self, clock: Clock, day: date) -> None:
        """MAIN refills a shop: dispatched today, received one to three days later, once with a unit lost on the road."""
        place = self.rng.choice((EAST, WEST))
        lines = []
        for item in self.rng.sample(self.normal, 9):
            quantity = self.quantity(item, 4, 12)
            if self.free(item.sku, MAIN) >= quantity + 50:
                lines.append((item, quantity))
        number = self.number("TR")
        loses = self.counters["TR"] == 3
        for line, (item, quantity) in enumerate(lines, 1):
            self.book.move(item.sku, MAIN, -quantity)
            self.book.transit[item.sku] += quantity
            self.move_row(clock.tick(), f"{number}/{line}/dispatch", item, quantity, place)
        arrival = day + timedelta(days=self.rng.randint(1, 3))
        self.later(arrival, partial(self.arrive, number, lines, place, loses))

    def arrive(self, number: str, lines: list[tuple[Item, int]], place: str, loses: bool, clock: Clock) -> None:
        for line, (item, quantity) in enumerate(lines, 1):
            lost = 10 if loses and line == 1 else 0
            arrived = quantity - lost
            self.book.transit[item.sku] -= arrived
            self.book.move(item.sku, place, arrived)
            self.move_row(clock.tick(), f"{number}/{line}/receive", item, arrived, place)
            if lost:
                when = clock.moment.date() + timedelta(days=5)
                self.later(when, partial(self.write_off, number, line, item, place))

    def write_off(self, number: str, line: int, item: Item, place: str, clock: Clock) -> None:
        self.book.transit[item.sku] -= 10
        self.move_row(clock.tick(), f"{number}/{line}/lost", item, 10, place)

    def move_row(self, at: datetime, key: str, item: Item, quantity: int, target: str) -> None:
        number, line, step = key.split("/")
        types = {"dispatch": "transfer.dispatched", "receive": "transfer.received", "lost": "transfer.closed_short"}
        data = {
            "transfer_no": number,
            "line": int(line),
            "step": step,
            "moved_at": local(at),
            "sku": item.sku,
            "quantity": tenths(quantity),
            "from": MAIN,
            "to": target,
        }
        self.add("transfers", at, key, data, types[step])

    # on the shelves

    def adjust(self, clock: Clock) -> None:
        for _ in range(self.rng.randint(0, 3)):
            item, place = self.rng.choice(self.normal), self.rng.choice(sorted(LOCATIONS))
            found = self.rng.randrange(6) == 0
            quantity = self.quantity(item, 1, 3)
            if not found and self.free(item.sku, place) < quantity:
                continue
            signed = quantity if found else -quantity
            at = clock.tick()
            self.book.move(item.sku, place, signed)
            number = self.number("AD")
            data = {
                "adjustment_no": number,
                "adjusted_at": local(at),
                "sku": item.sku,
                "quantity": tenths(signed),
                "location": place,
                "reason": "FND" if found else self.rng.choice(REASONS_OUT),
            }
            self.add("adjustments", at, number, data, "stock.adjusted")

    def count(self, clock: Clock) -> None:
        """A cycle count of some fifteen items at one place, after the last movement of the day; most lines agree. Items
        with a return on their record are left out: returned goods wait beside the shelf."""
        place = self.rng.choice(sorted(LOCATIONS))
        free = [item for item in self.normal if item.sku not in self.returned]
        lines, at = [], clock.tick(5)
        for line, item in enumerate(self.rng.sample(free, min(15, len(free))), 1):
            book = self.book.held(item.sku, place)
            off = self.rng.choice((0, 0, 0, 0, 0, -10, -20, 10))
            counted = max(0, book + off)
            self.book.move(item.sku, place, counted - book)
            lines.append({"line": line, "sku": item.sku, "counted": tenths(counted), "book": tenths(book)})
        number = self.number("CT")
        data = {
            "count_no": number,
            "cut_off": with_offset(at),
            "location": place,
            "approved_by": "r.stam",
            "lines": lines,
        }
        self.add("counts", at, number, data, "count.approved")
