"""Dead letters on a real broker with a real worker: rejected, looked at, mended, sent again, and what comes back."""

import json
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from fixtures.brokers import Broker
from worker_harness import PARTITIONS, System

from deploy import cli
from schemas.settings import Settings
from schemas.topics import CHAT, ORDERS, REJECTED, ROUNDS
from schemas.types import format_time
from sinks import migrate
from sinks.database import open_database
from sinks.kafka import EventProducer
from sinks.sink import Sink

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(300)]
DAY_SECONDS = 86_400


def message(number: int, buyer: str = "b", ago: float = 60, **more: Any) -> dict[str, Any]:
    data = {"shop_id": "s", "buyer_id": buyer, "agent_id": "s:a", "sender": "buyer", "text": "在吗?"}
    at = format_time(round((time.time() - ago) * 1000))
    return {
        "specversion": "1.0",
        "id": f"m{number}",
        "source": "t",
        "type": "chat.message",
        "time": at,
        "data": data | more,
    }


def sent(event: dict[str, Any], key: bytes | None = None, topic: str = CHAT) -> tuple[str, bytes, bytes]:
    return topic, key or f"s|{event['data']['buyer_id']}".encode(), orjson.dumps(event)


class Dlq:
    """The command, run in this process."""

    def __init__(self, capture: pytest.CaptureFixture[bytes]) -> None:
        self._capture = capture

    def run(self, *args: object) -> tuple[int, bytes, str]:
        self._capture.readouterr()
        code = cli.run(["dlq", *map(str, args)])
        captured = self._capture.readouterr()
        return code, captured.out, captured.err.decode()

    def ok(self, *args: object) -> bytes:
        code, out, err = self.run(*args)
        assert code == 0, (out, err)
        return out

    def cases(self, *args: object) -> list[dict[str, Any]]:
        return json.loads(self.ok("list", "--format", "json", *args))["cases"]  # type: ignore[no-any-return]

    def show(self, record: str) -> dict[str, Any]:
        return json.loads(self.ok("show", record, "--format", "json"))  # type: ignore[no-any-return]

    def until(self, check: Callable[[list[dict[str, Any]]], bool], seconds: float = 30) -> list[dict[str, Any]]:
        deadline = time.monotonic() + seconds
        while not check(found := self.cases("--state", "all")):
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
        return found


