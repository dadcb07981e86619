"""What every peer is asked to do, whatever its tool, and the clock it is held to. Needs the standard library alone.

The job: rounds per (shop, buyer, agent) and 5-minute response windows per (shop, agent), as the contract has them. Longer
windows and the `platform` definition are sums of these (see `benchmarks.peers.truth`), so nobody computes them here.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

TOPIC: Final = "chat.messages"
OUTPUT_TOPIC: Final = "bench.windows"
SESSION_SECONDS: Final = 6
"""of the group, for those that join one: the embedded broker takes half of it to let the first member in"""
WINDOW_MS: Final = 300_000
DAY_MS: Final = 86_400_000
ZONE_MS: Final = 8 * 3_600_000
"""of the generated shops: Asia/Shanghai, which has had no other offset since 1991"""
GRACE_DAYS: Final = 30
"""how long windows wait for what is late: a backlog's partitions are read days of event time apart, and the generated sale
has old orders up to two weeks before it"""
CAP_MS: Final = 600_000
TARGET_MS: Final = 180_000
FIGURES: Final = ("rounds", "answered", "answered_within_3min", "response_ms_sum")
"""of a window, in this order wherever they stand in a list"""


class Change(TypedDict):
    """What one message adds to the window that holds `opened_at` (ms since the epoch)."""

    agent: str
    opened_at: int
    rounds: int
    answered: int
    answered_within_3min: int
    response_ms_sum: int


def time_ms(text: str) -> int:
    """RFC 3339 -> ms since the epoch."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def window_start(at: int) -> int:
    """The 5-minute window that holds the moment (ms)."""
    return at // WINDOW_MS * WINDOW_MS


def take(opened: int | None, event: dict[str, Any]) -> tuple[int | None, Change | None]:
    """One message of a thread: when its open round was opened -> the same afterwards, and what changes in a window.

    Messages count in the order in which they come, and each time that they come.
    """
    data = event["data"]
    at = time_ms(event["time"])
    if opened is not None and (opened + ZONE_MS) // DAY_MS != (at + ZONE_MS) // DAY_MS:
        opened = None  # midnight has ended it, unanswered
    agent = f"{data['shop_id']}|{data['agent_id']}"
    if data["sender"] == "buyer":
        if opened is not None:
            return opened, None
        return at, Change(agent=agent, opened_at=at, rounds=1, answered=0, answered_within_3min=0, response_ms_sum=0)
    if opened is None or data.get("reply_mode") == "auto":
        return opened, None
    response = at - opened
    return None, Change(
        agent=agent,
        opened_at=opened,
        rounds=0,
        answered=1,
        answered_within_3min=int(response <= TARGET_MS),
        response_ms_sum=min(response, CAP_MS),
    )


def window_row(agent: str, start: int, figures: dict[str, Any]) -> dict[str, Any]:
    """A window as it is written to OUTPUT_TOPIC and reported; `agent` is `shop|agent`."""
    shop_id, _, agent_id = agent.partition("|")
    return {"shop_id": shop_id, "agent_id": agent_id, "window_start": start} | {f: int(figures[f]) for f in FIGURES}


@dataclass(frozen=True, slots=True)
class Options:
    """What a peer is started with. `records`: how many there are on `topics`; it stops after them."""

    bootstrap: str
    records: int
    output: Literal["none", "kafka"]
    group: str
    report: Path
    work: Path
    topics: list[str]


def options() -> Options:
    """From the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--output", choices=("none", "kafka"), default="none")
    parser.add_argument("--group", default="bench")
    parser.add_argument("--report", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--work", type=Path, default=Path.cwd(), help="folder for local state")
    parser.add_argument("--topics", nargs="+", default=[TOPIC], help="to fetch from; the job is of the first alone")
    return Options(**vars(parser.parse_args()))


class Clock:
    """Seconds and CPU seconds from the first record to the last one, without imports, joining and leaving a group."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None
        self._ended: tuple[float, float] | None = None

    def begin(self) -> None:
        """The first record is there; later calls change nothing."""
        if self._began is None:
            self._began = time.perf_counter(), time.process_time()

    def end(self) -> None:
        """All is done so far; the last call counts."""
        self._ended = time.perf_counter(), time.process_time()

    def report(self, path: Path, records: int, windows: list[dict[str, Any]]) -> None:
        """Write what was measured and found, whole or not at all."""
        assert self._began is not None
        assert self._ended is not None
        found = {
            "records": records,
            "seconds": self._ended[0] - self._began[0],
            "cpu_seconds": self._ended[1] - self._began[1],
            "rss_mb": rss_mb(os.getpid()),
            "windows": windows,
        }
        part = path.with_suffix(".part")
        part.write_text(json.dumps(found), encoding="utf-8")
        part.replace(path)


def rss_mb(pid: int, field: str = "VmHWM") -> float:
    """The most memory that the process has had, in MB; with `VmRSS` what it has now. Not getrusage, which also knows the
    process it was forked from."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    (line,) = (line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1000
