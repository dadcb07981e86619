"""How many workers, sinks and ClickHouses a rate takes: sums and simulations over the figures that stand here.

A figure is what `make bench` has measured; where it has not, what stands here with its date; and before both, what is given.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from benchmarks import growth, recovery, throughput
from benchmarks.simulation import TICK_SECONDS, Course, Floats, Kill, shares, simulate, speeds
from schemas.settings import Settings
from schemas.topics import DEFAULT_PARTITIONS, TOPICS

SIZES: Final = (1_000, 100_000, 10_000_000)
"""events/s at the height of a sale, just after a full hour"""
P99_SECONDS: Final = 2.0
PARTITIONS_A_WORKER: Final = 4
_SEED: Final = 11
_SECONDS, _HOUR, _KILL = 900, 300, 330
"""what is simulated: its length, when the hour strikes, and when a worker dies"""
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Figure:
    """An input: what it is taken to be, its unit and meaning, and where it is from. `read`: out of the JSON of `make bench`."""

    value: float
    unit: str
    meaning: str
    origin: str
    read: Callable[[Mapping[str, Any]], float] | None = None
    section: str = ""
    """what of that `read` reads"""


def _median(what: str) -> Callable[[Mapping[str, Any]], float]:
    """Of the runs of a part: records a second of CPU."""
    return lambda found: statistics.median(run["records"] / run["cpu_seconds"] for run in found["throughput"][what])


def _points(found: Mapping[str, Any], axis: str) -> Sequence[Mapping[str, Any]]:
    return [point for point in found["growth"]["points"] if point["axis"] == axis]


def _seen(name: str, axis: str = growth.CHECKPOINTS, number: int = 0) -> Callable[[Mapping[str, Any]], float]:
    """What a size of an axis showed; of checkpoints the smallest, where hardly two events are of one buyer or agent."""
    return lambda found: float(_points(found, axis)[number]["seen"][name])


def _crowd(found: Mapping[str, Any]) -> float:
    costs = {point["value"]: min(point["cost"]["worker"]) for point in _points(found, growth.CHECKPOINTS)}
    return float(costs[min(costs)] / costs[max(costs)])


def _inserted(found: Mapping[str, Any]) -> float:
    return growth.typical(growth.INSERTED, _points(found, growth.BATCHES)[-1]["cost"][growth.INSERTED])


def _restored(found: Mapping[str, Any]) -> float:
    """For a second of CPU, as of a worker's other rates: of what passes, over a third is the group's wait."""
    return float(found["recovery"]["facts"] / statistics.median(found["recovery"]["cpu_seconds"][recovery.FROM_KAFKA]))


def _memory(found: Mapping[str, Any]) -> float:
    """Of a worker that has read its state from Kafka, as it does by default: it has more than one with a local copy."""
    full = statistics.median(found["recovery"]["held_mb"][recovery.FROM_KAFKA])
    return float((full - found["recovery"]["idle_mb"]) * 1e6 / found["recovery"]["facts"])


def _backlog(found: Mapping[str, Any]) -> float:
    """What the longest checkpoints of a backlog take beside the facts: their results, and what has been fetched meanwhile."""
    runs = found["throughput"][throughput.ONE_WORKER]
    idle_gb = found["recovery"]["idle_mb"] / 1e3
    return max(float(run["rss_mb"] / 1e3 - idle_gb - run["records"] * _memory(found) / 1e9) for run in runs)


def grown(found: Mapping[str, Any]) -> float | None:
    """CPU µs a record of a sink and its ClickHouse, in inserts of 2 000 into tables that have grown; None where not measured."""
    try:
        return growth.typical(growth.SINK, _points(found, growth.GROWING)[-1]["cost"][growth.SINK])
    except (KeyError, IndexError):
        return None


_ROUGH: Final = "roughly, until measured"
_ASSUMED: Final = "assumed"
_SETTING: Final = "setting"
FIGURES: Final[Mapping[str, Figure]] = {
    "worker_rate": Figure(
        25_000,
        "events/s",
        "a worker in a backlog, for a second of CPU",
        _ROUGH,
        _median(throughput.ONE_WORKER),
        "throughput",
    ),
    "crowd": Figure(
        3.9,
        "",
        "times that CPU where hardly two events of a checkpoint are of one buyer or agent",
        _ROUGH,
        _crowd,
        "growth",
    ),
    "worker_spread": Figure(
        0.2,
        "",
        "of workers' speeds, standard deviation of the logarithm: a fleet's machines differ more than one from run to run",
        _ASSUMED,
    ),
    "sink_rate": Figure(
        35_000, "records/s", "a sink with the ClickHouse in it", _ROUGH, _median(throughput.SINK), "throughput"
    ),
    "insert_us": Figure(10, "CPU µs", "a record into ClickHouse, in large batches", _ROUGH, _inserted, "growth"),
    "event_bytes": Figure(312, "bytes", "an event with its key", _ROUGH, _seen("event_bytes"), "growth"),
    "records": Figure(4.4, "", "results an event, in such a crowd", _ROUGH, _seen("records"), "growth"),
    "record_bytes": Figure(2_400, "bytes", "results of an event, there", _ROUGH, _seen("record_bytes"), "growth"),
    "state_bytes": Figure(990, "bytes", "state written for an event, there", _ROUGH, _seen("state_bytes"), "growth"),
    "memory_bytes": Figure(
        2_900,
        "bytes",
        "an event in the memory of a worker that has read its state from Kafka",
        _ROUGH,
        _memory,
        "recovery",
    ),
    "backlog_gb": Figure(
        1.0, "GB", "of it for the checkpoints of a backlog, beside the events", _ROUGH, _backlog, "throughput"
    ),
    "disk_bytes": Figure(
        120, "bytes", "a record in ClickHouse", _ROUGH, _seen("disk_bytes", growth.GROWING, -1), "growth"
    ),
    "restore_rate": Figure(
        20_000,
        "facts/s",
        "a worker that reads its state from Kafka, for a second of CPU",
        _ROUGH,
        _restored,
        "recovery",
    ),
    "flush_seconds": Figure(Settings.model_fields["flush_seconds"].default, "s", "between checkpoints", _SETTING),
    "session_seconds": Figure(
        Settings.model_fields["session_timeout_seconds"].default, "s", "until a death is noticed", _SETTING
    ),
    "horizon_days": Figure(Settings.model_fields["horizon_days"].default + 2, "days", "that facts are kept", _SETTING),
    "sink_batch_seconds": Figure(0.5, "s", "between inserts of a sink, where there are many", _ASSUMED),
    "retention_days": Figure(60, "days", "that Kafka keeps events and results", _SETTING),
    "rebalance_seconds": Figure(3.0, "s", "that a rebalance stops everybody", "seen on the embedded broker"),
    "repeat_seconds": Figure(1.35, "s", "of a dead worker's events that are read again", "sums, checkpoint and commit"),
    "use": Figure(0.6, "", "share of what sinks and ClickHouse carry that is planned for", _ASSUMED),
    "base": Figure(0.6, "", "of the height, before the hour and long after it", _ASSUMED),
    "ebb_seconds": Figure(300, "s", "in which the rush of the hour ebbs away", _ASSUMED),
    "buyer_rate": Figure(1 / 60, "events/s", "of a buyer who is there, with the agent's answers", _ASSUMED),
    "zipf": Figure(0.6, "", "exponent of buyers' shares by rank", _ASSUMED),
    "hottest": Figure(100, "", "times the mean: the most of one buyer", _ASSUMED),
    "day_share": Figure(0.35, "", "of the height, on average over a sale's day", _ASSUMED),
    "sale_days": Figure(3, "days", "of the horizon that are a sale", _ASSUMED),
    "ordinary": Figure(0.1, "", "of a sale's day: any other day", _ASSUMED),
    "worker_gb": Figure(16, "GB", "memory of a worker", _ASSUMED),
    "clickhouse_cores": Figure(32, "cores", "of a ClickHouse", _ASSUMED),
    "inserts": Figure(20, "/s", "inserts into one table, which merges still keep up with", _ASSUMED),
    "broker_mb": Figure(100, "MB/s", "written, that a broker carries, replicas with it", _ASSUMED),
    "replicas": Figure(3, "", "of every record in Kafka", _ASSUMED),
    "compression": Figure(4, "", "times smaller in Kafka than as JSON", _ASSUMED),
}


class Given:
    """The figures by name as numbers, and where each is from."""

    def __init__(self, measured: Mapping[str, Any] | None = None, named: Mapping[str, float] | None = None) -> None:
        """`named` goes before `measured` (the JSON of `make bench`), and that before what stands in FIGURES."""
        self._values: dict[str, float] = {}
        self.origins: dict[str, str] = {}
        for name, figure in FIGURES.items():
            self._values[name], self.origins[name] = figure.value, figure.origin
            if measured is not None and figure.read is not None:
                try:
                    self._values[name] = figure.read(measured)
                except (KeyError, IndexError, ValueError):
                    continue  # that section has not been run, or too few times
                self.origins[name] = f"measured {measured.get('shown', {}).get(figure.section, measured)['date']}"
        for name, value in (named or {}).items():
            self._values[name], self.origins[name] = value, "given"

    def __getattr__(self, name: str) -> float:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None


def live_rate(given: Given) -> float:
    """Events/s of a worker where a checkpoint's events are all of different buyers and agents."""
    return given.worker_rate / given.crowd


