"""The Faust application: one agent over all source topics, with the settings that were found to work."""

from collections.abc import Awaitable, Callable
from typing import Any

import faust
from yarl import URL

from schemas.settings import Settings
from schemas.topics import WORKER_GROUP, WORKER_TOPICS
from streams.kafka import faust_brokers, faust_credentials, prefixed
from streams.transport import Batch, BatchSchema, BatchTransport


def group_id(settings: Settings) -> str:
    """The consumer group of all workers of this system."""
    return f"{settings.topic_prefix}{WORKER_GROUP}"


def build_app(settings: Settings, partitions: int, process: Callable[[Batch], Awaitable[None]]) -> faust.App:
    """The app, not started. `process` gets every batch, one at a time."""
    brokers = faust_brokers(settings)
    session = settings.session_timeout_seconds
    app = faust.App(
        group_id(settings),
        broker=brokers,
        broker_credentials=faust_credentials(settings),
        autodiscover=False,
        store="memory://",
        web_enabled=False,
        # our own code creates topics; Faust neither creates nor leads any
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=partitions,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=session,
        broker_heartbeat_interval=session / 6,
        broker_request_timeout=max(15.0, 2 * session),
        # how long a finished checkpoint waits for its commit, at most
        broker_commit_interval=0.1,
        broker_check_crcs=False,
        # at 0, without tables, Faust silently turns to round robin and the topics lose their co-partitioning
        table_standby_replicas=1,
        # an agent's buffer is thrown away on a rebalance; nothing waits for it to drain
        stream_wait_empty=False,
        stream_buffer_maxsize=32,
        consumer_max_fetch_size=1024 * 1024,
        producer_acks=-1,
    )
    app.transport = BatchTransport([URL(broker) for broker in brokers], app, chunk_records=settings.worker_chunk)
    topic = app.topic(*prefixed(settings, WORKER_TOPICS), schema=BatchSchema())

    async def facts(stream: Any) -> None:
        async for event in stream.noack().events():
            await process(event.value)

    app.agent(topic, name="facts")(facts)
    return app
