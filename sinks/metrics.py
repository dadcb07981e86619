"""Prometheus metrics of the sink, all of them."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

RECORDS: Final = Counter("zhengdian_sink_records", "Records read from Kafka", ["topic"])
ROWS: Final = Counter(
    "zhengdian_sink_rows", "Rows inserted into ClickHouse; a redelivered record counts again", ["table"]
)
BATCHES: Final = Counter("zhengdian_sink_batches", "Batches inserted")
INSERT_SECONDS: Final = Histogram(
    "zhengdian_sink_insert_seconds", "Time to insert a batch", buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
)
LAG_SECONDS: Final = Gauge(
    "zhengdian_sink_lag_seconds", "Age of the oldest record of the last batch when it was inserted"
)
RETRIES: Final = Counter("zhengdian_sink_retries", "Inserts that were tried again because ClickHouse was not available")
QUARANTINED: Final = Counter(
    "zhengdian_sink_quarantined", "Records whose values ClickHouse would not take, kept in rejected", ["topic"]
)
COMMIT_FAILURES: Final = Counter("zhengdian_sink_commit_failures", "Commits that failed; they are made again")
REBALANCES: Final = Counter("zhengdian_sink_rebalances", "Times that partitions were taken from this sink")
