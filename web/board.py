"""An hour of the shops, put together from the read model: sums, teams, sale event, names. The API and the wallboard share it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from processors.calendar import calendar
from processors.leaderboard import BoardSums
from processors.targets import Goal, Planned, goal, in_force, planned, total
from schemas.types import format_amount
from sinks.read_model import ReadModel
from web.models import AgentRow, Leaderboard, SaleEvent, ShopBoard, Sums, TeamRow
from web.parts import HOUR_MS, Parts

Row = Mapping[str, Any]


def add_up(rows: Iterable[Row]) -> dict[str, int]:
    """The summed figures of several rows, amounts in fen."""
    total = dict.fromkeys(BoardSums.ROW, 0)
    for row in rows:
        for key in BoardSums.ROW:
            total[key] += row[key]
    return total


def derived(sums: Row) -> dict[str, Any]:
    """conversion and items_per_order as ratios, average_order in fen; None where there is nothing to divide by."""
    orders, served = sums["orders_paid"], sums["buyers_served"]
    return {
        "conversion": sums["buyers_paid"] / served if served else None,
        "average_order": round(sums["paid_amount"] / orders) if orders else None,
        "items_per_order": sums["items_paid"] / orders if orders else None,
    }


@dataclass(frozen=True, slots=True)
class Shop:
    """One shop's hour. Amounts in fen, times in ms."""

    shop_id: str
    hour_start: int
    rows: list[dict[str, Any]]
    teams: list[dict[str, Any]]
    totals: dict[str, int]
    sale_event: dict[str, Any] | None


def pk_teams(rows: Sequence[Row], sale: Row | None) -> list[dict[str, Any]]:
    """The teams with their sums, best first: those of the sale event's PK, else all that have a row."""
    by_team: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["agent_id"] and row["team"]:
            by_team[row["team"]].append(row)
    names = list(sale["teams"]) if sale and sale["teams"] else sorted(by_team)
    key = "orders_paid" if sale and sale["pk_basis"] == "orders" else "paid_amount"
    teams: list[dict[str, Any]] = [
        {"team": name, "agents": len(by_team[name]), **add_up(by_team[name])} for name in names
    ]
    teams.sort(key=lambda team: (-team[key], team["team"]))
    for team in teams:
        team["rank"] = 1 + sum(other[key] > team[key] for other in teams)
    return teams


def sale_of(sales: Iterable[Row], shop_id: str, from_ms: int, to_ms: int) -> dict[str, Any] | None:
    """Of `ReadModel.sale_events` the one of that shop in [from, to): of several the one that began last. Its targets are read."""
    own = [sale for sale in sales if sale["shop_id"] == shop_id]
    events = [planned(sale) for sale in own]
    held = in_force(events, from_ms, to_ms)
    return None if held is None else {**own[events.index(held)], "targets": held.targets}


def goal_of_hours(sales: Iterable[Row], shop_id: str, from_ms: int, to_ms: int) -> Goal:
    """The shop's targets of the hours in [from, to), each by the sale event in force in that hour."""
    return _goal_of(_planned(sales, shop_id), range(from_ms, to_ms, HOUR_MS))


def goal_of_day(sales: Iterable[Row], shop_id: str, from_ms: int, to_ms: int, hours: Iterable[int]) -> Goal:
    """The targets of the whole day [from, to), where every one of `hours`, those with figures, has one: else what was paid
    without a target would count.
    """
    events = _planned(sales, shop_id)
    each = [_goal_of(events, [hour]) for hour in hours]
    whole = _goal_of(events, range(from_ms, to_ms, HOUR_MS))
    return Goal(
        whole.amount if all(one.amount is not None for one in each) else None,
        whole.orders if all(one.orders is not None for one in each) else None,
    )


def _planned(sales: Iterable[Row], shop_id: str) -> list[Planned]:
    """The shop's sale events, each with its targets read once."""
    return [planned(sale) for sale in sales if sale["shop_id"] == shop_id]


def _goal_of(events: Sequence[Planned], hours: Iterable[int]) -> Goal:
    held = ((hour, in_force(events, hour, hour + HOUR_MS)) for hour in hours)
    return total([goal(event.targets if event else (), hour, hour + HOUR_MS) for hour, event in held])


def read_shops(read: ReadModel, at_ms: int, shop_id: str | None, zone_of: Any) -> list[Shop]:
    """Every shop with rows in its hour that holds `at_ms`, by shop id. `zone_of`: shop id -> time zone name."""
    by_shop: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read.leaderboard(at_ms, shop_id):
        row["name"] = row["name"] or row["agent_id"]
        by_shop[row["shop_id"]].append(row)
    sales = read.sale_events(at_ms - HOUR_MS, at_ms + HOUR_MS)
    shops = []
    for shop, rows in sorted(by_shop.items()):
        start = calendar(zone_of(shop)).hour_start(at_ms)
        sale = sale_of(sales, shop, start, start + HOUR_MS)
        shops.append(Shop(shop, start, rows, pk_teams(rows, sale), add_up(rows), sale))
    return shops


# ---- as the API answers it -------------------------------------------------------------------------------------------


def _sums(row: Row) -> dict[str, Any]:
    more = derived(row)
    average = more["average_order"]
    return {
        **{key: row[key] for key in BoardSums.ROW},
        **more,
        "paid_amount": format_amount(row["paid_amount"]),
        "refunded_amount": format_amount(row["refunded_amount"]),
        "average_order": None if average is None else format_amount(average),
    }


def _sale_event(parts: Parts, sale: Row | None, start: int) -> SaleEvent | None:
    if sale is None:
        return None
    amount, orders = goal(sale["targets"], start, start + HOUR_MS)
    return SaleEvent(
        sale_event_id=sale["sale_event_id"],
        name=sale["name"],
        starts_at=parts.time(sale["starts_at"], sale["shop_id"]) or "",
        ends_at=parts.time(sale["ends_at"], sale["shop_id"]) or "",
        teams=list(sale["teams"]),
        pk_basis=sale["pk_basis"],
        target_amount=None if amount is None else format_amount(amount),
        target_orders=orders,
    )


def _shop_board(parts: Parts, shop: Shop) -> ShopBoard:
    start = parts.time(shop.hour_start, shop.shop_id) or ""
    named = ("shop_id", "agent_id", "name", "team", "rank")
    return ShopBoard(
        shop_id=shop.shop_id,
        hour_start=start,
        rows=[AgentRow(hour_start=start, **{key: row[key] for key in named}, **_sums(row)) for row in shop.rows],
        teams=[
            TeamRow(shop_id=shop.shop_id, **{key: team[key] for key in ("team", "agents", "rank")}, **_sums(team))
            for team in shop.teams
        ],
        totals=Sums(**_sums(shop.totals)),
        sale_event=_sale_event(parts, shop.sale_event, shop.hour_start),
    )


def leaderboard(parts: Parts, at_ms: int, shop_id: str | None) -> Leaderboard:
    """`GET /api/v1/leaderboard` for the hour that holds `at_ms`."""
    shops = [_shop_board(parts, shop) for shop in read_shops(parts.read, at_ms, shop_id, parts.book.timezone)]
    zone_of = shop_id or (shops[0].shop_id if shops else "")
    return Leaderboard(
        hour_start=parts.time(calendar(parts.book.timezone(zone_of)).hour_start(at_ms), zone_of) or "",
        generated_at=parts.time(parts.now_ms(), zone_of) or "",
        shops=shops,
        rows=[row for shop in shops for row in shop.rows],
        teams=[team for shop in shops for team in shop.teams],
    )
