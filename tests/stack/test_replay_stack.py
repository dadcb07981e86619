"""`replay --engine stack` and `export`: byte for byte what `--engine memory` says of the same events."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from fixtures.brokers import Broker
from fixtures.named_server import NamedServer
from kafka import KafkaAdminClient
from pydantic import SecretStr
from replay_input import chat, differing, environment, write_input, zhengdian

from deploy.process import Child
from processors.ruleset import default_book
from replay.files import input_files, read_lines
from replay.ingest import ingest, live_event
from replay.memory import replay
from schemas.settings import Settings
from sinks.database import open_database
from sinks.kafka import EventProducer, create_topics, wait_for_broker
from sinks.progress import source_ends, wait_for_sink, wait_for_worker

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("seed", "workers", "future"), [(1, 1, True), (2, 2, False)])
def test_stack_and_memory_give_the_same_bytes(tmp_path: Path, seed: int, workers: int, future: bool) -> None:
    source = write_input(tmp_path / "made", seed, future=future)
    summary = replay(source, tmp_path / "memory", default_book())
    env = environment(tmp_path)
    zhengdian(env, "replay", source, "--out", tmp_path / "stack", "--engine", "stack", "--workers", workers)
    assert differing(tmp_path / "memory", tmp_path / "stack") == []
    assert not list((tmp_path / "tmp").iterdir()), "something is left"
    # the input had what it should have
    rejected = [orjson.loads(line) for line in (tmp_path / "stack" / "rejected.jsonl").read_bytes().splitlines()]
    assert {"conflict", "not_json", "invalid"} <= {row["reason"] for row in rejected}
    assert min(summary["duplicates"], summary["call_tasks"], *summary["flags"].values()) > 0
    rounds = (tmp_path / "memory" / "response_rounds.jsonl").read_bytes()
    assert (b'"pending"' in rounds) is not future


def children_of(pid: int) -> dict[str, int]:
    """Command -> pid of the processes that it has started."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if b"deploy.cli" in words:
            found[words[-2].decode()] = int(child)
    return found


