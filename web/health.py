"""`GET /healthz`: whether the parts that the web needs are there."""

import asyncio
from typing import Final, Protocol

from fastapi import APIRouter, Response

from sinks.database import DatabaseError, DatabaseUnavailableError
from web.models import Health
from web.parts import Parts

CHECK_SECONDS: Final = 2.0


class SinkState(Protocol):
    """What health asks of a sink in this process."""

    def is_alive(self) -> bool:
        """False once it has ended by itself."""
        ...


async def _database(parts: Parts) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await parts.call(parts.read.ping)
    except TimeoutError:
        return "no answer"
    except (DatabaseError, DatabaseUnavailableError):
        return "unreachable"
    return "ok"


async def _broker(bootstrap: str) -> str:
    """ok when one of the brokers takes a connection."""
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.close()
            return "ok"
        except (OSError, ValueError):  # TimeoutError is an OSError
            continue
    return "unreachable"


def router(parts: Parts, sink: SinkState | None) -> APIRouter:
    """The route of `GET /healthz`."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/healthz", responses={503: {"model": Health}}, summary="200 when all parts are there, 503 otherwise")
    async def healthz(response: Response) -> Health:
        database, broker = await asyncio.gather(_database(parts), _broker(parts.settings.kafka_bootstrap))
        state = None if sink is None else "ok" if sink.is_alive() else "stopped"
        healthy = database == broker == "ok" and state in (None, "ok")
        response.status_code = 200 if healthy else 503
        response.headers["Cache-Control"] = "no-store"
        return Health(status="ok" if healthy else "unavailable", database=database, broker=broker, sink=state)

    return routes
