"""What the latency bench takes for a rate that is kept up with, and its load."""

from benchmarks.latency import keeps_up, load_of_length

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
