"""Where logs end and how far groups have come, on a real broker."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from deploy.broker import EmbeddedBroker
from schemas.settings import Settings
from schemas.topics import CHAT, ORDERS, REFERENCE
from sinks.kafka import EventProducer, create_topics, topic_name, wait_for_broker
from sinks.progress import SINK_TOPICS, Committed, source_ends, true_ends, wait_for_worker, wait_until_read

pytestmark = [pytest.mark.stack, pytest.mark.slow]


@pytest.fixture
def settings(broker: EmbeddedBroker) -> Settings:
    made = Settings(kafka_bootstrap=broker.bootstrap, partitions=3, topic_prefix="own.")
    wait_for_broker(made, 10)
    create_topics(made)
    return made


def send(settings: Settings, topic: str, count: int) -> None:
    producer = EventProducer(settings)
    for number in range(count):
        producer.submit(topic, f"s|b-{number}".encode(), b"x" * 100)
    producer.close()


def commit(settings: Settings, group: str, offsets: dict[tuple[str, int], int]) -> None:
    consumer: Any = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, group_id=group, enable_auto_commit=False, metrics_enabled=False
    )
    partitions = {TopicPartition(topic_name(settings, topic), number): at for (topic, number), at in offsets.items()}
    consumer.assign(list(partitions))
    consumer.commit({partition: OffsetAndMetadata(at, "", -1) for partition, at in partitions.items()})
    consumer.close()


def test_ends_are_those_of_the_records_whatever_batches_they_came_in(settings: Settings) -> None:
    assert source_ends(settings) == {}
    send(settings, CHAT, 500)
    send(settings, REFERENCE, 7)
    ends = true_ends(settings, SINK_TOPICS)
    assert sum(end for (topic, _), end in ends.items() if topic == CHAT) == 500
    assert {topic for topic, _ in ends} == {CHAT, REFERENCE}
    assert ends[REFERENCE, 0] == 7
    assert REFERENCE not in {topic for topic, _ in source_ends(settings)}


def test_a_topic_that_is_not_there_is_named(settings: Settings) -> None:
    with pytest.raises(TimeoutError, match=r"own\.nothing is not there"):
        true_ends(settings, ["nothing"])


def test_waiting_ends_with_the_last_commit_and_not_before(settings: Settings) -> None:
    send(settings, ORDERS, 60)
    ends = true_ends(settings, [ORDERS])
    commit(settings, "g", {position: end - 1 for position, end in ends.items()})
    committed = Committed(settings, "g")
    assert committed(ends) == {position: end - 1 for position, end in ends.items()}
    assert committed([(CHAT, 0)]) == {(CHAT, 0): 0}
    committed.close()
    with pytest.raises(TimeoutError, match=r"g has not read 1 records of commerce.orders partition \d.*2 more"):
        wait_until_read(settings, "g", ends, 0.3)
    seen: list[int] = []
    later = threading.Timer(0.5, commit, (settings, "g", ends))
    started = [0.0]

    def look(left: int) -> None:
        if not seen:
            started[0] = time.monotonic()
            later.start()
        seen.append(left)

    wait_until_read(settings, "g", ends, 30, look)
    assert time.monotonic() - started[0] >= 0.4
    assert (seen[0], seen[-1]) == (len(ends), 0)
    later.join()


def test_nothing_to_read_is_read(settings: Settings, tmp_path: Path) -> None:
    wait_for_worker(settings, 0)
