"""What the floor does for buyers now: who waits, and how fast answers come. Read for the wallboard and its API."""

# ruff: noqa: S608 - what is put into the texts is fixed in this file
from typing import Final

from sinks.reader import Reader, Row, and_shop

HOUR_SECONDS: Final = 3600
DAY_SECONDS: Final = 86_400
_LONGEST_DAY_MS: Final = 25 * 3_600_000
_FIGURES: Final = (
    *("rounds", "answered", "pending", "unanswered", "answered_within_3min", "response_ms_sum"),
    *("first_responses", "first_response_ms_sum", "first_within_10s"),
)


class FloorModel(Reader):
    """Every method may raise DatabaseError or DatabaseUnavailableError."""

    def waiting(self, now_ms: int, longest_ms: int, shop_id: str | None = None) -> list[Row]:
        """One row a buyer who has waited for at most `longest_ms`: shop_id, agent_id (who has them now), since (ms).

        A buyer waits from the first round that was opened after the last answer by anybody; midnight ends it.
        """
        return self.rows(
            "SELECT shop_id, argMaxIf(agent_id, opened_at, waits) AS agent_id, minIf(opened_at, waits) AS since FROM ("
            f"SELECT shop_id, buyer_id, agent_id, opened_at, replied_at IS NULL AND day_ends_at > {_at('now')}"
            " AND opened_at > ifNull(max(replied_at) OVER (PARTITION BY shop_id, buyer_id), toDateTime64(0, 3)) AS waits"
            f" FROM response_rounds WHERE opened_at > {_at('from')} AND opened_at <= {_at('now')}{and_shop(shop_id)})"
            " GROUP BY shop_id, buyer_id HAVING countIf(waits) > 0 ORDER BY shop_id, since",
            {"now": now_ms, "from": now_ms - longest_ms, "shop": shop_id or ""},
        )

    def unanswered(self, from_ms: int, now_ms: int, shop_id: str | None = None) -> list[Row]:
        """One row a buyer with a round of [from, now] that was opened after the last answer by anybody and has none:
        shop_id, newest (when the last such round was opened), ends (when its day does; ms). Who waits now is among them.
        """
        return self.rows(
            "SELECT shop_id, max(opened_at) AS newest, max(day_ends_at) AS ends FROM ("
            "SELECT shop_id, buyer_id, opened_at, day_ends_at, replied_at IS NULL AND opened_at > ifNull(max(replied_at)"
            " OVER (PARTITION BY shop_id, buyer_id), toDateTime64(0, 3)) AS waits FROM response_rounds"
            f" WHERE opened_at >= {_at('from')} AND opened_at <= {_at('now')}{and_shop(shop_id)})"
            " WHERE waits GROUP BY shop_id, buyer_id",
            {"now": now_ms, "from": from_ms, "shop": shop_id or ""},
        )

    def response(self, at_ms: int, shop_id: str | None = None) -> list[Row]:
        """Sums over the agents of each shop's hour windows and day windows that hold `at_ms`.

        shop_id, window_start, window_seconds, definition, the summed figures of contract §3, avg_response_ms and rate_3min
        of the whole shop (None without a round that counts), buyers_wrote and buyers_replied.
        """
        sums = ", ".join(f"sum({figure}) AS {figure}_" for figure in _FIGURES)
        renamed = ", ".join(f"{figure}_ AS {figure}" for figure in _FIGURES)
        return self.rows(
            f"SELECT shop_id, window_start, window_seconds, definition, {renamed}, averages / nullIf(weight, 0) AS avg_response_ms,"
            " answered_within_3min_ / nullIf(answered_ + unanswered_, 0) AS rate_3min, wrote AS buyers_wrote,"
            f" replied AS buyers_replied FROM (SELECT shop_id, window_start, window_seconds, definition, {sums},"
            # an average is of what its definition counts; weighted with that, the shop's comes out exactly
            " sum(ifNull(avg_response_ms, 0) * if(definition = 'platform', answered + unanswered, answered)) AS averages,"
            " sum(if(definition = 'platform', answered + unanswered, answered)) AS weight,"
            " sum(ifNull(buyers_wrote, 0)) AS wrote, sum(ifNull(buyers_replied, 0)) AS replied"
            f" FROM response_windows WHERE window_start <= {_at('at')} AND"
            f" (window_seconds = {HOUR_SECONDS} AND window_start > {_at('hour')}"
            f" OR window_seconds = {DAY_SECONDS} AND window_start > {_at('day')}){and_shop(shop_id)}"
            " GROUP BY shop_id, window_start, window_seconds, definition)"
            " ORDER BY shop_id, window_seconds, window_start, definition",
            {
                "at": at_ms,
                "hour": at_ms - HOUR_SECONDS * 1000,
                "day": at_ms - _LONGEST_DAY_MS,
                "shop": shop_id or "",
            },
        )


def _at(name: str) -> str:
    return f"fromUnixTimestamp64Milli({{{name}:Int64}})"
