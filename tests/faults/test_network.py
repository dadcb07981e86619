"""The network between one worker and Kafka: cut for longer than a session, cut in the middle of a rebalance, slow."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fixtures.apache_kafka import ApacheKafka
from fixtures.brokers import Broker
from fixtures.tcp_proxy import TcpProxy

from replay.generator import SaleConfig

from .feeding import sale
from .parts import Part
from .system import PARTITIONS, System

LINGERING = """
import asyncio, sys
from pathlib import Path
from streams.worker import Worker

mark, cut, revoked = Path(sys.argv[1]), Path(sys.argv[2]), Worker._revoked

async def lingering(self, *args, **kwargs):
    holds = bool(self._shards.numbers)
    await revoked(self, *args, **kwargs)
    if holds and not mark.exists():
        mark.touch()
        async with asyncio.timeout(20):
            while not cut.exists():
                await asyncio.sleep(0.05)

Worker._revoked = lingering
from deploy.cli import run
sys.exit(run(["worker"]))
"""
"""a worker that, when it has made its first final checkpoint, writes a mark and waits until it is cut off before it joins anew"""


@pytest.fixture
def network() -> Iterator[TcpProxy]:
    """What lies between Kafka and whoever is told to use it."""
    with TcpProxy(0) as proxy:
        yield proxy


@pytest.fixture
def broker(request: pytest.FixtureRequest, network: TcpProxy, tmp_path: Path) -> Iterator[Broker]:
    """Kafka with a second listener behind the network; the embedded broker can't tell clients of another address."""
    if request.param != "kafka":
        pytest.skip("this broker has one address for everybody")
    with ApacheKafka(tmp_path / "kafka", detour=network.port) as kafka:
        network.target_port = kafka.detour_port
        yield kafka


@pytest.fixture
def behind(network: TcpProxy) -> dict[str, str]:
    """The setting of a worker behind the network."""
    return {"ZHENGDIAN_KAFKA_BOOTSTRAP": f"127.0.0.1:{network.port}"}


def has_all(part: Part) -> bool:
    """Whether a worker got all partitions the last time."""
    return bool(found := part.ready()) and len(found[-1].partitions) == PARTITIONS


def cut(network: TcpProxy, system: System, when: str) -> None:
    network.refuse()
    network.cut()
    system.scenario.inject(f"worker cut off from Kafka {when}", system.parts["worker-1"].pid)


def feed(system: System, seed: int) -> None:
    system.feed(sale(SaleConfig(buyers=600, agents=8, seed=seed, duplicates=0.05, disorder=0.2)), seconds=120)


def test_worker_cut_off_for_longer_than_a_session(
    new_system: Callable[..., System], network: TcpProxy, behind: dict[str, str]
) -> None:
    system = new_system()
    system.add("sink")
    first, second = system.add("worker-1", **behind), system.add("worker-2")
    feed(system, 101)
    system.until(lambda: all(any(r.partitions for r in part.ready()) for part in (first, second)), "not ready")
    system.run(2)
    cut(network, system, "for longer than a session")
    system.until(lambda: has_all(second), "nobody takes over")
    system.run(2)  # the other writes
    before = len(first.ready())
    network.accept()
    system.until(lambda: len(first.ready()) > before, "worker-1 does not come back")
    assert first.ready()[before].kept == []  # the partitions had another owner
    assert not first.died()
    system.finish()


def test_worker_cut_off_in_a_rebalance_misses_a_generation(
    new_system: Callable[..., System], network: TcpProxy, behind: dict[str, str]
) -> None:
    """It has made its final checkpoint, so it holds on to its memory; when it is back, that lacks what another wrote."""
    system = new_system()
    system.add("sink")
    mark, off = system.directory / "handed-over", system.directory / "cut"
    first = system.add("worker-1", [sys.executable, "-c", LINGERING, str(mark), str(off)], **behind)
    feed(system, 102)
    system.until(lambda: has_all(first), "worker-1 is not ready")
    system.run(2)
    before = first.ready()[-1].generation
    second = system.add("worker-2")
    system.until(mark.exists, "no rebalance")
    cut(network, system, "in a rebalance")
    off.touch()
    system.until(lambda: has_all(second), "nobody takes over")
    system.run(3)  # the other writes
    known = len(first.ready())
    network.accept()
    system.until(lambda: len(first.ready()) > known, "worker-1 does not come back")
    after, partitions, kept = first.ready()[known]
    assert after > before + 1
    assert partitions
    assert not first.died()
    system.finish()
    assert kept == []


def test_worker_that_misses_the_deadline_of_its_final_checkpoint(
    new_system: Callable[..., System], network: TcpProxy, behind: dict[str, str]
) -> None:
    system = new_system()
    system.add("sink")
    first = system.add("worker-1", **behind)
    feed(system, 103)
    system.until(lambda: has_all(first), "worker-1 is not ready")
    system.run(1)
    network.delay(0.5)  # a round trip of 1 s: no checkpoint within 1.5 s
    system.scenario.inject("slow network", first.pid)
    system.run(2)
    second = system.add("worker-2")
    system.until(lambda: first.logged("final_checkpoint_abandoned") > 0, "it makes its final checkpoint in time")
    network.delay(0)
    system.until(lambda: bool(second.ready()) and len(first.ready()) > 1, "the group is not formed")
    assert first.ready()[1].kept == []  # what it had, it gave up
    assert not first.died()
    system.finish()
