"""Three Apache Kafka brokers: the death of a leader in the middle of a sale loses nothing."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.apache_kafka import KafkaCluster
from live_harness import Live

from schemas.topics import CHAT, STATE

pytestmark = [pytest.mark.kafka, pytest.mark.stack, pytest.mark.slow]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    """Three brokers with Kafka's own time limits."""
    stock = {"broker.heartbeat.interval.ms": "2000", "broker.session.timeout.ms": "9000"}
    with KafkaCluster(tmp_path / "kafka", properties=stock) as brokers:
        yield brokers


@pytest.mark.timeout(300)
def test_a_leader_dies_in_the_middle_and_nothing_is_lost(cluster: KafkaCluster, tmp_path: Path) -> None:
    with Live(tmp_path, cluster.bootstrap, replication_factor=3) as live:
        live.run("topics", "create")
        live.start("worker-1")
        live.start("worker-2")
        live.start("sink")
        live.ingest(seconds=40)
        time.sleep(10)
        first = cluster.leader_of(CHAT, 0)
        cluster.kill(first)
        time.sleep(15)
        assert cluster.leader_of(CHAT, 0) not in (first, -1)
        cluster.start(first)
        time.sleep(5)
        second = cluster.leader_of(STATE, 1)
        cluster.kill(second)
        cluster.start(second)
        live.check()
