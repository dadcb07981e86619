"""Who waits for new rows is told here: server-sent events and the wallboard both push from it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from sinks.database import DatabaseError, DatabaseUnavailableError

POLL_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 0.2
"""Several tables arrive in one go; a push waits this long for the rest."""


class Live:
    """A version number that goes up when rows arrive, and a way to wait for that.

    `rows_arrived` is called by the sink of this process. Where the sink is another process, `run` polls a cheap
    fingerprint of the tables, once a second and only while somebody waits.
    """

    def __init__(self, fingerprint: Callable[[], Awaitable[str]]) -> None:
        self._fingerprint = fingerprint
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._waiters = 0
        self._settling: asyncio.TimerHandle | None = None
        self.version = 0

    def rows_arrived(self, tables: object = None) -> None:
        """Rows were inserted. May be called from any thread, also before and after the loop runs."""
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # the loop may close in between
                self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if self._settling is None and self._loop is not None:
            self._settling = self._loop.call_later(SETTLE_SECONDS, self.bump)

    def bump(self) -> None:
        """Wake everybody who waits. Only in the loop's thread."""
        self._settling = None
        self.version += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changed(self, since: int, timeout_seconds: float) -> int:
        """The version as soon as it is above `since`, or whatever it is after the timeout."""
        if self.version <= since:
            self._waiters += 1
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._changed.wait()
            except TimeoutError:
                pass
            finally:
                self._waiters -= 1
        return self.version

    async def run(self) -> None:
        """Poll until cancelled."""
        self._loop = asyncio.get_running_loop()
        last = ""
        while True:
            if self._waiters:
                try:
                    now = await self._fingerprint()
                except (DatabaseError, DatabaseUnavailableError):
                    now = "down"  # going down and coming back are news too
                if now != last:
                    last = now
                    self.bump()
            await asyncio.sleep(POLL_SECONDS)
