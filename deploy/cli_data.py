"""Commands that make, send and replay events."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli_later import not_yet
from deploy.context import kafka_failed, load_rules, load_settings, progress_bar, say, start_logs
from deploy.errors import CommandError, wrong_use
from schemas.settings import Settings

if TYPE_CHECKING:
    from processors.ruleset import RulesetBook
    from replay.ingest import IngestCounts, Pace

app = typer.Typer()

_MAX_SPEED = "max"


class _Engine(StrEnum):
    MEMORY = "memory"
    STACK = "stack"


def _speed(text: str) -> float | None:
    """None for `max`. Raises CommandError (wrong use)."""
    if text == _MAX_SPEED:
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0
    if not 0 < speed < float("inf"):
        raise wrong_use(f"--speed must be a number above 0 or max, not {text!r}")
    return speed


@app.command()
def generate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Directory to write to; it is created.")],
    shops: Annotated[int, typer.Option(help="Shops.")] = 2,
    agents: Annotated[int, typer.Option(help="Service agents, over all shops.")] = 40,
    buyers: Annotated[int, typer.Option(help="Buyers, over all shops.")] = 5000,
    hours: Annotated[float, typer.Option(help="Length of the sale.")] = 4,
    seed: Annotated[int, typer.Option(help="The same seed and options give the same bytes.")] = 7,
    start: Annotated[
        str, typer.Option(metavar="TIME", help="Begin of the sale, RFC 3339 with an offset.")
    ] = "2025-11-11T18:00:00+08:00",
    duplicates: Annotated[float, typer.Option(help="Share of events delivered twice, 0 to 1.")] = 0,
    disorder: Annotated[float, typer.Option(help="Share of events delivered late, 0 to 1.")] = 0,
    faults: Annotated[int, typer.Option(help="Number of invalid lines mixed in.")] = 0,
) -> None:
    """A sale event's events as .jsonl, one file a topic."""
    from replay.generator import EVENTS_PER_BUYER, SaleConfig, write_sale

    try:
        config = SaleConfig(shops, agents, buyers, hours, seed, start, duplicates, disorder, faults)
    except ValueError as error:
        raise wrong_use(f"--{error}") from None
    if out.exists() and not out.is_dir():
        raise wrong_use(f"{out}: not a directory")
    with progress_bar() as bar:
        task = bar.add_task("generate", total=max(1, buyers * EVENTS_PER_BUYER))
        try:
            counts = write_sale(config, out, lambda done: bar.update(task, completed=done))
        except OSError as error:
            raise CommandError(f"{error.filename or out}: {error.strerror or error}") from None
    for kind, count in counts.items():
        print(f"{kind}: {count}")
    say(f"{sum(counts.values())} lines written to {out}")


@app.command()
def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Files (.jsonl, .gz, .zst), directories of them, or - for stdin."),
    ],
    speed: Annotated[
        str, typer.Option(metavar="N|max", help="Play: the events' time apart divided by N, the first one now.")
    ] = _MAX_SPEED,
    live: Annotated[
        bool, typer.Option("--live", help="Play: send each event when its time has come, past ones at once.")
    ] = False,
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Play live with all times moved, so that the first event is now.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the broker to answer.")] = 10,
) -> None:
    """Validate events and produce them to Kafka; what is no event goes to the dead-letter topic."""
    factor = _speed(speed)
    if factor is not None and (live or shift_to_now):
        raise wrong_use("--speed can't be combined with --live or --shift-to-now")
    settings = load_settings()
    start_logs(settings, "ingest", quiet=True)
    from replay.ingest import Pace

    counts = _run_ingest(settings, files, Pace(factor, live, shift_to_now), wait)
    accepted, rejected = counts.accepted.total(), counts.rejected.total()
    for kind, count in sorted(counts.accepted.items()):
        print(f"{kind}: {count}")
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.rejected.items()))
    print(f"accepted: {accepted}\nrejected: {rejected}" + (f" ({reasons})" if reasons else ""))


@app.command()
def replay(
    inputs: Annotated[
        Path, typer.Argument(metavar="IN", help="Directory with .jsonl, .gz, .zst at any depth, or a file.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory to write the outputs to.")],
    engine: Annotated[
        _Engine, typer.Option(help="memory: in process; stack: through Kafka and ClickHouse.")
    ] = _Engine.MEMORY,
    rules: Annotated[Path | None, typer.Option(metavar="FILE", help="Ruleset file; default: the packaged one.")] = None,
    speed: Annotated[str, typer.Option(metavar="N|max", help="Pace; memory always runs at max.")] = _MAX_SPEED,
) -> None:
    """Run the processors over events in files: flags, tasks, rounds, windows, leaderboard, rejected, summary."""
    factor = _speed(speed)
    if engine is _Engine.STACK:
        raise not_yet("replay --engine stack")
    settings = load_settings()
    start_logs(settings, "replay", quiet=True)
    book = load_rules(rules or settings.rules)
    from replay.files import InputError, MissingInputError, input_files

    try:
        found = input_files(inputs)
    except MissingInputError as error:
        raise wrong_use(str(error)) from None
    except InputError as error:
        raise CommandError(str(error)) from None
    if out.exists() and not out.is_dir():
        raise wrong_use(f"{out}: not a directory")
    if not found:
        say(f"zhengdian: warning: no *.jsonl, *.jsonl.gz or *.jsonl.zst below {inputs}")
    if factor is not None:
        say("zhengdian: warning: --speed changes nothing with --engine memory")
    summary = _run_replay(inputs, out, book, max(1, sum(file.size for file in found)))
    for name, value in summary.items():
        print(f"{name}: {json.dumps(value, ensure_ascii=False)}")


def _run_ingest(settings: Settings, paths: Sequence[Path], pace: "Pace", wait: float) -> "IngestCounts":
    from kafka.errors import KafkaError

    from replay.files import InputError, MissingInputError
    from replay.ingest import files_of, ingest
    from sinks.kafka import EventProducer, PublishError, wait_for_broker

    try:
        found = files_of(paths)
    except MissingInputError as error:
        raise wrong_use(str(error)) from None
    except InputError as error:
        raise CommandError(str(error)) from None
    if not found:
        say(f"zhengdian: warning: no *.jsonl, *.jsonl.gz or *.jsonl.zst below {', '.join(map(str, paths))}")
    try:
        wait_for_broker(settings, wait)
        producer = EventProducer(settings)
        try:
            with progress_bar() as bar:
                task = bar.add_task("ingest", total=max(1, sum(file.size for file in found)))
                return ingest(
                    found,
                    producer,
                    pace=pace,
                    future_tolerance_ms=settings.future_tolerance_seconds * 1000,
                    on_bytes=lambda size: bar.advance(task, size),
                    on_counts=lambda counts: bar.update(
                        task, description=f"accepted {counts.accepted.total()}, rejected {counts.rejected.total()}"
                    ),
                )
        finally:
            producer.close()
    except InputError as error:
        raise CommandError(str(error)) from None
    except (KafkaError, PublishError) as error:
        raise kafka_failed(settings, error) from error


def _run_replay(inputs: Path, out: Path, book: "RulesetBook", total_bytes: int) -> dict[str, Any]:
    from replay.files import InputError
    from replay.memory import replay as run

    try:
        with progress_bar() as bar:
            task = bar.add_task("replay", total=total_bytes)
            return run(inputs, out, book, lambda size: bar.advance(task, size))
    except InputError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{error.filename or out}: {error.strerror or error}") from None
