"""Files of dated facts: every table reads, every wrong row is named, each question is answered as of its day."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from tieout.model.fact_rows import build, read_text

BOMS = "item,component,quantity,effective\nSET,A,1,2026-01-01\nSET,B,1/3,2026-01-01\nSET,A,2,2026-03-01\n"


def test_rows_of_one_item_and_day_are_one_bill_of_materials() -> None:
    found, slips = read_text(BOMS, "boms.csv")
    facts = build(found)
    assert not slips
    early, late = facts.bom("SET", date(2026, 2, 28)), facts.bom("SET", date(2026, 3, 1))
    assert early is not None and late is not None
    assert [(part.item, part.quantity) for part in early.parts] == [("A", 1), ("B", Fraction(1, 3))]
    assert [(part.item, part.quantity) for part in late.parts] == [("A", Fraction(2))]
    assert facts.bom("SET", date(2025, 12, 31)) is None
    assert facts.bom_changed("SET", date(2026, 3, 5))
    assert not facts.bom_changed("SET", date(2026, 2, 5))


def test_json_holds_every_table_and_keeps_decimals() -> None:
    text = """{
        "boms": [{"item": "K", "component": "A", "quantity": 2}],
        "routings": [{"item": "K", "labour_hours": "0.5", "labour_rate": "20.00", "overhead_rate": "8.00"}],
        "prices": [{"item": "A", "price": "60.10", "effective": "2026-01-01"}],
        "rates": [{"currency": "USD", "rate": "0.9137264512", "day": "2026-01-05"}],
        "standard_costs": [{"item": "A", "standard_cost": "3.005", "location": "MAIN", "effective": "2026-01-01"}],
        "evidence": [{"item": "A", "nrv": "42.00", "effective": "2026-06-30", "source": "price list"}]
    }"""
    found, slips = read_text(text, "facts.json")
    facts = build(found)
    assert not slips
    assert facts.price("A", date(2026, 5, 1)) == Fraction("60.10")
    assert facts.rate("USD", date(2026, 1, 12)) == Fraction("0.9137264512")
    assert facts.rate("USD", date(2026, 1, 13)) is None
    routing = facts.routing("K", date(2026, 1, 1))
    assert routing is not None and routing.labour_hours == Fraction(1, 2) and routing.overhead_hours is None
    assert [(x.item, x.location, x.cost) for x in facts.standards] == [("A", "MAIN", Fraction("3.005"))]
    evidence = facts.evidence("A", date(2026, 7, 1))
    assert evidence is not None and evidence.nrv == 42


def test_every_wrong_row_is_named_with_its_line_and_column() -> None:
    text = "item,price,effective\nA,ten,2026-01-01\nB,-1,2026-01-01\nC,1,1 May\nD,1,2026-01-01\nD,2,2026-01-01\n,3,\n"
    found, slips = read_text(text, "prices.csv")
    assert [(slip.where, slip.column) for slip in slips] == [
        ("prices.csv:2", "price"),
        ("prices.csv:3", "price"),
        ("prices.csv:4", "effective"),
        ("prices.csv:6", "price"),
        ("prices.csv:7", "item"),
    ]
    assert len(found) == 1


def test_a_file_that_is_none_of_the_tables_is_refused() -> None:
    assert read_text("a,b\n1,2\n", "x.csv")[1][0].column == "header"
    assert read_text('{"bom": []}', "x.json")[1][0].column == "bom"
    assert read_text('{"prices": {}}', "x.json")[1]
    assert read_text('{"prices": [{"item": "A", "price": 1.5, "vat": 1}]}', "x.json")[1][0].column == "vat"
