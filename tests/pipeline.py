"""The pipeline without Kafka: worker and sink as real code, in this process, records handed over by hand."""

from collections import Counter
from collections.abc import Iterable
from typing import Any
from zlib import crc32

import orjson

from processors.partition import Incoming, Partition
from processors.ruleset import RulesetBook
from schemas.events import InvalidEventError, parse_event
from schemas.topics import REFERENCE, REJECTED
from sinks.batch import Batch, insert_batch
from sinks.database import Database
from sinks.rows import Record

PARTITIONS = 3
DAY_MS = 86_400_000


class Pipeline:
    """Lines in, rows in ClickHouse out."""

    def __init__(self, db: Database, book: RulesetBook, horizon_ms: int = 35 * DAY_MS) -> None:
        self._db = db
        self._partitions = [Partition(n, book, writer=b"test", horizon_ms=horizon_ms) for n in range(PARTITIONS)]
        self._offsets: Counter[tuple[str, int]] = Counter()

    def feed(self, lines: Iterable[tuple[str, bytes]], chunk: int = 500) -> None:
        """Takes (topic, line) in, with a checkpoint and an insert every `chunk` lines."""
        batch = Batch()
        for count, (topic, line) in enumerate(lines, 1):
            self._take(batch, topic, line)
            if count % chunk == 0:
                batch = self._checkpoint(batch)
        self._checkpoint(batch)

    def _take(self, batch: Batch, topic: str, line: bytes) -> None:
        key = _key_of(line)
        number = 0 if topic == REFERENCE else crc32(key) % PARTITIONS
        offset = self._next(topic, number)
        batch.add(Record(topic, number, offset, key, line, 2**42))
        if topic != REFERENCE:
            self._partitions[number].apply([Incoming(topic, number, offset, key, line)])

    def _checkpoint(self, batch: Batch) -> Batch:
        for partition in self._partitions:
            flush = partition.flush()
            outputs: list[tuple[str, bytes | None, bytes]] = [*flush.outputs]
            outputs += [(REJECTED, None, value) for value in flush.rejected]
            for topic, key, value in outputs:
                offset = self._next(topic, partition.number)
                batch.add(Record(topic, partition.number, offset, key, value, 2**42))
        insert_batch(self._db, batch)
        return Batch()

    def _next(self, topic: str, number: int) -> int:
        self._offsets[topic, number] += 1
        return self._offsets[topic, number] - 1


def _key_of(line: bytes) -> bytes:
    try:
        data: Any = parse_event(line).data
    except InvalidEventError:
        return b"broken"
    return f"{data.shop_id}|{getattr(data, 'buyer_id', '')}".encode()


def line_of(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event)
