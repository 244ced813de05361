"""AdventureWorks: purchasing with sub-cent prices, rejects and freight; sales and returns; a full count at the end.

Read in place: orders with their lines (joined), sales and returns with their products (joined), cost history. Derived
feeds, written into the project: the inventory table summed per product (the count), the tax of each order in whole cents,
and for standard cost the standard of every item before its first published change.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

from tieout_sandbox.real.raw import GENERATED, Facts, Project, Stream, cents, money, rows, write_config, write_table

FOLDER = "adventureworks"
COUNT_DAY = "2025-08-11"  # the youngest date of the inventory table; every other date of the data is earlier
LAST_DAY = "2025-08-10"  # before the count, which finds again what was sold and never bought
FIRST_DAY = "2022-01-01"
SHIFT_DAYS = 2_922
RECEIVED = "4"


class AdventureWorks:
    """Everything read once; `prepare` writes a project, `facts` says what must come of it."""

    name = "adventureworks"

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER
        self.orders = {row["PurchaseOrderID"]: row for row in self._rows("PurchaseOrderHeader")}
        self.details = list(self._rows("PurchaseOrderDetail"))
        self.products = {row["ProductID"]: row for row in self._rows("Product")}
        self.number_of = {row["ProductID"]: row["ProductNumber"] for row in self.products.values()}
        self.standard_cost = {row["ProductNumber"]: Decimal(row["StandardCost"]) for row in self.products.values()}
        self.sku_of_key = {row["ProductKey"]: row["ProductSKU"] for row in self._rows("dw_products")}
        self.sales = list(self._rows("dw_internet_sales"))
        self.returns = list(self._rows("dw_internet_returns"))
        self.history = list(self._rows("ProductCostHistory"))
        self.counted: Counter[str] = Counter()
        for row in self._rows("ProductInventory"):
            self.counted[row["ProductID"]] += int(row["Quantity"])

    def _rows(self, table: str) -> list[dict[str, str]]:
        return list(rows(self.folder / f"{table}.csv.gz"))

    def _path(self, table: str) -> str:
        return str(self.folder / f"{table}.csv.gz")

    # the project

    def prepare(self, project: Path, method: str) -> None:
        self._masters(project)
        header = ("count_no", "date", "ProductID", "quantity", "approved_by")
        counted = [
            (f"COUNT-{COUNT_DAY}", COUNT_DAY, product, quantity, "inventory table")
            for product, quantity in sorted(self.counted.items(), key=lambda pair: int(pair[0]))
        ]
        write_table(project / GENERATED / "count.csv", header, counted)
        write_table(project / GENERATED / "charges.csv", ("PurchaseOrderID", "tax"), self._charges())
        streams = self._streams()
        if method == "standard":
            write_table(
                project / GENERATED / "first_standards.csv", ("sku", "date", "unit_cost"), self._first_standards()
            )
            history = Stream(
                "cost_history",
                self._path("ProductCostHistory"),
                "adventureworks_cost_history",
                {"key": ["ProductID", "StartDate"], "dates_only": True},
            )
            first = Stream(
                "generated_standards",
                f"{GENERATED}/first_standards.csv",
                "generated_standards",
                {"key": ["sku", "date"], "dates_only": True},
            )
            streams = [first, history, *streams]
        policies = {"cost_method": method}
        write_config(
            project,
            Project("Adventure Works", "aw", "USD", "America/Los_Angeles", policies, streams, self.folder),
        )

    def _streams(self) -> list[Stream]:
        details = {"path": self._path("PurchaseOrderDetail"), "on": {"PurchaseOrderID": "PurchaseOrderID"}}
        product = {"path": self._path("dw_products"), "on": {"ProductKey": "ProductKey"}, "as": "product"}
        return [
            Stream(
                "orders",
                self._path("PurchaseOrderHeader"),
                "adventureworks_orders",
                {"key": ["PurchaseOrderID"], "revision": "RevisionNumber", "dates_only": True},
                [
                    {**details, "as": "lines", "many": True},
                    {
                        "path": f"{GENERATED}/charges.csv",
                        "on": {"PurchaseOrderID": "PurchaseOrderID"},
                        "as": "charges",
                    },
                ],
            ),
            Stream(
                "sales",
                self._path("dw_internet_sales"),
                "adventureworks_sales",
                {"key": ["OrderNumber", "OrderLineItem"], "dates_only": True},
                [product],
            ),
            Stream(
                "returns",
                self._path("dw_internet_returns"),
                "adventureworks_returns",
                {"key": ["ReturnDate", "TerritoryKey", "ProductKey"], "dates_only": True},
                [product],
            ),
            Stream(
                "count",
                f"{GENERATED}/count.csv",
                "adventureworks_count",
                {"key": ["count_no", "ProductID"], "dates_only": True},
            ),
        ]

    def _masters(self, project: Path) -> None:
        """Items under their product number; the purchasing tables know them by ProductID (an alias)."""
        group_of = {row["ProductSubcategoryID"]: row["ProductCategoryID"] for row in self._rows("ProductSubcategory")}
        name_of = {row["ProductCategoryID"]: row["Name"] for row in self._rows("ProductCategory")}
        items = []
        for product, row in self.products.items():
            category = name_of.get(group_of.get(row["ProductSubcategoryID"], ""), "Parts").lower()
            cost = row["StandardCost"] if Decimal(row["StandardCost"]) else ""
            items.append((row["ProductNumber"], row["Name"], category, "each", cost, f"aw:{product}"))
        write_table(
            project / "items.csv", ("sku", "name", "category", "stock_unit", "catalogue_cost", "aliases"), items
        )
        write_table(project / "locations.csv", ("code", "name", "kind"), [("MAIN", "All locations", "warehouse")])
        vendors = [(row["BusinessEntityID"], row["Name"], "supplier") for row in self._rows("Vendor")]
        write_table(project / "parties.csv", ("code", "name", "kind"), vendors)

    def _charges(self) -> list[tuple[str, str]]:
        """DERIVED: each order's tax in cents, such that subtotal + tax + freight in cents is its total, rounded once."""
        out = []
        for order, row in self.orders.items():
            goods, freight = cents(Decimal(row["SubTotal"])), cents(Decimal(row["Freight"]))
            out.append((order, money(cents(Decimal(row["TotalDue"])) - goods - freight)))
        return out

    def _first_standards(self) -> list[tuple[str, str, str]]:
        """GENERATED: the standard before the first published change: that change's own cost, else the first price paid,
        else the item master's cost. Items without any are left out."""
        first: dict[str, str] = {}
        for row in sorted(self.history, key=lambda r: r["StartDate"]):
            first.setdefault(row["ProductID"], row["StandardCost"])
        for row in self.details:
            first.setdefault(row["ProductID"], row["UnitPrice"])
        for product, row in self.products.items():
            if Decimal(row["StandardCost"]):
                first.setdefault(product, row["StandardCost"])
        return [(self.number_of[product], FIRST_DAY, cost) for product, cost in sorted(first.items())]

    # the independent side

    def facts(self, method: str) -> Facts:
        facts = Facts()
        received = self._purchases(facts)
        sold, returned = self._sales(facts, received)
        held = self._count(facts, received, sold, returned)
        facts.estimates_on = LAST_DAY
        facts.never_bought = frozenset(sold) - {self.number_of[row["ProductID"]] for row in self.details}
        if method != "standard":  # a standard is no estimate
            short = {sku: sold[sku] - received[sku] - returned[sku] for sku in sold}
            facts.estimates = {sku: units for sku, units in sorted(short.items()) if units > 0}
            facts.never_bought_value = sum(
                facts.estimates[sku] * cents(self.standard_cost[sku])  # every line of theirs sells one piece
                for sku in facts.never_bought & set(facts.estimates)
            )
        facts.held = {"count of an item that never had a cost": held}
        facts.shown = {"count difference": "shrinkage"}
        facts.records = len(self.orders) + len(self.sales) + len(self.returns) + len(self.counted)
        if method == "standard":
            facts.records += len(self.history) + len(self._first_standards())
        return facts

    def _purchases(self, facts: Facts) -> Counter[str]:
        facts.counts["orders"] = len(self.orders)
        facts.counts["order lines"] = len(self.details)
        facts.counts["lines with sub-cent prices"] = sum(bool(Decimal(r["UnitPrice"]) * 100 % 1) for r in self.details)
        facts.counts["lines with rejects"] = sum(Decimal(r["RejectedQty"]) > 0 for r in self.details)
        facts.counts["lines short or over"] = sum(
            Decimal(r["ReceivedQty"]) != Decimal(r["OrderQty"]) for r in self.details
        )
        status = Counter(row["Status"] for row in self.orders.values())
        facts.counts["orders received"] = status.pop(RECEIVED)
        facts.skipped = {f"order of status {code}": number for code, number in sorted(status.items())}
        self._check_file(facts)
        units: Counter[str] = Counter()
        per_order: defaultdict[str, Decimal] = defaultdict(Decimal)
        rejected = 0
        for row in self.details:
            if self.orders[row["PurchaseOrderID"]]["Status"] != RECEIVED:
                continue
            units[self.number_of[row["ProductID"]]] += int(Decimal(row["StockedQty"]))
            rejected += int(Decimal(row["RejectedQty"]))
            per_order[row["PurchaseOrderID"]] += Decimal(row["ReceivedQty"]) * Decimal(row["UnitPrice"])
        facts.counts["units stocked"] = units.total()
        facts.counts["units rejected"] = rejected
        facts.counts["receipts in cents"] = sum(map(cents, per_order.values()))
        done = [row for row in self.orders.values() if row["Status"] == RECEIVED]
        facts.balances["ap"] = -sum(cents(Decimal(row["TotalDue"])) for row in done)
        goods = sum(cents(Decimal(row["SubTotal"])) + cents(Decimal(row["Freight"])) for row in done)
        facts.balances["input_tax"] = -facts.balances["ap"] - goods
        return units

    def _check_file(self, facts: Facts) -> None:
        """subtotal + tax + freight = total at four decimals, and lines = subtotal, on every order of the file."""
        lines: defaultdict[str, Decimal] = defaultdict(Decimal)
        for row in self.details:
            lines[row["PurchaseOrderID"]] += Decimal(row["UnitPrice"]) * Decimal(row["OrderQty"])
        wrong = 0
        for order, row in self.orders.items():
            parts = [Decimal(row[name]) for name in ("SubTotal", "TaxAmt", "Freight")]
            wrong += sum(parts) != Decimal(row["TotalDue"]) or lines[order] != parts[0]
        facts.counts["orders whose parts do not add up"] = wrong

    def _sales(self, facts: Facts, received: Counter[str]) -> tuple[Counter[str], Counter[str]]:
        sold: Counter[str] = Counter()
        returned: Counter[str] = Counter()
        for row in self.sales:
            sold[self.sku_of_key[row["ProductKey"]]] += int(row["OrderQuantity"])
        for row in self.returns:
            returned[self.sku_of_key[row["ProductKey"]]] += int(row["ReturnQuantity"])
        ordered = {self.number_of[row["ProductID"]] for row in self.details}
        facts.counts["sales lines"] = len(self.sales)
        facts.counts["units sold"] = sold.total()
        facts.counts["return lines without order"] = len(self.returns)
        facts.counts["units returned"] = returned.total()
        facts.counts["products sold"] = len(sold)
        facts.counts["products sold, never ordered"] = len(set(sold) - ordered)
        facts.counts["products sold, never received"] = len(set(sold) - set(received))
        return sold, returned

    def _count(self, facts: Facts, received: Counter[str], sold: Counter[str], returned: Counter[str]) -> int:
        """What is on hand after the count, and how many counts must be held because nobody ever stated a cost."""
        book: Counter[str] = Counter()
        for sku in {*received, *sold, *returned}:
            book[sku] = received[sku] - sold[sku] + returned[sku]
        held, counted_units, difference = 0, 0, 0
        after = dict(book)
        for product, quantity in self.counted.items():
            sku = self.number_of[product]
            never = sku not in book and not Decimal(self.products[product]["StandardCost"])
            if never and quantity:
                held += 1
                continue
            counted_units += quantity
            difference += quantity - book[sku]
            after[sku] = quantity
        facts.counts["counted rows"] = len(self._rows("ProductInventory"))
        facts.counts["counted units"] = self.counted.total()
        facts.counts["counted units with a cost"] = counted_units
        facts.counts["count difference in units"] = difference
        facts.on_hand = {(sku, "MAIN"): quantity for sku, quantity in after.items() if quantity}
        return held
