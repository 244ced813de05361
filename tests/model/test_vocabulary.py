"""Quantities, units, events, policies and periods refuse what they should, and say which field."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tieout.model.catalogue import EVENT_TYPES, REASONS
from tieout.model.event import Event, json_schema, lines_of, model_for, order_key
from tieout.model.period import Calendar, OpenDays
from tieout.model.policy import PolicyBook, PolicyVersion
from tieout.model.quantity import from_scaled, to_scaled
from tieout.model.roles import CONTROL_ROLES, ROLES
from tieout.model.units import factor, unit_code


@given(st.integers(-(2**62), 2**62))
def test_quantities_are_exact_to_six_places(scaled: int) -> None:
    assert to_scaled(from_scaled(scaled)) == scaled


def test_a_seventh_decimal_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 6 decimals"):
        to_scaled("0.1234567")


def test_units_are_known_by_code_and_name_and_never_guessed() -> None:
    assert unit_code("Each") == unit_code("pcs") == "C62"
    assert unit_code("cartton") is None
    assert factor("XCS", "C62", {"XCS": Fraction(12)}) == 12
    assert factor("LBR", "KGM", {}) == Fraction(45359237, 100000000)
    assert factor("XCS", "C62", {}) is None


def _receipt(**line: object) -> dict[str, object]:
    base = {"item": "A", "quantity": "3", "location": "MAIN", "unit_price": "3.3333"}
    return {"id": "r1", "type": "purchase.received", "effective_at": "2026-01-05", "lines": [{**base, **line}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantity": 1.5}, "float"),
        ({"quantity": None}, r"lines\[1\].quantity: missing"),
        ({"nrv": "3"}, r"lines\[1\].nrv: purchase.received does not carry this field"),
        ({"unit": "cartton"}, "neither a UN/CEFACT code"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_invalid_event_is_refused_with_the_field_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Event.model_validate(_receipt(**change))


def test_a_time_without_offset_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs its offset"):
        Event.model_validate({**_receipt(), "effective_at": "2026-01-05T10:00:00"})


def test_every_type_of_the_catalogue_has_a_model_and_a_schema() -> None:
    schemas = json_schema()
    assert set(schemas) == set(EVENT_TYPES)
    for name, schema in schemas.items():
        assert schema["properties"]["type"]["const"] == name
        assert set(EVENT_TYPES[name].needs) <= set(schema["required"])


def test_the_model_of_a_type_refuses_what_the_general_one_refuses() -> None:
    with pytest.raises(ValidationError):
        model_for("transfer.dispatched").model_validate(
            {"id": "t", "type": "transfer.dispatched", "effective_at": "2026-01-01"}
        )


def test_reasons_lead_to_roles_that_exist() -> None:
    assert {reason.role for reason in REASONS.values()} <= set(ROLES)
    assert set(CONTROL_ROLES) <= set(ROLES)


def test_events_of_one_day_are_ordered_by_phase_whatever_their_names() -> None:
    def line(event_type: str, **fields: object) -> tuple[object, ...]:
        event = {"id": event_type, "type": event_type, "effective_at": "2026-01-05", "lines": [fields]}
        return order_key(lines_of(Event.model_validate(event))[0])

    stock = {"item": "A", "quantity": "1", "location": "M"}
    receipt, shipment = line("purchase.received", **stock), line("order.fulfilled", **stock)
    bill, count = line("purchase.billed", quantity="1"), line("count.approved", **stock)
    assert receipt < shipment < bill < count


def test_policies_resolve_general_then_category_then_channel_by_date() -> None:
    book = PolicyBook(
        [
            PolicyVersion(values={"cost_method": "fifo"}),
            PolicyVersion(effective=date(2026, 2, 1), values={"cost_method": "weighted_average"}),
            PolicyVersion(category="toys", values={"cost_method": "standard"}),
        ]
    )
    assert book.at(date(2026, 1, 31)).cost_method == "fifo"
    assert book.at(date(2026, 2, 1)).cost_method == "weighted_average"
    assert book.at(date(2026, 2, 1), category="toys").cost_method == "standard"


def test_a_wrong_policy_value_is_refused_when_the_book_is_made() -> None:
    with pytest.raises(ValidationError, match="negative_stock"):
        PolicyBook.of(negative_stock="guess")


@given(
    st.dates(date(2000, 1, 1), date(2060, 12, 31)), st.sampled_from(["months", "4-4-5", "4-5-4"]), st.integers(1, 12)
)
def test_every_day_lies_in_exactly_one_period(day: date, kind: str, month: int) -> None:
    calendar = Calendar(kind=kind, year_start_month=month)
    period = calendar.period(day)
    assert period.start <= day <= period.end
    year = calendar.year(int(period.name[:4]))
    assert all(a.end.toordinal() + 1 == b.start.toordinal() for a, b in pairwise(year))


def test_the_first_open_day_follows_locks_and_closed_periods() -> None:
    calendar = Calendar()
    open_days = OpenDays(locked_through=date(2026, 1, 31), closed=[calendar.period(date(2026, 2, 10))])
    assert open_days.first_open(date(2026, 1, 15)) == date(2026, 3, 1)
    assert open_days.first_open(date(2026, 3, 5)) == date(2026, 3, 5)
    assert not open_days.is_open(date(2026, 2, 28))
