"""The sink between a real broker and a real ClickHouse engine: nothing lost, nothing doubled, whatever breaks."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from fixtures.brokers import Broker
from fixtures.named_server import environment, everywhere
from kafka.errors import KafkaError, NodeNotReadyError, UnknownBrokerIdError
from sink_harness import shared_out, until

from benchmarks.clickhouse import ModernClickHouse
from schemas.outputs import CallTask, Flag, LeaderboardPartial, Rejected, ResponseRound, ResponseWindowPartial
from schemas.settings import Settings
from schemas.topics import (
    CALL_TASKS,
    CHAT,
    COMMANDS,
    FLAGS,
    LEADERBOARD,
    ORDERS,
    PAYMENTS,
    REFERENCE,
    REJECTED,
    ROUNDS,
    WINDOWS,
)
from schemas.types import format_time, parse_time
from sinks import migrate
from sinks.database import (
    TRANSIENT_CODES,
    Database,
    DatabaseError,
    DatabaseUnavailableError,
    open_database,
    server_error,
)
from sinks.kafka import EventProducer, create_topics
from sinks.rows import COLUMNS, Record, UndecodableError, rows_of
from sinks.sink import Sink

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
T0 = "2026-11-11T10:00:00.123+08:00"


def settings_for(broker: Broker, tmp_path: Path, **more: Any) -> Settings:
    return Settings(
        kafka_bootstrap=broker.bootstrap,
        data_dir=tmp_path / "data",
        partitions=4,
        session_timeout_seconds=2,
        topic_prefix="t.",
        **more,
    )


@pytest.fixture
def settings(broker: Broker, tmp_path: Path, clickhouse: dict[str, str]) -> Settings:
    found = settings_for(broker, tmp_path, **clickhouse)
    create_topics(found)
    return found


@pytest.fixture
def producer(settings: Settings) -> Iterator[EventProducer]:
    found = EventProducer(settings)
    yield found
    found.close()


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    found = open_database(settings)
    migrate.up(found)
    yield found
    found.close()


def count(db: Database, table: str) -> int:
    return int(db.query(f"SELECT count() AS n FROM {table}")[0]["n"])


def event(kind: str, number: int, buyer: str = "b", time: str = T0, **data: Any) -> tuple[bytes, bytes]:
    raw = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "x",
        "type": kind,
        "time": time,
        "data": {"shop_id": "s", "buyer_id": buyer} | data,
    }
    return f"s|{buyer}".encode(), orjson.dumps(raw)


def message(number: int, text: str = "在吗?\n\n", buyer: str = "b") -> tuple[str, bytes, bytes]:
    return CHAT, *event("chat.message", number, buyer, agent_id="a", sender="buyer", text=text)


AT = parse_time(T0)
FLAG = Flag(
    flag_id="f1", rule="reminder.direct", severity="notice", status="raised", shop_id="s", buyer_id="b", agent_id="a", message_id="m1",
    order_ids=["o1"], occurred_at=T0, evidence={"phrase": "马上付款", "at": [3, 7]}, revision=3, ruleset="default@1",
)  # fmt: skip
TASK = CallTask(
    task_id="t1", shop_id="s", buyer_id="b", order_id="o1", review_ids=["r1", "r2"], rating=1, category="quality", priority="high", raised_at=T0,
    not_before=T0, due_at=T0, assigned_role="review_specialist", excluded_agent_id="a", status="called", calls=2, call_again_at=T0, revision=4, ruleset="default@1",
)  # fmt: skip
ROUND = ResponseRound(
    round_id="r1", shop_id="s", buyer_id="b", agent_id="a", opened_at=T0, message_id="m1", replied_at=T0, reply_message_id="m2", response_ms=0,
    in_platform_hours=True, day_ends_at="2026-11-12T00:00:00+08:00", status="answered", revision=2, ruleset="default@1",
)  # fmt: skip
WINDOW = ResponseWindowPartial(
    partition=2, shop_id="s", agent_id="a", window_start="2026-11-11T10:00:00+08:00", window_seconds=300, definition="all",
    day_ends_at="2026-11-12T00:00:00+08:00", response_cap_ms=600_000, rounds=2, answered=2, answered_within_3min=2, response_ms_sum=30, first_responses=1,
    first_response_ms_sum=10, first_within_10s=1, buyers_wrote=1, buyers_replied=1, histogram={10: 1, 20: 1}, revision=5, ruleset="default@1",
)  # fmt: skip
ROW = LeaderboardPartial(
    partition=1, shop_id="s", hour_start="2026-11-11T10:00:00+08:00", agent_id="a", orders_placed=1, orders_paid=1, paid_amount="199.90", items_paid=2,
    refunded_amount="0.05", buyers_served=1, buyers_paid=1, revision=6, ruleset="default@1",
)  # fmt: skip
OUTPUTS = [(FLAGS, FLAG), (CALL_TASKS, TASK), (ROUNDS, ROUND), (WINDOWS, WINDOW), (LEADERBOARD, ROW)]
BAD = Rejected(
    reason="invalid",
    error="data.amount: must not be negative",
    raw='{"a":"中\\n"}',
    topic="commerce.orders",
    partition=1,
    offset=7,
)


def reference(number: int, kind: str, **data: Any) -> tuple[str, bytes, bytes]:
    raw = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "x",
        "type": kind,
        "time": T0,
        "data": {"shop_id": "s"} | data,
    }
    return REFERENCE, b"s", orjson.dumps(raw)


AGENT = reference(90, "agent.upserted", agent_id="a", name="小美", team="红队", role="presale")
SALE = reference(
    91,
    "sale_event.scheduled",
    sale_event_id="e",
    name="双11",
    starts_at=T0,
    ends_at="2026-11-12T00:00:00+08:00",
    teams=["红队"],
)


@everywhere
def test_rows_equal_the_records(settings: Settings, producer: EventProducer, db: Database) -> None:
    touched: set[str] = set()
    sink = Sink(settings, db, on_batch=touched.update)
    sink.start()
    try:
        records: list[tuple[str, bytes | None, bytes]] = [
            (topic, b"k", orjson.dumps(model.model_dump(mode="json", by_alias=True), option=orjson.OPT_NON_STR_KEYS))
            for topic, model in OUTPUTS
        ]
        records += [(REJECTED, None, BAD.model_dump_json().encode()), AGENT, SALE, message(1), message(1)]
        records += [
            (ORDERS, *event("order.placed", 2, order_id="o1", amount="12.50", items=[])),
            (PAYMENTS, *event("payment.succeeded", 3, payment_id="p", order_id="o1", amount="12.5")),
        ]
        records += [(COMMANDS, *event("qc.claimed", 4, flag_id="f1", actor="li"))]
        records += [
            (CHAT, b"s|b", b"not json"), (CHAT, b"s|other", message(5)[2]), (ORDERS, *message(6)[1:]),  # the worker's to reject
            (REFERENCE, b"s", b'{"type":"agent.upserted"}'), (REFERENCE, b"s|b", message(7)[2]), (FLAGS, b"k", b"{}"), (FLAGS, b"k", b"\xff\xfe"),
        ]  # fmt: skip
        producer.publish(records, 10)
        until(lambda: count(db, "rejected") == 5 and count(db, "commands") == 1 and count(db, "payments") == 1)
        until(
            lambda: all(
                count(db, t) == 1
                for t in (
                    "flags",
                    "call_tasks",
                    "response_rounds",
                    "response_windows",
                    "leaderboard_hourly",
                    "agents",
                    "sale_events",
                )
            )
        )
    finally:
        sink.stop()
    assert sink.exit_code == 0
    ms = lambda value: int(value.timestamp() * 1000 + 0.5)  # noqa: E731
    flag = db.query("SELECT * FROM flags")[0]
    assert orjson.loads(flag.pop("evidence")) == FLAG.evidence
    assert ms(flag.pop("occurred_at")) == AT
    assert flag.pop("in_sale_event") is True
    assert flag == FLAG.model_dump(exclude={"evidence", "occurred_at"})
    task = db.query("SELECT * FROM call_tasks")[0]
    times = {"raised_at", "not_before", "due_at", "call_again_at"}
    assert {ms(task.pop(name)) for name in times} == {AT}
    assert task == TASK.model_dump(exclude=times)
    found = db.query("SELECT * FROM response_rounds")[0]
    assert ms(found["opened_at"]) == ms(found["replied_at"]) == AT
    assert (found["status"], found["response_ms"], found["in_platform_hours"]) == ("answered", 0, True)
    partial = db.query("SELECT * EXCEPT (written_at, window_start, day_ends_at) FROM window_partials")[0]
    assert partial == WINDOW.model_dump(exclude={"window_start", "day_ends_at"})
    row = db.query("SELECT * FROM leaderboard_hourly")[0]
    assert (row["paid_amount"], row["refunded_amount"], row["team"], row["rank"]) == (
        Decimal("199.90"),
        Decimal("0.05"),
        "红队",
        1,
    )
    assert [(m["id"], m["text"]) for m in db.query("SELECT * FROM messages")] == [("e1", "在吗?\n\n")]
    assert {r["id"] for r in db.query("SELECT id FROM raw_events FINAL")} == {"e1", "e2", "e3", "e4", "e90", "e91"}
    assert db.query("SELECT raw FROM raw_events FINAL WHERE id = 'e1'")[0]["raw"].encode() == message(1)[2]
    rejected = db.query("SELECT * EXCEPT (received_at) FROM rejected ORDER BY reason, offset")
    assert [r["reason"] for r in rejected] == ["invalid", "invalid", "sink", "sink", "wrong_topic"]
    assert BAD.model_dump() in rejected
    assert {(r["topic"], r["raw_encoding"]) for r in rejected if r["reason"] == "sink"} == {
        (FLAGS, "utf-8"),
        (FLAGS, "base64"),
    }
    assert {"flags_raw", "raw_events", "rejected_raw", "agents_raw"} <= touched


@everywhere
def test_the_sink_writes_the_columns_of_the_schema(db: Database) -> None:
    for table, columns in COLUMNS.items():
        rows = db.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {t:String}", {"t": table}
        )
        assert {r["name"] for r in rows} - set(columns) <= {"ingested_at", "written_at", "received_at", "precedence"}
        assert set(columns) <= {r["name"] for r in rows}


CRASHER = """
import os, signal, sys
from pathlib import Path
from schemas.settings import Settings
from sinks.database import open_database
from sinks.sink import Sink
if __name__ == "__main__":
    bootstrap, data = sys.argv[1:]
    settings = Settings(kafka_bootstrap=bootstrap, data_dir=Path(data), partitions=4, session_timeout_seconds=2, topic_prefix="t.", sink_batch_rows=200, sink_batch_seconds=0.2)
    seen = []
    def crash(tables):
        seen.append(tables)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    Sink(settings, open_database(settings), on_batch=crash).run()
