"""A mapping yields, for the same facts, exactly the lines that `model.event.lines_of` makes of the event."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.mapping import MapContext, compile_mapping, event_key
from tieout.mapping.fields import EVENT_FIELDS, LINE_FIELDS, MAP_FIELDS, WORDS
from tieout.model.event import Event, Line, lines_of

CONTEXT = MapContext(company="acme", connection="c-1", stream="docs", currency="USD", key=("id",))
SAME_NAMES = {
    name: name for name in ("quantity", "location", "unit", "lot", "reason", "unit_price", "amount", "condition")
}

RECEIPT = """
mapping: docs
version: "1"
stream: docs
record: one document
events:
  - type: {type}
    fields:
      effective_at: at
      sequence: sequence
      document: document
      party: party
      reason: reason
      memo: memo
      currency: currency
      rate: rate
      amount: total
      amounts.tax: tax
      amounts.freight: freight
      dimensions.site: site
      ref.document: order
    lines:
      each: lines
      id: id
      fields:
        item: item
        quantity: quantity
        location: location
        unit: unit
        lot: lot
        owner: owner
        condition: condition
        reason: reason
        unit_price: unit_price
        amount: amount
        dimensions.project: project
        ref.event: event
        ref.line: event_line
"""
TYPES = ("purchase.received", "purchase.billed", "order.fulfilled", "order.invoiced", "purchase.returned")
MAPPINGS = {name: compile_mapping(RECEIPT.replace("{type}", name), "docs.yaml") for name in TYPES}

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
maybe = st.none() | texts
prices = st.decimals(0, 100_000, places=4, allow_nan=False).map("{:f}".format) | st.decimals(-50, 50, places=2).map(
    "{:f}".format
)
long_prices = st.decimals(0, 100, places=9, allow_nan=False).map("{:f}".format)
lines = st.fixed_dictionaries(
    {
        "item": texts,
        "quantity": st.decimals(0, 10_000, places=3).map("{:f}".format)
        | st.integers(1, 500)
        | st.integers(1, 99).map(str),
        "location": texts,
        "unit": st.sampled_from([None, "EA", "kg", "C62"]),
        "lot": maybe,
        "owner": maybe,
        "condition": maybe,
        "reason": maybe,
        "unit_price": st.none() | prices | long_prices,
        "amount": st.none() | prices,
        "project": maybe,
        "event": maybe,
        "event_line": maybe,
    }
)
documents = st.fixed_dictionaries(
    {
        "type": st.sampled_from(TYPES),
        "id": texts,
        "at": st.datetimes().map(lambda moment: moment.replace(year=2026).isoformat() + "+02:00"),
        "sequence": st.none() | st.integers(0, 99),
        "document": maybe,
        "party": maybe,
        "reason": maybe,
        "memo": maybe,
        "currency": st.sampled_from([None, "USD", "EUR"]),
        "rate": st.decimals("0.1", 5, places=6).map("{:f}".format),
        "total": st.none() | prices,
        "tax": st.none() | prices,
        "freight": st.none() | prices,
        "site": maybe,
        "order": maybe,
        "lines": st.lists(lines, min_size=1, max_size=5),
    }
)


def numbered(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "lines": [{**line, "id": str(n)} for n, line in enumerate(record["lines"], 10)]}


def as_event(record: dict[str, Any], event_type: str) -> Event:
    """The same facts written as an event by hand."""
    given_lines = [
        Line(
            id=line["id"],
            item=line["item"],
            owner=line["owner"],
            dimensions={"project": line["project"]} if line["project"] else None,
            ref={"event": line["event"], "line": line["event_line"]} if line["event"] else None,
            **{name: line[key] for name, key in SAME_NAMES.items()},
        )
        for line in record["lines"]
    ]
    amounts = {name: record[name] for name in ("tax", "freight") if record[name]}
    return Event(
        id=event_key(
            company="acme",
            connection="c-1",
            stream="docs",
            transaction=record["id"],
            line="",
            event_type=event_type,
        ),
        type=event_type,
        effective_at=record["at"],
        source={"connection": "c-1", "stream": "docs", "transaction": record["id"]},
        sequence=record["sequence"] or 0,
        currency=record["currency"],
        rate=record["rate"],
        amount=record["total"],
        amounts=amounts or None,
        dimensions={"site": record["site"]} if record["site"] else None,
        ref={"document": record["order"]} if record["order"] else None,
        lines=tuple(given_lines),
        **{name: record[name] for name in ("document", "party", "reason", "memo")},
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(documents.map(numbered), min_size=1, max_size=3))
def test_a_mapping_yields_what_the_model_yields(records: list[dict[str, Any]]) -> None:
    for event_type in {record["type"] for record in records}:
        page = [record for record in records if record["type"] == event_type]
        result = MAPPINGS[event_type].run(page, CONTEXT)
        assert result.failed == []
        expected = [line for record in page for line in lines_of(as_event(record, event_type))]
        assert result.lines == expected


def test_the_field_table_is_that_of_the_models() -> None:
    own = {"id", "type", "company", "revision", "void", "source", "lines", "ref"}
    assert set(EVENT_FIELDS) | set(MAP_FIELDS) == set(Event.model_fields) - own
    assert set(LINE_FIELDS) == set(Line.model_fields) - {"id", "ref", "dimensions"}


def test_the_words_of_fields_are_those_of_the_models() -> None:
    for name, words in WORDS.items():
        model = Event if name in Event.model_fields else Line
        assert words == model.model_fields[name].annotation.__args__[0].__args__  # type: ignore[union-attr]
