"""On the day on which the rules change, rounds and the windows that they are counted in agree."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from processors.buyer import Buyer
from processors.calendar import calendar
from processors.facts import BUYER, Message
from processors.ruleset import parse_rulesets
from processors.windows import SIZES_MS, windows_of

HOUR = 3_600_000
MIDNIGHT = 1_794_412_800_000  # 2026-11-12T00:00:00+08:00
DAYS = calendar("Asia/Shanghai")
HOURS = st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda hours: hours[0] != hours[1])


@given(
    first=HOURS,
    then=HOURS,
    changed_at=st.integers(1, 23),
    said=st.lists(
        st.tuples(st.integers(0, 2 * 24 * 12 - 1), st.sampled_from("xy"), st.sampled_from([BUYER, "human", "auto"])),
        min_size=1,
        max_size=25,
        unique_by=lambda one: one[0],
    ),
)
def test_a_round_counts_for_the_platform_where_its_windows_do(
    first: tuple[int, int], then: tuple[int, int], changed_at: int, said: list[tuple[int, str, str]]
) -> None:
    versions = (
        f'name: n\nversion: "{number}"\n{since}response: {{platform_hours: ["{hours[0]:02d}:00", "{hours[1]:02d}:00"]}}\n'
        for number, (hours, since) in enumerate(
            [(first, ""), (then, f'effective_from: "2026-11-12T{changed_at:02d}:00:00+08:00"\n')], 1
        )
    )
    buyer = Buyer("s", "b", parse_rulesets("---\n".join(versions)))
    for place, agent_id, mode in said:
        time = MIDNIGHT + place * 300_000
        buyer.add(Message(time, str(place), "t", agent_id, mode, None, None, 0, ()))
    buyer.settle()
    talk = buyer.conversations
    rounds = [record for records in talk.rounds.values() for record in records]
    counted: Counter[tuple[str, int, int]] = Counter()
    for key, share in talk.shares.items():
        for window in windows_of("s", key, DAYS):
            if window.definition == "platform":
                counted[window.agent_id, window.start, window.size_ms] += share.rounds
    wanted: Counter[tuple[str, int, int]] = Counter()
    for record in rounds:
        opening = record.round.opening
        day = DAYS.day_start(opening.time)
        assert record.ruleset == ("n@1" if day == MIDNIGHT else "n@2")
        for size in SIZES_MS if record.in_platform_hours else ():
            wanted[opening.agent_id, DAYS.window_start(opening.time, size), size] += 1
    assert +counted == wanted