@pytest.fixture
def dlq(broker: Broker, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Dlq:
    for name in list(os.environ):
        if name.startswith("ZHENGDIAN_") and not name.startswith("ZHENGDIAN_TEST"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ZHENGDIAN_KAFKA_BOOTSTRAP", broker.bootstrap)
    monkeypatch.setenv("ZHENGDIAN_PARTITIONS", str(PARTITIONS))
    return Dlq(capfdbinary)


@pytest.fixture
async def system(broker: Broker, tmp_path: Path) -> AsyncIterator[System]:
    async with System(broker.bootstrap, tmp_path) as running:
        yield running


async def rounds(system: System) -> set[str]:
    """The messages that opened a round."""
    return {orjson.loads(record.value)["message_id"] for record in await system.records(ROUNDS)}


async def opened(system: System, *messages: str) -> None:
    deadline = time.monotonic() + 30
    while not set(messages) <= (found := await rounds(system)):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


async def test_mended_and_accepted_or_back_with_its_history(system: System, dlq: Dlq, tmp_path: Path) -> None:
    await system.ready(system.worker("worker", session_timeout_seconds="20"))
    poison = message(1, sender="robot")
    await system.produce([sent(poison), sent(message(2, "c"))])
    (case,) = dlq.until(lambda found: len(found) == 1)
    assert (case["reason"], case["state"], case["attempts"]) == ("invalid", "open", 1)
    assert case["origin"].startswith(f"{CHAT} ")
    assert "data.sender" in case["error"]
    table = dlq.ok("list").decode().splitlines()
    assert table[1].startswith(case["id"])
    assert table[-1] == "total: 1 (1 invalid)"

    # still no event: nothing is written and no attempt counts
    raw = dlq.ok("show", case["id"], "--raw")
    assert raw == orjson.dumps(poison)
    fixed = tmp_path / "fix.json"
    fixed.write_bytes(raw.replace(b"robot", b"nobody"))
    for more in ((), ("--file", fixed), ("--file", fixed, "--force")):
        code, out, err = dlq.run("replay", case["id"], *more)
        assert (code, "could be sent" in err) == (1, True), (out, err)
        assert b"no event: invalid: data.sender" in out
    assert len(await system.records(REJECTED)) == 1
    assert dlq.cases() == [case]

    # an event now, but one whose id another one has: the worker's rejection belongs to the case
    fixed.write_bytes(orjson.dumps(message(2, "c", text="other")))
    assert b"attempt 2" in dlq.ok("replay", case["id"], "--file", fixed)
    found = dlq.until(lambda found: found[0]["state"] == "failed_again" and found[0]["attempts"] == 2)
    assert len(found) == 1
    shown = dlq.show(case["id"])
    assert (shown["reason"], shown["raw"].encode()) == ("conflict", fixed.read_bytes())
    assert [(event["attempt"], event["what"]) for event in shown["history"]] == [
        (1, "rejected"), (2, "corrected and sent again"), (2, "rejected"),
    ]  # fmt: skip
    assert dlq.ok("show", case["id"], "--raw") == fixed.read_bytes()
    assert dlq.ok("show", case["id"], "--raw", "--attempt", "1") == raw

    # no more attempts than allowed
    fixed.write_bytes(raw.replace(b"robot", b"buyer") + b"\n")
    code, out, _ = dlq.run("replay", case["id"], "--file", fixed, "--max-attempts", "2")
    assert (code, b"given up after 2 attempts" in out) == (1, True)
    dlq.ok("replay", case["id"], "--file", fixed)
    await opened(system, "m1")
    (done,) = dlq.cases("--state", "resent")
    assert (done["id"], done["attempts"]) == (case["id"], 3)
    assert dlq.cases() == []

    # the correction that went out is not kept: what is shown are older bytes, and these do not go out
    code, _, err = dlq.run("show", case["id"], "--raw")
    assert (code, "attempt 3 sent other bytes than those shown" in err) == (0, True)
    code, out, _ = dlq.run("replay", case["id"], "--force", "--max-attempts", "9")
    assert (code, b"attempt 3 was corrected; give the correction again with --file" in out) == (1, True)


async def test_every_reason_keeps_its_bytes_and_many_are_sent_as_they_are(system: System, dlq: Dlq) -> None:
    await system.ready(system.worker("worker", session_timeout_seconds="20", horizon_days="2"))
    poison = {
        "not_json": (CHAT, b"s|b", b"\xff\xfe no text \x00\x1b[2J"),
        "unknown_type": sent(message(1) | {"type": "chat.whispered"}),
        "invalid": sent(message(2, text=None)),
        "wrong_key": sent(message(3), key=b"s|somebody else"),
        "wrong_topic": sent(message(4), topic=ORDERS),
        "future": sent(message(5, ago=-7200)),
        "conflict": sent(message(6, text="another")),
        "late": sent(message(7, ago=4 * DAY_SECONDS)),
    }
    await system.produce([sent(message(6))])
    await opened(system, "m6")
    await system.produce(list(poison.values()))
    found = dlq.until(lambda found: len(found) == len(poison))
    by_reason = {case["reason"]: case for case in found}
    assert set(by_reason) == set(poison)
    for reason, (topic, _, raw) in poison.items():
        case = by_reason[reason]
        assert dlq.ok("show", case["id"], "--raw") == raw, reason
        assert case["origin"].startswith(f"{topic} "), reason
    assert "\\xff\\xfe no text \\x00\\x1b[2J" in dlq.ok("show", by_reason["not_json"]["id"]).decode()
    assert [case["reason"] for case in dlq.cases("--reason", "late")] == ["late"]
    assert [case["reason"] for case in dlq.cases("--topic", ORDERS)] == ["wrong_topic"]
    assert len(dlq.cases("--limit", "2")) == 2
    assert dlq.cases("--since", format_time(round(time.time() * 1000) + 60_000)) == []
    assert len(dlq.cases("--since", format_time(round(time.time() * 1000) - 600_000))) == len(poison)

    before = len(await system.records(REJECTED))
    assert dlq.ok("replay", "--reason", "wrong_key", "--dry-run").endswith(b"would be sent: 1, refused: 0\n")
    limited = dlq.ok("replay", "--all", "--limit", "1", "--dry-run")
    assert limited.endswith(b"would be sent: 1, refused: 6 (why is said above), left for another time: 1\n"), limited
    assert len(await system.records(REJECTED)) == before
    assert b"sent: 1," in dlq.ok("replay", "--reason", "wrong_key")
    assert b"sent: 1," in dlq.ok("replay", by_reason["wrong_topic"]["id"])
    await opened(system, "m3")
    code, out, _ = dlq.run("replay", by_reason["late"]["id"], by_reason["conflict"]["id"])
    assert (code, out.count(b"refused: %s" % by_reason["late"]["id"].encode())) == (1, 1)
    assert b"sent: 0, refused: 2" in out
    code, _, err = dlq.run("replay", by_reason["late"]["id"], "--dry-run")
    assert (code, "would be sent" in err) == (1, True)

    # --all leaves what is sure to fail alone: no attempt is burnt
    out = dlq.ok("replay", "--all")
    assert out.endswith(b"sent: 0, refused: 6 (why is said above)\n")
    assert b"%s: its time has not come" % by_reason["future"]["id"].encode() in out
    assert out.count(b"still no event: ") == 3
    dlq.ok("replay", by_reason["late"]["id"], "--force")
    dlq.until(lambda found: next(c for c in found if c["reason"] == "late")["state"] == "failed_again")
    states = {case["reason"]: (case["state"], case["attempts"]) for case in dlq.cases("--state", "all")}
    assert {name for name, (state, _) in states.items() if state == "resent"} == {"wrong_key", "wrong_topic"}
    assert states["late"] == ("failed_again", 2)
    assert {found for name, found in states.items() if name not in ("late", "wrong_key", "wrong_topic")} == {
        ("open", 1)
    }


def test_records_that_are_not_there(broker: Broker, dlq: Dlq, tmp_path: Path) -> None:
    code, out, err = dlq.run("list")
    assert (code, out, err.count("\n")) == (1, b"", 1)
    assert "audit.rejected is not there" in err
    assert cli.run(["topics", "create"]) == 0
    assert dlq.ok("list") == b"total: 0\n"
    for args in (("show", "0:5"), ("replay", "0:5")):
        code, _, err = dlq.run(*args)
        assert (code, err.count("\n")) == (1, 1)
        assert "0:5: no such rejected record" in err
    assert b"sent: 0" in dlq.ok("replay", "--all")
    producer = EventProducer(Settings(kafka_bootstrap=broker.bootstrap))
    producer.publish([(REJECTED, b"k", b"what is this")], 10)
    producer.close()
    code, out, err = dlq.run("list")
    assert (code, out) == (0, b"total: 0\n")
    assert "warning: 1 records" in err


async def test_attempts_are_rows_in_clickhouse(system: System, dlq: Dlq, broker: Broker, tmp_path: Path) -> None:
    await system.ready(system.worker("worker", session_timeout_seconds="20"))
    await system.produce([sent(message(1), key=b"wrong"), sent(message(2))])
    await system.produce([sent(message(2, text="differs"))])
    found = {case["reason"]: case["id"] for case in dlq.until(lambda found: len(found) == 2)}
    dlq.ok("replay", "--all")
    dlq.ok("replay", found["conflict"], "--force")
    dlq.until(
        lambda cases: {c["reason"]: c["state"] for c in cases} == {"wrong_key": "resent", "conflict": "failed_again"}
    )
    settings = Settings(kafka_bootstrap=broker.bootstrap, data_dir=tmp_path / "data", partitions=PARTITIONS)
    db = open_database(settings)
    migrate.up(db)
    sink = Sink(settings, db)
    sink.start()
    want = {(found["wrong_key"], "sent"), (found["conflict"], "rejected")}
    try:
        deadline = time.monotonic() + 30
        rows: list[dict[str, Any]] = []
        while {(row["case_id"], row["outcome"]) for row in rows} != want:
            assert time.monotonic() < deadline, rows
            time.sleep(0.2)
            rows = db.query("SELECT case_id, outcome, attempt FROM dlq_resends")
        assert [row["attempt"] for row in rows] == [2, 2]
        assert db.query("SELECT 1 FROM rejected WHERE reason = 'sink'") == []
    finally:
        sink.stop()
        db.close()
