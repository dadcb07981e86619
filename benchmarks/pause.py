"""One worker after a pause, in earnest: events come at a steady rate, it starts late, and the backlog is watched until it is gone.

What the simulation of capacity.py says of the same pause stands beside it.
"""

import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks.latency import Load, light_producer, load_of, load_of_length
from benchmarks.parts import alive, cpu_seconds, read_to_the_end, start_part, wait_for_line
from benchmarks.peers.job import rss_mb
from benchmarks.peers.launch import PeerError
from benchmarks.sheets import Sheet, median_of
from benchmarks.simulation import TICK_SECONDS, simulate
from benchmarks.throughput import SECONDS, broker
from schemas.settings import Settings
from schemas.topics import DEFAULT_PARTITIONS
from sinks.kafka import EventProducer, create_topics, worker_group
from sinks.progress import Committed, source_ends

_READY: Final = b"partitions_ready"
_TICK_SECONDS: Final = 0.01
_LOOK_SECONDS: Final = 0.25
_RATE: Final = 0.4
"""of what the worker reads when all of it waits"""
_STOP_SECONDS: Final = 60.0
_ELSEWHERE: Final = "elsewhere."


class Stream(NamedTuple):
    """Events, how many of them a second are sent, and for how many seconds at the most."""

    load: Load
    rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """`alone`: events/s with everything waiting and nothing else to do for the machine; `rate`: events/s that came;
    `speed`: events/s through the backlog of such a pause, while as many events as then are sent to elsewhere; `waiting`:
    events when the worker was ready; `seen`: (seconds after that, events waiting)."""

    alone: float
    speed: float
    rate: float
    waiting: float
    seen: list[tuple[float, float]]
    cpu_seconds: float
    """of the worker, from when it was ready until the last look"""
    peak_mb: float
    load: float
    """of the machine, over a minute"""

    @property
    def caught_up_seconds(self) -> float:
        """Until a tenth of it was left, as commits always lag behind by some; inf when that was never seen."""
        return next((at for at, left in self.seen if left <= self.waiting / 10), float("inf"))


def simulated(real: Pause) -> Pause:
    """What the simulation makes of the same pause, from the speed and what waited."""
    ticks = round((real.seen[-1][0] * 2 + 10) / TICK_SECONDS)
    arrivals = np.full(ticks, real.rate * TICK_SECONDS)
    course = simulate(
        arrivals, np.full(DEFAULT_PARTITIONS, 1 / DEFAULT_PARTITIONS), np.array([real.speed]), None, real.waiting
    )
    seen = [((tick + 1) * TICK_SECONDS, float(left)) for tick, left in enumerate(course.behind)]
    return replace(real, seen=seen)


