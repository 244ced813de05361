"""UCI Online Retail: half a million invoice lines of a gift wholesaler, with credits, write-offs and dirty codes.

Read in place. GENERATED, because the data has no purchases: receipts that top an item up before it would run out, at a
cost derived from its median sales price, and (for standard cost) that cost as the standard.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from statistics import median_low
from typing import NamedTuple

from tieout_sandbox.real.raw import GENERATED, Facts, Project, Stream, money, rows, write_config, write_table

FOLDER = "uci-online-retail"
FILE = "online_retail.csv.gz"
NOT_STOCK = frozenset({"POST", "DOT", "D", "M", "m", "BANK CHARGES", "AMAZONFEE", "S", "CRUK", "C2", "PADS", "B"})
COVER_DAYS = 60
COST_PERCENT = 55
LAST_DAY = date(2011, 12, 9)
FIRST_DAY = "2010-11-01"
SEED = 20_101_201


class Line(NamedTuple):
    """One invoice line. `order` is its place in the file, `number` its place in the invoice."""

    order: int
    number: int
    invoice: str
    code: str
    quantity: int
    when: str
    price: Decimal
    customer: str

    def turn(self) -> tuple[str, bool, int, int]:
        """Its turn among all lines: minute, shipments and corrections before credits, number in its invoice."""
        return (self.when, self.kind == "credit", self.number, self.order)

    @property
    def kind(self) -> str:
        if self.invoice.startswith("C"):
            return "credit"
        if self.quantity > 0 and (self.price > 0 or self.customer):
            return "sale"
        return "found" if self.quantity > 0 else "write-off"


class OnlineRetail:
    """Everything read once; `prepare` writes a project, `facts` says what must come of it."""

    name = "uci-online-retail"

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER
        self.raw: Counter[str] = Counter()
        self.lines: list[Line] = []  # of stock
        self.others: list[Line] = []  # of codes that are no stock
        self.customers: set[str] = set()
        self.names: dict[str, str] = {}
        self._read()
        prices: defaultdict[str, list[Decimal]] = defaultdict(list)
        for line in self.lines:
            self.names.setdefault(line.code, line.code)
            if line.price > 0 and line.quantity > 0:
                prices[line.code].append(line.price)
        # the generated cost of an item, in pence; items that were never sold at a price have none
        self.cost = {code: max(1, int(median_low(found) * COST_PERCENT)) for code, found in sorted(prices.items())}
        self.receipts = list(self._receipts())

    def _read(self) -> None:
        invoices: Counter[str] = Counter()
        codes: set[str] = set()
        seen: set[tuple[str, ...]] = set()
        for order, row in enumerate(rows(self.folder / FILE)):
            invoice, code, quantity = row["InvoiceNo"], row["StockCode"], int(row["Quantity"])
            invoices[invoice] += 1
            codes.add(code)
            self.raw["lines"] += 1
            self.raw["credit lines"] += invoice.startswith("C")
            self.raw["bad-debt lines"] += invoice.startswith("A")
            self.raw["exact duplicate lines"] += tuple(row.values()) in seen
            seen.add(tuple(row.values()))
            free = not Decimal(row["UnitPrice"])
            self.raw["write-off lines"] += quantity < 0 and not invoice.startswith("C")
            self.raw["positive lines at price zero"] += quantity > 0 and free
            self.raw["net units, all lines"] += quantity
            stock = code not in NOT_STOCK and not code.startswith("gift_")
            self.raw["lines that are not stock"] += code in NOT_STOCK
            self.raw["gift voucher lines"] += code.startswith("gift_")
            place = (order, invoices[invoice], invoice, code.upper() if stock else code)
            line = Line(*place, quantity, row["InvoiceDate"], Decimal(row["UnitPrice"]), row["CustomerID"])
            (self.lines if stock else self.others).append(line)
            if stock and row["CustomerID"]:
                self.customers.add(row["CustomerID"])
        self.raw["invoices"], self.raw["stock codes"] = len(invoices), len(codes)

    def _receipts(self) -> Iterable[tuple[str, date, str, int, int]]:
        """GENERATED: (code, day, lot, quantity, pence): whenever a day would end below zero at any moment, enough for that
        day and for what goes out in the following sixty."""
        per_code: defaultdict[str, list[Line]] = defaultdict(list)
        for line in self.lines:
            per_code[line.code].append(line)
        for code, lines in sorted(per_code.items()):
            if code not in self.cost:
                continue
            rng = Random(f"{SEED}/{code}")
            days: defaultdict[date, list[Line]] = defaultdict(list)
            for line in sorted(lines, key=Line.turn):
                days[date.fromisoformat(line.when[:10])].append(line)
            held = 0
            outgoing = {day: sum(-signed(x) for x in found if signed(x) < 0) for day, found in days.items()}
            for day, found in sorted(days.items()):
                lowest, running = 0, held
                for line in found:
                    running += signed(line)
                    lowest = min(lowest, running)
                if lowest < 0:
                    ahead = sum(q for when, q in outgoing.items() if day <= when < day + timedelta(days=COVER_DAYS))
                    quantity = max(-lowest, ahead - held)
                    pence = quantity * self.cost[code] * rng.randint(92, 108) // 100
                    yield code, day, f"GENERATED-{day}", quantity, max(1, pence)
                    held += quantity
                held += sum(map(signed, found))

    # the project

    def prepare(self, project: Path, method: str) -> None:
        items = [(code, code, money(self.cost[code]) if code in self.cost else "") for code in sorted(self.names)]
        write_table(project / "items.csv", ("sku", "name", "catalogue_cost"), items)
        write_table(project / "locations.csv", ("code", "name", "kind"), [("MAIN", "Warehouse", "warehouse")])
        parties = [("GENERATED", "Supplier of the generated receipts", "supplier")]
        parties += [(code, f"Customer {code}", "customer") for code in sorted(self.customers)]
        write_table(project / "parties.csv", ("code", "name", "kind"), parties)
        self._write_receipts(project)
        streams = [
            Stream(
                "generated_receipts",
                f"{GENERATED}/receipts.csv",
                "generated_receipts",
                {"key": ["receipt_no", "line"], "dates_only": True},
            ),
            Stream(
                "lines",
                str(self.folder / FILE),
                "uci_online_retail",
                {"row_number_per": ["InvoiceNo"], "page_size": 10_000},
            ),
        ]
        if method == "standard":
            body = [(code, FIRST_DAY, money(cost)) for code, cost in self.cost.items()]
            write_table(project / GENERATED / "standards.csv", ("sku", "date", "unit_cost"), body)
            options = {"key": ["sku", "date"], "dates_only": True}
            streams.insert(
                0, Stream("generated_standards", f"{GENERATED}/standards.csv", "generated_standards", options)
            )
        policies = {"cost_method": method, "unlinked_return_match": "party_item"}
        write_config(project, Project("Online Retail", "shop", "GBP", "Europe/London", policies, streams, self.folder))

    def _write_receipts(self, project: Path) -> None:
        numbers: Counter[date] = Counter()
        body = []
        for code, day, document, quantity, pence in sorted(self.receipts, key=lambda r: (r[1], r[0])):
            numbers[day] += 1
            body.append((document, numbers[day], day.isoformat(), "GENERATED", code, quantity, "MAIN", money(pence)))
        header = ("receipt_no", "line", "date", "supplier", "sku", "quantity", "location", "value")
        write_table(project / GENERATED / "receipts.csv", header, body)

    # the independent side

    def facts(self, method: str) -> Facts:
        facts = Facts(counts=dict(self.raw))
        facts.skipped = {
            "not stock": self.raw["lines that are not stock"],
            "gift vouchers": self.raw["gift voucher lines"],
        }
        facts.counts["generated receipts"] = len(self.receipts)
        facts.records = self.raw["lines"] + len(self.receipts) + (len(self.cost) if method == "standard" else 0)
        facts.balances["grni"] = -sum(pence for *_, pence in self.receipts)
        on_hand: Counter[str] = Counter()
        for code, _, _, quantity, _ in self.receipts:
            on_hand[code] += quantity
        kinds: Counter[str] = Counter()
        units: Counter[str] = Counter()
        for line in self.lines:
            kinds[line.kind] += 1
            units[line.kind] += abs(line.quantity)
            if line.code not in self.cost and (line.kind in ("found", "credit") or method == "standard"):
                facts.held["an item that never had a cost"] = facts.held.get("an item that never had a cost", 0) + 1
                continue
            on_hand[line.code] += signed(line)
        facts.counts |= {f"{kind} movements": number for kind, number in sorted(kinds.items())}
        facts.counts |= {f"{kind} units": number for kind, number in sorted(units.items())}
        everything = sorted([*self.lines, *self.others], key=lambda line: line.order)
        facts.counts["credit lines that match, all codes"] = len(matches(everything))
        found = matches(sorted(self.lines, key=Line.turn))
        facts.counts["credit lines that match, stock"] = len(found)
        booked = [line for line in self.lines if line.kind == "credit" and line.code in self.cost]
        matched = sum(line.order in found for line in booked)
        linked = "STD-11" if method == "standard" else "RET-04"
        facts.rows = {linked: matched, "RET-12": len(booked) - matched}
        facts.on_hand = {(code, "MAIN"): quantity for code, quantity in on_hand.items() if quantity}
        return facts


def matches(lines: Iterable[Line]) -> set[int]:
    """Credits by the rule `party_item`, as their places in the file: those whose units the latest earlier sales to the same
    customer of the same code still hold, all of them, newest first. A credit that asks for more matches nothing."""
    open_units: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    found = set()
    for line in lines:
        held = open_units[line.customer, line.code]
        if line.kind == "sale" and line.customer:
            held.append(line.quantity)
        elif line.kind == "credit" and line.customer and sum(held) >= -line.quantity:
            found.add(line.order)
            left = -line.quantity
            while left:
                left -= (taken := min(left, held[-1]))
                held[-1] -= taken
                if not held[-1]:
                    held.pop()
    return found


def signed(line: Line) -> int:
    """Units into stock: a credit brings back what the file shows as negative; a sale takes away what it shows as positive."""
    if line.kind in ("sale", "credit"):
        return -line.quantity
    return line.quantity
