"""Reading the access log: who saw and did what in the web part."""

from typing import Final

from sinks.reader import Reader, Row, equal_to

TRAIL_TABLES: Final = frozenset({"access_log", "access_log_raw"})
"""for whom may see the trail alone, whatever else they may query"""


class AccessLog(Reader):
    """Reads the view access_log. Every method may raise DatabaseError or DatabaseUnavailableError."""

    def display_names(self) -> dict[str, str]:
        """What people were called when they last signed in, by name; who has no other name than that is left out."""
        rows = self.rows(
            "SELECT actor, argMax(detail, time) AS shown FROM access_log WHERE type = 'access.signed_in'"
            " GROUP BY actor HAVING shown != ''",
            {},
        )
        return {row["actor"]: row["shown"] for row in rows}

    def entries(
        self,
        filters: dict[str, str],
        limit: int,
        after: tuple[int, str] | None = None,
        *,
        buyer_id: str = "",
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> list[Row]:
        """The entries in [from, to), newest first, at most `limit`; `filters` by column; `after`: the last (time,
        event_id) seen; `buyer_id`: those in which that buyer was shown.
        """
        where, params = equal_to(filters, ("actor", "type", "what", "shop_id"))
        bounds: dict[str, int | str] = dict(params)
        if buyer_id:
            where += " AND has(buyer_ids, {buyer:String})"
            bounds["buyer"] = buyer_id
        if from_ms is not None:
            where += " AND time >= fromUnixTimestamp64Milli({from:Int64})"
            bounds["from"] = from_ms
        if to_ms is not None:
            where += " AND time < fromUnixTimestamp64Milli({to:Int64})"
            bounds["to"] = to_ms
        if after is not None:
            where += " AND (time, event_id) < (fromUnixTimestamp64Milli({at:Int64}), {id:String})"
            bounds |= {"at": after[0], "id": after[1]}
        return self.limited(f"SELECT * FROM access_log WHERE {where} ORDER BY time DESC, event_id DESC", bounds, limit)  # noqa: S608
