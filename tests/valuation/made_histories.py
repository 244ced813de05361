"""Random histories of kits and production: things bought, made into others, taken apart, sold and returned, billed late,
edited and taken back. Seeded: the same number gives the same history."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from tieout.model.event import Event
from tieout.model.facts import Bom, Facts, Part, Price, Routing

FACTS = Facts(
    boms=[Bom("P", date.min, (Part("A", Fraction(2)), Part("B", Fraction(1))))],
    routings=[Routing("P", date.min, Fraction(1, 2), Fraction(20), Fraction(8))],
    prices=[Price("P", date.min, Fraction(30)), Price("Q", date.min, Fraction(11))],
)
BOUGHT = ("A", "B", "C")
KITS = {"K": (("A", 2), ("B", 1)), "L": (("K", 1), ("C", 3)), "A2": (("A", 1), ("L", 1))}
START = datetime(2026, 1, 1, tzinfo=UTC)


class Maker:
    """Draws events one after the other; later ones refer to earlier ones."""

    def __init__(self, seed: int, *, negative: bool) -> None:
        self.random = Random(seed)
        self.negative = negative
        self.events: list[dict[str, Any]] = []
        self.receipts: list[dict[str, Any]] = []
        self.assemblies: list[dict[str, Any]] = []
        self.shipments: list[dict[str, Any]] = []
        self.orders: list[str] = []
        self.at = START

    def add(self, kind: str, lines: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        self.at += timedelta(minutes=self.random.randrange(1, 3000))
        event = {
            "id": f"e{len(self.events)}",
            "type": kind,
            "effective_at": self.at.isoformat(),
            "lines": lines,
            **more,
        }
        self.events.append(event)
        return event

    def line(self, item: str, quantity: object, **more: Any) -> dict[str, Any]:
        return {"item": item, "quantity": str(quantity), "location": "MAIN", **more}

    def units(self, most: int = 9) -> int:
        return self.random.randrange(1, most)

    def money(self) -> str:
        return f"{self.random.randrange(1, 2000) / 100:.2f}"

    def receive(self) -> None:
        item = self.random.choice(BOUGHT)
        self.receipts.append(self.add("purchase.received", [self.line(item, self.units(40), unit_price=self.money())]))

    def bill(self) -> None:
        if self.receipts:
            of = self.random.choice(self.receipts)
            line = of["lines"][0]
            billed = {"item": line["item"], "quantity": line["quantity"], "unit_price": self.money(), "ref": of["id"]}
            self.add("purchase.billed", [billed])

    def freight(self) -> None:
        if self.receipts:
            named = self.random.sample(self.receipts, min(2, len(self.receipts)))
            self.add("landed_cost.billed", [{"ref": of["id"]} for of in named], amount=self.money(), basis="quantity")

    def assemble(self) -> None:
        kit = self.random.choice(list(KITS))
        q = self.units(5)
        lines = [self.line(item, q * each, part="component") for item, each in KITS[kit]]
        amounts = {"amounts": {"labour_applied": self.money()}} if self.random.random() < 0.5 else {}
        lines.insert(self.random.randrange(len(lines) + 1), self.line(kit, q, part="output"))
        self.assemblies.append(self.add("kit.assembled", lines, **amounts))

    def take_apart(self) -> None:
        if not self.assemblies:
            return
        of = self.random.choice(self.assemblies)
        kit = next(line for line in of["lines"] if line["part"] == "output")
        q = self.random.randrange(1, int(kit["quantity"]) + 1)
        lines = [self.line(kit["item"], q, part="output")]
        for item, each in KITS[kit["item"]]:
            part = self.random.choice(["component", "component", "broken", "missing"])
            lines.append(self.line(item, q * each, part=part))
        named = {"ref": of["id"]} if self.random.random() < 0.5 else {}
        self.add("kit.disassembled", lines, **named)

    def ship(self) -> None:
        item = self.random.choice([*BOUGHT, *KITS, "P", "Q"])
        self.shipments.append(self.add("order.fulfilled", [self.line(item, self.units(4))]))

    def come_back(self) -> None:
        if self.shipments:
            of = self.random.choice(self.shipments)
            line = of["lines"][0]
            self.add("return.received", [self.line(line["item"], 1, disposition="restock", ref=of["id"])])

    def produce(self) -> None:
        order = f"MO-{len(self.orders)}"
        self.orders.append(order)
        q = self.units(12)
        lines = [self.line("A", 2 * q, part="component"), self.line("B", q, part="component")]
        if self.random.random() < 0.5:
            lines.append(self.line("P", q, part="output"))
        self.add("production.issued", lines, document=order)
        if self.random.random() < 0.7:
            hours = {"labour": str(q), "overhead": str(q)}
            self.add("production.reported", [], document=order, hours=hours)
        done = self.random.random()
        if done < 0.15:
            self.add("production.cancelled", [self.line("A", q)], document=order)
            return
        if done < 0.4 and q > 2:
            self.add(
                "production.scrapped",
                [self.line("P", 1)],
                document=order,
                reason=self.random.choice(["normal", "abnormal"]),
            )
            q -= 1
        if done > 0.8:
            outs = [self.line("P", q, part="joint"), self.line("Q", q, part="joint")]
        else:
            outs = [self.line("P", q, part="output")]
        if done > 0.6:
            outs.append(self.line("C", 1, part="by_product", nrv="0.37"))
        self.add("production.completed", outs, document=order)
        if self.random.random() < 0.4:
            more = [{"quantity": "1", "amount": self.money()}]
            self.add("production.reported", more, document=order)
        if self.random.random() < 0.6:
            self.add("production.closed", [], document=order)

    def overhead(self) -> None:
        self.add("overhead.incurred", [], amount=self.money())
        if self.random.random() < 0.5:
            self.add("overhead.closed", [])


def history(seed: int, *, negative: bool = True, length: int = 24) -> list[Event]:
    """Events in order of time. `negative` False: enough of everything bought lies there from the start."""
    made = Maker(seed, negative=negative)
    if not negative:
        made.add("opening.loaded", [made.line(item, 10_000, unit_price="7.31") for item in BOUGHT])
    for item in BOUGHT:
        made.receipts.append(made.add("purchase.received", [made.line(item, 60, unit_price=made.money())]))
    acts = [
        *(made.receive, made.receive, made.bill, made.bill, made.freight, made.freight, made.assemble, made.assemble),
        *(made.assemble, made.take_apart, made.ship, made.ship, made.come_back, made.produce, made.overhead),
    ]
    while len(made.events) < length:
        made.random.choice(acts)()
    return [Event.model_validate(event) for event in made.events]


def arrivals(seed: int, events: list[Event]) -> list[list[Event]]:
    """The same events in pieces of any order, some twice, some first in an older revision or taken back and sent again."""
    random = Random(seed)
    told = []
    for event in events:
        final = event.model_copy(update={"revision": 2})
        told.append(final)
        if random.random() < 0.2:
            told.append(event.model_copy(update={"effective_at": event.effective_at + timedelta(hours=5)}))
        if random.random() < 0.1:
            told.append(Event(id=event.id, type=event.type, effective_at=event.effective_at, revision=1, void=True))
        if random.random() < 0.1:
            told.append(final)
    random.shuffle(told)
    pieces = []
    while told:
        n = random.randrange(1, 8)
        pieces.append(told[:n])
        told = told[n:]
    return pieces
