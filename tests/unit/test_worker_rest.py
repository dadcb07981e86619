"""How long a worker rests between two checkpoints."""

import time
from types import SimpleNamespace

from processors.ruleset import default_book
from schemas.settings import Settings
from streams.worker import Worker, partition_factory

STEP_SECONDS, TOOK_SECONDS = 0.01, 0.3


async def rested(took: float, *, backlog: bool) -> float:
    worker = Worker(settings := Settings(flush_seconds=STEP_SECONDS), partition_factory(settings, default_book()))
    worker._app = SimpleNamespace(consumer=SimpleNamespace(has_backlog=lambda: backlog))  # type: ignore[assignment]
    began = time.monotonic()
    await worker._rest(took)
    return time.monotonic() - began


async def test_a_worker_with_a_backlog_rests_as_long_as_a_checkpoint_takes() -> None:
    assert await rested(TOOK_SECONDS, backlog=True) >= TOOK_SECONDS


async def test_a_worker_that_has_read_nearly_all_there_is_rests_no_longer_than_it_must() -> None:
    assert STEP_SECONDS <= await rested(60, backlog=False) < 3


async def test_a_quick_checkpoint_is_followed_by_the_shortest_rest() -> None:
    assert STEP_SECONDS <= await rested(0, backlog=True) < 3
