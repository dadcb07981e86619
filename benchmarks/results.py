"""When the worker's results were in Kafka, by the broker's time: read when all is over, so that reading makes nothing late."""

import time
from typing import Final

import orjson
from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.settings import Settings
from schemas.topics import ROUNDS
from sinks.kafka import topic_name
from sinks.progress import true_ends

_BATCH: Final = 10_000
_SECONDS: Final = 60.0


def first_rounds(settings: Settings, shop: str) -> dict[str, float]:
    """When the first record of a round was written, in seconds since the epoch, by the shop's buyer. Raises TimeoutError."""
    ends = {number: end for (_, number), end in true_ends(settings, (ROUNDS,)).items() if end}
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka_bootstrap, "group.id": "bench-results", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(topic_name(settings, ROUNDS), number, 0) for number in ends])
    found: dict[str, float] = {}
    deadline = time.monotonic() + _SECONDS
    try:
        while ends:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all rounds could be read in {_SECONDS:.0f} s")
            for message in consumer.consume(_BATCH, timeout=1.0):
                if message.error() is not None:
                    raise KafkaException(message.error())
                number, offset = message.partition(), message.offset()
                if number is None or offset is None:
                    continue  # errors alone have none
                if offset + 1 >= ends.get(number, 0):
                    ends.pop(number, None)
                said = orjson.loads(message.value() or b"{}")
                if said.get("shop_id") == shop:
                    at = message.timestamp()[1] / 1000
                    found[said["buyer_id"]] = min(at, found.get(said["buyer_id"], at))
    finally:
        consumer.close()
    return found
