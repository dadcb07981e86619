"""Counts of the QC queue: each filter's counts are what choosing another value would give."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from web.qc import QueueCounts, count_facets

FACETS = ("rule", "severity", "agent_id", "team", "qc_status")
VALUES = {facet: [f"{facet}-{number}" for number in range(3)] for facet in FACETS}
FLAGS = st.lists(st.fixed_dictionaries({facet: st.sampled_from(values) for facet, values in VALUES.items()}))
CHOICES = st.fixed_dictionaries({}, optional={facet: st.sampled_from(values) for facet, values in VALUES.items()})


@given(FLAGS, CHOICES)
def test_a_facet_counts_what_each_of_its_values_would_select(flags: list[dict[str, str]], chosen: Any) -> None:
    def selected(choice: dict[str, str]) -> int:
        return sum(all(flag[facet] == value for facet, value in choice.items()) for flag in flags)

    counts = count_facets([{**flag, "count": 1} for flag in flags], chosen, QueueCounts)
    assert counts.total == selected(chosen)
    for facet in FACETS:
        for value in VALUES[facet]:
            assert getattr(counts, facet).get(value, 0) == selected(chosen | {facet: value})
        assert all(getattr(counts, facet).values())


@given(FLAGS)
def test_equal_flags_may_come_summed(flags: list[dict[str, str]]) -> None:
    doubled = count_facets([{**flag, "count": 2} for flag in flags], {}, QueueCounts)
    assert doubled == count_facets([{**flag, "count": 1} for flag in [*flags, *flags]], {}, QueueCounts)
