"""`make bench`: throughput on this machine, all measured in one run on the same events.

A bare loop that only decodes the events with pydantic is the yardstick: machines are noisy, ratios to it are not.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from deploy.broker import EmbeddedBroker
from deploy.process import zhengdian
from processors.ruleset import default_book
from replay.files import input_files, read_lines
from replay.generator import SaleConfig, write_sale
from replay.ingest import ingest
from replay.memory import replay
from schemas.events import parse_event
from schemas.settings import Settings
from sinks.kafka import EventProducer, create_topics, wait_for_broker, worker_group
from sinks.progress import source_ends, wait_until_read

_DRAIN_SECONDS: Final = 300.0


def main() -> int:
    """Measures, prints a table and writes the figures as JSON when asked to."""
    parser = argparse.ArgumentParser(description="Throughput of this machine, in events/s.")
    parser.add_argument("--buyers", type=int, default=5000, help="size of the generated sale, about 20 events a buyer")
    parser.add_argument("--runs", type=int, default=5, help="runs of each measurement; the median counts")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zhengdian-bench-") as name:
        figures = _measure(Path(name), options.buyers, options.runs)
    _print(figures)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def _measure(place: Path, buyers: int, runs: int) -> dict[str, Any]:
    sale = place / "sale"
    events = sum(write_sale(SaleConfig(buyers=buyers), sale).values())
    speeds: dict[str, list[float]] = {"pydantic decode, bare loop": [], "replay --engine memory": []}
    raw = [line.raw for line in read_lines(sale)]
    for _ in range(runs):
        speeds["pydantic decode, bare loop"].append(events / _seconds(lambda: _decode(raw)))
        speeds["replay --engine memory"].append(events / _seconds(lambda: replay(sale, place / "out", default_book())))
    for run in range(runs):
        ingested, worked = _through_the_broker(sale, place / f"broker-{run}")
        speeds.setdefault("ingest into the embedded broker", []).append(ingested)
        speeds.setdefault("one worker on the embedded broker", []).append(worked)
    return {
        "events": events,
        "runs": runs,
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "events_per_second": {what: [round(value) for value in values] for what, values in speeds.items()},
    }


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _decode(lines: list[bytes]) -> None:
    for raw in lines:
        parse_event(raw)


def _through_the_broker(sale: Path, place: Path) -> tuple[float, float]:
    """Events/s of ingest, and of one worker that finds them all waiting."""
    place.mkdir()
    with EmbeddedBroker(place / "broker.log") as broker:
        settings = Settings(kafka_bootstrap=broker.bootstrap)
        wait_for_broker(settings, 10)
        create_topics(settings)
        producer = EventProducer(settings)
        began = time.perf_counter()
        counts = ingest(input_files(sale), producer)
        ingested = sum(counts.accepted.values()) / (time.perf_counter() - began)
        producer.close()
        env = {**os.environ, "ZHENGDIAN_KAFKA_BOOTSTRAP": broker.bootstrap, "ZHENGDIAN_LOG_LEVEL": "warning"}
        with (place / "worker.log").open("wb") as log:
            worker = subprocess.Popen(zhengdian("worker"), env=env, stdout=log, stderr=log)  # noqa: S603 - our own command
            try:
                worked = _drain(settings)
            finally:
                worker.terminate()
                worker.wait(30)
    return ingested, worked


def _drain(settings: Settings) -> float:
    """Events/s between the worker's first commit and its last one. Raises TimeoutError."""
    ends = source_ends(settings)
    seen: list[tuple[float, int]] = []

    def note(left: int) -> None:
        done = sum(ends.values()) - left
        if done and (not seen or done > seen[-1][1]):
            seen.append((time.perf_counter(), done))

    wait_until_read(settings, worker_group(settings), ends, _DRAIN_SECONDS, note)
    (first, already), (last, done) = seen[0], seen[-1]
    return (done - already) / (last - first) if last > first else float("nan")


def _print(figures: dict[str, Any]) -> None:
    table = Table(title=f"{figures['events']} events, median of {figures['runs']} runs; {figures['machine']}")
    for column in ("what", "events/s", "spread", "of bare decode"):
        table.add_column(column, justify="left" if column == "what" else "right")
    medians = {what: statistics.median(values) for what, values in figures["events_per_second"].items()}
    bare = medians["pydantic decode, bare loop"]
    for what, values in figures["events_per_second"].items():
        spread = f"{min(values):,}–{max(values):,}"
        table.add_row(what, f"{medians[what]:,.0f}", spread, f"{medians[what] / bare:.0%}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
