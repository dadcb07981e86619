"""How long a worker takes to go on after SIGKILL, and what its buyers cost it in memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Final

from benchmarks.parts import alive, start_part, wait_for_line
from benchmarks.peers.job import rss_mb
from benchmarks.throughput import SECONDS, broker
from deploy.process import Child
from replay.files import input_files
from replay.generator import SaleConfig, write_sale
from replay.ingest import ingest
from schemas.settings import Settings
from sinks.kafka import EventProducer, worker_group
from sinks.progress import source_ends, wait_until_read

_READY: Final = b"partitions_ready"


@dataclass(frozen=True, slots=True)
class Recovery:
    """Of a worker with so many facts of so many buyers: seconds from its start until it reads on, by where the state came
    from, and its memory, idle and with them."""

    facts: int
    buyers: int
    with_local_copy: list[float]
    from_kafka: list[float]
    idle_mb: float
    full_mb: float

    @property
    def bytes_per_buyer(self) -> float:
        return (self.full_mb - self.idle_mb) * 1e6 / self.buyers


def measure(buyers: int, runs: int, place: Path, say: Callable[[str], object]) -> Recovery:
    """About 20 facts a buyer. Raises PeerError and TimeoutError."""
    sale = place / "sale"
    say("recovery: generating")
    write_sale(SaleConfig(buyers=buyers), sale)
    with broker(place / "recovery") as settings:
        copy = place / "state"
        worker = _start(settings, "first", copy)
        wait_for_line(worker, _READY)
        idle_mb = rss_mb(worker.pid, "VmRSS")
        producer = EventProducer(settings)
        say("recovery: ingest")
        facts = sum(ingest(input_files(sale), producer).accepted.values())
        producer.close()
        say("recovery: the worker takes them in")
        wait_until_read(settings, worker_group(settings), source_ends(settings), SECONDS, lambda left: alive(worker))
        full_mb = rss_mb(worker.pid, "VmRSS")
        found: dict[str, list[float]] = {"kept": [], "lost": []}
        for number in range(runs):
            for what, seconds in found.items():
                say(f"recovery: run {number + 1} of {runs}, local copy {what}")
                _kill(worker)
                where = copy if what == "kept" else place / f"state-{number}"
                worker = _start(settings, f"{what}-{number}", where)
                began = time.perf_counter()
                wait_for_line(worker, _READY)
                seconds.append(time.perf_counter() - began)
        _kill(worker)
    return Recovery(facts, buyers, found["kept"], found["lost"], idle_mb, full_mb)


def _start(settings: Settings, name: str, copy: Path) -> Child:
    return start_part(
        "worker", settings, settings.data_dir.parent, name, core=None, ZHENGDIAN_WORKER_STATE_DIR=str(copy)
    )


def _kill(worker: Child) -> None:
    worker.signal(SIGKILL)
    worker.wait(10)
