"""When a batch is done: once its facts are durable, and the results and sums that they change have been sent."""

from types import SimpleNamespace
from typing import Any

from faust.types.tuples import TP

from processors.partition import Flush
from schemas.settings import Settings
from streams.shards import Shards
from streams.state import LocalCopy
from streams.transport import Batch


class Core:
    """In the place of a partition: which of its flushes were with sums."""

    buyers = facts = 0

    def __init__(self) -> None:
        self.flushes: list[bool] = []

    def apply(self, records: Any) -> None:
        pass

    def flush(self, *, sums: bool = True) -> Flush:
        self.flushes.append(sums)
        return Flush([], [], [])


async def nothing(*_: Any) -> None:
    pass


def holding(core: Core, sums_seconds: float) -> Shards:
    settings = Settings(sums_seconds=sums_seconds)
    deliverer: Any = SimpleNamespace(deliver=nothing)
    shards = Shards(settings, lambda number, writer: core, deliverer, LocalCopy(None), lambda: True)  # type: ignore[arg-type, return-value]
    shards.take_over(0, core)  # type: ignore[arg-type]
    return shards


def applied(shards: Shards, offset: int) -> Batch:
    record = SimpleNamespace(offset=offset, key=b"", value=b"", timestamp=None)
    batch = Batch(TP("shop.chat", 0), [record], 1)
    shards.apply(batch)
    return batch


async def test_sums_are_sent_once_in_so_many_seconds_and_a_batch_is_done_with_them() -> None:
    shards = holding(core := Core(), sums_seconds=60)
    first = applied(shards, 0)
    await shards.checkpoint()
    assert first.done
    second = applied(shards, 1)
    await shards.checkpoint()
    third = applied(shards, 2)
    await shards.checkpoint()
    assert (second.done, third.done) == (False, False)
    assert core.flushes == [True, False, False]
    shards._sums_due = 0  # a minute later, in which nothing came
    await shards.checkpoint()
    assert (second.done, third.done) == (True, True)
    assert core.flushes == [True, False, False, True]
    await shards.checkpoint()
    assert len(core.flushes) == 4


async def test_the_last_checkpoint_sends_the_sums_at_once() -> None:
    shards = holding(core := Core(), sums_seconds=60)
    applied(shards, 0)
    await shards.checkpoint()
    batch = applied(shards, 1)
    await shards.checkpoint()
    await shards.checkpoint(last=True)
    assert batch.done
    assert core.flushes == [True, False, True]


async def test_without_a_pause_every_checkpoint_sends_the_sums() -> None:
    shards = holding(core := Core(), sums_seconds=0)
    batches = []
    for offset in range(3):
        batches.append(applied(shards, offset))
        await shards.checkpoint()
    assert all(batch.done for batch in batches)
    assert core.flushes == [True] * 3
