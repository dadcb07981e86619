"""What the floor does for buyers: who waits, how fast answers come, before- and after-sales. The API and the wallboard share it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from processors.calendar import calendar
from processors.ruleset_fields import MINUTE_MS
from processors.ruleset_model import within
from processors.sides import side_of
from processors.waiting import UnansweredBuyer, Waiting, gave_up, waiting_in
from sinks.floor_model import DAY_SECONDS, HOUR_SECONDS, FloorModel
from web.access.guard import needs
from web.access.roles import May
from web.api import Hour, ShopId, instant_or_422
from web.board import Shop, read_shops
from web.models import Problem
from web.parts import HOUR_MS, Parts

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShopFloor:
    """One shop: `waiting` None for a past hour, `gave_up` who have ceased to wait in this one; `hour` and `day` by
    definition, the summed windows' rows.
    """

    waiting: Waiting | None
    gave_up: int
    hour: Mapping[str, Row]
    day: Mapping[str, Row]


def read_floor(parts: Parts, at_ms: int, now: int, shop_id: str | None, *, live: bool) -> dict[str, ShopFloor]:
    """By shop, for those that have any: what waits at `now`, ms (`live`), the response windows of the hour and the day of
    `at_ms`."""
    model = FloorModel(parts.db)
    hours: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    days: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    for row in model.response(at_ms, shop_id):
        zone = calendar(parts.book.timezone(row["shop_id"]))
        if (row["window_seconds"], row["window_start"]) == (HOUR_SECONDS, zone.hour_start(at_ms)):
            hours[row["shop_id"]][row["definition"]] = row
        elif (row["window_seconds"], row["window_start"]) == (DAY_SECONDS, zone.day_start(at_ms)):
            days[row["shop_id"]][row["definition"]] = row
    limits = {shop: parts.book.at(shop, now).overload for shop in ("", *parts.book.own_shops)}
    longest = max(limit.waiting_minutes for limit in limits.values()) * MINUTE_MS
    buyers: defaultdict[str, list[UnansweredBuyer]] = defaultdict(list)
    for row in model.unanswered(now - HOUR_MS - longest, now, shop_id) if live else ():
        buyers[row["shop_id"]].append(UnansweredBuyer(row["agent_id"], row["since"], row["newest"], row["ends"]))
    found = {}
    for shop in sorted({*hours, *days, *buyers}):
        limit, begun = limits.get(shop, limits[""]), calendar(parts.book.timezone(shop)).hour_start(now)
        found[shop] = ShopFloor(
            waiting_in(buyers[shop], now, limit) if live else None,
            gave_up(buyers[shop], begun, now, limit),
            hours[shop],
            days[shop],
        )
    return found


def sides(rows: Iterable[Row]) -> dict[str, int]:
    """Buyers served by agents for before-sales and for after-sales, out of an hour's leaderboard rows."""
    served = {"presale": 0, "aftersale": 0}
    for row in rows:
        if row["agent_id"]:
            served[side_of(row["role"])] += row["buyers_served"]
    return served


# ---- as the API answers it -------------------------------------------------------------------------------------------


class Figures(BaseModel):
    """Response figures of a whole shop in one definition (contract §2), its agents' windows added up."""

    rounds: int
    answered: int
    pending: int
    unanswered: int
    answered_within_3min: int
    avg_response_ms: float | None = Field(description="null without a round that counts")
    rate_3min: float | None = Field(description="answered_within_3min / (answered + unanswered)")


class FirstResponses(BaseModel):
    """First responses of sessions."""

    count: int
    avg_ms: float | None
    within_10s: int


class Windows(BaseModel):
    """The windows of one size that hold the moment."""

    all: Figures
    platform: Figures = Field(
        description="as Tmall counts: rounds opened in the shop's platform_hours, an unanswered one as the cap"
    )
    first_responses: FirstResponses


class AgentWaitingOut(BaseModel):
    """Who waits for one agent."""

    agent_id: str
    buyers: int
    longest_ms: int
    is_overloaded: bool


class WaitingOut(BaseModel):
    """Buyers who wait for an answer now, and the ruleset's thresholds (爆旺)."""

    buyers: int
    longest_ms: int | None
    level: Literal["ok", "busy", "overload"] = Field(description="busy above warning_at, overload above overload_at")
    warning_at: int
    overload_at: int
    gave_up: int = Field(
        description="buyers who have ceased to wait in this hour without an answer: after waiting_minutes, or at midnight"
    )
    waiting_minutes: int = Field(description="after these who has no answer is taken to have left")
    agents: list[AgentWaitingOut] = Field(description="for whom most wait first")


