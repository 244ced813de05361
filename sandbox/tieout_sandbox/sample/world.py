"""The sample company's master data and its own quantity book.

Nothing here knows how tieout works. The book is the independent oracle: it adds and subtracts whole tenths of a stock
unit, per item and location, and is what the stock reports and `expected.json` are written from. Money is whole cents.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any, Literal
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Amsterdam")
FIRST_DAY = date(2026, 1, 1)
LAST_DAY = date(2026, 3, 31)
MAIN, EAST, WEST = "MAIN", "EAST", "WEST"
LOCATIONS = {MAIN: "Central warehouse", EAST: "Shop east", WEST: "Shop west"}
SUPPLIERS = {"SUP-NORDIC": "Nordic Home Supply", "SUP-ATLAS": "Atlas Trading"}
CARRIER = "CAR-RHINE"
CASE = 12

# category -> (SKU prefix, stock unit, lowest and highest cost in cents, nouns)
CATEGORIES: dict[str, tuple[str, str, int, int, tuple[str, ...]]] = {
    "kitchen": ("KT", "each", 180, 4_900, ("Mug", "Pan", "Bowl", "Kettle", "Grater", "Plate")),
    "lighting": ("LG", "each", 950, 12_500, ("Lamp", "Lantern", "Spot", "Candle")),
    "garden": ("GD", "each", 240, 8_900, ("Pot", "Trowel", "Hose", "Rake", "Planter")),
    "fabrics": ("FB", "m", 420, 2_800, ("Linen", "Cotton", "Velvet", "Wool")),
}
ITEMS_PER_CATEGORY = 75

Role = Literal["normal", "plain", "late", "quiet"]


@dataclass(frozen=True)
class Item:
    """`role`: plain items see openings, equally billed receipts and shipments only; late ones are once sold before they
    arrive; a quiet one is kept for the backdated receipt of the second half."""

    sku: str
    name: str
    category: str
    unit: str
    cost: int  # cents per stock unit
    weight: int  # grams per stock unit
    cased: bool
    supplier: str
    role: Role


def make_items(rng: Random) -> list[Item]:
    """300 items in 4 categories; every 25th is plain, a few are late or quiet."""
    items = []
    for category, (prefix, unit, low, high, nouns) in CATEGORIES.items():
        for number in range(1, ITEMS_PER_CATEGORY + 1):
            role: Role = "normal"
            if number % 25 == 0:
                role = "plain"
            elif category == "kitchen" and number in (11, 12, 13):
                role = "late"
            elif category == "garden" and number in (21, 22):
                role = "quiet"
            items.append(
                Item(
                    sku=f"{prefix}-{1000 + number}",
                    name=f"{rng.choice(nouns)} {number}",
                    category=category,
                    unit=unit,
                    cost=rng.randrange(low, high),
                    weight=rng.randrange(120, 4_000),
                    cased=unit == "each" and number % 3 == 0 and role != "quiet",
                    supplier=rng.choice(sorted(SUPPLIERS)),
                    role=role,
                )
            )
    return items


@dataclass(frozen=True)
class Record:
    """One record of one feed as the source wrote it, and what it must become: `events` counts event types."""

    stream: str
    at: datetime
    key: str
    data: dict[str, Any]
    events: Counter[str]


def tenths(value: int) -> str:
    """Tenths as decimal text: 25 → '2.5', 30 → '3'."""
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), 10)
    return f"{sign}{whole}.{part}" if part else f"{sign}{whole}"


def cents(value: int) -> str:
    """Cents as decimal text: 1205 → '12.05'."""
    sign = "-" if value < 0 else ""
    return f"{sign}{abs(value) // 100}.{abs(value) % 100:02d}"


def local(moment: datetime) -> str:
    """Wall-clock time without offset, as a shop's spreadsheet has it."""
    return moment.strftime("%Y-%m-%d %H:%M")


def with_offset(moment: datetime) -> str:
    return moment.replace(tzinfo=ZONE).isoformat()


@dataclass
class Layer:
    """A FIFO layer of the independent check on plain items: tenths and cents."""

    quantity: int
    value: int


@dataclass
class Book:
    """Quantity by item and location, units on the road, and FIFO layers of the plain items."""

    stock: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    transit: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    layers: defaultdict[str, list[Layer]] = field(default_factory=lambda: defaultdict(list))

    def held(self, sku: str, location: str) -> int:
        return self.stock.get((sku, location), 0)

    def total(self, sku: str) -> int:
        return sum(self.held(sku, place) for place in LOCATIONS)

    def move(self, sku: str, location: str, quantity: int) -> None:
        self.stock[sku, location] += quantity

    def add_layer(self, sku: str, quantity: int, value: int) -> None:
        self.layers[sku].append(Layer(quantity, value))

    def take(self, sku: str, quantity: int) -> None:
        """FIFO issue: round(value × q / quantity), half to even; the unit that empties a layer takes the rest."""
        queue = self.layers[sku]
        while quantity:
            first = queue[0]
            part = min(quantity, first.quantity)
            first.value -= half_even(first.value * part, first.quantity)
            first.quantity -= part
            quantity -= part
            if not first.quantity:
                queue.pop(0)


def half_even(numerator: int, denominator: int) -> int:
    """numerator / denominator to the nearest integer, ties to even; both not negative."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + (twice > denominator or (twice == denominator and whole % 2 == 1))


class Clock:
    """Hands out strictly rising minutes of one day, so that no two records of the sample share an instant."""

    def __init__(self, day: date) -> None:
        self.moment = datetime.combine(day, time(7, 0))

    def tick(self, minutes: int = 5) -> datetime:
        self.moment += timedelta(minutes=minutes)
        return self.moment


def days(first: date = FIRST_DAY, last: date = LAST_DAY) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
