"""The headline: what workers, sink and ClickHouse make of a sale, killed on the way, is what a replay in memory says."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from fixtures.brokers import Broker
from fixtures.named_server import everywhere

from processors.ruleset import default_book
from replay.files import input_files
from replay.generator import SaleConfig, write_sale
from replay.ingest import ingest
from replay.memory import replay
from schemas.settings import Settings
from schemas.types import format_amount, format_time
from sinks.database import Database, open_database
from sinks.kafka import EventProducer, create_topics, wait_for_broker
from sinks.migrate import up
from sinks.sink import Sink

ZONE = "Asia/Shanghai"
TABLES = ("flags", "call_tasks", "response_rounds", "response_windows", "leaderboard_hourly")
# the sale's days have ended for the live views; an agent's message days later ends them for the replay as well
AFTERWARDS = {
    "specversion": "1.0",
    "id": "afterwards",
    "source": "test",
    "type": "chat.message",
    "time": "2025-11-20T12:00:00+08:00",
    "data": {"shop_id": "s", "buyer_id": "b", "agent_id": "a", "sender": "agent", "reply_mode": "auto", "text": ""},
}


@contextmanager
def part(name: str, settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One of the long-running parts as a process; ended with it whatever happens."""
    env = os.environ | {
        "ZHENGDIAN_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "ZHENGDIAN_DATA_DIR": str(settings.data_dir),
        "ZHENGDIAN_PARTITIONS": str(settings.partitions),
        "ZHENGDIAN_SESSION_TIMEOUT_SECONDS": "10",  # nobody restarts one that ends because the machine stood still
        "ZHENGDIAN_CLICKHOUSE": settings.clickhouse,
        "ZHENGDIAN_CLICKHOUSE_URL": settings.clickhouse_url.get_secret_value(),
    }
    with log.open("ab") as output:
        process = subprocess.Popen([sys.executable, "-m", "deploy.cli", name], env=env, stdout=output, stderr=output)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def plain(value: Any, column: str) -> Any:
    """A value of a view as a replay's file has it."""
    match value:
        case datetime():
            return format_time(round(value.timestamp() * 1000), ZONE)
        case Decimal():
            return format_amount(int(value * 100))
        case float():
            return round(value, 6 if column == "rate_3min" else 3)
        case str() if column == "evidence":
            return orjson.loads(value)
        case tuple():
            return list(value)
    return value


def view_rows(db: Database, table: str, columns: list[str]) -> list[str]:
    where = "WHERE status = 'raised'" if table == "flags" else ""
    rows = db.query(f"SELECT {', '.join(columns)} FROM {table} {where}")
    return sorted(canonical({column: plain(row[column], column) for column in columns}) for row in rows)


def canonical(row: dict[str, Any]) -> str:
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode()


def differences(db: Database, out: Path) -> dict[str, tuple[list[str], list[str]]]:
    """table -> (rows of the replay alone, rows of the views alone), some of each."""
    found = {}
    for table in TABLES:
        rows = [orjson.loads(line) for line in (out / f"{table}.jsonl").read_bytes().splitlines()]
        want = sorted(canonical(row) for row in rows)
        got = view_rows(db, table, list(rows[0]))
        if want != got:
            found[table] = (sorted(set(want) - set(got))[:3], sorted(set(got) - set(want))[:3])
    return found


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(400)
@everywhere
def test_workers_and_sink_killed_on_the_way_give_the_rows_of_a_replay(
    broker: Broker, tmp_path: Path, clickhouse: dict[str, str]
) -> None:
    sale = tmp_path / "sale"
    write_sale(SaleConfig(buyers=600, agents=12, duplicates=0.03, disorder=0.1, faults=20), sale)
    (sale / "afterwards.jsonl").write_bytes(orjson.dumps(AFTERWARDS))
    summary = replay(sale, tmp_path / "replayed", default_book())
    assert summary["duplicates"] > 100
    assert summary["rejected"] == 20

    settings = Settings(kafka_bootstrap=broker.bootstrap, data_dir=tmp_path / "data", partitions=6, **clickhouse)  # type: ignore[arg-type]
    wait_for_broker(settings, 60)
    create_topics(settings)
    producer = EventProducer(settings)
    log = tmp_path / "parts.log"
    with part("sink", settings, log) as sink:
        with part("worker", settings, log) as first:
            ingest(input_files(sale), producer)
            time.sleep(6)  # long enough to be in the middle of it
            first.kill()
        with part("worker", settings, log) as second:
            time.sleep(5)
            with part("worker", settings, log) as third:
                time.sleep(6)
                sink.kill()
                sink.wait(5)
                third.terminate()
                third.wait(30)
            db = open_database(settings)
            up(db)
            last = Sink(settings, db)
            last.start()
            try:
                deadline = time.monotonic() + 120
                while (found := differences(db, tmp_path / "replayed")) and time.monotonic() < deadline:
                    assert second.poll() is None, log.read_text()[-2000:]
                    time.sleep(1)
                assert not found, log.read_text()[-1500:]
                assert len(db.query("SELECT 1 FROM rejected WHERE reason != 'conflict'")) == 20
            finally:
                last.stop()
                db.close()
    producer.close()
