"""Delivering records to Kafka: whole record batches, acknowledged by all replicas, retried until they are."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiokafka
from aiokafka.errors import MessageSizeTooLargeError

from schemas.settings import Settings
from streams.health import is_deaf
from streams.kafka import client_options
from streams.retrying import FIRST_PAUSE_SECONDS, is_infrastructure, note_retry, retrying

Record = tuple[bytes | None, bytes | None]
"""(key, value); a value of None is a tombstone"""

BATCH_BYTES: Final = 512 * 1024
REQUEST_BYTES: Final = 8 * 1024 * 1024
_REQUEST_TIMEOUT_MS: Final = 20_000


class Deliverer:
    """A Kafka producer for batches. Order within a partition is kept; after an error all of a call is sent again."""

    def __init__(self, settings: Settings, guard: Callable[[], None], retry_seconds: float) -> None:
        """`guard` is called before any request leaves the process, and must not return when nothing may leave."""
        self._options: dict[str, Any] = {
            **client_options(settings),
            "acks": "all",
            "max_batch_size": BATCH_BYTES,
            "max_request_size": REQUEST_BYTES,
            "request_timeout_ms": _REQUEST_TIMEOUT_MS,
        }
        self._guard = guard
        self._retry_seconds = retry_seconds
        self._producer: aiokafka.AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises KafkaError when that stays impossible."""
        async for attempt in retrying("connect", self._retry_seconds):
            with attempt:
                producer = aiokafka.AIOKafkaProducer(**self._options)
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
        send = producer.client.send

        async def guarded(*args: Any, **kwargs: Any) -> Any:
            # batches may have waited in the accumulator while the process was stopped
            self._guard()
            return await send(*args, **kwargs)

        producer.client.send = guarded
        self._producer = producer

    async def stop(self) -> None:
        """Disconnect; what isn't delivered is given up."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    def is_deaf(self) -> bool:
        """Whether it will never find a broker again."""
        return self._producer is not None and is_deaf(self._producer.client)

    async def deliver(self, topic: str, partition: int, records: Sequence[Record]) -> int | None:
        """Deliver all records in order; returns the offset of the last one, None when there are none.

        Raises KafkaError or OSError when it stays impossible for `retry_seconds`, at once when it is hopeless.
        """
        if not records:
            return None
        began = time.monotonic()
        try:
            # without tenacity, whose objects refer to each other: each time some would be left to the garbage collector
            return await self._attempt(topic, partition, records)
        except Exception as error:
            if not is_infrastructure(error):
                raise
            note_retry("deliver", 0, error)
        await asyncio.sleep(FIRST_PAUSE_SECONDS)
        async for attempt in retrying("deliver", max(self._retry_seconds - (time.monotonic() - began), 0)):
            with attempt:
                return await self._attempt(topic, partition, records)
        raise AssertionError("unreachable")

    async def deliver_fitting(self, topic: str, partition: int, records: Sequence[Record]) -> list[Record]:
        """As `deliver`, without the records that are too big for Kafka, which are returned."""
        try:
            await self.deliver(topic, partition, records)
        except MessageSizeTooLargeError:
            if len(records) == 1:
                return list(records)
            middle = len(records) // 2
            refused = await self.deliver_fitting(topic, partition, records[:middle])
            return refused + await self.deliver_fitting(topic, partition, records[middle:])
        return []

    async def _attempt(self, topic: str, partition: int, records: Sequence[Record]) -> int:
        producer = self._producer
        assert producer is not None
        sent: list[tuple[Any, int]] = []
        batch, count = producer.create_batch(), 0
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                batch.close()
                sent.append((await producer.send_batch(batch, topic, partition=partition), count))
                batch, count = producer.create_batch(), 0
                batch.append(key=key, value=value, timestamp=None)  # an empty batch takes a record of any size
            count += 1
        batch.close()
        sent.append((await producer.send_batch(batch, topic, partition=partition), count))
        delivered = await asyncio.gather(*(future for future, _ in sent))
        return int(delivered[-1].offset) + sent[-1][1] - 1
