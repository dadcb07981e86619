"""A commit that fails is made again: the group comes as far as what is inserted, also when no record follows."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from fixtures.brokers import Broker, new_broker
from kafka.errors import KafkaTimeoutError
from sink_harness import shared_out, until

import sinks.uncommitted
from schemas.settings import Settings
from schemas.topics import REJECTED
from sinks.database import Database, open_database
from sinks.kafka import EventProducer, create_topics, sink_group, wait_for_broker
from sinks.migrate import up
from sinks.progress import Committed, sink_ends, wait_for_sink
from sinks.sink import Sink

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(300)]
RECORDS = 40


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    found = open_database(Settings(data_dir=tmp_path / "data"))
    up(found)
    yield found
    found.close()


def filled(broker: Broker, **more: Any) -> Settings:
    """Settings for topics with RECORDS records in several partitions."""
    settings = Settings(kafka_bootstrap=broker.bootstrap, partitions=4, **{"session_timeout_seconds": 3} | more)
    wait_for_broker(settings, 30)
    create_topics(settings)
    producer = EventProducer(settings)
    producer.publish([(REJECTED, b"k%d" % n, b"{}") for n in range(RECORDS)], 20)
    producer.close()
    return settings


def rejected(db: Database) -> int:
    return int(db.query("SELECT count() AS n FROM rejected")[0]["n"])


def lag(settings: Settings) -> int:
    ends, committed = sink_ends(settings), Committed(settings, sink_group(settings))
    try:
        found = committed(ends)
    finally:
        committed.close()
    return sum(end - found[position] for position, end in ends.items())


class Refusing(Sink):
    """A sink whose commits fail while it is told so."""

    refusing = True
    attempts = 0

    def _consume(self) -> Any:
        consumer = super()._consume()
        commit = consumer.commit

        def refuse(offsets: Any, **options: Any) -> None:
            self.attempts += 1
            if self.refusing:
                raise KafkaTimeoutError("no answer")
            commit(offsets, **options)

        consumer.commit = refuse
        return consumer


@pytest.mark.kafka
def test_the_broker_is_killed_between_insert_and_commit(tmp_path: Path, db: Database) -> None:
    killed = threading.Event()
    with new_broker("kafka", tmp_path) as broker, structlog.testing.capture_logs() as said:

        def kill(_: set[str]) -> None:
            if not killed.is_set():
                broker.kill()
                killed.set()

        # the session outlasts the broker's absence, so that nothing is read again
        settings = filled(broker, session_timeout_seconds=60)
        sink = Sink(settings, db, on_batch=kill)
        sink.start()
        try:
            assert killed.wait(30)
            until(lambda: any(line["event"] == "commit_failed" for line in said))
            broker.start()
            wait_for_sink(settings, 30)
            assert rejected(db) == RECORDS
            assert "partitions_lost" not in {line["event"] for line in said}
        finally:
            sink.stop()
    assert sink.exit_code == 0


def test_failures_are_said_once_and_so_is_their_end(broker: Broker, db: Database) -> None:
    settings = filled(broker)
    sink = Refusing(settings, db)
    with structlog.testing.capture_logs() as said:
        sink.start()
        try:
            until(lambda: rejected(db) == RECORDS and sink.attempts >= 3)
            assert lag(settings) == RECORDS
            sink.refusing = False
            wait_for_sink(settings, 60)
            attempts = sink.attempts
            time.sleep(1)
            assert sink.attempts == attempts
        finally:
            sink.stop()
    told = [line["event"] for line in said if "commit" in line["event"]]
    assert told == ["commit_failed", "commits_succeed_again"]


def test_stopping_does_not_wait_for_the_next_attempt(
    broker: Broker, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks.uncommitted, "FIRST_WAIT_SECONDS", 600.0)
    settings = filled(broker)
    sink = Refusing(settings, db)
    sink.start()
    until(lambda: rejected(db) == RECORDS and sink.attempts > 0)
    sink.refusing = False
    sink.stop()
    assert (sink.exit_code, lag(settings)) == (0, 0)


@pytest.mark.parametrize("answered", [True, False])
def test_partitions_that_move_take_their_offsets_along(broker: Broker, db: Database, answered: bool) -> None:
    """Commits have failed before a rebalance. The one at the rebalance comes through, or what moved is read again."""
    settings = filled(broker)
    first, second = Refusing(settings, db), Sink(settings, db)
    first.start()
    try:
        until(lambda: rejected(db) == RECORDS and first.attempts > 0)
        if not answered:
            first._consumer.commit_async = lambda *_, **__: None
        second.start()
        until(lambda: shared_out(settings, first, second))
        mine = {(REJECTED, p.partition) for p in first._consumer.assignment() if p.topic == REJECTED}
        assert mine
        until(lambda: first._uncommitted._offsets.keys() <= mine)
        if not answered:
            assert first._uncommitted._offsets.keys() == mine & sink_ends(settings).keys()
            first.refusing = False
        wait_for_sink(settings, 60)
        until(lambda: not first._uncommitted._offsets, 60)
        assert rejected(db) == RECORDS
    finally:
        first.stop()
        second.stop()
    assert (first.exit_code, second.exit_code, lag(settings)) == (0, 0, 0)
