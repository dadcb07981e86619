"""What streams/ relies on inside faust-streaming and aiokafka. Fails loudly when a new version moves any of it.

When this fails: read what has changed, adapt streams/transport.py, run the tests in tests/stack, then change the pins here.
"""

import inspect
import logging
import re
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.producer import sender
from aiokafka.producer.message_accumulator import BatchBuilder
from faust.app.base import App
from faust.tables.recovery import Recovery
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP, ConsumerMessage

from processors.partition import Flush
from schemas.settings import Settings
from schemas.topics import CHAT, REJECTED, ROUNDS, WORKER_TOPICS
from streams import metrics, transport
from streams.app import build_app
from streams.delivery import Deliverer
from streams.kafka import OncePerMoment, check_topics, client_options
from streams.retrying import is_infrastructure
from streams.shards import Shards
from streams.state import LocalCopy
from streams.transport import Batch, BatchConsumer, BatchTransport


@pytest.mark.parametrize(
    ("package", "pinned"), [("faust-streaming", "0.15.3"), ("aiokafka", "0.14.0"), ("mode-streaming", "0.7.1")]
)
def test_versions_are_the_ones_read(package: str, pinned: str) -> None:
    assert version(package) == pinned


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        (AIOKafkaClient, ["_sync_task"]),
        (GroupCoordinator, ["coordinator_id", "generation"]),
        (AIOKafkaConsumer, ["_client", "_coordinator"]),
        (base.Consumer, ["_commit_fut", "_committed_offset"]),
        (driver.AIOKafkaConsumerThread, ["_consumer"]),
    ],
)
def test_what_is_looked_at_is_there(kind: type, attributes: list[str]) -> None:
    source = "".join(inspect.getsource(base) for base in kind.__mro__[:-1])
    assert all(re.search(rf"self\.{name}\b", source) for name in attributes)


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (driver.Consumer._new_consumer_thread, ["self"]),
        (driver.Consumer.verify_event_path, ["self", "now", "tp"]),
        (driver.AIOKafkaConsumerThread._create_worker_consumer, ["self", "transport"]),
        (driver.AIOKafkaConsumerThread.seek_wait, ["self", "partitions"]),
        (driver.Transport.__init__, ["self", "args", "kwargs"]),
        (base.Consumer.__init__, None),
        (base.Consumer._add_gap, ["self", "tp", "offset_from", "offset_to"]),
        (base.Consumer.ack, ["self", "message"]),
        (base.Consumer._filter_tps_with_pending_acks, ["self", "topics"]),
        (base.Consumer._new_offset, ["self", "tp"]),
        (base.Consumer._should_commit, ["self", "tp", "offset"]),
        (base.Consumer.commit, ["self", "topics", "start_new_transaction"]),
        (base.Consumer.maybe_wait_for_commit_to_finish, ["self"]),
        (AIOKafkaConnection.send, ["self", "request", "expect_response"]),
        (AIOKafkaConnection._send_sasl_token, ["self", "payload", "expect_response"]),
        (GroupCoordinator._do_commit_offsets, ["self", "assignment", "offsets"]),
        (base.Consumer.resume_partitions, ["self", "tps"]),
        (base.Consumer.perform_seek, ["self"]),
        (base.Consumer.on_partitions_revoked, ["self", "revoked"]),
        (base.Consumer.getmany, ["self", "timeout"]),
        (base.Consumer._get_active_partitions, ["self"]),
        (base.ThreadDelegateConsumer._getmany, ["self", "active_partitions", "timeout"]),
        (base.ThreadDelegateConsumer.seek_wait, ["self", "partitions"]),
        (base.ThreadDelegateConsumer.earliest_offsets, ["self", "partitions"]),
        (base.ThreadDelegateConsumer.highwater, ["self", "tp"]),
        (base.ThreadDelegateConsumer.position, ["self", "tp"]),
        (base.ThreadDelegateConsumer.assignment, ["self"]),
        (AIOKafkaProducer.create_batch, ["self"]),
        (AIOKafkaProducer.send_batch, ["self", "batch", "topic", "partition"]),
        (BatchBuilder.append, ["self", "timestamp", "key", "value", "headers"]),
        (BatchBuilder.close, ["self"]),
        (AIOKafkaClient.fetch_all_metadata, ["self"]),
        (AIOKafkaConsumer.highwater, ["self", "partition"]),
    ],
)
def test_what_is_overridden_and_called_is_there(function: Any, parameters: list[str] | None) -> None:
    if parameters is not None:
        assert list(inspect.signature(function).parameters) == parameters


