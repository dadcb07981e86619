"""Where the time of a worker and of a replay goes, by module: what stands between them and a bare decode.

Samples of py-spy, which looks from outside at whatever thread holds the interpreter. Each counts for the module of the
innermost Python function, so what is done in C (hashing, parsing, JSON, the garbage collector) counts for the module that
was at work.
"""

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.parts import start_part, wait_for_line
from benchmarks.peers.launch import PeerError
from benchmarks.sheets import Sheet
from benchmarks.throughput import SECONDS, WORKER_READY, broker, ingest_sale
from deploy.process import Child, zhengdian
from replay.generator import SaleConfig, write_sale
from schemas.topics import CHAT
from sinks.kafka import worker_group
from sinks.progress import source_ends, wait_until_read

Profile = dict[str, int]
"""samples by module"""

_WORKER: Final = "worker"
_CHAT_ALONE: Final = "worker, chat alone"
REPLAYS: Final = ("replay", "replay in two processes")
_SAMPLES_A_SECOND: Final = 200
_END_SECONDS: Final = 30.0
_ROOT: Final = f"{Path(__file__).parents[1]}/"
_FRAME: Final = re.compile(r"\((.*):\d+\)$")
_PACKAGE: Final = re.compile(r".*/(?:site-packages|python\d+\.\d+)/([\w-]+)")
_SHOWN: Final = 0.01


def measure(buyers: int, place: Path, say: Callable[[str], object]) -> dict[str, Profile]:
    """Of one worker over a waiting sale and over its chat alone, which is the job of other tools in benchmarks.peers, and of a
    replay in one process and in two. Raises PeerError and TimeoutError."""
    place.mkdir()
    sale = place / "sale"
    say("profile: generating")
    write_sale(SaleConfig(buyers=buyers), sale)
    for number, (name, events) in enumerate({_WORKER: sale, _CHAT_ALONE: sale / f"{CHAT}.jsonl"}.items()):
        say(f"profile: a {name}")
        _worker(events, place / f"b{number}", place / f"{name}.raw")
    for processes, name in enumerate(REPLAYS, 1):
        say(f"profile: a {name}")
        command = zhengdian("replay", str(sale), "--engine", "memory", "--out", str(place / f"out-{processes}"))
        replay = Child(name, [*command, "--processes", str(processes)], place / f"{name}.log")
        try:
            with _watched(replay, place / f"{name}.raw"):
                if not replay.wait(SECONDS):
                    raise TimeoutError(f"the replay has not ended after {SECONDS:.0f} s")
        finally:
            replay.kill()
    return {
        name: by_module((place / f"{name}.raw").read_text(encoding="utf-8"))
        for name in (_WORKER, _CHAT_ALONE, *REPLAYS)
    }


def _worker(events: Path, place: Path, found: Path) -> None:
    """One that reads them all, as they wait."""
    with broker(place) as settings:
        ingest_sale(events, settings)
        worker = start_part("worker", settings, place, core=None)
        try:
            wait_for_line(worker, WORKER_READY)
            with _watched(worker, found):
                wait_until_read(settings, worker_group(settings), source_ends(settings), SECONDS, lambda left: None)
        finally:
            worker.stop(SECONDS)


@contextmanager
def _watched(child: Child, found: Path) -> Iterator[None]:
    """Samples of it and its children while the block runs. Raises PeerError when py-spy may not look."""
    log, program = found.with_suffix(".log"), Path(sys.executable).with_name("py-spy")
    options = f"--format raw --gil --subprocesses --full-filenames --rate {_SAMPLES_A_SECOND} --duration {SECONDS:.0f} --pid {child.pid}"
    command = [str(program), "record", *options.split(), "--output", str(found)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as spy:  # noqa: S603
        try:
            yield
        finally:
            spy.send_signal(signal.SIGINT)  # it writes then, unless it has ended with what it looked at
            spy.wait(_END_SECONDS)
    if not found.exists():
        said = " ".join(log.read_text(encoding="utf-8", errors="replace").split())
        raise PeerError(f"py-spy: {said or 'no samples'}")


def by_module(raw: str) -> Profile:
    """Samples by module of lines `function (file:line);function (file:line) count`, outermost function first."""
    found: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        found[_module(stack.rpartition(";")[2])] += int(count)
    return dict(found)


def _module(frame: str) -> str:
    """Ours as it is imported, of others the package."""
    if frame.startswith("process "):  # its outermost line, below which there is none: as it starts and ends
        return "outside Python"
    if frame.startswith("_") and "<frozen importlib" in frame:
        return "imports"
    match = _FRAME.search(frame)
    path = match[1] if match else frame
    if path.startswith(_ROOT) and "site-packages" not in path:
        return path.removeprefix(_ROOT).removesuffix(".py").replace("/", ".")
    package = _PACKAGE.match(path)
    return package[1] if package else path or "generated"


def sheet(found: Mapping[str, Profile]) -> Sheet:
    """Shares by module, those of a percent and more."""
    totals = {name: sum(samples.values()) for name, samples in found.items()}
    shares = {
        module: {name: found[name].get(module, 0) / max(totals[name], 1) for name in found}
        for module in set().union(*found.values())
    }
    shown = {module: each for module, each in shares.items() if max(each.values()) >= _SHOWN}
    rows = [
        (module, *(f"{each[name]:.1%}" for name in found))
        for module, each in sorted(shown.items(), key=lambda item: -max(item[1].values()))
    ]
    rest = (f"{1 - sum(each[name] for each in shown.values()):.1%}" for name in found)
    rows.append(("all others", *rest))
    return Sheet(
        "share of the interpreter's time by the module that was at work, core interpreted",
        ("module", *found),
        rows,
        "Samples: " + ", ".join(f"{name} {total:,}" for name, total in totals.items()) + ".",
    )
