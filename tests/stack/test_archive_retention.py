"""Archives of topics whose beginning Kafka has deleted."""

import time
from pathlib import Path
from typing import Any

import pytest
from fixtures.brokers import new_broker
from kafka import KafkaAdminClient, TopicPartition

from replay.archive.from_kafka import KafkaSource
from replay.archive.manifest import ArchiveError
from replay.archive.selection import Selection
from schemas.settings import Settings
from schemas.topics import CHAT, ORDERS
from schemas.types import format_time
from sinks.kafka import EventProducer, create_topics, wait_for_broker
from sinks.progress import sink_ends, source_ends, wait_for_worker

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.kafka]

HOUR_MS = 3_600_000


def chat(number: int, at: int) -> bytes:
    return (
        f'{{"specversion":"1.0","id":"{number}","source":"t","type":"chat.message","time":"{format_time(at)}","data":'
        '{"shop_id":"s","buyer_id":"b","agent_id":"a","sender":"buyer","text":""}}'
    ).encode()


def ids(steps: list[Any]) -> list[str]:
    return [entry.raw.split(b'"id":"')[1].split(b'"')[0].decode() for entry, _ in steps if entry is not None]


def test_what_kafka_has_deleted_is_warned_of_or_refused(tmp_path: Path) -> None:
    with new_broker("kafka", tmp_path) as broker:
        settings = Settings(kafka_bootstrap=broker.bootstrap, partitions=1)
        wait_for_broker(settings, 20)
        create_topics(settings)
        now = time.time_ns() // 1_000_000
        producer = EventProducer(settings)
        for number in range(10):
            producer.submit(CHAT, b"s|b", chat(number, now))
        producer.close()
        admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)

        def delete_before(offset: int) -> None:
            admin.delete_records({TopicPartition(CHAT, 0): offset})

        all_of_it, later = KafkaSource(settings, Selection()), KafkaSource(settings, Selection(start=now + 2 * HOUR_MS))
        whole = all_of_it.plan()
        assert (whole["cut"], whole["unread_by_workers"]) == ([], 10)
        steps = list(all_of_it.read(whole, None))
        assert ids(steps) == [str(number) for number in range(10)]

        delete_before(4)
        plan = all_of_it.plan()
        assert plan["cut"] == [f"{CHAT} 0"]
        assert all_of_it.size(plan) == plan["unread_by_workers"] == 6
        assert ids(list(all_of_it.read(plan, None))) == ["4", "5", "6", "7", "8", "9"]
        # nothing of this range can have been among what is gone
        bounded = later.plan()
        assert bounded["cut"] == []

        # begun before they were deleted: going on would leave them out in silence
        for position in (None, steps[1][1]):
            with pytest.raises(ArchiveError, match="are gone"):
                list(all_of_it.read(whole, position))
        assert ids(list(all_of_it.read(whole, steps[3][1]))) == ["4", "5", "6", "7", "8", "9"]
        # but what lies before the range may go at any time, and what has been read at once
        delete_before(8)
        assert len(list(later.read(bounded, None))) == 2
        delete_before(10)
        assert list(all_of_it.read(whole, [CHAT, 0, 10])) == []
        with pytest.raises(ArchiveError, match="are gone"):
            list(all_of_it.read(whole, [CHAT, 0, 9]))
        assert ORDERS not in whole["ends"]

        # no record is left to tell whether one of the range was among them
        emptied = all_of_it.plan()
        assert emptied["cut"] == later.plan()["cut"] == [f"{CHAT} 0"]
        assert emptied["unread_by_workers"] == all_of_it.size(emptied) == 0
        assert list(all_of_it.read(emptied, None)) == []
        # nobody waits for a group to read what is gone
        assert source_ends(settings) == sink_ends(settings) == {}
        wait_for_worker(settings, 0)
        admin.close()
