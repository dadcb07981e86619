"""What stands in ClickHouse, as the files of a replay: the same final rows, made by the same code, at a *now* of choice.

The views show the rows at the wall clock and in SQL's own types; here the tables are read below them, in slices of bounded
size, so that a year of rounds does not have to fit into memory. It is no snapshot: what a sink writes meanwhile may show.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from processors.leaderboard import BoardKey, BoardSums
from processors.reference import Standing
from processors.results import Board, Row, Window, flag_row, leaderboard_rows, round_row, window_row
from processors.ruleset import RulesetBook
from processors.windows import WindowKey, WindowSums
from replay.output import summarize, write_summary, write_tables
from schemas.topics import COMMANDS, REFERENCE
from schemas.types import format_time
from sinks.database import Database

SLICE_ROWS: Final = 50_000
_NEVER: Final = -(2**62)
_FIRST: Final = 0
_LAST: Final = 2**43
"""ms, beyond any time of the contract and within DateTime64"""


class Span(NamedTuple):
    """first <= t < last, ms; by each record's own moment, rejected ones by when the sink wrote them."""

    first: int = _FIRST
    last: int = _LAST


class _Source(NamedTuple):
    """How a table is read: slices of one `group` and consecutive values of `part`, in the order of the file."""

    table: str
    moment: str
    columns: str
    order: str
    group: str = "shop_id"
    part: str = "intDiv({moment}, 3600000)"
    where: str = "1"
    rest: str = ""
    text_part: bool = False


_FLAGS: Final = _Source(
    "flags_raw",
    "occurred_at",
    "flag_id, rule, severity, status, shop_id, buyer_id, agent_id, message_id, review_id, order_ids,"
    " toUnixTimestamp64Milli(t.occurred_at) AS at, evidence, qc_status, qc_actor, qc_reason, qc_score, revision, ruleset",
    "at, rule, flag_id",
    where="status = 'raised'",
)
_TASKS: Final = _Source(
    "call_tasks_raw",
    "raised_at",
    "task_id, shop_id, buyer_id, order_id, review_ids, rating, category, priority,"
    " toUnixTimestamp64Milli(t.raised_at) AS at, toUnixTimestamp64Milli(t.not_before) AS not_before_at,"
    " toUnixTimestamp64Milli(t.due_at) AS due, assigned_role, excluded_agent_id, status, claimed_by, calls,"
    " toUnixTimestamp64Milli(t.call_again_at) AS again, outcome, toUnixTimestamp64Milli(t.revisit_due_at) AS revisit,"
    " revision, ruleset",
    "at, task_id",
)
_ROUNDS: Final = _Source(
    "rounds_raw",
    "opened_at",
    "round_id, shop_id, buyer_id, agent_id, toUnixTimestamp64Milli(t.opened_at) AS at, message_id,"
    " toUnixTimestamp64Milli(t.replied_at) AS replied, reply_message_id, response_ms, in_platform_hours,"
    " toUnixTimestamp64Milli(t.day_ends_at) AS day_ends, status, revision, ruleset",
    "at, round_id",
    where="status != 'void'",
)
_WINDOWS: Final = _Source(
    "window_partials",
    "window_start",
    "shop_id, agent_id, toUnixTimestamp64Milli(t.window_start) AS at, window_seconds, definition,"
    " toUnixTimestamp64Milli(max(t.day_ends_at)) AS day_ends, max(t.response_cap_ms) AS cap_ms, sum(t.rounds) AS n_rounds,"
    " sum(t.answered) AS n_answered, sum(t.answered_within_3min) AS n_within, sum(t.response_ms_sum) AS ms_sum,"
    " sum(t.first_responses) AS n_first, sum(t.first_response_ms_sum) AS first_ms, sum(t.first_within_10s) AS n_quick,"
    " sum(t.buyers_wrote) AS n_wrote, sum(t.buyers_replied) AS n_replied, sumMap(t.histogram) AS responses,"
    " sum(t.revision) AS revisions, argMax(t.ruleset, (t.revision, t.partition)) AS latest_ruleset",
    "agent_id, at, window_seconds, definition",
    part="agent_id",
    rest="GROUP BY shop_id, agent_id, window_start, window_seconds, definition HAVING n_rounds > 0 OR n_first > 0",
    text_part=True,
)
_BOARDS: Final = _Source(
    "leaderboard_partials",
    "hour_start",
    "shop_id, toUnixTimestamp64Milli(t.hour_start) AS at, agent_id, sum(t.orders_placed) AS n_placed,"
    " sum(t.orders_paid) AS n_paid, toInt64(sum(t.paid_amount) * 100) AS paid, sum(t.items_paid) AS n_items,"
    " toInt64(sum(t.refunded_amount) * 100) AS refunded, sum(t.buyers_served) AS n_served,"
    " sum(t.buyers_paid) AS n_buyers, sum(t.revision) AS revisions,"
    " argMax(t.ruleset, (t.revision, t.partition)) AS latest_ruleset",
    "at, agent_id",
    rest="GROUP BY shop_id, hour_start, agent_id",
)
_REJECTED: Final = _Source(
    "rejected_raw",
    "received_at",
    "reason, error, raw, raw_encoding, topic, partition, offset, file, line",
    "ifNull(line, -1), ifNull(topic, ''), ifNull(partition, -1), ifNull(offset, -1), reason, raw",
    # lines of a file, or offsets of a topic's partitions
    group="concat(ifNull(file, ''), '\\x01', ifNull(topic, ''))",
    part="intDiv(ifNull(line, ifNull(partition, 0) * 1099511627776 + ifNull(offset, 0)), 1000)",
)


