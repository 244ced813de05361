"""Rows the golden journals do not show, worked by hand: what each event posts, by role, in cents."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tieout.model.event import Event
from tieout.model.master import Item
from tieout.valuation import MEMO_ROWS, Valuation, value

Lines = dict[str, int]


def at(kind: str, *lines: dict[str, Any], **head: Any) -> dict[str, Any]:
    return {"type": kind, **({"lines": list(lines)} if lines else {}), **head}


def receive(quantity: str = "10", price: str = "5.00", **line: Any) -> dict[str, Any]:
    return at("purchase.received", {"item": "A", "quantity": quantity, "location": "M", "unit_price": price, **line})


def ship(quantity: str = "4", location: str = "M", **head: Any) -> dict[str, Any]:
    return at("order.fulfilled", {"item": "A", "quantity": quantity, "location": location}, **head)


def bill(quantity: str, price: str, ref: Any = None, **head: Any) -> dict[str, Any]:
    line = {"item": "A", "quantity": quantity, "unit_price": price, **({"ref": ref} if ref else {})}
    return at("purchase.billed", line, **head)


def standard(price: str) -> dict[str, Any]:
    return at("cost.standard_changed", {"item": "A", "unit_price": price})


def back(quantity: str, ref: str | None, disposition: str = "restock", **head: Any) -> dict[str, Any]:
    line = {"item": "A", "quantity": quantity, "location": "M", "disposition": disposition}
    return at("return.received", {**line, **({"ref": ref} if ref else {})}, **head)


def decided(disposition: str, ref: str, **line: Any) -> dict[str, Any]:
    return at("return.dispositioned", {"item": "A", "quantity": "1", "disposition": disposition, "ref": ref, **line})


def dispatch(quantity: str, **head: Any) -> dict[str, Any]:
    line = {"item": "A", "quantity": quantity, "location": "M", "to_location": "S"}
    return at("transfer.dispatched", line, **head)


def arrive(quantity: str, ref: str, **head: Any) -> dict[str, Any]:
    return at("transfer.received", {"item": "A", "quantity": quantity, "location": "S", "ref": ref}, **head)


def freight(amount: str, *refs: Any, kind: str = "billed", **head: Any) -> dict[str, Any]:
    return at(f"landed_cost.{kind}", *({"ref": ref} for ref in refs), amount=amount, **head)


def run(policy: dict[str, str], *events: dict[str, Any], items: dict[str, Item] | None = None) -> Valuation:
    made = [
        Event.model_validate({"id": f"e{n}", "effective_at": f"2026-01-{n:02d}", **event})
        for n, event in enumerate(events, 1)
    ]
    return value(made, policy, items=items)


def posted(answer: Valuation, event: str) -> Lines:
    roles: Counter[str] = Counter()
    for movement in answer.movements:
        if movement.line.event_id == event:
            for flow in movement.flows:
                if flow.row not in MEMO_ROWS:
                    roles[flow.debit] += flow.amount
                    roles[flow.credit] -= flow.amount
    return {role: amount for role, amount in roles.items() if amount}


def pool(answer: Valuation, location: str = "", item: str = "A") -> tuple[int, int]:
    return next(
        (h.quantity, h.value) for h in answer.holdings if (h.item, h.location, h.role) == (item, location, "inventory")
    )


INVOICE, DELIVERY, STANDARD = {"cogs_trigger": "invoice"}, {"cogs_trigger": "delivery"}, {"cost_method": "standard"}
HERE = {"cost_scope": "location"}
PO = {"document": "PO-1"}

# name, policy, events, what the last one posts
CASES: list[tuple[str, dict[str, str], list[dict[str, Any]], Lines]] = [
    ("PUR-01 an order is a memo", {}, [at("purchase.ordered", {"item": "A", "quantity": "10"})], {}),
    (
        "STD-02 as PUR-09, units sold or not",
        STANDARD,
        [standard("6"), receive(), ship(), bill("10", "5.20", "e2")],
        {"grni": 5000, "ppv": 200, "ap": -5200},
    ),
    (
        "SAL-05 cleared by the payout that contains the sale",
        {"cogs_trigger": "payout_summary"},
        [receive(), ship(), at("payout.paid", {"amount": "20", "reason": "charge", "ref": "e2"}, amount="20")],
        {"cogs": 2000, "shipped_not_invoiced": -2000, "bank": 2000, "payment_clearing": -2000},
    ),
    (
        "SAL-05 an invoice is not what it waits for",
        {"cogs_trigger": "payout_summary"},
        [receive(), ship(), at("order.invoiced", {"item": "A", "quantity": "4", "ref": "e2"})],
        {},
    ),
    (
        "PUR-10 billed beyond the receipt",
        {},
        [receive(), bill("12", "5", "e1")],
        {"grni": 5000, "ginr": 1000, "ap": -6000},
    ),
    (
        "PUR-08 by item and vendor",
        {"unlinked_bill_match": "party_item"},
        [receive("4"), receive("6", "7"), bill("10", "6", None)],
        {"grni": 6200, "inventory": -200, "ap": -6000},
    ),
    ("PUR-11 bill first", {}, [bill("10", "5.60", PO)], {"ginr": 5600, "ap": -5600}),
    ("PUR-11 its receipt", {}, [bill("10", "5.60", PO), receive("4", ref=PO)], {"inventory": 2240, "ginr": -2240}),
    (
        "PUR-10 receipt beyond its early bill",
        {},
        [bill("10", "5.60", PO), receive("12", ref=PO)],
        {"inventory": 6600, "ginr": -5600, "grni": -1000},
    ),
    (
        "PUR-12 back before the bill",
        {},
        [receive(), at("purchase.returned", {"item": "A", "quantity": "3", "location": "M", "ref": "e1"})],
        {"grni": 1500, "inventory": -1500},
    ),
    (
        "PUR-10 billed in full although some went back",
        {},
        [
            receive(),
            at("purchase.returned", {"item": "A", "quantity": "3", "location": "M", "ref": "e1"}),
            bill("10", "5", "e1"),
        ],
        {"grni": 3500, "vendor_credit_receivable": 1500, "ap": -5000},
    ),
    (
        "PUR-13 at standard",
        STANDARD,
        [
            standard("6"),
            receive(),
            bill("10", "5", "e2"),
            at("purchase.returned", {"item": "A", "quantity": "3", "location": "M", "ref": "e2"}),
        ],
        {"vendor_credit_receivable": 1500, "purchase_return_variance": 300, "inventory": -1800},
    ),
    (
        "PUR-15 allowance",
        {},
        [receive(), ship(), bill("10", "5", "e1"), at("purchase.credited", {"item": "A", "amount": "10", "ref": "e1"})],
        {"ap": 1000, "inventory": -600, "cogs": -400},
    ),
    (
        "PUR-20 irrecoverable tax",
        {},
        [receive(), bill("10", "5", "e1", amounts={"irrecoverable_tax": "7.00", "tax": "3.00"})],
        {"grni": 5000, "inventory": 700, "input_tax": 300, "ap": -6000},
    ),
    (
        "an expensed bill difference",
        {"bill_variance": "expense"},
        [receive(), ship(), bill("10", "5.60", "e1")],
        {"grni": 5000, "ppv": 600, "ap": -5600},
    ),
    ("LC-01", {}, [receive(), freight("8", "e1", kind="estimated")], {"inventory": 800, "landed_cost_accrual": -800}),
    (
        "LC-02 above the estimate",
        {},
        [receive(), freight("8", "e1", kind="estimated"), ship("5"), freight("11", "e1")],
        {"landed_cost_accrual": 800, "inventory": 150, "cogs": 150, "ap": -1100},
    ),
    (
        "LC-02 below the estimate",
        {},
        [receive(), freight("8", "e1", kind="estimated"), ship("5"), freight("5", "e1")],
        {"landed_cost_accrual": 800, "inventory": -150, "cogs": -150, "ap": -500},
    ),
    ("LC-04 parked", {}, [receive(), freight("11")], {"landed_cost_clearing": 1100, "ap": -1100}),
    (
        "LC-04 allocated",
        {},
        [receive(), freight("11"), freight("11", "e1", kind="allocated")],
        {"inventory": 1100, "landed_cost_clearing": -1100},
    ),
    (
        "STD-01 with standard freight",
        STANDARD,
        [standard("6"), receive(landed_estimate="8.00")],
        {"inventory": 6000, "grni": -5000, "landed_cost_accrual": -800, "ppv": -200},
    ),
    (
        "LC-05",
        STANDARD,
        [standard("6"), receive(landed_estimate="8.00"), freight("11", "e2")],
        {"landed_cost_accrual": 800, "landed_cost_variance": 300, "ap": -1100},
    ),
    ("SAL-05", INVOICE, [receive(), ship()], {"shipped_not_invoiced": 2000, "inventory": -2000}),
    (
        "a late bill finds shipped goods by their stage",
        INVOICE,
        [
            receive(),
            ship(),
            at("order.invoiced", {"item": "A", "quantity": "3", "ref": "e2"}),
            back("1", "e2"),
            bill("10", "6", "e1"),
        ],
        {"grni": 5000, "inventory": 700, "shipped_not_invoiced": 100, "cogs": 200, "ap": -6000},
    ),
    (
        "SAL-06 for goods invoiced before they left",
        INVOICE,
        [
            receive(),
            at("order.invoiced", {"item": "A", "quantity": "3", "ref": {"document": "SO-1"}}),
            at("order.fulfilled", {"item": "A", "quantity": "4", "location": "M", "ref": {"document": "SO-1"}}),
        ],
        {"cogs": 1500, "shipped_not_invoiced": 500, "inventory": -2000},
    ),
    (
        "SAL-07 delivered",
        DELIVERY,
        [receive(), ship(), at("order.delivered", ref="e2")],
        {"cogs": 2000, "inventory_transit_out": -2000},
    ),
    (
        "SAL-13 lost under way",
        DELIVERY,
        [receive(), ship(), at("order.cancelled", ref="e2", reason="lost")],
        {"shrinkage": 2000, "inventory_transit_out": -2000},
    ),
    ("SAL-11 nothing left yet", {}, [receive(), at("order.cancelled", ref="e9")], {}),
    (
        "SAL-12 in part: what left last comes back",
        {},
        [
            receive("2"),
            receive("3", "6"),
            ship("3"),
            at("order.cancelled", {"item": "A", "quantity": "2", "location": "M", "ref": "e3"}),
        ],
        {"inventory": 1100, "cogs": -1100},
    ),
    ("RET-02", {}, [receive(), ship(), back("3", "e2", "inspect")], {"inventory_returns_pending": 1500, "cogs": -1500}),
    (
        "RET-03",
        {},
        [receive(), ship(), back("3", "e2", "inspect"), decided("sellable", "e3")],
        {"inventory": 500, "inventory_returns_pending": -500},
    ),
    (
        "RET-05",
        {},
        [receive(), ship(), back("3", "e2", "inspect"), decided("scrap", "e3")],
        {"damage_loss": 500, "inventory_returns_pending": -500},
    ),
    (
        "RET-06",
        {},
        [receive(), ship(), back("3", "e2", "inspect"), decided("second_grade", "e3", to_item="A2", nrv="2.00")],
        {"inventory": 200, "damage_loss": 300, "inventory_returns_pending": -500},
    ),
    (
        "a bill follows units through every disposition",
        {},
        [
            receive(),
            ship(),
            back("3", "e2", "inspect"),
            decided("sellable", "e3"),
            decided("scrap", "e3"),
            decided("second_grade", "e3", to_item="A2", nrv="2.00"),
            bill("10", "6", "e1"),
        ],
        {"grni": 5000, "inventory": 700, "cogs": 100, "damage_loss": 200, "ap": -6000},
    ),
    (
        "RET-12 where the party's shipments do not hold it whole",
        {"unlinked_return_match": "party_item"},
        [receive(), ship("1", party="P"), receive("9", "7"), back("2", None, party="P")],
        {"inventory": 1200, "cogs": -1200},
    ),
    (
        "RET-04 where the party's shipments hold it whole",
        {"unlinked_return_match": "party_item"},
        [receive(), ship("1", party="P"), receive("9", "7"), back("1", None, party="P")],
        {"inventory": 500, "cogs": -500},
    ),
    ("RET-13 refused", {}, [receive(), ship(), back("1", "e2", "refused")], {}),
    (
        "STD-11",
        STANDARD,
        [standard("6"), receive(), ship(), standard("7"), back("1", "e3")],
        {"inventory": 700, "cogs": -600, "standard_revaluation": -100},
    ),
    (
        "STD-09 reaches goods in transit",
        STANDARD,
        [standard("6"), receive(), ship(), dispatch("2"), standard("7")],
        {"inventory": 400, "inventory_transit": 200, "standard_revaluation": -600},
    ),
    (
        "a bill follows a transfer",
        HERE,
        [receive(), dispatch("6"), arrive("4", "e2"), ship("1", "S"), bill("10", "6", "e1")],
        {"grni": 5000, "inventory": 700, "inventory_transit": 200, "cogs": 100, "ap": -6000},
    ),
    (
        "TRF-05 more arrives than left",
        HERE,
        [receive(), dispatch("4"), arrive("5", "e2")],
        {"inventory": 2500, "inventory_transit": -2000, "shrinkage": -500},
    ),
    (
        "TRF-05 of another open transfer",
        HERE,
        [receive(), dispatch("4"), dispatch("3"), arrive("5", "e2")],
        {"inventory": 2500, "inventory_transit": -2500},
    ),
    ("TRF-03", {**HERE, "transfer_transit": "one_step"}, [receive(), dispatch("4"), arrive("4", "e2")], {}),
    (
        "ADJ-13",
        {"unknown_reason": "suspense"},
        [receive(), at("stock.adjusted", {"item": "A", "quantity": "-1", "location": "M", "reason": "who knows"})],
        {"suspense": 500, "inventory": -500},
    ),
    (
        "ADJ-07 at fair value",
        {"donation_measure": "fair_value"},
        [
            receive(),
            at("stock.adjusted", {"item": "A", "quantity": "-1", "location": "M", "reason": "donation", "amount": "9"}),
        ],
        {"donation_expense": 900, "inventory": -500, "donation_gain": -400},
    ),
    (
        "OPN-01",
        {},
        [at("opening.loaded", {"item": "A", "quantity": "10", "location": "M", "amount": "50"})],
        {"inventory": 5000, "opening_equity": -5000},
    ),
    (
        "CST-05",
        {},
        [at("opening.loaded", {"item": "A", "quantity": "0", "location": "M", "amount": "0.03"})],
        {"rounding": 3, "opening_equity": -3},
    ),
    (
        "an unpriced receipt of a new item counts from its own place once billed",
        {},
        [at("purchase.received", {"item": "A", "quantity": "10", "location": "M"}), ship(), bill("10", "5", "e1")],
        {"grni": 5000, "ap": -5000},
    ),
]


@pytest.mark.parametrize(("policy", "events", "lines"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_row(policy: dict[str, str], events: list[dict[str, Any]], lines: Lines) -> None:
    answer = run(policy, *events)
    assert not answer.refused
    assert posted(answer, f"e{len(events)}") == lines


REFUSED: list[tuple[str, dict[str, str], list[dict[str, Any]], str]] = [
    ("no stock under block", {"negative_stock": "block"}, [receive("2"), ship()], "TO4001"),
    (
        "found without history",
        {},
        [at("stock.adjusted", {"item": "A", "quantity": "1", "location": "M", "reason": "found"})],
        "TO4002",
    ),
    ("no standard", STANDARD, [receive()], "TO4003"),
    (
        "unknown reason",
        {},
        [receive(), at("stock.adjusted", {"item": "A", "quantity": "-1", "location": "M", "reason": "x"})],
        "TO4004",
    ),
    (
        "reason against the sign",
        {},
        [receive(), at("stock.adjusted", {"item": "A", "quantity": "1", "location": "M", "reason": "theft"})],
        "TO4004",
    ),
    ("freight for unknown goods", {}, [receive(), freight("9", {"document": "ASN-9"})], "TO4005"),
    ("arrival without dispatch", {}, [receive(), arrive("1", "nobody")], "TO4006"),
    (
        "more back to the vendor than came",
        {},
        [receive(), at("purchase.returned", {"item": "A", "quantity": "11", "location": "M", "ref": "e1"})],
        "TO4007",
    ),
    (
        "a credit above the cost",
        {},
        [receive(), at("purchase.credited", {"item": "A", "amount": "60", "ref": "e1"})],
        "TO4008",
    ),
    (
        "a credit for nothing known",
        {},
        [receive(), at("purchase.credited", {"item": "A", "amount": "6", "ref": "e9"})],
        "TO4013",
    ),
    ("an unknown method", {"cost_method": "hifo"}, [receive()], "TO4010"),
    ("no lot", {"cost_method": "specific"}, [receive()], "TO4011"),
    ("lifo under ifrs", {"cost_method": "lifo"}, [receive()], "TO4014"),
    (
        "a variance of an item at actual cost",
        {},
        [receive(), at("cost.variances_allocated", {"item": "A", "amount": "1"})],
        "TO4018",
    ),
]


@pytest.mark.parametrize(
    ("policy", "events", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_refusal_posts_nothing_and_names_code_and_fix(
    policy: dict[str, str], events: list[dict[str, Any]], code: str
) -> None:
    answer = run(policy, *events)
    last = f"e{len(events)}"
    assert [(r.line.event_id, r.error.code) for r in answer.refused] == [(last, code)]
    assert answer.refused[0].error.fix
    assert posted(answer, last) == {}
    assert run(policy, *events[:-1]).totals == answer.totals


def test_a_receipt_dated_before_its_dispatch_is_valued_and_both_keep_their_own_lines() -> None:
    answer = run(
        HERE,
        receive(),
        arrive("4", "sent", effective_at="2026-01-03"),
        dispatch("4", id="sent", effective_at="2026-01-05"),
        ship("10", effective_at="2026-01-04"),
    )
    assert posted(answer, "e2") == {"inventory": 2000, "inventory_transit": -2000}
    assert posted(answer, "sent") == {"inventory_transit": 2000, "inventory": -2000}
    assert pool(answer, "S") == (4_000_000, 2000)


def test_std_10_variances_are_shared_over_what_is_held_and_sold_at_the_reporting_date_only() -> None:
    """IAS 2.21, ASC 330-10-30-12: 6 held and 4 sold of 10 received at 5.00, standard 6.00: ppv −10.00 is 6.00 of stock and
    4.00 of cost of sales; the day after it is taken back (R4), so the pool is worth its standard again."""
    answer = run(
        STANDARD,
        standard("6"),
        receive(),
        ship(),
        at("cost.variances_allocated", {"item": "A", "amount": "-10.00"}),
        ship("1"),
    )
    (movement,) = [m for m in answer.movements if m.line.event_id == "e4"]
    on_the_day = [(f.debit, f.credit, f.amount) for f in movement.flows if not f.at]
    assert on_the_day == [("ppv", "inventory", 600), ("ppv", "cogs", 400)]
    assert {f.at - movement.line.at for f in movement.flows if f.at} == {86_400_000_000}
    assert posted(answer, "e4") == {}
    assert pool(answer) == (5_000_000, 3000)
    assert answer.totals["ppv"] == -1000
    wrong = at("cost.variances_allocated", {"item": "A", "amount": "1", "reason": "cogs"})
    assert [r.error.code for r in run(STANDARD, standard("6"), receive(), wrong).refused] == ["TO4009"]


def test_what_is_refused_for_want_of_a_standard_leaves_no_units_behind() -> None:
    answer = run(STANDARD, ship("4"), receive(), standard("6"), receive("3"))
    assert {r.line.event_id: r.error.code for r in answer.refused} == {"e1": "TO4003", "e2": "TO4003"}
    assert answer.on_hand == {("A", "M"): 3_000_000}


def test_a_shipment_without_any_known_cost_is_flagged_and_settled() -> None:
    answer = run({}, ship("2"), receive("1", "3"))
    assert posted(answer, "e1") == {} and answer.movement("e1").provisional
    assert posted(answer, "e2") == {"cogs": 300, "grni": -300}
    assert answer.movement("e1").restatements == (("e2", 300),)
    assert pool(answer) == (-1_000_000, 0)


def test_catalogue_cost_is_the_last_resort() -> None:
    items = {"A": Item.model_validate({"sku": "A", "catalogue_cost": "7.50"})}
    assert posted(run({}, ship("2"), items=items), "e1") == {"cogs": 1500, "inventory": -1500}


def test_layers_say_what_they_are_made_of_and_it_adds_up() -> None:
    answer = run({}, receive("3", "10"), freight("7", "e1"), ship("1"), back("1", "e3"))
    (holding,) = [h for h in answer.holdings if h.role == "inventory"]
    assert [(x.quantity, x.value, x.components) for x in holding.layers] == [
        (2_000_000, 2467, {"material": 2000, "landed": 467}),
        (1_000_000, 1233, {"material": 1000, "landed": 233}),
    ]


def test_services_and_other_peoples_goods_are_memo() -> None:
    items = {"A": Item(sku="A", stocked=False)}
    assert run({}, receive(), ship(), items=items).totals == {}
    assert run({}, receive(owner="vendor")).totals == {}


def test_a_unit_without_conversion_stops_its_own_event_only() -> None:
    answer = run({}, receive(), receive("2", unit="PK"), ship())
    assert [(each.line.event_id, each.error.code) for each in answer.refused] == [("e2", "TO3203")]
    assert answer.movement("e3").final_cost == 2000


def test_as_known_forgets_what_came_later() -> None:
    made = [
        Event.model_validate({"id": f"e{n}", "effective_at": f"2026-01-{n:02d}", **event})
        for n, event in enumerate([receive(), ship(), bill("10", "5.60", "e1")], 1)
    ]
    assert value(made, {}, as_known=2).movement("e2").final_cost == 2000
    assert value(made, {}).movement("e2").final_cost == 2240
