"""SCMS delivery history: medicines delivered to 43 countries, with freight and insurance by shipping notice.

Read in place. DERIVED: the weight of each direct-drop line, because a notice's weight stands on one of its lines only.
GENERATED: receipts of the regional distribution centre (RDC), because the file shows only what left it; and for standard
cost the median pack price of each item.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median_low

from tieout_sandbox.real.raw import GENERATED, Facts, Project, Stream, cents, money, rows, write_config, write_table

FOLDER = "scms-delivery-history"
FILE = "scms_delivery_history.csv.gz"
DIRECT, CENTRE = "Direct Drop", "RDC"
FIRST_DAY = "2006-01-01"
COVER_DAYS = 90
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_SEE = re.compile(r"See (\S+) \(ID#:([0-9]+)\)")

Row = dict[str, str]


def day_of(text: str) -> date:
    return datetime.strptime(text, "%d-%b-%y").date()


class Deliveries:
    """Everything read once; `prepare` writes a project, `facts` says what must come of it."""

    name = "scms-delivery-history"

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER
        self.rows: list[Row] = list(rows(self.folder / FILE))
        self.notice_of = {row["ID"]: row["ASN/DN #"] for row in self.rows}
        self.direct = [row for row in self.rows if row["Fulfill Via"] == DIRECT]
        self.central = [row for row in self.rows if row["Fulfill Via"] != DIRECT]
        prices: defaultdict[str, list[Decimal]] = defaultdict(list)
        for row in self.rows:
            prices[item(row)].append(Decimal(row["Pack Price"]))
        self.price = {name: max(1, cents(median_low(found))) for name, found in sorted(prices.items())}
        self.receipts = self._receipts()

    # the project

    def prepare(self, project: Path, method: str) -> None:
        items = [(name, name, money(price)) for name, price in self.price.items()]
        write_table(project / "items.csv", ("sku", "name", "catalogue_cost"), items)
        places = [(CENTRE, "Regional distribution centre", "warehouse")]
        places += [(name, name, "warehouse") for name in sorted({row["Country"] for row in self.direct})]
        write_table(project / "locations.csv", ("code", "name", "kind"), places)
        vendors = sorted({row["Vendor"].strip() for row in self.direct})
        parties = [("GENERATED", "Supplier of the generated receipts", "supplier")]
        write_table(
            project / "parties.csv",
            ("code", "name", "kind"),
            [*parties, *((name, name, "supplier") for name in vendors)],
        )
        write_table(project / GENERATED / "weights.csv", ("ID", "weight_kg"), self._weights())
        header = ("receipt_no", "line", "date", "supplier", "sku", "quantity", "location", "value")
        write_table(project / GENERATED / "receipts.csv", header, self.receipts)
        weights = {"path": f"{GENERATED}/weights.csv", "on": {"ID": "ID"}, "as": "derived", "required": False}
        streams = [
            Stream(
                "generated_receipts",
                f"{GENERATED}/receipts.csv",
                "generated_receipts",
                {"key": ["receipt_no", "line"], "dates_only": True},
            ),
            Stream(
                "deliveries", str(self.folder / FILE), "scms_deliveries", {"key": ["ID"], "dates_only": True}, [weights]
            ),
        ]
        if method == "standard":
            body = [(name, FIRST_DAY, money(price)) for name, price in self.price.items()]
            write_table(project / GENERATED / "standards.csv", ("sku", "date", "unit_cost"), body)
            options = {"key": ["sku", "date"], "dates_only": True}
            streams.insert(
                0, Stream("generated_standards", f"{GENERATED}/standards.csv", "generated_standards", options)
            )
        policies = {"cost_method": method}
        write_config(project, Project("Supply programme", "scms", "USD", "UTC", policies, streams, self.folder))

    def _weights(self) -> list[tuple[str, str]]:
        """DERIVED: kilograms of each direct-drop line. A notice of one line has its own; in a notice of several the weight
        captured on one of them is spread by quantity × the item's usual weight a pack; the rest is estimated so too."""
        notices: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self.direct:
            notices[row["ASN/DN #"]].append(row)
        usual: defaultdict[str, list[int]] = defaultdict(list)
        for lines in notices.values():
            grams = captured(lines)
            if len(lines) == 1 and grams:
                usual[item(lines[0])].append(grams * 1_000 // int(lines[0]["Line Item Quantity"]))
        known = {name: max(1, median_low(found)) for name, found in usual.items()}  # milligrams a pack
        other = median_low(sorted(known.values()))
        out = []
        for lines in notices.values():
            weights = [int(row["Line Item Quantity"]) * known.get(item(row), other) for row in lines]
            total = captured(lines) * 1_000 or sum(weights)
            for row, share in zip(lines, largest_remainder(total, weights), strict=True):
                out.append((row["ID"], f"{share // 10**6}.{share % 10**6:06d}"))
        return out

    def _receipts(self) -> list[tuple[str, int, str, str, str, int, str, str]]:
        """GENERATED: the centre receives, on the day of an issue it could not serve, what leaves it in the next 90 days."""
        issues: defaultdict[str, list[tuple[date, int]]] = defaultdict(list)
        for row in self.central:
            issues[item(row)].append((day_of(row["Delivered to Client Date"]), int(row["Line Item Quantity"])))
        found = []
        for name, out in issues.items():
            held = 0
            for day, quantity in sorted(out):
                if held < quantity:
                    ahead = sum(q for when, q in out if day <= when < day + timedelta(days=COVER_DAYS))
                    served = sum(q for when, q in sorted(out) if when == day and (when, q) < (day, quantity))
                    wanted = max(quantity - held, ahead - held - served)
                    found.append((day, name, wanted, wanted * self.price[name]))
                    held += wanted
                held -= quantity
        numbers: Counter[date] = Counter()
        body = []
        for day, name, quantity, value in sorted(found):
            numbers[day] += 1
            document = f"GENERATED-{day}"
            body.append((document, numbers[day], day.isoformat(), "GENERATED", name, quantity, CENTRE, money(value)))
        return body

    # the independent side

    def _own_notice(self, row: Row) -> bool:
        """Whether a line says that its freight stands on another line of the same notice: so the notice's number, which
        every freight event names, is all that finding its receipts takes."""
        found = _SEE.fullmatch(row["Freight Cost (USD)"])
        return found is not None and found[1] == row["ASN/DN #"] == self.notice_of.get(found[2])

    def facts(self, method: str) -> Facts:
        facts = Facts()
        facts.counts = {
            "lines": len(self.rows),
            "direct drop lines": len(self.direct),
            "lines from the centre": len(self.central),
            "notices": len({row["ASN/DN #"] for row in self.rows}),
            "items": len(self.price),
            "countries": len({row["Country"] for row in self.rows}),
            "recorded on another day": sum(
                r["Delivered to Client Date"] != r["Delivery Recorded Date"] for r in self.rows
            ),
            "lines with freight": sum(bool(_NUMBER.fullmatch(r["Freight Cost (USD)"])) for r in self.rows),
            "lines that refer to another": sum(bool(_SEE.fullmatch(r["Freight Cost (USD)"])) for r in self.rows),
            "of them, by its own notice's number": sum(self._own_notice(r) for r in self.rows),
            "drop lines whose freight stands on another": sum(self._own_notice(r) for r in self.direct),
            "units dropped": sum(int(r["Line Item Quantity"]) for r in self.direct),
            "units from the centre": sum(int(r["Line Item Quantity"]) for r in self.central),
            "generated receipts": len(self.receipts),
        }
        facts.records = len(self.rows) + len(self.receipts) + (len(self.price) if method == "standard" else 0)
        dropped = sum(cents(Decimal(row["Line Item Value"])) for row in self.direct)
        generated = sum(cents(Decimal(row[-1])) for row in self.receipts)
        charges = 0
        for row in self.direct:
            if _NUMBER.fullmatch(row["Freight Cost (USD)"]):
                charges += cents(Decimal(row["Freight Cost (USD)"]))
            charges += cents(Decimal(row["Line Item Insurance (USD)"] or 0))
        facts.balances = {"grni": -(dropped + generated), "ap": -charges}
        on_hand: Counter[str] = Counter()
        for receipt in self.receipts:
            on_hand[receipt[4]] += receipt[5]
        for row in self.central:
            on_hand[item(row)] -= int(row["Line Item Quantity"])
        facts.on_hand = {(name, CENTRE): quantity for name, quantity in on_hand.items() if quantity}
        facts.counts["units left at the centre"] = on_hand.total()
        return facts


def item(row: Row) -> str:
    return row["Item Description"].strip()


def captured(lines: list[Row]) -> int:
    """The weight that stands on any line of a notice, in grams; 0 when it was captured separately."""
    texts = [row["Weight (Kilograms)"] for row in lines]
    return sum(int(Decimal(text) * 1_000) for text in texts if _NUMBER.fullmatch(text))


def largest_remainder(total: int, weights: list[int]) -> list[int]:
    """Whole parts of `total` in the proportion of `weights`, adding up exactly."""
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    rest = sorted(range(len(weights)), key=lambda n: (-(total * weights[n] % whole), n))
    for n in rest[: total - sum(shares)]:
        shares[n] += 1
    return shares
