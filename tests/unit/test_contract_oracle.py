"""The processors against an independent oracle of the contract: every file, field by field, on adversarial events."""

import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracle import expected, making, product


def _task_ids():
    """Commands name a task by its id; an id depends on shop, buyer and order alone."""
    scene = making.Scene()
    for shop in making.SHOPS:
        for buyer in making.BUYERS:
            for order in making.ORDERS:
                scene.reviews("11 09:00", 1, order, f"v-{order}", shop=shop, buyer=buyer)
    tasks = product.run(scene.events)["call_tasks"]
    return {(task["shop_id"], task["buyer_id"], task["order_id"]): task["task_id"] for task in tasks}


TASK_IDS = _task_ids()
KINDS = tuple(making.STEPS_OF)
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


def found_in(events):
    return product.differences(product.run(events), expected(events, product.LISTS, making.is_negative, TASK_IDS))


def check_equal(events):
    if found_in(events):
        events = making.smallest(events, found_in)
        pytest.fail("\n".join([*found_in(events), *map(str, events)]), pytrace=False)


def changed(event, random):
    """Another content under the same source and id."""
    data = event["data"]
    if random.random() < 0.3:
        return event | {"time": "2026-11-11T12:00:00Z"}
    if "text" in data:
        return event | {"data": data | {"text": random.choice(making.TEXTS)}}
    if "amount" in data:
        return event | {"data": data | {"amount": random.choice(["1.00", "600.00"])}}
    return event | {"data": data | {"order_id": "o1", "team": "t3", "actor": "li", "ends_at": "2027-01-01T00:00:00Z"}}


def check_order(events, seed):
    """Arrival order and repeats change no byte; of two events with one id either may come first."""
    random = Random(seed)
    events = events + [changed(event, random) for event in events if random.random() < 0.1]
    again = events + random.choices(events, k=random.randrange(len(events) + 1))
    random.shuffle(again)
    first, second = product.replay_lines(product.lines_of(events)), product.replay_lines(product.lines_of(again))
    for name in product.COMPARED:
        assert first[f"{name}.jsonl"] == second[f"{name}.jsonl"], name


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_oracle(kind: str) -> None:
    settings(max_examples=120, derandomize=True, **QUIET)(given(making.scenes(kind, TASK_IDS))(check_equal))()


def test_arrival_order_and_repeats_change_nothing() -> None:
    scenes = making.scenes("anything", TASK_IDS)
    settings(max_examples=80, derandomize=True, **QUIET)(given(scenes, st.integers(0, 2**32))(check_order))()


_phrases = st.sampled_from(sorted({phrase for phrases in product.LISTS.values() for phrase in phrases}))
_pieces = st.builds(
    lambda p, a, b: p[a : len(p) - b], _phrases, st.sampled_from([0, 0, 0, 1]), st.sampled_from([0, 0, 0, 1, 2])
)


def check_phrases(texts):
    """Any text made of pieces of phrases, said to a buyer with an unpaid order."""
    scene = making.Scene()
    for number, pieces in enumerate(texts):
        buyer = f"b{number}"
        scene.places("10 23:30", buyer=buyer)
        scene.says("11 09:00", "".join(pieces), buyer=buyer)
    check_equal(scene.events)


def test_overlapping_phrases_equal_the_oracle() -> None:
    texts = st.lists(st.lists(_pieces, min_size=1, max_size=3), min_size=1, max_size=5)
    settings(max_examples=60, derandomize=True, **QUIET)(given(texts)(check_phrases))()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_oracle_at_length(kind: str) -> None:
    settings(max_examples=1500, **QUIET)(given(making.scenes(kind, TASK_IDS))(check_equal))()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_order_and_phrases_at_length() -> None:
    settings(max_examples=1500, **QUIET)(
        given(making.scenes("anything", TASK_IDS), st.integers(0, 2**32))(check_order)
    )()
    texts = st.lists(st.lists(_pieces, min_size=1, max_size=3), min_size=1, max_size=5)
    settings(max_examples=1000, **QUIET)(given(texts)(check_phrases))()