@contextmanager
def running(env: dict[str, str], *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "deploy.cli", *map(str, arguments)]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def until_logged(directory: Path, part: str, what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not any(what in log.read_text() for log in directory.glob(f"tmp/*/logs/{part}.log")):
        assert time.monotonic() < deadline, f"{part} does not log {what}"
        time.sleep(0.05)


def test_a_worker_and_a_sink_killed_on_the_way_change_nothing(tmp_path: Path) -> None:
    source = write_input(tmp_path / "made", 3, count=20, buyers=150)
    replay(source, tmp_path / "memory", default_book())
    with running(environment(tmp_path), "replay", source, "--out", tmp_path / "stack", "--engine", "stack") as process:
        until_logged(tmp_path, "sink", "partitions_assigned")
        until_logged(tmp_path, "worker-1", "partitions_ready")
        for name in ("worker", "sink"):
            os.kill(children_of(process.pid)[name], signal.SIGKILL)
            time.sleep(1)
        assert process.wait(200) == 0
        said = process.stderr.read() if process.stderr else ""
    assert said.count("was killed by SIGKILL") == 2
    assert differing(tmp_path / "memory", tmp_path / "stack") == []


def test_its_own_prefix_leaves_the_live_topics_alone(tmp_path: Path, broker: Broker) -> None:
    live = Settings(kafka_bootstrap=broker.bootstrap, partitions=3, topic_prefix="shop.")
    wait_for_broker(live, 10)
    create_topics(live)
    source = write_input(tmp_path / "made", 4, count=10, buyers=20)
    producer = EventProducer(live)
    ingest(input_files(source), producer)
    producer.close()
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    topics, ends = set(admin.list_topics()) - {"__consumer_offsets"}, source_ends(live)
    env = environment(tmp_path, kafka_bootstrap=broker.bootstrap, partitions=3, topic_prefix="shop.")
    replay(source, tmp_path / "memory", default_book())
    zhengdian(env, "replay", source, "--out", tmp_path / "stack", "--engine", "stack")
    assert differing(tmp_path / "memory", tmp_path / "stack") == []
    assert source_ends(live) == ends != {}
    assert set(admin.list_topics()) - {"__consumer_offsets"} == topics
    assert not [group for group in admin.list_groups() if "replay" in str(group)]
    admin.close()


def test_on_a_server_it_has_a_database_of_its_own(tmp_path: Path, named_server: NamedServer) -> None:
    source = write_input(tmp_path / "made", 7, count=10, buyers=20)
    replay(source, tmp_path / "memory", default_book())
    with named_server.database() as name:
        url = named_server.url(name)
        env = environment(tmp_path, clickhouse="server", clickhouse_url=url)
        zhengdian(env, "migrate", "up")
        arguments = ("replay", source, "--engine", "stack", "--out")
        zhengdian(env, *arguments, tmp_path / "stack")
        assert differing(tmp_path / "memory", tmp_path / "stack") == []
        db = open_database(Settings(clickhouse="server", clickhouse_url=SecretStr(url)))
        databases = f"SELECT name FROM system.databases WHERE startsWith(name, '{name}')"
        assert db.query(databases) == [{"name": name}]
        assert db.query("SELECT count() AS n FROM raw_events") == [{"n": 0}]
        zhengdian(env, *arguments, tmp_path / "again", "--keep")
        (kept,) = db.query(f"{databases} AND name != '{name}'")
        (flags,) = db.query(f"SELECT count() AS n FROM {kept['name']}.flags WHERE status = 'raised'")
        assert flags["n"] == len((tmp_path / "memory" / "flags.jsonl").read_bytes().splitlines())
        db.command(f"DROP DATABASE {kept['name']}")
        db.close()


def test_a_pace_takes_its_time_and_changes_nothing(tmp_path: Path) -> None:
    events = [chat(n, f"2026-11-11T10:{n:02d}:00+08:00", "s", "agent" if n % 2 else "buyer") for n in range(60)]
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\n".join(map(orjson.dumps, events)))
    replay(source, tmp_path / "memory", default_book())
    env = environment(tmp_path)
    zhengdian(env, "replay", source, "--out", tmp_path / "stack", "--engine", "stack", "--speed", 590)
    assert differing(tmp_path / "memory", tmp_path / "stack") == []
    assert orjson.loads((tmp_path / "stack" / "summary.json").read_bytes())["seconds"] >= 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_leaves_nothing(tmp_path: Path, broker: Broker, number: signal.Signals) -> None:
    source = write_input(tmp_path / "made", 5, count=5, buyers=20)
    env = environment(tmp_path, kafka_bootstrap=broker.bootstrap, partitions=2)
    with running(env, "replay", source, "--out", tmp_path / "out", "--engine", "stack", "--speed", "1") as process:
        until_logged(tmp_path, "worker-1", "partitions_ready")
        started = children_of(process.pid)
        assert set(started) == {"worker", "sink"}
        process.send_signal(number)
        assert process.wait(40) == 130
    assert not any(Path(f"/proc/{pid}").exists() for pid in started.values())
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "tmp").iterdir())
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    assert not [topic for topic in admin.list_topics() if "replay" in topic]
    admin.close()


