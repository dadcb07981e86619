"""The QC desk's reading API: the queue of flags to judge, how many there are of what, and how often each rule is right."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from schemas.outputs import RULES, Rule
from web.access.guard import needs
from web.access.roles import May, Person
from web.api import Limit, ShopId, decode_cursor, encode_cursor, flag_out, given, instant_or_422
from web.models import FlagPage, Problem
from web.parts import Parts

Counts = TypeVar("Counts", bound=BaseModel)

Moment = Annotated[str | None, Query(description="RFC 3339 with an offset", examples=["2026-11-11T00:00:00+08:00"])]
QcStatus = Literal["open", "claimed", "upheld", "dismissed"]
Severity = Literal["violation", "notice"]


class KindCounts(BaseModel):
    """By what a flag is."""

    total: int = Field(description="flags that all filters select")
    rule: dict[str, int]
    severity: dict[str, int]
    qc_status: dict[str, int]


class AgentCounts(BaseModel):
    """By who broke the rule."""

    total: int
    agent_id: dict[str, int]
    team: dict[str, int]


class QueueCounts(KindCounts, AgentCounts):
    """How many flags would be in the queue for each value of a filter, the other filters as they are."""


class RulePrecision(BaseModel):
    """How often a rule is right, as far as people have judged its flags."""

    rule: str
    raised: int
    judged: int
    upheld: int
    precision: float | None = Field(description="upheld / judged; null where nobody has judged")


class RubricLine(BaseModel):
    """One item of the reviewer's sheet."""

    key: str
    zh: str
    en: str
    weight: int
    critical: bool = Field(description="missed, it makes the whole score 0")


class Rubric(BaseModel):
    """The sheet that a verdict's `marks` fill in."""

    shop_id: str
    ruleset: str
    items: list[RubricLine]


class Precision(BaseModel):
    """By rule: every rule, also one that was never broken."""

    rules: list[RulePrecision]


class Filters:
    """The query parameters that narrow the queue, beside the status. Raises HTTPException 422."""

    def __init__(
        self,
        rule: Rule | None = None,
        severity: Severity | None = None,
        agent_id: str | None = None,
        team: str | None = None,
        shop_id: ShopId = None,
        since: Moment = None,
        until: Moment = None,
    ) -> None:
        self.facets = given(rule=rule, severity=severity, agent_id=agent_id, team=team)
        self.shop_id = shop_id
        self.from_ms = instant_or_422("since", since)
        self.to_ms = instant_or_422("until", until)


def count_facets(rows: Iterable[Mapping[str, Any]], chosen: Mapping[str, str], into: type[Counts]) -> Counts:
    """Counts out of rows with `count` and the facets' values, which are the fields of `into` beside its `total`. A facet's
    own choice does not narrow its own counts, so that one sees what another choice would give.
    """
    total = 0
    counts: dict[str, Counter[str]] = {facet: Counter() for facet in into.model_fields if facet != "total"}
    for row in rows:
        missed = [facet for facet in counts if chosen.get(facet) and row[facet] != chosen[facet]]
        if not missed:
            total += row["count"]
        for facet, found in counts.items():
            if missed in ([], [facet]):
                found[row[facet]] += row["count"]
    return into(total=total, **{facet: dict(sorted(found.items())) for facet, found in counts.items()})


def queue_counts(
    kinds: Iterable[Mapping[str, Any]], agents: Iterable[Mapping[str, Any]], chosen: Mapping[str, str]
) -> QueueCounts:
    """Out of rows of one agent's or team's flags by kind, and of one kind's flags by agent, as `chosen` has them."""
    by_kind, by_agent = count_facets(kinds, chosen, KindCounts), count_facets(agents, chosen, AgentCounts)
    return QueueCounts(**by_agent.model_dump() | by_kind.model_dump())


def router(parts: Parts) -> APIRouter:
    """The routes under /api/v1/qc."""
    routes = APIRouter(prefix="/api/v1/qc", tags=["quality control"], responses={503: {"model": Problem}})

    @routes.get("/queue", summary="Flags to judge: violations before notices, the oldest first")
    async def get_queue(
        person: Annotated[Person, needs(May.SEE_FLAGS)],
        filters: Annotated[Filters, Depends()],
        qc_status: QcStatus = "open",
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> FlagPage:
        rows = await parts.call(
            parts.read.review_queue,
            given(qc_status=qc_status, shop_id=filters.shop_id, **filters.facets),
            limit + 1,
            decode_cursor(cursor, int, int, str),
            from_ms=filters.from_ms,
            to_ms=filters.to_ms,
        )
        page = rows[:limit]
        more = None
        if len(rows) > limit:
            last = page[-1]
            more = encode_cursor(int(last["severity"] != "violation"), last["occurred_at"], last["flag_id"])
        await parts.trail.saw(person, "qc_queue", page)
        return FlagPage(flags=[flag_out(parts, row, person) for row in page], next_cursor=more)

    @routes.get("/counts", summary="How many of what are in the queue", dependencies=[needs(May.SEE_FLAGS)])
    async def get_counts(filters: Annotated[Filters, Depends()], qc_status: QcStatus | None = None) -> QueueCounts:
        chosen = given(qc_status=qc_status, shop_id=filters.shop_id, **filters.facets)
        counted = await parts.call(parts.read.review_counts, chosen, filters.from_ms, filters.to_ms)
        return queue_counts(*counted, chosen)

    @routes.get("/rubric", summary="The reviewer's sheet", dependencies=[needs(May.SEE_FLAGS)])
    async def get_rubric(shop_id: Annotated[str, Query(max_length=256)] = "") -> Rubric:
        rules = parts.book.at(shop_id, parts.now_ms())
        items = [RubricLine.model_validate(item.model_dump()) for item in rules.rubric]
        return Rubric(shop_id=shop_id, ruleset=rules.label, items=items)

    @routes.get("/precision", summary="How often each rule is right", dependencies=[needs(May.SEE_FLAGS)])
    async def get_precision(shop_id: ShopId = None, since: Moment = None, until: Moment = None) -> Precision:
        span = instant_or_422("since", since), instant_or_422("until", until)
        rows = await parts.call(parts.read.rule_precision, *span, shop_id)
        found = {row["rule"]: row for row in rows}
        # those of the contract in its order, then what older rulesets had
        nothing = {"raised": 0, "judged": 0, "upheld": 0}
        each = [{"rule": rule, **nothing} | found.pop(rule, {}) for rule in RULES] + list(found.values())
        return Precision(
            rules=[
                RulePrecision(**row, precision=row["upheld"] / row["judged"] if row["judged"] else None) for row in each
            ]
        )

    return routes
