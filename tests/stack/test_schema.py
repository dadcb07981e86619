"""The schema and the views: migrations there and back, and hand-inserted rows against hand-computed answers."""

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures.named_server import clickhouse_at

from schemas.outputs import (
    CallTask,
    Flag,
    FlagRow,
    LeaderboardPartial,
    LeaderboardRow,
    Rejected,
    ResponseRound,
    ResponseRoundRow,
    ResponseWindow,
    ResponseWindowPartial,
)  # fmt: skip
from schemas.settings import Settings
from schemas.topics import BY_NAME, CALL_TASKS, FLAGS, LEADERBOARD, ROUNDS, WINDOWS
from sinks import migrate
from sinks.database import Database, DatabaseError, open_database
from sinks.describe import markdown
from sinks.named_queries import named_queries

pytestmark = pytest.mark.stack
SHANGHAI = ZoneInfo("Asia/Shanghai")
DOCS = Path(__file__).parents[2] / "docs" / "clickhouse.md"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.fixture(scope="module", params=["embedded", "real"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with clickhouse_at(request.param, request) as chosen:
        db = open_database(Settings(data_dir=tmp_path_factory.mktemp("schema"), database="schema", **chosen))  # type: ignore[arg-type]
        yield db
        db.close()


@pytest.fixture
def db(database: Database) -> Database:
    migrate.up(database)
    for row in database.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    ):
        if row["name"] != "schema_migrations":
            database.command(f"TRUNCATE TABLE {row['name']}")
    return database


def put(db: Database, table: str, *rows: dict[str, Any]) -> None:
    for row in rows:
        assert db.insert(table, {name: [value] for name, value in row.items()}) == 1


def tables(db: Database) -> list[str]:
    return [
        r["name"] for r in db.query("SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name")
    ]


def lifetimes(db: Database) -> list[str]:
    return [
        r["engine_full"]
        for r in db.query("SELECT engine_full FROM system.tables WHERE database = currentDatabase() ORDER BY name")
    ]


def test_up_down_up(db: Database) -> None:
    before = db.query(
        "SELECT table, name, type, comment FROM system.columns WHERE database = currentDatabase() ORDER BY table, position"
    )
    count = len(migrate.load())
    assert migrate.up(db) == []
    assert {s.state for s in migrate.status(db)} == {"applied"}
    assert migrate.down(db) == [count]
    assert migrate.down(db, count) == list(range(count - 1, 0, -1))
    assert tables(db) == ["schema_migrations"]
    assert {s.state for s in migrate.status(db)} == {"pending"}
    assert migrate.up(db, target=1) == [1]
    assert migrate.up(db) == list(range(2, count + 1))
    assert before == db.query(
        "SELECT table, name, type, comment FROM system.columns WHERE database = currentDatabase() ORDER BY table, position"
    )


def test_each_step_leaves_nothing_behind(db: Database) -> None:
    steps = migrate.load()
    migrate.down(db, len(steps))
    for step in steps:
        before = tables(db), lifetimes(db)
        migrate.up(db, target=step.version)
        migrate.down(db)
        assert (tables(db), lifetimes(db)) == before
        migrate.up(db, target=step.version)


def test_events_of_buyers_expire_and_reference_events_stay(db: Database) -> None:
    """Agents and sale events are kept for good, and so is what they follow from."""
    event = {"shop_id": "s", "time": at("2025-01-01"), "source": "x", "type": "t", "topic": "t", "partition": 0, "offset": 0, "raw": "{}"}  # fmt: skip
    now = datetime.fromtimestamp(time.time(), SHANGHAI)
    old, fresh = now - timedelta(days=401), now - timedelta(days=399)
    for buyer in ("", "b"):
        put(db, "raw_events", event | {"buyer_id": buyer, "id": "old", "ingested_at": old})
        put(db, "raw_events", event | {"buyer_id": buyer, "id": "fresh", "ingested_at": fresh})
    db.command("OPTIMIZE TABLE raw_events FINAL")
    rows = db.query("SELECT buyer_id, id FROM raw_events ORDER BY buyer_id, id")
    assert [tuple(row.values()) for row in rows] == [("", "fresh"), ("", "old"), ("b", "fresh")]


def test_a_changed_or_unknown_step_is_named(db: Database) -> None:
    steps = migrate.load()
    first = steps[0]
    changed = [migrate.Migration(1, first.name, first.up + "\n-- more", first.down), *steps[1:]]
    assert migrate.status(db, changed)[0].state == "changed"
    for action in (migrate.up, migrate.down):
        with pytest.raises(migrate.MigrationError, match=r"0001_events\.up\.sql was changed"):
            action(db, steps=changed)
    with pytest.raises(migrate.MigrationError, match="does not know"):
        migrate.up(db, steps=steps[:-1])


def test_a_step_that_broke_off_is_run_again(db: Database) -> None:
    steps = migrate.load()
    bad = migrate.Migration(
        len(steps) + 1,
        "bad",
        "CREATE TABLE IF NOT EXISTS extra (a Int8) ENGINE = Memory;\nSELEC 1;\n",
        "DROP TABLE IF EXISTS extra;\n",
    )
    with pytest.raises(DatabaseError):
        migrate.up(db, steps=[*steps, bad])
    assert migrate.status(db, [*steps, bad])[-1].state == "pending"
    good = migrate.Migration(bad.version, "bad", bad.up.replace("SELEC", "SELECT"), bad.down)
    assert migrate.up(db, steps=[*steps, good]) == [good.version]
    assert migrate.down(db, steps=[*steps, good]) == [good.version]


def test_statements() -> None:
    assert migrate.statements("-- a;\nSELECT ';x' ;  \n\nSELECT 2;\n") == ["SELECT ';x'", "SELECT 2"]


def test_everything_has_a_comment(db: Database) -> None:
    # a materialized view's columns are those of the table that it feeds
    fed = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView'"
    uncommented = "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND comment = ''"
    assert db.query(f"{uncommented} AND table NOT IN ({fed})") == []
    assert db.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND comment = ''") == []


def columns_of(db: Database, table: str) -> set[str]:
    return {
        r["name"]
        for r in db.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {t:String}", {"t": table}
        )
    }


