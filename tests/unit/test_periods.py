"""Periods of a scorecard: days, ISO weeks and months of a shop's zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.periods import EARLIEST, LATEST, local_day, midnight, period_of

ZONES = ("Asia/Shanghai", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "Atlantic/Azores")
DAYS = st.dates(date(2001, 1, 1), date(2090, 12, 31))


@given(st.sampled_from(["day", "week", "month"]), DAYS, st.sampled_from(ZONES))
def test_a_period_holds_its_day_and_meets_its_neighbours(kind: str, day: date, zone: str) -> None:
    period = period_of(kind, day, zone)  # type: ignore[arg-type]
    assert period.first <= day <= period.last
    assert period_of(kind, period.first, zone) == period_of(kind, period.last, zone) == period  # type: ignore[arg-type]
    after = period_of(kind, period.last + timedelta(days=1), zone)  # type: ignore[arg-type]
    assert (after.from_ms, after.first) == (period.to_ms, period.last + timedelta(days=1))


@given(DAYS, st.sampled_from(ZONES))
def test_a_midnight_is_the_first_moment_of_its_day(day: date, zone: str) -> None:
    start = midnight(day, zone)
    wall = datetime.fromtimestamp(start / 1000, UTC).astimezone(ZoneInfo(zone)).date()
    before = datetime.fromtimestamp((start - 1) / 1000, UTC).astimezone(ZoneInfo(zone)).date()
    assert before < day <= wall
    assert local_day(start, zone) == wall
    assert wall == day or (zone, day) == ("Pacific/Apia", date(2011, 12, 30))  # the day that Samoa left out


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    week = period_of("week", date(2026, 11, 15), "Asia/Shanghai")
    assert (week.first, week.last) == (date(2026, 11, 9), date(2026, 11, 15))
    month = period_of("month", date(2028, 2, 10), "Asia/Shanghai")
    assert (month.first, month.last) == (date(2028, 2, 1), date(2028, 2, 29))
    assert period_of("month", date(2026, 12, 31), "Asia/Shanghai").last == date(2026, 12, 31)


def test_a_month_in_which_the_clocks_go_back_is_an_hour_longer() -> None:
    month = period_of("month", date(2026, 11, 2), "America/New_York")
    assert month.to_ms - month.from_ms == (30 * 24 + 1) * 3_600_000


@pytest.mark.parametrize("day", [EARLIEST - timedelta(days=1), LATEST + timedelta(days=1), date.min, date.max])
def test_a_day_out_of_reach_is_refused(day: date) -> None:
    with pytest.raises(ValueError, match="must be a day from 2000-01-01 to 2199-12-31"):
        period_of("month", day, "Asia/Shanghai")
    for edge in (EARLIEST, LATEST):
        assert period_of("week", edge, "Asia/Shanghai").first <= edge
