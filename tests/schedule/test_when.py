"""Planned instants: the same for everybody, right where clocks change, moved out of quiet hours and maintenance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.schedule import Schedule, Span, Timing, last_until, next_after, quiet_minutes, upcoming


def schedule(timing: Timing, away: tuple[Span, ...] = ()) -> Schedule:
    return Schedule("c/pull/shop/orders", "c", "pull", timing, away=away)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def firings(timing: Timing, start: str, end: str, away: tuple[Span, ...] = ()) -> list[str]:
    out, moment = [], at(start)
    while (moment := next_after(schedule(timing, away), moment)) <= at(end):
        out.append(moment.isoformat().replace("+00:00", "Z"))
    return out


def test_a_skipped_wall_time_fires_at_the_end_of_the_gap() -> None:
    timing = Timing("America/New_York", cron="30 2 * * *")  # 2026-03-08: 02:00 becomes 03:00
    found = firings(timing, "2026-03-07T00:00-05:00", "2026-03-10T00:00-04:00")
    assert found == ["2026-03-07T07:30:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]


def test_a_repeated_wall_time_fires_once() -> None:
    timing = Timing("America/New_York", cron="30 1 * * *")  # 2026-11-01: 02:00 becomes 01:00
    found = firings(timing, "2026-10-31T00:00-04:00", "2026-11-03T00:00-05:00")
    assert found == ["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "UTC"])
def test_a_daily_schedule_fires_once_on_every_day_of_a_year(zone: str) -> None:
    timing = Timing(zone, cron="15 2 * * *")
    found = firings(timing, "2026-01-01T12:00+00:00", "2027-01-01T11:00+00:00")
    assert len(found) == 365


def test_a_day_that_a_zone_skipped_fires_at_its_end() -> None:
    timing = Timing("Pacific/Apia", cron="0 9 * * *")  # there was no 2011-12-30
    found = firings(timing, "2011-12-29T00:00-10:00", "2012-01-01T00:00+14:00")
    assert found == ["2011-12-29T19:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T19:00:00Z"]


def test_leap_day_and_month_ends() -> None:
    timing = Timing("UTC", cron="0 0 29 2 *")
    assert firings(timing, "2023-01-01T00:00+00:00", "2029-01-01T00:00+00:00") == [
        "2024-02-29T00:00:00Z",
        "2028-02-29T00:00:00Z",
    ]


def test_an_interval_is_the_same_for_whoever_works_it_out() -> None:
    timing = Timing("UTC", every=timedelta(minutes=7))
    one = firings(timing, "2026-05-01T00:00+00:00", "2026-05-01T06:00+00:00")
    late = firings(timing, "2026-05-01T03:33+00:00", "2026-05-01T06:00+00:00")
    assert one[-len(late) :] == late


def test_quiet_hours_move_everything_in_them_to_their_end_once() -> None:
    timing = Timing("Europe/Berlin", every=timedelta(minutes=30), quiet=quiet_minutes(["22:00-06:00"]))
    found = firings(timing, "2026-06-01T21:00+02:00", "2026-06-02T07:00+02:00")
    assert found == [
        "2026-06-01T19:30:00Z",
        "2026-06-02T04:00:00Z",
        "2026-06-02T04:30:00Z",
        "2026-06-02T05:00:00Z",
    ]


def test_maintenance_is_waited_out_and_caught_up_with_once() -> None:
    away = (Span(at("2026-06-01T00:10+00:00"), at("2026-06-01T08:10+00:00")),)
    timing = Timing("UTC", every=timedelta(minutes=15))
    found = firings(timing, "2026-05-31T23:50+00:00", "2026-06-01T08:20+00:00", away)
    assert found == ["2026-06-01T00:00:00Z", "2026-06-01T08:10:00Z", "2026-06-01T08:15:00Z"]
    asked_inside = next_after(schedule(timing, away), at("2026-06-01T05:00+00:00"))
    assert asked_inside == at("2026-06-01T08:10+00:00")


def test_downtime_is_one_firing_that_stands_for_all() -> None:
    timing = Timing("UTC", every=timedelta(minutes=10))
    found = last_until(schedule(timing), at("2026-01-01T10:05+00:00"), at("2026-01-01T00:00+00:00"))
    assert found == (at("2026-01-01T10:00+00:00"), 60)
    assert last_until(schedule(timing), at("2026-01-01T10:05+00:00"), at("2026-01-01T10:00+00:00")) is None


def test_jitter_stays_below_its_bound_and_spreads() -> None:
    timing = Timing("UTC", every=timedelta(minutes=15), jitter=timedelta(minutes=5))
    moments = [datetime.fromisoformat(t) for t in firings(timing, "2026-01-01T00:00+00:00", "2026-01-03T00:00+00:00")]
    seconds = [(m.minute % 15) * 60 + m.second for m in moments]
    assert all(0 <= s <= 300 for s in seconds)
    assert len(set(seconds)) > 50
    assert moments == sorted(moments)


@given(
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(["America/New_York", "Europe/London", "Asia/Tokyo", "Australia/Lord_Howe"]),
    minutes=st.integers(1, 600),
)
def test_the_next_is_later_and_nothing_lies_between(start: datetime, zone: str, minutes: int) -> None:
    made = schedule(Timing(zone, every=timedelta(minutes=minutes), quiet=((60, 120),)))
    found = next_after(made, start)
    assert found > start
    middle = start + (found - start) / 2
    if middle > start and middle < found:
        assert next_after(made, middle) == found


def test_the_soonest_goes_first_and_deliveries_before_pulls() -> None:
    every = Timing("UTC", every=timedelta(minutes=15))
    pull = Schedule("c/pull/a/b", "c", "pull", every, priority=1)
    deliver = Schedule("c/deliver", "c", "deliver", every, priority=0)
    order = upcoming([pull, deliver], at("2026-01-01T00:01+00:00"))
    assert [s.name for _, s in order] == ["c/deliver", "c/pull/a/b"]
