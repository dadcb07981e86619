"""How long a worker takes to go on after SIGKILL, and what its buyers cost it in memory."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Final

from benchmarks.parts import alive, cpu_seconds, start_part, wait_for_line
from benchmarks.peers.job import rss_mb
from benchmarks.throughput import COMPILED, SECONDS, broker, cores_in
from deploy.process import Child
from replay.files import input_files
from replay.generator import SaleConfig, write_sale
from replay.ingest import ingest
from schemas.settings import Settings
from sinks.kafka import EventProducer, worker_group
from sinks.progress import source_ends, wait_until_read

_READY: Final = b"partitions_ready"
_COPIES: Final = ("kept", "lost")
LOCAL: Final = "local copy kept"
FROM_KAFKA: Final = "local copy lost"


@dataclass(frozen=True, slots=True)
class Recovery:
    """Of a worker with so many facts of so many buyers: seconds from its start until it reads on, by where the state came
    from, interpreted and with its core compiled (empty without a compiler), and its memory, with them and before."""

    facts: int
    buyers: int
    with_local_copy: list[float]
    from_kafka: list[float]
    compiled_with_local_copy: list[float]
    compiled_from_kafka: list[float]
    cpu_seconds: dict[str, list[float]]
    """by what it was read from and the core, in the order of the four above"""
    peak_mb: dict[str, list[float]]
    """the same"""
    held_mb: dict[str, list[float]]
    """the same: not the most, but what it has when it reads on"""
    idle_mb: float
    """before it had a fact"""

    def held(self, read_from: str) -> list[float]:
        """Bytes that a buyer takes in an interpreted worker that has been started again, LOCAL or FROM_KAFKA, in each run."""
        return [(mb - self.idle_mb) * 1e6 / self.buyers for mb in self.held_mb[read_from]]


def measure(buyers: int, runs: int, place: Path, say: Callable[[str], object]) -> Recovery:
    """About 16 facts a buyer. Raises PeerError and TimeoutError."""
    sale = place / "sale"
    say("recovery: generating")
    write_sale(SaleConfig(buyers=buyers), sale)
    cores = cores_in(place / "compiled", say)
    with broker(place / "recovery") as settings, ExitStack() as stack:
        copy = place / "state"
        worker = _start(settings, "first", copy, {})
        stack.callback(_kill, worker)
        wait_for_line(worker, _READY)
        idle_mb = rss_mb(worker.pid, "VmRSS")
        producer = EventProducer(settings)
        say("recovery: ingest")
        facts = sum(ingest(input_files(sale), producer).accepted.values())
        producer.close()
        say("recovery: the worker takes them in")
        wait_until_read(settings, worker_group(settings), source_ends(settings), SECONDS, lambda left: alive(worker))
        found: dict[tuple[str, str], list[float]] = {(core, what): [] for core in ("", COMPILED) for what in _COPIES}
        cpu: dict[str, list[float]] = {}
        peak: dict[str, list[float]] = {}
        held: dict[str, list[float]] = {}
        for number in range(runs):
            for core, env in cores.items():
                for what in _COPIES:
                    say(f"recovery: run {number + 1} of {runs}, local copy {what}{core}")
                    _kill(worker)
                    name = f"{what}-{number}{'-compiled' * bool(core)}"
                    began = time.perf_counter()
                    worker = _start(settings, name, copy if what == "kept" else place / name, env)
                    stack.callback(_kill, worker)
                    wait_for_line(worker, _READY)
                    found[core, what].append(time.perf_counter() - began)
                    which = f"local copy {what}{core}"
                    cpu.setdefault(which, []).append(cpu_seconds(worker.pid))
                    peak.setdefault(which, []).append(rss_mb(worker.pid))
                    held.setdefault(which, []).append(rss_mb(worker.pid, "VmRSS"))
    kept, lost, compiled_kept, compiled_lost = found.values()
    return Recovery(facts, buyers, kept, lost, compiled_kept, compiled_lost, cpu, peak, held, idle_mb)


def _start(settings: Settings, name: str, copy: Path, env: Mapping[str, str]) -> Child:
    place = settings.data_dir.parent
    return start_part("worker", settings, place, name, core=None, ZHENGDIAN_WORKER_STATE_DIR=str(copy), **env)


def _kill(worker: Child) -> None:
    worker.signal(SIGKILL)
    worker.wait(10)
