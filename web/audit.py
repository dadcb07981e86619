"""`GET /api/v1/access-log`: who saw and did what."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from schemas.access import AccessType, RecognisedBy
from sinks.access_log import AccessLog
from web.access.guard import needs
from web.access.roles import May, Person
from web.api import Limit, ShopId, decode_cursor, encode_cursor, given, instant_or_422
from web.models import Problem
from web.parts import Parts
from web.qc import Moment

Name = Annotated[str | None, Query(max_length=256)]


class AccessEntry(BaseModel):
    """Somebody saw or did something (docs/clickhouse.md, access_log)."""

    event_id: str
    time: str
    type: AccessType
    actor: str
    roles: list[str]
    recognised_by: RecognisedBy
    address: str
    what: str
    shop_id: str
    buyer_ids: list[str]
    target_id: str
    detail: str
    status: int
    size: int


class AccessPage(BaseModel):
    """Newest first."""

    entries: list[AccessEntry]
    next_cursor: str | None = Field(description="null on the last page")


def router(parts: Parts) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/api/v1", tags=["access log"], responses={503: {"model": Problem}})
    log = AccessLog(parts.db)

    @routes.get("/access-log", summary="Who saw and did what, newest first")
    async def get_access_log(
        person: Annotated[Person, needs(May.SEE_TRAIL)],
        actor: Name = None,
        buyer_id: Name = None,
        shop_id: ShopId = None,
        type: AccessType | None = None,
        since: Moment = None,
        until: Moment = None,
        limit: Limit = 100,
        cursor: str | None = None,
    ) -> AccessPage:
        rows = await parts.call(
            log.entries,
            given(actor=actor, type=type, shop_id=shop_id),
            limit + 1,
            decode_cursor(cursor, int, str),
            buyer_id=buyer_id or "",
            from_ms=instant_or_422("since", since),
            to_ms=instant_or_422("until", until),
        )
        page = rows[:limit]
        more = encode_cursor(page[-1]["time"], page[-1]["event_id"]) if len(rows) > limit else None
        shown = [{"shop_id": row["shop_id"], "buyer_id": buyer} for row in page for buyer in row["buyer_ids"]]
        await parts.trail.saw(person, "access_log", shown)
        entries = [AccessEntry.model_validate({**row, "time": parts.time(row["time"], row["shop_id"])}) for row in page]
        return AccessPage(entries=entries, next_cursor=more)

    return routes
