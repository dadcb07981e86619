"""Commands that check and mend what the pipeline wrote."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploy.context import load_rules, load_settings, open_with_tables, parse_moment, progress_bar, say, start_logs
from deploy.errors import CommandError, wrong_use

if TYPE_CHECKING:
    from processors.ruleset import RulesetBook
    from sinks.database import Database
    from sinks.verify.run import Difference, Report
    from sinks.verify.scope import Span

app = typer.Typer()
_MAX_AGE_S: Final = 366 * 86_400
_LOST: Final = "the event that counted is not in raw_events"


class OutputFormat(StrEnum):
    """How findings are printed."""

    text = "text"
    json = "json"


From = Annotated[str, typer.Option("--from", metavar="TIME", help="RFC 3339 with an offset.")]
To = Annotated[str, typer.Option("--to", metavar="TIME", help="RFC 3339 with an offset; the range ends before it.")]
Shop = Annotated[str | None, typer.Option(help="This shop only.")]
RulesFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Ruleset; default: ZHENGDIAN_RULES, else the packaged one.")
]


@app.command()
def verify(
    since: From,
    until: To,
    shop: Shop = None,
    rules: RulesFile = None,
    output: Annotated[OutputFormat, typer.Option("--format", help="text: one line a difference.")] = OutputFormat.text,
    limit: Annotated[int, typer.Option(min=0, help="Differences to print; all are counted.")] = 1000,
    allow_other_rules: Annotated[
        bool, typer.Option("--allow-other-rules", help="Rows under rules that are not loaded are no failure.")
    ] = False,
) -> None:
    """Recompute results from ClickHouse's raw events by SQL of its own, compare, exit 1 on drift.

    The range grows to the whole local days that it touches.
    """
    start, end = _range(since, until)
    with _database() as db:
        from sinks.verify.run import Verify

        book = _book(rules)
        check = Verify(db, book)
        found = _spans(db, book, start, end, shop)
        with progress_bar() as bar:
            task = bar.add_task("verify", total=max(1, len(found)))
            differences = []
            for difference in check.run(found, limit, lambda span: bar.update(task, description=_span(span, book))):
                if output is OutputFormat.text:
                    print(difference.line())
                else:
                    differences.append(difference)
    if output is OutputFormat.text:
        print("\n".join(_summary(check.report)))
    else:
        _print_json(differences, check.report)
    sys.stdout.flush()
    if not check.report.clean:
        raise CommandError(
            "the tables are not what the raw events say; zhengdian backfill --dry-run tells what it would repair"
        )
    if check.report.other_rules and not allow_other_rules:
        raise CommandError(
            f"rows under rules that are not loaded ({', '.join(sorted(check.report.other_rules))}) were not compared;"
            " give their file with --rules, or let them pass with --allow-other-rules"
        )


@app.command()
def backfill(
    since: From,
    until: To,
    shop: Shop = None,
    rules: RulesFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be repaired, and change nothing.")
    ] = False,
    min_age: Annotated[
        float, typer.Option(min=0, help="Leave rows alone that were written less than so many seconds ago.")
    ] = 60,
    limit: Annotated[int, typer.Option(min=0, help="Repairs to print; all are made.")] = 1000,
) -> None:
    """Replay a range out of ClickHouse's raw events and put its rows right; what was right is left alone.

    The range grows to the whole local days that it touches.
    """
    start, end = _range(since, until)
    if not 0 <= min_age <= _MAX_AGE_S:  # the option's bounds let nan through
        raise wrong_use(f"--min-age must be a number of seconds from 0 to {_MAX_AGE_S}, not {min_age}")
    with _database() as db:
        from replay.backfill import Backfill

        book = _book(rules)
        run = Backfill(db, book, dry_run=dry_run, min_age_seconds=min_age)
        found = _spans(db, book, start, end, shop)
        with progress_bar() as bar:
            task = bar.add_task("backfill", total=max(1, len(found)))
            repairs = run.run(found, lambda span: bar.update(task, description=_span(span, book)))
            for number, repair in enumerate(repairs):
                if number < limit:
                    print(repair.line())
    done = run.repairs
    for table in sorted(done.inserted | done.replaced | done.deleted):
        print(
            f"{table}: {done.inserted[table]} inserted, {done.replaced[table]} replaced, {done.deleted[table]} deleted"
        )
    if done.settled:
        print(f"late events settled: {done.settled}")
    for count, why in (
        (done.recent, f"rows written in the last {min_age:g} s; run it again later"),
        (done.lost, f"rows, {_LOST}"),
        (done.eventless, "days with rows but without any raw event"),
        (done.aged, "days so old that raw events of theirs may have expired"),
    ):
        if count:
            say(f"left alone: {count} {why}")
    print(f"{'would repair' if dry_run else 'repaired'}: {done.total} rows in {done.days} shop days")


def _range(since: str, until: str) -> tuple[int, int]:
    """[from, to) in ms. Raises CommandError (wrong use)."""
    start, end = parse_moment("--from", since), parse_moment("--to", until)
    assert start is not None
    assert end is not None
    if start >= end:
        raise wrong_use(f"--from must be earlier than --to, not {since} and {until}")
    return start, end


def _spans(db: "Database", book: "RulesetBook", start: int, end: int, shop: str | None) -> "list[Span]":
    """The days to look at; says so when there are none. Raises CommandError for a shop of which there is nothing at all."""
    from sinks.verify.scope import has_shop, spans

    found = spans(db, book, start, end, shop)
    if not found:
        if shop is not None and not has_shop(db, shop):
            raise CommandError(f"no event and no row of a shop {shop!r}")
        say("nothing in this range")
    return found


def _book(rules: Path | None) -> "RulesetBook":
    return load_rules(rules if rules is not None else load_settings().rules)


@contextmanager
def _database() -> Iterator["Database"]:
    """The settings' database with its tables; what ClickHouse says against it becomes a CommandError."""
    from sinks.database import DatabaseError, DatabaseUnavailableError

    settings = load_settings()
    start_logs(settings, "verify", quiet=True)
    try:
        with open_with_tables(settings) as db:
            yield db
    except (DatabaseError, DatabaseUnavailableError) as error:
        raise CommandError(str(error)) from None


