"""What a scenario is, and the stage it plays on: days of a business, the house at work in the evenings, a person's acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tieout_sandbox.scenarios.business import CHANNELS, PLACES, Business, Item
from tieout_sandbox.scenarios.house import House

ITEMS = (
    Item("MUG", "4.00"),
    Item("PEN", "1.25", units="box=12"),
    Item("LAMP", "31.90"),
    Item("CLOTH", "7.35", unit="m"),
    Item("VASE", "0.99"),
)
OPENING = {"MUG": "120", "PEN": "600", "LAMP": "40", "CLOTH": "200.5", "VASE": "300"}


@dataclass(frozen=True)
class Scenario:
    """A seed makes the business; `play` makes its days. `waiting`: exceptions that stay open, as they should.

    `company`: further lines of the company's table. `facts`: the content of a facts file.
    """

    name: str
    title: str
    play: Callable[[Stage], None]
    kinds: str  # event types its sources report
    items: tuple[Item, ...] = ITEMS
    recipes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    companies: tuple[str, ...] = ("main",)
    policy: Mapping[str, str] = field(default_factory=dict)
    company: str = ""
    facts: str = ""
    waiting: int = 0
    start: date = date(2026, 1, 5)

    def businesses(self, seed: int) -> list[Business]:
        items = {item.sku: item for item in self.items}
        recipes = {sku: dict(parts) for sku, parts in self.recipes.items()}
        return [Business(seed, code, items, recipes) for code in self.companies]


class Stage:
    """One performance. `steps` is what happened, for a failure to name."""

    def __init__(self, house: House, scenario: Scenario) -> None:
        self.house = house
        self.scenario = scenario
        self.businesses = list(house.businesses.values())
        self.shop = self.businesses[0]
        self.random = self.shop.random
        self.today = scenario.start
        self.steps: list[str] = []
        for business in self.businesses:
            business.day(scenario.start - timedelta(days=1))

    # ── days ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def morning(self, days: int = 1) -> None:
        """Another day begins, `days` after the last."""
        self.today += timedelta(days=days)
        for business in self.businesses:
            business.day(self.today)

    def evening(self, step: str, *, settle: bool = True) -> dict[str, Any]:
        """What was told is handed over, and the house does its work."""
        self.steps.append(f"{self.today} {step}")
        self.house.until(self.today)
        return self.house.run(settle=settle)

    def open(self) -> None:
        """The usual opening stock."""
        for sku, quantity in OPENING.items():
            if sku in self.shop.items:
                self.shop.open({sku: quantity})

    # ── a bit of business ──────────────────────────────────────────────────────────────────────────────────────────
    def sales(self, count: int) -> list[str]:
        """Orders of one or two lines, shipped as far as the shelf goes."""
        out = []
        for _ in range(count):
            place = self.random.choice(PLACES)
            goods = []
            for sku in self.random.sample(sorted(OPENING), self.random.choice((1, 1, 2))):
                wanted = Decimal(self.random.randint(1, 4))
                if self.shop.held(sku, place) >= wanted + 2:
                    goods.append((sku, str(wanted)))
            if goods:
                out.append(self.shop.ship(*goods, place=place, channel=self.random.choice(CHANNELS)))
        return out

    def purchases(self, count: int) -> list[str]:
        """Goods received, at prices that move."""
        out = []
        for _ in range(count):
            sku = self.random.choice(sorted(OPENING))
            price = _moved(self.shop.items[sku].cost, self.random.randint(94, 108))
            supplier = self.random.choice(("SUP-1", "SUP-2"))
            if sku == "PEN":
                boxes = str(self.random.randint(2, 5))
                out.append(self.shop.receive(sku, boxes, "14.40", unit="box", per="12", supplier=supplier))
            else:
                out.append(self.shop.receive(sku, str(self.random.randint(5, 30)), price, supplier=supplier))
        return out

    def bills(self, receipts: list[str]) -> None:
        """Most bills agree with the receipt; one in three asks another price."""
        for receipt in receipts:
            price = self.shop.last["purchase.received", receipt]["lines"][0]["unit_price"]
            self.shop.bill(receipt, _moved(price, 103) if self.random.randrange(3) == 0 else price)


def _moved(price: str, percent: int) -> str:
    return str((Decimal(price) * percent / 100).quantize(Decimal("0.01")))