@pytest.mark.parametrize(
    ("function", "in_order"),
    [
        # restore runs before anything is resumed, sought or fetched
        (
            Recovery._resume_streams,
            ["on_rebalance_complete.send()", "resume_partitions(", "perform_seek()", "resume_flow()", "maybe_start()"],
        ),
        # without tables, recovery is nothing but that
        (Recovery._restart_recovery, ["if not self.tables", "self._resume_streams)(generation_id", "continue"]),
        # nothing is fetched or processed while the final checkpoint is made
        (
            App._on_partitions_revoked,
            ["stop_flow)", "pause_partitions)", "flow_control.clear)", "on_partitions_revoked.send)"],
        ),
        (base.Consumer.on_partitions_revoked, ["_committed_offset.pop(tp", "self._on_partitions_revoked"]),
        (base.Consumer.on_partitions_assigned, ["_set_active_tps(assigned)", "self._on_partitions_assigned"]),
        # commits ask _new_offset, of the partitions that _filter_tps_with_pending_acks names, and of no others
        (base.Consumer.force_commit, ["_filter_tps_with_pending_acks(topics)", "_commit_tps("]),
        (base.Consumer._filter_committable_offsets, ["self._new_offset(tp)", "self._should_commit(tp, offset)"]),
        (driver.AIOKafkaConsumerThread._commit, ["if tp in self.assignment()", "already rebalanced", "return False"]),
        # a clean stop commits once more
        (base.Consumer.on_stop, ["stream_wait_empty", "commit_and_end_transactions()"]),
        (base.Consumer._drain_messages, ["getmany(timeout=", "offset >= r_offset", "callback(message)"]),
        (driver.ConsumerRebalanceListener.on_partitions_assigned, ["app.consumer_generation_id = generation"]),
        # why there is a copy of the active set, and why fetch_max_wait is set afterwards
        (Fetcher.fetched_records, ["if partitions and tp not in partitions"]),
        (
            driver.AIOKafkaConsumerThread._create_worker_consumer,
            ["table_standby_replicas > 0", "fetch_max_wait_ms=1500"],
        ),
        (AIOKafkaConsumer.start, ["fetch_max_wait_ms=self._fetch_max_wait_ms"]),
        # what tells of a log that ends before the position: the reset, and the high watermark of every fetch
        (Fetcher._proc_fetch_request, ["tp_state.highwater = highwater", "OffsetOutOfRangeError", "await_reset("]),
        # why what was read is forgotten when a log starts over
        (base.Consumer._drain_messages, ["offset >= r_offset", "DROPPED MESSAGE"]),
    ],
)
def test_the_order_of_things_inside_is_the_one_relied_on(function: Any, in_order: list[str]) -> None:
    source = inspect.getsource(getattr(function, "fun", function))
    at = 0
    for token in in_order:
        found = source.find(token, at)
        assert found >= 0, f"{token!r} is not in {function.__qualname__} where it was"
        at = found + len(token)


def test_every_produce_request_goes_through_the_client_that_is_guarded() -> None:
    assert "self.client = AIOKafkaClient(" in inspect.getsource(AIOKafkaProducer.__init__)
    source = inspect.getsource(sender)
    assert "self._sender.client.send(" in source
    assert "self._client = sender.client" in source


def test_a_message_takes_a_batch_as_its_value() -> None:
    parameters = list(inspect.signature(ConsumerMessage.__init__).parameters)[1:14]
    assert parameters == [
        *("topic", "partition", "offset", "timestamp", "timestamp_type", "headers", "key", "value", "checksum"),
        *("serialized_key_size", "serialized_value_size", "tp", "time_in"),
    ]


async def _nothing(batch: Batch) -> None:
    """Takes a batch."""


async def test_the_app_takes_its_settings() -> None:
    settings = Settings(topic_prefix="x.", kafka_bootstrap="one:9092, two:9093", session_timeout_seconds=3)
    app = build_app(settings, 12, _nothing)
    assert app.conf.id == "x.zhengdian-worker"
    assert app.conf.broker_session_timeout == 3
    assert app.conf.table_standby_replicas == 1
    assert not app.conf.topic_allow_declare
    assert [(url.host, url.port) for url in app.transport.url] == [("one", 9092), ("two", 9093)]
    assert isinstance(app.transport, BatchTransport)
    assert app.transport.chunk_records == settings.worker_chunk
    assert isinstance(app.consumer, BatchConsumer)
    (agent,) = app.agents.values()
    assert set(agent.channel.topics) == {f"x.{name}" for name in WORKER_TOPICS}


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
async def test_security_settings_reach_faust_and_aiokafka_alike(protocol: Any) -> None:
    settings = Settings(
        kafka_security_protocol=protocol,
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_username="u",
        kafka_password="p",  # type: ignore[arg-type]
    )
    app = build_app(settings, 12, _nothing)
    faust_way = dict(driver.credentials_to_aiokafka_auth(app.conf.broker_credentials, app.conf.ssl_context))
    our_way = client_options(settings)
    assert faust_way["security_protocol"] == protocol
    assert (faust_way.pop("ssl_context", None) is None) == ("ssl_context" not in our_way)
    assert faust_way == {key: our_way[key] for key in faust_way}


