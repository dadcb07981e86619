"""Waiting for sinks that run as threads of a test."""

import time
from collections.abc import Callable

from schemas.settings import Settings
from schemas.topics import TOPICS, partitions_of
from sinks.progress import SINK_TOPICS
from sinks.sink import Sink


def until(check: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition; AssertionError when it does not come."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def shared_out(settings: Settings, *sinks: Sink) -> bool:
    """Whether each of them has partitions, and each partition is one sink's. In a rebalance kafka-python keeps the
    assignment of before until it knows the new one, which one of two may know before the other."""
    theirs = [set(sink._consumer.assignment()) for sink in sinks if sink._consumer]
    every = sum(partitions_of(topic, settings.partitions) for topic in TOPICS if topic.name in SINK_TOPICS)
    return len(theirs) == len(sinks) and all(theirs) and every == sum(map(len, theirs)) == len(set().union(*theirs))
