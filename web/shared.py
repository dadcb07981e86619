"""What many viewers look at is read once for all of them: the wallboard's boards and the stream's leaderboards."""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from sinks.database import DatabaseError, DatabaseUnavailableError
from web import metrics
from web.parts import HOUR_MS, Parts

T = TypeVar("T")
V = TypeVar("V")
Key = tuple[int | None, str | None]
"""(hour in ms or None for now, shop or None for all)"""

KEPT: Final = 32
KEPT_MS: Final = 4_000
"""Tasks fall overdue by the clock alone."""
RESTS: Final = 2.0
"""times as long as a reading took: under load the readings would otherwise take a core from the rows that they wait for"""
LONGEST_REST_SECONDS: Final = 0.5


class _Read(NamedTuple, Generic[T]):
    version: int
    at_ms: int
    value: T
    rested_at: float
    """of the loop's clock: not before then is it read anew"""


class Shared(Generic[T]):
    """Answers of `read` by hour and shop, each as of a version of `parts.live`."""

    def __init__(self, parts: Parts, read: Callable[[int | None, str | None], T]) -> None:
        self._parts = parts
        self._read = read
        self._kept: dict[Key, _Read[T]] = {}
        self._failed: dict[Key, Exception] = {}
        self._locks: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def get(self, hour_ms: int | None, shop_id: str | None, version: int) -> T:
        """The answer as of `version` or newer. Raises DatabaseError or DatabaseUnavailableError."""
        key, clock = (hour_ms, shop_id), asyncio.get_running_loop().time
        failed_before = self._failed.get(key)
        async with self._locks.setdefault(key, asyncio.Lock()):
            kept = self._kept.get(key)
            if kept is not None and kept.version >= version and self._fresh(kept.at_ms):
                return kept.value
            failed = self._failed.get(key)
            if failed is not None and failed is not failed_before:
                raise failed  # somebody else has just tried: with the database down, nobody queues up behind time-outs
            if kept is not None:
                await asyncio.sleep(kept.rested_at - clock())
            at_ms, current, began = self._parts.now_ms(), self._parts.live.version, clock()
            try:
                with metrics.BOARD_SECONDS.time():
                    value = await self._parts.call(self._read, hour_ms, shop_id)
            except (DatabaseError, DatabaseUnavailableError) as error:
                self._keep(self._failed, key, error)
                raise
            self._failed.pop(key, None)
            rest = min(RESTS * (clock() - began), LONGEST_REST_SECONDS)
            self._keep(self._kept, key, _Read(current, at_ms, value, clock() + rest))
            return value

    def last(self, hour_ms: int | None, shop_id: str | None) -> T | None:
        """The answer that was read last, however old."""
        kept = self._kept.get((hour_ms, shop_id))
        return None if kept is None else kept.value

    def _fresh(self, at_ms: int) -> bool:
        """For a few seconds, and no longer than the clock's hour."""
        now = self._parts.now_ms()
        return now // HOUR_MS == at_ms // HOUR_MS and now - at_ms < KEPT_MS

    @staticmethod
    def _keep(store: dict[Key, V], key: Key, value: V) -> None:
        """As the newest of a bounded number."""
        store.pop(key, None)
        store[key] = value
        while len(store) > KEPT:
            store.pop(next(iter(store)))
