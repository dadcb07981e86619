"""What people do to flags, sampled conversations and call tasks: checked against the read model, then written as events to `audit.commands`."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from weakref import WeakValueDictionary

import orjson
import structlog
from fastapi import APIRouter, HTTPException

from processors.rubric import RubricError, score
from schemas.events import parse_event
from schemas.topics import COMMANDS
from schemas.types import DAY_MS, format_time
from sinks.kafka import PublishError, event_key
from sinks.sample_model import SampleModel
from web import metrics
from web.access.guard import needs
from web.access.roles import May, Person
from web.bodies import CommandRoute
from web.models import Commanded, Problem
from web.parts import Parts
from web.sent import Body, Call, Claim, Outcome, SampleVerdict, Settlement, Verdict

log = structlog.get_logger(__name__)

SOURCE: Final = "zhengdian/web"
PUBLISH_TIMEOUT_SECONDS: Final = 10.0
PENDING_MS: Final = 60_000
"""An accepted command holds for this long even if the read model does not show it yet."""
CALL_AGAIN_DAYS: Final = 366
FLAG: Final = "flag"
SAMPLE: Final = "conversation in the sample"
TASK: Final = "call task"


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of command: from which states it may come, and what it makes of the flag, conversation or task.

    `what`: what the command is about; `target`: the event's field that names it.
    """

    what: str
    type: str
    target: str
    allowed: tuple[str, ...]
    result: str
    anyone: bool = False


STEPS: Final[Mapping[str, Step]] = {
    "flag.claim": Step(FLAG, "qc.claimed", "flag_id", ("open",), "claimed"),
    "flag.verdict": Step(FLAG, "qc.verdict_given", "flag_id", ("open", "claimed"), ""),
    "sample.claim": Step(SAMPLE, "qc.claimed", "flag_id", ("open",), "claimed"),
    "sample.verdict": Step(SAMPLE, "qc.verdict_given", "flag_id", ("open", "claimed"), ""),
    "task.claim": Step(TASK, "call_task.claimed", "task_id", ("open",), "claimed"),
    "task.call": Step(TASK, "call_task.call_logged", "task_id", ("open", "claimed", "called"), "called"),
    "task.resolve": Step(TASK, "call_task.resolved", "task_id", ("open", "claimed", "called"), "resolved"),
    "task.revisit": Step(TASK, "call_task.revisited", "task_id", ("resolved",), "revisited", anyone=True),
}

_PLACE: Final[Mapping[str, int]] = {
    "open": 0, "claimed": 1, "called": 2, "upheld": 3, "dismissed": 3, "resolved": 3, "revisited": 4, "withdrawn": 5,
    "flagged": 5,
}  # fmt: skip
"""how far a flag, conversation or task has come: a command is in a row that has come as far, or that somebody else holds"""


@dataclass(frozen=True, slots=True)
class _Pending:
    """A command that this process has accepted: what the read model will show."""

    status: str
    actor: str
    at_ms: int


class Commander:
    """Checks and publishes commands; one at a time for each flag, conversation or task."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._find: Mapping[str, Callable[[str], dict[str, Any] | None]] = {
            FLAG: parts.read.flag,
            SAMPLE: SampleModel(parts.db, parts.book).sample,
            TASK: parts.read.task,
        }
        self._pending: dict[str, _Pending] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def give(self, step: Step, target_id: str, given: Body, person: Person) -> Commanded:
        """Raises HTTPException 404 (unknown), 403 (excluded agent, somebody else's name), 409 (someone else has it, or too
        late), 422 (nobody's name, a sheet or a time that can't be), 503.
        """
        actor = actor_of(given, person)
        body = given.model_copy(update={"actor": actor})
        lock = self._locks.setdefault(target_id, asyncio.Lock())
        async with lock:
            row, status, holder = await self._state(step, target_id)
            if (excluded := row.get("excluded_agent_id")) and excluded in {actor, *person.agent_ids}:
                raise HTTPException(403, f"{excluded} served this buyer and must not handle the review")
            result = step.result or body.model_dump()["verdict"]
            if step.result == "claimed" and status == "claimed" and holder == actor:
                return Commanded(status="claimed", event_id=None)
            if holder and holder != actor and not step.anyone:
                raise HTTPException(409, f"{holder} has it ({status})")
            if status not in step.allowed:
                raise HTTPException(409, f"it is {status}; {step.type} needs {' or '.join(step.allowed)}")
            if isinstance(body, Call) and body.call_again_at is not None:
                self._soon(body.call_again_at)
            if isinstance(body, Verdict) and body.marks is not None:
                body = body.model_copy(update={"score": self._score(row["shop_id"], body.marks)})
            event_id = await self._publish(step, target_id, row, body)
            now = self._parts.now_ms()
            holder = holder if step.anyone else actor
            self._pending[target_id] = _Pending(result, holder, now)
            metrics.COMMANDS.labels(step.type).inc()
            return Commanded(status=result, event_id=event_id)

    async def _state(self, step: Step, target_id: str) -> tuple[dict[str, Any], str, str]:
        """The row, and its status and holder with the commands that are under way."""
        row = await self._parts.call(self._find[step.what], target_id)
        if row is None:
            raise HTTPException(404, f"no such {step.what}")
        columns = ("status", "claimed_by") if step.what == TASK else ("qc_status", "qc_actor")
        status, holder = (row[column] for column in columns)
        now = self._parts.now_ms()
        self._pending = {key: one for key, one in self._pending.items() if now - one.at_ms < PENDING_MS}
        pending = self._pending.get(target_id)
        if pending is None:
            return row, status, holder
        # the row's revision says nothing: it grows with facts of others, too
        if _PLACE[status] >= _PLACE[pending.status] or holder not in ("", pending.actor):
            del self._pending[target_id]
            return row, status, holder
        return row, pending.status, pending.actor

    def _soon(self, call_again_at: int) -> None:
        """Raises HTTPException 422 when the next call lies beyond anybody's memory."""
        if call_again_at - self._parts.now_ms() > CALL_AGAIN_DAYS * DAY_MS:
            raise HTTPException(422, f"call_again_at: must lie within {CALL_AGAIN_DAYS} days")

    def _score(self, shop_id: str, marks: Mapping[str, float]) -> float:
        """By the shop's rubric of now. Raises HTTPException 422."""
        try:
            return score(self._parts.book.at(shop_id, self._parts.now_ms()).rubric, marks)
        except RubricError as error:
            raise HTTPException(422, f"marks: {error}") from None

    async def _publish(self, step: Step, target_id: str, row: Mapping[str, Any], body: Body) -> str:
        parts = self._parts
        zone = parts.book.timezone(row["shop_id"])
        time = format_time(parts.now_ms(), zone)
        payload = body.model_dump(mode="json", exclude_none=True)
        if step.what == SAMPLE:
            payload["sample"] = {"agent_id": row["agent_id"], "day_start": format_time(row["day_start"], zone)}
        cause = orjson.dumps([step.type, target_id, time, payload], option=orjson.OPT_SORT_KEYS)
        event_id = f"{step.type}-{hashlib.sha256(cause).hexdigest()[:24]}"
        data = {"shop_id": row["shop_id"], "buyer_id": row["buyer_id"], step.target: target_id, **payload}
        raw = orjson.dumps(
            {"specversion": "1.0", "id": event_id, "source": SOURCE, "type": step.type, "time": time, "data": data}
        )
        event = parse_event(raw)
        try:
            await parts.publish([(COMMANDS, event_key(event), raw)], PUBLISH_TIMEOUT_SECONDS)
        except PublishError as error:
            log.warning("command_not_published", type=step.type, error=str(error))
            raise HTTPException(503, "the broker cannot be reached; try again") from None
        log.info("command_given", type=step.type, target=target_id, actor=body.actor)
        return event_id


