"""The checker finds every slip at once, offline, each at its place with the nearest right name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tieout.errors import MappingError
from tieout.mapping import check, compile_mapping, lookup_files, mapping_version

SOUND = """\
mapping: receipts
version: "1"
stream: receipts
record: one goods receipt
timezone: Europe/Berlin
lookups:
  sites:
    table: {A: MAIN, B: SOUTH}
skip:
  - when: {from: status, eq: open}
    reason: not received yet
events:
  - type: purchase.received
    fields:
      effective_at: posted
      document: number
      currency: currency
    lines:
      each: lines
      id: no
      fields:
        item: {from: sku, convert: [trim, upper]}
        quantity: qty
        location: {from: $parent.site, lookup: sites}
        unit_price: cost
tests:
  - name: a receipt
    record: {status: done, posted: 2026-03-02, number: R-1, site: A, currency: EUR,
             lines: [{no: "1", sku: a, qty: 2, cost: 3.50}]}
    context: {currency: EUR}
    events: [{type: purchase.received, lines: [{id: "1", item: A, quantity: 2, location: MAIN, amount: 7}]}]
"""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "status": {"type": "string"},
        "posted": {"type": "string"},
        "number": {"type": ["string", "null"]},
        "site": {"type": "string"},
        "currency": {"type": "string"},
        "flag": {"type": "boolean"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
    },
    "$defs": {
        "line": {
            "type": "object",
            "properties": {
                "no": {"type": "string"},
                "sku": {"type": "string"},
                "qty": {"type": "number"},
                "cost": {"anyOf": [{"type": "number"}, {"type": "null"}]},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
        }
    },
}


def test_a_sound_mapping_has_no_slip() -> None:
    assert check(SOUND, "receipts.yaml", SCHEMA) == []
    assert compile_mapping(SOUND, "receipts.yaml", SCHEMA).name == "receipts"


# what is written instead of what → code, line, words of the slip, nearest right name
SLIPS = [
    ("timezone: Europe/Berlin", "timezon: Europe/Berlin", "TO2003", 5, "timezon", "timezone"),
    ("timezone: Europe/Berlin", "timezone: Europe/Berlln", "TO2005", 5, "time zone", ""),
    ("timezone: Europe/Berlin", 'time_of_day: "25:00"', "TO2005", 5, "time of day", ""),
    ("timezone: Europe/Berlin", "nulls: none", "TO2005", 5, "nulls", ""),
    ("timezone: Europe/Berlin", "defaults: {wight: 3}", "TO2007", 5, "fills nothing", ""),
    ("mapping: receipts", "mapping: Receipts 1", "TO2005", 1, "lower case", ""),
    ('version: "1"', "version: 1.10", "TO2005", 2, "version", ""),
    ("stream: receipts\n", "", "TO2004", 1, "'stream'", ""),
    ("purchase.received\n", "purchase.recieved\n", "TO2006", 13, "purchase.recieved", "purchase.received"),
    ("      document: number", "      documnt: number", "TO2007", 16, "documnt", "document"),
    ("      document: number", "      tenders.cash: number", "TO2007", 16, "tenders.cash", ""),
    ("      document: number", "      item: number", "TO2007", 16, "belongs in `lines`", ""),
    ("      document: number", "      dimensions: number", "TO2007", 16, "dimensions.NAME", ""),
    ("      document: number", "      document: numbr", "TO2008", 16, "numbr", "number"),
    ("      document: number", "      document: $parent.number", "TO2009", 16, "levels", ""),
    ("      document: number", "      document: $index", "TO2009", 16, "each", ""),
    ("      document: number", "      document: flag", "TO2011", 16, "boolean", ""),
    ("      document: number", "      document: lines", "TO2011", 16, "array", ""),
    ("      document: number", "      ref.line: number", "TO2004", 16, "ref.line", ""),
    ("      document: number", "      document: {form: number}", "TO2003", 16, "'form'", "from"),
    ("      document: number", "      document: {const: number, from: number}", "TO2003", 16, "more than one", ""),
    ("      document: number", "      document: {convert: trim}", "TO2004", 16, "none of", ""),
    ("      document: number", "      document: {from: number, convert: trimm}", "TO2010", 16, "trimm", "trim"),
    ("      document: number", "      document: {from: number, convert: {trim: 1}}", "TO2010", 16, "no parameter", ""),
    ("      document: number", "      document: {from: number, required: yes}", "TO2005", 16, "true or false", ""),
    ("      document: number", "      document: {from: number, event: {type: x}}", "TO2003", 16, "more than one", ""),
    ("      currency: currency", "      currency: {const: EURO}", "TO2011", 17, "ISO 4217", ""),
    ("      effective_at: posted", "      effective_at: {from: posted, convert: {date: '%Q'}}", "TO2010", 15, "%Q", ""),
    (
        "      effective_at: posted",
        "      effective_at: {from: posted, convert: abs}",
        "TO2011",
        15,
        "number cannot",
        "",
    ),
    ("      effective_at: posted\n", "", "TO2004", 15, "'effective_at'", ""),
    ("      each: lines", "      each: linse", "TO2008", 19, "linse", "lines"),
    ("      id: no\n", "", "TO2004", 19, "'id'", ""),
    ("        item: {from: sku", "        item: {from: skuu", "TO2008", 22, "skuu", "sku"),
    ("        quantity: qty", "        quantity: {from: qty, convert: {date: '%Y'}}", "TO2011", 23, "date cannot", ""),
    ("        quantity: qty", "        quantity: {const: many}", "TO2011", 23, "quantity", ""),
    ("        quantity: qty", "        quantity: tags", "TO2011", 23, "array", ""),
    ("        quantity: qty\n", "", "TO2004", 22, "'quantity'", ""),
    ("lookup: sites", "lookup: site", "TO2015", 24, "'site'", "sites"),
    ("    table: {A: MAIN, B: SOUTH}", "    file: sites.csv", "TO2015", 8, "sites.csv", ""),
    ("    table: {A: MAIN, B: SOUTH}", "    table: {A: true}", "TO2011", 8, "location", ""),
    ("{from: status, eq: open}", "{from: status, equals: open}", "TO2003", 10, "equals", ""),
    ("{from: status, eq: open}", "{from: status}", "TO2004", 10, "none of", ""),
    ("{from: status, eq: open}", "{eq: open}", "TO2004", 10, "'from'", ""),
    ("{from: status, eq: open}", "{from: status, in: []}", "TO2005", 10, "list", ""),
    ("{from: status, eq: open}", "{from: status, gt: true}", "TO2005", 10, "number or a text", ""),
    ("{from: status, eq: open}", "{from: status, eq: null}", "TO2005", 10, "compare", ""),
    ("{from: status, eq: open}", "{from: status, exists: maybe}", "TO2005", 10, "true or false", ""),
    ("{from: status, eq: open}", "{from: status, matches: '(a+)+'}", "TO2014", 10, "too many ways", ""),
    ("{from: status, eq: open}", "{all: []}", "TO2005", 10, "list of conditions", ""),
    ("    reason: not received yet", "    because: not received yet", "TO2003", 11, "because", ""),
    ("{from: status, eq: open}", "!!python/object:os.system {}", "TO2002", 10, "tag", ""),
    ('version: "1"', "mapping: twice", "TO2002", 2, "twice", ""),
    ("amount: 7}", "amount: 8}", "TO2016", 27, "expected 8, got 7.00", ""),
    ("events: [{type", "skipped: not received\n    oops: [{type", "TO2003", 32, "oops", ""),
    ("context: {currency: EUR}", "context: {currency: EURO}", "TO2005", 30, "EURO", "EUR"),
]


@pytest.mark.parametrize("planted", SLIPS, ids=[slip[1].strip()[:60] for slip in SLIPS])
def test_a_planted_slip_is_found_at_its_place(planted: tuple[str, str, str, int, str, str]) -> None:
    right, wrong, code, line, words, near = planted
    assert SOUND.count(right) >= 1
    slips = check(SOUND.replace(right, wrong, 1), "receipts.yaml", SCHEMA)
    found = [slip for slip in slips if slip.code == code and slip.line == line]
    assert found, [str(slip) for slip in slips]
    assert any(words in str(slip) for slip in found), [str(slip) for slip in slips]
    if near:
        assert near in {slip.nearest for slip in found}
    assert str(found[0]).startswith(f"receipts.yaml:{line}:")
    assert found[0].column > 0


def test_all_slips_are_reported_at_once_in_file_order() -> None:
    text = SOUND
    planted = [SLIPS[0], SLIPS[9], SLIPS[16], SLIPS[32], SLIPS[37]]
    for right, wrong, *_ in (SLIPS[0], SLIPS[9], SLIPS[32], SLIPS[37]):
        text = text.replace(right, wrong, 1)
    slips = check(text, "receipts.yaml", SCHEMA)
    assert {slip.code for slip in slips} >= {"TO2003", "TO2007", "TO2008", "TO2015"}
    assert [slip.line for slip in slips] == sorted(slip.line for slip in slips)
    assert len(planted) == 5


def test_compiling_a_mapping_with_slips_raises_them_all() -> None:
    text = SOUND.replace("document: number", "documnt: number").replace("lookup: sites", "lookup: site")
    with pytest.raises(MappingError) as raised:
        compile_mapping(text, "receipts.yaml")
    assert raised.value.code == "TO2001"
    assert len(raised.value.slips) == 2
    assert raised.value.where == "receipts.yaml:16:7"


@pytest.mark.parametrize(
    ("cases", "line"),
    [
        ("[{const: a}, {when: {from: status, eq: x}, const: b}]", 16),
        ("[{when: {from: status, eq: x}, const: a}, {when: {from: status, eq: x}, const: b}]", 16),
    ],
)
def test_a_case_that_is_never_reached_is_a_slip(cases: str, line: int) -> None:
    slips = check(SOUND.replace("document: number", f"document: {{cases: {cases}}}"), "receipts.yaml")
    assert [(slip.code, slip.line) for slip in slips] == [("TO2012", line)]


def test_an_event_all_of_whose_records_are_skipped_is_a_slip() -> None:
    text = SOUND.replace(
        "  - type: purchase.received\n", "  - type: purchase.received\n    when: {from: status, eq: open}\n"
    )
    assert [slip.code for slip in check(text, "receipts.yaml", run=False)] == ["TO2012"]


def test_two_events_of_one_type_need_roles() -> None:
    event = SOUND[SOUND.index("  - type: purchase") : SOUND.index("tests:")]
    doubled = SOUND.replace("tests:", event + "tests:")
    assert [slip.code for slip in check(doubled, "receipts.yaml", run=False)] == ["TO2013"]
    told_apart = SOUND.replace(
        "tests:", event.replace("received\n    fields:", "received\n    role: second\n    fields:") + "tests:"
    )
    assert check(told_apart, "receipts.yaml", run=False) == []


def test_lookup_files_are_data_given_to_the_compiler() -> None:
    text = SOUND.replace("    table: {A: MAIN, B: SOUTH}", "    file: sites.csv\n    key: code\n    value: site")
    assert lookup_files(text) == ["sites.csv"]
    assert check(text, "receipts.yaml", files={"sites.csv": "code,site\nA,MAIN\n"}) == []
    as_json = text.replace("sites.csv\n    key: code\n    value: site", "sites.json")
    assert check(as_json, "receipts.yaml", files={"sites.json": '{"A": "MAIN"}'}) == []
    for broken in ("code,site\nA,MAIN\nA,SOUTH\n", "code,site\n", "code,place\nA,MAIN\n", "code,site\nA\n"):
        assert [slip.code for slip in check(text, "receipts.yaml", files={"sites.csv": broken})] == ["TO2015"]
    for broken in ("[]", "{", '{"A": {}}', '{"A": 1, "A": 2}', "{}"):
        assert [slip.code for slip in check(as_json, "receipts.yaml", files={"sites.json": broken})] == ["TO2015"]


def test_the_version_is_a_hash_of_the_file_and_its_tables() -> None:
    assert mapping_version(SOUND) == compile_mapping(SOUND, "a.yaml").version
    assert mapping_version(SOUND + "\n") != mapping_version(SOUND)
    assert mapping_version(SOUND, {"t": "1"}) != mapping_version(SOUND, {"t": "2"})


def test_plugins_add_converters() -> None:
    text = SOUND.replace("[trim, upper]", "[acme_sku]")
    assert [slip.code for slip in check(text, "receipts.yaml", run=False)] == ["TO2010"]
    assert check(text, "receipts.yaml", converters={"acme_sku": lambda value: str(value).upper()}) == []


def test_the_shipped_example_is_sound() -> None:
    path = Path(__file__).parent / "shipments.yaml"
    assert check(path.read_text(), path.name) == []
