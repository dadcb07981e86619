"""How cost grows: with buyers, a buyer's events, agents, partitions, days and checkpoints in the worker's core, with batches and
rows in the sink, with rows in what the pages ask.

One thing grows at a time. CPU time, not the clock: other processes disturb it least. Every point, and of the core every run of it,
has a process of its own, so that memory is that run's, and the collector has nothing else to walk.
"""

import gc
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson

from benchmarks import world
from benchmarks.parts import apart
from benchmarks.peers.job import rss_mb
from benchmarks.queries import QUESTIONS, Asker
from processors.partition import Incoming, Partition
from processors.ruleset import default_book
from replay.files import Line
from replay.generator import SaleConfig, generate, retime
from replay.memory import MemoryReplay
from schemas.settings import Settings
from schemas.topics import TOPIC_OF_TYPE, WORKER_TOPICS
from schemas.types import DAY_MS
from sinks import migrate
from sinks.batch import Batch, insert_batch
from sinks.collector import tame_collector
from sinks.embedded import EmbeddedDatabase
from sinks.rows import Record
from streams.memory import FULL, YOUNG, OldObjects

CHECKPOINT: Final = 2_500
"""events between two checkpoints: 0.25 s of 10 000 events/s"""
_INSERTS: Final = 20
"""enough for merges to come in between"""
_HORIZON_MS: Final = Settings.model_fields["horizon_days"].default * DAY_MS
_IDS: Final = ("buyer_id", "order_id", "payment_id", "refund_id", "review_id")
_DATABASE: Final = "growth"
_PARTS: Final = "SELECT bytes_on_disk AS bytes FROM system.parts WHERE database = currentDatabase() AND active"


class World(NamedTuple):
    """What a point's events are made of: the same sale but for what grows."""

    buyers: int = 1024
    agents: int = 40
    hours: float = 4
    days: int = 1
    """so many such sales, one a day, each of new buyers"""
    journeys: int = 1
    """so many buyers of the generator are one here"""
    partitions: int = 12
    checkpoint: int = CHECKPOINT


@dataclass(frozen=True, slots=True)
class Axis:
    """What grows, the unit of its cost, and which worlds or sizes it takes."""

    name: str
    values: tuple[int, ...]
    world: Callable[[int], World] | None = None
    cost: str = "CPU µs an event"


_WARM: Final = World(buyers=16)


def _doubling(first: int, last: int, step: int = 2) -> tuple[int, ...]:
    count = round(math.log(last / first, step))
    return tuple(first * step**number for number in range(count + 1))


