"""`make bench`: all that is measured here in one run on one machine, as a table and as JSON."""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks import recovery, throughput
from benchmarks.parts import Run

SECTIONS: Final = ("throughput", "recovery")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints tables and writes the figures as JSON when asked to."""
    parser = argparse.ArgumentParser(prog="make bench", description="What this machine carries.")
    parser.add_argument("--buyers", type=int, default=15_000, help="of the generated sale, about 20 events a buyer")
    parser.add_argument("--recovery-buyers", type=int, default=50_000, help="the same, in a worker's state")
    parser.add_argument("--runs", type=int, default=5, help="runs of each; the median counts")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="SECTION")
    parser.add_argument("--json", type=Path, help="write the figures there")
    chosen = parser.parse_args(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=130)
    figures: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "runs": chosen.runs,
    }
    with tempfile.TemporaryDirectory(prefix="zhengdian-bench-") as name, console.status("") as status:
        place = Path(name)
        if "throughput" in chosen.only:
            found = throughput.measure(chosen.buyers, chosen.runs, place, status.update)
            figures["throughput"] = {what: [asdict(run) for run in runs] for what, runs in found.items()}
            console.print(_throughput(found, figures["machine"]))
        if "recovery" in chosen.only:
            recovered = recovery.measure(chosen.recovery_buyers, chosen.runs, place / "r", status.update)
            figures["recovery"] = asdict(recovered) | {"bytes_per_buyer": round(recovered.bytes_per_buyer)}
            console.print(_recovery(recovered))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def _throughput(found: dict[str, list[Run]], machine: str) -> Table:
    table = Table(title=f"{found[throughput.DECODE][0].records:,} events; {machine}")
    for column in ("what", "events/s", "spread", "of bare decode", "CPU µs/event", "peak MB"):
        table.add_column(column, justify="left" if column == "what" else "right")
    bare = _speed(found[throughput.DECODE])
    for what, runs in found.items():
        speeds = [run.records / run.seconds for run in runs]
        cpu = statistics.median(run.cpu_seconds / run.records for run in runs) * 1e6
        most = max(run.rss_mb for run in runs)
        table.add_row(
            what,
            f"{_speed(runs):,.0f}",
            f"{min(speeds):,.0f}–{max(speeds):,.0f}",
            f"{_speed(runs) / bare:.0%}",
            f"{cpu:.1f}",
            f"{most:.0f}" if most else "",
        )
    return table


def _speed(runs: list[Run]) -> float:
    return statistics.median(run.records / run.seconds for run in runs)


def _recovery(found: recovery.Recovery) -> Table:
    table = Table(title=f"a worker with {found.facts:,} facts of {found.buyers:,} buyers, after SIGKILL")
    for column in ("state read from", "seconds", "spread"):
        table.add_column(column, justify="left" if column == "state read from" else "right")
    for where, seconds in (("its local copy", found.with_local_copy), ("Kafka", found.from_kafka)):
        table.add_row(where, f"{statistics.median(seconds):.1f}", f"{min(seconds):.1f}–{max(seconds):.1f}")
    table.caption = f"{found.bytes_per_buyer:,.0f} bytes a buyer, of {found.facts / found.buyers:.0f} facts"
    return table


if __name__ == "__main__":
    sys.exit(main())