class Export:
    """The tables of a replay's files, read when they are asked for. Raises what the database raises."""

    def __init__(self, db: Database, book: RulesetBook, *, span: Span | None = None, now: int | None = None) -> None:
        """`book`: for the shops' time zones alone; `now`: ms, by default the time of the latest event that an
        archive of the span holds."""
        self._db = db
        self._zone_of = book.timezone
        self._span = span or Span()
        self.now = self._latest() if now is None else now
        self._standing = self._reference()

    def tables(self) -> dict[str, Iterator[Row]]:
        """Each file's rows, by its name."""
        return {
            "flags": self._flags(),
            "call_tasks": self._tasks(),
            "response_rounds": self._rounds(),
            "response_windows": self._windows(),
            "leaderboard_hourly": leaderboard_rows(self._boards(), self._standing),
            "rejected": self._rows(_REJECTED),
        }

    def accepted(self) -> int:
        """Number of distinct events that an archive of the span holds."""
        return int(self._events("count()"))

    def _latest(self) -> int:
        return int(self._events("if(count() = 0, {never:Int64}, max(toUnixTimestamp64Milli(time)))", first=_FIRST))

    def _events(self, figure: str, first: int | None = None) -> Any:
        params: dict[str, Any] = {"first": self._span.first if first is None else first, "last": self._span.last}
        params |= {"never": _NEVER, "reference": REFERENCE, "commands": COMMANDS}
        # as an archive of the span has them
        held = "topic = {reference:String} OR topic = {commands:String} AND time >= fromUnixTimestamp64Milli({first:Int64})"
        (row,) = self._db.query(
            f"SELECT {figure} AS figure FROM raw_events FINAL WHERE {held} OR {_between('time')}",  # noqa: S608
            params,
        )
        return row["figure"]

    def _reference(self) -> Standing:
        agents = self._db.query(
            "SELECT shop_id, agent_id, argMax(team, (time, id, source)) AS latest FROM agents_raw GROUP BY shop_id, agent_id"
        )
        sales = self._db.query(
            "SELECT shop_id, sale_event_id, argMax((toUnixTimestamp64Milli(starts_at), toUnixTimestamp64Milli(ends_at)),"
            " (time, id, source)) AS latest FROM sale_events_raw GROUP BY shop_id, sale_event_id ORDER BY shop_id"
        )
        return Standing(
            {(row["shop_id"], row["agent_id"]): row["latest"] for row in agents},
            {
                shop_id: [(first, last) for first, last in (row["latest"] for row in rows)]
                for shop_id, rows in groupby(sales, key=lambda row: row["shop_id"])
            },
        )

    def _flags(self) -> Iterator[Row]:
        for row in self._rows(_FLAGS):
            at = row["at"]
            row = self._written(row, occurred_at="at")
            row["evidence"] = orjson.loads(row["evidence"])
            yield flag_row(row, at, self._standing)

    def _tasks(self) -> Iterator[Row]:
        for row in self._rows(_TASKS):
            yield self._written(
                row,
                raised_at="at",
                not_before="not_before_at",
                due_at="due",
                call_again_at="again",
                revisit_due_at="revisit",
            )

    def _rounds(self) -> Iterator[Row]:
        for row in self._rows(_ROUNDS):
            day_ends_at = row["day_ends"]
            row = self._written(row, opened_at="at", replied_at="replied", day_ends_at="day_ends")
            yield round_row(row, day_ends_at, self.now)

    def _written(self, row: Row, **moments: str) -> Row:
        """The row as processors.records writes it: moments under their own names, as texts in the shop's time zone."""
        names = {alias: name for name, alias in moments.items()}
        zone = self._zone_of(row["shop_id"])
        record: Row = {}
        for column, value in row.items():
            if column in names:
                record[names[column]] = None if value is None else format_time(value, zone)
            else:
                record[column] = list(value) if isinstance(value, tuple) else value
        return record

    def _windows(self) -> Iterator[Row]:
        for row in self._rows(_WINDOWS):
            sums = WindowSums()
            sums.revision = row["revisions"]
            sums.rounds = row["n_rounds"]
            sums.answered = row["n_answered"]
            sums.answered_in_target = row["n_within"]
            sums.response_ms_sum = row["ms_sum"]
            sums.first_responses = row["n_first"]
            sums.first_ms_sum = row["first_ms"]
            sums.first_in_target = row["n_quick"]
            sums.buyers_wrote = row["n_wrote"]
            sums.buyers_replied = row["n_replied"]
            sums.responses = row["responses"]
            key = WindowKey(row["shop_id"], row["agent_id"], row["at"], row["window_seconds"] * 1000, row["definition"])
            zone = self._zone_of(key.shop_id)
            window = Window(key, sums, zone, row["latest_ruleset"], row["day_ends"], row["cap_ms"])
            yield window_row(window, self.now)

    def _boards(self) -> Iterator[Board]:
        for row in self._rows(_BOARDS):
            sums = BoardSums()
            sums.revision = row["revisions"]
            sums.orders_placed = row["n_placed"]
            sums.orders_paid = row["n_paid"]
            sums.paid_amount = row["paid"]
            sums.items_paid = row["n_items"]
            sums.refunded_amount = row["refunded"]
            sums.buyers_served = row["n_served"]
            sums.buyers_paid = row["n_buyers"]
            key = BoardKey(row["shop_id"], row["at"], row["agent_id"])
            yield Board(key, sums, self._zone_of(key.shop_id), row["latest_ruleset"])

    def _rows(self, source: _Source) -> Iterator[Row]:
        part = source.part.format(moment=f"toUnixTimestamp64Milli({source.moment})")
        span = {"first": self._span.first, "last": self._span.last}
        # without FINAL: a replaced row only makes a slice look bigger than it is
        sizes = self._db.query(
            f"SELECT {source.group} AS slice_group, {part} AS slice_part, count() AS size FROM {source.table}"  # noqa: S608
            f" WHERE {_between(source.moment)} GROUP BY slice_group, slice_part ORDER BY slice_group, slice_part",
            span,
        )
        kind = "String" if source.text_part else "Int64"
        for group, first, last in _slices(sizes):
            yield from self._db.query(
                f"SELECT {source.columns} FROM {source.table} AS t FINAL WHERE {_between(source.moment)}"  # noqa: S608
                f" AND {source.group} = {{group:String}} AND {part} >= {{from:{kind}}} AND {part} <= {{to:{kind}}}"
                f" AND {source.where} {source.rest} ORDER BY {source.order}",
                {**span, "group": group, "from": first, "to": last},
            )


