"""The worker on the embedded broker. After every scenario the results equal what the pure core makes of the events."""

import asyncio
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import orjson
import pytest
from fixtures.brokers import Broker
from worker_harness import HANGING_FETCH_MAIN, SLOW_MAIN, System, WorkerProcess, impatient_main, sale_events

from schemas.topics import CHAT, ROUNDS

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SESSION = 3


async def test_events_become_results(broker: Broker, tmp_path: Path) -> None:
    events = sale_events(300, seed=1)
    async with System(broker.bootstrap, tmp_path) as system:
        worker = system.worker("w1")
        await system.ready(worker)
        await system.produce(events)
        await system.drained()
        await system.check(events)
        await worker.stop()


async def test_missing_topics_are_told_in_one_line(broker: Broker, tmp_path: Path) -> None:
    async with System(broker.bootstrap, tmp_path) as system:
        worker = system.worker("w1", topic_prefix="other.")
        assert await worker.exit_code() == 1
        assert worker.logged("topics are missing: other.chat.messages") == 1
        assert worker.logged("run `zhengdian topics create`") == 1
        assert worker.logged("Traceback") == 0


async def test_kafka_away_is_retried_and_named_in_the_last_line(tmp_path: Path) -> None:
    async with asyncio.timeout(60):
        worker = WorkerProcess("w1", "127.0.0.1:1", tmp_path, impatient_main(10))
        try:
            assert await worker.exit_code() == 1
        finally:
            worker.end()
    lines = worker.log.read_text().splitlines()
    assert "worker_died" in lines[-1]
    assert "reach Kafka at 127.0.0.1:1: KafkaConnectionError" in lines[-1]
    assert worker.logged("what=topics") >= 2
    # aiokafka complains at each attempt, and the last one is followed by no retry; a slow one may be told again
    assert 1 <= worker.logged("Unable connect to") <= worker.logged("what=topics")
    assert worker.logged("Traceback") == 0


@pytest.mark.parametrize("empty_seconds", [0, 2], ids=["at once", "empty for a while"])
async def test_a_topic_made_anew_is_read_from_its_start(broker: Broker, tmp_path: Path, empty_seconds: float) -> None:
    async with System(broker.bootstrap, tmp_path) as system:
        worker = system.worker("w1")
        await system.ready(worker)
        events = sale_events(60, seed=8)
        await system.produce(events)
        await system.drained()
        await system.recreate(CHAT)
        await asyncio.sleep(empty_seconds)
        few = {f"s|b-{number}".encode() for number in range(15)}
        new = [
            (topic, key.replace(b"b-", b"n-"), value.replace(b"b-", b"n-").replace(b"e-", b"g-"))
            for topic, key, value in events
            if topic == CHAT and key in few and b"no json" not in value
        ]
        await system.produce(new)
        await system.drained()
        written = {orjson.loads(record.value)["buyer_id"] for record in await system.records(ROUNDS)}
        assert {orjson.loads(value)["data"]["buyer_id"] for _, _, value in new} <= written
        assert worker.logged("log_truncated") >= 1


@pytest.mark.slow
async def test_the_successor_of_a_killed_worker_takes_its_copies_in_while_it_waits(
    broker: Broker, tmp_path: Path
) -> None:
    # a session that outlasts the start of a process on a slow machine
    options = {"session_timeout_seconds": "12", "worker_state_dir": str(tmp_path / "state")}
    events = sale_events(300, seed=9)
    async with System(broker.bootstrap, tmp_path) as system:
        worker = system.worker("w1", **options)
        await system.ready(worker)
        await system.produce(events[::2])
        await system.drained()
        worker.signal(SIGKILL)
        await worker.exit_code()
        worker = system.worker("w2", **options)
        await system.ready(worker, seconds=80)
        assert worker.logged("early=[") == 1
        assert worker.logged("early=[]") == 0
        await system.produce(events[1::2])
        await system.drained()
        await system.check(events)


