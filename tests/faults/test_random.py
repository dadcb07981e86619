"""Signals at random moments: killed, stopped for longer than a session and woken again, told to leave."""

import random
import time
from collections.abc import Callable
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

import pytest

from replay.generator import SaleConfig

from .commits import sink_committed
from .feeding import sale
from .system import System

SESSION = 3


@pytest.mark.parametrize("seed", [1, 2])
def test_parts_signalled_at_random(seed: int, clickhouse: dict[str, str], new_system: Callable[..., System]) -> None:
    system = new_system(**clickhouse)
    dice = random.Random(seed)
    names = ("worker-1", "worker-2", "sink")
    if system.settings.clickhouse == "server":  # which takes more than one
        names += ("sink-2",)
    for name in names:
        system.add(name)
    config = SaleConfig(buyers=500, agents=12, seed=20 + seed, duplicates=0.05, disorder=0.2, faults=10)
    system.feed(sale(config), seconds=60)
    deeds = ["kill"] * 5 + ["leave"] * 2 + ["nap", "freeze"]
    dice.shuffle(deeds)
    for deed in deeds:
        system.run(dice.uniform(0.3, 3.5))
        name = dice.choice(names)
        # a process that was started just now is there, but it may not have begun yet
        system.until(lambda n=name: system.parts[n].pid is not None, f"{name} is not started")
        match deed:
            case "kill":
                system.hit(name, SIGKILL)
            case "leave":
                system.hit(name, SIGTERM)
            case "nap":
                system.freeze(name, 0.4 * SESSION)
            case "freeze":
                system.freeze(name, 2 * SESSION)
    system.finish()


def test_everything_killed_at_once(system: System) -> None:
    names = ("worker-1", "worker-2", "sink")
    for name in names:
        system.add(name)
    system.feed(sale(SaleConfig(buyers=300, agents=8, seed=31, duplicates=0.05, disorder=0.2)), seconds=60)
    system.until(lambda: system.parts["worker-1"].logged("partitions_ready") > 0, "worker-1 is not ready")
    for _ in range(2):
        system.run(1.7)
        system.kill_all()
        system.until(lambda: all(system.parts[name].pid for name in names), "they are not started")
    system.finish()


def test_frozen_worker_wakes_up_after_its_partitions_have_gone(system: System) -> None:
    for name in ("worker-1", "worker-2", "sink"):
        system.add(name)
    system.feed(sale(SaleConfig(buyers=300, agents=8, seed=32, duplicates=0.05, disorder=0.2)), seconds=60)
    for name in ("worker-1", "worker-2"):
        system.until(lambda n=name: system.parts[n].logged("partitions_ready") > 0, f"{name} is not ready")
    system.run(1)
    system.until(lambda: system.parts["worker-1"].pid is not None, "worker-1 is not started")
    ready = system.parts["worker-2"].logged("partitions_ready")
    before = system.parts["worker-1"].logged("stood still")
    system.freeze("worker-1", 2.5 * SESSION)
    system.until(lambda: system.parts["worker-2"].logged("partitions_ready") > ready, "nobody takes over")
    system.until(lambda: system.parts["worker-1"].logged("stood still") > before, "worker-1 goes on as if nothing were")
    if system.scenario.broker == "kafka":
        freeze_alone(system)
    else:  # the embedded broker does not expel one that is alone: its partitions do not go
        system.freeze("sink", 2.5 * SESSION)
    system.finish()


def freeze_alone(system: System) -> None:
    """Freeze the only sink; when it wakes up, it commits nothing before it knows that its partitions have gone."""
    sink = system.parts["sink"]
    system.hit("sink", SIGSTOP)
    system.run(2.5 * SESSION)
    before = sink_committed(system.settings)
    system.hit("sink", SIGCONT)
    deadline = time.monotonic() + 60
    while True:
        now = sink_committed(system.settings)
        if sink.logged("partitions_lost"):  # looked at after the offsets: what it commits as a new member is its right
            return
        assert now == before, "the sink commits what it does not own"
        assert time.monotonic() < deadline, "the sink does not learn that its partitions have gone"
        system.tick()


def test_workers_join_and_leave_under_load(system: System) -> None:
    dice = random.Random(5)
    system.add("sink")
    system.add("worker-1")
    config = SaleConfig(buyers=600, agents=12, seed=33, duplicates=0.05, disorder=0.2, faults=10)
    system.feed(sale(config), seconds=150)
    for number in range(2, 7):
        joiner = system.add(f"worker-{number}")
        system.until(lambda p=joiner: any(r.partitions for r in p.ready()), f"{joiner.name} gets no partitions", 60)
        system.run(dice.uniform(0.5, 3))
        system.leave(f"worker-{number - 1}", SIGKILL if number % 2 else SIGTERM)
    system.finish()