class ShopFloorOut(BaseModel):
    """One shop."""

    shop_id: str
    in_sale_event: bool = Field(description="response times then count for nobody's score")
    waiting: WaitingOut | None = Field(description="null for a past hour")
    hour: Windows
    day: Windows
    platform_hours: tuple[str, str] = Field(description="of the shop's day, in which the platform counts rounds")
    in_platform_hours: bool = Field(description="whether any of the hour lies in them")
    reply_rate: float | None = Field(description="buyers_replied / buyers_wrote of the day, summed over agents")
    served: dict[Literal["presale", "aftersale"], int] = Field(
        description="buyers served in the hour, by the agents' role"
    )


class Floor(BaseModel):
    """Of one shop or all."""

    now: str
    shops: list[ShopFloorOut]


_NONE: Final = dict.fromkeys(
    (*Figures.model_fields, "first_responses", "first_response_ms_sum", "first_within_10s"), 0
) | {
    "avg_response_ms": None,
    "rate_3min": None,
}


def windows_out(rows: Mapping[str, Row]) -> Windows:
    """The summed rows of one size, by definition, as the API answers them."""
    every, platform = rows.get("all", _NONE), rows.get("platform", _NONE)
    count = every["first_responses"]
    first = FirstResponses(
        count=count,
        avg_ms=every["first_response_ms_sum"] / count if count else None,
        within_10s=every["first_within_10s"],
    )
    figures = [Figures(**{key: row[key] for key in Figures.model_fields}) for row in (every, platform)]
    return Windows(all=figures[0], platform=figures[1], first_responses=first)


def waiting_out(parts: Parts, shop_id: str, now: int, waiting: Waiting, left: int) -> WaitingOut:
    """With the thresholds that are in force at `now`, ms; `left`: who have ceased to wait."""
    limits = parts.book.at(shop_id, now).overload
    return WaitingOut(
        buyers=waiting.buyers,
        longest_ms=waiting.longest_ms,
        level=waiting.level,
        warning_at=limits.warning_buyers,
        overload_at=limits.waiting_buyers,
        gave_up=left,
        waiting_minutes=limits.waiting_minutes,
        agents=[AgentWaitingOut(**one._asdict()) for one in waiting.agents],
    )


def _time_of_day(ms: int) -> str:
    return f"{ms // HOUR_MS:02d}:{ms % HOUR_MS // MINUTE_MS:02d}"


def shop_out(parts: Parts, shop: Shop | None, floor: ShopFloor, shop_id: str, at_ms: int, now: int) -> ShopFloorOut:
    """One shop's answer for the hour that holds `at_ms`; `shop` is its leaderboard, None where it has none."""
    every, days = floor.day.get("all"), calendar(parts.book.timezone(shop_id))
    start = days.hour_start(at_ms)
    hours = parts.book.at(shop_id, start).platform_hours
    return ShopFloorOut(
        shop_id=shop_id,
        in_sale_event=shop is not None and shop.sale_event is not None,
        waiting=None if floor.waiting is None else waiting_out(parts, shop_id, now, floor.waiting, floor.gave_up),
        hour=windows_out(floor.hour),
        day=windows_out(floor.day),
        platform_hours=(_time_of_day(hours[0]), _time_of_day(hours[1])),
        in_platform_hours=any(within(hours, days.ms_of_day(at)) for at in range(start, start + HOUR_MS, MINUTE_MS)),
        reply_rate=every["buyers_replied"] / every["buyers_wrote"] if every and every["buyers_wrote"] else None,
        served=sides(shop.rows if shop else ()),
    )


def service_of(parts: Parts, shops: Iterable[Shop], at_ms: int, now: int, shop_id: str | None, *, live: bool) -> Floor:
    """The floor in the hour that holds `at_ms`, of which `shops` are the leaderboards; `live`: with who waits at `now`, ms."""
    floors = read_floor(parts, at_ms, now, shop_id, live=live)
    boards = {shop.shop_id: shop for shop in shops}
    nothing = ShopFloor(waiting_in((), now, parts.book.at("", now).overload) if live else None, 0, {}, {})
    return Floor(
        now=parts.time(now, shop_id or "") or "",
        shops=[
            shop_out(parts, boards.get(name), floors.get(name, nothing), name, at_ms, now)
            for name in sorted({*boards, *floors})
        ],
    )


def read_service(parts: Parts, hour_ms: int | None, shop_id: str | None) -> Floor:
    """`GET /api/v1/service`: of now, or of a past hour."""
    now = parts.now_ms()
    at = now if hour_ms is None else hour_ms
    shops = read_shops(parts.read, at, shop_id, parts.book.timezone)
    return service_of(parts, shops, at, now, shop_id, live=hour_ms is None)


def router(parts: Parts) -> APIRouter:
    """The route under /api/v1."""
    routes = APIRouter(prefix="/api/v1", tags=["read"], responses={503: {"model": Problem}})

    @routes.get(
        "/service",
        summary="Who waits now, response times in both definitions, before- and after-sales",
        dependencies=[needs(May.WATCH)],
    )
    async def get_service(shop_id: ShopId = None, hour: Hour = None) -> Floor:
        return await parts.call(read_service, parts, instant_or_422("hour", hour), shop_id)

    return routes
