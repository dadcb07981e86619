"""What the latency bench takes for a rate that is kept up with, and its load."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.latency import TRIED, highest, keeps_up, load_of_length, mostly

SECONDS = 60.0


def late(*ramp: tuple[float, float]) -> list[float]:
    """Probes ten times a second: over each third, from so late to so late."""
    each = round(SECONDS * 10 / len(ramp))
    return [start + (end - start) * at / each for start, end in ramp for at in range(each)]


def test_a_rate_is_kept_up_with_when_the_last_are_as_late_as_those_before() -> None:
    assert keeps_up(late((0.2, 1.0), (1.0, 1.0), (1.0, 1.0)), SECONDS)
    assert keeps_up(late((0.2, 1.0), (1.0, 1.2), (1.2, 1.4)), SECONDS)


def test_a_rate_is_not_kept_up_with_when_they_are_later_and_later() -> None:
    assert not keeps_up(late((0.2, 1.2), (1.2, 2.2), (2.2, 3.2)), SECONDS)


def test_no_probes_prove_nothing() -> None:
    assert not keeps_up([], SECONDS)


def test_a_load_has_as_many_events_as_were_asked_for() -> None:
    load = load_of_length(30_000, seed=1)
    assert len(load) == 30_000
    assert len({topic for topic, _, _ in load}) > 3


def test_what_does_not_come_is_not_kept_up_with() -> None:
    assert not keeps_up([15.0] * 600, SECONDS)
    assert not keeps_up(late((10.0, 16.0), (16.0, 20.0), (15.0, 15.0)), SECONDS)


def test_what_is_late_all_the_time_is_not_kept_up_with() -> None:
    assert not keeps_up([6.0] * 600, SECONDS)


@given(least=st.integers(0, len(TRIED)))
def test_the_highest_rate_that_is_kept_up_with_is_found_in_few_tries(least: int) -> None:
    asked: list[float] = []

    def found(rate: float) -> float | None:
        asked.append(rate)
        return rate if TRIED.index(rate) >= least else None

    assert highest(TRIED, found) == (TRIED[least] if least < len(TRIED) else None)
    assert len(asked) <= 4


@pytest.mark.parametrize(
    ("runs", "times", "expected", "asked"),
    [
        ("yy", 3, True, 2),
        ("nn", 3, False, 2),
        ("yny", 3, True, 3),
        ("nyn", 3, False, 3),
        ("y", 1, True, 1),
        ("yn", 2, False, 2),
        ("n", 2, False, 1),
    ],
)
def test_a_rate_is_kept_up_with_in_most_of_the_runs(runs: str, times: int, expected: bool, asked: int) -> None:
    answers: Iterator[bool] = iter([run == "y" for run in runs])
    left = []

    def once() -> bool:
        left.append(1)
        return next(answers)

    assert mostly(once, times) is expected
    assert len(left) == asked
