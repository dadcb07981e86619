# ruff: noqa: S608 - what is put into the texts is fixed in this file
"""What scorecards are made of: every agent's figures in a period, and the rows behind each (docs/scorecards.md).

What the contract's views sum is read from them; the rest is recomputed from the raw events by the SQL of sinks/verify.
Amounts in fen, instants in ms, rubric scores in ten-thousandths of a point.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from processors.calendar import calendar
from processors.periods import Period
from processors.ruleset import RulesetBook
from processors.scorecard import FIGURES, Pair
from processors.targets import Goal, merged, planned
from sinks.reader import Reader, Row, decoded
from sinks.verify.queries import recomputed_sql
from sinks.verify.rules import parameters
from sinks.verify.scope import spans

Cards = dict[str, dict[str, Pair]]
"""agent_id -> figure -> numerator, denominator."""


class Source(NamedTuple):
    """Rows that a figure counts: a file of sinks/scorecard, and what a row adds to numerator and denominator."""

    file: str
    numerator: str
    denominator: str


ROWS: Final[Mapping[str, tuple[Source, ...]]] = {
    "paid_amount": (Source("paid", "fen", "0"),),
    "orders_paid": (Source("paid", "first", "0"),),
    "inquiry_to_order": (Source("buyer_days", "ordered", "1"),),
    "order_to_paid": (Source("placed", "was_paid", "1"),),
    "items_per_order": (Source("paid", "item_count", "first"),),
    "amount_per_order": (Source("paid", "fen", "first"),),
    "reply_rate": (Source("buyer_days", "replied", "1"),),
    "first_response": (Source("first_responses", "ms", "1"),),
    "average_response": (Source("rounds", "ms", "1"),),
    "rate_3min": (Source("rounds", "within", "1"),),
    "sample_score": (Source("samples", "points", "1"),),
    "qc_score": (Source("flags", "points", "scored"),),
    "judged": (Source("flags", "1", "0"),),
    "violations": (Source("flags", "violation", "0"),),
    "rating": (Source("reviews", "stars", "1"),),
    "complaints": (Source("reviews", "negative", "0"), Source("paid", "0", "first")),
}
"""By figure; those of `own_target` are the hours of `Goals`."""

_SUMMED: Final[Mapping[str, tuple[str, ...]]] = {
    "buyer_days": ("inquiry_to_order",),
    "placed": ("order_to_paid",),
    "reviews": ("rating", "complaints"),
    "rounds": ("average_response", "rate_3min"),
    "samples": ("sample_score",),
    "flags": ("qc_score", "judged", "violations"),
}
"""File -> the figures that are sums of its rows."""
_STORED_DENOMINATORS: Final = frozenset({"inquiry_to_order", "order_to_paid", "complaints"})
"""Figures whose denominator is the contract's own sum."""


class Hour(NamedTuple):
    """An hour with a target: its start, what was reached and what was to be."""

    agent_id: str
    hour_start: int
    reached: int
    target: int


@dataclass(frozen=True, slots=True)
class Goals:
    """The hours with targets of their own, by agent, and by team where none of the team's agents has any. All in fen, or
    (`in_orders`) all in orders where no target of the period names an amount.
    """

    in_orders: bool
    agents: Mapping[str, Sequence[Hour]]
    teams: Mapping[str, Sequence[Hour]]


class Behind(NamedTuple):
    """Some of the rows behind a figure, oldest first, and the sums over all of them."""

    total: int
    numerator: int
    denominator: int
    rows: list[Row]


