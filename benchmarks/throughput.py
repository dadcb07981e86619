"""The product on this machine, beside a bare loop that only decodes the same events with pydantic: events/s of each part.

Nothing is pinned: parts, broker and bench share the cores, as they do on a laptop. One run of each in turn, then the next.
"""

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import orjson
from pydantic import SecretStr

from benchmarks.clickhouse import ModernClickHouse
from benchmarks.parts import Run, read_to_the_end, start_part
from benchmarks.peers.job import rss_mb
from benchmarks.peers.launch import PeerError
from deploy.broker import EmbeddedBroker
from deploy.compiling import BuildError, build_copy
from deploy.process import Child, zhengdian
from replay.files import input_files, read_lines
from replay.generator import SaleConfig, write_sale
from replay.ingest import ingest
from replay.output import SUMMARY
from schemas.events import parse_event
from schemas.settings import Settings
from sinks import migrate
from sinks.database import open_database
from sinks.kafka import EventProducer, create_topics, sink_group, wait_for_broker, worker_group
from sinks.progress import sink_ends, source_ends

DECODE: Final = "pydantic decode, bare loop"
ONE_WORKER: Final = "one worker, every rule on"
SINK: Final = "sink into chDB, records"
COMPILED: Final = ", core compiled"
SECONDS: Final = 1_800.0
_LOOK_SECONDS: Final = 0.05
WORKER_READY: Final = b"partitions_ready"
_SINK_READY: Final = b"partitions_assigned"


def measure(buyers: int, runs: int, place: Path, say: Callable[[str], object]) -> dict[str, list[Run]]:
    """Runs by what was measured; `say` is told what goes on. Raises PeerError and TimeoutError."""
    sale = place / "sale"
    say("generating")
    write_sale(SaleConfig(buyers=buyers), sale)
    raw = [line.raw for line in read_lines(sale)]
    found: dict[str, list[Run]] = {}
    cores = cores_in(place / "compiled", say)
    for number in range(runs):
        where = place / str(number)
        where.mkdir()

        def note(what: str, run: Run) -> None:
            found.setdefault(what, []).append(run)

        say(f"run {number + 1} of {runs}: decode")
        note(DECODE, _decode(raw))
        for kind, env in cores.items():
            for processes in (1, 2):
                say(f"run {number + 1} of {runs}: replay in {processes}{kind}")
                name = f"replay --engine memory, {processes} process{'es' * (processes > 1)}{kind}"
                note(name, _replay(sale, where, processes, env))
            for workers, what in ((1, ONE_WORKER), (2, "two workers, every rule on")):
                say(f"run {number + 1} of {runs}: {what}{kind}")
                with broker(where / f"{workers}{'-compiled' * bool(kind)}") as settings:
                    run = ingest_sale(sale, settings)
                    note(f"{what}{kind}", _work(settings, workers, env))
                    if not kind:
                        note("ingest into the embedded broker", run)
                        say(f"run {number + 1} of {runs}: sink")
                        if workers == 1:
                            note(SINK, _sink(settings))
                        else:
                            note("sink into a server, records", _sink_into_server(settings))
    return found


def cores_in(place: Path, say: Callable[[str], object]) -> dict[str, dict[str, str]]:
    """The environment of a part by its core: interpreted, and compiled in that directory where there is a compiler."""
    cores = {"": dict[str, str]()}
    try:
        say("compiling the core")
        build_copy(place)
        cores[COMPILED] = {"PYTHONPATH": str(place)}
    except BuildError as error:
        say(f"without a compiled core: {error}")
    return cores


def _decode(lines: list[bytes]) -> Run:
    began, cpu = time.perf_counter(), time.process_time()
    for raw in lines:
        parse_event(raw)
    return Run(len(lines), time.perf_counter() - began, time.process_time() - cpu, 0.0)


def _replay(sale: Path, place: Path, processes: int, env: Mapping[str, str]) -> Run:
    """By its own clock, which starts after the imports, though not after those of its processes; CPU with them. The most memory
    is the first process's, which has all the facts when it is the only one."""
    out = Path(tempfile.mkdtemp(dir=place))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = zhengdian("replay", str(sale), "--engine", "memory", "--out", str(out), "--processes", str(processes))
    child = Child("replay", command, place / "replay.log", os.environ | env)
    peak, until = 0.0, time.monotonic() + SECONDS
    while not child.wait(_LOOK_SECONDS):
        if time.monotonic() > until:
            child.kill()
            raise TimeoutError(f"the replay has not ended after {SECONDS:.0f} s")
        with suppress(ValueError, FileNotFoundError):  # it has just ended
            peak = rss_mb(child.pid)
    if child.exit_code:
        raise PeerError(child.why())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = orjson.loads((out / SUMMARY).read_bytes())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(summary["events"], summary["seconds"], cpu, peak if processes == 1 else 0.0)


@contextmanager
def broker(place: Path) -> Iterator[Settings]:
    """A broker with the topics, and where its data lie."""
    place.mkdir()
    with EmbeddedBroker(place / "broker.log") as broker:
        settings = Settings(kafka_bootstrap=broker.bootstrap, data_dir=place / "data")
        wait_for_broker(settings, 10)
        create_topics(settings)
        yield settings


def ingest_sale(sale: Path, settings: Settings) -> Run:
    """Into the broker, by the product's own producer."""
    producer = EventProducer(settings)
    began, cpu = time.perf_counter(), time.process_time()
    counts = ingest(input_files(sale), producer)
    run = Run(sum(counts.accepted.values()), time.perf_counter() - began, time.process_time() - cpu, 0.0)
    producer.close()
    return run


def _work(settings: Settings, workers: int, env: Mapping[str, str]) -> Run:
    """All events wait when the workers start: the worst case, as a buyer's chat, orders and payments come from different
    topics, far apart in time."""
    place = settings.data_dir.parent
    members = [
        lambda n=n: start_part("worker", settings, place, f"worker-{n}", core=None, **env) for n in range(workers)
    ]
    return read_to_the_end(members, WORKER_READY, worker_group(settings), source_ends(settings), settings, SECONDS)


def _sink_into_server(settings: Settings) -> Run:
    """By clickhouse-driver into ClickHouse's own server; CPU and memory are the sink's alone."""
    with ModernClickHouse(settings.data_dir.parent / "server") as server:
        url = SecretStr(server.url(settings.database))
        there = settings.model_copy(update={"clickhouse": "server", "clickhouse_url": url})
        db = open_database(there)
        migrate.up(db)
        db.close()
        return _sink(there)


def _sink(settings: Settings) -> Run:
    """Everything that the worker has written, and the events."""
    members = [lambda: start_part("sink", settings, settings.data_dir.parent, core=None)]
    return read_to_the_end(members, _SINK_READY, sink_group(settings), sink_ends(settings), settings, SECONDS)
