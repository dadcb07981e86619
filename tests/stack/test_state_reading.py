"""Reading the state: while Kafka can't be reached it gives up, so that the restore is begun anew, and goes on later; where
the copies were read before, only what came since is read, unless that takes something back."""

import asyncio
from pathlib import Path

import aiokafka
import pytest
from fixtures.apache_kafka import ApacheKafka
from fixtures.brokers import Broker
from fixtures.tcp_proxy import TcpProxy

from schemas.settings import Settings
from schemas.topics import STATE
from sinks.kafka import create_topics
from streams import state
from streams.state import LocalCopy, Mark, Read, read_state

pytestmark = pytest.mark.stack

RECORDS = {b"k-%d" % number: b"x" * 50_000 for number in range(400)}


@pytest.mark.kafka
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
            found = await read_state(behind, [0], copy, lambda: True)
        assert found == Read({0: RECORDS}, len(RECORDS), set())
        copy.keep_only(())


async def write(settings: Settings, *records: tuple[bytes, bytes | None]) -> None:
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all")
    await producer.start()
    for key, value in records:
        await producer.send_and_wait(settings.topic_prefix + STATE, value, key=key, partition=0)
    await producer.stop()


async def test_of_a_copy_that_was_read_before_only_what_came_later_is_read(broker: Broker, tmp_path: Path) -> None:
    settings = Settings(kafka_bootstrap=broker.bootstrap, partitions=1)
    await asyncio.to_thread(create_topics, settings)
    copy = LocalCopy(tmp_path / "copy")

    async def read(mark: Mark | None) -> Read:
        found = await read_state(settings, [0], copy, lambda: True, {} if mark is None else {0: mark})
        assert copy.load(0) is not None
        return found

    await write(settings, (b"a", b"1"), (b"b", b"1"))
    assert await read(None) == Read({0: {b"a": b"1", b"b": b"1"}}, 2, set())
    first = copy.mark(0)
    assert await read(first) == Read({0: {}}, 0, {0})
    await write(settings, (b"b", b"2"), (b"c", b"2"))
    assert await read(first) == Read({0: {b"b": b"2", b"c": b"2"}}, 2, {0})
    # the copy has them, too, by now: what was read of it when it was shorter is not all
    assert await read(first) == Read({0: {b"a": b"1", b"b": b"2", b"c": b"2"}}, 3, set())
    second = copy.mark(0)
    await write(settings, (b"d", b"3"), (b"a", None), (b"b", b"3"))
    found = await read(second)
    assert (found.states, found.later) == ({0: {b"b": b"3", b"c": b"2", b"d": b"3"}}, set())
    copy.keep_only(())


async def test_a_copy_that_was_read_before_and_is_another_topics_is_not_built_upon(
    broker: Broker, tmp_path: Path
) -> None:
    copy = LocalCopy(tmp_path / "copy")
    copy.store(0, [(b"x", b"1")], 0)
    settings = Settings(kafka_bootstrap=broker.bootstrap, partitions=1)
    await asyncio.to_thread(create_topics, settings)
    for records, want in (((), {}), (((b"a", b"1"),), {b"a": b"1"})):
        copy.store(0, [(b"x", b"1")], 0)
        mark = copy.mark(0)
        assert mark is not None
        await write(settings, *records)
        assert await read_state(settings, [0], copy, lambda: True, {0: mark}) == Read({0: want}, len(want), set())
    copy.keep_only(())
