"""Rows of stock the golden journals do not show, worked by hand: what each event posts, by role, in cents.

The figures of the write-downs follow IAS 2.28-33 and ASC 330-10-35; those between affiliates IFRS 10 B86.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from tests.valuation.test_posting_rows import (
    Lines,
    arrive,
    at,
    back,
    bill,
    dispatch,
    freight,
    pool,
    posted,
    receive,
    run,
    ship,
    standard,
)

from tieout.model.event import Event
from tieout.model.master import Item
from tieout.model.policy import PolicyBook, PolicyVersion
from tieout.valuation import Valuation, value

PO: dict[str, str] = {"document": "PO-1"}
PENDING = {"receipt_confirmation": "pending"}
AT_BILL = {"receipt_accrual": "at_bill"}
IFRS, US_GAAP = {"framework": "ifrs"}, {"framework": "us_gaap"}
AVERAGE = {"cost_method": "weighted_average"}
LIFO = {"cost_method": "lifo", "framework": "us_gaap"}
STANDARD = {"cost_method": "standard"}


def title(quantity: str = "10", price: str = "5.00", **line: Any) -> dict[str, Any]:
    return at(
        "purchase.title_passed", {"item": "A", "quantity": quantity, "location": "M", "unit_price": price, **line}
    )


def confirm(quantity: str, ref: str, **more: Any) -> dict[str, Any]:
    return at("purchase.receipt_confirmed", {"item": "A", "quantity": quantity, "location": "M", "ref": ref, **more})


def line(kind: str, quantity: str | None = None, *, head: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """One line on item A at M."""
    of_line = {"item": "A", **({"quantity": quantity, "location": "M"} if quantity else {}), **more}
    return at(kind, {k: v for k, v in of_line.items() if v is not None}, **(head or {}))


def send(quantity: str = "10") -> dict[str, Any]:
    return line("consignment.sent", quantity, to_location="SHOP")


def written(nrv: str, kind: str = "cost.written_down", **more: Any) -> dict[str, Any]:
    return line(kind, nrv=nrv, **more)


def adjust(quantity: str, reason: str, **more: Any) -> dict[str, Any]:
    return line("stock.adjusted", quantity, reason=reason, **more)


APPROVED = {"actor": "controller"}
IC = {"party": "B", "document": "IC-1"}

# name, policy, events, what the last one posts
CASES: list[tuple[str, dict[str, str], list[dict[str, Any]], Lines]] = [
    # onerous orders
    (
        "PUR-02 provided",
        {},
        [line("commitment.assessed", "10", unit_price="5", nrv="4.20", ref=PO, location=None)],
        {"write_down": 800, "onerous_provision": -800},
    ),
    (
        "PUR-02 assessed again, less",
        {},
        [
            line("commitment.assessed", "10", unit_price="5", nrv="4.20", ref=PO, location=None),
            line("commitment.assessed", "10", unit_price="5", nrv="4.90", ref=PO, location=None),
        ],
        {"write_down": -700, "onerous_provision": 700},
    ),
    (
        "PUR-02 used on receipt, pro rata",
        {},
        [
            line("commitment.assessed", "10", unit_price="5", nrv="4.20", ref=PO, location=None),
            receive("4", ref=PO),
        ],
        {"inventory": 1680, "onerous_provision": 320, "grni": -2000},
    ),
    (
        "PUR-02 at standard",
        STANDARD,
        [
            standard("6"),
            line("commitment.assessed", "10", unit_price="5", nrv="4.20", ref=PO, location=None),
            receive("10", ref=PO),
        ],
        {"inventory": 6000, "onerous_provision": 800, "grni": -5000, "ppv": -1800},
    ),
    # title in transit
    ("PUR-04 title", {}, [title()], {"inventory_inbound": 5000, "grni": -5000}),
    ("PUR-04 arrival", {}, [title(), receive("6", ref="e1")], {"inventory": 3000, "inventory_inbound": -3000}),
    (
        "PUR-04 more arrives than title passed for",
        {},
        [title("6"), receive("10", ref="e1")],
        {"inventory": 5000, "inventory_inbound": -3000, "grni": -2000},
    ),
    (
        "PUR-04 billed dearer while part is under way and part is sold",
        {},
        [title(), receive("6", ref="e1"), ship("2"), bill("10", "6", "e1")],
        {"grni": 5000, "inventory_inbound": 400, "inventory": 400, "cogs": 200, "ap": -6000},
    ),
    (
        "PUR-04 the bill names the receipt",
        {},
        [title(), receive("10", ref="e1"), bill("10", "5", "e2")],
        {"grni": 5000, "ap": -5000},
    ),
    (
        "PUR-04 freight by the order is shared once",
        {},
        [
            at(
                "purchase.title_passed",
                {"item": "A", "quantity": "10", "location": "M", "unit_price": "5"},
                document="S",
            ),
            receive("10", ref={"document": "S"}),
            freight("7", {"document": "S"}),
        ],
        {"inventory": 700, "ap": -700},
    ),
    (
        "PUR-04 arrives at standard",
        STANDARD,
        [standard("6"), title(), receive("10", ref="e2")],
        {"inventory": 6000, "inventory_inbound": -5000, "ppv": -1000},
    ),
    # pending receipts
    ("PUR-06 announced", PENDING, [receive()], {"inventory_pending": 5000, "grni": -5000}),
    (
        "PUR-06 billed dearer before confirmation",
        PENDING,
        [receive(), bill("10", "6", "e1")],
        {"grni": 5000, "inventory_pending": 1000, "ap": -6000},
    ),
    (
        "PUR-06 freight when part is confirmed and part of that is sold",
        PENDING,
        [receive(), confirm("6", "e1"), ship("2"), freight("10", "e1")],
        {"inventory_pending": 400, "inventory": 400, "cogs": 200, "ap": -1000},
    ),
    (
        "PUR-06 refused after the bill: a credit to come, freight is lost",
        PENDING,
        [receive(), bill("10", "5", "e1"), freight("10", "e1"), confirm("1", "e1", reason="refused")],
        {"vendor_credit_receivable": 500, "purchase_return_variance": 100, "inventory_pending": -600},
    ),
    (
        "PUR-06 confirmed at standard",
        {**PENDING, **STANDARD},
        [standard("6"), receive(), confirm("10", "e2")],
        {"inventory": 6000, "inventory_pending": -5000, "ppv": -1000},
    ),
    # accrual at the bill
    ("PUR-05 memo until billed", AT_BILL, [receive()], {}),
    (
        "PUR-05 at the bill, where the units are by then",
        AT_BILL,
        [receive(), ship(), bill("10", "5", "e1")],
        {"inventory": 3000, "cogs": 2000, "ap": -5000},
    ),
    # rebates, allowances, credits
    (
        "PUR-16 on a receipt",
        {},
        [receive(), ship(), line("rebate.accrued", amount="10", ref="e1")],
        {"rebate_receivable": 1000, "inventory": -600, "cogs": -400},
    ),
    (
        "PUR-16 on a vendor's receipts of an item, by price",
        AVERAGE,
        [
            at("purchase.received", {"item": "A", "quantity": "10", "location": "M", "unit_price": "5"}, party="V"),
            at("purchase.received", {"item": "A", "quantity": "10", "location": "M", "unit_price": "15"}, party="V"),
            ship("5"),
            line("rebate.accrued", amount="20", head={"party": "V"}),
        ],
        {"rebate_receivable": 2000, "inventory": -1500, "cogs": -500},
    ),
    (
        "PUR-16 at standard",
        STANDARD,
        [standard("6"), receive(), line("rebate.accrued", amount="10", ref="e2")],
        {"rebate_receivable": 1000, "ppv": -1000},
    ),
    (
        "PUR-16 the vendor pays it",
        {},
        [receive(), line("rebate.accrued", amount="10", ref="e1"), line("purchase.credited", amount="10", ref="e2")],
        {"ap": 1000, "rebate_receivable": -1000},
    ),
    (
        "PUR-15 one allowance for two items of a receipt, by what they cost",
        {},
        [
            at(
                "purchase.received",
                {"item": "A", "quantity": "10", "location": "M", "unit_price": "5"},
                {"item": "B", "quantity": "1", "location": "M", "unit_price": "150"},
            ),
            at("order.fulfilled", {"item": "B", "quantity": "1", "location": "M"}),
            at("purchase.credited", {"amount": "20", "ref": "e1"}),
        ],
        {"ap": 2000, "inventory": -500, "cogs": -1500},
    ),
    (
        "RET-17 the vendor pays for a defect",
        {},
        [line("purchase.credited", amount="9", head={"reason": "warranty"})],
        {"ap": 900, "warranty_expense": -900},
    ),
    # clearing
    (
        "PUR-19 a receipt never billed",
        {},
        [receive(), at("clearing.written_off", {"ref": "e1"}, **APPROVED)],
        {"grni": 5000, "grni_writeoff": -5000},
    ),
    (
        "PUR-19 its bill comes after all",
        {},
        [receive(), at("clearing.written_off", {"ref": "e1"}, **APPROVED), bill("10", "6", "e1")],
        {"grni_writeoff": 5000, "inventory": 1000, "ap": -6000},
    ),
    (
        "PUR-19 a bill never received",
        {},
        [bill("4", "5", PO), at("clearing.written_off", {"item": "A", "ref": PO}, **APPROVED)],
        {"grni_writeoff": 2000, "ginr": -2000},
    ),
    (
        "PUR-21 a dearer bill removed in the ledger, part of the goods sold",
        {},
        [receive(), ship(), bill("10", "6", "e1"), at("ledger.drift_accepted", {"ref": "e3"}, **APPROVED)],
        {"ap": 6000, "grni": -5000, "inventory": -600, "cogs": -400},
    ),
    (
        "PUR-21 billed anew",
        {},
        [
            receive(),
            bill("10", "6", "e1"),
            at("ledger.drift_accepted", {"ref": "e2"}, **APPROVED),
            bill("10", "5.50", "e1"),
        ],
        {"grni": 5000, "inventory": 500, "ap": -5500},
    ),
    # landed cost
    (
        "LC-06 duty given back",
        {},
        [receive(), ship(), freight("10", "e1"), at("claim.accepted", {"ref": "e1"}, amount="5")],
        {"claims_receivable": 500, "inventory": -300, "cogs": -200},
    ),
    (
        "LC-06 at standard",
        STANDARD,
        [standard("6"), receive(), at("claim.accepted", {"ref": "e2"}, amount="5")],
        {"claims_receivable": 500, "landed_cost_variance": -500},
    ),
    (
        "TRF-06 freight of a first move, part sold on",
        {"cost_scope": "location"},
        [receive(), dispatch("10"), arrive("10", "e2"), ship("4", "S"), freight("10", "e3", basis="quantity")],
        {"inventory": 600, "cogs": 400, "ap": -1000},
    ),
    (
        "TRF-07 freight of a needless move",
        {},
        [receive(), dispatch("10"), arrive("10", "e2"), freight("10", "e3", treatment="abnormal")],
        {"freight_abnormal": 1000, "ap": -1000},
    ),
    # shipment lost, claimed
    (
        "SAL-13 lost under way, claimed",
        {"cogs_trigger": "delivery"},
        [receive(), ship(), at("order.cancelled", {"item": "A", "ref": "e2"}, reason="claim")],
        {"claims_receivable": 2000, "inventory_transit_out": -2000},
    ),
    # expected returns: the cost side
    (
        "RET-01 expected back",
        {},
        [
            receive(),
            ship("10"),
            line("returns.estimated", quantity=None, ref="e2")
            | {"lines": [{"item": "A", "quantity": "3", "ref": "e2"}]},
        ],
        {"return_asset": 1500, "cogs": -1500},
    ),
    (
        "RET-01 what comes back is taken from the asset first",
        {},
        [
            receive(),
            ship("10"),
            at("returns.estimated", {"item": "A", "quantity": "3", "ref": "e2"}),
            back("4", "e2"),
        ],
        {"inventory": 2000, "return_asset": -1500, "cogs": -500},
    ),
    (
        "RET-01 a dearer bill restates the asset",
        {},
        [
            receive(),
            ship("10"),
            at("returns.estimated", {"item": "A", "quantity": "3", "ref": "e2"}),
            bill("10", "6", "e1"),
        ],
        {"grni": 5000, "return_asset": 300, "cogs": 700, "ap": -6000},
    ),
    (
        "RET-10 released",
        {},
        [
            receive(),
            ship("10"),
            at("returns.estimated", {"item": "A", "quantity": "3", "ref": "e2"}),
            back("1", "e2"),
            at("returns.released", {"item": "A", "quantity": "2", "ref": "e3"}),
        ],
        {"return_asset": -1000, "cogs": 1000},
    ),
    ("RET-13 refused, sent back", {}, [receive(), ship(), back("4", "e2", "refused")], {}),
    # warranty
    ("RET-15", {}, [receive(), line("warranty.replaced", "1")], {"warranty_provision": 500, "inventory": -500}),
    (
        "RET-15 without a provision",
        {},
        [receive(), line("warranty.replaced", "1", reason="unprovided")],
        {"warranty_expense": 500, "inventory": -500},
    ),
    (
        "RET-15 restated by a late bill",
        {},
        [receive(), line("warranty.replaced", "1"), bill("10", "6", "e1")],
        {"grni": 5000, "inventory": 900, "warranty_provision": 100, "ap": -6000},
    ),
    ("RET-16 worth nothing", {}, [receive(), line("warranty.received", "1")], {}),
    # adjustments
    ("ADJ-09 equipment", {}, [receive(), adjust("-1", "equipment")], {"fixed_assets": 500, "inventory": -500}),
    ("PRM-02 gift", {}, [receive(), adjust("-1", "gift")], {"promotion_expense": 500, "inventory": -500}),
    (
        "ADJ-07 at fair value",
        {"donation_measure": "fair_value"},
        [receive(), adjust("-1", "donation", amount="8")],
        {"donation_expense": 800, "donation_gain": -300, "inventory": -500},
    ),
    (
        "ADJ-04 out of an allowance",
        IFRS,
        [receive(), written("4"), adjust("-4", "obsolete")],
        {"obsolescence_loss": 1600, "inventory_allowance": 400, "inventory": -2000},
    ),
    (
        "ADJ-11 above its cost is a gain",
        {},
        [receive(), adjust("-1", "lost_reimbursed", amount="7")],
        {"claims_receivable": 700, "claims_recovery": -200, "inventory": -500},
    ),
    (
        "ADJ-11 a late bill restates the loss",
        {},
        [receive(), adjust("-2", "lost_reimbursed", amount="9"), bill("10", "6", "e1")],
        {"grni": 5000, "inventory": 800, "shrinkage": 200, "ap": -6000},
    ),
    (
        "ADJ-12 found after the gain",
        {},
        [receive(), adjust("-1", "lost_reimbursed", amount="7"), adjust("1", "found_reimbursed", ref="e2")],
        {"inventory": 500, "claims_receivable": -700, "claims_recovery": 200},
    ),
    (
        "ADJ-12 without its loss is ADJ-05",
        {},
        [receive(), adjust("1", "found_reimbursed")],
        {"inventory": 500, "shrinkage": -500},
    ),
    # consignment
    (
        "CON-03 back from the consignee",
        {},
        [receive(), send(), line("consignment.returned", "3", ref="e2")],
        {"inventory": 1500, "inventory_consigned_out": -1500},
    ),
    (
        "CON-04 lost",
        {},
        [receive(), send(), line("consignment.lost", "2", location="SHOP")],
        {"shrinkage": 1000, "inventory_consigned_out": -1000},
    ),
    (
        "CON-04 claimed",
        {},
        [receive(), send(), line("consignment.lost", "2", location="SHOP", reason="claim")],
        {"claims_receivable": 1000, "inventory_consigned_out": -1000},
    ),
    (
        "CON-02 a late bill follows to the consignee and what it sold",
        {},
        [receive(), send("6"), line("consignment.sold", "4", location="SHOP"), bill("10", "6", "e1")],
        {"grni": 5000, "inventory": 400, "inventory_consigned_out": 200, "cogs": 400, "ap": -6000},
    ),
    (
        "RET-04 of a unit the consignee sold",
        {},
        [receive(), send("6"), line("consignment.sold", "4", location="SHOP"), back("1", "e3")],
        {"inventory": 500, "cogs": -500},
    ),
    ("CON-05 the vendor's goods", {}, [receive(owner="V")], {}),
    (
        "CON-06 taken over",
        {},
        [line("consignment.taken", "2", unit_price="5")],
        {"inventory": 1000, "consignment_payable": -1000},
    ),
    # drop-ship
    (
        "DRP-04 back to the vendor",
        {},
        [
            at("dropship.shipped", {"item": "A", "quantity": "2", "unit_price": "22"}),
            at("dropship.returned", {"item": "A", "quantity": "1", "amount": "20", "ref": "e1"}),
        ],
        {"vendor_credit_receivable": 2000, "purchase_return_variance": 200, "cogs_dropship": -2200},
    ),
    (
        "DRP-05 back to us",
        {},
        [
            at("dropship.shipped", {"item": "A", "quantity": "2", "unit_price": "22"}),
            line("dropship.returned", "1", ref="e1"),
        ],
        {"inventory": 2200, "cogs_dropship": -2200},
    ),
    (
        "DRP-02 after half came to us: the bill's difference follows",
        {},
        [
            at("dropship.shipped", {"item": "A", "quantity": "2", "unit_price": "22"}),
            line("dropship.returned", "1", ref="e1"),
            bill("2", "24", "e1"),
        ],
        {"grni": 4400, "cogs_dropship": 200, "inventory": 200, "ap": -4800},
    ),
    # between affiliates
    (
        "ICO-01",
        {},
        [receive(), line("intercompany.shipped", "4", unit_price="7", head=IC)],
        {"ic_receivable": 2800, "ic_revenue": -2800, "ic_cogs": 2000, "inventory": -2000},
    ),
    (
        "ICO-01 a late bill stays with the seller",
        {},
        [receive(), line("intercompany.shipped", "4", unit_price="7", head=IC), bill("10", "6", "e1")],
        {"grni": 5000, "inventory": 600, "ic_cogs": 400, "ap": -6000},
    ),
    (
        "ICO-07 below cost",
        {},
        [receive(), line("intercompany.shipped", "4", unit_price="3", head=IC)],
        {"ic_receivable": 1200, "ic_revenue": -1200, "ic_cogs": 2000, "inventory": -2000},
    ),
    (
        "ICO-02",
        {},
        [line("intercompany.received", "4", unit_price="7", head=IC)],
        {"inventory": 2800, "ic_payable": -2800},
    ),
    (
        "ICO-02 title first",
        {},
        [
            line("intercompany.received", "4", unit_price="7", reason="title", head=IC),
            line("intercompany.received", "4", unit_price="7", ref="e1", head=IC),
        ],
        {"inventory": 2800, "inventory_inbound": -2800},
    ),
    (
        "ICO-08 seller",
        {},
        [
            receive(),
            line("intercompany.shipped", "4", unit_price="7", head=IC),
            line("intercompany.returned", "1", ref="e2"),
        ],
        {"ic_revenue": 700, "ic_receivable": -700, "inventory": 500, "ic_cogs": -500},
    ),
    (
        "ICO-08 buyer",
        {},
        [line("intercompany.received", "4", unit_price="7", head=IC), line("intercompany.returned", "1", ref="e1")],
        {"ic_payable": 700, "inventory": -700},
    ),
    (
        "ICO-04 ICO-05 the group's figures",
        {},
        [
            at(
                "intercompany.eliminated",
                amounts={"sales": "1000", "cost": "800", "realised": "120", "unrealised": "80", "balance": "1000"},
            )
        ],
        {
            "ic_revenue": 100000,
            "ic_cogs": -80000,
            "cogs": -12000,
            "inventory": -8000,
            "ic_payable": 100000,
            "ic_receivable": -100000,
        },
    ),
    (
        "ICO-04 the next period end of the year takes the first back",
        {},
        [
            at(
                "intercompany.eliminated",
                amounts={"sales": "1000", "cost": "800", "realised": "120", "unrealised": "80"},
            ),
            at("intercompany.eliminated", amounts={"sales": "1000", "cost": "800", "realised": "200"}),
        ],
        {"cogs": -8000, "inventory": 8000},
    ),
    (
        "ICO-06 the markup that opened the year",
        {},
        [at("intercompany.eliminated", amounts={"opening_sold": "60", "opening_held": "20"})],
        {"retained_earnings": 8000, "cogs": -6000, "inventory": -2000},
    ),
    # late knowledge goes wherever a unit is by then
    (
        "CST-01 one unit each in every place a unit can be",
        {},
        [
            receive(),
            ship("2"),
            back("1", "e2", "inspect"),
            dispatch("1"),
            send("2"),
            line("consignment.sold", "1", location="SHOP"),
            adjust("-1", "damage"),
            line("warranty.replaced", "1"),
            adjust("-1", "equipment"),
            line("intercompany.shipped", "1", unit_price="9", head=IC),
            freight("10", "e1"),
        ],
        {
            "inventory": 100,
            "inventory_returns_pending": 100,
            "inventory_transit": 100,
            "inventory_consigned_out": 100,
            "cogs": 200,
            "damage_loss": 100,
            "warranty_provision": 100,
            "fixed_assets": 100,
            "ic_cogs": 100,
            "ap": -1000,
        },
    ),
    # write-downs
    (
        "REV-01 amount",
        {},
        [receive(), line("cost.revalued", amount="5")],
        {"inventory": 500, "inventory_revaluation": -500},
    ),
    (
        "REV-01 unit cost",
        {},
        [receive(), ship(), line("cost.revalued", unit_price="4.50")],
        {"inventory": -300, "inventory_revaluation": 300},
    ),
    (
        "REV-02 item by item",
        IFRS,
        [receive(), receive("10", "7"), written("5.50")],
        {"write_down": 1000, "inventory_allowance": -1000},
    ),
    ("REV-02 above cost: nothing", IFRS, [receive(), written("6")], {}),
    (
        "REV-02 further",
        IFRS,
        [receive(), written("4.50"), written("4")],
        {"write_down": 500, "inventory_allowance": -500},
    ),
    (
        "REV-03 never above what was written down",
        IFRS,
        [receive(), written("4"), written("9", "cost.recovered")],
        {"inventory_allowance": 1000, "write_down_reversal": -1000},
    ),
    (
        "REV-04 with a return to the vendor",
        IFRS,
        [receive(), written("4"), line("purchase.returned", "5", ref="e1")],
        {"grni": 2500, "purchase_return_variance": -500, "inventory_allowance": 500, "inventory": -2500},
    ),
    (
        "REV-04 not with a transfer",
        IFRS,
        [receive(), written("4"), dispatch("5")],
        {"inventory_transit": 2500, "inventory": -2500},
    ),
    (
        "REV-04 undone with its shipment",
        IFRS,
        [
            receive(),
            written("4"),
            ship(),
            at("order.cancelled", {"item": "A", "quantity": "4", "location": "M", "ref": "e3"}),
        ],
        {"inventory": 2000, "cogs": -1600, "inventory_allowance": -400},
    ),
    (
        "REV-04 not restored by a return",
        IFRS,
        [receive(), written("4"), ship(), back("4", "e3")],
        {"inventory": 2000, "cogs": -2000},
    ),
    (
        "REV-05 by each layer's own excess",
        US_GAAP,
        [receive("10", "4"), receive("10", "8"), written("5")],
        {"write_down": 2000, "inventory": -2000},
    ),
    (
        "REV-05 the basis of the dear layer only",
        US_GAAP,
        [receive("10", "4"), receive("10", "8"), written("5"), ship("10")],
        {"cogs": 4000, "inventory": -4000},
    ),
    (
        "REV-06 the same year",
        US_GAAP,
        [receive(), written("4"), ship("5"), written("4.80", "cost.recovered")],
        {"inventory": 400, "write_down": -400},
    ),
    (
        "REV-06 no more than was lost",
        US_GAAP,
        [receive(), written("4"), ship("5"), written("9", "cost.recovered")],
        {"inventory": 500, "write_down": -500},
    ),
    (
        "REV-05 a dearer bill of written-down units is a further loss",
        US_GAAP,
        [receive(), written("4"), ship("5"), bill("10", "6", "e1")],
        {"grni": 5000, "write_down": 1000, "ap": -6000},
    ),
    (
        "REV-05 a cheaper bill is a smaller loss, then a lower cost",
        US_GAAP,
        [receive(), written("4"), ship("5"), bill("10", "3.50", "e1")],
        {"grni": 5000, "write_down": -1000, "inventory": -250, "cogs": -250, "ap": -3500},
    ),
    (
        "REV-01 a unit cost stands when the bill is dearer",
        {},
        [receive(), line("cost.revalued", unit_price="4.50"), bill("10", "6", "e1")],
        {"grni": 5000, "inventory_revaluation": 1000, "ap": -6000},
    ),
    # charges that are not cost of goods
    (
        "LC-07 demurrage",
        {},
        [receive(), freight("10", "e1", treatment="abnormal")],
        {"freight_abnormal": 1000, "ap": -1000},
    ),
    ("LC-08 to customers", {}, [freight("10", treatment="outbound")], {"freight_out": 1000, "ap": -1000}),
    ("LC-09 storage", {}, [freight("10", treatment="storage")], {"storage_expense": 1000, "ap": -1000}),
    ("LC-10 import tax", {}, [freight("10", treatment="recoverable_tax")], {"input_tax": 1000, "ap": -1000}),
    (
        "PUR-18 what is accepted beyond the order; the rest stays the vendor's",
        {},
        [
            at(
                "purchase.received",
                {"item": "A", "quantity": "12", "location": "M", "unit_price": "5"},
                {"item": "A", "quantity": "3", "location": "M", "unit_price": "5", "owner": "V"},
            )
        ],
        {"inventory": 6000, "grni": -6000},
    ),
    (
        "TRF-05 more arrived than was sent",
        {},
        [receive(), dispatch("4"), arrive("5", "e2")],
        {"inventory": 2500, "inventory_transit": -2000, "shrinkage": -500},
    ),
    (
        "TRF-08 another standard at the other location",
        {**STANDARD, "cost_scope": "location"},
        [
            at("cost.standard_changed", {"item": "A", "location": "M", "unit_price": "5"}),
            at("cost.standard_changed", {"item": "A", "location": "S", "unit_price": "6"}),
            receive(),
            dispatch("4"),
            arrive("4", "e4"),
        ],
        {"inventory": 2400, "inventory_transit": -2000, "transfer_variance": -400},
    ),
    (
        "TRF-03 in one step",
        {"transfer_transit": "one_step", "cost_scope": "location"},
        [receive(), dispatch("4"), arrive("4", "e2")],
        {},
    ),
    (
        "ICO-03 sold outside the group, markup and all",
        {},
        [line("intercompany.received", "4", unit_price="7", head=IC), ship("3")],
        {"cogs": 2100, "inventory": -2100},
    ),
    (
        "CON-07 a vendor's goods taken over and sold",
        {},
        [receive(owner="V"), line("consignment.taken", "2", unit_price="5"), ship("2")],
        {"cogs": 1000, "inventory": -1000},
    ),
    # opening and corrections
    (
        "OPN-04 an open receipt is billed",
        {},
        [line("opening.loaded", "10", unit_price="5", reason="open_receipt"), bill("10", "6", "e1")],
        {"grni": 5000, "inventory": 1000, "ap": -6000},
    ),
    (
        "OPN-04 the goods of an open bill come",
        {},
        [line("opening.loaded", "10", unit_price="5", reason="open_bill", ref=PO), receive("10", "4", ref=PO)],
        {"inventory": 5000, "ginr": -5000},
    ),
    (
        "CST-04",
        {},
        [at("cost.recomputed", {"item": "A", "amount": "30"}, **APPROVED)],
        {"retained_earnings": 3000, "cogs": -3000},
    ),
]


@pytest.mark.parametrize(("name", "policy", "events", "want"), CASES, ids=[case[0] for case in CASES])
def test_row(name: str, policy: dict[str, str], events: list[dict[str, Any]], want: Lines) -> None:
    answer = run(policy, *events)
    assert not answer.refused, answer.refused
    assert posted(answer, f"e{len(events)}") == want


REFUSED: list[tuple[str, dict[str, str], list[dict[str, Any]], str]] = [
    (
        "a consignee sells more than it has",
        {},
        [receive(), send("3"), line("consignment.sold", "4", location="SHOP")],
        "TO4007",
    ),
    ("LIFO is not measured at net realisable value", LIFO, [receive(), written("4")], "TO4018"),
    (
        "no recovery in a later year",
        US_GAAP,
        [receive(), written("4"), written("5", "cost.recovered") | {"effective_at": "2027-01-31"}],
        "TO4018",
    ),
    ("an intercompany leg without price", {}, [receive(), line("intercompany.shipped", "4", head=IC)], "TO4002"),
    (
        "an intercompany leg without id",
        {},
        [receive(), line("intercompany.shipped", "4", unit_price="7", head={"party": "B"})],
        "TO4009",
    ),
    ("clearing without anybody's approval", {}, [receive(), at("clearing.written_off", {"ref": "e1"})], "TO4017"),
    (
        "clearing what is not open",
        {},
        [receive(), bill("10", "5", "e1"), at("clearing.written_off", {"ref": "e1"}, **APPROVED)],
        "TO4007",
    ),
    ("a rebate above the cost", {}, [receive(), line("rebate.accrued", amount="99", ref="e1")], "TO4008"),
    (
        "a write-down at standard under US GAAP",
        {**US_GAAP, **STANDARD},
        [standard("6"), receive(), written("4")],
        "TO4018",
    ),
    (
        "a count approved against other books",
        {"count_reopen": "hold"},
        [receive(), line("count.approved", "9", book_quantity="12")],
        "TO4022",
    ),
    (
        "a change of policy that is not in force",
        {},
        [receive(), at("policy.changed", {"item": "A"}, policies={"cost_method": "lifo"}, **APPROVED)],
        "TO4019",
    ),
]


@pytest.mark.parametrize(("name", "policy", "events", "code"), REFUSED, ids=[case[0] for case in REFUSED])
def test_refused(name: str, policy: dict[str, str], events: list[dict[str, Any]], code: str) -> None:
    answer = run(policy, *events)
    assert [refusal.error.code for refusal in answer.refused] == [code]
    assert posted(answer, f"e{len(events)}") == {}


def test_cost_of_a_movement_is_the_value_of_its_units_allowance_and_provision_apart() -> None:
    answer = run(IFRS, receive(), written("4"), ship())
    assert [answer.movement(name).cost for name in ("e1", "e2", "e3")] == [5000, -1000, 2000]
    onerous = line("commitment.assessed", "10", unit_price="5", nrv="4.20", ref=PO, location=None)
    assert run({}, onerous, receive("4", ref=PO)).movement("e2").cost == 1680


def carried(book: PolicyBook, *events: dict[str, Any]) -> Valuation:
    made = [Event.model_validate({"id": f"e{n}", **event}) for n, event in enumerate(events, 1)]
    return value(made, book)


JANUARY, MARCH = {"effective_at": "2026-01-10"}, {"effective_at": "2026-03-01", **APPROVED}


def from_march(**values: str) -> PolicyBook:
    return PolicyBook([PolicyVersion(values={}), PolicyVersion(effective=date(2026, 3, 1), values=values)])


def change(**policies: str) -> dict[str, Any]:
    return at("policy.changed", {"item": "A"}, policies=policies) | MARCH


def test_opn_06_a_change_of_method_carries_value() -> None:
    """10 at 5.00 and 10 at 7.00 become one average of 6.00; nothing is posted."""
    book = from_march(cost_method="weighted_average")
    stock = [receive() | JANUARY, receive("10", "7") | JANUARY]
    answer = carried(book, *stock, change(cost_method="weighted_average"), ship("5") | {"effective_at": "2026-03-02"})
    assert posted(answer, "e3") == {}
    assert posted(answer, "e4") == {"cogs": 3000, "inventory": -3000}


def test_opn_06_to_standard_the_gap_is_of_the_day_of_the_change() -> None:
    book = from_march(cost_method="standard")
    events = [standard("6") | JANUARY, receive() | JANUARY, change(cost_method="standard")]
    assert posted(carried(book, *events), "e3") == {"inventory": 1000, "standard_revaluation": -1000}


def test_opn_06_retrospective_brings_the_approved_valuation_in() -> None:
    book = from_march(cost_method="weighted_average", method_change="retrospective")
    changed = at("policy.changed", {"item": "A", "amount": "55"}, policies={"cost_method": "weighted_average"}) | MARCH
    answer = carried(book, receive() | JANUARY, changed)
    assert posted(answer, "e2") == {"inventory": 500, "retained_earnings": -500}
    assert pool(answer) == (10_000_000, 5500)


def test_opn_06_from_one_pool_to_one_for_each_location() -> None:
    book = from_march(cost_scope="location")
    there = receive("10", "7") | JANUARY
    there["lines"][0]["location"] = "S"
    answer = carried(book, receive() | JANUARY, there, change(cost_scope="location"))
    assert posted(answer, "e3") == {}
    assert pool(answer, "M") == (10_000_000, 5000) and pool(answer, "S") == (10_000_000, 7000)


def test_opn_06_to_lots_value_goes_by_quantity() -> None:
    """25.00 for three and two units: 15.00 and 10.00; then each lot leaves at its own cost."""
    book = from_march(cost_method="specific")
    lots = [{"item": "A", "quantity": q, "lot": lot, "location": "M"} for lot, q in (("L1", "3"), ("L2", "2"))]
    changed = at("policy.changed", *lots, policies={"cost_method": "specific"}) | MARCH
    out = ship("2") | {"effective_at": "2026-03-02"}
    out["lines"][0]["lot"] = "L2"
    answer = carried(book, receive("5") | JANUARY, changed, out)
    assert not answer.refused
    assert posted(answer, "e3") == {"cogs": 1000, "inventory": -1000}


def test_a_change_of_method_for_one_category_leaves_the_others() -> None:
    versions = [
        PolicyVersion(values={}),
        PolicyVersion(effective=date(2026, 3, 1), category="cups", values={"cost_method": "weighted_average"}),
    ]
    items = {"A": Item(sku="A", category="cups"), "B": Item(sku="B", category="pots")}
    lines = [{"item": sku, "quantity": "10", "location": "M"} for sku in "AB"]
    made = [
        ("purchase.received", "2026-01-10", [{**each, "unit_price": "5"} for each in lines]),
        ("purchase.received", "2026-01-11", [{**each, "unit_price": "7"} for each in lines]),
        ("order.fulfilled", "2026-03-02", lines),
    ]
    events = [
        Event.model_validate({"id": f"e{n}", "type": kind, "effective_at": day, "lines": of})
        for n, (kind, day, of) in enumerate(made, 1)
    ]
    answer = value(events, PolicyBook(versions), items=items)
    assert [m.cost for m in answer.movements if m.line.type == "order.fulfilled"] == [6000, 5000]


def test_specific_identification_takes_the_named_lot_wherever_it_lies() -> None:
    """Two serials of one item at 5.00 and 9.00; the dear one is moved, sold, and comes back as itself."""
    serial = {"cost_method": "specific", "cost_scope": "location"}
    events = [
        receive("1", "5", lot="S1"),
        receive("1", "9", lot="S2"),
        dispatch("1"),
        arrive("1", "e3"),
        ship("1", "S"),
    ]
    for event in events[2:]:
        event["lines"][0]["lot"] = "S2"
    back_again = back("1", "e5")
    back_again["lines"][0]["lot"] = "S2"
    answer = run(serial, *events, back_again)
    assert not answer.refused
    assert posted(answer, "e5") == {"cogs": 900, "inventory": -900}
    assert posted(answer, "e6") == {"inventory": 900, "cogs": -900}


def test_lifo_takes_the_latest_layer_and_a_late_bill_of_it_goes_to_cost_of_sales() -> None:
    """Textbook LIFO: 10 at 5.00, 10 at 7.00, 12 out = 10 x 7.00 + 2 x 5.00 = 80.00."""
    answer = run(LIFO, receive(), receive("10", "7"), ship("12"), bill("10", "8", "e2"))
    assert posted(answer, "e3") == {"cogs": 8000, "inventory": -8000}
    assert posted(answer, "e4") == {"grni": 7000, "cogs": 1000, "ap": -8000}


def test_ias_2_worked_example_of_net_realisable_value_item_by_item() -> None:
    """IAS 2.29: item by item, not in total. Cost 100/200/300, nrv 90/250/280: written down 10 + 0 + 20."""
    costs, worth = {"A": "100", "B": "200", "C": "300"}, {"A": "90", "B": "250", "C": "280"}
    stock = at(
        "purchase.received",
        *({"item": sku, "quantity": "1", "location": "M", "unit_price": price} for sku, price in costs.items()),
    )
    assessed = at("cost.written_down", *({"item": sku, "nrv": nrv} for sku, nrv in worth.items()))
    answer = run(IFRS, stock, assessed)
    assert posted(answer, "e2") == {"write_down": 3000, "inventory_allowance": -3000}


def total(answer: Valuation, role: str) -> int:
    return answer.totals.get(role, 0)


def test_the_markup_of_an_affiliate_is_a_component_and_leaves_with_the_units() -> None:
    events = [
        line("intercompany.received", "10", unit_price="100", head={**IC, "amounts": {"original_cost": "800"}}),
        ship("6"),
    ]
    answer = run({}, *events)
    (layer,) = next(h for h in answer.holdings if h.role == "inventory").layers
    assert (layer.value, dict(layer.components)) == (40000, {"material": 32000, "intercompany_profit": 8000})


def test_what_is_written_off_and_billed_after_all_leaves_nothing_open() -> None:
    answer = run({}, receive(), at("clearing.written_off", {"ref": "e1"}, **APPROVED), bill("10", "5", "e1"))
    assert total(answer, "grni") == total(answer, "grni_writeoff") == 0
    assert pool(answer) == (10_000_000, 5000)
