"""The call desk's reading API: whom to call next, and how many there are."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from web.access.guard import needs
from web.access.roles import May, Person
from web.api import Limit, ShopId, decode_cursor, encode_cursor, task_out
from web.models import CallTaskOut, Problem
from web.parts import Parts

OUTCOMES: Final = ("exchange", "refund", "wait")
"""the ways out that a caller has ready (domain: bad reviews)"""

View = Annotated[
    Literal["call", "revisit", "done"],
    Query(description="call: not settled yet; revisit: settled, a revisit call is due; done: neither"),
]


class CallCounts(BaseModel):
    """Tasks of one shop or all, whatever the view."""

    call: int = Field(description="not settled yet")
    now: int = Field(description="of these: may be called now")
    overdue: int = Field(description="of these: past due_at")
    high: int = Field(description="of these: of high priority")
    revisit: int = Field(description="settled, a revisit call is due")
    done: int = Field(description="neither")


class QueuedCall(CallTaskOut):
    """A task as the caller sees it now."""

    callable: bool = Field(description="it may be called: not_before, or the time that was agreed, has come")
    overdue: bool


class CallQueue(BaseModel):
    """Who may be called now comes first, then by priority, then what is due first."""

    counts: CallCounts
    call_tasks: list[QueuedCall]
    next_cursor: str | None = Field(description="null: there are no more")


def router(parts: Parts) -> APIRouter:
    """The routes under /api/v1/calls."""
    routes = APIRouter(prefix="/api/v1/calls", tags=["call desk"], responses={503: {"model": Problem}})

    @routes.get("/queue", summary="Whom to call: who may be called now first, by priority, by due time")
    async def get_queue(
        person: Annotated[Person, needs(May.SEE_TASKS)],
        view: View = "call",
        priority: Literal["high", "normal", "low"] | None = None,
        claimed_by: Annotated[str | None, Query(max_length=256)] = None,
        shop_id: ShopId = None,
        limit: Limit = 100,
        cursor: str | None = None,
    ) -> CallQueue:
        now = parts.now_ms()
        # a page goes on in the order of the first one's moment: who may be called changes by the minute
        seen_at, *after = decode_cursor(cursor, int, int, int, str) or (now,)
        filters = {"priority": priority or "", "claimed_by": claimed_by or "", "shop_id": shop_id or ""}
        found = await parts.call(parts.read.call_queue, view, seen_at, filters, limit + 1, tuple(after) or None)
        rows = found[:limit]
        last = rows[-1] if len(found) > limit else None
        counts = await parts.call(parts.read.call_counts, now, shop_id)
        await parts.trail.saw(person, "call_queue", rows)
        return CallQueue(
            counts=CallCounts(**counts),
            call_tasks=[
                QueuedCall(
                    **task_out(parts, row, person).model_dump(),
                    callable=bool(row["callable"]),
                    overdue=view == "call" and row["due_at"] < now,
                )
                for row in rows
            ],
            next_cursor=last and encode_cursor(seen_at, last["rank"], last["due_at"], last["task_id"]),
        )

    return routes
