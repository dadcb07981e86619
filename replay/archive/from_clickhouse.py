"""Events out of ClickHouse's raw tables: each once, of several contents under one id the one that counted live.

Pages in the order of the tables' keys, so that each costs the same and the order is always the same.
"""

from collections.abc import Iterator
from typing import Any, Final

from replay.archive.manifest import EVENT_TOPICS
from replay.archive.selection import Selection
from replay.archive.writer import ArchivedEvent, ArchivedRejection, Entry, Step
from schemas.events import InvalidEventError, parse_event
from schemas.outputs import Rejected
from schemas.rejections import rejected_bytes
from schemas.topics import COMMANDS, REFERENCE
from sinks.database import Database

_PAGE: Final = 20_000
_PAGE_BYTES: Final = 16 << 20
"""of rejected records at once: one may have several MB"""
_IN_RANGE: Final = """
    (topic = {reference:String}
    OR (time >= fromUnixTimestamp64Milli({start:Int64})
        AND (topic = {commands:String} OR time < fromUnixTimestamp64Milli({end:Int64}))))
"""
# what the live run alone could refuse: the loser of a conflict on another topic than its winner, and an event of the future
# that had become the past when the sink read it; their bytes are compared, as a topic made anew has other records at the same
# offsets, and both are text, which is never kept as base64;
# the first lines say what the key's index can use of the tuple's comparison
_EVENTS: Final = f"""
    SELECT shop_id, buyer_id, source, id, topic, type, toUnixTimestamp64Milli(time) AS time_ms, raw
    FROM raw_events FINAL
    WHERE (shop_id > {{shop_id:String}} OR (shop_id = {{shop_id:String}} AND buyer_id >= {{buyer_id:String}}))
        AND (shop_id, buyer_id, source, id) > ({{shop_id:String}}, {{buyer_id:String}}, {{source:String}}, {{id:String}})
        AND {_IN_RANGE}
        AND (topic, partition, offset, cityHash64(raw)) NOT IN (
            SELECT assumeNotNull(topic), assumeNotNull(partition), assumeNotNull(offset), cityHash64(raw) FROM rejected_raw
            WHERE reason IN ('conflict', 'future') AND isNotNull(topic) AND isNotNull(partition) AND isNotNull(offset))
    ORDER BY shop_id, buyer_id, source, id
    LIMIT {{page:UInt32}}
"""  # noqa: S608 - only what is fixed here
_REJECTED_KEYS: Final = """
    ifNull(topic, '') AS k1, ifNull(partition, -1) AS k2, ifNull(offset, -1) AS k3, ifNull(file, '') AS k4,
    ifNull(line, -1) AS k5, toString(reason) AS k6, toString(cityHash64(raw)) AS k7
"""
_REJECTED_AFTER: Final = """
    FROM rejected_raw FINAL
    WHERE (k1, k2, k3, k4, k5, k6, cityHash64(raw))
        > ({k1:String}, {k2:Int32}, {k3:Int64}, {k4:String}, {k5:Int64}, {k6:String}, toUInt64({k7:String}))
        AND reason != 'late'
"""
_REJECTED_ORDER: Final = "ORDER BY k1, k2, k3, k4, k5, k6, cityHash64(raw)"
_REJECTED_SIZES: Final = f"""
    SELECT {_REJECTED_KEYS}, length(raw) + length(error) + 200 AS size
    {_REJECTED_AFTER}
    {_REJECTED_ORDER}
    LIMIT {{page:UInt32}}
"""
_REJECTED: Final = f"""
    SELECT reason, error, raw, raw_encoding, topic, partition, offset, file, line, {_REJECTED_KEYS}
    {_REJECTED_AFTER}
        AND (k1, k2, k3, k4, k5, k6, cityHash64(raw)) <= ({{last_k1:String}}, {{last_k2:Int32}}, {{last_k3:Int64}},
            {{last_k4:String}}, {{last_k5:Int64}}, {{last_k6:String}}, toUInt64({{last_k7:String}}))
    {_REJECTED_ORDER}
"""
_KEY: Final = ("shop_id", "buyer_id", "source", "id")
_REJECTED_KEY: Final = ("k1", "k2", "k3", "k4", "k5", "k6", "k7")
_BEFORE_REJECTED: Final = ["", -2, -2, "", -2, "", "0"]


