"""The wallboard's data: one dict that `static/wall.js` draws. No buyer is named on the wall."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, NamedTuple

import orjson
import structlog
from fastapi import APIRouter, Request
from sse_starlette import EventSourceResponse

from processors.calendar import calendar
from processors.targets import goal
from schemas.outputs import RULES
from sinks.database import DatabaseError, DatabaseUnavailableError
from web import metrics
from web.access.guard import needs
from web.access.roles import May
from web.api import HEARTBEAT_SECONDS, Hour, ShopId, instant_or_422
from web.board import Shop, add_up, derived, goal_of_day, read_shops
from web.floor import ShopFloorOut, service_of
from web.moves import Moves, Places
from web.parts import HOUR_MS, Parts
from web.reports.wall import fresh_reports
from web.shared import Shared

log = structlog.get_logger(__name__)

Board = dict[str, Any]
Day = dict[str, int | None]
_NO_DAY: Final[Day] = {"paid_fen": 0, "orders_paid": 0, "target_fen": None, "target_orders": None}
DAY_MS: Final = 86_400_000
REFRESH_SECONDS: Final = 5.0
"""Re-read this often without new rows: tasks fall overdue by the clock alone."""
RETRY_SECONDS: Final = 2.0
WAITING_MANY: Final = 100
"""Fewer events without a result are no sign of a worker that stands still."""


def _agent(row: dict[str, Any], before: Places, waiting: int) -> dict[str, Any]:
    """One agent's row. `move`: places gained since `before`; None without a rank then."""
    was = before.get(row["agent_id"])
    return {
        "agent_id": row["agent_id"],
        "name": row["name"],
        "team": row["team"],
        "rank": row["rank"],
        "paid_fen": row["paid_amount"],
        "orders_paid": row["orders_paid"],
        "move": None if was is None else was - row["rank"],
        "is_new": was is None and bool(before) and row["paid_amount"] > 0,
        "waiting": waiting,
    }


def _shop(parts: Parts, shop: Shop, before: Places, day: dict[str, Any], floor: ShopFloorOut) -> dict[str, Any]:
    more = derived(shop.totals)
    sale = shop.sale_event
    targets = sale["targets"] if sale else []
    hour_goal = goal(targets, shop.hour_start, shop.hour_start + HOUR_MS)
    colours = {name: place for place, name in enumerate(sorted(team["team"] for team in shop.teams))}
    silent = add_up(row for row in shop.rows if not row["agent_id"])
    waiting = {one.agent_id: one.buyers for one in floor.waiting.agents} if floor.waiting else {}
    names = {row["agent_id"]: row["name"] for row in shop.rows}
    service = floor.model_dump()
    for one in service["waiting"]["agents"] if service["waiting"] else ():
        one["name"] = names.get(one["agent_id"], one["agent_id"])
    return {
        "shop_id": shop.shop_id,
        "sale_event": None if sale is None else {"name": sale["name"]},
        "target_fen": hour_goal.amount,
        "target_orders": hour_goal.orders,
        "pk_basis": sale["pk_basis"] if sale else "amount",
        "rows": [_agent(row, before, waiting.get(row["agent_id"], 0)) for row in shop.rows if row["agent_id"]],
        "teams": [
            {
                "team": team["team"],
                "colour": colours[team["team"]],  # by name: a team keeps its colour when the lead changes
                "paid_fen": team["paid_amount"],
                "orders_paid": team["orders_paid"],
                "target_fen": (
                    team_goal := goal(targets, shop.hour_start, shop.hour_start + HOUR_MS, team=team["team"])
                ).amount,
                "target_orders": team_goal.orders,
            }
            for team in shop.teams
        ],
        "hour": {
            "paid_fen": shop.totals["paid_amount"],
            "silent_fen": silent["paid_amount"],
            "orders_paid": shop.totals["orders_paid"],
            "buyers_served": shop.totals["buyers_served"],
            "conversion": more["conversion"],
            "average_order_fen": more["average_order"],
            "items_per_order": more["items_per_order"],
        },
        "day": day,
        "service": service,
    }


