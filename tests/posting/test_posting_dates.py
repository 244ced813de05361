"""Guarantee: no entry is dated inside a locked period, and the effective date is the company's own calendar date."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import Refused
from tieout.model.period import Calendar, OpenDays, Period
from tieout.posting.dates import CompanyDays, PostingDays

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ["America/St_Johns", "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu", "Europe/London", "UTC"]


@given(st.sampled_from(ZONES), st.integers(0, 60 * 365 * 86_400 * 1_000_000), st.integers(-7200, 7200))
def test_the_effective_date_is_the_zones_own(zone: str, at: int, near: int) -> None:
    days = CompanyDays(zone)
    for moment in (at, at + near * 1_000_000, at):
        expected = (EPOCH + timedelta(microseconds=moment)).astimezone(ZoneInfo(zone)).date()
        assert days.day_of(moment) == expected


def test_a_change_of_offset_just_after_midnight_is_seen() -> None:
    # Newfoundland went back at 00:01 until 2011: the minute after midnight belongs to the next day, then the day returns
    days = CompanyDays("America/St_Johns")
    zone = ZoneInfo("America/St_Johns")
    for second in range(0, 7200, 20):
        moment = datetime(2010, 11, 7, 2, 0, tzinfo=UTC) + timedelta(seconds=second)
        at = (moment - EPOCH) // timedelta(microseconds=1)
        assert days.day_of(at) == moment.astimezone(zone).date()


def test_a_day_ends_where_the_next_begins_even_when_midnight_is_skipped() -> None:
    days = CompanyDays("America/Sao_Paulo")
    for day in (date(2018, 11, 3), date(2018, 11, 4), date(2026, 3, 1)):
        end = days.end_of(day)
        assert days.day_of(end - 1) == day
        assert days.day_of(end) == day + timedelta(days=1)


def test_a_locked_day_moves_to_the_first_open_one_and_says_what_it_corrects() -> None:
    calendar = Calendar()
    closed = [Period("2026-02", date(2026, 2, 1), date(2026, 2, 28))]
    days = PostingDays(OpenDays(date(2026, 1, 31), closed), calendar)
    assert days.at(date(2026, 3, 5)) == (date(2026, 3, 5), "2026-03", "")
    assert days.at(date(2026, 1, 10)) == (date(2026, 3, 1), "2026-03", "2026-01")
    assert days.at(date(2026, 2, 10)) == (date(2026, 3, 1), "2026-03", "2026-02")


@pytest.mark.parametrize(("policy", "code"), [("hold", "TO5111"), ("reject", "TO5112")])
def test_policy_may_hold_or_reject_instead(policy: str, code: str) -> None:
    days = PostingDays(OpenDays(date(2026, 1, 31)), Calendar())
    with pytest.raises(Refused) as caught:
        days.at(date(2026, 1, 10), policy)
    assert caught.value.code == code
    assert "2026-01" in str(caught.value)
    assert days.at(date(2026, 2, 1), policy).day == date(2026, 2, 1)