def typical(found: Sequence[Pause]) -> Pause:
    """The run in the middle by how long it took, with the speeds that are the medians of all: the runs of the three are no pairs."""
    middle = sorted(found, key=lambda one: one.caught_up_seconds)[len(found) // 2]
    alone, speed = (statistics.median(each) for each in ([one.alone for one in found], [one.speed for one in found]))
    return replace(middle, alone=alone, speed=speed)


def simulated_seconds(real: Pause) -> tuple[float, float]:
    """Until the simulation has caught up: with the speed through such a backlog, and with the speed alone."""
    crowded, alone = (simulated(replace(real, speed=speed)).caught_up_seconds for speed in (real.speed, real.alone))
    return crowded, alone


def measure(buyers: int, seconds: float, runs: int, place: Path, say: Callable[[str], object]) -> list[Pause]:
    """So many pauses of so many seconds, at a rate that the median of the speeds alone gives. `buyers`: of the backlog by which
    that speed is found. Raises PeerError and TimeoutError."""
    place.mkdir(parents=True)
    backlog, alone = load_of(buyers, seed=0), []
    for number in range(runs):
        say(f"pause: how fast a backlog is read, {number + 1} of {runs}")
        alone.append(_speed(backlog, place / f"alone-{number}", None))
    rate = statistics.median(alone) * _RATE
    # the backlog takes rate / (speed - rate) of the pause, and the worker some seconds to start
    most = seconds * 4 + 40
    load = load_of_length(int(rate * (most + _TICK_SECONDS)) + 1, seed=1)
    waiting, found = int(rate * seconds), []
    later = Stream(load[waiting:], rate, most - seconds)
    for number in range(runs):
        say(f"pause: how fast its backlog is read while {rate:,.0f} events/s are sent, {number + 1} of {runs}")
        speed = _speed(load[:waiting], place / f"beside-{number}", later)
        say(f"pause: {seconds:.0f} s of {rate:,.0f} events/s, {number + 1} of {runs}")
        with broker(place / f"paused-{number}") as settings:
            found.append(_paused(load, alone[number], speed, rate, seconds, most, settings))
    return found


def sheet(found: Sequence[Pause], machine: str) -> Sheet:
    """A line for what was measured, and what the simulation makes of it."""
    crowded, alone = simulated_seconds(typical(found))
    rows = {
        "read when all of it waits, events/s": ([one.alone for one in found], 0),
        "read while as many events are sent to elsewhere, events/s": ([one.speed for one in found], 0),
        "events waiting when the worker is ready": ([one.waiting for one in found], 0),
        "until a tenth of them is left, s": ([one.caught_up_seconds for one in found], 1),
        "cores that the worker keeps busy until a twentieth is": (
            [one.cpu_seconds / one.seen[-1][0] for one in found],
            2,
        ),
        "its most memory, MB": ([one.peak_mb for one in found], 0),
    }
    return Sheet(
        f"one worker that is started late while {found[0].rate:,.0f} events/s come; worker, broker and bench on the same cores; {machine}",
        ("what", "median", "least", "most"),
        [
            (what, *(f"{each(runs):,.{digits}f}" for each in (statistics.median, min, max)))
            for what, (runs, digits) in rows.items()
        ],
        f"The simulation takes {crowded:.1f} s until a tenth is left with the median of the second speed, and {alone:.1f} with that of the"
        f" first. Load of the machine, over a minute: {median_of([one.load for one in found], 1)}.",
    )


def _speed(backlog: Load, place: Path, elsewhere: Stream | None) -> float:
    """Events/s of a worker with a backlog, while `elsewhere` is sent to topics that it does not read."""
    with broker(place) as settings, ExitStack() as stack:
        producer = EventProducer(settings)
        for topic, key, value in backlog:
            producer.submit(topic, key, value)
        producer.close()
        ends = source_ends(settings)
        if elsewhere is not None:
            create_topics(settings.model_copy(update={"topic_prefix": _ELSEWHERE}))
            feed = _Feed(settings, elsewhere, _ELSEWHERE)
            stack.callback(feed.stop)
        workers = [lambda: start_part("worker", settings, settings.data_dir.parent, core=None)]
        run = read_to_the_end(workers, _READY, worker_group(settings), ends, settings, SECONDS)
        if elsewhere is not None and not feed.running():
            raise PeerError("what is sent to elsewhere ended before the backlog did")
    return run.records / run.seconds


def _paused(
    load: Load, alone: float, speed: float, rate: float, seconds: float, most: float, settings: Settings
) -> Pause:
    feed = _Feed(settings, Stream(load, rate, most))
    time.sleep(seconds)
    worker = start_part("worker", settings, settings.data_dir.parent, "late", core=None)
    committed = Committed(settings, worker_group(settings))
    try:
        wait_for_line(worker, _READY)
        ready, waiting, cpu = time.monotonic(), float(feed.sent), cpu_seconds(worker.pid)
        ends = dict.fromkeys(source_ends(settings), 0)
        seen: list[tuple[float, float]] = []
        while feed.running():
            alive(worker)
            sent = feed.sent
            seen.append((time.monotonic() - ready, float(sent - sum(committed(ends).values()))))
            if seen[-1][1] <= waiting / 20:
                break
            time.sleep(_LOOK_SECONDS)
        cpu = cpu_seconds(worker.pid) - cpu
        return Pause(alone, speed, rate, waiting, seen, cpu, rss_mb(worker.pid), os.getloadavg()[0])
    finally:
        feed.stop()
        committed.close()
        worker.stop(_STOP_SECONDS)


class _Feed:
    """Sends it, in a thread."""

    def __init__(self, settings: Settings, stream: Stream, prefix: str = "") -> None:
        self.sent = 0
        self._settings, self._stream, self._prefix = settings, stream, prefix
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        load, rate, seconds = self._stream
        producer = light_producer(self._settings)
        began = time.monotonic()
        while (now := time.monotonic() - began) < seconds and not self._stopping.is_set():
            due = min(int(now * rate), len(load))
            for topic, key, value in load[self.sent : due]:
                producer.produce(self._prefix + topic, value, key)
            self.sent = due
            producer.poll(_TICK_SECONDS)
        producer.flush()
