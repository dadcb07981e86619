"""A whole system on a broker by the command line alone: topics, ingest, workers and a sink, compared with a replay."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.process import Child
from processors.results import Results
from processors.ruleset import default_book
from replay.files import Line, input_files, read_lines
from replay.generator import SaleConfig, write_sale
from replay.ingest import ingest, live_event
from replay.memory import replay
from schemas.events import Event
from schemas.settings import Settings
from sinks.kafka import EventProducer
from sinks.progress import wait_for_sink, wait_for_worker


class Live:
    """Processes by name with their logs, and a sale to feed them. Everything ends with the context."""

    def __init__(self, directory: Path, bootstrap: str, **settings: object) -> None:
        """`settings` go to every part; the sale has about 5 000 events."""
        chosen = {"kafka_bootstrap": bootstrap, "data_dir": directory / "data", "partitions": 4}
        # no part may end because the machine stood still for a moment: nobody starts it again
        chosen |= {"session_timeout_seconds": 10} | settings
        self.settings = Settings(**chosen)  # type: ignore[arg-type]
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("ZHENGDIAN_")}
        self._env |= {f"ZHENGDIAN_{name.upper()}": str(value) for name, value in chosen.items()}
        self._env["PYTHONUNBUFFERED"] = "1"
        self._parts: dict[str, Child] = {}
        self._pool = ThreadPoolExecutor(1)
        self._sending: Future[None] | None = None
        self._directory = directory
        self._sale = directory / "sale"
        write_sale(SaleConfig(buyers=250, agents=12, hours=2, duplicates=0.03, disorder=0.1, faults=10), self._sale)
        self._replayed = directory / "replayed"
        replay(self._sale, self._replayed, default_book())

    def run(self, *arguments: str, seconds: float = 60) -> str:
        """Run a command to its end; returns its output. AssertionError when it fails."""
        done = subprocess.run(
            _command(arguments), env=self._env, cwd=self._directory, capture_output=True, text=True, timeout=seconds
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str, *arguments: str) -> Child:
        """Start a command by that name; the command is the name without its number (`worker-2`)."""
        command = _command([name.partition("-")[0], *arguments])
        part = self._parts[name] = Child(name, command, self._directory / f"{name}.log", self._env)
        return part

    def ingest(self, seconds: float) -> None:
        """Start to send the whole sale, spread over that time."""
        lines = sum(1 for _ in read_lines(self._sale))

        def paced(line: Line) -> Event:
            time.sleep(seconds / lines)
            return live_event(line)

        def send() -> None:
            producer = EventProducer(self.settings)
            try:
                ingest(input_files(self._sale), producer, parse=paced)
            finally:
                producer.close()

        self._sending = self._pool.submit(send)

    @property
    def ingesting(self) -> bool:
        """Whether the sale is still being sent."""
        return self._sending is not None and not self._sending.done()

    def check(self, seconds: float = 100) -> None:
        """Wait until the sale is sent, everything is read to its end and inserted; compare it with the replay."""
        if self._sending is not None:
            self._sending.result(seconds)
        wait_for_worker(self.settings, seconds)
        wait_for_sink(self.settings, seconds)
        for name, part in self._parts.items():
            ended = part.exit_code
            part.stop(25)
            # what was killed or has ended before was the scenario's doing or a failure
            assert ended in (None, 0, -9), part.why()
            assert part.exit_code in (0, -9), f"{name}: {part.why()}"
            assert "Traceback" not in part.log.read_text(), part.log
        self.run("export", "--out", "live")
        for table in Results._fields:  # rejected records are named by offset here and by line there
            name = f"{table}.jsonl"
            assert (self._replayed / name).read_bytes() == (self._directory / "live" / name).read_bytes(), name

    def logged(self, name: str, what: str) -> int:
        """How many times a part's log has that text."""
        return self._parts[name].log.read_text().count(what)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self._parts.values():
            part.kill()
        self._pool.shutdown(wait=False)


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "deploy.cli", *arguments]
