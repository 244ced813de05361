"""Explain: what a cost is made of, back to the documents, with amounts that add up at every step."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tieout.workspace import Workspace


def adds_up(part: Mapping[str, Any]) -> None:
    if part["made_of"]:
        assert sum(Decimal(each["value"]) for each in part["made_of"]) == Decimal(part["value"]), part
        for each in part["made_of"]:
            adds_up(each)


def story(work: Workspace, movement: str) -> dict[str, Any]:
    page: dict[str, Any] = work.explain(["cost-of", movement])["movements"][0]
    return page


def test_a_layer_is_its_receipt_its_bill_difference_and_its_freight(work: Workspace) -> None:
    layers = story(work, "SH-1")["layers"]
    parts = {
        (part["document"], part["row"], part["component"]): part["value"]
        for layer in layers
        if layer["document"] == "GR-1"
        for part in layer["made_of"]
    }
    # 2 of 10: 10.00 of the receipt's 50.00, 0.40 of the bill's 2.00 more, 0.80 of the freight's 4.00
    assert parts == {
        ("GR-1", "PUR-05", "material"): "10.00",
        ("VB-1", "PUR-08", "material"): "0.40",
        ("FB-1", "LC-03", "landed"): "0.80",
    }
    for layer in layers:
        adds_up(layer)
        assert layer["made_of"]
        assert all("fifo" in part["policy"] for part in layer["made_of"])


def test_units_that_left_before_the_bill_carry_none_of_it(own_books: Path) -> None:
    """Three mugs go between receipt and bill: the rest of the layer has the bill's difference on what was left."""
    from tests.operations.conftest import SHIPPED, shipment, write

    write(own_books, "feeds/shipments-3.csv", SHIPPED, shipment("SH-0", "2026-01-06", "MUG", 12, "MAIN", rev=1))
    with Workspace.open(own_books, actor="ann") as work:
        work.run(seal_now=True)
        early = {layer["document"]: layer for layer in story(work, "SH-0")["layers"]}["GR-1"]
        assert [(part["document"], part["value"]) for part in early["made_of"]] == [("GR-1", "10.00")]
        page = story(work, "SH-1")
        parts = {part["document"]: part["value"] for layer in page["layers"] for part in layer["made_of"]}
        # 8 are left when the bill comes: 40.00, of the bill 1.60, of the freight 3.20
        assert parts == {"GR-1": "40.00", "VB-1": "1.60", "FB-1": "3.20"}
        for layer in page["layers"]:
            adds_up(layer)


def test_every_shipment_of_the_books_adds_up(work: Workspace) -> None:
    for movement in ("SH-1", "SH-2"):
        page = story(work, movement)
        taken = sum(Decimal(layer["value"]) for layer in page["layers"])
        assert taken + Decimal(page["estimate"]) == Decimal(page["cost"])
        later = sum(Decimal(each["amount"]) for each in page["restatements"])
        assert Decimal(page["cost"]) + later == Decimal(page["final_cost"])
        for layer in page["layers"]:
            adds_up(layer)
            assert layer["document"] in page["text"]


@pytest.mark.parametrize(("asked", "other"), [("GR-1", "FB-1"), ("FB-1", "GR-1")])
def test_trace_shows_corrections_in_both_directions(work: Workspace, asked: str, other: str) -> None:
    events = [event for event in work.trace(asked)["events"] if event["document"] == asked]
    named = {each["document"] for event in events for each in (*event["affects"], *event["affected_by"])}
    assert other in named
