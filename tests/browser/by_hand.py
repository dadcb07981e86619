"""The wall's figures of one moment worked out by hand, in SQL on what came in and on the tables of results, and how a wall
writes them. Nothing of the product's read model is used.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

Sql = Callable[[str], list[dict[str, Any]]]
ZONE = ZoneInfo("Asia/Shanghai")
HOUR, DAY, MINUTE, CAP = 3_600_000, 86_400_000, 60_000, 600_000
NONE = "–"

WATCHED = """
const Native = EventSource;
window.EventSource = class extends Native {
  constructor(...all) { super(...all); this.addEventListener("board", (event) => { window.lastBoard = event.data; }); }
};"""
"""put into the page: it keeps the board that is on show"""

READ = """async () => {
  const text = (at, what) => { const one = at.querySelector(what); return one ? one.textContent : null; };
  const pairs = (list, key, value) => Object.fromEntries([...list].map((one) => [key(one), value(one)]));
  for (;;) {
    const data = window.lastBoard;
    await new Promise((go) => setTimeout(go, 150));
    if (!data || data !== window.lastBoard) continue; // drawn, and none has come since
    const board = JSON.parse(data);
    const shops = pairs(document.querySelectorAll("section.shop"), (shop) => shop.dataset.shop, (shop) => ({
      hour: text(shop, ".total .big b"), day: text(shop, ".total .day b"), day_orders: text(shop, ".total .day span"),
      day_goal: text(shop, ".total .day small"), target: text(shop, ".target span"),
      kpis: pairs(shop.querySelectorAll(".kpis:not(.service) > div"), (one) => text(one, "dt"), (one) => one.querySelector("dd").firstChild.textContent),
      service: pairs(shop.querySelectorAll(".kpis.service > div"), (one) => one.dataset.figure, (one) => [...one.querySelector("dd").childNodes].map((node) => node.textContent)),
      agents: [...shop.querySelectorAll(".agents li:not(.row-leave-active)")].map((one) => [text(one, ".name b"), text(one, ".orders"), text(one, ".amount")]),
      teams: [...shop.querySelectorAll(".duel .side, .ladder li")].map((one) => [one.querySelector("b").firstChild.textContent, text(one, ".num")]),
    }));
    const flags = pairs(document.querySelectorAll(".flags dl[data-rule]"), (one) => one.dataset.rule, (one) => [text(one, "dd b"), text(one, "dd small")]);
    return { now: board.now_ms, hour: board.hour_start_ms, mode: board.mode, shops, flags };
  }
}"""


def day_of(at_ms: int) -> tuple[int, int]:
    """The local day; Shanghai has no summer time."""
    start = int(
        datetime.fromtimestamp(at_ms / 1000, ZONE).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    )
    return start * 1000, start * 1000 + DAY


def hour_of(at_ms: int) -> int:
    return at_ms // HOUR * HOUR


def at(ms: int) -> str:
    return f"fromUnixTimestamp64Milli(toInt64({ms}))"


def span(column: str, start: int, end: int) -> str:
    return f"{column} >= {at(start)} AND {column} < {at(end)}"


_SAID = "SELECT shop_id, buyer_id, agent_id, time FROM messages WHERE sender = 'agent' AND reply_mode != 'auto'"


def sold(sql: Sql, shop: str, start: int, end: int) -> dict[str, dict[str, int]]:
    """Of [start, end), by the agent credited (empty: none): fen, orders, buyers, who were served."""
    paid = sql(
        "SELECT agent, toInt64(sum(amount) * 100) AS fen, countIf(nth = 1) AS orders, uniqExact(buyer_id) AS buyers FROM ("
        "SELECT p.buyer_id AS buyer_id, p.time AS time, p.amount AS amount, p.nth AS nth,"
        " if(m.time > p.time - INTERVAL 24 HOUR, m.agent_id, '') AS agent FROM"
        " (SELECT *, row_number() OVER (PARTITION BY shop_id, order_id ORDER BY time, id) AS nth FROM payments) AS p"
        f" ASOF LEFT JOIN ({_SAID}) AS m ON m.shop_id = p.shop_id AND m.buyer_id = p.buyer_id AND m.time <= p.time"
        f" WHERE p.shop_id = '{shop}') WHERE {span('time', start, end)} GROUP BY agent"
    )
    served = sql(
        f"SELECT agent_id AS agent, uniqExact(buyer_id) AS served FROM ({_SAID}) WHERE shop_id = '{shop}'"
        f" AND {span('time', start, end)} GROUP BY agent"
    )
    found: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("fen", "orders", "buyers", "served"), 0))
    for row in (*paid, *served):
        found[row["agent"]] |= {key: int(value) for key, value in row.items() if key != "agent"}
    return dict(found)


def replies(sql: Sql, shop: str, start: int, end: int, now: int) -> dict[str, dict[str, Any]]:
    """Of the rounds opened in [start, end): the figures of both definitions, None without a round that counts."""
    (row,) = sql(
        "WITH isNotNull(replied_at) AS done, isNull(replied_at) AND day_ends_at <= "
        f"{at(now)} AS gone, least(response_ms, {CAP}) AS ms, in_platform_hours AS counts SELECT"
        " countIf(done) AS answered, countIf(gone) AS unanswered, sumIf(ms, done) AS total,"
        " countIf(done AND counts) AS p_answered, countIf(gone AND counts) AS p_unanswered,"
        f" sumIf(if(done, ms, {CAP}), counts AND (done OR gone)) AS p_total, countIf(counts AND response_ms <= 180000) AS within,"
        " count() AS rounds, countIf(counts) AS p_rounds FROM rounds_raw FINAL"
        f" WHERE status != 'void' AND shop_id = '{shop}' AND {span('opened_at', start, end)}"
    )
    got = {key: int(value or 0) for key, value in row.items()}
    counted = got["p_answered"] + got["p_unanswered"]

    def of(prefix: str) -> dict[str, Any]:
        return {
            "rounds": got[prefix + "rounds"],
            "answered": got[prefix + "answered"],
            "unanswered": got[prefix + "unanswered"],
            "pending": got[prefix + "rounds"] - got[prefix + "answered"] - got[prefix + "unanswered"],
        }

    return {
        "all": of("") | {"avg_response_ms": got["total"] / got["answered"] if got["answered"] else None},
        "platform": of("p_")
        | {
            "avg_response_ms": got["p_total"] / counted if counted else None,
            "rate_3min": got["within"] / counted if counted else None,
        },
    }


def waits(sql: Sql, shop: str, now: int, minutes: int = 10) -> dict[str, Any]:
    """Who waits at `now`, the longest (ms), and who has given up in its hour: of rounds that no later answer follows."""
    rounds = f"SELECT * FROM rounds_raw FINAL WHERE status != 'void' AND shop_id = '{shop}' AND opened_at <= {at(now)}"
    open_ones = sql(
        "SELECT buyer_id, toUnixTimestamp64Milli(opened_at) AS opened, toUnixTimestamp64Milli(day_ends_at) AS ends FROM"
        f" ({rounds}) WHERE replied_at IS NULL AND (buyer_id, opened_at) NOT IN (SELECT o.buyer_id, o.opened_at FROM"
        f" ({rounds}) AS o JOIN ({rounds} AND replied_at IS NOT NULL) AS a ON a.buyer_id = o.buyer_id"
        " WHERE a.replied_at >= o.opened_at)"
    )
    by_buyer: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in open_ones:
        by_buyer[row["buyer_id"]].append((int(row["opened"]), int(row["ends"])))
    since, left = [], 0
    for mine in by_buyer.values():
        newest, ends = max(mine)
        leaves = min(newest + minutes * MINUTE, ends)
        if now < leaves:
            since.append(min(opened for opened, end in mine if end == ends))
        left += hour_of(now) <= leaves <= now
    return {"buyers": len(since), "longest_ms": now - min(since) if since else None, "gave_up": left}


def flags(sql: Sql, hour: int) -> dict[str, tuple[int, int]]:
    """By rule, those of the hour and of its day, all shops."""
    start, end = day_of(hour)
    rows = sql(
        f"SELECT rule, countIf({span('occurred_at', hour, hour + HOUR)}) AS of_hour, count() AS of_day FROM flags_raw FINAL"
        f" WHERE status = 'raised' AND {span('occurred_at', start, end)} GROUP BY rule"
    )
    return {row["rule"]: (int(row["of_hour"]), int(row["of_day"])) for row in rows}


def sale(sql: Sql, shop: str, hour: int) -> dict[str, Any] | None:
    """The sale event that goes on in the hour: basis, teams, and the fen that the shop is to reach in it."""
    rows = sql(
        "SELECT argMax((pk_basis, teams, targets, starts_at, ends_at), (time, id)) AS last FROM sale_events_raw"
        f" WHERE shop_id = '{shop}' GROUP BY sale_event_id HAVING last.4 < {at(hour + HOUR)} AND last.5 > {at(hour)}"
        " ORDER BY last.4 DESC LIMIT 1"
    )
    if not rows:
        return None
    basis, teams, targets = (
        rows[0]["last"][:3] if isinstance(rows[0]["last"], list) else list(rows[0]["last"].values())[:3]
    )
    goals = {
        int(datetime.fromisoformat(one["hour_start"]).timestamp() * 1000): round(float(one["amount"]) * 100)
        for one in json.loads(targets)
        if not one.get("team") and not one.get("agent_id")
    }
    return {"basis": basis, "teams": list(teams), "fen": goals.get(hour)}


def agents(sql: Sql, shop: str) -> dict[str, tuple[str, str]]:
    """agent -> name, team."""
    rows = sql(
        "SELECT agent_id, argMax(name, (time, id)) AS name, argMax(team, (time, id)) AS team FROM agents_raw"
        f" WHERE shop_id = '{shop}' GROUP BY agent_id"
    )
    return {row["agent_id"]: (row["name"], row["team"]) for row in rows}


# ---- as a wall in Chinese writes it ----------------------------------------------------------------------------------------


def _rounded(value: float, digits: int) -> str:
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def _about(value: float | None, write: Callable[[float], str]) -> set[str]:
    """All that a figure may read that is this one but for the last bit."""
    return {NONE} if value is None else {write(value * (1 + bit * 1e-12)) for bit in (-1, 0, 1)}


def money(fen: float) -> str:
    """Whole yuan, cut."""
    return f"¥{int(Decimal(fen) // 100):,}"


def monies(fen: float | None) -> set[str]:
    return _about(fen, money)


def percents(value: float | None) -> set[str]:
    return _about(value, lambda x: _rounded(x * 100, 0 if x >= 0.995 else 1) + "%")


def seconds(ms: float | None) -> set[str]:
    return _about(ms, lambda x: _rounded(x / 1000, 1) + " 秒")


def duration(ms: int) -> str:
    return f"{ms // 60_000}:{ms // 1000 % 60:02d}"
