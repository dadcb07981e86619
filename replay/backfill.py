# ruff: noqa: S608 - what is put into the texts is fixed in this program
"""`zhengdian backfill`: a range repaired by replaying it, out of ClickHouse's raw events into its tables.

Whole local days, span by span: the whole history of every buyer with an event in the span goes through the processors, one
Kafka partition at a time, and what they derive for the span is compared with the rows that are there. Late events that the
worker refused are settled on the way: they count, here and in `verify`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson

from processors.buyer import Buyer
from processors.calendar import calendar
from processors.leaderboard import BoardKey, BoardSums
from processors.partition import Partition
from processors.records import flag_record, leaderboard_partial, round_record, task_record, window_partial
from processors.ruleset import RulesetBook
from processors.windows import WindowKey, WindowSums, rules_of
from schemas.events import InvalidEventError, parse_event
from schemas.topics import CALL_TASKS, FLAGS, LEADERBOARD, ROUNDS, WINDOWS
from schemas.types import format_amount, format_time
from sinks.database import Database, DatabaseError
from sinks.rows import COLUMNS, Record, rows_of
from sinks.verify.refused import PLACE, REFUSED, Lost, lost
from sinks.verify.rules import SETTLED
from sinks.verify.scope import Span

GROUP_EVENTS: Final = 50_000
"""about as many events are in memory at once"""
_EVERYTHING: Final = 2**62
_DELETE_KEYS: Final = 1000
_INSERT_ROWS: Final = 50_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_IN_SPAN: Final = "{0} >= fromUnixTimestamp64Milli({{from:Int64}}) AND {0} < fromUnixTimestamp64Milli({{to:Int64}})"

Key = tuple[Any, ...]
Values = dict[str, Any]


class Table(NamedTuple):
    """A table of results. `key`: what its rows replace each other by, the shop aside; `moment`: the column that places them."""

    name: str
    key: tuple[str, ...]
    moment: str
    figures: tuple[str, ...] = ()
    """of sums: a row in which they are all zero says nothing"""
    fed: str = ""
    """a table that inserts feed and deletes do not"""


_ROUNDS: Final = Table("rounds_raw", ("agent_id", "opened_at", "round_id"), "opened_at")
_FLAGS: Final = Table("flags_raw", ("flag_id",), "occurred_at", fed="flags_by_time")
_TASKS: Final = Table("call_tasks_raw", ("task_id",), "raised_at")
_WINDOWS: Final = Table(
    "window_partials",
    ("window_seconds", "window_start", "agent_id", "definition", "partition"),
    "window_start",
    (
        "rounds", "answered", "answered_within_3min", "response_ms_sum", "first_responses", "first_response_ms_sum",
        "first_within_10s", "buyers_wrote", "buyers_replied", "histogram",
    ),
)  # fmt: skip
_BOARDS: Final = Table("leaderboard_partials", ("hour_start", "agent_id", "partition"), "hour_start", BoardSums.ROW)
_TABLE_OF: Final = {FLAGS: _FLAGS, CALL_TASKS: _TASKS, ROUNDS: _ROUNDS, WINDOWS: _WINDOWS, LEADERBOARD: _BOARDS}
_ABOUT: Final = ("buyer_id", "agent_id", "rule", "message_id", "review_id", "order_id", "occurred_at", "raised_at")
"""what tells a reader which row it is, besides its key"""
_GONE: Final = frozenset({"void", "cleared"})


class Repair(NamedTuple):
    """One row that was not right. `stored` None: it was missing; `derived` None: there should be none."""

    table: str
    shop_id: str
    key: dict[str, Any]
    stored: Values | None
    derived: Values | None
    zone: str
    """in which times are shown"""

    def line(self) -> str:
        """`leaderboard_partials shop=s hour_start=… agent_id=a partition=0: replaced, paid_amount 10.00 -> 12.00`"""
        row = self.derived or self.stored or {}
        about = self.key | {name: row[name] for name in _ABOUT if row.get(name) not in (None, "")}
        unit = f"{self.table} shop={self.shop_id} " + " ".join(
            f"{name}={_shown(name, value, self.zone)}" for name, value in about.items()
        )
        if self.stored is None:
            return f"{unit}: inserted"
        if self.derived is None:
            return f"{unit}: deleted"
        changed = ", ".join(
            f"{name} {_shown(name, self.stored[name], self.zone)} -> {_shown(name, value, self.zone)}"
            for name, value in self.derived.items()
            if self.stored[name] != value
        )
        return f"{unit}: replaced, {changed}"


@dataclass
class Repairs:
    """What a backfill did, or would do."""

    days: int = 0
    inserted: Counter[str] = field(default_factory=Counter)
    replaced: Counter[str] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)
    settled: int = 0
    """late events that now count"""
    recent: int = 0
    """wrong rows left alone because they are younger than `min_age_seconds`"""
    eventless: int = 0
    """days left alone: rows, but no raw event to replay"""
    lost: int = 0
    """wrong rows left alone because the event that counted is not in raw_events"""
    aged: int = 0
    """days left alone: raw events of theirs may have expired"""

    @property
    def total(self) -> int:
        return self.inserted.total() + self.replaced.total() + self.deleted.total()


class Backfill:
    """Repairs spans of a database. `min_age_seconds`: younger rows are left alone, since the raw events behind them may
    not have come in yet. Raises DatabaseError or DatabaseUnavailableError; running it again finishes what broke off."""

    def __init__(self, db: Database, book: RulesetBook, *, dry_run: bool = False, min_age_seconds: float = 60) -> None:
        self._db, self._book, self._dry_run = db, book, dry_run
        self._before = int(db.query("SELECT toUnixTimestamp64Milli(now64(3)) AS now")[0]["now"])
        self._settled_before = self._before - round(min_age_seconds * 1000)
        self._lost: dict[str, Lost] = {}
        self.repairs = Repairs()

    def run(self, spans: Sequence[Span], on_span: Callable[[Span], None] | None = None) -> Iterator[Repair]:
        """Repairs span by span; each repair is yielded when it is made."""
        for span in spans:
            if on_span is not None:
                on_span(span)
            self.repairs.days += span.days
            if span.aged:
                self.repairs.aged += span.days
                continue
            if not span.events:
                self.repairs.eventless += span.days
                continue
            if span.shop_id not in self._lost:
                self._lost[span.shop_id] = lost(self._db, span.shop_id)
            self._settle_late(span)
            repairs = list(self._wrong(span))
            if not self._dry_run:
                self._write(span.shop_id, repairs)
            for repair in repairs:
                counts = self.repairs.inserted if repair.stored is None else self.repairs.replaced
                (counts if repair.derived is not None else self.repairs.deleted)[repair.table] += 1
            yield from repairs

    # ---- late events -----------------------------------------------------------------------------------------------

    def _settle_late(self, span: Span) -> None:
        """Says of the span's late events in `rejected` that they are settled. First of all, so that a backfill that breaks
        off leaves rows that verify finds wanting."""
        late = (
            " FROM rejected_raw FINAL WHERE reason = 'late' AND error != {settled:String}"
            f" AND {PLACE} IN (SELECT topic, partition, offset, cityHash64(raw) FROM raw_events FINAL"
            f" WHERE shop_id = {{shop:String}} AND {_IN_SPAN.format('time')})"
        )
        params = {"shop": span.shop_id, "from": span.start, "to": span.end, "settled": SETTLED}
        count = self._db.query(f"SELECT count() AS n{late}", params)[0]["n"]
        self.repairs.settled += count
        if count and not self._dry_run:
            columns = "reason, raw, raw_encoding, topic, partition, offset, file, line, received_at"
            self._db.command(
                f"INSERT INTO rejected_raw (error, {columns}) SELECT {{settled:String}}, {columns}{late}", params
            )

    # ---- comparing --------------------------------------------------------------------------------------------------

    def _wrong(self, span: Span) -> Iterator[Repair]:
        windows: dict[tuple[int, WindowKey], WindowSums] = {}
        boards: dict[tuple[int, BoardKey], BoardSums] = {}
        for group in self._groups(span):
            derived: dict[Table, dict[Key, Values]] = {_ROUNDS: {}, _FLAGS: {}, _TASKS: {}}
            for partition in self._replayed(span, group):
                for buyer in partition.buyers_by_id.values():
                    for topic, record in _records_of(buyer):
                        _put(derived, topic, record)
                _add(windows, partition.number, partition.windows, WindowSums, lambda key: key.start, span)
                _add(boards, partition.number, partition.boards, BoardSums, lambda key: key.hour_start, span)
            for table, rows in derived.items():
                # a row whose moment is wrong stands elsewhere, but with its buyer
                where = (
                    f"modulo(cityHash64(buyer_id), {{groups:UInt64}}) = {{group:UInt64}} AND ({_IN_SPAN.format(table.moment)}"
                    f" OR buyer_id IN (SELECT buyer_id FROM raw_events WHERE shop_id = {{shop:String}} AND {_IN_SPAN.format('time')}))"
                )
                yield from self._differences(table, span, rows, where, group)
        sums: dict[Table, dict[Key, Values]] = {_WINDOWS: {}, _BOARDS: {}}
        for (number, key), share in windows.items():
            rules = rules_of(key, self._book)
            day_ends_at = calendar(rules.timezone).day_end(key.start)
            _put(sums, WINDOWS, window_partial(key, share, number, day_ends_at, rules))
        for (number, row), board in boards.items():
            _put(sums, LEADERBOARD, leaderboard_partial(row, board, number, self._book.at(row.shop_id, row.hour_start)))
        for table, rows in sums.items():
            yield from self._differences(table, span, rows, _IN_SPAN.format(table.moment), {})

    def _groups(self, span: Span) -> Iterator[dict[str, int]]:
        """The span's buyers in groups of about GROUP_EVENTS events of theirs, by a hash."""
        count = self._db.query(
            "SELECT count() AS n FROM raw_events WHERE shop_id = {shop:String} AND buyer_id IN"
            f" (SELECT buyer_id FROM raw_events WHERE shop_id = {{shop:String}} AND {_IN_SPAN.format('time')})",
            {"shop": span.shop_id, "from": span.start, "to": span.end},
        )[0]["n"]
        groups = count // GROUP_EVENTS + 1
        for group in range(groups):
            yield {"groups": groups, "group": group}

    def _replayed(self, span: Span, group: Mapping[str, int]) -> list[Partition]:
        """The group's buyers with all their events, settled. What `rejected` still calls late, or the loser of a conflict,
        does not count."""
        rows = self._db.query(
            "SELECT partition, raw FROM raw_events FINAL WHERE shop_id = {shop:String} AND buyer_id != ''"
            " AND modulo(cityHash64(buyer_id), {groups:UInt64}) = {group:UInt64} AND buyer_id IN"
            f" (SELECT buyer_id FROM raw_events WHERE shop_id = {{shop:String}} AND {_IN_SPAN.format('time')})"
            f" AND {PLACE} NOT IN ({REFUSED} = 'conflict')"
            # a dry run counts the late events that it would have settled
            f" AND ({_IN_SPAN.format('time')} OR {PLACE} NOT IN"
            f" ({REFUSED} = 'late' AND error != {{settled:String}})) ORDER BY partition",
            {"shop": span.shop_id, "from": span.start, "to": span.end, "settled": SETTLED, **group},
        )
        partitions: dict[int, Partition] = {}
        for row in rows:
            number = row["partition"]
            partition = partitions.get(number)
            if partition is None:
                partition = Partition(number, self._book, writer=b"backfill", horizon_ms=_EVERYTHING)
                partitions[number] = partition
            try:
                partition.add_event(parse_event(row["raw"]))
            except InvalidEventError as error:
                raise DatabaseError(f"raw_events: a row of {span.shop_id} is no event: {error}") from None
        for partition in partitions.values():
            partition.settle()
        return list(partitions.values())

    def _differences(
        self, table: Table, span: Span, derived: Mapping[Key, Values], where: str, params: Mapping[str, int]
    ) -> Iterator[Repair]:
        """Rows of the span that are missing, wrong or too many. `where` selects at least the stored rows to compare."""
        columns = COLUMNS[table.name]
        stored: dict[Key, Values] = {}
        written: dict[Key, int] = {}
        for row in self._db.query(
            f"SELECT {', '.join(columns)}, written_at FROM {table.name} FINAL"
            f" WHERE shop_id = {{shop:String}} AND {where}",
            {"shop": span.shop_id, "from": span.start, "to": span.end, **params},
        ):
            values = {name: _plain(row[name]) for name in columns}
            key = tuple(values[name] for name in table.key)
            stored[key], written[key] = values, _plain(row["written_at"])
        for key in stored.keys() | derived.keys():
            old, new = stored.get(key), derived.get(key)
            if old == new or not _matters(table, span, old, new):
                continue
            if any(_rests_on(self._lost[span.shop_id], row) for row in (old, new) if row is not None):
                self.repairs.lost += 1
                continue
            if written.get(key, 0) >= self._settled_before:
                self.repairs.recent += 1
                continue
            yield Repair(
                table.name,
                span.shop_id,
                dict(zip(table.key, key, strict=True)),
                old,
                new,
                self._book.timezone(span.shop_id),
            )

    # ---- writing ----------------------------------------------------------------------------------------------------

    def _write(self, shop_id: str, repairs: Sequence[Repair]) -> None:
        """Old rows out, right ones in; in this order, lest a merge drop a right row for a wrong one of a higher revision.
        Batch by batch, so that what breaks off leaves a small gap.

        What was written after the backfill began stays: it knows more.
        """
        for table in _TABLE_OF.values():
            ours = [repair for repair in repairs if repair.table == table.name]
            wrong = [repair for repair in ours if repair.stored is not None]
            for start in range(0, len(wrong), _DELETE_KEYS):
                batch = wrong[start : start + _DELETE_KEYS]
                self._delete(table, shop_id, batch)
                self._insert(table, batch)
            missing = [repair for repair in ours if repair.stored is None]
            for start in range(0, len(missing), _INSERT_ROWS):
                self._insert(table, missing[start : start + _INSERT_ROWS])

    def _delete(self, table: Table, shop_id: str, repairs: Sequence[Repair]) -> None:
        parts = [
            f"toString(toUnixTimestamp64Milli({name}))" if name in _TIMES else f"toString({name})" for name in table.key
        ]
        keys = ["\0".join(str(repair.key[name]) for name in table.key) for repair in repairs]
        # the table that finds the wrong row comes last: what breaks off before is done again
        for name in filter(None, (table.fed, table.name)):
            self._db.command(
                f"ALTER TABLE {name} DELETE WHERE shop_id = {{shop:String}}"
                f" AND written_at < fromUnixTimestamp64Milli({{before:Int64}})"
                f" AND arrayStringConcat([{', '.join(parts)}], '\\0') IN {{keys:Array(String)}}"
                " SETTINGS mutations_sync = 2",
                {"shop": shop_id, "before": self._before, "keys": keys},
            )

    def _insert(self, table: Table, repairs: Sequence[Repair]) -> None:
        rows = [repair.derived for repair in repairs if repair.derived is not None]
        if rows:
            self._db.insert(table.name, {name: [row[name] for row in rows] for name in COLUMNS[table.name]})


