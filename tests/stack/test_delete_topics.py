"""What a replay through a cluster takes away again: its own topics and groups, and nobody else's."""

import os
import subprocess
import sys
import time

import pytest
from fixtures.brokers import Broker
from kafka import KafkaAdminClient

from schemas.settings import Settings
from sinks.kafka import create_topics, delete_topics, worker_group

pytestmark = [pytest.mark.stack, pytest.mark.slow]

_MEMBER = """
import sys, time
from kafka import KafkaConsumer
bootstrap, topic, group = sys.argv[1:]
consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, session_timeout_ms=6000)
while not consumer.assignment():
    consumer.poll(timeout_ms=100)
consumer.commit()
print("joined", flush=True)
while True:
    consumer.poll(timeout_ms=100)
"""


def test_a_member_killed_just_now_does_not_keep_its_group(broker: Broker) -> None:
    mine, other = (Settings(kafka_bootstrap=broker.bootstrap, partitions=1, topic_prefix=f"{p}.") for p in ("x", "x.y"))
    for system in (mine, other):
        create_topics(system)
    member = [sys.executable, "-c", _MEMBER, broker.bootstrap, "x.chat.messages", worker_group(mine)]
    with subprocess.Popen(member, stdout=subprocess.PIPE, env=dict(os.environ)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"joined\n"
        process.kill()
    delete_topics(mine)
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    deadline = time.monotonic() + 10
    while (left := set(admin.list_topics()) - {"__consumer_offsets"}) and time.monotonic() < deadline:
        if all(name.startswith("x.y.") for name in left):
            break
        time.sleep(0.2)
    assert left
    assert all(name.startswith("x.y.") for name in left)
    assert worker_group(mine) not in str(admin.list_groups())
    admin.close()
