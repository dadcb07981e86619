"""Running the product's parts to be measured: each as it is run, its results where they belong."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeVar

from benchmarks.peers.job import rss_mb
from benchmarks.peers.launch import CLIENT_CORE, PeerError, start
from deploy.process import Child, zhengdian
from deploy.replay_stack import environment
from schemas.settings import Settings
from sinks.progress import Ends, wait_until_read

T = TypeVar("T")
START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 60.0
_TICK_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Run:
    """One run: records read, wall clock and CPU of all processes in s, and the most memory of each, added up, in MB."""

    records: int
    seconds: float
    cpu_seconds: float
    rss_mb: float
    broker_cpu_seconds: float = 0.0
    """of the broker's process meanwhile"""


def start_part(
    part: str, settings: Settings, place: Path, name: str = "", core: int | None = CLIENT_CORE, **env: str
) -> Child:
    """A part of the product, such as `worker`, on that core (None: on any); its log is NAME.log."""
    log = place / f"{name or part}.log"
    return start(name or part, zhengdian(part), log, environment(settings) | env, core)


def wait_for_line(children: Child | Sequence[Child], line: bytes) -> None:
    """Until one of them has logged that. Raises TimeoutError, and PeerError when one has ended."""
    some = [children] if isinstance(children, Child) else children
    deadline = time.monotonic() + START_SECONDS
    while not any(line in child.log.read_bytes() for child in some):
        for child in some:
            alive(child)
        if time.monotonic() > deadline:
            names = " or ".join(child.name for child in some)
            raise TimeoutError(f"{names} has not logged {line.decode()!r} after {START_SECONDS:.0f} s")
        time.sleep(_TICK_SECONDS)


def alive(child: Child) -> None:
    """Raises PeerError when it has ended."""
    if child.exit_code is not None:
        raise PeerError(child.why())


def read_to_the_end(
    children: Sequence[Callable[[], Child]],
    ready: bytes,
    group: str,
    ends: Ends,
    settings: Settings,
    seconds: float,
    broker_pid: int | None = None,
) -> Run:
    """Starts the members of a group; from when the first of them is `ready` until the group has committed all that is there.

    Parts commit when what they write is written; commits are looked at ten times a second. Raises TimeoutError and PeerError.
    """
    with ExitStack() as stack:
        members = []
        for begin in children:
            members.append(begin())
            stack.callback(members[-1].stop, _STOP_SECONDS)
        wait_for_line(members, ready)

        def check(left: int) -> None:
            for member in members:
                alive(member)

        def broker_cpu() -> float:
            return cpu_seconds(broker_pid) if broker_pid is not None else 0.0

        began, cpu_before = time.perf_counter(), sum(cpu_seconds(member.pid) for member in members)
        broker_before = broker_cpu()
        wait_until_read(settings, group, ends, seconds, check)
        return Run(
            sum(ends.values()),
            time.perf_counter() - began,
            sum(cpu_seconds(member.pid) for member in members) - cpu_before,
            sum(rss_mb(member.pid) for member in members),
            broker_cpu() - broker_before,
        )


def apart(what: Callable[..., T], *arguments: Any) -> T:
    """In a process of its own, so that its memory is its own, and the collector has nothing else to walk."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(what, *arguments).result()


def family_mb(pid: int) -> float:
    """The most memory that a process and its children have had, each of them at its own time, in MB."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return sum(rss_mb(each) for each in (pid, *map(int, children)))


def forget_peak(pid: int) -> None:
    """Its most memory (rss_mb) starts anew from what it has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    # the name, which may hold anything, ends with the last bracket; the two are fields 14 and 15
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
