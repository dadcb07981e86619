"""In which order the tables of a batch are inserted."""

from typing import Any

from sale_strategies import record

from processors.partition import Partition
from processors.ruleset import default_book
from schemas.types import DAY_MS
from sinks.batch import Batch, insert_batch
from sinks.rows import Record


class Inserted:
    """In the place of a database: the tables in order."""

    def __init__(self) -> None:
        self.tables: list[str] = []

    def insert(self, table: str, columns: dict[str, Any]) -> int:
        self.tables.append(table)
        return len(next(iter(columns.values())))


def test_rows_that_somebody_waits_for_come_before_the_bulk() -> None:
    data = {"shop_id": "s", "buyer_id": "b", "agent_id": "a", "sender": "buyer", "text": "在吗"}
    event = {
        "specversion": "1.0",
        "id": "m",
        "source": "t",
        "type": "chat.message",
        "time": "2026-11-11T10:00:00+08:00",
        "data": data,
    }
    incoming, batch = record(event), Batch()
    batch.add(Record(incoming.topic, 0, 0, incoming.key, incoming.value, None))
    partition = Partition(0, default_book(), writer=b"w", horizon_ms=35 * DAY_MS)
    partition.apply([incoming])
    for offset, (topic, key, value) in enumerate(reversed(partition.flush().outputs)):
        batch.add(Record(topic, 0, offset, key, value, None))
    db = Inserted()
    insert_batch(db, batch)  # type: ignore[arg-type]
    assert db.tables[0] == "rounds_raw"
    assert set(db.tables) >= {"rounds_raw", "raw_events", "window_partials"}
