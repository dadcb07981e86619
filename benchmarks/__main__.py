"""`make bench`: all that is measured here in one run on one machine, as tables, as JSON, and as a report for the docs."""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks import capacity, growth, latency, pause, profile, queries, recovery, throughput
from benchmarks.growth_shown import growth_chart, growth_sheet
from benchmarks.parts import Run
from benchmarks.peers import run as peers
from benchmarks.sheets import Sheet, chart, median_of, percentile
from deploy.compiling import compiled

SECTIONS: Final = ("peers", "throughput", "profile", "latency", "recovery", "queries", "growth", "pause")
_ONCE: Final = ("profile", "queries")
"""measured once, each many times over"""
_BEST: Final = ("growth",)
"""the best of the runs counts"""
_SIZED: Final = {"throughput", "growth", "recovery", "pause"}
"""what capacity.md is made of"""
_OUTPUT: Final = "kafka"
"""of the peers: our worker always writes what it finds"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints tables and writes the figures when asked to."""
    parser = argparse.ArgumentParser(prog="make bench", description="What this machine carries.")
    parser.add_argument("--events", type=int, default=100_000, help="peers: chat messages")
    parser.add_argument("--buyers", type=int, default=15_000, help="of the generated sale, about 20 events a buyer")
    parser.add_argument("--latency-seconds", type=float, default=60, help="latency: at each of the rates")
    parser.add_argument("--recovery-buyers", type=int, default=62_500, help="the same, in a worker's state")
    parser.add_argument("--pause-seconds", type=float, default=20, help="pause: for which the worker is away")
    parser.add_argument("--runs", type=int, default=5, help="runs of each; the median counts")
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[10_000_000, 100_000_000], help="queries: in the table that is asked"
    )
    parser.add_argument("--asked", type=int, default=100, help="queries: times that each is asked")
    parser.add_argument("--place", type=Path, help="where a directory for the data is made; that of temporary files")
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS)
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="write benchmarks.md, its charts and figures, and capacity.md there"
    )
    chosen = parser.parse_args(arguments)
    if compiled():
        parser.error("the core is compiled, and both kinds are measured: make interpret first")
    console = Console() if sys.stdout.isatty() else Console(width=150)
    measured = _Measured(chosen.runs, chosen.report)
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="zhengdian-bench-", dir=chosen.place) as name, console.status("") as status:
        for section in SECTIONS:
            if section in chosen.only:
                try:
                    for sheet in _measure(section, chosen, Path(name), status.update, measured):
                        console.print(sheet.rich())
                except Exception as error:  # the others are worth their hours
                    failed.append(section)
                    print(f"{section}: not measured: {type(error).__name__}: {error}", file=sys.stderr)
                measured.write()
    if _SIZED & set(chosen.only):
        try:
            measured.write_capacity()
        except (ValueError, TypeError, KeyError) as error:  # no number of workers is enough, or of an older report
            failed.append("capacity")
            print(f"capacity: not written: {type(error).__name__}: {error}", file=sys.stderr)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(measured.figures, indent=2) + "\n", encoding="utf-8")
    return 1 if failed else 0


class _Measured:
    """What has been measured, and the report on it: each section says when it was measured, and stays until it is again."""

    def __init__(self, runs: int, report: Path | None) -> None:
        self.machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        self.figures: dict[str, Any] = {"shown": {}}
        self.charts: dict[str, str] = {}
        self._runs, self._report = runs, report
        self._commit = _commit()
        if report is not None and (before := report / _FIGURES).exists():
            found = json.loads(before.read_text(encoding="utf-8"))
            self.figures = found if "shown" in found else self.figures
            self.figures.pop("runs", None)  # which each section says of itself now

    def add(self, section: str, figures: Any, *sheets: Sheet) -> Sequence[Sheet]:
        """Notes a section's figures, and how they are shown."""
        runs = 1 if section in _ONCE else self._runs
        self.figures[section] = figures
        self.figures["shown"][section] = {
            "date": time.strftime("%Y-%m-%d"),
            "runs": runs,
            "machine": self.machine,
            "commit": self._commit,
            "sheets": [sheet.markdown() for sheet in sheets],
        }
        dates = sorted({shown["date"] for shown in self.figures["shown"].values()})
        self.figures |= {"machine": self.machine, "date": " to ".join(dates[:: max(len(dates) - 1, 1)])}
        return sheets

    def write(self) -> None:
        """The report as far as it has come: a later section may fail."""
        if self._report is None:
            return
        _write(self._report, self.figures, self.charts)

    def write_capacity(self) -> None:
        """What the figures say of sizes: simulated, which takes a while."""
        if self._report is not None:
            capacity.report(self.figures, self._report)