class ScorecardModel(Reader):
    """Reads one shop and period at a time. Every method may raise DatabaseError or DatabaseUnavailableError."""

    def shops(self) -> list[str]:
        """The shops that have agents or a leaderboard, by id."""
        rows = self.rows(
            "SELECT shop_id FROM (SELECT shop_id FROM agents_raw UNION ALL SELECT shop_id FROM leaderboard_partials)"
            " GROUP BY shop_id ORDER BY shop_id",
            {},
        )
        return [row["shop_id"] for row in rows]

    def agents(self, shop_id: str) -> dict[str, Row]:
        """agent_id -> name, team, role, as they stand."""
        rows = self.rows(
            "SELECT agent_id, name, team, role FROM agents WHERE shop_id = {shop:String}", {"shop": shop_id}
        )
        return {row["agent_id"]: row for row in rows}

    def sale_events(self, shop_id: str, period: Period) -> list[Row]:
        """The shop's sale events that touch the period, latest start first; `targets` decoded."""
        rows = self.rows(
            "SELECT * FROM sale_events WHERE shop_id = {shop:String} AND starts_at < fromUnixTimestamp64Milli({to:Int64})"
            " AND ends_at > fromUnixTimestamp64Milli({from:Int64}) ORDER BY starts_at DESC, sale_event_id",
            {"shop": shop_id, "from": period.from_ms, "to": period.to_ms},
        )
        for row in rows:
            row["targets"] = decoded(row["targets"])
        return rows

    def figures(self, book: RulesetBook, shop_id: str, period: Period, sales: Sequence[Row]) -> Cards:
        """Every agent's figures but `own_target`, of the agents that have any; `sales`: as `sale_events` reads them."""
        params = _parameters(book, shop_id, period, sales)
        cards: Cards = defaultdict(lambda: {figure.key: (0, 0) for figure in FIGURES})
        for row in self._read(_BOARD, params):
            orders, amount = row["orders"], row["amount"]
            cards[row["agent"]] |= {
                "orders_paid": (orders, 0),
                "paid_amount": (amount, 0),
                "items_per_order": (row["items"], orders),
                "amount_per_order": (amount, orders),
                "order_to_paid": (0, row["placed"]),
                "complaints": (0, orders),
            }
        for row in self._read(_DAYS, params):
            cards[row["agent"]] |= {"reply_rate": (row["replied"], row["wrote"]), "inquiry_to_order": (0, row["wrote"])}
        for row in self._read(_FIRST, params):
            cards[row["agent"]]["first_response"] = (row["ms"], row["n"])
        days = self._spans(book, shop_id, period)
        for file, figures in _SUMMED.items():
            tables, (select,) = recomputed_sql("sinks.scorecard", file)
            sums = (
                f"sum({ROWS[key][0].numerator}) AS n_{key}, sum({ROWS[key][0].denominator}) AS d_{key}"
                for key in figures
            )
            sql = f"{tables}SELECT agent, {', '.join(sums)} FROM (\n{select}\n) WHERE agent != '' GROUP BY agent"
            for span in days if tables else (params,):
                for row in self._read(sql, params | span):
                    card = cards[row["agent"]]
                    for key in figures:
                        numerator, denominator = card[key]
                        more = 0 if key in _STORED_DENOMINATORS else row[f"d_{key}"]
                        card[key] = (numerator + row[f"n_{key}"], denominator + more)
        return {agent: card for agent, card in cards.items() if any(map(any, card.values()))}

    def goals(
        self,
        shop_id: str,
        period: Period,
        sales: Sequence[Row],
        zone_name: str,
        agents: Mapping[str, Row],
        now_ms: int,
    ) -> Goals:
        """The period's targets by hour, as far as the hours are over. `agents`: as `agents` reads them."""
        hour_start = calendar(zone_name).hour_start
        events = [planned(sale) for sale in sales]
        found = merged(events, period.from_ms, min(period.to_ms, hour_start(now_ms)), hour_start)
        found.pop(("", ""), None)
        hours = sorted({hour for goals in found.values() for hour in goals})
        if not hours:
            return Goals(False, {}, {})
        in_orders = all(goal.amount is None for goals in found.values() for goal in goals.values())
        reached = {
            (row["agent"], row["hour"]): row["orders" if in_orders else "amount"]
            for row in self.rows(_HOURS, {"shop": shop_id, "hours": hours, "from": hours[0], "to": hours[-1] + 1})
        }

        def against(goals: Mapping[int, Goal], agent_id: str, members: Sequence[str]) -> list[Hour]:
            asked = ((hour, goal.orders if in_orders else goal.amount) for hour, goal in sorted(goals.items()))
            return [
                Hour(agent_id, hour, sum(reached.get((member, hour), 0) for member in members), target)
                for hour, target in asked
                if target is not None
            ]

        own = {agent: against(goals, agent, [agent]) for (_, agent), goals in found.items() if agent}
        manned = {agents[agent]["team"] for agent, hours in own.items() if hours and agent in agents}
        teams = {
            team: against(goals, "", [agent for agent, row in agents.items() if row["team"] == team])
            for (team, agent), goals in found.items()
            if not agent and team not in manned
        }
        return Goals(in_orders, own, teams)

    def behind(
        self,
        book: RulesetBook,
        shop_id: str,
        period: Period,
        sales: Sequence[Row],
        figure: str,
        agent_ids: Sequence[str],
        limit: int,
        offset: int,
    ) -> Behind:
        """The rows that a figure of these agents counts (see ROWS): agent, at, until, buyer, ref, order_id, what, n, d."""
        sources = ROWS[figure]
        tables, selects = recomputed_sql("sinks.scorecard", *(source.file for source in sources))
        union = "\nUNION ALL\n".join(
            f"SELECT agent, at, until, buyer, ref, order_id, what, toInt64({source.numerator}) AS n,"
            f" toInt64({source.denominator}) AS d FROM (\n{select}\n)"
            for source, select in zip(sources, selects, strict=True)
        )
        chosen = f"FROM ({union}) WHERE has({{agents:Array(String)}}, toString(agent)) AND (n != 0 OR d != 0)"
        params = _parameters(book, shop_id, period, sales) | {"agents": list(agent_ids)}
        found = Behind(0, 0, 0, [])
        for span in self._spans(book, shop_id, period) if tables else (params,):
            params |= span
            skipped, wanted = max(offset - found.total, 0), limit - len(found.rows)
            rows: list[Row] = []
            if wanted:
                # with the sums on each row: to recompute is what takes long
                rows = self._read(
                    f"{tables}SELECT agent, at, until, buyer, ref, order_id, what, n, d, {_SUMS_OVER_ALL} {chosen}"
                    " ORDER BY at, ref, buyer, agent LIMIT {wanted:UInt32} OFFSET {skipped:UInt32}",
                    params | {"wanted": wanted, "skipped": skipped},
                )
            if rows:
                sums = rows[0]
            elif wanted and not skipped:
                continue
            else:
                sums = self._read(f"{tables}SELECT {_SUMS} {chosen}", params)[0]
            rows = [{key: value for key, value in row.items() if key not in _SUM_NAMES} for row in rows]
            found = Behind(
                found.total + sums["rows"],
                found.numerator + sums["sum_n"],
                found.denominator + sums["sum_d"],
                found.rows + rows,
            )
        return found

    def coaching(
        self, shop_id: str, period: Period, agent_ids: Sequence[str], limit: int, offset: int
    ) -> tuple[int, list[Row]]:
        """How many verdicts have words for these agents, on the period's flags that stand and its sampled conversations; and
        some of them, the newest first: agent_id, about, id, rule, buyer_id, at, judged_at, actor, verdict, score, reason, coaching.
        """
        params = {"shop": shop_id, "from": period.from_ms, "to": period.to_ms, "agents": list(agent_ids)}
        total = self.rows(f"SELECT count() AS n FROM ({_COACHING})", params)[0]["n"]
        page = "ORDER BY judged_at DESC, id LIMIT {wanted:UInt32} OFFSET {skipped:UInt32}"
        rows = self.rows(f"SELECT * FROM ({_COACHING}) {page}", params | {"wanted": limit, "skipped": offset})
        return total, rows

    def _spans(self, book: RulesetBook, shop_id: str, period: Period) -> list[dict[str, Any]]:
        """Runs of the period's days with so many events as may be recomputed at once: parameters `from` and `to`."""
        found = spans(self._db, book, period.from_ms, period.to_ms, shop_id)
        return [{"from": span.start, "to": span.end} for span in found if span.events]

    def _read(self, sql: str, params: Mapping[str, Any]) -> list[Row]:
        return self.rows(sql, {name: value for name, value in params.items() if f"{{{name}:" in sql})


