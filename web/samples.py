"""QC's sample: conversations without a flag that are read all the same, to take and judge like flags."""

from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, Field

from processors.sampling import SampleDay
from sinks.sample_model import SampleModel
from web.access.guard import needs
from web.access.masks import masked
from web.access.roles import May, Person
from web.api import Limit, ShopId, decode_cursor, encode_cursor, given
from web.history import HISTORY, Step, history
from web.models import Problem
from web.parts import Parts
from web.qc import QcStatus, count_facets

DAYS: Final = 3
"""how many days back the sample is offered, unless told otherwise"""


class SampleOut(BaseModel):
    """One agent's conversation with one buyer on one day of the shop."""

    sample_id: str
    shop_id: str
    buyer_id: str
    agent_id: str
    day: str = Field(description="YYYY-MM-DD")
    first_at: str = Field(description="the buyer's first question")
    last_at: str = Field(description="the agent's last answer")
    rounds: int = Field(description="questions of that day, answered or not")
    qc_status: Literal["open", "claimed", "upheld", "dismissed", "flagged"] = Field(
        description="upheld: a fault was found; dismissed: nothing was; flagged: it has left the sample for the flags"
    )
    qc_actor: str
    qc_reason: str
    qc_score: float | None


class SampleSheet(SampleOut):
    """A conversation of the sample, and what was done about it."""

    history: list[Step] = HISTORY


class SamplePage(BaseModel):
    """Oldest first. `next_cursor` is null on the last page."""

    samples: list[SampleOut]
    next_cursor: str | None


class SampleCounts(BaseModel):
    """How many conversations would be in the sample for each value of a filter, the other filters as they are."""

    total: int = Field(description="conversations that all filters select")
    shop_id: dict[str, int]
    agent_id: dict[str, int]
    team: dict[str, int]
    day: dict[str, int]
    qc_status: dict[str, int]


class Filters:
    """The query parameters that narrow the sample, beside the status."""

    def __init__(
        self,
        shop_id: ShopId = None,
        agent_id: str | None = None,
        team: str | None = None,
        day: Annotated[date | None, Query(description="of the shop's calendar")] = None,
        days: Annotated[int, Query(ge=1, le=31, description="without `day`: how many, today among them")] = DAYS,
    ) -> None:
        self.shop_id, self.day, self.days = shop_id, day, days
        self.facets = given(shop_id=shop_id, agent_id=agent_id, team=team)


def sample_out(parts: Parts, row: dict[str, Any], person: Person) -> SampleOut:
    """A row of the sample as the API answers it to that person."""
    times = {key: parts.time(row[key], row["shop_id"]) for key in ("first_at", "last_at")}
    return SampleOut.model_validate({**masked(row, person), **times})


def router(parts: Parts) -> APIRouter:
    """The routes under /api/v1/qc/samples that read; what is done to a sample is in `web.commands`."""
    model = SampleModel(parts.db, parts.book)
    routes = APIRouter(prefix="/api/v1/qc/samples", tags=["quality control"], responses={503: {"model": Problem}})

    def chosen_days(filters: Filters) -> list[SampleDay]:
        if filters.day is not None:
            return model.day(filters.day, filters.shop_id)
        return model.days(parts.now_ms(), filters.days, filters.shop_id)

    def counted_days(filters: Filters) -> list[SampleDay]:
        """All shops and days that could be chosen instead, and the chosen day."""
        days = model.days(parts.now_ms(), filters.days)
        return days + [day for day in (model.day(filters.day) if filters.day else []) if day not in days]

    @routes.get("", summary="Conversations without a flag, drawn at each agent's rate: the oldest first")
    async def get_samples(
        person: Annotated[Person, needs(May.SEE_FLAGS)],
        filters: Annotated[Filters, Depends()],
        qc_status: QcStatus = "open",
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> SamplePage:
        place = decode_cursor(cursor, int, str)
        chosen = given(qc_status=qc_status, **filters.facets)
        days = await parts.call(chosen_days, filters)
        rows = await parts.call(model.samples, days, chosen, limit + 1, place)
        page = rows[:limit]
        more = encode_cursor(page[-1]["first_at"], page[-1]["sample_id"]) if len(rows) > limit else None
        await parts.trail.saw(person, "qc_samples", page)
        return SamplePage(samples=[sample_out(parts, row, person) for row in page], next_cursor=more)

    @routes.get("/counts", summary="How many of what are in the sample", dependencies=[needs(May.SEE_FLAGS)])
    async def get_counts(filters: Annotated[Filters, Depends()], qc_status: QcStatus | None = None) -> SampleCounts:
        rows = await parts.call(model.counts, await parts.call(counted_days, filters))
        day = filters.day.isoformat() if filters.day else None
        return count_facets(rows, given(qc_status=qc_status, day=day, **filters.facets), SampleCounts)

    @routes.get(
        "/{sample_id}",
        summary="One conversation of the sample, and what was done about it",
        responses={404: {"model": Problem}},
    )
    async def get_sample(sample_id: str, person: Annotated[Person, needs(May.SEE_FLAGS)]) -> SampleSheet:
        row = await parts.call(model.sample, sample_id)
        if row is None:
            raise HTTPException(404, "no such conversation in the sample")
        await parts.trail.saw(person, "qc_sample", [row], sample_id)
        steps = await history(parts, row, sample_id, person)
        return SampleSheet(**sample_out(parts, row, person).model_dump(), history=steps)

    return routes
