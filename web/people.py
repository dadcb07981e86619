"""`GET /api/v1/people`: what those who work at the desks are called."""

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from sinks.access_log import AccessLog
from web.access.guard import needs
from web.access.roles import May
from web.access.users import Users
from web.models import Problem
from web.parts import Parts

READ_AGAIN_MS: Final = 60_000


class PersonName(BaseModel):
    """Somebody whose name is another than what they sign in with."""

    name: str = Field(description="as in qc_actor, claimed_by and the access log")
    display_name: str


class People(BaseModel):
    """By name."""

    people: list[PersonName]


def router(parts: Parts, users: Users) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/api/v1", tags=["read"], responses={503: {"model": Problem}})
    log = AccessLog(parts.db)
    signed_in: dict[str, str] = {}
    read_at_ms = -READ_AGAIN_MS

    @routes.get("/people", summary="What people at the desks are called", dependencies=[needs(May.WATCH)])
    async def get_people() -> People:
        nonlocal signed_in, read_at_ms
        now = parts.now_ms()
        if not 0 <= now - read_at_ms < READ_AGAIN_MS:  # desks ask often
            signed_in, read_at_ms = await parts.call(log.display_names), now
        found = {name: shown for name, shown in (signed_in | users.display_names()).items() if shown and shown != name}
        return People(people=[PersonName(name=name, display_name=shown) for name, shown in sorted(found.items())])

    return routes
