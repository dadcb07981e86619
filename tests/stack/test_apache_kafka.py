"""What only Apache Kafka has: a log that survives, compaction, TLS and logins; and its own time limits."""

import time
from pathlib import Path

import pytest
from fixtures.apache_kafka import ApacheKafka
from fixtures.certificates import make_certificates
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from live_harness import Live

from schemas.settings import Settings
from schemas.topics import STATE
from sinks.kafka import EventProducer, PublishError, client_options, topic_name
from sinks.progress import true_ends

pytestmark = [pytest.mark.kafka, pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(240)]

STOCK = {
    "broker.heartbeat.interval.ms": "2000",
    "broker.session.timeout.ms": "9000",
    "group.initial.rebalance.delay.ms": "3000",
    "group.min.session.timeout.ms": "6000",
}
"""Kafka's own values of what the tests' broker has otherwise"""


def test_a_broker_with_stock_settings_killed_and_started_again(tmp_path: Path) -> None:
    with ApacheKafka(tmp_path / "kafka", properties=STOCK) as broker, Live(tmp_path, broker.bootstrap) as live:
        live.run("topics", "create")
        live.start("worker-1")
        live.start("worker-2")
        live.start("sink")
        live.ingest(seconds=30)
        time.sleep(12)
        broker.kill()
        time.sleep(1)
        broker.start()
        live.check()


def whole_sale(live: Live) -> None:
    """By the command line, with one worker and a sink."""
    live.run("topics", "create")
    live.start("worker")
    live.start("sink")
    live.run("ingest", "sale")
    live.check()


def tls(directory: Path) -> dict[str, str]:
    """The broker's certificate and its CA, which is ca.crt in the directory."""
    make_certificates(directory)
    both = directory / "server.pem"
    both.write_text((directory / "server.key").read_text() + (directory / "server.crt").read_text())
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(directory / "ca.crt"),
    }


LOGIN = {"kafka_username": "zhengdian", "kafka_password": "correct horse"}


def test_a_login_with_a_plain_password(tmp_path: Path) -> None:
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    users = f'{module} required user_{LOGIN["kafka_username"]}="{LOGIN["kafka_password"]}";'
    properties = {
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": users,
    }
    security = {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "PLAIN"} | LOGIN
    with ApacheKafka(tmp_path / "kafka", properties=properties, protocol="SASL_PLAINTEXT") as broker:
        with Live(tmp_path, broker.bootstrap, **security) as live:
            whole_sale(live)


def test_tls_with_a_ca_of_its_own_and_scram(tmp_path: Path) -> None:
    properties = tls(tmp_path) | {
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
    }
    user = f"SCRAM-SHA-512=[name={LOGIN['kafka_username']},password={LOGIN['kafka_password']}]"
    security = {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": "SCRAM-SHA-512",
    } | LOGIN
    security["kafka_ca_file"] = str(tmp_path / "ca.crt")
    with ApacheKafka(
        tmp_path / "kafka", properties=properties, protocol="SASL_SSL", format_options=["--add-scram", user]
    ) as broker:
        with Live(tmp_path, broker.bootstrap, **security) as live:
            whole_sale(live)


def test_tls_without_a_login(tmp_path: Path) -> None:
    security = {"kafka_security_protocol": "SSL", "kafka_ca_file": str(tmp_path / "ca.crt")}
    with ApacheKafka(tmp_path / "kafka", properties=tls(tmp_path), protocol="SSL") as broker:
        with Live(tmp_path, broker.bootstrap, **security) as live:
            whole_sale(live)


def test_a_topic_that_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    with ApacheKafka(tmp_path / "kafka") as broker:
        producer = EventProducer(Settings(kafka_bootstrap=broker.bootstrap))
        began = time.monotonic()
        with pytest.raises(PublishError):
            producer.submit("nowhere", b"k", b"v")
        producer.close()
        assert time.monotonic() - began < 20


def test_a_worker_takes_over_from_a_compacted_state(tmp_path: Path) -> None:
    """Records of a writer that was killed are replaced and tombstoned by the next, and the log cleaner removes them."""
    busy = {"log.cleaner.backoff.ms": "300"}
    with ApacheKafka(tmp_path / "kafka", properties=busy) as broker, Live(tmp_path, broker.bootstrap) as live:
        live.run("topics", "create")
        eager = {"segment.ms": "500", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0"}
        admin = KafkaAdminClient(**client_options(live.settings))
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, STATE, configs=eager)])
        admin.close()
        first = live.start("worker-1")
        live.start("sink")
        live.ingest(seconds=34)
        time.sleep(12)
        first.kill()
        second = live.start("worker-2")
        time.sleep(16)
        second.kill()
        kept, written = state_records(live.settings)
        assert kept < written, "the log cleaner has not run"
        live.start("worker-3")
        live.check()
        kept, written = state_records(live.settings)
        assert kept < written / 2


def state_records(settings: Settings) -> tuple[int, int]:
    """How many records the state topic holds, and how many were ever written to it."""
    ends = {
        TopicPartition(topic_name(settings, topic), number): end
        for (topic, number), end in true_ends(settings, [STATE]).items()
    }
    consumer = KafkaConsumer(**client_options(settings), auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        consumer.assign(list(ends))
        kept = 0
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            kept += sum(len(records) for records in consumer.poll(timeout_ms=100).values())
        return kept, sum(ends.values())
    finally:
        consumer.close(autocommit=False)
