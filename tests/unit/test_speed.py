"""The guard against getting slower: CPU time of each pure part as a ratio to a plain pydantic decode of the same events, in one
process.

Ratios hold on slow and busy machines where seconds don't, though a crowded cache takes a quarter off the core's. The limits are
three quarters of what a busy machine showed when they were set; raise them when it gets faster.
"""

import gc
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import AwareDatetime, BaseModel

from processors.partition import Flush, Incoming, Partition
from processors.ruleset import default_book
from replay.generator import SaleConfig
from replay.generator.write import deliver
from schemas.decode import decode_event
from schemas.events import parse_event
from schemas.topics import WORKER_TOPICS
from sinks.batch import Batch
from sinks.kafka import event_key
from sinks.rows import Record

pytestmark = pytest.mark.slow

CHUNK = 500
FLUSH_EVERY = 20_000
ROUNDS = 3


Events = dict[str, list[Incoming]]


class Yardstick(BaseModel):
    """An event as anybody would declare it."""

    id: str
    source: str
    type: str
    time: AwareDatetime
    data: dict[str, Any]


@pytest.fixture(scope="module")
def by_topic() -> Events:
    """A generated sale as a worker with a backlog meets it: topic by topic."""
    found: dict[str, list[Incoming]] = defaultdict(list)
    for topic, line, _ in deliver(SaleConfig(buyers=1500, agents=12, seed=5)):
        if topic in WORKER_TOPICS:
            found[topic].append(Incoming(topic, 0, len(found[topic]), event_key(parse_event(line)), line, None))
    return dict(found)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Of the best of a few rounds: whatever else runs on the machine only adds."""
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def yardstick(by_topic: Events) -> float:
    """A plain pydantic decode of as many events, by a model that is nothing of the product's."""
    values = values_of(by_topic)
    return cpu_seconds(lambda: [Yardstick.model_validate_json(value) for value in values])


def values_of(by_topic: Events) -> list[bytes]:
    return [record.value for records in by_topic.values() for record in records]


def work_through(by_topic: Events) -> list[Flush]:
    """What a worker's partition does with a backlog."""
    partition = Partition(0, default_book(), writer=b"w", horizon_ms=2**60)
    waiting = {topic: list(range(0, len(records), CHUNK))[::-1] for topic, records in by_topic.items()}
    since_flush = 0
    flushes = []
    while any(waiting.values()):
        for topic, starts in waiting.items():
            if starts:
                start = starts.pop()
                partition.apply(by_topic[topic][start : start + CHUNK])
                since_flush += CHUNK
        if since_flush >= FLUSH_EVERY:
            flushes.append(partition.flush())
            since_flush = 0
    return [*flushes, partition.flush()]


@pytest.fixture(scope="module")
def flushes(by_topic: Events) -> list[Flush]:
    return work_through(by_topic)


def check(what: str, by_topic: Events, work: Callable[[], object], at_least: float) -> None:
    """`at_least`: of the yardstick's speed."""
    share = yardstick(by_topic) / cpu_seconds(work)
    print(f"{what}: {share:.2f} times the yardstick's speed")
    assert share >= at_least


def test_the_core_with_every_rule_on_is_as_fast_as_it_was(by_topic: Events) -> None:
    check("core", by_topic, lambda: work_through(by_topic), 0.175)


def test_the_decoder_is_as_fast_as_it_was(by_topic: Events) -> None:
    values = values_of(by_topic)
    check("decoder", by_topic, lambda: [decode_event(value) for value in values], 2.1)


def test_a_restore_is_as_fast_as_it_was(by_topic: Events, flushes: list[Flush]) -> None:
    state: dict[bytes, bytes] = {}
    for flush in flushes:
        state.update((key, value) for key, value in flush.state if value is not None)

    def restore() -> None:
        partition, records = Partition(0, default_book(), writer=b"x", horizon_ms=2**60), sorted(state.items())
        for start in range(0, len(records), CHUNK):
            partition.restore(records[start : start + CHUNK])

    check("restore", by_topic, restore, 0.33)


def test_the_sink_makes_rows_as_fast_as_it_did(by_topic: Events, flushes: list[Flush]) -> None:
    outputs = [output for flush in flushes for output in flush.outputs]
    records = [Record(topic, 0, at, key, value, None) for at, (topic, key, value) in enumerate(outputs)]

    def make() -> None:
        batch = Batch()
        for record in records:
            batch.add(record)

    check("rows", by_topic, make, 2.1)
