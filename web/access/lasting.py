"""What lasts longer than a request: a stream or a socket ends soon after the person who opened it has lost access."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

LOOK_SECONDS: Final = 2.0

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Lasting:
    """An ASGI `receive` that tells the application that its client has gone, once `stays()` is false.

    Whatever lasts waits for that message, so what answers at once is never asked about.
    """

    def __init__(self, kind: str, receive: Receive, stays: Callable[[], bool]) -> None:
        """`kind`: the scope's type, http or websocket."""
        self._gone: Final[Message] = (
            {"type": "http.disconnect"} if kind == "http" else {"type": "websocket.disconnect", "code": 1008}
        )
        self._receive = receive
        self._stays = stays
        self._looked_at = time.monotonic()
        self._next: asyncio.Future[Message] | None = None
        self.ended = False
        """it was this that ended it, not the client"""

    async def __call__(self) -> Message:
        """The next message."""
        while not self.ended:
            # kept over a caller who gives up waiting: a message must not be lost with them
            self._next = self._next or asyncio.ensure_future(self._receive())
            # who only asks whether the client has gone (Request.is_disconnected) waits for nothing
            done = {self._next} if self._next.done() else (await asyncio.wait({self._next}, timeout=LOOK_SECONDS))[0]
            if time.monotonic() - self._looked_at >= LOOK_SECONDS:
                self._looked_at = time.monotonic()
                self.ended = not self._stays()
            if done and not self.ended:
                message, self._next = self._next.result(), None
                return message
        return self._gone

    def close(self) -> None:
        """Stop waiting."""
        if self._next is not None:
            self._next.cancel()
