"""`python -m benchmarks.capacity`: what one worker, sink and ClickHouse carry, how many a rate takes, and where it breaks first.

`--report docs` writes docs/capacity.md and its chart; the figures of sizing.py can be given by name.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks.panels import Line, Panel, panels
from benchmarks.pause import Pause, simulated, simulated_seconds, typical
from benchmarks.sheets import Sheet, median_of, percentile
from benchmarks.simulation import TICK_SECONDS, Course
from benchmarks.sizing import (
    FIGURES,
    P99_SECONDS,
    PARTITIONS_A_WORKER,
    SIZES,
    Given,
    Plan,
    death,
    facts_held,
    grown,
    late,
    live_rate,
    plan,
    run,
    topics,
)
from schemas.settings import Settings

_SPARE: Final = 1.5
"""times as many workers as keep up"""
_HALF: Final = 0.5
"""of the most that is kept up with: what is measured of a busy hour"""
_SOURCE: Final = Path("docs/benchmarks.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the plans, and writes the page when asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description="How many of each a rate takes.")
    parser.add_argument(
        "--figures",
        type=Path,
        nargs="+",
        help=f"JSON of `make bench`; of several files with the same section the last counts ({_SOURCE}, where it is there)",
    )
    parser.add_argument("--report", type=Path, metavar="DIR", help="write capacity.md and capacity.svg there")
    for name, figure in FIGURES.items():
        text = f"{figure.meaning}, {figure.unit} ({figure.value:g}; {figure.origin})"
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="N", help=text)
    chosen = vars(parser.parse_args(arguments))
    measured: dict[str, Any] = {}
    for source in chosen["figures"] or [path for path in [_SOURCE] if path.exists()]:
        measured |= json.loads(source.read_text(encoding="utf-8"))
    given = Given(measured, {name: chosen[name] for name in FIGURES if chosen[name] is not None})
    try:
        plans = [plan(size, given) for size in SIZES]
    except ValueError as error:
        parser.error(str(error))
    for one in plans:
        sys.stdout.write(
            f"{one.peak:,} events/s: {one.workers:,} workers by CPU, {one.by_memory:,} by memory, {one.partitions:,} partitions,"
            f" {one.sinks:,} sinks, {one.clickhouses:,} ClickHouses, p99 {late(one.course, given):.1f} s\n"
        )
    if chosen["report"] is not None:
        _write(measured, given, plans, chosen["report"])
    return 0


def report(measured: Mapping[str, Any], place: Path) -> None:
    """Writes capacity.md and capacity.svg there, of what `make bench` has measured."""
    given = Given(measured)
    _write(measured, given, [plan(size, given) for size in SIZES], place)


def _write(measured: Mapping[str, Any], given: Given, plans: Sequence[Plan], place: Path) -> None:
    text, drawn = page(measured, given, plans)
    place.mkdir(parents=True, exist_ok=True)
    (place / "capacity.md").write_text(text, encoding="utf-8")
    (place / "capacity.svg").write_text(drawn, encoding="utf-8")


def page(measured: Mapping[str, Any], given: Given, plans: Sequence[Plan]) -> tuple[str, str]:
    """The page and the chart."""
    middle = plans[len(plans) // 2]
    paused = [Pause(**one) for one in measured.get("pause", ())]
    deaths = _deaths(middle, given)
    parts = [
        "# What it carries\n",
        "Written by `python -m benchmarks.capacity --report docs` (`--help` lists the figures that can be given) and by `make bench"
        " BENCH_ARGS='--report docs'`; nothing here is kept up by hand. The sums are only as good as the [figures](#figures) they are"
        " made of: those that are *assumed* are yours to replace. How the measured ones were found: [performance.md](../docs/performance.md).\n",
        "![workers by rate, waiting after a death, 99th percentile by workers, a pause measured and simulated](capacity.svg)\n",
        "## One of each\n",
        _one(given, grown(measured)).markdown(),
        "## So many for a rate\n",
        f"The rate is that of the height of a sale, when the hour has struck. *By CPU*: the fewest workers with which, in the simulation"
        f" below, 99 % of the events reach their checkpoint within {P99_SECONDS:.0f} s. *By memory*: as many as hold all facts of"
        f" {given.horizon_days:.0f} days. Partitions are for the former. Planned for is the crowd, where hardly two"
        " events of a checkpoint are of one buyer or agent, so that each writes its own state and results; a backlog costs a worker less."
        " Take the larger; the shorter horizon is the cheaper answer.\n",
        _sizes(plans, given).markdown(),
        *_to_a_row(measured),
        "## Where it breaks first\n",
        _breaks(plans, given),
        "## Simulated: a full hour, and a death in it\n",
        f"{middle.peak:,.0f} events/s, {middle.workers} workers (no more than keep up: plan with spare ones) and half as many again; one is killed 30 s after the hour. The buyers of its"
        " partitions wait for the session timeout, the rebalance and the restore; whoever takes partitions over reads their state and"
        " meanwhile reads nothing else, so the fewer facts a partition has, the sooner it is over.\n",
        _killed(deaths, given).markdown(),
        "Each worker drains what waits in its partitions in proportion, in ticks of a quarter of a second; buyers' shares are"
        " a Zipf law cut at the top, hashed to partitions; workers' speeds scatter as assumed; the seed is fixed, so the same"
        " figures give the same page. Not in it: brokers that slow down, the network, chunks of a fetch, more than one death at a"
        " time, and what a group of a thousand members does to its coordinator.\n",
        _checked(paused, measured),
        "## Figures\n",
        _figures(given).markdown(),
    ]
    return "\n".join(parts), panels("What it carries", _plots(plans, middle, deaths, paused, given))


def _one(given: Given, grown_us: float | None) -> Sheet:
    note = "ClickHouse is taken to carry as many times what one core does as it has cores; only one was measured."
    if grown_us is not None:
        note += (
            f" In inserts of 2,000 into tables that have grown a record took {grown_us:,.0f} µs, its row's making with it, where the large"
            f" ones meant here take {given.insert_us:,.0f} ([growth](../docs/performance.md#growth)): give sinks large batches."
        )
    return Sheet(
        "what one carries, with its resources to itself",
        ("part", "carries", "in MB/s of events", "then"),
        [
            _part("worker in a backlog, one core", given.worker_rate, "events", given, "longer checkpoints, by itself"),
            _part(
                "worker in a crowd, one core", live_rate(given), "events", given, "more workers, up to the partitions"
            ),
            (
                f"worker, {given.worker_gb:.0f} GB",
                f"{facts_held(given) / 1e6:,.1f} M facts",
                "",
                "more workers, or a shorter ZHENGDIAN_HORIZON_DAYS",
            ),
            _part("sink", given.sink_rate, "records", given, "more sinks, up to the partitions"),
            _part(
                f"ClickHouse, {given.clickhouse_cores:.0f} cores",
                given.clickhouse_cores / given.insert_us * 1e6,
                "records",
                given,
                "another system with some of the shops",
            ),
            (
                "ClickHouse, inserts into a table",
                f"{given.inserts * given.sink_batch_seconds:.0f} sinks",
                "",
                "a longer ZHENGDIAN_SINK_BATCH_SECONDS",
            ),
        ],
        note,
    )


def _part(name: str, rate: float, what: str, given: Given, then: str) -> tuple[str, ...]:
    each = given.event_bytes if what == "events" else (given.event_bytes + given.record_bytes) / (1 + given.records)
    return name, f"{_round(rate)} {what}/s", f"{rate * each / 1e6:.1f}", then


def _to_a_row(measured: Mapping[str, Any]) -> Sequence[str]:
    """What was measured of what is not simulated; nothing where it was not."""
    runs = [one for one in measured.get("latency", {}).get("at", []) if one["share"] == _HALF]
    if not runs:
        return []
    machine = measured.get("shown", {}).get("latency", measured)["machine"]
    rate = statistics.median(one["rate"] for one in runs)
    p50, p99 = (statistics.median(percentile(sorted(one["to_row"]), share) for one in runs) for share in (50, 99))
    return [
        f"A row comes later than its checkpoint, by the sink's pause and insert: with all parts on one machine ({machine}), at {rate:,.0f} events/s,"
        f" which is half of what it carries, {p50:.2f} s after the event and {p99:.2f} s at the 99th percentile"
        f" ([measured](benchmarks.md#latency)).\n"
    ]


def _sizes(plans: Sequence[Plan], given: Given) -> Sheet:
    rows = (
        ("partitions", [f"{one.partitions:,}" for one in plans]),
        ("workers, by CPU", [f"{one.workers:,}" for one in plans]),
        (
            "p50 and p99 to the checkpoint with these, s",
            [f"{late(one.course, given, 0.5):.1f}, {late(one.course, given):.1f}" for one in plans],
        ),
        ("facts within the horizon", [_round(one.facts) for one in plans]),
        ("workers, by memory", [_round(one.by_memory) for one in plans]),
        ("days of a sale that the memory of the former holds", [f"{one.days_held:.2g}" for one in plans]),
        ("records/s, events and results", [_round(one.records) for one in plans]),
        ("sinks", [f"{one.sinks:,}" for one in plans]),
        ("ClickHouses, so systems", [f"{one.clickhouses:,}" for one in plans]),
        ("written by brokers, MB/s, replicas with it", [_round(one.broker_mb) for one in plans]),
        ("brokers", [f"{one.brokers:,}" for one in plans]),
        (
            "partitions of all topics, replicas with them",
            [_round(one.partitions * topics() * given.replicas) for one in plans],
        ),
        (f"Kafka's disks, {given.retention_days:.0f} days, TB", [_round(one.kafka_tb) for one in plans]),
        (
            f"ClickHouse's disks, what comes in {given.retention_days:.0f} days, TB",
            [_round(one.clickhouse_tb) for one in plans],
        ),
    )
    return Sheet(
        "how many of each",
        ("events/s", *(f"{one.peak:,.0f}" for one in plans)),
        [(name, *cells) for name, cells in rows],
        f"Nothing crosses shops, so a system (Kafka topics under a prefix of their own, workers, sinks, a ClickHouse) can be cut by shops"
        f" into several: a rate that takes {plans[-1].clickhouses:,} ClickHouses is as many systems of"
        f" {_round(plans[-1].peak / plans[-1].clickhouses)} events/s. For a sense of proportion:"
        f" {plans[-1].peak:,.0f} events/s are {_round(plans[-1].peak / given.buyer_rate)} buyers in chats at once.",
    )


def _breaks(plans: Sequence[Plan], given: Given) -> str:
    first = plans[0]
    hottest = given.hottest * given.buyer_rate
    restart = first.restart_seconds / 60
    lines = [
        f"**Memory.** A fact takes {given.memory_bytes:,.0f} bytes in a worker. Already {first.peak:,.0f} events/s leave"
        f" {_round(first.facts)} facts in {given.horizon_days:.0f} days, {_round(first.facts * given.memory_bytes / 1e9)} GB, which takes"
        f" {first.by_memory:,} workers where CPU alone takes {first.workers}. `ZHENGDIAN_HORIZON_DAYS` is what to turn: it sets how late"
        " an event, or an order's refund or review, may still be settled live; what is later is left to a replay.",
        f"**Recovery.** State is derived anew from its facts, {_round(given.restore_rate)} a second: a worker whose {given.worker_gb:.0f} GB"
        f" are full takes {restart:.0f} minutes to start. `ZHENGDIAN_WORKER_STATE_DIR` saves the reading, and"
        " lets a worker that is started again derive while its group waits for the dead one. Plan workers for"
        " the restart that can be borne, not for their memory; more partitions spread a dead worker's state over more heirs.",
        f"**ClickHouse.** A sink adds inserts to every table, whatever their size: left to itself up to"
        f" {1 / Settings.model_fields['sink_batch_seconds'].default:.0f} a second, here {1 / given.sink_batch_seconds:.0f}. Beyond"
        f" {given.inserts * given.sink_batch_seconds:.0f} sinks raise `ZHENGDIAN_SINK_BATCH_SECONDS` and `ZHENGDIAN_SINK_BATCH_ROWS` (rows"
        " appear later by as much), or merges fall behind and ClickHouse refuses inserts as too many parts.",
        f"**Partitions** are the limit of workers and can't be changed for topics in use. Take at least {PARTITIONS_A_WORKER} for each worker"
        " that a sale will ever need: they are dealt out whole. Many cost too: windows and leaderboard rows are sums over buyers, kept by each"
        f" partition for itself and added up by ClickHouse where they are read, so results an event grow with partitions"
        " ([growth](../docs/performance.md#growth)) until every event writes its own.",
        "**A hot shop** does no harm by itself: its buyers are hashed over all partitions, each has a share of its leaderboard, and"
        " ClickHouse adds at most as many rows per agent and hour as there are partitions. It does weigh on the page that reads it.",
        f"**A hot buyer** stays in one partition and can't be spread. People type: one who does {given.hottest:.0f} times what the mean buyer"
        f" does is {hottest:.1f} events/s, {hottest / live_rate(given):.2%} of a worker. A script that floods under one buyer's id at more"
        f" than {_round(live_rate(given))} events/s would stop its partition, and all buyers in it.",
        f"**Brokers** carry little at first ({_round(first.broker_mb)} MB/s), and {_round(plans[-1].broker_mb)} MB/s at the last size; their"
        " disks follow retention.",
    ]
    lines.insert(
        1,
        f"**Checkpoints in a crowd.** With a buyer, an agent and a window of its own an event costs {given.crowd:.1f} times the CPU,"
        f" {given.records:.1f} results and {given.state_bytes:,.0f} bytes of state. `ZHENGDIAN_FLUSH_SECONDS` is what to turn: longer is cheaper"
        " and later. A worker that falls behind does it by itself: it pauses as long as its last checkpoint took, 5 s at most, and the"
        " checkpoint comes on top, so results of a backlog come further apart than that; the simulation leaves it out.",
    )
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1)) + "\n"


def _deaths(middle: Plan, given: Given) -> list[tuple[str, Course]]:
    """The same hour without and with a death, by how full the workers' memory is and how many partitions and workers there are."""
    more = math.ceil(middle.workers * _SPARE)
    found = [(f"{middle.workers} workers, nobody dies", run(middle.peak, middle.partitions, middle.workers, given))]
    for workers, partitions, full in (
        (middle.workers, middle.partitions, 0.1),
        (more, middle.partitions, 0.1),
        (more, middle.partitions * 4, 0.1),
        (more, middle.partitions, 1.0),
        (more, middle.partitions * 4, 1.0),
    ):
        kill = death(partitions, workers, given)
        kill = replace(kill, restore=kill.restore * full)
        name = f"{workers} workers, {partitions} partitions, memory {full:.0%} full"
        found.append((name, run(middle.peak, partitions, workers, given, kill)))
    return found


