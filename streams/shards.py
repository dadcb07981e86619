"""The partitions a worker owns, and their checkpoints.

Order of a checkpoint: snapshot at a batch boundary -> state delivered -> results and dead letters delivered -> local copy
-> batches done -> Faust commits. Results are only ever computed from facts that are already durable, so whatever has been
sent out can be taken back by whoever owns the partition next.

Not every checkpoint sends the sums: a busy agent's windows change with each, and their histograms are most of what a worker
writes. A batch is done once the sums that it changed have been sent, too: a successor reads the others again.
"""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple, Protocol

import orjson
import structlog

from processors.admission import written_at
from processors.partition import Flush, Incoming
from processors.state import buyer_of
from schemas.rejections import rejection
from schemas.settings import Settings
from schemas.topics import REJECTED, STATE
from sinks.clock import SteadyClock
from streams import metrics
from streams.delivery import Deliverer, Record
from streams.memory import OldObjects
from streams.state import LocalCopy, State
from streams.transport import Batch

log = structlog.get_logger()

_RESTORED_AT_ONCE: Final = 500
"""state records: thousands of facts, a tenth of a second"""
_OVERSIZE_KEPT_BYTES: Final = 256 * 1024
"""of a result that is too big; fits where a record of Kafka's default size does, whatever JSON escapes in it"""


class Core(Protocol):
    """What a partition's pure part looks like from here: processors.partition.Partition."""

    @property
    def buyers(self) -> int: ...

    @property
    def facts(self) -> int: ...

    def restore(self, records: Iterable[tuple[bytes, bytes]]) -> None: ...

    def apply(self, records: Sequence[Incoming]) -> None: ...

    def flush(self, *, sums: bool = True) -> Flush: ...


CoreFactory = Callable[[int, bytes], Core]
"""(partition number, writer id) -> an empty core"""


class Shard:
    """One partition number in this worker's hands: its core, the batches since the last checkpoint, and those before whose sums
    have not been sent."""

    __slots__ = ("batches", "core", "number", "without_sums")

    def __init__(self, number: int, core: Core) -> None:
        self.number = number
        self.core = core
        self.batches: list[Batch] = []
        self.without_sums: list[Batch] = []


def in_parts(state: State) -> Iterator[list[tuple[bytes, bytes]]]:
    """The records by buyers, none of them in two parts: half a buyer is derived for nothing, and wrongly."""
    part: list[tuple[bytes, bytes]] = []
    for _, records in groupby(sorted(state.items()), lambda record: buyer_of(record[0])):
        part += records
        if len(part) >= _RESTORED_AT_ONCE:
            yield part
            part = []
    if part:
        yield part


class CheckpointAbandonedError(Exception):
    """The checkpoint was given up because the partitions belong, or may belong, to another worker."""


class _Snapshot(NamedTuple):
    shard: Shard
    done: list[Batch]
    """once it is all delivered"""
    flush: Flush


