"""The one list of Kafka topics: name, key, partitions, cleanup, types. Topics are created and docs are made from it."""

from dataclasses import dataclass
from typing import Final, Literal

DEFAULT_PARTITIONS: Final = 12


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic. `partitions` None means: as many as the source topics have (they are co-partitioned)."""

    name: str
    kind: Literal["source", "reference", "command", "output", "report", "state", "rejected", "access"]
    key: str
    types: tuple[str, ...]
    text: str
    partitions: int | None = None
    compacted: bool = False
    retention_days: int | None = None
    max_message_bytes: int | None = None
    """where records may be larger than a source record: a rejected one is kept whole inside JSON"""


LARGEST_RECORD_BYTES: Final = 8 * 1024 * 1024

CHAT: Final = "chat.messages"
ORDERS: Final = "commerce.orders"
PAYMENTS: Final = "commerce.payments"
REVIEWS: Final = "commerce.reviews"
REFERENCE: Final = "reference"
COMMANDS: Final = "audit.commands"
FLAGS: Final = "audit.flags"
CALL_TASKS: Final = "audit.call_tasks"
ROUNDS: Final = "audit.rounds"
WINDOWS: Final = "audit.windows"
LEADERBOARD: Final = "audit.leaderboard"
REPORTS: Final = "audit.reports"
REJECTED: Final = "audit.rejected"
STATE: Final = "audit.state"
ACCESS: Final = "audit.access"

WORKER_GROUP: Final = "zhengdian-worker"
SINK_GROUP: Final = "zhengdian-sink"
"""consumer groups, which get the prefix as topics do"""

_BUYER_KEY: Final = "{shop_id}|{buyer_id}"

TOPICS: Final[tuple[Topic, ...]] = (
    Topic(CHAT, "source", _BUYER_KEY, ("chat.message",), "every chat message, both sides", retention_days=60),
    Topic(
        ORDERS, "source", _BUYER_KEY, ("order.placed", "order.closed"), "orders placed and closed", retention_days=60
    ),
    Topic(
        PAYMENTS,
        "source",
        _BUYER_KEY,
        ("payment.succeeded", "payment.refunded"),
        "payments and refunds",
        retention_days=60,
    ),
    Topic(
        REVIEWS,
        "source",
        _BUYER_KEY,
        ("review.posted", "review.changed"),
        "reviews and their changes",
        retention_days=60,
    ),
    Topic(
        REFERENCE,
        "reference",
        "{shop_id}",
        ("agent.upserted", "sale_event.scheduled"),
        "agents, teams, sale events, targets",
        partitions=1,
        retention_days=-1,
    ),
    Topic(
        COMMANDS,
        "command",
        _BUYER_KEY,
        (
            "qc.claimed",
            "qc.verdict_given",
            "call_task.claimed",
            "call_task.call_logged",
            "call_task.resolved",
            "call_task.revisited",
        ),
        "what people did, made by the web API",
        retention_days=-1,
    ),
    Topic(
        FLAGS,
        "output",
        "{flag_id}",
        ("flag",),
        "flags raised and cleared",
        retention_days=60,
        max_message_bytes=LARGEST_RECORD_BYTES,
    ),
    Topic(
        CALL_TASKS,
        "output",
        "{task_id}",
        ("call_task",),
        "follow-up call tasks",
        retention_days=60,
        max_message_bytes=LARGEST_RECORD_BYTES,
    ),
    Topic(
        ROUNDS,
        "output",
        "{round_id}",
        ("response_round",),
        "one record a conversation round",
        retention_days=60,
        max_message_bytes=LARGEST_RECORD_BYTES,
    ),
    Topic(
        WINDOWS,
        "output",
        "{shop_id}|{agent_id}|{window_start}|{window_seconds}|{definition}",
        ("response_window_partial",),
        "response windows, one partition's share of each",
        retention_days=60,
        max_message_bytes=LARGEST_RECORD_BYTES,
    ),
    Topic(
        LEADERBOARD,
        "output",
        "{shop_id}|{hour_start}|{agent_id}",
        ("leaderboard_partial",),
        "hourly leaderboard, one partition's share of each row",
        retention_days=60,
        max_message_bytes=LARGEST_RECORD_BYTES,
    ),
    Topic(
        REPORTS,
        "report",
        "{report_id}",
        ("report",),
        "what was announced on the hour and at the day's end, made by the web; of equal revisions the first counts",
        retention_days=-1,  # nothing else knows what was said
    ),
    Topic(
        REJECTED,
        "rejected",
        "none",
        ("rejected", "resend"),
        "records that are no events, with bytes, origin, reason, and attempts to send them again",
        retention_days=-1,
        max_message_bytes=LARGEST_RECORD_BYTES,
    ),
    Topic(
        STATE,
        "state",
        "[shop_id, buyer_id]\\0{shard}\\0{writer}",
        ("state",),
        "the workers' facts by buyer and day; internal",
        compacted=True,
        max_message_bytes=LARGEST_RECORD_BYTES,
    ),
    Topic(
        ACCESS,
        "access",
        "{actor}",
        ("access",),
        "who saw and did what, made by the web part",
        partitions=1,
        retention_days=400,
    ),
)

BY_NAME: Final[dict[str, Topic]] = {topic.name: topic for topic in TOPICS}
TOPIC_OF_TYPE: Final[dict[str, str]] = {
    kind: topic.name for topic in TOPICS if topic.kind in ("source", "reference", "command") for kind in topic.types
}
"""event type -> the topic it belongs to"""

WORKER_TOPICS: Final[tuple[str, ...]] = tuple(t.name for t in TOPICS if t.kind in ("source", "command"))
"""co-partitioned topics that the worker reads"""


def partitions_of(topic: Topic, source_partitions: int = DEFAULT_PARTITIONS) -> int:
    """How many partitions the topic gets when the source topics have `source_partitions`."""
    return topic.partitions if topic.partitions is not None else source_partitions
