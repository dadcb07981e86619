"""Slow answers, which end when nobody waits for them any more."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

import structlog
from fastapi import HTTPException, Request

from sinks.database import DatabaseError, DatabaseUnavailableError

log = structlog.get_logger(__name__)
T = TypeVar("T")

LOOK_SECONDS: Final = 0.2
"""how often somebody who waits for an answer is looked after"""
CLIENT_CLOSED_REQUEST: Final = 499


class Wanted(Generic[T]):
    """Work on a thread, for the requests that wait for it. `stop`, awaited, ends it once it has begun."""

    def __init__(self, work: Future[T], stop: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._stop = stop
        self._requests: list[Request] = []
        self.gone = False
        """nobody waited any more, so there will be no answer"""
        self._watched = asyncio.create_task(self._watch())
        self._watched.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def answer(self, request: Request) -> T:
        """What came of it. Raises what the work raises, and HTTPException 499 when nobody waited any more."""
        self._requests.append(request)
        return await asyncio.shield(self._watched)

    async def _watch(self) -> T:
        running = asyncio.wrap_future(self._work)
        while not running.done():
            await asyncio.wait({running}, timeout=LOOK_SECONDS)
            self.gone = self.gone or (not running.done() and await self._nobody_waits())
            # again and again: it may have been about to begin
            if self.gone and not self._work.done() and not self._work.cancel():
                try:
                    await self._stop()
                except (DatabaseError, DatabaseUnavailableError) as error:
                    log.warning("not_stopped", error=str(error))
        if self.gone:
            running.cancelled() or running.exception()
            raise HTTPException(CLIENT_CLOSED_REQUEST, "stopped")
        return running.result()

    async def _nobody_waits(self) -> bool:
        seen = len(self._requests)
        for request in self._requests[:]:
            if not await request.is_disconnected():
                return False
        return seen == len(self._requests)  # or somebody has come meanwhile
