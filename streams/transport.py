"""Batch delivery for Faust: the agent gets one message per fetched chunk, and only a checkpoint makes it committable.

Stock Faust hands over records one by one and commits what an agent has seen, whether or not its results are durable.
This subclass of its aiokafka driver replaces both, and closes the ways in which a rebalance loses records. It leans on
internals of faust-streaming and aiokafka; both are pinned, and tests/unit/test_faust_contract.py fails when they move.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, Final, cast

import aiokafka
import faust
import structlog
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP, ConsumerMessage
from yarl import URL

from streams import metrics
from streams.health import is_deaf

log = structlog.get_logger()

FETCH_MAX_WAIT_MS: Final = 100
_POLL_SECONDS: Final = 0.1
_PAUSE_SECONDS: Final = 0.02
_REST_SECONDS: Final = 0.05
"""without a backlog: each fetch costs worker and broker some ms, however little there is to tell"""
_BACKLOG_RECORDS: Final = 1_000
"""fewer come while others are worked on: a tenth of a second's, of the most that a worker takes"""
_LOOK_SECONDS: Final = 0.5
_SHORT_LOG_SECONDS: Final = 10.0
"""a high watermark may lag behind for a moment after a change of leader; one that stays low is another log's"""


class Batch:
    """Consecutive records of one topic partition. `done` is set by the checkpoint that covers it, and by nothing else."""

    __slots__ = ("done", "first_offset", "generation", "last_offset", "records", "tp")

    def __init__(self, tp: TP, records: Sequence[Any], generation: int) -> None:
        self.tp = tp
        self.records: Sequence[Any] = records
        self.first_offset: int = records[0].offset
        self.last_offset: int = records[-1].offset
        self.generation = generation
        self.done = False


class BatchSchema(faust.Schema[Any, Any]):
    """Hands the Batch to the agent as it is."""

    def compile(self, app: Any, **kwargs: Any) -> Any:
        """The decoder of a channel (Faust's interface)."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, None, message)

        return decode


class BatchThread(driver.AIOKafkaConsumerThread):
    """The thread that owns the aiokafka consumer: fetching, heartbeats, commits."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust hard-codes 1500 ms, which an idle partition would add to every result
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        return consumer