@pytest.mark.parametrize(
    ("table", "model", "more"),
    [
        ("flags_raw", Flag, {"written_at"}), ("call_tasks_raw", CallTask, {"written_at"}), ("rounds_raw", ResponseRound, {"written_at"}),
        ("window_partials", ResponseWindowPartial, {"written_at"}), ("leaderboard_partials", LeaderboardPartial, {"written_at"}),
        ("rejected_raw", Rejected, {"received_at"}), ("flags", FlagRow, set()), ("call_tasks", CallTask, set()),
        ("response_rounds", ResponseRoundRow, set()), ("response_windows", ResponseWindow, {"unanswered"}),
        ("leaderboard_hourly", LeaderboardRow, {"conversion", "average_order", "items_per_order"}), ("rejected", Rejected, {"received_at"}),
    ],
)  # fmt: skip
def test_the_schema_is_the_one_of_the_models(db: Database, table: str, model: Any, more: set[str]) -> None:
    assert columns_of(db, table) == set(model.model_fields) | more


def test_the_documentation_is_current(db: Database) -> None:
    text = DOCS.read_text("utf-8")
    assert markdown(db) in text, "run: python -m sinks.describe"


FLAG = {
    "flag_id": "f1", "rule": "reminder.direct", "severity": "notice", "status": "raised", "shop_id": "s", "buyer_id": "b", "agent_id": "a",
    "message_id": "m", "review_id": None, "order_ids": ["o"], "occurred_at": at("2026-11-11 10:00:00"), "evidence": "{}", "revision": 1,
    "ruleset": "r@1",
}  # fmt: skip
SALE = {
    "shop_id": "s", "sale_event_id": "e", "time": at("2026-11-01"), "source": "x", "id": "1", "name": "双11", "targets": "[]",
    "starts_at": at("2026-11-11 10:00:00"), "ends_at": at("2026-11-11 12:00:00"), "teams": ["红队"], "pk_basis": "amount",
}  # fmt: skip


