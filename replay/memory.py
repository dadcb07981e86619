"""`replay --engine memory`: a past sale run through the processors in this process, without Kafka or ClickHouse.

Reads and writes the files of contract §5. The result depends on the set of events alone: same bytes whatever the order
and repetition of the input lines.
"""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from processors.leaderboard import BoardKey, BoardSums
from processors.partition import Partition
from processors.reference import Reference
from processors.results import Results, results
from processors.ruleset import RulesetBook
from processors.windows import WindowKey, WindowSums
from replay.disputes import Identity, identity, is_reference, lost, settle
from replay.files import InputFile, Line, input_files, read_file
from replay.lines import event_in, rejected_row
from replay.output import TABLES, summarize, write_summary, write_tables
from schemas.events import Event, InvalidEventError

RejectedKey = tuple[str, int, str, int, int, str, str]
EVERYTHING: Final = 2**62
"""A horizon that no event is beyond: a replay settles late facts too."""


class Outcome(NamedTuple):
    """A finished replay: the rows and the summary of contract §5 (without `seconds`)."""

    results: Results
    rejected: list[dict[str, Any]]
    summary: dict[str, Any]


class Share(NamedTuple):
    """What the lines taken come to, before *now* and the reference data of the whole input are known."""

    lines: int
    accepted: int
    rejected: list[dict[str, Any]]
    newest: int
    """time of the latest event, ms; far in the past without any"""
    reference: Reference
    windows: dict[WindowKey, WindowSums]
    boards: dict[BoardKey, BoardSums]


class MemoryReplay:
    """Takes lines in any order, then `finish` derives everything once.

    Where several of it have a share of the buyers each, `settle` and `rows` take the place of `finish`.
    """

    def __init__(self, book: RulesetBook) -> None:
        self._book = book
        self._partition = Partition(0, book, writer=b"replay", horizon_ms=EVERYTHING)
        self._reference = Reference()
        self._rejected: dict[RejectedKey, dict[str, Any]] = {}
        self._lines = 0
        self._accepted = 0
        self._disputed: set[Identity] = set()

    def take(self, line: Line, mine: Callable[[Event], bool] | None = None) -> bool:
        """One input line: an event, a duplicate, or something to reject. False: its event is not `mine`, nor taken."""
        try:
            event = event_in(line)
        except InvalidEventError as error:
            self._lines += 1
            self._reject(line, error)
            return True
        if mine is not None and not mine(event):
            return False
        self._lines += 1
        outcome = self._reference.add(event) if is_reference(event) else self._partition.add_event(event)
        if outcome == "new":
            self._accepted += 1
        elif outcome != "duplicate":
            self._disputed.add(identity(event))
        return True

    def finish(self, reread: Callable[[], Iterator[Line]]) -> Outcome:
        """All rows at the time of the latest event. `reread` gives the lines again, to name those that a conflict lost."""
        share = self.settle(reread)
        rows = self.rows(share.newest, share.reference, share.windows, share.boards)
        by_rule = Counter(flag["rule"] for flag in rows.flags)
        return Outcome(rows, share.rejected, summary_of([share], by_rule, len(rows.call_tasks)))

    def settle(self, reread: Callable[[], Iterator[Line]]) -> Share:
        """Derives everything that one buyer's facts tell; `reread` as for `finish`."""
        if self._disputed:
            self._settle_disputes(reread())
        partition = self._partition
        partition.settle()
        newest = max((buyer.newest for buyer in partition.buyers_by_id.values()), default=-EVERYTHING)
        newest = max(newest, self._reference.newest)
        return Share(
            self._lines,
            self._accepted,
            in_order(self._rejected.values()),
            newest,
            self._reference,
            partition.windows,
            partition.boards,
        )

    def rows(
        self,
        now: int,
        reference: Reference,
        windows: dict[WindowKey, WindowSums],
        boards: dict[BoardKey, BoardSums],
    ) -> Results:
        """The rows of the buyers taken, and those of the sums given, as they stand at `now` (ms)."""
        return results(self._partition.buyers_by_id.values(), windows, boards, reference, self._book, now)

    def _settle_disputes(self, lines: Iterator[Line]) -> None:
        winners, losers = settle(lines, self._disputed.__contains__, self._book)
        for winner in winners:
            if not is_reference(winner):
                self._partition.replace_event(winner)
        for line in losers:
            self._reject(line, lost())

    def _reject(self, line: Line, error: InvalidEventError) -> None:
        row = rejected_row(line, error)
        self._rejected[_rejected_key(row)] = row  # an archive may have one as often as it was delivered


def replay(source: Path, out: Path, book: RulesetBook, on_bytes: Callable[[int], None] | None = None) -> dict[str, Any]:
    """Replays every input file below `source` into the files of contract §5 in `out`; returns the summary.

    Raises replay.files.InputError when an input can't be read to its end; nothing is written then.
    """
    with no_cycle_collection():
        # a function of its own: what it holds has gone before the collector is back to walk over it
        return _replay(source, out, book, on_bytes)


def _replay(source: Path, out: Path, book: RulesetBook, on_bytes: Callable[[int], None] | None) -> dict[str, Any]:
    began = time.perf_counter()
    files = inputs(source, out)
    run = MemoryReplay(book)
    for line in all_lines(files, on_bytes):
        run.take(line)
    outcome = run.finish(lambda: all_lines(files))
    write_tables(out, {**outcome.results._asdict(), "rejected": outcome.rejected})
    summary = {**outcome.summary, "seconds": round(time.perf_counter() - began, 3)}
    write_summary(out, summary)
    return summary


def in_order(rejected: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rejected rows in the order of their file, which is that of replay.export: by file and line, then topic and offset."""
    return sorted(rejected, key=_rejected_key)


def _rejected_key(row: dict[str, Any]) -> RejectedKey:
    """What tells rejected rows apart, as in the table `rejected`."""
    numbers = (-1 if row[name] is None else row[name] for name in ("line", "partition", "offset"))
    line, partition, offset = numbers
    return row["file"] or "", line, row["topic"] or "", partition, offset, row["reason"], row["raw"]


def summary_of(shares: Sequence[Share], flags: Mapping[str, int], call_tasks: int) -> dict[str, Any]:
    """The summary of contract §5 without `seconds`; `flags` by rule."""
    return summarize(
        events=sum(share.lines for share in shares),
        accepted=sum(share.accepted for share in shares),
        rejected=sum(len(share.rejected) for share in shares),
        flags=flags,
        call_tasks=call_tasks,
    )


def inputs(source: Path, out: Path) -> list[InputFile]:
    """The input files; the results of an earlier run in `out` are none, also where it lies below `source`."""
    own = {out.resolve() / f"{name}.jsonl" for name in TABLES}
    return [file for file in input_files(source, rejected=True) if file.path.resolve() not in own]


def all_lines(files: list[InputFile], on_bytes: Callable[[int], None] | None = None) -> Iterator[Line]:
    """The lines of all files."""
    for file in files:
        yield from read_file(file, on_bytes)


@contextmanager
def no_cycle_collection() -> Iterator[None]:
    """Facts are immutable tuples without cycles: the collector would only walk millions of them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
