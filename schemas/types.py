"""The scalar types of the contract: instants, amounts, identifiers.

Inside the program an instant is an `int` of milliseconds since 1970-01-01T00:00Z and an amount an `int` of fen
(1/100 CNY): exact, small, fast to compare. RFC 3339 texts and decimal strings exist at the edges only (contract §1, §4).
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_RFC3339_NO_OFFSET = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?", re.ASCII)
_AMOUNT = re.compile(r"(\d{1,10})(?:\.(\d{1,2}))?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000
# a zero time or a far-away sentinel is a producer's mistake, and beyond ClickHouse's DateTime64
_EVENTS_FIRST = (datetime(2000, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_EVENTS_END = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
# a window begins before its events, a call is due after its review: what follows from events has a year more on both sides
_FIRST = _EVENTS_FIRST - 365 * DAY_MS
_END = _EVENTS_END + 365 * DAY_MS
_YEARS = "must lie in the years 2000 to 2199"


def _of_an_event(ms: int) -> int:
    if not _EVENTS_FIRST <= ms < _EVENTS_END:
        raise ValueError(f"{_YEARS}, got {format_time(ms)!r}")
    return ms


def parse_time(value: object) -> int:
    """RFC 3339 text with an offset -> milliseconds since the epoch; finer digits are cut (contract §1).

    Raises ValueError naming what is wrong: not a text, not RFC 3339, no offset, or not in the years 2000 to 2199 (a year
    more on both sides for what follows from events).
    """
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 text with an offset")
    if not _RFC3339.fullmatch(value):
        if _RFC3339_NO_OFFSET.fullmatch(value):
            raise ValueError(f"has no offset (write +08:00 or Z), got {value!r}")
        raise ValueError(f"is not RFC 3339, got {value[:40]!r}")
    try:
        since = datetime.fromisoformat(value.upper()) - _EPOCH
    except (ValueError, OverflowError):
        raise ValueError(f"is not a real date and time, got {value!r}") from None
    ms = since.days * DAY_MS + since.seconds * 1000 + since.microseconds // 1000
    if not _FIRST <= ms < _END:
        raise ValueError(f"{_YEARS}, got {value!r}")
    return ms


_minutes: dict[str, int] = {}
_seconds: dict[str, int] = {}
_thousandths: dict[str, int] = {}
_MOST_MINUTES = 100_000


def parse_event_time(value: str) -> int:
    """`parse_time` within an event's bounds, for what nearly all say: `2025-11-11T09:00:03.120+08:00`.

    Minutes come again and again, and seconds even more: neither has to be read twice.
    """
    minute, second, thousandth = value[:17] + value[23:], value[17:20], value[20:23]
    try:
        return _minutes[minute] + _seconds[second] + _thousandths[thousandth]
    except KeyError:
        pass
    ms = _of_an_event(parse_time(value))
    if (
        len(value) == 29 and value[19] == "." and value[23] in "+-" and value[11:13] != "24"
    ):  # 24:00 has one second alone
        if len(_minutes) >= _MOST_MINUTES:
            _minutes.clear()
        _thousandths[thousandth] = ms % 1000
        _seconds[second] = ms % 60_000 - ms % 1000
        _minutes[minute] = ms - ms % 60_000
    return ms


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name, kept."""
    return ZoneInfo(name)


def format_time(ms: int, zone_name: str = "UTC") -> str:
    """Milliseconds since the epoch -> RFC 3339 with the zone's offset; milliseconds are written when they are not zero."""
    head, tail = _minute_text(ms // 60_000, zone_name)
    return f"{head}{_SECONDS[ms // 1000 % 60]}{_THOUSANDTHS[ms % 1000]}{tail}"


_SECONDS = [f"{second:02d}" for second in range(60)]
_THOUSANDTHS = [""] + [f".{thousandth:03d}" for thousandth in range(1, 1000)]


@lru_cache(maxsize=65_536)  # minutes come again and again
def _minute_text(minute: int, zone_name: str) -> tuple[str, str]:
    """What stands before and after the seconds."""
    local = (_EPOCH + timedelta(minutes=minute)).astimezone(zone(zone_name)).isoformat(timespec="seconds")
    return local[:17], local[19:]


def parse_amount(value: object) -> int:
    """Decimal string in CNY ("199.00") -> fen. Raises ValueError on a number, a negative, or more than two decimals."""
    if not isinstance(value, str):
        raise ValueError('must be a decimal string such as "199.00"')
    match = _AMOUNT.fullmatch(value)
    if match is None:
        if value.startswith("-") and _AMOUNT.fullmatch(value[1:]):
            raise ValueError(f"must not be negative, got {value!r}")
        raise ValueError(f"must be a decimal string with at most two decimals, got {value[:40]!r}")
    yuan, cents = match.groups()
    return int(yuan) * 100 + (int(cents.ljust(2, "0")) if cents else 0)


def format_amount(fen: int) -> str:
    """Fen -> decimal string in CNY with two decimals: 19900 -> "199.00"."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


TimeMs = Annotated[
    int,
    BeforeValidator(parse_time),
    PlainSerializer(format_time, return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "description": "RFC 3339 with an offset, to the millisecond"}
    ),
]
EventTimeMs = Annotated[TimeMs, AfterValidator(_of_an_event)]
"""an event's own `time`; what follows from it may lie some days further"""
Fen = Annotated[
    int,
    BeforeValidator(parse_amount),
    PlainSerializer(format_amount, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,10}(\.\d{1,2})?$", "description": "CNY, decimal string"}),
]
Id = Annotated[str, Field(min_length=1, max_length=256)]
