"""Kafka by kafka-python: client options, topics, and the producer of events and commands."""

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NonEmptyGroupError,
    RetriableError,
    TopicAlreadyExistsError,
    UnknownBrokerIdError,
    for_code,
)

from schemas.events import Event
from schemas.settings import Settings
from schemas.topics import SINK_GROUP, TOPICS, WORKER_GROUP, Topic, partitions_of

Record = tuple[str, bytes | None, bytes]
"""(topic without prefix, key, value)"""

MAX_PENDING: Final = 50_000
MAX_RECORD_BYTES: Final = 8 << 20
_DAY_MS: Final = 86_400_000
_DELIVERY_SECONDS: Final = 60
_HEARD_SECONDS: Final = 10
_LEAVE_SECONDS: Final = 5
_ANSWER_MS: Final = 2_000

PASSING_ERRORS: Final = (RetriableError, UnknownBrokerIdError)
"""what the next attempt may not meet; kafka-python forgets the second: a broker that died is in the metadata no more"""


class PublishError(Exception):
    """Kafka has not confirmed some of the records; one line. Sending them again is safe: duplicates change nothing."""


class _OneLineError(KafkaError):  # type: ignore[misc]
    def __str__(self) -> str:
        return " ".join(str(arg) for arg in self.args)  # KafkaError would put the class's name before it


class BrokerUnavailableError(_OneLineError):
    """No broker answered in time."""


class TopicMismatchError(_OneLineError):
    """A topic exists with another number of partitions than the settings name."""


def client_options(settings: Settings) -> dict[str, Any]:
    """The options that every client of kafka-python takes: brokers and security."""
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.kafka_bootstrap.split(",") if server.strip()],
        "security_protocol": settings.kafka_security_protocol,
        "client_id": "zhengdian",
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    if settings.kafka_ca_file is not None:
        options["ssl_cafile"] = str(settings.kafka_ca_file)
    return options


def topic_name(settings: Settings, bare: str) -> str:
    """The name on the cluster: the settings' prefix and the bare name."""
    return f"{settings.topic_prefix}{bare}"


def worker_group(settings: Settings) -> str:
    """The consumer group of all workers of this system."""
    return topic_name(settings, WORKER_GROUP)


def sink_group(settings: Settings) -> str:
    """The consumer group of all sinks of this system."""
    return topic_name(settings, SINK_GROUP)


def event_key(event: Event) -> bytes:
    """The record key: `{shop_id}|{buyer_id}`, or `{shop_id}` for reference events, which have no buyer."""
    data = event.data
    buyer = getattr(data, "buyer_id", None)
    return (data.shop_id if buyer is None else f"{data.shop_id}|{buyer}").encode()


def wait_for_broker(settings: Settings, seconds: float) -> None:
    """Return when a broker answers. Raises BrokerUnavailableError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        try:
            # a bootstrap that fails is retried inside for as long as it is allowed, so one try is the rest of the time
            KafkaAdminClient(**client_options(settings), bootstrap_timeout_ms=max(int(left * 1000), 500)).close()
            return
        except (KafkaConnectionError, KafkaTimeoutError) as error:
            if time.monotonic() >= deadline:
                message = f"no broker answers at {settings.kafka_bootstrap} within {seconds:g} s"
                raise BrokerUnavailableError(message) from error
            time.sleep(0.1)


def cluster_of(settings: Settings) -> str:
    """The cluster's id, of a broker that tells none the brokers of the settings. Raises KafkaError."""
    admin = KafkaAdminClient(**client_options(settings))
    try:
        told = admin.describe_cluster()["cluster_id"]
    finally:
        admin.close()
    return told or ",".join(sorted(client_options(settings)["bootstrap_servers"]))