BUYERS: Final = "buyers"
CROWD: Final = "buyers, with their agents"
CHECKPOINTS: Final = "events between checkpoints"
BATCHES: Final = "records in an insert"
GROWING: Final = "records in the database"
INSERTED: Final = "inserted"
SINK: Final = "sink"
CORE_AXES: Final = (
    Axis(BUYERS, _doubling(128, 8192), lambda n: World(buyers=n)),
    # as many more agents, and checkpoints at the same times
    Axis(CROWD, _doubling(128, 8192), lambda n: World(buyers=n, agents=n // 32, checkpoint=n * 2)),
    Axis("events of a buyer, times 20", _doubling(1, 128), lambda n: World(journeys=n)),
    Axis("agents", _doubling(4, 512), lambda n: World(agents=n)),
    Axis("partitions of a worker", _doubling(1, 128), lambda n: World(partitions=n)),
    Axis(
        "days", _doubling(1, 64), lambda n: World(buyers=128, hours=24, days=n, checkpoint=100)
    ),  # about an hour, as often as it forgets
    Axis(CHECKPOINTS, _doubling(40, 5120), lambda n: World(checkpoint=n)),
)
SINK_AXES: Final = (
    Axis(BATCHES, _doubling(100, 12_800), cost="CPU µs a record"),
    Axis(GROWING, _doubling(8_000, 512_000), cost="CPU µs a record"),
)
QUERY_AXES: Final = (
    Axis("rows of leaderboard_partials", _doubling(62_500, 16_000_000, 4), cost="CPU ms an answer"),
    Axis("rows of window_partials", _doubling(62_500, 16_000_000, 4), cost="CPU ms an answer"),
)
_ASKED: Final = {
    QUERY_AXES[0].name: ("leaderboard_partials", "leaderboard, this hour, a shop"),
    QUERY_AXES[1].name: ("window_partials", "response times, hour and day, a shop"),
}


@dataclass(frozen=True, slots=True)
class Point:
    """One size on an axis: the cost by what was done (runs, in the axis' unit), and what else was seen."""

    axis: str
    value: int
    cost: dict[str, list[float]]
    seen: dict[str, float]
    load: float
    """of the machine, over a minute"""

    def typical(self, what: str) -> float:
        """The cost that counts."""
        return typical(what, self.cost[what])


def typical(what: str, runs: Sequence[float]) -> float:
    """The best of the runs, as whatever else runs on the machine only adds; of inserts the mean, as now and then one has the
    merging of what came before in it."""
    return statistics.fmean(runs) if what in {INSERTED, SINK} else min(runs)


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The power that y grows with, by least squares over the logarithms. ValueError for fewer than two different x."""
    across, up = [math.log(x) for x in xs], [math.log(y) for y in ys]
    middle, height = statistics.fmean(across), statistics.fmean(up)
    spread = sum((x - middle) ** 2 for x in across)
    if not spread:
        raise ValueError("a slope takes two different x")
    return sum((x - middle) * (y - height) for x, y in zip(across, up, strict=True)) / spread


def measure(runs: int, place: Path, say: Callable[[str], object], most: int | None = None) -> list[Point]:
    """Every axis; `most`: so many sizes of each, from the least. The sizes of the core take turns, so that a while in which the
    machine is slow is not one size's alone; of the sink and the pages one size has all its inserts and answers at once."""
    place.mkdir(parents=True, exist_ok=True)
    turns: list[list[Point]] = []
    for turn in range(runs):
        turns.append([])
        for axis in CORE_AXES:
            assert axis.world is not None
            for value in axis.values[:most]:
                say(f"growth: {axis.name}, {value:,}, {turn + 1} of {runs}")
                turns[-1].append(apart(_core, axis.name, value, axis.world(value)))
    found = [_together(same) for same in zip(*turns, strict=True)]
    for axis in (*SINK_AXES, *QUERY_AXES):
        values = axis.values[:most]
        if axis.name == GROWING:  # one growing database
            say(f"growth: {axis.name}")
            found += apart(_into_a_growing_database, axis.name, values, place / "rows")
            continue
        for value in values:
            say(f"growth: {axis.name}, {value:,}")
            if axis.name == BATCHES:
                found.append(apart(_in_batches, axis.name, value, place / f"batch-{value}"))
            else:
                found.append(apart(_asked, axis.name, value, place / f"{_ASKED[axis.name][0]}-{value}"))
    return found


def _together(turns: Sequence[Point]) -> Point:
    """One point of all runs; what else was seen is the first one's, as all but memory, which hardly differs, is the same in all."""
    first = turns[0]
    cost = {what: [run for point in turns for run in point.cost[what]] for what in first.cost}
    return replace(first, cost=cost, load=statistics.median(point.load for point in turns))


def growth_of(points: Sequence[Point]) -> dict[tuple[str, str], float]:
    """(axis, what was done) -> the power of the whole cost: 1.0 means that an event, a record or a row costs the same whatever
    the size. What the pages ask is one answer, so there 0.0 means that the size does not matter."""
    queries = {axis.name for axis in QUERY_AXES}
    found = {}
    for axis in dict.fromkeys(point.axis for point in points):
        mine = [point for point in points if point.axis == axis]
        for what in mine[0].cost:
            power = slope([point.value for point in mine], [point.typical(what) for point in mine])
            found[axis, what] = power if axis in queries else 1 + power
    return found


def events_of(chosen: World) -> Iterator[dict[str, Any]]:
    """The sale's events of buyers in order of time; ids differ from day to day."""
    for day in range(chosen.days):
        config = SaleConfig(buyers=chosen.buyers, agents=chosen.agents, hours=chosen.hours, seed=7 + day)
        for event in retime(generate(config), day * DAY_MS):
            if TOPIC_OF_TYPE[event["type"]] not in WORKER_TOPICS:
                continue
            data = event["data"]
            if chosen.days > 1:
                event["id"] += f"-{day}"
                event["data"] = data = data | {name: f"{data[name]}-{day}" for name in _IDS if name in data}
            if chosen.journeys > 1:
                number = crc32(data["buyer_id"].encode()) % (chosen.buyers // chosen.journeys)
                event["data"] = data | {"buyer_id": f"b-{number}"}
            yield event


def incoming(chosen: World) -> Iterator[Incoming]:
    """The same as Kafka's records, in the order that a worker which keeps up meets them in."""
    for offset, event in enumerate(events_of(chosen)):
        key = f"{event['data']['shop_id']}|{event['data']['buyer_id']}".encode()
        yield Incoming(TOPIC_OF_TYPE[event["type"]], crc32(key) % chosen.partitions, offset, key, orjson.dumps(event))


@dataclass(slots=True)
class Flushed:
    """What a run has written, and the buyers that it holds at its end."""

    records: int = 0
    record_bytes: int = 0
    state_bytes: int = 0
    buyers: int = 0


def run_core(records: Sequence[Incoming], partitions: int, checkpoint: int) -> tuple[Flushed, list[Partition]]:
    """As a worker does it: batches by partition, then a checkpoint of those that have changed."""
    cores = [
        Partition(number, default_book(), writer=b"growth", horizon_ms=_HORIZON_MS) for number in range(partitions)
    ]
    total, old = Flushed(), OldObjects()
    for begin in range(0, len(records), checkpoint):
        batches: dict[int, list[Incoming]] = {}
        for record in records[begin : begin + checkpoint]:
            batches.setdefault(record.partition, []).append(record)
        for number, batch in batches.items():
            cores[number].apply(batch)
        for number in batches:
            flush = cores[number].flush()
            total.state_bytes += sum(len(key) + len(value or b"") for key, value in flush.state)
            total.record_bytes += sum(len(key) + len(value) for _, key, value in flush.outputs)
            total.records += len(flush.outputs)
        old.grown(sum(core.facts for core in cores))
    total.buyers = sum(core.buyers for core in cores)
    return total, cores


def _core(axis: str, value: int, chosen: World) -> Point:
    tame_collector(YOUNG, FULL)
    run_core(
        list(incoming(_WARM._replace(partitions=chosen.partitions))), chosen.partitions, CHECKPOINT
    )  # rules are read and compiled
    records = list(incoming(chosen))
    gc.collect()
    before = rss_mb(os.getpid(), "VmRSS")
    began = time.process_time()
    total, cores = run_core(records, chosen.partitions, chosen.checkpoint)
    cost = {"worker": [(time.process_time() - began) / len(records) * 1e6]}
    memory = rss_mb(os.getpid(), "VmRSS") - before
    del cores
    if axis not in {CHECKPOINTS, "partitions of a worker"}:  # a replay has neither
        cost["replay"] = [_replay(records)]
    seen = {
        "events": len(records),
        "buyers": total.buyers,
        "event_bytes": sum(len(record.key or b"") + len(record.value) for record in records) / len(records),
        "memory_bytes": memory * 1e6 / len(records),
        "records": total.records / len(records),
        "record_bytes": total.record_bytes / len(records),
        "state_bytes": total.state_bytes / len(records),
    }
    return Point(axis, value, cost, seen, os.getloadavg()[0])


def _replay(records: Sequence[Incoming]) -> float:
    lines = [Line("", number, record.value) for number, record in enumerate(records)]
    began = time.process_time()
    run = MemoryReplay(default_book())
    for line in lines:
        run.take(line)
    run.finish(lambda: iter(lines))
    return (time.process_time() - began) / len(records) * 1e6


# ---- the sink ------------------------------------------------------------------------------------------------------


def sunk(chosen: World) -> Iterator[Record]:
    """What a sink reads of it: every event, and the results of its checkpoint."""
    core = Partition(0, default_book(), writer=b"growth", horizon_ms=_HORIZON_MS)
    events = incoming(chosen._replace(partitions=1))
    offset = 0
    while batch := list(islice(events, chosen.checkpoint)):
        core.apply(batch)
        for topic, key, value in [*((one.topic, one.key, one.value) for one in batch), *core.flush().outputs]:
            yield Record(topic, 0, offset, key, value, None)
            offset += 1


def _insert(db: EmbeddedDatabase, records: Sequence[Record]) -> tuple[float, float]:
    """CPU seconds of making rows, and of ClickHouse taking them, its own threads with it."""
    began = time.process_time()
    batch = Batch()
    for record in records:
        batch.add(record)
    made = time.process_time()
    insert_batch(db, batch)
    return made - began, time.process_time() - made


def _in_batches(axis: str, value: int, place: Path) -> Point:
    db = EmbeddedDatabase(place, _DATABASE)
    migrate.up(db)
    stream = sunk(World(buyers=8192))
    _insert(db, list(islice(stream, 1_000)))  # tables are found
    made: list[float] = []
    taken: list[float] = []
    for _ in range(_INSERTS):
        records = list(islice(stream, value))
        make, take = _insert(db, records)
        made.append(make / len(records) * 1e6)
        taken.append(take / len(records) * 1e6)
    db.close()
    return Point(axis, value, {"rows made": made, INSERTED: taken}, {}, os.getloadavg()[0])


def _into_a_growing_database(axis: str, values: Sequence[int], place: Path) -> list[Point]:
    batch = values[0] // 4
    db = EmbeddedDatabase(place, _DATABASE)
    migrate.up(db)
    stream, read, found = sunk(World(buyers=16_384)), 0, []
    for value in values:
        costs = []
        while read < value and (records := list(islice(stream, batch))):
            costs.append(sum(_insert(db, records)) / len(records) * 1e6)
            read += len(records)
        disk = sum(row["bytes"] for row in db.query(_PARTS)) / read
        found.append(Point(axis, value, {SINK: costs}, {"disk_bytes": disk}, os.getloadavg()[0]))
    db.close()
    return found


def _asked(axis: str, value: int, place: Path) -> Point:
    table, what = _ASKED[axis]
    now = int(time.time() * 1000)
    db = EmbeddedDatabase(place, _DATABASE)
    migrate.up(db)
    world.fill_agents(db)
    world.fill(db, table, value, now, lambda _: None)
    question, asker = QUESTIONS[table][what], Asker(db, now, Random(what))  # noqa: S311 - chooses shops, no secrets
    question(asker)
    took = []
    for _ in range(15):
        began = time.process_time()
        question(asker)
        took.append((time.process_time() - began) * 1000)
    db.command(f"DROP TABLE {table} SYNC")
    db.close()
    return Point(axis, value, {what: took}, {}, os.getloadavg()[0])
