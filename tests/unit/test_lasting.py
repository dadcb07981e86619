"""A stream or a socket ends soon after the person who opened it has lost access, and nothing else does."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.requests import Request

from web.access import lasting
from web.access.lasting import Lasting

Message = MutableMapping[str, Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "LOOK_SECONDS", 0.02)


class Client:
    """What it sends, and what it is asked."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Message] = asyncio.Queue()
        self.asked = 0

    async def receive(self) -> Message:
        self.asked += 1
        return await self.queue.get()


async def test_it_ends_when_the_person_is_out() -> None:
    client = Client()
    for kind, gone in (("http", "http.disconnect"), ("websocket", "websocket.disconnect")):
        allowed = [True]
        receive = Lasting(kind, client.receive, lambda allowed=allowed: allowed[0])  # type: ignore[misc]
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        allowed[0] = False
        assert (await asyncio.wait_for(waiting, 1))["type"] == gone
        assert (await receive())["type"] == gone  # and it stays so
        assert receive.ended
        receive.close()


async def test_a_client_that_keeps_talking_is_asked_about_too() -> None:
    client, allowed = Client(), True
    receive = Lasting("websocket", client.receive, lambda: allowed)
    for number in range(6):
        client.queue.put_nowait({"type": "websocket.receive", "text": str(number)})
        assert (await receive())["text"] == str(number)
        await asyncio.sleep(0.01)
    allowed = False
    await asyncio.sleep(0.03)
    client.queue.put_nowait({"type": "websocket.receive", "text": "more"})
    assert (await receive())["type"] == "websocket.disconnect"


async def test_no_message_is_lost_with_a_caller_who_gives_up() -> None:
    client = Client()
    receive = Lasting("http", client.receive, lambda: True)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.01)
    client.queue.put_nowait({"type": "http.request", "body": b"x"})
    assert await receive() == {"type": "http.request", "body": b"x"}
    assert client.asked == 1
    assert not receive.ended


async def test_who_leaves_by_themselves_has_left() -> None:
    client = Client()
    receive = Lasting("http", client.receive, lambda: True)
    client.queue.put_nowait({"type": "http.disconnect"})
    assert await receive() == {"type": "http.disconnect"}
    assert not receive.ended


async def test_what_the_client_breaks_with_reaches_the_caller() -> None:
    async def broken() -> Message:
        raise OSError("reset")

    with pytest.raises(OSError, match="reset"):
        await Lasting("http", broken, lambda: True)()


async def test_a_request_is_told_that_its_client_has_gone() -> None:
    client = Client()
    receive = Lasting("http", client.receive, lambda: True)
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": []}, receive)
    assert not await request.is_disconnected()
    client.queue.put_nowait({"type": "http.disconnect"})
    await asyncio.sleep(0)
    assert await request.is_disconnected()
