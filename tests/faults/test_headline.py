"""The headline: live = stack replay = memory replay, byte for byte, on a big sale with faults injected on the way."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL

import orjson
import pytest
from fixtures.brokers import Broker

from replay.generator import SaleConfig
from replay.output import TABLES

from .commits import read_by_replay
from .compare import KEYS
from .feeding import sale
from .system import System

NIGHT, NEXT_DAY = "2025-11-11T00:00:00+08:00", "2025-11-13T00:00:00+08:00"
"""before and after the sale"""
EVENTS = 200_000


@pytest.mark.timeout(900)
def test_live_is_stack_replay_is_memory_replay(broker: Broker, new_system: Callable[..., System]) -> None:
    system = new_system(session_timeout_seconds=6)
    dice = random.Random(91)
    names = ("worker-1", "worker-2", "sink")
    for name in names:
        system.add(name)
    records = sale(SaleConfig(buyers=10_600, agents=60, hours=8, seed=91, duplicates=0.02, disorder=0.1, faults=100))
    assert len(records) >= EVENTS
    feed = system.feed(records, seconds=40)
    killed = broker.durable
    while feed.sent < 0.9 * len(records):
        system.run(dice.uniform(2, 6))
        system.kill(dice.choice(names))
        if killed and feed.sent > 0.4 * len(records):
            killed = False
            system.scenario.inject("broker SIGKILL", *broker.pids)
            broker.kill()
            system.run(1)
            broker.start()
    live, replayed = system.finish()
    verified = orjson.loads(
        system.command("verify", "--from", NIGHT, "--to", NEXT_DAY, "--format", "json").read_bytes()
    )
    assert verified["days"] > 0
    assert verified["checked"].keys() >= KEYS.keys(), "verify passes over tables"
    assert min(verified["checked"].values()) > 0

    archive, stack, memory = (system.directory / name for name in ("archive", "stack", "memory"))
    system.command("archive", str(archive))
    run = system.begin("replay", str(archive), "--engine", "stack", "--workers", "2", "--out", str(stack))
    system.until(lambda: bool(workers_below(run.pid)), "the replay starts no worker")
    system.until(
        lambda: run.exit_code is not None or read_by_replay(system.settings) > EVENTS // 10,
        "the replay does not come forward",
        every=1,
    )
    assert run.exit_code is None, run.why()
    pid = dice.choice(workers_below(run.pid))
    os.kill(pid, SIGKILL)
    system.scenario.inject("worker of the replay SIGKILL", pid)
    system.until(lambda: run.exit_code is not None, "the replay does not end", 300)
    assert run.exit_code == 0, run.why()
    system.command("replay", str(archive), "--engine", "memory", "--out", str(memory))
    # a rejected line of the sale is named by its file there, and by topic and offset where it has been live
    assert {name: size(stack, name) for name in TABLES} == {name: size(memory, name) for name in TABLES}
    for name in TABLES:
        others = (live, replayed, stack) if name in KEYS else (live, stack)
        for other in others:
            assert content(other, name) == content(memory, name), f"{name}: {other.name} differs"

    archive, again = system.directory / "archive-clickhouse", system.directory / "again"
    system.command("archive", str(archive), "--source", "clickhouse")
    system.command("replay", str(archive), "--engine", "memory", "--out", str(again))
    for name in TABLES:
        assert content(again, name) == content(memory, name), f"{name}: the archive out of ClickHouse differs"


def content(directory: Path, name: str) -> bytes:
    return (directory / f"{name}.jsonl").read_bytes()


def size(directory: Path, name: str) -> int:
    return len(content(directory, name))


def workers_below(pid: int) -> list[int]:
    """The worker processes that a process has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"worker" in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found
