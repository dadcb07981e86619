"""The broker killed under everybody; only one that keeps its log on disk can come back from that."""

from collections.abc import Callable

import pytest
from fixtures.brokers import Broker

from replay.generator import SaleConfig

from .feeding import sale
from .system import System


def test_broker_killed_and_restarted(broker: Broker, new_system: Callable[..., System]) -> None:
    if not broker.durable:
        pytest.skip("this broker keeps records in memory only: a restart forgets them")
    system = new_system()
    for name in ("worker-1", "worker-2", "sink"):
        system.add(name)
    feed = system.feed(sale(SaleConfig(buyers=500, agents=12, seed=41, duplicates=0.05, disorder=0.2)), seconds=60)
    system.until(lambda: system.parts["worker-1"].logged("partitions_ready") > 0, "worker-1 is not ready")
    for away in (0.0, 6.0):
        system.run(2)
        (pid,) = broker.pids
        broker.kill()
        system.scenario.inject("broker SIGKILL", pid)
        system.run(away)
        broker.start()
        sent = feed.sent
        system.until(lambda n=sent: feed.sent > n, "the broker takes nothing")
    system.finish()
