"""Reading the state while Kafka can't be reached: it gives up, so that the restore is begun anew, and goes on later."""

import asyncio
from pathlib import Path

import aiokafka
import pytest
from fixtures.apache_kafka import ApacheKafka
from fixtures.tcp_proxy import TcpProxy

from schemas.settings import Settings
from schemas.topics import STATE
from sinks.kafka import create_topics
from streams import state
from streams.state import LocalCopy, read_state

pytestmark = [pytest.mark.stack, pytest.mark.kafka]

RECORDS = {b"k-%d" % number: b"x" * 50_000 for number in range(400)}


async def test_a_restore_that_hears_nothing_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "_QUIET_SECONDS", 2.0)
    with TcpProxy(0) as network, ApacheKafka(tmp_path / "kafka", detour=network.port) as kafka:
        network.target_port = kafka.detour_port
        await asyncio.to_thread(create_topics, Settings(kafka_bootstrap=kafka.bootstrap, partitions=1))
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
        await producer.start()
        for key, value in RECORDS.items():
            await producer.send(STATE, value, key=key, partition=0)
        await producer.stop()
        behind = Settings(kafka_bootstrap=f"127.0.0.1:{network.port}", partitions=1)
        copy = LocalCopy(tmp_path / "copy")

        def stall() -> bool:  # asked before each fetch
            network.stall()
            return True

        async with asyncio.timeout(60):
            with pytest.raises(TimeoutError):
                await read_state(behind, [0], copy, stall)
        network.resume()
        async with asyncio.timeout(60):
            states, _ = await read_state(behind, [0], copy, lambda: True)
        assert states == {0: RECORDS}
        copy.keep_only(())
