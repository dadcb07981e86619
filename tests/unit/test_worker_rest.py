"""How long a worker rests between two checkpoints."""

import itertools
import time
from collections.abc import Iterator
from types import SimpleNamespace

from processors.ruleset import default_book
from schemas.settings import Settings
from streams.shards import Shards
from streams.worker import Worker, partition_factory

STEP_SECONDS, TOOK_SECONDS = 0.01, 0.3


class Applied:
    """In the place of the shards: batches that have been applied since the last checkpoint, a number at each look."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers

    @property
    def waiting(self) -> int:
        return next(self._numbers)


async def rested(took: float, numbers: Iterator[int], *, caught_up: bool = True) -> float:
    settings = Settings(flush_seconds=STEP_SECONDS)
    worker = Worker(settings, partition_factory(settings, default_book()))
    assert isinstance(worker._shards, Shards)
    worker._shards = Applied(numbers)  # type: ignore[assignment]
    worker._app = SimpleNamespace(consumer=SimpleNamespace(has_caught_up=lambda: caught_up))  # type: ignore[assignment]
    began = time.monotonic()
    await worker._rest(took)
    return time.monotonic() - began


async def test_a_worker_with_work_rests_as_long_as_a_checkpoint_takes() -> None:
    assert await rested(TOOK_SECONDS, itertools.count()) >= TOOK_SECONDS


async def test_a_worker_that_has_read_all_there_is_rests_no_longer_than_it_must() -> None:
    assert STEP_SECONDS <= await rested(60, itertools.repeat(3)) < 3


async def test_a_worker_that_waits_for_records_that_are_there_rests_as_long_as_a_checkpoint_takes() -> None:
    assert await rested(TOOK_SECONDS, itertools.repeat(3), caught_up=False) >= TOOK_SECONDS


async def test_a_quick_checkpoint_is_followed_by_the_shortest_rest() -> None:
    assert STEP_SECONDS <= await rested(0, itertools.count()) < 3
