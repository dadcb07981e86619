"""Periods of a scorecard: a day, an ISO week (Monday to Sunday) or a calendar month of the shop's time zone. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, NamedTuple

from processors.calendar import calendar

Kind = Literal["day", "week", "month"]
EARLIEST: Final = date(2000, 1, 1)
LATEST: Final = date(2199, 12, 31)
"""Days that a period can be asked for; ClickHouse's DateTime64 holds them and their neighbours."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


class Period(NamedTuple):
    """Whole local days, `first` to `last`: the instants from <= t < to in ms."""

    kind: Kind
    first: date
    last: date
    from_ms: int
    to_ms: int


def period_of(kind: Kind, on: date, zone_name: str) -> Period:
    """The period of that kind that holds the day `on`. Raises ValueError for a day before EARLIEST or after LATEST."""
    if not EARLIEST <= on <= LATEST:
        raise ValueError(f"must be a day from {EARLIEST} to {LATEST}")
    if kind == "day":
        first, after = on, on + timedelta(days=1)
    elif kind == "week":
        first = on - timedelta(days=on.weekday())
        after = first + timedelta(days=7)
    else:
        first = on.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
    return Period(kind, first, after - timedelta(days=1), midnight(first, zone_name), midnight(after, zone_name))


def midnight(day: date, zone_name: str) -> int:
    """The first moment of that local day in ms; of a day that a zone has left out, that of the day that follows."""
    days = calendar(zone_name)
    noon = (datetime.combine(day, time(12), UTC) - _EPOCH) // _MS
    # the offset a day off may be another one: half a day is more than any change of clocks, but for a day left out
    start = days.day_start(noon - days.offset(noon))
    return start if local_day(start, zone_name) >= day else days.day_end(start)


def local_day(ms: int, zone_name: str) -> date:
    """The local day that holds an instant."""
    return (_EPOCH + (ms + calendar(zone_name).offset(ms)) * _MS).date()
