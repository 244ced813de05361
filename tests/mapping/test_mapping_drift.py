"""What a mapping reads, what it does not, and what changed in the source under it."""

from __future__ import annotations

from typing import Any

from tieout.mapping import CompiledMapping, MapContext, compile_mapping, coverage

CONTEXT = MapContext(company="acme", connection="c-1", stream="receipts", currency="EUR", key=("number",))
TEXT = """
mapping: receipts
version: "1"
stream: receipts
record: one goods receipt
skip:
  - {when: {from: status, eq: open}, reason: open}
events:
  - type: purchase.received
    fields: {effective_at: posted.at, document: number}
    lines:
      each: lines
      id: no
      fields:
        item: {from: [sku, product.sku]}
        quantity: qty
        location: $parent.site
        unit_price: cost
"""
RECEIPTS: CompiledMapping = compile_mapping(TEXT, "receipts.yaml")


def receipt(number: int, **changes: Any) -> dict[str, Any]:
    line = {"no": "1", "sku": "A", "qty": 2, "cost": "3.50", "colour": "red", **changes.pop("line", {})}
    line = {name: value for name, value in line.items() if value != "gone"}
    head = {"number": number, "status": "done", "posted": {"at": "2026-03-02", "by": "X"}, "site": "MAIN", **changes}
    return {"lines": [line], **{name: value for name, value in head.items() if value != "gone"}}


def drift(records: list[dict[str, Any]], known: Any = None) -> list[tuple[str, str]]:
    return [(d.path, d.problem) for d in RECEIPTS.drift(records, RECEIPTS.run(records, CONTEXT), known)]


def test_every_path_read_with_what_it_fills() -> None:
    paths = {source.path: source for source in RECEIPTS.paths()}
    assert list(paths) == [
        "status",
        "posted.at",
        "number",
        "lines",
        "lines[*].no",
        "lines[*].sku",
        "lines[*].product.sku",
        "lines[*].qty",
        "site",
        "lines[*].cost",
    ]
    assert {path for path, source in paths.items() if source.required} == {
        "posted.at",
        "lines[*].no",
        "lines[*].qty",
        "site",
    }
    assert paths["lines[*].qty"].types == {"string", "number"}
    assert paths["lines"].types == {"array"}


def test_an_unchanged_source_has_not_drifted() -> None:
    page = [receipt(1), receipt(2)]
    assert drift(page) == []
    assert drift(page, RECEIPTS.types_seen(page)) == []
    assert drift([]) == []


def test_a_needed_field_gone_from_the_whole_page_is_drift() -> None:
    assert drift([receipt(1, site="gone"), receipt(2, site="gone")]) == [("site", "missing")]
    assert drift([receipt(1, line={"qty": "gone"})]) == [("lines[*].qty", "missing")]


def test_a_field_left_empty_or_missing_from_some_records_is_no_drift() -> None:
    assert drift([receipt(1, site=None), receipt(2, site="")]) == []
    assert drift([receipt(1, site="gone"), receipt(2)]) == []
    assert drift([receipt(1, line={"cost": "gone"})]) == []
    assert drift([{"number": 1, "status": "open"}]) == []


def test_a_field_of_another_type_is_drift() -> None:
    assert drift([receipt(1, site={"code": "MAIN"}), receipt(2, site={"code": "B"})]) == [("site", "retyped")]
    assert drift([receipt(1, line={"qty": [2]})]) == [("lines[*].qty", "retyped")]
    seen = RECEIPTS.types_seen([receipt(1)])
    assert seen["number"] == {"number"}
    assert drift([receipt("1")], seen) == [("number", "retyped")]  # type: ignore[arg-type]


def test_coverage_names_the_fields_nobody_reads() -> None:
    paths = [source.path for source in RECEIPTS.paths()]
    found = coverage(paths, records=[receipt(1)], key=CONTEXT.key)
    assert found.unread == ("lines[].colour", "posted.by")
    assert found.share == "8/10"
    schema = {
        "type": "object",
        "properties": {
            "number": {"type": "integer"},
            "Vendor Note": {"type": "string"},
            "a.b": {"type": "string"},
            "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}, "x": {}}}},
        },
    }
    assert coverage(paths, schema=schema).unread == ("Vendor Note", '"a.b"', "lines[].x")
