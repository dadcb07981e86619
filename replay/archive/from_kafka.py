"""Events out of Kafka's topics, as the live pipeline took them: what it rejected is rejected here.

Partition after partition from its beginning to where it ended when the archive was begun, so that the order is always the
same. An offset by time is not asked for: some brokers answer it wrongly.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from sys import intern
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from processors.admission import admit, written_at
from replay.archive.manifest import EVENT_TOPICS, ArchiveError
from replay.archive.selection import Selection
from replay.archive.writer import ArchivedEvent, ArchivedRejection, Entry, Step
from schemas.events import InvalidEventError
from schemas.outputs import Rejected
from schemas.rejections import rejected_bytes, rejection
from schemas.settings import Settings
from schemas.topics import REJECTED, WORKER_TOPICS
from sinks.kafka import PASSING_ERRORS, client_options, topic_name, worker_group
from sinks.progress import Committed, true_ends

Offsets = dict[str, list[int]]
"""topic -> by partition"""

_STALL_SECONDS: Final = 60.0
_POLL_MS: Final = 500
_ONLY_LIVE_KNOWS: Final = frozenset({"conflict", "future"})
"""reasons that the bytes alone do not tell: which of two contents came first, what time it was"""


class _Refusal(NamedTuple):
    reason: str
    error: str
    content: int
    """hash of the record's bytes"""


