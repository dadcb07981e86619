"""Child processes that never outlive their parent."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

_PR_SET_PDEATHSIG: Final = 1
# loaded before any fork: nothing may be imported between fork and exec
_LIBC: Final[Any] = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """A process in a session of its own, its output appended to a file.

    The session keeps the terminal's Ctrl-C from it, so that the parent can stop things in order. On Linux the kernel
    kills it when the thread that started it ends, so start it from a thread that lives as long as the program.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        """Start it in the log's directory, so that whatever it leaves behind lies there too. Raises OSError when the command can't be run or the log can't be written."""
        self.name: Final = name
        self.log: Final = log
        self.started_at: Final = time.monotonic()
        with log.open("ab") as output:
            self._process = _spawn(command, output, env, log.parent)

    @property
    def pid(self) -> int:
        """Its process id, also that of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: killed by that signal."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and what it has started; nothing happens when it has ended."""
        if self.exit_code is None:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                pass

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within that time."""
        try:
            self._process.wait(max(seconds, 0.001))
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, seconds: float) -> None:
        """SIGTERM, and SIGKILL when it has not ended after that time."""
        self.signal(signal.SIGTERM)
        if not self.wait(seconds):
            self.kill()

    def kill(self) -> None:
        """SIGKILL to it and its group, and wait."""
        self.signal(signal.SIGKILL)
        self.wait(5)

    def why(self) -> str:
        """How it ended and the last line it wrote, in one line."""
        code = self.exit_code
        if code is None:
            return f"{self.name} runs"
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        last = last_line(self.log)
        return f"{self.name} {how}" + (f": {last}" if last else "")


def _spawn(
    command: Sequence[str], output: IO[bytes], env: Mapping[str, str] | None, cwd: Path
) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def die_with_parent() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)

    return subprocess.Popen(  # noqa: S603  # the commands are our own
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
        preexec_fn=die_with_parent if _LIBC is not None else None,  # one prctl, no locks
    )


def zhengdian(*arguments: str) -> list[str]:
    """The command line of one of our own commands, in this interpreter."""
    # -P: a folder named like one of our packages in the working directory must not be imported instead
    return [sys.executable, "-P", "-m", "deploy.cli", *arguments]


def last_line(log: Path, limit: int = 300) -> str:
    """The last line of a log that is not blank, cut to `limit` characters; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:limit] for line in reversed(lines) if line.strip()), "")
