"""The state topic: one record a changed buyer, day and writer, read back when a partition is assigned.

The reader is a plain consumer without a group. It reads to the high watermark of the fetch responses, because some
brokers answer ListOffsets(latest) with the base offset of the last batch. With a local copy (rocksdict) only what came
after the copy is read.
"""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiokafka
import structlog
from aiokafka import TopicPartition

from schemas.settings import Settings
from schemas.topics import STATE
from streams.delivery import REQUEST_BYTES
from streams.kafka import client_options

log = structlog.get_logger()

_NAME: Final = "state-"
_OFFSET_KEY: Final = b"\0offset"
_COPY_MAX_AGE_SECONDS: Final = 12 * 3600
"""an older copy may have missed tombstones that compaction has removed (delete.retention.ms, 24 h by default)"""

_QUIET_SECONDS: Final = 20.0
"""a consumer goes on asking for ever while Kafka is away"""

State = dict[bytes, bytes]
"""state key -> latest value"""


class Mark(NamedTuple):
    """Where a copy ends: the topic's offset, when that was written (seconds since 1970), the key of the record there."""

    offset: int
    written_at: float
    key: bytes


def _mark(value: bytes | None) -> Mark | None:
    if value is None:
        return None
    offset, written_at, key = value.split(b" ", 2)
    mark = Mark(int(offset), float(written_at), key)
    # written in the future: one of the two clocks is wrong, and the age unknown
    return mark if 0 <= time.time() - mark.written_at <= _COPY_MAX_AGE_SECONDS else None