def test_flags_join_sale_events_at_their_borders(db: Database) -> None:
    moments = ["09:59:59.999", "10:00:00.000", "11:59:59.999", "12:00:00.000", "13:00:00.000"]
    for n, moment in enumerate(moments):
        put(
            db,
            "flags_raw",
            FLAG
            | {
                "flag_id": f"f{n}",
                "occurred_at": at(f"2026-11-11 {moment}"),
                "status": "cleared" if n == 1 else "raised",
            },
        )
    put(db, "flags_raw", FLAG | {"flag_id": "g", "shop_id": "other"})
    assert not any(r["in_sale_event"] for r in db.query("SELECT in_sale_event FROM flags"))
    # scheduled afterwards, moved by a later version, and a second sale event in the same shop
    put(
        db,
        "sale_events_raw",
        SALE | {"time": at("2026-11-02"), "id": "2"},
        SALE | {"starts_at": at("2026-11-11 09:00:00"), "id": "3"},
    )
    put(
        db,
        "sale_events_raw",
        SALE | {"sale_event_id": "e2", "starts_at": at("2026-11-11 13:00:00"), "ends_at": at("2026-11-11 13:00:01")},
    )
    rows = db.query("SELECT flag_id, in_sale_event, status FROM flags ORDER BY flag_id")
    assert [(r["flag_id"], r["in_sale_event"]) for r in rows] == [
        ("f0", False), ("f1", True), ("f2", True), ("f3", False), ("f4", True), ("g", False),
    ]  # fmt: skip
    assert rows[1]["status"] == "cleared"


def test_revisions(db: Database) -> None:
    put(db, "flags_raw", FLAG | {"revision": 5, "status": "cleared"}, FLAG | {"revision": 3})
    assert db.query("SELECT status, revision FROM flags") == [{"status": "cleared", "revision": 5}]
    put(db, "flags_raw", FLAG | {"revision": 5, "status": "raised", "qc_actor": "later"})
    assert db.query("SELECT status, qc_actor FROM flags") == [{"status": "raised", "qc_actor": "later"}]
    # within one insert too
    db.insert(
        "flags_raw",
        {name: [value] * 3 for name, value in (FLAG | {"revision": 5}).items()} | {"qc_actor": ["x", "y", "last"]},
    )
    assert db.query("SELECT qc_actor FROM flags") == [{"qc_actor": "last"}]
    db.command("OPTIMIZE TABLE flags_raw FINAL")
    assert db.query("SELECT qc_actor FROM flags") == [{"qc_actor": "last"}]


def test_a_flag_whose_time_changes_stays_one_row(db: Database) -> None:
    """A review's flag has the time of the version that stands, which a later version changes, over a month's end too."""
    put(db, "flags_raw", FLAG | {"occurred_at": at("2026-11-30 23:59:00"), "revision": 1})
    put(db, "flags_raw", FLAG | {"occurred_at": at("2026-12-01 00:01:00"), "revision": 2})
    assert db.query("SELECT flag_id, revision FROM flags") == [{"flag_id": "f1", "revision": 2}]
    since = "SELECT count() AS n FROM flags WHERE occurred_at < toDateTime64('2026-12-01 00:00:00', 3, 'Asia/Shanghai')"
    assert db.query(since) == [{"n": 0}], "the replaced row must not show through a filter"
    db.command("OPTIMIZE TABLE flags_raw FINAL")
    assert db.query("SELECT revision FROM flags_raw") == [{"revision": 2}]


def test_keys_hold_what_the_topic_s_key_fixes(db: Database) -> None:
    """What ClickHouse takes for one record is what Kafka's key names; `fixed`: columns that the key determines."""
    fixed = {
        FLAGS: {"shop_id"},
        CALL_TASKS: {"shop_id"},
        ROUNDS: {"shop_id", "agent_id", "opened_at"},
        WINDOWS: {"partition"},
        LEADERBOARD: {"partition"},
    }
    tables = dict(
        zip(
            fixed, ("flags_raw", "call_tasks_raw", "rounds_raw", "window_partials", "leaderboard_partials"), strict=True
        )
    )
    for topic, more in fixed.items():
        (row,) = db.query(
            "SELECT sorting_key, partition_key FROM system.tables WHERE database = currentDatabase() AND name = {t:String}",
            {"t": tables[topic]},
        )
        named = set(re.findall(r"\{(\w+)\}", BY_NAME[topic].key))
        assert set(row["sorting_key"].split(", ")) == named | more, topic
        assert set(re.findall(r"\((\w+)\)", row["partition_key"])) <= named | more, topic


