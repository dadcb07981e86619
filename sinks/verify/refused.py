# ruff: noqa: S608 - what is put into the texts is fixed in this program
"""Events that the worker refused: how they are known, and which of them took the place of the one that counted."""

from typing import Final, NamedTuple

from sinks.database import Database

PLACE: Final = "(topic, partition, offset, cityHash64(raw))"
"""of an event in raw_events. With its content: after a topic is made anew, another event stands at the same offset"""
REFUSED: Final = (
    "SELECT ifNull(topic, ''), ifNull(partition, -1), ifNull(offset, -1), cityHash64(raw) FROM rejected_raw FINAL"
    " WHERE topic IS NOT NULL AND reason"
)
"""the places of refused events; goes on with a condition on `reason`"""
_LOST: Final = (
    "SELECT DISTINCT buyer_id, partition FROM raw_events FINAL WHERE shop_id = {shop:String} AND buyer_id != ''"
    # found by the table's key, lest the whole shop be read
    " AND buyer_id IN (SELECT JSONExtractString(raw, 'data', 'buyer_id') FROM rejected_raw WHERE reason = 'conflict')"
    f" AND {PLACE} IN ({REFUSED} = 'conflict')"
)


class Lost(NamedTuple):
    """Buyers of whom raw_events keeps the event that lost a conflict, and so not the one that counted, and the Kafka
    partitions whose sums they are in. Of what differs there nobody can say who is right."""

    buyers: frozenset[str]
    partitions: frozenset[int]


def lost(db: Database, shop_id: str) -> Lost:
    """Such buyers of the shop, of all times. raw_events keeps the lowest offset of a (source, id), which is the first in
    Kafka within one topic, but not between two."""
    rows = db.query(_LOST, {"shop": shop_id})
    return Lost(frozenset(row["buyer_id"] for row in rows), frozenset(row["partition"] for row in rows))
