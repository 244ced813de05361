"""Times: zones, dates without a time by phase, clock changes (`valuation-rules` §1)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.mapping.times import Clockwork, clock, micros, parse_when, zone

BERLIN = ZoneInfo("Europe/Berlin")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(text: str) -> int:
    return micros(datetime.fromisoformat(text) - EPOCH)


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (20, "2026-03-02T00:00:00+01:00"),
        (50, "2026-03-02T00:00:00+01:00"),
        (60, "2026-03-02T12:00:00+01:00"),
        (80, "2026-03-02T12:00:00+01:00"),
        (90, "2026-03-02T23:59:59.999999+01:00"),
        (95, "2026-03-02T23:59:59.999999+01:00"),
    ],
)
def test_a_date_takes_the_time_of_its_phase_in_the_company_zone(phase: int, expected: str) -> None:
    assert Clockwork(BERLIN, phase).instant("2026-03-02") == at(expected)
    assert Clockwork(BERLIN, phase).instant(date(2026, 3, 2)) == at(expected)


def test_a_mapping_may_state_another_time_of_day() -> None:
    assert Clockwork(BERLIN, 60, clock("17:30")).instant("2026-03-02") == at("2026-03-02T17:30:00+01:00")


def test_the_end_of_a_day_of_23_hours_is_its_last_microsecond() -> None:
    assert Clockwork(BERLIN, 95).instant("2026-03-29") == at("2026-03-29T23:59:59.999999+02:00")


def test_a_time_that_occurs_twice_is_the_first() -> None:
    assert Clockwork(BERLIN, 60).instant("2026-10-25 02:30") == at("2026-10-25T02:30:00+02:00")


def test_a_time_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="does not exist"):
        Clockwork(BERLIN, 60).instant("2026-03-29T02:30:00")
    assert Clockwork(BERLIN, 60).instant("2026-03-29T03:00:00") == at("2026-03-29T01:00:00+00:00")


def test_a_day_that_begins_in_a_gap_begins_at_its_first_instant() -> None:
    havana = ZoneInfo("America/Havana")  # 2026-03-08 goes from 00:00 to 01:00
    assert Clockwork(havana, 20).instant("2026-03-08") == at("2026-03-08T01:00:00-04:00")


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2035, 1, 1)),
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "Africa/Casablanca"]
    ),
)
def test_local_times_agree_with_the_zone_database(moment: datetime, name: str) -> None:
    where = zone(name)
    aware = moment.replace(tzinfo=where, fold=0)
    exists = aware.astimezone(UTC).astimezone(where).replace(tzinfo=None) == moment
    keeper = Clockwork(where, 60)
    if exists:
        assert keeper.instant(moment.isoformat()) == micros(aware.astimezone(UTC) - EPOCH)
    else:
        with pytest.raises(ValueError, match="does not exist"):
            keeper.instant(moment.isoformat())


def test_an_offset_or_z_stands() -> None:
    keeper = Clockwork(BERLIN, 60)
    assert keeper.instant("2026-03-02T10:00:00Z") == at("2026-03-02T10:00:00+00:00")
    assert keeper.instant("2026-03-02T10:00:00.25-0500") == at("2026-03-02T15:00:00.25+00:00")
    assert keeper.instant(datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=1)) == at("2026-03-02T01:00:00+00:00")


@pytest.mark.parametrize(
    "text",
    [
        "2026-3-2",
        "20260302",
        "2026-W10-1",
        "02/03/2026",
        "2026-02-30",
        "2026-03-02T25:00",
        "٢٠٢٦-٠٣-٠٢",
        "",
        "now",
        46083,
        True,
    ],
)
def test_no_other_form_is_guessed(text: object) -> None:
    with pytest.raises(ValueError):
        parse_when(text)
