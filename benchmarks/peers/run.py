"""`make bench-peers`: our worker beside what one would write with other tools, on the same events and the same broker.

Each program gets a fresh broker with the same records; one run of each in turn, then the next. The broker has the first
core, what is measured the second. Prints a table and, with `--json`, writes

    {"machine": str, "events": int, "records": int, "bytes_per_record": float, "dirty": bool,
     "results": [{"name": str, "mode": "none" | "kafka", "versions": {package: version}, "events": int,
                  "seconds": [float, ...], "cpu_seconds": [float, ...], "rss_mb": float, "written": int,
                  "correct": int | null, "total": int, "extra": int | null,
                  "responses": int | null, "responses_total": int}, ...],
     "left_out": {name: reason}}

`seconds` and `cpu_seconds` have one value a run, from the first record to the last; `rss_mb` is the most of all runs;
`written` are the records on the output topics of the last run (ours: state and results; what Quix and Faust keep in topics
of their own is not among them);
`correct` of `total` windows are right, `extra` should not be there, `responses` are counted of `responses_total` (null:
the program does not do the job); of several runs the worst counts. `events` of a result is the number of records read.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks.peers import events, launch, own, truth
from benchmarks.peers.job import OUTPUT_TOPIC, TOPIC
from benchmarks.peers.launch import PeerError
from benchmarks.sheets import Bar, Sheet
from deploy.broker import EmbeddedBroker
from deploy.compiling import BuildError, build_copy
from schemas.settings import Settings
from schemas.topics import TOPICS, Topic
from sinks.kafka import EventProducer, create_topics, wait_for_broker
from sinks.progress import true_ends

ROOT: Final = Path(__file__).resolve().parents[2]
VENVS: Final = ROOT / ".venv-peers"
PARTITIONS: Final = 4
_RUN_SECONDS: Final = 1_800.0
_OUTPUT: Final = Topic(OUTPUT_TOPIC, "output", "{agent}|{window_start}", ("window",), "what the peers write")


@dataclass(frozen=True, slots=True)
class Peer:
    """A program: its module here, the environment that it runs in (None: ours), and what of it is named with a version."""

    name: str
    venv: str | None
    packages: tuple[str, ...]
    modes: tuple[str, ...] = ("none", "kafka")
    does_the_job: bool = True

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return Path(sys.executable) if self.venv is None else VENVS / self.venv / "bin" / "python"

    @property
    def missing(self) -> str | None:
        """Why it can't be run, if so."""
        if self.python.exists():
            return None
        return f"{self.python.relative_to(ROOT)} is not there: make bench-peers-setup"


_OUR_PACKAGES: Final = ("faust-streaming", "aiokafka", "pydantic")
OURS: Final = Peer("zhengdian worker", None, _OUR_PACKAGES, ("kafka",))
COMPILED: Final = Peer("zhengdian worker compiled", None, _OUR_PACKAGES, ("kafka",))
"""the same source, its core by mypyc (deploy/compiling.py)"""
FETCHING: Final = Peer("raw_confluent", "confluent", ("confluent-kafka",), ("none",), does_the_job=False)
DECODING: Final = Peer("raw_pydantic", "confluent", ("confluent-kafka", "pydantic"), ("none",), does_the_job=False)
"""the limits: what it takes to read alone, and to read and check"""
ENTRANTS: Final = (
    OURS,
    COMPILED,
    FETCHING,
    DECODING,
    Peer("confluent_dicts", "confluent", ("confluent-kafka", "orjson")),
    Peer("bytewax_flow", "bytewax", ("bytewax", "confluent-kafka", "orjson")),
    Peer("quix", "quix", ("quixstreams", "confluent-kafka")),
    Peer("stock_faust", "faust", ("faust-streaming", "aiokafka")),
)


def run_once(
    peer: Peer, mode: str, records: Sequence[events.Record], place: Path, compiled: Path | None = None
) -> tuple[dict[str, Any], truth.Windows]:
    """One run on a fresh broker: what was measured, and the windows. `compiled`: where the source is with its core compiled.
    Raises PeerError and TimeoutError."""
    place.mkdir(parents=True)
    with launch.on_core(launch.BROKER_CORE):
        broker = EmbeddedBroker(place / "broker.log")
        broker.start()
    try:
        settings = Settings(kafka_bootstrap=broker.bootstrap, partitions=PARTITIONS, topic_prefix="")
        wait_for_broker(settings, 10)
        create_topics(settings, (*TOPICS, _OUTPUT))
        _produce(settings, records)
        with launch.on_core(launch.BROKER_CORE):
            if peer in (OURS, COMPILED):
                env = {"PYTHONPATH": str(compiled)} if peer is COMPILED else {}
                found, windows = own.run_worker(settings, place, _RUN_SECONDS, env)
            else:
                found, windows = _run_peer(peer, mode, broker.bootstrap, len(records), place)
        outputs = own.OUTPUTS if peer in (OURS, COMPILED) else (OUTPUT_TOPIC,)
        return found | {"written": sum(true_ends(settings, outputs).values())}, windows
    finally:
        broker.stop()


