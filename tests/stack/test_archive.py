"""An archive of what ran live, out of Kafka and out of ClickHouse, replayed: what the events themselves give."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from fixtures.brokers import Broker
from fixtures.named_server import everywhere

from deploy import cli
from processors.ruleset import default_book
from replay import parallel
from replay.archive.from_clickhouse import ClickHouseSource
from replay.archive.manifest import (
    MANIFEST,
    PROGRESS,
    ArchiveCounts,
    ArchiveManifest,
    ArchiveOptions,
    ArchiveProgress,
    ArchiveRange,
)
from replay.archive.selection import Selection
from replay.archive.writer import write_archive
from replay.export import export
from replay.files import input_files, read_lines
from replay.generator import SaleConfig, write_sale
from replay.ingest import ingest
from replay.memory import replay
from schemas.events import parse_event
from schemas.settings import Settings
from schemas.topics import CHAT, COMMANDS, ORDERS, REFERENCE
from schemas.types import format_time, parse_time
from sinks.database import Database, open_database
from sinks.kafka import EventProducer, cluster_of, create_topics, wait_for_broker
from sinks.migrate import up
from sinks.progress import wait_for_sink, wait_for_worker
from sinks.sink import Sink

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(240)]

RESULTS = ("flags", "call_tasks", "response_rounds", "response_windows", "leaderboard_hourly")
FROM, TO = "2025-11-11T19:00:00+08:00", "2025-11-11T20:30:00+08:00"


class Live:
    """A sale that went through a broker, a worker and a sink; the worker has ended, the database is open."""

    def __init__(self, settings: Settings, db: Database, sale: Path, losers: list[bytes]) -> None:
        self.settings = settings
        self.db = db
        self.sale = sale
        self.losers = losers
        """second contents of ids that were taken"""


def chat(id_: str, text: str, buyer: str = "bx", at: str = FROM) -> bytes:
    data = {"shop_id": "s", "buyer_id": buyer, "agent_id": "a", "sender": "agent", "text": text}
    event = {"specversion": "1.0", "id": id_, "source": "t", "type": "chat.message", "time": at}
    return orjson.dumps(event | {"data": data})


def command(id_: str, at: str) -> bytes:
    data = {"shop_id": "s", "buyer_id": "bx", "flag_id": "f", "actor": "qc"}
    event = {"specversion": "1.0", "id": id_, "source": "t", "type": "qc.claimed", "time": at}
    return orjson.dumps(event | {"data": data})


@contextmanager
def worker(settings: Settings, log: Path) -> Iterator[None]:
    env = os.environ | {
        "ZHENGDIAN_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "ZHENGDIAN_PARTITIONS": str(settings.partitions),
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "worker"], env=env, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


@pytest.fixture
def live(broker: Broker, tmp_path: Path, clickhouse: dict[str, str]) -> Iterator[Live]:
    """A sale with duplicates, disorder and faults, and after it what only the log's order decides."""
    sale = tmp_path / "sale"
    write_sale(SaleConfig(buyers=150, agents=6, duplicates=0.05, disorder=0.1, faults=12), sale)
    odd = [
        chat("first", "还没有付款哦\t").replace(b'"text"', b'\r\n "text"'),
        command("c1", "2025-11-11T18:30:00+08:00"),
    ]
    odd += [command("c2", "2025-11-13T10:00:00+08:00")]
    (sale / "odd.jsonl").write_bytes(b"\n".join(raw.replace(b"\r\n", b"") for raw in odd))
    place: dict[str, Any] = {"data_dir": tmp_path / "data", **clickhouse}
    settings = Settings(kafka_bootstrap=broker.bootstrap, partitions=3, **place)
    wait_for_broker(settings, 20)
    create_topics(settings)
    producer = EventProducer(settings)
    counts = ingest([file for file in input_files(sale) if file.name != "odd.jsonl"], producer)
    assert counts.rejected.total() == 12
    keyed = [(CHAT, b"s|bx", odd[0]), (COMMANDS, b"s|bx", odd[1]), (COMMANDS, b"s|bx", odd[2])]
    # live the first in the log counts; a replay that found all three contents would count the smallest, at an earlier time
    losers = [chat("first", "不行"), chat("first", "不行", at="2025-11-11T18:59:00+08:00")]
    keyed += [(CHAT, b"s|bx", loser) for loser in losers]
    keyed += [
        (CHAT, b"wrong", chat("k", "错")),
        (ORDERS, b"s|bx", chat("t", "错")),
        (CHAT, b"s|bx", chat("far", "早", at="2199-01-01T00:00:00Z")),
        (CHAT, None, b"\xff no json"),
        (REFERENCE, b"s", b"{}"),
    ]
    for topic, key, value in keyed:
        producer.submit(topic, key, value)
    producer.close()
    db = open_database(settings)
    up(db)
    sink = Sink(settings, db)
    sink.start()
    try:
        with worker(settings, tmp_path / "worker.log"):
            wait_for_worker(settings, 90)
            wait_for_sink(settings, 60)
        sink.stop()
        yield Live(settings, db, sale, losers)
    finally:
        sink.stop()
        db.close()


