"""The topic of rejected records, read from its beginning to its end, and single records of it by their place."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

import orjson
from kafka import KafkaConsumer, TopicPartition

from replay.dlq.cases import Entry, Place, entry_of
from schemas.outputs import Rejected
from schemas.rejections import rejected_bytes
from schemas.settings import Settings
from schemas.topics import LARGEST_RECORD_BYTES, REJECTED
from sinks.kafka import client_options, topic_name
from sinks.progress import true_ends

_SILENCE_SECONDS: Final = 30.0


class RejectedLog:
    """Reads audit.rejected, without a group and without a trace. Close it."""

    def __init__(self, settings: Settings) -> None:
        """Raises KafkaError when no broker answers."""
        self._settings = settings
        self._topic = topic_name(settings, REJECTED)
        self.unreadable = 0
        """records met by `entries` that are neither a rejected record nor an attempt to send one again"""
        self._consumer = KafkaConsumer(
            **client_options(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=LARGEST_RECORD_BYTES,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )

    def entries(self, on_read: Callable[[int, int], object] = lambda done, total: None) -> Iterator[Entry]:
        """All entries that are there now. `on_read`: called with records read and to be read.

        Raises TimeoutError when the topic is not there or the broker falls silent, and KafkaError.
        """
        ends = {
            TopicPartition(self._topic, number): end
            for (_, number), end in true_ends(self._settings, [REJECTED]).items()
        }
        self.unreadable = 0
        if not ends:
            return
        self._consumer.assign(list(ends))
        self._consumer.seek_to_beginning(*ends)
        total = sum(ends.values())
        records = self._records(lambda: all(self._consumer.position(at) >= end for at, end in ends.items()))
        for done, record in enumerate(records, start=1):
            on_read(min(done, total), total)
            try:
                yield entry_of((record.partition, record.offset), record.timestamp, record.value or b"")
            except ValueError:
                self.unreadable += 1

    def raw(self, place: Place) -> bytes:
        """The bytes of the rejected record at that place. Raises LookupError when there is none, and as `entries` does."""
        partition, offset = place
        at = TopicPartition(self._topic, partition)
        self._consumer.assign([at])
        self._consumer.seek(at, offset)
        for record in self._records(lambda: self._consumer.position(at) > offset):
            if record.offset == offset:
                return rejected_bytes(Rejected.model_validate(orjson.loads(record.value)))
        raise LookupError(f"there is no record {partition}:{offset} on {self._topic}")

    def _records(self, finished: Callable[[], bool]) -> Iterator[Any]:
        """What is assigned, until that is so; raises TimeoutError when nothing comes for a while."""
        deadline = time.monotonic() + _SILENCE_SECONDS
        while not finished():
            for records in self._consumer.poll(timeout_ms=500).values():
                deadline = time.monotonic() + _SILENCE_SECONDS
                yield from records
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing has come from {self._topic} for {_SILENCE_SECONDS:g} s")

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close(autocommit=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
