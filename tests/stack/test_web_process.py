"""The web part as a process of its own, with a real broker and chDB: posts arrive in Kafka, SIGTERM ends it cleanly."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fixtures.brokers import Broker
from kafka import KafkaConsumer, TopicPartition

from schemas.settings import Settings
from schemas.types import format_time
from sinks.kafka import create_topics

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(120)]

PROGRAM = """
import sys
from schemas.settings import Settings
from web.app import run_web
sys.exit(run_web(Settings(), with_sink=None if sys.argv[1:] else False, on_ready=lambda address: print(address, flush=True)))
"""


class Web:
    """A running web part."""

    def __init__(self, directory: Path, bootstrap: str, *options: str) -> None:
        names = {"KAFKA_BOOTSTRAP": bootstrap, "DATA_DIR": str(directory / "data"), "WEB_PORT": "0", "PARTITIONS": "2"}
        self.log = directory / "web.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *options],
                env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
                | {f"ZHENGDIAN_{name}": value for name, value in names.items()},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", self._line())
        assert found, self.log.read_text()[-2000:]
        self.client = httpx.Client(base_url=found[0], timeout=30)

    def _line(self) -> str:
        """The line with the address; others may come before it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "http://" in line:
                return line
        return ""

    def stop(self) -> int:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def web(tmp_path: Path, broker: Broker) -> Iterator[Web]:
    create_topics(Settings(kafka_bootstrap=broker.bootstrap, partitions=2))
    running = Web(tmp_path, broker.bootstrap)
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()


def event(number: int, at_ms: int) -> dict[str, object]:
    data = {"shop_id": "s", "buyer_id": f"b-{number}", "agent_id": "s:1", "sender": "buyer", "text": "在吗?"}
    base = {"specversion": "1.0", "id": f"m-{number}", "source": "test", "type": "chat.message"}
    return base | {"time": format_time(at_ms, "Asia/Shanghai"), "data": data}


def wait_for_answer(client: httpx.Client) -> None:
    """Until the server takes requests."""
    deadline = time.monotonic() + 20
    while True:
        try:
            client.get("/openapi.json")
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_posted_events_are_in_kafka_and_sigterm_ends_cleanly(web: Web, broker: Broker) -> None:
    wait_for_answer(web.client)
    health = web.client.get("/healthz")
    assert (health.status_code, health.json()["status"]) == (200, "ok"), health.text
    now = time.time_ns() // 1_000_000
    headers = {"content-type": "application/cloudevents-batch+json"}
    answer = web.client.post("/v1/events", json=[event(n, now) for n in range(50)], headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 50})

    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, enable_auto_commit=False, consumer_timeout_ms=3000)
    consumer.assign([TopicPartition("chat.messages", partition) for partition in (0, 1)])
    consumer.seek_to_beginning()
    keys = sorted(record.key.decode() for record in consumer)
    consumer.close()
    assert keys == sorted(f"s|b-{n}" for n in range(50))

    page = web.client.get("/")
    assert page.status_code == 200
    assert "整点" in page.text
    # an open stream must not keep it from ending
    with web.client.stream("GET", "/api/v1/leaderboard/stream") as stream:
        assert next(stream.iter_lines()).startswith(("event: leaderboard", "id:"))
        web.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert web.process.wait(20) == 0, web.log.read_text()[-3000:]
        assert time.monotonic() - began < 15


def test_broker_away_is_503_and_said_by_health(web: Web, broker: Broker) -> None:
    wait_for_answer(web.client)
    broker.stop()
    health = web.client.get("/healthz")
    assert (health.status_code, health.json()["broker"]) == (503, "unreachable")
    now = time.time_ns() // 1_000_000
    headers = {"content-type": "application/cloudevents+json"}
    assert web.client.post("/v1/events", json=event(1, now), headers=headers).status_code == 503
    assert web.client.get("/api/v1/leaderboard").status_code == 200
    assert web.stop() == 0, web.log.read_text()[-3000:]


def test_with_the_sink_what_is_posted_can_be_read(tmp_path: Path, broker: Broker) -> None:
    create_topics(Settings(kafka_bootstrap=broker.bootstrap, partitions=2))
    web = Web(tmp_path, broker.bootstrap, "sink")
    try:
        wait_for_answer(web.client)
        assert web.client.get("/healthz").json()["sink"] == "ok"
        now = time.time_ns() // 1_000_000
        headers = {"content-type": "application/cloudevents+json"}
        assert web.client.post("/v1/events", json=event(7, now), headers=headers).status_code == 202
        deadline = time.monotonic() + 20  # the sink's group has to form first
        while (found := web.client.get("/api/v1/conversations/s/b-7")).status_code != 200:
            assert time.monotonic() < deadline, found.text
            time.sleep(0.2)
        assert [entry["text"] for entry in found.json()["entries"]] == ["在吗?"]
        assert web.stop() == 0, web.log.read_text()[-3000:]
    finally:
        if web.process.poll() is None:
            web.process.kill()
            web.process.wait()