class BatchConsumer(driver.Consumer):
    """Consumer that yields chunks and keeps its own account of what may be committed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seek_generation: int | None = None
        """the generation whose seek is done, i.e. which is being read; None while a rebalance is under way"""
        self._inflight: dict[TP, deque[Batch]] = defaultdict(deque)
        self._done_offset: dict[TP, int] = {}
        self._expected: dict[TP, int] = {}
        self._gap_seen: dict[TP, int] = {}
        self._short_since: dict[TP, float] = {}
        self._look_at = 0.0
        self._resume_after_seek: set[TP] = set()
        self._moving = asyncio.Lock()
        """held by what moves a position: a fetch that began before a rebalance must not take records after its seek"""

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's stall detector takes idle partitions for stalled ones; the worker has its own."""

    # --- what may be committed: the end of the done prefix of the chunks, whatever Faust has acknowledged

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps need no account: chunks are compared by their own first and last offsets."""

    def ack(self, message: Any) -> bool:
        """Faust acknowledges an event when the agent has seen it, which says nothing about its results."""
        message.acked = True
        self._unacked_messages.discard(message)
        return False

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in list(self._inflight) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        batches = self._inflight[tp]
        while batches and batches[0].done:
            self._done_offset[tp] = batches.popleft().last_offset + 1
        # kept, so that a commit that failed is made again
        return self._done_offset.get(tp)

    def _should_commit(self, tp: TP, offset: int) -> bool:
        # offsets go down, too: a log that was made anew starts over
        return offset != self._committed_offset[tp]

    async def maybe_wait_for_commit_to_finish(self) -> bool:
        """Whether another commit was under way, which it then waits for.

        Faust takes the cancellation of this wait for the end of that commit, and commits after all.
        """
        if self._commit_fut is None:
            return False
        try:
            await asyncio.shield(self._commit_fut)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return False
        return True

    def uncommitted(self) -> dict[TP, int | None]:
        """Of the partitions where more could be committed: what is, None for nothing."""
        done = ((tp, self._new_offset(tp)) for tp in list(self._inflight))
        return {tp: self._committed_offset[tp] for tp, at in done if at is not None and self._should_commit(tp, at)}

    # --- how the group and the brokers are known; all of it may be out of date by a heartbeat

    def is_member(self) -> bool:
        """Whether the group, as far as this consumer has heard, still knows it."""
        coordinator = self._coordinator()
        return coordinator is not None and coordinator.generation != driver.DEFAULT_GENERATION_ID

    def has_coordinator(self) -> bool:
        """Whether the broker that keeps the group is known."""
        coordinator = self._coordinator()
        return coordinator is not None and coordinator.coordinator_id is not None

    def is_deaf(self) -> bool:
        """Whether it will never find a broker again."""
        consumer = self._aiokafka()
        return consumer is not None and is_deaf(consumer._client)

    def _coordinator(self) -> Any:
        consumer = self._aiokafka()
        return None if consumer is None else consumer._coordinator  # None, too, before it has started

    def _aiokafka(self) -> aiokafka.AIOKafkaConsumer | None:
        return self._thread._consumer

    def highwater(self, tp: TP) -> int | None:  # type: ignore[override]
        """The high watermark; None where nothing has been fetched, or the partition is being taken away just now."""
        try:
            return super().highwater(tp)
        except (AssertionError, AttributeError, KeyError):  # the thread of the consumer is at it
            return None

    def lag(self) -> dict[str, int]:
        """Topic -> records that may not be committed yet, over the assigned partitions that were fetched."""
        behind: dict[str, int] = defaultdict(int)
        for tp, expected in self._expected.items():
            batches = self._inflight.get(tp)
            position = next((b.first_offset for b in batches if not b.done), expected) if batches else expected
            behind[tp.topic] += max(0, (self.highwater(tp) or 0) - position)
        return behind

    def has_backlog(self) -> bool:
        """Whether many of the records that the brokers are known to have were not applied yet."""
        unread = sum(max((self.highwater(tp) or 0) - expected, 0) for tp, expected in list(self._expected.items()))
        queued = sum(len(batch.records) for batches in list(self._inflight.values()) for batch in list(batches))
        return unread + queued >= _BACKLOG_RECORDS

    # --- where reading starts: nothing is fetched before the seek to the committed offsets

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Faust resumes before it seeks; remember them and resume after the seek."""
        self._resume_after_seek |= set(tps)

    async def perform_seek(self) -> None:
        """Seek to the committed offsets; to the beginning where nothing is committed (aiokafka does not seek there)."""
        generation = self.app.consumer_generation_id
        async with self._moving:
            if generation == self.app.consumer_generation_id:  # else overtaken: the next assignment seeks again
                await self._begin_reading(generation)

    async def _begin_reading(self, generation: int) -> None:
        await super().perform_seek()
        assigned = self.assignment()
        positions: dict[TP, int] = {tp: self._read_offset.get(tp) or 0 for tp in assigned}
        if fresh := [tp for tp, position in positions.items() if not position]:
            earliest = await self.earliest_offsets(*fresh)
            start = {tp: max(earliest.get(tp) or 0, 0) for tp in fresh}
            await self.seek_wait(start)
            positions |= start
        if generation != self.app.consumer_generation_id:
            return
        self._forget()
        self._expected = positions
        self.seek_generation = generation
        resume, self._resume_after_seek = self._resume_after_seek, set()
        super().resume_partitions(resume & assigned)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """From here on nothing is delivered until the next seek."""
        self._expected = {}
        self._resume_after_seek = set()
        self.seek_generation = None
        await super().on_partitions_revoked(revoked)
        # else the commit timer could set a partition that comes back to an offset its last owner has passed
        self._forget()

    def _forget(self) -> None:
        self._inflight.clear()
        self._done_offset.clear()
        self._gap_seen.clear()
        self._short_since.clear()

    # --- delivery

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield the next chunks, in offset order within a partition."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow.wait())
        if self.should_stop:
            return
        app = self.app
        generation = app.consumer_generation_id
        # a copy: Faust empties this live set during a rebalance, and aiokafka takes an empty set for all partitions
        active = set(self._get_active_partitions())
        if not active:
            await self.sleep(_PAUSE_SECONDS)
            return
        async with self._moving:
            current = self._is_current(generation)
            # a short poll, because a partition that becomes active meanwhile is not in the copy
            fetched = await self._getmany(active, min(timeout, _POLL_SECONDS)) if current else {}
        if not current:
            await self.sleep(_PAUSE_SECONDS)
        if self.should_stop or not current:
            return
        if self._is_current(generation) and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_SECONDS
            await self._leave_short_logs(active - fetched.keys())
        size = cast(BatchTransport, self.transport).chunk_records
        for tp, got in fetched.items():
            if not self._is_current(generation):
                metrics.STALE.inc(len(got))
                continue
            records = await self._verified(tp, got)
            for start in range(0, len(records), size):
                if not self._is_current(generation):
                    metrics.STALE.inc(len(records) - start)
                    break
                yield tp, self._chunk(tp, records[start : start + size], generation)
        if fetched and not self.has_backlog():
            await self.sleep(_REST_SECONDS)

    def _is_current(self, generation: int) -> bool:
        return self.flow_active and self.app.consumer_generation_id == generation == self.seek_generation

    def _chunk(self, tp: TP, records: Sequence[Any], generation: int) -> ConsumerMessage:
        batch = Batch(tp, records, generation)
        before = self._inflight[tp]
        if before and before[-1].last_offset >= batch.first_offset:
            metrics.VIOLATIONS.inc()
            log.error("order_violated", tp=str(tp), before=before[-1].last_offset, got=batch.first_offset)
        before.append(batch)
        self._expected[tp] = batch.last_offset + 1
        last = records[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            batch.last_offset,
            (last.timestamp or 0) / 1000.0,
            last.timestamp_type,
            None,
            None,
            cast(Any, batch),  # the channel's schema hands it on as it is
            None,
            0,
            len(records),
            tp,
            generation_id=generation,
        )

    async def _verified(self, tp: TP, records: Sequence[Any]) -> Sequence[Any]:
        """The records from the expected offset on, or none: a fetch may straddle a seek."""
        expected = self._expected.get(tp)
        if expected is None:
            metrics.STALE.inc(len(records))
            return ()
        first = records[0].offset
        if first > expected and self._gap_seen.get(tp) != first:
            # thrown away by a stale fetch, or truly absent (retention, transactions)? look once more
            metrics.RESEEKS.inc()
            log.warning("offset_gap", tp=str(tp), expected=expected, got=first)
            self._gap_seen[tp] = first
            try:
                await self._move(tp, expected, expected)
            except Exception as error:  # the partition is being revoked: the next perform_seek puts it right
                log.warning("reseek_failed", tp=str(tp), error=repr(error))
                self._gap_seen.pop(tp, None)
            return ()
        if first >= expected:
            return records
        if await self._went_back(tp, expected):
            self._start_over(tp, first)
            return records
        kept = [record for record in records if record.offset >= expected]
        metrics.STALE.inc(len(records) - len(kept))
        return kept

    async def _move(self, tp: TP, expected: int, offset: int) -> bool:
        """Read on from that offset, unless another than `expected` is expected meanwhile, as after a rebalance."""
        async with self._moving:
            if self._expected.get(tp) != expected:
                return False
            await self.seek_wait({tp: offset})
            return True

    # --- a log that ends before the expected offset: recreated, or truncated

    async def _went_back(self, tp: TP, expected: int) -> bool:
        """Whether aiokafka has reset the position to the beginning, because the broker said that it is out of range."""
        end = self.highwater(tp)
        if end is None:
            return False
        if end < expected:
            return True
        try:
            # after a seek of ours it would be the expected one; the new log may have grown past that already
            return bool(await self.position(tp) != expected)
        except Exception as error:  # the partition is being revoked
            log.warning("position_unknown", tp=str(tp), error=repr(error))
            return False

    async def _leave_short_logs(self, quiet: Iterable[TP]) -> None:
        """Some brokers answer a fetch beyond the end with nothing at all, until the new log is as long as the old one.

        Only the high watermark of the fetches tells: ListOffsets(latest) may be short on a log that is whole.
        """
        for tp in quiet:
            expected, end = self._expected.get(tp), self.highwater(tp)
            if expected is None or end is None or end >= expected:
                self._short_since.pop(tp, None)
                continue
            since = self._short_since.setdefault(tp, time.monotonic())
            if end and time.monotonic() - since < _SHORT_LOG_SECONDS:
                continue
            try:
                start = max((await self.earliest_offsets(tp)).get(tp) or 0, 0)
                if not await self._move(tp, expected, start):
                    continue
            except Exception as error:  # Kafka is away, or the partition is being revoked: the next poll sees to it
                log.warning("reseek_failed", tp=str(tp), error=repr(error))
                continue
            self._start_over(tp, start)

    def _start_over(self, tp: TP, offset: int) -> None:
        """Go on from there. Facts that are read again are no-ops, facts that are passed over are lost."""
        metrics.TRUNCATED.inc()
        log.error("log_truncated", tp=str(tp), expected=self._expected.get(tp), end=self.highwater(tp), going_on=offset)
        for known in (self._inflight, self._done_offset, self._gap_seen, self._short_since):
            known.pop(tp, None)
        self._read_offset[tp] = None  # Faust drops what is below
        if tp in self._expected:
            self._expected[tp] = offset


class BatchTransport(driver.Transport):
    """The aiokafka transport with batch delivery for all topics of the app."""

    Consumer = BatchConsumer

    def __init__(self, url: list[URL], app: Any, *, chunk_records: int) -> None:
        """`chunk_records`: records handed to the agent at once."""
        super().__init__(url, app)
        self.chunk_records = chunk_records
