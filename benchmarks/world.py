"""Rows for ClickHouse to be asked about, made by ClickHouse itself: years of many shops, with revisions that await merging.

Every table that grows is filled as if sinks had written it: in order of time, up to now, a share of the rows twice.
"""

# ruff: noqa: S608 - what is put into the texts is fixed in this file
from collections.abc import Callable
from typing import Final

from sinks.database import Database

SHOPS: Final = 200
AGENTS: Final = 20
"""of each shop"""
AGAIN: Final = 5
"""every so manieth row comes a second time, with a higher revision"""
HOUR_MS: Final = 3_600_000
_BATCH: Final = 10_000_000
_SHARES: Final = 2
"""Kafka partitions that have a share of an agent's hour"""
_WINDOWS: Final = 14
"""rows of an agent's hour"""

_AGENTS: Final = (
    "INSERT INTO agents_raw (shop_id, agent_id, time, source, id, name, team, role)"
    f" SELECT concat('shop-', toString(intDiv(number, {AGENTS}))), concat('agent-', toString(number % {AGENTS})), now64(3),"
    f" 'bench', toString(number), concat('Agent ', toString(number % {AGENTS})), concat('team-', toString(number % 3)),"
    f" if(number % 2 = 0, 'presale', 'aftersale') FROM numbers({SHOPS * AGENTS})"
)
_SHOP_AGENT: Final = (
    f"concat('shop-', toString(number % {SHOPS})) AS shop_id,"
    f" concat('agent-', toString(intDiv(number, {SHOPS}) % {AGENTS})) AS agent_id"
)
# the instant of a row: evenly over {span:Int64} ms up to {end:Int64}
_MOMENT: Final = "{end:Int64} - {span:Int64} + toInt64(number / {rows:UInt64} * {span:Int64})"
_AT: Final = f"fromUnixTimestamp64Milli({_MOMENT}, 'Asia/Shanghai')"
_ANSWERED: Final = "(sipHash64(number, 2) % 20 != 0)"

