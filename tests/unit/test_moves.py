"""Rank moves of the last minute."""

from hypothesis import given
from hypothesis import strategies as st

from web.moves import KEPT_HOURS, MINUTE_MS, Moves

A, B, C = {"a": 1}, {"a": 2}, {"a": 3}


def test_places_are_compared_with_those_of_a_minute_ago() -> None:
    moves = Moves()
    assert moves.since("s", 0, 0, A) == {}
    assert moves.since("s", 0, 30_000, B) == A
    assert moves.since("s", 0, 59_999, C) == A
    assert moves.since("s", 0, 90_000, C) == B
    assert moves.since("s", 0, 119_999, C) == C


def test_shops_and_hours_are_apart() -> None:
    moves = Moves()
    moves.since("s", 0, 0, A)
    assert moves.since("t", 0, 1, B) == {}
    assert moves.since("s", 3_600_000, 2, B) == {}
    assert moves.since("s", 0, 3, C) == A


def test_only_so_many_hours_are_kept() -> None:
    moves = Moves()
    for hour in range(KEPT_HOURS + 1):
        moves.since("s", hour, hour, A)
    assert moves.since("s", 0, 99, B) == {}
    assert moves.since("s", KEPT_HOURS, 99, B) == A


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 9)), max_size=40))
def test_what_is_given_is_what_stood_a_minute_ago(steps: list[tuple[int, int]]) -> None:
    moves, now, log = Moves(), 0, []
    for pause, rank in steps:
        now += pause + 1
        places = {"a": rank}
        old = [seen for at, seen in log if at <= now - MINUTE_MS]
        expected = old[-1] if old else log[0][1] if log else {}
        assert moves.since("s", 0, now, places) == expected
        log.append((now, places))
