"""The wallboard's data: one dict that `static/wall.js` draws. No buyer is named on the wall."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import structlog

from schemas.outputs import RULES
from sinks.database import DatabaseError, DatabaseUnavailableError
from web import metrics
from web.board import Shop, add_up, day_bounds, derived, hour_start, read_shops
from web.parts import HOUR_MS, Parts

log = structlog.get_logger(__name__)

Board = dict[str, Any]
KEPT_BOARDS: Final = 32
KEPT_MS: Final = 4_000
DAY_MS: Final = 86_400_000
WAITING_MANY: Final = 100
"""Fewer events without a result are no sign of a worker that stands still."""


def _agent(row: dict[str, Any], before: dict[tuple[str, str], int]) -> dict[str, Any]:
    """One agent's row. `move`: places gained since the hour before; None without a rank then."""
    was = before.get((row["shop_id"], row["agent_id"]))
    return {
        "agent_id": row["agent_id"],
        "name": row["name"],
        "team": row["team"],
        "rank": row["rank"],
        "paid_fen": row["paid_amount"],
        "orders_paid": row["orders_paid"],
        "move": None if was is None else was - row["rank"],
        "is_new": was is None and bool(before) and row["paid_amount"] > 0,
    }


def _shop(shop: Shop, before: dict[tuple[str, str], int], day: dict[str, int]) -> dict[str, Any]:
    more = derived(shop.totals)
    sale = shop.sale_event
    colours = {name: place for place, name in enumerate(sorted(team["team"] for team in shop.teams))}
    silent = add_up(row for row in shop.rows if not row["agent_id"])
    return {
        "shop_id": shop.shop_id,
        "sale_event": None if sale is None else {"name": sale["name"]},
        "target_fen": sale["target_fen"] if sale else None,
        "pk_basis": sale["pk_basis"] if sale else "amount",
        "rows": [_agent(row, before) for row in shop.rows if row["agent_id"]],
        "teams": [
            {
                "team": team["team"],
                "colour": colours[team["team"]],  # by name: a team keeps its colour when the lead changes
                "paid_fen": team["paid_amount"],
                "orders_paid": team["orders_paid"],
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
    }


def _day_totals(rows: Iterable[dict[str, Any]], at_ms: int, zone_of: Any) -> dict[str, dict[str, int]]:
    """shop -> paid_fen and orders_paid of its local day that holds `at_ms`."""
    totals: defaultdict[str, dict[str, int]] = defaultdict(lambda: {"paid_fen": 0, "orders_paid": 0})
    for row in rows:
        start, end = day_bounds(at_ms, zone_of(row["shop_id"]))
        if start <= row["hour_start"] < end:
            totals[row["shop_id"]]["paid_fen"] += row["paid_amount"]
            totals[row["shop_id"]]["orders_paid"] += row["orders_paid"]
    return totals


def _flag_counts(buckets: Iterable[dict[str, Any]], at_ms: int, zone_of: Any) -> list[dict[str, Any]]:
    """By rule, in the contract's order: how many in the hour and in the day that hold `at_ms`."""
    counts: dict[str, dict[str, Any]] = {}
    for row in buckets:
        day_start, day_end = day_bounds(at_ms, zone_of(row["shop_id"]))
        if not day_start <= row["bucket"] < day_end:
            continue
        one = counts.setdefault(row["rule"], {"rule": row["rule"], "severity": "notice", "hour": 0, "day": 0})
        if row["severity"] == "violation":
            one["severity"] = "violation"
        start = hour_start(at_ms, zone_of(row["shop_id"]))
        one["day"] += row["count"]
        one["hour"] += row["count"] if start <= row["bucket"] < start + HOUR_MS else 0
    order = {rule: place for place, rule in enumerate(RULES)}
    return sorted(counts.values(), key=lambda one: (one["severity"] != "violation", order.get(one["rule"], 99)))


def read_board(parts: Parts, hour_ms: int | None, shop_id: str | None) -> Board:
    """The board now (`hour_ms` None) or in a past hour. Without a row in this hour it falls back to the latest that has."""
    read, zone_of = parts.read, parts.book.timezone
    now = parts.now_ms()
    at, mode = (now, "live") if hour_ms is None else (hour_ms, "past")
    zone_name = zone_of(shop_id or "")
    if hour_ms is not None and hour_start(hour_ms, zone_name) == hour_start(now, zone_name):
        mode = "live"
    shops = read_shops(read, at, shop_id, zone_of)
    if not shops and hour_ms is None:
        latest = read.latest_hour(shop_id)
        if latest is not None:
            at, mode = latest, "fallback"
            shops = read_shops(read, at, shop_id, zone_of)
    if shops:
        zone_name = zone_of(shops[0].shop_id)
    start = hour_start(at, zone_name)
    waiting = read.waiting_events(now)
    before = read.ranks(at - HOUR_MS, shop_id)
    days = _day_totals(read.hour_totals(at - DAY_MS - HOUR_MS, at + DAY_MS + HOUR_MS, shop_id), at, zone_of)
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
        "shops": [_shop(shop, before, days.get(shop.shop_id, {"paid_fen": 0, "orders_paid": 0})) for shop in shops],
        "flags": _flag_counts(read.flag_buckets(at - DAY_MS - HOUR_MS, at + DAY_MS + HOUR_MS, shop_id), at, zone_of),
        "tasks": read.task_counts(now, shop_id),
    }


class Boards:
    """The boards that are being looked at, each read once for all its viewers, and kept for when the database is down."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._boards: dict[tuple[int | None, str | None], tuple[int, Board]] = {}
        self._lock = asyncio.Lock()

    async def get(self, hour_ms: int | None, shop_id: str | None, version: int) -> Board:
        """The board as of `version` or newer. Never raises for a database that is down: the board says so."""
        key = (hour_ms, shop_id)
        async with self._lock:
            kept = self._boards.get(key)
            if kept is not None and kept[0] >= version and self._fresh(kept[1]):
                return kept[1]
            current = self._parts.live.version
            try:
                with metrics.BOARD_SECONDS.time():
                    board = await self._parts.call(read_board, self._parts, hour_ms, shop_id)
            except (DatabaseError, DatabaseUnavailableError) as error:
                log.warning("board_not_read", error=str(error))
                return self._down(kept[1] if kept else None)
            self._boards.pop(key, None)
            self._boards[key] = (current, board)
            while len(self._boards) > KEPT_BOARDS:
                self._boards.pop(next(iter(self._boards)))
            return board

    def _fresh(self, board: Board) -> bool:
        """For a few seconds (tasks fall overdue by the clock alone), and no longer than the clock's hour."""
        now = self._parts.now_ms()
        same_hour: bool = now // HOUR_MS == board["now_ms"] // HOUR_MS
        return same_hour and now - board["now_ms"] < KEPT_MS

    def _down(self, last: Board | None) -> Board:
        if last is not None and last["status"] == "ok":
            return {**last, "stale": True}
        return {
            "status": "down",
            "stale": False,
            "mode": "live",
            "timezone": self._parts.book.timezone(""),
            "now_ms": self._parts.now_ms(),
            "last_event_ms": None,
            "shops": [],
        }


BAD_HOUR: Final[Board] = {"status": "bad_hour", "stale": False, "mode": "past", "shops": []}
LOADING: Final[Board] = {"status": "loading", "stale": False, "mode": "live", "shops": []}