def _parameters(book: RulesetBook, shop_id: str, period: Period, sales: Sequence[Row]) -> dict[str, Any]:
    return {
        **parameters(book, shop_id),
        "from": period.from_ms,
        "to": period.to_ms,
        "sale_starts": [sale["starts_at"] for sale in sales],
        "sale_ends": [sale["ends_at"] for sale in sales],
    }


_SPAN: Final = (
    "{column} >= fromUnixTimestamp64Milli({{from:Int64}}) AND {column} < fromUnixTimestamp64Milli({{to:Int64}})"
)
_BOARD: Final = (
    "SELECT agent_id AS agent, sum(orders_placed) AS placed, sum(orders_paid) AS orders, sum(paid_amount) AS amount,"
    " sum(items_paid) AS items FROM leaderboard_hourly"
    f" WHERE shop_id = {{shop:String}} AND {_SPAN.format(column='hour_start')} AND agent_id != '' GROUP BY agent"
)
_DAYS: Final = (
    "SELECT agent_id AS agent, sum(buyers_wrote) AS wrote, sum(buyers_replied) AS replied FROM response_windows"
    " WHERE shop_id = {shop:String} AND window_seconds = 86400 AND definition = 'all'"
    f" AND {_SPAN.format(column='window_start')} GROUP BY agent"
)
_FIRST: Final = (
    "SELECT agent_id AS agent, sum(first_response_ms_sum) AS ms, sum(first_responses) AS n FROM response_windows"
    " WHERE shop_id = {shop:String} AND window_seconds = 300 AND definition = 'all'"
    f" AND {_SPAN.format(column='window_start')} AND NOT arrayExists("
    "(s, e) -> s < toUnixTimestamp64Milli(window_start) + 300000 AND e > toUnixTimestamp64Milli(window_start),"
    " {sale_starts:Array(Int64)}, {sale_ends:Array(Int64)}) GROUP BY agent"
)
_SUM_NAMES: Final = ("rows", "sum_n", "sum_d")
_SUMS: Final = "count() AS rows, sum(n) AS sum_n, sum(d) AS sum_d"
_SUMS_OVER_ALL: Final = "count() OVER () AS rows, sum(n) OVER () AS sum_n, sum(d) OVER () AS sum_d"
_HOURS: Final = (
    "SELECT agent_id AS agent, toUnixTimestamp64Milli(hour_start) AS hour, paid_amount AS amount, orders_paid AS orders"
    " FROM leaderboard_hourly WHERE shop_id = {shop:String} AND agent_id != ''"
    f" AND {_SPAN.format(column='hour_start')}"
    " AND has({hours:Array(Int64)}, toUnixTimestamp64Milli(hour_start))"
)
# of several verdicts the first of whoever has the flag counts
_COACHING: Final = f"""
SELECT toString(f.agent_id) AS agent_id, 'flag' AS about, f.flag_id AS id, toString(f.rule) AS rule, f.buyer_id AS buyer_id,
    f.occurred_at AS at, v.judged_at AS judged_at, toString(f.qc_actor) AS actor, toString(f.qc_status) AS verdict,
    f.qc_score AS score, f.qc_reason AS reason, v.coaching AS coaching
FROM (SELECT * FROM flags WHERE shop_id = {{shop:String}} AND status = 'raised' AND qc_status IN ('upheld', 'dismissed')
    AND has({{agents:Array(String)}}, toString(agent_id)) AND {_SPAN.format(column="occurred_at")}) AS f
INNER JOIN
(
    SELECT target_id, actor, JSONExtractString(data, 'verdict') AS verdict, min(time) AS judged_at,
        argMin(JSONExtractString(data, 'coaching'), (time, id)) AS coaching
    FROM commands WHERE shop_id = {{shop:String}} AND type = 'qc.verdict_given'
        AND time >= fromUnixTimestamp64Milli({{from:Int64}})
    GROUP BY target_id, actor, verdict
) AS v ON v.target_id = f.flag_id AND v.actor = toString(f.qc_actor) AND v.verdict = toString(f.qc_status)
WHERE v.coaching != ''
UNION ALL
SELECT toString(agent_id), 'sample', sample_id, '', buyer_id, s.day_start, assumeNotNull(judged_at), toString(qc_actor),
    toString(qc_status), qc_score, qc_reason, qc_coaching
FROM qc_samples AS s
WHERE shop_id = {{shop:String}} AND qc_status IN ('upheld', 'dismissed') AND qc_coaching != ''
    AND has({{agents:Array(String)}}, toString(agent_id)) AND {_SPAN.format(column="s.day_start")}"""
