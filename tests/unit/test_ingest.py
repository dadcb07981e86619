"""Lines into Kafka: what is produced where, what is rejected, when it is sent."""

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer

from deploy import cli
from deploy.broker import EmbeddedBroker
from replay.files import InputError, Line
from replay.ingest import MAX_EVENT_BYTES, Clock, Pace, files_of, ingest, rejected_line
from replay.lines import MAX_RAW_BYTES
from schemas.events import InvalidEventError
from schemas.export import EVENT_MODEL_OF_TYPE, example
from schemas.outputs import Rejected
from schemas.topics import REJECTED, TOPIC_OF_TYPE
from schemas.types import format_time, parse_time

NOW = parse_time("2026-11-20T12:00:00Z")


class Recorder:
    """A producer that keeps what it gets, and when."""

    def __init__(self, clock: "FakeClock") -> None:
        self.sent: list[tuple[str, bytes | None, bytes]] = []
        self.at: list[int] = []
        self.flushed = 0
        self._clock = clock

    def submit(self, topic: str, key: bytes | None, value: bytes) -> None:
        self.sent.append((topic, key, value))
        self.at.append(self._clock.ms)

    def flush(self, timeout_seconds: float) -> None:
        assert timeout_seconds > 0
        self.flushed += 1

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(value) for topic, _, value in self.sent if topic != REJECTED]

    def rejected(self) -> list[Rejected]:
        return [Rejected.model_validate_json(value) for topic, _, value in self.sent if topic == REJECTED]