def test_large_revisions_add_up(db: Database) -> None:
    large = 10**13
    put(db, "window_partials", *(window(rounds=1, partition=n, revision=large + n) for n in range(12)))
    put(db, "leaderboard_partials", *(board("a", orders_paid=1, partition=n, revision=large + n) for n in range(12)))
    put(db, "window_partials", window(rounds=5, partition=3, revision=large + 2))  # an older one
    for view in ("response_windows", "leaderboard_hourly"):
        assert db.query(f"SELECT revision FROM {view}") == [{"revision": 12 * large + 66}], view
    assert db.query("SELECT rounds FROM response_windows") == [{"rounds": 12}]


def test_rounds(db: Database) -> None:
    now = datetime.fromtimestamp(time.time(), SHANGHAI)
    base = {
        "shop_id": "s",
        "buyer_id": "b",
        "agent_id": "a",
        "opened_at": now,
        "message_id": "m",
        "in_platform_hours": True,
        "ruleset": "r@1",
        "revision": 1,
    }
    over, lasts = now - timedelta(seconds=5), now + timedelta(hours=1)
    put(
        db, "rounds_raw",
        base | {"round_id": "1", "status": "answered", "day_ends_at": over, "response_ms": 900_000, "replied_at": now},
        base | {"round_id": "2", "status": "open", "day_ends_at": over}, base | {"round_id": "3", "status": "open", "day_ends_at": lasts},
        base | {"round_id": "4", "status": "answered", "day_ends_at": lasts},
        base | {"round_id": "4", "status": "void", "day_ends_at": lasts, "revision": 2},
    )  # fmt: skip
    rows = db.query("SELECT round_id, status, response_ms FROM response_rounds ORDER BY round_id")
    assert [tuple(r.values()) for r in rows] == [
        ("1", "answered", 900_000),
        ("2", "unanswered", None),
        ("3", "pending", None),
    ]


def window(**more: Any) -> dict[str, Any]:
    return {
        "shop_id": "s", "agent_id": "a", "window_start": at("2026-11-11 10:00:00"), "window_seconds": 3600, "definition": "all", "partition": 0,
        "day_ends_at": at("2026-11-12 00:00:00"), "response_cap_ms": 600_000, "rounds": 0, "answered": 0, "answered_within_3min": 0,
        "response_ms_sum": 0, "first_responses": 0, "first_response_ms_sum": 0, "first_within_10s": 0, "buyers_wrote": 0, "buyers_replied": 0,
        "histogram": {}, "revision": 1, "ruleset": "r@1",
    } | more  # fmt: skip


def test_windows_add_up_partitions_and_differ_by_definition(db: Database) -> None:
    one = {"rounds": 6, "answered": 5, "answered_within_3min": 4, "response_ms_sum": 1_000, "histogram": {100: 4, 600: 1}, "revision": 7,
           "first_responses": 2, "first_response_ms_sum": 15_000, "first_within_10s": 1, "buyers_wrote": 3, "buyers_replied": 2}  # fmt: skip
    two = {"partition": 1, "rounds": 4, "answered": 3, "answered_within_3min": 3, "response_ms_sum": 500, "histogram": {100: 1, 200: 2}, "revision": 4,
           "buyers_wrote": 2, "buyers_replied": 2, "ruleset": "r@2"}  # fmt: skip
    for definition in ("all", "platform"):
        put(db, "window_partials", window(definition=definition, **one), window(definition=definition, **two))
        put(
            db, "window_partials", window(definition=definition, **(two | {"rounds": 99, "revision": 3}))
        )  # an older revision
    rows = db.query("SELECT * FROM response_windows ORDER BY definition")
    every, platform = rows
    assert (every["rounds"], every["answered"], every["pending"], every["unanswered"]) == (10, 8, 0, 2)
    assert every["answered_within_3min"] == 7
    assert every["response_ms_sum"] == 1_500
    assert every["revision"] == 11
    assert every["avg_response_ms"] == 1_500 / 8
    assert every["rate_3min"] == 7 / 10
    # of 8: 100 x5, 200 x2, 600: ranks 4, 7.2 -> 8th, 7.92 -> 8th
    assert (every["p50_ms"], every["p90_ms"], every["p99_ms"]) == (100, 600, 600)
    assert (every["first_responses"], every["first_response_ms_sum"], every["first_within_10s"]) == (2, 15_000, 1)
    assert every["buyers_wrote"] is None
    assert every["buyers_replied"] is None
    assert every["ruleset"] == "r@1"
    assert platform["avg_response_ms"] == (1_500 + 2 * 600_000) / 10
    assert platform["rate_3min"] == 7 / 10
    # of 10: 100 x5, 200 x2, 600, 600000 x2: ranks 5, 9, 9.9 -> 10th
    assert (platform["p50_ms"], platform["p90_ms"], platform["p99_ms"]) == (100, 600_000, 600_000)
    assert every["window_start"] == at("2026-11-11 10:00:00")


