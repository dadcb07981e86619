"""Our worker on the same topic, measured from outside: the product as it is run, every rule on, state and results written."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from benchmarks.parts import read_to_the_end, start_part
from benchmarks.peers.launch import CLIENT_CORE
from benchmarks.peers.truth import Windows, product_windows
from schemas.settings import Settings
from schemas.topics import TOPICS, WINDOWS
from sinks.kafka import client_options, topic_name, worker_group
from sinks.progress import source_ends, true_ends

Share = Mapping[str, Any]
"""schemas.outputs.ResponseWindowPartial"""

OUTPUTS: Final = tuple(topic.name for topic in TOPICS if topic.kind in ("output", "state"))
"""what the worker writes"""
_POLL_MS: Final = 200


def run_worker(
    settings: Settings, work: Path, seconds: float, env: Mapping[str, str]
) -> tuple[dict[str, Any], Windows]:
    """What a peer reports of itself, and the windows. `env`: of the worker, beside its settings.

    From when the worker owns its partitions until it has committed the last record, that is, until the results and the
    state are written; commits are looked at ten times a second. Raises TimeoutError and PeerError.
    """
    run = read_to_the_end(
        [lambda: start_part("worker", settings, work, core=CLIENT_CORE, **env)],
        b"partitions_ready",
        worker_group(settings),
        source_ends(settings),
        settings,
        seconds,
    )
    return asdict(run), product_windows(standing(_written(settings)))


def standing(written: Iterable[tuple[bytes, Share]]) -> list[Share]:
    """Of each partition's share of a window (record key, value) the one with the highest revision, the later of equals."""
    latest: dict[tuple[bytes, int], Share] = {}
    for key, share in written:
        had = latest.get((key, share["partition"]))
        if had is None or share["revision"] >= had["revision"]:
            latest[key, share["partition"]] = share
    return list(latest.values())


def _written(settings: Settings) -> Iterator[tuple[bytes, Share]]:
    ends = {
        TopicPartition(topic_name(settings, topic), number): end
        for (topic, number), end in true_ends(settings, (WINDOWS,)).items()
    }
    consumer = KafkaConsumer(**client_options(settings), group_id=None, enable_auto_commit=False)
    try:
        consumer.assign(list(ends))
        consumer.seek_to_beginning()
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for records in consumer.poll(_POLL_MS).values():
                for record in records:
                    yield record.key, json.loads(record.value)
    finally:
        consumer.close()
