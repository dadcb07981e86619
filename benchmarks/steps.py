"""`python -m benchmarks.steps COMMIT...`: what a change to the worker's core gave, by itself measured before and after it.

The same generated sale goes through the core as it was at the commit and at its parent, in turns, each in a process of its own
that imports what it needs from a work tree of that commit. CPU time of `apply` and `flush`, interpreted, without the collector.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.growth import World, incoming
from benchmarks.sheets import Sheet

_ROOT: Final = Path(__file__).parents[1]
_CORE: Final = Path(__file__).with_name("steps_core.py")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table; 1 when a commit can't be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "commits", nargs="+", metavar="COMMIT", help="each is held against its parent; BEFORE..AFTER against another"
    )
    parser.add_argument("--buyers", type=int, default=8192, help="of the generated sale, about 20 events a buyer")
    parser.add_argument("--runs", type=int, default=5, help="of each; the least counts")
    chosen = parser.parse_args(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=150)
    try:
        console.print(measure(chosen.commits, chosen.buyers, chosen.runs).rich())
    except subprocess.CalledProcessError as error:
        words = (error.stderr or "").strip().splitlines()
        print(f"not measured: {words[-1] if words else error}", file=sys.stderr)
        return 1
    return 0


def measure(commits: Sequence[str], buyers: int, runs: int) -> Sheet:
    """CPU µs an event before and after each. Raises CalledProcessError for what is no commit, or has another core."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="zhengdian-steps-") as name:
        records = Path(name) / "records.jsonl"
        with records.open("w", encoding="utf-8") as file:
            for topic, partition, offset, key, value, *_ in incoming(World(buyers=buyers)):
                line = (topic, partition, offset, (key or b"").decode(), value.decode())
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        for number, commit in enumerate(commits):
            with ExitStack() as stack:
                first, _, last = commit.partition("..") if ".." in commit else (f"{commit}^", "", commit)
                before, after = (
                    stack.enter_context(_at(each, Path(name) / f"{number}-{side}"))
                    for side, each in (("before", first), ("after", last))
                )
                costs: dict[Path, list[float]] = {before: [], after: []}
                for _ in range(runs):
                    for place, found in costs.items():
                        found.append(_cost(place, records))
            subject = _git("log", "-1", "--format=%s", last)
            least = [min(found) for found in costs.values()]
            spread = [
                f"{each:.1f} ({statistics.median(found):.1f})"
                for each, found in zip(least, costs.values(), strict=True)
            ]
            rows.append((f"{commit}: {subject}", *spread, f"{least[0] / least[1]:.2f}"))
    return Sheet(
        "CPU µs an event of the worker's core, the least of the runs and the median",
        ("step", "before", "after", "times as fast"),
        rows,
    )


@contextmanager
def _at(commit: str, place: Path) -> Iterator[Path]:
    """A work tree of it."""
    _git("worktree", "add", "--detach", str(place), commit)
    try:
        yield place
    finally:
        _git("worktree", "remove", "--force", str(place))


def _cost(place: Path, records: Path) -> float:
    command = [sys.executable, "-P", str(_CORE), str(records)]
    told = subprocess.run(  # noqa: S603 - our own program
        command, env={"PYTHONPATH": str(place)}, capture_output=True, check=True, text=True
    )
    return float(told.stdout)


def _git(*words: str) -> str:
    command = ["git", "-C", str(_ROOT), *words]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