def create_topics(settings: Settings, topics: Sequence[Topic] = TOPICS) -> dict[str, str]:
    """Create the topics that are missing. Topic name -> "created" or "exists".

    Raises TopicMismatchError when one exists with another number of partitions, and KafkaError.
    """
    wanted = {topic_name(settings, topic.name): topic for topic in topics}
    admin = KafkaAdminClient(**client_options(settings))
    try:
        outcome = dict.fromkeys(wanted, "exists")
        missing = [name for name in wanted if name not in set(admin.list_topics())]
        if missing:
            answer = admin.create_topics(
                {name: topic_options(settings, wanted[name]) for name in missing}, raise_errors=False
            )
            for topic in answer["topics"]:
                error = for_code(topic["error_code"])
                if error is TopicAlreadyExistsError:  # somebody else was faster
                    continue
                if topic["error_code"]:
                    raise error(f"topic {topic['name']}: {topic.get('error_message') or error.__name__}")
                outcome[topic["name"]] = "created"
            admin.wait_for_topics(missing)
        for found in _described(admin, list(wanted)):
            count, want = len(found["partitions"]), partitions_of(wanted[found["name"]], settings.partitions)
            if count != want:
                raise TopicMismatchError(
                    f"topic {found['name']} has {count} partitions, but {want} are needed; "
                    "set ZHENGDIAN_PARTITIONS to what the source topics have, or use another ZHENGDIAN_TOPIC_PREFIX"
                )
        return outcome
    finally:
        admin.close()


def _described(admin: Any, names: list[str]) -> list[dict[str, Any]]:
    """The metadata of topics that are there. A broker that has not heard of one yet, as another made it, is waited for.

    Raises KafkaError when one can't be described.
    """
    deadline = time.monotonic() + _HEARD_SECONDS
    while True:
        answer: list[dict[str, Any]] = admin.describe_topics(names)
        failed = [(topic["name"], for_code(topic["error_code"])) for topic in answer if topic["error_code"]]
        if not failed:
            return answer
        lasting = [one for one in failed if not issubclass(one[1], RetriableError)]
        if lasting or time.monotonic() >= deadline:
            name, error = (lasting or failed)[0]
            raise error(f"topic {name} can't be described")
        time.sleep(0.1)


def delete_topics(settings: Settings) -> None:
    """Delete all topics and consumer groups of the prefix, as far as they are there. Raises KafkaError."""
    admin = KafkaAdminClient(**client_options(settings))
    try:
        there = set(admin.list_topics())
        if names := [name for topic in TOPICS if (name := topic_name(settings, topic.name)) in there]:
            admin.delete_topics(names)
        groups = [worker_group(settings), sink_group(settings)]
        # a member that was killed is one until its session is over
        deadline = time.monotonic() + settings.session_timeout_seconds + _LEAVE_SECONDS
        while groups:
            answers = admin.delete_groups(groups)
            groups = [group for group in groups if answers.get(group) == NonEmptyGroupError.__name__]
            if groups and time.monotonic() > deadline:
                raise NonEmptyGroupError(f"{groups[0]} has members")
            if groups:
                time.sleep(0.5)
    finally:
        admin.close()


def topic_options(settings: Settings, topic: Topic) -> dict[str, Any]:
    """What the topic is created with: partitions, replicas, configuration."""
    configs = {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        # when a fact was sent tells whether it is of the future; what this system writes gets the broker's time, as
        # Kafka refuses records of a worker whose clock is ahead, and would soon delete those of one that is behind
        "message.timestamp.type": "CreateTime" if topic.kind in ("source", "reference", "command") else "LogAppendTime",
    }
    if settings.replication_factor >= 3:
        configs["min.insync.replicas"] = "2"  # without it acks=all is content with the leader alone
    if topic.compacted:
        # small segments and an early cleaner keep a restart short; a worker's local copy of the state is trusted while
        # tombstones last
        configs |= {
            "segment.bytes": str(64 << 20),
            "min.cleanable.dirty.ratio": "0.1",
            "delete.retention.ms": str(_DAY_MS),
        }
    if topic.retention_days is not None:
        configs["retention.ms"] = str(-1 if topic.retention_days < 0 else topic.retention_days * _DAY_MS)
    if topic.max_message_bytes is not None:
        configs["max.message.bytes"] = str(topic.max_message_bytes)
    return {
        "num_partitions": partitions_of(topic, settings.partitions),
        "replication_factor": settings.replication_factor,
        "configs": configs,
    }


