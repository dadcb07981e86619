# ruff: noqa: S608 - what is put into the texts is fixed in this program
"""What a range of time means: the whole local days of each shop that it touches."""

import re
from typing import Final, NamedTuple

from processors.calendar import calendar
from processors.ruleset import RulesetBook
from sinks.database import DatabaseError, Queries

_QUARTER_MS: Final = 900_000
_DAY_MS: Final = 86_400_000
_MARGIN_DAYS: Final = 40
"""a row rests on events before it, as far back as the worker's horizon (35 days), and ClickHouse expires when it merges"""
_LIFETIME: Final = re.compile(r" TTL toDateTime\(ingested_at\) \+ toIntervalDay\((\d+)\)")
_DATED: Final = (
    ("raw_events", "time", "ingested_at"),
    ("rounds_raw", "opened_at", "written_at"),
    ("window_partials", "window_start", "written_at"),
    ("leaderboard_partials", "hour_start", "written_at"),
    ("flags_raw", "occurred_at", "written_at"),
    ("call_tasks_raw", "raised_at", "written_at"),
)
_OF_BUYERS: Final = "AND buyer_id != ''"
_QUARTERS: Final = (
    "SELECT shop_id, quarter, sum(n) AS events, toUnixTimestamp64Milli(min(oldest)) AS written FROM ("
    + " UNION ALL ".join(
        f"SELECT shop_id, intDiv(toUnixTimestamp64Milli({column}), {_QUARTER_MS}) AS quarter,"
        f" {'count()' if table == 'raw_events' else 'toUInt64(0)'} AS n, min({written}) AS oldest FROM {table}"
        f" WHERE {column} >= fromUnixTimestamp64Milli({{from:Int64}}) AND {column} < fromUnixTimestamp64Milli({{to:Int64}})"
        # no row follows from a reference event alone
        f" {_OF_BUYERS if table == 'raw_events' else ''} AND ({{every:Bool}} OR shop_id = {{shop:String}})"
        " GROUP BY shop_id, quarter"
        for table, column, written in _DATED
    )
    + ") GROUP BY shop_id, quarter ORDER BY shop_id, quarter"
)


class Span(NamedTuple):
    """Whole local days of one shop: [start, end) in ms. Either all of them have events of buyers or none has, and either
    all of them are aged or none is."""

    shop_id: str
    start: int
    end: int
    events: int
    """buyers' events, duplicates included"""
    days: int
    aged: bool
    """something of the day was written so long ago that raw events behind it may have expired"""


def spans(
    db: Queries, book: RulesetBook, start_ms: int, end_ms: int, shop_id: str | None = None, max_events: int = 300_000
) -> list[Span]:
    """The days that [start, end) touches and that hold an event or a row, by shop and time; of one shop or all. Days are
    put together up to `max_events`: what is read at once is the whole history of the buyers in a span."""
    # a zone's days begin on quarters of an hour, and a day that reaches into the range begins less than two days before
    margin = 2 * _DAY_MS
    by_day: dict[tuple[str, int, int], tuple[int, int]] = {}
    asked = {"from": start_ms - margin, "to": end_ms + margin, "every": shop_id is None, "shop": shop_id or ""}
    for row in db.query(_QUARTERS, asked):
        shop = row["shop_id"]
        days_of = calendar(book.timezone(shop))
        start = days_of.day_start(row["quarter"] * _QUARTER_MS)
        day = (shop, start, days_of.day_end(start))
        if start < end_ms and day[2] > start_ms:
            events, written = by_day.get(day, (0, row["written"]))
            by_day[day] = events + row["events"], min(written, row["written"])
    expiry = _expiry(db)
    found: list[Span] = []
    for (shop, start, end), (events, written) in sorted(by_day.items()):
        day_span = Span(shop, start, end, events, 1, written < expiry)
        last = found[-1] if found else None
        if last is not None and _alike(last, day_span) and last.events + events <= max_events:
            found[-1] = last._replace(end=end, events=last.events + events, days=last.days + 1)
        else:
            found.append(day_span)
    return found


def has_shop(db: Queries, shop_id: str) -> bool:
    """Whether there is anything of the shop, at any time."""
    selects = (f"SELECT 1 FROM {table} WHERE shop_id = {{shop:String}} LIMIT 1" for table, _, _ in _DATED)
    return bool(db.query(" UNION ALL ".join(selects), {"shop": shop_id}))


def _alike(a: Span, b: Span) -> bool:
    """What may be repaired must not drag along what may not."""
    return (a.shop_id, a.events > 0, a.aged) == (b.shop_id, b.events > 0, b.aged)


def _expiry(db: Queries) -> int:
    """What was written before this moment, ms by the server's clock, may rest on raw events that have expired."""
    row = db.query(
        "SELECT engine_full, toUnixTimestamp64Milli(now64(3)) AS now FROM system.tables"
        " WHERE database = currentDatabase() AND name = 'raw_events'"
    )[0]
    if " TTL " not in row["engine_full"]:
        return 0
    lifetime = _LIFETIME.search(row["engine_full"])
    if lifetime is None:
        raise DatabaseError("raw_events: its lifetime is not a number of days after ingested_at")
    return int(row["now"]) - (int(lifetime[1]) - _MARGIN_DAYS) * _DAY_MS