async def test_only_the_done_prefix_is_committed() -> None:
    consumer: Any = build_app(Settings(), 12, _nothing).consumer
    tp = TP(CHAT, 3)
    batches = [
        Batch(tp, [SimpleNamespace(offset=first), SimpleNamespace(offset=first + 9)], 1) for first in (0, 10, 25)
    ]
    consumer._inflight[tp].extend(batches)
    assert consumer._filter_committable_offsets([tp]) == {}
    batches[1].done = True
    assert consumer._filter_committable_offsets([tp]) == {}
    batches[0].done = True
    assert consumer._filter_committable_offsets([tp]) == {tp: 20}
    assert consumer._filter_committable_offsets([tp]) == {tp: 20}, "a commit that failed is made again"
    consumer._committed_offset[tp] = 20
    assert consumer._filter_committable_offsets([tp]) == {}
    batches[2].done = True
    assert consumer._filter_committable_offsets([tp]) == {tp: 35}


def _consumer_at(expected: int, end: int, position: int) -> tuple[Any, TP]:
    consumer: Any = build_app(Settings(), 12, _nothing).consumer
    tp = TP(CHAT, 3)
    consumer.sought = []

    async def seek_wait(positions: Any) -> None:
        consumer.sought.append(positions)

    async def position_of(tp: TP) -> int:
        return position

    async def earliest_offsets(*tps: TP) -> dict[TP, int]:
        return dict.fromkeys(tps, 0)

    consumer.seek_wait, consumer.position, consumer.earliest_offsets = seek_wait, position_of, earliest_offsets
    consumer.highwater = lambda tp: end
    consumer._expected = {tp: expected}
    return consumer, tp


def _records(*offsets: int) -> list[Any]:
    return [SimpleNamespace(offset=offset, timestamp=0, timestamp_type=0) for offset in offsets]


async def test_a_gap_is_fetched_once_more_and_then_believed() -> None:
    consumer, tp = _consumer_at(expected=5, end=9, position=5)
    assert await consumer._verified(tp, _records(7, 8)) == ()
    assert consumer.sought == [{tp: 5}]
    records = _records(7, 8)
    assert await consumer._verified(tp, records) == records
    assert [record.offset for record in await consumer._verified(tp, _records(3, 4, 5, 6))] == [5, 6]
    consumer._expected = {}
    assert await consumer._verified(tp, records) == ()


@pytest.mark.parametrize(("end", "backlog"), [(1_005, True), (1_004, False), (5, False), (3, False), (None, False)])
async def test_a_backlog_is_many_records_left_that_are_known_to_be_there(end: int | None, backlog: bool) -> None:
    consumer, _ = _consumer_at(expected=5, end=0, position=5)
    consumer.highwater = lambda tp: end
    assert consumer.has_backlog() is backlog


async def test_what_waits_to_be_applied_is_a_backlog_too() -> None:
    consumer, tp = _consumer_at(expected=1_000, end=1_000, position=1_000)
    batch = Batch(tp, _records(*range(1_000)), 1)
    consumer._inflight[tp].append(batch)
    assert consumer.has_backlog()
    batch.records = ()  # as when it is applied
    assert not consumer.has_backlog()


@pytest.mark.parametrize(("end", "position"), [(3, 3), (8, 3)], ids=["shorter", "grown past meanwhile"])
async def test_a_log_that_was_made_anew_is_read_from_its_first_record(end: int, position: int) -> None:
    consumer, tp = _consumer_at(expected=5, end=end, position=position)
    consumer._committed_offset[tp] = 5
    consumer._read_offset[tp] = 4
    old = Batch(tp, _records(0, 1, 2, 3, 4), 1)
    consumer._inflight[tp].append(old)
    before = metrics.TRUNCATED._value.get(), metrics.VIOLATIONS._value.get()
    records = _records(0, 1, 2)
    assert await consumer._verified(tp, records) == records
    assert consumer._read_offset[tp] is None, "Faust would drop what is below"
    batch = consumer._chunk(tp, records, 1).value
    assert (metrics.TRUNCATED._value.get(), metrics.VIOLATIONS._value.get()) == (before[0] + 1, before[1])
    assert await consumer._verified(tp, _records(3))
    old.done = True
    assert consumer._filter_committable_offsets([tp]) == {}, "offsets of the old log"
    batch.done = True
    assert consumer._filter_committable_offsets([tp]) == {tp: 3}, "lower than what was committed"


