"""Local days and calling hours where clocks change, against a walk through every quarter of an hour by zoneinfo."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from processors.calendar import calendar
from processors.reviews import earliest_within
from processors.ruleset import within
from schemas.types import format_time, parse_time

MINUTE_MS = 60_000
QUARTER_MS = 15 * MINUTE_MS
CHANGES = [
    ("America/New_York", "2026-03-08"),  # forward at 02:00
    ("America/New_York", "2026-11-01"),  # back at 02:00
    ("Atlantic/Azores", "2026-10-25"),  # back at 01:00: midnight comes twice
    ("America/Havana", "2026-11-01"),  # the same
    ("Africa/Cairo", "2026-04-24"),  # forward at 00:00: the day begins at 01:00
    ("Asia/Beirut", "2026-10-25"),  # back at 00:00: 23:00 comes twice
    ("America/Santiago", "2026-04-05"),  # the same
    ("Australia/Lord_Howe", "2026-04-05"),  # back by half an hour
    ("Antarctica/Troll", "2026-10-25"),  # back by two hours
    ("Pacific/Apia", "2011-12-30"),  # a day left out
    ("Asia/Shanghai", "2026-11-11"),
]


def quarters(day: str) -> range:
    """Those of four days around `day`."""
    noon = parse_time(f"{day}T12:00:00Z")
    return range(noon - 48 * 4 * QUARTER_MS, noon + 48 * 4 * QUARTER_MS, QUARTER_MS)


def local(ms: int, zone: ZoneInfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(zone)


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_a_local_date_is_one_day_from_its_first_moment_to_the_next_ones(zone: str, day: str) -> None:
    first: dict[str, int] = {}
    moments = quarters(day)
    for ms in moments:
        first.setdefault(local(ms, ZoneInfo(zone)).date().isoformat(), ms)
    dates = sorted(first)
    days = calendar(zone)
    for ms in moments:
        date = local(ms, ZoneInfo(zone)).date().isoformat()
        if date in dates[1:-1]:  # of the outermost only a part is looked at
            assert format_time(days.day_start(ms), zone) == format_time(first[date], zone)
            assert format_time(days.day_end(ms), zone) == format_time(first[dates[dates.index(date) + 1]], zone)


CALLING_HOURS = [
    [("10:00", "12:00"), ("14:00", "20:00")],
    [("00:00", "00:01"), ("23:58", "24:00")],
    [("02:20", "03:10")],
    [("01:10", "01:20"), ("01:40", "02:00")],
]


@pytest.mark.parametrize("texts", CALLING_HOURS)
@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_a_call_is_due_at_the_first_minute_whose_clock_shows_calling_hours(
    zone: str, day: str, texts: list[tuple[str, str]]
) -> None:
    hours = [tuple(int(t[:2]) * 3_600_000 + int(t[3:]) * MINUTE_MS for t in interval) for interval in texts]
    clock = ZoneInfo(zone)
    moments = quarters(day)
    expected = None
    for ms in reversed(range(moments[0], moments[-1], MINUTE_MS)):
        now = local(ms, clock)
        if any(within((start, end), (now.hour * 60 + now.minute) * MINUTE_MS) for start, end in hours):
            expected = ms
        if expected is not None and now.minute % 7 == 0:
            found = earliest_within(ms, [(start, end) for start, end in hours], calendar(zone))
            assert format_time(found, zone) == format_time(expected, zone), format_time(ms, zone)
