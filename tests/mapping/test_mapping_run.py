"""Running a mapping: good records go on, bad ones are refused by name, nothing is lost in silence."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.mapping import CompiledMapping, MapContext, compile_mapping, content_key, event_key
from tieout.mapping.limits import FAN_OUT_ELEMENTS_MAX

CONTEXT = MapContext(
    company="acme", connection="c-1", stream="shipments", currency="USD", key=("order_no", "line_no"), timezone="UTC"
)
EXAMPLE = compile_mapping((Path(__file__).parent / "shipments.yaml").read_text(), "shipments.yaml")


def shipped(**changes: Any) -> dict[str, Any]:
    return {
        "order_no": "SO-1",
        "line_no": "1",
        "status": "shipped",
        "shipped_at": "2026-03-02 14:30:00",
        "customer": "c-19",
        "bill_to": "",
        "channel": "M",
        "region": "",
        "sku": "ab-1",
        "qty": "3",
        "uom": "EA",
        "warehouse": "NJ1",
        "lot": "",
        "price": "10.00",
        "line_total": "30.00",
        "currency": "USD",
        "return_code": "",
        "orig_line": "",
        **changes,
    }


def mapping(events: str, head: str = "") -> CompiledMapping:
    text = f'mapping: small\nversion: "1"\nstream: shipments\nrecord: one record\n{head}events:\n{events}'
    return compile_mapping(text, "small.yaml")


ONE_LINE = """
  - type: order.fulfilled
    fields: {effective_at: at}
    lines: {fields: {item: sku, quantity: qty, location: {const: MAIN}, unit_price: price, amount: amount}}