async def test_a_log_that_ends_before_the_expected_offset_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer, tp = _consumer_at(expected=5, end=0, position=5)
    await consumer._leave_short_logs({tp})
    assert (consumer.sought, consumer._expected) == ([{tp: 0}], {tp: 0})
    # an end that is merely behind is given the time to catch up
    consumer, tp = _consumer_at(expected=5, end=3, position=5)
    await consumer._leave_short_logs({tp})
    assert consumer.sought == []
    monkeypatch.setattr(transport, "_SHORT_LOG_SECONDS", 0.0)
    await consumer._leave_short_logs({tp})
    assert (consumer.sought, consumer._expected) == ([{tp: 0}], {tp: 0})
    consumer, tp = _consumer_at(expected=5, end=5, position=5)
    await consumer._leave_short_logs({tp})
    assert consumer.sought == []


async def test_kafka_away_is_no_reason_to_end_at_once() -> None:
    with pytest.raises(ConnectionError, match="can't reach Kafka at 127") as raised:
        await check_topics(Settings(kafka_bootstrap="127.0.0.1:1"))
    assert is_infrastructure(raised.value)


def test_equal_complaints_are_logged_once_per_moment() -> None:
    def passes(muffler: OncePerMoment, text: str, level: int = logging.ERROR) -> bool:
        return muffler.filter(logging.LogRecord("aiokafka.client", level, "", 0, text, ("x",), None))

    muffler = OncePerMoment()
    assert [passes(muffler, "a %s"), passes(muffler, "a %s"), passes(muffler, "b %s")] == [True, False, True]
    assert [passes(muffler, "c", logging.INFO) for _ in range(2)] == [True, True]
    assert all(passes(OncePerMoment(seconds=0), "a") for _ in range(2))


class _Narrow(Deliverer):
    """A Kafka that takes at most 100 bytes at once."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []

    async def deliver(self, topic: str, partition: int, records: Any) -> int | None:
        if topic != REJECTED and sum(len(value) for _, value in records) > 100:
            raise MessageSizeTooLargeError
        self.taken += [(topic, record) for record in records]
        return 0


@pytest.mark.parametrize("state_size", [10, 101])
async def test_a_result_too_big_for_kafka_becomes_a_dead_letter(state_size: int) -> None:
    big = "好".encode() * 200_000
    core: Any = SimpleNamespace(buyers=0, facts=0, restore=lambda records: None, apply=lambda records: None)
    outputs = [(ROUNDS, b"r-%d" % n, b"x" * 60) for n in range(3)] + [(ROUNDS, b"big", big), (ROUNDS, b"r-3", b"y")]
    core.flush = lambda sums: Flush([(b"s", b"z" * state_size)], outputs, [])
    narrow = _Narrow()
    shards = Shards(Settings(), lambda number, writer: core, narrow, LocalCopy(None), lambda: True)
    shards.take_over(2, await shards.build(2, {}))
    batch = Batch(TP(CHAT, 2), [SimpleNamespace(offset=7, key=b"k", value=b"v", timestamp=1)], 1)
    shards.apply(batch)
    if state_size > 100:  # shards of the state are bounded: that is a bug, and nothing may be skipped
        with pytest.raises(ExceptionGroup):
            await shards.checkpoint()
        assert not batch.done
        return
    await shards.checkpoint()
    assert batch.done
    assert [key for topic, (key, _) in narrow.taken if topic == ROUNDS] == [b"r-0", b"r-1", b"r-2", b"r-3"]
    (letter,) = [orjson.loads(value) for topic, (_, value) in narrow.taken if topic == REJECTED]
    assert (letter["reason"], letter["topic"], letter["partition"]) == ("oversize", ROUNDS, 2)
    assert letter["error"] == "audit.rounds: the record 'big' of 600000 bytes is more than Kafka takes"
    assert letter["raw_encoding"] == "utf-8"
    assert big.startswith(letter["raw"].encode())
    assert len(letter["raw"].encode()) > 200_000
