"""A sink takes what its group gives it, however short its polls are."""

from pathlib import Path

import pytest
from fixtures.brokers import Broker
from sink_harness import until

import sinks.sink
from schemas.settings import Settings
from schemas.topics import REJECTED
from sinks.database import open_database
from sinks.kafka import EventProducer, create_topics, wait_for_broker
from sinks.migrate import up
from sinks.progress import wait_for_sink
from sinks.sink import Sink

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def test_a_poll_that_ends_while_the_sink_joins_for_new_topics_costs_it_no_partitions(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broker.kind == "tansu":
        pytest.skip("this broker makes topics that are asked for: there are no new ones")
    monkeypatch.setattr(sinks.sink, "POLL_MS", 1)  # shorter than any way to the broker and back
    settings = Settings(kafka_bootstrap=broker.bootstrap, data_dir=tmp_path, partitions=2)
    wait_for_broker(settings, 30)
    db = open_database(settings)
    sink = Sink(settings, db)
    producer = None
    try:
        up(db)
        sink.start()
        until(lambda: sink._consumer is not None and sink._consumer._coordinator.generation_if_stable() is not None)
        create_topics(settings)
        producer = EventProducer(settings)
        producer.publish([(REJECTED, None, b"{}")], 20)
        wait_for_sink(settings, 30)
        assert db.query("SELECT count() AS n FROM rejected")[0]["n"] == 1
    finally:
        sink.stop()
        db.close()
        if producer is not None:
            producer.close()
    assert sink.exit_code == 0
