"""How often the sink asks for records, and what it has asked for when it inserts."""

import itertools
import time
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from kafka import TopicPartition

from schemas.settings import Settings
from schemas.topics import CHAT
from sinks.pace import MANY_RECORDS
from sinks.sink import Sink

CYCLE_SECONDS = 0.2


class Consumer:
    """Brings so many records at each poll, then none, with the long poll's wait."""

    def __init__(self, counts: Iterable[int]) -> None:
        self._counts = iter(counts)
        self.did: list[str] = []
        """"poll", "nothing" for one that brought nothing, "rest" and "insert" """

    def poll(self, timeout_ms: int) -> dict[Any, list[Any]]:
        count = next(self._counts, 0)
        self.did.append("poll" if count else "nothing")
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

    def insert(batch: Any) -> None:
        consumer.did.append("insert")
        batches.append(batch.records)

    def wait(timeout: float) -> bool:
        consumer.did.append("rest")
        time.sleep(max(min(timeout, ends - time.monotonic()), 0))
        return time.monotonic() >= ends

    ends = time.monotonic() + seconds
    sink._take = take  # type: ignore[method-assign]
    sink._insert_once = insert  # type: ignore[method-assign]
    sink._stopping = SimpleNamespace(wait=wait, is_set=lambda: time.monotonic() >= ends)  # type: ignore[assignment]
    sink._loop()
    return batches


def test_a_sink_rests_between_two_inserts_and_asks_twice_just_before() -> None:
    consumer = Consumer(itertools.repeat(1))
    ran(consumer, 2)
    cycles = " ".join(consumer.did).split(" insert")[:-2]  # the last insert comes of the stop
    assert len(cycles) > 1
    # kafka-python has asked for what the first poll after a rest or an insert brings before it
    assert all(cycle.endswith("poll poll") for cycle in cycles)
    assert all(cycle.count("poll") <= 2 * (cycle.count("rest") + 1) for cycle in cycles)
    assert sum("rest" in cycle for cycle in cycles) > 1


def test_a_sink_never_rests_after_a_poll_that_brought_nothing() -> None:
    consumer = Consumer(itertools.cycle([1, 0]))
    ran(consumer, 2)
    assert "poll rest" in " ".join(consumer.did)
    assert "nothing rest" not in " ".join(consumer.did)


def test_the_only_record_in_a_while_waits_for_no_other() -> None:
    consumer = Consumer([0, 0, 0, 1])
    ran(consumer, 1.5)
    assert consumer.did[:5] == ["nothing"] * 3 + ["poll", "insert"]


def test_a_backlog_is_read_without_a_rest() -> None:
    consumer = Consumer([MANY_RECORDS] * 100)
    assert sum(ran(consumer, 3)) == 100 * MANY_RECORDS
    assert "rest" not in consumer.did[: consumer.did.index("nothing")]
