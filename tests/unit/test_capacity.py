"""The simulation behind docs/capacity.md loses no event and favours nobody, and growth's slopes are the powers they say."""

import math
from dataclasses import asdict, replace
from itertools import islice, pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.capacity import page
from benchmarks.growth import World, events_of, incoming, run_core, slope
from benchmarks.panels import Line, Panel, panels
from benchmarks.pause import Pause, sheet, simulated
from benchmarks.simulation import TICK_SECONDS, Kill, shares, simulate, speeds
from benchmarks.sizing import FIGURES, P99_SECONDS, Given, full_hour, late, partitions_for, plan, run, workers_for

TICKS = 240
EVEN = np.full(12, 1 / 12)
PAUSE = Pause(
    alone=6_000,
    speed=5_000,
    rate=2_000,
    waiting=60_000,
    seen=[(0.0, 60_000.0), (25.0, 5_000.0)],
    cpu_seconds=24,
    peak_mb=300,
    load=1,
)
KILL = Kill(at=10, noticed=6, pause=3, restore=2, repeat=0.75)

arrivals = st.lists(st.floats(0, 1e5), min_size=TICKS, max_size=TICKS).map(np.array)
kills = st.builds(
    Kill,
    at=st.floats(0, 50),
    noticed=st.floats(0, 20),
    pause=st.floats(0, 10),
    restore=st.floats(0, 10),
    repeat=st.floats(0, 2),
)


def steady(rate: float) -> np.ndarray:
    return np.full(TICKS, rate * TICK_SECONDS)


# ---- the simulation


@settings(max_examples=60, deadline=None)
@given(arrivals, st.integers(1, 8), st.floats(1, 1e5), st.none() | kills, st.floats(0, 1e6), st.integers(0, 9))
def test_every_event_that_arrived_is_done_or_waits(coming, workers, speed, kill, waiting, seed) -> None:  # type: ignore[no-untyped-def]
    course = simulate(coming, shares(12, 1000, 0.6, 100, seed), speeds(workers, speed, 0.2, seed), kill, waiting)
    assert course.arrived == pytest.approx(coming.sum() + waiting)
    assert course.served + course.waiting == pytest.approx(course.arrived, rel=1e-6, abs=1e-3)
    assert course.served <= (speeds(workers, speed, 0.2, seed).sum() * TICKS * TICK_SECONDS) * (1 + 1e-9)
    # whose lag is known has been done, and what has been done is known but for the tick that is under way in each partition
    assert course.lag.sum() <= course.served * (1 + 1e-6) + 1e-3
    assert course.lag.sum() >= course.served - max(coming.max(), waiting + coming[0]) * (1 + 1e-6) - 1e-3


