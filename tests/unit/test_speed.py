"""The guard against getting slower, of each pure part, in two ways:

- calls of functions for each event, Python's and C's, as the profiler counts them: the same on every machine (Pythons newer than 3.11
  count fewer), so that a tenth more is told;
- CPU time as a ratio to a plain pydantic decode of the same events. It sees what becomes slower without more calls. Ratios hold
  on slow machines where seconds don't, but a crowded cache slows a part that has much in memory more than the yardstick, by up to
  a half. So `.ci/run` measures before anything else runs, the limits are about half of what a quiet machine shows, and what misses one is
  measured again: slow code misses it each time.

Sharpen the limits when it gets faster.
"""

import gc
import time
from collections import defaultdict
from collections.abc import Callable
from cProfile import Profile
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
from streams.shards import in_parts

pytestmark = [pytest.mark.slow, pytest.mark.speed, pytest.mark.timeout(300)]

CHUNK = 500
FLUSH_EVERY = 20_000
ROUNDS = 3
ATTEMPTS = 4


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
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def share_of_yardstick(by_topic: Events, work: Callable[[], object]) -> float:
    """The work's speed as a share of a plain pydantic decode of as many events, by a model that is nothing of the product's.

    By the best of a few rounds of each, in turns: whatever else runs on the machine only adds.
    """
    values = values_of(by_topic)
    rounds = [
        (cpu_seconds(lambda: [Yardstick.model_validate_json(value) for value in values]), cpu_seconds(work))
        for _ in range(ROUNDS)
    ]
    return min(yardstick for yardstick, _ in rounds) / min(took for _, took in rounds)


def calls(work: Callable[[], object]) -> int:
    """Of functions, Python's and C's."""
    profile = Profile(subcalls=False)
    profile.runcall(work)
    return sum(entry.callcount for entry in profile.getstats())


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


def check(what: str, by_topic: Events, work: Callable[[], object], at_least: float, most_calls: float) -> None:
    """`at_least`: of the yardstick's speed; `most_calls`: for each event."""
    counted = calls(work) / len(values_of(by_topic))
    print(f"{what}: {counted:.2f} calls an event")
    shares: list[float] = []
    while len(shares) < ATTEMPTS and max(shares, default=0.0) < at_least:
        shares.append(share_of_yardstick(by_topic, work))
        print(f"{what}: {shares[-1]:.2f} times the yardstick's speed")
    assert counted <= most_calls
    assert max(shares) >= at_least, shares


def test_the_core_with_every_rule_on_is_as_fast_as_it_was(by_topic: Events) -> None:
    check("core", by_topic, lambda: work_through(by_topic), 0.13, 104)


def test_the_decoder_is_as_fast_as_it_was(by_topic: Events) -> None:
    values = values_of(by_topic)
    check("decoder", by_topic, lambda: [decode_event(value) for value in values], 1.6, 5.5)


def test_a_restore_is_as_fast_as_it_was(by_topic: Events, flushes: list[Flush]) -> None:
    state: dict[bytes, bytes] = {}
    for flush in flushes:
        state.update((key, value) for key, value in flush.state if value is not None)

    def restore() -> None:
        partition = Partition(0, default_book(), writer=b"x", horizon_ms=2**60)
        for part in in_parts(state):
            partition.restore(part)

    check("restore", by_topic, restore, 0.25, 62.5)


def test_the_sink_makes_rows_as_fast_as_it_did(by_topic: Events, flushes: list[Flush]) -> None:
    outputs = [output for flush in flushes for output in flush.outputs]
    records = [Record(topic, 0, at, key, value, None) for at, (topic, key, value) in enumerate(outputs)]

    def make() -> None:
        batch = Batch()
        for record in records:
            batch.add(record)

    check("rows", by_topic, make, 1.6, 5.4)