def _killed(deaths: Sequence[tuple[str, Course]], given: Given) -> Sheet:
    return Sheet(
        "seconds from an event to its checkpoint",
        ("one dies", "p50", "p99", "p99.9", "the latest", "caught up after"),
        [
            (
                name,
                *(f"{late(course, given, share):.1f}" for share in (0.5, 0.99, 0.999, 1.0)),
                f"{course.caught_up_seconds:.0f}",
            )
            for name, course in deaths
        ],
        "Over the quarter of an hour that is simulated; inf: not within it.",
    )


def _checked(paused: Sequence[Pause], measured: Mapping[str, Any]) -> str:
    if not paused:
        return "It has not been held against a measurement here: `make bench BENCH_ARGS='--only pause'`.\n"
    real = [one.caught_up_seconds for one in paused]
    crowded, alone = simulated_seconds(typical(paused))
    shown = measured["shown"]["pause"]
    date = shown["date"]
    if math.isinf(statistics.median(real)):
        return (
            f"A real worker ({date}) had not caught up when it was no longer watched, in most of {len(paused)} runs.\n"
        )
    return (
        f"**Held against a real worker** ({date}, {len(paused)} runs on {shown['machine']}; median, least and most): it read"
        f" {median_of([one.alone for one in paused])} events/s of a whole sale when all of it waited. Then {paused[0].rate:,.0f} came each"
        f" second and it was started late, with {median_of([one.waiting for one in paused])} waiting. A tenth of that was left after"
        f" {median_of(real, 1)} s. Broker, worker and sender shared the cores: {median_of([one.speed for one in paused])} events/s of such"
        f" a backlog are read while as many events are sent to other topics. With the median of that the simulation says {crowded:.1f} s,"
        f" with that of the speed alone {alone:.1f}. It drains steadily, where a backlog's checkpoints come in leaps, seconds apart. The"
        " chart shows the run in the middle, and the simulation with the speed through such a backlog.\n"
    )