@given(st.floats(1, 1e6), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_one_worker_at_half_load_never_lags(rate: float, seed: int) -> None:
    course = simulate(steady(rate), shares(12, 1000, 0.6, 100, seed), np.array([2 * rate]))
    assert course.percentile(1.0) == 0
    assert course.caught_up_seconds == 0


@settings(max_examples=40, deadline=None)
@given(arrivals, st.sampled_from([1, 2, 3, 6]), st.floats(100, 1e5), st.integers(0, 9))
def test_twice_the_workers_never_lag_more(coming, workers: int, speed: float, seed: int) -> None:  # type: ignore[no-untyped-def]
    share = shares(12, 1000, 0.6, 100, seed)
    few, many = (simulate(coming, share, np.full(number, speed)) for number in (workers, 2 * workers))
    for part in (0.5, 0.9, 0.99, 1.0):
        assert many.percentile(part) <= few.percentile(part)
    assert (many.behind <= few.behind * (1 + 1e-9) + 1e-3).all()


def test_more_workers_than_partitions_help_nobody() -> None:
    twelve, many = (simulate(steady(15_000), EVEN, np.full(number, 1000.0)) for number in (12, 30))
    assert many.waiting == pytest.approx(twelve.waiting)
    assert many.waiting == pytest.approx(3_000 * TICKS * TICK_SECONDS)


def test_a_backlog_is_gone_after_what_waits_by_what_is_spare() -> None:
    course = simulate(steady(1_000), EVEN, np.array([3_000.0]), waiting=20_000)
    assert course.caught_up_seconds == pytest.approx(20_000 / (3_000 - 1_000), abs=TICK_SECONDS)
    assert course.percentile(1.0) == pytest.approx(20_000 / 3_000, abs=TICK_SECONDS)


def test_after_a_death_its_events_wait_for_notice_rebalance_and_restore() -> None:
    course = simulate(steady(1_000), EVEN, np.full(6, 1_000.0), KILL)
    assert course.waiting == pytest.approx(0, abs=1e-6)
    # one partition each to two heirs: 2 s of restore, and what is done again of 83 events/s
    stood = KILL.noticed + KILL.pause + KILL.restore + KILL.repeat * (1_000 / 12) / 1_000
    assert course.percentile(1.0) == pytest.approx(stood, abs=2 * TICK_SECONDS)
    assert stood <= course.caught_up_seconds <= stood * 1.5


def test_until_a_death_is_noticed_the_others_go_on() -> None:
    short, long = (simulate(steady(1_000), EVEN, np.full(6, 1_000.0), replace(KILL, noticed=n)) for n in (0, 20))
    at = round((KILL.at + 15) / TICK_SECONDS)
    # twenty seconds on, a sixth of the partitions stand still and no more
    assert long.behind[at] == pytest.approx(1_000 / 6 * (15 + TICK_SECONDS))
    assert short.behind[at] < long.behind[at]


def test_a_lone_worker_is_started_again_and_restores_everything() -> None:
    course = simulate(steady(100), EVEN, np.array([10_000.0]), KILL)
    assert course.percentile(1.0) == pytest.approx(6 + 3 + 12 * 2, abs=1)


def test_the_same_seed_gives_the_same_course_and_another_one_does_not() -> None:
    def course(seed: int) -> tuple[float, ...]:
        found = simulate(steady(9_000), shares(24, 1000, 0.6, 100, seed), speeds(9, 1000, 0.2, seed), KILL)
        return found.served, found.waiting, *found.behind, *found.lag

    assert course(1) == course(1)
    assert course(1) != course(2)


@given(st.integers(1, 64), st.integers(1, 3_000_000), st.floats(0, 0.9), st.floats(1, 1000), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_shares_are_one_in_all(partitions: int, buyers: int, exponent: float, most: float, seed: int) -> None:
    found = shares(partitions, buyers, exponent, most, seed)
    assert len(found) == partitions
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()


def test_no_buyer_has_more_than_the_most() -> None:
    wild, tame = (shares(1000, 2_000_000, 0.8, most, 3).max() * 1000 for most in (1e9, 20))
    assert wild > 5  # times an even share
    assert tame < 1.5


# ---- how many a rate takes


def test_what_is_given_goes_before_what_was_measured_and_that_before_what_stands() -> None:
    runs = [{"records": 30_000, "cpu_seconds": 3.0}]
    measured = {"date": "2026-01-02", "throughput": {"one worker, every rule on": runs}}
    assert Given().worker_rate == FIGURES["worker_rate"].value
    assert Given(measured).worker_rate == 10_000
    assert Given(measured).origins["worker_rate"] == "measured 2026-01-02"
    assert Given(measured, {"worker_rate": 5.0}).worker_rate == 5
    # what has not been run is not there
    assert Given(measured).restore_rate == Given().restore_rate


def test_memory_and_restore_are_those_of_a_worker_that_reads_its_state_from_kafka() -> None:
    held = {"local copy kept": [150.0], "local copy lost": [300.0, 210.0, 200.0]}
    recovery = {"facts": 1_000, "idle_mb": 10, "held_mb": held, "cpu_seconds": {"local copy lost": [1.0, 4.0, 9.0]}}
    found = Given({"date": "2026-01-02", "recovery": recovery})
    assert found.memory_bytes == 200_000
    assert found.restore_rate == 250


def test_workers_are_as_many_as_keep_up_and_no_more() -> None:
    figures = Given(None, {"worker_rate": 2_000, "crowd": 2, "worker_spread": 0.1})
    partitions = partitions_for(6)
    found = workers_for(6_000, partitions, figures)
    assert late(run(6_000, partitions, found, figures), figures) < P99_SECONDS
    assert late(run(6_000, partitions, found - 1, figures), figures) >= P99_SECONDS
    with pytest.raises(ValueError, match="too few"):
        workers_for(60_000, partitions, figures)


def test_half_the_horizon_takes_half_the_memory() -> None:
    # without a sale's days in it, all days are alike
    whole, half = (
        plan(1_000, Given(None, {"sale_days": 0, "ordinary": 1, "horizon_days": days, "memory_bytes": 1e4}))
        for days in (30, 15)
    )
    assert whole.facts == pytest.approx(2 * half.facts)
    assert whole.by_memory == pytest.approx(2 * half.by_memory, abs=1)
    assert whole.workers == half.workers


def test_the_hour_brings_the_height_at_once_and_it_ebbs_away() -> None:
    course = full_hour(1_000, Given()) / TICK_SECONDS
    assert course.max() == pytest.approx(1_000)
    at = int(course.argmax())
    assert course[at - 1] == pytest.approx(600)
    assert 600 < course[-1] < 1_000
    assert (np.diff(course[at:]) < 0).all()


def test_the_simulated_pause_is_the_sum() -> None:
    assert PAUSE.caught_up_seconds == 25
    assert simulated(PAUSE).caught_up_seconds == pytest.approx(54_000 / 3_000, abs=2 * TICK_SECONDS)


def test_several_pauses_are_shown_by_their_median_least_and_most() -> None:
    runs = [
        replace(PAUSE, seen=[(21.0, 0.0)], waiting=50_000.0),
        replace(PAUSE, speed=2_500.0),
        replace(PAUSE, seen=[(33.0, 0.0)], waiting=80_000.0, peak_mb=500.0, speed=7_000.0),
    ]
    rows = {row[0]: row[1:] for row in sheet(runs, "").rows}
    assert rows["until a tenth of them is left, s"] == ("25.0", "21.0", "33.0")
    assert rows["cores that the worker keeps busy until a twentieth is"] == ("0.96", "0.73", "1.14")
    assert rows["its most memory, MB"] == ("300", "300", "500")
    measured = {"pause": [asdict(run) for run in runs], "shown": {"pause": {"date": "today", "machine": "here"}}}
    text, _ = page(measured, Given(), [plan(1_000, Given())])
    assert "A tenth of that was left after 25.0 (21.0–33.0) s." in text
    # what the run in the middle has to read, 54 000, at the medians of all: 5 000 - 2 000 and 6 000 - 2 000 events/s, in ticks
    assert "With the median of that the simulation says 18.2 s, with that of the speed alone 13.8." in text
    assert (
        "The simulation takes 18.2 s until a tenth is left with the median of the second speed" in sheet(runs, "").note
    )


# ---- growth


@given(st.floats(-3, 3), st.floats(0.01, 1e6), st.integers(2, 9))
def test_a_slope_is_the_power(power: float, factor: float, points: int) -> None:
    xs = [3.0 * 2**number for number in range(points)]
    assert slope(xs, [factor * x**power for x in xs]) == pytest.approx(power, abs=1e-6)


def test_a_slope_takes_two_sizes() -> None:
    with pytest.raises(ValueError, match="two different"):
        slope([5, 5], [1, 2])


def test_days_bring_new_buyers_and_new_facts_at_the_same_time_of_the_day() -> None:
    events = list(events_of(World(buyers=10, days=3, hours=4)))
    ids = {(event["source"], event["id"]) for event in events}
    assert len(ids) == len(events)
    days = [{event["time"][:10] for event in events if event["id"].endswith(f"-{day}")} for day in range(3)]
    assert [max(found) for found in days] == ["2025-11-11", "2025-11-12", "2025-11-13"]
    suffixes = {event["data"]["buyer_id"].rpartition("-")[2] for event in events}
    assert suffixes == {"0", "1", "2"}


def test_merged_journeys_are_the_same_events_of_fewer_buyers() -> None:
    many, few = (list(events_of(World(buyers=64, journeys=journeys))) for journeys in (1, 16))
    assert [event["id"] for event in many] == [event["id"] for event in few]
    assert len({event["data"]["buyer_id"] for event in few}) == 64 // 16


def test_a_run_of_the_core_keeps_every_event_of_every_partition() -> None:
    records = list(islice(incoming(World(buyers=60, partitions=5)), 1_000))
    flushed, cores = run_core(records, 5, 100)
    assert sum(core.facts for core in cores) == len(records)
    assert {core.number for core in cores if core.buyers} == {record.partition for record in records}
    assert flushed.records > 0 < flushed.state_bytes


def test_a_power_is_a_straight_line_on_logarithmic_axes() -> None:
    points = [(float(x), 3 * float(x) ** 2) for x in (10, 100, 1_000, 10_000)]
    drawn = ElementTree.fromstring(panels("a < b", [Panel("t", "x", "y", [Line("l", points)])]))
    (line,) = drawn.iter("{http://www.w3.org/2000/svg}polyline")
    places = [tuple(map(float, place.split(","))) for place in line.attrib["points"].split()]
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(places)]
    for across, up in steps:
        assert (across, up) == (pytest.approx(steps[0][0], abs=0.2), pytest.approx(steps[0][1], abs=0.2))
    assert steps[0][0] > 0 > steps[0][1]
    assert not math.isnan(sum(map(sum, places)))
