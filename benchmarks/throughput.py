"""The product on this machine, beside a bare loop that only decodes the same events with pydantic: events/s of each part.

Nothing is pinned: parts, broker and bench share the cores, as they do on a laptop. One run of each in turn, then the next.
"""

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import orjson
from pydantic import SecretStr

from benchmarks.clickhouse import ModernClickHouse
from benchmarks.parts import Run, apart, cpu_seconds, family_mb, read_to_the_end, start_part
from benchmarks.peers.job import rss_mb
from benchmarks.peers.launch import PeerError
from benchmarks.peers.run import DECODING, FETCHING, Peer, run_program
from deploy.broker import EmbeddedBroker
from deploy.compiling import BuildError, build_copy
from deploy.process import Child, zhengdian
from replay.files import input_files, read_lines
from replay.generator import SaleConfig, write_sale
from replay.ingest import ingest
from replay.output import SUMMARY
from schemas.events import parse_event
from schemas.settings import Settings
from schemas.topics import WORKER_TOPICS
from sinks import migrate
from sinks.database import open_database
from sinks.kafka import EventProducer, create_topics, sink_group, topic_name, wait_for_broker, worker_group
from sinks.progress import sink_ends, source_ends

FETCH: Final = "the same fetched, by confluent-kafka"
FETCH_AND_DECODE: Final = "the same fetched and decoded with pydantic"
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
    if FETCHING.missing:
        say(f"without fetching alone: {FETCHING.missing}")
    found: dict[str, list[Run]] = {}
    cores = cores_in(place / "compiled", say)
    for number in range(runs):
        where = place / str(number)
        where.mkdir()

        def note(what: str, run: Run) -> None:
            found.setdefault(what, []).append(run)

        say(f"run {number + 1} of {runs}: decode")
        note(DECODE, apart(_decode, sale))
        for kind, env in cores.items():
            for processes in (1, 2):
                say(f"run {number + 1} of {runs}: replay in {processes}{kind}")
                name = f"replay --engine memory, {processes} process{'es' * (processes > 1)}{kind}"
                note(name, _replay(sale, where, processes, env))
            for workers, what in ((1, ONE_WORKER), (2, "two workers, every rule on")):
                say(f"run {number + 1} of {runs}: {what}{kind}")
                with broker_process(where / f"{workers}{'-compiled' * bool(kind)}") as (settings, pid):
                    before = cpu_seconds(pid)
                    ingested = apart(ingest_sale, sale, settings)
                    ingested = replace(ingested, broker_cpu_seconds=cpu_seconds(pid) - before)
                    if not kind and workers == 1 and not FETCHING.missing:
                        say(f"run {number + 1} of {runs}: the same fetched alone")
                        note(FETCH, _fetch(FETCHING, settings))
                        note(FETCH_AND_DECODE, _fetch(DECODING, settings))
                    note(f"{what}{kind}", _work(settings, workers, env, pid))
                    if not kind:
                        note("ingest into the embedded broker", ingested)
                        say(f"run {number + 1} of {runs}: sink")
                        if workers == 1:
                            note(SINK, _sink(settings, pid))
                        else:
                            note("sink into a server, records", _sink_into_server(settings, pid))
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


def _decode(sale: Path) -> Run:
    """Memory is with all lines."""
    lines = [line.raw for line in read_lines(sale)]
    began, cpu = time.perf_counter(), time.process_time()
    for raw in lines:
        parse_event(raw)
    return Run(len(lines), time.perf_counter() - began, time.process_time() - cpu, rss_mb(os.getpid()))


def _fetch(program: Peer, settings: Settings) -> Run:
    """What a worker reads, by confluent-kafka, with and without decoding it."""
    topics = [topic_name(settings, topic) for topic in WORKER_TOPICS]
    records = sum(source_ends(settings).values())
    place = settings.data_dir.parent
    found = run_program(program, "none", settings.kafka_bootstrap, records, place, topics, core=None)
    return Run(records, found["seconds"], found["cpu_seconds"], found["rss_mb"])


def _replay(sale: Path, place: Path, processes: int, env: Mapping[str, str]) -> Run:
    """By its own clock, which starts after the imports, though not after those of its processes; CPU with them. Memory is that of
    all its processes."""
    out = Path(tempfile.mkdtemp(dir=place))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = zhengdian("replay", str(sale), "--engine", "memory", "--out", str(out), "--processes", str(processes))
    child = Child("replay", command, place / "replay.log", os.environ | env)
    peak, until = 0.0, time.monotonic() + SECONDS
    while not child.wait(_LOOK_SECONDS):
        if time.monotonic() > until:
            child.kill()
            raise TimeoutError(f"the replay has not ended after {SECONDS:.0f} s")
        with suppress(ValueError, OSError):  # it, or one of its processes, has just ended
            peak = max(peak, family_mb(child.pid))
    if child.exit_code:
        raise PeerError(child.why())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = orjson.loads((out / SUMMARY).read_bytes())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(summary["events"], summary["seconds"], cpu, peak)


@contextmanager
def broker_process(place: Path) -> Iterator[tuple[Settings, int]]:
    """A broker with the topics, where its data lie, and its process."""
    place.mkdir()
    with EmbeddedBroker(place / "broker.log") as broker:
        settings = Settings(kafka_bootstrap=broker.bootstrap, data_dir=place / "data")
        wait_for_broker(settings, 10)
        create_topics(settings)
        yield settings, broker.child.pid


@contextmanager
def broker(place: Path) -> Iterator[Settings]:
    """The same without the process."""
    with broker_process(place) as (settings, _):
        yield settings


def ingest_sale(sale: Path, settings: Settings) -> Run:
    """Its directory, or one file of it, into the broker, by the product's own producer."""
    producer = EventProducer(settings)
    began, cpu = time.perf_counter(), time.process_time()
    counts = ingest(input_files(sale), producer)
    producer.close()
    spent = time.process_time() - cpu
    return Run(sum(counts.accepted.values()), time.perf_counter() - began, spent, rss_mb(os.getpid()))


def _work(settings: Settings, workers: int, env: Mapping[str, str], broker_pid: int) -> Run:
    """All events wait when the workers start: the worst case, as a buyer's chat, orders and payments come from different
    topics, far apart in time."""
    place = settings.data_dir.parent
    members = [
        lambda n=n: start_part("worker", settings, place, f"worker-{n}", core=None, **env) for n in range(workers)
    ]
    group, ends = worker_group(settings), source_ends(settings)
    return read_to_the_end(members, WORKER_READY, group, ends, settings, SECONDS, broker_pid)


def _sink_into_server(settings: Settings, broker_pid: int) -> Run:
    """By clickhouse-driver into ClickHouse's own server, whose CPU and memory are with the sink's, as in one process."""
    with ModernClickHouse(settings.data_dir.parent / "server") as server:
        url = SecretStr(server.url(settings.database))
        there = settings.model_copy(update={"clickhouse": "server", "clickhouse_url": url})
        db = open_database(there)
        migrate.up(db)
        db.close()
        before = cpu_seconds(server.pid)
        run = _sink(there, broker_pid)
        spent, memory = cpu_seconds(server.pid) - before, rss_mb(server.pid)
        return replace(run, cpu_seconds=run.cpu_seconds + spent, rss_mb=run.rss_mb + memory)


def _sink(settings: Settings, broker_pid: int) -> Run:
    """Everything that the worker has written, and the events."""
    members = [lambda: start_part("sink", settings, settings.data_dir.parent, core=None)]
    group, ends = sink_group(settings), sink_ends(settings)
    return read_to_the_end(members, _SINK_READY, group, ends, settings, SECONDS, broker_pid)
