"""confluent-kafka as the three programs on it use it: big batches, from the beginning of the topics."""

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from benchmarks.peers.job import SESSION_SECONDS, Clock, Options

_BATCH = 10_000


def batches(options: Options, clock: Clock) -> Iterator[list[Message]]:
    """All records of the topics; the clock begins with the first one."""
    consumer = Consumer(
        {
            "bootstrap.servers": options.bootstrap,
            "group.id": options.group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": SESSION_SECONDS * 1000,
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 65_536,
        }
    )
    consumer.subscribe(options.topics)
    left = options.records
    while left:
        # the first one alone, so that the clock does not miss the fetching of a batch
        batch = consumer.consume(1 if left == options.records else min(_BATCH, left), timeout=1.0)
        for message in batch:
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
        if batch:
            clock.begin()
            left -= len(batch)
            yield batch
    clock.end()
    consumer.close()
