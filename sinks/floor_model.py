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

    def unanswered(self, from_ms: int, now_ms: int, shop_id: str | None = None) -> list[Row]:
        """One row a buyer with a round of [from, now] that was opened after the last answer by anybody, to whichever round,
        and has none: shop_id, agent_id (of the last such round), since and newest (when the first and the last of that day
        were opened), ends (when the day does; ms).
        """
        return self.rows(
            "SELECT shop_id, last.2 AS agent_id, last.1 AS newest, last.3 AS ends,"
            " arrayMin(one -> one.1, arrayFilter(one -> one.3 = last.3, open)) AS since FROM ("
            "SELECT shop_id, buyer_id, ifNull(max(replied_at), toDateTime64(0, 3)) AS answered,"
            " arraySort(arrayFilter(one -> one.1 > answered,"
            " groupArrayIf((opened_at, agent_id, day_ends_at), replied_at IS NULL))) AS open, open[-1] AS last"
            # what is answered from then on may have been asked at any time of its day
            f" FROM response_rounds WHERE opened_at >= {_at('day')} AND opened_at <= {_at('now')}{and_shop(shop_id)}"
            f" GROUP BY shop_id, buyer_id HAVING max(opened_at) >= {_at('from')} AND notEmpty(open))"
            f" WHERE newest >= {_at('from')} ORDER BY shop_id, since",
            {"now": now_ms, "from": from_ms, "day": from_ms - _LONGEST_DAY_MS, "shop": shop_id or ""},
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