"""
BY_ID = MapContext(company="acme", connection="c-1", stream="s", currency="USD", key=("id",))


def test_one_bad_record_never_stops_the_others() -> None:
    page = [
        shipped(line_no="1"),
        shipped(line_no="2", qty="three"),
        shipped(line_no="3", warehouse="XX"),
        shipped(line_no="4", shipped_at="yesterday"),
        shipped(line_no="5", sku=""),
        shipped(line_no="", sku="ab-1"),
        shipped(line_no="7", price="1_000"),
        shipped(line_no="8", currency="EUR"),
        shipped(line_no="9", status="draft"),
        shipped(line_no="10", qty="0"),
        shipped(line_no="11", qty="2"),
    ]
    result = EXAMPLE.run(page, CONTEXT)
    assert [(line.document, line.quantity) for line in result.lines] == [("SO-1", 3_000_000), ("SO-1", 2_000_000)]
    assert result.records == [0, 10]
    assert [(skip.record, skip.reason, skip.what) for skip in result.skipped] == [(8, "not shipped", "record")]
    assert [(fail.record, fail.code, fail.field) for fail in result.failed] == [
        (1, "TO2102", "when qty"),
        (2, "TO2103", "lines.location"),
        (3, "TO2102", "effective_at"),
        (4, "TO2101", "lines.item"),
        (5, "TO2108", "key"),
        (6, "TO2102", "lines.unit_price"),
        (7, "TO2106", "currency"),
        (9, "TO2105", "events"),
    ]
    assert [fail.amount for fail in result.failed if fail.record in (2, 3, 4)] == [3000, 3000, 3000]
    assert "'XX' is not in the table warehouses" in result.failed[1].reason


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(range(6)), max_size=12))
def test_a_page_is_the_sum_of_its_records(kinds: list[int]) -> None:
    """The column path, with and without refusals, gives what each record alone gives."""
    variants: list[dict[str, Any]] = [{}, {"qty": "x"}, {"status": "draft"}, {"qty": "-1", "return_code": "D7"}]
    variants += [{"sku": "POST"}, {"price": "2.345", "lot": "L1", "channel": ""}]
    page = [shipped(line_no=str(n), **variants[kind]) for n, kind in enumerate(kinds)]
    whole = EXAMPLE.run(page, CONTEXT)
    alone = [EXAMPLE.run([record], CONTEXT) for record in page]
    assert whole.lines == [line for one in alone for line in one.lines]
    assert [fail.reason for fail in whole.failed] == [fail.reason for one in alone for fail in one.failed]
    assert sorted(skip.reason for skip in whole.skipped) == sorted(skip.reason for one in alone for skip in one.skipped)
    accounted = {*whole.records, *(fail.record for fail in whole.failed), *(skip.record for skip in whole.skipped)}
    assert accounted == set(range(len(page)))


def test_the_identity_of_an_event_is_that_of_its_record() -> None:
    line = EXAMPLE.run([shipped()], CONTEXT).lines[0]
    expected = event_key(
        company="acme",
        connection="c-1",
        stream="shipments",
        transaction="SO-1/1",
        line="",
        event_type="order.fulfilled",
    )
    assert line.event_id == expected
    again = EXAMPLE.run([shipped(price="11.00")], CONTEXT).lines[0]
    assert again.event_id == line.event_id
    assert content_key(again) != content_key(line)
    assert content_key(EXAMPLE.run([shipped()], CONTEXT).lines[0]) == content_key(line)


def test_keys_the_caller_has_read_give_the_same_identities() -> None:
    page = [shipped(), shipped(line_no="2"), shipped(line_no="3")]
    known = EXAMPLE.run(page, CONTEXT, keys=[("SO-1/1", ""), ("", ""), ("SO-1/3", "")])
    first, _, third = EXAMPLE.run(page, CONTEXT).lines
    assert known.lines == [first, third]
    assert known.records == [0, 2]
    assert [(fail.record, fail.code) for fail in known.failed] == [(1, "TO2108")]


def test_a_line_key_is_part_of_the_identity() -> None:
    by_line = MapContext(
        company="acme", connection="c-1", stream="shipments", currency="USD", key=("order_no",), line_key="line_no"
    )
    first, second = EXAMPLE.run([shipped(), shipped(line_no="2")], by_line).lines
    assert first.event_id == event_key(
        company="acme",
        connection="c-1",
        stream="shipments",
        transaction="SO-1",
        line="1",
        event_type="order.fulfilled",
    )
    assert second.event_id != first.event_id


def test_a_return_names_the_shipment_it_undoes() -> None:
    page = [shipped(), shipped(line_no="2", qty="-1", return_code="D7", orig_line="1")]
    fulfilled, returned = EXAMPLE.run(page, CONTEXT).lines
    assert returned.ref == f"e:{fulfilled.event_id}#"
    assert (returned.quantity, returned.reason, (returned.extra or {})["disposition"]) == (
        1_000_000,
        "damaged",
        "scrap",
    )


def test_keys_with_the_joining_sign_stay_apart() -> None:
    page = [shipped(order_no="A/B", line_no="C"), shipped(order_no="A", line_no="B/C")]
    first, second = EXAMPLE.run(page, CONTEXT).lines
    assert first.event_id != second.event_id


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ({"price": "0.335", "qty": 1}, 34),
        ({"price": "0.345", "qty": 1}, 34),
        ({"price": "19.99", "qty": "2.5"}, 4998),
        ({"price": Decimal("0.0000000005"), "qty": 10**9}, 50),
        ({"amount": "12.30", "price": "1", "qty": 7}, 1230),
        ({"price": "-1.50", "qty": 2}, -300),
        ({"qty": 2}, None),
        ({"price": "0", "qty": 2}, 0),
    ],
)
def test_amounts_are_exact_products_rounded_once(amounts: dict[str, Any], expected: int | None) -> None:
    result = mapping(ONE_LINE).run([{"id": "1", "at": "2026-03-02", "sku": "A", **amounts}], BY_ID)
    assert result.failed == []
    assert result.lines[0].amount == expected


@pytest.mark.parametrize(
    "bad",
    [
        {"qty": "1_000"},
        {"qty": "1e3"},
        {"qty": "٣"},
        {"qty": 1.5},
        {"qty": True},
        {"qty": "0.0000001"},
        {"qty": "NaN"},
        {"qty": [1]},
        {"qty": Decimal("1E+999999")},
        {"qty": "1" * 40},
        {"price": 9.99},
        {"price": "9,99"},
        {"price": "99999999999999999999"},
        {"sku": "x" * 256},
        {"sku": "a\x00b"},
        {"sku": "\ud800"},
        {"sku": {"code": "A"}},
        {"id": ["1"]},
        {"id": None},
        {"id": 1.5},
    ],
    ids=str,
)
def test_nothing_inexact_or_malformed_passes(bad: dict[str, Any]) -> None:
    record = {"id": "1", "at": "2026-03-02", "sku": "A", "qty": "1", "price": "1", **bad}
    result = mapping(ONE_LINE).run([record, {**record, "id": "2", "sku": "A", "qty": "1", "price": "1"}], BY_ID)
    assert [fail.record for fail in result.failed] == [0]
    assert result.failed[0].code in {"TO2102", "TO2108"}
    assert [line.item for line in result.lines] == ["A"]


DOCUMENT = """
  - type: purchase.received
    fields: {effective_at: at}
    lines:
      each: lines
      id: no
      skip:
        - {when: {from: sku, eq: POST}, reason: postage}
      fields: {item: sku, quantity: qty, location: $parent.site, unit_price: price}
  - type: landed_cost.billed
    when: {from: freight, gt: 0}
    fields: {effective_at: at, amount: freight, ref.document: id}