_TIMES: Final = frozenset({"opened_at", "window_start", "hour_start"})


def _records_of(buyer: Buyer) -> Iterator[tuple[str, dict[str, Any]]]:
    """All records of a buyer, with their topics."""
    shop_id, buyer_id, zone, derived = buyer.shop_id, buyer.buyer_id, buyer.book.timezone(buyer.shop_id), buyer.derived
    for rounds in buyer.conversations.rounds.values():
        for round_ in rounds:
            yield ROUNDS, round_record(shop_id, buyer_id, round_, zone)
    for flag in derived.flags.values():
        yield FLAGS, flag_record(shop_id, buyer_id, flag, zone)
    for task in derived.tasks.values():
        yield CALL_TASKS, task_record(shop_id, buyer_id, task, zone)


def _put(rows: dict[Table, dict[Key, Values]], topic: str, record: dict[str, Any]) -> None:
    """The record as the sink would write it."""
    table = _TABLE_OF[topic]
    (_, values) = rows_of(Record(topic, 0, 0, None, orjson.dumps(record), 0))[0]
    row = dict(zip(COLUMNS[table.name], values, strict=True))
    rows[table][tuple(row[name] for name in table.key)] = row


def _add(totals: Any, number: int, shares: Any, sums: Any, start_of: Callable[[Any], int], span: Span) -> None:
    """Adds a group's sums of the span to those of its partition."""
    for key, share in shares.items():
        if span.start <= start_of(key) < span.end:
            totals.setdefault((number, key), sums()).add(share)


def _matters(table: Table, span: Span, old: Values | None, new: Values | None) -> bool:
    """Whether a difference is one of the span, and shows."""
    if not any(row is not None and span.start <= row[table.moment] < span.end for row in (old, new)):
        return False
    if old is None or new is None:
        row: Values = old or new or {}
        if row.get("status") in _GONE:
            return False  # what was derived once and is no more
        return not table.figures or any(row[name] not in (0, "0.00", {}) for name in table.figures)
    return True


def _rests_on(lost_ones: Lost, row: Values) -> bool:
    """Whether a row is one of such a buyer, or a sum that the buyer is in."""
    return row["buyer_id"] in lost_ones.buyers if "buyer_id" in row else row["partition"] in lost_ones.partitions


def _plain(value: Any) -> Any:
    """A value as the sink gives it to the database."""
    if isinstance(value, datetime):
        return (value - _EPOCH) // (value.resolution * 1000)
    if isinstance(value, Decimal):
        return format_amount(int(value * 100))
    return value


def _shown(name: str, value: Any, zone: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, int) and (name.endswith("_at") or name in ("window_start", "hour_start", "not_before")):
        return format_time(value, zone)
    return str(value) if value != "" else "''"