def test_a_part_that_dies_again_and_again_ends_it_with_its_last_words_and_the_logs(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(orjson.dumps(chat(1, "2026-11-11T10:00:00+08:00", "s")))
    (tmp_path / "rules.yaml").write_text("name: x\nversion: '1'\n")
    env = environment(tmp_path)
    arguments = ("replay", source, "--out", tmp_path / "out", "--engine", "stack", "--rules", tmp_path / "rules.yaml")
    with running(env, *arguments) as process:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob("tmp/*/logs")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (tmp_path / "rules.yaml").write_text("nonsense")  # after it was read here, before the workers read it
        assert process.wait(100) == 1
        *_, last = (process.stderr.read() if process.stderr else "").splitlines()
    assert "worker-1 ended with exit code" in last
    (logs,) = tmp_path.glob("tmp/*/logs")
    assert f"(logs: {logs})" in last
    assert not (tmp_path / "out").exists()


def test_a_cluster_that_is_away_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    env = environment(tmp_path) | {"ZHENGDIAN_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    with running(env, "replay", tmp_path / "in", "--out", tmp_path / "out", "--engine", "stack") as process:
        assert process.wait(60) == 1
        *_, last = (process.stderr.read() if process.stderr else "").splitlines()
    assert last == "zhengdian: no broker answers at 127.0.0.1:1 within 10 s"
    assert not list((tmp_path / "tmp").iterdir())


def test_an_input_without_events_gives_empty_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    replay(tmp_path / "in", tmp_path / "memory", default_book())
    zhengdian(environment(tmp_path), "replay", tmp_path / "in", "--out", tmp_path / "stack", "--engine", "stack")
    assert differing(tmp_path / "memory", tmp_path / "stack") == []


def test_what_stands_live_is_exported_as_the_replay_of_its_events(tmp_path: Path, broker: Broker) -> None:
    source = write_input(tmp_path / "made", 6, count=20)
    clean = tmp_path / "clean"  # conflicts are settled by arrival live, and by content in a replay
    clean.mkdir()
    replay(source, tmp_path / "dirty", default_book())
    lost = {
        (row["file"], row["line"])
        for row in map(orjson.loads, (tmp_path / "dirty" / "rejected.jsonl").read_bytes().splitlines())
        if row["reason"] == "conflict"
    }
    assert lost
    # and what is too big for a topic is not taken live
    kept = [line.raw for line in read_lines(source) if (line.file, line.number) not in lost and len(line.raw) < 10_000]
    (clean / "in.jsonl").write_bytes(b"\n".join(kept))
    memory = replay(clean, tmp_path / "memory", default_book())
    chosen: dict[str, Any] = {"kafka_bootstrap": broker.bootstrap, "partitions": 3, "data_dir": tmp_path / "data"}
    chosen |= {"horizon_days": 20_000, "check_future": False, "session_timeout_seconds": 20}
    settings = Settings(**chosen)
    env = environment(tmp_path, **chosen)
    wait_for_broker(settings, 60)
    create_topics(settings)
    parts = [
        Child(name, [sys.executable, "-m", "deploy.cli", name], tmp_path / f"{name}.log", env)
        for name in ("worker", "sink")
    ]
    try:
        producer = EventProducer(settings)
        ingest(input_files(clean), producer, parse=live_event, future_tolerance_ms=None)
        producer.close()
        wait_for_worker(settings, 100)
        wait_for_sink(settings, 100)
        said = zhengdian(env, "export", "--out", tmp_path / "locked", code=1)
        assert said.count("\n") == 1
        assert f"in use by process {parts[1].pid}" in said
    finally:
        for part in parts:
            part.stop(20)
    zhengdian(env, "export", "--out", tmp_path / "live")
    assert differing(tmp_path / "memory", tmp_path / "live") == ["summary"]
    summary = orjson.loads((tmp_path / "live" / "summary.json").read_bytes())
    unknown = {"seconds": 0, "duplicates": None, "events": memory["events"] - memory["duplicates"]}
    assert summary | {"seconds": 0} == memory | unknown

    # a range holds the records whose own moment lies in it, and both halves together are the whole
    middle = "2026-11-11T12:00:00+08:00"
    zhengdian(env, "export", "--out", tmp_path / "before", "--to", middle, "--now", "2199-12-31T23:59:59Z")
    zhengdian(env, "export", "--out", tmp_path / "after", "--from", middle, "--now", "2199-12-31T23:59:59Z")
    zhengdian(env, "export", "--out", tmp_path / "whole", "--now", "2199-12-31T23:59:59Z")
    for name in ("flags", "call_tasks", "response_rounds", "response_windows", "leaderboard_hourly"):
        before, after, whole = (
            (tmp_path / side / f"{name}.jsonl").read_bytes().splitlines() for side in ("before", "after", "whole")
        )
        assert sorted(before + after) == sorted(whole)
        assert min(len(before), len(after)) > 0
    assert b'"pending"' not in (tmp_path / "whole" / "response_rounds.jsonl").read_bytes()
    assert b'"pending"' in (tmp_path / "live" / "response_rounds.jsonl").read_bytes()
