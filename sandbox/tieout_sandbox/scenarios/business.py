"""One seed, one business: what its people do, in the words of `words`, and its own count of what is on the shelves.

    business = Business(seed=7)
    business.open({"MUG": ("40", "4.00")})
    business.day(date(2026, 3, 2)); number = business.ship("MUG", "2")
    business.returned(number, "MUG", "1")

`stock` is the independent oracle: it adds and subtracts exact decimals and knows nothing of costs or accounts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
PLACES = ("MAIN", "EAST")
SUPPLIERS = ("SUP-1", "SUP-2")
CARRIER = "CAR-1"
CHANNELS = ("web", "shop")
Goods = tuple[str, str]  # SKU, quantity as decimal text


@dataclass(frozen=True)
class Item:
    """`cost` in the company's currency per stock unit; `kind` as in the item master."""

    sku: str
    cost: str
    unit: str = "each"
    kind: str = "goods"
    units: str = ""


@dataclass
class Business:
    """One company of a scenario. `told` are the records not yet handed over, by event type."""

    seed: int = 0
    code: str = "main"
    items: dict[str, Item] = field(default_factory=dict)
    recipes: dict[str, dict[str, str]] = field(default_factory=dict)  # virtual bundle → its parts and how many

    def __post_init__(self) -> None:
        self.random = Random(f"{self.seed}/{self.code}")
        self.stock: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.road: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.told: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.last: dict[tuple[str, str], dict[str, Any]] = {}
        self.numbers: Counter[str] = Counter()
        self.moment = datetime.combine(date(2026, 1, 1), time(), ZONE)

    # ── time and telling ───────────────────────────────────────────────────────────────────────────────────────────
    def day(self, day: date) -> None:
        """Begin a working day at eight."""
        self.moment = datetime.combine(day, time(8), ZONE)

    def tick(self, minutes: int = 3) -> datetime:
        """The instant of the next document; no two share one."""
        self.moment = (self.moment.astimezone(ZoneInfo("UTC")) + timedelta(minutes=minutes)).astimezone(ZONE)
        return self.moment

    def number(self, prefix: str) -> str:
        self.numbers[prefix] += 1
        return f"{prefix}-{self.numbers[prefix]:05d}"

    def tell(
        self,
        kind: str,
        document: str,
        lines: Sequence[Mapping[str, Any]] = (),
        *,
        at: datetime | None = None,
        **more: Any,
    ) -> str:
        """Write a document down; its number comes back."""
        numbered = [{"id": str(n), **line} for n, line in enumerate(lines, 1)]
        record = {"document": document, "at": (at or self.tick()).isoformat(), "lines": numbered, "rev": 1, **more}
        self.last[kind, document] = record
        self.told[kind].append(record)
        return document

    def revise(self, kind: str, document: str, **changes: Any) -> None:
        """The same document once more, changed: a higher revision of it."""
        record = {**self.last[kind, document], **changes}
        record["rev"] = self.last[kind, document]["rev"] + 1
        self.last[kind, document] = record
        self.told[kind].append(record)

    def move(self, sku: str, place: str, quantity: Decimal | str) -> None:
        self.stock[sku, place] += Decimal(quantity)

    def held(self, sku: str, place: str = "MAIN") -> Decimal:
        return self.stock[sku, place]

    # ── opening and buying ─────────────────────────────────────────────────────────────────────────────────────────
    def open(self, goods: Mapping[str, str], place: str = "MAIN") -> None:
        """Stock when the books begin, at the items' costs."""
        for sku, quantity in goods.items():
            self.move(sku, place, quantity)
            amount = _cents(Decimal(quantity) * Decimal(self.items[sku].cost))
            line = {"item": sku, "quantity": quantity, "location": place, "amount": amount}
            self.tell("opening.loaded", f"OPEN-{sku}-{place}", [line])

    def receive(
        self,
        sku: str,
        quantity: str,
        price: str = "",
        *,
        place: str = "MAIN",
        supplier: str = SUPPLIERS[0],
        unit: str = "",
        per: str = "1",
        at: datetime | None = None,
        **money: str,
    ) -> str:
        """A goods receipt; `per` stock units in a bought unit, `money`: currency and rate of a foreign purchase."""
        self.move(sku, place, Decimal(quantity) * Decimal(per))
        line = {"item": sku, "quantity": quantity, "location": place, "unit_price": price or self.items[sku].cost}
        line |= {"unit": unit} if unit else {}
        line |= {"currency": money["currency"]} if money else {}
        return self.tell("purchase.received", self.number("GR"), [line], at=at, party=supplier, **money)

    def bill(
        self, receipt: str, price: str, *, quantity: str = "", tax: str = "", at: datetime | None = None, **money: str
    ) -> str:
        """The supplier's bill for a receipt, at `price` for one bought unit."""
        head = self.last["purchase.received", receipt]
        bought = head["lines"][0]
        wanted = quantity or bought["quantity"]
        line = {"item": bought["item"], "quantity": wanted, "amount": _cents(Decimal(wanted) * Decimal(price), **money)}
        line |= {"ref_document": receipt, "ref_line": "1"}
        line |= {"tax": tax} if tax else {}
        line |= {"unit": bought["unit"]} if "unit" in bought else {}
        return self.tell("purchase.billed", self.number("VB"), [line], at=at, party=head["party"], **money)

    def freight(self, receipts: Sequence[str], amount: str, basis: str = "value") -> str:
        lines = [{"ref_document": receipt} for receipt in receipts]
        number = self.number("FB")
        return self.tell("landed_cost.billed", number, lines, party=CARRIER, amount=amount, basis=basis)

    def send_back(self, receipt: str, quantity: str) -> str:
        bought = self.last["purchase.received", receipt]
        line = bought["lines"][0]
        self.move(line["item"], line["location"], -Decimal(quantity))
        ref = {"ref_document": receipt, "ref_line": "1"}
        goods = {"item": line["item"], "quantity": quantity, "location": line["location"], **ref}
        return self.tell("purchase.returned", self.number("SR"), [goods], party=bought["party"])

    def credit(self, sent: str, amount: str) -> str:
        head = self.last["purchase.returned", sent]
        line = head["lines"][0]
        goods = {"item": line["item"], "quantity": line["quantity"], "amount": amount}
        lines = [{**goods, "ref_document": sent, "ref_line": "1"}]
        return self.tell("purchase.credited", self.number("CN"), lines, party=head["party"])

    # ── selling and what comes back ────────────────────────────────────────────────────────────────────────────────
    def ship(self, *goods: Goods, place: str = "MAIN", channel: str = "web", at: datetime | None = None) -> str:
        """One shipment; an order shipped in parts is several of these."""
        lines = []
        for sku, quantity in goods:
            self.leave(sku, place, Decimal(quantity))
            price = _cents(Decimal(self.items[sku].cost) * 2)
            lines.append({"item": sku, "quantity": quantity, "location": place, "unit_price": price})
        return self.tell("order.fulfilled", self.number("SH"), lines, at=at, party="C-1", channel=channel)

    def leave(self, sku: str, place: str, quantity: Decimal) -> None:
        """Units go; of a virtual bundle its parts."""
        for part, count in self.recipes.get(sku, {sku: "1"}).items():
            self.move(part, place, -quantity * Decimal(count))

    def cancel_shipment(self, document: str) -> None:
        """It never left after all: the next revision says so."""
        for line in self.last["order.fulfilled", document]["lines"]:
            self.leave(line["item"], line["location"], -Decimal(line["quantity"]))
        self.revise("order.fulfilled", document, status="cancelled")

    def edit_shipment(self, document: str, quantity: str) -> None:
        """The first line's quantity was another."""
        lines = [dict(line) for line in self.last["order.fulfilled", document]["lines"]]
        self.leave(lines[0]["item"], lines[0]["location"], Decimal(quantity) - Decimal(lines[0]["quantity"]))
        lines[0]["quantity"] = quantity
        self.revise("order.fulfilled", document, lines=lines)

    def returned(self, shipment: str, quantity: str, *, line: int = 1, how: str = "restock") -> str:
        """Goods come back; `how`: restock, or inspect."""
        sold = self.last["order.fulfilled", shipment]["lines"][line - 1]
        self.move(sold["item"], sold["location"], quantity)
        back = {"item": sold["item"], "quantity": quantity, "location": sold["location"], "disposition": how}
        ref = {"ref_document": shipment, "ref_line": str(line)}
        return self.tell("return.received", self.number("RT"), [{**back, **ref}])

    def decide(self, back: str, verdict: str, quantity: str = "") -> str:
        line = self.last["return.received", back]["lines"][0]
        decided = quantity or line["quantity"]
        if verdict == "scrap":
            self.move(line["item"], line["location"], -Decimal(decided))
        goods = {"item": line["item"], "quantity": decided, "location": line["location"], "disposition": verdict}
        ref = {"ref_document": back, "ref_line": "1"}
        return self.tell("return.dispositioned", self.number("DS"), [{**goods, **ref}])

    def pay_out(self, net: str, fees: str, channel: str = "web") -> str:
        return self.tell("payout.paid", self.number("PO"), channel=channel, amount=net, amounts_fees=fees)

    # ── the shelves ────────────────────────────────────────────────────────────────────────────────────────────────
    def adjust(self, sku: str, quantity: str, reason: str, place: str = "MAIN") -> str:
        self.move(sku, place, quantity)
        line = {"item": sku, "quantity": quantity, "location": place, "reason": reason}
        return self.tell("stock.adjusted", self.number("AD"), [line])

    def count(self, found: Mapping[str, str], place: str = "MAIN") -> str:
        """Counted quantities become the truth."""
        lines = []
        for sku, quantity in found.items():
            book = plain(self.held(sku, place))
            self.stock[sku, place] = Decimal(quantity)
            lines.append({"item": sku, "quantity": quantity, "location": place, "book_quantity": book})
        return self.tell("count.approved", self.number("CT"), lines, actor="r.stam")

    def dispatch(self, sku: str, quantity: str, origin: str = "MAIN", target: str = "EAST") -> str:
        self.move(sku, origin, -Decimal(quantity))
        self.road[sku] += Decimal(quantity)
        line = {"item": sku, "quantity": quantity, "location": origin, "to_location": target}
        return self.tell("transfer.dispatched", self.number("TR"), [line])

    def arrive(self, transfer: str, quantity: str) -> str:
        line = self.last["transfer.dispatched", transfer]["lines"][0]
        self.road[line["item"]] -= Decimal(quantity)
        self.move(line["item"], line["to_location"], quantity)
        goods = {"item": line["item"], "quantity": quantity, "location": line["to_location"]}
        ref = {"ref_document": transfer, "ref_line": "1"}
        return self.tell("transfer.received", self.number("TI"), [{**goods, **ref}])

    def lose(self, transfer: str, quantity: str) -> str:
        """What was dispatched and never arrives."""
        line = self.last["transfer.dispatched", transfer]["lines"][0]
        self.road[line["item"]] -= Decimal(quantity)
        goods = {"item": line["item"], "quantity": quantity, "location": line["location"]}
        ref = {"ref_document": transfer, "ref_line": "1"}
        return self.tell("transfer.closed_short", self.number("TL"), [{**goods, **ref}])

    # ── making ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def assemble(self, kit: str, quantity: str, parts: Mapping[str, str], *, apart: bool = False) -> str:
        """Build kits from parts (in all, not per kit), or take them apart again."""
        sign = Decimal(-1 if apart else 1)
        self.move(kit, "MAIN", sign * Decimal(quantity))
        lines = [{"item": kit, "quantity": quantity, "location": "MAIN", "part": "output"}]
        for sku, count in parts.items():
            self.move(sku, "MAIN", -sign * Decimal(count))
            lines.append({"item": sku, "quantity": count, "location": "MAIN", "part": "component"})
        return self.tell("kit.disassembled" if apart else "kit.assembled", self.number("KT"), lines)

    def produce(self, order: str, made: Goods | None = None, **issued: str) -> None:
        """Issue parts to a production order, or complete it."""
        if issued:
            lines = []
            for sku, quantity in issued.items():
                self.move(sku, "MAIN", -Decimal(quantity))
                lines.append({"item": sku, "quantity": quantity, "location": "MAIN", "part": "component"})
            self.tell("production.issued", order, lines)
        if made is not None:
            self.move(made[0], "MAIN", made[1])
            line = {"item": made[0], "quantity": made[1], "location": "MAIN", "part": "output"}
            self.tell("production.completed", order, [line])


def _cents(amount: Decimal, currency: str = "USD", rate: str = "") -> str:
    places = {"JPY": "1", "KWD": "0.001"}.get(currency, "0.01")
    return str(amount.quantize(Decimal(places)))


def plain(value: Decimal) -> str:
    """Decimal text without exponent or trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
