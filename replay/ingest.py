"""Lines of files into Kafka: validated, produced under the contract's keys, rejected ones kept in the dead-letter topic."""

import heapq
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

import orjson

from replay.files import InputError, InputFile, Line, OnBytes, input_files, printable, read_file
from replay.generator import retime
from replay.lines import event_in, rejected_row
from schemas.events import Event, InvalidEventError
from schemas.topics import REFERENCE, REJECTED, TOPIC_OF_TYPE
from schemas.types import format_time
from sinks.kafka import event_key

MAX_EVENT_BYTES: Final = 900_000
"""Kafka takes 1 MiB a record by default"""
_REPORT_EVERY: Final = 1000
_FLUSH_SECONDS: Final = 60.0


class Producer(Protocol):
    """What is needed of `sinks.kafka.EventProducer`; both methods raise what could not be delivered."""

    def submit(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Queue one record."""

    def flush(self, timeout_seconds: float) -> None:
        """Return once the broker has all of them."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When events are sent.

    `speed`: the time between events divided by this, the earliest now; None: as fast as it goes.
    `live`: each event when its `time` has come, at once where it lies in the past; `speed` is not used then.
    `shift_to_now`: as `live`, all times moved by the same amount so that the earliest is now.
    Reference events are always sent at once. Files are read side by side, and what stands too late in one is sent late.
    """

    speed: float | None = None
    live: bool = False
    shift_to_now: bool = False

    @property
    def waits(self) -> bool:
        """Whether anything is ever held back."""
        return self.live or self.shift_to_now or self.speed is not None


AS_FAST_AS_IT_GOES: Final = Pace()


@dataclass(slots=True)
class Clock:
    """The wall clock and waiting, replaceable in tests."""

    now_ms: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)
    sleep: Callable[[float], None] = time.sleep


@dataclass(slots=True)
class IngestCounts:
    """What became of the lines: accepted ones by event type, rejected ones by reason."""

    accepted: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Parsed:
    line: Line
    event: Event | InvalidEventError

    @property
    def order(self) -> int:
        """Event time in ms; what waits for nothing comes first."""
        if isinstance(self.event, InvalidEventError) or TOPIC_OF_TYPE[self.event.type] == REFERENCE:
            return -1
        return self.event.time


def files_of(paths: Iterable[Path]) -> list[InputFile]:
    """The input files below all paths, named as the user gave them. Raises InputError."""
    return [replace(file, name=printable(file.path)) for path in paths for file in input_files(path)]


def ingest(
    files: Iterable[InputFile],
    producer: Producer,
    *,
    pace: Pace = AS_FAST_AS_IT_GOES,
    future_tolerance_ms: int | None = 3_600_000,
    parse: Callable[[Line], Event] | None = None,
    clock: Clock | None = None,
    on_bytes: OnBytes | None = None,
    on_counts: Callable[[IngestCounts], None] | None = None,
) -> IngestCounts:
    """Validate every line and produce it; returns once the broker has all of them.

    Values are the lines' own bytes (with `shift_to_now` with the new times). A line that is no event, or one whose time
    is more than `future_tolerance_ms` ahead of the clock when it is sent (None: any will do), goes to `audit.rejected`
    with file and line. `parse`: the event of a line, or InvalidEventError; by default what `live_event` says.
    Raises InputError for a file that can't be read to its end, and what `producer` raises.
    """
    clock = clock or Clock()
    counts = IngestCounts()
    parsed = (_parse(read_file(file, on_bytes), parse or live_event) for file in files)
    items = _in_time(parsed, pace, clock) if pace.waits else _one_by_one(parsed)
    handled = 0
    try:
        for item, shift_ms in items:
            latest_ms = None if future_tolerance_ms is None else clock.now_ms() + future_tolerance_ms
            _send(item, shift_ms, producer, latest_ms, counts)
            handled += 1
            if on_counts is not None and (pace.waits or handled % _REPORT_EVERY == 0):
                on_counts(counts)
    except InputError:
        producer.flush(_FLUSH_SECONDS)  # what was taken is delivered, also when a later file turns out to be broken
        raise
    producer.flush(_FLUSH_SECONDS)
    if on_counts is not None:
        on_counts(counts)
    return counts


def rejected_line(line: Line, error: InvalidEventError) -> bytes:
    """The dead-letter record of a line: `schemas.outputs.Rejected` as JSON."""
    return orjson.dumps(rejected_row(line, error))


def live_event(line: Line) -> Event:
    """The line's event as live ingest takes it. Raises InvalidEventError."""
    return event_in(line, MAX_EVENT_BYTES)


def _parse(lines: Iterable[Line], parse: Callable[[Line], Event]) -> Iterator[_Parsed]:
    for line in lines:
        event: Event | InvalidEventError
        try:
            event = parse(line)
        except InvalidEventError as error:
            event = error
        yield _Parsed(line, event)


def _one_by_one(files: Iterable[Iterator[_Parsed]]) -> Iterator[tuple[_Parsed, int]]:
    for parsed in files:
        for item in parsed:
            yield item, 0


def _in_time(files: Iterable[Iterator[_Parsed]], pace: Pace, clock: Clock) -> Iterator[tuple[_Parsed, int]]:
    """Items when they are due, each with the shift of its time in ms."""
    started = clock.now_ms()
    shift = first = None
    held: list[_Parsed] = []  # reference events before the shift is known
    for item in heapq.merge(*files, key=lambda item: item.order):
        if item.order < 0:
            if shift is None and pace.shift_to_now:
                held.append(item)
            else:
                yield item, shift or 0
            continue
        if first is None or shift is None:
            first = item.order
            shift = started - first if pace.shift_to_now else 0
            yield from ((early, shift) for early in held)
            held.clear()
        due = item.order + shift
        if not pace.live and not pace.shift_to_now and pace.speed is not None:
            due = started + round((item.order - first) / pace.speed)
        while (ahead := due - clock.now_ms()) > 0:
            clock.sleep(min(ahead / 1000, 1.0))
        yield item, shift
    yield from ((early, 0) for early in held)


def _send(item: _Parsed, shift_ms: int, producer: Producer, latest_ms: int | None, counts: IngestCounts) -> None:
    event, raw = item.event, item.line.raw
    if latest_ms is not None and not isinstance(event, InvalidEventError) and event.time + shift_ms > latest_ms:
        event = InvalidEventError("future", f"time: is too far ahead of the clock, got {format_time(event.time)!r}")
    if isinstance(event, InvalidEventError):
        producer.submit(REJECTED, None, rejected_line(item.line, event))
        counts.rejected[event.reason] += 1
        return
    if shift_ms:
        raw = _moved(raw, shift_ms)
    producer.submit(TOPIC_OF_TYPE[event.type], event_key(event), raw)
    counts.accepted[event.type] += 1


def _moved(raw: bytes, shift_ms: int) -> bytes:
    """The event with all its times moved; fields that the contract does not know stay."""
    (moved,) = retime([json.loads(raw)], shift_ms)
    return orjson.dumps(moved)
