"""Commands for rejected records."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from deploy.context import kafka_failed, load_settings, parse_moment, progress_bar, say, start_logs
from deploy.dlq_view import history, printable, row, summary, table
from deploy.errors import CommandError, wrong_use
from schemas.rejections import REASONS
from schemas.settings import Settings
from schemas.topics import REFERENCE, TOPICS

if TYPE_CHECKING:
    from replay.dlq.cases import Case, Place
    from replay.dlq.log import RejectedLog
    from replay.dlq.resend import Outcome

app = typer.Typer()
_dlq = typer.Typer(
    help="Rejected records: list them, look at one, send it again. They are read from Kafka. Buyers are not masked here."
)
app.add_typer(_dlq, name="dlq")

_ID: Final = re.compile(r"(\d{1,9}):(\d{1,18})", re.ASCII)
_IDS_SHOWN: Final = 10
_REFUSALS_SHOWN: Final = 20
_ELSEWHERE: Final = "are in ClickHouse alone: SELECT * FROM rejected"
_Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for the broker to answer.")]
_StateChoice = Literal["todo", "open", "failed_again", "unsure", "resent", "all"]
_TODO: Final = ("open", "failed_again", "unsure")


@_dlq.command("list")
def dlq_list(
    reason: Annotated[str | None, typer.Option(metavar="REASON", help="Only this reason.")] = None,
    topic: Annotated[str | None, typer.Option(metavar="TOPIC", help="Only records from this topic.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only what was rejected or sent again since; RFC 3339 with an offset."),
    ] = None,
    state: Annotated[
        _StateChoice,
        typer.Option(
            help="open: never sent again; failed_again: sent and rejected; unsure: a command was interrupted; "
            "todo: these three; resent: sent, and nothing has come back."
        ),
    ] = "todo",
    limit: Annotated[int, typer.Option(min=1, help="Show this many, the newest; all are counted.")] = 50,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="How to write it.")] = "table",
    wait: _Wait = 10,
) -> None:
    """Rejected records, the newest first, and totals by reason.

    Records of the topic reference that are no events, and rows that ClickHouse would not take, are not here: they are in
    ClickHouse's view rejected.
    """
    since_ms = parse_moment("--since", since)
    _check_reason(reason)
    _check_topic(topic)
    with _opened(wait) as (_, log):
        found = [
            case
            for case in _cases(log)
            if (reason is None or case.current.reason == reason)
            and (topic is None or case.arrivals[0].origin.topic == topic)
            and (since_ms is None or case.changed_ms >= since_ms)
            and _is(case, state)
        ]
    found.sort(key=lambda case: (case.changed_ms, case.place), reverse=True)
    reasons = dict(sorted(Counter(case.current.reason for case in found).items()))
    if form == "json":
        print(_json({"cases": [summary(case) for case in found[:limit]], "total": len(found), "by_reason": reasons}))
        return
    table([row(case) for case in found[:limit]])
    shown = f", the newest {limit} shown" if len(found) > limit else ""
    counts = ", ".join(f"{count} {name}" for name, count in reasons.items())
    print(f"total: {len(found)}" + (f" ({counts})" if counts else "") + shown)


@_dlq.command("show")
def dlq_show(
    record: Annotated[str, typer.Argument(metavar="ID", help="The record, partition:offset as listed.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the record's bytes to stdout, exactly, and nothing else.")
    ] = False,
    attempt: Annotated[
        int | None, typer.Option(min=1, help="The bytes and error of this attempt; default: the last one rejected.")
    ] = None,
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="How to write it.")] = "text",
    wait: _Wait = 10,
) -> None:
    """One rejected record with its bytes and its history."""
    place = _place(record)
    with _opened(wait) as (_, log):
        case = _find(_cases(log), [place])[0]
        try:
            shown = case.rejection_of(attempt)
        except KeyError:
            raise CommandError(f"{case.id}: no rejection of attempt {attempt} is known") from None
        content = log.raw(shown.place)
    if shown.cut:
        say(f"zhengdian: warning: {case.id}: only the first {shown.size} of its {shown.full_size} bytes were kept")
    if case.sent_other(shown):
        say(f"zhengdian: warning: {case.id}: attempt {case.attempts} sent other bytes than those shown")
    if raw:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    elif form == "json":
        from schemas.rejections import rejection

        kept = rejection(shown.reason, shown.error, content)
        bytes_kept = {"raw": kept["raw"], "raw_encoding": kept["raw_encoding"]}
        print(_json(summary(case) | {"cut": shown.cut} | bytes_kept | {"history": [*history(case)]}))
    else:
        for name, value in (
            summary(case) | {"reason": shown.reason, "error": shown.error, "bytes": shown.full_size}
        ).items():
            if name != "head":
                print(f"{name + ':':10} {printable(str(value).encode())}")
        print("history:")
        for event in history(case):
            print("  " + "  ".join(printable(str(value).encode()) for value in event.values()))
        print("record (--raw writes the exact bytes):")
        print(printable(content, keep="\n\t"))


@_dlq.command("replay")
def dlq_replay(
    records: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Records, partition:offset as listed.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FIXED", help="Send this file's content instead of the one record's; - for stdin."),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="REASON", help="All records with this reason still to be done.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All records still to be done.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Send this many at most, the oldest.")] = 100,
    max_attempts: Annotated[
        int, typer.Option(min=1, help="Give a record up after this many attempts, its first arrival counted.")
    ] = 3,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also late and conflict, which a worker rejects again, and what has not come back."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, send nothing.")] = False,
    wait: _Wait = 10,
) -> None:
    """Send rejected records again: one with a corrected content, or many as they are.

    What is still no event, or sure to be rejected, is refused with its reason. Exit code 1 when a record that was named
    was refused; with --all and --reason that is no error.
    """
    if sum((bool(records), reason is not None, every)) != 1:
        raise wrong_use("give records, --reason or --all, and only one of these")
    if file is not None and len(records or ()) != 1:
        raise wrong_use("--file corrects exactly one record")
    _check_reason(reason)
    places = list(dict.fromkeys(_place(record) for record in records or ()))
    correction = None if file is None else _correction(file)
    with _opened(wait) as (settings, log):
        cases = _cases(log)
        if places:
            cases = _find(cases, places)
        else:
            cases = [case for case in cases if _is(case, "todo") and reason in (None, case.current.reason)]
        counts = _replay(settings, log, cases, correction, limit, max_attempts, force=force, dry_run=dry_run)
    total = f"{'would be sent' if dry_run else 'sent'}: {counts['sent']}, refused: {counts['refused']}"
    total += " (why is said above)" if counts["refused"] else ""
    print(total + (f", left for another time: {counts['left']}" if counts["left"] else ""))
    if places and counts["refused"]:
        raise CommandError(f"not every record {'would' if dry_run else 'could'} be sent; see above")


def _replay(
    settings: Settings,
    log: "RejectedLog",
    cases: "list[Case]",
    correction: bytes | None,
    limit: int,
    max_attempts: int,
    *,
    force: bool,
    dry_run: bool,
) -> Counter[str]:
    """Do it, a line on stdout for each; returns counts of sent, refused and left."""
    import time

    from replay.dlq.resend import refusal, rehearse, send_again
    from sinks.kafka import EventProducer

    latest_ms = time.time_ns() // 1_000_000 + settings.future_tolerance_seconds * 1000
    counts: Counter[str] = Counter()
    refused: dict[str, list[str]] = {}
    fit = []
    for case in cases:
        if (why := refusal(case, correction, max_attempts, latest_ms, force=force)) is None:
            fit.append(case)
        else:
            counts["refused"] += 1
            refused.setdefault(why, []).append(case.id)
    print_refused(refused)
    counts["left"] = max(0, len(fit) - limit)
    chosen = islice(fit, limit)
    if dry_run:
        for outcome in rehearse(chosen, log.raw, correction):
            _report(outcome, counts)
        return counts
    producer = EventProducer(settings)
    try:
        for outcome in send_again(chosen, producer, log.raw, correction):
            _report(outcome, counts)
    finally:
        producer.close()
    return counts


def print_refused(refused: dict[str, list[str]]) -> None:
    """A line a reason, the first of them: errors quote the records, so there may be as many as records."""
    for why, ids in islice(refused.items(), _REFUSALS_SHOWN):
        print(f"refused: {_some(ids)}: {printable(why.encode())}")
    if len(refused) > _REFUSALS_SHOWN:
        print(f"refused: more, for {len(refused) - _REFUSALS_SHOWN} other reasons (name a record to see its own)")


def _some(ids: list[str]) -> str:
    """The first of them, and how many more there are."""
    return " ".join(ids[:_IDS_SHOWN]) + (f" and {len(ids) - _IDS_SHOWN} more" if len(ids) > _IDS_SHOWN else "")


def _report(outcome: "Outcome", counts: Counter[str]) -> None:
    case, number = outcome.case, outcome.attempt
    counts["sent"] += 1
    would = "would be " if outcome.place is None else ""
    place = "" if outcome.place is None else f" {outcome.place[0]}:{outcome.place[1]}"
    print(f"{would}sent: {case.id} (attempt {number}) to {outcome.topic}{place}")


@contextmanager
def _opened(wait: float) -> "Iterator[tuple[Settings, RejectedLog]]":
    """Settings and the log; what Kafka raises becomes one line."""
    settings = load_settings()
    start_logs(settings, "dlq", quiet=True)
    from kafka.errors import KafkaError

    from replay.dlq.log import RejectedLog
    from sinks.kafka import PublishError, wait_for_broker

    try:
        wait_for_broker(settings, wait)
        with RejectedLog(settings) as log:
            yield settings, log
    except (KafkaError, PublishError, TimeoutError, LookupError) as error:
        raise kafka_failed(settings, error) from error


def _cases(log: "RejectedLog") -> "list[Case]":
    """All cases, the oldest first."""
    from replay.dlq.cases import fold

    with progress_bar() as bar:
        task = bar.add_task("read", total=None)
        cases = fold(log.entries(lambda done, total: bar.update(task, completed=done, total=total)))
    if log.unreadable:
        say(f"zhengdian: warning: {log.unreadable} records of the topic are none of ours and are left out")
    return cases


def _find(cases: "list[Case]", places: "list[Place]") -> "list[Case]":
    """The cases of those places, each once. A record that was rejected again is found by each place it was rejected at."""
    by_place = {place: case for case in cases for place in case.places}
    found = []
    for partition, offset in places:
        case = by_place.get((partition, offset))
        if case is None:
            raise CommandError(f"{partition}:{offset}: no such rejected record (zhengdian dlq list --state all)")
        found.append(case)
    return list({case.id: case for case in found}.values())


def _place(text: str) -> "Place":
    match = _ID.fullmatch(text)
    if match is None:
        raise wrong_use(f"{text!r} is no record: write partition:offset, as dlq list shows it")
    return int(match[1]), int(match[2])


def _check_reason(reason: str | None) -> None:
    if reason == "sink":
        raise wrong_use(f"--reason sink: rows that ClickHouse would not take {_ELSEWHERE} WHERE reason = 'sink'")
    here = [known for known in REASONS if known != "sink"]
    if reason is not None and reason not in here:
        raise wrong_use(f"--reason must be one of {', '.join(here)}, not {reason!r}")


def _check_topic(topic: str | None) -> None:
    if topic == REFERENCE:
        raise wrong_use(f"--topic {topic}: its records that are no events {_ELSEWHERE} WHERE topic = '{topic}'")
    here = [known.name for known in TOPICS if known.kind in ("source", "command", "output")]
    if topic is not None and topic not in here:
        raise wrong_use(f"--topic must be one of {', '.join(here)}, not {topic!r}")


def _correction(file: Path) -> bytes:
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise wrong_use(f"{file}: {error.strerror or error}") from None
    raw = raw.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")  # an editor's, not the record's
    if not raw:
        raise wrong_use(f"{file}: is empty")
    return raw


def _is(case: "Case", state: str) -> bool:
    return state == "all" or case.state == state or (state == "todo" and case.state in _TODO)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