"""


def line(number: int, **changes: Any) -> dict[str, Any]:
    return {"no": str(number), "sku": "A", "qty": 1, "price": "0.334", **changes}


def receipt(**changes: Any) -> dict[str, Any]:
    return {
        "id": "R1",
        "at": "2026-03-02",
        "site": "MAIN",
        "freight": None,
        "lines": [line(1), line(2), line(3)],
        **changes,
    }


def test_a_documents_total_is_rounded_once_and_spread() -> None:
    lines = mapping(DOCUMENT).run([receipt()], BY_ID).lines
    assert [made.amount for made in lines] == [34, 33, 33]  # 1.002 is 1.00, not three times 0.33
    assert [(made.line_id, made.head, made.location) for made in lines] == [
        ("1", True, "MAIN"),
        ("2", False, "MAIN"),
        ("3", False, "MAIN"),
    ]


def test_lines_left_out_are_counted_and_a_document_of_them_only_is_skipped() -> None:
    page = [receipt(lines=[line(1), line(2, sku="POST")]), receipt(id="R2", lines=[line(1, sku="POST")])]
    result = mapping(DOCUMENT).run(page, BY_ID)
    assert result.records == [0]
    assert [(skip.record, skip.what) for skip in result.skipped] == [(0, "line"), (1, "line")]
    assert result.failed == []


def test_one_record_gives_several_events_in_record_order() -> None:
    result = mapping(DOCUMENT).run([receipt(freight="5.00"), receipt(id="R2", freight="7.00", lines=[line(1)])], BY_ID)
    assert [made.type for made in result.lines] == ["purchase.received"] * 3 + ["landed_cost.billed"] + [
        "purchase.received",
        "landed_cost.billed",
    ]
    assert result.records == [0, 0, 0, 0, 1, 1]
    assert (result.lines[3].extra, result.lines[3].ref) == ({"head_amount": "5.00"}, "d:R1#")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([line(1), line(1)], "TO2107"),
        ({"no": "1"}, "TO2109"),
        ("text", "TO2109"),
        ([line(1)] * (FAN_OUT_ELEMENTS_MAX + 1), "TO2104"),
        ([], "TO2105"),
        (None, "TO2105"),
        ([None], "TO2101"),
        ([line(1, no=None)], "TO2101"),
    ],
)
def test_a_document_that_is_wrong_is_refused_whole(lines: Any, code: str) -> None:
    result = mapping(DOCUMENT).run([receipt(lines=lines), receipt(id="R2")], BY_ID)
    assert [(fail.record, fail.code) for fail in result.failed] == [(0, code)]
    assert result.records == [1, 1, 1]


PARCELS = """
  - type: order.fulfilled
    each: parcels
    id: no
    fields: {effective_at: at, document: $parent.id}
    lines:
      each: items
      id: $index
      fields: {item: "@", quantity: {const: 1}, location: $parent.$parent.site}
"""


def test_one_event_for_each_element_with_its_own_identity() -> None:
    parcels = [{"no": "P1", "at": "2026-03-02", "items": ["A", "B"]}, {"no": "P2", "at": "2026-03-03", "items": ["C"]}]
    result = mapping(PARCELS).run([{"id": "O1", "site": "MAIN", "parcels": parcels}], BY_ID)
    assert [(made.item, made.line_id, made.document, made.location) for made in result.lines] == [
        ("A", "1", "O1", "MAIN"),
        ("B", "2", "O1", "MAIN"),
        ("C", "1", "O1", "MAIN"),
    ]
    assert len({made.event_id for made in result.lines}) == 2
    twice = mapping(PARCELS).run([{"id": "O1", "site": "MAIN", "parcels": [parcels[0], parcels[0]]}], BY_ID)
    assert [fail.code for fail in twice.failed] == ["TO2107"]


KIT = """
  - type: kit.assembled
    fields: {effective_at: at}
    lines:
      - id: {const: out}
        fields: {item: kit, quantity: qty, location: {const: MAIN}, part: {const: output}}
      - each: parts
        id: {from: sku, convert: {prefix: "p-"}}
        fields: {item: sku, quantity: n, location: {const: MAIN}, part: {const: component}}
