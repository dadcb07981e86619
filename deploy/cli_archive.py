"""The command that takes a past event out of the system."""

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from deploy.context import (
    kafka_failed,
    load_rules,
    load_settings,
    open_with_tables,
    parse_moment,
    progress_bar,
    say,
    start_logs,
)
from deploy.errors import CommandError, wrong_use
from schemas.settings import Settings
from schemas.types import format_time

if TYPE_CHECKING:
    from replay.archive.manifest import ArchiveManifest, ArchiveOptions
    from replay.archive.selection import Selection
    from replay.archive.writer import Source

app = typer.Typer()


class _From(StrEnum):
    KAFKA = "kafka"
    CLICKHOUSE = "clickhouse"


class _Where(NamedTuple):
    """As in ArchiveOptions: an archive of two systems would be of none."""

    origin: str
    topic_prefix: str = ""
    database: str = ""


@app.command()
def archive(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Directory to write to; a run that was stopped goes on.")],
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="First moment, RFC 3339 with an offset; default: no bound."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="First moment after it; commands are taken without an end."),
    ] = None,
    source: Annotated[_From, typer.Option(help="Where to take it from.")] = _From.KAFKA,
    wait: Annotated[float, typer.Option(min=0, help="kafka: seconds to wait for the broker to answer.")] = 10,
    part_bytes: Annotated[int | None, typer.Option(min=1, hidden=True, help="Bytes between two checkpoints.")] = None,
) -> None:
    """A past event out of Kafka or ClickHouse, by the events' time, into a directory that replay and ingest read."""
    start, end = parse_moment("--from", since), parse_moment("--to", until)
    if start is not None and end is not None and start >= end:
        raise wrong_use("--from must be earlier than --to")
    if out.exists() and not out.is_dir():
        raise wrong_use(f"{out}: not a directory")
    settings = load_settings()
    start_logs(settings, "archive", quiet=True)
    from replay.archive.manifest import ArchiveOptions, ArchiveRange
    from replay.archive.selection import EARLIEST_MS, LATEST_MS, Selection
    from replay.archive.writer import PART_BYTES

    span = ArchiveRange(
        start=None if start is None else format_time(start), end=None if end is None else format_time(end)
    )
    selection = Selection(EARLIEST_MS if start is None else start, LATEST_MS if end is None else end)
    rulesets = list(load_rules(settings.rules).versions)
    opened = _kafka(settings, selection, wait) if source is _From.KAFKA else _clickhouse(settings, selection)
    with opened as (taken_from, where):
        options = ArchiveOptions(
            source=source.value,
            range=span,
            topic_prefix=where.topic_prefix,
            database=where.database,
            origin=where.origin,
            part_bytes=part_bytes or PART_BYTES,
        )
        manifest = _write(out, options, taken_from, rulesets)
    _report(out, manifest)


@contextlib.contextmanager
def _kafka(settings: Settings, selection: "Selection", wait: float) -> "Iterator[tuple[Source, _Where]]":
    from kafka.errors import KafkaError

    from replay.archive.from_kafka import KafkaSource
    from sinks.kafka import cluster_of, wait_for_broker

    try:
        wait_for_broker(settings, wait)
        where = _Where(cluster_of(settings), topic_prefix=settings.topic_prefix)
        yield KafkaSource(settings, selection), where
    except (KafkaError, TimeoutError) as error:
        raise kafka_failed(settings, error) from error


@contextlib.contextmanager
def _clickhouse(settings: Settings, selection: "Selection") -> "Iterator[tuple[Source, _Where]]":
    from replay.archive.from_clickhouse import ClickHouseSource
    from sinks.database import DatabaseError, DatabaseUnavailableError
    from sinks.embedded import DatabaseLockedError

    try:
        with open_with_tables(settings) as database:
            yield ClickHouseSource(database, selection), _Where(database.place, database=database.name)
    except (DatabaseError, DatabaseUnavailableError) as error:
        hint = "; --source kafka needs no database" if isinstance(error, DatabaseLockedError) else ""
        raise CommandError(f"ClickHouse: {error}{hint}") from error


def _write(out: Path, options: "ArchiveOptions", source: "Source", rulesets: list[str]) -> "ArchiveManifest":
    from replay.archive.manifest import ArchiveError
    from replay.archive.writer import ArchiveUseError, write_archive

    try:
        with progress_bar() as bar:
            task = bar.add_task("archive", total=None)
            return write_archive(
                out,
                options,
                source,
                rulesets,
                lambda done, total: bar.update(task, completed=done, total=max(done, total)),
            )
    except ArchiveUseError as error:
        raise wrong_use(str(error)) from None
    except ArchiveError as error:
        raise CommandError(str(error)) from None
    except TimeoutError:  # an OSError too, but Kafka's
        raise
    except OSError as error:
        raise CommandError(
            f"{error.filename or out}: {error.strerror or error}; the same command goes on where this one ended"
        ) from None


def _report(out: Path, manifest: "ArchiveManifest") -> None:
    if cut := manifest.read_to.get("cut"):
        more = f" and of {len(cut) - 1} more partitions" if len(cut) > 1 else ""
        say(
            f"zhengdian: warning: Kafka has deleted the beginning of {cut[0]}{more}; events of the range may be missing, "
            "--source clickhouse may still have them"
        )
    if unread := manifest.read_to.get("unread_by_workers"):
        say(
            f"zhengdian: warning: {unread} records had not been read by a worker when the archive was begun; "
            "where they differ from one with the same id, a replay decides which counts"
        )
    counts = manifest.counts
    if manifest.options.source == "clickhouse" and (conflicts := counts.rejected.get("conflict")):
        say(
            f"zhengdian: warning: {conflicts} records lost a conflict; where the two stood on different topics, ClickHouse may "
            "lack the one that counts: --source kafka has it"
        )
    for topic, by_type in sorted(counts.events.items()):
        for kind, count in sorted(by_type.items()):
            print(f"{topic} {kind}: {count}")
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.rejected.items()))
    events = sum(sum(by_type.values()) for by_type in counts.events.values())
    print(f"events: {events}\nrejected: {sum(counts.rejected.values())}" + (f" ({reasons})" if reasons else ""))
    print(f"files: {len(manifest.files)}\nbytes: {sum(file.bytes for file in manifest.files)}")
    say(f"archive written to {out}")
