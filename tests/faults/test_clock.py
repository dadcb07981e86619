"""Clocks that step by hours, back and forth, in a worker and a sink that run, while events of this very hour come in."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fixtures.required import absent

from replay.generator import SaleConfig

from .feeding import sale
from .system import System

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")
FOUND = sorted(str(path) for pattern in LIBRARIES for path in Path("/").glob(pattern.lstrip("/")))
HOUR = 3600


@pytest.fixture(autouse=True)
def libfaketime() -> None:
    if not FOUND:
        absent("faketime", "libfaketime is not installed (Debian: faketime)")


def test_clock_steps(system: System) -> None:
    clocks = {name: system.directory / f"{name}.clock" for name in ("worker-1", "worker-2", "sink")}
    for name, clock in clocks.items():
        step(clock, 0)
        system.add(
            name,
            LD_PRELOAD=FOUND[0],
            FAKETIME_TIMESTAMP_FILE=str(clock),
            FAKETIME_CACHE_DURATION="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
        )
    started = datetime.fromtimestamp(time.time() - 3 * HOUR, UTC).isoformat(timespec="seconds")
    feed = system.feed(
        sale(SaleConfig(buyers=250, agents=8, hours=1, seed=61, start=started, duplicates=0.05, disorder=0.2)),
        seconds=14,
    )
    for name in ("worker-1", "worker-2"):
        system.until(lambda n=name: system.parts[n].logged("partitions_ready") > 0, f"{name} is not ready")
    steps = [("worker-1", -6), ("sink", -6), ("worker-2", 30), ("worker-1", 5), ("sink", 12), ("worker-2", -48)]
    for name, hours in steps:
        before = feed.sent
        step(clocks[name], hours)
        system.scenario.inject(f"clock of {name.partition('-')[0]} {hours:+d} h", system.parts[name].pid)
        system.until(lambda n=before: feed.sent > n or feed.done(), "nothing is sent")
        system.run(1.5)
    system.kill("worker-1")  # what it has written under either time is read by its successor
    system.finish(gently=False)  # under libfaketime a signal can make a wait fail with EINVAL


def step(clock: Path, hours: int) -> None:
    """Set a clock that far from the real time; it is looked at once a second."""
    temporary = clock.with_suffix(".new")
    temporary.write_text(f"{hours * HOUR:+d}")
    os.replace(temporary, clock)
