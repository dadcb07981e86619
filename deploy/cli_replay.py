"""The commands that run a past sale again, and that show the live one as a replay would."""

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.context import (
    MAX_SPEED,
    load_rules,
    load_settings,
    open_with_tables,
    parse_moment,
    parse_speed,
    progress_bar,
    say,
    start_logs,
)
from deploy.errors import CommandError, wrong_use

if TYPE_CHECKING:
    from processors.ruleset import RulesetBook
    from replay.files import InputFile

app = typer.Typer()


class _Engine(StrEnum):
    MEMORY = "memory"
    STACK = "stack"


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
    speed: Annotated[
        str, typer.Option(metavar="N|max", help="stack: N times as fast as it was; memory always runs at max.")
    ] = MAX_SPEED,
    workers: Annotated[int, typer.Option(min=1, help="stack: worker processes.")] = 1,
    processes: Annotated[
        int, typer.Option(min=0, help="memory: processes, each with a share of the buyers; 0: one a core.")
    ] = 1,
    keep: Annotated[
        bool, typer.Option("--keep", help="stack: leave the topics, the database and the logs of the run.")
    ] = False,
) -> None:
    """Run the processors over events in files: flags, tasks, rounds, windows, leaderboard, rejected, summary."""
    factor = parse_speed(speed)
    settings = load_settings()
    start_logs(settings, "replay", quiet=True)
    book = load_rules(rules or settings.rules)
    found = _found(inputs)
    _check_out(out)
    if not found:
        say(f"zhengdian: warning: no *.jsonl, *.jsonl.gz or *.jsonl.zst below {inputs}")
    if engine is _Engine.STACK:
        from deploy.replay_stack import StackOptions, replay_through_stack

        if processes != 1:
            say("zhengdian: warning: --processes changes nothing with --engine stack")
        options = StackOptions(inputs, out, rules, factor, workers, keep)
        _show(replay_through_stack(options, settings, book))
        return
    for name, given in (("--speed", factor is not None), ("--workers", workers > 1), ("--keep", keep)):
        if given:
            say(f"zhengdian: warning: {name} changes nothing with --engine memory")
    processes = processes or os.cpu_count() or 1
    _show(_run_replay(inputs, out, book, max(1, sum(file.size for file in found)), processes))


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory to write the files to.")],
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="RFC 3339 with an offset; default: the beginning.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="RFC 3339, not included; default: the end.")
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When open rounds are looked at; default: the latest event's time."),
    ] = None,
) -> None:
    """The live results out of ClickHouse, as the files of a replay."""
    from replay.export import Span

    first, last, everything = parse_moment("--from", since), parse_moment("--to", until), Span()
    span = Span(everything.first if first is None else first, everything.last if last is None else last)
    if span.first >= span.last:
        raise wrong_use("--from must be earlier than --to")
    at = parse_moment("--now", now)
    settings = load_settings()
    start_logs(settings, "export", quiet=True)
    book = load_rules(settings.rules)
    _check_out(out)
    from replay.export import export as run
    from sinks.database import DatabaseError, DatabaseUnavailableError

    try:
        with open_with_tables(settings) as db:
            _show(run(db, out, book, span=span, now=at))
    except (DatabaseError, DatabaseUnavailableError) as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{error.filename or out}: {error.strerror or error}") from None


def _found(inputs: Path) -> list["InputFile"]:
    from replay.files import STDIN, InputError, MissingInputError, input_files

    if str(inputs) == STDIN:
        raise wrong_use("replay may read its input twice, so it has to be files")
    try:
        return input_files(inputs)
    except MissingInputError as error:
        raise wrong_use(str(error)) from None
    except InputError as error:
        raise CommandError(str(error)) from None


def _check_out(out: Path) -> None:
    """Before hours of work, not after them."""
    if out.exists() and not out.is_dir():
        raise wrong_use(f"{out}: not a directory")
    above = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise CommandError(f"{out}: {above} can't be written to")


def _show(summary: dict[str, Any]) -> None:
    for name, value in summary.items():
        print(f"{name}: {json.dumps(value, ensure_ascii=False)}")


def _run_replay(inputs: Path, out: Path, book: "RulesetBook", total_bytes: int, processes: int) -> dict[str, Any]:
    from deploy.interrupts import interruptible
    from replay import memory, parallel
    from replay.files import InputError

    try:
        with interruptible(), progress_bar() as bar:
            task = bar.add_task("replay", total=total_bytes)
            if processes == 1:
                return memory.replay(inputs, out, book, lambda size: bar.advance(task, size))
            return parallel.replay(inputs, out, book, processes, lambda size: bar.advance(task, size))
    except (InputError, parallel.ProcessError) as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{error.filename or out}: {error.strerror or error}") from None