def _figures(given: Given) -> Sheet:
    rows = [
        (
            f"`--{name.replace('_', '-')}`",
            f"{getattr(given, name):,.6g}",
            figure.unit,
            figure.meaning,
            given.origins[name],
        )
        for name, figure in FIGURES.items()
    ]
    return Sheet("what all of it is computed from", ("name", "value", "unit", "meaning", "from"), rows)


def _plots(
    plans: Sequence[Plan], middle: Plan, deaths: Sequence[tuple[str, Course]], paused: Sequence[Pause], given: Given
) -> list[Panel]:
    by_rate = [
        Line("by memory", [(one.peak, one.by_memory) for one in plans]),
        Line("by CPU", [(one.peak, one.workers) for one in plans]),
        Line("sinks", [(one.peak, one.sinks) for one in plans]),
    ]
    names = ("nobody dies", "one dies", "and spare ones")
    behind = [
        Line(name, [(tick * TICK_SECONDS, left) for tick, left in enumerate(course.behind) if tick % 8 == 0])
        for name, (_, course) in zip(names, deaths, strict=False)
    ]
    tried = range(max(middle.workers - 3, 1), middle.workers + 4)
    lags = [(number, late(run(middle.peak, middle.partitions, number, given), given)) for number in tried]
    plots = [
        Panel("How many for a rate", "events/s", "number", by_rate),
        Panel(f"{middle.peak:,.0f} events/s, a full hour", "seconds", "events waiting", behind, logs=False),
        Panel(
            "Delay by workers, the same hour",
            "workers",
            "p99, s",
            [Line("", [p for p in lags if math.isfinite(p[1])])],
            logs=False,
        ),
    ]
    if paused:
        real = typical(paused)
        end = real.seen[-1][0] * 1.1
        drained = [point for point in simulated(real).seen if point[0] <= end]
        lines = [Line("measured", real.seen), Line("simulated", drained)]
        plots.append(Panel("A late worker catches up", "seconds", "events waiting", lines, logs=False))
    return plots


def _round(number: float) -> str:
    """To three digits or so, with a unit a reader knows."""
    unit, size = next(((unit, size) for unit, size in ((" bn", 1e9), (" M", 1e6)) if number >= size), ("", 1.0))
    number /= size
    return f"{number:,.0f}{unit}" if number >= 100 else f"{number:.3g}{unit}"


if __name__ == "__main__":
    sys.exit(main())
