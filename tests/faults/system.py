"""A whole system of real processes on a broker: fed, hurt, drained to the last record, and compared with a replay."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

from deploy.process import Child, last_line
from schemas.settings import Settings
from sinks.kafka import create_topics, wait_for_broker
from sinks.progress import wait_for_sink, wait_for_worker

from .compare import Rejection, compare
from .events import Expected, accepted, compare_events, read_log
from .feeding import Feed, Sent, write_lines
from .parts import STOOD_STILL, Part
from .report import Scenario

PARTITIONS = 4
DRAIN_SECONDS = 120.0
_TICK_SECONDS = 0.02
_STOP_SECONDS = 30.0
"""more than the 25 s after which a worker that hangs ends itself"""
_SETTLE_SECONDS = 60.0
_BOUNDARY = Path(__file__).with_name("boundary.py")
_STORED = Path(__file__).with_name("stored.py")
_NEVER = (
    "Traceback",
    "Fatal Python error",
    "order_violated",
    "output_too_big",
    "record_quarantined",
    "row_quarantined",
    "log_truncated",
)
"""what no part may ever log here"""
_JOINED = {"worker": "partitions_ready", "sink": "partitions_assigned"}
"""what a part logs when it has joined its group"""


class System:
    """Parts by name, a feed, and the account of what was done to them. Use it from the main thread."""

    def __init__(self, bootstrap: str, directory: Path, scenario: Scenario, **settings: object) -> None:
        """`settings` go to every part and to the clients here."""
        self.directory = directory
        self.scenario = scenario
        self.parts: dict[str, Part] = {}
        chosen = {"kafka_bootstrap": bootstrap, "partitions": PARTITIONS, "data_dir": directory / "data", **settings}
        self.settings = Settings(**chosen)  # type: ignore[arg-type]
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("ZHENGDIAN_")}
        self.env |= {f"ZHENGDIAN_{name.upper()}": str(value) for name, value in chosen.items()}
        self.env |= {"PYTHONUNBUFFERED": "1", "ZHENGDIAN_LOG_FORMAT": "json"}
        self._feeds: list[Feed] = []
        self._fed: list[Sent] = []
        self._commands: list[Child] = []
        self._joined: dict[str, dict[str, int]] = {}
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="system")
        wait_for_broker(self.settings, 30)
        create_topics(self.settings)
        if self.settings.clickhouse == "server":  # an embedded one is made by the sink itself
            self.command("migrate", "up")

    # --- parts

    def add(self, name: str, command: Sequence[str] = (), **env: str) -> Part:
        """Start a part. The command is by default that of the name without its number: worker-1 runs `worker`."""
        kind = name.partition("-")[0]
        part = Part(
            name, command or [sys.executable, "-m", "deploy.cli", kind], self.env | env, self.directory / "logs"
        )
        part.directory.mkdir(exist_ok=True)
        self.parts[name] = part
        self._disturbed(kind)
        part.tick()
        return part

    def add_suicidal(self, name: str, points: Sequence[str], *, nth: int, **env: str) -> Part:
        """Start a part that kills itself once at each of the boundaries, at the nth passage."""
        marks = self.directory / f"{name}.marks"
        kind = name.partition("-")[0]
        return self.add(name, [sys.executable, str(_BOUNDARY), kind, str(nth), str(marks), *points], **env)

    def marks(self, name: str) -> list[str]:
        """The boundaries at which that part has killed itself, as it wrote them down just before."""
        path = self.directory / f"{name}.marks"
        return path.read_text().splitlines() if path.exists() else []

    def hit(self, name: str, number: Signals) -> bool:
        """Send a signal to a part and note it; False when it does not run."""
        kind = name.partition("-")[0]
        if number is not SIGCONT:
            self._settle(kind)
        return self._hit(name, kind, number)

    def _hit(self, name: str, kind: str, number: Signals) -> bool:
        if number in (SIGKILL, SIGTERM):
            self._disturbed(kind)
        pid = self.parts[name].signal(number)
        if pid is not None and number is not SIGCONT:
            self.scenario.inject(f"{kind} {number.name}", pid)
        return pid is not None

    def _disturbed(self, kind: str) -> None:
        """Remember how often each part of that kind has joined, because its group has to be formed anew."""
        parts = {name: part for name, part in self.parts.items() if name.partition("-")[0] == kind}
        self._joined[kind] = {name: part.logged(_JOINED[kind]) for name, part in parts.items()}

    def _settle(self, kind: str) -> None:
        """Wait until the group has been formed, for a while. In the embedded broker a group stays without partitions
        for good when its leader dies between the election and the assignment."""
        if self.scenario.broker != "tansu":
            return

        def formed() -> bool:
            parts = ((self.parts[name], before) for name, before in self._joined[kind].items())
            return all(part.logged(_JOINED[kind]) > before for part, before in parts if part.wanted)

        deadline = time.monotonic() + _SETTLE_SECONDS
        while not formed() and time.monotonic() < deadline:
            self.tick()

    def kill(self, name: str) -> bool:
        """SIGKILL to a part."""
        return self.hit(name, SIGKILL)

    def kill_all(self) -> None:
        """SIGKILL to all parts at once."""
        for kind in self._joined:
            self._settle(kind)
        for name in self.parts:
            self._hit(name, name.partition("-")[0], SIGKILL)

    def freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP to a part, and SIGCONT after that time; the others live on."""
        if self.hit(name, SIGSTOP):
            self.run(seconds)
            self.hit(name, SIGCONT)

    def leave(self, name: str, number: Signals = SIGTERM) -> None:
        """End a part for good."""
        self.parts[name].wanted = False
        self.hit(name, number)

    def note_marks(self, *names: str) -> None:
        """Note the kills of the parts' marks, each of a process that was found dead by SIGKILL."""
        for name in names:
            part, marks = self.parts[name], self.marks(name)
            self.until(lambda p=part, n=len(marks): sum("SIGKILL" in e for e in p.ends) == n, f"{part.ends}", 10)
            for mark in marks:
                point, _, pid = mark.rpartition(" ")
                self.scenario.inject(f"{name.partition('-')[0]} SIGKILL: {point}", int(pid))

    # --- time

    def tick(self) -> None:
        """Look after the parts for a moment."""
        for part in self.parts.values():
            part.tick()
        time.sleep(_TICK_SECONDS)

    def run(self, seconds: float) -> None:
        """Let it run."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tick()

    def until(
        self, condition: Callable[[], bool], why: str, seconds: float = DRAIN_SECONDS, *, every: float = 0.0
    ) -> None:
        """Let it run until that holds; AssertionError with `why` and the parts' last words when it does not come.

        `every`: seconds between two looks, where one is dear, as it is at what a broker has.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{why}\n{self.last_words()}"
            self.tick()
            self.run(every)

    def last_words(self) -> str:
        """One line a part."""
        troubles = (f"feed: {feed.trouble}" for feed in self._feeds if feed.trouble)
        return "\n".join([*troubles, *(part.tail() for part in self.parts.values())])

    # --- events

    def feed(self, records: Sequence[Sent], seconds: float) -> Feed:
        """Send records over that time while everything goes on."""
        self._fed += records
        feed = Feed(self.settings, records, seconds)
        self._feeds.append(feed)
        return feed

    def fed(self) -> None:
        """Send what is left at once and wait until the broker has confirmed every record."""
        for feed in self._feeds:
            feed.hurry()
        self.until(lambda: all(feed.done() for feed in self._feeds), "the feed is not done", DRAIN_SECONDS)

    def drained(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until workers and sinks have committed all there is."""
        self.fed()
        for wait in (wait_for_worker, wait_for_sink):
            waiting: Future[None] = self._pool.submit(wait, self.settings, seconds)
            self.until(waiting.done, f"{wait.__name__} is not done", seconds + 30)
            error = waiting.exception()
            assert error is None, f"{error}\n{self.last_words()}"

    # --- the end

    def finish(
        self,
        *,
        lines: Sequence[Sent] | None = None,
        rejections: Counter[Rejection] | None = None,
    ) -> tuple[Path, Path]:
        """Drain, stop, compare with a replay in memory and with the log; the scenario fails on a single row.

        `lines`: what the replay reads, where that is not what was fed; `rejections`: the rejected records, where a
        replay can't know them. Returns the directories of the live results and of the replay's.
        """
        self.drained()
        for name, part in self.parts.items():
            code = part.end(_STOP_SECONDS)
            # one that was started a moment ago does not hear SIGTERM yet
            fine = code in (0, None, -SIGTERM) or STOOD_STILL in last_line(part.log)
            assert fine, f"{name} ends with {code}: {part.tail()}"
        live, stored, replayed = (self.directory / name for name in ("live", "stored", "replayed"))
        self.command("export", "--out", str(live))
        self._end_well(self._begin("stored", [sys.executable, str(_STORED), str(stored)]), 180)
        lines = self._fed if lines is None else lines
        write_lines(lines, self.directory / "sale" / "sale.jsonl")
        self.command("replay", str(self.directory / "sale"), "--engine", "memory", "--out", str(replayed))
        expected = Expected(read_log(self.settings), accepted(lines, replayed))
        found = compare(live, replayed, rejections, expected.resent(self._fed)).plus(
            compare_events(expected, self._fed, stored, live)
        )
        account = self.scenario
        account.events, account.rows = len(self._fed), found.rows
        account.restarts = sum(part.restarts for part in self.parts.values())
        account.lost, account.doubled, account.wrong = len(found.lost), len(found.doubled), len(found.wrong)
        shown = "\n".join([*found.lost[:3], *found.doubled[:3], *found.wrong[:3]])
        assert (account.lost, account.doubled, account.wrong) == (0, 0, 0), shown
        assert account.rows > 100, "hardly anything was compared"
        assert account.faults, "no fault was injected"
        for part in self.parts.values():
            for word in _NEVER:
                assert not part.lines(word), f"{part.log}: {part.lines(word)[0]}"
        return live, replayed

    def command(self, *arguments: str, seconds: float = 180) -> Path:
        """Run a command of `zhengdian` to its end; returns the file of what it and others of its name have said."""
        process = self.begin(*arguments)
        self._end_well(process, seconds)
        return process.log

    def begin(self, *arguments: str) -> Child:
        """Begin a command of `zhengdian`; its output goes to NAME.log."""
        return self._begin(arguments[0], [sys.executable, "-m", "deploy.cli", *arguments])

    def _begin(self, name: str, command: Sequence[str]) -> Child:
        log = self.directory / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        process = Child(name, command, log, self.env)
        self._commands.append(process)
        return process

    def _end_well(self, process: Child, seconds: float) -> None:
        self.until(lambda: process.exit_code is not None, f"{process.name} does not end", seconds)
        assert process.exit_code == 0, process.why()

    def close(self) -> None:
        """End everything, however the test went."""
        for feed in self._feeds:
            feed.stop()
        for part in self.parts.values():
            part.end(0.1)
        for process in self._commands:
            process.stop(5)
        self._pool.shutdown(wait=False, cancel_futures=True)