def actor_of(body: Body, person: Person) -> str:
    """Who does it: who has signed in, or on a web without sign-in whom the body names. Raises HTTPException 403, 422."""
    if not person.local:
        if body.actor not in (None, person.name):
            raise HTTPException(403, f"actor: {person.name} has signed in, not {body.actor}")
        return person.name
    if body.actor is None:
        raise HTTPException(422, "actor: who does it? Nobody has signed in")
    return body.actor


Reviewer = Annotated[Person, needs(May.REVIEW)]
Caller = Annotated[Person, needs(May.CALL)]


def router(parts: Parts) -> APIRouter:
    """The routes under /api/v1/flags/{flag_id}, /api/v1/qc/samples/{sample_id} and /api/v1/call-tasks/{task_id}."""
    commander = Commander(parts)
    routes = APIRouter(
        prefix="/api/v1",
        tags=["commands"],
        responses={code: {"model": Problem} for code in (403, 404, 409, 413, 503)},
        route_class=CommandRoute,
    )

    @routes.post("/flags/{flag_id}/claim", status_code=202, summary="Take a flag for review")
    async def claim_flag(flag_id: str, body: Claim, person: Reviewer) -> Commanded:
        return await commander.give(STEPS["flag.claim"], flag_id, body, person)

    @routes.post("/flags/{flag_id}/verdict", status_code=202, summary="Uphold or dismiss a flag")
    async def give_verdict(flag_id: str, body: Verdict, person: Reviewer) -> Commanded:
        return await commander.give(STEPS["flag.verdict"], flag_id, body, person)

    @routes.post("/qc/samples/{sample_id}/claim", status_code=202, summary="Take a conversation of the sample")
    async def claim_sample(sample_id: str, body: Claim, person: Reviewer) -> Commanded:
        return await commander.give(STEPS["sample.claim"], sample_id, body, person)

    @routes.post(
        "/qc/samples/{sample_id}/verdict",
        status_code=202,
        summary="Judge it: upheld, a fault was found; dismissed, nothing was",
    )
    async def judge_sample(sample_id: str, body: SampleVerdict, person: Reviewer) -> Commanded:
        return await commander.give(STEPS["sample.verdict"], sample_id, body, person)

    @routes.post("/call-tasks/{task_id}/claim", status_code=202, summary="Take a follow-up call")
    async def claim_task(task_id: str, body: Claim, person: Caller) -> Commanded:
        return await commander.give(STEPS["task.claim"], task_id, body, person)

    @routes.post("/call-tasks/{task_id}/call", status_code=202, summary="Log a call that was made")
    async def log_call(task_id: str, body: Call, person: Caller) -> Commanded:
        return await commander.give(STEPS["task.call"], task_id, body, person)

    @routes.post("/call-tasks/{task_id}/resolve", status_code=202, summary="Settle the complaint")
    async def resolve_task(task_id: str, body: Settlement, person: Caller) -> Commanded:
        return await commander.give(STEPS["task.resolve"], task_id, body, person)

    @routes.post("/call-tasks/{task_id}/revisit", status_code=202, summary="Log the revisit call")
    async def revisit_task(task_id: str, body: Outcome, person: Caller) -> Commanded:
        return await commander.give(STEPS["task.revisit"], task_id, body, person)

    return routes
