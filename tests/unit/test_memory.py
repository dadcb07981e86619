"""The garbage collector and the facts: what is old is never looked at, and garbage is not kept by it."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from streams.memory import OldObjects


class Node:
    """Part of a cycle."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def own_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()  # else Python might collect between two lines
    yield
    gc.unfreeze()
    gc.enable()


def test_objects_are_frozen_when_many_facts_have_come_and_not_before() -> None:
    old = OldObjects()
    frozen = gc.get_freeze_count()
    old.grown(49_999)
    assert gc.get_freeze_count() == frozen
    living = [[] for _ in range(1000)]
    old.grown(50_000)
    assert gc.get_freeze_count() >= frozen + len(living)
    frozen = gc.get_freeze_count()
    living += [[] for _ in range(1000)]
    old.grown(99_999)
    assert gc.get_freeze_count() <= frozen


def test_facts_that_went_to_another_worker_are_not_waited_for() -> None:
    old = OldObjects()
    old.grown(200_000)
    old.grown(10_000)
    frozen = gc.get_freeze_count()
    living = [[] for _ in range(1000)]
    old.grown(60_000)
    assert gc.get_freeze_count() >= frozen + len(living)


def test_garbage_that_had_a_minute_to_gather_is_collected_before_the_freeze() -> None:
    now = 0.0
    old = OldObjects(lambda: now)
    garbage = weakref.ref(Node())
    assert garbage() is not None
    now = 61.0
    old.grown(50_000)
    assert garbage() is None


def test_a_restore_is_not_interrupted_by_a_collection_and_its_objects_are_frozen() -> None:
    gc.enable()
    old = OldObjects()
    with old.growing():
        assert not gc.isenabled()
        frozen = gc.get_freeze_count()
        living = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + len(living)
