"""verify and backfill over a real ClickHouse engine: the pipeline is right, and whoever touches its rows is named."""

import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures.named_server import KINDS, clickhouse_at, environment, everywhere
from fixtures.native_process import NativeServerProcess
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle.making import random_scene
from pipeline import Pipeline, line_of

from processors.reviews import task_id_of
from processors.ruleset import RulesetBook, default_book, parse_rulesets
from replay.backfill import Backfill, Repair
from replay.generator import SaleConfig
from replay.generator.write import deliver
from schemas.settings import Settings
from schemas.topics import TOPIC_OF_TYPE
from schemas.types import parse_time
from sinks import migrate
from sinks.database import Database, DatabaseError, open_database
from sinks.verify.run import Difference, Report, Verify
from sinks.verify.scope import spans

pytestmark = [pytest.mark.stack, pytest.mark.slow]
ALL = parse_time("2025-01-01T00:00:00+08:00"), parse_time("2027-12-31T00:00:00+08:00")
TABLES = ("rounds_raw", "window_partials", "leaderboard_partials", "flags_raw", "call_tasks_raw")
TWO_VERSIONS = """
name: mine
version: "1"
shops: {s2: {timezone: America/New_York, response: {platform_hours: ["22:00", "06:00"]}}}
---
version: "2"
effective_from: 2026-11-11T10:30:00+08:00
response: {slow_after_ms: 60000, slow_count: 1, cap_ms: 123456, session_gap_ms: 30000}
attribution: {horizon_minutes: 5}
reminder: {same_day_basis: [payment]}
phrases: {vague: [可能, 在吗]}
review: {negative_rating_max: 2}
severity: {reminder.direct: violation}
"""


def database(folder: Path, **clickhouse: Any) -> Database:
    db = open_database(Settings(data_dir=folder, **clickhouse))
    migrate.up(db)
    return db


def verified(db: Database, book: RulesetBook | None = None, limit: int = 100) -> tuple[list[Difference], Report]:
    book = book or default_book()
    check = Verify(db, book)
    return list(check.run(spans(db, book, *ALL), limit)), check.report


def lines(db: Database, book: RulesetBook | None = None) -> list[str]:
    return [difference.line() for difference in verified(db, book)[0]]


def repaired(db: Database, book: RulesetBook | None = None, **more: Any) -> list[Repair]:
    book = book or default_book()
    return list(Backfill(db, book, min_age_seconds=0, **more).run(spans(db, book, *ALL)))


def contents(db: Database) -> dict[str, list[str]]:
    return {
        table: [
            row["line"]
            for row in db.query(
                f"SELECT toString(tuple(* EXCEPT (written_at))) AS line FROM {table} FINAL ORDER BY line"
            )
        ]
        for table in TABLES
    }


def sale(seed: int, buyers: int = 60, shops: int = 2) -> SaleConfig:
    start = "2025-11-11T22:30:00+08:00"
    return SaleConfig(shops, 5, buyers, 2, seed, start, duplicates=0.1, disorder=0.2, faults=12)


def bad_reviews() -> list[tuple[str, bytes]]:
    """More negative reviews than a small sale has."""
    found = []
    for number, rating in enumerate((1, 2, 3)):
        who = {"shop_id": "lining-hz", "buyer_id": f"b-r{number}", "order_id": "o"}
        data = {**who, "review_id": "v", "rating": rating, "text": "质量太差了"}
        event = {"specversion": "1.0", "id": "r", "source": "reviews", "type": "review.posted", "data": data}
        found.append(("commerce.reviews", line_of({**event, "time": f"2025-11-12T1{number}:30:00+08:00"})))
    return found


