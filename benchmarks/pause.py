"""One worker after a pause, in earnest: events come at a steady rate, it starts late, and the backlog is watched until it is gone.

What the simulation of capacity.py says of the same pause stands beside it there.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.latency import Load, light_producer, load_of
from benchmarks.parts import alive, read_to_the_end, start_part, wait_for_line
from benchmarks.simulation import TICK_SECONDS, simulate
from benchmarks.throughput import SECONDS, broker
from schemas.settings import Settings
from schemas.topics import DEFAULT_PARTITIONS
from sinks.kafka import EventProducer, worker_group
from sinks.progress import Committed, source_ends

_READY: Final = b"partitions_ready"
_EVENTS_A_BUYER: Final = 20
_TICK_SECONDS: Final = 0.01
_LOOK_SECONDS: Final = 0.25
_RATE: Final = 0.4
"""of what the worker reads when all of it waits"""
_STOP_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Pause:
    """`speed`: events/s with everything waiting; `rate`: events/s that came; `waiting`: events when the worker was ready;
    `seen`: (seconds after that, events waiting)."""

    speed: float
    rate: float
    waiting: float
    seen: list[tuple[float, float]]
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
    return Pause(real.speed, real.rate, real.waiting, seen, real.load)


def measure(buyers: int, seconds: float, place: Path, say: Callable[[str], object]) -> Pause:
    """A pause of so many seconds. `buyers`: of the backlog by which the speed is found. Raises PeerError and TimeoutError."""
    say("pause: how fast a backlog is read")
    backlog = load_of(buyers, seed=0)
    with broker(place) as settings:
        producer = EventProducer(settings)
        for topic, key, value in backlog:
            producer.submit(topic, key, value)
        producer.close()
        workers = [lambda: start_part("worker", settings, place, core=None)]
        run = read_to_the_end(workers, _READY, worker_group(settings), source_ends(settings), settings, SECONDS)
    speed = run.records / run.seconds
    rate = speed * _RATE
    # the backlog takes rate / (speed - rate) of the pause, and the worker some seconds to start
    most = seconds * 4 + 40
    load = load_of(int(rate * most / _EVENTS_A_BUYER) + 100, seed=1)
    say(f"pause: {seconds:.0f} s of {rate:,.0f} events/s")
    with broker(place.with_name(f"{place.name}-pause")) as settings:
        return _paused(load, speed, rate, seconds, most, settings)


def _paused(load: Load, speed: float, rate: float, seconds: float, most: float, settings: Settings) -> Pause:
    feed = _Feed(settings, load, rate, most)
    time.sleep(seconds)
    worker = start_part("worker", settings, settings.data_dir.parent, "late", core=None)
    committed = Committed(settings, worker_group(settings))
    try:
        wait_for_line(worker, _READY)
        ready, waiting = time.monotonic(), float(feed.sent)
        ends = dict.fromkeys(source_ends(settings), 0)
        seen: list[tuple[float, float]] = []
        while feed.running():
            alive(worker)
            sent = feed.sent
            seen.append((time.monotonic() - ready, float(sent - sum(committed(ends).values()))))
            if seen[-1][1] <= waiting / 20:
                break
            time.sleep(_LOOK_SECONDS)
        return Pause(speed, rate, waiting, seen, os.getloadavg()[0])
    finally:
        feed.stop()
        committed.close()
        worker.stop(_STOP_SECONDS)


class _Feed:
    """Sends the load at that rate, in a thread."""

    def __init__(self, settings: Settings, load: Load, rate: float, seconds: float) -> None:
        self.sent = 0
        self._settings, self._load, self._rate, self._length = settings, load, rate, seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        producer = light_producer(self._settings)
        began = time.monotonic()
        while (now := time.monotonic() - began) < self._length and not self._stopping.is_set():
            due = min(int(now * self._rate), len(self._load))
            for topic, key, value in self._load[self.sent : due]:
                producer.produce(topic, value, key)
            self.sent = due
            producer.poll(_TICK_SECONDS)
        producer.flush()
