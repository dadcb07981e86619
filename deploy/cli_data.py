"""Commands that make and send events."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.context import (
    MAX_SPEED,
    kafka_failed,
    load_settings,
    make_room_for,
    parse_speed,
    progress_bar,
    say,
    start_logs,
)
from deploy.errors import CommandError, wrong_use
from schemas.settings import Settings

if TYPE_CHECKING:
    from replay.ingest import IngestCounts, Pace

app = typer.Typer()


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
    ] = MAX_SPEED,
    live: Annotated[
        bool, typer.Option("--live", help="Play: send each event when its time has come, past ones at once.")
    ] = False,
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Play live with all times moved, so that the first event is now.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the broker to answer.")] = 10,
) -> None:
    """Validate events and produce them to Kafka; what is no event goes to the dead-letter topic."""
    factor = parse_speed(speed)
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
    if pace.waits:
        make_room_for(len(found))
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
