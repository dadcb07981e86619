"""Cores made from local copies before there is an assignment."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from processors.state import buyer_of, encode_key
from schemas.settings import Settings
from streams.early import EarlyCores
from streams.shards import Shards
from streams.state import LocalCopy, State


def copies(directory: Path, monkeypatch: pytest.MonkeyPatch, *numbers: int) -> LocalCopy:
    """Of each partition one, every one a minute younger than the one before."""
    copy, now = LocalCopy(directory), time.time()
    for at, number in enumerate(numbers):
        monkeypatch.setattr(time, "time", lambda at=at: now - 600 + 60 * at)
        copy.store(number, [(b"k-%d" % number, b"v")], number)
    monkeypatch.undo()
    copy.keep_only(())
    return copy


class Builds:
    """Notes what is built; stays at partition `held` until it is cancelled, and fails at `bad`."""

    def __init__(self, held: int = -1, bad: int = -1) -> None:
        self.held, self.bad = held, bad
        self.begun: list[int] = []

    async def __call__(self, number: int, state: State) -> Any:
        self.begun.append(number)
        if number == self.held:
            await asyncio.Event().wait()
        if number == self.bad:
            raise ValueError(number)
        return SimpleNamespace(state=state)


async def made(early: EarlyCores, builds: Builds, count: int) -> None:
    early.begin(lambda: True)
    async with asyncio.timeout(20):
        while len(builds.begun) < count:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)


async def test_those_held_last_come_first_and_others_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, builds = copies(tmp_path, monkeypatch, 2, 0, 1), Builds()
    early = EarlyCores(copy, builds)
    await made(early, builds, 3)
    assert builds.begun == [1, 0, 2]
    await early.end({0, 2, 5})
    assert early.marks == {number: copy.mark(number) for number in (0, 2)}
    core: Any = early.take(2)
    assert core.state == {b"k-2": b"v"}
    assert set(early.marks) == {0}
    copy.keep_only(())


async def test_what_was_handed_over_long_ago_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy, builds = copies(tmp_path, monkeypatch, 0, 1), Builds()
    monkeypatch.setattr(time, "time", lambda now=time.time(): now - 3 * 3600)
    copy.store(2, [(b"k-2", b"v")], 2)
    monkeypatch.undo()
    copy.keep_only(())
    early = EarlyCores(copy, builds)
    await made(early, builds, 2)
    assert copy.mark(2) is not None  # of use for a restore
    await early.end({0, 1, 2})
    assert builds.begun == [1, 0]
    copy.keep_only(())


async def test_an_assignment_in_the_middle_of_one_leaves_those_that_are_made_and_no_copy_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, builds = copies(tmp_path, monkeypatch, 0, 1, 2), Builds(held=1)
    early = EarlyCores(copy, builds)
    await made(early, builds, 2)
    other = LocalCopy(tmp_path)
    assert all(other.mark(number) for number in range(3))  # while it is built from, too
    other.keep_only(())
    await early.end({0, 1, 2})
    assert set(early.marks) == {2}
    await early.end({0, 1, 2})
    assert builds.begun == [2, 1]


async def test_a_core_that_can_not_be_made_is_told_and_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, builds = copies(tmp_path, monkeypatch, 0, 1), Builds(bad=0)
    early = EarlyCores(copy, builds)
    await made(early, builds, 2)
    await early.end({0, 1})
    assert set(early.marks) == {1}
    assert "no_early_core" in capsys.readouterr().out


async def test_nothing_is_made_before_it_may_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builds = Builds()
    early = EarlyCores(copies(tmp_path, monkeypatch, 0), builds)
    early.begin(lambda: False)
    await asyncio.sleep(0.12)
    await early.end({0})
    assert builds.begun == []


async def test_a_restore_comes_in_parts_and_never_parts_a_buyer() -> None:
    parts: list[list[tuple[bytes, bytes]]] = []
    core: Any = SimpleNamespace(restore=parts.append)
    shards = Shards(Settings(), lambda number, writer: core, cast(Any, None), LocalCopy(None), lambda: True)
    records = [(encode_key("s", f"b-{at % 9}", f"1.{at}", b"w"), b"v") for at in range(2000)]
    await shards.build(0, dict(records))
    assert len(parts) > 1
    assert sorted(record for part in parts for record in part) == sorted(records)
    buyers = [{buyer_of(key) for key, _ in part} for part in parts]
    assert sum(len(of) for of in buyers) == 9