def full_hour(peak: float, given: Given) -> Floats:
    """Events of each tick around a full hour: a level, then at once the height, which ebbs away."""
    seconds = np.arange(0, _SECONDS, TICK_SECONDS)
    rush = np.where(seconds >= _HOUR, np.exp(-np.maximum(seconds - _HOUR, 0) / given.ebb_seconds), 0.0)
    return np.asarray(peak * (given.base + (1 - given.base) * rush) * TICK_SECONDS, dtype=np.float64)


def partitions_for(workers: float) -> int:
    """The default number, doubled until every worker has several: they are dealt out whole."""
    found = DEFAULT_PARTITIONS
    while found < PARTITIONS_A_WORKER * workers:
        found *= 2
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rate takes."""

    peak: float
    partitions: int
    workers: int
    """by CPU: the least that keep up"""
    course: Course
    """of a sale with these"""
    facts: float
    """within the horizon"""
    by_memory: int
    """workers whose memory holds these"""
    days_held: float
    """of a sale's rate, that the memory of `workers` holds"""
    restart_seconds: float
    """until a worker with as many facts as its memory holds has derived them anew"""
    records: float
    """a second, for the sinks: events and results"""
    sinks: int
    clickhouses: int
    """by CPU and by inserts; a sink writes into one"""
    broker_mb: float
    """written a second, compressed, with all replicas"""
    brokers: int
    kafka_tb: float
    clickhouse_tb: float


