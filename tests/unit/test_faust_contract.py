"""What streams/ relies on inside faust-streaming and aiokafka. Fails loudly when a new version moves any of it.

When this fails: read what has changed, adapt streams/transport.py, run the tests in tests/stack, then change the pins here.
"""

import inspect
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.producer import sender
from aiokafka.producer.message_accumulator import BatchBuilder
from faust.app.base import App
from faust.tables.recovery import Recovery
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP, ConsumerMessage

from schemas.settings import Settings
from schemas.topics import CHAT, WORKER_TOPICS
from streams.app import build_app
from streams.kafka import client_options
from streams.transport import Batch, BatchConsumer, BatchTransport


@pytest.mark.parametrize(
    ("package", "pinned"), [("faust-streaming", "0.15.3"), ("aiokafka", "0.14.0"), ("mode-streaming", "0.7.1")]
)
def test_versions_are_the_ones_read(package: str, pinned: str) -> None:
    assert version(package) == pinned


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
        (base.Consumer.resume_partitions, ["self", "tps"]),
        (base.Consumer.perform_seek, ["self"]),
        (base.Consumer.on_partitions_revoked, ["self", "revoked"]),
        (base.Consumer.getmany, ["self", "timeout"]),
        (base.Consumer._get_active_partitions, ["self"]),
        (base.ThreadDelegateConsumer._getmany, ["self", "active_partitions", "timeout"]),
        (base.ThreadDelegateConsumer.seek_wait, ["self", "partitions"]),
        (base.ThreadDelegateConsumer.earliest_offsets, ["self", "partitions"]),
        (base.ThreadDelegateConsumer.highwater, ["self", "tp"]),
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


async def test_a_gap_is_fetched_once_more_and_then_believed() -> None:
    consumer: Any = build_app(Settings(), 12, _nothing).consumer
    tp = TP(CHAT, 3)
    sought: list[Any] = []

    async def seek_wait(positions: Any) -> None:
        sought.append(positions)

    consumer.seek_wait = seek_wait
    consumer._expected = {tp: 5}
    records = [SimpleNamespace(offset=offset) for offset in (7, 8)]
    assert await consumer._verified(tp, records) == ()
    assert sought == [{tp: 5}]
    assert await consumer._verified(tp, records) == records
    overlapping = [SimpleNamespace(offset=offset) for offset in (3, 4, 5, 6)]
    assert [record.offset for record in await consumer._verified(tp, overlapping)] == [5, 6]
    consumer._expected = {}
    assert await consumer._verified(tp, records) == ()