class LocalCopy:
    """rocksdict copies of the state topic's partitions, never ahead of the topic. Without a directory: does nothing."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._open: dict[int, Any] = {}

    def partitions(self) -> list[int]:
        """The partitions that there are copies of, usable or not."""
        paths = [] if self._directory is None else self._directory.glob(f"{_NAME}*")
        numbers = (path.name.removeprefix(_NAME) for path in paths)
        return sorted(int(number) for number in numbers if number.isdecimal())

    def load(self, partition: int) -> tuple[State, Mark] | None:
        """The copy: its records, and where it ends. None: nothing of use."""
        database = self._database(partition)
        if database is None:
            return None
        try:
            state = dict(database.items())
        except Exception as error:  # rocksdict raises plain Exception
            self._give_up(partition, error)
            return None
        mark = _mark(state.pop(_OFFSET_KEY, None))
        return None if mark is None else (state, mark)

    def mark(self, partition: int) -> Mark | None:
        """Where the copy ends. None: nothing of use."""
        database = self._database(partition)
        if database is None:
            return None
        try:
            return _mark(database.get(_OFFSET_KEY))
        except Exception as error:  # rocksdict raises plain Exception
            self._give_up(partition, error)
            return None

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
        return self._directory / f"{_NAME}{partition}"

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


class Read(NamedTuple):
    """What was read of some partitions."""

    states: dict[int, State]
    records: int
    later: set[int]
    """of these partitions, what came after the mark that was handed in"""


async def read_state(
    settings: Settings,
    partitions: Iterable[int],
    copy: LocalCopy,
    wanted: Callable[[], bool],
    marks: Mapping[int, Mark] | None = None,
) -> Read:
    """Read the state of the partitions to the end. `marks`: of partitions whose copies the caller has read; of these only
    what came later is read, if nothing was taken back since.

    Gives up early, with what it has, when `wanted` turns False (the assignment has changed).
    Raises KafkaError or OSError, the latter also when nothing has come for a while.
    """
    topic = settings.topic_prefix + STATE
    numbers = list(partitions)
    if not numbers:
        return Read({}, 0, set())
    consumer = aiokafka.AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=REQUEST_BYTES,
    )
    await consumer.start()
    try:
        async with asyncio.timeout(_QUIET_SECONDS) as patience:
            reader = _Reader(consumer, topic, copy, numbers, patience)
            await reader.begin(marks or {})
            while reader.left and wanted():
                await reader.fetch()
    finally:
        await consumer.stop()
    return Read(reader.states, reader.records, reader.later)


class _Reader:
    """Reads partitions of the state topic to their ends; `states`, `records` and `later` become those of `Read`."""

    def __init__(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        topic: str,
        copy: LocalCopy,
        partitions: Sequence[int],
        patience: asyncio.Timeout,
    ) -> None:
        self.states: dict[int, State] = {partition: {} for partition in partitions}
        self.records = 0
        self.later: set[int] = set()
        self._consumer = consumer
        self._copy = copy
        self._patience = patience
        self._numbers = {TopicPartition(topic, partition): partition for partition in partitions}
        self._ends: dict[TopicPartition, int] = {}
        self._marks: dict[TopicPartition, Mark] = {}
        """ends of copies of which it is not known yet whether the topic has them"""
        self.left = set(self._numbers)
        """the partitions that were not read to their end"""

    def _heard(self) -> None:
        self._patience.reschedule(asyncio.get_running_loop().time() + _QUIET_SECONDS)

    async def begin(self, known: Mapping[int, Mark]) -> None:
        """Load the copies and seek to where they end."""
        self._consumer.assign(list(self._numbers))
        for tp, partition in self._numbers.items():
            mark = self._copy.mark(partition)
            if mark is not None and mark == known.get(partition):
                self.later.add(partition)
            elif mark is not None and not self._load(partition):
                mark = None
            if mark is None:
                await self._start_over(tp)
            else:
                self._marks[tp] = mark
                # to the record of the copy's end itself, to see that it is the same topic
                self._consumer.seek(tp, mark.offset)
            self._heard()  # a large copy takes a while to load
        # the larger of the two ends: ListOffsets may be short (see above), a high watermark after a leader change
        self._ends = await self._consumer.end_offsets(list(self._numbers))

    async def fetch(self) -> None:
        """Take in what comes next."""
        for tp, records in (await self._consumer.getmany(*self.left, timeout_ms=100)).items():
            mark = self._marks.pop(tp, None)
            if mark is not None and (records[0].offset, records[0].key) != (mark.offset, mark.key):
                log.warning("local_copy_foreign", partition=self._numbers[tp])
                await self._start_over(tp)
                continue
            await self._take(tp, records if mark is None else records[1:])
        for tp in list(self.left):
            end = self._consumer.highwater(tp)
            if end is None or await self._consumer.position(tp) < max(end, self._ends[tp] or 0):
                continue
            if tp in self._marks:  # the topic ends before the copy does
                await self._start_over(tp)
                continue
            self.left.discard(tp)
            self._consumer.pause(tp)
            self._heard()

    async def _take(self, tp: TopicPartition, records: Sequence[Any]) -> None:
        if not records:
            return
        partition = self._numbers[tp]
        if partition in self.later and any(record.value is None for record in records):
            # what the caller has read can only be added to
            self.later.discard(partition)
            since = self.states[partition]
            if not self._load(partition):
                await self._start_over(tp)
                return
            self.states[partition] |= since
        state = self.states[partition]
        for record in records:
            if record.value is None:
                state.pop(record.key, None)
            else:
                state[record.key] = record.value
        self.records += len(records)
        self._copy.store(partition, ((record.key, record.value) for record in records), records[-1].offset)
        self._heard()

    def _load(self, partition: int) -> bool:
        loaded = self._copy.load(partition)
        if loaded is None:
            return False
        self.states[partition], _ = loaded
        self.records += len(self.states[partition])
        return True

    async def _start_over(self, tp: TopicPartition) -> None:
        partition = self._numbers[tp]
        self._marks.pop(tp, None)
        self.later.discard(partition)
        self._copy.discard(partition)
        self.states[partition].clear()
        await self._consumer.seek_to_beginning(tp)
