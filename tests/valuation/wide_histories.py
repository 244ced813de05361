"""Random histories that add to `histories.py` everything else a company does to its stock: title in transit, rebates,
cleared receipts, consignment, warranty, claims, drop-shipments, write-downs, expected returns, affiliates.

Some events are refused (more comes back than there was); that is part of what must not depend on arrival.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from tests.valuation.histories import ITEMS, LOCATIONS, STEPS, Builder, History, prices, whole_quantities

from tieout.model.event import Ref

AFFILIATE = {"party": "B"}


@dataclass
class WideBuilder(Builder):
    """Keeps names of earlier events by kind; a reference may name any of them."""

    kinds: dict[str, list[tuple[str, str, Decimal]]] = field(default_factory=dict)

    def say(self, kind: str, item: str, quantity: Decimal | None = None, **more: Any) -> None:
        head = {k: more.pop(k) for k in ("actor", "party", "document", "amount", "reason", "amounts") if k in more}
        if "line_amount" in more:
            more["amount"] = more.pop("line_amount")
        self.apart()
        line = {"item": item, "quantity": quantity, "location": None, **more}
        event = self.post(kind, [line], **head)
        self.kinds.setdefault(kind, []).append((event.id, item, quantity or Decimal(0)))

    def earlier(self, *kinds: str) -> tuple[str, str, Decimal] | None:
        known = [each for kind in kinds for each in self.kinds.get(kind, [])]
        return self.pick(known) if known else None

    def price(self) -> Decimal:
        price: Decimal = self.draw(prices)
        return max(price, Decimal("0.01"))

    def some(self) -> tuple[str, str, Decimal]:
        return self.pick(self.items), self.pick(LOCATIONS), self.draw(whole_quantities)

    # ---- purchasing

    def title(self) -> None:
        item, place, quantity = self.some()
        self.say("purchase.title_passed", item, quantity, location=place, unit_price=self.price())

    def title_arrives(self) -> None:
        found = self.earlier("purchase.title_passed")
        if found:
            event, item, quantity = found
            place, part = self.pick(LOCATIONS), self.part_of(quantity) + self.pick([Decimal(0), Decimal(0), Decimal(1)])
            self.say("purchase.received", item, part, location=place, unit_price=self.price(), ref={"event": event})
            self.stock[(item, place)] += part
            self.learn(item, place, self.events[-1])

    def bill_of_title(self) -> None:
        found = self.earlier("purchase.title_passed", "dropship.shipped")
        if found:
            event, item, quantity = found
            self.say("purchase.billed", item, self.part_of(quantity), unit_price=self.price(), ref={"event": event})

    def freight_of_title(self) -> None:
        found = self.earlier("purchase.title_passed")
        if found:
            self.apart()
            amount = self.money(self.draw(st.decimals("1", "90", places=2)))
            self.post("landed_cost.billed", [{"id": "1", "ref": {"event": found[0]}}], amount=amount, basis="quantity")

    def commitment(self) -> None:
        item = self.pick(self.items)
        nrv, price = self.price(), self.price()
        self.say(
            "commitment.assessed", item, self.draw(whole_quantities), unit_price=price, nrv=nrv,
            ref=Ref(document=f"PO-{item}"),
        )  # fmt: skip

    def ordered(self) -> None:
        item, place, quantity = self.some()
        self.say(
            "purchase.received", item, quantity, location=place, unit_price=self.price(), party="V",
            ref=Ref(document=f"PO-{item}"),
        )  # fmt: skip
        self.stock[(item, place)] += quantity
        self.learn(item, place, self.events[-1])

    def rebate(self) -> None:
        able = [r for r in self.receipts if r.price and not r.allowed and not r.sent_back]
        if able and self.pick([True, False]):
            receipt = self.pick(able)
            receipt.allowed = True
            amount = self.money(receipt.price * receipt.quantity / 9)
            line = {"event": receipt.event, "line": receipt.line}
            self.say("rebate.accrued", receipt.item, line_amount=amount, ref=line)
        else:
            self.say("rebate.accrued", self.pick(self.items), line_amount=Decimal(3), party="V")

    def clear(self) -> None:
        if self.receipts:
            receipt = self.pick(self.receipts)
            line = {"event": receipt.event, "line": receipt.line}
            self.say("clearing.written_off", receipt.item, actor="controller", ref=line)

    def drift(self) -> None:
        bills = [e for e in self.events if e.type == "purchase.billed" and e.revision == 0]
        if bills:
            self.say(
                "ledger.drift_accepted", self.pick(self.items), actor="controller", ref={"event": self.pick(bills).id}
            )

    def drawback(self) -> None:
        if self.receipts:
            receipt = self.pick(self.receipts)
            self.apart()
            line = {"id": "1", "ref": {"event": receipt.event, "line": receipt.line}}
            self.post("claim.accepted", [line], amount=self.money(Decimal(2)))

    # ---- out and back

    def consign(self) -> None:
        item, place = self.pick(self.items), self.pick(LOCATIONS)
        quantity = self.part_of(self.held(item, place))
        if quantity > 0:
            self.say("consignment.sent", item, quantity, location=place, to_location="SHOP")
            self.stock[(item, place)] -= quantity

    def consigned(self) -> None:
        found = self.earlier("consignment.sent")
        if found:
            event, item, quantity = found
            part, how = self.part_of(quantity), self.pick(["sold", "sold", "lost", "claim", "returned"])
            if how == "returned":
                place = self.pick(LOCATIONS)
                self.say("consignment.returned", item, part, location=place, ref={"event": event})
                self.stock[(item, place)] += part
            elif how == "sold":
                self.say("consignment.sold", item, part, location="SHOP", ref={"event": event})
            else:
                self.say(
                    "consignment.lost", item, part, location="SHOP", **({"reason": "claim"} if how == "claim" else {})
                )

    def consigned_back(self) -> None:
        found = self.earlier("consignment.sold", "warranty.replaced", "intercompany.shipped")
        if found:
            event, item, quantity = found
            place, part = self.pick(LOCATIONS), self.part_of(quantity)
            self.say("return.received", item, part, location=place, disposition="restock", ref={"event": event})
            self.stock[(item, place)] += part

    def take_over(self) -> None:
        item, place, quantity = self.some()
        self.say("consignment.taken", item, quantity, location=place, unit_price=self.price())
        self.stock[(item, place)] += quantity
        self.learn(item, place, self.events[-1])

    def replacement(self) -> None:
        item, place = self.pick(self.items), self.pick(LOCATIONS)
        quantity = self.part_of(self.held(item, place))
        if quantity > 0:
            self.say("warranty.replaced", item, quantity, location=place)
            self.stock[(item, place)] -= quantity

    def defective(self) -> None:
        item, place = self.pick(self.items), self.pick(LOCATIONS)
        self.say("warranty.received", item, Decimal(1), location=place, line_amount=self.money(Decimal("0.5")))
        self.stock[(item, place)] += 1
        self.learn(item, place, self.events[-1])

    def lost_reimbursed(self) -> None:
        item, place = self.pick(self.items), self.pick(LOCATIONS)
        quantity = self.part_of(self.held(item, place))
        if quantity > 0:
            amount = self.money(self.price() * self.pick([1, 9]))
            self.say("stock.adjusted", item, -quantity, location=place, reason="lost_reimbursed", line_amount=amount)
            self.stock[(item, place)] -= quantity

    def found_reimbursed(self) -> None:
        losses = [each for each in self.kinds.get("stock.adjusted", []) if each[2] < 0]
        if losses:
            event, item, quantity = self.pick(losses)
            place, part = self.pick(LOCATIONS), self.part_of(-quantity)
            self.say("stock.adjusted", item, part, location=place, reason="found_reimbursed", ref={"event": event})
            self.stock[(item, place)] += part

    def vendor_ships(self) -> None:
        self.say("dropship.shipped", self.pick(self.items), self.draw(whole_quantities), unit_price=self.price())

    def vendor_shipped_back(self) -> None:
        found = self.earlier("dropship.shipped")
        if found:
            event, item, quantity = found
            place, part = self.pick([None, *LOCATIONS]), self.part_of(quantity)
            self.say("dropship.returned", item, part, location=place, ref={"event": event})
            if place:
                self.stock[(item, place)] += part

    def expect_returns(self) -> None:
        if self.shipments:
            shipment = self.pick(self.shipments)
            line = {"event": shipment.event, "line": shipment.line}
            self.say("returns.estimated", shipment.item, self.part_of(shipment.quantity), ref=line)

    def release_returns(self) -> None:
        found = self.earlier("returns.estimated")
        if found:
            self.say("returns.released", found[1], ref={"event": found[0]})

    # ---- value

    def write_down(self) -> None:
        self.say(
            self.pick(["cost.written_down", "cost.written_down", "cost.recovered"]),
            self.pick(self.items),
            nrv=self.price(),
        )

    def revalue(self) -> None:
        self.say("cost.revalued", self.pick(self.items), unit_price=self.price())

    # ---- affiliates

    def to_affiliate(self) -> None:
        item, place = self.pick(self.items), self.pick(LOCATIONS)
        quantity = self.part_of(self.held(item, place))
        if quantity > 0:
            document = f"IC-{len(self.events)}"
            self.say(
                "intercompany.shipped", item, quantity, location=place, unit_price=self.price(), document=document,
                **AFFILIATE,
            )  # fmt: skip
            self.stock[(item, place)] -= quantity

    def from_affiliate(self) -> None:
        item, place, quantity = self.some()
        document = f"IC-{len(self.events)}"
        self.say(
            "intercompany.received", item, quantity, location=place, unit_price=Decimal(5), document=document,
            amounts={"original_cost": quantity * 3}, **AFFILIATE,
        )  # fmt: skip
        self.stock[(item, place)] += quantity
        self.learn(item, place, self.events[-1])

    def affiliate_return(self) -> None:
        found = self.earlier("intercompany.shipped", "intercompany.received")
        if found:
            event, item, quantity = found
            part = self.part_of(quantity)
            self.say("intercompany.returned", item, part, location=self.pick(LOCATIONS), ref={"event": event})


WIDE = (
    *(
        "title",
        "title_arrives",
        "title_arrives",
        "bill_of_title",
        "freight_of_title",
        "commitment",
        "ordered",
        "rebate",
    ),
    *("clear", "drift", "drawback", "consign", "consigned", "consigned", "consigned_back", "take_over", "replacement"),
    *("defective", "lost_reimbursed", "found_reimbursed", "vendor_ships", "vendor_shipped_back", "expect_returns"),
    *("release_returns", "write_down", "write_down", "revalue", "to_affiliate", "from_affiliate", "affiliate_return"),
)


@st.composite
def wide_histories(
    draw: Any,
    *,
    method: str = "fifo",
    steps_max: int = 16,
    revisions_max: int = 2,
    currencies: tuple[str, ...] = ("USD", "JPY"),
) -> History:
    """A history of up to `steps_max` events of every kind."""
    items = draw(st.sampled_from([("A",), ("A", "B"), ITEMS]))
    currency = draw(st.sampled_from(currencies))
    builder = WideBuilder(draw, method, currency, False, items, False)
    if method == "standard":
        lines = [{"item": item, "unit_price": max(draw(prices), Decimal("0.01"))} for item in ITEMS]
        builder.post("cost.standard_changed", lines)
        builder.known.update((item, place) for item in items for place in LOCATIONS)
        builder.apart()
    builder.receive()
    for _ in range(draw(st.integers(min(6, steps_max), steps_max))):
        builder.wait()
        before = len(builder.events)
        for _ in range(3):  # a step that has nothing to work on is drawn again
            if len(builder.events) == before:
                getattr(builder, draw(st.sampled_from((*WIDE, *STEPS))))()
    for _ in range(draw(st.integers(0, revisions_max))):
        builder.revise()
    return History(tuple(builder.events), currency)