@pytest.fixture(scope="module", params=["embedded", "real"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Where the database is that all tests of a kind share."""
    with clickhouse_at(request.param, request) as clickhouse:
        yield {"folder": tmp_path_factory.mktemp("verify"), **clickhouse}


@pytest.fixture
def db(kept: dict[str, Any]) -> Iterator[Database]:
    """A sale across midnight, made once; each test leaves it as it was. chDB knows one directory at a time."""
    found = database(**kept)
    if not found.query("SELECT 1 FROM raw_events LIMIT 1"):
        delivered = [(topic, line) for topic, line, _ in deliver(sale(3, shops=1))]
        Pipeline(found, default_book()).feed(delivered + bad_reviews())
    yield found
    found.close()


@pytest.fixture
def fresh(tmp_path: Path, clickhouse: dict[str, str]) -> Iterator[Database]:
    """An empty database."""
    found = database(tmp_path, **clickhouse)
    yield found
    found.close()


# ---- the pipeline is right --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_a_sale_with_duplicates_disorder_and_faults_is_clean(fresh: Database, seed: int) -> None:
    Pipeline(fresh, default_book()).feed(((topic, line) for topic, line, _ in deliver(sale(seed))), chunk=97)
    differences, report = verified(fresh)
    assert differences == []
    assert report.clean
    assert {"response_rounds", "window_partials", "leaderboard_hourly", "flags", "call_tasks"} <= set(report.units)
    assert repaired(fresh) == []


@pytest.mark.parametrize("rules", [None, TWO_VERSIONS], ids=["default", "two versions and zones"])
def test_nasty_scenes_come_out_the_same_in_sql(fresh: Database, rules: str | None) -> None:
    """Many small scenes, in which times, ids and orders collide, each with buyers of its own in one pair of shops."""
    book = default_book() if rules is None else parse_rulesets(rules)
    seed = random.randrange(2**32)
    print("seed", seed)  # shown when it fails
    dice = random.Random(seed)
    Pipeline(fresh, book, horizon_ms=2**60).feed(_scenes(dice, 120), chunk=400)
    assert lines(fresh, book) == [], seed
    assert [repair.line() for repair in repaired(fresh, book)] == [], seed


def _scenes(dice: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    events = []
    for number in range(count):
        kind = dice.choice(["anything", "chat", "reminders", "sales", "reviews"])
        names = {(shop, buyer): f"{number}-{buyer}" for shop in ("s1", "s2") for buyer in ("b1", "b2", "b3")}
        ids = {
            (shop, buyer, order): task_id_of(shop, name, order)
            for (shop, buyer), name in names.items()
            for order in ("o1", "o2", "o3")
        }
        for event in random_scene(kind, dice, ids):
            data = event["data"]
            if "buyer_id" in data:
                data["buyer_id"] = names[data["shop_id"], data["buyer_id"]]
            event["source"] = f"{number}-{event['source']}"
            events.append(event)
    dice.shuffle(events)
    for event in events:
        yield TOPIC_OF_TYPE[event["type"]], line_of(event)


# ---- rows touched by hand ---------------------------------------------------------------------------------------------


def chosen(table: str, where: str, nth: int) -> str:
    return f"(SELECT * FROM {table} FINAL WHERE {where} ORDER BY tuple({KEYS[table]}) LIMIT 1 OFFSET {nth})"


def alter(table: str, figure: str, value: str, where: str, nth: int) -> str:
    """The row again with another figure and a revision that nothing beats."""
    return (
        f"INSERT INTO {table} SELECT * REPLACE({value} AS {figure}, revision + 1000000 AS revision)"
        f" FROM {chosen(table, where, nth)}"
    )


def copy(table: str, replaced: str, where: str, nth: int) -> str:
    """The row once more, with another key; `replaced` as in REPLACE()."""
    return f"INSERT INTO {table} SELECT * REPLACE({replaced}) FROM {chosen(table, where, nth)}"


def delete(table: str, where: str, nth: int) -> str:
    keys = f"SELECT {KEYS[table]} FROM {chosen(table, where, nth)}"
    return f"ALTER TABLE {table} DELETE WHERE ({KEYS[table]}) IN ({keys}) SETTINGS mutations_sync = 2"


KEYS = {
    "rounds_raw": "shop_id, agent_id, opened_at, round_id",
    "window_partials": "shop_id, window_seconds, window_start, agent_id, definition, partition",
    "leaderboard_partials": "shop_id, hour_start, agent_id, partition",
    "flags_raw": "shop_id, flag_id",
    "call_tasks_raw": "shop_id, task_id",
}
HOUR_WINDOW = "definition = 'all' AND window_seconds = 3600 AND rounds > 0"
SEVEN = "mapUpdate(histogram, map(toUInt32(7), toUInt64(1)))"
ANSWERED, RAISED, VAGUE = "status = 'answered'", "status = 'raised'", "rule = 'language.vague' AND status = 'raised'"
SAME_DAY = "rule = 'reminder.same_day' AND status = 'raised'"
HIDDEN = "rule = 'review.hidden_negative' AND status = 'raised'"
TAMPERINGS = {
    "windows": [
        (delete("window_partials", HOUR_WINDOW, 0), "window_partials .*: missing"),
        (
            copy("window_partials", "toInt32(77) AS partition", HOUR_WINDOW, 1),
            "window_partials .*partition=77: surplus",
        ),
        (alter("window_partials", "rounds", "rounds + 1", HOUR_WINDOW, 2), "window_partials .* rounds: pipeline"),
        (alter("window_partials", "histogram", SEVEN, HOUR_WINDOW, 3), "window_partials .* histogram: pipeline"),
    ],
    "leaderboard": [
        (delete("leaderboard_partials", "paid_amount > 0", 0), "leaderboard_partials .*: missing"),
        (
            copy("leaderboard_partials", "'ghost' AS agent_id", "paid_amount > 0", 1),
            "leaderboard_hourly .*agent=ghost: surplus",
        ),
        (
            alter("leaderboard_partials", "paid_amount", "paid_amount + 0.01", "paid_amount > 0", 2),
            "leaderboard_hourly .* paid_amount: pipeline",
        ),
    ],
    "flags": [
        (delete("flags_raw", VAGUE, 0), "rule=language.vague .*: missing"),
        (delete("flags_raw", HIDDEN, 0), "rule=review.hidden_negative .*: missing"),
        (copy("flags_raw", "'f-again' AS flag_id", VAGUE, 1), "rule=language.vague .* stands 2 times"),
        (
            copy("flags_raw", "'m-ghost' AS message_id, 'f-ghost' AS flag_id", VAGUE, 2),
            "rule=language.vague message=m-ghost: surplus",
        ),
        (alter("flags_raw", "status", "'cleared'", SAME_DAY, 0), "rule=reminder.same_day .*: missing"),
        (
            alter("flags_raw", "occurred_at", "occurred_at + INTERVAL 3 DAY", SAME_DAY, 1),
            "rule=reminder.same_day .*: surplus",  # on a day of its own, beside the one where it is missing
        ),
    ],
    "rounds": [
        (delete("rounds_raw", ANSWERED, 0), "response_rounds .*: missing"),
        (copy("rounds_raw", "'r-again' AS round_id", ANSWERED, 1), "response_rounds .* stands 2 times"),
        (
            copy("rounds_raw", "'m-ghost' AS message_id, 'r-ghost' AS round_id", ANSWERED, 2),
            "response_rounds .*message=m-ghost: surplus",
        ),
        (
            alter("rounds_raw", "response_ms", "response_ms + 1", ANSWERED, 3),
            "response_rounds .* response_ms: pipeline",
        ),
        (alter("rounds_raw", "status", "'void'", ANSWERED, 4), "response_rounds .*: missing"),
    ],
    "tasks": [
        (delete("call_tasks_raw", "true", 0), "call_tasks .*: missing"),
        (alter("call_tasks_raw", "due_at", "due_at + 1", "true", 1), "call_tasks .* due_at: pipeline"),
    ],
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_rows_touched_by_hand_are_named_and_repaired(db: Database, name: str) -> None:
    right = contents(db)
    # the last first: a row that is gone moves the numbers of those behind it
    for statement, _ in reversed(TAMPERINGS[name]):
        before = contents(db)
        db.command(statement)
        assert contents(db) != before, f"did nothing: {statement}"
    touched = contents(db)
    left = lines(db)
    for _, pattern in TAMPERINGS[name]:
        found = next((line for line in left if re.search(pattern, line)), None)
        assert found is not None, (pattern, left)
        left.remove(found)
    would = [repair.line() for repair in repaired(db, dry_run=True)]
    assert len(would) == len(TAMPERINGS[name])
    assert contents(db) == touched, "a dry run changed something"
    assert sorted(repair.line() for repair in repaired(db)) == sorted(would)
    assert contents(db) == right
    assert lines(db) == []


_MONEY, _COUNT = "{0} + 1.25", "{0} + 1"
ALTERED = {
    "rounds_raw": {"response_ms": _COUNT, "replied_at": _COUNT, "buyer_id": "'x'", "in_platform_hours": "NOT {0}"},
    "window_partials": dict.fromkeys(
        (
            "rounds", "answered", "answered_within_3min", "response_ms_sum", "first_responses", "first_response_ms_sum",
            "first_within_10s", "buyers_wrote", "buyers_replied", "day_ends_at", "response_cap_ms",
        ),
        _COUNT,
    ),
    "leaderboard_partials": {
        "orders_placed": _COUNT, "orders_paid": _COUNT, "paid_amount": _MONEY, "items_paid": _COUNT,
        "refunded_amount": _MONEY, "buyers_served": _COUNT, "buyers_paid": _COUNT,
    },
    "flags_raw": {
        "rule": "if({0} = 'review.solicited', 'language.vague', 'review.solicited')", "severity": "concat({0}, '!')",
        "agent_id": "'x'", "buyer_id": "'x'", "order_ids": "arrayPushBack({0}, 'x')", "occurred_at": _COUNT,
    },
    "call_tasks_raw": {
        "rating": _COUNT, "priority": "concat({0}, '!')", "raised_at": _COUNT, "not_before": _COUNT, "due_at": _COUNT,
        "excluded_agent_id": "'x'", "order_id": "'x'", "review_ids": "[]", "status": "'resolved'", "assigned_role": "'x'",
    },
}  # fmt: skip
SAYS_SOMETHING = {
    "rounds_raw": "status = 'answered'",
    "window_partials": "rounds > 0",
    "leaderboard_partials": "buyers_served + orders_placed > 0",
    "flags_raw": "status = 'raised'",
    "call_tasks_raw": "true",
}


VIEWS = {
    "rounds_raw": "response_rounds",
    "window_partials": "window_partials",
    "leaderboard_partials": "leaderboard_partials",
    "flags_raw": "flags",
    "call_tasks_raw": "call_tasks",
}


@pytest.mark.timeout(400)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("kept", KINDS, indirect=True)
@given(data=st.data())
def test_any_altered_figure_of_any_row_is_caught_and_repaired(db: Database, data: st.DataObject) -> None:
    right = contents(db)
    for table, figures in ALTERED.items():
        figure = data.draw(st.sampled_from(sorted(figures)))
        rows = db.query(f"SELECT count() AS n FROM {table} FINAL WHERE {SAYS_SOMETHING[table]}")[0]["n"]
        nth = data.draw(st.integers(0, rows - 1))
        db.command(alter(table, figure, figures[figure].format(figure), SAYS_SOMETHING[table], nth))
    assert verified(db)[1].drift.keys() >= set(VIEWS.values())
    repaired(db)
    assert contents(db) == right
    assert lines(db) == []


def test_the_repaired_row_loses_to_what_the_pipeline_says_later(fresh: Database) -> None:
    """Backfilled rows carry the pipeline's own revisions, so facts that come afterwards still win."""
    pipeline = Pipeline(fresh, default_book())
    delivered = [(topic, line) for topic, line, _ in deliver(sale(4))]
    pipeline.feed(delivered[: len(delivered) // 2])
    for table, where in SAYS_SOMETHING.items():
        fresh.command(f"ALTER TABLE {table} DELETE WHERE {where} SETTINGS mutations_sync = 2")
    assert lines(fresh) != []
    repaired(fresh)
    assert lines(fresh) == []
    pipeline.feed(delivered[len(delivered) // 2 :])
    assert lines(fresh) == []


def test_a_row_written_after_the_backfill_began_survives(fresh: Database) -> None:
    Pipeline(fresh, default_book()).feed((topic, line) for topic, line, _ in deliver(sale(3, buyers=40)))
    run = Backfill(fresh, default_book(), min_age_seconds=0)
    time.sleep(0.01)
    newer = "'newer' AS message_id, revision + 5 AS revision, now64(3) AS written_at"
    fresh.command(copy("rounds_raw", newer, ANSWERED, 0))
    assert list(run.run(spans(fresh, default_book(), *ALL))) == []
    assert run.repairs.recent == 1
    assert fresh.query("SELECT count() AS n FROM response_rounds WHERE message_id = 'newer'") == [{"n": 1}]


# ---- late events, other rules ------------------------------------------------------------------------------------------


def _message(number: int, at: str, sender: str) -> tuple[str, bytes]:
    data = {"shop_id": "s", "buyer_id": "b", "agent_id": "a", "sender": sender, "text": "您好"}
    event = {"specversion": "1.0", "id": f"m{number}", "source": "x", "type": "chat.message", "time": at, "data": data}
    return "chat.messages", line_of(event)


def test_a_late_event_counts_once_a_backfill_has_settled_it(fresh: Database) -> None:
    lines_in = [
        _message(1, "2026-11-01T10:00:00+08:00", "buyer"),
        _message(2, "2026-11-11T10:00:00+08:00", "buyer"),
        _message(3, "2026-11-01T10:00:30+08:00", "agent"),
    ]
    Pipeline(fresh, default_book(), horizon_ms=2 * 86_400_000).feed(lines_in, chunk=1)
    differences, report = verified(fresh)
    assert (differences, report.late) == ([], 1)
    dry = Backfill(fresh, default_book(), min_age_seconds=0, dry_run=True)
    would = [repair.line() for repair in dry.run(spans(fresh, default_book(), *ALL))]
    assert dry.repairs.settled == 1
    assert any("status open -> answered" in line for line in would)
    assert verified(fresh)[1].late == 1
    assert [repair.line() for repair in repaired(fresh)] == would
    differences, report = verified(fresh)
    assert (differences, report.late) == ([], 0)
    assert fresh.query("SELECT status FROM response_rounds ORDER BY opened_at LIMIT 1") == [{"status": "answered"}]
    assert fresh.query("SELECT reason, error FROM rejected") == [
        {"reason": "late", "error": "time: beyond the horizon; settled by a backfill"}
    ]
    assert repaired(fresh) == []


def _order(name: str) -> tuple[str, bytes]:
    """Under the id that _paid() gives the payment."""
    item = {"sku_id": "k", "title": "t", "quantity": 2, "unit_price": "5.00"}
    data = {"shop_id": "s", "buyer_id": name, "order_id": name, "amount": "10.00", "items": [item]}
    event = {"specversion": "1.0", "id": name, "source": "x", "type": "order.placed", "data": data}
    return "commerce.orders", line_of({**event, "time": "2026-11-01T10:00:00+08:00"})


def test_a_refusal_is_of_a_content_not_of_an_offset(fresh: Database) -> None:
    """After a topic is made anew, an old refusal names the offset of another event."""
    Pipeline(fresh, default_book()).feed([_message(1, "2026-11-01T10:00:00+08:00", "buyer")])
    for reason in ("conflict", "late"):
        fresh.command(
            "INSERT INTO rejected_raw (reason, error, raw, raw_encoding, topic, partition, offset)"
            " SELECT {reason:String}, 'old', '{}', 'utf-8', topic, partition, offset FROM raw_events",
            {"reason": reason},
        )
    differences, report = verified(fresh)
    assert (differences, report.late) == ([], 0)
    run = Backfill(fresh, default_book(), min_age_seconds=0)
    assert list(run.run(spans(fresh, default_book(), *ALL))) == []
    assert run.repairs.settled == 0


def test_where_the_event_that_counted_is_lost_nothing_is_judged_and_nothing_changed(fresh: Database) -> None:
    """Of a conflict between two topics, raw_events keeps the lower offset, which may be the refused event."""
    placed = [_order(name) for name in ("b1", "b2", "b3")]
    Pipeline(fresh, default_book()).feed([*placed, _paid("b3", "2026-11-01T11:00:00+08:00")], chunk=1)
    assert fresh.query("SELECT type FROM raw_events FINAL WHERE buyer_id = 'b3'") == [{"type": "payment.succeeded"}]
    before = contents(fresh)
    differences, report = verified(fresh)
    assert differences == []
    assert report.lost.keys() == {"leaderboard_partials", "leaderboard_hourly"}
    run = Backfill(fresh, default_book(), min_age_seconds=0)
    assert list(run.run(spans(fresh, default_book(), *ALL))) == []
    assert run.repairs.lost == 1
    assert contents(fresh) == before
    # the other partitions are judged and mended as ever
    lost = fresh.query("SELECT partition FROM raw_events FINAL WHERE buyer_id = 'b3'")[0]["partition"]
    fresh.command(f"ALTER TABLE leaderboard_partials DELETE WHERE partition != {lost} SETTINGS mutations_sync = 2")
    assert any("leaderboard_partials" in line for line in lines(fresh))
    assert repaired(fresh) != []
    assert contents(fresh) == before


def test_a_round_whose_message_is_lost_is_not_judged(fresh: Database) -> None:
    data = {"shop_id": "s", "agent_id": "a", "sender": "buyer", "text": "您好"}
    event = {"specversion": "1.0", "source": "x", "type": "chat.message", "time": "2026-11-01T10:00:00+08:00"}
    asked = [
        ("chat.messages", line_of({**event, "id": name, "data": {**data, "buyer_id": name}}))
        for name in ("b1", "b2", "b3")
    ]
    Pipeline(fresh, default_book()).feed([*asked, _paid("b3", "2026-11-01T11:00:00+08:00")], chunk=1)
    before = contents(fresh)
    differences, report = verified(fresh)
    assert differences == []
    assert report.lost.keys() == {"response_rounds", "window_partials", "response_windows"}
    assert repaired(fresh) == []
    assert contents(fresh) == before


def test_rows_under_rules_that_are_not_loaded_are_told_apart_from_drift(db: Database) -> None:
    mine = parse_rulesets('name: mine\nversion: "1"\nresponse: {slow_count: 1}\nphrases: {vague: [您好]}\n')
    differences, report = verified(db, mine)
    assert {difference.table for difference in differences} <= {"call_tasks", "flags"}, differences
    assert report.other_rules["default@1"] > 100
    assert not [one for one in differences if one.pipeline is not None]
    db.command(delete("rounds_raw", ANSWERED, 0))
    assert any("response_rounds" in line for line in lines(db, mine))
    repaired(db)


def test_days_without_raw_events_are_left_alone_by_a_backfill(fresh: Database) -> None:
    """Raw events live shorter than the leaderboard: what can't be replayed must not be deleted."""
    Pipeline(fresh, default_book()).feed([_message(1, "2026-11-01T10:00:00+08:00", "agent")])
    before = contents(fresh)
    fresh.command("TRUNCATE TABLE raw_events")
    run = Backfill(fresh, default_book(), min_age_seconds=0)
    assert list(run.run(spans(fresh, default_book(), *ALL))) == []
    assert run.repairs.eventless == 1
    assert contents(fresh) == before
    assert any("surplus" in line for line in lines(fresh))


def _paid(name: str, at: str) -> tuple[str, bytes]:
    data = {"shop_id": "s", "buyer_id": name, "payment_id": name, "order_id": name, "amount": "10.00"}
    event = {"specversion": "1.0", "id": name, "source": "x", "type": "payment.succeeded", "time": at, "data": data}
    return "commerce.payments", line_of(event)


def _delete_event(db: Database, name: str) -> None:
    db.command("ALTER TABLE raw_events DELETE WHERE id = {id:String} SETTINGS mutations_sync = 2", {"id": name})


def test_a_day_without_events_of_buyers_is_left_alone_beside_one_that_has_some(fresh: Database) -> None:
    """Reference events are no reason to think that a day can be replayed."""
    agent = {"shop_id": "s", "agent_id": "a", "name": "n", "team": "red", "role": "presale"}
    upserted = {"specversion": "1.0", "id": "a", "source": "x", "type": "agent.upserted", "data": agent}
    known = ("reference", line_of({**upserted, "time": "2026-11-01T09:00:00+08:00"}))
    days = [_paid("p1", "2026-11-01T10:00:00+08:00"), _paid("p2", "2026-11-02T10:00:00+08:00")]
    Pipeline(fresh, default_book()).feed([known, *days])
    before = contents(fresh)
    _delete_event(fresh, "p1")
    run = Backfill(fresh, default_book(), min_age_seconds=0)
    assert list(run.run(spans(fresh, default_book(), *ALL))) == []
    assert run.repairs.eventless == 1
    assert contents(fresh) == before


@pytest.mark.parametrize(("table", "column"), [("leaderboard_partials", "written_at"), ("raw_events", "ingested_at")])
def test_a_day_of_which_raw_events_may_have_expired_is_left_alone(fresh: Database, table: str, column: str) -> None:
    """Half of its events are gone: whether a row or an event that is still there tells how old it is. The next day is mended."""
    old = [_paid("p1", "2025-10-10T10:00:00+08:00"), _paid("p2", "2025-10-10T11:00:00+08:00")]
    Pipeline(fresh, default_book()).feed([*old, _paid("p3", "2025-10-11T10:00:00+08:00")])
    before = contents(fresh)
    fresh.command(
        f"ALTER TABLE {table} UPDATE {column} = now64(3) - INTERVAL 399 DAY"
        " WHERE shop_id = 's' AND toDate(" + ("time" if table == "raw_events" else "hour_start") + ") = '2025-10-10'"
        " SETTINGS mutations_sync = 2"
    )
    _delete_event(fresh, "p1")
    fresh.command(
        "ALTER TABLE leaderboard_partials DELETE WHERE toDate(hour_start) = '2025-10-11' SETTINGS mutations_sync = 2"
    )
    run = Backfill(fresh, default_book(), min_age_seconds=0)
    assert {repair.table for repair in run.run(spans(fresh, default_book(), *ALL))} == {"leaderboard_partials"}
    assert run.repairs.aged == 1
    assert contents(fresh) == before


def test_over_the_native_protocol(tmp_path: Path) -> None:
    server = NativeServerProcess(tmp_path)
    server.start()
    db = open_database(Settings(clickhouse="server", clickhouse_url=server.url("verify")))
    try:
        migrate.up(db)
        Pipeline(db, default_book()).feed((topic, line) for topic, line, _ in deliver(sale(7, buyers=20)))
        assert lines(db) == []
        for table, where in SAYS_SOMETHING.items():
            db.command(f"ALTER TABLE {table} DELETE WHERE {where} AND revision % 2 = 1 SETTINGS mutations_sync = 2")
        # a key that needs quoting on its way to the DELETE
        db.command(copy("leaderboard_partials", r"'it\'s\0 \\ a | ghost' AS agent_id", "paid_amount > 0", 0))
        assert lines(db) != []
        assert repaired(db) != []
        assert lines(db) == []
        assert repaired(db) == []
    finally:
        db.close()
        server.kill()


# ---- the commands -------------------------------------------------------------------------------------------------------


def zhengdian(folder: Path, *args: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *args],
        env={**os.environ, "ZHENGDIAN_DATA_DIR": str(folder), **environment(settings)},
        capture_output=True,
        text=True,
        timeout=100,
    )


@everywhere
def test_the_commands(tmp_path: Path, clickhouse: dict[str, str]) -> None:
    db = database(tmp_path, **clickhouse)
    Pipeline(db, default_book()).feed((topic, line) for topic, line, _ in deliver(sale(6, buyers=15)))
    db.command(alter("leaderboard_partials", "paid_amount", "paid_amount + 1", "paid_amount > 0", 0))
    whole = ["--from", "2025-01-01T00:00:00+08:00", "--to", "2027-01-01T00:00:00+08:00"]
    if clickhouse["clickhouse"] == "embedded":
        locked = zhengdian(tmp_path, "verify", *whole)
        assert (locked.returncode, locked.stdout) == (1, "")
        assert "is in use by process" in locked.stderr
        assert locked.stderr.count("\n") == 1
    db.close()

    drift = zhengdian(tmp_path, "verify", *whole, "--limit", "1", **clickhouse)
    assert drift.returncode == 1
    assert "paid_amount: pipeline" in drift.stdout.splitlines()[0]
    assert "differences: 2 (1 leaderboard_hourly, 1 leaderboard_partials)" in drift.stdout
    assert drift.stderr.splitlines()[-1].startswith("zhengdian: the tables are not")
    as_json = zhengdian(tmp_path, "verify", *whole, "--format", "json", **clickhouse)
    assert as_json.returncode == 1
    assert json.loads(as_json.stdout)["differences"] == {"leaderboard_hourly": 1, "leaderboard_partials": 1}

    # more than the commands above take on a slow machine
    recent = zhengdian(tmp_path, "backfill", *whole, "--min-age", "3600", **clickhouse)
    assert re.fullmatch(r"left alone: \d+ rows written in the last 3600 s; run it again later\n", recent.stderr)
    mend = zhengdian(tmp_path, "backfill", *whole, "--min-age", "0", **clickhouse)
    assert mend.returncode == 0, mend.stderr
    assert "leaderboard_partials: 0 inserted, 1 replaced, 0 deleted" in mend.stdout
    clean = zhengdian(tmp_path, "verify", *whole, **clickhouse)
    assert clean.returncode == 0, clean.stdout
    assert "differences: 0" in clean.stdout


def test_what_was_not_compared_because_of_its_rules_fails_unless_it_is_allowed(tmp_path: Path) -> None:
    db = database(tmp_path)
    Pipeline(db, default_book()).feed([_paid("p1", "2026-11-01T10:00:00+08:00"), _order("p2")])
    db.command(
        "ALTER TABLE leaderboard_partials UPDATE ruleset = 'mine@9', paid_amount = 999 WHERE true"
        " SETTINGS mutations_sync = 2"
    )
    assert verified(db)[1].units.total() == 0
    db.close()
    whole = ["--from", "2026-11-01T00:00:00+08:00", "--to", "2026-11-02T00:00:00+08:00"]
    found = zhengdian(tmp_path, "verify", *whole)
    assert found.returncode == 1, found.stdout
    assert "not compared, written under rules that are not loaded: " in found.stdout
    assert "checked: 1 shop days, 0 rows\n" in found.stdout
    assert found.stderr.startswith("zhengdian: rows under rules that are not loaded (mine@9) were not compared")
    allowed = zhengdian(tmp_path, "verify", *whole, "--allow-other-rules")
    assert (allowed.returncode, allowed.stdout) == (0, found.stdout)


def test_wrong_use_is_one_line(tmp_path: Path) -> None:
    for args in (
        ("--from", "yesterday", "--to", "2026-01-01T00:00:00Z"),
        ("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:00:00Z"),
    ):
        found = zhengdian(tmp_path, "verify", *args)
        assert (found.returncode, found.stderr.count("\n")) == (2, 1), found.stderr
        assert "--from" in found.stderr
    day = ("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z")
    for age in ("inf", "nan", "1e300", "-1"):
        found = zhengdian(tmp_path, "backfill", *day, "--min-age", age)
        assert found.returncode == 2, (age, found.stderr)
        assert "--min-age" in found.stderr
    for command in ("verify", "backfill"):
        empty = zhengdian(tmp_path / "none", command, *day)
        assert (empty.returncode, empty.stderr.count("\n")) == (1, 1), empty.stderr
        assert "migrate up" in empty.stderr
    assert list(tmp_path.iterdir()) == [], "looking for a database must not make one"


def test_a_range_without_anything_is_said_and_an_unknown_shop_fails(tmp_path: Path) -> None:
    db = database(tmp_path)
    Pipeline(db, default_book()).feed([_paid("p1", "2026-11-01T10:00:00+08:00")])
    db.close()
    day = ("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z")
    for command in ("verify", "backfill"):
        nothing = zhengdian(tmp_path, command, *day, "--shop", "s")
        assert (nothing.returncode, nothing.stderr) == (0, "nothing in this range\n")
        unknown = zhengdian(tmp_path, command, *day, "--shop", "t")
        assert (unknown.returncode, unknown.stdout) == (1, "")
        assert "'t'" in unknown.stderr


def test_a_repair_tells_what_its_row_is_about_in_the_shop_s_time(fresh: Database) -> None:
    book = parse_rulesets('name: ny\nversion: "1"\ntimezone: America/New_York\n')
    vague = {"shop_id": "s", "buyer_id": "b", "agent_id": "a", "sender": "agent", "text": "可能吧"}
    event = {"specversion": "1.0", "id": "m1", "source": "x", "type": "chat.message", "data": vague}
    said = ("chat.messages", line_of({**event, "time": "2026-11-11T10:00:00+08:00"}))
    Pipeline(fresh, book).feed([said])
    fresh.command("ALTER TABLE flags_raw DELETE WHERE rule = 'language.vague' SETTINGS mutations_sync = 2")
    (line,) = [repair.line() for repair in repaired(fresh, book)]
    assert re.fullmatch(
        r"flags_raw shop=s flag_id=\S+ buyer_id=b agent_id=a rule=language\.vague message_id=m1"
        r" occurred_at=2026-11-10T21:00:00\S*-05:00: inserted",
        line,
    )


def test_a_flag_that_is_replaced_is_replaced_in_order_of_time_too(fresh: Database) -> None:
    vague = {"shop_id": "s", "buyer_id": "b", "agent_id": "a", "sender": "agent", "text": "可能吧"}
    event = {"specversion": "1.0", "id": "m1", "source": "x", "type": "chat.message", "data": vague}
    Pipeline(fresh, default_book()).feed([("chat.messages", line_of({**event, "time": "2026-11-11T10:00:00+08:00"}))])
    fresh.command("INSERT INTO flags_raw SELECT * REPLACE ('cleared' AS status, 2000000000 AS revision) FROM flags_raw")
    asked = "SELECT status, revision FROM {} FINAL"
    wrong = fresh.query(asked.format("flags_by_time"))
    assert [row["status"] for row in wrong] == ["cleared"]
    assert [repair.table for repair in repaired(fresh, default_book())] == ["flags_raw"]
    right = fresh.query(asked.format("flags_by_time"))
    assert [row["status"] for row in right] == ["raised"]
    assert right == fresh.query(asked.format("flags_raw"))


class BreaksOff:
    """A database that lets one insert of the repaired rows through, and no more."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.inserts = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def insert(self, table: str, columns: Any) -> int:
        self.inserts += 1
        if self.inserts > 1:
            raise DatabaseError("killed")
        return self._db.insert(table, columns)


def test_a_backfill_that_breaks_off_leaves_a_small_gap(fresh: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replay.backfill._DELETE_KEYS", 2)
    paid = [_paid(f"p{hour}", f"2026-11-01T{hour}:00:00+08:00") for hour in range(10, 20)]
    Pipeline(fresh, default_book()).feed(paid)
    fresh.command("ALTER TABLE leaderboard_partials UPDATE paid_amount = 1 WHERE true SETTINGS mutations_sync = 2")
    breaks_off: Any = BreaksOff(fresh)
    with pytest.raises(DatabaseError):
        repaired(breaks_off)
    assert fresh.query("SELECT count() AS n FROM leaderboard_hourly") == [{"n": 8}]
    repaired(fresh)
    assert lines(fresh) == []
