"""Bodies of requests, read no further than to a limit."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

COMMAND_BYTES: Final = 65_536
"""of what a person says: texts of full length fit in, also where each character is written as two escapes"""


def media_type(request: Request) -> str:
    """The Content-Type without its parameters, in lower case; empty when there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, most: int) -> bytes:
    """The body, read no further than `most` bytes. Raises HTTPException 413 beyond it."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise _too_long(most)
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > most:
            raise _too_long(most)
    return bytes(received)


def _too_long(most: int) -> HTTPException:
    return HTTPException(413, f"the body may have {most} bytes at most")


class CommandRoute(APIRoute):
    """A route whose body FastAPI reads, which by itself has no limit: COMMAND_BYTES, and 413 beyond it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As in FastAPI."""
        handle = super().get_route_handler()

        async def limited(request: Request) -> Response:
            raw = await read_body(request, COMMAND_BYTES)

            async def receive() -> dict[str, Any]:
                return {"type": "http.request", "body": raw, "more_body": False}

            return await handle(Request(request.scope, receive))

        return limited
