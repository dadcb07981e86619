"""The reading API: leaderboard, flags, call tasks, conversations (contract §4)."""

import base64
import binascii
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal, NamedTuple

import orjson
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from schemas.outputs import Rule, TaskStatus
from schemas.types import format_amount
from sinks.database import DatabaseError, DatabaseUnavailableError
from web import metrics
from web.access.guard import needs, person_of
from web.access.masks import masked
from web.access.roles import May, Person
from web.board import leaderboard
from web.history import FlagSheet, TaskSheet, history
from web.models import (
    AgentOut,
    Agents,
    CallTaskOut,
    CallTaskPage,
    Conversation,
    Entry,
    FlagCount,
    FlagCounts,
    FlagOut,
    FlagPage,
    Leaderboard,
    Me,
    Problem,
)
from web.parts import HOUR_MS, Parts, read_instant
from web.shared import Shared

HEARTBEAT_SECONDS: Final = 15
_LATEST_MS: Final = 10**13
TRANSCRIPT_ROWS: Final = 1000

Limit = Annotated[int, Query(ge=1, le=500)]
ShopId = Annotated[str | None, Query(max_length=256)]
WholeId = Annotated[str, Query(min_length=1, max_length=256)]
Hour = Annotated[
    str | None,
    Query(description="any RFC 3339 instant inside the hour; default: now", examples=["2026-11-11T20:00:00+08:00"]),
]


def instant_or_422(name: str, text: str | None) -> int | None:
    """The parameter of that name in ms. Raises HTTPException 422 that names it."""
    try:
        return read_instant(text)
    except ValueError as error:
        raise HTTPException(422, f"{name}: {error}") from None


def encode_cursor(*place: int | str) -> str:
    """The place of a page's last row, for the next page."""
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def decode_cursor(cursor: str | None, *types: type) -> Any:
    """The place that `encode_cursor` was given, a tuple of those types; None for none. Raises HTTPException 422."""
    if not cursor:
        return None
    try:
        place = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        fits = isinstance(place, list) and [type(part) for part in place] == list(types)
        if fits and all(0 <= part < _LATEST_MS for part in place if isinstance(part, int)):
            return tuple(place)
    except (ValueError, TypeError, binascii.Error):
        pass
    raise HTTPException(422, "cursor: is not one that this API gave out")


def flag_out(parts: Parts, row: dict[str, Any], person: Person) -> FlagOut:
    """A flag of the read model as the API answers it to that person."""
    times = {"occurred_at": parts.time(row["occurred_at"], row["shop_id"])}
    return FlagOut.model_validate({**masked(row, person), **times})


def task_out(parts: Parts, row: dict[str, Any], person: Person) -> CallTaskOut:
    """A call task of the read model as the API answers it to that person."""
    times = ("raised_at", "not_before", "due_at", "call_again_at", "revisit_due_at")
    shown = {key: parts.time(row[key], row["shop_id"]) for key in times}
    return CallTaskOut.model_validate({**masked(row, person), **shown})


def me_of(parts: Parts, person: Person) -> Me:
    """What a person is told of themselves."""
    return Me(
        name="" if person.local else person.name,
        can_sign_in=parts.can_sign_in,
        display_name=person.display_name,
        roles=sorted(person.roles),
        may=sorted(may.name.lower() for may in May if person.may(may)),
    )


