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
    config = SaleConfig(buyers=800, agents=12, seed=41, duplicates=0.05, disorder=0.2, faults=40)
    feed = system.feed(sale(config), seconds=240)  # longer than all this takes: finish() hurries it
    system.until(lambda: system.parts["worker-1"].logged("partitions_ready") > 0, "worker-1 is not ready")
    for away in (0.0, 6.0):
        system.run(2)
        (pid,) = broker.pids
        broker.kill()
        system.scenario.inject("broker SIGKILL", pid)
        if away:
            system.add("worker-3")  # which has to wait before it has ever been connected
        system.run(away)
        broker.start()
        sent = feed.sent
        system.until(lambda n=sent: feed.sent > n, "the broker takes nothing")
    system.until(lambda: bool(system.parts["worker-3"].ready()), "worker-3 is not ready")
    for part in system.parts.values():  # what is away for less than a minute ends nobody
        assert not part.died()
    system.finish()
