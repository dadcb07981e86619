"""One worker after a pause, in earnest: events come at a steady rate, it starts late, and the backlog is watched until it is gone.

What the simulation of capacity.py says of the same pause stands beside it there.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks.latency import Load, light_producer, load_of, load_of_length
from benchmarks.parts import alive, read_to_the_end, start_part, wait_for_line
from benchmarks.peers.launch import PeerError
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


def measure(buyers: int, seconds: float, place: Path, say: Callable[[str], object]) -> Pause:
    """A pause of so many seconds. `buyers`: of the backlog by which the speed is found. Raises PeerError and TimeoutError."""
    say("pause: how fast a backlog is read")
    backlog = load_of(buyers, seed=0)
    alone = _speed(backlog, place.with_name(f"{place.name}-alone"), None)
    rate = alone * _RATE
    # the backlog takes rate / (speed - rate) of the pause, and the worker some seconds to start
    most = seconds * 4 + 40
    load = load_of_length(int(rate * (most + _TICK_SECONDS)) + 1, seed=1)
    say(f"pause: how fast the backlog of {seconds:.0f} s is read while {rate:,.0f} events/s are sent")
    waiting = int(rate * seconds)
    speed = _speed(
        load[:waiting], place.with_name(f"{place.name}-beside"), Stream(load[waiting:], rate, most - seconds)
    )
    say(f"pause: {seconds:.0f} s of {rate:,.0f} events/s")
    with broker(place) as settings:
        return _paused(load, alone, speed, rate, seconds, most, settings)


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
        return Pause(alone, speed, rate, waiting, seen, os.getloadavg()[0])
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
