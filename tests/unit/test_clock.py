"""The clock that never goes back."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sinks.clock import SteadyClock

HOUR_NS = 3_600_000_000_000
passing = st.integers(0, 100_000_000_000)
steps = st.one_of(st.just(0), st.integers(-48 * HOUR_NS, 48 * HOUR_NS))


@given(st.lists(st.tuples(passing, steps), max_size=30))
def test_never_back_never_behind_and_as_fast_as_time(moments: list[tuple[int, int]]) -> None:
    wall, monotonic = 10_000 * HOUR_NS, 5 * HOUR_NS
    clock = SteadyClock(lambda: wall, lambda: monotonic)
    began, highest_step, step = wall - monotonic, 0, 0
    shown = [clock.now_ms()]
    for passed, stepped in moments:
        wall += passed + stepped
        monotonic += passed
        step += stepped
        highest_step = max(highest_step, step)
        shown.append(clock.now_ms())
        assert shown[-1] >= wall // 1_000_000
        assert shown[-1] == (monotonic + began + highest_step) // 1_000_000
    assert all(before <= after for before, after in pairwise(shown))
