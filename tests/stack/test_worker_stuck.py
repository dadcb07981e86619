"""A worker whose Kafka client is stuck ends itself, or ends when it is told to; another one takes over, nothing lost."""

import asyncio
from pathlib import Path
from signal import SIGTERM

import pytest
from fixtures.brokers import Broker
from worker_harness import MAIN, Event, System, WorkerProcess, impatient_main, sale_events

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

DEAF = """
import os
from aiokafka.client import AIOKafkaClient
update = AIOKafkaClient._metadata_update

async def metadata_update(self, *arguments):
    if os.path.exists({flag!r}):
        raise RuntimeError("the handler is closed")
    return await update(self, *arguments)

AIOKafkaClient._metadata_update = metadata_update
"""
"""from a certain moment on every search for brokers ends on an error that aiokafka does not foresee"""
STUCK = """
import asyncio
import os
from streams.transport import BatchConsumer
commit = BatchConsumer.force_commit

async def force_commit(self, *arguments, **options):
    while os.path.exists({flag!r}):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
    return await commit(self, *arguments, **options)

BatchConsumer.force_commit = force_commit
"""
"""from a certain moment on every commit hangs, whatever is done to it"""


async def _replaced(system: System, worker: WorkerProcess, events: list[Event], code: int) -> None:
    worker.expected.add(code)
    system.worker("heir")
    await system.drained()
    await system.check(events)


async def test_a_worker_that_looks_for_no_broker_any_more_ends_itself(broker: Broker, tmp_path: Path) -> None:
    events, flag = sale_events(100, seed=31), tmp_path / "flag"
    async with System(broker.bootstrap, tmp_path) as system:
        worker = system.worker("w1", DEAF.format(flag=str(flag)) + MAIN)
        await system.ready(worker)
        await system.produce(events)
        broker.kill()  # what breaks makes the client look for brokers
        flag.touch()
        if broker.durable:
            await asyncio.to_thread(broker.start)
        assert await worker.exit_code(40) == 1
        assert "aiokafka has stopped looking for brokers" in worker.log.read_text().splitlines()[-1]
        if broker.durable:
            await _replaced(system, worker, events, 1)


async def test_a_worker_that_can_not_commit_ends_itself(broker: Broker, tmp_path: Path) -> None:
    events, flag = sale_events(100, seed=32), tmp_path / "flag"
    async with System(broker.bootstrap, tmp_path) as system:
        # a Kafka that has just started may need seconds to name the group's coordinator
        worker = system.worker("w1", STUCK.format(flag=str(flag)) + impatient_main(10))
        await system.ready(worker)
        flag.touch()
        await system.produce(events)
        assert await worker.exit_code(25) == 1
        assert "nothing can be committed on " in worker.log.read_text().splitlines()[-1]
        await _replaced(system, worker, events, 1)


async def test_a_worker_with_a_commit_that_hangs_ends_when_told_to(broker: Broker, tmp_path: Path) -> None:
    events, flag = sale_events(100, seed=33), tmp_path / "flag"
    async with System(broker.bootstrap, tmp_path) as system:
        worker = system.worker("w1", STUCK.format(flag=str(flag)) + MAIN)
        await system.ready(worker)
        flag.touch()
        await system.produce(events)
        await asyncio.sleep(1)
        worker.signal(SIGTERM)
        assert await worker.exit_code(35) == 0
        assert worker.logged("final_checkpoint_abandoned") == 1
        await _replaced(system, worker, events, 0)
