# ruff: noqa: S608 - what is put into the texts is fixed in this file
"""What the reports on the hour are read from: an hour's or a day's figures, whether they are settled, and past reports."""

from collections.abc import Mapping
from typing import Final

from processors.leaderboard import BoardSums
from processors.report import Report, from_row
from sinks.reader import Reader, Row, equal_to

_SUMS: Final = ", ".join(f"sum(l.{figure}) AS {figure}" for figure in BoardSums.ROW)
_FROM: Final = "fromUnixTimestamp64Milli({from:Int64})"
_TO: Final = "fromUnixTimestamp64Milli({to:Int64})"


class ReportReader(Reader):
    """Reads for the reports. Every method may raise DatabaseError or DatabaseUnavailableError."""

    def figures(self, shop_id: str, from_ms: int, to_ms: int) -> list[Row]:
        """One row an agent with figures in the hours that start in [from, to), with name and team; `agent_id` empty: silent."""
        return self.rows(
            f"SELECT s.*, a.name AS name, a.team AS team FROM (SELECT l.agent_id AS agent_id, {_SUMS}"
            f" FROM leaderboard_partials AS l FINAL WHERE l.shop_id = {{shop:String}} AND l.hour_start >= {_FROM}"
            f" AND l.hour_start < {_TO} GROUP BY l.agent_id) AS s"
            " LEFT JOIN (SELECT * FROM agents WHERE shop_id = {shop:String}) AS a ON a.agent_id = s.agent_id"
            " ORDER BY agent_id",
            {"shop": shop_id, "from": from_ms, "to": to_ms},
        )

    def busy_hours(self, from_ms: int, to_ms: int) -> list[Row]:
        """shop_id and hour_start of the hours in [from, to) in which something was paid or somebody served."""
        return self.rows(
            "SELECT shop_id, hour_start FROM leaderboard_partials FINAL"
            f" WHERE hour_start >= {_FROM} AND hour_start < {_TO} GROUP BY shop_id, hour_start"
            " HAVING sum(orders_paid) + sum(buyers_served) > 0",
            {"from": from_ms, "to": to_ms},
        )

    def passed(self, shop_id: str, at_ms: int) -> bool:
        """Whether an event of the shop from that moment or later has come in."""
        sql = (
            "SELECT count() AS n FROM (SELECT 1 FROM raw_events WHERE shop_id = {shop:String} AND buyer_id != ''"
            f" AND time >= {_FROM} LIMIT 1)"
        )
        return bool(self.rows(sql, {"shop": shop_id, "from": at_ms})[0]["n"])

    def owed(self, shop_id: str, from_ms: int, to_ms: int) -> int:
        """Fen that were paid in [from, to), by the events that have come in, and do not stand in the leaderboard."""
        params = {"shop": shop_id, "from": from_ms, "to": to_ms}
        came = self.rows(
            "SELECT sum(toDecimal64(amount, 2)) AS paid FROM (SELECT argMin(JSONExtractString(raw, 'data', 'amount'), (time, id))"
            " AS amount FROM raw_events WHERE shop_id = {shop:String} AND type = 'payment.succeeded'"
            f" AND time >= {_FROM} AND time < {_TO} GROUP BY buyer_id, JSONExtractString(raw, 'data', 'payment_id'))",
            params,
        )[0]["paid"]
        stands = self.rows(
            "SELECT sum(paid_amount) AS paid FROM leaderboard_partials FINAL WHERE shop_id = {shop:String}"
            f" AND hour_start >= {_FROM} AND hour_start < {_TO}",
            params,
        )[0]["paid"]
        return max(int(came - stands), 0)

    def made(self, from_ms: int) -> set[str]:
        """The ids of the reports of spans that ended at `from_ms` or later."""
        rows = self.rows(f"SELECT report_id FROM reports WHERE ends_at >= {_FROM}", {"from": from_ms})
        return {row["report_id"] for row in rows}

    def report(self, report_id: str) -> Report | None:
        """One report, or None."""
        found = self._reports("report_id = {id:String}", {"id": report_id}, 1)
        return found[0] if found else None

    def reports(self, filters: Mapping[str, str], limit: int, after: tuple[int, str] | None = None) -> list[Report]:
        """Reports, the newest moment first, at most `limit`; `after`: the last (as_of, report_id) seen."""
        where, params = equal_to(filters, ("shop_id", "kind"))
        if after is not None:
            where += " AND (as_of, report_id) < (fromUnixTimestamp64Milli({at:Int64}), {id:String})"
            params |= {"at": after[0], "id": after[1]}
        return self._reports(where, params, limit)

    def made_since(self, made_ms: int, shop_id: str | None, limit: int) -> list[Report]:
        """Reports made at `made_ms` or later, of one shop or all."""
        where, params = equal_to({"shop_id": shop_id or ""}, ("shop_id",))
        return self._reports(f"{where} AND made_at >= {_FROM}", params | {"from": made_ms}, limit)

    def to_post(self, limit: int) -> list[Report]:
        """Reports that are to be posted, or are said to be on their way."""
        return self._reports("post_status IN ('waiting', 'sending')", {}, limit)

    def _reports(self, where: str, params: Mapping[str, object], limit: int) -> list[Report]:
        sql = f"SELECT * FROM reports WHERE {where} ORDER BY as_of DESC, report_id DESC"
        return [from_row(row) for row in self.limited(sql, params, limit)]