def _run_peer(peer: Peer, mode: str, bootstrap: str, records: int, place: Path) -> tuple[dict[str, Any], truth.Windows]:
    found = run_program(peer, mode, bootstrap, records, place)
    windows = found.pop("windows")
    return found, truth.rolled_up(windows)


def run_program(
    peer: Peer,
    mode: str,
    bootstrap: str,
    records: int,
    place: Path,
    topics: Sequence[str] = (TOPIC,),
    core: int | None = launch.CLIENT_CORE,
) -> dict[str, Any]:
    """What a program reports (benchmarks.peers.job.Clock) of so many records on the topics. Raises PeerError and TimeoutError."""
    report = place / f"{peer.name}.json"
    command = [str(peer.python), "-P", "-m", f"benchmarks.peers.{peer.name}", "--bootstrap", bootstrap]
    command += ["--records", str(records), "--output", mode, "--report", str(report), "--work", str(place)]
    command += ["--group", peer.name, "--topics", *topics]
    program = launch.start(peer.name, command, place / f"{peer.name}.log", {"PYTHONPATH": str(ROOT)}, core)
    try:
        if not program.wait(_RUN_SECONDS):
            raise TimeoutError(f"{peer.name} has not ended after {_RUN_SECONDS:.0f} s")
    finally:
        program.kill()
    if program.exit_code:
        raise PeerError(program.why())
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return found


def _produce(settings: Settings, records: Sequence[events.Record]) -> None:
    producer = EventProducer(settings)
    for key, value in records:
        producer.submit(TOPIC, key, value)
    producer.flush()
    producer.close()


def versions(peer: Peer) -> dict[str, str]:
    """Of its packages, as installed."""
    code = "import sys, json; from importlib.metadata import version; print(json.dumps({p: version(p) for p in sys.argv[1:]}))"
    told = subprocess.run(  # noqa: S603 - our own interpreters
        [str(peer.python), "-c", code, *peer.packages], capture_output=True, check=True, text=True
    )
    found: dict[str, str] = json.loads(told.stdout)
    return found


def compare(
    count: int,
    runs: int,
    *,
    dirty: bool,
    names: Sequence[str],
    modes: Sequence[str],
    place: Path,
    say: Callable[[str], object],
) -> dict[str, Any]:
    """The figures of the module's docstring. `say` is told what goes on."""
    records = events.chat(count, dirty=dirty)
    real = truth.windows_of(records)
    left_out: dict[str, str] = {}
    entrants: list[tuple[Peer, str]] = []
    for peer in ENTRANTS:
        if peer.name in names:
            if peer.missing:
                left_out[peer.name] = peer.missing
            else:
                entrants += [(peer, mode) for mode in peer.modes if mode in modes]
    compiled = place / "compiled"
    if any(peer is COMPILED for peer, _ in entrants):
        try:
            say("compiling the core")
            build_copy(compiled)
        except BuildError as error:
            left_out[COMPILED.name] = str(error)
            entrants = [(peer, mode) for peer, mode in entrants if peer is not COMPILED]
    results: dict[tuple[str, str], dict[str, Any]] = {}
    scores: dict[tuple[str, str], list[truth.Score]] = {}
    for run in range(runs):
        for peer, mode in entrants:
            say(f"run {run + 1} of {runs}: {peer.name}, output {mode}")
            try:
                where = place / f"{run}-{peer.name.replace(' ', '-')}-{mode}"
                found, windows = run_once(peer, mode, records, where, compiled)
            except (PeerError, TimeoutError) as error:
                left_out[f"{peer.name}, output {mode}, run {run + 1}"] = str(error)
                continue
            result = results.setdefault(
                (peer.name, mode),
                {"name": peer.name, "mode": mode, "versions": versions(peer), "events": found["records"]}
                | {"seconds": [], "cpu_seconds": [], "rss_mb": 0.0},
            )
            result["seconds"].append(round(found["seconds"], 3))
            result["cpu_seconds"].append(round(found["cpu_seconds"], 3))
            result["written"] = found["written"]
            result["rss_mb"] = max(result["rss_mb"], round(found["rss_mb"], 1))
            if peer.does_the_job:
                scores.setdefault((peer.name, mode), []).append(truth.score(windows, real))
    nothing = truth.score({}, real)
    for entrant, result in results.items():
        if entrant in scores:
            result |= asdict(min(scores[entrant], key=lambda one: (one.correct, -one.extra)))
        else:
            result |= asdict(nothing) | dict.fromkeys(("correct", "extra", "responses"))
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "events": count,
        "records": len(records),
        "bytes_per_record": round(statistics.fmean(len(value) for _, value in records), 1),
        "dirty": dirty,
        "results": list(results.values()),
        "left_out": left_out,
    }


