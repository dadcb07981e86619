"""What is inserted and not known to be committed: nothing is forgotten, nothing goes back, and nobody is pestered."""

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sinks.batch import Position
from sinks.uncommitted import FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS, QUIET_SECONDS, Uncommitted

A, B, C = POSITIONS = [("t", number) for number in range(3)]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_is_committed_is_forgotten_and_what_came_since_is_not() -> None:
    left = Uncommitted(Clock())
    assert left.due() == {}
    left.add({A: 5, B: 7})
    assert left.due() == {A: 5, B: 7}
    left.add({A: 6})
    assert not left.succeeded({A: 5, B: 7})
    assert left.due() == {A: 6}
    left.succeeded({A: 6})
    assert left.attempt() == {}


def test_a_log_that_was_made_anew_counts_from_its_start() -> None:
    left = Uncommitted(Clock())
    left.add({A: 100})
    left.add({A: 3})
    assert left.attempt() == {A: 3}


def test_nothing_is_due_while_an_answer_may_be_on_its_way() -> None:
    left = Uncommitted(clock := Clock())
    left.add({A: 5})
    assert left.attempt() == {A: 5}
    assert left.due() == {}
    clock.now += FIRST_WAIT_SECONDS
    assert left.due() == {A: 5}
    left.succeeded({A: 5})
    left.add({A: 6})
    assert left.due() == {A: 6}


def test_a_broker_that_is_away_is_asked_less_and_less_and_spoken_of_now_and_then() -> None:
    left = Uncommitted(clock := Clock())
    left.add({A: 5})
    asked, said = [], []
    while clock.now < 1000 + 3 * QUIET_SECONDS - 1:
        if offsets := left.due():
            asked.append(clock.now)
            if left.failed(offsets):
                said.append(clock.now)
        left.add({B: int(clock.now)})  # what comes meanwhile waits for its turn as well
        clock.now += 0.1
    gaps = [after - before for before, after in pairwise(asked)]
    assert FIRST_WAIT_SECONDS - 0.1 < gaps[0] < gaps[1] < gaps[2] < gaps[-1] < MAX_WAIT_SECONDS + 0.2
    assert len(said) == 3
    clock.now += MAX_WAIT_SECONDS
    assert left.succeeded(left.due())
    left.add({A: 6})
    assert not left.succeeded(left.due())


def test_a_failure_that_is_made_good_already_counts_for_nothing() -> None:
    left = Uncommitted(Clock())
    left.add({A: 5})
    first = left.attempt()
    left.succeeded(left.attempt())
    assert not left.failed(first)
    left.add({A: 6})
    assert left.due() == {A: 6}


def test_after_a_rebalance_only_what_stayed_and_soon() -> None:
    left = Uncommitted(clock := Clock())
    left.add({A: 5, B: 7})
    for _ in range(20):
        left.failed(left.attempt())
    left.keep({B, C})
    clock.now += FIRST_WAIT_SECONDS
    assert left.due() == {B: 7}
    left.keep(())
    assert left.attempt() == {}


@dataclass
class Member:
    """A sink as far as offsets go."""

    clock: Clock
    places: dict[Position, int] = field(default_factory=dict)
    left: Uncommitted = field(init=False)

    def __post_init__(self) -> None:
        self.left = Uncommitted(self.clock)


outcomes = st.sampled_from(["answered", "refused", "answer lost"])
owners = st.fixed_dictionaries(dict.fromkeys(POSITIONS, st.integers(0, 1)))
steps = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 1), st.sets(st.sampled_from(POSITIONS))),
    st.tuples(st.just("commit"), st.integers(0, 1), outcomes),
    st.tuples(st.just("rebalance"), owners, st.tuples(outcomes, outcomes), st.sets(st.integers(0, 1)), st.booleans()),
)


@given(owners, st.lists(steps, max_size=60))
def test_a_group_comes_as_far_as_its_sinks_and_never_goes_back(first: dict[Position, int], moves: list[tuple]) -> None:  # type: ignore[type-arg]
    clock = Clock()
    members = [Member(clock), Member(clock)]
    inserted, committed = dict.fromkeys(POSITIONS, 0), dict.fromkeys(POSITIONS, 0)

    def write(offsets: dict[Position, int], outcome: str) -> None:
        for position, offset in offsets.items() if outcome != "refused" else ():
            assert committed[position] <= offset <= inserted[position]
            committed[position] = offset

    def tell(member: Member, offsets: dict[Position, int], outcome: str) -> None:
        (member.left.succeeded if outcome == "answered" else member.left.failed)(offsets)

    def assign(owner: dict[Position, int]) -> None:
        for number, member in enumerate(members):
            mine = {position for position, owns in owner.items() if owns == number}
            member.places = {position: member.places.get(position, committed[position]) for position in mine}
            member.left.keep(mine)

    assign(first)
    for move in moves:
        clock.now += 0.3
        match move:
            case ("insert", number, positions):
                member = members[number]
                for position in positions & member.places.keys():
                    member.places[position] += 1
                    inserted[position] = max(inserted[position], member.places[position])
                    member.left.add({position: member.places[position]})
            case ("commit", number, outcome):
                if offsets := members[number].left.due():
                    write(offsets, outcome)
                    tell(members[number], offsets, outcome)
            case ("rebalance", owner, outcome_of, put_out, late):
                told = []
                for number, member in enumerate(members):
                    if number in put_out:
                        member.places = {}
                        member.left.keep(())
                    else:
                        offsets = member.left.attempt()
                        write(offsets, outcome_of[number])
                        told.append((member, offsets, outcome_of[number]))
                if late:
                    assign(owner)
                for answer in told:
                    tell(*answer)
                if not late:
                    assign(owner)
    clock.now += MAX_WAIT_SECONDS
    for member in members:
        write(offsets := member.left.due(), "answered")
        tell(member, offsets, "answered")
        assert member.places == {position: committed[position] for position in member.places}