TABLES: Final[dict[str, tuple[int, str]]] = {
    "leaderboard_partials": (
        760,
        # one row an agent, hour and share, so that the hours come from the number of rows
        f"SELECT {_SHOP_AGENT}, fromUnixTimestamp64Milli(intDiv({{end:Int64}}, {HOUR_MS}) * {HOUR_MS} - {HOUR_MS}"
        f" * toInt64(intDiv({{rows:UInt64}} - 1 - number, {SHOPS * AGENTS * _SHARES})), 'Asia/Shanghai') AS hour_start,"
        f" intDiv(number, {SHOPS * AGENTS}) % {_SHARES} AS partition, 3 + number % 5 AS orders_placed,"
        " 1 + number % 4 AS orders_paid, toDecimal64((1 + number % 4) * 199 + sipHash64(number) % 90000 / 100, 2) AS paid_amount,"
        " 1 + number % 7 AS items_paid, toDecimal64(if(sipHash64(number, 1) % 30 = 0, 99, 0), 2) AS refunded_amount,"
        " 8 + number % 12 AS buyers_served, 1 + number % 4 AS buyers_paid, 10 AS revision, 'bench@1' AS ruleset",
    ),
    "flags_raw": (
        760,
        f"SELECT concat('f', lower(hex(sipHash128(number)))) AS flag_id, {_SHOP_AGENT},"
        " ['response.slow', 'reminder.repeated', 'reminder.missing', 'language.forbidden', 'review.negative'][1 + sipHash64(number, 2) % 5] AS rule,"
        " if(sipHash64(number, 3) % 3 = 0, 'notice', 'violation') AS severity,"
        " if(sipHash64(number, 4) % 25 = 0, 'cleared', 'raised') AS status,"
        " concat('buyer-', toString(sipHash64(number) % 5000000)) AS buyer_id, concat('m', toString(number)) AS message_id,"
        f" {_AT} AS occurred_at, concat('{{\"response_ms\": ', toString(number % 900000), ', \"text\": \"', hex(sipHash64(number)), '\"}}') AS evidence,"
        # most flags are never judged
        " multiIf(sipHash64(number, 1) % 100 < 60, 'open', sipHash64(number, 1) % 100 < 62, 'claimed',"
        " sipHash64(number, 1) % 100 < 90, 'upheld', 'dismissed') AS qc_status, 3 AS revision, 'bench@1' AS ruleset",
    ),
    "rounds_raw": (
        380,
        f"SELECT concat('r', lower(hex(sipHash128(number)))) AS round_id, {_SHOP_AGENT},"
        f" concat('buyer-', toString(sipHash64(number) % 5000000)) AS buyer_id, {_AT} AS opened_at,"
        f" concat('m', toString(number)) AS message_id, if({_ANSWERED}, opened_at + toIntervalMillisecond(number % 90000), NULL) AS replied_at,"
        f" if({_ANSWERED}, concat('a', toString(number)), NULL) AS reply_message_id, if({_ANSWERED}, number % 90000, NULL) AS response_ms,"
        " toHour(opened_at) >= 8 AND toHour(opened_at) < 23 AS in_platform_hours, toStartOfDay(opened_at) + INTERVAL 1 DAY AS day_ends_at,"
        f" if({_ANSWERED}, 'answered', 'open') AS status, 2 AS revision, 'bench@1' AS ruleset",
    ),
    "window_partials": (
        380,
        # of every agent's hour the hour's window, a share of the day's and those of five minutes, so that the hours come
        # from the number of rows; the day's rows of one partition replace each other
        f"WITH intDiv({{rows:UInt64}} - 1 - number, {SHOPS * AGENTS}) % {_WINDOWS} AS nth,"
        f" fromUnixTimestamp64Milli(intDiv({{end:Int64}}, {HOUR_MS}) * {HOUR_MS} - {HOUR_MS}"
        f" * toInt64(intDiv({{rows:UInt64}} - 1 - number, {SHOPS * AGENTS * _WINDOWS})), 'Asia/Shanghai') AS hour"
        f" SELECT {_SHOP_AGENT}, multiIf(nth = 0, 3600, nth = 1, 86400, 300) AS window_seconds,"
        " multiIf(nth = 0, hour, nth = 1, toDateTime64(toStartOfDay(hour), 3, 'Asia/Shanghai'), hour + toIntervalSecond(300 * (nth - 2)))"
        " AS window_start, if(sipHash64(number) % 2 = 0, 'all', 'platform') AS definition,"
        " toInt32(sipHash64(number, 1) % 6) AS partition, toStartOfDay(window_start) + INTERVAL 1 DAY AS day_ends_at, 600000 AS response_cap_ms,"
        " 4 AS rounds, 3 AS answered, 2 AS answered_within_3min, 250000 AS response_ms_sum, 2 AS first_responses,"
        " 18000 AS first_response_ms_sum, 1 AS first_within_10s, 3 AS buyers_wrote, 2 AS buyers_replied,"
        " map(toUInt32(number % 100 * 1000), toUInt64(1), toUInt32(100000 + number % 100 * 1000), toUInt64(2)) AS histogram,"
        " 4 AS revision, 'bench@1' AS ruleset",
    ),
}
"""Table -> the days that its rows lie in (it keeps them for longer), and a SELECT over `numbers` of what stands in them."""

FED: Final[dict[str, tuple[str, ...]]] = {"flags_raw": ("flags_by_time",)}
"""Table -> tables that what is inserted into it goes to as well"""


def fill_agents(db: Database) -> None:
    """The agents of every shop."""
    db.command(_AGENTS)


def fill(db: Database, table: str, rows: int, end_ms: int, say: Callable[[str], object]) -> None:
    """So many rows of a table, the newest of `end_ms`, and a share of them a second time; `say` is told how many there are."""
    days, select = TABLES[table]
    params = {"end": end_ms, "span": days * 24 * HOUR_MS, "rows": rows}
    for begin in range(0, rows, _BATCH):
        count = min(_BATCH, rows - begin)
        say(f"{table}: {begin:,} of {rows:,} rows")
        numbers = f"FROM numbers({begin}, {count})"
        first = f"{select} {numbers}"
        more = f"SELECT * REPLACE (revision + 1 AS revision) FROM ({select} {numbers} WHERE number % {AGAIN} = 0)"
        names = ", ".join(column["name"] for column in db.query(f"DESCRIBE ({select} {numbers})", params))
        for rows_of in (first, more):
            db.command(f"INSERT INTO {table} ({names}) SELECT {names} FROM ({rows_of})", params)
    for fed in FED.get(table, ()):
        # a month that nobody touches is one part soon; the newest day's rows come once more, so that theirs is several
        db.command(f"OPTIMIZE TABLE {fed} FINAL")
        newest = f"SELECT * REPLACE (revision + 2 AS revision) FROM ({select} FROM numbers({rows - rows // days}, {rows // days}))"
        db.command(f"INSERT INTO {table} ({names}) SELECT {names} FROM ({newest})", params)


def bytes_on_disk(db: Database, table: str) -> int:
    """Of the table's parts that are in use."""
    found = db.query(
        "SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE database = currentDatabase() AND active"
        " AND table = {table:String}",
        {"table": table},
    )
    return int(found[0]["bytes"])
