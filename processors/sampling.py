"""Which conversations without a flag QC reads all the same: the days in question, and each day's rates. Pure.

A conversation is one agent's with one buyer on one local day, in which the agent answered. It is in the sample when its
draw, a number in [0, 1) out of a hash of its names, is below the rate: so it is in for everybody, after every restart, and
whatever else was said that day. `sinks.sample_model` has the hash, in SQL, since it is over what ClickHouse holds.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Final, NamedTuple

from processors.calendar import calendar
from processors.ruleset import RulesetBook, default_book
from schemas.events import Role
from schemas.types import zone

_ID: Final = re.compile(r"s-(\d{4})(\d\d)(\d\d)-[0-9a-f]{16}")
_NOON: Final = time(12)


class SampleDay(NamedTuple):
    """One shop's local day [starts, ends) in ms, and the rates by the rules in force when it began."""

    shop_id: str
    day: str
    """such as 20261111"""
    starts: int
    ends: int
    salt: str
    rate: float
    roles: Mapping[Role, float]
    """role -> rate, where it is not `rate`"""
    agents: Mapping[str, float]
    """agent -> rate, where it is not the role's"""


def last_days(book: RulesetBook, shop_ids: Iterable[str], now_ms: int, count: int) -> list[SampleDay]:
    """Each shop's day of now and those before it, `count` in all, newest first."""
    found = []
    for shop_id in shop_ids:
        at = now_ms
        for _ in range(count):
            found.append(_day_of(book, shop_id, at))
            at = found[-1].starts - 1
    return found


def on_day(book: RulesetBook, shop_ids: Iterable[str], day: date) -> list[SampleDay]:
    """That day of each shop's calendar; none in years that have no events."""
    if not 2000 <= day.year < 2200:
        return []
    noons = {shop_id: datetime.combine(day, _NOON, zone(book.timezone(shop_id))) for shop_id in shop_ids}
    return [_day_of(book, shop_id, round(noon.timestamp() * 1000)) for shop_id, noon in noons.items()]


def day_of_id(sample_id: str) -> date | None:
    """The day that a sample's id names; None for what is no sample's id."""
    match = _ID.fullmatch(sample_id)
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def known_salts(book: RulesetBook, at_ms: int) -> list[str]:
    """The shops whose salt is the packaged one, which everybody can read, "" for those without rules of their own: an agent of
    them can work out which conversations will be sampled.
    """
    packaged = default_book().at("", at_ms).sample.salt
    return [shop for shop in ("", *sorted(book.own_shops)) if book.at(shop, at_ms).sample.salt == packaged]


def _day_of(book: RulesetBook, shop_id: str, at_ms: int) -> SampleDay:
    zone_name = book.timezone(shop_id)
    starts, ends = calendar(zone_name).day_start(at_ms), calendar(zone_name).day_end(at_ms)
    sample = book.at(shop_id, starts).sample
    # noon: where clocks are set forward at midnight, a day begins at one o'clock
    day = datetime.fromtimestamp((starts + ends) // 2000, zone(zone_name)).strftime("%Y%m%d")
    return SampleDay(shop_id, day, starts, ends, sample.salt, sample.rate, sample.roles, sample.agents)
