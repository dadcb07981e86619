"""Buyers who wait now: the thresholds of 爆旺, whom they wait for, who has left."""

from hypothesis import given
from hypothesis import strategies as st

from processors.ruleset import default_book
from processors.ruleset_model import Overload
from processors.waiting import UnansweredBuyer, gave_up, waiting_in

LIMITS = Overload(waiting_buyers=5, warning_buyers=3, agent_buyers=2, waiting_minutes=10)
NOW, HOUR, LIMIT = 1_000_000_000, 3_600_000, 600_000


def buyer(agent_id: str, since: int, newest: int | None = None, day_ends: int = NOW + HOUR) -> UnansweredBuyer:
    return UnansweredBuyer(agent_id, since, since if newest is None else newest, day_ends)


BUYERS = st.lists(
    st.builds(
        lambda agent_id, since, more, day_ends: buyer(agent_id, since, min(since + more, NOW), day_ends),
        st.sampled_from("abc"),
        st.integers(NOW - 3 * HOUR, NOW),
        st.integers(0, 2 * LIMIT),
        st.sampled_from([NOW - HOUR // 2, NOW + HOUR]),
    ),
    max_size=12,
)


def crowd(count: int, agent_id: str = "a") -> list[UnansweredBuyer]:
    return [buyer(agent_id, NOW - 1000 * (number + 1)) for number in range(count)]


def test_a_threshold_is_passed_above_it() -> None:
    levels = [waiting_in(crowd(count), NOW, LIMITS).level for count in range(7)]
    assert levels == ["ok"] * 4 + ["busy"] * 2 + ["overload"]
    assert [waiting_in(crowd(count), NOW, LIMITS).agents[0].is_overloaded for count in (1, 2, 3)] == [
        False,
        False,
        True,
    ]


def test_nobody_waits() -> None:
    assert waiting_in([], NOW, LIMITS) == (0, None, "ok", ())


def test_who_has_waited_too_long_has_left() -> None:
    waits = [buyer("a", NOW - LIMIT), buyer("a", NOW - LIMIT + 1), buyer("a", NOW + 1)]
    assert waiting_in(waits, NOW, LIMITS)[:2] == (1, LIMIT - 1)


def test_who_turned_to_somebody_else_meanwhile_still_waits_and_since_the_first() -> None:
    assert waiting_in([buyer("b", NOW - 2 * LIMIT, NOW - 1000)], NOW, LIMITS)[:2] == (1, 2 * LIMIT)


def test_the_packaged_ruleset_warns_before_it_calls_it_an_overload() -> None:
    limits = default_book().at("any", NOW).overload
    assert (limits.waiting_buyers, limits.warning_buyers < limits.waiting_buyers) == (500, True)


@given(BUYERS, st.randoms(use_true_random=False))
def test_every_buyer_waits_for_one_agent_whatever_the_order(buyers: list[UnansweredBuyer], dice: object) -> None:
    found = waiting_in(buyers, NOW, LIMITS)
    assert found.buyers == sum(agent.buyers for agent in found.agents) <= len(buyers)
    assert found.longest_ms == max((agent.longest_ms for agent in found.agents), default=None)
    assert [agent.buyers for agent in found.agents] == sorted((agent.buyers for agent in found.agents), reverse=True)
    shuffled = list(buyers)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert waiting_in(shuffled, NOW, LIMITS) == found


def test_who_gets_no_answer_gives_up_at_the_limit_or_at_midnight() -> None:
    waits = [buyer("a", NOW - LIMIT), buyer("a", NOW - LIMIT + 1), buyer("a", NOW - 90_000, day_ends=NOW - 60_000)]
    assert [gave_up([one], NOW - HOUR, NOW, LIMITS) for one in waits] == [1, 0, 1]
    before = [buyer("a", NOW - HOUR - LIMIT), buyer("a", NOW - HOUR - LIMIT - 1)]
    assert [gave_up([one], NOW - HOUR, NOW, LIMITS) for one in before] == [1, 0]


@given(BUYERS, st.integers(1, 90))
def test_every_buyer_without_an_answer_waits_or_has_given_up_in_one_hour(
    buyers: list[UnansweredBuyer], minutes: int
) -> None:
    limits = Overload(waiting_buyers=5, warning_buyers=3, agent_buyers=2, waiting_minutes=minutes)
    hours = [(NOW - back * HOUR + 1, NOW - (back - 1) * HOUR) for back in range(1, 5)]
    left = sum(gave_up(buyers, start, end, limits) for start, end in hours)
    assert left + waiting_in(buyers, NOW, limits).buyers == len(buyers)
