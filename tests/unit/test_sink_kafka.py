"""How topics are created: the options that real Kafka is given."""

import pytest
from pydantic import ValidationError

from schemas.settings import Settings
from schemas.topics import BY_NAME, CHAT, REFERENCE, STATE, TOPICS, WORKER_TOPICS, Topic
from sinks.kafka import topic_options


def test_options_of_a_source_topic() -> None:
    assert topic_options(Settings(partitions=4), BY_NAME[CHAT]) == {
        "num_partitions": 4,
        "replication_factor": 1,
        "configs": {
            "cleanup.policy": "delete",
            "message.timestamp.type": "CreateTime",
            "retention.ms": str(60 * 86_400_000),
        },
    }
    assert topic_options(Settings(), BY_NAME[REFERENCE])["configs"]["retention.ms"] == "-1"


def test_the_state_is_compacted_early_and_keeps_tombstones_for_a_day() -> None:
    configs = topic_options(Settings(), BY_NAME[STATE])["configs"]
    assert configs["cleanup.policy"] == "compact"
    assert configs["segment.bytes"] == "67108864"
    assert configs["min.cleanable.dirty.ratio"] == "0.1"
    assert configs["delete.retention.ms"] == "86400000"
    assert "retention.ms" not in configs


@pytest.mark.parametrize(("replicas", "insync"), [(1, None), (2, None), (3, "2"), (5, "2")])
def test_replicated_topics_need_two_in_sync(replicas: int, insync: str | None) -> None:
    for topic in TOPICS:
        options = topic_options(Settings(replication_factor=replicas), topic)
        assert options["configs"].get("min.insync.replicas") == insync


def test_a_wrong_clock_keeps_no_result_from_kafka() -> None:
    by_sender = {topic.name for topic in TOPICS if _timestamp_type(topic) == "CreateTime"}
    assert by_sender == {*WORKER_TOPICS, REFERENCE}
    assert {_timestamp_type(topic) for topic in TOPICS if topic.name not in by_sender} == {"LogAppendTime"}


def _timestamp_type(topic: Topic) -> str:
    return str(topic_options(Settings(), topic)["configs"]["message.timestamp.type"])


def test_ingest_accepts_nothing_that_the_worker_rejects() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 3600"):
        Settings(future_tolerance_seconds=3601)
