"""Affiliates: group inventory is units at original cost, whatever moved between the entities (matrix §22.14, IFRS 10 B86)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.valuation.test_books_do_not_depend_on_arrival import Memory

from tieout.model.event import Event
from tieout.valuation import Valuation, value_group

METHODS = ("fifo", "weighted_average")


def event(identity: str, kind: str, company: str, day: str, quantity: Any, price: Any = None, **head: Any) -> Event:
    line = {"item": "X", "quantity": str(quantity), "location": "MAIN"}
    if price is not None:
        line["unit_price"] = str(price)
    fields = {"id": identity, "type": kind, "company": company, "effective_at": day, "lines": [line], **head}
    return Event.model_validate(fields)


def pair(number: int, day: str, quantity: Any, price: Any) -> list[Event]:
    document = f"IC-{number}"
    return [
        event(f"out-{number}", "intercompany.shipped", "A", day, quantity, price, party="B", document=document),
        event(f"in-{number}", "intercompany.received", "B", day, quantity, price, party="A", document=document),
    ]


def elimination(identity: str, day: str) -> Event:
    fields = {"id": identity, "type": "intercompany.eliminated", "company": "group", "effective_at": day}
    return Event.model_validate(fields)


def posted(answer: Valuation, identity: str) -> dict[str, int]:
    roles: Counter[str] = Counter()
    for flow in answer.movement(identity).flows:
        roles[flow.debit] += flow.amount
        roles[flow.credit] -= flow.amount
    return {role: amount for role, amount in roles.items() if amount}


def together(answers: Mapping[str, Valuation]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for answer in answers.values():
        totals.update(answer.totals)
    return totals


def test_a_leg_without_its_partner_is_an_exception_and_posts_nothing() -> None:
    stock = event("stock", "opening.loaded", "A", "2026-01-01", 10, "80")
    elsewhere = event("b-stock", "opening.loaded", "B", "2026-01-01", 1, "80")
    answers = value_group([stock, elsewhere, pair(1, "2026-01-07", 4, "100")[0]], {})
    assert [refusal.error.code for refusal in answers["A"].refused] == ["TO4023"]
    assert "ic_receivable" not in answers["A"].totals


def test_legs_that_disagree_on_the_price_are_both_exceptions() -> None:
    stock = event("stock", "opening.loaded", "A", "2026-01-01", 10, "80")
    sold, _ = pair(1, "2026-01-07", 4, "100")
    _, bought = pair(1, "2026-01-07", 4, "101")
    answers = value_group([stock, sold, bought], {})
    assert [answers[name].refused[0].error.code for name in ("A", "B")] == ["TO4023", "TO4023"]


def test_a_new_year_takes_the_opening_markup_out_of_retained_earnings() -> None:
    """10 at cost 80 sold on at 100 in 2026, 6 sold outside then and 3 in 2027: 80.00 of markup opens 2027, 20.00 is left."""
    events = [
        event("stock", "opening.loaded", "A", "2026-01-01", 10, "80"),
        *pair(1, "2026-02-01", 10, "100"),
        event("sale-1", "order.fulfilled", "B", "2026-03-01", 6),
        event("sale-2", "order.fulfilled", "B", "2027-03-01", 3),
        elimination("end-2027", "2027-12-31"),
    ]
    answer = value_group(events, {})["group"]
    assert posted(answer, "end-2027") == {
        "retained_earnings": 8000,
        "cogs": -6000,
        "inventory": -2000,
        "ic_payable": 100_000,
        "ic_receivable": -100_000,
    }


def test_a_late_bill_of_the_seller_changes_the_markup_and_not_the_affiliates_stock() -> None:
    receipt = event("receipt", "purchase.received", "A", "2026-01-01", 10, "80")
    bill = event("bill", "purchase.billed", "A", "2026-01-20", 10, "85", ref={"event": "receipt"})
    bill = bill.model_copy(update={"lines": tuple(x.model_copy(update={"location": None}) for x in bill.lines)})
    events = [receipt, *pair(1, "2026-01-07", 10, "100"), bill, elimination("end", "2026-01-31")]
    answers = value_group(events, {})
    assert answers["B"].totals["inventory"] == 100_000
    assert posted(answers["group"], "end")["inventory"] == -15_000


@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["70", "80", "99.99", "33.333"])), min_size=1, max_size=4),
    st.integers(0, 40),
    st.sampled_from(METHODS),
)
def test_14_group_stock_and_cost_of_sales_are_at_original_cost(
    moves: list[tuple[int, str]], sold: int, method: str
) -> None:
    bought = sum(quantity for quantity, _ in moves)
    sold = min(sold, bought)
    events = [event("stock", "opening.loaded", "A", "2026-01-01", bought, "50")]
    for number, (quantity, price) in enumerate(moves, 1):
        events += pair(number, f"2026-02-{number:02d}", quantity, price)
    if sold:
        events.append(event("sale", "order.fulfilled", "B", "2026-03-01", sold))
    events.append(elimination("end", "2026-12-31"))
    totals = together(value_group(events, {"cost_method": method}))
    assert totals["inventory"] + totals["cogs"] == bought * 5000
    assert abs(totals["inventory"] - (bought - sold) * 5000) <= len(moves) + 1  # a cent for each layer that was cut
    for role in ("ic_revenue", "ic_cogs", "ic_receivable", "ic_payable"):
        assert totals[role] == 0, role
    assert Decimal(totals["inventory"]) >= 0


def test_eliminations_of_a_year_end_the_same_in_whatever_order_they_arrive() -> None:
    def stated(identity: str, day: str, unrealised: str) -> Event:
        amounts = {"cost": "800", "realised": str(200 - int(unrealised)), "unrealised": unrealised}
        return elimination(identity, day).model_copy(update={"amounts": {k: Decimal(v) for k, v in amounts.items()}})

    first, second = stated("january", "2026-01-31", "80"), stated("february", "2026-02-28", "30")
    policy: dict[str, str] = {}
    memory = Memory(policy, "USD")
    memory.deliver([second])
    memory.deliver([first])
    assert memory.books() == memory.from_nothing()
    memory.deliver([first.model_copy(update={"revision": 1, "void": True})])
    assert memory.books() == memory.from_nothing()