def late(course: Course, given: Given, share: float = 0.99) -> float:
    """Seconds from an event to its checkpoint: what it waits in the partition, and for the next two checkpoints at most."""
    return course.percentile(share) + 2 * given.flush_seconds


def run(peak: float, partitions: int, workers: int, given: Given, kill: Kill | None = None) -> Course:
    """A full hour with so many of each."""
    buyers = max(int(peak / given.buyer_rate), 1)
    share = shares(partitions, buyers, given.zipf, given.hottest, _SEED)
    speed = speeds(workers, live_rate(given), given.worker_spread, _SEED)
    return simulate(full_hour(peak, given), share, speed, kill)


def workers_for(peak: float, partitions: int, given: Given) -> int:
    """The least number that keeps the 99th percentile below P99_SECONDS; by bisection, as fewer are hardly ever enough when
    more are not. ValueError when even a worker a partition is too few."""

    def enough(workers: int) -> bool:
        return late(run(peak, partitions, workers, given), given) < P99_SECONDS

    low, high = 0, partitions
    if late(run(1, partitions, partitions, given), given) >= P99_SECONDS:
        raise ValueError(f"with so long checkpoints no number of workers is within {P99_SECONDS:g} s")
    if not enough(high):
        raise ValueError(f"{partitions} partitions are too few for {peak:,.0f} events/s")
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def death(partitions: int, workers: int, given: Given) -> Kill:
    """One of so many workers dies in the rush, its memory as full as it may be."""
    facts = workers * facts_held(given) / partitions
    return Kill(_KILL, given.session_seconds, given.rebalance_seconds, facts / given.restore_rate, given.repeat_seconds)


def facts_held(given: Given) -> float:
    """By a worker's memory, of which a backlog must find some free."""
    return (given.worker_gb - given.backlog_gb) * 1e9 / given.memory_bytes


def plan(peak: float, given: Given) -> Plan:
    """How many of each for so many events/s."""
    partitions = partitions_for(peak / live_rate(given))
    workers = workers_for(peak, partitions, given)
    a_sale_day = peak * given.day_share * _DAY_SECONDS
    facts = a_sale_day * (given.sale_days + (given.horizon_days - given.sale_days) * given.ordinary)
    records = peak * (1 + given.records)
    sinks = math.ceil(records / given.sink_rate / given.use)
    kept = a_sale_day * (given.sale_days + (given.retention_days - given.sale_days) * given.ordinary)
    in_kafka = given.replicas / given.compression
    broker_mb = peak * (given.event_bytes + given.state_bytes + given.record_bytes) * in_kafka / 1e6
    return Plan(
        peak,
        partitions,
        workers,
        run(peak, partitions, workers, given),
        facts,
        math.ceil(facts / facts_held(given)),
        workers * facts_held(given) / a_sale_day,
        facts_held(given) / given.restore_rate,
        records,
        sinks,
        max(
            math.ceil(records * given.insert_us / 1e6 / given.clickhouse_cores / given.use),
            math.ceil(sinks / given.sink_batch_seconds / given.inserts),
        ),
        broker_mb,
        max(3, math.ceil(broker_mb / given.broker_mb)),
        kept * (given.event_bytes + given.record_bytes) * in_kafka / 1e12,  # state is compacted
        kept * (1 + given.records) * given.disk_bytes / 1e12,
    )


def topics() -> int:
    """Topics that have as many partitions as the source topics."""
    return sum(topic.partitions is None for topic in TOPICS)
