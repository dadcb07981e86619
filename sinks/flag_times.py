# ruff: noqa: S608 - what is put into the texts is fixed in this file
"""Flags of all shops at once, out of `flags_by_time`: in order, and counted. What is asked of one shop lies together in `flags_raw`
and is read there.

FINAL costs nothing in months that have become one part; the others are merged as they are read.
"""

from collections.abc import Mapping
from typing import Any, Final

from sinks.reader import Reader, Row, equal_to

FLAGS_BY_TIME: Final = "flags_by_time FINAL"
IN_TEAM: Final = "(shop_id, agent_id) IN (SELECT shop_id, agent_id FROM agents WHERE team = {team:String})"
_COLUMNS: Final = ("status", "rule", "agent_id", "severity", "qc_status")
_KIND: Final = ("status", "qc_status", "severity", "rule")
# where a flag stands in the key, and what tells its time there
_PLACES: Final = (("fixed_at != toDateTime64(0, 3)", "fixed_at"), ("fixed_at = toDateTime64(0, 3)", "occurred_at"))
_SHOP_AND_AGENT: Final = (
    "SELECT toUInt32(extract(agent, '^[0-9]+')) AS size, position(agent, ':') + 1 AS begin,"
    " substringUTF8(agent, begin, size) AS shop_id, substringUTF8(agent, begin + size) AS agent_id, count"
)


class FlagTimes(Reader):
    """Every method may raise DatabaseError or DatabaseUnavailableError. `filters` by column, and `team`."""

    def kinds(self, filters: Mapping[str, str], from_ms: int | None = None, to_ms: int | None = None) -> list[Row]:
        """status, qc_status, severity, rule, count of the flags that occurred in [from, to)."""
        where, params = selected(filters, from_ms, to_ms)
        rows = self.rows(f"SELECT kind, count() AS count FROM {FLAGS_BY_TIME} WHERE {where} GROUP BY kind", params)
        return [dict(zip(_KIND, row["kind"].split(" ", 3), strict=True)) | {"count": row["count"]} for row in rows]


def by_agent(filters: Mapping[str, str], from_ms: int | None, to_ms: int | None) -> tuple[str, dict[str, Any]]:
    """A SELECT of shop_id, agent_id, count of the flags that occurred in [from, to), and its parameters."""
    where, params = selected(filters, from_ms, to_ms)
    counted = f"SELECT agent, count() AS count FROM {FLAGS_BY_TIME} WHERE {where} GROUP BY agent"
    return f"{_SHOP_AND_AGENT} FROM ({counted})", params


def first(
    filters: Mapping[str, str],
    from_ms: int | None,
    to_ms: int | None,
    after: tuple[int, str] | None,
    *,
    newest: bool = False,
) -> tuple[str, dict[str, Any]]:
    """A SELECT of shop_id, flag_id of the oldest `limit` flags of [from, to), or the newest, and its parameters but `limit`.
    `after`: occurred_at, flag_id of the last one seen.
    """
    where, params = selected(filters, None, None)
    params |= _bounds(from_ms, to_ms) | ({} if after is None else {"at": after[0], "id": after[1]})
    beyond, order = ("<", "DESC") if newest else (">", "ASC")
    places = []
    for place, column in _PLACES:  # each in its own order, so that reading ends with the last one wanted
        text = f"{place} AND {where}{_span(column, from_ms, to_ms)}"
        if after is not None:
            # the first bound is what the key is searched by
            at = "fromUnixTimestamp64Milli({at:Int64})"
            text += f" AND {column} {beyond}= {at} AND ({column}, flag_id) {beyond} ({at}, {{id:String}})"
        places.append(
            f"(SELECT shop_id, flag_id, occurred_at FROM {FLAGS_BY_TIME} WHERE {text}"
            f" ORDER BY {column} {order}, flag_id {order} LIMIT {{limit:UInt32}})"
        )
    return (
        f"SELECT shop_id, flag_id FROM ({' UNION ALL '.join(places)})"
        f" ORDER BY occurred_at {order}, flag_id {order} LIMIT {{limit:UInt32}}",
        params,
    )


def selected(filters: Mapping[str, str], from_ms: int | None, to_ms: int | None) -> tuple[str, dict[str, Any]]:
    """A WHERE text over `flags_by_time`, and its parameters; None is open."""
    where, params = equal_to(filters, _COLUMNS)
    if team := filters.get("team"):
        where += f" AND {IN_TEAM}"
        params["team"] = team
    if from_ms is not None or to_ms is not None:
        where += f" AND ({' OR '.join(f'{place}{_span(column, from_ms, to_ms)}' for place, column in _PLACES)})"
    return where, params | _bounds(from_ms, to_ms)


def _bounds(from_ms: int | None, to_ms: int | None) -> dict[str, int]:
    return {name: ms for name, ms in (("from", from_ms), ("to", to_ms)) if ms is not None}


def _span(column: str, from_ms: int | None, to_ms: int | None) -> str:
    """The end of a WHERE text."""
    return ("" if from_ms is None else f" AND {column} >= fromUnixTimestamp64Milli({{from:Int64}})") + (
        "" if to_ms is None else f" AND {column} < fromUnixTimestamp64Milli({{to:Int64}})"
    )
