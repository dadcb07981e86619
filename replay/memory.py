"""`replay --engine memory`: a past sale run through the processors in this process, without Kafka or ClickHouse.

Reads and writes the files of contract §5. The result depends on the set of events alone: same bytes whatever the order
and repetition of the input lines.
"""

import gc
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeGuard

import orjson

from processors.facts import counts_before, same_content
from processors.partition import Partition
from processors.reference import Reference, ReferenceEvent
from processors.results import Results, results
from processors.ruleset import RulesetBook
from replay.files import InputFile, Line, input_files, read_file
from schemas.events import (
    AgentUpsertedEvent,
    Event,
    InvalidEventError,
    SaleEventScheduledEvent,
    parse_event,
)
from schemas.outputs import RULES
from schemas.rejections import rejection

_CONFLICT: Final = "id: another event with this source and id differs, and counts by its smaller time or content"
EVERYTHING: Final = 2**62
"""A horizon that no event is beyond: a replay settles late facts too."""

Identity = tuple[str, str, str, str]
"""shop, buyer (empty for reference), source, id"""


class Outcome(NamedTuple):
    """A finished replay: the rows and the summary of contract §5 (without `seconds`)."""

    results: Results
    rejected: list[dict[str, Any]]
    summary: dict[str, Any]


class MemoryReplay:
    """Takes lines in any order, then `finish` derives everything once."""

    def __init__(self, book: RulesetBook) -> None:
        self._book = book
        self._partition = Partition(0, book, writer=b"replay", horizon_ms=EVERYTHING)
        self._reference = Reference()
        self._rejected: list[dict[str, Any]] = []
        self._lines = 0
        self._accepted = 0
        self._disputed: set[Identity] = set()

    def take(self, line: Line) -> None:
        """One input line: an event, a duplicate, or something to reject."""
        self._lines += 1
        try:
            event = parse_event(line.raw)
        except InvalidEventError as error:
            self._reject(line, error)
            return
        if _is_reference(event):
            outcome = self._reference.add(event)
        else:
            outcome = self._partition.add_event(event)
        if outcome == "new":
            self._accepted += 1
        elif outcome != "duplicate":
            self._disputed.add(_identity(event))

    def finish(self, reread: Callable[[], Iterator[Line]]) -> Outcome:
        """All rows at the time of the latest event. `reread` gives the lines again, to name those that a conflict lost."""
        if self._disputed:
            self._settle_disputes(reread())
        partition = self._partition
        partition.settle()
        buyers = partition.buyers_by_id.values()
        now = max((buyer.newest for buyer in buyers), default=-EVERYTHING)
        now = max(now, self._reference.newest)
        rows = results(buyers, partition.windows, partition.boards, self._reference, self._book, now)
        self._rejected.sort(key=lambda row: (row["file"], row["line"]))
        by_rule = Counter(flag["rule"] for flag in rows.flags)
        summary = {
            "events": self._lines,
            "accepted": self._accepted,
            "duplicates": self._lines - self._accepted - len(self._rejected),
            "rejected": len(self._rejected),
            "flags": {rule: by_rule[rule] for rule in RULES},
            "call_tasks": len(rows.call_tasks),
        }
        return Outcome(rows, self._rejected, summary)

    def _settle_disputes(self, lines: Iterator[Line]) -> None:
        """Of several contents under one (source, id) the smallest by (time, content) counts; the others are rejected."""
        contents: dict[Identity, list[tuple[Line, Event]]] = defaultdict(list)
        for line in lines:
            try:
                event = parse_event(line.raw)
            except InvalidEventError:
                continue
            if _identity(event) in self._disputed:
                contents[_identity(event)].append((line, event))
        for copies in contents.values():
            winner = copies[0][1]
            for _, event in copies:
                if self._before(event, winner):
                    winner = event
            if not _is_reference(winner):
                self._partition.replace_event(winner)
            for line, event in copies:
                if self._before(winner, event) or self._before(event, winner):
                    self._reject(line, InvalidEventError("conflict", _CONFLICT))

    def _before(self, event: Event, other: Event) -> bool:
        """Whether the event's content is smaller than the other's, which has the same (source, id)."""
        if _is_reference(event) or _is_reference(other):
            return (event.time, event.model_dump_json()) < (other.time, other.model_dump_json())
        one, two = (self._partition.fact(each) for each in (event, other))
        return not same_content(one, two) and counts_before(one, two)

    def _reject(self, line: Line, error: InvalidEventError) -> None:
        self._rejected.append(rejection(error.reason, error.error, line.raw, file=line.file, line=line.number))


def replay(source: Path, out: Path, book: RulesetBook, on_bytes: Callable[[int], None] | None = None) -> dict[str, Any]:
    """Replays every input file below `source` into the files of contract §5 in `out`; returns the summary.

    Raises replay.files.InputError when an input can't be read to its end; nothing is written then.
    """
    began = time.perf_counter()
    files = _inputs(source, out)
    run = MemoryReplay(book)
    with _no_cycle_collection():
        for line in _lines(files, on_bytes):
            run.take(line)
        outcome = run.finish(lambda: _lines(files, None))
        summary = {**outcome.summary, "seconds": round(time.perf_counter() - began, 3)}
        _write(out, outcome, summary)
    return summary


def _inputs(source: Path, out: Path) -> list[InputFile]:
    """The input files; the results of an earlier run in `out` are none, also where it lies below `source`."""
    own = {out.resolve() / f"{name}.jsonl" for name in (*Results._fields, "rejected")}
    return [file for file in input_files(source) if file.path.resolve() not in own]


def _lines(files: list[InputFile], on_bytes: Callable[[int], None] | None) -> Iterator[Line]:
    for file in files:
        yield from read_file(file, on_bytes)


def _identity(event: Event) -> Identity:
    data: Any = event.data
    return data.shop_id, getattr(data, "buyer_id", ""), event.source, event.id


def _is_reference(event: Event) -> TypeGuard[ReferenceEvent]:
    return isinstance(event, AgentUpsertedEvent | SaleEventScheduledEvent)


def _write(out: Path, outcome: Outcome, summary: dict[str, Any]) -> None:
    """Each file appears whole or not at all, the summary last."""
    out.mkdir(parents=True, exist_ok=True)
    tables = {**outcome.results._asdict(), "rejected": outcome.rejected}
    for name, rows in tables.items():
        temporary = out / f".{name}.jsonl.tmp"
        with temporary.open("wb") as file:
            for row in rows:
                file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        temporary.replace(out / f"{name}.jsonl")
    temporary = out / ".summary.json.tmp"
    temporary.write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    temporary.replace(out / "summary.json")


@contextmanager
def _no_cycle_collection() -> Iterator[None]:
    """Facts are immutable tuples without cycles: the collector would only walk millions of them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
