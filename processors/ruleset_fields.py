"""The fields of a ruleset file one by one: what a text or number must look like to be a time of day, a zone, an amount. Pure."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000


def _time_of_day(value: object) -> int:
    if isinstance(value, str) and (clock := re.fullmatch(r"([01]\d|2[0-4]):([0-5]\d)", value)):
        ms = (int(clock[1]) * 60 + int(clock[2])) * MINUTE_MS
        if ms <= DAY_MS:
            return ms
    raise ValueError('must be a time of day like "08:30"')


def _interval(value: object) -> object:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError('must be [start, end], like ["08:00", "23:00"]')
    return tuple(value)


def instant(value: object) -> datetime:
    """An aware datetime out of RFC 3339 text with an offset; raises ValueError for anything else."""
    # datetime.fromisoformat alone takes more than RFC 3339, dates and times without an offset among it
    if isinstance(value, str) and re.fullmatch(
        r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", value
    ):
        try:
            return datetime.fromisoformat(value.upper())
        except ValueError:
            pass
    raise ValueError("must be an RFC 3339 time with an offset, like 2026-11-11T00:00:00+08:00")


def zone(value: object) -> str:
    try:
        return ZoneInfo(str(value)).key
    except (OSError, ValueError, LookupError):
        raise ValueError("must be an IANA time zone, like Asia/Shanghai") from None


def _label_part(value: object) -> object:
    if isinstance(value, float):
        raise ValueError("must be text: put it in quotes")  # 1.10 has already become 1.1
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _amount(value: object) -> object:
    if isinstance(value, float):
        raise ValueError("must be a decimal amount in quotes")
    return value


PositiveInt = Annotated[int, Field(strict=True, gt=0)]
Stars = Annotated[int, Field(strict=True, ge=1, le=5)]
Ratio = Annotated[float, Field(strict=True, ge=0, le=1)]
Amount = Annotated[Decimal, Field(gt=0, max_digits=14, decimal_places=2), BeforeValidator(_amount)]
Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
LabelPart = Annotated[str, StringConstraints(pattern=r"^[^\s@]+$"), BeforeValidator(_label_part)]
TimeOfDay = Annotated[int, BeforeValidator(_time_of_day), WithJsonSchema({"type": "string", "pattern": r"^\d\d:\d\d$"})]
Interval = Annotated[tuple[TimeOfDay, TimeOfDay], BeforeValidator(_interval)]
