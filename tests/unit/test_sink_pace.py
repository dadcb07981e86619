"""When the sink inserts and when it rests, moment by moment."""

import pytest

from sinks.pace import BUSY_SECONDS, FRESH_POLLS, MANY_RECORDS, REST_SECONDS, Pace

BATCH_SECONDS = 0.25


def inserted(took: float, batch_seconds: float = BATCH_SECONDS) -> Pace:
    """After an insert that began at 0, and as many polls as bring what is new."""
    pace = Pace(batch_seconds, 0)
    pace.inserted(0, took)
    for _ in range(FRESH_POLLS):
        pace.polled(1)
    return pace


@pytest.mark.parametrize(
    ("took", "due"), [(0, BATCH_SECONDS), (0.1, BATCH_SECONDS), (0.2, 0.4), (0.3, BUSY_SECONDS), (60, BUSY_SECONDS)]
)
def test_the_slower_an_insert_was_the_later_the_next_within_bounds(took: float, due: float) -> None:
    assert not inserted(took).inserts(due - 0.01)
    assert inserted(took).inserts(due)


def test_what_is_set_beyond_the_bounds_counts() -> None:
    assert not inserted(0.2, batch_seconds=9).inserts(8.99)
    assert inserted(0.2, batch_seconds=9).inserts(9)


def test_an_insert_waits_for_what_has_come_since_the_last_rest_or_insert() -> None:
    pace = inserted(0)
    assert pace.rest(0.1) == pytest.approx(BATCH_SECONDS - 0.1)
    pace.polled(1)
    assert not pace.inserts(BATCH_SECONDS)
    pace.polled(1)
    assert pace.inserts(BATCH_SECONDS)
    pace.inserted(1, 1)
    pace.polled(1)
    assert not pace.inserts(2)
    pace.polled(0)  # nothing more is there
    assert pace.inserts(2)


@pytest.mark.parametrize(("found", "rests"), [(0, False), (1, True), (MANY_RECORDS - 1, True), (MANY_RECORDS, False)])
def test_a_rest_follows_few_records_neither_none_nor_many(found: int, rests: bool) -> None:
    pace = Pace(BATCH_SECONDS, 0)
    pace.polled(found)
    assert (pace.rest(0) > 0) is rests


def test_a_rest_ends_with_the_next_insert_and_is_never_long() -> None:
    assert inserted(0).rest(BATCH_SECONDS) == 0
    assert inserted(0, batch_seconds=60).rest(1) == REST_SECONDS
