"""Several contents under one (source, id) in a replay: one rule for both engines, whatever the order of the lines."""

from collections import defaultdict
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sale_strategies import events

from processors.ruleset import default_book
from replay.disputes import Disputes, identity, precedence, settle
from replay.files import Line
from replay.lines import MAX_RAW_BYTES, MAX_REPLAY_BYTES, event_in, rejected_row
from replay.memory import MemoryReplay
from schemas.events import InvalidEventError

BOOK = default_book()


def lines_of(sale: list[dict[str, Any]]) -> list[Line]:
    return [Line("f", number, orjson.dumps(event)) for number, event in enumerate(sale, 1)]


def sale_event(number: int, targets: object, time: str = "2026-11-11T00:00:00Z") -> dict[str, Any]:
    data = {"shop_id": "s", "sale_event_id": "x", "name": "双11", "targets": targets}
    data |= {"starts_at": "2026-11-11T00:00:00Z", "ends_at": "2026-11-12T00:00:00Z"}
    head = {"specversion": "1.0", "id": f"e-{number}", "source": "t", "type": "sale_event.scheduled", "time": time}
    return {**head, "data": data}


reference = st.builds(sale_event, st.integers(0, 2), st.sampled_from([[], [1], [1.0], [True], {"a": 1}]))
sales = st.lists(events() | reference, min_size=1, max_size=40)


@given(sales)
def test_the_hashes_find_exactly_the_identities_with_several_contents(sale: list[dict[str, Any]]) -> None:
    disputes = Disputes(BOOK)
    contents: dict[Any, set[Any]] = defaultdict(set)
    for line in lines_of(sale):
        event = event_in(line)
        disputes.note(event)
        contents[identity(event)].add(precedence(event, BOOK))
    assert [one in disputes for one in contents] == [len(several) > 1 for several in contents.values()]
    assert bool(disputes) == any(len(several) > 1 for several in contents.values())


@given(sales, st.randoms(use_true_random=False))
def test_without_the_losers_nothing_is_disputed_and_the_results_are_the_same(
    sale: list[dict[str, Any]], dice: Random
) -> None:
    lines = lines_of(sale)
    dice.shuffle(lines)
    settled = settle(lines, lambda _: True, BOOK)
    left = [line for line in lines if line not in settled.losers]
    quiet = Disputes(BOOK)
    for line in left:
        quiet.note(event_in(line))
    assert not quiet
    assert {identity(event_in(line)) for line in left} == {identity(event_in(line)) for line in lines}

    def replayed(given: list[Line]) -> Any:
        run = MemoryReplay(BOOK)
        for line in given:
            run.take(line)
        return run.finish(lambda: iter(given))

    whole, clean = replayed(lines), replayed(left)
    assert whole.results == clean.results
    assert [row["line"] for row in whole.rejected] == sorted(line.number for line in settled.losers)
    assert whole.summary["accepted"] == clean.summary["accepted"]


def test_a_line_that_no_topic_could_hold_is_rejected_by_its_size_and_kept_in_part() -> None:
    line = Line("f", 1, b" " * (MAX_REPLAY_BYTES + 1))
    with pytest.raises(InvalidEventError, match=r"event: has 4000001 bytes, 4000000 at most") as caught:
        event_in(line)
    row = rejected_row(line, caught.value)
    assert len(row["raw"]) == MAX_RAW_BYTES
    assert "raw is cut" in row["error"]