"""


@everywhere
def test_killed_between_insert_and_commit(
    settings: Settings, producer: EventProducer, clickhouse: dict[str, str]
) -> None:
    """Two batches are committed, the third is only inserted; the next sink cuts batches elsewhere."""
    db = open_database(settings)
    migrate.up(db)
    db.close()
    flags = [
        (FLAGS, b"f%d" % n, FLAG.model_copy(update={"flag_id": f"f{n}", "revision": r}).model_dump_json().encode())
        for n in range(500)
        for r in (1, 2)
    ]
    producer.publish([message(n, buyer=f"b{n % 7}") for n in range(1500)] + flags, 20)
    killed = subprocess.run(
        [sys.executable, "-c", CRASHER, settings.kafka_bootstrap, str(settings.data_dir)],
        env=os.environ | environment(clickhouse),
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    db = open_database(settings)
    try:
        assert 0 < count(db, "messages") + count(db, "flags") < 2000
        sink = Sink(settings.model_copy(update={"sink_batch_rows": 333}), db)
        sink.start()
        until(lambda: count(db, "messages") == 1500 and count(db, "flags") == 500, 40)
        sink.stop()
        assert sink.exit_code == 0

        assert db.query("SELECT uniqExact(id) AS n FROM messages") == [{"n": 1500}]
        assert db.query("SELECT DISTINCT revision FROM flags") == [{"revision": 2}]
        # everything is committed: a third sink reads nothing
        again: set[str] = set()
        third = Sink(settings, db, on_batch=again.update)
        third.start()
        time.sleep(3)
        third.stop()
        assert again == set()
    finally:
        db.close()


class Refusing:
    """A database that refuses some rows, as ClickHouse would a value that it cannot store."""

    def __init__(self, db: Database, code: int | None = 6) -> None:
        self.db, self.code, self.name = db, code, db.name

    def insert(self, table: str, columns: Any) -> int:
        if table == "raw_events" and any("poison" in raw for raw in columns["raw"]):
            raise DatabaseError("cannot parse", self.code)
        return self.db.insert(table, columns)


@everywhere
def test_a_poison_row_does_not_block(settings: Settings, producer: EventProducer, db: Database) -> None:
    producer.publish([message(n, "poison" if n in (17, 300) else "fine") for n in range(400)], 10)
    sink = Sink(settings, Refusing(db))  # type: ignore[arg-type]
    sink.start()
    until(lambda: count(db, "raw_events") == 398 and count(db, "rejected") == 2)
    sink.stop()
    assert sink.exit_code == 0
    rows = db.query("SELECT reason, error, topic, partition, offset, raw FROM rejected ORDER BY offset")
    assert [orjson.loads(r["raw"])["id"] for r in rows] == ["e17", "e300"]
    assert {(r["reason"], r["topic"], r["error"]) for r in rows} == {("sink", CHAT, "raw_events: cannot parse")}


@pytest.mark.parametrize("code", [*sorted(TRANSIENT_CODES), None])
def test_a_fault_that_passes_is_no_poison(code: int | None) -> None:
    assert isinstance(server_error("x", code), DatabaseUnavailableError)


@pytest.mark.parametrize("code", [159, 439, 1001, None])
def test_a_fault_that_passes_is_waited_for(
    settings: Settings, producer: EventProducer, db: Database, code: Any
) -> None:
    failures: list[int] = []

    class Faulty(Refusing):
        def insert(self, table: str, columns: Any) -> int:
            if len(failures) < 3:
                failures.append(1)
                raise server_error("for a moment", code)
            return self.db.insert(table, columns)

    producer.publish([message(n) for n in range(20)], 10)
    sink = Sink(settings, Faulty(db))  # type: ignore[arg-type]
    sink.start()
    until(lambda: count(db, "messages") == 20)
    sink.stop()
    assert (sink.exit_code, len(failures), count(db, "rejected")) == (0, 3, 0)


@everywhere
def test_a_value_that_does_not_fit_is_poison(settings: Settings, producer: EventProducer, db: Database) -> None:
    """What the driver cannot write is known by the code of a value, so the other rows go in."""
    good = FLAG.model_dump(mode="json")
    records: list[tuple[str, bytes | None, bytes]] = [
        (FLAGS, b"k", orjson.dumps(good | {"flag_id": f"f{n}", "revision": -1 if n == 3 else 1})) for n in range(9)
    ]
    producer.publish(records, 10)
    sink = Sink(settings, db)
    sink.start()
    until(lambda: count(db, "flags") == 8 and count(db, "rejected") == 1)
    sink.stop()
    assert sink.exit_code == 0


@pytest.mark.parametrize("error", [UnknownBrokerIdError(2), NodeNotReadyError("2")])
def test_a_leader_that_is_gone_does_not_end_it(
    settings: Settings, producer: EventProducer, db: Database, error: KafkaError
) -> None:
    sink = Sink(settings, db)
    sink.start()
    until(lambda: sink._consumer is not None)
    poll, left = sink._consumer.poll, [error] * 3

    def failing(**options: Any) -> Any:
        if left:
            raise left.pop()
        return poll(**options)

    sink._consumer.poll = failing
    producer.publish([message(n) for n in range(20)], 10)
    until(lambda: count(db, "messages") == 20)
    sink.stop()
    assert (sink.exit_code, left) == (0, [])


def test_without_a_broker_it_gives_up_and_says_why(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sinks.sink.CONNECT_SECONDS", 2.0)
    monkeypatch.setattr("sinks.sink.BOOTSTRAP_SECONDS", 0.5)
    nowhere = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:9"})
    began = time.monotonic()
    with structlog.testing.capture_logs() as said:
        assert Sink(nowhere, db).run() == 1
    assert 2 <= time.monotonic() - began < 10
    assert (said[-1]["event"], said[-1]["error"]) == ("sink_stopped", "no broker answers at 127.0.0.1:9 within 2 s")
    assert 1 <= len(said) < 8
    asked = Sink(nowhere, db)
    asked.start()
    asked.stop(5)
    assert asked.exit_code == 0


# a schema, an account, one that nobody has thought of, too many bad rows
@pytest.mark.parametrize(
    ("code", "messages"), [(60, ["poison"]), (497, ["poison"]), (12345, ["poison", "fine"]), (6, ["poison"] * 150)]
)
def test_a_broken_schema_stops_it(
    settings: Settings, producer: EventProducer, db: Database, code: int, messages: list[str]
) -> None:
    producer.publish([message(n, text) for n, text in enumerate(messages)], 10)
    sink = Sink(settings, Refusing(db, code))  # type: ignore[arg-type]
    assert sink.run() == 1
    assert count(db, "rejected") == 0
    # nothing was committed
    good = Sink(settings, db)
    good.start()
    until(lambda: count(db, "messages") == len(messages))
    good.stop()


@pytest.mark.slow
def test_clickhouse_goes_away_for_a_while(broker: Broker, tmp_path: Path) -> None:
    server = ModernClickHouse(tmp_path / "ch")
    server.start()
    settings = settings_for(
        broker,
        tmp_path,
        clickhouse="server",
        clickhouse_url=server.url("zheng"),
        sink_batch_rows=100,
    )
    create_topics(settings)
    producer = EventProducer(settings)
    db = open_database(settings)
    migrate.up(db)
    sink = Sink(settings, db)
    sink.start()
    try:
        producer.publish([message(n) for n in range(300)], 10)
        until(lambda: count(db, "raw_events") >= 300)
        server.kill()
        producer.publish([message(n) for n in range(300, 1000)], 10)
        time.sleep(5)  # longer than the group's session
        assert sink.is_alive()
        with pytest.raises(DatabaseUnavailableError):
            db.ping()
        server.start()

        def complete() -> bool:
            try:
                return count(db, "messages") == 1000
            except DatabaseUnavailableError:
                return False

        until(complete)
        sink.stop()
        assert sink.exit_code == 0
        assert db.query("SELECT uniqExact(id) AS n FROM messages") == [{"n": 1000}]
    finally:
        sink.stop()
        db.close()
        producer.close()
        server.kill()


@pytest.mark.slow
def test_stop_while_clickhouse_is_away_loses_nothing(settings: Settings, producer: EventProducer, db: Database) -> None:
    class Away(Refusing):
        def insert(self, table: str, columns: Any) -> int:
            raise DatabaseUnavailableError("away")

    producer.publish([message(n) for n in range(50)], 10)
    sink = Sink(settings, Away(db))  # type: ignore[arg-type]
    sink.start()
    time.sleep(4)
    producer.publish([message(n) for n in range(50, 60)], 10)
    time.sleep(1)
    sink.stop()
    assert sink.exit_code == 0
    good = Sink(settings, db)
    good.start()
    until(lambda: count(db, "messages") == 60)
    good.stop()


@pytest.mark.slow
@pytest.mark.parametrize("clickhouse", ["real"], indirect=True)
def test_partitions_move_to_a_second_sink(settings: Settings, producer: EventProducer, db: Database) -> None:
    settings = settings.model_copy(update={"sink_batch_rows": 50})
    sinks = [Sink(settings, db), Sink(settings, db), Sink(settings, db)]
    try:
        for step, (starting, stopping) in enumerate([(0, None), (1, None), (None, 0), (2, None)]):
            # the embedded broker never forgets a leader that leaves while others join, so each move is waited for
            if starting is not None:
                sinks[starting].start()
            for part in range(6):
                producer.publish([message(step * 300 + part * 50 + n, buyer=f"b{n}") for n in range(50)], 10)
                time.sleep(0.1)
            if stopping is not None:
                sinks[stopping].stop()
            working = [s for s in sinks if s.is_alive()]
            until(lambda w=working: shared_out(settings, *w))  # type: ignore[misc]
        until(lambda: count(db, "messages") == 1200)
        for sink in sinks[1:]:
            sink.stop()
        assert [s.exit_code for s in sinks] == [0, 0, 0]
        assert db.query("SELECT uniqExact(id) AS n FROM messages") == [{"n": 1200}]
    finally:
        for sink in sinks:
            sink.stop()


@pytest.mark.slow
def test_a_hand_over_that_fails_loses_nothing(settings: Settings, producer: EventProducer, db: Database) -> None:
    """The database is away while partitions move: some stay with the first sink, with their place kept by the client."""
    away = [True]

    class Sometimes(Refusing):
        def insert(self, table: str, columns: Any) -> int:
            if away[0]:
                raise DatabaseUnavailableError("away")
            return self.db.insert(table, columns)

    slow = settings.model_copy(update={"sink_batch_seconds": 600.0})
    first, second = Sink(slow, Sometimes(db)), Sink(slow, Sometimes(db))  # type: ignore[arg-type]
    producer.publish([message(n, buyer=f"b{n}") for n in range(200)], 10)
    first.start()
    until(lambda: first._batch.records == 200)
    second.start()
    held = lambda sink: {p for _, p in list(sink._batch.next_offsets)}  # noqa: E731
    # either may be told first what is its own
    until(lambda: bool(held(second)) and not held(first) & held(second))
    assert held(first)
    assert count(db, "messages") == 0
    away[0] = False
    first.stop()
    second.stop()
    until(lambda: count(db, "messages") == 200, 30)


RUN = "import sys; from sinks.process import run_sink; from schemas.settings import Settings\nif __name__ == '__main__': sys.exit(run_sink(Settings()))"


@everywhere
def test_sigterm_flushes_commits_and_exits_0(
    settings: Settings, producer: EventProducer, clickhouse: dict[str, str]
) -> None:
    if settings.clickhouse == "server":  # an embedded one is made by the sink itself
        db = open_database(settings)
        migrate.up(db)
        db.close()
    producer.publish([message(n) for n in range(100)], 10)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        "ZHENGDIAN_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "ZHENGDIAN_DATA_DIR": str(settings.data_dir),
        "ZHENGDIAN_TOPIC_PREFIX": "t.",
        "ZHENGDIAN_PARTITIONS": "4",
        "ZHENGDIAN_SESSION_TIMEOUT_SECONDS": "2",
        "ZHENGDIAN_SINK_BATCH_SECONDS": "600",
        "ZHENGDIAN_SINK_METRICS_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-c", RUN], env=os.environ | environment(clickhouse) | variables)

    def everything_is_read() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return b'zhengdian_sink_records_total{topic="chat.messages"} 100.0' in answer.read()
        except OSError:
            return False

    until(everything_is_read)  # and far from the batch's age
    process.terminate()
    assert process.wait(20) == 0
    db = open_database(settings)
    try:
        assert count(db, "messages") == 100
    finally:
        db.close()


def test_decoding_names_what_is_wrong() -> None:
    value = FLAG.model_dump(mode="json")
    del value["rule"]
    for raw, text in (
        (orjson.dumps(value), "field 'rule' is missing"),
        (b"[1]", "not a record"),
        (b"{", "not a record"),
    ):
        with pytest.raises(UndecodableError, match=text):
            rows_of(Record(FLAGS, 0, 0, None, raw, 0))
    late = orjson.loads(message(1)[2]) | {"time": format_time(AT + 7_200_000)}
    assert rows_of(Record(CHAT, 0, 0, b"s|b", orjson.dumps(late), AT)) == []
    assert len(rows_of(Record(CHAT, 0, 0, b"s|b", orjson.dumps(late), AT + 3_600_000))) == 1
