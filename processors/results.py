"""The final rows: what a reader sees at a given *now*, with ranks, averages, percentiles and reference data joined.

The ClickHouse views (sinks/migrations) say the same in SQL; a test holds the two together.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from processors.buyer import Buyer
from processors.calendar import calendar
from processors.leaderboard import BoardKey, BoardSums, ranks
from processors.records import flag_record, leaderboard_partial, round_record, task_record
from processors.reference import Reference
from processors.ruleset import RulesetBook
from processors.windows import WindowKey, WindowSums, percentile
from schemas.types import DAY_MS, format_time

Rows = list[dict[str, Any]]


class Results(NamedTuple):
    """Final rows by file of a replay (contract §3, §5), each list in an order of its own that depends on the rows alone."""

    flags: Rows
    call_tasks: Rows
    response_rounds: Rows
    response_windows: Rows
    leaderboard_hourly: Rows


def results(
    buyers: Iterable[Buyer],
    windows: dict[WindowKey, WindowSums],
    boards: dict[BoardKey, BoardSums],
    reference: Reference,
    book: RulesetBook,
    now: int,
) -> Results:
    """All rows as they stand at `now` (ms): the wall clock in live views, the latest event time in a replay."""
    flags: Rows = []
    tasks: Rows = []
    rounds: Rows = []
    for buyer in buyers:
        shop_id, buyer_id, zone = buyer.shop_id, buyer.buyer_id, book.timezone(buyer.shop_id)
        derived = buyer.derived
        for flag in derived.flags.values():
            row = flag_record(shop_id, buyer_id, flag, zone)
            row["in_sale_event"] = reference.in_sale_event(shop_id, flag.occurred_at)
            flags.append(row)
        tasks += [task_record(shop_id, buyer_id, task, zone) for task in derived.tasks.values()]
        for records in derived.rounds.values():
            for record in records:
                row = round_record(shop_id, buyer_id, record, zone)
                del row["day_ends_at"]
                if record.round.reply is None:
                    row["status"] = "pending" if now < record.day_ends_at else "unanswered"
                rounds.append(row)
    flags.sort(key=lambda r: (r["shop_id"], r["occurred_at"], r["rule"], r["flag_id"]))
    tasks.sort(key=lambda r: (r["shop_id"], r["raised_at"], r["task_id"]))
    rounds.sort(key=lambda r: (r["shop_id"], r["opened_at"], r["round_id"]))
    window_rows = [window_row(key, sums, book, now) for key, sums in sorted(windows.items()) if sums.has_row]
    return Results(flags, tasks, rounds, window_rows, leaderboard_rows(boards, reference, book))


def window_row(key: WindowKey, sums: WindowSums, book: RulesetBook, now: int) -> dict[str, Any]:
    """schemas.outputs.ResponseWindow: open rounds are pending while their day lasts, and unanswered afterwards."""
    rules = book.at(key.shop_id, key.start)
    waiting = sums.rounds - sums.answered
    pending = waiting if now < calendar(rules.timezone).day_end(key.start) else 0
    unanswered = waiting - pending
    judged = sums.answered + unanswered
    histogram = dict(sums.responses)
    if key.definition == "platform":
        counted, total_ms = judged, sums.response_ms_sum + rules.response_cap_ms * unanswered
        if unanswered:
            histogram[rules.response_cap_ms] = histogram.get(rules.response_cap_ms, 0) + unanswered
    else:
        counted, total_ms = sums.answered, sums.response_ms_sum
    p50, p90, p99 = (percentile(histogram.items(), counted, p) if counted else None for p in (50, 90, 99))
    whole_day = key.size_ms == DAY_MS
    return {
        "shop_id": key.shop_id,
        "agent_id": key.agent_id,
        "window_start": format_time(key.start, rules.timezone),
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
        "ruleset": rules.label,
    }


def leaderboard_rows(boards: dict[BoardKey, BoardSums], reference: Reference, book: RulesetBook) -> Rows:
    """schemas.outputs.LeaderboardRow, by shop and hour, best first, the silent row last."""
    by_hour: dict[tuple[str, int], list[tuple[BoardKey, BoardSums]]] = defaultdict(list)
    for key, sums in sorted(boards.items()):
        if sums.has_row:
            by_hour[key.shop_id, key.hour_start].append((key, sums))
    rows: Rows = []
    for (shop_id, hour), entries in by_hour.items():
        rank_of = ranks((key.agent_id, sums.paid_amount, sums.orders_paid) for key, sums in entries)
        rules = book.at(shop_id, hour)
        entries.sort(key=lambda entry: (rank_of[entry[0].agent_id] or len(entries) + 1, entry[0].agent_id))
        for key, sums in entries:
            row = leaderboard_partial(key, sums, 0, rules)
            del row["partition"]
            team = {"team": reference.team(shop_id, key.agent_id), "rank": rank_of[key.agent_id]}
            rows.append({**row, **team})
    return rows
