"""Our worker on the same topic, measured from outside: the product as it is run, every rule on, state and results written."""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from benchmarks.peers.job import peak_rss_mb
from benchmarks.peers.launch import PeerError, start
from benchmarks.peers.truth import Windows, product_windows
from deploy.process import zhengdian
from schemas.settings import Settings
from schemas.topics import TOPICS, WINDOWS
from sinks.kafka import client_options, topic_name, worker_group
from sinks.progress import source_ends, true_ends, wait_until_read

Share = Mapping[str, Any]
"""schemas.outputs.ResponseWindowPartial"""

OUTPUTS: Final = tuple(topic.name for topic in TOPICS if topic.kind in ("output", "state"))
"""what the worker writes, and the web's reports, of which there are none here"""
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 60.0
_TICK_SECONDS: Final = 0.01
_READY: Final = b"partitions_ready"
_POLL_MS: Final = 200


def run_worker(settings: Settings, work: Path, seconds: float) -> tuple[dict[str, Any], Windows]:
    """What a peer reports of itself, and the windows.

    From when the worker owns its partitions until it has committed the last record, that is, until the results and the
    state are written; commits are looked at ten times a second. Raises TimeoutError and PeerError.
    """
    ends = source_ends(settings)
    log = work / "worker.log"
    env = {
        "ZHENGDIAN_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "ZHENGDIAN_PARTITIONS": str(settings.partitions),
        "ZHENGDIAN_LOG_LEVEL": "info",
    }
    worker = start("worker", zhengdian("worker"), log, env)

    def check(left: int) -> None:
        if worker.exit_code is not None:
            raise PeerError(worker.why())

    try:
        deadline = time.monotonic() + _START_SECONDS
        while _READY not in log.read_bytes():
            check(0)
            if time.monotonic() > deadline:
                raise TimeoutError(f"the worker has no partitions after {_START_SECONDS:.0f} s")
            time.sleep(_TICK_SECONDS)
        began, cpu_before = time.perf_counter(), _cpu_seconds(worker.pid)
        wait_until_read(settings, worker_group(settings), ends, seconds, check)
        measured = {
            "records": sum(ends.values()),
            "seconds": time.perf_counter() - began,
            "cpu_seconds": _cpu_seconds(worker.pid) - cpu_before,
            "rss_mb": peak_rss_mb(worker.pid),
        }
    finally:
        worker.stop(_STOP_SECONDS)
    return measured, product_windows(standing(_written(settings)))


def _cpu_seconds(pid: int) -> float:
    # the name, which may hold anything, ends with the last bracket; user and system time are fields 14 and 15
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
