"""All metrics of the worker, listed once. They are served on `worker_metrics_port`."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_P: Final = "zhengdian_worker_"

RECORDS: Final = Counter(f"{_P}records", "Source records applied, duplicates included", ["topic"])
DROPPED: Final = Counter(
    f"{_P}dropped_records", "Records of a generation that had ended; the next owner reads them again"
)
LAG: Final = Gauge(
    f"{_P}lag_records", "Records in the source topic whose results and sums are not all delivered yet", ["topic"]
)

CHECKPOINTS: Final = Counter(f"{_P}checkpoints", "Checkpoints completed: state and results delivered")
CHECKPOINT_SECONDS: Final = Histogram(
    f"{_P}checkpoint_seconds",
    "Time of a checkpoint, from the snapshot to the last acknowledgement",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
STATE_RECORDS: Final = Counter(f"{_P}state_records", "Records written to the state topic, tombstones included")
OUTPUTS: Final = Counter(f"{_P}outputs", "Result records delivered", ["topic"])
REJECTED: Final = Counter(f"{_P}rejected", "Records delivered to the dead-letter topic")
OVERSIZE: Final = Counter(
    f"{_P}oversize_outputs", "Result records too big for Kafka; the dead-letter topic has their beginning", ["topic"]
)
RETRIES: Final = Counter(f"{_P}retries", "Failed attempts against Kafka that were tried again", ["what"])

GENERATION: Final = Gauge(f"{_P}generation", "Generation of the consumer group this worker is in")
PARTITIONS: Final = Gauge(f"{_P}partitions", "Partition numbers this worker owns")
BUYERS: Final = Gauge(f"{_P}buyers", "Buyers in memory")
FACTS: Final = Gauge(f"{_P}facts", "Facts in memory")
RESTORED: Final = Counter(f"{_P}restored_records", "Records read from the state topic or its local copy")
RESTORE_SECONDS: Final = Histogram(
    f"{_P}restore_seconds",
    "Time from an assignment to the first fetch",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
ABANDONED: Final = Counter(f"{_P}abandoned_checkpoints", "Final checkpoints that missed the deadline of a rebalance")

RESEEKS: Final = Counter(f"{_P}reseeks", "Gaps in the offsets that were fetched once more to see whether they are real")
STALE: Final = Counter(
    f"{_P}stale_records", "Records of fetches that a seek or a rebalance had overtaken; not delivered"
)
TRUNCATED: Final = Counter(
    f"{_P}truncated_logs", "Times a source partition ended before the offset to read: recreated, or records were lost"
)
VIOLATIONS: Final = Counter(
    f"{_P}order_violations", "Chunks delivered out of order; anything but 0 is a bug, report it"
)
