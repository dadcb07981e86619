"""What was injected and what was lost: one row a scenario, printed at the end of the session."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Fault(NamedTuple):
    """One injected fault: `at` in seconds since the scenario's start, the process it hit if it hit one."""

    kind: str
    at: float
    pid: int | None


@dataclass(slots=True)
class Scenario:
    """A test's account. lost, doubled and wrong are rows of all results together; None: never compared."""

    name: str
    broker: str
    events: int = 0
    faults: list[Fault] = field(default_factory=list)
    restarts: int = 0
    lost: int | None = None
    doubled: int | None = None
    wrong: int | None = None
    rows: int = 0
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def inject(self, kind: str, pid: int | None = None) -> None:
        """Note a fault that was injected just now."""
        self.faults.append(Fault(kind, round(time.monotonic() - self.began, 3), pid))

    def end(self) -> None:
        """Stop the clock."""
        self.seconds = round(time.monotonic() - self.began, 1)


SCENARIOS: list[Scenario] = []


def table(scenarios: list[Scenario]) -> list[str]:
    """The lines of the table, a total at its end."""
    head = ("scenario", "broker", "events", "rows", "faults", "restarts", "lost", "doubled", "wrong", "seconds")
    rows = [head]
    for one in scenarios:
        verdict = tuple("-" if n is None else str(n) for n in (one.lost, one.doubled, one.wrong))
        counts = (one.events, one.rows, len(one.faults), one.restarts)
        rows.append((one.name, one.broker, *map(str, counts), *verdict, f"{one.seconds:.0f}"))
    sums = [str(sum(int(row[column]) for row in rows[1:] if row[column] != "-")) for column in range(2, len(head))]
    rows.append((f"{len(scenarios)} scenarios", "", *sums))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return [
        " ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]


def write_json(scenarios: list[Scenario], path: Path) -> None:
    """The same for machines: every fault with its kind, time and pid."""
    found = [
        {
            "scenario": one.name,
            "broker": one.broker,
            "events": one.events,
            "rows": one.rows,
            "restarts": one.restarts,
            "lost": one.lost,
            "doubled": one.doubled,
            "wrong": one.wrong,
            "seconds": one.seconds,
            "faults": [fault._asdict() for fault in one.faults],
        }
        for one in scenarios
    ]
    kinds = Counter(fault.kind for one in scenarios for fault in one.faults)
    path.write_text(json.dumps({"faults": dict(sorted(kinds.items())), "scenarios": found}, indent=1) + "\n")