def sheet(figures: dict[str, Any]) -> Sheet:
    """The figures as a table."""
    kind = "late, doubled and shuffled" if figures["dirty"] else "in order"
    rows = []
    for result in figures["results"]:
        speeds = [result["events"] / seconds for seconds in result["seconds"]]
        cpu = statistics.median(result["cpu_seconds"]) / result["events"] * 1e6
        right = "" if result["correct"] is None else f"{result['correct']:,} of {result['total']:,}"
        if result["extra"]:
            right += f", {result['extra']:,} extra"
        rows.append(
            (
                _called(result),
                f"{statistics.median(speeds):,.0f}",
                f"{min(speeds):,.0f}–{max(speeds):,.0f}",
                f"{cpu:.1f}",
                f"{result['rss_mb']:.0f}",
                right,
                "" if result["responses"] is None else f"{result['responses']:,} of {result['responses_total']:,}",
            )
        )
    notes = [f"left out: {name}: {reason}" for name, reason in figures["left_out"].items()]
    if figures["dirty"]:
        notes.append(
            "what is right is the word of our replay in memory, which tests hold to a plain program that knows nothing of it"
            " (tests/oracle); the other programs share one rule, which takes messages as they come"
        )
    return Sheet(
        f"{figures['records']:,} chat messages of {figures['bytes_per_record']:.0f} bytes, {kind}; {figures['machine']}",
        ("program", "events/s", "spread", "CPU µs/event", "peak MB", "windows right", "responses"),
        rows,
        "; ".join(notes),
    )


def bars(figures: dict[str, Any]) -> list[Bar]:
    """Events/s for the chart, the fastest first; fetching alone, which would make all others small, is in the table."""
    found = []
    for result in figures["results"]:
        if result["name"] != FETCHING.name:
            speeds = [result["events"] / seconds for seconds in result["seconds"]]
            found.append(Bar(_called(result), statistics.median(speeds), min(speeds), max(speeds), _is_ours(result)))
    return sorted(found, key=lambda bar: -bar.median)


def right_bars(figures: dict[str, Any]) -> list[Bar]:
    """How many percent of the windows are right, in the worst of the runs; the most first."""
    found = []
    for result in figures["results"]:
        if result["correct"] is not None:
            share = result["correct"] * 100 // result["total"]  # nearly all is not all
            found.append(Bar(_called(result), share, share, share, _is_ours(result)))
    return sorted(found, key=lambda bar: -bar.median)


def _called(result: dict[str, Any]) -> str:
    return f"{result['name']}, output {result['mode']}"


def _is_ours(result: dict[str, Any]) -> bool:
    return result["name"] in (OURS.name, COMPILED.name)


def main() -> int:
    """Measure, print, write; 1 when a program that is installed has failed."""
    everyone = [peer.name for peer in ENTRANTS]
    parser = argparse.ArgumentParser(description="Our worker beside other tools, in events/s.")
    parser.add_argument("--events", type=int, default=300_000, help="chat messages")
    parser.add_argument("--runs", type=int, default=5, help="runs of each; the median counts")
    parser.add_argument("--dirty", action="store_true", help="2 % late by minutes, 1 % doubled, all shuffled a little")
    parser.add_argument(
        "--only", nargs="+", choices=everyone, default=everyone, metavar="NAME", help=", ".join(everyone)
    )
    parser.add_argument("--output", choices=("none", "kafka", "both"), default="both", help="where peers write results")
    parser.add_argument("--json", type=Path, help="write the figures there")
    chosen = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=150)
    modes = ("none", "kafka") if chosen.output == "both" else (chosen.output,)
    with tempfile.TemporaryDirectory(prefix="zhengdian-peers-") as name:
        with console.status("generating") as status:
            figures = compare(
                chosen.events,
                chosen.runs,
                dirty=chosen.dirty,
                names=chosen.only,
                modes=modes,
                place=Path(name),
                say=status.update,
            )
    console.print(sheet(figures).rich())
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    absent = {peer.name for peer in ENTRANTS if peer.missing} | {COMPILED.name}
    return 1 if figures["left_out"].keys() - absent else 0


if __name__ == "__main__":
    sys.exit(main())
