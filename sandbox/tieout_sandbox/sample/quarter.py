"""One quarter of the sample company, day by day: what was ordered, received, sold, returned, moved, counted and billed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

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
        for item in self.items:
            places = (MAIN,) if item.role != "normal" else (MAIN, EAST, WEST)
            for place in places:
                low, high = (24, 70) if place == MAIN else (6, 18)
                quantity = 30 if item.role == "late" else self.quantity(item, low, high)
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
        order, customer = self.number("SO"), f"C-{self.rng.randrange(CUSTOMERS):04d}"
        channel = "web" if place == MAIN else "shop"
        if len(chosen) > 1 and self.rng.randrange(8) == 0:  # a partial shipment: the rest follows on another day
            chosen, rest = chosen[:1], chosen[1:]
            wait = day + timedelta(days=self.rng.randint(1, 4))
            self.later(wait, lambda c: self.ship(c, order, customer, channel, place, rest))
        self.ship(clock, order, customer, channel, place, chosen)

    def ship(
        self, clock: Clock, order: str, customer: str, channel: str, place: str, lines: list[tuple[Item, int]]
    ) -> None:
        there = [(item, quantity) for item, quantity in lines if self.free(item.sku, place) >= quantity]
        if not there:
            return
        shipment = self.number("SH")
        for line, (item, quantity) in enumerate(there, 1):
            at = clock.tick()
            self.ship_line(at, order, shipment, line, customer, channel, place, item, quantity)
            if item.role == "normal" and self.rng.randrange(16) == 0:
                self.plan_return(at.date(), shipment, line, item, quantity, place)

    def ship_line(
        self,
        at: datetime,
        order: str,
        shipment: str,
        line: int,
        customer: str,
        channel: str,
        place: str,
        item: Item,
        quantity: int,
    ) -> None:
        self.book.move(item.sku, place, -quantity)
        if item.role == "plain":
            self.book.take(item.sku, quantity)
        data = {
            "shipment_no": shipment,
            "line": line,
            "status": "shipped",
            "order_no": order,
            "customer": customer,
            "channel": channel,
            "shipped_at": local(at),
            "sku": item.sku,
            "quantity": tenths(quantity),
            "unit": item.unit,
            "unit_price": cents(item.cost * 2 + 95),
            "location": place,
        }
        self.add("shipments", at, f"{shipment}/{line}", data, "order.fulfilled")

    def sell_before_arrival(self, clock: Clock, day: date) -> None:
        """The deliberate negative stock: three items leave before the truck with them is booked in, two days later."""
        for item in (i for i in self.items if i.role == "late"):
            held = self.book.total(item.sku)
            order, shipment = self.number("SO"), self.number("SH")
            self.ship_line(clock.tick(), order, shipment, 1, "C-0007", "web", MAIN, item, held + 40)
            self.later(day + timedelta(days=2), lambda c, i=item: self.buying.receive(c, i.supplier, [(i, 24 * 10)]))

    # what comes back

    def plan_return(self, day: date, shipment: str, line: int, item: Item, sold: int, place: str) -> None:
        quantity = sold if self.rng.randrange(2) else max(10, sold // 20 * 10)
        inspect = self.rng.randrange(3) == 0
        when = day + timedelta(days=self.rng.randint(4, 20))
        self.later(when, lambda c: self.take_back(c, shipment, line, item, min(quantity, sold), place, inspect))

    def take_back(
        self, clock: Clock, shipment: str, line: int, item: Item, quantity: int, place: str, inspect: bool
    ) -> None:
        number, at = self.number("RT"), clock.tick()
        self.book.move(item.sku, place, quantity)
        self.returned.add(item.sku)
        data = {
            "return_no": number,
            "line": 1,
            "received_at": with_offset(at),
            "shipment_no": shipment,
            "shipment_line": line,
            "sku": item.sku,
            "quantity": tenths(quantity),
            "location": place,
            "inspect": "yes" if inspect else "no",
        }
        self.add("returns", at, number, data, "return.received")
        if inspect:
            self.waiting[item.sku, place] += quantity
            when = at.date() + timedelta(days=self.rng.randint(2, 9))
            self.later(when, lambda c: self.decide(c, number, item, quantity, place))

    def decide(self, clock: Clock, return_no: str, item: Item, quantity: int, place: str) -> None:
        at, verdict = clock.tick(), self.rng.choice(("sellable", "sellable", "scrap"))
        self.waiting[item.sku, place] -= quantity
        if verdict == "scrap":
            self.book.move(item.sku, place, -quantity)
        data = {
            "disposition_no": self.number("DS"),
            "decided_at": local(at),
            "return_no": return_no,
            "return_line": 1,
            "sku": item.sku,
            "quantity": tenths(quantity),
            "location": place,
            "verdict": verdict,
        }
        self.add("dispositions", at, data["disposition_no"], data, "return.dispositioned")

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
            self.move_row(clock.tick(), number, line, "dispatch", item, quantity, MAIN, place)
        arrival = day + timedelta(days=self.rng.randint(1, 3))
        self.later(arrival, lambda c: self.arrive(c, number, lines, place, loses))

    def arrive(self, clock: Clock, number: str, lines: list[tuple[Item, int]], place: str, loses: bool) -> None:
        for line, (item, quantity) in enumerate(lines, 1):
            lost = 10 if loses and line == 1 else 0
            arrived = quantity - lost
            self.book.transit[item.sku] -= arrived
            self.book.move(item.sku, place, arrived)
            self.move_row(clock.tick(), number, line, "receive", item, arrived, MAIN, place)
            if lost:
                when = clock.moment.date() + timedelta(days=5)
                self.later(when, lambda c, i=item, n=line: self.write_off(c, number, n, i, place))

    def write_off(self, clock: Clock, number: str, line: int, item: Item, place: str) -> None:
        self.book.transit[item.sku] -= 10
        self.move_row(clock.tick(), number, line, "lost", item, 10, MAIN, place)

    def move_row(
        self, at: datetime, number: str, line: int, step: str, item: Item, quantity: int, origin: str, target: str
    ) -> None:
        types = {"dispatch": "transfer.dispatched", "receive": "transfer.received", "lost": "transfer.closed_short"}
        data = {
            "transfer_no": number,
            "line": line,
            "step": step,
            "moved_at": local(at),
            "sku": item.sku,
            "quantity": tenths(quantity),
            "from": origin,
            "to": target,
        }
        self.add("transfers", at, f"{number}/{line}/{step}", data, types[step])

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
            data = {
                "adjustment_no": self.number("AD"),
                "adjusted_at": local(at),
                "sku": item.sku,
                "quantity": tenths(signed),
                "location": place,
                "reason": "FND" if found else self.rng.choice(REASONS_OUT),
            }
            self.add("adjustments", at, data["adjustment_no"], data, "stock.adjusted")

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
