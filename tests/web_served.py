"""The web over a real socket, whose other end can go away."""

import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI
from fastapi.routing import APIRoute

from sinks.database import Database

FOREVER = "SELECT count() AS n FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"
_RUNNING = "SELECT count() AS n FROM system.processes WHERE Settings['log_comment'] != ''"


def routes_of(routes: Iterable[Any]) -> Iterator[APIRoute]:
    """Those of an application, also of what it includes."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from routes_of(route.original_router.routes)


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Its address, as long as it serves."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:  # or the process would never end
            server.should_exit = True
            thread.join(60)
        assert not thread.is_alive()


def asking(address: str, path: str, body: Any = None, **headers: str) -> socket.socket:
    """A request whose answer nobody has read yet. Closing it is what a browser does that has been closed itself."""
    parts = urlsplit(address)
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(content)}", *map(": ".join, headers.items())]
    connection = socket.create_connection((parts.hostname or "", parts.port or 80))
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + content)
    return connection


def running(db: Database) -> int:
    """How many statements run that somebody may stop."""
    return int(db.query(_RUNNING)[0]["n"])


def wait_for(db: Database, count: int, seconds: float) -> float:
    """How long until so many of them run."""
    begun = time.monotonic()
    while running(db) != count:
        assert time.monotonic() - begun < seconds, f"not {count} statements after {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - begun
