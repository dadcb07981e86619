"""What brokers answer about topics that are there: they hear of a new one one by one."""

from typing import Any

import pytest
from kafka.errors import NoError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError

import sinks.kafka
from schemas.settings import Settings
from schemas.topics import BY_NAME, CHAT
from sinks.kafka import TopicMismatchError, create_topics

SETTINGS = Settings(partitions=3)


class Brokers:
    """Stands for a cluster that has the topic, and whose brokers answer in turn, the last one from then on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: tuple[type[Any], int]) -> None:
        self._answers = list(answers)
        monkeypatch.setattr(sinks.kafka, "KafkaAdminClient", lambda **_options: self)

    def list_topics(self) -> list[str]:
        return [CHAT]

    def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        error, partitions = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [{"name": name, "error_code": error.errno, "partitions": [{}] * partitions} for name in names]

    def close(self) -> None:
        pass


def create() -> dict[str, str]:
    return create_topics(SETTINGS, [BY_NAME[CHAT]])


def test_a_broker_that_has_not_heard_of_a_new_topic_yet_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    unheard = (UnknownTopicOrPartitionError, 0)
    Brokers(monkeypatch, unheard, unheard, (NoError, 3))
    assert create() == {CHAT: "exists"}


def test_a_topic_with_other_partitions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Brokers(monkeypatch, (UnknownTopicOrPartitionError, 0), (NoError, 4))
    with pytest.raises(TopicMismatchError, match=f"topic {CHAT} has 4 partitions, but 3 are needed"):
        create()


def test_a_topic_that_no_broker_hears_of_is_no_wrong_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks.kafka, "_HEARD_SECONDS", 0)
    Brokers(monkeypatch, (UnknownTopicOrPartitionError, 0))
    with pytest.raises(UnknownTopicOrPartitionError, match=f"topic {CHAT} can't be described"):
        create()


def test_a_topic_that_may_not_be_seen_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    Brokers(monkeypatch, (TopicAuthorizationFailedError, 0), (NoError, 3))
    with pytest.raises(TopicAuthorizationFailedError, match=f"topic {CHAT} can't be described"):
        create()