def export(
    db: Database, out: Path, book: RulesetBook, *, span: Span | None = None, now: int | None = None
) -> dict[str, Any]:
    """Write what stands in ClickHouse as the files of a replay; returns the summary.

    Duplicates replace themselves on the way in, so their number is null, and `events` is accepted + rejected.
    """
    began = time.perf_counter()
    found = Export(db, book, span=span, now=now)
    rows, flags = write_tables(out, found.tables())
    accepted, rejected = found.accepted(), rows["rejected"]
    summary = summarize(
        events=accepted + rejected, accepted=accepted, rejected=rejected, flags=flags, call_tasks=rows["call_tasks"]
    )
    summary |= {"duplicates": None, "seconds": round(time.perf_counter() - began, 3)}
    write_summary(out, summary)
    return summary


def _between(moment: str) -> str:
    return (
        f"{moment} >= fromUnixTimestamp64Milli({{first:Int64}}) AND {moment} < fromUnixTimestamp64Milli({{last:Int64}})"
    )


def _slices(sizes: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Any, Any]]:
    """(group, first part, last part), each of about SLICE_ROWS rows, or of one part that has more."""
    for group, parts in groupby(sizes, key=lambda size: size["slice_group"]):
        first = last = None
        rows = 0
        for size in parts:
            if rows and rows + size["size"] > SLICE_ROWS:
                yield group, first, last
                rows = 0
            if not rows:
                first = size["slice_part"]
            last = size["slice_part"]
            rows += size["size"]
        yield group, first, last
