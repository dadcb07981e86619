"""The worker as an operating-system process: how it dies, and how it notices that it stood still."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final, NoReturn

import structlog

log = structlog.get_logger()

EXIT_INFRASTRUCTURE: Final = 1
"""exit code of a worker that gave up (contract §5: 1, failed); a supervisor starts it again"""
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_TICK_SECONDS: Final = 0.1


class WorkerError(RuntimeError):
    """The worker can't go on; the message is the one-line reason."""


def die(reason: str) -> NoReturn:
    """Log the reason in one line and end the process at once: no handler, cleanup or goodbye to the group runs."""
    log.critical("worker_died", reason=reason, exit_code=EXIT_INFRASTRUCTURE)
    leave(EXIT_INFRASTRUCTURE)


def leave(code: int) -> NoReturn:
    """End the process at once, whatever its threads are doing; logs are flushed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(code)


def now() -> float:
    """Seconds on a clock that never steps and also runs while the machine is suspended (where the system has one)."""
    return time.clock_gettime(_CLOCK)


class Standstill:
    """Notices that the process was stopped (SIGSTOP, a frozen container, a suspended machine) for too long.

    A thread of its own keeps the time, so a busy event loop is not mistaken for a stopped process. Whoever runs first
    after the process wakes up, this thread or a caller of `check`, sees the gap.
    """

    def __init__(self, limit_seconds: float, expired: Callable[[str], object]) -> None:
        """`expired` is called with a reason, from any thread, when the gap is longer than `limit_seconds`."""
        self._limit = limit_seconds
        self._expired = expired
        self._last = now()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="standstill", daemon=True)

    def start(self) -> None:
        """Start the clock."""
        self._last = now()
        self._thread.start()

    def stop(self) -> None:
        """Stop the clock; `check` still answers."""
        self._stop.set()

    def check(self) -> None:
        """Call this before anything leaves the process."""
        gap = now() - self._last
        if gap > self._limit and not self._stop.is_set():
            self._expired(f"the process stood still for {gap:.1f} s, its partitions may belong to another worker")

    def _run(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            self.check()
            self._last = now()