@pytest.mark.slow
@pytest.mark.parametrize("local_copy", [False, True], ids=["topic", "rocksdict"])
async def test_kill_and_restart_midstream(broker: Broker, tmp_path: Path, local_copy: bool) -> None:
    events = sale_events(1500, seed=2)
    options = {"session_timeout_seconds": str(SESSION)}
    if local_copy:
        options["worker_state_dir"] = str(tmp_path / "state")
    async with System(broker.bootstrap, tmp_path) as system:
        worker = system.worker("w1", **options)
        await system.ready(worker)
        producing = asyncio.create_task(system.produce(events, seconds=12))
        for name in ("w2", "w3"):
            await asyncio.sleep(2.1)
            worker.signal(SIGKILL)
            await worker.exit_code()
            worker = system.worker(name, **options)
            await system.ready(worker)
        await producing
        await system.drained()
        await system.check(events)
        if local_copy:
            assert worker.logged("local_copy_foreign") == 0
        # stopped and started once more, on complete state: the results stay
        await worker.stop()
        worker = system.worker("w4", **options)
        await system.ready(worker)
        more = sale_events(50, seed=3)
        more = [
            (topic, key.replace(b"b-", b"c-"), value.replace(b"b-", b"c-").replace(b"e-", b"f-"))
            for topic, key, value in more
        ]
        more = [event for event in more if b"no json" not in event[2]]
        await system.produce(more)
        await system.drained()
        await system.check(events + more)


async def test_a_fetch_that_outlasts_a_rebalance_takes_no_records_with_it(broker: Broker, tmp_path: Path) -> None:
    events = sale_events(100, seed=9)
    async with System(broker.bootstrap, tmp_path) as system:
        one = system.worker("w1", HANGING_FETCH_MAIN)
        await system.ready(one)
        await system.produce(events)  # and none later, which would show the gap
        await system.ready(system.worker("w2"))
        await system.drained()
        await system.check(events)


@pytest.mark.slow
async def test_second_worker_joins_and_leaves(broker: Broker, tmp_path: Path) -> None:
    events = sale_events(3000, seed=4)
    async with System(broker.bootstrap, tmp_path) as system:
        one = system.worker("w1")
        await system.ready(one)
        producing = asyncio.create_task(system.produce(events, seconds=25))
        await asyncio.sleep(2)
        two = system.worker("w2")
        await system.ready(two)
        await asyncio.sleep(3)
        await two.stop()
        await asyncio.sleep(3)
        three = system.worker("w3")
        await system.ready(three)
        await asyncio.sleep(2)
        three.signal(SIGKILL)
        await producing
        await system.drained()
        await system.check(events)
        for worker in system.workers:
            assert worker.logged("order_violated") == 0


@pytest.mark.slow
async def test_stopped_process_dies_before_it_writes(broker: Broker, tmp_path: Path) -> None:
    events = sale_events(2000, seed=5)
    async with System(broker.bootstrap, tmp_path) as system:
        options = {"session_timeout_seconds": str(SESSION)}
        one = system.worker("w1", **options)
        two = system.worker("w2", **options)
        await system.ready(one, two)
        producing = asyncio.create_task(system.produce(events, seconds=14))
        await asyncio.sleep(2)
        one.supervise()
        before = one.logged("stood still")
        one.expected.add(1)
        one.signal(SIGSTOP)
        await asyncio.sleep(2 * SESSION + 2)
        one.signal(SIGCONT)
        assert await one.exit_code() == 1
        assert one.logged("stood still") > before
        await producing
        await system.drained()
        await system.check(events)


async def test_a_short_stop_is_survived(broker: Broker, tmp_path: Path) -> None:
    events = sale_events(300, seed=6)
    async with System(broker.bootstrap, tmp_path) as system:
        worker = system.worker("w1", session_timeout_seconds="20")  # the machine may stop it as well
        await system.ready(worker)
        producing = asyncio.create_task(system.produce(events, seconds=8))
        await asyncio.sleep(1)
        worker.signal(SIGSTOP)
        await asyncio.sleep(5)
        worker.signal(SIGCONT)
        await producing
        await system.drained()
        await system.check(events)
        assert worker.logged("partitions_ready") == 1


@pytest.mark.slow
async def test_a_busy_event_loop_keeps_its_membership(broker: Broker, tmp_path: Path) -> None:
    events = sale_events(200, seed=7)
    async with System(broker.bootstrap, tmp_path) as system:
        await system.produce(events)
        worker = system.worker("w1", SLOW_MAIN, session_timeout_seconds=str(2 * SESSION))
        await system.ready(worker)
        await system.drained()
        await system.check(events)
        assert worker.logged("partitions_ready") == 1
        assert worker.logged("stood still") == 0