def test_windows_pending_empty_and_of_a_day(db: Database) -> None:
    lasts = datetime.fromtimestamp(time.time(), SHANGHAI) + timedelta(hours=1)
    put(
        db, "window_partials",
        window(agent_id="none"), window(agent_id="withdrawn", rounds=1), window(agent_id="withdrawn", rounds=0, revision=2),
        window(agent_id="open", rounds=2, day_ends_at=lasts), window(agent_id="open", definition="platform", rounds=2, day_ends_at=lasts),
        window(agent_id="over", rounds=2), window(agent_id="over", definition="platform", rounds=2), window(agent_id="first", first_responses=1),
        window(agent_id="day", window_seconds=86_400, rounds=1, buyers_wrote=1),
        window(agent_id="day", window_seconds=86_400, rounds=1, buyers_wrote=2, buyers_replied=1, partition=1),
        window(agent_id="mixed", definition="platform", rounds=3, answered=1, answered_within_3min=1, response_ms_sum=128, histogram={128: 1}, day_ends_at=lasts),
    )  # fmt: skip
    found = {(r["agent_id"], r["definition"]): r for r in db.query("SELECT * FROM response_windows")}
    assert set(found) == {
        ("open", "all"),
        ("open", "platform"),
        ("over", "all"),
        ("over", "platform"),
        ("first", "all"),
        ("day", "all"),
        ("mixed", "platform"),
    }
    figures = ("pending", "unanswered", "avg_response_ms", "rate_3min", "p50_ms", "p99_ms")
    assert [found["open", "all"][f] for f in figures] == [2, 0, None, None, None, None]
    assert [found["open", "platform"][f] for f in figures] == [2, 0, None, None, None, None]
    assert [found["over", "all"][f] for f in figures] == [0, 2, None, 0.0, None, None]
    assert [found["over", "platform"][f] for f in figures] == [0, 2, 600_000.0, 0.0, 600_000, 600_000]
    assert [found["mixed", "platform"][f] for f in figures] == [2, 0, 128.0, 1.0, 128, 128]
    assert [found["first", "all"][f] for f in figures] == [0, 0, None, None, None, None]
    assert (found["day", "all"]["buyers_wrote"], found["day", "all"]["buyers_replied"]) == (3, 1)


