"""ClickHouse as a server behind a network: killed, stalled, slow, cut off in the middle of an insert."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fixtures.named_server import NamedServer
from fixtures.tcp_proxy import TcpProxy

from benchmarks.clickhouse import ModernClickHouse
from replay.generator import SaleConfig

from .feeding import Feed, sale
from .system import System


class Served:
    """A system whose sinks reach ClickHouse through a proxy."""

    def __init__(self, new_system: Callable[..., System], url: str, proxy: TcpProxy) -> None:
        self.proxy = proxy
        self.system = system = new_system(clickhouse="server", clickhouse_url=url)
        system.add("worker-1")
        system.add("sink-1")

    def feed(self, seed: int, buyers: int = 400) -> Feed:
        """Start the feed and wait until rows have gone in."""
        config = SaleConfig(buyers=buyers, agents=8, seed=seed, duplicates=0.05, disorder=0.2)
        feed = self.system.feed(sale(config), seconds=240)
        self.system.until(lambda: self.proxy.connections > 0 and feed.sent > 300, "nothing goes in")
        self.system.run(1.5)
        return feed

    def noticed(self, before: int) -> None:
        """Wait until a sink has said that ClickHouse is away."""
        self.system.until(lambda: self.troubles() > before, "no sink notices")

    def troubles(self) -> int:
        """How often sinks have waited for ClickHouse."""
        sinks = [part for name, part in self.system.parts.items() if name.startswith("sink")]
        return sum(part.logged("clickhouse_unavailable") for part in sinks)


@pytest.fixture
def served(new_system: Callable[..., System], named_server: NamedServer) -> Iterator[Served]:
    with named_server.database() as name, TcpProxy(named_server.port, named_server.host) as proxy:
        yield Served(new_system, named_server.url(name, proxy.port), proxy)


def test_clickhouse_killed(new_system: Callable[..., System], tmp_path: Path) -> None:
    with ModernClickHouse(tmp_path / "clickhouse") as server, TcpProxy(server.port) as proxy:
        served = Served(new_system, server.url("zhengdian", proxy.port), proxy)
        served.feed(81)
        for away in (0.0, 5.0):
            before = served.troubles()
            served.system.scenario.inject("ClickHouse SIGKILL", server.pid)
            server.kill()
            served.noticed(before)
            served.system.run(away)
            server.start()
            served.system.run(2.5)
        served.system.finish()


def test_clickhouse_cut_off_in_the_middle_of_inserts(served: Served) -> None:
    served.feed(82)
    for sent in (3_000, 20_000, 60_000):
        before = served.troubles()
        served.proxy.cut_after(sent)
        served.noticed(before)
        served.system.scenario.inject(f"connection cut after {sent} bytes")
    before = served.troubles()
    served.proxy.refuse()
    served.proxy.cut()
    served.system.scenario.inject("connections refused")
    served.noticed(before)
    served.system.run(3)
    served.proxy.accept()
    served.system.finish()


def test_clickhouse_slow_and_stalled_while_the_sink_is_killed(served: Served) -> None:
    served.feed(83)
    served.proxy.delay(0.15)
    served.system.scenario.inject("ClickHouse slow")
    served.system.run(4)
    served.system.kill("sink-1")
    served.system.run(3)
    served.proxy.delay(0)
    served.proxy.stall_after(10_000)  # in the middle of an insert, with a sink that hangs on it
    served.system.until(lambda: served.proxy.stalled, "nothing is sent")
    served.system.run(2)
    served.system.scenario.inject("ClickHouse stalled")
    served.system.kill("sink-1")
    served.system.run(1)
    served.proxy.resume()
    served.system.finish()


def test_sinks_join_and_leave_under_load(served: Served) -> None:
    system = served.system
    served.feed(84)
    for number in (2, 3):
        system.add(f"sink-{number}")
        name = f"sink-{number}"
        system.until(lambda n=name: system.parts[n].logged("partitions_assigned") > 0, f"{name} gets nothing")
        system.run(1.5)
        system.kill(f"sink-{number - 1}") if number == 2 else system.leave("sink-1")
        system.run(1.5)
    system.finish()
