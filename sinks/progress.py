"""How far the consumer groups have come: the true ends of logs, committed offsets, and waiting for one to reach the other.

Workers and sinks commit after what they read has taken effect, so a group that has committed the end of a log is done with
it. Topics are named without the prefix.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import TOPICS, WORKER_TOPICS
from sinks.batch import Position
from sinks.kafka import PASSING_ERRORS, client_options, sink_group, topic_name, worker_group
from sinks.sink import KINDS

Ends = Mapping[Position, int]
"""(topic, partition) -> the offset that the next record will get; partitions without records are left out, as nobody can read them"""
OnLeft = Callable[[int], object]
"""called a few times a second with the number of records still to be read; what it raises ends the waiting"""

SINK_TOPICS: Final = tuple(topic.name for topic in TOPICS if topic.kind in KINDS)
_POLL_SECONDS: Final = 0.1
_ENDS_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 0.5


def true_ends(
    settings: Settings, topics: Iterable[str], seconds: float = _ENDS_SECONDS, *, emptied: bool = False
) -> dict[Position, int]:
    """The ends of the topics' partitions, by the high watermark of a fetch: some brokers' ListOffsets is short.

    `emptied`: also of partitions whose records Kafka has all deleted, where a group may have committed nothing.
    Raises TimeoutError when the broker does not tell all of them in time, and KafkaError.
    """
    deadline, names = time.monotonic() + seconds, list(topics)
    while True:
        try:
            return _ends(settings, names, deadline, emptied)
        except PASSING_ERRORS:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)


def _ends(settings: Settings, topics: Iterable[str], deadline: float, emptied: bool) -> dict[Position, int]:
    bare = {topic_name(settings, topic): topic for topic in topics}
    consumer = KafkaConsumer(
        **client_options(settings),
        group_id=None,
        enable_auto_commit=False,
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=1,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    try:
        partitions: list[Any] = []
        for name in bare:
            found = consumer.partitions_for_topic(name)
            if not found:
                raise TimeoutError(f"topic {name} is not there")
            partitions += [TopicPartition(name, number) for number in sorted(found)]
        starts, latest = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, latest[partition])
        ends: dict[Any, int] = {}
        while left := [partition for partition in partitions if partition not in ends]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the broker does not tell the end of {left[0].topic} partition {left[0].partition}")
            consumer.poll(timeout_ms=100)
            for partition in left:
                if (end := consumer.highwater(partition)) is not None and end >= latest[partition]:
                    ends[partition] = end
        return {(bare[p.topic], p.partition): end for p, end in ends.items() if end > (0 if emptied else starts[p])}
    finally:
        consumer.close(autocommit=False)


def source_ends(settings: Settings) -> dict[Position, int]:
    """The true ends of the topics that the workers read."""
    return true_ends(settings, WORKER_TOPICS)


def sink_ends(settings: Settings) -> dict[Position, int]:
    """The true ends of the topics that the sinks read."""
    return true_ends(settings, SINK_TOPICS)


class Committed:
    """The committed offsets of one group. It connects when first called; close it."""

    def __init__(self, settings: Settings, group: str) -> None:
        self._settings = settings
        self._group = group
        self._admin: Any = None

    def __call__(self, positions: Iterable[Position]) -> dict[Position, int]:
        """Offset by position; 0 where the group has committed nothing. Raises KafkaError."""
        # named one by one: some brokers have no answer to "all"
        asked = {
            TopicPartition(topic_name(self._settings, topic), number): (topic, number) for topic, number in positions
        }
        if not asked:
            return {}
        if self._admin is None:
            self._admin = KafkaAdminClient(**client_options(self._settings))
        found = self._admin.list_group_offsets({self._group: list(asked)}).get(self._group, {})
        return {
            position: max(found[partition].offset, 0) if partition in found else 0
            for partition, position in asked.items()
        }

    def close(self) -> None:
        """Disconnect."""
        if self._admin is not None:
            self._admin.close()


def wait_until_read(settings: Settings, group: str, ends: Ends, seconds: float, on_left: OnLeft | None = None) -> None:
    """Return when the group has committed those ends. Raises TimeoutError naming what is furthest behind."""
    deadline = time.monotonic() + seconds
    committed = Committed(settings, group)
    waiting: Ends = ends
    behind = dict(ends)
    try:
        while True:
            try:
                done = committed(waiting)
            except KafkaError as error:
                if not isinstance(error, PASSING_ERRORS):
                    raise
                done = {}
            behind = {position: end - done.get(position, 0) for position, end in waiting.items()}
            waiting = {position: end for position, end in waiting.items() if behind[position] > 0}
            if on_left is not None:
                on_left(sum(behind[position] for position in waiting))
            if not waiting:
                return
            if time.monotonic() > deadline:
                (topic, number), count = max(((p, behind[p]) for p in waiting), key=lambda item: item[1])
                more = f", and {len(waiting) - 1} more partitions" if len(waiting) > 1 else ""
                raise TimeoutError(
                    f"{group} has not read {count} records of {topic} partition {number} after {seconds:g} s{more}"
                )
            time.sleep(_POLL_SECONDS)
    finally:
        committed.close()


def wait_for_worker(settings: Settings, seconds: float, on_left: OnLeft | None = None) -> None:
    """Return when the workers have delivered the results of all that is on their topics now. Raises TimeoutError."""
    wait_until_read(settings, worker_group(settings), source_ends(settings), seconds, on_left)


def wait_for_sink(settings: Settings, seconds: float, on_left: OnLeft | None = None) -> None:
    """Return when the sinks have inserted all that is on their topics now. Raises TimeoutError."""
    wait_until_read(settings, sink_group(settings), sink_ends(settings), seconds, on_left)
