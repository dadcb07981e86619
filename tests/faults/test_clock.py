"""Clocks that step by hours, back and forth, in workers and a sink that run, while events of this very hour come in."""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fixtures.required import absent

from replay.generator import SaleConfig
from sinks.kafka import sink_group, worker_group

from .commits import committed
from .feeding import sale
from .system import PARTITIONS, System

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")
FOUND = sorted(str(path) for pattern in LIBRARIES for path in Path("/").glob(pattern.lstrip("/")))
CLOCKED = Path(__file__).with_name("clocked.py")
HOUR = 3600
WORKERS = ("worker-1", "worker-2")
STEPS = (
    ("worker-1", -6),
    ("sink", -6),
    ("worker-2", 30),
    ("worker-1", 5),
    ("sink", 12),
    ("worker-2", -48),
    ("worker-2", 0),  # one that is started with a clock that slow refuses what is current
)
BOTH_SLOW = ("sink", -6)
"""the step from which a worker and the sink are slow: for longer than a session, in which they must be heard"""
SHARE = 20
"""records that a part has to be done with under a clock before the next step"""


def partitions(system: System, name: str) -> list[int]:
    """Those that a part has, a worker as it said last."""
    if name == "sink":
        return list(range(PARTITIONS))
    said = system.parts[name].ready()
    return said[-1].partitions if said else []


def progress(system: System, name: str) -> int:
    """Records of the topics that events come in by, committed of a part's partitions."""
    group = (sink_group if name == "sink" else worker_group)(system.settings)
    mine = partitions(system, name)
    return sum(offset for (_, number), offset in committed(system.settings, group).items() if number in mine)


@pytest.fixture(autouse=True)
def libfaketime() -> None:
    if not FOUND:
        absent("faketime", "libfaketime is not installed (Debian: faketime)")


def test_clock_steps(new_system: Callable[..., System]) -> None:
    # nobody may be put out of its group for a busy machine's sake: under a slow clock it must not be started again
    system = new_system(session_timeout_seconds=20)
    clocks = {name: system.directory / f"{name}.clock" for name in (*WORKERS, "sink")}
    for name, clock in clocks.items():
        step(clock, 0)
        system.add(
            name,
            [sys.executable, str(CLOCKED), name.partition("-")[0]],
            LD_PRELOAD=FOUND[0],
            FAKETIME_TIMESTAMP_FILE=str(clock),
            FAKETIME_CACHE_DURATION="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
        )
    system.until(
        lambda: all(len(partitions(system, name)) == PARTITIONS // 2 for name in WORKERS), "the workers do not share"
    )
    system.until(lambda: system.parts["sink"].logged("partitions_assigned") > 0, "the sink does not read")
    joined = {name: len(system.parts[name].ready()) for name in WORKERS}
    started = datetime.fromtimestamp(time.time() - 3 * HOUR, UTC).isoformat(timespec="seconds")
    feed = system.feed(
        sale(SaleConfig(buyers=250, agents=8, hours=1, seed=61, start=started, duplicates=0.05, disorder=0.2)),
        seconds=200,
    )
    for name, hours in STEPS:
        step(clocks[name], hours)
        system.scenario.inject(f"clock of {name.partition('-')[0]} {hours:+d} h", system.parts[name].pid)
        system.run(1.5 if (name, hours) != BOTH_SLOW else 25)
        enough = progress(system, name) + SHARE
        system.until(
            lambda n=name, e=enough: progress(system, n) >= e, f"{name} does nothing at {hours:+d} h", 45, every=0.5
        )
    assert not feed.done(), "the last steps met nothing"
    for name in clocks:
        part = system.parts[name]
        assert not part.ends, f"{name} has not lived through it: {part.ends}"
    # nor was anybody put out of its group: it would have had to join anew
    assert {name: len(system.parts[name].ready()) for name in WORKERS} == joined
    assert system.parts["sink"].logged("partitions_lost") == 0
    system.kill("worker-1")  # what it has written under either time is read by its successor
    system.finish()
    for part in system.parts.values():  # Kafka refuses records that carry a time of their own and are hours ahead
        refused = [line for line in part.lines('"deliver"') if '"retry"' in line]
        assert not refused, refused[0]


def step(clock: Path, hours: int) -> None:
    """Set a clock that far from the real time; it is looked at once a second."""
    temporary = clock.with_suffix(".new")
    temporary.write_text(f"{hours * HOUR:+d}")
    os.replace(temporary, clock)