def _ranks(rows: Iterable[dict[str, Any]]) -> Places:
    return {row["agent_id"]: row["rank"] for row in rows if row["agent_id"]}


def _days(rows: Iterable[dict[str, Any]], sales: list[dict[str, Any]], at_ms: int, zone_of: Any) -> dict[str, Day]:
    """shop -> paid_fen, orders_paid, target_fen and target_orders of its local day that holds `at_ms`."""
    hours: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        hours[row["shop_id"]].append(row)
    found = {}
    for shop, all_hours in hours.items():
        day = calendar(zone_of(shop))
        start, end = day.day_start(at_ms), day.day_end(at_ms)
        mine = [row for row in all_hours if start <= row["hour_start"] < end]
        target = goal_of_day(sales, shop, start, end, [row["hour_start"] for row in mine])
        found[shop] = {
            "paid_fen": sum(row["paid_amount"] for row in mine),
            "orders_paid": sum(row["orders_paid"] for row in mine),
            "target_fen": target.amount,
            "target_orders": target.orders,
        }
    return found


def _flag_counts(buckets: Iterable[dict[str, Any]], at_ms: int, zone_of: Any) -> list[dict[str, Any]]:
    """By rule, violations first: how many in the hour and in the day that hold `at_ms`; `severity` of most of the day's."""
    counts: dict[str, dict[str, Any]] = {}
    for row in buckets:
        days = calendar(zone_of(row["shop_id"]))
        if not days.day_start(at_ms) <= row["bucket"] < days.day_end(at_ms):
            continue
        one = counts.setdefault(row["rule"], {"rule": row["rule"], "hour": 0, "day": 0, "violations": 0})
        start = days.hour_start(at_ms)
        one["day"] += row["count"]
        one["violations"] += row["count"] if row["severity"] == "violation" else 0
        one["hour"] += row["count"] if start <= row["bucket"] < start + HOUR_MS else 0
    for one in counts.values():  # a rule may raise both
        one["severity"] = "violation" if 2 * one["violations"] >= one["day"] else "notice"
    order = {rule: place for place, rule in enumerate(RULES)}
    return sorted(counts.values(), key=lambda one: (one["severity"] != "violation", order.get(one["rule"], 99)))


def read_board(parts: Parts, moves: Moves, hour_ms: int | None, shop_id: str | None) -> Board:
    """The board now (`hour_ms` None) or in a past hour. Without a row in this hour it falls back to the latest that has."""
    read, zone_of = parts.read, parts.book.timezone
    now = parts.now_ms()
    at, mode = (now, "live") if hour_ms is None else (hour_ms, "past")
    zone_name = zone_of(shop_id or "")
    if hour_ms is not None and calendar(zone_name).hour_start(hour_ms) == calendar(zone_name).hour_start(now):
        mode = "live"
    shops = read_shops(read, at, shop_id, zone_of)
    if not shops and hour_ms is None:
        latest = read.latest_hour(shop_id)
        if latest is not None:
            at, mode = latest, "fallback"
            shops = read_shops(read, at, shop_id, zone_of)
    if shops:
        zone_name = zone_of(shops[0].shop_id)
    start = calendar(zone_name).hour_start(at)
    waiting = read.waiting_events(now)
    floors = {one.shop_id: one for one in service_of(parts, shops, at, now, shop_id, live=mode != "past").shops}
    before = [] if mode == "live" else read.leaderboard(at - HOUR_MS, shop_id)
    around = at - DAY_MS - HOUR_MS, at + DAY_MS + HOUR_MS
    if mode == "live":  # nobody has served them yet, and they wait all the same
        known = {shop.shop_id for shop in shops}
        crowds = [
            name
            for name, floor in floors.items()
            if name not in known and floor.waiting and (floor.waiting.buyers or floor.waiting.gave_up)
        ]
        shops += [Shop(name, calendar(zone_of(name)).hour_start(at), [], [], add_up(()), None) for name in crowds]
        shops.sort(key=lambda shop: shop.shop_id)
    days = _days(read.hour_totals(*around, shop_id), read.sale_events(*around), at, zone_of)
    return {
        "status": "ok" if shops else "empty",
        "stale": False,
        "mode": mode,
        "timezone": zone_name,
        "now_ms": now,
        "hour_start_ms": start,
        "hour_end_ms": start + HOUR_MS,
        "last_event_ms": read.last_event_ms(),
        "waiting": waiting if waiting >= WAITING_MANY else 0,
        "shops": [
            _shop(
                parts,
                shop,
                # a past hour's ranks are compared with those of the hour before
                moves.since(shop.shop_id, shop.hour_start, now, _ranks(shop.rows))
                if mode == "live"
                else _ranks(row for row in before if row["shop_id"] == shop.shop_id),
                days.get(shop.shop_id, dict(_NO_DAY)),
                floors[shop.shop_id],
            )
            for shop in shops
        ],
        "flags": _flag_counts(read.flag_buckets(at - DAY_MS - HOUR_MS, at + DAY_MS + HOUR_MS, shop_id), at, zone_of),
        "tasks": read.task_counts(now, shop_id),
        "reports": [] if mode == "past" else fresh_reports(parts, now, shop_id),
    }


