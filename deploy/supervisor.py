"""Parts as child processes: started, watched, started again when they die, stopped together."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Final

from deploy.process import Child

_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 10.0
_STEADY_SECONDS: Final = 30.0

Report = Callable[[str], None]
"""called with one line when something happens that a person should know"""


@dataclass(frozen=True, slots=True)
class PartSpec:
    """What to run. `ends`: an end with exit code 0 is its end; otherwise any end is a failure and it starts again."""

    name: str
    command: Sequence[str]
    ends: bool = False


@dataclass(slots=True)
class _Part:
    spec: PartSpec
    child: Child | None = None
    delay: float = _FIRST_DELAY
    start_at: float = 0.0
    failures: list[str] = field(default_factory=list)
    done: bool = False


class Supervisor:
    """Keeps parts running. Not thread-safe; drive it with `tick` from the main thread (see `Child`)."""

    def __init__(
        self,
        specs: Sequence[PartSpec],
        logs: Path,
        env: Mapping[str, str],
        report: Report,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`logs`: directory of NAME.log; `env`: the parts' whole environment; `clock`: seconds."""
        self._parts = {spec.name: _Part(spec) for spec in specs}
        self._logs = logs
        self._env = env
        self._report = report
        self._clock = clock

    def tick(self) -> None:
        """Start what is due, take note of what has ended. Call it a few times a second."""
        for part in self._parts.values():
            if part.done:
                continue
            if part.child is None:
                if self._clock() >= part.start_at:
                    self._start(part)
            elif part.child.exit_code is not None:
                self._ended(part, part.child)

    def pids(self) -> dict[str, int]:
        """Process ids of the parts that run."""
        running = ((name, part.child) for name, part in self._parts.items())
        return {name: child.pid for name, child in running if child is not None and child.exit_code is None}

    def failures(self, name: str) -> list[str]:
        """How that part has failed so far, one line each, oldest first."""
        return self._parts[name].failures

    def stop(self, seconds: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """SIGTERM to all, in at most `seconds` SIGKILL to what is left; `hurry` returning true shortens the wait."""
        children = [part.child for part in self._parts.values() if part.child is not None]
        for child in children:
            child.signal(SIGTERM)
        deadline = time.monotonic() + seconds
        while any(child.exit_code is None for child in children) and time.monotonic() < deadline and not hurry():
            time.sleep(0.02)
        for child in children:
            if child.exit_code is None:
                self._report(f"{child.name} did not stop in time and was killed")
            child.signal(SIGKILL)
        for child in children:
            child.wait(5)
        self._forget()

    def kill(self, name: str) -> None:
        """SIGKILL to one; `tick` takes note and starts it again."""
        child = self._parts[name].child
        if child is not None:
            child.kill()

    def kill_all(self) -> None:
        """SIGKILL to all, at once; `tick` starts them again."""
        for part in self._parts.values():
            if part.child is not None:
                part.child.kill()
        self._forget()

    def _forget(self) -> None:
        for part in self._parts.values():
            part.child, part.start_at, part.done = None, 0.0, False

    def _start(self, part: _Part) -> None:
        try:
            part.child = Child(part.spec.name, part.spec.command, self._logs / f"{part.spec.name}.log", self._env)
        except OSError as error:
            self._failed(part, f"{part.spec.name} can't be started: {error}")

    def _ended(self, part: _Part, child: Child) -> None:
        part.child = None
        if part.spec.ends and child.exit_code == 0:
            part.done = True
            return
        if time.monotonic() - child.started_at > _STEADY_SECONDS:
            part.delay = _FIRST_DELAY
        self._failed(part, child.why())

    def _failed(self, part: _Part, reason: str) -> None:
        part.failures.append(reason)
        part.start_at = self._clock() + part.delay
        self._report(f"{reason}; starting it again in {part.delay:g} s")
        part.delay = min(part.delay * 2, _LONGEST_DELAY)