def _commit() -> str:
    """Of the code that is measured, with a + when it has been changed since; empty outside a clone. The report does not count."""
    if shutil.which("git") is None:
        return ""

    def git(*words: str) -> str:
        command = ["git", "-C", str(Path(__file__).parents[1]), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603

    changed = git("status", "--porcelain", "--", ".", ":!docs")
    return git("rev-parse", "--short", "HEAD") + "+" * bool(changed)


def _measure(
    section: str, chosen: argparse.Namespace, place: Path, say: Callable[[str], object], measured: _Measured
) -> Sequence[Sheet]:
    machine, runs = measured.machine, chosen.runs
    if section == "peers":
        compared = [
            peers.compare(
                chosen.events,
                runs,
                dirty=dirty,
                names=[peer.name for peer in peers.ENTRANTS if not dirty or peer.does_the_job],
                modes=("none", _OUTPUT) if not dirty else (_OUTPUT,),
                place=place / f"peers-{dirty}",
                say=say,
            )
            for dirty in (False, True)
        ]
        if bars := peers.bars(compared[0]):
            measured.charts["benchmarks"] = chart(f"The same job, events/s ({machine})", "/s", bars)
        if bars := peers.right_bars(compared[1]):
            measured.charts["benchmarks-right"] = chart(
                "Windows right when messages come late, twice and out of order", "%", bars
            )
        return measured.add(section, compared, *map(peers.sheet, compared))
    if section == "throughput":
        found = throughput.measure(chosen.buyers, runs, place, say)
        figures = {what: [asdict(run) for run in each] for what, each in found.items()}
        return measured.add(section, figures, _throughput(found, machine))
    if section == "profile":
        by_part = profile.measure(chosen.buyers, place / "f", say)
        return measured.add(section, by_part, profile.sheet(by_part))
    if section == "latency":
        late = latency.measure(chosen.buyers, chosen.latency_seconds, runs, place / "l", say)
        return measured.add(section, asdict(late.rounded()), _latency(late, machine))
    if section == "recovery":
        recovered = recovery.measure(chosen.recovery_buyers, runs, place / "r", say)
        return measured.add(section, asdict(recovered), _recovery(recovered))
    if section == "queries":
        asked = queries.measure(chosen.rows, chosen.asked, place / "q", say)
        percentiles = [asdict(one) | {"p50": one.percentile(50), "p99": one.percentile(99)} for one in asked]
        engines = (queries.EMBEDDED, queries.SERVER)
        sheets = [_queries(engine, [one for one in asked if one.engine == engine], machine) for engine in engines]
        return measured.add(section, percentiles, *sheets)
    if section == "growth":
        points = growth.measure(runs, place / "g", say)
        measured.charts["growth"] = growth_chart(points)
        return measured.add(section, {"points": [asdict(point) for point in points]}, growth_sheet(points))
    paused = pause.measure(chosen.buyers, chosen.pause_seconds, runs, place / "p", say)
    return measured.add(section, [asdict(one) for one in paused], pause.sheet(paused, machine))


def _throughput(found: dict[str, list[Run]], machine: str) -> Sheet:
    bare, rows = _speed(found[throughput.DECODE]), []
    for what, runs in found.items():
        speeds = [run.records / run.seconds for run in runs]
        cpu = statistics.median(run.cpu_seconds / run.records for run in runs) * 1e6
        broker = statistics.median(run.broker_cpu_seconds / run.records for run in runs) * 1e6
        rows.append(
            (
                what,
                f"{_speed(runs):,.0f}",
                f"{min(speeds):,.0f}–{max(speeds):,.0f}",
                f"{_speed(runs) / bare:.0%}",
                f"{cpu:.1f}",
                f"{broker:.1f}" if broker else "",
                f"{max(run.rss_mb for run in runs):,.0f}",
            )
        )
    return Sheet(
        f"{found[throughput.DECODE][0].records:,} events, parts, broker and bench on the same cores; {machine}",
        ("what", "events/s", "spread", "of bare decode", "CPU µs/event", "the broker's", "peak MB"),
        rows,
    )


def _speed(runs: list[Run]) -> float:
    return statistics.median(run.records / run.seconds for run in runs)


def _latency(found: latency.Latencies, machine: str) -> Sheet:
    rows = []
    for share in latency.SHARES:
        runs = [one for one in found.at if one.share == share]
        rows.append(
            (
                f"{share:.0%}",
                f"{statistics.median(one.rate for one in runs):,.0f}",
                f"{sum(len(one.to_row) for one in runs):,}",
                f"{sum(one.kept_up for one in runs)} of {len(runs)}",
                *(_late([each.to_result for each in runs], p) for p in (50, 99)),
                *(_late([each.to_row for each in runs], p) for p in (50, 99)),
                *(_late([each.to_page for each in runs], p) for p in (50, 99)),
                " + ".join(f"{statistics.median(one.cores[part] for one in runs):.2f}" for part in runs[0].cores),
                " + ".join(f"{max(one.peak_mb[part] for one in runs):,.0f}" for part in runs[0].peak_mb),
            )
        )
    most = "the most that is kept up with" if found.kept_up else "the least tried, and not kept up with"
    tried = ", ".join(f"{rate:,.0f} {'yes' if kept else 'no'}" for rate, kept in found.tried)
    return Sheet(
        f"seconds from produced, one worker, sink and web part in one process; {found.most:,.0f} events/s are {most};"
        f" of a backlog {found.backlog:,.0f} are read; {machine}",
        (
            "share of the most",
            "events/s",
            "probes",
            "runs kept up with",
            "in Kafka, p50",
            "in Kafka, p99",
            "row, p50",
            "row, p99",
            "wallboard, p50",
            "wallboard, p99",
            "cores",
            "peak MB",
        ),
        rows,
        f"In Kafka: the worker's result. Percentiles are a run's; least and most of the runs behind the median. Cores kept busy, and memory:"
        f" {' + '.join(found.at[0].cores)}. Tried for the most, events/s, and kept up with: {tried}.",
    )


def _late(runs: Sequence[Sequence[float]], share: int) -> str:
    """That percentile, in seconds: the median of the runs, the least and the most."""
    each = [percentile(sorted(run), share) for run in runs]
    return f"{statistics.median(each):.2f} ({min(each):.2f}–{max(each):.2f})"


def _recovery(found: recovery.Recovery) -> Sheet:
    read_from = {
        "its local copy": found.with_local_copy,
        "Kafka": found.from_kafka,
        f"its local copy{throughput.COMPILED}": found.compiled_with_local_copy,
        f"Kafka{throughput.COMPILED}": found.compiled_from_kafka,
    }
    measured = [(where, seconds) for where, seconds in read_from.items() if seconds]
    return Sheet(
        f"a worker with {found.facts:,} facts of {found.buyers:,} buyers, killed while idle, from its start until it has its state",
        ("state read from", "seconds", "spread", "CPU seconds", "peak MB"),
        [
            (
                where,
                f"{statistics.median(seconds):.1f}",
                f"{min(seconds):.1f}–{max(seconds):.1f}",
                f"{statistics.median(cpu):.1f}",
                f"{max(peak):,.0f}",
            )
            for (where, seconds), cpu, peak in zip(
                measured, found.cpu_seconds.values(), found.peak_mb.values(), strict=True
            )
        ],
        f"A buyer of {found.facts / found.buyers:.0f} facts takes {median_of(found.held(recovery.LOCAL))} bytes in a worker that has been"
        f" started again from its local copy, and {median_of(found.held(recovery.FROM_KAFKA))} right after it has read its state from Kafka."
        f" The group's session timeout is in the seconds.",
    )


def _queries(engine: str, asked: list[queries.Asked], machine: str) -> Sheet:
    return Sheet(
        f"what the pages ask {engine}, ms; {machine}",
        ("what", "rows in table", "on disk, MB", "answers, rows", "asked", "p50", "p99", "CPU ms", "peak MB", "load"),
        [
            (
                one.what,
                f"{one.rows:,}",
                f"{one.megabytes:,.0f}",
                f"{one.answer_rows:,}",
                f"{len(one.milliseconds)}",
                f"{one.percentile(50):,.1f}",
                f"{one.percentile(99):,.1f}",
                f"{one.cpu_ms:,.1f}",
                f"{one.peak_mb:,.0f}",
                f"{one.load:.1f}",
            )
            for one in asked
        ],
        f"A question that took {queries.ENOUGH_SECONDS:.0f} s in all was asked no more. CPU: of an answer on average, by who asks and by"
        f" ClickHouse; memory: of ClickHouse's process, what it holds from before with it. Load: of the machine, over a minute."
        f" Without events, and so without a row: {', '.join(sorted(queries.WITHOUT_ROWS))}.",
    )


_FIGURES: Final = "benchmarks.json"
_CHARTS: Final = {
    "benchmarks": ("peers", "events/s of each program"),
    "benchmarks-right": ("peers", "percent of windows right on a dirty delivery"),
    "growth": ("growth", "how cost grows, on logarithmic axes"),
}


def _write(place: Path, figures: dict[str, Any], charts: dict[str, str]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name, drawn in charts.items():
        (place / f"{name}.svg").write_text(drawn, encoding="utf-8")
    lines = [
        "# Measured",
        "",
        "By `make bench`; of a section measured alone the others stay, so each says when and on what it was measured. What each line",
        "means and what it can be compared with: [performance.md](../docs/performance.md), [benchmarks/peers](../benchmarks/peers/README.md).",
        "",
    ]
    for section in SECTIONS:
        shown = figures["shown"].get(section)
        if shown and shown["sheets"]:
            lines += [f"## {section.capitalize()}", ""]
            kind = "the best" if section in _BEST else "medians"
            runs = f"{kind} of {shown['runs']} runs" if shown["runs"] > 1 else "one run"
            commit = f" of {shown['commit']}" if shown.get("commit") else ""
            lines += [f"On {shown['date']}{commit}, {runs}; {shown['machine']}.", ""]
            lines += [
                f"![{alt}]({name}.svg)\n"
                for name, (of, alt) in _CHARTS.items()
                if of == section and (place / f"{name}.svg").exists()
            ]
            lines += shown["sheets"]
    (place / "benchmarks.md").write_text("\n".join(lines), encoding="utf-8")
    (place / _FIGURES).write_text(_as_json(figures), encoding="utf-8")


_NUMBERS: Final = re.compile(r"\[[-\d.,\se+]*\]")


def _as_json(figures: dict[str, Any]) -> str:
    """One line for each figure, and for each list of numbers."""
    text = json.dumps(figures, indent=1)
    return _NUMBERS.sub(lambda found: re.sub(r"\s+", " ", found[0]).replace("[ ", "[").replace(" ]", "]"), text) + "\n"


if __name__ == "__main__":
    sys.exit(main())