@pytest.mark.parametrize(
    "counts",
    [
        {1: 1},
        {1: 1, 2: 1},
        {5: 9, 7: 1},
        {5: 90, 7: 9, 9: 1},
        {3: 1, 10: 1, 200: 1},
        dict.fromkeys(range(1, 101), 1),
        {2: 989, 3: 10, 4: 1},
    ],
)
def test_percentiles_are_nearest_rank(db: Database, counts: dict[int, int]) -> None:
    values = sorted(v for v, n in counts.items() for _ in range(n))
    put(db, "window_partials", window(rounds=len(values), answered=len(values), histogram=counts))
    row = db.query("SELECT p50_ms, p90_ms, p99_ms FROM response_windows")[0]
    assert [row["p50_ms"], row["p90_ms"], row["p99_ms"]] == [
        values[-(-p * len(values) // 100) - 1] for p in (50, 90, 99)
    ]


def board(agent: str, **more: Any) -> dict[str, Any]:
    return {
        "shop_id": "s", "hour_start": at("2026-11-11 10:00:00"), "agent_id": agent, "partition": 0, "orders_placed": 0, "orders_paid": 0,
        "paid_amount": "0", "items_paid": 0, "refunded_amount": "0.00", "buyers_served": 0, "buyers_paid": 0, "revision": 1, "ruleset": "r@1",
    } | more  # fmt: skip


def agent(agent_id: str, team: str, time: str = "2026-01-01", event: str = "1", shop: str = "s") -> dict[str, Any]:
    return {
        "shop_id": shop,
        "agent_id": agent_id,
        "time": at(time),
        "source": "x",
        "id": event,
        "name": agent_id.upper(),
        "team": team,
        "role": "presale",
    }


def test_leaderboard_ranks_sums_and_teams(db: Database) -> None:
    put(
        db, "leaderboard_partials",
        board("top", paid_amount="300.10", orders_paid=2, items_paid=5, buyers_served=8, buyers_paid=2),
        board("top", partition=1, paid_amount="100.00", orders_paid=1, items_paid=1, orders_placed=4, refunded_amount="9.99"),
        board("tie1", paid_amount="200", orders_paid=2, revision=2), board("tie1", paid_amount="999", orders_paid=9),
        board("tie2", paid_amount="150", orders_paid=1), board("tie2", partition=3, paid_amount="50", orders_paid=1),
        board("fewer", paid_amount="200", orders_paid=1), board("served", buyers_served=3), board("zero"), board("gone", orders_paid=1),
        board("gone", revision=2), board("", paid_amount="5000", orders_paid=50), board("top", hour_start=at("2026-11-11 11:00:00"), orders_placed=1),
        board("top", shop_id="t", paid_amount="1", orders_paid=1),
    )  # fmt: skip
    put(
        db,
        "agents_raw",
        agent("top", "红队"),
        agent("tie1", "蓝队"),
        agent("tie2", "旧", event="2"),
        agent("tie2", "红队", event="3"),
    )
    put(db, "agents_raw", agent("tie1", "更旧", time="2025-01-01", event="9"), agent("fewer", "蓝队", shop="t"))
    rows = db.query(
        "SELECT * FROM leaderboard_hourly WHERE shop_id = 's' AND hour_start = {h:DateTime64(3, 'UTC')}",
        {"h": at("2026-11-11 10:00:00")},
    )
    found = {r["agent_id"]: r for r in rows}
    assert {a: (r["rank"], r["team"]) for a, r in found.items()} == {
        "top": (1, "红队"), "tie1": (2, "蓝队"), "tie2": (2, "红队"), "fewer": (4, ""), "served": (5, ""), "": (None, ""),
    }  # fmt: skip
    top = found["top"]
    assert (top["paid_amount"], top["orders_paid"], top["items_paid"], top["orders_placed"]) == (
        Decimal("400.10"),
        3,
        6,
        4,
    )
    assert (top["refunded_amount"], top["revision"], top["conversion"], top["items_per_order"]) == (
        Decimal("9.99"),
        2,
        2 / 8,
        2.0,
    )
    assert top["average_order"] == Decimal("133.37")  # 400.10 / 3 = 133.366…
    served = found["served"]
    assert (served["conversion"], served["average_order"], served["items_per_order"]) == (0.0, None, None)
    teams = db.query("SELECT * FROM leaderboard_teams WHERE shop_id = 's' ORDER BY hour_start, rank")
    assert [(t["team"], t["agents"], t["paid_amount"], t["orders_paid"], t["rank"]) for t in teams] == [
        ("红队", 2, Decimal("600.10"), 5, 1), ("蓝队", 1, Decimal("200"), 2, 2), ("红队", 1, Decimal("0"), 0, 1),
    ]  # fmt: skip


def test_event_views(db: Database) -> None:
    def event(kind: str, number: int, data: str, time: str = "2026-11-11 10:00:00", topic: str = "x") -> dict[str, Any]:
        raw = f'{{"specversion":"1.0","id":"{number}","type":"{kind}","data":{data}}}'
        return {
            "shop_id": "s",
            "buyer_id": "b",
            "time": at(time),
            "source": "src",
            "id": str(number),
            "type": kind,
            "topic": topic,
            "partition": 0,
            "offset": number,
            "raw": raw,
        }

    put(db, "raw_events", *[event("chat.message", 1, '{"agent_id":"a","sender":"buyer","text":"在吗\\n?"}')] * 2)
    put(
        db,
        "raw_events",
        event(
            "chat.message",
            2,
            '{"agent_id":"a","sender":"agent","text":"","reply_mode":"auto","order_id":"o1","intent":"payment_reminder"}',
        ),
    )
    put(db, "raw_events", event("chat.message", 3, '{"agent_id":"a","sender":"agent","text":"x","order_id":null}'))
    put(db, "raw_events", event("order.placed", 5, '{"order_id":"o1","amount":"9","items":[]}', "2026-11-11 10:00:01"))
    put(
        db,
        "raw_events",
        event(
            "order.placed",
            6,
            '{"order_id":"o1","amount":"12.5","items":[{"sku_id":"k","title":"鞋","quantity":2,"unit_price":"1"},{"quantity":3}]}',
        ),
    )
    put(db, "raw_events", event("order.closed", 7, '{"order_id":"o2","reason":"timeout"}'))
    put(db, "raw_events", event("payment.succeeded", 8, '{"payment_id":"p","order_id":"o1","amount":"12.50"}'))
    put(db, "raw_events", event("payment.succeeded", 9, '{"payment_id":"p","order_id":"o1","amount":"99"}'))
    put(db, "raw_events", event("payment.refunded", 10, '{"refund_id":"f","order_id":"o1","amount":"0.05"}'))
    put(db, "raw_events", event("review.posted", 11, '{"review_id":"r","order_id":"o1","rating":1,"text":"差"}'))
    put(db, "raw_events", event("qc.claimed", 12, '{"flag_id":"f1","actor":"li"}', topic="audit.commands"))
    messages = db.query("SELECT id, sender, reply_mode, text, order_id, intent, content_type FROM messages ORDER BY id")
    assert [tuple(m.values()) for m in messages] == [
        ("1", "buyer", "", "在吗\n?", "", "", "text"), ("2", "agent", "auto", "", "o1", "payment_reminder", "text"),
        ("3", "agent", "human", "x", "", "", "text"),
    ]  # fmt: skip
    assert [(r["order_id"], r["amount"], r["quantity"], r["id"]) for r in db.query("SELECT * FROM orders")] == [
        ("o1", Decimal("12.5"), 5, "6")
    ]
    assert [(r["order_id"], r["reason"]) for r in db.query("SELECT * FROM order_closings")] == [("o2", "timeout")]
    assert [(r["payment_id"], r["amount"]) for r in db.query("SELECT * FROM payments")] == [("p", Decimal("12.50"))]
    assert [(r["refund_id"], r["amount"]) for r in db.query("SELECT * FROM refunds")] == [("f", Decimal("0.05"))]
    assert [(r["review_id"], r["rating"], r["text"]) for r in db.query("SELECT * FROM reviews")] == [("r", 1, "差")]
    assert [(r["target_id"], r["actor"]) for r in db.query("SELECT * FROM commands")] == [("f1", "li")]


def test_named_queries_run(db: Database) -> None:
    put(db, "leaderboard_partials", board("a", paid_amount="10", orders_paid=1, buyers_served=4, buyers_paid=1))
    put(db, "agents_raw", agent("a", "红队"))
    put(db, "sale_events_raw", SALE)
    put(db, "flags_raw", FLAG)
    values = {
        "shop_id": "s",
        "hour_start": at("2026-11-11 10:00:00"),
        "since": at("2026-11-01"),
        "sale_event_id": "e",
        "window_seconds": 3600,
        "definition": "all",
        "day": at("2026-11-11"),
        "phrases": ["记得付款"],
        "buyer_id": "b",
        "minutes": 10,
    }
    queries = named_queries()
    found = {}
    for name, query in queries.items():
        assert query.title_zh
        assert set(re.findall(r"\{(\w+):", query.sql)) == {p.name for p in query.parameters}
        found[name] = query.run(db, {p.name: values[p.name] for p in query.parameters})
    assert found["best_agents"][0] | {"name": "A", "rank": 1, "team": "红队"} == found["best_agents"][0]
    assert found["team_pk"] == [
        {"team": "红队", "paid_amount": Decimal("10"), "orders_paid": 1, "buyers_paid": 1, "score": 10.0}
    ]
    assert found["flags_by_rule"][0]["in_sale_events"] == 1
    assert found["conversion_by_agent"][0]["conversion"] == 0.25
    with pytest.raises(DatabaseError, match="takes shop_id, got none"):
        queries["overdue_tasks"].run(db)
