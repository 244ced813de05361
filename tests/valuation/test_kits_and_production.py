"""Kits and production: worked examples, and laws on random histories whatever the order of arrival."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.valuation.made_histories import FACTS, arrivals, history
from tests.valuation.test_books_do_not_depend_on_arrival import Memory, policy_for, small_blocks, summary

from tieout.model.event import Event
from tieout.model.fact_rows import build, read_text
from tieout.model.facts import Bom, Facts, Part, Price
from tieout.model.master import Item
from tieout.model.policy import PolicyBook
from tieout.model.roles import CONTROL_ROLES
from tieout.valuation import MEMO_ROWS, Valuation, Valuer, value

METHODS = ("fifo", "weighted_average", "lifo")
RAW = {"A": Item(sku="A", kind="raw"), "B": Item(sku="B", kind="raw")}


class Made(Memory):
    """A store that also knows facts and items."""

    def restart(self) -> None:
        book = PolicyBook.of(**self.policy)
        self.valuer = Valuer(book, item, self.currency, "UTC", lookup=self, facts=FACTS)


def item(sku: str) -> Item:
    return RAW.get(sku) or Item(sku=sku)


def worth(events: list[Event], policy: Mapping[str, str], facts: Facts = FACTS) -> Valuation:
    return value(events, policy, items=item, facts=facts)


def policy(method: str, disassembly: str) -> dict[str, str]:
    return {**policy_for(method, "entity"), "disassembly_value": disassembly}


SEEDS = st.integers(0, 2**32)
HOW = st.sampled_from([policy(m, d) for m in METHODS for d in ("component_cost", "allocate_all")])


@given(SEEDS, SEEDS, HOW)
def test_any_order_of_arrival_gives_the_books_of_the_right_order(seed: int, order: int, how: dict[str, str]) -> None:
    events = history(seed)
    found = worth(events, how)
    memory = Made(how, "USD")
    with small_blocks():
        for piece in arrivals(order, events):
            memory.deliver(piece)
    assert memory.books() == summary(flow for m in found.movements for flow in m.flows)


@given(SEEDS, HOW)
def test_the_control_accounts_hold_exactly_the_layers_and_components_add_up(seed: int, how: dict[str, str]) -> None:
    found = worth(history(seed), how)
    held: Counter[str] = Counter()
    for holding in found.holdings:
        held[holding.role] += holding.value
        for layer in holding.layers:
            assert sum(layer.components.values()) == layer.value
            assert layer.quantity >= 0
    control = {role: amount for role, amount in found.totals.items() if role in CONTROL_ROLES}
    assert {role: amount for role, amount in held.items() if amount} == control
    assert sum(found.totals.values()) == 0


@given(SEEDS, HOW)
def test_no_units_means_no_value(seed: int, how: dict[str, str]) -> None:
    for holding in worth(history(seed), how).holdings:
        if holding.role != "inventory_wip" and not holding.quantity:
            assert holding.value == 0


@given(SEEDS, HOW, st.data())
def test_a_document_and_its_void_leave_everything_as_it_was(
    seed: int, how: dict[str, str], data: st.DataObject
) -> None:
    events = history(seed)
    after = events[-1].effective_at + timedelta(days=1)
    lines = [
        {"item": i, "quantity": q, "location": "MAIN", "part": p}
        for i, q, p in (("A", "2", "component"), ("K", "1", "output"))
    ]
    at = data.draw(st.sampled_from([events[5].effective_at, after]))
    more = Event.model_validate({"id": "more", "type": "kit.assembled", "effective_at": at, "lines": lines})
    void = Event(id="more", type="kit.assembled", effective_at=at, revision=1, void=True)
    before, undone = worth(events, how), worth([*events, more, void], how)
    assert (before.totals, before.holdings, before.on_hand) == (undone.totals, undone.holdings, undone.on_hand)


# ── examples ───────────────────────────────────────────────────────────────────────────────────────────────────────
def ev(kind: str, day: str, lines: list[dict[str, Any]] | None = None, **more: Any) -> Event:
    identity = more.pop("id", f"{kind} {day}")
    return Event.model_validate({"id": identity, "type": kind, "effective_at": day, "lines": lines or [], **more})


def ln(sku: str, q: object, **more: Any) -> dict[str, Any]:
    return {"item": sku, "quantity": str(q), "location": "M", **more}


def net(found: Valuation, event: str) -> dict[str, int]:
    out: Counter[str] = Counter()
    for movement in found.movements:
        for flow in movement.flows:
            if flow.line.event_id == event and flow.row not in MEMO_ROWS:
                out[flow.debit] += flow.amount
                out[flow.credit] -= flow.amount
    return {role: amount for role, amount in out.items() if amount}


KIT = [ln("A", 2, part="component"), ln("B", 1, part="component"), ln("K", 1, part="output")]
STOCK = ev("opening.loaded", "2026-01-01", [ln("A", 20, unit_price="3.00"), ln("B", 10, unit_price="4.00")], id="stock")


def made(q: int, **more: Any) -> Event:
    lines = [ln("A", 2 * q, part="component"), ln("B", q, part="component"), ln("K", q, part="output")]
    return ev("kit.assembled", "2026-01-07", lines, id="made", **more)


def layers(found: Valuation, sku: str, role: str = "inventory") -> list[tuple[int, int, dict[str, int]]]:
    holding = next(h for h in found.holdings if h.item == sku and h.role == role)
    return [(x.quantity, x.value, dict(x.components)) for x in holding.layers]


def test_bnd_04_a_late_freight_bill_follows_its_units_into_the_kit_and_out_with_it() -> None:
    """7.00 freight on 20 A: 8 of them lie in 4 kits, 1 of which is sold; 0.70 a unit of kit. Worked by hand."""
    receipt = ev("purchase.received", "2026-01-02", [ln("A", 20, unit_price="3.00")], id="a")
    others = ev("opening.loaded", "2026-01-01", [ln("B", 10, unit_price="4.00")], id="b")
    sold = ev("order.fulfilled", "2026-01-09", [ln("K", 1)], id="sold")
    freight = ev("landed_cost.billed", "2026-01-20", [{"ref": "a"}], id="freight", amount="7.00", basis="quantity")
    found = value([receipt, others, made(4), sold, freight], {})
    assert net(found, "made") == {}  # from stock to stock
    assert net(found, "freight") == {"ap": -700, "inventory": 420 + 210, "cogs": 70}
    assert layers(found, "K") == [(3_000_000, 3 * 1000 + 210, {"material": 3000, "landed": 210})]
    assert found.movement("made", "3").final_cost == 4000 + 280
    assert found.movement("sold").final_cost == 1000 + 70


def test_bnd_05_a_kit_sold_is_an_issue_of_the_kit() -> None:
    found = value([STOCK, made(2), ev("order.fulfilled", "2026-01-09", [ln("K", 1)], id="sold")], {})
    assert net(found, "sold") == {"cogs": 1000, "inventory": -1000}


def test_bnd_06_parts_come_back_at_what_the_named_assembly_consumed_and_follow_it() -> None:
    dear = ev("purchase.received", "2026-01-08", [ln("A", 100, unit_price="9.00")], id="dear")
    apart = ev("kit.disassembled", "2026-01-12", [ln("K", 1, part="output"), *KIT[:2]], id="apart", ref="made")
    found = value([STOCK, made(2, amounts={"labour_applied": "1.00"}), dear, apart], {})
    assert net(found, "apart") == {"inventory": -50, "assembly_variance": 50}  # 10.50 of kit, 6.00 of A, 4.00 of B
    loose = apart.model_copy(update={"id": "loose", "ref": None})
    found = value([STOCK, made(2), dear, loose], {"cost_method": "weighted_average"})
    a = found.movement("loose", "2")
    assert a.cost == round(Fraction(2 * (16 * 300 + 100 * 900), 116))  # the average on hand, not what was consumed


def test_bnd_06_allocate_all_leaves_no_variance() -> None:
    apart = ev("kit.disassembled", "2026-01-12", [ln("K", 1, part="output"), *KIT[:2]], id="apart")
    found = value([STOCK, made(2, amounts={"labour_applied": "3.01"}), apart], {"disassembly_value": "allocate_all"})
    assert net(found, "apart") == {}
    assert found.movement("apart", "2").cost + found.movement("apart", "3").cost == 1000 + 150


def test_bnd_07_a_missing_part_is_a_loss() -> None:
    lines = [ln("K", 1, part="output"), ln("A", 2, part="component"), ln("B", 1, part="missing")]
    found = value([STOCK, made(2), ev("kit.disassembled", "2026-01-12", lines, id="apart")], {})
    assert net(found, "apart") == {"inventory": -400, "damage_loss": 400}


def test_bnd_01_bill_of_materials_as_of_the_sale_and_part_of_a_bundle_back() -> None:
    rows = "item,component,quantity,effective\nS,A,1,2026-01-01\nS,T,1,2026-01-01\nT,B,2,2026-01-01\nS,A,9,2026-02-01\n"
    facts = build(read_text(rows, "boms")[0])
    bundles = {"S": Item(sku="S", kind="bundle"), "T": Item(sku="T", kind="bundle")}
    sold = ev("order.fulfilled", "2026-01-09", [ln("S", 2)], id="sold")
    back = ev("return.received", "2026-03-01", [ln("B", 1, ref={"event": "sold", "line": "1"})], id="part")
    whole = ev("return.received", "2026-03-02", [ln("S", 1, ref="sold")], id="whole")
    found = value([STOCK, sold, back, whole], {}, items=bundles, facts=facts)
    assert not found.refused
    assert net(found, "sold") == {"cogs": 600 + 1600, "inventory": -2200}
    assert net(found, "part") == {"cogs": -400, "inventory": 400}
    assert net(found, "whole") == {"cogs": -300 - 800, "inventory": 1100}  # one A, not nine


def test_bnd_03_part_of_a_bundle_comes_back_at_its_cost_and_its_share_of_the_price() -> None:
    """S = A + 2 B for 40.00; stand-alone 20.00 and 2 × 15.00: A is 16.00 of it, each B 12.00. One B back and refunded."""
    bundles = {"S": Item(sku="S", kind="bundle")}
    made_of = [Bom("S", date.min, (Part("A", Fraction(1)), Part("B", Fraction(2))))]
    boms = Facts(boms=made_of)
    facts = Facts(boms=made_of, prices=[Price("A", date.min, Fraction(20)), Price("B", date.min, Fraction(15))])
    sold = ev("order.fulfilled", "2026-01-09", [ln("S", 1, amount="40.00")], id="sold", tenders={"card": "40.00"})
    back = ev("return.received", "2026-01-12", [ln("B", 1, ref={"event": "sold", "line": "1"})], id="back")
    refund = ev("refund.issued", "2026-01-13", [{"item": "B", "quantity": "1", "ref": "sold"}], id="refund")
    policy = {"revenue_trigger": "shipment"}
    found = value([STOCK, sold, back, refund], policy, items=bundles, facts=facts)
    assert not found.refused
    assert net(found, "sold") == {"payment_clearing": 4000, "revenue": -4000, "cogs": 300 + 800, "inventory": -1100}
    assert net(found, "back") == {"inventory": 400, "cogs": -400}
    assert net(found, "refund") == {"sales_returns": 1200, "payment_clearing": -1200}
    unpriced = value([STOCK, sold], policy, items=bundles, facts=boms)
    assert [x.error.code for x in unpriced.refused] == ["TO4062", "TO4062"]  # no price is guessed, nothing half posted
    assert unpriced.totals == value([STOCK], policy).totals
    assert not value([STOCK, sold], {}, items=bundles, facts=boms).refused  # another program posts revenue


def test_a_bundle_nobody_knows_is_refused_and_one_made_of_itself() -> None:
    bundles = {"S": Item(sku="S", kind="bundle")}
    sold = ev("order.fulfilled", "2026-01-09", [ln("S", 1)], id="sold")
    assert [x.error.code for x in value([STOCK, sold], {}, items=bundles).refused] == ["TO4060"]
    facts = build(read_text("item,component,quantity\nS,S,1\n", "boms")[0])
    assert [x.error.code for x in value([STOCK, sold], {}, items=bundles, facts=facts).refused] == ["TO4061"]
    count = ev("count.approved", "2026-01-09", [ln("S", 1)], id="count")
    assert [x.error.code for x in value([STOCK, count], {}, items=bundles, facts=facts).refused] == ["TO4064"]


def test_block_is_checked_for_every_component_before_any_moves() -> None:
    found = value([STOCK, made(11)], {"negative_stock": "block"})
    assert {x.error.code for x in found.refused} == {"TO4001"} and len(found.refused) == 3
    assert found.on_hand == {("A", "M"): 20_000_000, ("B", "M"): 10_000_000}


# ── production ─────────────────────────────────────────────────────────────────────────────────────────────────────
def order(kind: str, day: str, lines: list[dict[str, Any]] | None = None, **more: Any) -> Event:
    return ev(f"production.{kind}", day, lines, id=more.pop("id", kind), document="MO", **more)


ISSUE = order("issued", "2026-01-07", [ln("A", 20, part="component"), ln("P", 10, part="output")])


def test_mfg_06_normal_scrap_raises_the_cost_of_good_units() -> None:
    """Started 10 for 60.00, 1 normally scrapped and sold as waste for 1.50: 9 good units bear 58.50."""
    waste = ln("W", 3, part="by_product", nrv="0.50")
    scrap = order("scrapped", "2026-01-08", [ln("P", 1), waste], reason="normal")
    done = order("completed", "2026-01-09", [ln("P", 9, part="output")])
    found = value([STOCK, ISSUE, scrap, done], {})
    assert net(found, "scrapped") == {"inventory": 150, "inventory_wip": -150}
    assert net(found, "completed") == {"inventory": 5850, "inventory_wip": -5850}


def test_mfg_07_abnormal_scrap_is_expensed_less_what_it_fetches() -> None:
    waste = ln("W", 1, part="by_product", nrv="0.50")
    scrap = order("scrapped", "2026-01-08", [ln("P", 1), waste], reason="abnormal")
    found = value([STOCK, ISSUE, scrap], {})
    assert net(found, "scrapped") == {"scrap_abnormal": 550, "inventory": 50, "inventory_wip": -600}
    unsaid = order("scrapped", "2026-01-08", [ln("P", 1)])
    assert [x.error.code for x in value([STOCK, ISSUE, unsaid], {}).refused] == ["TO4004"]


def test_mfg_08_and_09_by_product_at_nrv_first_then_joint_products_by_sales_value() -> None:
    """60.00 less 1.20 by-product = 58.80 over sales values 10 × 30.00 and 10 × 10.00: 44.10 and 14.70."""
    facts = build(read_text("item,price\nP,30\nQ,10\n", "prices")[0])
    outs = [ln("P", 10, part="joint"), ln("Q", 10, part="joint"), ln("W", 4, part="by_product", nrv="0.30")]
    found = value([STOCK, ISSUE, order("completed", "2026-01-09", outs)], {}, facts=facts)
    assert [found.movement("completed", str(n)).cost for n in (1, 2, 3)] == [4410, 1470, 120]
    shares = [ln("P", 10, part="output"), ln("W", 4, part="by_product", share="5")]
    found = value([STOCK, ISSUE, order("completed", "2026-01-09", shares)], {})
    assert [found.movement("completed", str(n)).cost for n in (1, 2)] == [5700, 300]


def test_mfg_04_and_10_a_subcontractor_s_bill_and_the_residual_follow_the_finished_units() -> None:
    """10 started and finished for 60.00, 4 sold. 8.00 of plating is reported after, and billed at 9.00."""
    done = order("completed", "2026-01-09", [ln("P", 10, part="output")])
    sold = ev("order.fulfilled", "2026-01-10", [ln("P", 4)], id="sold")
    plating = order("reported", "2026-01-11", [{"quantity": "10", "amount": "8.00"}])
    close = order("closed", "2026-01-12")
    bill = ev("purchase.billed", "2026-01-20", [{"quantity": "10", "amount": "9.00", "ref": "reported"}], id="bill")
    found = value([STOCK, ISSUE, done, sold, plating, close, bill], {})
    assert not found.refused
    assert net(found, "reported") == {"inventory_wip": 800, "grni": -800}
    assert net(found, "closed") == {"inventory_wip": -800, "inventory": 480, "cogs": 320}
    assert net(found, "bill") == {"grni": 800, "ap": -900, "inventory": 60, "cogs": 40}


def test_mfg_15_a_cancelled_order_gives_material_back_and_scraps_the_rest() -> None:
    cancel = order("cancelled", "2026-01-09", [ln("A", 15)])
    labour = order("reported", "2026-01-08", amounts={"labour_applied": "2.00"})
    found = value([STOCK, ISSUE, labour, cancel], {})
    assert net(found, "cancelled") == {"inventory": 4500, "scrap_abnormal": 1700, "inventory_wip": -6200}
    too_much = order("cancelled", "2026-01-09", [ln("A", 21)])
    assert [x.error.code for x in value([STOCK, ISSUE, too_much], {}).refused] == ["TO4007"]


def test_mfg_14_overhead_absorbed_beyond_its_cost_leaves_stock_and_cost_of_sales() -> None:
    """IAS 2.13: inventories are not measured above cost. Absorbed 10.00, incurred 8.00; 4 of 10 units sold."""
    report = order("reported", "2026-01-08", amounts={"overhead_applied": "10.00"})
    done = order("completed", "2026-01-09", [ln("P", 10, part="output")])
    sold = ev("order.fulfilled", "2026-01-10", [ln("P", 4)], id="sold")
    spent = ev("overhead.incurred", "2026-01-31", id="spent", amount="8.00", amounts={"bank": "3.00"})
    close = ev("overhead.closed", "2026-01-31", id="period")
    found = value([STOCK, ISSUE, report, done, sold, spent, close], {})
    assert net(found, "spent") == {"overhead_control": 800, "bank": -300, "ap": -500}
    assert net(found, "period") == {"overhead_applied": 1000, "overhead_control": -800, "inventory": -120, "cogs": -80}
    assert layers(found, "P") == [(6_000_000, 3600 + 600 - 120, {"material": 3600, "overhead": 480})]


def test_an_order_that_never_said_what_it_started_is_shared_by_what_came_out() -> None:
    issue = order("issued", "2026-01-07", [ln("A", 20, part="component")])
    first = order("completed", "2026-01-09", [ln("P", 4, part="output")], id="first")
    second = order("completed", "2026-01-10", [ln("P", 6, part="output")], id="second")
    found = value([STOCK, second, first, issue], {})
    assert (found.movement("first").cost, found.movement("second").cost) == (2400, 3600)


def test_hours_nobody_has_a_rate_for_are_refused() -> None:
    report = order("reported", "2026-01-08", hours={"labour": "10"})
    assert [x.error.code for x in value([STOCK, ISSUE, report], {}).refused] == ["TO4066"]


@pytest.mark.parametrize("method", ["fifo", "weighted_average"])
def test_a_kit_of_units_that_were_not_there_yet_takes_their_real_cost(method: str) -> None:
    late = ev("purchase.received", "2026-01-20", [ln("A", 10, unit_price="5.00")], id="late")
    few = ev("opening.loaded", "2026-01-01", [ln("A", 1, unit_price="3.00"), ln("B", 9, unit_price="4.00")], id="few")
    found = value([few, made(2), late], {"cost_method": method})
    assert layers(found, "K") == [(2_000_000, 3 * 500 + 300 + 800, {"material": 2600})]
    assert net(found, "late") == {"inventory": 5000, "grni": -5000}
