# ruff: noqa: S608 - what is put into the texts is fixed in this program
"""What a range of time means: the whole local days of each shop that it touches."""

from typing import Final, NamedTuple

from processors.calendar import calendar
from processors.ruleset import RulesetBook
from sinks.database import Database

_QUARTER_MS: Final = 900_000
_DATED: Final = (
    ("raw_events", "time"),
    ("rounds_raw", "opened_at"),
    ("window_partials", "window_start"),
    ("leaderboard_partials", "hour_start"),
    ("flags_raw", "occurred_at"),
    ("call_tasks_raw", "raised_at"),
)
_QUARTERS: Final = (
    "SELECT shop_id, quarter, sum(n) AS events FROM ("
    + " UNION ALL ".join(
        f"SELECT shop_id, intDiv(toUnixTimestamp64Milli({column}), {_QUARTER_MS}) AS quarter,"
        f" {'count()' if table == 'raw_events' else 'toUInt64(0)'} AS n FROM {table}"
        f" WHERE {column} >= fromUnixTimestamp64Milli({{from:Int64}}) AND {column} < fromUnixTimestamp64Milli({{to:Int64}})"
        " GROUP BY shop_id, quarter"
        for table, column in _DATED
    )
    + ") GROUP BY shop_id, quarter ORDER BY shop_id, quarter"
)


class Span(NamedTuple):
    """Whole local days of one shop: [start, end) in ms, and how many events there are in them (duplicates included)."""

    shop_id: str
    start: int
    end: int
    events: int
    days: int


def spans(
    db: Database, book: RulesetBook, start_ms: int, end_ms: int, shop_id: str | None = None, max_events: int = 300_000
) -> list[Span]:
    """The days that [start, end) touches and that hold an event or a row, by shop and time; of one shop or all. Days are
    put together up to `max_events`: what is read at once is the whole history of the buyers in a span."""
    # a zone's days begin on quarters of an hour, and a day that reaches into the range begins less than two days before
    margin = 2 * 86_400_000
    by_day: dict[tuple[str, int, int], int] = {}
    for row in db.query(_QUARTERS, {"from": start_ms - margin, "to": end_ms + margin}):
        shop = row["shop_id"]
        days_of = calendar(book.timezone(shop))
        start = days_of.day_start(row["quarter"] * _QUARTER_MS)
        day = (shop, start, days_of.day_end(start))
        if shop_id in (None, shop) and start < end_ms and day[2] > start_ms:
            by_day[day] = by_day.get(day, 0) + row["events"]
    found: list[Span] = []
    for (shop, start, end), events in sorted(by_day.items()):
        last = found[-1] if found else None
        if last is not None and last.shop_id == shop and last.events + events <= max_events:
            found[-1] = last._replace(end=end, events=last.events + events, days=last.days + 1)
        else:
            found.append(Span(shop, start, end, events, 1))
    return found