"""


def test_fixed_lines_and_lines_of_an_array_make_one_event() -> None:
    parts = [{"sku": "A", "n": 2}, {"sku": "B", "n": 1}]
    page = [{"id": n, "at": "2026-03-02", "kit": "K", "qty": 1, "parts": parts} for n in (1, 2)]
    lines = mapping(KIT).run(page, BY_ID).lines
    assert [(made.line_id, made.item, made.head, (made.extra or {})["part"]) for made in lines] == [
        ("out", "K", True, "output"),
        ("p-A", "A", False, "component"),
        ("p-B", "B", False, "component"),
    ] * 2


@pytest.mark.parametrize(
    ("condition", "matching"),
    [
        ("{from: x, eq: 5}", ["5", "5.00", 5]),
        ("{from: x, eq: '5'}", ["5", 5]),
        ("{from: x, ne: '5'}", ["5.00", "a", "", True]),
        ("{from: x, in: ['5', a]}", ["5", "a", 5]),
        ("{from: x, in: [5, a]}", ["5", "5.00", "a", 5]),
        ("{from: x, exists: true}", ["5", "5.00", "a", 5, True]),
        ("{from: x, exists: false}", [""]),
        ("{from: x, eq: true}", [True]),
        ("{not: {from: x, exists: true}}", [""]),
        ("{all: [{from: x, exists: true}, {from: x, ne: a}, {from: x, ne: true}, {from: x, gt: 4}]}", ["5", "5.00", 5]),
        ("{any: [{from: x, eq: a}, {from: x, exists: false}]}", ["a", ""]),
        ("{from: x, ge: '5', le: '5.0'}", ["5", 5]),
        ("{from: x, convert: {null_if: a}, exists: false}", ["a", ""]),
        ("{from: x, default: a, eq: a}", ["a", ""]),
    ],
)
def test_conditions(condition: str, matching: list[Any]) -> None:
    text = ONE_LINE.replace("    fields", f"    when: {condition}\n    fields", 1)
    values: list[Any] = ["5", "5.00", "a", "", 5, True]
    page = [{"id": n, "at": "2026-03-02", "sku": "A", "qty": 1, "x": value} for n, value in enumerate(values)]
    held = [repr(values[record]) for record in mapping(text).run(page, BY_ID).records]
    assert sorted(held) == sorted(map(repr, matching))


def test_a_comparison_with_a_number_refuses_what_is_none() -> None:
    text = ONE_LINE.replace("    fields", "    when: {from: x, gt: 4}\n    fields", 1)
    result = mapping(text).run([{"id": 1, "at": "2026-03-02", "sku": "A", "qty": 1, "x": "n/a"}], BY_ID)
    assert [(fail.code, fail.field) for fail in result.failed] == [("TO2102", "when x")]


def test_a_stated_rate_turns_foreign_amounts_into_the_companys_currency() -> None:
    text = ONE_LINE.replace("{effective_at: at}", "{effective_at: at, currency: cur, rate: rate}")
    record = {"id": 1, "at": "2026-03-02", "sku": "A", "qty": 3, "price": "9.99", "cur": "EUR", "rate": "1.0837"}
    made = mapping(text).run([record], BY_ID).lines[0]
    assert made.amount == 3248  # 29.97 × 1.0837 = 32.478489
    assert made.extra == {"unit_price": "9.99", "currency": "EUR", "rate": "1.0837", "foreign": "29.97"}


def test_recorded_at_is_handed_on() -> None:
    text = ONE_LINE.replace("{effective_at: at}", "{effective_at: at, recorded_at: known}")
    records = [
        {"id": 1, "at": "2026-03-02", "sku": "A", "qty": 3, "known": "2026-03-05T00:00:00Z"},
        {"id": 2, "at": "2026-03-02", "sku": "A", "qty": 3},
    ]
    result = mapping(text).run(records, BY_ID)
    assert result.recorded == [1_772_668_800_000_000, None]


def test_an_empty_page_is_an_empty_result() -> None:
    result = EXAMPLE.run([], CONTEXT)
    assert (result.lines, result.failed, result.skipped, result.records) == ([], [], [], [])
