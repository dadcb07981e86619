"""A batch of rows on its way into ClickHouse, and what happens to the row that ClickHouse will not take."""

from collections import defaultdict
from collections.abc import Container
from typing import Final

import structlog

from sinks import metrics
from sinks.database import DATA_CODES, Database, DatabaseError
from sinks.rows import COLUMNS, Record, Row, UndecodableError, quarantine_row, rows_of

log = structlog.get_logger(__name__)

MAX_POISON_ROWS: Final = 100
"""more bad rows than this in one batch mean that something else is wrong"""

AT_LEISURE: Final = frozenset({"raw_events", "window_partials", "leaderboard_partials"})
"""tables that come after the others, whose rows somebody may be waiting for: these are most of the bytes"""

Position = tuple[str, int]
"""(topic without prefix, partition)"""


class Batch:
    """Rows by table with the records they come from, and the offsets to commit once they are in."""

    def __init__(self) -> None:
        self.tables: defaultdict[str, list[tuple[Record, Row]]] = defaultdict(list)
        self.next_offsets: dict[Position, int] = {}
        self.records = 0
        self.oldest_ms = 0

    def add(self, record: Record) -> None:
        """Take a record in; one that cannot be decoded becomes a row in rejected."""
        try:
            rows = rows_of(record)
        except UndecodableError as error:
            metrics.QUARANTINED.labels(record.topic).inc()
            log.error(
                "record_quarantined",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=str(error),
            )
            rows = [quarantine_row(record, str(error))]
        for row in rows:
            self.tables[row[0]].append((record, row))
        self.next_offsets[record.topic, record.partition] = record.offset + 1
        self.records += 1
        if record.timestamp_ms is not None and record.timestamp_ms > 0:
            self.oldest_ms = min(self.oldest_ms or record.timestamp_ms, record.timestamp_ms)

    def copy(self) -> "Batch":
        """A batch of the same rows that can grow by itself."""
        twin = Batch()
        twin.tables.update((table, list(rows)) for table, rows in self.tables.items())
        twin.next_offsets = dict(self.next_offsets)
        twin.records, twin.oldest_ms = self.records, self.oldest_ms
        return twin

    def keep(self, positions: Container[Position]) -> None:
        """Forget what came from partitions that belong to another sink now: it reads them again from the last commit."""
        self.next_offsets = {
            position: offset for position, offset in self.next_offsets.items() if position in positions
        }
        for table, rows in self.tables.items():
            self.tables[table] = [row for row in rows if (row[0].topic, row[0].partition) in positions]


def insert_batch(db: Database, batch: Batch) -> set[str]:
    """Insert table by table; returns the tables touched. May be called again after it raised: rows replace themselves.

    A row whose values ClickHouse will not take goes to rejected with the reason `sink`. Raises DatabaseUnavailableError,
    and DatabaseError for every other refusal (schema, account, one we do not know) and when too many rows are bad.
    """
    touched = set()
    poison: list[tuple[Record, Row]] = []
    for table, rows in sorted(batch.tables.items(), key=lambda one: one[0] in AT_LEISURE):
        if rows and table != "rejected_raw":
            _insert(db, table, rows, poison)
            touched.add(table)
    rejected = [row for _, row in batch.tables.get("rejected_raw", [])] + [row for _, row in poison]
    if rejected:
        _insert_rows(db, "rejected_raw", rejected)
        touched.add("rejected_raw")
    for record, row in poison:
        metrics.QUARANTINED.labels(record.topic).inc()
        log.error(
            "row_quarantined", topic=record.topic, partition=record.partition, offset=record.offset, error=row[1][1]
        )
    return touched


def _insert(db: Database, table: str, rows: list[tuple[Record, Row]], poison: list[tuple[Record, Row]]) -> None:
    """Insert; when the database refuses a value, halve until the bad row stands alone."""
    try:
        _insert_rows(db, table, [row for _, row in rows])
    except DatabaseError as error:
        if error.code not in DATA_CODES:
            raise  # it would hit every row: nothing may be set aside or committed
        if len(rows) == 1:
            if len(poison) >= MAX_POISON_ROWS:
                raise
            poison.append((rows[0][0], quarantine_row(rows[0][0], f"{table}: {error}")))
            return
        middle = len(rows) // 2
        _insert(db, table, rows[:middle], poison)
        _insert(db, table, rows[middle:], poison)


def _insert_rows(db: Database, table: str, rows: list[Row]) -> None:
    columns = zip(*(values for _, values in rows), strict=True)
    count = db.insert(table, dict(zip(COLUMNS[table], columns, strict=True)))
    metrics.ROWS.labels(table).inc(count)
