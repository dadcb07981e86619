"""`POST /v1/events`: CloudEvents over HTTP into Kafka, all or nothing (contract §1, §4)."""

from typing import Annotated, Any, Final

import orjson
import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse

from schemas.events import Event, InvalidEventError, parse_event
from schemas.topics import COMMANDS, TOPIC_OF_TYPE
from sinks.kafka import PublishError, event_key
from web import metrics
from web.access.guard import needs
from web.access.roles import May, Person
from web.bodies import media_type, read_body
from web.models import Accepted, EventError, Problem, Refused
from web.parts import Parts

log = structlog.get_logger(__name__)

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
MAX_EVENT_BYTES: Final = 900_000
"""Kafka takes 1 MiB a record by default"""
MAX_BATCH: Final = 10_000
PUBLISH_TIMEOUT_SECONDS: Final = 10.0

_ONE: Final = ("application/cloudevents+json", "application/json")
_BATCH: Final = "application/cloudevents-batch+json"
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            _ONE[0]: {"schema": {"type": "object", "description": "one CloudEvent"}},
            _ONE[1]: {"schema": {"type": "object", "description": "one CloudEvent"}},
            _BATCH: {"schema": {"type": "array", "items": {"type": "object"}, "maxItems": MAX_BATCH}},
        },
    }
}


def _split(raw: bytes, batch: bool) -> list[bytes]:
    """The single events of a request. Raises InvalidEventError for a batch that is no JSON array."""
    if not batch:
        return [raw]
    try:
        elements = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidEventError("not_json", str(error)) from None
    if not isinstance(elements, list):
        raise InvalidEventError("invalid", "a batch must be a JSON array of events")
    if len(elements) > MAX_BATCH:
        raise HTTPException(413, f"a batch may have {MAX_BATCH} events at most")
    return [orjson.dumps(element) for element in elements]


def _check(raws: list[bytes], latest_ms: int) -> tuple[list[Event], list[EventError]]:
    """All events parsed, and what is wrong with those that are none."""
    events: list[Event] = []
    errors: list[EventError] = []
    for index, raw in enumerate(raws):
        try:
            event = parse_event(raw)
            if event.time > latest_ms:
                raise InvalidEventError("future", "time: is too far ahead of the clock")
            events.append(event)
        except InvalidEventError as error:
            metrics.EVENTS_REJECTED.labels(error.reason).inc()
            errors.append(EventError(index=index, reason=error.reason, error=error.error))
    return events, errors


def router(parts: Parts) -> APIRouter:
    """The route of `POST /v1/events`."""
    routes = APIRouter(tags=["ingest"])

    @routes.post(
        "/v1/events",
        status_code=202,
        response_model=Accepted,
        responses={422: {"model": Refused}, **{code: {"model": Problem} for code in (413, 415, 503)}},
        openapi_extra=_BODY,
        summary="Send one CloudEvent or a batch; 202 once Kafka has all of them",
    )
    async def post_events(request: Request, person: Annotated[Person, needs(May.SEND)]) -> Accepted | JSONResponse:
        kind = media_type(request)
        if kind not in _ONE and kind != _BATCH:
            raise HTTPException(415, f"content type must be {_ONE[0]}, {_ONE[1]} or {_BATCH}")
        raw = await read_body(request, MAX_BODY_BYTES)
        latest = parts.now_ms() + parts.settings.future_tolerance_seconds * 1000
        try:
            raws = _split(raw, kind == _BATCH)
        except InvalidEventError as error:
            metrics.EVENTS_REJECTED.labels(error.reason).inc()
            refused = Refused(errors=[EventError(index=0, reason=error.reason, error=error.error)])
            return JSONResponse(refused.model_dump(), 422)
        if any(len(one) > MAX_EVENT_BYTES for one in raws):
            raise HTTPException(413, f"an event may have {MAX_EVENT_BYTES} bytes at most")
        events, errors = await parts.call(_check, raws, latest)
        if errors:
            return JSONResponse(Refused(errors=errors).model_dump(), 422)
        if not person.may(May.SEND_COMMANDS) and any(TOPIC_OF_TYPE[event.type] == COMMANDS for event in events):
            raise HTTPException(403, f"{person.name} may not {May.SEND_COMMANDS}")
        if events:
            records = [
                (TOPIC_OF_TYPE[event.type], event_key(event), one) for event, one in zip(events, raws, strict=True)
            ]
            try:
                with metrics.PUBLISH_SECONDS.time():
                    await parts.publish(records, PUBLISH_TIMEOUT_SECONDS)
            except PublishError as error:
                log.warning("events_not_published", events=len(events), error=str(error))
                raise HTTPException(
                    503, "the broker cannot be reached; nothing is known to be accepted, send again"
                ) from None
            for event in events:
                metrics.EVENTS_ACCEPTED.labels(event.type).inc()
            if person.by != "token":  # a program's own events say where they come from
                kinds = " ".join(sorted({event.type for event in events}))
                await parts.trail.tried(person, "access.sent", "events", detail=kinds, size=len(events), status=202)
        return Accepted(accepted=len(events))

    return routes