class Frame(NamedTuple):
    """A board, and the server-sent event that tells it: written once for all viewers."""

    board: Board
    event: bytes


def frame_of(board: Board) -> Frame:
    """The board with its event."""
    return Frame(board, b"event: board\r\ndata: " + orjson.dumps(board) + b"\r\n\r\n")


class Boards:
    """The wall's boards; the last one that was read stands in while the database is down."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        moves = Moves()
        self._shared: Shared[Frame] = Shared(
            parts, lambda hour_ms, shop_id: frame_of(read_board(parts, moves, hour_ms, shop_id))
        )

    async def get(self, hour_ms: int | None, shop_id: str | None, version: int) -> Frame:
        """The board as of `version` or newer. Never raises for a database that is down: the board says so."""
        try:
            return await self._shared.get(hour_ms, shop_id, version)
        except (DatabaseError, DatabaseUnavailableError) as error:
            log.warning("board_not_read", error=str(error))
            return self._down(self._shared.last(hour_ms, shop_id))

    def _down(self, last: Frame | None) -> Frame:
        if last is not None and last.board["status"] == "ok":
            return frame_of({**last.board, "stale": True})
        return frame_of(
            {
                "status": "down",
                "stale": False,
                "mode": "live",
                "timezone": self._parts.book.timezone(""),
                "now_ms": self._parts.now_ms(),
                "last_event_ms": None,
                "shops": [],
            }
        )


def router(parts: Parts, boards: Boards) -> APIRouter:
    """The route that the wallboard listens to."""
    routes = APIRouter(prefix="/api/v1", tags=["read"])

    @routes.get(
        "/wall/stream",
        summary="The wallboard's boards as server-sent events, a new one as rows arrive",
        response_class=EventSourceResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
        dependencies=[needs(May.WATCH)],
    )
    async def stream_wall(request: Request, shop_id: ShopId = None, hour: Hour = None) -> EventSourceResponse:
        at = instant_or_422("hour", hour)
        return EventSourceResponse(_events(parts, boards, request, at, shop_id), ping=HEARTBEAT_SECONDS)

    return routes


async def _events(
    parts: Parts, boards: Boards, request: Request, hour_ms: int | None, shop_id: str | None
) -> AsyncIterator[bytes]:
    sent: Frame | None = None
    with metrics.VIEWERS.labels("wall").track_inprogress():
        while not await request.is_disconnected():
            version = parts.live.version
            frame = await boards.get(hour_ms, shop_id, version)
            if frame is not sent:
                sent = frame
                yield frame.event
            down = frame.board["stale"] or frame.board["status"] == "down"
            to_next_hour = (HOUR_MS - parts.now_ms() % HOUR_MS) / 1000 + 0.05
            await parts.live.changed(version, min(RETRY_SECONDS if down else REFRESH_SECONDS, to_next_hour))


BAD_HOUR: Final[Board] = {"status": "bad_hour", "stale": False, "mode": "past", "shops": []}
LOADING: Final[Board] = {"status": "loading", "stale": False, "mode": "live", "shops": []}
