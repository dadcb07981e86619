"""Workers and sinks as processes that are started again when they end, as under a supervisor."""

import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from deploy.process import Child, last_line

STOOD_STILL = "stood still"
"""what a worker says when it ends because it could not run for half a session, as on a busy machine"""
_AGAIN_SECONDS = 0.3
_MOST_RESTARTS = 60


class Ready(NamedTuple):
    """What a worker said when it had its partitions; `kept`: those whose state it had in memory."""

    generation: int
    partitions: list[int]
    kept: list[int]


class Part:
    """One process with a name; its output is NAME.log. Drive it with `tick` from the main thread (see `Child`)."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], directory: Path) -> None:
        self.name = name
        self.command = list(command)
        self.env = dict(env)
        self.directory = directory
        self.wanted = True
        self.restarts = 0
        self.ends: list[str] = []
        """how each of its processes has ended, oldest first"""
        self._child: Child | None = None
        self._start_at = 0.0

    @property
    def log(self) -> Path:
        """The output of all its processes."""
        return self.directory / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._child.pid if self._child is not None and self._child.exit_code is None else None

    def tick(self) -> None:
        """Take note of its end and start it when it is due."""
        if self._child is not None and self._child.exit_code is not None:
            self.ends.append(self._child.why())
            self._child = None
            self._start_at = time.monotonic() + _AGAIN_SECONDS
        if self._child is None and self.wanted and time.monotonic() >= self._start_at:
            assert self.restarts <= _MOST_RESTARTS, f"{self.name} ends again and again: {self.ends[-1]}"
            self.restarts += bool(self.ends)
            self._child = Child(self.name, self.command, self.log, self.env)

    def died(self, *expected: str) -> list[str]:
        """Its ends that hold none of those texts, and that no standstill explains."""
        return [end for end in self.ends if not any(text in end for text in (STOOD_STILL, *expected))]

    def signal(self, number: signal.Signals) -> int | None:
        """Send a signal; returns the pid that got it, None when nothing runs."""
        pid = self.pid
        if self._child is not None and pid is not None:
            self._child.signal(number)
        return pid

    def logged(self, what: str) -> int:
        """How often its log holds that text."""
        return self.log.read_text(errors="replace").count(what) if self.log.exists() else 0

    def lines(self, what: str) -> list[str]:
        """Its log lines that hold that text, without what kafka-python says of its own sockets."""
        found = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return [line for line in found if what in line and '"logger": "kafka.' not in line]

    def ready(self) -> list[Ready]:
        """Each time that a worker was ready, also without partitions."""
        found = [orjson.loads(line) for line in self.lines("partitions_ready")]
        return [Ready(line["generation"], line["partitions"], line["kept"]) for line in found]

    def tail(self) -> str:
        """How it ended last, and its last line."""
        return f"{self.name}: {'; '.join(self.ends[-2:]) or 'never ended'} | {last_line(self.log)}"

    def end(self, seconds: float) -> int | None:
        """SIGTERM, SIGKILL after that time, and no start any more; returns the exit code, None when nothing ran."""
        self.wanted = False
        child, self._child = self._child, None
        if child is None:
            return None
        child.signal(signal.SIGCONT)
        child.stop(seconds)
        return child.exit_code
