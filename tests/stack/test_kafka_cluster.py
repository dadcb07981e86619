"""Three Apache Kafka brokers: the death of a leader in the middle of a sale, or before its followers have a record, loses
nothing that was confirmed."""

import asyncio
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest
from fixtures.apache_kafka import KafkaCluster
from fixtures.records import read_records
from live_harness import Live

from schemas.settings import Settings
from schemas.topics import CHAT, STATE
from sinks.kafka import EventProducer, create_topics
from streams.delivery import Deliverer

pytestmark = [pytest.mark.kafka, pytest.mark.stack, pytest.mark.slow]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    """Three brokers with Kafka's own time limits."""
    stock = {"broker.heartbeat.interval.ms": "2000", "broker.session.timeout.ms": "9000"}
    with KafkaCluster(tmp_path / "kafka", properties=stock) as brokers:
        yield brokers


def led(cluster: KafkaCluster, topic: str, partition: int, but: int = -1) -> int:
    """The number of the broker that leads it, as soon as one does, another than `but`."""
    deadline = time.monotonic() + 60
    while (leader := cluster.leader_of(topic, partition)) in (but, -1):
        assert time.monotonic() < deadline, "no leader"
        time.sleep(0.5)
    return leader


@pytest.mark.timeout(300)
def test_a_leader_dies_in_the_middle_and_nothing_is_lost(cluster: KafkaCluster, tmp_path: Path) -> None:
    with Live(tmp_path, cluster.bootstrap, replication_factor=3) as live:
        live.run("topics", "create")
        live.start("worker-1")
        live.start("worker-2")
        live.start("sink")
        live.ingest(seconds=90)
        time.sleep(10)
        first = led(cluster, CHAT, 0)
        assert live.ingesting
        cluster.kill(first)
        led(cluster, CHAT, 0, but=first)
        cluster.start(first)
        time.sleep(5)
        second = led(cluster, STATE, 1)
        assert live.ingesting
        cluster.kill(second)
        cluster.start(second)
        live.check()


@pytest.mark.timeout(240)
def test_what_is_confirmed_outlives_a_leader_whose_followers_stood_still(cluster: KafkaCluster) -> None:
    settings = Settings(kafka_bootstrap=cluster.bootstrap, partitions=3, replication_factor=3)
    create_topics(settings)
    nodes = dict(zip((1, 2, 3), cluster.pids, strict=True))
    ingest = EventProducer(settings)
    key = b"k"
    ((chat, _),) = ingest.publish([(CHAT, key, b"before")], 30)
    leader = led(cluster, CHAT, chat)
    state = next(number for number in range(3) if led(cluster, STATE, number) == leader)
    followers = [pid for number, pid in nodes.items() if number != leader]

    async def deliver() -> None:
        await deliverer.start()
        try:
            await deliverer.deliver(STATE, state, [(key, b"before")])
            ready.set_result(None)
            await asyncio.to_thread(frozen.result)
            await deliverer.deliver(STATE, state, [(key, b"after")])
        finally:
            await deliverer.stop()

    def send() -> None:
        frozen.result()
        ingest.submit(CHAT, key, b"after")
        ingest.flush(90)

    deliverer = Deliverer(settings, lambda: None, retry_seconds=90)
    ready: Future[None] = Future()
    frozen: Future[None] = Future()
    with ThreadPoolExecutor(2) as pool:
        sending = [pool.submit(asyncio.run, deliver()), pool.submit(send)]
        ready.result(30)
        for pid in followers:
            os.kill(pid, SIGSTOP)
        time.sleep(1.5)  # a fetch that waits at the leader would still take the records along
        frozen.set_result(None)
        time.sleep(4)
        early = [future.done() for future in sending]
        cluster.kill(leader)
        for pid in followers:
            os.kill(pid, SIGCONT)
        for future in sending:
            future.result(120)
    ingest.close()
    there = read_records(settings, (STATE, CHAT))
    afters = {(topic, number) for (topic, number, _), record in there.items() if record == (key, b"after")}
    assert (early, [where in afters for where in ((STATE, state), (CHAT, chat))]) == ([False, False], [True, True])
