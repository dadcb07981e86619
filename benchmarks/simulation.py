"""Workers that share partitions, as a fluid: who falls how far behind in a sale, and how long a death among them is felt.

Events flow into partitions by their share, and each worker drains those it holds, as fast as it can, in proportion to what waits
in them (it fetches them in turn). Time goes in ticks. Nothing here is measured or random but for the seed: the same input gives the
same output.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TICK_SECONDS: Final = 0.25
"""as a worker's checkpoints"""
_HOTTEST: Final = 100_000
"""buyers whose share is drawn one by one; those after them are so many and so small that they are spread evenly"""


@dataclass(frozen=True, slots=True)
class Kill:
    """The first worker dies. All times in seconds: `at` from the start; `noticed`, the session timeout, for which its partitions
    stand still; `pause`, for which the rebalance stops everybody; `restore`, which the state of one partition takes whoever
    takes it over, and meanwhile stops; `repeat`, how much of what the dead one had done is done again."""

    at: float
    noticed: float
    pause: float
    restore: float
    repeat: float


@dataclass(frozen=True, slots=True)
class Course:
    """What became of the events. `lag`: ticks from coming to being done -> events; those never done are in `waiting`."""

    arrived: float
    served: float
    waiting: float
    lag: Floats
    behind: Floats
    """by tick: events that wait at its end"""
    caught_up_seconds: float
    """from the death until nothing waits any more, or from the start until the last tick in which something does; inf: never"""

    def percentile(self, share: float) -> float:
        """Seconds that this share (0 to 1) of the events waits at most; inf where that many are never done."""
        reached = np.cumsum(self.lag)
        at = int(np.searchsorted(reached, share * self.arrived * (1 - 1e-12)))
        return at * TICK_SECONDS if at < len(reached) else float("inf")


def shares(partitions: int, buyers: int, exponent: float, most: float, seed: int) -> Floats:
    """Each partition's share of the events, 1 in all. Buyers are hashed; the one at rank r has a share like r^-exponent (0 to
    below 1), but none more than `most` times the mean, as people type only so fast."""
    hot = min(buyers, _HOTTEST)
    weights = np.arange(1, hot + 1, dtype=np.float64) ** -exponent
    power = 1 - exponent
    rest = (buyers**power - hot**power) / power  # the sum over the ranks beyond, as an integral
    weights = np.minimum(weights, most * (weights.sum() + rest) / buyers)
    where = np.random.default_rng(seed).integers(0, partitions, hot)
    found = np.bincount(where, weights, partitions) + rest / partitions
    return np.asarray(found / found.sum(), dtype=np.float64)


def speeds(workers: int, median: float, spread: float, seed: int) -> Floats:
    """Events/s of each: lognormal, `spread` being the standard deviation of the logarithm."""
    return np.asarray(median * np.exp(spread * np.random.default_rng(seed).standard_normal(workers)), dtype=np.float64)


def simulate(arrivals: Floats, share: Floats, speed: Floats, kill: Kill | None = None, waiting: float = 0.0) -> Course:
    """`arrivals`: events of each tick; `share`: of each partition; `speed`: events/s of each worker, partitions being dealt out
    in turn; `waiting`: events that are there at the start."""
    ticks, partitions, workers = len(arrivals), len(share), len(speed)
    owner: Ints = np.arange(partitions, dtype=np.int64) % workers
    capacity = speed * TICK_SECONDS
    closed = np.zeros((2, partitions))
    backlog = waiting * share
    done = np.zeros((ticks, partitions))
    behind = np.zeros(ticks)
    total = np.zeros(partitions)
    died = -1 if kill is None else round(kill.at / TICK_SECONDS)
    for tick in range(ticks):
        if kill is not None and tick == died:
            owner, closed = _after_death(owner, share * (arrivals[tick] / TICK_SECONDS), speed, kill, tick)
        backlog = backlog + arrivals[tick] * share
        ready = np.where((closed[0] <= tick) & (tick < closed[1]), 0.0, backlog)
        load = np.bincount(owner, ready, workers)
        part = np.divide(capacity, load, out=np.ones(workers), where=load > capacity)
        served = ready * part[owner]
        backlog = backlog - served
        total = total + served
        done[tick] = total
        behind[tick] = backlog.sum()
    return Course(
        float(arrivals.sum()) + waiting,
        float(total.sum()),
        float(backlog.sum()),
        _lag(arrivals, share, done, waiting),
        behind,
        _caught_up(behind, arrivals, max(died, 0)),
    )


def _after_death(owner: Ints, coming: Floats, speed: Floats, kill: Kill, tick: int) -> tuple[Ints, Floats]:
    """The owners from now on, and the ticks from and until which each partition stands still.

    The dead one's partitions go to those who hold least (a lone worker is started again), and who takes something over stands
    still for longer. `coming`: events/s of each partition.
    """
    held = np.bincount(owner, minlength=len(speed)).astype(np.float64)
    held[0] = np.inf
    moved = np.flatnonzero(owner == 0)
    owner, standing = owner.copy(), np.zeros(len(speed))
    for partition in moved:
        heir = int(np.argmin(held))
        owner[partition] = heir
        held[heir] += 1
        standing[heir] += kill.restore + coming[partition] * kill.repeat / speed[heir]
    begin = np.full(len(owner), tick + kill.noticed / TICK_SECONDS)
    until = begin + (kill.pause + standing[owner]) / TICK_SECONDS
    begin[moved] = tick
    return owner, np.stack([begin, until])


def _lag(arrivals: Floats, share: Floats, done: Floats, waiting: float) -> Floats:
    """Events by the ticks that they waited. Each partition is first in, first out."""
    ticks = len(arrivals)
    come = waiting + np.cumsum(arrivals)
    lag = np.zeros(ticks + 1)
    numbers = np.arange(ticks)
    for partition in range(len(share)):
        # a share too small to be told from rounding is done when the rest is
        needed = come * share[partition] * (1 - 1e-9)
        when = np.maximum(np.searchsorted(done[:, partition], needed), numbers)
        over = when < ticks
        late = (when - numbers)[over]
        events = arrivals * share[partition]
        if over[0]:
            lag[late[0]] += waiting * share[partition]
        lag += np.bincount(late, events[over], ticks + 1)
    return lag


def _caught_up(behind: Floats, arrivals: Floats, since: int) -> float:
    late = np.flatnonzero(behind[since:] > 1e-6 * max(float(arrivals.max()), 1.0))
    if not len(late):
        return 0.0
    last = int(late[-1]) + 1
    return last * TICK_SECONDS if since + last < len(behind) else float("inf")