class FakeClock(Clock):
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.ms = NOW
        super().__init__(now_ms=lambda: self.ms, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.ms += max(1, round(seconds * 1000))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def producer(clock: FakeClock) -> Recorder:
    return Recorder(clock)


def message(number: int, at_ms: int) -> dict[str, Any]:
    event = example("chat.message")
    return {**event, "id": f"m-{number}", "time": format_time(at_ms, "Asia/Shanghai")}


def write(path: Path, lines: Sequence[object]) -> Path:
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return path


def test_every_type_goes_to_its_topic_under_its_key_as_it_came(
    tmp_path: Path, producer: Recorder, clock: FakeClock
) -> None:
    events = [{**example(kind), "extra": {"kept": [1, 2]}} for kind in EVENT_MODEL_OF_TYPE]
    path = write(tmp_path / "x.jsonl", events)
    counts = ingest(files_of([path]), producer, clock=clock)
    assert counts.rejected.total() == 0
    assert counts.accepted == dict.fromkeys(EVENT_MODEL_OF_TYPE, 1)
    for event, (topic, key, value) in zip(events, producer.sent, strict=True):
        assert topic == TOPIC_OF_TYPE[event["type"]]
        assert key == (b"lining-hz|b-77" if "buyer_id" in event["data"] else b"lining-hz")
        assert json.loads(value) == event
    assert producer.flushed == 1


def test_what_is_no_event_is_rejected_with_file_and_line(tmp_path: Path, producer: Recorder, clock: FakeClock) -> None:
    good = message(1, NOW)
    bad = [
        b"{not json",
        {**good, "type": "chat.typing"},
        {**good, "time": "2026-11-11T09:00:00"},
        {**good, "time": format_time(NOW + 3_600_001)},
        b"\xff\xfe",
        b'"' + b"x" * MAX_EVENT_BYTES + b'"',
    ]
    path = write(tmp_path / "x.jsonl", [good, *bad, {**good, "time": format_time(NOW + 3_600_000)}])
    counts = ingest(files_of([path]), producer, clock=clock)
    assert counts.accepted.total() == 2
    rejected = producer.rejected()
    assert [record.line for record in rejected] == [2, 3, 4, 5, 6, 7]
    assert {record.file for record in rejected} == {str(path)}
    assert [record.reason for record in rejected] == [
        "not_json",
        "unknown_type",
        "invalid",
        "future",
        "not_json",
        "invalid",
    ]
    assert rejected[0].raw == "{not json"
    assert base64.b64decode(rejected[4].raw) == b"\xff\xfe"
    assert rejected[4].raw_encoding == "base64"
    assert counts.rejected == {"not_json": 2, "unknown_type": 1, "invalid": 2, "future": 1}


def test_raw_of_a_huge_line_is_cut_and_says_so() -> None:
    record = Rejected.model_validate_json(
        rejected_line(Line("f", 1, b"x" * 1_000_000), InvalidEventError("not_json", "no"))
    )
    assert len(record.raw) == MAX_RAW_BYTES
    assert record.error == f"no (raw is cut: {MAX_RAW_BYTES} of 1000000 bytes)"


def test_broken_file_fails_after_what_was_read_is_delivered(
    tmp_path: Path, producer: Recorder, clock: FakeClock
) -> None:
    write(tmp_path / "a.jsonl", [message(1, NOW)])
    packed = gzip.compress(b"".join(json.dumps(message(n, NOW)).encode() + b"\n" for n in range(2000)))
    (tmp_path / "b.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=r"b\.jsonl\.gz: truncated"):
        ingest(files_of([tmp_path]), producer, clock=clock)
    assert producer.sent
    assert producer.flushed == 1


def test_speed_divides_the_time_between_events_of_all_files(
    tmp_path: Path, producer: Recorder, clock: FakeClock
) -> None:
    began = NOW - 86_400_000
    reference = {**example("agent.upserted"), "time": format_time(began - 86_400_000 * 30)}
    write(tmp_path / "a.jsonl", [message(1, began), message(3, began + 20_000)])
    write(tmp_path / "b.jsonl", [b"?", message(2, began + 10_000), message(4, began + 5_000)])
    write(tmp_path / "reference.jsonl", [reference])
    counts = ingest(files_of([tmp_path]), producer, pace=Pace(speed=10), clock=clock)
    assert counts.accepted.total() == 5
    at = {
        json.loads(value).get("id"): when - NOW for (_, _, value), when in zip(producer.sent, producer.at, strict=True)
    }
    assert at == {None: 0, "e-agent-xiaomei": 0, "m-1": 0, "m-2": 1000, "m-4": 1000, "m-3": 2000}
    assert [event["time"] for event in producer.events() if event["id"] == "m-3"] == [
        format_time(began + 20_000, "Asia/Shanghai")
    ]


def test_live_sends_the_past_at_once_and_waits_for_the_rest(
    tmp_path: Path, producer: Recorder, clock: FakeClock
) -> None:
    path = write(tmp_path / "x.jsonl", [message(1, NOW - 1000), message(2, NOW), message(3, NOW + 7_200_000)])
    counts = ingest(files_of([path]), producer, pace=Pace(live=True), clock=clock)
    assert [when - NOW for when in producer.at] == [0, 0, 7_200_000]
    assert counts.accepted.total() == 3


def test_shift_to_now_moves_all_times_by_the_same(tmp_path: Path, producer: Recorder, clock: FakeClock) -> None:
    began = NOW - 86_400_000 * 365
    sale = example("sale_event.scheduled")
    sale = {**sale, "time": format_time(began - 1000), "extra": 1}
    write(tmp_path / "x.jsonl", [sale, message(1, began), {**message(2, began + 30_000), "extra": "kept"}])
    ingest(files_of([tmp_path]), producer, pace=Pace(shift_to_now=True), clock=clock)
    moved = producer.events()
    assert [parse_time(event["time"]) - NOW for event in moved] == [-1000, 0, 30_000]
    assert [when - NOW for when in producer.at] == [0, 0, 30_000]
    assert moved[0]["extra"] == 1
    assert moved[2]["extra"] == "kept"
    shift = NOW - began
    assert parse_time(moved[0]["data"]["starts_at"]) == parse_time(sale["data"]["starts_at"]) + shift


def test_reference_events_alone_are_sent_as_they_are(tmp_path: Path, producer: Recorder, clock: FakeClock) -> None:
    path = write(tmp_path / "x.jsonl", [example("agent.upserted")])
    ingest(files_of([path]), producer, pace=Pace(shift_to_now=True), clock=clock)
    assert producer.events() == [example("agent.upserted")]


def test_counts_are_reported(tmp_path: Path, producer: Recorder, clock: FakeClock) -> None:
    path = write(tmp_path / "x.jsonl", [message(n, NOW) for n in range(2500)])
    seen: list[int] = []
    size: list[int] = []
    ingest(
        files_of([path]),
        producer,
        clock=clock,
        on_counts=lambda counts: seen.append(counts.accepted.total()),
        on_bytes=size.append,
    )
    assert seen == [1000, 2000, 2500]
    assert sum(size) == path.stat().st_size


def test_nothing_to_read(tmp_path: Path, producer: Recorder, clock: FakeClock) -> None:
    (tmp_path / "x.jsonl").touch()
    assert ingest(files_of([tmp_path]), producer, clock=clock).accepted.total() == 0
    assert producer.flushed == 1


@pytest.mark.stack
def test_command_against_a_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "x.jsonl", [message(1, NOW - 60_000), b"{not json", {**message(2, NOW), "type": "chat.typing"}])
    with EmbeddedBroker(tmp_path / "broker.log") as broker:
        monkeypatch.setenv("ZHENGDIAN_KAFKA_BOOTSTRAP", broker.bootstrap)
        monkeypatch.setenv("ZHENGDIAN_TOPIC_PREFIX", "it.")
        assert cli.run(["topics", "create"]) == 0
        assert cli.run(["topics", "create"]) == 0
        capsys.readouterr()
        assert cli.run(["ingest", str(tmp_path / "x.jsonl")]) == 0
        out, err = capsys.readouterr()
        assert out.splitlines() == ["chat.message: 1", "accepted: 1", "rejected: 2 (1 not_json, 1 unknown_type)"]
        assert err == ""
        assert cli.run(["ingest", str(tmp_path / "none.jsonl")]) == 2
        assert capsys.readouterr().err == f"zhengdian: {tmp_path}/none.jsonl: no such file or directory\n"
        consumer = KafkaConsumer(
            f"it.{REJECTED}",
            bootstrap_servers=broker.bootstrap,
            auto_offset_reset="earliest",
            consumer_timeout_ms=5000,
        )
        try:
            records = [Rejected.model_validate_json(next(consumer).value) for _ in range(2)]
        finally:
            consumer.close()
    assert {(record.reason, record.line) for record in records} == {("not_json", 2), ("unknown_type", 3)}