def router(parts: Parts) -> APIRouter:
    """The routes under /api/v1 that read."""
    routes = APIRouter(prefix="/api/v1", tags=["read"], responses={503: {"model": Problem}})
    frames: Shared[Frame] = Shared(parts, lambda hour, shop_id: read_frame(parts, hour, shop_id))

    @routes.get("/leaderboard", summary="The hourly leaderboard", dependencies=[needs(May.WATCH)])
    async def get_leaderboard(shop_id: ShopId = None, hour: Hour = None) -> Leaderboard:
        at = instant_or_422("hour", hour)
        with metrics.BOARD_SECONDS.time():
            return await parts.call(leaderboard, parts, parts.now_ms() if at is None else at, shop_id)

    @routes.get(
        "/leaderboard/stream",
        summary="The same as server-sent events, a new one within a second of new rows",
        response_class=EventSourceResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
        dependencies=[needs(May.WATCH)],
    )
    async def stream_leaderboard(request: Request, shop_id: ShopId = None, hour: Hour = None) -> EventSourceResponse:
        at = instant_or_422("hour", hour)
        return EventSourceResponse(_events(parts, frames, request, shop_id, at), ping=HEARTBEAT_SECONDS)

    @routes.get("/me", summary="Who has sent this request, and what they may do")
    async def get_me(person: Annotated[Person, Depends(person_of)]) -> Me:
        return me_of(parts, person)

    @routes.get("/agents", summary="The agents' names and teams", dependencies=[needs(May.WATCH)])
    async def get_agents(shop_id: ShopId = None) -> Agents:
        return Agents(agents=[AgentOut(**row) for row in await parts.call(parts.read.agents, shop_id)])

    @routes.get("/flags", summary="Flags, newest first")
    async def get_flags(
        person: Annotated[Person, needs(May.SEE_FLAGS)],
        status: Literal["raised", "cleared"] | None = None,
        rule: Rule | None = None,
        agent_id: str | None = None,
        shop_id: ShopId = None,
        qc_status: Literal["open", "claimed", "upheld", "dismissed"] | None = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> FlagPage:
        filters = given(status=status, rule=rule, agent_id=agent_id, shop_id=shop_id, qc_status=qc_status)
        rows = await parts.call(parts.read.flags, filters, limit + 1, decode_cursor(cursor, int, str))
        page = rows[:limit]
        more = encode_cursor(page[-1]["occurred_at"], page[-1]["flag_id"]) if len(rows) > limit else None
        await parts.trail.saw(person, "flags", page)
        return FlagPage(flags=[flag_out(parts, row, person) for row in page], next_cursor=more)

    @routes.get("/flags/counts", summary="How many flags, by rule", dependencies=[needs(May.SEE_FLAGS)])
    async def get_flag_counts(
        status: Literal["raised", "cleared"] | None = None,
        agent_id: str | None = None,
        shop_id: ShopId = None,
        qc_status: Literal["open", "claimed", "upheld", "dismissed"] | None = None,
    ) -> FlagCounts:
        filters = given(status=status, agent_id=agent_id, shop_id=shop_id, qc_status=qc_status)
        rows = await parts.call(parts.read.flag_counts, filters)
        return FlagCounts(counts=[FlagCount(**row) for row in rows], total=sum(row["count"] for row in rows))

    @routes.get("/flags/{flag_id}", summary="One flag, and what was done about it", responses={404: {"model": Problem}})
    async def get_flag(flag_id: str, person: Annotated[Person, needs(May.SEE_FLAGS)]) -> FlagSheet:
        row = await parts.call(parts.read.flag, flag_id)
        if row is None:
            raise HTTPException(404, "no such flag")
        await parts.trail.saw(person, "flag", [row], flag_id)
        steps = await history(parts, row, flag_id, person)
        return FlagSheet(**flag_out(parts, row, person).model_dump(), history=steps)

    @routes.get("/call-tasks", summary="Follow-up call tasks, due first")
    async def get_tasks(
        person: Annotated[Person, needs(May.SEE_TASKS)],
        status: TaskStatus | None = None,
        shop_id: ShopId = None,
        priority: Literal["high", "normal", "low"] | None = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> CallTaskPage:
        filters = given(status=status, shop_id=shop_id, priority=priority)
        rows = await parts.call(parts.read.tasks, filters, limit + 1, decode_cursor(cursor, int, str))
        page = rows[:limit]
        more = encode_cursor(page[-1]["due_at"], page[-1]["task_id"]) if len(rows) > limit else None
        await parts.trail.saw(person, "call_tasks", page)
        return CallTaskPage(call_tasks=[task_out(parts, row, person) for row in page], next_cursor=more)

    @routes.get(
        "/call-tasks/{task_id}",
        summary="One call task, and what was done about it",
        responses={404: {"model": Problem}},
    )
    async def get_task(task_id: str, person: Annotated[Person, needs(May.SEE_TASKS)]) -> TaskSheet:
        row = await parts.call(parts.read.task, task_id)
        if row is None:
            raise HTTPException(404, "no such call task")
        await parts.trail.saw(person, "call_task", [row], task_id)
        steps = await history(parts, row, task_id, person)
        return TaskSheet(**task_out(parts, row, person).model_dump(), history=steps)

    async def conversation(shop_id: str, buyer_id: str, person: Person) -> Conversation:
        found = await parts.call(parts.read.transcript, shop_id, buyer_id, TRANSCRIPT_ROWS)
        flags = await parts.call(parts.read.flags, {"shop_id": shop_id, "buyer_id": buyer_id}, TRANSCRIPT_ROWS)
        truncated = any(len(rows) == TRANSCRIPT_ROWS for rows in found.values())
        entries = [{"type": kind, **row} for kind, rows in found.items() for row in rows]
        entries.sort(key=lambda row: (row["time"], row["id"]))
        if not entries and not flags:
            raise HTTPException(404, "no such conversation")
        await parts.trail.saw(person, "conversation", [{"shop_id": shop_id, "buyer_id": buyer_id}])
        return Conversation(
            shop_id=shop_id,
            buyer_id=buyer_id,
            entries=[_entry(parts, masked(row, person)) for row in entries],
            truncated=truncated,
            flags=[flag_out(parts, row, person) for row in flags],
        )

    @routes.get(
        "/conversations",
        summary="One buyer's time line: messages, orders, payments, reviews, flags",
        responses={404: {"model": Problem}},
    )
    async def find_conversation(
        shop_id: WholeId, buyer_id: WholeId, person: Annotated[Person, needs(May.SEE_BUYERS)]
    ) -> Conversation:
        return await conversation(shop_id, buyer_id, person)

    @routes.get(
        # the server has decoded the path: a slash in it may be one of the id's
        "/conversations/{shop_id}/{buyer_id:path}",
        summary="The same by a path",
        description="For a shop_id with a slash, and for ids that browsers take out of a path (`.`, `..`), ask by a query.",
        responses={404: {"model": Problem}},
    )
    async def get_conversation(
        shop_id: str, buyer_id: str, person: Annotated[Person, needs(May.SEE_BUYERS)]
    ) -> Conversation:
        return await conversation(shop_id, buyer_id, person)

    return routes


class Frame(NamedTuple):
    """A leaderboard as the stream sends it; `content` is what a change is told by."""

    content: dict[str, Any]
    generated_at: str
    data: str


def read_frame(parts: Parts, hour: int | None, shop_id: str | None) -> Frame:
    """The leaderboard of that hour, or of the one that it is now."""
    board = leaderboard(parts, parts.now_ms() if hour is None else hour, shop_id)
    return Frame(board.model_dump(exclude={"generated_at"}), board.generated_at, board.model_dump_json())


async def _events(
    parts: Parts, frames: Shared[Frame], request: Request, shop_id: str | None, hour: int | None
) -> AsyncIterator[ServerSentEvent]:
    """`leaderboard` events, each when something in it has changed; `unavailable` while the database is down."""
    sent: object = None
    with metrics.VIEWERS.labels("stream").track_inprogress():
        while not await request.is_disconnected():
            now = parts.now_ms()
            version = parts.live.version
            try:
                frame = await frames.get(hour, shop_id, version)
                content: object = frame.content
                event = ServerSentEvent(event="leaderboard", id=frame.generated_at, data=frame.data)
            except (DatabaseError, DatabaseUnavailableError):
                content = "unavailable"
                event = ServerSentEvent(event="unavailable", data='{"detail":"the database cannot be reached"}')
            if content != sent:
                sent = content
                yield event
            # the next hour begins without any row's doing
            await parts.live.changed(version, min(HEARTBEAT_SECONDS, (HOUR_MS - now % HOUR_MS) / 1000 + 0.1))


def given(**filters: str | None) -> dict[str, str]:
    """Those filters that a request names."""
    return {key: value for key, value in filters.items() if value}


def _entry(parts: Parts, row: dict[str, Any]) -> Entry:
    """A row of one of the source views as an entry of the time line; what is empty is left out."""
    shown = {key: value for key, value in row.items() if key not in _INTERNAL and value != ""}
    if "amount" in shown:
        shown["amount"] = format_amount(shown["amount"])
    if "items" in shown:
        shown["items"] = orjson.loads(shown["items"])
    return Entry.model_validate({**shown, "time": parts.time(row["time"], row["shop_id"])})


_INTERNAL: Final = frozenset({"shop_id", "buyer_id", "partition", "offset", "ingested_at"})