@pytest.fixture
def run(
    live: Live, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command line with the settings of the live system; the embedded database is given back first."""
    monkeypatch.setenv("ZHENGDIAN_KAFKA_BOOTSTRAP", live.settings.kafka_bootstrap)
    monkeypatch.setenv("ZHENGDIAN_DATA_DIR", str(live.settings.data_dir))
    monkeypatch.setenv("ZHENGDIAN_CLICKHOUSE", live.settings.clickhouse)
    monkeypatch.setenv("ZHENGDIAN_CLICKHOUSE_URL", live.settings.clickhouse_url.get_secret_value())

    def run_in_process(*args: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.run([str(arg) for arg in args])
        return code, *capfd.readouterr()

    return run_in_process


def results(directory: Path) -> dict[str, bytes]:
    return {name: (directory / f"{name}.jsonl").read_bytes() for name in RESULTS}


def rejected(archive: Path) -> Counter[str]:
    """Reasons in the side files."""
    found: Counter[str] = Counter()
    for path in archive.glob("rejected-*.zst"):
        plain = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
        found.update(orjson.loads(line)["reason"] for line in plain.splitlines())
    return found


def identities(path: Path) -> Counter[tuple[str, str, str]]:
    events = (parse_event(line.raw) for line in read_lines(path))
    return Counter((event.type, event.source, event.id) for event in events)


@everywhere
def test_a_replay_of_the_archive_equals_a_replay_of_the_events(live: Live, run: Any, tmp_path: Path) -> None:
    replay(live.sale, tmp_path / "wanted", default_book())
    wanted = results(tmp_path / "wanted")
    assert all(wanted.values())
    shutil.copytree(live.sale, tmp_path / "with-losers")
    (tmp_path / "with-losers" / "losers.jsonl").write_bytes(b"\n".join(live.losers))
    replay(tmp_path / "with-losers", tmp_path / "unlike", default_book())
    assert results(tmp_path / "unlike") != wanted

    code, out, err = run("archive", tmp_path / "kafka.zst")
    assert code == 0, err
    assert "warning" not in err
    assert f"{CHAT} chat.message: " in out
    summary = replay(tmp_path / "kafka.zst", tmp_path / "a", default_book())
    assert results(tmp_path / "a") == wanted
    assert summary["duplicates"] > 50
    manifest = ArchiveManifest.read(tmp_path / "kafka.zst" / MANIFEST)
    assert manifest.options.source == "kafka"
    assert (manifest.options.origin, manifest.options.database) == (cluster_of(live.settings), "")
    assert manifest.read_to["unread_by_workers"] == 0
    assert manifest.rulesets == ["default@1"]
    aside = rejected(tmp_path / "kafka.zst")
    events = sum(sum(types.values()) for types in manifest.counts.events.values())
    assert events + sum(aside.values()) == summary["events"]
    export(live.db, tmp_path / "live", default_book())
    assert (tmp_path / "a" / "rejected.jsonl").read_bytes() == (tmp_path / "live" / "rejected.jsonl").read_bytes()
    assert aside == manifest.counts.rejected
    assert sum(aside.values()) == 12 + len(live.losers) + 5
    assert aside["conflict"] == 2
    assert {"wrong_key", "wrong_topic", "future", "invalid", "not_json"} <= aside.keys()

    if live.settings.clickhouse == "embedded":
        code, _, err = run("archive", tmp_path / "from-clickhouse", "--source", "clickhouse")
        assert code == 1
        assert err.count("\n") == 1
        assert "is in use by process" in err
        assert "--source kafka" in err
    live.db.close()
    code, out, err = run("archive", tmp_path / "from-clickhouse", "--source", "clickhouse")
    assert code == 0, err
    replayed = replay(tmp_path / "from-clickhouse", tmp_path / "b", default_book())
    assert results(tmp_path / "b") == wanted
    assert replayed["duplicates"] == 0
    options = ArchiveManifest.read(tmp_path / "from-clickhouse" / MANIFEST).options
    assert (options.origin, options.database) == (live.db.place, live.db.name)
    assert replayed["accepted"] == summary["accepted"]
    assert rejected(tmp_path / "from-clickhouse") == aside
    parallel.replay(tmp_path / "from-clickhouse", tmp_path / "c", default_book(), 3)
    for again in ("b", "c"):
        assert (tmp_path / again / "rejected.jsonl").read_bytes() == (tmp_path / "a" / "rejected.jsonl").read_bytes()

    assert run("archive", tmp_path / "from-clickhouse", "--source", "clickhouse")[0] == 2
    assert run("archive", tmp_path / "kafka.zst")[0] == 2


@everywhere
def test_a_range_holds_what_happened_in_it(live: Live, run: Any, tmp_path: Path) -> None:
    start, end = parse_time(FROM), parse_time(TO)
    want: Counter[tuple[str, str, str]] = Counter()
    for line in read_lines(live.sale):
        try:
            event = parse_event(line.raw)
        except ValueError:
            continue
        kind, reference = event.type, event.type in ("agent.upserted", "sale_event.scheduled")
        if reference or (start <= event.time and (event.time < end or kind == "qc.claimed")):
            want[kind, event.source, event.id] += 1
    assert want["qc.claimed", "t", "c2"] == 1
    assert want["qc.claimed", "t", "c1"] == 0
    code, _, err = run("archive", tmp_path / "from-kafka", "--from", FROM, "--to", TO)
    assert code == 0, err
    assert identities(tmp_path / "from-kafka") == want
    manifest = ArchiveManifest.read(tmp_path / "from-kafka" / MANIFEST)
    assert manifest.options.range == ArchiveRange(start=format_time(start), end=format_time(end))
    assert manifest.counts.first_time is not None
    assert parse_time(manifest.counts.first_time) >= start
    live.db.close()
    code, _, err = run("archive", tmp_path / "from-clickhouse", "--source", "clickhouse", "--from", FROM, "--to", TO)
    assert code == 0, err
    assert identities(tmp_path / "from-clickhouse") == Counter(dict.fromkeys(want, 1))
    assert rejected(tmp_path / "from-clickhouse") == rejected(tmp_path / "from-kafka")


def test_files_are_sorted_by_time_so_that_they_can_be_played(live: Live, run: Any, tmp_path: Path) -> None:
    assert run("archive", tmp_path / "a", "--part-bytes", 100_000)[0] == 0
    files = input_files(tmp_path / "a")
    assert len(files) > 8
    for file in files:
        times = [parse_event(line.raw).time for line in read_lines(file.path)]
        assert times == sorted(times)


@pytest.mark.parametrize("page", [7, 1000])
def test_pages_of_clickhouse_miss_nothing_at_their_edges(live: Live, tmp_path: Path, page: int) -> None:
    options = ArchiveOptions(
        source="clickhouse", range=ArchiveRange(start=None, end=None), topic_prefix="", database="d", part_bytes=50_000
    )
    live.db.command("OPTIMIZE TABLE raw_events FINAL")
    rows = live.db.query("SELECT raw FROM raw_events FINAL")
    if page < 100:  # a query for a handful of rows each: some buyers do
        rows = rows[:0]
        live.db.command(
            "ALTER TABLE raw_events DELETE WHERE cityHash64(buyer_id) % 10 != 1 SETTINGS mutations_sync = 1"
        )
        rows = live.db.query("SELECT raw FROM raw_events FINAL")
    assert len(rows) > 10 * page or page > 100
    manifest = write_archive(tmp_path / "a", options, ClickHouseSource(live.db, Selection(), page), [])
    have = Counter(line.raw for line in read_lines(tmp_path / "a"))
    assert have == Counter(row["raw"].replace("\r\n", "  ").encode() for row in rows)
    assert sum(manifest.counts.rejected.values()) == len(live.db.query("SELECT 1 FROM rejected")) > 10


def test_an_archive_that_is_killed_goes_on_to_the_same_bytes(live: Live, run: Any, tmp_path: Path) -> None:
    part = ("--part-bytes", "20000")
    assert run("archive", tmp_path / "whole", *part)[0] == 0
    whole = ArchiveManifest.read(tmp_path / "whole" / MANIFEST)
    out = tmp_path / "killed"
    env = os.environ | {"ZHENGDIAN_KAFKA_BOOTSTRAP": live.settings.kafka_bootstrap}
    for files in (1, 12):
        process = subprocess.Popen([sys.executable, "-m", "deploy.cli", "archive", str(out), *part], env=env)
        deadline = time.monotonic() + 60
        while len(list(out.glob("*.zst"))) < files and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (out / PROGRESS).exists()
    # what comes in meanwhile is not of this archive
    producer = EventProducer(live.settings)
    producer.publish([(CHAT, b"s|by", chat("new", "在", buyer="by"))] * 3, 20)
    producer.close()
    code, _, err = run("archive", out, *part)
    assert code == 0, err
    finished = ArchiveManifest.read(out / MANIFEST)
    assert finished.files == whole.files
    assert finished.counts == whole.counts
    for file in whole.files:
        assert (out / file.name).read_bytes() == (tmp_path / "whole" / file.name).read_bytes()
    assert not (out / PROGRESS).exists()


def test_a_broker_that_dies_on_the_way(live: Live, run: Any, broker: Broker, tmp_path: Path) -> None:
    """One that comes back is read on; one that stays away ends the command in one line."""
    main = (
        "import sys; from replay.archive import from_kafka; from deploy import cli; "
        "from_kafka._STALL_SECONDS = 30 if sys.argv.pop(1) == 'True' else 3; cli.main()"
    )
    out, part = tmp_path / "killed", ("--part-bytes", "3000")
    process = subprocess.Popen(
        [sys.executable, "-c", main, str(broker.durable), "archive", str(out), *part],
        env=os.environ | {"ZHENGDIAN_KAFKA_BOOTSTRAP": live.settings.kafka_bootstrap},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(out.glob("*.zst")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    broker.kill()
    if broker.durable:
        broker.start()
    _, err = process.communicate(timeout=120)
    if not broker.durable:
        assert process.returncode == 1
        assert err.count("\n") == 1, err
        assert live.settings.kafka_bootstrap in err
        return
    assert process.returncode == 0, err
    assert run("archive", tmp_path / "whole", *part)[0] == 0
    assert ArchiveManifest.read(out / MANIFEST).files == ArchiveManifest.read(tmp_path / "whole" / MANIFEST).files


def test_an_archive_of_another_cluster_is_not_continued(
    broker: Broker, tmp_path: Path, monkeypatch: Any, capfd: Any
) -> None:
    monkeypatch.setenv("ZHENGDIAN_KAFKA_BOOTSTRAP", broker.bootstrap)
    settings = Settings(partitions=1)
    wait_for_broker(settings, 20)
    create_topics(settings)
    assert cli.run(["archive", str(tmp_path / "whole")]) == 0
    whole = ArchiveManifest.read(tmp_path / "whole" / MANIFEST)
    for origin, code in (("another-cluster", 2), (cluster_of(settings), 0)):
        out = tmp_path / origin
        out.mkdir()
        options = whole.options.model_copy(update={"origin": origin})
        begun = ArchiveProgress(created_at="", options=options, read_to=whole.read_to, counts=ArchiveCounts())
        begun.write(out / PROGRESS)
        assert cli.run(["archive", str(out)]) == code
        assert ("was begun with another origin" in capfd.readouterr().err) == (code == 2)


def test_records_that_no_worker_has_read_are_warned_of(
    broker: Broker, tmp_path: Path, monkeypatch: Any, capfd: Any
) -> None:
    monkeypatch.setenv("ZHENGDIAN_KAFKA_BOOTSTRAP", broker.bootstrap)
    settings = Settings(partitions=2)
    wait_for_broker(settings, 20)
    assert cli.run(["archive", str(tmp_path / "none")]) == 1
    assert "topic chat.messages is not there" in capfd.readouterr().err
    create_topics(settings)
    assert cli.run(["archive", str(tmp_path / "empty")]) == 0
    assert "events: 0" in capfd.readouterr().out
    producer = EventProducer(settings)
    producer.publish([(CHAT, b"s|bx", chat("m", "在"))], 20)
    producer.close()
    assert cli.run(["archive", str(tmp_path / "a")]) == 0
    assert "1 records had not been read by a worker" in capfd.readouterr().err
