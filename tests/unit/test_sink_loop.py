"""How often the sink asks for records, and what it has asked for when it inserts."""

import time
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from kafka import TopicPartition

from schemas.settings import Settings
from schemas.topics import CHAT
from sinks.sink import MUCH_RECORDS, Sink

CYCLE_SECONDS = 0.2


class Consumer:
    """Brings so many records at each poll, then none, with the long poll's wait."""

    def __init__(self, counts: Iterable[int]) -> None:
        self._counts = iter(counts)
        self.polls: list[float] = []

    def poll(self, timeout_ms: int) -> dict[Any, list[Any]]:
        self.polls.append(time.monotonic())
        count = next(self._counts, 0)
        if not count:
            time.sleep(timeout_ms / 1000)
            return {}
        return {TopicPartition(CHAT, 0): [None] * count}

    def commit(self, *_: Any, **__: Any) -> None:
        pass


def ran(consumer: Consumer, seconds: float) -> list[int]:
    """The records of each batch that was inserted."""
    sink = Sink(Settings(sink_batch_seconds=CYCLE_SECONDS), db=SimpleNamespace(name="fake"))  # type: ignore[arg-type]
    batches: list[int] = []
    sink._consumer = consumer

    def take(found: dict[Any, list[Any]]) -> None:
        sink._batch.records += sum(map(len, found.values()))

    sink._take = take  # type: ignore[method-assign]
    sink._insert_once = lambda batch: batches.append(batch.records)  # type: ignore[method-assign]
    ends = time.monotonic() + seconds

    def wait(timeout: float) -> bool:
        time.sleep(max(min(timeout, ends - time.monotonic()), 0))
        return time.monotonic() >= ends

    sink._stopping = SimpleNamespace(wait=wait, is_set=lambda: time.monotonic() >= ends)  # type: ignore[assignment]
    sink._loop()
    return batches


def test_between_two_inserts_a_sink_asks_no_more_often_than_it_must() -> None:
    consumer = Consumer([1] * 10_000)
    began = time.monotonic()
    batches = ran(consumer, 2)
    cycles = (time.monotonic() - began) / CYCLE_SECONDS
    assert len(batches) > 1
    assert len(consumer.polls) <= 4 * (cycles + 1)


def test_what_is_inserted_was_asked_for_just_before() -> None:
    # what the first poll after a rest brings was on its way before it
    batches = ran(Consumer([1, 10] * 5_000), 2)
    assert max(batches[:-1]) >= 11
    assert min(batches[:-1]) >= 11


def test_a_backlog_is_read_without_a_rest() -> None:
    consumer = Consumer([MUCH_RECORDS] * 100)
    assert sum(ran(consumer, 5)) == 100 * MUCH_RECORDS
    assert consumer.polls[99] - consumer.polls[0] < 100 * CYCLE_SECONDS / 4
