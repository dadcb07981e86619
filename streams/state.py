"""The state topic: one record a changed buyer, day and writer, read back when a partition is assigned.

The reader is a plain consumer without a group. It reads to the high watermark of the fetch responses, because some
brokers answer ListOffsets(latest) with the base offset of the last batch. With a local copy (rocksdict) only what came
after the copy is read.
"""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import aiokafka
import structlog
from aiokafka import TopicPartition

from schemas.settings import Settings
from schemas.topics import STATE
from streams.delivery import REQUEST_BYTES
from streams.kafka import client_options

log = structlog.get_logger()

_OFFSET_KEY: Final = b"\0offset"
_COPY_MAX_AGE_SECONDS: Final = 12 * 3600
"""an older copy may have missed tombstones that compaction has removed (delete.retention.ms, 24 h by default)"""

_QUIET_SECONDS: Final = 20.0
"""a consumer goes on asking for ever while Kafka is away"""

State = dict[bytes, bytes]
"""state key -> latest value"""


class LocalCopy:
    """rocksdict copies of the state topic's partitions, never ahead of the topic. Without a directory: does nothing."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._open: dict[int, Any] = {}

    def load(self, partition: int) -> tuple[State, int, bytes] | None:
        """The copy: its records, the topic offset it reaches, the key of the record there. None: nothing of use."""
        database = self._database(partition)
        if database is None:
            return None
        try:
            state = dict(database.items())
        except Exception as error:  # rocksdict raises plain Exception
            self._give_up(partition, error)
            return None
        mark = state.pop(_OFFSET_KEY, None)
        if mark is None:
            return None
        offset, written_at, key = mark.split(b" ", 2)
        # written in the future: one of the two clocks is wrong, and the age unknown
        if not 0 <= time.time() - float(written_at) <= _COPY_MAX_AGE_SECONDS:
            return None
        return state, int(offset), key

    def store(self, partition: int, records: Iterable[tuple[bytes, bytes | None]], last_offset: int) -> None:
        """Write records that the topic has, the last of them at `last_offset`, in one atomic batch.

        A copy that can't be written (disk full) is given up until the partition is taken over anew.
        """
        database = self._database(partition)
        if database is None:
            return
        import rocksdict

        batch = rocksdict.WriteBatch(raw_mode=True)
        key: bytes | None = None
        for key, value in records:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        if key is not None:
            batch.put(_OFFSET_KEY, b"%d %d %s" % (last_offset, time.time(), key))
            try:
                database.write(batch)
            except Exception as error:  # rocksdict raises plain Exception
                self._give_up(partition, error)

    def discard(self, partition: int) -> None:
        """Delete the copy of that partition."""
        if self._directory is not None:
            self._close(partition)
            shutil.rmtree(self._path(partition), ignore_errors=True)

    def keep_only(self, partitions: Iterable[int]) -> None:
        """Close the copies of all other partitions, so that another worker on this machine may open them."""
        for partition in set(self._open) - set(partitions):
            self._close(partition)

    def _give_up(self, partition: int, error: Exception) -> None:
        log.warning("local_copy_unusable", partition=partition, error=repr(error))
        self.discard(partition)
        self._open[partition] = None  # a later write would make a copy with a hole in it

    def _path(self, partition: int) -> Path:
        assert self._directory is not None
        return self._directory / f"state-{partition}"

    def _close(self, partition: int) -> None:
        database = self._open.pop(partition, None)
        if database is not None:
            try:
                database.close()
            except Exception as error:  # what it could not write any more is in the topic
                log.warning("local_copy_not_closed", partition=partition, error=repr(error))

    def _database(self, partition: int) -> Any:
        if self._directory is None:
            return None
        if partition not in self._open:
            import rocksdict

            try:
                self._directory.mkdir(parents=True, exist_ok=True)
                self._open[partition] = rocksdict.Rdict(str(self._path(partition)), rocksdict.Options(raw_mode=True))
            except Exception as error:  # rocksdict raises plain Exception: locked by another worker, or damaged
                log.warning("local_copy_unusable", partition=partition, error=repr(error))
                self._open[partition] = None
        return self._open[partition]


async def read_state(
    settings: Settings, partitions: Iterable[int], copy: LocalCopy, wanted: Callable[[], bool]
) -> tuple[dict[int, State], int]:
    """Read the state of the partitions to the end; returns partition -> state, and the number of records read.

    Gives up early, with what it has, when `wanted` turns False (the assignment has changed).
    Raises KafkaError or OSError, the latter also when nothing has come for a while.
    """
    topic = settings.topic_prefix + STATE
    states: dict[int, State] = {partition: {} for partition in partitions}
    numbers = {TopicPartition(topic, partition): partition for partition in states}
    if not numbers:
        return states, 0
    consumer = aiokafka.AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=REQUEST_BYTES,
    )
    await consumer.start()
    loop = asyncio.get_running_loop()
    read = 0
    try:
        async with asyncio.timeout(_QUIET_SECONDS) as patience:

            def heard() -> None:
                patience.reschedule(loop.time() + _QUIET_SECONDS)

            consumer.assign(list(numbers))
            marks: dict[TopicPartition, tuple[int, bytes]] = {}
            for tp, partition in numbers.items():
                if loaded := copy.load(partition):
                    states[partition], offset, key = loaded
                    read += len(states[partition])
                    marks[tp] = (offset, key)
                    consumer.seek(tp, offset)  # the record of the copy's end itself, to see that it is the same topic
                else:
                    copy.discard(partition)
                    await consumer.seek_to_beginning(tp)
                heard()  # a large copy takes a while to load
            # the larger of the two ends: ListOffsets may be short (see above), a high watermark after a leader change
            ends = await consumer.end_offsets(list(numbers))
            left = set(numbers)
            while left and wanted():
                for tp, records in (await consumer.getmany(*left, timeout_ms=100)).items():
                    partition, state = numbers[tp], states[numbers[tp]]
                    if mark := marks.pop(tp, None):
                        if (records[0].offset, records[0].key) != mark:
                            log.warning("local_copy_foreign", partition=partition)
                            copy.discard(partition)
                            state.clear()
                            await consumer.seek_to_beginning(tp)
                            continue
                        records = records[1:]
                        if not records:
                            continue
                    read += len(records)
                    heard()
                    for record in records:
                        if record.value is None:
                            state.pop(record.key, None)
                        else:
                            state[record.key] = record.value
                    copy.store(partition, ((record.key, record.value) for record in records), records[-1].offset)
                for tp in list(left):
                    end = consumer.highwater(tp)
                    if end is not None and await consumer.position(tp) >= max(end, ends[tp] or 0):
                        if tp in marks:  # the topic ends before the copy does
                            del marks[tp]
                            copy.discard(numbers[tp])
                            states[numbers[tp]].clear()
                            await consumer.seek_to_beginning(tp)
                            continue
                        left.discard(tp)
                        consumer.pause(tp)
                        heard()
    finally:
        await consumer.stop()
    return states, read
