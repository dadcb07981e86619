"""How to reach Kafka: connection settings for aiokafka and Faust, and the check that the topics are there."""

import logging
import ssl
import time
from collections.abc import Iterable
from typing import Any

import faust
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import BY_NAME, TOPICS, WORKER_TOPICS
from streams.process import WorkerError
from streams.retrying import is_infrastructure


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """The context for SSL and SASL_SSL (`kafka_ca_file`, or the system's certificates), else None."""
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    ca_file = settings.kafka_ca_file
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


def client_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client gets: servers and security."""
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.kafka_bootstrap.split(",") if server.strip()],
        "security_protocol": settings.kafka_security_protocol,
        "client_id": "zhengdian-worker",
    }
    if context := ssl_context(settings):
        options["ssl_context"] = context
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return options


def faust_credentials(settings: Settings) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """The same security settings in Faust's terms; None for PLAINTEXT."""
    context = ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


def faust_brokers(settings: Settings) -> list[str]:
    """Broker URLs in Faust's terms."""
    return [f"kafka://{server}" for server in client_options(settings)["bootstrap_servers"]]


def prefixed(settings: Settings, names: Iterable[str]) -> list[str]:
    """Bare topic names -> the names on the cluster."""
    return [settings.topic_prefix + name for name in names]


class OncePerMoment(logging.Filter):
    """Lets one of equal complaints through every few seconds: aiokafka repeats them several times a second."""

    def __init__(self, seconds: float = 5.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it; whatever carries a traceback is."""
        if record.levelno < logging.WARNING or record.exc_info:
            return True
        now, what = time.monotonic(), (record.name, record.msg)
        if now - self._last.get(what, -self._seconds) < self._seconds:
            return False
        self._last[what] = now
        return True


def muffle_aiokafka() -> None:
    """Keep aiokafka's connection errors from flooding the log while Kafka is away."""
    once = OncePerMoment()
    for part in (".cluster", ".conn", ".consumer.fetcher", ".consumer.group_coordinator", ".producer.sender", ""):
        logging.getLogger(f"aiokafka{part}").addFilter(once)  # a filter does not reach the loggers below


async def check_topics(settings: Settings) -> int:
    """Check that the worker's topics exist and are co-partitioned; returns the number of partitions.

    Raises WorkerError with one line that says what to do; KafkaError or OSError when Kafka can't be asked.
    """
    client = AIOKafkaClient(**client_options(settings))
    try:
        await client.bootstrap()
        # the whole list, because asking for a topic by name may create it
        cluster = await client.fetch_all_metadata()
    except (KafkaError, OSError) as error:
        if not is_infrastructure(error):
            raise
        raise ConnectionError(f"can't reach Kafka at {settings.kafka_bootstrap}: {error!r}") from None
    finally:
        await client.close()
    wanted = [*WORKER_TOPICS, *(topic.name for topic in TOPICS if topic.kind in ("output", "state", "rejected"))]
    counts = {name: len(cluster.partitions_for_topic(settings.topic_prefix + name) or ()) for name in wanted}
    advice = "run `zhengdian topics create`"
    if missing := prefixed(settings, (name for name, count in counts.items() if not count)):
        raise WorkerError(f"topics are missing: {', '.join(missing)}; {advice}")
    sources = {counts[name] for name in WORKER_TOPICS}
    if len(sources) > 1:
        have = ", ".join(f"{settings.topic_prefix}{name} {counts[name]}" for name in WORKER_TOPICS)
        raise WorkerError(f"source topics must have equal partition counts, got {have}; delete them and {advice}")
    partitions = sources.pop()
    if few := [name for name in wanted if BY_NAME[name].partitions is None and counts[name] < partitions]:
        raise WorkerError(
            f"topics with fewer than {partitions} partitions: {', '.join(prefixed(settings, few))}; {advice}"
        )
    return partitions
