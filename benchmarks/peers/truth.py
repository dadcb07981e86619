"""What the windows are: the memory replay's, and how much of them a peer has found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.peers.events import Record
from benchmarks.peers.job import FIGURES, TOPIC
from processors.calendar import calendar
from processors.ruleset import default_book
from processors.windows import SIZES_MS, in_platform_hours
from replay.files import Line
from replay.memory import MemoryReplay, no_cycle_collection
from schemas.types import parse_time

Window = tuple[str, str, int, int, str]
"""shop, agent, start (ms), size (ms), definition"""
Windows = Mapping[Window, tuple[int, ...]]
"""window -> FIGURES; those without a round are left out"""

_FIVE_MINUTES: Final = min(SIZES_MS)


def windows_of(records: Sequence[Record]) -> Windows:
    """By the product's own pure core, which settles order and repetition as the contract says."""
    lines = [Line(f"{TOPIC}.jsonl", number, value) for number, (_, value) in enumerate(records, 1)]
    run = MemoryReplay(default_book())
    with no_cycle_collection():
        for line in lines:
            run.take(line)
        outcome = run.finish(lambda: iter(lines))
    assert not outcome.rejected
    return product_windows(outcome.results.response_windows)


def product_windows(rows: Iterable[Mapping[str, Any]]) -> Windows:
    """Of rows as the product writes them, those of several partitions added up."""
    sums: dict[Window, tuple[int, ...]] = {}
    for row in rows:
        if row["rounds"]:
            window = (
                row["shop_id"],
                row["agent_id"],
                parse_time(row["window_start"]),
                row["window_seconds"] * 1000,
                row["definition"],
            )
            _add(sums, window, row)
    return sums


def rolled_up(rows: Iterable[Mapping[str, Any]]) -> Windows:
    """All sizes and definitions out of a peer's 5-minute windows: the others are sums of these in the shops' zone."""
    book = default_book()
    sums: dict[Window, tuple[int, ...]] = {}
    for row in rows:
        shop, agent, start = row["shop_id"], row["agent_id"], row["window_start"]
        rules = book.at(shop, start)
        days = calendar(rules.timezone)
        for definition in ("all", "platform") if in_platform_hours(start, rules, days) else ("all",):
            for size in SIZES_MS:
                _add(sums, (shop, agent, days.window_start(start, size), size, definition), row)
    return sums


def _add(sums: dict[Window, tuple[int, ...]], window: Window, row: Mapping[str, Any]) -> None:
    had = sums.get(window, (0,) * len(FIGURES))
    sums[window] = tuple(figure + row[name] for figure, name in zip(had, FIGURES, strict=True))


@dataclass(frozen=True, slots=True)
class Score:
    """Windows with all FIGURES right, windows that there are, windows that there should not be; responses counted (some
    maybe twice), responses that there are."""

    correct: int
    total: int
    extra: int
    responses: int
    responses_total: int


def score(found: Windows, truth: Windows) -> Score:
    """How much of the truth was found."""
    return Score(
        correct=sum(found.get(window) == figures for window, figures in truth.items()),
        total=len(truth),
        extra=len(found.keys() - truth.keys()),
        responses=_responses(found),
        responses_total=_responses(truth),
    )


def _responses(windows: Windows) -> int:
    answered = FIGURES.index("answered")
    return sum(
        figures[answered]
        for (_, _, _, size, definition), figures in windows.items()
        if (size, definition) == (_FIVE_MINUTES, "all")
    )