class EventProducer:
    """Sends records with acks=all and LZ4. Safe to share between threads; it connects when first used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Any = None
        self._guard = threading.Lock()
        self._room = threading.Semaphore(MAX_PENDING)
        self._failure: str | None = None
        self._closed = False

    def publish(self, records: Sequence[Record], timeout_seconds: float) -> list[tuple[int, int]]:
        """Send all and return the (partition, offset) of each when every one is confirmed.

        Raises PublishError otherwise: some may have arrived.
        """
        deadline = time.monotonic() + timeout_seconds
        try:
            producer = self._connected()
            futures = [producer.send(topic_name(self._settings, topic), value, key) for topic, key, value in records]
            sent = [future.get(max(deadline - time.monotonic(), 0.001)) for future in futures]
            return [(record.partition, record.offset) for record in sent]
        except KafkaTimeoutError as error:
            raise PublishError(
                f"Kafka has not confirmed {len(records)} records within {timeout_seconds:g} s"
            ) from error
        except (KafkaError, ValueError, AssertionError) as error:
            raise PublishError(_why(error)) from error

    def submit(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Send without waiting; waits only while too many are unconfirmed. Raises PublishError for an earlier failure."""
        self._raise_failure()
        try:
            producer = self._connected()
            if not self._room.acquire(timeout=120):
                raise PublishError("Kafka confirms nothing any more")
            try:
                future = self._sent(producer, topic_name(self._settings, topic), key, value)
            except BaseException:
                self._room.release()
                raise
        except (KafkaError, ValueError, AssertionError) as error:
            raise PublishError(_why(error)) from error
        future.add_both(self._settled)

    def _sent(self, producer: Any, name: str, key: bytes | None, value: bytes) -> Any:
        """Hand a record over. A broker that goes away is waited for, a topic that is not there is not."""
        deadline = time.monotonic() + _DELIVERY_SECONDS
        while True:
            try:
                return producer.send(name, value, key)
            except KafkaTimeoutError:
                self._raise_failure()
                if self._closed or time.monotonic() >= deadline or self._is_missing(name):
                    raise

    def _is_missing(self, name: str) -> bool:
        """Whether a broker answers and has no such topic."""
        try:
            admin = KafkaAdminClient(**client_options(self._settings), bootstrap_timeout_ms=_ANSWER_MS)
            try:
                return name not in admin.list_topics()
            finally:
                admin.close()
        except KafkaError:
            return False

    def flush(self, timeout_seconds: float = 60) -> None:
        """Return when everything submitted is confirmed. Raises PublishError for what was not."""
        if self._producer is not None:
            try:
                self._producer.flush(timeout_seconds)
            except KafkaError as error:
                raise PublishError(_why(error)) from error
        self._raise_failure()

    def close(self, timeout_seconds: float = 10) -> None:
        """Send what is left and disconnect. Calling it twice is fine."""
        with self._guard:
            producer, self._producer, self._closed = self._producer, None, True
        if producer is not None:
            producer.close(timeout=timeout_seconds)

    def _connected(self) -> Any:
        with self._guard:
            if self._closed:
                raise PublishError("the producer is closed")
            if self._producer is None:
                self._producer = KafkaProducer(
                    **client_options(self._settings),
                    acks="all",
                    # duplicates are harmless by contract, so the sequence numbers that some brokers lack are not needed
                    enable_idempotence=False,
                    compression_type="lz4",
                    linger_ms=5,
                    batch_size=256 << 10,
                    max_request_size=MAX_RECORD_BYTES,
                    max_block_ms=5_000,
                    delivery_timeout_ms=_DELIVERY_SECONDS * 1000,
                    request_timeout_ms=15_000,
                    bootstrap_timeout_ms=10_000,
                    allow_auto_create_topics=False,
                )
            return self._producer

    def _settled(self, outcome: Any) -> None:
        self._room.release()
        if isinstance(outcome, BaseException):
            self._failure = self._failure or _why(outcome)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise PublishError(failure)


def _why(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