class ClickHouseSource:
    """raw_events, then rejected. Methods raise DatabaseError and DatabaseUnavailableError."""

    def __init__(
        self, database: Database, selection: Selection, page: int = _PAGE, page_bytes: int = _PAGE_BYTES
    ) -> None:
        """`page`: rows asked for at once; `page_bytes`: about how many bytes of rejected ones."""
        self._db = database
        self._selection = selection
        self._page = page
        self._page_bytes = page_bytes

    def plan(self) -> dict[str, Any]:
        """Nothing is fixed: a row has no order of arrival. What comes in while the archive is written may be in it."""
        return {}

    def size(self, plan: dict[str, Any]) -> int:
        events = f"SELECT count() AS n FROM raw_events FINAL WHERE {_IN_RANGE}"  # noqa: S608 - only what is fixed here
        rejected = "SELECT count() AS n FROM rejected_raw"
        return int(self._db.query(events, self._bounds())[0]["n"]) + int(self._db.query(rejected)[0]["n"])

    def read(self, plan: dict[str, Any], position: list[Any] | None) -> Iterator[Step]:
        """Positions are [table, key…]."""
        table, *key = position or ["raw_events", "", "", "", ""]
        if table == "raw_events":
            for row in self._pages(_EVENTS, _KEY, key, self._bounds()):
                event = ArchivedEvent(row["topic"], row["type"], row["time_ms"], row["raw"].encode())
                yield event, ["raw_events", *(row[name] for name in _KEY)]
            key = _BEFORE_REJECTED
        for row in self._rejected_rows(key):
            at = ["rejected", *(row.pop(name) for name in _REJECTED_KEY)]
            yield self._rejected(row), at

    def _rejected(self, row: dict[str, Any]) -> Entry | None:
        try:
            raw = rejected_bytes(Rejected.model_validate(row))
        except ValueError:
            return None  # somebody else wrote to audit.rejected
        if row["reason"] == "sink":
            # an event whose row ClickHouse would not take is one nevertheless; results come from events anew
            if row["topic"] not in EVENT_TOPICS:
                return None
            try:
                event = parse_event(raw)
            except InvalidEventError:
                pass
            else:
                held = self._selection.holds(row["topic"], event.time)
                return ArchivedEvent(row["topic"], event.type, event.time, raw) if held else None
        elif row["topic"] is not None and row["topic"] not in EVENT_TOPICS:
            return None
        return ArchivedRejection(row) if self._selection.holds_rejected(row["topic"], raw) else None

    def _pages(
        self, sql: str, names: tuple[str, ...], key: list[Any], params: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        while True:
            rows = self._db.query(sql, params | dict(zip(names, key, strict=True)) | {"page": self._page})
            yield from (dict(row) for row in rows)
            if len(rows) < self._page:
                return
            key = [rows[-1][name] for name in names]

    def _rejected_rows(self, key: list[Any]) -> Iterator[dict[str, Any]]:
        """In pages of so many bytes, asked for by the sizes: no index helps here, so few queries count."""
        last, held = key, 0
        for size in self._pages(_REJECTED_SIZES, _REJECTED_KEY, key, {}):
            last = [size[name] for name in _REJECTED_KEY]
            held += size["size"]
            if held >= self._page_bytes:
                yield from self._rejected_between(key, last)
                key, held = last, 0
        yield from self._rejected_between(key, last)

    def _rejected_between(self, key: list[Any], last: list[Any]) -> list[dict[str, Any]]:
        bounds = zip((*_REJECTED_KEY, *(f"last_{name}" for name in _REJECTED_KEY)), (*key, *last), strict=True)
        return self._db.query(_REJECTED, dict(bounds)) if last != key else []

    def _bounds(self) -> dict[str, Any]:
        start, end = self._selection
        return {"start": start, "end": end, "reference": REFERENCE, "commands": COMMANDS}
