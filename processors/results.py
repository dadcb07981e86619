"""The final rows: what a reader sees at a given *now*, with ranks, averages, percentiles and reference data joined.

The ClickHouse views (sinks/migrations) say the same in SQL; a test holds the two together.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from processors.buyer import Buyer
from processors.calendar import calendar
from processors.changes import FlagRecord, RoundRecord, TaskRecord
from processors.leaderboard import BoardKey, BoardSums, ranks
from processors.records import board_figures, flag_record, round_record, task_record
from processors.reference import Reference, Standing
from processors.ruleset import RulesetBook
from processors.windows import WindowKey, WindowSums, percentiles, rules_of
from schemas.types import DAY_MS, format_time

Row = dict[str, Any]
Rows = list[Row]


class Results(NamedTuple):
    """Final rows by file of a replay (contract §3, §5), each list in an order of its own that depends on the rows alone:
    by shop and moment (windows: by shop and agent), then id."""

    flags: Rows
    call_tasks: Rows
    response_rounds: Rows
    response_windows: Rows
    leaderboard_hourly: Rows


class Window(NamedTuple):
    """A window of all partitions with what its final row takes from the rules in force at its start."""

    key: WindowKey
    sums: WindowSums
    zone: str
    ruleset: str
    day_ends_at: int
    response_cap_ms: int


class Board(NamedTuple):
    """A leaderboard row of all partitions, without rank and team, and the rules in force at its hour."""

    key: BoardKey
    sums: BoardSums
    zone: str
    ruleset: str


def results(
    buyers: Collection[Buyer],
    windows: dict[WindowKey, WindowSums],
    boards: dict[BoardKey, BoardSums],
    reference: Reference,
    book: RulesetBook,
    now: int,
) -> Results:
    """All rows as they stand at `now` (ms): the wall clock in live views, the latest event time in a replay."""
    standing = reference.standing()
    flags: list[tuple[str, int, str, str, Buyer, FlagRecord]] = []
    tasks: list[tuple[str, int, str, Buyer, TaskRecord]] = []
    rounds: list[tuple[str, int, str, Buyer, RoundRecord]] = []
    for buyer in buyers:
        shop_id, derived = buyer.shop_id, buyer.derived
        flags += [(shop_id, f.occurred_at, f.rule, f.flag_id, buyer, f) for f in derived.flags.values()]
        tasks += [(shop_id, t.task.raised_at, t.task.task_id, buyer, t) for t in derived.tasks.values()]
        for records in buyer.conversations.rounds.values():
            rounds += [(shop_id, r.round.opening.time, r.round_id, buyer, r) for r in records]
    # ids tell the entries apart, so that nothing behind them is compared
    flags.sort()
    tasks.sort()
    rounds.sort()
    zones = {shop_id: book.timezone(shop_id) for shop_id in {buyer.shop_id for buyer in buyers}}
    return Results(
        [
            flag_row(flag_record(shop_id, buyer.buyer_id, flag, zones[shop_id]), moment, standing)
            for shop_id, moment, _, _, buyer, flag in flags
        ],
        [task_record(shop_id, buyer.buyer_id, task, zones[shop_id]) for shop_id, _, _, buyer, task in tasks],
        [
            round_row(round_record(shop_id, buyer.buyer_id, record, zones[shop_id]), record.day_ends_at, now)
            for shop_id, _, _, buyer, record in rounds
        ],
        [
            window_row(_window(key, sums, book), now)
            for key, sums in sorted(windows.items(), key=itemgetter(0))
            if sums.has_row
        ],
        list(leaderboard_rows((_board(key, boards[key], book) for key in sorted(boards)), standing)),
    )


def _window(key: WindowKey, sums: WindowSums, book: RulesetBook) -> Window:
    rules = rules_of(key, book)
    day_ends_at = calendar(rules.timezone).day_end(key.start)
    return Window(key, sums, rules.timezone, rules.label, day_ends_at, rules.response_cap_ms)


def _board(key: BoardKey, sums: BoardSums, book: RulesetBook) -> Board:
    rules = book.at(key.shop_id, key.hour_start)
    return Board(key, sums, rules.timezone, rules.label)


def flag_row(record: Row, occurred_at: int, standing: Standing) -> Row:
    """schemas.outputs.Flag with `in_sale_event`; `record` is taken over. The evidence's keys are put in order."""
    record["evidence"] = _sorted(record["evidence"])
    record["in_sale_event"] = standing.in_sale_event(record["shop_id"], occurred_at)
    return record


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list | tuple) else value


def round_row(record: Row, day_ends_at: int, now: int) -> Row:
    """schemas.outputs.ResponseRound as read: pending while its day lasts, and unanswered afterwards; takes `record` over."""
    del record["day_ends_at"]
    if record["reply_message_id"] is None:
        record["status"] = "pending" if now < day_ends_at else "unanswered"
    return record


def window_row(window: Window, now: int) -> Row:
    """schemas.outputs.ResponseWindow: open rounds are pending while their day lasts, and unanswered afterwards."""
    key, sums, cap = window.key, window.sums, window.response_cap_ms
    waiting = sums.rounds - sums.answered
    pending = waiting if now < window.day_ends_at else 0
    unanswered = waiting - pending
    judged = sums.answered + unanswered
    histogram = dict(sums.responses)
    if key.definition == "platform":
        counted, total_ms = judged, sums.response_ms_sum + cap * unanswered
        if unanswered:
            histogram[cap] = histogram.get(cap, 0) + unanswered
    else:
        counted, total_ms = sums.answered, sums.response_ms_sum
    p50, p90, p99 = percentiles(histogram.items(), counted, 50, 90, 99) if counted else (None, None, None)
    whole_day = key.size_ms == DAY_MS
    return {
        "shop_id": key.shop_id,
        "agent_id": key.agent_id,
        "window_start": format_time(key.start, window.zone),
        "window_seconds": key.size_ms // 1000,
        "definition": key.definition,
        "rounds": sums.rounds,
        "answered": sums.answered,
        "pending": pending,
        "answered_within_3min": sums.answered_in_target,
        "response_ms_sum": sums.response_ms_sum,
        "avg_response_ms": round(total_ms / counted, 3) if counted else None,
        "rate_3min": round(sums.answered_in_target / judged, 6) if judged else None,
        "p50_ms": p50,
        "p90_ms": p90,
        "p99_ms": p99,
        "first_responses": sums.first_responses,
        "first_response_ms_sum": sums.first_ms_sum,
        "first_within_10s": sums.first_in_target,
        "buyers_wrote": sums.buyers_wrote if whole_day else None,
        "buyers_replied": sums.buyers_replied if whole_day else None,
        "revision": sums.revision,
        "ruleset": window.ruleset,
    }


def leaderboard_rows(boards: Iterable[Board], standing: Standing) -> Iterator[Row]:
    """schemas.outputs.LeaderboardRow, by shop and hour, best first, the silent row last. `boards`: in order of their keys."""
    with_figures = (board for board in boards if board.sums.has_row)
    for _, hour in groupby(with_figures, key=lambda board: (board.key.shop_id, board.key.hour_start)):
        entries = list(hour)
        rank_of = ranks((board.key.agent_id, board.sums.paid_amount, board.sums.orders_paid) for board in entries)
        entries.sort(key=lambda board: (rank_of[board.key.agent_id] or len(entries) + 1, board.key.agent_id))
        for key, sums, zone, ruleset in entries:
            team = {"team": standing.team(key.shop_id, key.agent_id), "rank": rank_of[key.agent_id]}
            yield {**board_figures(key, sums, zone, ruleset), **team}
