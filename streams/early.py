"""Cores made from the local copies while the group has given out no partition yet.

A worker that is started again after its process died waits until the group has given the dead one up: a session timeout,
and the join. Its copies are most likely of the partitions that it is given then, so it takes them in meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final, NamedTuple

import structlog

from streams import metrics
from streams.shards import Core
from streams.state import LocalCopy, Mark, State

log = structlog.get_logger()

_HELD_TOGETHER_SECONDS: Final = 3600.0
"""between the last records of two partitions that a worker held at the same time: a quiet one has few"""


class _Made(NamedTuple):
    core: Core
    mark: Mark


class EarlyCores:
    """What has been made so far. A core is of use as long as its copy ends where it ended then."""

    def __init__(self, copy: LocalCopy, build: Callable[[int, State], Awaitable[Core]]) -> None:
        self._copy = copy
        self._build = build
        self._made: dict[int, _Made] = {}
        self._making: asyncio.Task[None] | None = None

    def begin(self, when: Callable[[], bool]) -> None:
        """Make them in the background, as soon as `when` turns True."""
        self._making = asyncio.create_task(self._make(when))

    async def end(self, wanted: Collection[int] = ()) -> None:
        """Make no more, and drop all but the wanted ones."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)
            self._making = None
        self._made = {number: made for number, made in self._made.items() if number in wanted}

    @property
    def marks(self) -> dict[int, Mark]:
        """Partition -> the end of the copy that its core was made from."""
        return {number: made.mark for number, made in self._made.items()}

    def take(self, number: int) -> Core:
        """Raises KeyError when there is none."""
        return self._made.pop(number).core

    def forget(self) -> None:
        """Drop what nobody took."""
        self._made.clear()

    async def _make(self, when: Callable[[], bool]) -> None:
        try:
            if not self._copy.partitions():
                return
            while not when():
                await asyncio.sleep(0.05)
            for number in self._by_age():
                await self._make_one(number)
                await asyncio.sleep(0)
        except Exception as error:  # whether it is worth a worker, the restore will tell
            log.warning("no_early_core", error=repr(error))

    async def _make_one(self, number: int) -> None:
        """In a frame of its own, which lets go of the copy's bytes before the next are read."""
        loaded = self._copy.load(number)
        self._copy.keep_only(())  # nobody's yet
        if loaded:
            state, mark = loaded
            self._made[number] = _Made(await self._build(number, state), mark)
            metrics.RESTORED.inc(len(state))

    def _by_age(self) -> list[int]:
        """The partitions with copies of use, the newest first, without those that were hardly held when the newest were: making
        what was handed over long ago might take more memory than there is."""
        marks = [(mark.written_at, number) for number in self._copy.partitions() if (mark := self._copy.mark(number))]
        self._copy.keep_only(())
        since = max(marks, default=(0.0, 0))[0] - _HELD_TOGETHER_SECONDS
        return [number for written_at, number in sorted(marks, reverse=True) if written_at >= since]