class KafkaSource:
    """The source topics, reference and commands, and audit.rejected. Methods raise KafkaError, TimeoutError, ArchiveError."""

    def __init__(self, settings: Settings, selection: Selection) -> None:
        self._settings = settings
        self._selection = selection

    def plan(self) -> dict[str, Any]:
        """`begins`, `ends`: topic -> by partition the offset to start and to stop at; `cut`: partitions that have lost records
        which may belong in; `unread_by_workers`: records that no worker had read by then, so that conflicts among them are
        not known."""
        ends = true_ends(self._settings, EVENT_TOPICS, emptied=True)
        # workers commit what they have rejected: asked in this order, all of it is there
        by_workers = [position for position in ends if position[0] in WORKER_TOPICS]
        committed = self._committed(by_workers)
        ends |= true_ends(self._settings, [REJECTED], emptied=True)
        found: dict[str, dict[int, int]] = defaultdict(dict)
        for (topic, number), end in ends.items():
            found[topic][number] = end
        by_topic = {
            topic: [numbers.get(number, 0) for number in range(max(numbers) + 1)] for topic, numbers in found.items()
        }
        consumer = self._consumer()
        try:
            begins = self._begins(consumer, by_topic)
            cut = self._cut(consumer, begins, by_topic)
        finally:
            consumer.close(autocommit=False)
        unread = sum(
            max(ends[topic, number] - max(committed.get((topic, number), 0), begins[topic][number]), 0)
            for topic, number in by_workers
        )
        return {"begins": begins, "ends": by_topic, "cut": cut, "unread_by_workers": unread}

    def size(self, plan: dict[str, Any]) -> int:
        return sum(sum(plan["ends"][topic]) - sum(plan["begins"][topic]) for topic in plan["ends"])

    def read(self, plan: dict[str, Any], position: list[Any] | None) -> Iterator[Step]:
        """Positions are [topic, partition, next offset]."""
        begins: Offsets = plan["begins"]
        ends: Offsets = plan["ends"]
        consumer = self._consumer()
        try:
            live = self._rejected_live(consumer, begins, ends)
            partitions = [
                (topic, number) for topic in (*EVENT_TOPICS, REJECTED) for number in range(len(ends.get(topic, [])))
            ]
            start: int | None = None
            if position is not None:
                topic, number, start = position
                partitions = partitions[partitions.index((topic, number)) :]
            for topic, number in partitions:
                now_ms = time.time_ns() // 1_000_000
                start = begins[topic][number] if start is None else start
                for record in self._records(consumer, topic, number, start, ends[topic][number]):
                    value = b"" if record.value is None else bytes(record.value)
                    entry: Entry | None
                    if topic == REJECTED:
                        entry = self._at_the_edge(value)
                    else:
                        refusal = live.get((topic, number), {}).get(record.offset)
                        entry = self._entry(topic, record, value, refusal, now_ms)
                    yield entry, [topic, number, record.offset + 1]
                start = None
        finally:
            consumer.close(autocommit=False)

    def _entry(self, topic: str, record: Any, value: bytes, live: _Refusal | None, now_ms: int) -> Entry | None:
        if self._selection.written_too_early(topic, record.timestamp):
            return None
        try:
            # a topic made anew has other records at the same offsets
            if live is not None and live.content == hash(value):
                reason, error = live.reason, live.error
            else:
                event = admit(topic, record.key, value, written_at(record.timestamp, now_ms))
                if self._selection.holds(topic, event.time):
                    return ArchivedEvent(topic, event.type, event.time, value)
                return None
        except InvalidEventError as invalid:
            reason, error = invalid.reason, invalid.error
        if not self._selection.holds_rejected(topic, value):
            return None
        row = rejection(reason, error, value, topic=topic, partition=record.partition, offset=record.offset)
        return ArchivedRejection(row)

    def _at_the_edge(self, value: bytes) -> Entry | None:
        """A line that never became a record; the others are found in their topics."""
        found = _rejected(value)
        if found is None or found.topic is not None:
            return None
        kept = self._selection.holds_rejected(None, rejected_bytes(found))
        return ArchivedRejection(found.model_dump()) if kept else None

    def _rejected_live(
        self, consumer: Any, begins: Offsets, ends: Offsets
    ) -> dict[tuple[str, int], dict[int, _Refusal]]:
        """(topic, partition) -> offset -> why, of what only the live run knew and the archive holds."""
        found: dict[tuple[str, int], dict[int, _Refusal]] = defaultdict(dict)
        for number, end in enumerate(ends.get(REJECTED, [])):
            for record in self._records(consumer, REJECTED, number, begins[REJECTED][number], end):
                row = _rejected(record.value or b"")
                if row is None or row.reason not in _ONLY_LIVE_KNOWS or row.topic not in EVENT_TOPICS:
                    continue
                if row.topic is None or row.partition is None or row.offset is None:
                    continue
                raw = rejected_bytes(row)
                if self._selection.holds_rejected(row.topic, raw):  # any other is left out as an event would be
                    refusal = _Refusal(intern(row.reason), intern(row.error), hash(raw))
                    found[row.topic, row.partition][row.offset] = refusal
        return found

    def _begins(self, consumer: Any, ends: Offsets) -> Offsets:
        """The offset of the first record that each partition still has."""
        partitions = {
            topic: [TopicPartition(topic_name(self._settings, topic), number) for number in range(len(numbers))]
            for topic, numbers in ends.items()
        }
        found = consumer.beginning_offsets([one for some in partitions.values() for one in some])
        return {
            topic: [min(found[one], end) for one, end in zip(some, ends[topic], strict=True)]
            for topic, some in partitions.items()
        }

    def _cut(self, consumer: Any, begins: Offsets, ends: Offsets) -> list[str]:
        """`topic partition` where Kafka has deleted records that may belong in: the first one left is not too old to, or none
        is left to tell."""
        cut = []
        for topic in EVENT_TOPICS:
            for number, begin in enumerate(begins.get(topic, [])):
                if begin > 0:
                    record = next(self._records(consumer, topic, number, begin, ends[topic][number]), None)
                    if record is None or not self._selection.written_too_early(topic, record.timestamp):
                        cut.append(f"{topic} {number}")
        return cut

    def _records(self, consumer: Any, topic: str, number: int, start: int, end: int) -> Iterator[Any]:
        """One partition's records from `start` to before `end`.

        Raises ArchiveError where Kafka has deleted some that may be asked for; old ones may go at any time.
        """
        if start >= end:
            return
        partition = TopicPartition(topic_name(self._settings, topic), number)
        first = consumer.beginning_offsets([partition])[partition]
        gone = ArchiveError(
            f"topic {partition.topic} partition {number}: the records from offset {start} on are gone; "
            "begin again in an empty directory"
        )
        if first >= end:
            raise gone
        at = max(start, first)
        consumer.assign([partition])
        consumer.seek(partition, at)
        deadline = time.monotonic() + _STALL_SECONDS
        while at < end:
            try:
                batch = consumer.poll(timeout_ms=_POLL_MS).get(partition, [])
            except OffsetOutOfRangeError:
                raise ArchiveError(
                    f"topic {partition.topic} partition {number}: there is no offset {at}; was the topic made anew? "
                    "begin again in an empty directory"
                ) from None
            except KafkaError as error:
                if not isinstance(error, PASSING_ERRORS) or time.monotonic() > deadline:
                    raise
                continue
            for record in batch:
                if record.offset >= end:
                    return
                if first > start and not self._selection.written_too_early(topic, record.timestamp):
                    raise gone
                first = start  # the first record has told
                yield record
            # what is no record (a transaction's end) moves the position as well
            if (reached := consumer.position(partition)) > at:
                at, deadline = reached, time.monotonic() + _STALL_SECONDS
            elif time.monotonic() > deadline:
                raise TimeoutError(
                    f"topic {partition.topic} partition {number}: the broker gives no record after offset {at - 1} "
                    f"for {_STALL_SECONDS:g} s"
                )

    def _consumer(self) -> Any:
        return KafkaConsumer(
            **client_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_poll_records=5000,
            max_partition_fetch_bytes=4 << 20,
            fetch_max_wait_ms=100,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )

    def _committed(self, positions: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        committed = Committed(self._settings, worker_group(self._settings))
        try:
            return committed(positions)
        except KafkaError:
            return {}  # there never was a worker
        finally:
            committed.close()


def _rejected(value: bytes) -> Rejected | None:
    """The rejected record in a record of audit.rejected; None for an attempt to send one again, and for what is none of ours."""
    try:
        found = Rejected.model_validate_json(value)
        rejected_bytes(found)
    except ValueError:
        return None
    return found