def _span(span: "Span", book: "RulesetBook") -> str:
    from schemas.types import format_time

    zone = book.timezone(span.shop_id)
    return f"{span.shop_id} {format_time(span.start, zone)[:10]} to {format_time(span.end - 1, zone)[:10]}"


def _summary(report: "Report") -> list[str]:
    """What was checked, what was not, and what was found, for people."""
    from sinks.verify.run import NOT_RECOMPUTED

    units = +report.units
    lines = [f"checked: {report.days} shop days, {units.total()} rows" + (f" ({_counts(units)})" if units else "")]
    if report.other_rules:
        lines.append(f"not compared, written under rules that are not loaded: {_counts(report.other_rules)}")
    if report.lost:
        lines.append(f"not compared, {_LOST}: {_counts(report.lost)}")
    if report.late:
        lines.append(f"not counted, too late for the worker: {report.late} events; a backfill settles them")
    lines.append(f"not recomputed: {'; '.join(NOT_RECOMPUTED)}")
    lines.append(f"differences: {report.drift.total()}" + (f" ({_counts(report.drift)})" if report.drift else ""))
    return lines


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _print_json(differences: "list[Difference]", report: "Report") -> None:
    from sinks.verify.run import NOT_RECOMPUTED

    print(
        json.dumps(
            {
                "days": report.days,
                "checked": report.units,
                "differences": report.drift,
                "other_rules": report.other_rules,
                "lost_events": report.lost,
                "late_events": report.late,
                "not_recomputed": NOT_RECOMPUTED,
                "rows": [difference._asdict() for difference in differences],
            },
            ensure_ascii=False,
            indent=2,
        )
    )