class Shards:
    """All shards of a worker. Used from the event loop only."""

    def __init__(
        self,
        settings: Settings,
        new_core: CoreFactory,
        deliverer: Deliverer,
        copy: LocalCopy,
        is_member: Callable[[], bool],
    ) -> None:
        """`is_member`: whether the group still knows this worker; if not, no more results are sent."""
        self._prefix = settings.topic_prefix
        self._check_future = settings.check_future
        self._sums_seconds = settings.sums_seconds
        self._sums_due = time.monotonic()
        self._clock = SteadyClock()
        self._new_core = new_core
        self._deliverer = deliverer
        self._copy = copy
        self._shards: dict[int, Shard] = {}
        self._is_member = is_member
        self._old = OldObjects()
        self._checkpointing = asyncio.Lock()
        self._running: asyncio.Task[float] | None = None

    @property
    def numbers(self) -> set[int]:
        """The partition numbers held."""
        return set(self._shards)

    def keep_only(self, numbers: Iterable[int]) -> None:
        """Forget all other partitions."""
        wanted = set(numbers)
        self._shards = {number: shard for number, shard in self._shards.items() if number in wanted}
        self._copy.keep_only(wanted)
        self._measure()

    async def build(self, number: int, state: State, core: Core | None = None) -> Core:
        """A core with that state, on top of what `core` has. Others get a turn meanwhile."""
        core = core or self._new_core(number, os.urandom(8).hex().encode())
        with self._old.growing():
            for part in in_parts(state):
                core.restore(part)
                await asyncio.sleep(0)
        return core

    def take_over(self, number: int, core: Core) -> None:
        """From now on that core's partition is held."""
        self._shards[number] = Shard(number, core)
        self._measure()

    def apply(self, batch: Batch) -> None:
        """Apply a batch. Raises KeyError when the partition isn't held."""
        shard = self._shards[batch.tp.partition]
        topic = batch.tp.topic.removeprefix(self._prefix)
        partition = shard.number
        now_ms = self._clock.now_ms()
        shard.core.apply(
            [
                Incoming(
                    topic,
                    partition,
                    record.offset,
                    record.key,
                    record.value or b"",
                    written_at(record.timestamp, now_ms) if self._check_future else None,
                )
                for record in batch.records
            ]
        )
        metrics.RECORDS.labels(topic).inc(len(batch.records))
        batch.records = ()  # the core has what it needs; the batch lives on until it is committed
        shard.batches.append(batch)

    def abandon(self) -> None:
        """Forget all partitions, and stop a checkpoint that is under way."""
        if self._running is not None:
            self._running.cancel()
        self.keep_only(())

    async def checkpoint(self, *, last: bool = False) -> float:
        """Make everything applied so far durable, and its batches done where the sums are due, as they are in the `last` one;
        returns the seconds it took.

        Raises CheckpointAbandonedError after `abandon`, or when the group has expelled this worker. When it raises
        anything or is cancelled, the shards hold changes that nothing will write any more: abandon them.
        """
        async with self._checkpointing:
            self._running = asyncio.create_task(self._checkpoint(sums=last or time.monotonic() >= self._sums_due))
            try:
                return await self._running
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                raise CheckpointAbandonedError("the partitions were given up") from None
            finally:
                self._running = None

    async def _checkpoint(self, *, sums: bool) -> float:
        started = time.monotonic()
        snapshots = await self._snapshots(sums=sums)
        if not snapshots:
            return 0.0
        if sums:
            self._sums_due = started + self._sums_seconds
        async with asyncio.TaskGroup() as group:
            states = [group.create_task(self._deliver_state(snapshot)) for snapshot in snapshots]
        if not self._is_member():
            raise CheckpointAbandonedError("the group has expelled this worker")
        async with asyncio.TaskGroup() as group:
            for snapshot in snapshots:
                self._deliver_results(group, snapshot)
        for snapshot, state in zip(snapshots, states, strict=True):
            last_offset = state.result()
            if last_offset is not None:
                self._copy.store(snapshot.shard.number, snapshot.flush.state, last_offset)
            for batch in snapshot.done:
                batch.done = True
        seconds = time.monotonic() - started
        metrics.CHECKPOINTS.inc()
        metrics.CHECKPOINT_SECONDS.observe(seconds)
        self._measure()
        return seconds

    async def _snapshots(self, *, sums: bool) -> list[_Snapshot]:
        snapshots = []
        for shard in list(self._shards.values()):
            if shard.batches or (sums and shard.without_sums):
                batches, shard.batches = shard.without_sums + shard.batches, []
                done, shard.without_sums = (batches, []) if sums else ([], batches)
                snapshots.append(_Snapshot(shard, done, shard.core.flush(sums=sums)))
                await asyncio.sleep(0)  # let Faust and the producer run between two partitions' work
        return snapshots

    async def _deliver_state(self, snapshot: _Snapshot) -> int | None:
        metrics.STATE_RECORDS.inc(len(snapshot.flush.state))
        return await self._deliverer.deliver(self._prefix + STATE, snapshot.shard.number, snapshot.flush.state)

    def _deliver_results(self, group: asyncio.TaskGroup, snapshot: _Snapshot) -> None:
        by_topic: dict[str, list[Record]] = defaultdict(list)
        for topic, key, value in snapshot.flush.outputs:
            by_topic[topic].append((key, value))
        for topic, records in by_topic.items():
            group.create_task(self._deliver_outputs(topic, snapshot.shard.number, records))
        if snapshot.flush.rejected:
            metrics.REJECTED.inc(len(snapshot.flush.rejected))
            letters: list[Record] = [(None, value) for value in snapshot.flush.rejected]
            group.create_task(self._deliverer.deliver(self._prefix + REJECTED, snapshot.shard.number, letters))

    async def _deliver_outputs(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """A record that Kafka refuses for its size goes to the dead letters: every successor would meet it again."""
        refused = await self._deliverer.deliver_fitting(self._prefix + topic, partition, records)
        metrics.OUTPUTS.labels(topic).inc(len(records) - len(refused))
        if not refused:
            return
        letters: list[Record] = []
        for key, value in refused:
            name, whole = (key or b"").decode(errors="replace"), value or b""
            log.error("output_too_big", topic=topic, key=name, size=len(whole))
            # not cut within a character
            raw = whole[:_OVERSIZE_KEPT_BYTES].decode(errors="ignore").encode()
            error = f"{topic}: the record {name!r} of {len(whole)} bytes is more than Kafka takes"
            letters.append((None, orjson.dumps(rejection("oversize", error, raw, topic=topic, partition=partition))))
        metrics.OVERSIZE.labels(topic).inc(len(letters))
        metrics.REJECTED.inc(len(letters))
        await self._deliverer.deliver(self._prefix + REJECTED, partition, letters)

    def _measure(self) -> None:
        metrics.PARTITIONS.set(len(self._shards))
        metrics.BUYERS.set(sum(shard.core.buyers for shard in self._shards.values()))
        facts = sum(shard.core.facts for shard in self._shards.values())
        metrics.FACTS.set(facts)
        self._old.grown(facts)
