"""A sink that its group gives nothing to, although nobody else is there, joins anew."""

import threading
from pathlib import Path
from typing import Any

import pytest
from fixtures.brokers import Broker
from kafka import KafkaConsumer
from kafka.coordinator.assignors.range import RangePartitionAssignor

import sinks.patience
import sinks.sink
from schemas.settings import Settings
from schemas.topics import REJECTED
from sinks.database import open_database
from sinks.kafka import EventProducer, create_topics, wait_for_broker
from sinks.migrate import up
from sinks.progress import wait_for_sink
from sinks.sink import Sink

pytestmark = [pytest.mark.stack, pytest.mark.slow]


class Nothing(RangePartitionAssignor):
    """Finds no partitions, as one does that has no metadata yet."""

    @classmethod
    def assign(cls, cluster: Any, members: Any) -> Any:
        return super().assign(NoTopics(), members)


class NoTopics:
    def partitions_for_topic(self, topic: str) -> None:
        return None


def test_a_sink_without_partitions_joins_anew(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = threading.Semaphore(1)

    def consumer(**options: Any) -> KafkaConsumer:
        if made.acquire(blocking=False):
            options["partition_assignment_strategy"] = [Nothing]
        return KafkaConsumer(**options)

    monkeypatch.setattr(sinks.sink, "KafkaConsumer", consumer)
    monkeypatch.setattr(sinks.patience, "LEFT_OUT_SECONDS", 8.0)
    settings = Settings(kafka_bootstrap=broker.bootstrap, data_dir=tmp_path, partitions=2, session_timeout_seconds=3)
    wait_for_broker(settings, 30)
    create_topics(settings)
    producer = EventProducer(settings)
    producer.publish([(REJECTED, None, b"{}")], 20)
    db = open_database(settings)
    sink = Sink(settings, db)
    try:
        up(db)
        sink.start()
        wait_for_sink(settings, 60)
        assert not made.acquire(blocking=False)
        assert db.query("SELECT count() AS n FROM rejected")[0]["n"] == 1
    finally:
        sink.stop()
        db.close()
        producer.close()
    assert sink.exit_code == 0
